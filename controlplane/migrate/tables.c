/* tables.c - see tables.h. */
#include "controlplane/migrate/tables.h"

#include "base/buf.h"

enum { TABLES = 64, COLUMNS = 64 };

struct column {
    const char *name;
    bool number, bytes;
    bool key; /* of the whole table, a number: made by the database */
};

int weir__tables_list(struct weir_store *from, struct weir_arena *arena, struct weir__table **out,
                      size_t *out_n)
{
    struct weir__table *list = weir_arena_zalloc(arena, TABLES * sizeof *list);
    struct weir_stmt *st;
    size_t n = 0;
    int rc = weir_store_stmt(from,
                             "SELECT name FROM sqlite_master WHERE type = 'table' AND"
                             " name NOT LIKE 'sqlite_%' ORDER BY rowid",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    while ((rc = weir_stmt_step(st)) == 1 && n < TABLES)
        list[n++].name = weir_arena_strdup(arena, weir_stmt_str(st, 0));
    weir_stmt_reset(st);
    for (size_t i = 0; rc >= 0 && i < n; i++) {
        rc = weir_store_stmt(
            from, weir_arena_printf(arena, "SELECT count(*) FROM \"%s\"", list[i].name), &st);
        if (rc == WEIR_OK)
            rc = weir_stmt_run_i64(st, &list[i].rows);
    }
    *out = list;
    *out_n = n;
    return rc < 0 ? rc : WEIR_OK;
}

int weir__table_used(struct weir_store *to, struct weir_arena *arena, const char *name, bool *out)
{
    struct weir_stmt *st;
    int64_t n = 0;
    int rc = weir_store_stmt(to,
                             "SELECT count(*) FROM information_schema.tables WHERE"
                             " table_schema = current_schema() AND"
                             " CAST(table_name AS TEXT) = CAST(?1 AS TEXT)",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(name));
    rc = weir_stmt_run_i64(st, &n);
    if (rc == WEIR_OK && n > 0) {
        rc = weir_store_stmt(
            to,
            weir_arena_printf(arena, "SELECT count(*) FROM (SELECT 1 FROM \"%s\" LIMIT 1) a", name),
            &st);
        if (rc == WEIR_OK)
            rc = weir_stmt_run_i64(st, &n);
    }
    *out = n > 0;
    return rc;
}

static int read_columns(struct weir_store *from, struct weir_arena *arena, const char *table,
                        struct column list[COLUMNS], size_t *out_n)
{
    struct weir_stmt *st;
    size_t n = 0, keys = 0;
    int rc = weir_store_stmt(
        from, weir_arena_printf(arena, "SELECT name, type, pk FROM pragma_table_info('%s')", table),
        &st);

    if (rc != WEIR_OK)
        return rc;
    while ((rc = weir_stmt_step(st)) == 1 && n < COLUMNS) {
        struct weir_str type = weir_stmt_str(st, 1);
        bool key = weir_stmt_i64(st, 2) > 0;

        keys += key;
        list[n++] = (struct column){.name = weir_arena_strdup(arena, weir_stmt_str(st, 0)),
                                    .number = weir_str_is(type, "INTEGER"),
                                    .bytes = weir_str_is(type, "BLOB"),
                                    .key = key};
    }
    weir_stmt_reset(st);
    for (size_t i = 0; i < n; i++)
        list[i].key = list[i].key && keys == 1 && list[i].number;
    *out_n = n;
    return rc == 1 ? WEIR_ELIMIT : rc;
}

static const char *columns_text(struct weir_arena *arena, const struct column list[], size_t n,
                                bool parameters)
{
    const char *text = "";

    for (size_t i = 0; i < n; i++)
        text = parameters
                   ? weir_arena_printf(arena, "%s%s?%zu", text, i ? ", " : "", i + 1)
                   : weir_arena_printf(arena, "%s%s\"%s\"", text, i ? ", " : "", list[i].name);
    return text;
}

static int copy_row(struct weir_stmt *from, struct weir_stmt *to, const struct column list[],
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int at = (int)i;

        if (weir_stmt_is_null(from, at))
            weir_stmt_bind_null(to, at + 1);
        else if (list[i].number)
            weir_stmt_bind_i64(to, at + 1, weir_stmt_i64(from, at));
        else if (list[i].bytes)
            weir_stmt_bind_blob(to, at + 1, weir_stmt_str(from, at));
        else
            weir_stmt_bind_str(to, at + 1, weir_stmt_str(from, at));
    }
    return weir_stmt_run(to);
}

