/* keys.c - see keys.h. */
#include "controlplane/api/keys.h"

#include <pthread.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rand.h"
#include "controlplane/store/store.h"

enum { MAX_KEYS = 100000, MAX_NAME = 253 };

struct weir_keys {
    pthread_mutex_t lock;
    struct weir_store *store;
};

static const char *const migrations[] = {
    "CREATE TABLE keys ("
    " namespace TEXT NOT NULL, id TEXT NOT NULL, agent TEXT NOT NULL, sha256 TEXT NOT NULL UNIQUE,"
    " created_ms {int} NOT NULL, expires_ms {int} NOT NULL, revoked_ms {int} NOT NULL,"
    " PRIMARY KEY (namespace, id)) {keyed}",
    "CREATE TABLE keys_changed (id {int} PRIMARY KEY, revision {int} NOT NULL) {strict};"
    "INSERT INTO keys_changed VALUES (1, 1)",
};

int weir_keys_migrate(struct weir_store *s)
{
    return weir_store_migrate(s, "keys", migrations, sizeof migrations / sizeof *migrations);
}

int weir_keys_open(const char *path, struct weir_keys **out)
{
    struct weir_store *store = NULL;
    struct weir_keys *k;
    int rc = weir_store_open(path, WEIR_STORE_FULL_SYNC, &store);

    if (rc == WEIR_OK)
        rc = weir_keys_migrate(store);
    if (rc != WEIR_OK) {
        weir_store_close(store);
        return rc;
    }
    k = WEIR_NEW(struct weir_keys);
    k->store = store;
    pthread_mutex_init(&k->lock, NULL);
    *out = k;
    return WEIR_OK;
}

void weir_keys_close(struct weir_keys *k)
{
    if (!k)
        return;
    weir_store_close(k->store);
    pthread_mutex_destroy(&k->lock);
    free(k);
}

void weir_key_generate(char out[WEIR_KEY_TEXT_MAX])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char prefix[] = "weir_sk_";
    unsigned char raw[64];
    size_t n = sizeof prefix - 1, digits_left = WEIR_KEY_DIGITS;

    memcpy(out, prefix, n);
    while (digits_left) {
        weir_rand_bytes(raw, sizeof raw);
        /* Bytes past the largest multiple of 62 are left out, so that every digit is as likely. */
        for (size_t i = 0; i < sizeof raw && digits_left; i++)
            if (raw[i] < 248) {
                out[n++] = digits[raw[i] % 62];
                digits_left--;
            }
    }
    out[n] = 0;
    weir_wipe(raw, sizeof raw);
}

/* Names as the policy has them: lower-case letters, digits, '-', '.', beginning and ending with a
 * letter or a digit. */
static bool is_name(struct weir_str s)
{
    if (!s.n || s.n > MAX_NAME || s.p[0] == '-' || s.p[0] == '.' || s.p[s.n - 1] == '-' ||
        s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static int insert(struct weir_keys *k, const struct weir_key *key)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(k->store,
                             "INSERT INTO keys (namespace, id, agent, sha256, created_ms,"
                             " expires_ms, revoked_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)"
                             " ON CONFLICT DO NOTHING",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(key->ns));
    weir_stmt_bind_str(st, 2, weir_str_of(key->id));
    weir_stmt_bind_str(st, 3, weir_str_of(key->agent));
    weir_stmt_bind_str(st, 4, weir_str_of(key->sha256));
    weir_stmt_bind_i64(st, 5, key->created_ms);
    weir_stmt_bind_i64(st, 6, key->expires_ms);
    rc = weir_stmt_run(st);
    if (rc != WEIR_OK)
        return rc;
    return weir_store_changes(k->store) ? WEIR_OK : WEIR_EEXIST;
}

static int revoke(struct weir_keys *k, struct weir_str ns, struct weir_str id, int64_t now_ms)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(k->store,
                             "UPDATE keys SET revoked_ms = ?3"
                             " WHERE namespace = ?1 AND id = ?2 AND revoked_ms = 0",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, ns);
    weir_stmt_bind_str(st, 2, id);
    weir_stmt_bind_i64(st, 3, now_ms);
    rc = weir_stmt_run(st);
    if (rc != WEIR_OK)
        return rc;
    return weir_store_changes(k->store) ? WEIR_OK : WEIR_ENOTFOUND;
}

/* In the change's own transaction, so that whoever sees the revision sees the change. */
static int commit_change(struct weir_keys *k)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(k->store,
                             "UPDATE keys_changed SET revision = revision + 1 WHERE id = 1", &st);

    if (rc == WEIR_OK)
        rc = weir_stmt_run(st);
    return rc == WEIR_OK ? weir_store_commit(k->store) : rc;
}

