/* The ledger without its thread, its clock in the test's hand: what leaves it, and what it takes
 * back on its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/ledger/core_internal.h"
#include "tests/unit/engines.h"
#include "weir/v1/ledger.pb-c.h"

enum { SWEEP_MS = 60000, SOFT_RECLAIM_MS = 600000 };

struct heard {
    int grants, refusals, again, closed;
    int64_t granted;
    char lease[64];
};

static struct engine at;
static struct weir__core *core;
static struct weir__core_time now;
static struct heard heard;

static void on_down(void *arg, const Weir__V1__BudgetDown *down)
{
    struct heard *h = arg;

    for (size_t i = 0; i < down->n_grants; i++) {
        h->granted = down->grants[i]->granted;
        (void)snprintf(h->lease, sizeof h->lease, "%s", down->grants[i]->lease);
    }
    for (size_t i = 0; i < down->n_refusals; i++)
        h->again += down->refusals[i]->retry;
    h->grants += (int)down->n_grants;
    h->refusals += (int)down->n_refusals;
    h->closed += (int)down->n_closed;
}

static int questions;
static int64_t question, needed;

static void on_crossing(void *arg, const struct weir_ledger_crossing *x)
{
    (void)arg;
    assert_int_equal(x->kind, WEIR_ALERT_ASKED);
    questions += x->id != question; /* one that nobody confirmed is told again */
    question = x->id;
    needed = x->hour;
}

static void begin(enum weir_budget_mode mode, int64_t max_counters)
{
    const struct weir_ledger_alert asked = {.kind = WEIR_ALERT_ASKED, .threshold = 1};
    const struct weir_ledger_budget budget = {.id = "default/team",
                                              .unit = WEIR_UNIT_TOKENS,
                                              .mode = mode,
                                              .window = WEIR_WINDOW_TOTAL,
                                              .max_counters = max_counters,
                                              .alerts = &asked,
                                              .n_alerts = 1,
                                              .limit = 1000};
    struct weir__budget_set *set;

    memset(&heard, 0, sizeof heard);
    questions = 0;
    question = 0;
    now = (struct weir__core_time){.wall_ms = 1800000000000, .mono_ms = 5000000};
    assert_int_equal(
        weir__core_create(&(struct weir_ledger_options){.path = at.dsn, .on_crossing = on_crossing},
                          now, &core),
        WEIR_OK);
    assert_int_equal(weir__budget_set_make(&budget, 1, &set), WEIR_OK);
    weir__core_begin(core, now);
    weir__core_set_budgets(core, set);
    assert_int_equal(weir__core_end(core), WEIR_OK);
}

static void ask_of(struct weir__conn *conn, const char *scope, uint64_t seq, int64_t need,
                   int64_t debt)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *list[] = {&a};

    up.incarnation = (char *)"worker-1";
    up.asks = list;
    up.n_asks = 1;
    a.budget = (char *)"default/team";
    a.scope = (char *)scope;
    a.has_seq = a.has_need = a.has_want = a.has_unit = true;
    a.has_debt = a.has_debtid = debt > 0;
    a.debt = debt;
    a.debtid = seq;
    a.seq = seq;
    a.need = a.want = need;
    a.unit = WEIR_UNIT_TOKENS;
    weir__core_up(core, conn, &up);
}

static void ask(struct weir__conn *conn, uint64_t seq, int64_t need)
{
    ask_of(conn, "", seq, need, 0);
}

static void pass(int64_t ms)
{
    now.wall_ms += ms;
    now.mono_ms += ms;
    weir__core_begin(core, now);
    weir__core_tick(core);
    assert_int_equal(weir__core_end(core), WEIR_OK);
}

static void what_was_not_committed_is_not_lent(void **state)
{
    struct weir__conn *conn;

    (void)state;
    begin(WEIR_MODE_HARD, 0);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    ask(conn, 1, 300);
    core->rc = WEIR_EIO; /* a later statement of the same batch finds the disk full */
    assert_int_equal(weir__core_end(core), WEIR_EIO);
    assert_int_equal(heard.grants, 0);
    assert_int_equal(heard.again, 1);
    weir__core_begin(core, now);
    ask(conn, 2, 1000);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.granted, 1000);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
}

