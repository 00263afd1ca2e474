/* test_cache.c - answers by their key: found until they are too old or others need the room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/proxy/cache.h"

enum { ROOM = 16384 };

static struct weir_cache *cache;

static int setup(void **state)
{
    (void)state;
    cache = weir_cache_create(ROOM);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_cache_destroy(cache);
    return 0;
}

static struct weir_cache_key key(int i)
{
    struct weir_cache_key k = {{0}};

    memcpy(k.bytes + 8, &i, sizeof i); /* all in one bucket */
    return k;
}

static void keep(int i, struct weir_str body, int64_t until_ms)
{
    struct weir_cache_key k = key(i);

    weir_cache_keep(cache, &k, &(struct weir_cached){false, WEIR_STR("p"), body}, until_ms);
}

static bool find(int i, int64_t now_ms, struct weir_cached *out)
{
    struct weir_cache_key k = key(i);

    return weir_cache_find(cache, &k, now_ms, out);
}

static void what_is_kept_is_found_until_its_time_is_over(void **state)
{
    struct weir_cached found;

    (void)state;
    keep(1, WEIR_STR("one"), 100);
    keep(2, WEIR_STR("two"), 200);
    assert_true(find(1, 99, &found));
    assert_true(weir_str_is(found.body, "one"));
    assert_false(find(3, 0, &found));
    assert_false(find(1, 100, &found));
    assert_true(find(2, 100, &found));
    assert_true(weir_str_is(found.body, "two"));
}

static void a_key_has_one_answer_the_latest(void **state)
{
    struct weir_cached found;
    size_t bytes;

    (void)state;
    keep(1, WEIR_STR("old"), 100);
    bytes = weir_cache_bytes(cache);
    keep(1, WEIR_STR("new"), 100);
    assert_int_equal(weir_cache_bytes(cache), bytes);
    assert_true(find(1, 0, &found));
    assert_true(weir_str_is(found.body, "new"));
}

static void the_one_that_was_used_longest_ago_makes_room(void **state)
{
    static char body[ROOM / 9];
    struct weir_cached found;
    int kept = 0;

    (void)state;
    for (int i = 0; i < 8; i++) {
        keep(i, (struct weir_str){body, sizeof body}, 100);
        assert_true(find(0, 0, &found));
    }
    keep(8, (struct weir_str){body, sizeof body}, 100);
    assert_true(weir_cache_bytes(cache) <= ROOM);
    assert_true(find(0, 0, &found));
    assert_true(find(8, 0, &found));
    assert_false(find(1, 0, &found));
    for (int i = 0; i <= 8; i++)
        kept += find(i, 0, &found);
    assert_true(kept >= 7);
}

static void one_that_would_fill_it_alone_is_not_kept(void **state)
{
    static char body[ROOM / 4];
    struct weir_cached found;

    (void)state;
    keep(1, WEIR_STR("small"), 100);
    keep(2, (struct weir_str){body, sizeof body}, 100);
    assert_false(find(2, 0, &found));
    assert_true(find(1, 0, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_kept_is_found_until_its_time_is_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_key_has_one_answer_the_latest, setup, teardown),
        cmocka_unit_test_setup_teardown(the_one_that_was_used_longest_ago_makes_room, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_that_would_fill_it_alone_is_not_kept, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
