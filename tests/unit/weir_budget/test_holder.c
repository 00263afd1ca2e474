/* One holder, spoken to by hand as the ledger would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/budget/holder.h"
#include "weir/v1/ledger.pb-c.h"

#define TEAM "default/team"

struct bench {
    struct weir_holder *h;
    int64_t now;
    int asks, hellos, finals, reports, heartbeats;
    uint64_t seq, debt_id;
    int64_t debt, need, returned, settled, held;
};

struct call {
    struct weir_admission adm;
    struct weir_admit_failure failure;
    int rc, resumed;
};

static const struct weir_budget_conf TEAM_CONF = {
    .id = TEAM, .unit = WEIR_UNIT_TOKENS, .mode = WEIR_MODE_HARD, .limit = 1000};

static void on_up(void *arg, const Weir__V1__BudgetUp *up)
{
    struct bench *b = arg;

    b->hellos += up->hello != NULL;
    b->heartbeats += up->heartbeat;
    for (size_t i = 0; i < up->n_asks; i++) {
        b->asks++;
        b->seq = up->asks[i]->seq;
        b->need = up->asks[i]->need;
        b->debt = up->asks[i]->debt;
        b->debt_id = up->asks[i]->debtid;
    }
    for (size_t i = 0; i < up->n_reports; i++) {
        b->reports++;
        b->finals += up->reports[i]->final;
        b->returned = up->reports[i]->returned;
        b->settled = up->reports[i]->settled;
        b->held = up->reports[i]->held;
    }
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    struct weir_holder_options o = {.node = "node", .incarnation = "i1", .send = on_up, .arg = b};

    b->now = 1000000;
    b->h = weir_holder_create(&o, b->now);
    weir_holder_on_connected(b->h, b->now);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    weir_holder_destroy(b->h);
    free(b);
    return 0;
}

static void grant(struct bench *b, const char *lease, int64_t granted, int64_t ends_in_ms)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseGrant g = WEIR__V1__LEASE_GRANT__INIT, *list[] = {&g};

    g.lease = (char *)lease;
    g.budget = (char *)TEAM;
    g.scope = (char *)"";
    g.has_seq = g.has_granted = g.has_windowendsinms = g.has_remaining = true;
    g.seq = b->seq;
    g.granted = granted;
    g.windowendsinms = ends_in_ms;
    g.remaining = 1000 - granted;
    down.grants = list;
    down.n_grants = 1;
    weir_holder_on_down(b->h, b->now, &down);
}

static void refuse(struct bench *b, int64_t remaining, bool retry)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseRefusal r = WEIR__V1__LEASE_REFUSAL__INIT, *list[] = {&r};

    r.budget = (char *)TEAM;
    r.scope = (char *)"";
    r.has_seq = r.has_remaining = r.has_retry = r.has_resetsinms = true;
    r.seq = b->seq;
    r.remaining = remaining;
    r.retry = retry;
    r.resetsinms = 30000;
    down.refusals = list;
    down.n_refusals = 1;
    weir_holder_on_down(b->h, b->now, &down);
}

static void closed(struct bench *b, const char *lease)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseClosed c = WEIR__V1__LEASE_CLOSED__INIT, *list[] = {&c};

    c.lease = (char *)lease;
    down.closed = list;
    down.n_closed = 1;
    weir_holder_on_down(b->h, b->now, &down);
}

static void recall(struct bench *b, const char *lease)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseRecall r = WEIR__V1__LEASE_RECALL__INIT, *list[] = {&r};

    r.lease = (char *)lease;
    down.recalls = list;
    down.n_recalls = 1;
    weir_holder_on_down(b->h, b->now, &down);
}

static void on_answer(void *arg, int rc, const struct weir_admit_failure *failure)
{
    struct call *c = arg;

    c->rc = rc;
    c->resumed++;
    if (failure)
        c->failure = *failure;
}

static int admit(struct bench *b, struct call *c, int64_t amount)
{
    struct weir_admit_part part = {.budget = &TEAM_CONF, .scope = WEIR_STR(""), .amount = amount};

    memset(c, 0, sizeof *c);
    c->rc = weir_holder_admit(b->h, b->now, &part, 1, on_answer, c, &c->adm, &c->failure);
    return c->rc;
}

static void settle(struct bench *b, struct call *c, int64_t actual)
{
    weir_holder_settle(b->h, b->now, &c->adm, &actual);
}

static void pass(struct bench *b, int64_t ms)
{
    for (int64_t until = b->now + ms; b->now < until;) {
        b->now += 200;
        weir_holder_tick(b->h, b->now);
    }
}

static void a_call_waits_for_its_lease_and_resumes_once(void **state)
{
    struct bench *b = *state;
    struct call c;

    assert_int_equal(admit(b, &c, 100), WEIR_EWAIT);
    assert_int_equal(b->asks, 1);
    assert_int_equal(b->need, 100);
    grant(b, "led-1", 100, -1);
    assert_int_equal(c.resumed, 1);
    assert_int_equal(c.rc, WEIR_OK);
    assert_string_equal(c.adm.holds[0].lease, "led-1");
    grant(b, "led-1", 100, -1);
    assert_int_equal(c.resumed, 1);
    settle(b, &c, 60);
    pass(b, 200);
    assert_int_equal(b->settled, 60);
}

static void b_04_a_call_is_charged_once_however_often_it_is_settled(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 100, -1);
    settle(b, &c, 60);
    settle(b, &c, 60);
    weir_holder_release(b->h, b->now, &c.adm);
    settle(b, &c, 100);
    pass(b, 200);
    assert_int_equal(b->settled, 60);
    assert_int_equal(b->held, 0);
}

static void waiting_calls_are_served_in_order(void **state)
{
    struct bench *b = *state;
    struct call big, small;

    assert_int_equal(admit(b, &big, 100), WEIR_EWAIT);
    assert_int_equal(admit(b, &small, 10), WEIR_EWAIT);
    grant(b, "led-1", 50, -1); /* enough for the small one, but the big one came first */
    assert_int_equal(big.resumed + small.resumed, 0);
    grant(b, "led-1", 110, -1);
    assert_int_equal(big.resumed, 1);
    assert_int_equal(small.resumed, 1);
}

