/* What the ledger forgets, and when. */
#include "controlplane/ledger/tables.h"

/* clang-format off */
/* Of a budget whose counters callers name; to be closed with a bracket. */
#define NAMED(window) \
    " EXISTS (SELECT 1 FROM windows w JOIN budgets b ON b.id = w.budget" \
    " WHERE b.max_counters > 0 AND w.id = " window

/* An operator has corrected or reset it in the last 30 days, which its row alone remembers. */
#define ENTERED(w) \
    " EXISTS (SELECT 1 FROM entries e WHERE e.budget = " w ".budget AND e.what IN (2, 3)" \
    " AND (e.scope IS NULL OR e.scope = " w ".scope)" \
    " AND e.at_ms >= CAST(?1 AS {int}) - 2592000000)"

#define EMPTY \
    " NOT EXISTS (SELECT 1 FROM leases WHERE \"window\" = windows.id)"
#define NO_STEPS \
    " NOT EXISTS (SELECT 1 FROM steps WHERE \"window\" = windows.id)"

static const char *const sql[] = {
    "DELETE FROM leases WHERE closed = 1 AND \"window\" IN (SELECT w.id FROM windows w"
    " WHERE (w.end_ms >= 0 AND w.end_ms < CAST(?1 AS {int}) - 86400000)"
    " OR (w.length_ms > 0 AND leases.reported_ms < CAST(?1 AS {int}) - 86400000 - w.length_ms))",

    "DELETE FROM leases WHERE closed = 1"
    " AND" NAMED("leases.\"window\"") " AND w.end_ms < 0 AND w.length_ms = 0"
    " AND NOT" ENTERED("w") ")"
    " AND NOT EXISTS (SELECT 1 FROM leases l WHERE l.\"window\" = leases.\"window\""
    " AND (l.closed = 0 OR l.reported_ms >= CAST(?1 AS {int}) - 2592000000))",

    "DELETE FROM windows"
    " WHERE" NAMED("windows.id") " AND (w.end_ms < 0 OR w.end_ms < CAST(?1 AS {int}) - 604800000))"
    " AND" EMPTY " AND" NO_STEPS
    " AND (end_ms >= 0 OR NOT" ENTERED("windows") ")",

    "DELETE FROM windows WHERE end_ms >= 0"
    " AND end_ms + CASE kind WHEN 1 THEN 86400000 WHEN 2 THEN 2592000000 ELSE 94608000000 END < ?1"
    " AND" EMPTY,

    "DELETE FROM windows WHERE length_ms > 0 AND start_ms < ?1 AND" EMPTY " AND" NO_STEPS,

    "DELETE FROM alerts WHERE at_ms < ?1"
    " AND NOT EXISTS (SELECT 1 FROM windows w WHERE w.id = alerts.\"window\")",

    "DELETE FROM recent WHERE end_ms < CAST(?1 AS {int}) - 7200000",

    /* A year of a window that never ends; of others as long as the window. */
    "DELETE FROM burn WHERE end_ms < CAST(?1 AS {int}) - 31536000000"
    " OR NOT EXISTS (SELECT 1 FROM windows w WHERE w.id = burn.\"window\")",
};

/* clang-format on */

/* Closed leases are of no use a day after their window, or after the last report when it rolls;
 * windows stay for history: minutes for a day, hours for 30 days, others for three years, rolling
 * ones as long as something is in them. Where callers name the counters, a week; and one that never
 * ends is forgotten after 30 days without a report or an entry: all its leases at once, since those
 * that are kept have to add up to what it has counted. */
void weir__prune(struct weir__core *c)
{
    weir__steps_sweep(c);
    weir__petitions_prune(c);
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        struct weir_stmt *st = weir__stmt(c, sql[i]);

        if (!st)
            return;
        weir_stmt_bind_i64(st, 1, c->now.wall_ms);
        weir__run(c, st);
    }
}
