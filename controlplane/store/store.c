#include "controlplane/store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"

enum { STMTS_MAX = 256, BUSY_MS = 5000 };

struct weir_stmt {
    struct weir_store *store;
    const char *sql; /* identity: the literal's address */
    sqlite3_stmt *h;
};

struct weir_store {
    sqlite3 *db;
    struct weir_stmt *stmts[STMTS_MAX];
    size_t n_stmts;
};

static int failed(struct weir_store *s, int code, const char *what)
{
    WEIR_LOG(WEIR_LOG_ERROR, "store", "%s: %s (%d)", what, sqlite3_errmsg(s->db), code);
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? WEIR_ECORRUPT : WEIR_EIO;
}

int weir_store_exec(struct weir_store *s, const char *sql)
{
    int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? WEIR_OK : failed(s, code, "statement failed");
}

static int configure(struct weir_store *s, unsigned flags)
{
    int rc;

    sqlite3_extended_result_codes(s->db, 0);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    if (flags & WEIR_STORE_READ_ONLY)
        return weir_store_exec(s, "PRAGMA query_only = ON");
    rc = weir_store_exec(s, "PRAGMA journal_mode = WAL");
    if (rc == WEIR_OK)
        rc = weir_store_exec(s, "PRAGMA foreign_keys = ON");
    if (rc == WEIR_OK)
        rc = weir_store_exec(s, flags & WEIR_STORE_FULL_SYNC ? "PRAGMA synchronous = FULL"
                                                             : "PRAGMA synchronous = NORMAL");
    return rc;
}

int weir_store_open(const char *path, unsigned flags, struct weir_store **out)
{
    struct weir_store *s = WEIR_NEW(struct weir_store);
    bool read_only = flags & WEIR_STORE_READ_ONLY;
    bool memory = strcmp(path, ":memory:") == 0;
    struct stat st;
    int code, rc;

    if (read_only && !memory && stat(path, &st) != 0) {
        free(s);
        return WEIR_ENOTFOUND;
    }
    /* A reader needs write access too: it takes part in the log's shared index. */
    code = sqlite3_open_v2(
        path, &s->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (read_only ? 0 : SQLITE_OPEN_CREATE), NULL);
    rc = code == SQLITE_OK ? WEIR_OK : failed(s, code, path);
    if (rc == WEIR_OK && !read_only && !memory)
        (void)chmod(path, 0600);
    if (rc == WEIR_OK)
        rc = configure(s, flags);
    if (rc != WEIR_OK) {
        weir_store_close(s);
        return rc;
    }
    *out = s;
    return WEIR_OK;
}

void weir_store_close(struct weir_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_stmts; i++) {
        sqlite3_finalize(s->stmts[i]->h);
        free(s->stmts[i]);
    }
    sqlite3_close_v2(s->db);
    free(s);
}

int weir_store_begin(struct weir_store *s)
{
    return weir_store_exec(s, "BEGIN IMMEDIATE");
}

int weir_store_commit(struct weir_store *s)
{
    return weir_store_exec(s, "COMMIT");
}

void weir_store_rollback(struct weir_store *s)
{
    /* Its failure leaves the transaction to the next begin, which then reports it. */
    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

void weir_store_checkpoint(struct weir_store *s)
{
    (void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static int user_version(struct weir_store *s, int64_t *out)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s, "PRAGMA user_version", &st);

    if (rc != WEIR_OK)
        return rc;
    rc = weir_stmt_step(st);
    if (rc == 1)
        *out = weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

static int migrate_one(struct weir_store *s, const char *sql, int version)
{
    char pragma[64];
    int rc = weir_store_begin(s);

    if (rc != WEIR_OK)
        return rc;
    (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version);
    rc = weir_store_exec(s, sql);
    if (rc == WEIR_OK)
        rc = weir_store_exec(s, pragma);
    if (rc == WEIR_OK)
        rc = weir_store_commit(s);
    weir_store_rollback(s);
    return rc;
}

int weir_store_migrate(struct weir_store *s, const char *const steps[], int n)
{
    int64_t version = 0;
    int rc = user_version(s, &version);

    if (rc == WEIR_OK && version > n) {
        WEIR_LOG(WEIR_LOG_ERROR, "store",
                 "the database has schema %lld, this program knows %d: it was written by a newer "
                 "version",
                 (long long)version, n);
        rc = WEIR_EUNSUPPORTED;
    }
    for (int i = (int)version; rc == WEIR_OK && i < n; i++)
        rc = migrate_one(s, steps[i], i + 1);
    return rc;
}

int weir_store_stmt(struct weir_store *s, const char *sql, struct weir_stmt **out)
{
    struct weir_stmt *st;
    int code;

    for (size_t i = 0; i < s->n_stmts; i++)
        if (s->stmts[i]->sql == sql) {
            weir_stmt_reset(s->stmts[i]);
            (void)sqlite3_clear_bindings(s->stmts[i]->h);
            *out = s->stmts[i];
            return WEIR_OK;
        }
    WEIR_ASSERT(s->n_stmts < STMTS_MAX);
    st = WEIR_NEW(struct weir_stmt);
    st->store = s;
    st->sql = sql;
    code = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->h, NULL);
    if (code != SQLITE_OK) {
        free(st);
        return failed(s, code, sql);
    }
    s->stmts[s->n_stmts++] = st;
    *out = st;
    return WEIR_OK;
}

void weir_stmt_bind_i64(struct weir_stmt *st, int i, int64_t v)
{
    WEIR_ASSERT(sqlite3_bind_int64(st->h, i, v) == SQLITE_OK);
}

void weir_stmt_bind_str(struct weir_stmt *st, int i, struct weir_str s)
{
    WEIR_ASSERT(s.n <= INT32_MAX);
    WEIR_ASSERT(sqlite3_bind_text(st->h, i, s.p, (int)s.n, SQLITE_STATIC) == SQLITE_OK);
}

void weir_stmt_bind_blob(struct weir_stmt *st, int i, struct weir_str s)
{
    WEIR_ASSERT(s.n <= INT32_MAX);
    WEIR_ASSERT(sqlite3_bind_blob(st->h, i, s.p, (int)s.n, SQLITE_STATIC) == SQLITE_OK);
}

void weir_stmt_bind_null(struct weir_stmt *st, int i)
{
    WEIR_ASSERT(sqlite3_bind_null(st->h, i) == SQLITE_OK);
}

int weir_stmt_step(struct weir_stmt *st)
{
    int code = sqlite3_step(st->h);

    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    return failed(st->store, code, st->sql);
}

void weir_stmt_reset(struct weir_stmt *st)
{
    (void)sqlite3_reset(st->h);
}

int weir_stmt_run(struct weir_stmt *st)
{
    int rc = weir_stmt_step(st);

    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

int64_t weir_stmt_i64(struct weir_stmt *st, int col)
{
    return sqlite3_column_int64(st->h, col);
}

struct weir_str weir_stmt_str(struct weir_stmt *st, int col)
{
    const void *p = sqlite3_column_blob(st->h, col);
    int n = sqlite3_column_bytes(st->h, col);

    if (!p && sqlite3_column_type(st->h, col) != SQLITE_NULL)
        p = "";
    return (struct weir_str){p, (size_t)n};
}

bool weir_stmt_is_null(struct weir_stmt *st, int col)
{
    return sqlite3_column_type(st->h, col) == SQLITE_NULL;
}

int64_t weir_store_changes(struct weir_store *s)
{
    return sqlite3_changes64(s->db);
}

int64_t weir_store_last_id(struct weir_store *s)
{
    return sqlite3_last_insert_rowid(s->db);
}
