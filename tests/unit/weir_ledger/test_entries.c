/* What operators do to a budget, and what one window leaves to the next, on both engines. */
#include "rig.h"

#include "base/mem.h"

enum { LIMIT = 1000 };

static const struct weir_ledger_budget rig_budget = {.id = "default/team",
                                                     .unit = WEIR_UNIT_TOKENS,
                                                     .mode = WEIR_MODE_HARD,
                                                     .window = WEIR_WINDOW_DAY,
                                                     .carry_max = 100,
                                                     .limit = LIMIT};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int done, rc;
} entered = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void on_entered(void *arg, int rc)
{
    (void)arg;
    (void)pthread_mutex_lock(&entered.mutex);
    entered.done++;
    entered.rc = rc;
    (void)pthread_cond_signal(&entered.cond);
    (void)pthread_mutex_unlock(&entered.mutex);
}

static int enter(struct weir_ledger_entry e)
{
    int before = entered.done, rc;

    weir_ledger_enter(ledger, &e, on_entered, NULL);
    (void)pthread_mutex_lock(&entered.mutex);
    while (entered.done == before)
        (void)pthread_cond_wait(&entered.cond, &entered.mutex);
    rc = entered.rc;
    (void)pthread_mutex_unlock(&entered.mutex);
    return rc;
}

static int raise_for(int64_t by, int64_t ms, const char *whose)
{
    return enter((struct weir_ledger_entry){.kind = WEIR_ENTRY_RAISE,
                                            .budget = "default/team",
                                            .scope = whose,
                                            .amount = by,
                                            .until_ms = weir_wall_ms() + ms,
                                            .actor = "admin"});
}

static int reset(const char *whose)
{
    return enter((struct weir_ledger_entry){
        .kind = WEIR_ENTRY_RESET, .budget = "default/team", .scope = whose, .actor = "admin"});
}

static struct weir_ledger_noted newest(struct weir_arena *arena, size_t count)
{
    struct weir_ledger_reader *r;
    struct weir_ledger_noted *list;
    size_t n;

    assert_int_equal(weir_ledger_reader_open(at.dsn, &r), WEIR_OK);
    assert_int_equal(weir_ledger_read_entries(r, WEIR_STR("default/team"), 10, arena, &list, &n),
                     WEIR_OK);
    weir_ledger_reader_close(r);
    assert_int_equal(n, count);
    return list[0];
}

static void restart(void)
{
    struct weir_ledger_options o = {.path = at.dsn};

    weir_ledger_detach(session);
    weir_ledger_destroy(ledger);
    assert_int_equal(weir_ledger_create(&o, &ledger), WEIR_OK);
    session = weir_ledger_attach(ledger, "node-1", on_down, NULL);
    assert_int_equal(weir_ledger_set_budgets(ledger, &rig_budget, 1), WEIR_OK);
}

static void an_increase_holds_at_once_and_over_a_restart(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_ledger_noted e;

    (void)state;
    assert_false(ask(LIMIT + 200, -1));
    assert_int_equal(raise_for(500, 3600000, NULL), WEIR_OK);
    assert_true(ask(LIMIT + 200, -1));
    assert_int_equal(peer.limit, LIMIT + 500);
    assert_int_equal(counter(arena).limit, LIMIT + 500);
    restart();
    assert_false(ask(301, -1));
    assert_true(ask(300, -1));
    e = newest(arena, 1);
    assert_int_equal(e.kind, WEIR_ENTRY_RAISE);
    assert_int_equal(e.amount, 500);
    assert_null(e.scope);
    assert_string_equal(e.actor, "admin");
    weir_arena_destroy(arena);
}

static void an_increase_ends_by_itself(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    int64_t started = weir_mono_ms();

    (void)state;
    assert_int_equal(raise_for(500, 2000, NULL), WEIR_OK);
    assert_true(ask(LIMIT, -1));
    while (counter(arena).limit != LIMIT) /* nobody has to ask for that */
        assert_true(weir_mono_ms() - started < 60000);
    assert_false(ask(1, -1));
    weir_arena_destroy(arena);
}

static void sql(const char *text)
{
    struct weir_store *s;

    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_exec(s, text), WEIR_OK);
    weir_store_close(s);
}

