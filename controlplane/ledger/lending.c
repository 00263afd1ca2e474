/* The budgets that lend, as they are stored, and how many counters they have. */
#include "base/log.h"
#include "controlplane/ledger/tables.h"

enum { RECOUNT_MS = 1000 };

static void save_budget(struct weir__core *c, const struct weir__budget *b)
{
    struct weir_stmt *st = weir__stmt(
        c, "INSERT INTO budgets(id, unit, mode, kind, timezone, budget_limit, gone, length_ms,"
           " max_counters, carry_max) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT "
           "(id) DO UPDATE SET"
           " unit = excluded.unit, mode = excluded.mode, kind = excluded.kind,"
           " timezone = excluded.timezone, budget_limit = excluded.budget_limit,"
           " gone = excluded.gone, length_ms = excluded.length_ms,"
           " max_counters = excluded.max_counters, carry_max = excluded.carry_max");

    if (!st)
        return;
    weir_stmt_bind_str(st, 1, weir_str_of(b->id));
    weir_stmt_bind_i64(st, 2, b->def.unit);
    weir_stmt_bind_i64(st, 3, b->def.mode);
    weir_stmt_bind_i64(st, 4, b->def.window);
    weir_stmt_bind_str(st, 5, weir_str_of(b->def.timezone));
    weir_stmt_bind_i64(st, 6, b->def.limit);
    weir_stmt_bind_i64(st, 7, b->gone_ms != 0);
    weir_stmt_bind_i64(st, 8, b->def.length_ms);
    weir_stmt_bind_i64(st, 9, b->def.max_counters);
    weir_stmt_bind_i64(st, 10, b->def.carry_max);
    weir__run(c, st);
}

/* What another replica lends and this one doesn't know yet stays. */
void weir__budgets_save(struct weir__core *c)
{
    for (const struct weir__budget *b = c->budgets->by_id; b && c->rc == WEIR_OK; b = b->hh.next)
        save_budget(c, b);
}

void weir__budget_forget(struct weir__core *c, const char *id)
{
    struct weir_stmt *st = weir__stmt(c, "DELETE FROM budgets WHERE id = ?1");

    if (!st)
        return;
    weir_stmt_bind_str(st, 1, weir_str_of(id));
    weir__run(c, st);
}

int weir__budgets_load(struct weir__core *c, struct weir__budget_set **out)
{
    struct weir__budget_set *s;
    struct weir_stmt *st =
        weir__stmt(c, "SELECT id, unit, mode, kind, timezone, budget_limit, gone,"
                      " length_ms, max_counters, carry_max FROM budgets");
    int rc = weir__budget_set_make(NULL, 0, &s);

    while (st && rc == WEIR_OK && weir__row(c, st)) {
        struct weir_ledger_budget def = {
            .id = weir_arena_strdup(c->arena, weir_stmt_str(st, 0)),
            .unit = (enum weir_unit)weir_stmt_i64(st, 1),
            .mode = (enum weir_budget_mode)weir_stmt_i64(st, 2),
            .window = (enum weir_window_kind)weir_stmt_i64(st, 3),
            .timezone =
                weir_stmt_str(st, 4).n ? weir_arena_strdup(c->arena, weir_stmt_str(st, 4)) : NULL,
            .limit = weir_stmt_i64(st, 5),
            .length_ms = weir_stmt_i64(st, 7),
            .max_counters = weir_stmt_i64(st, 8),
            .carry_max = weir_stmt_i64(st, 9)};

        /* A time zone that this machine has lost is the policy's to complain of. */
        (void)!weir__budget_set_add(s, &def, weir_stmt_i64(st, 6) ? c->now.mono_ms : 0);
    }
    if (st)
        weir_stmt_reset(st);
    *out = s;
    return rc == WEIR_OK ? c->rc : rc;
}

/* ---- live counters ---- */

static void recount(struct weir__core *c, struct weir__budget *b)
{
    struct weir_stmt *st =
        weir__stmt(c, "SELECT count(*) FROM windows WHERE budget = ?1 AND unit = ?2 AND kind = ?3"
                      " AND (end_ms < 0 OR end_ms > ?4)");

    if (!st)
        return;
    weir_stmt_bind_str(st, 1, weir_str_of(b->id));
    weir_stmt_bind_i64(st, 2, b->def.unit);
    weir_stmt_bind_i64(st, 3, b->def.window);
    weir_stmt_bind_i64(st, 4, c->now.wall_ms);
    weir__run_i64(c, st, &b->live);
    b->counted = true;
    b->counted_ms = c->now.mono_ms;
}

/* Counting takes as long as there are counters: what is opened here is added up, and looked at
 * again when it is at the bound or when other replicas may have opened some. */
bool weir__counter_fits(struct weir__core *c, struct weir__budget *b)
{
    if (b->def.max_counters == 0)
        return true;
    if (!b->counted || ((c->shared || b->live >= b->def.max_counters) &&
                        c->now.mono_ms - b->counted_ms >= RECOUNT_MS))
        recount(c, b);
    if (b->live < b->def.max_counters) {
        b->live++;
        return true;
    }
    if (!b->told_full)
        WEIR_LOG(WEIR_LOG_WARN, "ledger",
                 "budget %s has %lld live counters, as many as it may (maxCounters): calls for a "
                 "further one are refused",
                 b->id, (long long)b->live);
    b->told_full = true;
    return false;
}
