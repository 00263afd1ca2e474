/* What a provider's headers say about when to come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/proxy/pushback.h"

#define NOW 1795435200000LL /* 2026-11-23T12:00:00Z */
#define YEAR (366LL * 24 * 3600 * 1000)

static struct weir_pushback of(const char *name, const char *value, const char *more,
                               const char *more_value)
{
    struct weir_http_header h[] = {{WEIR_STR("content-type"), WEIR_STR("application/json")},
                                   {weir_str_of(name), weir_str_of(value)},
                                   {weir_str_of(more), weir_str_of(more_value)}};

    return weir_pushback_read(h, more ? 3 : 2, NOW);
}

static int64_t retry(const char *name, const char *value)
{
    return of(name, value, NULL, NULL).retry_ms;
}

static void a_pause_is_read_in_every_form_that_is_used(void **state)
{
    (void)state;
    assert_int_equal(retry("Retry-After", "7"), 7000);
    assert_int_equal(retry("retry-after", " 0 "), 0);
    assert_int_equal(retry("retry-after", "1.5"), 1500);
    assert_int_equal(retry("retry-after", "Mon, 23 Nov 2026 12:00:30 GMT"), 30000);
    assert_int_equal(retry("retry-after", "Mon, 23 Nov 2026 11:00:30 GMT"), 0);
    assert_int_equal(retry("retry-after-ms", "250"), 250);
    assert_int_equal(retry("retry-after-ms", "1250.7"), 1250);
}

static void milliseconds_win_over_seconds_wherever_they_stand(void **state)
{
    (void)state;
    assert_int_equal(of("retry-after-ms", "250", "retry-after", "1").retry_ms, 250);
    assert_int_equal(of("retry-after", "1", "retry-after-ms", "250").retry_ms, 250);
}

static void what_is_no_pause_is_as_if_it_were_absent(void **state)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "soon",
                                      "1e3",
                                      "Mon, 23 Nov 2026 12:00:30 CET",
                                      "Mon, 23 Foo 2026 12:00:30 GMT",
                                      "Mon, 40 Nov 2026 12:00:30 GMT",
                                      "2026-11-23T12:00",
                                      "2026-13-23T12:00:00Z",
                                      "2026-11-23T12:00:00+1:00",
                                      "6m0",
                                      "m",
                                      ".",
                                      "99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(retry("retry-after", bad[i]), -1);
    assert_int_equal(retry("retry-after-ms", "-5"), -1);
    assert_int_equal(retry("retry-later", "5"), -1);
}

static void no_pause_is_longer_than_a_year(void **state)
{
    (void)state;
    assert_int_equal(retry("retry-after", "900000000"), YEAR);
    assert_int_equal(retry("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"), YEAR);
    assert_int_equal(
        of("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "99999h").spent_ms,
        YEAR);
}

static int64_t spent(const char *remaining, const char *value, const char *reset, const char *when)
{
    return of(remaining, value, reset, when).spent_ms;
}

static void a_used_up_allowance_lasts_until_its_reset(void **state)
{
    (void)state;
    assert_int_equal(
        spent("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "34s"), 34000);
    assert_int_equal(spent("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "6m0s"),
                     360000);
    assert_int_equal(
        spent("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "1m2.5s"), 62500);
    assert_int_equal(spent("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "20ms"),
                     20);
    assert_int_equal(spent("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795435203000"),
                     3000);
    assert_int_equal(spent("X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1795435204"), 4000);
    assert_int_equal(spent("anthropic-ratelimit-input-tokens-remaining", "0",
                           "anthropic-ratelimit-input-tokens-reset", "2026-11-23T12:00:05Z"),
                     5000);
    assert_int_equal(spent("anthropic-ratelimit-requests-remaining", "0",
                           "anthropic-ratelimit-requests-reset", "2026-11-23T13:00:06.25+01:00"),
                     6000);
}

static void an_allowance_that_is_left_or_another_one_stops_nothing(void **state)
{
    (void)state;
    assert_int_equal(spent("x-ratelimit-remaining-tokens", "9", "x-ratelimit-reset-tokens", "6m0s"),
                     0);
    assert_int_equal(
        spent("x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-requests", "6m0s"), 0);
    assert_int_equal(spent("x-ratelimit-remaining-tokens", "0", "anthropic-ratelimit-tokens-reset",
                           "2026-11-23T12:00:05Z"),
                     0);
    assert_int_equal(spent("x-ratelimit-limit-tokens", "0", "x-ratelimit-reset-tokens", "6m0s"),
                     -1);
    assert_int_equal(of("x-request-id", "0", NULL, NULL).spent_ms, -1);
}

static void of_several_allowances_the_latest_reset_counts(void **state)
{
    struct weir_http_header h[] = {
        {WEIR_STR("x-ratelimit-reset-tokens"), WEIR_STR("2s")},
        {WEIR_STR("x-ratelimit-remaining-tokens"), WEIR_STR("0")},
        {WEIR_STR("x-ratelimit-remaining-requests"), WEIR_STR("0")},
        {WEIR_STR("x-ratelimit-reset-requests"), WEIR_STR("9s")},
    };

    (void)state;
    assert_int_equal(weir_pushback_read(h, 4, NOW).spent_ms, 9000);
    assert_int_equal(weir_pushback_read(h, 2, NOW).spent_ms, 2000);
    assert_int_equal(weir_pushback_read(NULL, 0, NOW).spent_ms, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_is_read_in_every_form_that_is_used),
        cmocka_unit_test(milliseconds_win_over_seconds_wherever_they_stand),
        cmocka_unit_test(what_is_no_pause_is_as_if_it_were_absent),
        cmocka_unit_test(no_pause_is_longer_than_a_year),
        cmocka_unit_test(a_used_up_allowance_lasts_until_its_reset),
        cmocka_unit_test(an_allowance_that_is_left_or_another_one_stops_nothing),
        cmocka_unit_test(of_several_allowances_the_latest_reset_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
