/* test_bill.c - vendors' cost exports in each of their shapes, and files that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "controlplane/reconcile/bill.h"

#define DAY INT64_C(1764547200000) /* 2025-12-01 */
#define DAY_MS INT64_C(86400000)

static struct {
    struct weir_bill_row rows[16];
    char models[16][64];
    size_t n;
    int64_t left_out;
    struct weir_bill_error e;
} got;

static int on_row(void *arg, const struct weir_bill_row *row)
{
    (void)arg;
    assert_true(got.n < 16);
    got.rows[got.n] = *row;
    (void)snprintf(got.models[got.n], 64, "%.*s", WEIR_STR_ARG(row->model));
    got.n++;
    return WEIR_OK;
}

static int read_bytes(enum weir_bill_vendor vendor, const char *text, size_t n)
{
    FILE *f = tmpfile();
    int rc;

    memset(&got, 0, sizeof got);
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    rewind(f);
    rc = weir_bill_read(f, vendor, false, on_row, NULL, &got.left_out, &got.e);
    (void)fclose(f);
    return rc;
}

static int read_text(enum weir_bill_vendor vendor, const char *text)
{
    return read_bytes(vendor, text, strlen(text));
}

static void expect(size_t i, int64_t day_ms, const char *model, int64_t nano_usd)
{
    assert_true(i < got.n);
    assert_int_equal(got.rows[i].day_ms, day_ms);
    assert_string_equal(got.models[i], model);
    assert_int_equal(got.rows[i].nano_usd, nano_usd);
}

static void money_is_read_from_its_decimals(void **state)
{
    static const struct {
        const char *text;
        int shift;
        int64_t nano;
    } good[] = {
        {"0", 0, 0},
        {"0.06", 0, 60000000},
        {"1.2e-05", 0, 12000},
        {"1.2E+2", 0, 120000000000},
        {"-3", 0, -3000000000},
        {"123.45", -2, 1234500000},
        {"0.0000000005", 0, 1},
        {"0.0000000004999", 0, 0},
        {"0.00000000049", 0, 0},
        {"5e-10", 0, 1},
        {"1e-30", 0, 0},
        {"8999999999", 0, 8999999999000000000},
        {"+7.", 0, 7000000000},
        {".5", 0, 500000000},
        {"1.0000000015", 0, 1000000002},
    };

    static const char *const bad[] = {"",    "-",    "1e",  "e5",  "1,5",         "0x10", "1.2.3",
                                      "NaN", "1e99", "--1", "1e-", "99999999999", "1 2"};
    int64_t v;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(weir_bill_nano(weir_str_of(good[i].text), good[i].shift, &v), WEIR_OK);
        assert_int_equal(v, good[i].nano);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_bill_nano(weir_str_of(bad[i]), 0, &v), WEIR_EINVAL);
}

static void days_are_in_utc(void **state)
{
    static const char *const good[] = {"2025-12-01", "2025-12-01T23:59:59Z",
                                       "1764547200", "2025-12-01 07:00:00.000",
                                       "1764600000", "2025-12-01T00:00:00+00:00"};
    static const char *const bad[] = {"",           "2025-12-1",      "2025-13-01",
                                      "01/12/2025", "2025-12-01x",    "tomorrow",
                                      "-5",         "99999999999999", "2025-12-01T20:00:00-05:00"};
    int64_t v;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(weir_bill_day(weir_str_of(good[i]), &v), WEIR_OK);
        assert_int_equal(v, DAY);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_bill_day(weir_str_of(bad[i]), &v), WEIR_EINVAL);
}

static void openai_costs_are_read_page_after_page(void **state)
{
    static const char text[] =
        "{\"object\":\"page\",\"data\":[{\"object\":\"bucket\",\"start_time\":1764547200,\n"
        "\"end_time\":1764633600,\"results\":[{\"object\":\"organization.costs.result\",\"amount\":"
        "{\"value\":0.1,\"currency\":\"usd\"},\"line_item\":\"gpt-4o-2024-08-06, input\"},\n"
        "{\"amount\":{\"value\":2e-3,\"currency\":\"usd\"},\"line_item\":null}]},"
        "{\"start_time\":1764633600,\"results\":[]}],\"has_more\":true}\n"
        "{\"data\":[{\"start_time\":1764720000,\"results\":[{\"amount\":{\"value\":-1,\"currency\":"
        "\"usd\"},\"line_item\":\"{\\\"data\\\": [\"}]}]}";

    (void)state;
    assert_int_equal(read_text(WEIR_BILL_OPENAI, text), WEIR_OK);
    assert_int_equal(got.n, 3);
    expect(0, DAY, "gpt-4o-2024-08-06", 100000000);
    expect(1, DAY, "", 2000000);
    expect(2, DAY + 2 * DAY_MS, "{\"data\": [", -1000000000);
}

