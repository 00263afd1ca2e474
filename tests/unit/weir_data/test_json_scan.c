#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/buf.h"
#include "data/json_scan.h"

static struct weir_str str(const char *z)
{
    return weir_str_of(z);
}

static void accepts_what_the_grammar_allows(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1.5e+10",
        "\"\"",
        "true",
        "false",
        "null",
        " [1 , 2 ] ",
        "{\"a\":{\"b\":[{}]},\"c\":null}",
        "\"\\u00e9\\n\\\"\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\"0123456789abcdef0123456789abcdef\\\\\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(weir_json_check(str(good[i]), NULL), WEIR_OK);
}

static void refuses_what_breaks_the_grammar_and_says_where(void **state)
{
    static const struct {
        const char *text;
        size_t at;
    } bad[] = {
        {"", 0},
        {"{", 1},
        {"[1,]", 3},
        {"{\"a\" 1}", 5},
        {"{\"a\":1,}", 7},
        {"01", 2},
        {"1.", 2},
        {"-", 1},
        {"tru", 0},
        {"\"a", 2},
        {"\"\\x\"", 1},
        {"\"\\u12g4\"", 1},
        {"\"a\nb\"", 2},
        {"[1 2]", 3},
        {"{} x", 3},
        {"\"\xc0\x80\"", 1},
        {"\"\xed\xa0\x80\"", 1},
        {"\"\xf4\x90\x80\x80\"", 1},
        {"\"\xe2\x82\"", 1},
        {"[1}", 2},
        {"nul", 0},
        {"{1:2}", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        size_t at = 99;

        assert_int_equal(weir_json_check(str(bad[i].text), &at), WEIR_EINVAL);
        assert_int_equal(at, bad[i].at);
    }
}

static void refuses_documents_that_are_nested_too_deeply(void **state)
{
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 4096);
    for (int i = 0; i < WEIR_JSON_DEPTH; i++)
        weir_buf_addz(&b, "[");
    for (int i = 0; i < WEIR_JSON_DEPTH; i++)
        weir_buf_addz(&b, "]");
    assert_int_equal(weir_json_check(weir_buf_str(&b), NULL), WEIR_OK);
    weir_buf_clear(&b);
    for (int i = 0; i <= WEIR_JSON_DEPTH; i++)
        weir_buf_addz(&b, "[");
    assert_int_equal(weir_json_check(weir_buf_str(&b), NULL), WEIR_EINVAL);
    weir_buf_fini(&b);
}

static void finds_a_fault_at_every_place_of_a_long_string(void **state)
{
    char text[100];

    (void)state;
    for (size_t at = 1; at < sizeof(text) - 1; at++) {
        size_t fault_at = 0;

        memset(text, 'x', sizeof(text));
        text[0] = text[sizeof(text) - 1] = '"';
        assert_int_equal(weir_json_check((struct weir_str){text, sizeof(text)}, NULL), WEIR_OK);
        text[at] = 0x1f;
        assert_int_equal(weir_json_check((struct weir_str){text, sizeof(text)}, &fault_at),
                         WEIR_EINVAL);
        assert_int_equal(fault_at, at);
    }
}

static void hands_out_members_elements_and_raw_values(void **state)
{
    struct weir_str key, raw;
    struct weir_json j;
    int64_t v = 0;

    (void)state;
    weir_json_init(&j, str(" { \"a\" : [1, {\"x\":2}] , \"b\":\"t\\u0041\" } "));
    assert_true(weir_json_enter(&j, WEIR_JSON_OBJECT));
    assert_true(weir_json_member(&j, &key));
    assert_true(weir_str_is(key, "a"));
    assert_true(weir_json_enter(&j, WEIR_JSON_ARRAY));
    assert_true(weir_json_element(&j));
    assert_true(weir_json_skip(&j, &raw));
    assert_int_equal(weir_json_i64(raw, &v), WEIR_OK);
    assert_int_equal(v, 1);
    assert_true(weir_json_element(&j));
    assert_true(weir_json_skip(&j, &raw));
    assert_true(weir_str_is(raw, "{\"x\":2}"));
    assert_false(weir_json_element(&j));
    assert_true(weir_json_member(&j, &key));
    assert_false(weir_json_enter(&j, WEIR_JSON_OBJECT));
    assert_true(weir_json_string(&j, &raw));
    assert_true(weir_json_is(raw, "tA"));
    assert_int_equal(weir_json_text_bytes(raw), 2);
    assert_false(weir_json_member(&j, &key));
    assert_int_equal(weir_json_end(&j), WEIR_OK);
}

