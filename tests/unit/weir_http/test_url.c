/* test_url.c - what counts as an upstream's address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/url.h"

static const struct {
    const char *text, *host, *path, *query, *authority;
    bool tls, ipv6;
    unsigned port;
} good[] = {
    {"https://api.example.com", "api.example.com", "", NULL, "api.example.com", true, false, 443},
    {"HTTP://h/", "h", "/", NULL, "h", false, false, 80},
    {"http://h:8080/a/b?c=d?e", "h", "/a/b", "c=d?e", "h:8080", false, false, 8080},
    {"https://h:443?x", "h", "", "x", "h", true, false, 443},
    {"http://[::1]:99/p", "::1", "/p", NULL, "[::1]:99", false, true, 99},
    {"https://[2001:db8::1]", "2001:db8::1", "", NULL, "[2001:db8::1]", true, true, 443},
    {"http://127.0.0.1/%20?", "127.0.0.1", "/%20", "", "127.0.0.1", false, false, 80},
};

static const char *const bad[] = {
    "",
    "api.example.com",
    "ftp://h",
    "http://",
    "http:///p",
    "http://:80",
    "http://h:",
    "http://h:0",
    "http://h:65536",
    "http://h:8x",
    "http://h:99999999999",
    "http://u@h",
    "http://u:p@h/",
    "http://h/#f",
    "http://h/a b",
    "http://h/\x01",
    "http://h/\xc3\xa9",
    "http://[::1",
    "http://[::1]x",
    "http://[zz]",
    "http://h h/",
    "http://::1/",
    "http:/h",
    "http://h\\@e/",
    "http://[::1]:",
};

static void good_urls_fall_into_their_parts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct weir_url u;
        struct weir_buf b;

        assert_int_equal(weir_url_parse(weir_str_of(good[i].text), &u, NULL), WEIR_OK);
        assert_true(weir_str_is(u.host, good[i].host) && weir_str_is(u.path, good[i].path));
        assert_int_equal(u.query.p != NULL, good[i].query != NULL);
        assert_true(!good[i].query || weir_str_is(u.query, good[i].query));
        assert_true(u.tls == good[i].tls && u.ipv6 == good[i].ipv6);
        assert_int_equal(u.port, good[i].port);
        weir_buf_init(&b, 300);
        assert_int_equal(weir_url_authority(&u, &b), WEIR_OK);
        assert_true(weir_str_is(weir_buf_str(&b), good[i].authority));
        weir_buf_fini(&b);
    }
}

static void bad_urls_are_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weir_url u;
        const char *why = NULL;

        if (weir_url_parse(weir_str_of(bad[i]), &u, &why) != WEIR_EINVAL)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(why);
    }
}

static void a_base_and_a_path_join_with_one_slash(void **state)
{
    static const struct {
        const char *base, *path, *want;
    } cases[] = {
        {"http://h", "/v1/messages", "/v1/messages"},
        {"http://h/", "/v1/messages?beta=true", "/v1/messages?beta=true"},
        {"http://h/api/", "/v1", "/api/v1"},
        {"http://h/api", "v1", "/api/v1"},
        {"http://h/api?k=1", "/v1?b=2", "/api/v1?k=1&b=2"},
        {"http://h/api?k=1", "/v1", "/api/v1?k=1"},
        {"http://h", "", "/"},
        {"http://h/a", "", "/a"},
        {"http://h/a/", "", "/a/"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_url u;
        struct weir_buf b;

        weir_buf_init(&b, 300);
        assert_int_equal(weir_url_parse(weir_str_of(cases[i].base), &u, NULL), WEIR_OK);
        assert_int_equal(weir_url_join(&u, weir_str_of(cases[i].path), &b), WEIR_OK);
        weir_buf_add(&b, "", 1);
        assert_string_equal(b.p, cases[i].want);
        weir_buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_fall_into_their_parts),
        cmocka_unit_test(bad_urls_are_refused_with_a_reason),
        cmocka_unit_test(a_base_and_a_path_join_with_one_slash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
