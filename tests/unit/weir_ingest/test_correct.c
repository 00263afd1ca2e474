/* test_correct.c - corrections: rows of their own, which every question about spending counts in.
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

/* A day's calls of one label set cost 5 dollars. */
static void begin(void)
{
    struct weir_ingest *g;
    struct weir_store *s;

    assert_int_equal(weir_ingest_start(&(struct weir_ingest_options){.path = at.dsn}, &g), WEIR_OK);
    weir_ingest_stop(g);
    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(
        weir_store_exec(s, "INSERT INTO groups(ns, agent, project, team, model, provider, key,"
                           " environment) VALUES('default', 'claude', 'p', 't', 'm1', 'openai',"
                           " 'k', 'e');"
                           "INSERT INTO rollups(level, start_ms, grp, calls, ok, cost, input)"
                           " SELECT 2, 1764547200000, id, 10, 10, 5000000000, 70 FROM groups"),
        WEIR_OK);
    weir_store_close(s);
}

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

static struct weir_correction of(int64_t day, int64_t nano_usd)
{
    return (struct weir_correction){
        .for_ms = day,
        .nano_usd = nano_usd,
        .labels = {[0] = WEIR_STR("default"), [1] = WEIR_STR("claude"), [4] = WEIR_STR("m1")},
        .reason = WEIR_STR("=credit, \"note\""),
        .actor = WEIR_STR("admin")};
}

static void add(const struct weir_correction *k)
{
    int64_t id = 0;

    assert_int_equal(weir_correction_add(at.dsn, k, &id), WEIR_OK);
    assert_true(id > 0);
}

/* What /spend says of the day by agent. */
static void spend_of(int64_t day, const char *by, struct weir_buf *out)
{
    const struct weir_query_spend p = {
        .by = weir_str_of(by), .from_ms = day, .to_ms = day + DAY_MS, .step_ms = DAY_MS};
    struct weir_query *q;

    weir_buf_init(out, 1 << 20);
    assert_int_equal(weir_query_open(at.dsn, &q), WEIR_OK);
    assert_int_equal(weir_query_spend_json(q, &p, out), WEIR_OK);
    weir_query_close(q);
    assert_int_equal(weir_buf_add(out, "", 1), WEIR_OK);
}

static void a_correction_is_in_the_days_spending_and_its_group_and_the_calls_stay(void **state)
{
    struct weir_correction k = of(DAY, -1250000000), other = of(DAY, 40);
    struct weir_buf out;

    (void)state;
    begin();
    other.labels[1] = WEIR_STR("other");
    add(&k);
    add(&other);
    spend_of(DAY, "agent", &out);
    assert_non_null(strstr(out.p, "\"total\":{\"calls\":10,"));
    assert_non_null(strstr(out.p, "\"costNano\":3750000040,"));
    assert_non_null(strstr(out.p, "\"correctedNano\":-1249999960,"));
    assert_non_null(strstr(out.p, "{\"key\":[\"claude\"],\"calls\":10,"));
    assert_non_null(strstr(out.p, "\"costNano\":3750000000,"));
    assert_non_null(strstr(out.p, "{\"key\":[\"other\"],\"calls\":0,"));
    assert_non_null(
        strstr(out.p, "\"points\":[{\"t\":1764547200000,\"calls\":10,\"costNano\":3750000000,"));
    weir_buf_fini(&out);
    spend_of(DAY + DAY_MS, "agent", &out);
    assert_non_null(strstr(out.p, "\"total\":{\"calls\":0,"));
    assert_non_null(strstr(out.p, "\"correctedNano\":0,"));
    weir_buf_fini(&out);
}

static void focus_has_a_row_of_its_own_for_each_correction(void **state)
{
    const struct weir_query_focus p = {.from_ms = DAY, .to_ms = DAY + 31 * DAY_MS, .csv = true};
    struct weir_correction k = of(DAY + 3600000, -1250000000);
    struct weir_query *q;
    struct weir_buf out;
    char *row;

    (void)state;
    begin();
    add(&k);
    add(&k);
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir_query_open(at.dsn, &q), WEIR_OK);
    assert_int_equal(weir_query_focus(q, &p, &out), WEIR_OK);
    weir_query_close(q);
    (void)weir_buf_add(&out, "", 1);
    row = strstr(out.p, "\r\n5.000000000,openai,");
    assert_non_null(row);
    row = strstr(row + 2, "\r\n-1.250000000,");
    assert_non_null(row);
    assert_non_null(strstr(row, ",Usage,Correction,\"'=credit, \"\"note\"\"\",One-Time,"
                                "2025-12-02T00:00:00Z,2025-12-01T00:00:00Z,"));
    assert_non_null(strstr(row + 2, "\r\n-1.250000000,"));
    weir_buf_fini(&out);
}

static void the_same_ref_counts_once(void **state)
{
    struct weir_correction k = of(DAY, 7);
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_correction *list;
    int64_t id;
    size_t n;

    (void)state;
    begin();
    k.ref = WEIR_STR("reconcile:1");
    add(&k);
    assert_int_equal(weir_correction_add(at.dsn, &k, &id), WEIR_EEXIST);
    k.ref = WEIR_STR_NULL;
    add(&k);
    add(&k);
    assert_int_equal(weir_correction_list(at.dsn, 10, a, &list, &n), WEIR_OK);
    assert_int_equal(n, 3);
    assert_true(list[0].id > list[1].id);
    assert_int_equal(list[2].nano_usd, 7);
    assert_true(weir_str_is(list[2].ref, "reconcile:1"));
    assert_true(weir_str_is(list[2].labels[1], "claude"));
    assert_true(list[2].at_ms > 0);
    weir_arena_destroy(a);
}

static void corrections_that_can_not_be_are_refused(void **state)
{
    static char text[WEIR_CORRECTION_MAX_TEXT + 1];
    struct weir_correction k[] = {of(DAY, 0), of(DAY, 1000000000000001),
                                  of(-1, 5),  of(DAY, INT64_MIN),
                                  of(DAY, 5), of(DAY, 5),
                                  of(DAY, 5)};
    int64_t id;

    (void)state;
    begin();
    memset(text, 'x', sizeof text);
    k[4].reason = (struct weir_str){text, sizeof text};
    k[5].labels[3] = WEIR_STR("\xff");
    k[6].labels[3] = (struct weir_str){"a\0b", 3};
    for (size_t i = 0; i < sizeof k / sizeof *k; i++)
        assert_int_equal(weir_correction_add(at.dsn, &k[i], &id), WEIR_EINVAL);
    assert_int_equal(weir_correction_label(WEIR_STR("team")), 3);
    assert_int_equal(weir_correction_label(WEIR_STR("nobody")), -1);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_correction_is_in_the_days_spending_and_its_group_and_the_calls_stay),
        BOTH(focus_has_a_row_of_its_own_for_each_correction),
        BOTH(the_same_ref_counts_once),
        BOTH(corrections_that_can_not_be_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