static void anthropic_costs_are_in_cents(void **state)
{
    (void)state;
    assert_int_equal(
        read_text(
            WEIR_BILL_ANTHROPIC,
            "{\"data\":[{\"starting_at\":\"2025-12-01T00:00:00Z\",\"ending_at\":"
            "\"2025-12-02T00:00:00Z\",\"results\":[{\"currency\":\"USD\",\"amount\":\"123.45\","
            "\"model\":\"claude-sonnet-4-20250514\",\"token_type\":\"output_tokens\"},"
            "{\"currency\":\"USD\",\"amount\":\"7\",\"model\":null}]}]}"),
        WEIR_OK);
    expect(0, DAY, "claude-sonnet-4-20250514", 1234500000);
    expect(1, DAY, "", 70000000);
    assert_int_equal(read_text(WEIR_BILL_ANTHROPIC,
                               "\xef\xbb\xbfstarting_at,amount,currency,model\r\n"
                               "2025-12-01T00:00:00Z,123.45,USD,claude-x\r\n\r\n"),
                     WEIR_OK);
    expect(0, DAY, "claude-x", 1234500000);
}

static void aws_counts_bedrock_alone(void **state)
{
    (void)state;
    assert_int_equal(
        read_text(
            WEIR_BILL_AWS,
            "{\"ResultsByTime\":[{\"TimePeriod\":{\"Start\":\"2025-12-01\",\"End\":"
            "\"2025-12-02\"},\"Total\":{},\"Groups\":[{\"Keys\":[\"Amazon Bedrock\"],"
            "\"Metrics\":{\"UnblendedCost\":{\"Amount\":\"1.5\",\"Unit\":\"USD\"}}},{\"Keys\":"
            "[\"Amazon EC2\"],\"Metrics\":{\"UnblendedCost\":{\"Amount\":\"9\",\"Unit\":\"USD\"}"
            "}}]},{\"TimePeriod\":{\"Start\":\"2025-12-02\",\"End\":\"2025-12-03\"},\"Total\":"
            "{\"UnblendedCost\":{\"Amount\":\"2\",\"Unit\":\"USD\"}},\"Groups\":[]}]}"),
        WEIR_OK);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.left_out, 1);
    expect(0, DAY, "", 1500000000);
    expect(1, DAY + DAY_MS, "", 2000000000);
    assert_int_equal(
        read_text(WEIR_BILL_AWS,
                  "identity/LineItemId,lineItem/UsageStartDate,lineItem/ProductCode,lineItem/"
                  "UnblendedCost,lineItem/CurrencyCode,product/ProductName\n"
                  "a,2025-12-01T05:00:00Z,AmazonBedrock,0.25,USD,Amazon Bedrock\n"
                  "b,2025-12-01T05:00:00Z,AmazonS3,7,USD,\"Simple, \"\"Storage\"\"\nService\"\n"
                  "c,2025-12-01T06:00:00Z,9xyz,1e-2,USD,Claude (Amazon Bedrock Edition)\n"),
        WEIR_OK);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.left_out, 1);
    expect(1, DAY, "", 10000000);
    assert_int_equal(read_text(WEIR_BILL_AWS,
                               "BilledCost,BillingCurrency,ChargePeriodStart,ServiceName\n"
                               "4,USD,2025-12-01T00:00:00Z,Amazon Bedrock\n"),
                     WEIR_OK);
    expect(0, DAY, "", 4000000000);
}

