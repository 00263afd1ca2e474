/* Wrong join tokens, by address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/mem.h"
#include "controlplane/stream/throttle.h"

static const struct weir_str a1 = {"ipv4:192.0.2.7:1001", 19};
static const struct weir_str a2 = {"ipv4:192.0.2.7:1002", 19};
static const struct weir_str b = {"ipv4:192.0.2.8:1001", 19};

static void the_tenth_wrong_token_in_a_minute_is_the_last(void **state)
{
    struct weir__throttle *t = WEIR_NEW(struct weir__throttle);

    (void)state;
    for (int i = 1; i < WEIR__THROTTLE_WRONG; i++) {
        assert_false(weir__throttle_wrong(t, i % 2 ? a1 : a2, 1000 + i));
        assert_int_equal(weir__throttle_wait_ms(t, a1, 1000 + i), 0);
    }
    assert_true(weir__throttle_wrong(t, a1, 5000));
    assert_int_equal(weir__throttle_wait_ms(t, a2, 5000), 1001 + WEIR__THROTTLE_MS - 5000);
    assert_int_equal(weir__throttle_wait_ms(t, b, 5000), 0);
    assert_int_equal(weir__throttle_wait_ms(t, a1, 1001 + WEIR__THROTTLE_MS), 0);
    assert_false(weir__throttle_wrong(t, a1, 1001 + WEIR__THROTTLE_MS));
    assert_int_equal(weir__throttle_wait_ms(t, a1, 1001 + WEIR__THROTTLE_MS), 0);
    free(t);
}

static void a_flood_of_addresses_is_bounded_and_forgets_the_oldest(void **state)
{
    struct weir__throttle *t = WEIR_NEW(struct weir__throttle);
    char peer[40];

    (void)state;
    for (int i = 0; i < WEIR__THROTTLE_WRONG; i++)
        (void)weir__throttle_wrong(t, a1, 1000);
    for (int i = 0; i < WEIR__THROTTLE_PEERS; i++) {
        int n = snprintf(peer, sizeof peer, "ipv4:198.51.%d.%d:1", i / 256, i % 256);

        assert_true(i == 0 || weir__throttle_wait_ms(t, b, 1001) == 0);
        (void)weir__throttle_wrong(t, (struct weir_str){peer, (size_t)n}, 1001 + i);
    }
    assert_int_equal(weir__throttle_wait_ms(t, a1, 3000), 0);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tenth_wrong_token_in_a_minute_is_the_last),
        cmocka_unit_test(a_flood_of_addresses_is_bounded_and_forgets_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
