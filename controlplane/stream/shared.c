/* shared.c - see shared.h. */
#include "controlplane/stream/shared.h"

#include <pthread.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/store/store.h"

enum { PEM_BYTES = 16384, TRIES = 5 };

struct weir__shared {
    pthread_mutex_t lock;
    struct weir_store *store;
};

static const char *const migrations[] = {
    "CREATE TABLE authority (id {int} PRIMARY KEY CHECK (id = 1), certificate TEXT NOT NULL,"
    " private_key TEXT NOT NULL) {strict};"
    "CREATE TABLE join_tokens (digest TEXT PRIMARY KEY, namespace TEXT NOT NULL,"
    " expires_ms {int} NOT NULL) {strict, keyed}",
};

int weir__shared_open(const char *dsn, struct weir__shared **out)
{
    struct weir_store *store = NULL;
    struct weir__shared *s;
    int rc = weir_store_open(dsn, WEIR_STORE_FULL_SYNC, &store);

    if (rc == WEIR_OK)
        rc = weir_store_migrate(store, "enrolment", migrations,
                                sizeof migrations / sizeof *migrations);
    if (rc != WEIR_OK) {
        weir_store_close(store);
        return rc;
    }
    s = WEIR_NEW(struct weir__shared);
    s->store = store;
    pthread_mutex_init(&s->lock, NULL);
    *out = s;
    return WEIR_OK;
}

void weir__shared_close(struct weir__shared *s)
{
    if (!s)
        return;
    weir_store_close(s->store);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- the authority ---- */

static char *read_text(const char *folder, const char *name)
{
    char path[4096];
    struct weir_buf b;
    char *text = NULL;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    weir_buf_init(&b, PEM_BYTES);
    if (weir_file_read(path, &b) == WEIR_OK)
        text = weir_strdup(weir_buf_str(&b));
    if (b.p)
        weir_wipe(b.p, b.n);
    weir_buf_fini(&b);
    return text;
}

/* 1: read; 0: there is none yet. */
static int read_authority(struct weir__shared *s, char **out_crt, char **out_key)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s->store,
                             "SELECT certificate, private_key FROM authority WHERE id = 1", &st);

    if (rc != WEIR_OK)
        return rc;
    rc = weir_stmt_step(st);
    if (rc == 1) {
        *out_crt = weir_strdup(weir_stmt_str(st, 0));
        *out_key = weir_strdup(weir_stmt_str(st, 1));
    }
    weir_stmt_reset(st);
    return rc;
}

static int write_authority(struct weir__shared *s, const char *crt, const char *key)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s->store,
                             "INSERT INTO authority(id, certificate, private_key) VALUES(1, ?1, ?2)"
                             " ON CONFLICT DO NOTHING",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(crt));
    weir_stmt_bind_str(st, 2, weir_str_of(key));
    return weir_stmt_run(st);
}

static int offer_authority(struct weir__shared *s, const char *folder)
{
    char *crt = read_text(folder, "ca.crt"), *key = read_text(folder, "ca.key");
    struct weir_ca *ca = NULL;
    int rc;

    if (crt && key) {
        rc = weir_ca_parse(crt, key, &ca);
        weir_ca_close(ca);
    } else {
        weir_pki_free(crt);
        weir_pki_free(key);
        crt = key = NULL;
        rc = weir_ca_make(&crt, &key);
    }
    if (rc == WEIR_OK)
        rc = write_authority(s, crt, key);
    weir_pki_free(crt);
    weir_pki_free(key);
    return rc;
}

/* In a transaction. Of replicas that start at once the first to write wins, and all read that. */
static int agree(struct weir__shared *s, const char *folder, char **out_crt, char **out_key)
{
    int rc = read_authority(s, out_crt, out_key);

    if (rc == 0)
        rc = offer_authority(s, folder);
    if (rc == WEIR_OK)
        rc = read_authority(s, out_crt, out_key);
    if (rc == 0)
        return WEIR_ERETRY;
    return rc < 0 ? rc : weir_store_commit(s->store);
}

/* Whoever looks for the certificate in the state folder finds it, as without a shared store. */
static int publish(const char *folder, const char *crt)
{
    char *own_key = read_text(folder, "ca.key"), *own_crt = read_text(folder, "ca.crt");
    bool same = own_crt && strcmp(own_crt, crt) == 0;
    char path[4096];
    int rc = WEIR_OK;

    snprintf(path, sizeof path, "%s/ca.crt", folder);
    if (own_key && !same) {
        WEIR_LOG(WEIR_LOG_ERROR, "stream",
                 "%s/ca.key is not the key of the CA in the store: move ca.key and ca.crt away "
                 "to use the store's, which proxies enrolled here before don't know",
                 folder);
        rc = WEIR_ESTATE;
    } else if (!same) {
        rc = weir_file_replace(path, weir_str_of(crt), 0644, true);
    }
    weir_pki_free(own_key);
    weir_pki_free(own_crt);
    return rc;
}