int weir_keys_create(struct weir_keys *k, struct weir_str ns, struct weir_str agent,
                     struct weir_str id, int64_t expires_ms, int64_t now_ms,
                     struct weir_arena *arena, struct weir_key *out,
                     char out_text[WEIR_KEY_TEXT_MAX])
{
    struct weir_key key = {.created_ms = now_ms, .expires_ms = expires_ms};
    unsigned char digest[WEIR_SHA256_BYTES], suffix[4];
    char text[WEIR_KEY_TEXT_MAX], hex[9];
    int rc;

    if (!is_name(ns) || !is_name(agent) || (id.n && !is_name(id)) ||
        agent.n > MAX_NAME - sizeof hex)
        return WEIR_EINVAL;
    weir_rand_bytes(suffix, sizeof suffix);
    weir_hex(suffix, sizeof suffix, hex);
    key.ns = weir_arena_strdup(arena, ns);
    key.agent = weir_arena_strdup(arena, agent);
    key.id =
        id.n ? weir_arena_strdup(arena, id) : weir_arena_printf(arena, "%s-%s", key.agent, hex);
    weir_key_generate(text);
    weir_sha256(weir_str_of(text), digest);
    weir_hex(digest, sizeof digest, key.sha256);

    pthread_mutex_lock(&k->lock);
    rc = weir_store_begin(k->store);
    if (rc == WEIR_OK)
        rc = insert(k, &key);
    if (rc == WEIR_OK)
        rc = commit_change(k);
    weir_store_rollback(k->store);
    pthread_mutex_unlock(&k->lock);
    if (rc == WEIR_OK) {
        *out = key;
        memcpy(out_text, text, sizeof text);
    }
    weir_wipe(text, sizeof text);
    return rc;
}

int weir_keys_revoke(struct weir_keys *k, struct weir_str ns, struct weir_str id, int64_t now_ms)
{
    int rc;

    pthread_mutex_lock(&k->lock);
    rc = weir_store_begin(k->store);
    if (rc == WEIR_OK)
        rc = revoke(k, ns, id, now_ms);
    if (rc == WEIR_OK)
        rc = commit_change(k);
    weir_store_rollback(k->store);
    pthread_mutex_unlock(&k->lock);
    return rc;
}

int weir_keys_revision(struct weir_keys *k, int64_t *out)
{
    struct weir_stmt *st;
    int rc;

    pthread_mutex_lock(&k->lock);
    rc = weir_store_stmt(k->store, "SELECT revision FROM keys_changed WHERE id = 1", &st);
    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, out);
    pthread_mutex_unlock(&k->lock);
    return rc;
}

static void read_row(struct weir_stmt *st, struct weir_arena *arena, struct weir_key *key)
{
    struct weir_str sha = weir_stmt_str(st, 3);

    *key = (struct weir_key){.ns = weir_arena_strdup(arena, weir_stmt_str(st, 0)),
                             .id = weir_arena_strdup(arena, weir_stmt_str(st, 1)),
                             .agent = weir_arena_strdup(arena, weir_stmt_str(st, 2)),
                             .created_ms = weir_stmt_i64(st, 4),
                             .expires_ms = weir_stmt_i64(st, 5),
                             .revoked_ms = weir_stmt_i64(st, 6)};
    snprintf(key->sha256, sizeof key->sha256, "%.*s", WEIR_STR_ARG(sha));
}

static int read_all(struct weir_keys *k, struct weir_arena *arena, struct weir_key **out,
                    size_t *out_n)
{
    struct weir_stmt *st;
    struct weir_key *keys;
    size_t n = 0, max = 0;
    int rc = weir_store_stmt(k->store, "SELECT count(*) FROM keys", &st);

    if (rc != WEIR_OK)
        return rc;
    if ((rc = weir_stmt_step(st)) == 1)
        max = (size_t)weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    if (rc < 0)
        return rc;
    max = max < MAX_KEYS ? max : MAX_KEYS;
    keys = weir_arena_zalloc(arena, (max + 1) * sizeof *keys);
    rc = weir_store_stmt(k->store,
                         "SELECT namespace, id, agent, sha256, created_ms, expires_ms, revoked_ms"
                         " FROM keys ORDER BY namespace, id",
                         &st);
    if (rc != WEIR_OK)
        return rc;
    while (n < max && (rc = weir_stmt_step(st)) == 1)
        read_row(st, arena, &keys[n++]);
    weir_stmt_reset(st);
    if (rc < 0)
        return rc;
    *out = keys;
    *out_n = n;
    return WEIR_OK;
}

int weir_keys_list(struct weir_keys *k, struct weir_arena *arena, struct weir_key **out,
                   size_t *out_n)
{
    int rc;

    pthread_mutex_lock(&k->lock);
    rc = read_all(k, arena, out, out_n);
    pthread_mutex_unlock(&k->lock);
    return rc;
}
