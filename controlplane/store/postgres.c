/* PostgreSQL, for any number of writing processes. */
#include "controlplane/store/postgres.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { ANSWER_MS = 15000, PAUSE_MIN_MS = 100, PAUSE_MAX_MS = 5000 };

#define MIGRATION_LOCK "2003134834" /* "weir", among the advisory locks */

static struct weir__pg *pg_of(struct weir_store *s)
{
    return (struct weir__pg *)s;
}

/* ---- the connection ---- */

static void disconnect(struct weir__pg *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
}

static void on_notice(void *arg, const PGresult *r)
{
    struct weir__pg *p = arg;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

    if (!severity || strcmp(severity, "WARNING") != 0)
        return;
    p->warned = true;
    WEIR_LOG(WEIR_LOG_WARN, "store", "%s", PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
}

/* False: the time is over or the connection is lost. */
static bool wait_socket(struct weir__pg *p, bool write, int64_t until_ms)
{
    struct pollfd fd = {.fd = PQsocket(p->conn), .events = (short)(POLLIN | (write ? POLLOUT : 0))};
    int64_t left = until_ms - weir_mono_ms();

    return fd.fd >= 0 && left > 0 && poll(&fd, 1, (int)left) >= 0;
}

static PGresult *next_result(struct weir__pg *p, int64_t until_ms, bool *lost)
{
    int flushed;

    do {
        flushed = PQflush(p->conn);
        if (flushed < 0 || ((flushed > 0 || PQisBusy(p->conn)) &&
                            (!wait_socket(p, flushed > 0, until_ms) || !PQconsumeInput(p->conn)))) {
            *lost = true;
            return NULL;
        }
    } while (flushed > 0 || PQisBusy(p->conn));
    return PQgetResult(p->conn);
}

PGresult *weir__pg_answer(struct weir__pg *p, int sent)
{
    int64_t until_ms = weir_mono_ms() + ANSWER_MS;
    PGresult *r, *kept = NULL;
    bool lost = !sent;

    /* Of several statements the first failure counts, else the last answer. */
    while (!lost && (r = next_result(p, until_ms, &lost)) != NULL) {
        if (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
            PQclear(r);
            continue;
        }
        PQclear(kept);
        kept = r;
    }
    if (lost || PQstatus(p->conn) == CONNECTION_BAD) {
        WEIR_LOG(WEIR_LOG_ERROR, "store", "the connection to PostgreSQL is lost: %s",
                 kept ? PQresultErrorMessage(kept) : PQerrorMessage(p->conn));
        PQclear(kept);
        disconnect(p);
        return NULL;
    }
    return kept ? kept : PQmakeEmptyPGresult(p->conn, PGRES_COMMAND_OK);
}

static int classify(const char *state)
{
    static const struct {
        const char *prefix;
        int rc;
    } table[] = {
        {"40", WEIR_ERETRY},    /* serialization, deadlock */
        {"55P03", WEIR_ERETRY}, /* a lock was not to be had in time */
        {"57014", WEIR_ERETRY}, /* cancelled, by a time-out or an operator */
        {"57P", WEIR_ERETRY},   /* the server shuts down or starts */
        {"25P03", WEIR_ERETRY}, /* the transaction was idle for too long */
        {"25006", WEIR_ERETRY}, /* writing to a standby */
        {"53", WEIR_ERETRY},    /* disk, memory or connections are short */
        {"08", WEIR_ERETRY},    {"XX001", WEIR_ECORRUPT}, {"XX002", WEIR_ECORRUPT},
    };

    for (size_t i = 0; state && i < sizeof table / sizeof *table; i++)
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0)
            return table[i].rc;
    return WEIR_EIO;
}

int weir__pg_done(struct weir__pg *p, PGresult *r, const char *what)
{
    const char *state;
    int rc;

    if (!r)
        return WEIR_ERETRY;
    if (PQresultStatus(r) == PGRES_COMMAND_OK || PQresultStatus(r) == PGRES_TUPLES_OK) {
        PQclear(r);
        return WEIR_OK;
    }
    state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    rc = classify(state);
    WEIR_LOG(rc == WEIR_ERETRY ? WEIR_LOG_WARN : WEIR_LOG_ERROR, "store", "%s: %s (%s)", what,
             PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY), state ? state : "-");
    if (state && strcmp(state, "25006") == 0) {
        if (p->flags & WEIR_STORE_READ_ONLY)
            rc = WEIR_EIO;
        else
            disconnect(p); /* from a server that has become a standby: to find the primary */
    }
    PQclear(r);
    return rc;
}

static int pg_exec(struct weir_store *s, const char *sql)
{
    struct weir__pg *p = pg_of(s);
    int rc = weir__pg_connected(p);

    if (rc != WEIR_OK)
        return rc;
    return weir__pg_done(p, weir__pg_answer(p, PQsendQuery(p->conn, sql)), "statement failed");
}

