/* Alerts: told once for a crossing, over restarts too, on both engines. */
#include "rig.h"

enum { LIMIT = 1000 };

static const struct weir_ledger_alert alerts[] = {
    {WEIR_ALERT_PERCENT, 50}, {WEIR_ALERT_PERCENT, 90}, {WEIR_ALERT_BURN, 3000}};
static const struct weir_ledger_budget rig_budget = {.id = "default/team",
                                                     .unit = WEIR_UNIT_TOKENS,
                                                     .mode = WEIR_MODE_HARD,
                                                     .window = WEIR_WINDOW_MONTH,
                                                     .alerts = alerts,
                                                     .n_alerts = 3,
                                                     .limit = LIMIT};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int n;
    int64_t id[16], threshold[16], settled, hour;
} told = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void on_crossing(void *arg, const struct weir_ledger_crossing *x)
{
    (void)arg;
    assert_string_equal(x->budget, "default/team");
    (void)pthread_mutex_lock(&told.mutex);
    told.id[told.n] = x->id;
    told.threshold[told.n++] = x->threshold;
    told.settled = x->settled;
    told.hour = x->hour;
    (void)pthread_cond_signal(&told.cond);
    (void)pthread_mutex_unlock(&told.mutex);
}

static void expect_told(int n)
{
    int now;

    (void)pthread_mutex_lock(&told.mutex);
    while (told.n < n)
        (void)pthread_cond_wait(&told.cond, &told.mutex);
    now = told.n;
    (void)pthread_mutex_unlock(&told.mutex);
    assert_int_equal(now, n);
}

/* So much more is spent; whatever it led to was told before the next answer. */
static void spend(int64_t amount)
{
    assert_true(ask(amount, -1));
    (void)ask(INT32_MAX, amount);
    (void)ask(INT32_MAX, -1);
}

static int begin(void **state)
{
    told.n = 0;
    rig_crossing = on_crossing;
    return sqlite(state);
}

static int begin_on_postgres(void **state)
{
    told.n = 0;
    rig_crossing = on_crossing;
    return postgres(state);
}

static void restart(void)
{
    struct weir_ledger_options o = {.path = at.dsn, .on_crossing = on_crossing};

    weir_ledger_detach(session);
    weir_ledger_destroy(ledger);
    assert_int_equal(weir_ledger_create(&o, &ledger), WEIR_OK);
    session = weir_ledger_attach(ledger, "node-1", on_down, NULL);
    assert_int_equal(weir_ledger_set_budgets(ledger, &rig_budget, 1), WEIR_OK);
}

static void sql(const char *text)
{
    struct weir_store *s;

    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_exec(s, text), WEIR_OK);
    weir_store_close(s);
}

static void a_crossing_is_told_once_and_not_again_after_a_restart(void **state)
{
    (void)state;
    spend(499);
    expect_told(0);
    spend(1);
    expect_told(1);
    assert_int_equal(told.threshold[0], 50);
    assert_int_equal(told.settled, 500);
    spend(100);
    weir_ledger_crossing_done(ledger, told.id[0]);
    restart();
    spend(100);
    expect_told(1);
    spend(250);
    expect_told(2);
    assert_int_equal(told.threshold[1], 90);
}

static void one_that_nobody_confirmed_is_told_again_after_a_restart(void **state)
{
    (void)state;
    spend(500);
    expect_told(1);
    if (strncmp(at.dsn, "postgres", 8) == 0) /* the replica that has it may be at it still */
        sql("UPDATE alerts SET taken_ms = taken_ms - 3600000");
    restart();
    expect_told(2);
    assert_int_equal(told.id[1], told.id[0]);
}

static void several_thresholds_can_be_crossed_at_once(void **state)
{
    (void)state;
    spend(950);
    expect_told(2);
}

static void after_a_reset_the_next_crossing_counts_again(void **state)
{
    struct weir_ledger_entry e = {
        .kind = WEIR_ENTRY_RESET, .budget = "default/team", .actor = "admin"};

    (void)state;
    spend(500);
    expect_told(1);
    weir_ledger_enter(ledger, &e, NULL, NULL);
    spend(400);
    expect_told(1);
    spend(100);
    expect_told(2);
    assert_int_equal(told.threshold[1], 50);
}

static void a_lowered_limit_can_be_crossed_without_spending(void **state)
{
    struct weir_ledger_budget lower = rig_budget;

    (void)state;
    spend(400);
    expect_told(0);
    lower.limit = 600;
    assert_int_equal(weir_ledger_set_budgets(ledger, &lower, 1), WEIR_OK);
    spend(1);
    expect_told(1);
    assert_int_equal(told.threshold[0], 50);
}

/* The first call was 10 hours ago, so to say; 100 were spent over an hour ago. */
static void an_hour_far_above_the_mean_is_told(void **state)
{
    (void)state;
    spend(100);
    sql("UPDATE leases SET opened_ms = opened_ms - 36000000");
    sql("UPDATE recent SET end_ms = end_ms - 7200000");
    spend(20); /* 20 in the hour, a mean of 12 */
    expect_told(0);
    spend(30); /* 50 against 15 */
    expect_told(1);
    assert_int_equal(told.threshold[0], 3000);
    assert_int_equal(told.hour, 50);
    spend(30);
    expect_told(1);
}

/* A final report, with no ask that would look at the window first. */
static void report_alone(int64_t settled)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseReport r = WEIR__V1__LEASE_REPORT__INIT, *reports[] = {&r};
    int closed;

    (void)pthread_mutex_lock(&peer.mutex);
    closed = peer.closed;
    up.incarnation = (char *)"worker-1";
    up.reports = reports;
    up.n_reports = 1;
    r.lease = peer.lease;
    r.has_settled = r.has_final = true;
    r.settled = settled;
    r.final = true;
    assert_int_equal(weir_ledger_receive(session, &up), WEIR_OK);
    while (peer.closed == closed)
        (void)pthread_cond_wait(&peer.cond, &peer.mutex);
    (void)pthread_mutex_unlock(&peer.mutex);
}

static void what_has_left_a_rolling_window_raises_no_alert(void **state)
{
    struct weir_ledger_budget rolling = rig_budget;

    (void)state;
    rolling.window = WEIR_WINDOW_ROLLING;
    rolling.length_ms = 3600000;
    rolling.n_alerts = 1;
    assert_int_equal(weir_ledger_set_budgets(ledger, &rolling, 1), WEIR_OK);
    assert_true(ask(400, -1));
    assert_true(ask(300, 400));
    sql("UPDATE steps SET end_ms = end_ms - 7200000");
    report_alone(300);
    (void)ask(INT32_MAX, -1);
    expect_told(0);
    spend(200);
    expect_told(1);
    assert_int_equal(told.settled, 500);
}

#define CASES(test)                                                                                \
    cmocka_unit_test_setup_teardown(test, begin, end),                                             \
        cmocka_unit_test_setup_teardown(test, begin_on_postgres, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASES(a_crossing_is_told_once_and_not_again_after_a_restart),
        CASES(one_that_nobody_confirmed_is_told_again_after_a_restart),
        CASES(several_thresholds_can_be_crossed_at_once),
        CASES(after_a_reset_the_next_crossing_counts_again),
        CASES(a_lowered_limit_can_be_crossed_without_spending),
        CASES(an_hour_far_above_the_mean_is_told),
        CASES(what_has_left_a_rolling_window_raises_no_alert),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
