/* How a target does: its circuit, its pauses, its speed; and how many of them are remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/proxy/targets.h"

static const struct weir_health_rules rules = {.failures = 3,
                                               .failure_percent = 50,
                                               .window_ms = 1000,
                                               .open_ms = 100,
                                               .max_cooldown_ms = 5000};

static struct weir_health health;
static int64_t now;

static int setup(void **state)
{
    (void)state;
    health = (struct weir_health){0};
    now = 1000000;
    return 0;
}

static enum weir_fitness fitness(void)
{
    return weir_health_fitness(&health, now);
}

static bool fails(unsigned times)
{
    bool opened = false;

    while (times--)
        opened = weir_health_failed(&health, &rules, now);
    return opened;
}

static bool answer(unsigned times)
{
    bool closed = false;

    while (times--)
        closed = weir_health_answered(&health, &rules, now);
    return closed;
}

static void failures_in_a_row_open_the_circuit(void **state)
{
    (void)state;
    assert_false(fails(2));
    assert_false(answer(1));
    assert_false(fails(2));
    assert_int_equal(fitness(), WEIR_FIT);
    assert_true(fails(1));
    assert_int_equal(fitness(), WEIR_FIT_OPEN);
    assert_false(fails(1)); /* once is enough to say it */
}

static void a_share_of_failures_opens_it_when_there_are_calls_enough(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        answer(1);
        assert_false(fails(1));
    }
    answer(1);
    assert_true(fails(1)); /* the fifth of ten */
}

static void failures_of_a_window_that_is_over_are_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        answer(1);
        fails(1);
    }
    now += 2 * rules.window_ms;
    answer(1);
    assert_false(fails(1));
    assert_int_equal(fitness(), WEIR_FIT);
}

static void an_open_circuit_lets_one_call_try_when_its_pause_is_over(void **state)
{
    (void)state;
    fails(3);
    now += rules.open_ms - 1;
    assert_int_equal(fitness(), WEIR_FIT_OPEN);
    now++;
    assert_int_equal(fitness(), WEIR_FIT);
    assert_true(weir_health_begin(&health, now));
    assert_int_equal(fitness(), WEIR_FIT_OPEN);
    assert_false(weir_health_begin(&health, now));
    weir_health_end(&health, false);
    assert_true(answer(1));
    weir_health_end(&health, true);
    assert_int_equal(fitness(), WEIR_FIT);
    assert_false(weir_health_begin(&health, now));
}

static void a_failed_probe_doubles_the_pause_up_to_sixteen_times(void **state)
{
    int64_t pause = rules.open_ms;

    (void)state;
    fails(3);
    for (int i = 0; i < 8; i++) {
        now += pause;
        assert_true(weir_health_begin(&health, now));
        fails(1);
        weir_health_end(&health, true);
        pause = pause < 16 * rules.open_ms ? 2 * pause : pause;
        now += pause - 1;
        assert_int_equal(fitness(), WEIR_FIT_OPEN);
        now -= pause - 1;
    }
    assert_int_equal(pause, 16 * rules.open_ms);
}

static void a_probe_that_says_nothing_makes_way_for_another(void **state)
{
    (void)state;
    fails(3);
    now += rules.open_ms;
    assert_true(weir_health_begin(&health, now));
    weir_health_end(&health, true); /* its caller went away */
    assert_int_equal(fitness(), WEIR_FIT);
    assert_true(weir_health_begin(&health, now));
}

static void what_failed_before_it_closed_counts_no_more(void **state)
{
    (void)state;
    fails(30);
    now += rules.open_ms;
    weir_health_begin(&health, now);
    answer(1);
    weir_health_end(&health, true);
    assert_false(fails(1));
    assert_int_equal(fitness(), WEIR_FIT);
}

static void a_target_that_asks_for_a_pause_gets_it(void **state)
{
    (void)state;
    assert_true(weir_health_cool(&health, &rules, 2000, now));
    assert_int_equal(fitness(), WEIR_FIT_COOLING);
    assert_false(weir_health_cool(&health, &rules, 500, now)); /* of an older call */
    assert_int_equal(weir_health_cooling_ms(&health, now), 2000);
    now += 2000;
    assert_int_equal(fitness(), WEIR_FIT);
    assert_int_equal(weir_health_cooling_ms(&health, now), 0);
}

