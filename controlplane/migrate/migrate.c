/* migrate.c - see migrate.h. */
#include "controlplane/migrate/migrate.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "controlplane/api/keys.h"
#include "controlplane/audit/audit.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/migrate/tables.h"
#include "controlplane/telemetry/schema.h"

enum { PARTS = 4, LINE_BYTES = 1024 };

static const struct part {
    const char *file;
    int (*migrate)(struct weir_store *s);
} parts[PARTS] = {{"ledger.db", weir_ledger_migrate},
                  {"telemetry.db", weir_ingest_migrate},
                  {"control.db", weir_keys_migrate},
                  {"audit.db", weir_audit_migrate}};

struct mover {
    const struct weir_migration *m;
    struct weir_arena *arena;
    struct weir_store *from[PARTS]; /* NULL: no such file */
    struct weir_store *to;
    struct weir__table *tables[PARTS];
    size_t n_tables[PARTS];
};

static void WEIR_PRINTF(2, 3) say(const struct mover *v, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    v->m->told(v->m->arg, line);
}

static const char *path_of(const struct mover *v, size_t i)
{
    return weir_arena_printf(v->arena, "%s/%s", v->m->folder, parts[i].file);
}

static int open_sources(struct mover *v)
{
    int found = 0;

    for (size_t i = 0; i < PARTS; i++) {
        int rc;

        if (access(path_of(v, i), F_OK) != 0)
            continue;
        rc = weir_store_open(path_of(v, i), v->m->dry_run ? WEIR_STORE_READ_ONLY : 0, &v->from[i]);
        if (rc == WEIR_OK && !v->m->dry_run)
            rc = parts[i].migrate(v->from[i]);
        if (rc == WEIR_OK)
            rc = weir__tables_list(v->from[i], v->arena, &v->tables[i], &v->n_tables[i]);
        if (rc != WEIR_OK) {
            say(v, "%s can't be read: %s", path_of(v, i), weir_rc_name(rc));
            return rc;
        }
        found++;
        for (size_t k = 0; k < v->n_tables[i]; k++)
            say(v, "%s: %s, %lld rows", parts[i].file, v->tables[i][k].name,
                (long long)v->tables[i][k].rows);
    }
    if (!found)
        say(v, "%s holds no database of a control plane", v->m->folder);
    return found ? WEIR_OK : WEIR_ENOTFOUND;
}

/* Made by a migration, and replaced. */
static bool is_made(const char *table)
{
    return strcmp(table, "keys_changed") == 0;
}

static int refuse_used(struct mover *v)
{
    for (size_t i = 0; i < PARTS; i++)
        for (size_t k = 0; k < v->n_tables[i]; k++) {
            const char *name = v->tables[i][k].name;
            bool used = false;
            int rc = is_made(name) ? WEIR_OK : weir__table_used(v->to, v->arena, name, &used);

            if (rc != WEIR_OK)
                return rc;
            if (used) {
                say(v, "the store's table %s is not empty: migrate into a new database", name);
                return WEIR_EEXIST;
            }
        }
    return WEIR_OK;
}

static int upgrade_target(struct mover *v)
{
    int rc = WEIR_OK;

    for (size_t i = 0; rc == WEIR_OK && i < PARTS; i++)
        rc = parts[i].migrate(v->to);
    return rc;
}

static int copy_all(struct mover *v)
{
    int rc = weir_store_begin(v->to);

    for (size_t i = 0; i < PARTS; i++)
        for (size_t k = 0; rc == WEIR_OK && k < v->n_tables[i]; k++)
            rc = weir__table_copy(v->from[i], v->to, v->arena, v->tables[i][k].name);
    if (rc == WEIR_OK)
        rc = weir_store_commit(v->to);
    weir_store_rollback(v->to);
    return rc;
}

static int to_store(struct mover *v)
{
    unsigned flags = v->m->dry_run ? WEIR_STORE_READ_ONLY : WEIR_STORE_FULL_SYNC;
    int rc = weir_store_open(v->m->dsn, flags, &v->to);

    if (rc != WEIR_OK) {
        say(v, "the store can't be opened: %s", weir_rc_name(rc));
        return rc;
    }
    if (v->m->folder)
        rc = refuse_used(v);
    if (rc != WEIR_OK || v->m->dry_run)
        return rc;
    rc = upgrade_target(v);
    if (rc == WEIR_OK && v->m->folder)
        rc = copy_all(v);
    if (rc == WEIR_EUNSURE)
        say(v, "the connection was lost at the very end: it is done if the store's tables have "
               "rows now");
    else if (rc != WEIR_OK)
        say(v, "nothing was moved: %s", weir_rc_name(rc));
    return rc;
}

static int run(struct mover *v)
{
    int rc = v->m->folder ? open_sources(v) : WEIR_OK;

    if (rc == WEIR_OK && v->m->dsn)
        rc = to_store(v);
    if (rc != WEIR_OK)
        return rc;
    if (v->m->dry_run)
        say(v, "a dry run: nothing was changed");
    else if (v->m->folder && v->m->dsn)
        say(v, "moved. Start weir-control with the same --state once: it brings the CA along");
    else
        say(v, "the schema is up to date");
    return WEIR_OK;
}

int weir_migrate(const struct weir_migration *m)
{
    struct mover v = {.m = m, .arena = weir_arena_create(NULL)};
    int lock = -1, rc = WEIR_OK;

    if (m->folder && !m->dry_run)
        rc = weir_store_lock(m->folder, &lock);
    if (rc == WEIR_EEXIST)
        say(&v, "a control plane works in %s: stop it first", m->folder);
    else if (rc != WEIR_OK)
        say(&v, "%s can't be written to", m->folder);
    else
        rc = run(&v);
    for (size_t i = 0; i < PARTS; i++)
        weir_store_close(v.from[i]);
    weir_store_close(v.to);
    weir_arena_destroy(v.arena);
    if (lock >= 0)
        (void)close(lock);
    return rc;
}
