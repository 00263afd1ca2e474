/* engine.h - what an engine does for a store. Internal to the store. */
#ifndef WEIR_STORE_ENGINE_H
#define WEIR_STORE_ENGINE_H

#include "base/buf.h"
#include "controlplane/store/store.h"

enum { WEIR__STMTS_MAX = 256, WEIR__SQL_MAX = 65536 };

struct weir__engine {
    bool shared;
    bool dollars; /* parameters are $1, not ?1 */
    bool like;    /* {like} is LIKE, not GLOB */

    const struct weir__word {
        const char *portable, *sql;
    } * words; /* of this engine; ended by NULL */

    void (*close)(struct weir_store *s);
    int (*now)(struct weir_store *s, int64_t *ms);
    int (*exec)(struct weir_store *s, const char *sql); /* sql is the engine's own */
    int (*begin)(struct weir_store *s);
    int (*commit)(struct weir_store *s);
    void (*rollback)(struct weir_store *s);
    void (*checkpoint)(struct weir_store *s);
    /* Within a transaction: no other process migrates until it ends. */
    int (*version)(struct weir_store *s, const char *part, int64_t *out);
    int (*set_version)(struct weir_store *s, const char *part, int version);
    int64_t (*changes)(struct weir_store *s);

    int (*prepare)(struct weir_store *s, const char *sql, struct weir_stmt **out);
    void (*finalize)(struct weir_stmt *st);
    void (*clear)(struct weir_stmt *st); /* bindings */
    void (*bind_i64)(struct weir_stmt *st, int i, int64_t v);
    void (*bind_bytes)(struct weir_stmt *st, int i, struct weir_str v,
                       bool text); /* p NULL: NULL */
    int (*step)(struct weir_stmt *st);
    void (*reset)(struct weir_stmt *st);
    int64_t (*i64)(struct weir_stmt *st, int col);
    struct weir_str (*str)(struct weir_stmt *st, int col);
    bool (*is_null)(struct weir_stmt *st, int col);
};

/* First member of an engine's own. */
struct weir_stmt {
    struct weir_store *store;
    const char *literal; /* identity: the literal's address */
};

struct weir_store {
    const struct weir__engine *engine;
    struct weir_stmt *stmts[WEIR__STMTS_MAX];
    size_t n_stmts;
};

int weir__sqlite_open(const char *path, unsigned flags, struct weir_store **out);
int weir__postgres_open(const char *dsn, unsigned flags, struct weir_store **out);

/* The portable text as the engine's own, NUL-terminated; out is initialised here. WEIR_EINVAL: a
 * word in braces that no engine knows. */
int weir__sql(const struct weir__engine *e, const char *portable, struct weir_buf *out);

#endif