static void a_refusal_ends_the_wait_and_says_when_it_resets(void **state)
{
    struct bench *b = *state;
    struct call c, again;

    (void)admit(b, &c, 100);
    refuse(b, 40, false);
    assert_int_equal(c.rc, WEIR_ELIMIT);
    assert_int_equal(c.failure.remaining, 40);
    assert_int_equal(c.failure.resets_in_ms, 30000);
    assert_int_equal(admit(b, &again, 100), WEIR_ELIMIT); /* believed for a moment */
    b->now += 300;
    assert_int_equal(admit(b, &again, 100), WEIR_EWAIT);
}

static void a_counter_that_the_ledger_does_not_open_is_told_apart_and_soon_forgotten(void **state)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseRefusal r = WEIR__V1__LEASE_REFUSAL__INIT, *list[] = {&r};
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    r.budget = (char *)TEAM;
    r.scope = (char *)"";
    r.has_seq = r.has_full = r.full = true;
    r.seq = b->seq;
    down.refusals = list;
    down.n_refusals = 1;
    weir_holder_on_down(b->h, b->now, &down);
    assert_int_equal(c.rc, WEIR_ELIMIT);
    assert_int_equal(c.failure.why, WEIR_REFUSED_COUNTERS);
    pass(b, 15000);
    assert_int_equal(weir_holder_remaining(b->h, WEIR_STR(TEAM), WEIR_STR("")), -1);
}

static void ask_again_is_not_used_up(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    refuse(b, 0, true);
    assert_int_equal(c.resumed, 0);
    pass(b, 400);
    assert_int_equal(b->asks, 2);
    grant(b, "led-1", 100, -1);
    assert_int_equal(c.rc, WEIR_OK);
}

static void without_an_answer_the_wait_ends(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    pass(b, 2200);
    assert_int_equal(c.resumed, 1);
    assert_int_equal(c.rc, WEIR_ETIMEOUT);
    assert_int_equal(c.failure.why, WEIR_REFUSED_NO_LEASE);
    assert_true(b->asks >= 2); /* the first one was taken for lost */
}

static void a_cancelled_wait_never_resumes(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    weir_holder_cancel(b->h, &c.adm);
    grant(b, "led-1", 100, -1);
    pass(b, 3000);
    assert_int_equal(c.resumed, 0);
}

