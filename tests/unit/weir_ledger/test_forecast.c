/* Where spending leads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/ledger/forecast.h"

static struct weir_ledger_counter counter(int64_t settled, int64_t held)
{
    return (struct weir_ledger_counter){.limit = 1000,
                                        .settled = settled,
                                        .held = held,
                                        .window_start_ms = 1000000,
                                        .window_end_ms = 1100000};
}

static void what_was_spent_goes_on_in_a_straight_line(void **state)
{
    struct weir_ledger_counter k = counter(90, 10);
    struct weir_forecast f;

    (void)state;
    assert_true(weir_forecast(&k, 1025000, &f));
    assert_int_equal(f.at_end, 400);
    assert_int_equal(f.exhausted_ms, -1);
    k = counter(500, 0);
    assert_true(weir_forecast(&k, 1025000, &f));
    assert_int_equal(f.at_end, 2000);
    assert_int_equal(f.exhausted_ms, 1050000);
    k = counter(1000, 0);
    assert_true(weir_forecast(&k, 1025000, &f));
    assert_int_equal(f.exhausted_ms, 1025000);
    k = counter(0, 0);
    assert_true(weir_forecast(&k, 1025000, &f));
    assert_int_equal(f.at_end, 0);
    assert_int_equal(f.exhausted_ms, -1);
}

static void there_is_none_too_early_after_the_end_and_without_one(void **state)
{
    struct weir_ledger_counter k = counter(10, 0);
    struct weir_forecast f;

    (void)state;
    assert_false(weir_forecast(&k, 1001999, &f));
    assert_true(weir_forecast(&k, 1002000, &f));
    assert_false(weir_forecast(&k, 1100000, &f));
    assert_false(weir_forecast(&k, 900000, &f));
    k.window_end_ms = -1;
    assert_false(weir_forecast(&k, 1050000, &f));
}

static void no_number_is_too_large(void **state)
{
    struct weir_ledger_counter k = counter(WEIR_AMOUNT_MAX, WEIR_AMOUNT_MAX);
    struct weir_forecast f;

    (void)state;
    k.limit = WEIR_AMOUNT_MAX;
    k.window_start_ms = 0;
    k.window_end_ms = INT64_C(1) << 42;
    assert_true(weir_forecast(&k, INT64_C(1) << 41, &f));
    assert_true(f.at_end == WEIR_AMOUNT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_spent_goes_on_in_a_straight_line),
        cmocka_unit_test(there_is_none_too_early_after_the_end_and_without_one),
        cmocka_unit_test(no_number_is_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
