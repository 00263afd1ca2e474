/* test_fields.c - a route's edits of a request's fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "dataplane/llm/fields.h"

#define EDITS(...) ((const struct weir_llm_field_edit[]){__VA_ARGS__})

static void becomes(const char *body, const struct weir_llm_field_edit *edits, size_t n,
                    const char *expected)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_str out;

    assert_int_equal(weir_llm_edit_fields(weir_str_of(body), edits, n, a, &out), WEIR_OK);
    assert_true(weir_str_is(out, expected));
    weir_arena_destroy(a);
}

static void a_field_is_set_replaced_or_taken_out(void **state)
{
    (void)state;
    becomes("{}", EDITS({"a", WEIR_STR("1"), false}), 1, "{\"a\":1}");
    becomes("{\"m\":[1, 2],\"a\":9,\"z\":{}}", EDITS({"a", WEIR_STR("\"x\""), false}), 1,
            "{\"m\":[1, 2],\"a\":\"x\",\"z\":{}}");
    becomes("{\"a\":1, \"b\":2}", EDITS({"a", WEIR_STR_NULL, false}), 1, "{\"b\":2}");
    becomes("{\"a\":1}", EDITS({"a", WEIR_STR_NULL, false}), 1, "{}");
}

static void a_default_leaves_what_the_caller_says(void **state)
{
    (void)state;
    becomes("{\"a\":null}", EDITS({"a", WEIR_STR("1"), true}), 1, "{\"a\":null}");
    becomes("{\"b\":2}", EDITS({"a", WEIR_STR("1"), true}), 1, "{\"b\":2,\"a\":1}");
}

static void a_field_is_known_however_it_is_escaped(void **state)
{
    (void)state;
    becomes("{\"t\\u006fols\":[]}", EDITS({"tools", WEIR_STR_NULL, false}), 1, "{}");
}

static void of_two_edits_of_a_field_the_last_counts(void **state)
{
    (void)state;
    becomes("{\"a\":0}", EDITS({"a", WEIR_STR("1"), false}, {"a", WEIR_STR("2"), false}), 2,
            "{\"a\":2}");
    becomes("{}", EDITS({"a", WEIR_STR("1"), false}, {"a", WEIR_STR("2"), false}), 2, "{\"a\":2}");
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const bodies[] = {"", "[]", "{\"a\"", "{\"a\":1"};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_str out;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        assert_int_equal(weir_llm_edit_fields(weir_str_of(bodies[i]), NULL, 0, a, &out),
                         WEIR_EINVAL);
    weir_arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_set_replaced_or_taken_out),
        cmocka_unit_test(a_default_leaves_what_the_caller_says),
        cmocka_unit_test(a_field_is_known_however_it_is_escaped),
        cmocka_unit_test(of_two_edits_of_a_field_the_last_counts),
        cmocka_unit_test(what_is_no_object_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
