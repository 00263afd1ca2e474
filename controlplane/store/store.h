/* store.h - the databases of the control plane: one SQL text, two engines.
 *
 * A store is one connection and belongs to one thread at a time. It is SQLite for a path and
 * PostgreSQL for "postgres://..." or "postgresql://...". Strings that a statement returns live
 * until its next step or reset. Every function may block (SQLite on the disk, PostgreSQL on the
 * network, each for a bounded time), so none may be called on an event loop.
 *
 * SQL is written for both engines: parameters are ?1, ?2, ...; words that differ are in braces:
 *   {int} {bytes}  types of columns and casts         {serial}  a key that is never used twice
 *   {rowid}        a key that may be used again       {strict}  after a table's ")": types bind
 *   {keyed}        after it: rows lie in the key's order (both: {strict, keyed})
 *   {like}         matches a pattern, with the case; weir_store_pattern makes one
 *   {for update}   after a SELECT: the rows are the transaction's own until it ends
 * A new key is read with RETURNING. A parameter whose type doesn't follow from the column that it
 * meets needs a CAST.
 *
 * Codes of all functions, each after a log line with the engine's message:
 *   WEIR_ERETRY       another transaction was in the way, or the connection was lost before the
 *                     commit: nothing is kept; roll back and do the transaction again
 *   WEIR_EUNSURE      from weir_store_commit alone: it may have been kept or not
 *   WEIR_ECONNECT     the server can't be reached now; tried again with a growing pause
 *   WEIR_ECORRUPT     the database is damaged, or none
 *   WEIR_EIO          whatever else fails */
#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H

#include "base/str.h"

struct weir_store;
struct weir_stmt; /* prepared, owned and cached by its store */

enum weir_store_flags {
    /* A commit survives a power cut when it returns (the ledger). PostgreSQL: and is on the
     * synchronous standbys, if the server has any. Without it the last moments may be lost. */
    WEIR_STORE_FULL_SYNC = 1,
    WEIR_STORE_READ_ONLY = 2, /* for queries beside the writer; a file must exist */
};

/* SQLite: opens or creates (mode 0600) in WAL mode; ":memory:" is a path too. PostgreSQL: connects;
 * the database must exist. WEIR_ENOTFOUND: read-only and there is no file. */
WEIR_NODISCARD int weir_store_open(const char *dsn, unsigned flags, struct weir_store **out);
void weir_store_close(struct weir_store *s); /* finalises its statements; NULL is fine */

bool weir_store_is_server(const char *dsn); /* does it name a PostgreSQL? */
/* Which store is meant: a PostgreSQL's DSN from a flag, a file, or WEIR_STORE; *out is NULL when
 * none is, else the caller's, to be wiped. WEIR_EINVAL: error says why: both are given, the flag
 * holds a password, which a command line shows to all, or it is no DSN. */
WEIR_NODISCARD int weir_store_address(const char *flag, const char *file, char **out, char *error,
                                      size_t size);
/* For whoever writes to the folder's files: until *out is closed or the process ends nobody else
 * gets it. WEIR_EEXIST: somebody has it; WEIR_EIO. */
WEIR_NODISCARD int weir_store_lock(const char *folder, int *out);
/* Waits until the PostgreSQL lets one in, however long it takes, with a log line for each attempt;
 * at once for a file. WEIR_EINVAL: the DSN can't be read. */
WEIR_NODISCARD int weir_store_await(const char *dsn);
/* May other processes write to it at the same time? Then rows that a decision rests on must be
 * locked, and clocks of different machines meet: take the time from weir_store_now. */
bool weir_store_is_shared(const struct weir_store *s);

/* The pattern for {like} in which '*' stands for anything and all else for itself.
 * WEIR_EINVAL: size is too small. */
WEIR_NODISCARD int weir_store_pattern(const struct weir_store *s, struct weir_str with_stars,
                                      char *out, size_t size);

/* Milliseconds since 1970 by the server's clock; by this machine's for SQLite. */
WEIR_NODISCARD int weir_store_now(struct weir_store *s, int64_t *ms);

/* Brings the part of the schema with this name to steps[n-1], one transaction for each step; of
 * several processes one does it and the others wait. A file holds one part. WEIR_EUNSUPPORTED:
 * written by a newer version of Weir. */
WEIR_NODISCARD int weir_store_migrate(struct weir_store *s, const char *part,
                                      const char *const steps[], int n);

WEIR_NODISCARD int weir_store_exec(struct weir_store *s, const char *sql);

/* SQLite: takes the write lock. PostgreSQL: read committed; connects again when the connection was
 * lost, with a pause between attempts. */
WEIR_NODISCARD int weir_store_begin(struct weir_store *s);
WEIR_NODISCARD int weir_store_commit(struct weir_store *s); /* after a failure: roll back */
void weir_store_rollback(struct weir_store *s);             /* fine without a transaction */

/* SQLite: puts the log's content into the file and shortens the log; on a timer, never per call. */
void weir_store_checkpoint(struct weir_store *s);

/* The statement for sql, a string literal or one that outlives the store: its address is the
 * cache's key. It comes reset, without bindings. */
WEIR_NODISCARD int weir_store_stmt(struct weir_store *s, const char *sql, struct weir_stmt **out);

/* Parameters count from 1. Bytes must stay as they are until the statement is reset. Text must be
 * UTF-8 without NUL: PostgreSQL refuses other text, with WEIR_EIO. */
void weir_stmt_bind_i64(struct weir_stmt *st, int i, int64_t v);
void weir_stmt_bind_str(struct weir_stmt *st, int i, struct weir_str s); /* absent: NULL */
void weir_stmt_bind_blob(struct weir_stmt *st, int i, struct weir_str s);
void weir_stmt_bind_null(struct weir_stmt *st, int i);

/* 1: a row; 0: done; negative: a code. Reset after the last row that is wanted: an open read
 * keeps the log from being shortened. */
WEIR_NODISCARD int weir_stmt_step(struct weir_stmt *st);
void weir_stmt_reset(struct weir_stmt *st);

/* Steps a statement that returns no rows, then resets it. */
WEIR_NODISCARD int weir_stmt_run(struct weir_stmt *st);
/* The same for one that returns a single number; *out is 0 when it returned no row. */
WEIR_NODISCARD int weir_stmt_run_i64(struct weir_stmt *st, int64_t *out);

/* Columns count from 0. */
int64_t weir_stmt_i64(struct weir_stmt *st, int col); /* NULL: 0 */
struct weir_str weir_stmt_str(struct weir_stmt *st, int col);
bool weir_stmt_is_null(struct weir_stmt *st, int col);

int64_t weir_store_changes(struct weir_store *s); /* rows that the last statement changed */

#endif