static void a_node_can_not_report_on_the_lease_of_another(void **state)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseReport r = WEIR__V1__LEASE_REPORT__INIT, *list[] = {&r};
    struct weir__conn *conn, *other;

    (void)state;
    begin(WEIR_MODE_HARD, 0);
    conn = weir__core_connect(core, "node", on_down, &heard);
    other = weir__core_connect(core, "other", on_down, &heard);
    weir__core_begin(core, now);
    ask(conn, 1, 600);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    up.incarnation = (char *)"worker-2";
    up.reports = list;
    up.n_reports = 1;
    r.lease = heard.lease;
    r.has_final = r.final = true;
    weir__core_begin(core, now);
    weir__core_up(core, other, &up);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    weir__core_begin(core, now);
    ask(conn, 2, 401);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.grants, 1); /* the lease is open: 400 are left */
    assert_int_equal(heard.refusals, 1);
    weir__core_disconnect(core, conn, now);
    weir__core_disconnect(core, other, now);
    weir__core_destroy(core);
}

/* It is spent already, and only a lease tells the ledger of it. */
static void a_debt_is_lent_although_no_further_counter_may_be_opened(void **state)
{
    struct weir__conn *conn;

    (void)state;
    begin(WEIR_MODE_HARD, 1);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    ask_of(conn, "first", 1, 100, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    weir__core_begin(core, now);
    ask_of(conn, "second", 2, 100, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.refusals, 1);
    weir__core_begin(core, now);
    ask_of(conn, "third", 3, 0, 70);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.grants, 2);
    assert_int_equal(heard.granted, 70);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
}

