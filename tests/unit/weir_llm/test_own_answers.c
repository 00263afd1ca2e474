#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "data/json_scan.h"
#include "dataplane/llm/llm.h"
#include "dataplane/llm/models_page.h"

static struct weir_arena *arena;
static struct weir_buf out;
static struct weir_llm_call call;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    weir_buf_init(&out, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_buf_fini(&out);
    weir_arena_destroy(arena);
    return 0;
}

static void drop(void *arg, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    (void)n;
}

static const char *text(void)
{
    weir_buf_add(&out, "", 1);
    out.n--;
    return out.p;
}

static struct weir_llm_echo *echo(enum weir_dialect d, const char *body)
{
    struct weir_llm_echo_conf conf = {.call = &call, .body = weir_str_of(body), .id = 1};
    struct weir_llm_endpoint at = {.dialect = d};
    struct weir_err err;

    weir_buf_clear(&out);
    if (d == WEIR_DIALECT_GEMINI || d == WEIR_DIALECT_BEDROCK)
        at.model = WEIR_STR("echo");
    assert_int_equal(weir_llm_decode(&at, conf.body, arena, &call, &err), WEIR_OK);
    return weir_llm_echo_create(arena, &conf);
}

static void errors_have_the_shape_of_their_dialect(void **state)
{
    struct weir_err err = {.rc = WEIR_ELIMIT,
                           .http_status = 402,
                           .code = "budget_exceeded",
                           .detail = "The budget \"x\" is used up."};

    (void)state;
    weir_buf_clear(&out);
    assert_int_equal(
        weir_llm_error_body(WEIR_DIALECT_ANTHROPIC_MESSAGES, &err, WEIR_STR("r1"), &out), WEIR_OK);
    assert_string_equal(text(),
                        "{\"type\":\"error\",\"error\":{\"type\":\"billing_error\",\"message\":"
                        "\"The budget \\\"x\\\" is used up.\",\"code\":\"budget_exceeded\"},"
                        "\"request_id\":\"r1\"}");
    weir_buf_clear(&out);
    assert_int_equal(weir_llm_error_body(WEIR_DIALECT_OPENAI_CHAT, &err, WEIR_STR_NULL, &out),
                     WEIR_OK);
    assert_string_equal(text(),
                        "{\"error\":{\"message\":\"The budget \\\"x\\\" is used up.\",\"type\":"
                        "\"insufficient_quota\",\"code\":\"budget_exceeded\",\"param\":null}}");
    weir_buf_clear(&out);
    assert_int_equal(weir_llm_error_body(WEIR_DIALECT_BEDROCK, &err, WEIR_STR("r1"), &out),
                     WEIR_OK);
    assert_string_equal(text(),
                        "{\"__type\":\"ServiceQuotaExceededException\",\"message\":"
                        "\"The budget \\\"x\\\" is used up.\",\"reason\":\"budget_exceeded\"}");
    assert_string_equal(weir_llm_error_type(WEIR_DIALECT_BEDROCK, 429), "ThrottlingException");
    assert_null(weir_llm_error_type(WEIR_DIALECT_OPENAI_CHAT, 429));
    assert_true(weir_llm_error_final(&err));
    err.http_status = 503;
    assert_false(weir_llm_error_final(&err));
    err.http_status = 0;
    assert_int_equal(weir_llm_error_status(&err), 429);
}

static void a_failure_is_read_by_the_stream_reader_as_an_error(void **state)
{
    struct weir_err err = {.rc = WEIR_ECLOSED, .detail = "gone"};

    (void)state;
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_CLIENTS; d++) {
        struct weir_llm_tap_conf conf = {.dialect = d, .event_stream = true};
        struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);

        weir_buf_clear(&out);
        assert_int_equal(weir_llm_stream_fail(d, &err, WEIR_STR("r"), &out), WEIR_OK);
        weir_buf_adds(&out, weir_llm_keepalive(d));
        assert_int_equal(weir_llm_tap_feed(t, out.p, out.n, drop, NULL), WEIR_OK);
        assert_true(weir_llm_tap_seen(t)->error);
        assert_true(weir_llm_tap_seen(t)->events >= 1);
        assert_true(weir_str_is(weir_llm_tap_seen(t)->error_message, "gone"));
    }
}

