/* Rolling windows, and counters that callers name, on both engines. A rolling window's shortest
 * length is a second, so what has to leave is waited for, by asking again. That nothing comes back
 * too early is shown in tests/model/rolling.c. */
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

enum { LENGTH_MS = 1000, LIMIT = 1000 };

static struct engine at;
static struct weir_ledger *ledger;
static struct weir_ledger_session *session;
static uint64_t seq;
static const char *scope; /* that is asked for */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int grants, refusals;
    int64_t granted, resets_in_ms, limit;
    bool full;
    char lease[64];
} peer = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void on_down(void *arg, const Weir__V1__BudgetDown *down)
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
    (void)pthread_cond_signal(&peer.cond);
    (void)pthread_mutex_unlock(&peer.mutex);
}

static int setup(void)
{
    static const struct weir_ledger_budget budget = {.id = "default/roll",
                                                     .unit = WEIR_UNIT_TOKENS,
                                                     .mode = WEIR_MODE_HARD,
                                                     .window = WEIR_WINDOW_ROLLING,
                                                     .length_ms = LENGTH_MS,
                                                     .limit = LIMIT};
    struct weir_ledger_options o = {.path = at.dsn};

    seq = 0;
    scope = "";
    peer.grants = peer.refusals = 0;
    if (weir_ledger_create(&o, &ledger) != WEIR_OK)
        return -1;
    session = weir_ledger_attach(ledger, "node-1", on_down, NULL);
    return weir_ledger_set_budgets(ledger, &budget, 1);
}

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at) == 0 ? setup() : -1;
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at) == 0 ? setup() : -1;
}

static int end(void **state)
{
    (void)state;
    weir_ledger_detach(session);
    weir_ledger_destroy(ledger);
    return engine_end(&at);
}

/* Reports (a final one) and asks in one message; true: lent. */
static bool ask(int64_t need, int64_t settled)
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
    a.budget = (char *)"default/roll";
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

static struct weir_ledger_counter counter(struct weir_arena *arena)
{
    struct weir_ledger_reader *r;
    struct weir_ledger_counter *counters;
    size_t n;

    assert_int_equal(weir_ledger_reader_open(at.dsn, &r), WEIR_OK);
    assert_int_equal(weir_ledger_read_counters(r, weir_wall_ms(), WEIR_STR("default/roll"), 10,
                                               arena, &counters, &n),
                     WEIR_OK);
    weir_ledger_reader_close(r);
    assert_int_equal(n, 1);
    return counters[0];
}

static void what_has_left_the_window_is_lent_again_and_not_before(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    int64_t started = weir_mono_ms();
    struct weir_ledger_counter k;

    (void)state;
    assert_true(ask(LIMIT, -1));
    assert_false(ask(1, LIMIT)); /* all of it is spent */
    assert_in_range(peer.resets_in_ms, 1, LENGTH_MS + LENGTH_MS / WEIR_ROLLING_STEPS + 1);
    k = counter(arena);
    assert_int_equal(k.limit, LIMIT);
    assert_int_equal(k.length_ms, LENGTH_MS);
    while (!ask(1, -1))
        assert_true(weir_mono_ms() - started < 60000);
    assert_true(weir_mono_ms() - started >= LENGTH_MS);
    assert_int_equal(peer.limit, LIMIT);
    k = counter(arena);
    assert_int_equal(k.settled, 0);
    assert_int_equal(k.remaining, LIMIT - 1);
    assert_int_equal(k.limit, LIMIT);
    weir_arena_destroy(arena);
}

static void a_rolling_window_needs_a_length_and_no_other_has_one(void **state)
{
    struct weir_ledger_budget b = {.id = "default/x",
                                   .unit = WEIR_UNIT_TOKENS,
                                   .mode = WEIR_MODE_HARD,
                                   .window = WEIR_WINDOW_ROLLING,
                                   .limit = 1};

    (void)state;
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_EINVAL);
    b.length_ms = INT64_MAX;
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_EINVAL);
    b.length_ms = LENGTH_MS;
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_OK);
    b.window = WEIR_WINDOW_DAY;
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_EINVAL);
}

static bool ask_for(const char *whose)
{
    scope = whose;
    return ask(1, -1);
}

static void a_budget_opens_no_more_counters_than_it_may(void **state)
{
    struct weir_ledger_budget b = {.id = "default/roll",
                                   .unit = WEIR_UNIT_TOKENS,
                                   .mode = WEIR_MODE_HARD,
                                   .window = WEIR_WINDOW_TOTAL,
                                   .max_counters = 2,
                                   .limit = LIMIT};
    struct weir_ledger_options o = {.path = at.dsn};

    (void)state;
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_OK);
    assert_true(ask_for("s1"));
    assert_true(ask_for("s2"));
    assert_false(ask_for("s3"));
    assert_true(peer.full);
    assert_true(ask_for("s1")); /* those that are live go on */
    scope = "s2";
    assert_false(ask(LIMIT + 1, -1));
    assert_false(peer.full); /* used up is another thing */
    b.max_counters = 3;
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_OK);
    assert_true(ask_for("s3"));
    assert_false(ask_for("s4"));

    weir_ledger_detach(session);
    weir_ledger_destroy(ledger);
    assert_int_equal(weir_ledger_create(&o, &ledger), WEIR_OK);
    session = weir_ledger_attach(ledger, "node-1", on_down, NULL);
    assert_int_equal(weir_ledger_set_budgets(ledger, NULL, 0), WEIR_OK); /* the bound is stored */
    assert_false(ask_for("s4"));
    assert_true(peer.full);
}

#define ON_BOTH(test)                                                                              \
    cmocka_unit_test_setup_teardown(test, sqlite, end),                                            \
        cmocka_unit_test_setup_teardown(test, postgres, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_has_left_the_window_is_lent_again_and_not_before),
        ON_BOTH(a_budget_opens_no_more_counters_than_it_may),
        ON_BOTH(a_rolling_window_needs_a_length_and_no_other_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