static void a_pause_is_cut_where_policy_says_so(void **state)
{
    static const struct weir_health_rules none = {0};

    (void)state;
    weir_health_cool(&health, &rules, 86400000, now);
    assert_int_equal(weir_health_cooling_ms(&health, now), rules.max_cooldown_ms);
    now += rules.max_cooldown_ms;
    assert_false(weir_health_cool(&health, &none, 86400000, now));
    assert_int_equal(fitness(), WEIR_FIT);
}

static void a_spent_allowance_is_told_and_taken_back(void **state)
{
    (void)state;
    weir_health_spend(&health, &rules, 1000, now);
    assert_int_equal(fitness(), WEIR_FIT_SPENT);
    weir_health_spend(&health, &rules, 0, now);
    assert_int_equal(fitness(), WEIR_FIT);
}

static void nobody_knows_a_target_that_was_never_called(void **state)
{
    (void)state;
    assert_int_equal(weir_health_fitness(NULL, now), WEIR_FIT);
    assert_int_equal(weir_health_cooling_ms(NULL, now), 0);
    assert_int_equal(weir_health_expected_us(NULL, true, now), 0);
    assert_int_equal(weir_health_in_flight(NULL), 0);
}

static void a_peak_counts_at_once_and_fades(void **state)
{
    int64_t peak;

    (void)state;
    weir_health_first_byte(&health, true, 1000, now);
    weir_health_first_byte(&health, true, 9000, now);
    assert_int_equal(weir_health_expected_us(&health, true, now), 9000);
    assert_int_equal(weir_health_expected_us(&health, false, now), 0);
    weir_health_first_byte(&health, true, 1000, now);
    peak = weir_health_expected_us(&health, true, now);
    assert_int_equal(peak, 5000);
    weir_health_begin(&health, now);
    assert_int_equal(weir_health_expected_us(&health, true, now), 2 * peak);
    weir_health_end(&health, false);
    assert_true(weir_health_expected_us(&health, true, now + 10000) == peak / 2);
}

static void a_target_is_remembered_by_provider_model_and_credential(void **state)
{
    struct weir_targets *t = weir_targets_create(7);
    uint64_t a = weir_targets_key(t, WEIR_STR("p"), WEIR_STR("m"), WEIR_STR("k")),
             b = weir_targets_key(t, WEIR_STR("p"), WEIR_STR("m"), WEIR_STR("l"));

    (void)state;
    assert_true(a != b);
    assert_null(weir_targets_find(t, a));
    weir_health_cool(weir_targets_get(t, a), &rules, 100, now);
    assert_int_equal(weir_health_fitness(weir_targets_find(t, a), now), WEIR_FIT_COOLING);
    assert_null(weir_targets_find(t, b));
    assert_int_equal(weir_targets_count(t, now).cooling, 1);
    assert_int_equal(weir_targets_count(t, now + 100).cooling, 0);
    weir_targets_destroy(t);
}

static void the_oldest_idle_target_makes_room(void **state)
{
    struct weir_targets *t = weir_targets_create(7);

    (void)state;
    weir_health_begin(weir_targets_get(t, 0), now);
    for (uint64_t i = 1; i <= WEIR_TARGETS_MAX; i++)
        weir_targets_get(t, i);
    assert_non_null(weir_targets_find(t, 0)); /* it has a call under way */
    assert_null(weir_targets_find(t, 1));
    assert_non_null(weir_targets_find(t, 2));
    weir_targets_get(t, 2);
    weir_targets_get(t, WEIR_TARGETS_MAX + 1);
    assert_non_null(weir_targets_find(t, 2));
    assert_null(weir_targets_find(t, 3));
    weir_targets_destroy(t);
}

#define CASE(fn) cmocka_unit_test_setup(fn, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(failures_in_a_row_open_the_circuit),
        CASE(a_share_of_failures_opens_it_when_there_are_calls_enough),
        CASE(failures_of_a_window_that_is_over_are_forgotten),
        CASE(an_open_circuit_lets_one_call_try_when_its_pause_is_over),
        CASE(a_failed_probe_doubles_the_pause_up_to_sixteen_times),
        CASE(a_probe_that_says_nothing_makes_way_for_another),
        CASE(what_failed_before_it_closed_counts_no_more),
        CASE(a_target_that_asks_for_a_pause_gets_it),
        CASE(a_pause_is_cut_where_policy_says_so),
        CASE(a_spent_allowance_is_told_and_taken_back),
        CASE(nobody_knows_a_target_that_was_never_called),
        CASE(a_peak_counts_at_once_and_fades),
        CASE(a_target_is_remembered_by_provider_model_and_credential),
        CASE(the_oldest_idle_target_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
