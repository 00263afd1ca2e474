/* The invariants of a small world, and what its ledger says. */
#include "world_internal.h"

#include <stdio.h>

#include "controlplane/store/store.h"

static struct weir_store *reader(struct world *w)
{
    if (!w->reader)
        WEIR_ASSERT(weir_store_open(w->db, WEIR_STORE_READ_ONLY, &w->reader) == WEIR_OK);
    return w->reader;
}

static struct weir_stmt *query(struct world *w, const char *sql)
{
    struct weir_stmt *st;

    WEIR_ASSERT(weir_store_stmt(reader(w), sql, &st) == WEIR_OK);
    return st;
}

static bool next(struct weir_stmt *st)
{
    int rc = weir_stmt_step(st);

    WEIR_ASSERT(rc >= 0);
    if (rc == 0)
        weir_stmt_reset(st);
    return rc == 1;
}

/* A limit that was lowered binds from what is out at that moment on. */
void world__note_caps(struct world *w)
{
    struct weir_stmt *st = query(w, "SELECT id, closed_settled + committed FROM windows");

    while (next(st)) {
        int64_t id = weir_stmt_i64(st, 0);

        WEIR_ASSERT(id < WINDOWS_MAX);
        w->caps[id] = weir_stmt_i64(st, 1);
    }
}

static int64_t cap_of(const struct world *w, int64_t window, int64_t limit)
{
    WEIR_ASSERT(window < WINDOWS_MAX);
    return w->caps[window] > limit ? w->caps[window] : limit;
}

static const char *check_windows(struct world *w)
{
    struct weir_stmt *st =
        query(w, "SELECT budget, id, budget_limit + forgiven, closed_settled, committed,"
                 " (SELECT coalesce(sum(settled), 0) FROM leases WHERE window = w.id AND closed),"
                 " (SELECT coalesce(sum(max(granted - returned, settled)), 0) FROM leases"
                 "  WHERE window = w.id AND NOT closed) FROM windows w");
    bool bad = false;

    while (!bad && next(st)) {
        int64_t limit = cap_of(w, weir_stmt_i64(st, 1), weir_stmt_i64(st, 2)),
                closed = weir_stmt_i64(st, 3), committed = weir_stmt_i64(st, 4);

        bad = closed + committed > limit || closed != weir_stmt_i64(st, 5) ||
              committed != weir_stmt_i64(st, 6);
        if (bad)
            (void)snprintf(w->problem, sizeof w->problem,
                           "I3: %s: closed %lld (leases: %lld) + committed %lld (leases: %lld),"
                           " limit %lld",
                           weir_stmt_str(st, 0).p, (long long)closed,
                           (long long)weir_stmt_i64(st, 5), (long long)committed,
                           (long long)weir_stmt_i64(st, 6), (long long)limit);
    }
    weir_stmt_reset(st);
    return bad ? w->problem : NULL;
}

static void gather_open(struct world *w)
{
    for (size_t i = 0; i < w->n_truths; i++)
        w->truths[i].open = 0;
    for (int i = 0; i < w->n_calls; i++)
        if (w->calls[i].used && w->calls[i].open)
            for (unsigned b = 0; b < w->calls[i].adm.n; b++)
                world__truth_of(w, w->calls[i].adm.holds[b].lease)->open +=
                    w->calls[i].adm.holds[b].held;
}

/* I4 per lease. The values are kept for the next time. */
static const char *check_monotone(struct world *w)
{
    struct weir_stmt *st =
        query(w, "SELECT (SELECT id FROM ledger) || '-' || number, returned, settled FROM leases");
    bool bad = false;

    while (!bad && next(st)) {
        struct weir_str id = weir_stmt_str(st, 0);
        struct truth *t = NULL;

        for (size_t i = 0; i < w->n_truths && !t; i++)
            if (weir_str_is(id, w->truths[i].lease))
                t = &w->truths[i];
        if (!t)
            continue;
        bad = weir_stmt_i64(st, 1) < t->returned || weir_stmt_i64(st, 2) < t->settled;
        t->returned = weir_stmt_i64(st, 1);
        t->settled = weir_stmt_i64(st, 2);
    }
    weir_stmt_reset(st);
    return bad ? "I4: a counter of a lease went back" : NULL;
}

/* I1 per window by its leases; I5 per closed lease. A lease that the ledger does not know means
 * that a grant was sent which was not durable. */
