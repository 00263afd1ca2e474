#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "dataplane/telemetry/attributes.h"
#include "dataplane/telemetry/record.h"

static const struct weir_record_hold holds[] = {
    {.budget = {"default/team", 12},
     .scope = {"a", 1},
     .lease = {"l1", 2},
     .held = 900,
     .settled = 450},
    {.budget = {"default/all", 11}, .unit = "tokens", .held = 7, .refused = true},
};
static const struct weir_record_attempt attempts[] = {
    {.provider = {"p1", 2}, .model = {"m1", 2}, .error = {"timeout", 7}, .duration_us = 5},
    {.provider = {"p2", 2},
     .model = {"m2", 2},
     .status = 200,
     .reused_connection = true,
     .cost_nano_usd = 450},
};

static void fill(struct weir_record *r)
{
    weir_record_init(r);
    r->request_id = WEIR_STR("req-1");
    r->trace_id = WEIR_STR("0af7651916cd43dd8448eb211c80319c");
    r->span_id = WEIR_STR("b7ad6b7169203331");
    r->parent_span_id = WEIR_STR("00f067aa0ba902b7");
    r->started_ms = 1767225600123;
    r->duration_us = 250000;
    r->first_token_us = 50000;
    r->ns = WEIR_STR("default");
    r->agent = WEIR_STR("coder");
    r->operation = "chat";
    r->provider = WEIR_STR("p2");
    r->requested_model = WEIR_STR("gpt \"x\"\n");
    r->served_model = WEIR_STR("m2");
    r->stream = true;
    r->status = 200;
    r->usage.input_tokens = 0;
    r->usage.output_tokens = 300;
    r->cost_nano_usd = 450;
    r->cost_parts[0] = (struct weir_record_cost_part){"output", 300, 1500000};
    r->cost_part_count = 1;
    r->holds = holds;
    r->hold_count = 2;
    r->attempts = attempts;
    r->attempt_count = 2;
}

static Weir__V1__CallRecord *round_trip(const struct weir_record *r)
{
    Weir__V1__CallRecord *out;
    struct weir_buf b;

    weir_buf_init(&b, 1 << 20);
    assert_int_equal(weir_record_encode(r, &b), WEIR_OK);
    out = weir__v1__call_record__unpack(NULL, b.n, (const uint8_t *)b.p);
    weir_buf_fini(&b);
    assert_non_null(out);
    return out;
}

static void what_is_encoded_is_read_back(void **state)
{
    struct weir_record r;
    Weir__V1__CallRecord *got;

    (void)state;
    fill(&r);
    got = round_trip(&r);
    assert_string_equal(got->requestid, "req-1");
    assert_int_equal(got->startedms, 1767225600123);
    assert_string_equal(got->outcome, "ok");
    assert_true(got->usage->has_inputtokens);
    assert_int_equal(got->usage->inputtokens, 0);
    assert_false(got->usage->has_cachereadtokens);
    assert_int_equal(got->usage->outputtokens, 300);
    assert_int_equal(got->n_costparts, 1);
    assert_int_equal(got->costparts[0]->price, 1500000);
    assert_int_equal(got->n_holds, 2);
    assert_string_equal(got->holds[1]->unit, "tokens");
    assert_true(got->holds[1]->refused);
    assert_int_equal(got->holds[0]->settled, 450);
    assert_int_equal(got->n_attempts, 2);
    assert_string_equal(got->attempts[0]->error, "timeout");
    assert_true(got->attempts[1]->reusedconnection);
    assert_null(got->errorcode);
    weir__v1__call_record__free_unpacked(got, NULL);
}

static void the_largest_record_fits_its_bound(void **state)
{
    static char text[5000];
    struct weir_record_hold many_holds[40];
    struct weir_record_attempt many_attempts[20];
    struct weir_str s = {text, sizeof text};
    struct weir_record r;
    struct weir_buf b;

    (void)state;
    memset(text, 'x', sizeof text);
    fill(&r);
    r.request_id = r.session = r.agent = r.key = r.project = r.team = r.environment = s;
    r.user_agent = r.route = r.provider = r.requested_model = r.served_model = s;
    r.error_code = r.error_detail = r.finish_reason = r.policy_revision = s;
    r.started_ms = r.duration_us = r.gateway_us = r.cost_nano_usd = INT64_MAX;
    for (size_t i = 0; i < 40; i++)
        many_holds[i] = (struct weir_record_hold){s, s, s, "tokens", INT64_MAX, INT64_MIN, true};
    for (size_t i = 0; i < 20; i++)
        many_attempts[i] = (struct weir_record_attempt){s, s, s, -1, true, INT64_MAX, INT64_MAX};
    r.holds = many_holds;
    r.hold_count = 40;
    r.attempts = many_attempts;
    r.attempt_count = 20;
    weir_buf_init(&b, WEIR_RECORD_MAX_BYTES);
    assert_int_equal(weir_record_encode(&r, &b), WEIR_OK);
    assert_true(b.n > 60000);
    weir_buf_fini(&b);
}

