/* test_chargeback.c - spend of a period by any labels: every group, corrections in it, exact sums.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "controlplane/telemetry/correct.h"
#include "controlplane/telemetry/ingest.h"
#include "controlplane/telemetry/query.h"
#include "tests/unit/engines.h"

#define DAY_MS INT64_C(86400000)
#define DAY INT64_C(1764547200000) /* 2025-12-01 */

static struct engine at;

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at);
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at);
}

static int end(void **state)
{
    (void)state;
    return engine_end(&at);
}

/* Two teams on two days, and a correction. */
static void begin(void)
{
    struct weir_correction k = {.for_ms = DAY + DAY_MS,
                                .nano_usd = -500000000,
                                .labels = {[3] = WEIR_STR("blue")},
                                .reason = WEIR_STR("x"),
                                .actor = WEIR_STR("admin")};
    struct weir_ingest *g;
    struct weir_store *s;
    int64_t id;

    assert_int_equal(weir_ingest_start(&(struct weir_ingest_options){.path = at.dsn}, &g), WEIR_OK);
    weir_ingest_stop(g);
    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(
        weir_store_exec(
            s, "INSERT INTO groups(ns, agent, project, team, model, provider, key, environment)"
               " VALUES('n', 'a1', 'p', 'red, \"hot\"', 'm1', 'o', 'k', 'e'),"
               " ('n', 'a2', 'p', 'blue', 'm1', 'o', 'k', 'e');"
               "INSERT INTO rollups(level, start_ms, grp, calls, cost, input, output)"
               " SELECT 2, 1764547200000, id, 10, 1000000001, 70, 5 FROM groups;"
               "INSERT INTO rollups(level, start_ms, grp, calls, cost, input, output)"
               " SELECT 2, 1764633600000, id, 1, 2000000000, 1, 1 FROM groups;"
               "INSERT INTO rollups(level, start_ms, grp, calls, cost) SELECT 1, 1764547200000,"
               " id, 99, 99 FROM groups"),
        WEIR_OK);
    weir_store_close(s);
    assert_int_equal(weir_correction_add(at.dsn, &k, &id), WEIR_OK);
}

static int charge(const char *by, int64_t from_ms, int64_t to_ms, bool csv, struct weir_buf *out)
{
    const struct weir_query_chargeback p = {
        .by = weir_str_of(by), .from_ms = from_ms, .to_ms = to_ms, .csv = csv};
    struct weir_query *q;
    int rc;

    weir_buf_init(out, 1 << 20);
    assert_int_equal(weir_query_open(at.dsn, &q), WEIR_OK);
    rc = weir_query_chargeback(q, &p, out);
    weir_query_close(q);
    (void)weir_buf_add(out, "", 1);
    return rc;
}

static void each_group_is_a_row_with_its_sums(void **state)
{
    struct weir_buf out;

    (void)state;
    begin();
    assert_int_equal(charge("team", DAY, DAY + 2 * DAY_MS, true, &out), WEIR_OK);
    assert_string_equal(
        out.p,
        "team,ChargePeriodStart,ChargePeriodEnd,BillingCurrency,BilledCost,ConsumedQuantity,"
        "ConsumedUnit,x_CorrectedCost,x_Calls,x_RefusedCalls,x_EstimatedCalls,x_UnpricedCalls,"
        "x_InputTokens,x_OutputTokens,x_CacheReadTokens,x_CacheWriteTokens,x_ReasoningTokens\r\n"
        "\"red, \"\"hot\"\"\",2025-12-01T00:00:00Z,2025-12-03T00:00:00Z,USD,3.000000001,77,Tokens,"
        "0.000000000,11,0,0,0,71,6,0,0,0\r\n"
        "blue,2025-12-01T00:00:00Z,2025-12-03T00:00:00Z,USD,2.500000001,77,Tokens,-0.500000000,11,"
        "0,0,0,71,6,0,0,0\r\n");
    weir_buf_fini(&out);
}

static void days_and_several_labels_are_groups_too(void **state)
{
    struct weir_buf out;

    (void)state;
    begin();
    assert_int_equal(charge("team, model,day", DAY, DAY + 2 * DAY_MS, false, &out), WEIR_OK);
    assert_ptr_equal(strstr(out.p, "[{\"team\":\"blue\",\"model\":\"m1\",\"Charge"), out.p);
    /* The correction names no model: it is a group of its own on the second day. */
    assert_non_null(strstr(out.p, "{\"team\":\"blue\",\"model\":null,\"ChargePeriodStart\":"
                                  "\"2025-12-02T00:00:00Z\",\"ChargePeriodEnd\":"
                                  "\"2025-12-03T00:00:00Z\",\"BillingCurrency\":\"USD\","
                                  "\"BilledCost\":-0.500000000,"));
    weir_buf_fini(&out);
    assert_int_equal(charge("agent,project,team,model,provider,key,namespace,environment", DAY,
                            DAY + DAY_MS, false, &out),
                     WEIR_OK);
    assert_non_null(strstr(out.p, "\"BilledCost\":1.000000001,"));
    weir_buf_fini(&out);
}

static void what_cannot_be_grouped_is_refused(void **state)
{
    static const char *const bad[] = {"", "planet", "team,team", "team,,model"};
    struct weir_buf out;

    (void)state;
    begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(charge(bad[i], DAY, DAY + DAY_MS, true, &out), WEIR_EINVAL);
        weir_buf_fini(&out);
    }
    assert_int_equal(charge("team", DAY + 1, DAY + DAY_MS, true, &out), WEIR_EINVAL);
    weir_buf_fini(&out);
    assert_int_equal(charge("team", DAY, DAY, true, &out), WEIR_EINVAL);
    weir_buf_fini(&out);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(each_group_is_a_row_with_its_sums),
        BOTH(days_and_several_labels_are_groups_too),
        BOTH(what_cannot_be_grouped_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
