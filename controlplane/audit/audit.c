/* audit.c - see audit.h. */
#include "controlplane/audit/audit.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/audit/internal.h"
#include "controlplane/store/store.h"

enum { MAX_TEXT = 512, MAX_TRIES = 200, REPLICA_BYTES = 256 };

struct weir_audit {
    pthread_mutex_t lock;
    struct weir_store *store;
    struct weir__audit_queue *queue;
    char replica[REPLICA_BYTES]; /* this machine's name */
};

/* Only the text counts; action is there to find the newest of a kind. */
static const char *const migrations[] = {
    "CREATE TABLE audit (seq {int} PRIMARY KEY, action TEXT NOT NULL, entry TEXT NOT NULL,"
    " hash TEXT NOT NULL) {strict};"
    "CREATE INDEX audit_action ON audit (action, seq)",
};

int weir_audit_migrate(struct weir_store *s)
{
    return weir_store_migrate(s, "audit", migrations, sizeof migrations / sizeof *migrations);
}

int weir_audit_open(const char *path, struct weir_audit **out)
{
    struct weir_store *store = NULL;
    struct weir_audit *a;
    int rc = weir_store_open(path, WEIR_STORE_FULL_SYNC, &store);

    if (rc == WEIR_OK)
        rc = weir_audit_migrate(store);
    if (rc != WEIR_OK) {
        weir_store_close(store);
        return rc;
    }
    a = WEIR_NEW(struct weir_audit);
    a->store = store;
    (void)pthread_mutex_init(&a->lock, NULL);
    if (gethostname(a->replica, sizeof a->replica - 1) != 0)
        a->replica[0] = 0;
    a->queue = weir__audit_queue_start(a);
    *out = a;
    return WEIR_OK;
}

void weir_audit_close(struct weir_audit *a)
{
    if (!a)
        return;
    weir__audit_queue_stop(a->queue);
    weir_store_close(a->store);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}

/* ---- an entry's text ---- */

void weir__audit_hash(struct weir_str text, char out[WEIR_AUDIT_HASH + 1])
{
    unsigned char digest[WEIR_SHA256_BYTES];

    weir_sha256(text, digest);
    weir_hex(digest, sizeof digest, out);
}

static void member(struct weir_buf *out, const char *key, const char *value)
{
    struct weir_str text = weir_str_of(value);

    if (!text.p)
        return;
    if (text.n > MAX_TEXT)
        text.n = MAX_TEXT;
    (void)weir_buf_addf(out, ",\"%s\":", key);
    (void)weir_buf_add_json(out, text);
}

static void number(struct weir_buf *out, const char *key, int64_t value)
{
    (void)weir_buf_addf(out, ",\"%s\":%lld", key, (long long)value);
}

static void add_detail(struct weir_buf *out, struct weir_str detail)
{
    yyjson_doc *doc =
        detail.n && detail.n <= WEIR_AUDIT_MAX_DETAIL ? yyjson_read(detail.p, detail.n, 0) : NULL;
    char *text = NULL;
    size_t n = 0;

    /* Written anew: one line, whatever white space it had. */
    if (yyjson_is_obj(yyjson_doc_get_root(doc)))
        text = yyjson_write(doc, 0, &n);
    if (text && n <= WEIR_AUDIT_MAX_DETAIL) {
        (void)weir_buf_addz(out, ",\"detail\":");
        (void)weir_buf_add(out, text, n);
    } else if (detail.n) {
        number(out, "detailBytes", (int64_t)detail.n);
    }
    free(text);
    yyjson_doc_free(doc);
}

