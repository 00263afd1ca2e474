/* Calls that wait for a person (onExhausted: ask): a row for each counter that is short, renewed
 * with every ask for it, and gone when a limit is raised or reset. A denial answers the asks of the
 * next minute, so that all who wait hear of it; later ones ask anew. Nothing is lent by any of it.
 */
#include "controlplane/ledger/tables.h"

enum { DENIED_FOR_MS = 60000, KEPT_MS = 86400000 };

bool weir__petition(struct weir__core *c, const struct weir__ask *a, int64_t window)
{
    struct weir_stmt *st = weir__stmt(
        c,
        "INSERT INTO petitions(budget, scope, need, since_ms, last_ms, denied_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?4, 0) ON CONFLICT (budget, scope) DO UPDATE SET"
        " last_ms = excluded.last_ms,"
        /* Who waited before has been answered, or has given up. */
        " since_ms = CASE WHEN petitions.last_ms < ?4 - ?5 OR (petitions.denied_ms > 0 AND"
        " petitions.denied_ms < ?4 - ?5) THEN excluded.since_ms ELSE petitions.since_ms END,"
        " need = CASE WHEN petitions.last_ms >= ?4 - ?5 AND petitions.need > excluded.need"
        " THEN petitions.need ELSE excluded.need END,"
        " denied_ms = CASE WHEN petitions.denied_ms < ?4 - ?5 THEN 0 ELSE petitions.denied_ms END"
        " RETURNING CASE WHEN denied_ms > 0 THEN 2 WHEN since_ms = ?4 THEN 1 ELSE 0 END");
    int64_t how = 0; /* 1: nobody waited before; 2: denied */

    if (!st)
        return false;
    weir_stmt_bind_str(st, 1, weir_str_of(a->budget));
    weir_stmt_bind_str(st, 2, weir_str_of(a->scope));
    weir_stmt_bind_i64(st, 3, a->need);
    weir_stmt_bind_i64(st, 4, c->now.wall_ms);
    weir_stmt_bind_i64(st, 5, DENIED_FOR_MS);
    weir__run_i64(c, st, &how);
    if (how == 1)
        weir__crossing_asked(c, window, a->need);
    return how == 2;
}

/* scope NULL: every counter. The rows that were there. */
static int64_t change(struct weir__core *c, const char *sql, const char *budget, const char *scope)
{
    struct weir_stmt *st = weir__stmt(c, sql);

    if (!st)
        return 0;
    weir_stmt_bind_str(st, 1, weir_str_of(budget));
    weir_stmt_bind_str(st, 2, weir_str_of(scope));
    weir_stmt_bind_i64(st, 3, c->now.wall_ms);
    weir__run(c, st);
    return weir_store_changes(c->store);
}

void weir__petitions_granted(struct weir__core *c, const char *budget, const char *scope)
{
    (void)change(c,
                 "DELETE FROM petitions WHERE budget = ?1"
                 " AND (CAST(?2 AS TEXT) IS NULL OR scope = ?2) AND last_ms <= ?3",
                 budget, scope);
}

int weir__petitions_deny(struct weir__core *c, const char *budget, const char *scope)
{
    int64_t n = change(c,
                       "UPDATE petitions SET denied_ms = ?3 WHERE budget = ?1"
                       " AND (CAST(?2 AS TEXT) IS NULL OR scope = ?2) AND denied_ms = 0",
                       budget, scope);

    return c->rc != WEIR_OK ? c->rc : n > 0 ? WEIR_OK : WEIR_EEXIST;
}

void weir__petitions_prune(struct weir__core *c)
{
    struct weir_stmt *st = weir__stmt(c, "DELETE FROM petitions WHERE last_ms < ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, c->now.wall_ms - KEPT_MS);
    weir__run(c, st);
}