static void a_long_text_is_cut_between_characters(void **state)
{
    char text[600];
    struct weir_record r;
    Weir__V1__CallRecord *got;

    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    memmove(text + 1, text, sizeof text - 1);
    text[0] = 'a';
    weir_record_init(&r);
    r.agent = (struct weir_str){text, sizeof text - 1};
    got = round_trip(&r);
    assert_int_equal(strlen(got->agent), 511);
    weir__v1__call_record__free_unpacked(got, NULL);
}

static void a_full_buffer_takes_nothing(void **state)
{
    struct weir_record r;
    struct weir_buf b;

    (void)state;
    fill(&r);
    weir_buf_init(&b, 64);
    assert_int_equal(weir_record_encode(&r, &b), WEIR_ELIMIT);
    assert_int_equal(b.n, 0);
    weir_buf_fini(&b);
}

static void the_access_log_line_is_as_documented(void **state)
{
    static const char expected[] =
        "{\"time\":\"2026-01-01T00:00:00.123Z\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\","
        "\"span_id\":\"b7ad6b7169203331\",\"weir.request_id\":\"req-1\",\"weir.namespace\":"
        "\"default\",\"weir.agent\":\"coder\",\"gen_ai.operation.name\":\"chat\","
        "\"gen_ai.provider.name\":\"p2\",\"gen_ai.request.model\":\"gpt \\\"x\\\"\\n\","
        "\"gen_ai.response.model\":\"m2\",\"weir.stream\":true,\"http.response.status_code\":200,"
        "\"weir.outcome\":\"ok\",\"gen_ai.usage.input_tokens\":0,\"gen_ai.usage.output_tokens\":"
        "300,\"weir.cost_nano_usd\":450,\"weir.budget.count\":2,\"weir.budget.refused_by\":"
        "\"default/all\",\"weir.attempts\":2,\"weir.duration_us\":250000,\"weir.first_token_us\":"
        "50000}\n";
    struct weir_record r;
    Weir__V1__CallRecord *got;
    struct weir_buf b;

    (void)state;
    fill(&r);
    got = round_trip(&r);
    weir_buf_init(&b, 1 << 16);
    weir__access_line(got, &b);
    assert_int_equal(b.n, sizeof expected - 1);
    assert_memory_equal(b.p, expected, b.n);
    weir_buf_fini(&b);
    weir__v1__call_record__free_unpacked(got, NULL);
}

/* ---- a reader of the wire format that knows nothing of the writer ---- */

struct field {
    unsigned number, type;
    uint64_t value;
    struct weir_str bytes;
};

static uint64_t varint(struct weir_str *s)
{
    uint64_t v = 0;

    for (unsigned shift = 0;; shift += 7) {
        unsigned char c;

        assert_true(s->n > 0 && shift < 64);
        c = (unsigned char)*s->p++;
        s->n--;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80))
            return v;
    }
}

static struct field next_field(struct weir_str *s)
{
    uint64_t tag = varint(s);
    struct field f = {.number = (unsigned)(tag >> 3), .type = tag & 7};

    if (f.type == 0) {
        f.value = varint(s);
    } else if (f.type == 1) {
        assert_true(s->n >= 8);
        memcpy(&f.value, s->p, 8);
        s->p += 8;
        s->n -= 8;
    } else {
        assert_int_equal(f.type, 2);
        f.bytes.n = varint(s);
        assert_true(f.bytes.n <= s->n);
        f.bytes.p = s->p;
        s->p += f.bytes.n;
        s->n -= f.bytes.n;
    }
    return f;
}

static struct field field_of(struct weir_str message, unsigned number)
{
    while (message.n > 0) {
        struct field f = next_field(&message);

        if (f.number == number)
            return f;
    }
    fail_msg("no field %u", number);
    return (struct field){0};
}