void weir__audit_text(const struct weir_audit_entry *e, const struct weir_audit_head *before,
                      int64_t at_ms, const char *replica, struct weir_buf *out)
{
    (void)weir_buf_addf(out, "{\"seq\":%lld", (long long)before->seq + 1);
    number(out, "atMs", at_ms);
    member(out, "replica", *replica ? replica : NULL);
    member(out, "actor", e->actor);
    member(out, "from", e->from);
    member(out, "action", e->action);
    member(out, "object", e->object);
    member(out, "outcome", e->outcome);
    if (e->of)
        number(out, "of", e->of);
    member(out, "before", e->before);
    member(out, "after", e->after);
    add_detail(out, e->detail);
    member(out, "prev", before->hash);
    (void)weir_buf_addz(out, "}");
}

/* ---- appending ---- */

static int read_head(struct weir_audit *a, struct weir_audit_head *out)
{
    struct weir_stmt *st;
    int rc =
        weir_store_stmt(a->store, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", &st);

    out->seq = 0;
    memset(out->hash, '0', WEIR_AUDIT_HASH);
    out->hash[WEIR_AUDIT_HASH] = 0;
    if (rc != WEIR_OK)
        return rc;
    rc = weir_stmt_step(st);
    if (rc == 1) {
        out->seq = weir_stmt_i64(st, 0);
        (void)snprintf(out->hash, sizeof out->hash, "%.*s", WEIR_STR_ARG(weir_stmt_str(st, 1)));
    }
    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

static int insert(struct weir_audit *a, int64_t seq, const char *action, struct weir_str text,
                  const char *hash)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(a->store,
                             "INSERT INTO audit(seq, action, entry, hash) VALUES(?1, ?2, ?3, ?4)"
                             " ON CONFLICT DO NOTHING",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, seq);
    weir_stmt_bind_str(st, 2, weir_str_of(action));
    weir_stmt_bind_str(st, 3, text);
    weir_stmt_bind_str(st, 4, weir_str_of(hash));
    rc = weir_stmt_run(st);
    if (rc != WEIR_OK)
        return rc;
    return weir_store_changes(a->store) ? WEIR_OK : WEIR_ERETRY; /* another replica was faster */
}

/* Has the newest entry of the action this `after`? */
static int is_same(struct weir_audit *a, const struct weir_audit_entry *e, bool *out)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(
        a->store, "SELECT entry FROM audit WHERE action = ?1 ORDER BY seq DESC LIMIT 1", &st);

    *out = false;
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(e->action));
    rc = weir_stmt_step(st);
    if (rc == 1) {
        struct weir_str text = weir_stmt_str(st, 0);
        yyjson_doc *doc = yyjson_read(text.p, text.n, 0);
        const char *after = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "after"));

        *out = after && e->after && strcmp(after, e->after) == 0;
        yyjson_doc_free(doc);
    }
    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

/* One attempt, within a transaction. made: what it wrote; seq 0: nothing. */
static int attempt(struct weir_audit *a, const struct weir_audit_entry *e,
                   struct weir_audit_head *made)
{
    struct weir_audit_head head;
    struct weir_buf text;
    int64_t now_ms;
    bool same = false;
    int rc = read_head(a, &head);

    made->seq = 0;
    if (rc == WEIR_OK)
        rc = weir_store_now(a->store, &now_ms);
    if (rc == WEIR_OK && e->once)
        rc = is_same(a, e, &same);
    if (rc != WEIR_OK || same)
        return rc;
    weir_buf_init(&text, WEIR_AUDIT_MAX_LINE);
    weir__audit_text(e, &head, now_ms, a->replica, &text);
    weir__audit_hash(weir_buf_str(&text), made->hash);
    rc = text.full ? WEIR_ELIMIT
                   : insert(a, head.seq + 1, e->action, weir_buf_str(&text), made->hash);
    made->seq = head.seq + 1;
    weir_buf_fini(&text);
    return rc;
}

/* After a commit of which nobody knows: is the entry there? */
static int was_kept(struct weir_audit *a, const struct weir_audit_head *made)
{
    struct weir_stmt *st;
    int64_t n = 0;
    int rc =
        weir_store_stmt(a->store, "SELECT count(*) FROM audit WHERE seq = ?1 AND hash = ?2", &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, made->seq);
    weir_stmt_bind_str(st, 2, weir_str_of(made->hash));
    rc = weir_stmt_run_i64(st, &n);
    if (rc != WEIR_OK)
        return rc;
    return n ? WEIR_OK : WEIR_ERETRY;
}