static void a_late_grant_of_a_closed_lease_is_not_taken_up(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    grant(b, "led-5", 100, 1000);
    settle(b, &c, 100);
    pass(b, 1200); /* the window is over */
    assert_true(b->finals > 0);
    closed(b, "led-5");
    assert_int_equal(admit(b, &c, 100), WEIR_EWAIT);
    grant(b, "led-5", 200, -1); /* a repeated one */
    grant(b, "led-4", 200, -1); /* one that was long under way */
    assert_int_equal(c.resumed, 0);
    grant(b, "led-6", 100, -1);
    assert_int_equal(c.resumed, 1);
}

static void past_its_use_by_a_lease_takes_no_new_holds_but_settles(void **state)
{
    struct bench *b = *state;
    struct call c, d;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 500, -1);
    b->now += WEIR_LEASE_USE_FOR_MS;
    assert_int_equal(admit(b, &d, 100), WEIR_EWAIT);
    weir_holder_cancel(b->h, &d.adm);
    settle(b, &c, 70);
    weir_holder_tick(b->h, b->now);
    assert_int_equal(b->settled, 70);
}

/* Before any tick has noticed that the window is over. */
static void past_its_window_a_lease_takes_no_new_holds_but_settles(void **state)
{
    struct bench *b = *state;
    struct call c, d;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 500, 1000);
    b->now += 1000;
    assert_int_equal(admit(b, &d, 100), WEIR_EWAIT);
    weir_holder_cancel(b->h, &d.adm);
    settle(b, &c, 70);
    weir_holder_tick(b->h, b->now);
    assert_int_equal(b->settled, 70);
}

static void a_recall_gives_back_only_what_is_idle(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 500, -1);
    b->reports = 0;
    recall(b, "led-1");
    assert_int_equal(b->reports, 1);
    assert_int_equal(b->returned, 400);
    recall(b, "led-1");
    assert_int_equal(b->reports, 2);
    assert_int_equal(b->returned, 400);
}

static void what_a_recall_took_is_not_asked_back_at_once(void **state)
{
    static const struct weir_budget_conf other = {
        .id = "default/other", .unit = WEIR_UNIT_TOKENS, .mode = WEIR_MODE_HARD, .limit = 1000};
    struct weir_admit_part parts[] = {{.budget = &other, .scope = WEIR_STR(""), .amount = 100},
                                      {.budget = &TEAM_CONF, .scope = WEIR_STR(""), .amount = 100}};
    struct bench *b = *state;
    struct call both = {0}, next;

    assert_int_equal(
        weir_holder_admit(b->h, b->now, parts, 2, on_answer, &both, &both.adm, &both.failure),
        WEIR_EWAIT);
    assert_int_equal(b->asks, 2);
    grant(b, "led-1", 100, -1); /* the team's; the call still waits for the other budget */
    recall(b, "led-1");
    assert_int_equal(b->returned, 100);
    assert_int_equal(admit(b, &next, 10), WEIR_EWAIT);
    assert_int_equal(b->asks, 2);
    pass(b, 200);
    assert_int_equal(b->asks, 3);
    weir_holder_cancel(b->h, &next.adm);
    weir_holder_cancel(b->h, &both.adm);
}

static void spending_past_the_hold_counts_and_is_a_breach(void **state)
{
    struct bench *b = *state;
    struct weir_holder_counters counters;
    struct call c;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 100, -1);
    settle(b, &c, 150);
    weir_holder_count(b->h, b->now, &counters);
    assert_int_equal(counters.breaches, 1);
    assert_int_equal(admit(b, &c, 10), WEIR_EWAIT);
    assert_int_equal(b->need, 60); /* the debt first */
}

/* Spent while the ledger was away; the answer to its ask is lost with the stream. */
static void a_debt_is_asked_for_again_by_its_number_and_unchanged(void **state)
{
    struct weir_budget_conf allows = TEAM_CONF;
    struct weir_admit_part part = {.budget = &allows, .scope = WEIR_STR(""), .amount = 100};
    struct bench *b = *state;
    struct call c = {0};

    allows.on_partition = WEIR_PARTITION_ALLOW;
    weir_holder_on_disconnected(b->h, b->now);
    assert_int_equal(weir_holder_admit(b->h, b->now, &part, 1, on_answer, &c, &c.adm, &c.failure),
                     WEIR_OK);
    settle(b, &c, 60);
    weir_holder_on_connected(b->h, b->now);
    pass(b, 200);
    assert_int_equal(b->debt, 60);
    assert_int_equal(b->debt_id, 1);
    weir_holder_on_disconnected(b->h, b->now);
    assert_int_equal(weir_holder_admit(b->h, b->now, &part, 1, on_answer, &c, &c.adm, &c.failure),
                     WEIR_OK);
    settle(b, &c, 20);
    b->debt = 0;
    weir_holder_on_connected(b->h, b->now);
    pass(b, 200);
    assert_int_equal(b->debt, 60);
    assert_int_equal(b->debt_id, 1);
    grant(b, "led-1", 60, -1);
    pass(b, 200);
    assert_int_equal(b->settled, 80); /* all of it counts, on the one lease */
}

