/* The ledger with its thread and its readers. Answers are waited for, never slept for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/ledger/query.h"
#include "tests/unit/engines.h"
#include "weir/v1/ledger.pb-c.h"

struct peer {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int grants, refusals, closed, released, rc;
    int64_t granted, remaining;
    bool retry;
    char lease[64];
};

static struct engine at;
static struct weir_ledger *ledger;
static uint64_t seq;
static struct peer peer;

static void on_down(void *arg, const Weir__V1__BudgetDown *down)
{
    struct peer *p = arg;

    (void)pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < down->n_grants; i++) {
        p->grants++;
        p->granted = down->grants[i]->granted;
        (void)snprintf(p->lease, sizeof p->lease, "%s", down->grants[i]->lease);
    }
    for (size_t i = 0; i < down->n_refusals; i++) {
        p->refusals++;
        p->retry = down->refusals[i]->retry;
        p->remaining = down->refusals[i]->remaining;
    }
    p->closed += (int)down->n_closed;
    (void)pthread_cond_signal(&p->cond);
    (void)pthread_mutex_unlock(&p->mutex);
}

static void on_released(void *arg, int rc)
{
    struct peer *p = arg;

    (void)pthread_mutex_lock(&p->mutex);
    p->released++;
    p->rc = rc;
    (void)pthread_cond_signal(&p->cond);
    (void)pthread_mutex_unlock(&p->mutex);
}

static void wait_for(const int *count, int at_least)
{
    (void)pthread_mutex_lock(&peer.mutex);
    while (*count < at_least)
        (void)pthread_cond_wait(&peer.cond, &peer.mutex);
    (void)pthread_mutex_unlock(&peer.mutex);
}

static int setup(void)
{
    static const struct weir_ledger_budget budgets[] = {{.id = "default/team",
                                                         .unit = WEIR_UNIT_TOKENS,
                                                         .mode = WEIR_MODE_HARD,
                                                         .window = WEIR_WINDOW_MONTH,
                                                         .timezone = "Europe/Berlin",
                                                         .limit = 1000}};
    struct weir_ledger_options o = {.path = at.dsn};

    seq = 0;
    memset(&peer, 0, sizeof peer);
    (void)pthread_mutex_init(&peer.mutex, NULL);
    (void)pthread_cond_init(&peer.cond, NULL);
    if (weir_ledger_create(&o, &ledger) != WEIR_OK)
        return -1;
    return weir_ledger_set_budgets(ledger, budgets, 1);
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
    weir_ledger_destroy(ledger);
    (void)pthread_cond_destroy(&peer.cond);
    (void)pthread_mutex_destroy(&peer.mutex);
    return engine_end(&at);
}

static void ask_with_debt(struct weir_ledger_session *s, int64_t need, int64_t debt,
                          uint64_t debt_id)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *list[] = {&a};

    up.incarnation = (char *)"worker-1";
    up.asks = list;
    up.n_asks = 1;
    a.budget = (char *)"default/team";
    a.scope = (char *)"agent-a";
    a.has_seq = a.has_need = a.has_want = a.has_unit = a.has_debt = a.has_debtid = true;
    a.seq = ++seq;
    a.need = a.want = need;
    a.unit = WEIR_UNIT_TOKENS;
    a.debt = debt;
    a.debtid = debt_id;
    assert_int_equal(weir_ledger_receive(s, &up), WEIR_OK);
}

static void ask(struct weir_ledger_session *s, const char *budget, int unit, int64_t need)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *list[] = {&a};

    up.incarnation = (char *)"worker-1";
    up.asks = list;
    up.n_asks = 1;
    a.budget = (char *)budget;
    a.scope = (char *)"agent-a";
    a.has_seq = a.has_need = a.has_want = a.has_unit = true;
    a.seq = ++seq;
    a.need = a.want = need;
    a.unit = unit;
    assert_int_equal(weir_ledger_receive(s, &up), WEIR_OK);
}

static void report(struct weir_ledger_session *s, int64_t settled, int64_t held, bool final)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseReport r = WEIR__V1__LEASE_REPORT__INIT, *list[] = {&r};

    up.incarnation = (char *)"worker-1";
    up.reports = list;
    up.n_reports = 1;
    r.lease = peer.lease;
    r.has_settled = r.has_held = r.has_final = true;
    r.settled = settled;
    r.held = held;
    r.final = final;
    assert_int_equal(weir_ledger_receive(s, &up), WEIR_OK);
}

static void grants_and_reports_are_what_a_reader_sees(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_ledger_reader *r;
    struct weir_ledger_counter *counters;
    struct weir_ledger_lease *leases;
    size_t n;

    (void)state;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 300);
    wait_for(&peer.grants, 1);
    assert_int_equal(peer.granted, 300);
    report(s, 120, 30, false);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 701); /* an answer after the report's commit */
    wait_for(&peer.refusals, 1);
    assert_false(peer.retry);
    assert_int_equal(peer.remaining, 700);

    assert_int_equal(weir_ledger_reader_open(at.dsn, &r), WEIR_OK);
    assert_int_equal(
        weir_ledger_read_counters(r, weir_wall_ms(), WEIR_STR_NULL, 10, arena, &counters, &n),
        WEIR_OK);
    assert_int_equal(n, 1);
    assert_string_equal(counters[0].budget, "default/team");
    assert_string_equal(counters[0].scope, "agent-a");
    assert_int_equal(counters[0].limit, 1000);
    assert_int_equal(counters[0].settled, 120);
    assert_int_equal(counters[0].held, 30);
    assert_int_equal(counters[0].committed, 300);
    assert_int_equal(counters[0].remaining, 700);
    assert_int_equal(weir_ledger_read_leases(r, WEIR_STR("default/team"), 10, arena, &leases, &n),
                     WEIR_OK);
    assert_int_equal(n, 1);
    assert_string_equal(leases[0].id, peer.lease);
    assert_string_equal(leases[0].node, "node-1");
    assert_int_equal(weir_ledger_read_history(r, weir_wall_ms(), WEIR_STR("default/team"),
                                              WEIR_STR("agent-a"), 10, arena, &counters, &n),
                     WEIR_OK);
    assert_int_equal(n, 1);
    assert_int_equal(weir_ledger_read_history(r, weir_wall_ms(), WEIR_STR("default/other"),
                                              WEIR_STR_NULL, 10, arena, &counters, &n),
                     WEIR_OK);
    assert_int_equal(n, 0);
    weir_ledger_reader_close(r);
    weir_arena_destroy(arena);
    weir_ledger_detach(s);
}