static void what_is_no_export_is_refused_with_its_line(void **state)
{
    static const struct {
        enum weir_bill_vendor vendor;
        const char *text;
        unsigned long line;
        const char *why;
    } bad[] = {
        {WEIR_BILL_OPENAI, "", 1, "empty"},
        {WEIR_BILL_OPENAI, " \n\n", 3, "empty"},
        {WEIR_BILL_OPENAI, "{}", 1, "no \"data\""},
        {WEIR_BILL_OPENAI, "{\"data\":[\n{\"start_time\":5,\n\"results\":[{}]}]}", 2,
         "is it usage"},
        {WEIR_BILL_OPENAI, "{\"data\":[\n{\"start_time\":\"x\",\"results\":[]}]}", 2,
         "\"start_time\""},
        {WEIR_BILL_OPENAI, "{\"data\":[{\"start_time\":5}]}", 1, "\"results\""},
        {WEIR_BILL_OPENAI, "{\"data\":[{\"start_time\":5,\"results\":[", 1, "in the middle"},
        {WEIR_BILL_OPENAI, "{\"data\":[{\"start_time\":5,,}]}", 1, "no JSON"},
        {WEIR_BILL_OPENAI, "{\"data\":]", 1, "closes nothing"},
        {WEIR_BILL_OPENAI, "[]\nnonsense", 2, "outside"},
        {WEIR_BILL_OPENAI,
         "{\"data\":[{\"start_time\":5,\"results\":[{\"amount\":{\"value\":1,\"currency\":\"eur\"}}"
         "]}]}",
         1, "eur"},
        {WEIR_BILL_OPENAI, "nonsense\n", 1, "no column start_time"},
        {WEIR_BILL_OPENAI, "start_time,amount_value\n5,1\n\"6,2\n", 3, "not closed"},
        {WEIR_BILL_OPENAI, "start_time,amount_value\n5,1\n6\n", 3, "1 columns"},
        {WEIR_BILL_OPENAI, "start_time,amount_value\n\n5,1\n6,lots\n", 4, "\"lots\""},
        {WEIR_BILL_ANTHROPIC, "starting_at,amount\nlater,1\n", 2, "\"later\""},
        {WEIR_BILL_AWS, "ChargePeriodStart,BilledCost\n", 1, "no column line_item_product_code"},
        {WEIR_BILL_AWS,
         "{\"ResultsByTime\":[{\"TimePeriod\":{\"Start\":\"2025-12-01\",\"End\":\"2026-01-01\"}}]}",
         1, "DAILY"},
        {WEIR_BILL_AWS, "\x1f\x8b\x08", 1, "compressed"},
        {WEIR_BILL_AWS, "PAR1", 1, "compressed"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_text(bad[i].vendor, bad[i].text), WEIR_EINVAL);
        if (!strstr(got.e.text, bad[i].why))
            fail_msg("\"%s\" is not in \"%s\"", bad[i].why, got.e.text);
        assert_int_equal(got.e.line, bad[i].line);
    }
    assert_int_equal(read_bytes(WEIR_BILL_OPENAI, "start_time,amount_value\n5,\0\n", 27),
                     WEIR_EINVAL);
    assert_non_null(strstr(got.e.text, "NUL"));
}

static void nothing_outside_of_a_record_is_kept_however_large_it_is(void **state)
{
    size_t n = WEIR_BILL_MAX_RECORD + 1000, at;
    char *text = weir_alloc(n + 200);

    (void)state;
    at = (size_t)sprintf(text, "{\"object\":\"");
    memset(text + at, 'x', n);
    (void)strcpy(text + at + n, "\",\"data\":[{\"start_time\":1764547200,\"results\":[{\"amount\":"
                                "{\"value\":1}}]}]}");
    assert_int_equal(read_text(WEIR_BILL_OPENAI, text), WEIR_OK);
    expect(0, DAY, "", 1000000000);
    at = (size_t)sprintf(text, "{\"data\":[{\"x\":\"");
    memset(text + at, 'x', n);
    (void)strcpy(text + at + n, "\"}]}");
    assert_int_equal(read_text(WEIR_BILL_OPENAI, text), WEIR_EINVAL);
    assert_non_null(strstr(got.e.text, "larger than 8 MiB"));
    at = (size_t)sprintf(text, "start_time,amount_value\n5,\"");
    memset(text + at, 'x', n);
    text[at + n] = 0;
    assert_int_equal(read_text(WEIR_BILL_OPENAI, text), WEIR_EINVAL);
    assert_non_null(strstr(got.e.text, "is a quote not closed"));
    memset(text, ',', n);
    text[n] = 0;
    assert_int_equal(read_text(WEIR_BILL_OPENAI, text), WEIR_EINVAL);
    assert_non_null(strstr(got.e.text, "more than 1024 columns"));
    memset(text, '[', n);
    assert_int_equal(read_text(WEIR_BILL_OPENAI, text), WEIR_EINVAL);
    assert_non_null(strstr(got.e.text, "nested"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_is_read_from_its_decimals),
        cmocka_unit_test(days_are_in_utc),
        cmocka_unit_test(openai_costs_are_read_page_after_page),
        cmocka_unit_test(anthropic_costs_are_in_cents),
        cmocka_unit_test(aws_counts_bedrock_alone),
        cmocka_unit_test(what_is_no_export_is_refused_with_its_line),
        cmocka_unit_test(nothing_outside_of_a_record_is_kept_however_large_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
