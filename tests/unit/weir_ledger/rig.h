/* rig.h - a ledger with one budget, and one holder that asks and waits for the answer. The test
 * says which budget: rig_budget. */
#ifndef WEIR_TESTS_LEDGER_RIG_H
#define WEIR_TESTS_LEDGER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/ledger/query.h"
#include "tests/unit/engines.h"
#include "weir/v1/ledger.pb-c.h"

static const struct weir_ledger_budget rig_budget; /* the test's */
static weir_ledger_crossing_fn rig_crossing;       /* NULL, or set by the test */

static struct engine at;
static struct weir_ledger *ledger;
static struct weir_ledger_session *session;
static uint64_t seq;
static const char *scope; /* that is asked for */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int grants, refusals, closed;
    int64_t granted, resets_in_ms, limit;
    bool full;
    char lease[64];
} peer = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static inline void on_down(void *arg, const Weir__V1__BudgetDown *down)
{
    (void)arg;
    (void)pthread_mutex_lock(&peer.mutex);
    for (size_t i = 0; i < down->n_grants; i++) {
        peer.grants++;
        peer.granted = down->grants[i]->granted;
        peer.limit = down->grants[i]->limit;
        (void)snprintf(peer.lease, sizeof peer.lease, "%s", down->grants[i]->lease);
    }
    for (size_t i = 0; i < down->n_refusals; i++) {
        peer.refusals++;
        peer.resets_in_ms = down->refusals[i]->resetsinms;
        peer.full = down->refusals[i]->full;
    }
    peer.closed += (int)down->n_closed;
    (void)pthread_cond_signal(&peer.cond);
    (void)pthread_mutex_unlock(&peer.mutex);
}

static inline int setup(const struct weir_ledger_budget *budget)
{
    struct weir_ledger_options o = {.path = at.dsn, .on_crossing = rig_crossing};

    seq = 0;
    scope = "";
    peer.grants = peer.refusals = peer.closed = 0;
    if (weir_ledger_create(&o, &ledger) != WEIR_OK)
        return -1;
    session = weir_ledger_attach(ledger, "node-1", on_down, NULL);
    return weir_ledger_set_budgets(ledger, budget, 1);
}

static inline int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at) == 0 ? setup(&rig_budget) : -1;
}

static inline int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at) == 0 ? setup(&rig_budget) : -1;
}

static inline int end(void **state)
{
    (void)state;
    weir_ledger_detach(session);
    weir_ledger_destroy(ledger);
    return engine_end(&at);
}

/* Reports (a final one) and asks in one message; true: lent. */
static inline bool ask(int64_t need, int64_t settled)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *asks[] = {&a};
    Weir__V1__LeaseReport r = WEIR__V1__LEASE_REPORT__INIT, *reports[] = {&r};
    int grants, refusals;
    bool lent;

    (void)pthread_mutex_lock(&peer.mutex);
    grants = peer.grants;
    refusals = peer.refusals;
    up.incarnation = (char *)"worker-1";
    up.asks = asks;
    up.n_asks = 1;
    a.budget = (char *)rig_budget.id;
    a.scope = (char *)scope;
    a.has_seq = a.has_need = a.has_want = true;
    a.seq = ++seq;
    a.need = a.want = need;
    if (settled >= 0) {
        up.reports = reports;
        up.n_reports = 1;
        r.lease = peer.lease;
        r.has_settled = r.has_final = true;
        r.settled = settled;
        r.final = true;
    }
    assert_int_equal(weir_ledger_receive(session, &up), WEIR_OK);
    while (peer.grants == grants && peer.refusals == refusals)
        (void)pthread_cond_wait(&peer.cond, &peer.mutex);
    lent = peer.grants > grants;
    (void)pthread_mutex_unlock(&peer.mutex);
    return lent;
}

static inline struct weir_ledger_counter counter(struct weir_arena *arena)
{
    struct weir_ledger_reader *r;
    struct weir_ledger_counter *counters;
    size_t n;

    assert_int_equal(weir_ledger_reader_open(at.dsn, &r), WEIR_OK);
    assert_int_equal(weir_ledger_read_counters(r, weir_wall_ms(), weir_str_of(rig_budget.id), 10,
                                               arena, &counters, &n),
                     WEIR_OK);
    weir_ledger_reader_close(r);
    assert_int_equal(n, 1);
    return counters[0];
}

#define ON_BOTH(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, sqlite, end),                                            \
        cmocka_unit_test_setup_teardown(test, postgres, end)

#endif
