#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controlplane/ledger/calendar.h"

struct window_case {
    const char *zone;
    enum weir_window_kind kind;
    int64_t now, start, end; /* seconds since 1970 */
};

/* Checked with GNU date. */
static const struct window_case CASES[] = {
    {"UTC", WEIR_WINDOW_MINUTE, 1750000059, 1750000020, 1750000080},
    {"UTC", WEIR_WINDOW_HOUR, 1750000059, 1749999600, 1750003200},
    {"UTC", WEIR_WINDOW_DAY, 1750000059, 1749945600, 1750032000},
    {"UTC", WEIR_WINDOW_WEEK, 1750000059, 1749427200, 1750032000},
    {"UTC", WEIR_WINDOW_MONTH, 1750000059, 1748736000, 1751328000},
    /* Half an hour off: 2025-06-15 15:07:39Z is 20:37:39 in Kolkata. */
    {"Asia/Kolkata", WEIR_WINDOW_HOUR, 1750000059, 1749997800, 1750001400},
    /* 2025-03-30: 23 hours in Berlin. */
    {"Europe/Berlin", WEIR_WINDOW_DAY, 1743328800, 1743289200, 1743372000},
    /* 2025-10-26: 25 hours. */
    {"Europe/Berlin", WEIR_WINDOW_DAY, 1761472800, 1761429600, 1761519600},
    /* March 2025 in New York: from UTC-5 to UTC-4. */
    {"America/New_York", WEIR_WINDOW_MONTH, 1742000000, 1740805200, 1743480000},
    /* 2040: past the table of many zone files, by the rule in the footer. */
    {"Europe/Berlin", WEIR_WINDOW_DAY, 2224569600, 2224533600, 2224620000},
    /* South of the equator: 2041-01-15 noon in Sydney is summer time, UTC+11. */
    {"Australia/Sydney", WEIR_WINDOW_DAY, 2241738000, 2241694800, 2241781200},
    /* 2010-11-07 in St. John's: at 00:01 it was 23:01 again. The day had begun. */
    {"America/St_Johns", WEIR_WINDOW_DAY, 1289098800, 1289097000, 1289187000},
};

static void windows_begin_and_end_where_the_zone_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct weir_zone *z;
        int64_t start, end;

        assert_int_equal(weir_zone_load(weir_str_of(CASES[i].zone), &z), WEIR_OK);
        weir_window_bounds(z, CASES[i].kind, CASES[i].now * 1000 + 999, &start, &end);
        print_message("case %zu: %s\n", i, CASES[i].zone);
        assert_int_equal(start / 1000, CASES[i].start);
        assert_int_equal(end / 1000, CASES[i].end);
        weir_zone_free(z);
    }
}

static void days_follow_one_another_without_gap_or_overlap(void **state)
{
    static const char *const zones[] = {"UTC",          "Europe/Berlin",  "America/Sao_Paulo",
                                        "Asia/Beirut",  "Africa/Cairo",   "Australia/Lord_Howe",
                                        "Pacific/Apia", "America/Havana", "Asia/Tehran"};

    (void)state;
    for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
        struct weir_zone *z;
        int64_t at_ms = 946684800000, start, end;

        if (weir_zone_load(weir_str_of(zones[i]), &z) != WEIR_OK)
            continue; /* not every machine has every old name */
        for (int day = 0; day < 20000; day++) {
            int64_t s2, e2;

            weir_window_bounds(z, WEIR_WINDOW_DAY, at_ms, &start, &end);
            assert_true(start <= at_ms && at_ms < end);
            assert_in_range(end - start, 20 * 3600000, 50 * 3600000);
            weir_window_bounds(z, WEIR_WINDOW_DAY, end - 1, &s2, &e2);
            assert_int_equal(s2, start);
            assert_int_equal(e2, end);
            weir_window_bounds(z, WEIR_WINDOW_DAY, end, &s2, &e2);
            assert_int_equal(s2, end);
            at_ms = end + 3600000;
        }
        weir_zone_free(z);
    }
}

static void a_total_never_ends(void **state)
{
    struct weir_zone *z;
    int64_t start, end;

    (void)state;
    assert_int_equal(weir_zone_load(WEIR_STR(""), &z), WEIR_OK);
    weir_window_bounds(z, WEIR_WINDOW_TOTAL, 1750000059000, &start, &end);
    assert_int_equal(start, 0);
    assert_int_equal(end, -1);
    weir_zone_free(z);
}

static void names_that_are_no_zones_are_refused(void **state)
{
    static const char *const bad[] = {"../../etc/passwd", "Europe/Nowhere", "/etc/localtime",
                                      "zone.tab",         "Europe",         "UTC\n"};
    struct weir_zone *z;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(weir_zone_load(weir_str_of(bad[i]), &z), WEIR_OK);
    assert_true(weir_ledger_knows_timezone(WEIR_STR("Europe/Berlin")));
    assert_false(weir_ledger_knows_timezone(WEIR_STR("Mars/Olympus")));
}

static void a_cut_zone_file_is_refused(void **state)
{
    char bytes[256] = "TZif2";
    struct weir_zone *z;

    (void)state;
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(weir_zone_parse((struct weir_str){bytes, n}, &z), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_begin_and_end_where_the_zone_says),
        cmocka_unit_test(days_follow_one_another_without_gap_or_overlap),
        cmocka_unit_test(a_total_never_ends),
        cmocka_unit_test(names_that_are_no_zones_are_refused),
        cmocka_unit_test(a_cut_zone_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
