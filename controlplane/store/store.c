/* What does not depend on the engine: the cache of statements, migrations, dispatch. */
#include "controlplane/store/store.h"

#include "base/log.h"
#include "base/mem.h"
#include "controlplane/store/engine.h"

bool weir_store_is_server(const char *dsn)
{
    return weir_str_starts(weir_str_of(dsn), WEIR_STR("postgres://")) ||
           weir_str_starts(weir_str_of(dsn), WEIR_STR("postgresql://"));
}

int weir_store_open(const char *dsn, unsigned flags, struct weir_store **out)
{
    return weir_store_is_server(dsn) ? weir__postgres_open(dsn, flags, out)
                                     : weir__sqlite_open(dsn, flags, out);
}

void weir_store_close(struct weir_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_stmts; i++)
        s->engine->finalize(s->stmts[i]);
    s->engine->close(s);
}

bool weir_store_is_shared(const struct weir_store *s)
{
    return s->engine->shared;
}

int weir_store_now(struct weir_store *s, int64_t *ms)
{
    return s->engine->now(s, ms);
}

int weir_store_exec(struct weir_store *s, const char *sql)
{
    struct weir_buf own;
    int rc = weir__sql(s->engine, sql, &own);

    if (rc == WEIR_OK)
        rc = s->engine->exec(s, own.p);
    weir_buf_fini(&own);
    return rc;
}

int weir_store_begin(struct weir_store *s)
{
    return s->engine->begin(s);
}

int weir_store_commit(struct weir_store *s)
{
    return s->engine->commit(s);
}

void weir_store_rollback(struct weir_store *s)
{
    s->engine->rollback(s);
}

void weir_store_checkpoint(struct weir_store *s)
{
    s->engine->checkpoint(s);
}

int64_t weir_store_changes(struct weir_store *s)
{
    return s->engine->changes(s);
}

/* ---- migrations ---- */

/* 1: one step done; 0: none was left. */
static int migrate_one(struct weir_store *s, const char *part, const char *const steps[], int n)
{
    int64_t version = 0;
    int rc = s->engine->version(s, part, &version);

    if (rc != WEIR_OK)
        return rc;
    if (version > n) {
        WEIR_LOG(WEIR_LOG_ERROR, "store",
                 "the database has schema %lld, this program knows %d: it was written by a newer "
                 "version",
                 (long long)version, n);
        return WEIR_EUNSUPPORTED;
    }
    if (version == n)
        return 0;
    rc = weir_store_exec(s, steps[version]);
    if (rc == WEIR_OK)
        rc = s->engine->set_version(s, part, (int)version + 1);
    if (rc == WEIR_OK)
        rc = weir_store_commit(s);
    return rc == WEIR_OK ? 1 : rc;
}

int weir_store_migrate(struct weir_store *s, const char *part, const char *const steps[], int n)
{
    int rc;

    do {
        rc = weir_store_begin(s);
        if (rc == WEIR_OK)
            rc = migrate_one(s, part, steps, n);
        weir_store_rollback(s);
    } while (rc == 1);
    return rc;
}

/* ---- statements ---- */

int weir_store_stmt(struct weir_store *s, const char *sql, struct weir_stmt **out)
{
    struct weir_buf own;
    int rc;

    for (size_t i = 0; i < s->n_stmts; i++)
        if (s->stmts[i]->literal == sql) {
            weir_stmt_reset(s->stmts[i]);
            s->engine->clear(s->stmts[i]);
            *out = s->stmts[i];
            return WEIR_OK;
        }
    WEIR_ASSERT(s->n_stmts < WEIR__STMTS_MAX);
    rc = weir__sql(s->engine, sql, &own);
    if (rc == WEIR_OK)
        rc = s->engine->prepare(s, own.p, out);
    weir_buf_fini(&own);
    if (rc != WEIR_OK)
        return rc;
    (*out)->store = s;
    (*out)->literal = sql;
    s->stmts[s->n_stmts++] = *out;
    return WEIR_OK;
}

void weir_stmt_bind_i64(struct weir_stmt *st, int i, int64_t v)
{
    st->store->engine->bind_i64(st, i, v);
}

void weir_stmt_bind_str(struct weir_stmt *st, int i, struct weir_str s)
{
    WEIR_ASSERT(s.n <= INT32_MAX);
    st->store->engine->bind_bytes(st, i, s, true);
}

void weir_stmt_bind_blob(struct weir_stmt *st, int i, struct weir_str s)
{
    WEIR_ASSERT(s.n <= INT32_MAX);
    st->store->engine->bind_bytes(st, i, s, false);
}

void weir_stmt_bind_null(struct weir_stmt *st, int i)
{
    st->store->engine->bind_bytes(st, i, WEIR_STR_NULL, true);
}

int weir_stmt_step(struct weir_stmt *st)
{
    return st->store->engine->step(st);
}

void weir_stmt_reset(struct weir_stmt *st)
{
    st->store->engine->reset(st);
}

int weir_stmt_run(struct weir_stmt *st)
{
    int rc = weir_stmt_step(st);

    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

int weir_stmt_run_i64(struct weir_stmt *st, int64_t *out)
{
    int rc = weir_stmt_step(st);

    *out = rc == 1 ? weir_stmt_i64(st, 0) : 0;
    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

int64_t weir_stmt_i64(struct weir_stmt *st, int col)
{
    return st->store->engine->i64(st, col);
}

struct weir_str weir_stmt_str(struct weir_stmt *st, int col)
{
    return st->store->engine->str(st, col);
}

bool weir_stmt_is_null(struct weir_stmt *st, int col)
{
    return st->store->engine->is_null(st, col);
}
