#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>

#include "base/mem.h"
#include "dataplane/telemetry/metrics.h"

static void observe(struct weir_metrics *m, const char *agent, const char *model)
{
    struct weir_record r;

    weir_record_init(&r);
    r.agent = weir_str_of(agent);
    r.requested_model = weir_str_of(model);
    r.provider = WEIR_STR("openai");
    r.operation = "chat";
    r.stream = true;
    r.duration_us = 1250000;
    r.first_token_us = 250000;
    r.usage.input_tokens = 100;
    r.usage.output_tokens = 11;
    r.cost_nano_usd = 5000;
    weir_metrics_observe(m, &r);
}

static struct weir_str text(struct weir_buf *b, struct weir_metrics *const *ms, size_t n)
{
    weir_buf_init(b, 32 << 20);
    weir_metrics_write(ms, n, b);
    assert_false(b->full);
    assert_int_equal(weir_buf_add(b, "", 1), WEIR_OK);
    b->n--;
    return weir_buf_str(b);
}

/* The exposition format, strictly: comments, then name{labels} value, one family in one piece. */
static size_t check_line(const char *p, const char *family, size_t family_n)
{
    const char *start = p;

    while (isalnum((unsigned char)*p) || *p == '_')
        p++;
    assert_true(p > start && (size_t)(p - start) >= family_n);
    assert_memory_equal(start, family, family_n);
    if (*p == '{') {
        do {
            p++;
            while (isalnum((unsigned char)*p) || *p == '_')
                p++;
            assert_memory_equal(p, "=\"", 2);
            for (p += 2; *p != '"'; p++) {
                assert_true(*p && *p != '\n');
                if (*p == '\\')
                    assert_non_null(strchr("\\\"n", *++p));
            }
            p++;
        } while (*p == ',');
        assert_int_equal(*p++, '}');
    }
    assert_int_equal(*p++, ' ');
    start = p;
    while (isdigit((unsigned char)*p) || *p == '.' || *p == '-')
        p++;
    assert_true(p > start);
    assert_int_equal(*p, '\n');
    return (size_t)(p + 1 - start);
}

static void check(const char *p)
{
    char family[128] = "", seen[8192] = "";

    while (*p) {
        const char *end = strchr(p, '\n');

        assert_non_null(end);
        if (strncmp(p, "# HELP ", 7) == 0) {
            char needle[132];

            assert_int_equal(sscanf(p, "# HELP %127s", family), 1);
            snprintf(needle, sizeof needle, " %s ", family);
            assert_null(strstr(seen, needle)); /* each family once */
            assert_true(strlen(seen) + strlen(needle) < sizeof seen);
            memcpy(seen + strlen(seen), needle, strlen(needle) + 1);
        } else if (strncmp(p, "# TYPE ", 7) != 0) {
            check_line(p, family, strlen(family));
        }
        p = end + 1;
    }
}

static void has(struct weir_str s, const char *part)
{
    if (!strstr(s.p, part))
        fail_msg("%s\nis not in\n%s", part, s.p);
}

static void calls_of_all_workers_are_summed(void **state)
{
    struct weir_metrics *ms[2] = {weir_metrics_create(), weir_metrics_create()};
    struct weir_buf b;
    struct weir_str s;

    (void)state;
    observe(ms[0], "a", "gpt");
    observe(ms[0], "a", "gpt");
    observe(ms[1], "a", "gpt");
    observe(ms[1], "b\"\\\n", "gpt");
    weir_metrics_add(ms[0], WEIR_METRIC_HOLDS, 3);
    weir_metrics_add(ms[1], WEIR_METRIC_HOLDS, 4);
    weir_metrics_set(ms[1], WEIR_METRIC_IN_FLIGHT, 2);
    s = text(&b, ms, 2);
    check(s.p);
#define L                                                                                          \
    "gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai\",gen_ai_request_model=\"gpt\"," \
    "weir_agent=\"a\""
    has(s, "# TYPE gen_ai_server_request_duration histogram\n"
           "gen_ai_server_request_duration_bucket{" L ",le=\"0.01\"} 0\n");
    has(s, "gen_ai_server_request_duration_bucket{" L ",le=\"0.64\"} 0\n"
           "gen_ai_server_request_duration_bucket{" L ",le=\"1.28\"} 3\n");
    has(s, "gen_ai_server_request_duration_bucket{" L ",le=\"+Inf\"} 3\n"
           "gen_ai_server_request_duration_sum{" L "} 3.75\n"
           "gen_ai_server_request_duration_count{" L "} 3\n");
    has(s, "gen_ai_server_time_to_first_token_bucket{" L ",le=\"0.1\"} 0\n"
           "gen_ai_server_time_to_first_token_bucket{" L ",le=\"0.25\"} 3\n");
    has(s, "gen_ai_server_time_per_output_token_sum{" L "} 0.3\n");
    has(s, "gen_ai_client_token_usage_sum{" L ",gen_ai_token_type=\"input\"} 300\n");
    has(s, "gen_ai_client_token_usage_sum{" L ",gen_ai_token_type=\"output\"} 33\n");
    has(s, "weir_calls_total{" L ",outcome=\"ok\"} 3\n");
    has(s, "weir_cost_nano_usd_total{" L "} 15000\n");
    has(s, "weir_agent=\"b\\\"\\\\\\n\"");
    has(s, "# TYPE weir_holds_total counter\nweir_holds_total 7\n");
    has(s, "# TYPE weir_requests_in_flight gauge\nweir_requests_in_flight 2\n");
    weir_buf_fini(&b);
    weir_metrics_destroy(ms[0]);
    weir_metrics_destroy(ms[1]);
}

static void more_label_sets_than_allowed_count_as_other(void **state)
{
    struct weir_metrics *m = weir_metrics_create();
    struct weir_buf b;
    struct weir_str s;
    char name[32];

    (void)state;
    for (int i = 0; i < WEIR_METRICS_MAX_SERIES + 100; i++) {
        snprintf(name, sizeof name, "agent-%d", i);
        observe(m, name, "gpt");
    }
    observe(m, "agent-7", "gpt");
    s = text(&b, &m, 1);
    check(s.p);
    has(s, "weir_agent=\"other\",outcome=\"ok\"} 100\n");
    has(s, "weir_agent=\"agent-7\",outcome=\"ok\"} 2\n");
    weir_buf_fini(&b);
    weir_metrics_destroy(m);
}

static void the_hub_writes_families_of_its_own(void **state)
{
    const struct weir_metric_label labels[] = {{"budget", WEIR_STR("default/team")},
                                               {"unit", WEIR_STR("usd")}};
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 1 << 16);
    weir_metrics_hub_family(&b, WEIR_HUB_LEASE_HELD);
    weir_metrics_hub_sample(&b, WEIR_HUB_LEASE_HELD, labels, 2, 12);
    weir_metrics_hub_value(&b, WEIR_HUB_SPOOL_BYTES, 77);
    assert_int_equal(weir_buf_add(&b, "", 1), WEIR_OK);
    check(b.p);
    has(weir_buf_str(&b), "weir_budget_lease_held{budget=\"default/team\",unit=\"usd\"} 12\n");
    has(weir_buf_str(&b), "\nweir_spool_bytes 77\n");
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_of_all_workers_are_summed),
        cmocka_unit_test(more_label_sets_than_allowed_count_as_other),
        cmocka_unit_test(the_hub_writes_families_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