int weir__shared_ca(struct weir__shared *s, const char *folder, struct weir_ca **out)
{
    char *crt = NULL, *key = NULL;
    int rc = WEIR_ERETRY;

    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < TRIES && (rc == WEIR_ERETRY || rc == WEIR_EUNSURE); i++) {
        weir_pki_free(crt);
        weir_pki_free(key);
        crt = key = NULL;
        rc = weir_store_begin(s->store);
        if (rc == WEIR_OK)
            rc = agree(s, folder, &crt, &key);
        weir_store_rollback(s->store);
    }
    pthread_mutex_unlock(&s->lock);
    if (rc == WEIR_OK && (!crt || !key))
        rc = WEIR_ECORRUPT;
    if (rc == WEIR_OK)
        rc = weir_file_mkdirs(folder, 0700);
    if (rc == WEIR_OK)
        rc = publish(folder, crt);
    if (rc == WEIR_OK)
        rc = weir_ca_parse(crt, key, out);
    weir_pki_free(crt);
    weir_pki_free(key);
    return rc;
}

/* ---- tokens ---- */

static int add_token(struct weir_store *store, struct weir_str digest, const char *ns,
                     int64_t expires_ms)
{
    struct weir_stmt *st;
    int64_t now = 0, open = 0;
    int rc = weir_store_now(store, &now);

    if (rc == WEIR_OK)
        rc = weir_store_stmt(store, "DELETE FROM join_tokens WHERE expires_ms <= ?1", &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, now);
    rc = weir_stmt_run(st);
    if (rc == WEIR_OK)
        rc = weir_store_stmt(store, "SELECT count(*) FROM join_tokens", &st);
    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, &open);
    if (rc == WEIR_OK && open >= WEIR__TOKENS_MAX)
        rc = WEIR_ELIMIT;
    if (rc == WEIR_OK)
        rc = weir_store_stmt(
            store, "INSERT INTO join_tokens(digest, namespace, expires_ms) VALUES(?1, ?2, ?3)",
            &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, digest);
    weir_stmt_bind_str(st, 2, weir_str_of(ns));
    weir_stmt_bind_i64(st, 3, expires_ms);
    rc = weir_stmt_run(st);
    return rc == WEIR_OK ? weir_store_commit(store) : rc;
}

int weir__shared_token_add(struct weir__shared *s, struct weir_str digest_hex, const char *ns,
                           int64_t expires_ms)
{
    int rc;

    pthread_mutex_lock(&s->lock);
    rc = weir_store_begin(s->store);
    if (rc == WEIR_OK)
        rc = add_token(s->store, digest_hex, ns, expires_ms);
    weir_store_rollback(s->store);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* The row that is deleted is the proof: of two replicas only one deletes it. */
static int use_token(struct weir_store *store, struct weir_str digest,
                     char out_ns[WEIR__TOKENS_NS_BYTES])
{
    struct weir_stmt *st;
    int64_t now = 0;
    int rc = weir_store_now(store, &now);

    if (rc == WEIR_OK)
        rc = weir_store_stmt(store,
                             "DELETE FROM join_tokens WHERE digest = ?1 AND expires_ms > ?2"
                             " RETURNING namespace",
                             &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, digest);
    weir_stmt_bind_i64(st, 2, now);
    rc = weir_stmt_step(st);
    if (rc == 1) {
        struct weir_str ns = weir_stmt_str(st, 0);

        snprintf(out_ns, WEIR__TOKENS_NS_BYTES, "%.*s", WEIR_STR_ARG(ns));
    }
    weir_stmt_reset(st);
    if (rc < 0)
        return rc;
    return rc == 1 ? weir_store_commit(store) : WEIR_EAUTH;
}

int weir__shared_token_use(struct weir__shared *s, struct weir_str digest_hex,
                           char out_ns[WEIR__TOKENS_NS_BYTES])
{
    int rc;

    pthread_mutex_lock(&s->lock);
    rc = weir_store_begin(s->store);
    if (rc == WEIR_OK)
        rc = use_token(s->store, digest_hex, out_ns);
    weir_store_rollback(s->store);
    pthread_mutex_unlock(&s->lock);
    return rc;
}
