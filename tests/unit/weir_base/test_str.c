/* Strings: cutting, numbers that are exact or refused, patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"

static void texts_are_compared_cut_and_trimmed(void **state)
{
    static const struct weir_str set[] = {WEIR_STR_INIT("host"), WEIR_STR_INIT("te")};
    struct weir_str rest, part = weir_str_cut(WEIR_STR("a:b:c"), ':', &rest);

    (void)state;
    assert_true(weir_str_is(part, "a"));
    assert_true(weir_str_is(rest, "b:c"));
    part = weir_str_cut(WEIR_STR("abc"), ':', &rest);
    assert_true(weir_str_is(part, "abc"));
    assert_null(rest.p);
    assert_true(weir_str_is(weir_str_trim(WEIR_STR(" \t\r\n x y ")), "x y"));
    assert_int_equal(weir_str_trim(WEIR_STR("  ")).n, 0);
    assert_true(weir_str_ieq(WEIR_STR("HoSt"), WEIR_STR("hOsT")));
    assert_false(weir_str_ieq(WEIR_STR("a["), WEIR_STR("a{"))); /* 0x20 apart, and no letters */
    assert_true(weir_str_iany(WEIR_STR("TE"), set, 2));
    assert_false(weir_str_iany(WEIR_STR("hos"), set, 2));
    assert_true(weir_str_starts(WEIR_STR("abc"), WEIR_STR("ab")));
    assert_false(weir_str_starts(WEIR_STR("a"), WEIR_STR("ab")));
    assert_true(weir_str_ends(WEIR_STR("abc"), WEIR_STR("bc")));
    assert_true(weir_str_ends(WEIR_STR("abc"), WEIR_STR("")));
    assert_true(weir_str_eq_secret(WEIR_STR("key"), WEIR_STR("key")));
    assert_false(weir_str_eq_secret(WEIR_STR("key"), WEIR_STR("kez")));
    assert_false(weir_str_eq_secret(WEIR_STR("key"), WEIR_STR("keyy")));
    assert_true(weir_str_eq(WEIR_STR_NULL, WEIR_STR("")));
}

static void a_whole_number_is_exact_or_refused(void **state)
{
    static const struct {
        const char *text;
        int rc;
        int64_t value;
    } cases[] = {
        {"0", WEIR_OK, 0},
        {"-7", WEIR_OK, -7},
        {"9223372036854775807", WEIR_OK, INT64_MAX},
        {"-9223372036854775808", WEIR_OK, INT64_MIN},
        {"9223372036854775808", WEIR_EINVAL, 0},
        {"-9223372036854775809", WEIR_EINVAL, 0},
        {"99999999999999999999999999", WEIR_EINVAL, 0},
        {"", WEIR_EINVAL, 0},
        {"-", WEIR_EINVAL, 0},
        {" 1", WEIR_EINVAL, 0},
        {"1x", WEIR_EINVAL, 0},
        {"0x10", WEIR_EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 0;

        assert_int_equal(weir_str_i64(weir_str_of(cases[i].text), &v), cases[i].rc);
        if (cases[i].rc == WEIR_OK)
            assert_true(v == cases[i].value);
    }
}

static void a_decimal_is_exact_or_refused(void **state)
{
    static const struct {
        const char *text;
        unsigned scale;
        int rc;
        int64_t value;
    } cases[] = {
        {"2.5", 9, WEIR_OK, 2500000000},
        {"0.000001", 9, WEIR_OK, 1000},
        {"-1", 9, WEIR_OK, -1000000000},
        {"1.000000001", 9, WEIR_OK, 1000000001},
        {"1.0000000001", 9, WEIR_EINVAL, 0},
        {"9223372036.854775807", 9, WEIR_OK, INT64_MAX},
        {"9223372036.854775808", 9, WEIR_EINVAL, 0},
        {"1e3", 9, WEIR_EINVAL, 0},
        {".", 9, WEIR_EINVAL, 0},
        {"", 9, WEIR_EINVAL, 0},
        {"1.2.3", 9, WEIR_EINVAL, 0},
        {"7", 0, WEIR_OK, 7},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t v = 0;

        assert_int_equal(weir_str_decimal(weir_str_of(cases[i].text), cases[i].scale, &v),
                         cases[i].rc);
        if (cases[i].rc == WEIR_OK)
            assert_true(v == cases[i].value);
    }
}

static void a_pattern_matches_with_stars_in_linear_time(void **state)
{
    char text[20001], pattern[2001];

    (void)state;
    assert_true(weir_str_glob(WEIR_STR("*"), WEIR_STR("")));
    assert_true(weir_str_glob(WEIR_STR("gpt-*"), WEIR_STR("gpt-4o")));
    assert_false(weir_str_glob(WEIR_STR("gpt-*"), WEIR_STR("xgpt-4o")));
    assert_true(weir_str_glob(WEIR_STR("*-mini*"), WEIR_STR("gpt-mini-mini")));
    assert_true(weir_str_glob(WEIR_STR("a*b*c"), WEIR_STR("a--b--b--c")));
    assert_false(weir_str_glob(WEIR_STR("a*b*c"), WEIR_STR("a--c--b")));
    assert_true(weir_str_glob(WEIR_STR("a**"), WEIR_STR("a")));
    assert_false(weir_str_glob(WEIR_STR(""), WEIR_STR("a")));
    for (size_t i = 0; i < 2000; i += 2)
        memcpy(pattern + i, "*a", 2);
    memset(text, 'a', 20000);
    text[19999] = 'b'; /* what makes a matcher that backtracks run for ever */
    assert_false(weir_str_glob((struct weir_str){pattern, 2000}, (struct weir_str){text, 20000}));
}

static void hex_goes_both_ways(void **state)
{
    unsigned char bytes[3] = {0x00, 0xab, 0xff}, back[3];
    char text[7];

    (void)state;
    weir_hex(bytes, 3, text);
    assert_string_equal(text, "00abff");
    assert_int_equal(weir_unhex(WEIR_STR("00ABff"), back, 3), WEIR_OK);
    assert_memory_equal(back, bytes, 3);
    assert_int_equal(weir_unhex(WEIR_STR("00ab"), back, 3), WEIR_EINVAL);
    assert_int_equal(weir_unhex(WEIR_STR("00abfg"), back, 3), WEIR_EINVAL);
    assert_int_equal(weir_unhex(WEIR_STR("00abf"), back, 3), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_compared_cut_and_trimmed),
        cmocka_unit_test(a_whole_number_is_exact_or_refused),
        cmocka_unit_test(a_decimal_is_exact_or_refused),
        cmocka_unit_test(a_pattern_matches_with_stars_in_linear_time),
        cmocka_unit_test(hex_goes_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