static void model_lists_are_json_in_either_shape(void **state)
{
    struct weir_llm_model list[] = {{WEIR_STR("a"), WEIR_STR("p"), 0},
                                    {WEIR_STR("b"), WEIR_STR("p"), 9}};

    (void)state;
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_CLIENTS; d++)
        for (size_t n = 0; n <= 2; n++) {
            weir_buf_clear(&out);
            assert_int_equal(weir_llm_models_body(d, list, n, n == 2, 1700000000, &out), WEIR_OK);
            assert_int_equal(weir_json_check(weir_buf_str(&out), NULL), WEIR_OK);
        }
    weir_buf_clear(&out);
    assert_int_equal(
        weir_llm_models_body(WEIR_DIALECT_ANTHROPIC_MESSAGES, list, 2, false, 1700000000, &out),
        WEIR_OK);
    assert_non_null(strstr(text(), "\"created_at\":\"2023-11-14T22:13:20Z\""));
    assert_non_null(strstr(text(), "\"last_id\":\"b\""));
}

static void a_query_picks_a_page_of_the_models(void **state)
{
    static const struct {
        enum weir_dialect d;
        const char *query;
        size_t first, n; /* n 9: refused */
        bool more;
    } cases[] = {
        {WEIR_DIALECT_OPENAI_CHAT, "limit=1", 0, 4, false}, /* it has no pages */
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "", 0, 4, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=1000", 0, 4, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=3", 0, 3, true},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=2&after_id=b%2F1", 2, 2, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "after_id=d", 4, 0, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=1&before_id=c", 1, 1, true},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=2&before_id=c", 0, 2, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "after_id=c&before_id=a", 3, 0, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=0", 0, 9, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=1001", 0, 9, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=99999999999999999999999", 0, 9, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "limit=-1", 0, 9, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "after_id=zz", 0, 9, false},
        {WEIR_DIALECT_ANTHROPIC_MESSAGES, "before_id=%zz", 0, 9, false},
        {WEIR_DIALECT_GEMINI, "pageSize=2", 0, 2, true},
        {WEIR_DIALECT_GEMINI, "pageSize=0", 0, 4, false},
        {WEIR_DIALECT_GEMINI, "pageSize=5000", 0, 4, false},
        {WEIR_DIALECT_GEMINI, "key=k&pageToken=c&pageSize=2", 3, 1, false},
        {WEIR_DIALECT_GEMINI, "pageToken=zz", 0, 9, false},
    };
    struct weir_llm_model list[] = {{WEIR_STR("a"), WEIR_STR("p"), 0},
                                    {WEIR_STR("b/1"), WEIR_STR("p"), 0},
                                    {WEIR_STR("c"), WEIR_STR("p"), 0},
                                    {WEIR_STR("d"), WEIR_STR("p"), 0}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_llm_models_page page;
        struct weir_err err;
        int rc = weir_llm_models_page(cases[i].d, weir_str_of(cases[i].query), list, 4, arena,
                                      &page, &err);

        if (cases[i].n == 9) {
            assert_int_equal(rc, WEIR_EINVAL);
            assert_int_equal(err.http_status, 400);
            continue;
        }
        assert_int_equal(rc, WEIR_OK);
        assert_int_equal(page.first, cases[i].first);
        assert_int_equal(page.n, cases[i].n);
        assert_int_equal(page.more, cases[i].more);
    }
}

#define BODY(more)                                                                                 \
    "{\"model\":\"echo\",\"messages\":[{\"role\":\"user\",\"content\":\"no\"},{\"content\":[{"     \
    "\"type\":"                                                                                    \
    "\"text\",\"text\":\"Gr\\u00fc\\u00dfe an \"},{\"type\":\"text\",\"text\":\"alle in der "      \
    "gro\xc3\x9f"                                                                                  \
    "en Stadt\"}],\"role\":\"user\"},{\"role\":\"assistant\",\"content\":\"no\"}]" more "}"

#define INPUT(more)                                                                                \
    "{\"model\":\"echo\",\"input\":[{\"role\":\"user\",\"content\":\"no\"},{\"content\":[{"        \
    "\"type\":"                                                                                    \
    "\"input_text\",\"text\":\"Gr\\u00fc\\u00dfe an \"},{\"type\":\"input_text\",\"text\":\"alle " \
    "in "                                                                                          \
    "der gro\xc3\x9f"                                                                              \
    "en Stadt\"}],\"role\":\"user\"},{\"role\":\"assistant\",\"content\":\"no\"}]" more "}"