static void b_06_the_age_of_decisions_is_bounded_and_exported(void **state)
{
    struct bench *b = *state;
    struct weir_holder_counters counters;
    struct call c;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 100, -1);
    b->now += 1234;
    weir_holder_count(b->h, b->now, &counters);
    assert_int_equal(counters.decision_age_ms, 1234);
    assert_int_equal(counters.open_holds, 1);
    pass(b, 12000);
    assert_true(b->heartbeats > 0); /* whose answer renews the leases */
}

/* As long as the ledger answers heartbeats, a lease is good however long its call is silent. */
static void b_29_a_call_on_a_lease_is_admitted_without_a_word_to_anybody(void **state)
{
    struct bench *b = *state;
    struct call calls[100];
    int reports;

    assert_int_equal(admit(b, &calls[0], 1000), WEIR_EWAIT);
    grant(b, "led-1", 1000, -1);
    settle(b, &calls[0], 0);
    pass(b, 200);
    reports = b->reports;
    for (int i = 0; i < 100; i++)
        assert_int_equal(admit(b, &calls[i], 4), WEIR_OK);
    assert_int_equal(b->asks, 1);
    assert_int_equal(b->reports, reports);
    for (int i = 0; i < 100; i++)
        settle(b, &calls[i], 4);
}

static void a_long_call_keeps_its_lease_while_the_ledger_answers(void **state)
{
    struct bench *b = *state;
    Weir__V1__BudgetDown alive = WEIR__V1__BUDGET_DOWN__INIT;
    struct call c, d;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 500, -1);
    alive.has_heartbeat = alive.heartbeat = true;
    for (int answered = 0; b->now < 1000000 + 10 * WEIR_LEASE_USE_FOR_MS; pass(b, 200))
        if (b->heartbeats > answered) {
            answered = b->heartbeats;
            weir_holder_on_down(b->h, b->now, &alive);
        }
    assert_int_equal(admit(b, &d, 0), WEIR_OK);
    assert_string_equal(d.adm.holds[0].lease, "led-1");
    settle(b, &d, 0);
    settle(b, &c, 70);
    pass(b, 200);
    assert_int_equal(b->settled, 70);
}

static void refusals_without_the_ledger_are_counted_as_such(void **state)
{
    struct bench *b = *state;
    struct weir_holder_counters counters;
    struct call c;

    assert_int_equal(admit(b, &c, 100), WEIR_EWAIT);
    pass(b, 4000);
    assert_int_equal(c.rc, WEIR_ETIMEOUT);
    weir_holder_count(b->h, b->now, &counters);
    assert_int_equal(counters.timeouts, 1);
    assert_int_equal(counters.denied_partition, 0); /* it was slow, not away */
    weir_holder_on_disconnected(b->h, b->now);
    (void)admit(b, &c, 100);
    pass(b, 4000);
    assert_int_not_equal(c.rc, WEIR_OK);
    weir_holder_count(b->h, b->now, &counters);
    assert_int_equal(counters.denied_partition, 1);
}

static void a_drained_holder_has_nothing_left(void **state)
{
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    grant(b, "led-1", 500, -1);
    assert_false(weir_holder_drain(b->h, b->now));
    assert_int_equal(b->finals, 0); /* a call is open */
    settle(b, &c, 100);
    assert_false(weir_holder_drain(b->h, b->now));
    assert_int_equal(b->finals, 1);
    closed(b, "led-1");
    assert_true(weir_holder_drain(b->h, b->now));
}

static void senseless_messages_are_ignored(void **state)
{
    static const char *const ids[] = {
        "", "-", "x", "x-", "-1", "x-0", "0123456789012345678901234567890123456789-1"};
    struct bench *b = *state;
    struct call c;

    (void)admit(b, &c, 100);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        grant(b, ids[i], 100, -1);
    grant(b, "led-1", -5, -1);
    grant(b, "led-1", INT64_MAX, -1);
    closed(b, "nothing-1");
    assert_int_equal(c.resumed, 0);
}

