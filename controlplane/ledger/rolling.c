/* Rolling windows: what was spent in each of their steps. A step ends on a grid, and comes back as
 * a whole when its end has left the window: never sooner than anything that was spent in it, and at
 * most one step later. What a holder spent counts in the step in which it is reported, which is
 * never the earlier one. */
#include "controlplane/ledger/tables.h"

static int64_t step_ms(const struct weir__window *w)
{
    int64_t ms = w->length_ms / WEIR_ROLLING_STEPS;

    return ms > 0 ? ms : 1;
}

static int64_t sum_of(struct weir__core *c, const struct weir__window *w, int64_t until_ms)
{
    struct weir_stmt *st = weir__stmt(c, "SELECT CAST(coalesce(sum(amount), 0) AS {int}) FROM steps"
                                         " WHERE \"window\" = ?1 AND end_ms <= ?2");
    int64_t sum = 0;

    if (!st)
        return 0;
    weir_stmt_bind_i64(st, 1, w->id);
    weir_stmt_bind_i64(st, 2, until_ms);
    weir__run_i64(c, st, &sum);
    return sum;
}

void weir__steps_leave(struct weir__core *c, struct weir__window *w)
{
    int64_t until_ms = c->now.wall_ms - w->length_ms, left = sum_of(c, w, until_ms);
    struct weir_stmt *st;

    if (left == 0 || c->rc != WEIR_OK)
        return;
    st = weir__stmt(c, "DELETE FROM steps WHERE \"window\" = ?1 AND end_ms <= ?2");
    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, w->id);
    weir_stmt_bind_i64(st, 2, until_ms);
    weir__run(c, st);
    w->forgiven += left;
    w->w.limit += left;
    weir__window_save(c, w);
}

/* A clock that stepped back does not open an older step: it would come back too soon once the clock
 * is right again. */
void weir__steps_add(struct weir__core *c, const struct weir__window *w, int64_t spent)
{
    struct weir_stmt *st =
        spent > 0 && w->length_ms > 0
            ? weir__stmt(c, "INSERT INTO steps(\"window\", end_ms, amount) VALUES(?1,"
                            " (SELECT CASE WHEN max(end_ms) > CAST(?2 AS {int}) THEN max(end_ms)"
                            " ELSE CAST(?2 AS {int}) END FROM steps WHERE \"window\" = ?1), ?3)"
                            " ON CONFLICT (\"window\", end_ms) DO UPDATE"
                            " SET amount = steps.amount + excluded.amount")
            : NULL;

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, w->id);
    weir_stmt_bind_i64(st, 2, (c->now.wall_ms / step_ms(w) + 1) * step_ms(w));
    weir_stmt_bind_i64(st, 3, spent);
    weir__run(c, st);
}

int64_t weir__steps_wait_ms(struct weir__core *c, const struct weir__window *w, int64_t need)
{
    struct weir_stmt *st =
        weir__stmt(c, "SELECT end_ms, amount FROM steps WHERE \"window\" = ?1 ORDER BY end_ms");
    int64_t left = weir_window_remaining(&w->w), wait_ms = -1;

    if (!st)
        return -1;
    weir_stmt_bind_i64(st, 1, w->id);
    while (wait_ms < 0 && weir__row(c, st)) {
        left += weir_stmt_i64(st, 1);
        if (left >= need)
            wait_ms = weir_stmt_i64(st, 0) + w->length_ms - c->now.wall_ms;
    }
    weir_stmt_reset(st);
    /* The rest is lent: spent already perhaps, and not yet reported. */
    if (wait_ms < 0 && need <= w->w.limit - w->forgiven)
        wait_ms = w->length_ms + step_ms(w);
    return wait_ms;
}

void weir__steps_sweep(struct weir__core *c)
{
    static const char *const sql[] = {
        "UPDATE windows SET forgiven = forgiven + (SELECT CAST(coalesce(sum(s.amount), 0) AS {int})"
        " FROM steps s WHERE s.\"window\" = windows.id AND s.end_ms <= ?1 - windows.length_ms)"
        " WHERE length_ms > 0 AND id IN (SELECT s.\"window\" FROM steps s)",
        "DELETE FROM steps WHERE end_ms <="
        " ?1 - (SELECT length_ms FROM windows w WHERE w.id = steps.\"window\")"};

    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        struct weir_stmt *st = weir__stmt(c, sql[i]);

        if (!st)
            return;
        weir_stmt_bind_i64(st, 1, c->now.wall_ms);
        weir__run(c, st);
    }
}