static void an_unknown_budget_and_another_unit_are_asked_again_not_refused(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask(s, "default/nobody", WEIR_UNIT_TOKENS, 1);
    wait_for(&peer.refusals, 1);
    assert_true(peer.retry);
    peer.retry = false;
    ask(s, "default/team", WEIR_UNIT_NANO_USD, 1);
    wait_for(&peer.refusals, 2);
    assert_true(peer.retry);
    weir_ledger_detach(s);
}

static void a_report_from_another_node_changes_nothing(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);
    struct weir_ledger_session *t = weir_ledger_attach(ledger, "node-2", on_down, &peer);

    (void)state;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 1000);
    wait_for(&peer.grants, 1);
    report(t, 0, 0, true);
    wait_for(&peer.closed, 1); /* told to forget what is not its own */
    ask(t, "default/team", WEIR_UNIT_TOKENS, 1);
    wait_for(&peer.refusals, 1);
    assert_int_equal(peer.remaining, 0);
    weir_ledger_detach(s);
    weir_ledger_detach(t);
}

static void an_operator_can_write_a_lease_off(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 1000);
    wait_for(&peer.grants, 1);
    weir_ledger_release(ledger, WEIR_STR("nothing-1"), on_released, &peer);
    wait_for(&peer.released, 1);
    assert_int_equal(peer.rc, WEIR_ENOTFOUND);
    weir_ledger_release(ledger, weir_str_of(peer.lease), on_released, &peer);
    wait_for(&peer.released, 2);
    assert_int_equal(peer.rc, WEIR_OK);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 1000);
    wait_for(&peer.grants, 2);
    weir_ledger_detach(s);
}

static void bad_budgets_leave_the_old_set_in_force(void **state)
{
    struct weir_ledger_budget good = {.id = "default/x",
                                      .unit = WEIR_UNIT_TOKENS,
                                      .mode = WEIR_MODE_HARD,
                                      .window = WEIR_WINDOW_DAY,
                                      .limit = 1};
    struct weir_ledger_budget bad[] = {good, good};
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    assert_int_equal(weir_ledger_set_budgets(ledger, bad, 2), WEIR_EINVAL); /* twice */
    bad[1] = good;
    bad[1].id = "default/y";
    bad[1].timezone = "Mars/Olympus";
    assert_int_equal(weir_ledger_set_budgets(ledger, bad, 2), WEIR_EINVAL);
    bad[1].timezone = NULL;
    bad[1].limit = -1;
    assert_int_equal(weir_ledger_set_budgets(ledger, bad, 2), WEIR_EINVAL);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 1);
    wait_for(&peer.grants, 1);
    weir_ledger_detach(s);
}

