/* test_turns.c - places at a provider go round the agents that wait for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/proxy/turns.h"

enum { CALLS = 200, PROVIDER = 7 };

static struct weir_turns *turns;
static struct weir_turn calls[CALLS];
static size_t order[CALLS], granted;
static bool leaves_at_once;

static int setup(void **state)
{
    (void)state;
    turns = weir_turns_create();
    memset(calls, 0, sizeof calls);
    granted = 0;
    leaves_at_once = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALLS; i++)
        weir_turns_leave(turns, &calls[i]);
    weir_turns_destroy(turns);
    return 0;
}

static void on_granted(struct weir_turn *t)
{
    order[granted++] = (size_t)(t - calls);
    if (leaves_at_once)
        weir_turns_leave(turns, t);
}

static int take(size_t call, uint64_t who, int64_t limit)
{
    return weir_turns_take(turns, PROVIDER, limit, who, &calls[call], on_granted);
}

static void as_many_as_there_are_places_go_at_once(void **state)
{
    (void)state;
    assert_int_equal(take(0, 1, 2), WEIR_OK);
    assert_int_equal(take(1, 1, 2), WEIR_OK);
    assert_int_equal(take(2, 1, 2), WEIR_EWAIT);
    assert_int_equal(weir_turns_take(turns, PROVIDER + 1, 2, 1, &calls[3], on_granted), WEIR_OK);
    assert_int_equal(granted, 0);
    weir_turns_leave(turns, &calls[0]);
    assert_int_equal(granted, 1);
    assert_int_equal(order[0], 2);
}

static void agents_take_turns_whatever_each_of_them_asks_for(void **state)
{
    static const size_t expected[] = {1, 4, 6, 2, 5, 3};

    (void)state;
    assert_int_equal(take(0, 1, 1), WEIR_OK);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(take(i, 1, 1), WEIR_EWAIT);
    for (size_t i = 4; i <= 5; i++)
        assert_int_equal(take(i, 2, 1), WEIR_EWAIT);
    assert_int_equal(take(6, 3, 1), WEIR_EWAIT);
    leaves_at_once = true;
    weir_turns_leave(turns, &calls[0]);
    assert_int_equal(granted, 6);
    assert_memory_equal(order, expected, sizeof expected);
}

static void who_has_left_the_queue_gets_no_place(void **state)
{
    (void)state;
    assert_int_equal(take(0, 1, 1), WEIR_OK);
    assert_int_equal(take(1, 1, 1), WEIR_EWAIT);
    assert_int_equal(take(2, 2, 1), WEIR_EWAIT);
    weir_turns_leave(turns, &calls[1]);
    weir_turns_leave(turns, &calls[1]);
    weir_turns_leave(turns, &calls[0]);
    assert_int_equal(granted, 1);
    assert_int_equal(order[0], 2);
}

static void a_limit_that_was_raised_holds_from_the_next_call_on(void **state)
{
    (void)state;
    assert_int_equal(take(0, 1, 1), WEIR_OK);
    assert_int_equal(take(1, 1, 1), WEIR_EWAIT);
    assert_int_equal(take(2, 1, 3), WEIR_EWAIT); /* behind the one that waits already */
    weir_turns_leave(turns, &calls[0]);
    assert_int_equal(granted, 2);
}

static void a_place_is_handed_on_by_calls_that_fail_at_once(void **state)
{
    (void)state;
    assert_int_equal(take(0, 1, 1), WEIR_OK);
    for (size_t i = 1; i < CALLS; i++)
        assert_int_equal(take(i, i % 3, 1), WEIR_EWAIT);
    leaves_at_once = true;
    weir_turns_leave(turns, &calls[0]);
    assert_int_equal(granted, CALLS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_as_there_are_places_go_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(agents_take_turns_whatever_each_of_them_asks_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(who_has_left_the_queue_gets_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_limit_that_was_raised_holds_from_the_next_call_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_place_is_handed_on_by_calls_that_fail_at_once, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