/* Time-outs of the server's side are shorter than ANSWER_MS. None cuts a commit short: cancelled
 * while it waits for a standby, it would be reported as done. */
static int configure(struct weir__pg *p)
{
    static const char writer[] =
        "SET default_transaction_isolation = 'read committed'; SET lock_timeout = '5s';"
        "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = 0;"
        "SET standard_conforming_strings = on";
    static const char durable[] = ";SELECT set_config('synchronous_commit', 'on', false)"
                                  " WHERE current_setting('synchronous_commit') <> 'remote_apply'";
    static const char reader[] = "SET default_transaction_read_only = on;"
                                 "SET statement_timeout = '10s'; SET lock_timeout = '5s';"
                                 "SET standard_conforming_strings = on";
    char sql[1024];

    (void)snprintf(sql, sizeof sql, "%s%s", p->flags & WEIR_STORE_READ_ONLY ? reader : writer,
                   p->flags & WEIR_STORE_FULL_SYNC ? durable : "");
    return weir__pg_done(p, weir__pg_answer(p, PQsendQuery(p->conn, sql)), "settings");
}

static bool knows_several_hosts(PGconn *conn)
{
    PQconninfoOption *options = PQconninfo(conn);
    bool several = false;

    for (PQconninfoOption *o = options; o && o->keyword; o++)
        several =
            several || ((strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0) &&
                        o->val && strchr(o->val, ','));
    PQconninfoFree(options);
    return several;
}

/* Of several hosts another may take over. Which of them is waited for can't be told from here, but
 * whether any is. No reason to stop: for soft budgets that may be meant. */
static void warn_unless_waited_for(struct weir__pg *p)
{
    static const char sql[] = "SELECT current_setting('synchronous_standby_names')";
    PGresult *r;

    if (!(p->flags & WEIR_STORE_FULL_SYNC) || !knows_several_hosts(p->conn))
        return;
    r = weir__pg_answer(p, PQsendQuery(p->conn, sql));
    if (r && PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1 && !*PQgetvalue(r, 0, 0))
        WEIR_LOG(WEIR_LOG_WARN, "store",
                 "the store names several hosts, but PostgreSQL's commits wait for no standby: a "
                 "failover may forget money that was lent; set synchronous_standby_names");
    PQclear(r);
}

static int try_connect(struct weir__pg *p)
{
    bool reader = p->flags & WEIR_STORE_READ_ONLY;
    /* What the DSN says comes later, and wins. */
    const char *const names[] = {"application_name",     "connect_timeout",
                                 "tcp_user_timeout",     "keepalives_idle",
                                 "keepalives_count",     "keepalives_interval",
                                 "target_session_attrs", "dbname",
                                 "client_encoding",      NULL};
    const char *const values[] = {
        "weir-control", "5",    "10000", "10", "3", "3", reader ? "any" : "read-write",
        p->dsn,         "UTF8", NULL};

    p->conn = PQconnectdbParams(names, values, 1);
    if (PQstatus(p->conn) != CONNECTION_OK || PQsetnonblocking(p->conn, 1) != 0) {
        WEIR_LOG(WEIR_LOG_ERROR, "store", "PostgreSQL can't be reached: %s",
                 PQerrorMessage(p->conn));
        disconnect(p);
        return WEIR_ECONNECT;
    }
    (void)PQsetNoticeReceiver(p->conn, on_notice, p);
    p->epoch++;
    if (configure(p) == WEIR_OK)
        warn_unless_waited_for(p);
    else
        disconnect(p);
    return p->conn ? WEIR_OK : WEIR_ECONNECT;
}

int weir__pg_connected(struct weir__pg *p)
{
    int64_t now_ms = weir_mono_ms();
    int rc;

    if (p->conn)
        return WEIR_OK;
    if (p->in_transaction)
        return WEIR_ERETRY;
    if (now_ms < p->next_try_ms)
        return WEIR_ECONNECT;
    rc = try_connect(p);
    if (rc == WEIR_OK) {
        p->pause_ms = PAUSE_MIN_MS;
        return rc;
    }
    p->next_try_ms = weir_mono_ms() + p->pause_ms;
    p->pause_ms = p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
    return rc;
}

static void pg_close(struct weir_store *s)
{
    struct weir__pg *p = pg_of(s);

    if (p->conn)
        PQfinish(p->conn);
    weir_wipe(p->dsn, strlen(p->dsn)); /* may hold a password */
    free(p->dsn);
    free(p);
}

/* ---- transactions ---- */

static int pg_now(struct weir_store *s, int64_t *ms)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(
        s, "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS {int})", &st);

    return rc == WEIR_OK ? weir_stmt_run_i64(st, ms) : rc;
}