static int append(struct weir_audit *a, const struct weir_audit_entry *e,
                  struct weir_audit_head *made)
{
    int rc = WEIR_ERETRY;

    *made = (struct weir_audit_head){.seq = 0};
    for (int i = 0; rc == WEIR_ERETRY && i < MAX_TRIES; i++) {
        rc = weir_store_begin(a->store);
        if (rc == WEIR_OK)
            rc = attempt(a, e, made);
        if (rc == WEIR_OK)
            rc = weir_store_commit(a->store);
        weir_store_rollback(a->store);
        if (rc == WEIR_EUNSURE)
            rc = made->seq ? was_kept(a, made) : WEIR_OK;
    }
    return rc;
}

int weir_audit_append(struct weir_audit *a, const struct weir_audit_entry *e, int64_t *out_seq)
{
    struct weir_audit_head made;
    int rc;

    (void)pthread_mutex_lock(&a->lock);
    rc = append(a, e, &made);
    (void)pthread_mutex_unlock(&a->lock);
    if (rc != WEIR_OK)
        return rc;
    /* The log is often kept elsewhere: each line anchors the chain up to that entry. */
    if (made.seq)
        WEIR_LOG(WEIR_LOG_INFO, "audit", "%lld:%s %s%s%s%s%s", (long long)made.seq, made.hash,
                 e->action, e->object ? " " : "", e->object ? e->object : "", e->outcome ? " " : "",
                 e->outcome ? e->outcome : "");
    if (out_seq)
        *out_seq = made.seq;
    return WEIR_OK;
}

bool weir_audit_post(struct weir_audit *a, const struct weir_audit_entry *e)
{
    return weir__audit_queue_add(a->queue, e);
}

/* ---- reading ---- */

static void as_line(struct weir_stmt *st, struct weir_buf *line)
{
    struct weir_str text = weir_stmt_str(st, 0);

    weir_buf_clear(line);
    (void)weir_buf_add(line, text.p, text.n ? text.n - 1 : 0);
    (void)weir_buf_addz(line, ",\"hash\":\"");
    (void)weir_buf_adds(line, weir_stmt_str(st, 1));
    (void)weir_buf_addz(line, "\"}");
}

static int read_lines(struct weir_audit *a, int64_t after, int64_t limit, weir_audit_line_fn fn,
                      void *arg)
{
    struct weir_stmt *st;
    struct weir_buf line;
    int rc = weir_store_stmt(
        a->store, "SELECT entry, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2", &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, after);
    weir_stmt_bind_i64(st, 2, limit < WEIR_AUDIT_MAX_READ ? limit : WEIR_AUDIT_MAX_READ);
    weir_buf_init(&line, WEIR_AUDIT_MAX_LINE + 256);
    while ((rc = weir_stmt_step(st)) == 1) {
        as_line(st, &line);
        fn(arg, weir_buf_str(&line));
    }
    weir_stmt_reset(st);
    weir_buf_fini(&line);
    return rc;
}

int weir_audit_read(struct weir_audit *a, int64_t after, int64_t limit, weir_audit_line_fn fn,
                    void *arg, struct weir_audit_head *head)
{
    int rc;

    (void)pthread_mutex_lock(&a->lock);
    rc = read_head(a, head);
    /* Outside a transaction a lost connection is only noticed: begin brings it back. */
    if (rc != WEIR_OK && weir_store_begin(a->store) == WEIR_OK)
        rc = read_head(a, head);
    if (rc == WEIR_OK)
        rc = read_lines(a, after, limit, fn, arg);
    weir_store_rollback(a->store);
    (void)pthread_mutex_unlock(&a->lock);
    return rc;
}