/* Says who it is, and waits to be told of the lease that it has. */
static void say_hello(void)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__BudgetHello hello = WEIR__V1__BUDGET_HELLO__INIT;
    int grants;

    (void)pthread_mutex_lock(&peer.mutex);
    grants = peer.grants;
    hello.incarnation = (char *)"worker-1";
    up.hello = &hello;
    assert_int_equal(weir_ledger_receive(session, &up), WEIR_OK);
    while (peer.grants == grants)
        (void)pthread_cond_wait(&peer.cond, &peer.mutex);
    (void)pthread_mutex_unlock(&peer.mutex);
}

static void an_increase_that_ended_meanwhile_ends_when_the_policy_is_there(void **state)
{
    struct weir_ledger_options o = {.path = at.dsn};
    struct weir_arena *arena = weir_arena_create(NULL);
    int64_t started = weir_mono_ms();

    (void)state;
    assert_int_equal(raise_for(500, 3600000, NULL), WEIR_OK);
    assert_true(ask(LIMIT + 500, -1));
    weir_ledger_detach(session);
    weir_ledger_destroy(ledger);
    sql("UPDATE entries SET until_ms = until_ms - 7200000");
    assert_int_equal(weir_ledger_create(&o, &ledger), WEIR_OK);
    session = weir_ledger_attach(ledger, "node-1", on_down, NULL);
    say_hello();
    assert_int_equal(weir_ledger_set_budgets(ledger, &rig_budget, 1), WEIR_OK);
    while (counter(arena).limit != LIMIT)
        assert_true(weir_mono_ms() - started < 60000);
    weir_arena_destroy(arena);
}

static void an_increase_of_one_counter_is_no_other_ones(void **state)
{
    (void)state;
    assert_int_equal(raise_for(500, 3600000, "a"), WEIR_OK);
    scope = "b";
    assert_false(ask(LIMIT + 1, -1));
    scope = "a";
    assert_true(ask(LIMIT + 500, -1));
}

static void increases_that_cannot_be_are_refused(void **state)
{
    struct weir_ledger_budget none = rig_budget;
    struct weir_arena *arena = weir_arena_create(NULL);

    (void)state;
    assert_int_equal(raise_for(0, 3600000, NULL), WEIR_EINVAL);
    assert_int_equal(raise_for(INT64_MAX, 3600000, NULL), WEIR_EINVAL);
    assert_int_equal(raise_for(5, -1000, NULL), WEIR_EINVAL);
    assert_int_equal(
        enter((struct weir_ledger_entry){.kind = WEIR_ENTRY_RESET, .budget = "default/other"}),
        WEIR_ENOTFOUND);
    none.limit = 0;
    assert_int_equal(weir_ledger_set_budgets(ledger, &none, 1), WEIR_OK);
    assert_int_equal(raise_for(5, 3600000, NULL), WEIR_ESTATE);
    assert_int_equal(reset(NULL), WEIR_OK);
    assert_int_equal(newest(arena, 1).amount, 0); /* only the reset was written down */
    weir_arena_destroy(arena);
}

static void a_reset_forgives_what_was_reported_and_nothing_that_is_lent(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_ledger_counter k;

    (void)state;
    assert_true(ask(600, -1));
    assert_true(ask(400, 600)); /* 600 are spent, 400 are lent */
    assert_false(ask(1, -1));
    assert_int_equal(reset(NULL), WEIR_OK);
    assert_int_equal(newest(arena, 1).amount, 600);
    k = counter(arena);
    assert_int_equal(k.settled, 0);
    assert_int_equal(k.limit, LIMIT);
    assert_int_equal(k.remaining, 600);
    assert_false(ask(601, -1));
    assert_true(ask(600, -1));
    weir_arena_destroy(arena);
}

static void b_15_a_lowered_limit_holds_from_the_next_grant_on(void **state)
{
    struct weir_ledger_budget lower = rig_budget;

    (void)state;
    assert_true(ask(300, -1));
    lower.limit = 350;
    assert_int_equal(weir_ledger_set_budgets(ledger, &lower, 1), WEIR_OK);
    assert_false(ask(51, -1));
    assert_true(ask(50, -1));
}

static int correct_by(int64_t by, const char *whose)
{
    return enter((struct weir_ledger_entry){.kind = WEIR_ENTRY_CORRECT,
                                            .budget = "default/team",
                                            .scope = whose,
                                            .amount = by,
                                            .reason = "credit note",
                                            .actor = "admin"});
}

