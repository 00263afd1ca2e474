/* Rolling windows, and counters that callers name, on both engines. A rolling window's shortest
 * length is a second, so what has to leave is waited for, by asking again. That nothing comes back
 * too early is shown in tests/model/rolling.c. */
#include "rig.h"

enum { LENGTH_MS = 1000, LIMIT = 1000 };

static const struct weir_ledger_budget rig_budget = {.id = "default/roll",
                                                     .unit = WEIR_UNIT_TOKENS,
                                                     .mode = WEIR_MODE_HARD,
                                                     .window = WEIR_WINDOW_ROLLING,
                                                     .length_ms = LENGTH_MS,
                                                     .limit = LIMIT};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(what_has_left_the_window_is_lent_again_and_not_before),
        ON_BOTH(a_budget_opens_no_more_counters_than_it_may),
        ON_BOTH(a_rolling_window_needs_a_length_and_no_other_has_one),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
