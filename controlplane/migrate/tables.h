/* tables.h - copies tables from SQLite to PostgreSQL. Internal to the module. */
#ifndef WEIR_MIGRATE_TABLES_H
#define WEIR_MIGRATE_TABLES_H

#include "base/arena.h"
#include "controlplane/store/store.h"

struct weir__table {
    const char *name;
    int64_t rows;
};

/* The source's tables, in the order in which they were made: what is referred to comes first.
 * Statements are made in arena, which must outlive both stores. */
WEIR_NODISCARD int weir__tables_list(struct weir_store *from, struct weir_arena *arena,
                                     struct weir__table **out, size_t *out_n);
/* Has the PostgreSQL a table of this name with a row in it? */
WEIR_NODISCARD int weir__table_used(struct weir_store *to, struct weir_arena *arena,
                                    const char *name, bool *out);
/* Within a transaction of to, where the table exists and is empty but for rows that a migration put
 * there, which are replaced. Keys that the server makes go on where the source's were. */
WEIR_NODISCARD int weir__table_copy(struct weir_store *from, struct weir_store *to,
                                    struct weir_arena *arena, const char *name);

#endif