static void unescapes_every_escape(void **state)
{
    static const char raw[] = "\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\\ud800x";
    static const char want[] = "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx";
    char out[sizeof(raw)];
    size_t n = weir_json_unescape(WEIR_STR(raw), out);

    (void)state;
    assert_int_equal(n, sizeof(want) - 1);
    assert_memory_equal(out, want, n);
    assert_true(weir_json_is(WEIR_STR("m\\u006fdel"), "model"));
    assert_false(weir_json_is(WEIR_STR("m\\u006fdels"), "model"));
}

static void picks_values_from_a_document_cut_at_any_byte(void **state)
{
    static const char doc[] =
        "{\"id\":\"x{}\\\"\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"a]}\\\\\"},"
        "\"finish_reason\":\"stop\"},{\"finish_reason\":\"length\"}],\"deep\":{\"usage\":9},"
        "\"usage\":{\"a\":[1,2]},\"n\":12}";

    (void)state;
    for (size_t cut = 0; cut < sizeof(doc); cut++) {
        char usage[64], reason[16], n[4];
        struct weir_json_pick picks[] = {
            {.path = {"usage"}, .into = usage, .cap = sizeof(usage)},
            {.path = {"choices", "*", "finish_reason"}, .into = reason, .cap = sizeof(reason)},
            {.path = {"choices", "*", "message"}},
            {.path = {"n"}, .into = n, .cap = sizeof(n)},
        };
        struct weir_json_tap t;

        weir_json_tap_init(&t, picks, 4);
        weir_json_tap_feed(&t, doc, cut);
        weir_json_tap_feed(&t, doc + cut, sizeof(doc) - 1 - (cut < sizeof(doc) ? cut : 0));
        assert_true(weir_json_tap_done(&t));
        assert_int_equal(picks[0].n, 11);
        assert_memory_equal(usage, "{\"a\":[1,2]}", 11);
        assert_int_equal(picks[1].n, 8);
        assert_memory_equal(reason, "\"length\"", 8);
        assert_int_equal(picks[2].total, 19);
        assert_true(picks[3].whole);
        assert_memory_equal(n, "12", 2);
        if (cut == sizeof(doc) - 1)
            break;
    }
}

static void says_when_a_picked_value_was_too_long(void **state)
{
    char usage[4];
    struct weir_json_pick pick = {.path = {"usage"}, .into = usage, .cap = sizeof(usage)};
    struct weir_json_tap t;

    (void)state;
    weir_json_tap_init(&t, &pick, 1);
    weir_json_tap_feed(&t, "{\"usage\":\"123456\"}", 18);
    assert_true(pick.whole);
    assert_int_equal(pick.n, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_the_grammar_allows),
        cmocka_unit_test(refuses_what_breaks_the_grammar_and_says_where),
        cmocka_unit_test(refuses_documents_that_are_nested_too_deeply),
        cmocka_unit_test(finds_a_fault_at_every_place_of_a_long_string),
        cmocka_unit_test(hands_out_members_elements_and_raw_values),
        cmocka_unit_test(unescapes_every_escape),
        cmocka_unit_test(picks_values_from_a_document_cut_at_any_byte),
        cmocka_unit_test(says_when_a_picked_value_was_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
