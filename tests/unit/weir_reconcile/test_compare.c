/* test_compare.c - both sides by day and model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "controlplane/reconcile/compare.h"

#define DAY INT64_C(1764547200000) /* 2025-12-01 */
#define DAY_MS INT64_C(86400000)

static void bill(struct weir_reconcile *r, int64_t day, const char *model, int64_t nano)
{
    const struct weir_bill_row row = {.day_ms = day, .model = weir_str_of(model), .nano_usd = nano};

    assert_int_equal(weir_reconcile_bill(r, &row), WEIR_OK);
}

static void spend(struct weir_reconcile *r, int64_t day, const char *model, int64_t nano)
{
    const struct weir_reconcile_spent s = {.nano_usd = nano, .calls = 1};

    assert_int_equal(weir_reconcile_spend(r, day, WEIR_STR("oa"), weir_str_of(model), &s), WEIR_OK);
}

static void models_are_the_same_without_their_dates(void **state)
{
    static const char *const names[][2] = {{"gpt-4o-2024-08-06", "gpt-4o"},
                                           {"GPT-4o", "gpt-4o"},
                                           {"claude-sonnet-4-20250514", "claude-sonnet-4"},
                                           {"claude-x@20250514", "claude-x"},
                                           {"2024-08-06", "2024-08-06"},
                                           {"m-12345678", "m"},
                                           {"gpt-4-32k", "gpt-4-32k"},
                                           {"", ""},
                                           {"m-92345678", "m-92345678"}};
    char out[WEIR_RECONCILE_MODEL], text[1000];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        weir_reconcile_model(weir_str_of(names[i][0]), out);
        assert_string_equal(out, names[i][1]);
    }
    memset(text, 'x', sizeof text);
    weir_reconcile_model((struct weir_str){text, sizeof text}, out);
    assert_int_equal(strlen(out), WEIR_RECONCILE_MODEL - 1);
}

static void both_sides_meet_by_day_and_model(void **state)
{
    struct weir_reconcile *r = weir_reconcile_create();
    struct weir_reconcile_item *const *items;
    int64_t first, last;

    (void)state;
    assert_false(weir_reconcile_days(r, &first, &last));
    bill(r, DAY + DAY_MS, "gpt-4o", 5);
    bill(r, DAY, "gpt-4o-2024-08-06", 3);
    bill(r, DAY, "gpt-4o-2024-11-20", 4);
    spend(r, DAY, "gpt-4o", 7);
    spend(r, DAY, "gpt-5", 9);
    assert_true(weir_reconcile_days(r, &first, &last));
    assert_int_equal(first, DAY);
    assert_int_equal(last, DAY + DAY_MS);
    assert_int_equal(weir_reconcile_items(r, &items), 3);
    assert_string_equal(items[0]->model, "gpt-4o");
    assert_int_equal(items[0]->vendor_nano, 7);
    assert_int_equal(items[0]->spent.nano_usd, 7);
    assert_string_equal(items[0]->provider, "oa");
    assert_string_equal(items[1]->model, "gpt-5");
    assert_false(items[1]->billed);
    assert_int_equal(items[2]->day_ms, DAY + DAY_MS);
    weir_reconcile_destroy(r);
}

static void a_day_without_models_is_compared_as_a_whole(void **state)
{
    struct weir_reconcile *r = weir_reconcile_create();
    struct weir_reconcile_item *const *items;

    (void)state;
    bill(r, DAY, "", 10);
    bill(r, DAY, "web search", 5);
    spend(r, DAY, "gpt-4o", 7);
    spend(r, DAY, "gpt-5", 8);
    bill(r, DAY + DAY_MS, "gpt-5", 8);
    spend(r, DAY + DAY_MS, "", 8); /* calls that never got to a model */
    assert_int_equal(weir_reconcile_items(r, &items), 3);
    assert_string_equal(items[0]->model, "");
    assert_int_equal(items[0]->vendor_nano, 15);
    assert_int_equal(items[0]->spent.nano_usd, 15);
    assert_int_equal(items[0]->spent.calls, 2);
    assert_string_equal(items[0]->provider, "oa");
    weir_reconcile_destroy(r);
}

static void a_difference_is_more_than_a_cent_and_the_tolerance(void **state)
{
    static const struct {
        int64_t vendor, ledger, tolerance;
        bool differs;
    } cases[] = {
        {0, 0, 0, false},
        {10000000, 0, 0, false},
        {10000001, 0, 0, true},
        {100000000000, 100500000000, 5, false},
        {100000000000, 101000000000, 5, true},
        {-5000000000, 5000000000, 5, true},
        {INT64_MAX, INT64_MIN, 1000, true},
        {INT64_MIN, INT64_MIN, 5, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct weir_reconcile_item item = {.vendor_nano = cases[i].vendor,
                                                 .spent.nano_usd = cases[i].ledger};

        assert_int_equal(weir_reconcile_differs(&item, cases[i].tolerance), cases[i].differs);
    }
}

static void the_likely_reason_is_said(void **state)
{
    static const struct {
        struct weir_reconcile_item item;
        const char *why;
    } cases[] = {
        {{.vendor_nano = 9}, "did not go through Weir"},
        {{.vendor_nano = 9, .spent = {.calls = 5, .unpriced = 2}}, "2 calls were without a price"},
        {{.vendor_nano = 9, .spent = {.calls = 5, .unfinished = 1}}, "1 call was cut or aborted"},
        {{.vendor_nano = 9, .spent = {.calls = 5, .estimated = 3}}, "3 calls were estimated"},
        {{.vendor_nano = 9, .spent = {.calls = 5}}, "higher rates"},
        {{.spent = {.calls = 5, .nano_usd = 9}}, "another account"},
        {{.vendor_nano = 1, .billed = true, .spent = {.calls = 5, .nano_usd = 9}}, "a discount"},
        {{.day_ms = 9 * DAY_MS, .spent = {.calls = 5, .nano_usd = 9}}, "come late"},
        {{.day_ms = 50 * DAY_MS, .vendor_nano = 9}, "not over"},
    };

    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why =
            weir_reconcile_reason(&cases[i].item, 9 * DAY_MS, 50 * DAY_MS, text, sizeof text);

        if (!strstr(why, cases[i].why))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].why, why);
    }
}

static void too_many_days_and_models_are_refused(void **state)
{
    struct weir_reconcile *r = weir_reconcile_create();
    struct weir_bill_row row = {.model = WEIR_STR("m")};

    (void)state;
    for (int64_t i = 0; i < WEIR_RECONCILE_MAX_ITEMS; i++) {
        row.day_ms = i * DAY_MS;
        assert_int_equal(weir_reconcile_bill(r, &row), WEIR_OK);
    }
    assert_int_equal(weir_reconcile_bill(r, &row), WEIR_OK);
    row.day_ms = -DAY_MS;
    assert_int_equal(weir_reconcile_bill(r, &row), WEIR_ELIMIT);
    weir_reconcile_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_are_the_same_without_their_dates),
        cmocka_unit_test(both_sides_meet_by_day_and_model),
        cmocka_unit_test(a_day_without_models_is_compared_as_a_whole),
        cmocka_unit_test(a_difference_is_more_than_a_cent_and_the_tolerance),
        cmocka_unit_test(the_likely_reason_is_said),
        cmocka_unit_test(too_many_days_and_models_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