static struct field attribute(struct weir_str message, unsigned field, const char *key)
{
    while (message.n > 0) {
        struct field f = next_field(&message);

        if (f.number == field && weir_str_is(field_of(f.bytes, 1).bytes, key)) {
            struct weir_str value = field_of(f.bytes, 2).bytes;

            return next_field(&value);
        }
    }
    fail_msg("no attribute %s", key);
    return (struct field){0};
}

static void a_span_is_read_back_from_an_export(void **state)
{
    struct weir_str left, resource_spans, scope_spans, span;
    struct weir_buf spans, whole;
    Weir__V1__CallRecord *got;
    unsigned char id[16];
    struct weir_record r;
    int count = 0;

    (void)state;
    fill(&r);
    got = round_trip(&r);
    weir_buf_init(&spans, 1 << 20);
    weir_buf_init(&whole, 1 << 20);
    assert_int_equal(weir__span_encode(got, &spans), WEIR_OK);
    assert_int_equal(weir__span_encode(got, &spans), WEIR_OK);
    weir__span_prefix("weir-proxy", "1.0", "node-1", spans.n, &whole);
    assert_int_equal(weir_buf_adds(&whole, weir_buf_str(&spans)), WEIR_OK);

    left = weir_buf_str(&whole);
    resource_spans = next_field(&left).bytes;
    assert_int_equal(left.n, 0);
    assert_true(weir_str_is(attribute(field_of(resource_spans, 1).bytes, 1, "service.name").bytes,
                            "weir-proxy"));
    scope_spans = field_of(resource_spans, 2).bytes;
    assert_true(weir_str_is(field_of(field_of(scope_spans, 1).bytes, 1).bytes, "weir"));
    left = scope_spans;
    while (left.n > 0)
        count += next_field(&left).number == 2;
    assert_int_equal(count, 2);
    span = field_of(scope_spans, 2).bytes;
    assert_int_equal(weir_unhex(r.trace_id, id, 16), WEIR_OK);
    assert_memory_equal(field_of(span, 1).bytes.p, id, 16);
    assert_int_equal(weir_unhex(r.parent_span_id, id, 8), WEIR_OK);
    assert_memory_equal(field_of(span, 4).bytes.p, id, 8);
    assert_true(weir_str_is(field_of(span, 5).bytes, "chat gpt \"x\"\n"));
    assert_int_equal(field_of(span, 7).value, 1767225600123000000);
    assert_int_equal(field_of(span, 8).value, 1767225600373000000);
    assert_int_equal(attribute(span, 9, "gen_ai.usage.output_tokens").value, 300);
    assert_int_equal(attribute(span, 9, "weir.stream").value, 1);
    assert_true(weir_str_is(attribute(span, 9, "weir.agent").bytes, "coder"));
    weir_buf_fini(&spans);
    weir_buf_fini(&whole);
    weir__v1__call_record__free_unpacked(got, NULL);
}

static void a_record_without_a_trace_has_no_span(void **state)
{
    Weir__V1__CallRecord r = WEIR__V1__CALL_RECORD__INIT;
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 1 << 20);
    assert_int_equal(weir__span_encode(&r, &b), WEIR_ENOTFOUND);
    assert_int_equal(b.n, 0);
    weir_buf_fini(&b);
}

static void a_good_traceparent_is_taken_and_written_back(void **state)
{
    static const char good[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct weir_traceparent t;
    char out[56];

    (void)state;
    assert_int_equal(weir_traceparent_parse(weir_str_of(good), &t), WEIR_OK);
    assert_string_equal(t.trace_id, "0af7651916cd43dd8448eb211c80319c");
    assert_string_equal(t.span_id, "b7ad6b7169203331");
    assert_int_equal(t.flags, 1);
    weir_traceparent_format(&t, out);
    assert_string_equal(out, good);
    assert_int_equal(
        weir_traceparent_parse(
            WEIR_STR("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-new"), &t),
        WEIR_OK);
}

static void a_bad_traceparent_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01new",
    };
    struct weir_traceparent t;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_traceparent_parse(weir_str_of(bad[i]), &t), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_encoded_is_read_back),
        cmocka_unit_test(the_largest_record_fits_its_bound),
        cmocka_unit_test(a_long_text_is_cut_between_characters),
        cmocka_unit_test(a_full_buffer_takes_nothing),
        cmocka_unit_test(the_access_log_line_is_as_documented),
        cmocka_unit_test(a_span_is_read_back_from_an_export),
        cmocka_unit_test(a_record_without_a_trace_has_no_span),
        cmocka_unit_test(a_good_traceparent_is_taken_and_written_back),
        cmocka_unit_test(a_bad_traceparent_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
