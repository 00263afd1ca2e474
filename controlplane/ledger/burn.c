/* How a window's spending came about: what was reported in each of its steps, for the burn-down. A
 * day where the window never ends, else a sixtieth of it. Nothing is decided by it: it is what
 * people look at. Over a window's steps the sum is what it has spent and has not been forgiven. */
#include "controlplane/ledger/tables.h"

enum { STEPS = 60, LEAST_MS = 1000, DAY_MS = 86400000 };

static int64_t step_ms(const struct weir__window *w)
{
    int64_t length_ms = w->length_ms > 0 ? w->length_ms
                        : w->end_ms >= 0 ? w->end_ms - w->start_ms
                                         : (int64_t)STEPS * DAY_MS;
    int64_t ms = length_ms / STEPS;

    return ms > LEAST_MS ? ms : LEAST_MS;
}

void weir__burn_add(struct weir__core *c, const struct weir__window *w, int64_t spent)
{
    struct weir_stmt *st =
        spent != 0 ? weir__stmt(c, "INSERT INTO burn(\"window\", end_ms, amount) VALUES(?1, ?2, ?3)"
                                   " ON CONFLICT (\"window\", end_ms)"
                                   " DO UPDATE SET amount = burn.amount + excluded.amount")
                   : NULL;

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, w->id);
    weir_stmt_bind_i64(st, 2, (c->now.wall_ms / step_ms(w) + 1) * step_ms(w));
    weir_stmt_bind_i64(st, 3, spent);
    weir__run(c, st);
}