static void leases_are_summed_by_budget_and_unit(void **state)
{
    struct bench *b = *state;
    struct weir_lease_total totals[WEIR_LEASE_TOTALS_MAX];
    struct call a, c;

    assert_int_equal(weir_holder_totals(b->h, totals), 0);
    (void)admit(b, &a, 100);
    grant(b, "led-1", 300, -1);
    (void)admit(b, &c, 50);
    settle(b, &a, 60);
    assert_int_equal(weir_holder_totals(b->h, totals), 1);
    assert_true(weir_str_is(totals[0].budget, TEAM));
    assert_int_equal(totals[0].unit, WEIR_UNIT_TOKENS);
    assert_int_equal(totals[0].granted, 300);
    assert_int_equal(totals[0].settled, 60);
    assert_int_equal(totals[0].held, 50);
    settle(b, &c, 50);
}

static void budgets_past_the_bound_are_summed_as_one(void **state)
{
    enum { BUDGETS = 400 };
    struct bench *b = *state;
    struct weir_lease_total totals[WEIR_LEASE_TOTALS_MAX];
    struct call *calls = calloc(BUDGETS, sizeof *calls);
    int64_t granted = 0;
    size_t n;

    for (int i = 0; i < BUDGETS; i++) {
        struct weir_budget_conf conf = TEAM_CONF;
        struct weir_admit_part part = {.budget = &conf, .scope = WEIR_STR(""), .amount = 1};
        Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
        Weir__V1__LeaseGrant g = WEIR__V1__LEASE_GRANT__INIT, *list[] = {&g};
        char id[32], lease[32];

        snprintf(id, sizeof id, "default/b%d", i);
        snprintf(lease, sizeof lease, "led-%d", i + 1);
        conf.id = id;
        (void)!weir_holder_admit(b->h, b->now, &part, 1, on_answer, &calls[i], &calls[i].adm,
                                 &calls[i].failure);
        g = (Weir__V1__LeaseGrant){.base = g.base,
                                   .lease = lease,
                                   .budget = id,
                                   .scope = (char *)"",
                                   .has_seq = true,
                                   .seq = b->seq,
                                   .has_granted = true,
                                   .granted = 10};
        down.grants = list;
        down.n_grants = 1;
        weir_holder_on_down(b->h, b->now, &down);
        assert_int_equal(calls[i].resumed, 1);
    }
    n = weir_holder_totals(b->h, totals);
    assert_in_range(n, 2, WEIR_LEASE_TOTALS_MAX);
    assert_null(totals[n - 1].budget.p);
    for (size_t i = 0; i < n; i++)
        granted += totals[i].granted;
    assert_int_equal(granted, 10 * BUDGETS);
    for (int i = 0; i < BUDGETS; i++)
        weir_holder_release(b->h, b->now, &calls[i].adm);
    free(calls);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_call_waits_for_its_lease_and_resumes_once),
        CASE(a_long_call_keeps_its_lease_while_the_ledger_answers),
        CASE(refusals_without_the_ledger_are_counted_as_such),
        CASE(b_04_a_call_is_charged_once_however_often_it_is_settled),
        CASE(waiting_calls_are_served_in_order),
        CASE(a_refusal_ends_the_wait_and_says_when_it_resets),
        CASE(a_counter_that_the_ledger_does_not_open_is_told_apart_and_soon_forgotten),
        CASE(ask_again_is_not_used_up),
        CASE(without_an_answer_the_wait_ends),
        CASE(a_cancelled_wait_never_resumes),
        CASE(a_late_grant_of_a_closed_lease_is_not_taken_up),
        CASE(past_its_use_by_a_lease_takes_no_new_holds_but_settles),
        CASE(past_its_window_a_lease_takes_no_new_holds_but_settles),
        CASE(a_recall_gives_back_only_what_is_idle),
        CASE(what_a_recall_took_is_not_asked_back_at_once),
        CASE(spending_past_the_hold_counts_and_is_a_breach),
        CASE(a_debt_is_asked_for_again_by_its_number_and_unchanged),
        CASE(b_29_a_call_on_a_lease_is_admitted_without_a_word_to_anybody),
        CASE(b_06_the_age_of_decisions_is_bounded_and_exported),
        CASE(a_drained_holder_has_nothing_left),
        CASE(senseless_messages_are_ignored),
        CASE(leases_are_summed_by_budget_and_unit),
        CASE(budgets_past_the_bound_are_summed_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