static void a_restarted_ledger_remembers(void **state)
{
    struct weir_ledger_options o = {.path = at.dsn};
    struct weir_ledger_budget b = {.id = "default/team",
                                   .unit = WEIR_UNIT_TOKENS,
                                   .mode = WEIR_MODE_HARD,
                                   .window = WEIR_WINDOW_MONTH,
                                   .timezone = "Europe/Berlin",
                                   .limit = 1000};
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 900);
    wait_for(&peer.grants, 1);
    weir_ledger_detach(s);
    weir_ledger_destroy(ledger);
    assert_int_equal(weir_ledger_create(&o, &ledger), WEIR_OK);
    assert_int_equal(weir_ledger_set_budgets(ledger, &b, 1), WEIR_OK);
    s = weir_ledger_attach(ledger, "node-1", on_down, &peer);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 101);
    wait_for(&peer.refusals, 1);
    assert_int_equal(peer.remaining, 100);
    weir_ledger_detach(s);
}

static void a_budget_that_left_the_policy_lends_on_over_a_restart(void **state)
{
    struct weir_ledger_options o = {.path = at.dsn};
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 900);
    wait_for(&peer.grants, 1);
    assert_int_equal(weir_ledger_set_budgets(ledger, NULL, 0), WEIR_OK);
    weir_ledger_detach(s);
    weir_ledger_destroy(ledger);

    assert_int_equal(weir_ledger_create(&o, &ledger), WEIR_OK);
    s = weir_ledger_attach(ledger, "node-1", on_down, &peer);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 50); /* no policy yet: nobody knows its limit */
    wait_for(&peer.refusals, 1);
    assert_true(peer.retry);
    assert_int_equal(weir_ledger_set_budgets(ledger, NULL, 0), WEIR_OK);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 50); /* from a proxy with the policy before */
    wait_for(&peer.grants, 2);
    assert_int_equal(peer.granted, 950);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 51);
    wait_for(&peer.refusals, 2);
    assert_false(peer.retry);
    assert_int_equal(peer.remaining, 50);
    weir_ledger_detach(s);
}

/* B-04: what a failed answer makes a proxy say twice counts once. */
static void an_ask_that_is_repeated_is_answered_again_and_lent_once(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 300);
    wait_for(&peer.grants, 1);
    seq--;
    ask(s, "default/team", WEIR_UNIT_TOKENS, 300);
    wait_for(&peer.grants, 2);
    assert_int_equal(peer.granted, 300);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 701);
    wait_for(&peer.refusals, 1);
    assert_int_equal(peer.remaining, 700);
    weir_ledger_detach(s);
}

/* The answer to the first was lost with its stream: the holder asks anew, and can't know. */
static void a_debt_that_is_sent_again_under_a_new_number_is_lent_once(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask_with_debt(s, 0, 600, 1);
    wait_for(&peer.grants, 1);
    assert_int_equal(peer.granted, 600);
    ask_with_debt(s, 0, 600, 1);
    wait_for(&peer.grants, 2);
    assert_int_equal(peer.granted, 600);
    ask_with_debt(s, 0, 500, 2); /* another debt is lent beyond the limit, too: it is spent */
    wait_for(&peer.grants, 3);
    assert_int_equal(peer.granted, 1100);
    ask_with_debt(s, 0, 600, 1); /* late */
    wait_for(&peer.grants, 4);
    assert_int_equal(peer.granted, 1100);
    weir_ledger_detach(s);
}

/* The lease that it was lent on is closed: an empty one lets the holder settle what it owes. */
static void a_debt_whose_lease_is_closed_is_not_lent_on_another(void **state)
{
    struct weir_ledger_session *s = weir_ledger_attach(ledger, "node-1", on_down, &peer);

    (void)state;
    ask_with_debt(s, 0, 1000, 1);
    wait_for(&peer.grants, 1);
    report(s, 1000, 0, true);
    wait_for(&peer.closed, 1);
    ask_with_debt(s, 0, 1000, 1);
    wait_for(&peer.grants, 2);
    assert_int_equal(peer.granted, 0);
    ask(s, "default/team", WEIR_UNIT_TOKENS, 1);
    wait_for(&peer.refusals, 1);
    assert_int_equal(peer.remaining, 0);
    weir_ledger_detach(s);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(grants_and_reports_are_what_a_reader_sees),
        BOTH(an_unknown_budget_and_another_unit_are_asked_again_not_refused),
        BOTH(a_report_from_another_node_changes_nothing),
        BOTH(an_operator_can_write_a_lease_off),
        BOTH(bad_budgets_leave_the_old_set_in_force),
        BOTH(a_restarted_ledger_remembers),
        BOTH(a_budget_that_left_the_policy_lends_on_over_a_restart),
        BOTH(an_ask_that_is_repeated_is_answered_again_and_lent_once),
        BOTH(a_debt_that_is_sent_again_under_a_new_number_is_lent_once),
        BOTH(a_debt_whose_lease_is_closed_is_not_lent_on_another),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