static void a_correction_changes_what_is_spent_and_stays_as_an_entry(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_ledger_noted e;

    (void)state;
    assert_true(ask(300, -1));
    assert_true(ask(1, 300));
    assert_int_equal(correct_by(500, NULL), WEIR_OK);
    assert_int_equal(counter(arena).settled, 800);
    assert_int_equal(counter(arena).limit, LIMIT);
    assert_false(ask(200, -1)); /* one is lent */
    assert_true(ask(199, -1));
    restart();
    assert_int_equal(correct_by(-700, NULL), WEIR_OK);
    assert_int_equal(counter(arena).settled, 100);
    e = newest(arena, 2);
    assert_int_equal(e.kind, WEIR_ENTRY_CORRECT);
    assert_int_equal(e.amount, -700);
    assert_string_equal(e.reason, "credit note");
    assert_true(ask(700, -1));
    assert_false(ask(1, -1));
    weir_arena_destroy(arena);
}

static void a_correction_past_the_limit_refuses_what_comes_and_a_reset_forgives_it(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);

    (void)state;
    assert_true(ask(300, -1));
    assert_true(ask(1, 300));
    assert_int_equal(correct_by(5 * LIMIT, NULL), WEIR_OK);
    assert_false(ask(1, -1));
    assert_int_equal(reset(NULL), WEIR_OK);
    assert_int_equal(counter(arena).settled, 0);
    assert_true(ask(LIMIT - 1, -1));
    assert_false(ask(1, -1));
    weir_arena_destroy(arena);
}

static void corrections_that_can_not_be_are_refused(void **state)
{
    (void)state;
    assert_int_equal(correct_by(5, NULL), WEIR_EEXIST); /* nothing was asked for yet */
    scope = "a";
    assert_true(ask(300, -1));
    assert_int_equal(correct_by(5, "b"), WEIR_EEXIST);
    assert_int_equal(correct_by(5, NULL), WEIR_OK);
    scope = "b";
    assert_true(ask(300, -1));
    assert_int_equal(correct_by(5, NULL), WEIR_EEXIST);
    assert_int_equal(correct_by(-6, "a"), WEIR_ESTATE);
    assert_int_equal(correct_by(-5, "a"), WEIR_OK);
    assert_int_equal(correct_by(0, "a"), WEIR_EINVAL);
    assert_int_equal(correct_by(INT64_MIN, "a"), WEIR_EINVAL);
}

/* The window that is there becomes yesterday's, or one of the days before. */
static void let_the_day_end(void)
{
    sql("UPDATE windows SET start_ms = start_ms - 86400000, end_ms = end_ms - 86400000");
}

static void what_is_left_goes_into_the_next_window_up_to_the_bound(void **state)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_ledger_counter k;

    (void)state;
    assert_true(ask(300, -1));
    assert_true(ask(1, 300));
    let_the_day_end();
    assert_false(ask(LIMIT + 101, -1));
    assert_true(ask(LIMIT + 100, -1));
    k = counter(arena);
    assert_int_equal(k.carried, 100);
    assert_int_equal(k.limit, LIMIT + 100);
    weir_arena_destroy(arena);
}

static void what_is_lent_when_a_window_ends_is_not_carried_over(void **state)
{
    (void)state;
    assert_true(ask(LIMIT - 40, -1));
    let_the_day_end();
    assert_false(ask(LIMIT + 41, -1));
    assert_true(ask(LIMIT + 40, -1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(an_increase_holds_at_once_and_over_a_restart),
        ON_BOTH(an_increase_ends_by_itself),
        ON_BOTH(an_increase_that_ended_meanwhile_ends_when_the_policy_is_there),
        ON_BOTH(an_increase_of_one_counter_is_no_other_ones),
        ON_BOTH(increases_that_cannot_be_are_refused),
        ON_BOTH(a_reset_forgives_what_was_reported_and_nothing_that_is_lent),
        ON_BOTH(a_correction_changes_what_is_spent_and_stays_as_an_entry),
        ON_BOTH(a_correction_past_the_limit_refuses_what_comes_and_a_reset_forgives_it),
        ON_BOTH(corrections_that_can_not_be_are_refused),
        ON_BOTH(b_15_a_lowered_limit_holds_from_the_next_grant_on),
        ON_BOTH(what_is_left_goes_into_the_next_window_up_to_the_bound),
        ON_BOTH(what_is_lent_when_a_window_ends_is_not_carried_over),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
