/* store.h - SQLite with the settings, migrations and statements that the control plane relies on.
 *
 * A store is one connection and belongs to one thread at a time. Strings that a statement returns
 * live until its next step or reset. All functions return WEIR_EIO when SQLite fails (after a log
 * line with its message), WEIR_ECORRUPT when the file is damaged or no database. */
#ifndef WEIR_STORE_STORE_H
#define WEIR_STORE_STORE_H

#include "base/str.h"

struct weir_store;
struct weir_stmt; /* prepared, owned and cached by its store */

enum weir_store_flags {
    WEIR_STORE_FULL_SYNC = 1, /* a commit is on disk when it returns (the ledger); else NORMAL */
    WEIR_STORE_READ_ONLY = 2, /* for queries beside the writer; the file must exist */
};

/* Opens or creates (mode 0600) in WAL mode, busy timeout 5 s, foreign keys on. path may be
 * ":memory:". WEIR_ENOTFOUND: read-only and there is no file. */
WEIR_NODISCARD int weir_store_open(const char *path, unsigned flags, struct weir_store **out);
void weir_store_close(struct weir_store *s); /* finalises its statements; NULL is fine */

/* Brings the schema to steps[n-1], one transaction for each step; the file's user_version counts
 * the steps done. WEIR_EUNSUPPORTED: written by a newer version of Weir. */
WEIR_NODISCARD int weir_store_migrate(struct weir_store *s, const char *const steps[], int n);

WEIR_NODISCARD int weir_store_exec(struct weir_store *s, const char *sql);
WEIR_NODISCARD int weir_store_begin(struct weir_store *s); /* immediate: takes the write lock */
WEIR_NODISCARD int weir_store_commit(struct weir_store *s);
void weir_store_rollback(struct weir_store *s); /* fine when no transaction is open */

/* Puts the log's content into the file and shortens the log; on a timer, never per call. */
void weir_store_checkpoint(struct weir_store *s);

/* The statement for sql, which must be a string literal: its address is the cache's key. It comes
 * reset, without bindings. */
WEIR_NODISCARD int weir_store_stmt(struct weir_store *s, const char *sql, struct weir_stmt **out);

/* Parameters count from 1. Bytes must stay as they are until the statement is reset. */
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

/* Columns count from 0. */
int64_t weir_stmt_i64(struct weir_stmt *st, int col); /* NULL: 0 */
struct weir_str weir_stmt_str(struct weir_stmt *st, int col);
bool weir_stmt_is_null(struct weir_stmt *st, int col);

int64_t weir_store_changes(struct weir_store *s); /* rows that the last statement changed */
int64_t weir_store_last_id(struct weir_store *s); /* rowid of the last insert */

#endif