/* Between transactions a connection may have been lost unnoticed: a second attempt finds out. */
static int pg_begin(struct weir_store *s)
{
    struct weir__pg *p = pg_of(s);
    int rc = pg_exec(s, "BEGIN");

    if (rc == WEIR_ERETRY && !p->conn)
        rc = pg_exec(s, "BEGIN");
    p->in_transaction = rc == WEIR_OK;
    return rc;
}

/* Only an error that the server gives before it writes the commit leaves no doubt. */
static int commit_failed(struct weir__pg *p, PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    bool undone = state && strncmp(state, "40", 2) == 0;

    (void)weir__pg_done(p, r, "commit");
    return undone ? WEIR_ERETRY : WEIR_EUNSURE;
}

static int pg_commit(struct weir_store *s)
{
    struct weir__pg *p = pg_of(s);
    PGresult *r;
    bool kept;

    p->in_transaction = false;
    if (!p->conn)
        return WEIR_ERETRY; /* lost before */
    p->warned = false;
    r = weir__pg_answer(p, PQsendQuery(p->conn, "COMMIT"));
    if (!r)
        return WEIR_EUNSURE;
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        return commit_failed(p, r);
    kept = strcmp(PQcmdStatus(r), "COMMIT") == 0;
    PQclear(r);
    if (!kept) /* a statement had failed before, and the caller went on */
        return WEIR_EIO;
    /* "committed locally, but might not have been replicated": a failover may lose it. */
    return p->warned && (p->flags & WEIR_STORE_FULL_SYNC) ? WEIR_EUNSURE : WEIR_OK;
}

static void pg_rollback(struct weir_store *s)
{
    struct weir__pg *p = pg_of(s);

    p->in_transaction = false;
    if (!p->conn || PQtransactionStatus(p->conn) == PQTRANS_IDLE)
        return;
    if (pg_exec(s, "ROLLBACK") != WEIR_OK && p->conn)
        disconnect(p);
}

static void pg_checkpoint(struct weir_store *s)
{
    (void)s; /* the server's own business */
}

/* ---- migrations ---- */

static int pg_version(struct weir_store *s, const char *part, int64_t *out)
{
    struct weir_stmt *st;
    int rc = pg_exec(s, "SELECT pg_advisory_xact_lock(" MIGRATION_LOCK ")");

    if (rc == WEIR_OK)
        rc = pg_exec(s, "SET LOCAL client_min_messages = warning;"
                        "CREATE TABLE IF NOT EXISTS weir_schema(part TEXT PRIMARY KEY,"
                        " version BIGINT NOT NULL)");
    if (rc == WEIR_OK)
        rc = weir_store_stmt(s, "SELECT version FROM weir_schema WHERE part = ?1", &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(part));
    return weir_stmt_run_i64(st, out);
}

static int pg_set_version(struct weir_store *s, const char *part, int version)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s,
                             "INSERT INTO weir_schema(part, version) VALUES(?1, ?2)"
                             " ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(part));
    weir_stmt_bind_i64(st, 2, version);
    return weir_stmt_run(st);
}

static int64_t pg_changes(struct weir_store *s)
{
    return pg_of(s)->changes;
}

static const struct weir__word words[] = {
    {"int", "BIGINT"},
    {"bytes", "BYTEA"},
    {"serial", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"},
    {"rowid", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"},
    {"strict", ""},
    {"strict, keyed", ""},
    {"keyed", ""},
    {"like", "LIKE"},
    {"for update", "FOR UPDATE"},
    {NULL, NULL}};

static const struct weir__engine engine = {.shared = true,
                                           .dollars = true,
                                           .like = true,
                                           .words = words,
                                           .close = pg_close,
                                           .now = pg_now,
                                           .exec = pg_exec,
                                           .begin = pg_begin,
                                           .commit = pg_commit,
                                           .rollback = pg_rollback,
                                           .checkpoint = pg_checkpoint,
                                           .version = pg_version,
                                           .set_version = pg_set_version,
                                           .changes = pg_changes,
                                           .prepare = weir__pg_prepare,
                                           .finalize = weir__pg_finalize,
                                           .clear = weir__pg_clear,
                                           .bind_i64 = weir__pg_bind_i64,
                                           .bind_bytes = weir__pg_bind_bytes,
                                           .step = weir__pg_step,
                                           .reset = weir__pg_reset,
                                           .i64 = weir__pg_i64,
                                           .str = weir__pg_str,
                                           .is_null = weir__pg_is_null};

int weir__postgres_open(const char *dsn, unsigned flags, struct weir_store **out)
{
    struct weir__pg *p = WEIR_NEW(struct weir__pg);
    int rc;

    p->base.engine = &engine;
    p->dsn = weir_strdup(weir_str_of(dsn));
    p->flags = flags;
    p->pause_ms = PAUSE_MIN_MS;
    rc = weir__pg_connected(p);
    if (rc != WEIR_OK) {
        weir_store_close(&p->base);
        return rc;
    }
    *out = &p->base;
    return WEIR_OK;
}
