#include "lease/lease.h"

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t weir_lease_free(const struct weir_lease_held *l)
{
    return l->granted - l->returned - l->settled - l->held;
}

int weir_lease_hold(struct weir_lease_held *l, int64_t amount)
{
    if (l->ended || l->final || amount < 0 || amount > weir_lease_free(l))
        return WEIR_ELIMIT;
    l->held += amount;
    return WEIR_OK;
}

bool weir_lease_settle(struct weir_lease_held *l, int64_t held, int64_t actual)
{
    WEIR_ASSERT(!l->final && held >= 0 && held <= l->held && actual >= 0);
    l->held -= held;
    l->settled += actual;
    return actual > held && weir_lease_free(l) < 0;
}

void weir_lease_release(struct weir_lease_held *l, int64_t held)
{
    (void)weir_lease_settle(l, held, 0);
}

void weir_lease_grant(struct weir_lease_held *l, int64_t granted)
{
    if (!l->final)
        l->granted = max64(l->granted, granted);
}

int64_t weir_lease_return_idle(struct weir_lease_held *l)
{
    int64_t idle = l->final ? 0 : max64(weir_lease_free(l), 0);

    l->returned += idle;
    return idle;
}

bool weir_lease_finalise(struct weir_lease_held *l)
{
    l->ended = true;
    if (l->held > 0)
        return false;
    l->final = true;
    return true;
}

void weir_lease_finalise_crashed(struct weir_lease_held *l)
{
    l->settled += l->held;
    l->held = 0;
    l->ended = l->final = true;
}

struct weir_lease_report weir_lease_report_of(const struct weir_lease_held *l)
{
    return (struct weir_lease_report){
        .returned = l->returned, .settled = l->settled, .held = l->held, .final = l->final};
}

bool weir_lease_wants_prefetch(const struct weir_lease_held *l, int64_t target)
{
    return !l->ended && !l->final && weir_lease_free(l) < target / 2;
}

int64_t weir_lease_commitment(const struct weir_lease_row *row)
{
    return max64(row->granted - row->returned, row->settled);
}

int64_t weir_window_remaining(const struct weir_ledger_window *w)
{
    return w->limit - w->closed_settled - w->committed;
}

int weir_window_grant(struct weir_ledger_window *w, struct weir_lease_row *row, int64_t x,
                      bool over_limit)
{
    int64_t before = weir_lease_commitment(row);
    struct weir_lease_row after = *row;

    if (row->closed)
        return WEIR_ESTATE;
    if (x <= 0 || x > WEIR_AMOUNT_MAX || row->granted > WEIR_AMOUNT_MAX - x)
        return WEIR_ELIMIT;
    after.granted += x;
    if (!over_limit && weir_lease_commitment(&after) - before > weir_window_remaining(w))
        return WEIR_ELIMIT;
    *row = after;
    w->committed += weir_lease_commitment(row) - before;
    return WEIR_OK;
}

static bool sane(const struct weir_lease_row *row, const struct weir_lease_report *r)
{
    return r->returned >= 0 && r->returned <= row->granted && r->settled >= 0 &&
           r->settled <= WEIR_AMOUNT_MAX && r->held >= 0 && r->held <= WEIR_AMOUNT_MAX;
}

static void close_row(struct weir_ledger_window *w, struct weir_lease_row *row)
{
    w->committed -= weir_lease_commitment(row);
    w->closed_settled += row->settled;
    row->held = 0;
    row->closed = true;
}

int weir_window_report(struct weir_ledger_window *w, struct weir_lease_row *row,
                       const struct weir_lease_report *r)
{
    bool rolled_back = r->settled < row->settled || r->returned < row->returned;
    int64_t before, more;

    if (!sane(row, r))
        return WEIR_EINVAL;
    more = max64(r->settled - row->settled, 0);
    if (row->closed) {
        /* Written off, but its holder went on: what it spent counts all the same. */
        row->settled += more;
        w->closed_settled += more;
        return WEIR_OK;
    }
    before = weir_lease_commitment(row);
    row->settled += more;
    row->returned = max64(row->returned, r->returned);
    w->committed += weir_lease_commitment(row) - before;
    if (!rolled_back)
        row->held = r->held;
    if (r->final && !rolled_back)
        close_row(w, row);
    return WEIR_OK;
}

void weir_window_write_off(struct weir_ledger_window *w, struct weir_lease_row *row)
{
    int64_t before = weir_lease_commitment(row);

    if (row->closed)
        return;
    row->settled += row->held;
    w->committed += weir_lease_commitment(row) - before;
    close_row(w, row);
}

int64_t weir_window_size(const struct weir_ledger_window *w, const struct weir_lease_row *row,
                         const struct weir_lease_demand *d, int64_t holders)
{
    /* What a breach has used of the lease is committed already: to lend it costs nothing. */
    int64_t debt = max64(row->settled - (row->granted - row->returned), 0);
    int64_t left = weir_window_remaining(w) + debt;
    int64_t share = left / (2 * max64(holders, 1));

    if (left <= 0 || left < d->need)
        return 0;
    /* Calls that wait hold what they get at once, so none of that can lie idle. */
    return min64(left, max64(max64(d->need, d->waiting), min64(d->want, share)));
}

bool weir_lease_worth_recall(const struct weir_lease_row *row)
{
    return !row->closed && row->granted - row->returned - row->settled > 0;
}
