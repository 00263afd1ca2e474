/* SQLite, for one writing process. */
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/store/engine.h"

enum { BUSY_MS = 5000 };

struct stmt {
    struct weir_stmt base;
    sqlite3_stmt *h;
};

struct store {
    struct weir_store base;
    sqlite3 *db;
};

static sqlite3 *db_of(struct weir_store *s)
{
    return ((struct store *)s)->db;
}

static sqlite3_stmt *h_of(struct weir_stmt *st)
{
    return ((struct stmt *)st)->h;
}

static int failed(struct weir_store *s, int code, const char *what)
{
    WEIR_LOG(WEIR_LOG_ERROR, "store", "%s: %s (%d)", what, sqlite3_errmsg(db_of(s)), code);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return WEIR_ERETRY;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? WEIR_ECORRUPT : WEIR_EIO;
}

static int exec(struct weir_store *s, const char *sql)
{
    int code = sqlite3_exec(db_of(s), sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? WEIR_OK : failed(s, code, "statement failed");
}

static void close_db(struct weir_store *s)
{
    sqlite3_close_v2(db_of(s));
    free(s);
}

static int now(struct weir_store *s, int64_t *ms)
{
    (void)s;
    *ms = weir_wall_ms();
    return WEIR_OK;
}

static int begin(struct weir_store *s)
{
    return exec(s, "BEGIN IMMEDIATE");
}

static int commit(struct weir_store *s)
{
    return exec(s, "COMMIT");
}

static void rollback(struct weir_store *s)
{
    /* Its failure leaves the transaction to the next begin, which then reports it. */
    if (!sqlite3_get_autocommit(db_of(s)))
        (void)sqlite3_exec(db_of(s), "ROLLBACK", NULL, NULL, NULL);
}

static void checkpoint(struct weir_store *s)
{
    (void)sqlite3_wal_checkpoint_v2(db_of(s), NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static int version(struct weir_store *s, const char *part, int64_t *out)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s, "PRAGMA user_version", &st);

    (void)part;
    return rc == WEIR_OK ? weir_stmt_run_i64(st, out) : rc;
}

static int set_version(struct weir_store *s, const char *part, int v)
{
    char pragma[64];

    (void)part;
    (void)snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", v);
    return exec(s, pragma);
}

static int64_t changes(struct weir_store *s)
{
    return sqlite3_changes64(db_of(s));
}

static int prepare(struct weir_store *s, const char *sql, struct weir_stmt **out)
{
    struct stmt *st = WEIR_NEW(struct stmt);
    int code = sqlite3_prepare_v3(db_of(s), sql, -1, SQLITE_PREPARE_PERSISTENT, &st->h, NULL);

    if (code != SQLITE_OK) {
        free(st);
        return failed(s, code, sql);
    }
    *out = &st->base;
    return WEIR_OK;
}

static void finalize(struct weir_stmt *st)
{
    sqlite3_finalize(h_of(st));
    free(st);
}

static void clear(struct weir_stmt *st)
{
    (void)sqlite3_clear_bindings(h_of(st));
}

static void bind_i64(struct weir_stmt *st, int i, int64_t v)
{
    WEIR_ASSERT(sqlite3_bind_int64(h_of(st), i, v) == SQLITE_OK);
}

static void bind_bytes(struct weir_stmt *st, int i, struct weir_str v, bool text)
{
    int code = text ? sqlite3_bind_text(h_of(st), i, v.p, (int)v.n, SQLITE_STATIC)
                    : sqlite3_bind_blob(h_of(st), i, v.p, (int)v.n, SQLITE_STATIC);

    WEIR_ASSERT(code == SQLITE_OK);
}

static int step(struct weir_stmt *st)
{
    int code = sqlite3_step(h_of(st));

    if (code == SQLITE_ROW)
        return 1;
    if (code == SQLITE_DONE)
        return 0;
    return failed(st->store, code, st->literal);
}

static void reset(struct weir_stmt *st)
{
    (void)sqlite3_reset(h_of(st));
}

static int64_t i64(struct weir_stmt *st, int col)
{
    return sqlite3_column_int64(h_of(st), col);
}

static struct weir_str str(struct weir_stmt *st, int col)
{
    const void *p = sqlite3_column_blob(h_of(st), col);
    int n = sqlite3_column_bytes(h_of(st), col);

    if (!p && sqlite3_column_type(h_of(st), col) != SQLITE_NULL)
        p = "";
    return (struct weir_str){p, (size_t)n};
}

static bool is_null(struct weir_stmt *st, int col)
{
    return sqlite3_column_type(h_of(st), col) == SQLITE_NULL;
}

static const struct weir__word words[] = {{"int", "INTEGER"},
                                          {"bytes", "BLOB"},
                                          {"serial", "INTEGER PRIMARY KEY AUTOINCREMENT"},
                                          {"rowid", "INTEGER PRIMARY KEY"},
                                          {"strict", "STRICT"},
                                          {"strict, keyed", "STRICT, WITHOUT ROWID"},
                                          {"keyed", "WITHOUT ROWID"},
                                          {"like", "GLOB"},
                                          {"for update", ""},
                                          {NULL, NULL}};

static const struct weir__engine engine = {.words = words,
                                           .close = close_db,
                                           .now = now,
                                           .exec = exec,
                                           .begin = begin,
                                           .commit = commit,
                                           .rollback = rollback,
                                           .checkpoint = checkpoint,
                                           .version = version,
                                           .set_version = set_version,
                                           .changes = changes,
                                           .prepare = prepare,
                                           .finalize = finalize,
                                           .clear = clear,
                                           .bind_i64 = bind_i64,
                                           .bind_bytes = bind_bytes,
                                           .step = step,
                                           .reset = reset,
                                           .i64 = i64,
                                           .str = str,
                                           .is_null = is_null};

static int configure(struct weir_store *s, unsigned flags)
{
    int rc;

    sqlite3_extended_result_codes(db_of(s), 0);
    sqlite3_busy_timeout(db_of(s), BUSY_MS);
    if (flags & WEIR_STORE_READ_ONLY)
        return exec(s, "PRAGMA query_only = ON");
    rc = exec(s, "PRAGMA journal_mode = WAL");
    if (rc == WEIR_OK)
        rc = exec(s, "PRAGMA foreign_keys = ON");
    if (rc == WEIR_OK)
        rc = exec(s, flags & WEIR_STORE_FULL_SYNC ? "PRAGMA synchronous = FULL"
                                                  : "PRAGMA synchronous = NORMAL");
    return rc;
}

int weir__sqlite_open(const char *path, unsigned flags, struct weir_store **out)
{
    struct store *s;
    bool read_only = flags & WEIR_STORE_READ_ONLY;
    bool memory = strcmp(path, ":memory:") == 0;
    struct stat st;
    int code, rc;

    if (read_only && !memory && stat(path, &st) != 0)
        return WEIR_ENOTFOUND;
    s = WEIR_NEW(struct store);
    s->base.engine = &engine;
    /* A reader needs write access too: it takes part in the log's shared index. */
    code = sqlite3_open_v2(
        path, &s->db,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (read_only ? 0 : SQLITE_OPEN_CREATE), NULL);
    rc = code == SQLITE_OK ? WEIR_OK : failed(&s->base, code, path);
    if (rc == WEIR_OK && !read_only && !memory)
        (void)chmod(path, 0600);
    if (rc == WEIR_OK)
        rc = configure(&s->base, flags);
    if (rc != WEIR_OK) {
        weir_store_close(&s->base);
        return rc;
    }
    *out = &s->base;
    return WEIR_OK;
}
