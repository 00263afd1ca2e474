/* Arenas: alignment, growth past a block, hooks, and blocks that come back from the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void memory_is_aligned_and_pieces_do_not_overlap(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    unsigned char *last = NULL;
    size_t last_size = 0;

    (void)state;
    for (size_t n = 1; n < 3000; n += 37) {
        unsigned char *p = weir_arena_alloc(a, n);

        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, (int)(n & 0xff), n);
        for (size_t i = 0; i < last_size; i++)
            assert_int_equal(last[i], last_size & 0xff);
        last = p;
        last_size = n;
    }
    weir_arena_destroy(a);
}

static void a_piece_larger_than_any_block_is_given_and_counted(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    char *p = weir_arena_zalloc(a, 5 << 20);

    (void)state;
    assert_int_equal(p[0], 0);
    assert_int_equal(p[(5 << 20) - 1], 0);
    assert_true(weir_arena_bytes(a) >= 5 << 20);
    assert_string_equal(weir_arena_strdup(a, WEIR_STR("behind it")), "behind it");
    weir_arena_destroy(a);
}

static void texts_are_copied_and_formatted(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    char text[] = "weir";
    struct weir_str copy = weir_arena_copy(a, (struct weir_str){text, 4});
    char long_text[5000];

    (void)state;
    text[0] = 'W';
    assert_true(weir_str_is(copy, "weir"));
    assert_string_equal(weir_arena_printf(a, "%s-%d", "n", 7), "n-7");
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    assert_string_equal(weir_arena_printf(a, "%s", long_text), long_text);
    assert_string_equal(weir_arena_strdup(a, WEIR_STR("")), "");
    weir_arena_destroy(a);
}

struct order {
    int seen[3], n;
};

struct hook {
    struct order *order;
    int id;
};

static void parts_are_joined_and_absent_ones_add_nothing(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_str parts[] = {WEIR_STR("a"), WEIR_STR_NULL, WEIR_STR(""), WEIR_STR("bc")};
    struct weir_str joined = weir_arena_join(a, parts, 4);

    (void)state;
    assert_int_equal(joined.n, 3);
    assert_string_equal(joined.p, "abc");
    assert_string_equal(weir_arena_join(a, NULL, 0).p, "");
    weir_arena_destroy(a);
}

static void note(void *arg)
{
    struct hook *h = arg;

    h->order->seen[h->order->n++] = h->id;
}

static void hooks_run_last_first_and_before_the_memory_goes(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct order order = {.n = 0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct hook *h = WEIR_ARENA_NEW(a, struct hook); /* of the arena itself */

        *h = (struct hook){&order, i};
        weir_arena_on_destroy(a, note, h);
    }
    weir_arena_destroy(a);
    assert_int_equal(order.n, 3);
    assert_int_equal(order.seen[0], 2);
    assert_int_equal(order.seen[2], 0);
}

static void a_cached_block_serves_the_next_arena(void **state)
{
    struct weir_arena_cache *c = weir_arena_cache_create(1);
    struct weir_arena *a = weir_arena_create(c), *b;
    void *first = weir_arena_alloc(a, 64);

    (void)state;
    weir_arena_destroy(a);
    a = weir_arena_create(c);
    b = weir_arena_create(c); /* beyond what the cache keeps */
    assert_ptr_equal(weir_arena_alloc(a, 64), first);
    assert_non_null(weir_arena_zalloc(b, 64));
    weir_arena_destroy(b);
    weir_arena_destroy(a);
    weir_arena_cache_destroy(c);
    weir_arena_cache_destroy(NULL);
    weir_arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_pieces_do_not_overlap),
        cmocka_unit_test(a_piece_larger_than_any_block_is_given_and_counted),
        cmocka_unit_test(texts_are_copied_and_formatted),
        cmocka_unit_test(parts_are_joined_and_absent_ones_add_nothing),
        cmocka_unit_test(hooks_run_last_first_and_before_the_memory_goes),
        cmocka_unit_test(a_cached_block_serves_the_next_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