static int copy_rows(struct weir_store *from, struct weir_store *to, struct weir_arena *arena,
                     const char *name, const struct column list[], size_t n)
{
    const char *columns = columns_text(arena, list, n, false);
    struct weir_stmt *read, *write;
    int rc = weir_store_stmt(from, weir_arena_printf(arena, "SELECT %s FROM \"%s\"", columns, name),
                             &read);

    if (rc == WEIR_OK)
        rc = weir_store_stmt(to,
                             weir_arena_printf(arena, "INSERT INTO \"%s\"(%s) VALUES(%s)", name,
                                               columns, columns_text(arena, list, n, true)),
                             &write);
    if (rc != WEIR_OK)
        return rc;
    while ((rc = weir_stmt_step(read)) == 1) {
        rc = copy_row(read, write, list, n);
        if (rc != WEIR_OK)
            break;
    }
    weir_stmt_reset(read);
    return rc;
}

static int last_key(struct weir_store *from, struct weir_arena *arena, const char *name,
                    const char *key, int64_t *out)
{
    struct weir_stmt *st;
    int64_t there = 0, used = 0;
    int rc = weir_store_stmt(
        from, weir_arena_printf(arena, "SELECT coalesce(max(\"%s\"), 0) FROM \"%s\"", key, name),
        &st);

    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, &there);
    /* A lease's number is not used again when its row is gone. */
    if (rc == WEIR_OK)
        rc = weir_store_stmt(
            from, "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'", &st);
    if (rc == WEIR_OK)
        rc = weir_stmt_run_i64(st, &used);
    if (rc == WEIR_OK && used) {
        rc = weir_store_stmt(
            from, "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1", &st);
        if (rc != WEIR_OK)
            return rc;
        weir_stmt_bind_str(st, 1, weir_str_of(name));
        rc = weir_stmt_run_i64(st, &used);
    }
    *out = there > used ? there : used;
    return rc;
}

static int go_on_counting(struct weir_store *from, struct weir_store *to, struct weir_arena *arena,
                          const char *name, const char *key)
{
    struct weir_stmt *st;
    int64_t last = 0, made = 0;
    int rc = last_key(from, arena, name, key, &last);

    /* NULL for a key that the database doesn't make. */
    if (rc == WEIR_OK && last > 0)
        rc = weir_store_stmt(
            to,
            weir_arena_printf(arena, "SELECT setval(pg_get_serial_sequence('%s', '%s'), ?1)", name,
                              key),
            &st);
    if (rc != WEIR_OK || last <= 0)
        return rc;
    weir_stmt_bind_i64(st, 1, last);
    return weir_stmt_run_i64(st, &made);
}

int weir__table_copy(struct weir_store *from, struct weir_store *to, struct weir_arena *arena,
                     const char *name)
{
    struct column list[COLUMNS];
    size_t n;
    int rc = read_columns(from, arena, name, list, &n);

    if (rc == WEIR_OK)
        rc = weir_store_exec(to, weir_arena_printf(arena, "DELETE FROM \"%s\"", name));
    if (rc == WEIR_OK)
        rc = copy_rows(from, to, arena, name, list, n);
    for (size_t i = 0; rc == WEIR_OK && i < n; i++)
        if (list[i].key)
            rc = go_on_counting(from, to, arena, name, list[i].name);
    return rc;
}
