/* Buffers: the bound holds for every way of appending, and JSON strings are always JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void an_append_past_the_bound_changes_nothing_and_is_remembered(void **state)
{
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 8);
    assert_int_equal(weir_buf_addz(&b, "12345"), WEIR_OK);
    assert_int_equal(weir_buf_addz(&b, "6789"), WEIR_ELIMIT);
    assert_int_equal(weir_buf_addf(&b, "%d", 123456), WEIR_ELIMIT);
    assert_int_equal(weir_buf_addi(&b, -1234), WEIR_ELIMIT);
    assert_int_equal(weir_buf_add_json(&b, WEIR_STR("ab")), WEIR_ELIMIT);
    assert_null(weir_buf_reserve(&b, 4));
    assert_true(weir_str_is(weir_buf_str(&b), "12345"));
    assert_int_equal(weir_buf_addz(&b, "678"), WEIR_OK);
    assert_true(b.full);
    weir_buf_clear(&b);
    assert_int_equal(b.n, 0);
    weir_buf_fini(&b);
}

static void numbers_texts_and_reserved_room_follow_each_other(void **state)
{
    struct weir_buf b;
    char *room;

    (void)state;
    weir_buf_init(&b, 1 << 20);
    weir_buf_addi(&b, INT64_MIN);
    weir_buf_addf(&b, "|%s|%05d|", "x", 42);
    room = weir_buf_reserve(&b, 1000);
    memcpy(room, "abc", 3);
    weir_buf_grown(&b, 3);
    weir_buf_adds(&b, WEIR_STR("."));
    assert_true(weir_str_is(weir_buf_str(&b), "-9223372036854775808|x|00042|abc."));
    weir_buf_drop(&b, 21);
    assert_true(weir_str_is(weir_buf_str(&b), "x|00042|abc."));
    weir_buf_drop(&b, b.n);
    assert_int_equal(weir_buf_str(&b).n, 0);
    weir_buf_fini(&b);
}

static void an_empty_buffer_is_an_empty_text(void **state)
{
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 10);
    assert_non_null(weir_buf_str(&b).p);
    assert_int_equal(weir_buf_add(&b, NULL, 0), WEIR_OK);
    weir_buf_fini(&b);
}

static void any_bytes_become_a_json_string(void **state)
{
    static const struct {
        struct weir_str in;
        const char *out;
    } cases[] = {
        {WEIR_STR_INIT("plain"), "\"plain\""},
        {WEIR_STR_INIT("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {WEIR_STR_INIT("\n\t\r\b\f"), "\"\\n\\t\\r\\b\\f\""},
        {WEIR_STR_INIT("\x01\x1f"), "\"\\u0001\\u001f\""},
        {WEIR_STR_INIT("gr\xc3\xbc\xc3\x9f"), "\"gr\xc3\xbc\xc3\x9f\""},
        {WEIR_STR_INIT("\xff"), "\"\xef\xbf\xbd\""},
        {WEIR_STR_INIT(""), "\"\""},
    };
    struct weir_buf b;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_buf_init(&b, 1000);
        assert_int_equal(weir_buf_add_json(&b, cases[i].in), WEIR_OK);
        weir_buf_add(&b, "", 1);
        assert_string_equal(b.p, cases[i].out);
        weir_buf_fini(&b);
    }
}

/* A lone surrogate, an overlong form, a cut sequence, a code point past the last. */
static void broken_utf8_never_leaves_as_it_came(void **state)
{
    static const struct weir_str broken[] = {
        WEIR_STR_INIT("\xed\xa0\x80"), WEIR_STR_INIT("\xc0\xaf"), WEIR_STR_INIT("\xe2\x82"),
        WEIR_STR_INIT("\xf4\x90\x80\x80"), WEIR_STR_INIT("\x80")};
    struct weir_buf b;

    (void)state;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        weir_buf_init(&b, 1000);
        weir_buf_add_json(&b, broken[i]);
        assert_null(memmem(b.p, b.n, broken[i].p, broken[i].n));
        assert_non_null(memmem(b.p, b.n, "\xef\xbf\xbd", 3));
        weir_buf_fini(&b);
    }
}

static void base64_is_padded_or_fit_for_urls(void **state)
{
    static const struct {
        const char *text, *plain, *url;
    } cases[] = {{"", "", ""},
                 {"f", "Zg==", "Zg"},
                 {"fo", "Zm8=", "Zm8"},
                 {"foo", "Zm9v", "Zm9v"},
                 {"\xff\xfe", "//4=", "__4"},
                 {"\xfb\xef", "++8=", "--8"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int url = 0; url < 2; url++) {
            struct weir_buf b;

            weir_buf_init(&b, 64);
            assert_int_equal(weir_buf_add_base64(&b, weir_str_of(cases[i].text), url), WEIR_OK);
            assert_true(weir_str_is(weir_buf_str(&b), url ? cases[i].url : cases[i].plain));
            weir_buf_fini(&b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_padded_or_fit_for_urls),
        cmocka_unit_test(an_append_past_the_bound_changes_nothing_and_is_remembered),
        cmocka_unit_test(numbers_texts_and_reserved_room_follow_each_other),
        cmocka_unit_test(an_empty_buffer_is_an_empty_text),
        cmocka_unit_test(any_bytes_become_a_json_string),
        cmocka_unit_test(broken_utf8_never_leaves_as_it_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
