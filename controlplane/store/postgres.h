/* postgres.h - a PostgreSQL connection: bounded waits, reconnects. Internal to the store. */
#ifndef WEIR_STORE_POSTGRES_H
#define WEIR_STORE_POSTGRES_H

#include <libpq-fe.h>

#include "controlplane/store/engine.h"

struct weir__pg {
    struct weir_store base;
    char *dsn;
    unsigned flags;
    PGconn *conn;   /* NULL: not connected */
    uint64_t epoch; /* of the connection: statements of an earlier one are gone */
    uint64_t names; /* of statements */
    int64_t next_try_ms, pause_ms;
    int64_t changes;
    bool in_transaction; /* begun and not ended, even if the connection is gone */
    bool warned;         /* by the server, since it was set to false */
};

/* Connects if there is no connection and the pause is over. WEIR_ERETRY: not within a transaction,
 * whose first half is lost. */
int weir__pg_connected(struct weir__pg *p);

/* After a PQsend...: waits for the answer, a bounded time. NULL: the connection is lost; otherwise
 * the caller clears it. sent: what the PQsend... returned. */
PGresult *weir__pg_answer(struct weir__pg *p, int sent);

/* Takes the result; logs and classifies a failure. NULL: connection lost. */
int weir__pg_done(struct weir__pg *p, PGresult *r, const char *what);

int weir__pg_prepare(struct weir_store *s, const char *sql, struct weir_stmt **out);
void weir__pg_finalize(struct weir_stmt *base);
void weir__pg_clear(struct weir_stmt *st);
void weir__pg_bind_i64(struct weir_stmt *st, int i, int64_t v);
void weir__pg_bind_bytes(struct weir_stmt *st, int i, struct weir_str v, bool text);
int weir__pg_step(struct weir_stmt *base);
void weir__pg_reset(struct weir_stmt *base);
int64_t weir__pg_i64(struct weir_stmt *base, int col);
struct weir_str weir__pg_str(struct weir_stmt *base, int col);
bool weir__pg_is_null(struct weir_stmt *st, int col);

#endif