#define CONTENTS                                                                                   \
    "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"no\"}]},{\"parts\":[{\"text\":"      \
    "\"Gr\\u00fc\\u00dfe an \"},{\"text\":\"alle in der gro\xc3\x9f"                               \
    "en Stadt\"}],\"role\":\"user\"},{\"role\":\"model\",\"parts\":[{\"text\":\"no\"}]}]}"

#define BLOCKS                                                                                     \
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"no\"}]},{\"content\":[{\"text\":"  \
    "\"Gr\\u00fc\\u00dfe an \"},{\"text\":\"alle in der gro\xc3\x9f"                               \
    "en Stadt\"}],\"role\":\"user\"},{\"role\":\"assistant\",\"content\":[{\"text\":\"no\"}]}]}"

static const char *body_of(enum weir_dialect d, bool stream)
{
    if (d == WEIR_DIALECT_BEDROCK)
        return BLOCKS;
    if (d == WEIR_DIALECT_GEMINI)
        return CONTENTS;
    if (d == WEIR_DIALECT_OPENAI_RESPONSES)
        return stream ? INPUT(",\"stream\":true") : INPUT("");
    return stream ? BODY(",\"stream\":true,\"stream_options\":{\"include_usage\":true}") : BODY("");
}

static void the_echo_answers_with_the_last_user_text(void **state)
{
    (void)state;
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_CLIENTS; d++) {
        struct weir_llm_tap_conf conf = {.dialect = d};
        struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);
        const struct weir_llm_seen *s = weir_llm_tap_seen(t);

        assert_int_equal(weir_llm_echo_body(echo(d, body_of(d, false)), &out), WEIR_OK);
        assert_int_equal(weir_json_check(weir_buf_str(&out), NULL), WEIR_OK);
        assert_int_equal(weir_llm_tap_feed(t, out.p, out.n, drop, NULL), WEIR_OK);
        assert_non_null(strstr(text(), "\"Gr\xc3\xbc\xc3\x9f"
                                       "e an alle in der gro\xc3\x9f"
                                       "en Stadt\""));
        assert_int_equal(s->usage.output, 9);
        assert_int_equal(s->usage.input, (strlen(body_of(d, false)) + 3) / 4);
        assert_true(s->finish.n > 0);
    }
}

static void the_echo_streams_whole_characters_and_a_proper_end(void **state)
{
    (void)state;
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_CLIENTS; d++) {
        struct weir_llm_tap_conf conf = {.dialect = d, .event_stream = true};
        struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);
        const struct weir_llm_seen *s = weir_llm_tap_seen(t);
        struct weir_llm_echo *e = echo(d, body_of(d, true));
        int rc;

        while ((rc = weir_llm_echo_next(e, &out)) == WEIR_OK)
            ;
        assert_int_equal(rc, WEIR_ENOTFOUND);
        assert_int_equal(weir_llm_tap_feed(t, out.p, out.n, drop, NULL), WEIR_OK);
        assert_int_equal(weir_llm_tap_end(t, drop, NULL), WEIR_OK);
        assert_true(s->complete);
        assert_int_equal(s->output_bytes, 36);
        assert_int_equal(s->usage.output, 9);
        assert_null(strstr(text(), "\xef\xbf\xbd"));
    }
}

static void the_echo_obeys_the_limit_of_the_call(void **state)
{
    (void)state;
    assert_int_equal(
        weir_llm_echo_body(echo(WEIR_DIALECT_ANTHROPIC_MESSAGES, BODY(",\"max_tokens\":1")), &out),
        WEIR_OK);
    assert_non_null(strstr(text(), "\"text\":\"Gr\xc3\xbc\""));
    assert_non_null(strstr(text(), "\"stop_reason\":\"max_tokens\""));
    assert_non_null(strstr(text(), "\"output_tokens\":1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_have_the_shape_of_their_dialect),
        cmocka_unit_test(a_failure_is_read_by_the_stream_reader_as_an_error),
        cmocka_unit_test(model_lists_are_json_in_either_shape),
        cmocka_unit_test(a_query_picks_a_page_of_the_models),
        cmocka_unit_test(the_echo_answers_with_the_last_user_text),
        cmocka_unit_test(the_echo_streams_whole_characters_and_a_proper_end),
        cmocka_unit_test(the_echo_obeys_the_limit_of_the_call),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