static void a_correction_of_a_counter_that_was_never_lent_anything_stays(void **state)
{
    const struct weir_ledger_entry more = {.kind = WEIR_ENTRY_CORRECT,
                                           .budget = "default/team",
                                           .scope = "session",
                                           .amount = 300,
                                           .actor = "admin",
                                           .reason = "billed elsewhere"};
    struct weir__conn *conn;

    (void)state;
    begin(WEIR_MODE_HARD, 100);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    ask_of(conn, "session", 1, 1001, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    weir__core_begin(core, now);
    assert_int_equal(weir__core_enter(core, &more), WEIR_OK);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    pass(SWEEP_MS);
    pass(SWEEP_MS);
    weir__core_begin(core, now);
    ask_of(conn, "session", 2, 701, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.grants, 0);
    weir__core_begin(core, now);
    ask_of(conn, "session", 3, 700, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.granted, 700);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
}

static int enter(enum weir_entry_kind kind, int64_t amount)
{
    const struct weir_ledger_entry e = {.kind = kind,
                                        .budget = "default/team",
                                        .scope = kind == WEIR_ENTRY_CORRECT ? "session" : NULL,
                                        .amount = amount,
                                        .until_ms = now.wall_ms + SWEEP_MS,
                                        .actor = "admin"};
    int rc;

    weir__core_begin(core, now);
    rc = weir__core_enter(core, &e);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    return rc;
}

static void corrections_add_up_to_no_more_than_an_amount_can_be(void **state)
{
    struct weir__conn *conn;

    (void)state;
    begin(WEIR_MODE_HARD, 100);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    ask_of(conn, "session", 1, 1001, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(enter(WEIR_ENTRY_CORRECT, WEIR_AMOUNT_MAX), WEIR_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(enter(WEIR_ENTRY_CORRECT, WEIR_AMOUNT_MAX), WEIR_EINVAL);
    assert_int_equal(enter(WEIR_ENTRY_CORRECT, -WEIR_AMOUNT_MAX), WEIR_OK);
    weir__core_begin(core, now);
    ask_of(conn, "session", 2, 1000, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.granted, 1000);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
}

/* A raise is remembered by its entry, so counters that hold nothing need not take up the bound. */
static void a_raise_keeps_no_counter_that_holds_nothing(void **state)
{
    struct weir__conn *conn;

    (void)state;
    begin(WEIR_MODE_HARD, 1);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    ask_of(conn, "first", 1, 1001, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(enter(WEIR_ENTRY_RAISE, 5), WEIR_OK);
    pass(SWEEP_MS);
    pass(SWEEP_MS);
    weir__core_begin(core, now);
    ask_of(conn, "second", 2, 1000, 0);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.granted, 1000);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
}

/* An ask of a call that waits for a person. */
static void petition(struct weir__conn *conn, uint64_t asked, int64_t need)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *list[] = {&a};

    up.incarnation = (char *)"worker-1";
    up.asks = list;
    up.n_asks = 1;
    a.budget = (char *)"default/team";
    a.scope = (char *)"session";
    a.has_seq = a.has_need = a.has_want = a.has_person = a.person = true;
    a.seq = asked;
    a.need = a.want = need;
    weir__core_up(core, conn, &up);
}

static void asks_of_a_counter_are_one_question_until_somebody_answers(void **state)
{
    struct weir__conn *conn;

    (void)state;
    begin(WEIR_MODE_HARD, 0);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    petition(conn, 1, 1500);
    petition(conn, 2, 1600);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    pass(1000);
    weir__core_begin(core, now);
    petition(conn, 3, 1700);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(questions, 1);
    assert_int_equal(needed, 1500);
    assert_int_equal(enter(WEIR_ENTRY_RAISE, 5), WEIR_OK);
    pass(1000);
    weir__core_begin(core, now);
    petition(conn, 4, 1800);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(questions, 2);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
}

/* What a second holder can be lent when the first has not been heard of for an hour. */
static int64_t left_after_silence(enum weir_budget_mode mode)
{
    struct weir__conn *conn;

    begin(mode, 0);
    conn = weir__core_connect(core, "node", on_down, &heard);
    weir__core_begin(core, now);
    ask(conn, 1, 600);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    assert_int_equal(heard.granted, 600);
    weir__core_disconnect(core, conn, now);
    for (int64_t ms = 0; ms < 6 * SOFT_RECLAIM_MS; ms += SWEEP_MS)
        pass(SWEEP_MS);
    memset(&heard, 0, sizeof heard);
    conn = weir__core_connect(core, "other", on_down, &heard);
    weir__core_begin(core, now);
    ask(conn, 1, 500);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    weir__core_disconnect(core, conn, now);
    weir__core_destroy(core);
    return heard.granted;
}

static void a_hard_budget_takes_nothing_back_from_a_holder_that_is_silent(void **state)
{
    (void)state;
    assert_int_equal(left_after_silence(WEIR_MODE_HARD), 0);
    assert_int_equal(heard.refusals, 1);
}

static void a_soft_budget_does_after_a_time(void **state)
{
    (void)state;
    assert_int_equal(left_after_silence(WEIR_MODE_SOFT), 500);
}

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at);
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at);
}

static int end(void **state)
{
    (void)state;
    return engine_end(&at);
}

#define CASE(fn)                                                                                   \
    {#fn " (sqlite)", fn, sqlite, end, NULL},                                                      \
    {                                                                                              \
#fn " (postgres)", fn, postgres, end, NULL                                                 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_not_committed_is_not_lent),
        CASE(a_node_can_not_report_on_the_lease_of_another),
        CASE(a_debt_is_lent_although_no_further_counter_may_be_opened),
        CASE(a_correction_of_a_counter_that_was_never_lent_anything_stays),
        CASE(corrections_add_up_to_no_more_than_an_amount_can_be),
        CASE(a_raise_keeps_no_counter_that_holds_nothing),
        CASE(asks_of_a_counter_are_one_question_until_somebody_answers),
        CASE(a_hard_budget_takes_nothing_back_from_a_holder_that_is_silent),
        /* A database server has a clock of its own, which the test can't move. */
        cmocka_unit_test_setup_teardown(a_soft_budget_does_after_a_time, sqlite, end),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