static const char *check_truth(struct world *w)
{
    int64_t window = -1, sum = 0;
    struct weir_stmt *st = query(w, "SELECT window, closed, settled, budget_limit + forgiven,"
                                    " (SELECT id FROM ledger) || '-' || number FROM leases"
                                    " JOIN windows w ON w.id = window ORDER BY window");
    size_t seen = 0, with_truth = 0;

    gather_open(w);
    for (size_t i = 0; i < w->n_truths; i++)
        with_truth += w->truths[i].lease[0] != '\0';
    while (next(st)) {
        char id[WEIR_LEASE_ID_MAX] = {0};
        struct weir_str s = weir_stmt_str(st, 4);
        size_t before = w->n_truths;
        const struct truth *t;

        memcpy(id, s.p, s.n);
        t = world__truth_of(w, id);
        if (w->n_truths != before) {
            w->n_truths = before; /* never spent under: leave no entry behind */
            memset(&w->truths[before], 0, sizeof *w->truths);
        } else
            seen++;
        if (weir_stmt_i64(st, 0) != window)
            sum = 0;
        window = weir_stmt_i64(st, 0);
        sum += t->spent + t->open;
        if (sum > cap_of(w, window, weir_stmt_i64(st, 3))) {
            (void)snprintf(w->problem, sizeof w->problem, "I1: spent and held %lld of %lld",
                           (long long)sum, (long long)cap_of(w, window, weir_stmt_i64(st, 3)));
            weir_stmt_reset(st);
            return w->problem;
        }
        if (weir_stmt_i64(st, 1) && weir_stmt_i64(st, 2) < t->spent + t->open) {
            (void)snprintf(w->problem, sizeof w->problem, "I5: lease %s closed at %lld, cost %lld",
                           id, (long long)weir_stmt_i64(st, 2), (long long)t->spent + t->open);
            weir_stmt_reset(st);
            return w->problem;
        }
    }
    return seen < with_truth ? "I1: spent under a lease that the ledger does not know" : NULL;
}

/* I8: what a holder's leases hold is what its open calls hold, so a refused one left nothing. */
static const char *check_holds(struct world *w)
{
    for (int p = 0; p < w->n_proxies; p++) {
        struct weir_lease_total totals[WEIR_LEASE_TOTALS_MAX];
        size_t n = weir_holder_totals(w->proxies[p].holder, totals);
        int64_t held = 0, open = 0;

        for (size_t i = 0; i < n; i++)
            held += totals[i].held;
        for (int i = 0; i < w->n_calls; i++)
            if (w->calls[i].used && w->calls[i].open && w->calls[i].proxy == p)
                for (unsigned b = 0; b < w->calls[i].adm.n; b++)
                    open += w->calls[i].adm.holds[b].on ? w->calls[i].adm.holds[b].held : 0;
        if (held == open)
            continue;
        (void)snprintf(w->problem, sizeof w->problem, "I8: proxy %d holds %lld, its calls %lld", p,
                       (long long)held, (long long)open);
        return w->problem;
    }
    return NULL;
}

const char *world_check(struct world *w)
{
    const char *problem = check_windows(w);

    if (!problem)
        problem = check_monotone(w);
    if (!problem)
        problem = check_holds(w);
    return problem ? problem : check_truth(w);
}

const char *world_finish(struct world *w)
{
    static const int64_t nothing[WEIR_ADMIT_PARTS_MAX];
    struct world_call *c;
    bool clean = false;
    struct weir_stmt *st;
    int64_t committed = 0, settled = 0;

    world_faults(w, (struct world_faults){0});
    if (!w->core)
        world__start_core(w);
    for (int i = 0; i < w->n_proxies; i++) { /* the stream's first message may have been lost */
        world_disconnect(w, i);
        world_connect(w, i);
    }
    for (int round = 0; round < 200 && !clean; round++) {
        world_run(w, 200);
        while ((c = world_any_open(w)))
            world_settle(c, nothing);
        clean = world_open_calls(w) == 0;
        for (int i = 0; i < w->n_proxies; i++)
            clean &= weir_holder_drain(w->proxies[i].holder, w->mono_ms);
    }
    if (!clean)
        return "I7: a holder can't be drained";
    st = query(w,
               "SELECT coalesce(sum(committed), 0), coalesce(sum(closed_settled), 0) FROM windows");
    if (next(st)) {
        committed = weir_stmt_i64(st, 0);
        settled = weir_stmt_i64(st, 1);
    }
    weir_stmt_reset(st);
    if (committed != 0)
        return "I7: something is still committed";
    if (w->crashes == 0 && settled != w->spent)
        return "I6: what is settled is not what calls cost";
    return world_check(w);
}

struct world_sum world_ledger_sum(struct world *w, const char *budget)
{
    struct world_sum sum = {0};
    struct weir_stmt *st = query(
        w, "SELECT budget_limit, closed_settled, committed, closed_settled +"
           " (SELECT coalesce(sum(settled), 0) FROM leases WHERE window = w.id AND NOT closed)"
           " FROM windows w WHERE budget = ?1 ORDER BY start_ms DESC LIMIT 1");

    weir_stmt_bind_str(st, 1, weir_str_of(budget));
    if (next(st))
        sum = (struct world_sum){.limit = weir_stmt_i64(st, 0),
                                 .closed_settled = weir_stmt_i64(st, 1),
                                 .committed = weir_stmt_i64(st, 2),
                                 .settled = weir_stmt_i64(st, 3)};
    weir_stmt_reset(st);
    return sum;
}

void world_release_some_lease(struct world *w)
{
    struct weir_stmt *st =
        query(w, "SELECT (SELECT id FROM ledger) || '-' || number FROM leases WHERE NOT closed"
                 " ORDER BY number DESC LIMIT 1");
    char id[64] = {0};

    if (next(st))
        memcpy(id, weir_stmt_str(st, 0).p, weir_stmt_str(st, 0).n);
    weir_stmt_reset(st);
    if (!id[0])
        return;
    weir__core_begin(w->core, now_of(w));
    (void)weir__core_release(w->core, weir_str_of(id));
    WEIR_ASSERT(weir__core_end(w->core) == WEIR_OK);
}
