#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "controlplane/telemetry/seen.h"

static void any_order_ends_in_one_range(void **state)
{
    (void)state;
    for (uint64_t stride = 1; stride < 97; stride++) { /* 97 is prime: each stride visits all */
        struct weir__seen s = {.count = 0};

        for (uint64_t i = 0; i < 97; i++) {
            uint64_t n = i * stride % 97 + 1;

            assert_false(weir__seen_has(&s, n));
            weir__seen_add(&s, n);
            assert_true(weir__seen_has(&s, n));
            weir__seen_add(&s, n);
        }
        assert_int_equal(s.count, 1);
        assert_int_equal(s.ranges[0].first, 1);
        assert_int_equal(s.ranges[0].last, 97);
    }
}

static void too_many_gaps_close_the_oldest(void **state)
{
    struct weir__seen s = {.count = 0};

    (void)state;
    for (uint64_t n = 1; n <= 2 * WEIR__SEEN_MAX + 1; n += 2)
        weir__seen_add(&s, n);
    assert_int_equal(s.count, WEIR__SEEN_MAX);
    assert_true(weir__seen_has(&s, 2));
    assert_false(weir__seen_has(&s, 4));
    assert_true(weir__seen_has(&s, 2 * WEIR__SEEN_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_ends_in_one_range),
        cmocka_unit_test(too_many_gaps_close_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
