/* test_responses.c - OpenAI Responses on its own: what a request asks for, what a stream says, and
 * how it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/json_scan.h"
#include "dataplane/llm/llm.h"
#include "tests/unit/weir_llm/answer_fixture.h"

static struct weir_llm_call call;
static struct weir_err err;

static int decode(const char *body)
{
    return weir_llm_decode(&(struct weir_llm_endpoint){.dialect = WEIR_DIALECT_OPENAI_RESPONSES},
                           weir_str_of(body), arena, &call, &err);
}

static void a_request_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        decode("{\"model\":\"gpt\",\"instructions\":\"Be brief.\",\"stream\":true,"
               "\"max_output_tokens\":77,\"user\":\"u1\",\"prompt_cache_key\":\"s1\","
               "\"reasoning\":{\"effort\":\"none\"},\"tools\":[{\"type\":\"function\"},{}],"
               "\"input\":[{\"role\":\"user\",\"content\":\"hi\"},"
               "{\"type\":\"function_call_output\",\"call_id\":\"c\",\"output\":[]}]}"),
        WEIR_OK);
    assert_true(weir_str_is(call.model, "gpt"));
    assert_true(call.stream);
    assert_true(call.no_reasoning);
    assert_int_equal(call.max_output_tokens, 77);
    assert_int_equal(call.messages, 3);
    assert_int_equal(call.tools, 2);
    assert_true(weir_str_is(call.user, "u1"));
    assert_true(weir_str_is(call.session, "s1"));
}

static void input_may_be_a_text(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"model\":\"gpt\",\"input\":\"hi\"}"), WEIR_OK);
    assert_int_equal(call.messages, 1);
    assert_int_equal(decode("{\"model\":\"gpt\",\"input\":7}"), WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "\"input\" must be a string or a list (at byte 23)"));
}

static void a_second_meaning_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"model\":\"a\",\"input\":\"\",\"mod\\u0065l\":\"b\"}"), WEIR_EINVAL);
    assert_int_equal(decode("{\"model\":\"a\",\"reasoning\":{\"effort\":\"none\","
                            "\"effort\":\"high\"}}"),
                     WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "\"effort\" occurs twice"));
}

static void media_and_what_the_provider_has_kept_bound_the_input(void **state)
{
    static const char plain[] = "{\"model\":\"a\",\"input\":[{\"role\":\"user\",\"content\":[]}]}";
    int64_t least;

    (void)state;
    assert_int_equal(decode(plain), WEIR_OK);
    least = call.input_bound;
    assert_int_equal(
        decode(
            "{\"model\":\"a\",\"input\":[{\"role\":\"user\",\"content\":["
            "{\"type\":\"input_image\",\"image_url\":\"data:image/png;base64,AAAA\"},"
            "{\"type\":\"input_file\",\"file_id\":\"f\"},{\"type\":\"input_image\","
            "\"file_id\":\"g\"},{\"type\":\"input_file\",\"file_data\":\"data:;base64,AA\"}]}]}"),
        WEIR_OK);
    assert_int_equal(call.images, 2);
    assert_int_equal(call.files, 2);
    assert_true(call.input_bound >= least + 2 * 8192 + 100000);
    assert_int_equal(decode("{\"model\":\"a\",\"input\":\"\",\"previous_response_id\":\"r\"}"),
                     WEIR_OK);
    assert_true(call.input_bound > 1 << 20);
    assert_int_equal(
        decode("{\"model\":\"a\",\"input\":[{\"type\":\"item_reference\",\"id\":\"x\"}]}"),
        WEIR_OK);
    assert_true(call.input_bound > 1 << 20);
    assert_int_equal(decode("{\"model\":\"a\",\"previous_response_id\":null}"), WEIR_OK);
    assert_true(call.input_bound < 1 << 20);
}

static void an_answer_in_the_background_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"model\":\"a\",\"background\":false}"), WEIR_OK);
    assert_int_equal(decode("{\"model\":\"a\",\"background\":true}"), WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "would not be accounted for"));
}

/* ---- answers ---- */

static struct weir_llm_tap *tap_of(bool stream)
{
    struct weir_llm_tap_conf conf = {
        .dialect = WEIR_DIALECT_OPENAI_RESPONSES, .event_stream = stream, .input_estimate = 3};

    weir_buf_clear(&sent);
    return weir_llm_tap_create(arena, &conf);
}

static void feed(struct weir_llm_tap *t, const char *text, size_t step)
{
    size_t n = strlen(text);

    for (size_t at = 0; at < n; at += step)
        assert_int_equal(weir_llm_tap_feed(t, text + at, n - at < step ? n - at : step, sink, NULL),
                         WEIR_OK);
}

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define HEAD "\"id\":\"resp_1\",\"object\":\"response\",\"created_at\":7,\"model\":\"gpt\""
#define USAGE                                                                                      \
    ",\"usage\":{\"input_tokens\":10,\"input_tokens_details\":{\"cached_tokens\":4},"              \
    "\"output_tokens\":6,\"output_tokens_details\":{\"reasoning_tokens\":2},\"total_tokens\":16}"
#define CREATED                                                                                    \
    EVENT("response.created",                                                                      \
          ",\"sequence_number\":0,\"response\":{" HEAD                                             \
          ",\"status\":\"in_progress\",\"output\":[],\"usage\":null,\"error\":null}")
#define ADDED(seq, at, item)                                                                       \
    EVENT("response.output_item.added",                                                            \
          ",\"sequence_number\":" seq ",\"output_index\":" at ",\"item\":" item)
#define DONE(seq, at, item)                                                                        \
    EVENT("response.output_item.done",                                                             \
          ",\"sequence_number\":" seq ",\"output_index\":" at ",\"item\":" item)
#define DELTA(type, at, text)                                                                      \
    EVENT("response." type ".delta",                                                               \
          ",\"sequence_number\":5,\"item_id\":\"i\",\"output_index\":" at                          \
          ",\"content_index\":0,\"delta\":\"" text "\"")
#define REASONING                                                                                  \
    "{\"id\":\"rs\",\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"xxxx\"}"
#define MESSAGE                                                                                    \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":\"assistant\","    \
    "\"content\":[]}"

static void a_stream_passes_and_is_read(void **state)
{
    const char *text = weir_arena_printf(
        arena, "%s%s%s%s%s%s%s%s%s", CREATED, ADDED("1", "0", REASONING),
        DELTA("reasoning_summary_text", "0", "Hm."), DONE("3", "0", REASONING),
        ADDED("4", "1", MESSAGE), DELTA("output_text", "1", "Gr\\u00fc\\u00dfe"),
        ADDED("6", "2",
              "{\"type\":\"function_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":\"level\","
              "\"arguments\":\"\"}"),
        DELTA("function_call_arguments", "2", "{}"),
        EVENT("response.completed",
              ",\"sequence_number\":9,\"response\":{" HEAD ",\"status\":\"completed\"" USAGE "}"));

    (void)state;
    for (size_t step = 1; step < 40; step += 13) {
        struct weir_llm_tap *t = tap_of(true);
        const struct weir_llm_seen *s = weir_llm_tap_seen(t);

        feed(t, text, step);
        assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
        assert_true(weir_str_is(weir_buf_str(&sent), text));
        assert_true(s->complete && s->content && !s->error);
        assert_true(weir_str_is(s->model, "gpt"));
        assert_true(weir_str_is(s->finish, "completed"));
        assert_int_equal(s->usage.input, 10);
        assert_int_equal(s->usage.cache_read, 4);
        assert_int_equal(s->usage.output, 6);
        assert_int_equal(s->usage.reasoning, 2);
        assert_int_equal(s->output_bytes, 3 + 7 + 5 + 2); /* reasoning, text, name, arguments */
        assert_int_equal(s->content_events, 4);
    }
}

static void an_item_that_comes_at_once_counts(void **state)
{
    struct weir_llm_tap *t = tap_of(true);

    (void)state;
    feed(t,
         CREATED DONE("1", "0",
                      "{\"id\":\"m\",\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
                      "\"text\":\"eight by\"}]}"),
         1000);
    assert_int_equal(weir_llm_tap_seen(t)->output_bytes, 8);
}

static void failures_are_errors(void **state)
{
    struct weir_llm_tap *t = tap_of(true);

    (void)state;
    feed(t,
         CREATED EVENT("response.failed",
                       ",\"response\":{" HEAD
                       ",\"status\":\"failed\",\"error\":{\"code\":\"rate_limit_exceeded\","
                       "\"message\":\"Slow down.\"}}"),
         1000);
    assert_true(weir_llm_tap_seen(t)->error);
    assert_true(weir_str_is(weir_llm_tap_seen(t)->error_message, "Slow down."));
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    t = tap_of(true);
    feed(t, EVENT("error", ",\"code\":\"server_error\",\"message\":\"Oh.\",\"param\":null"), 1000);
    assert_true(weir_llm_tap_seen(t)->error);
    assert_true(weir_str_is(weir_llm_tap_seen(t)->error_type, "server_error"));
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR_NULL, &sent), WEIR_ESTATE);
}

static void a_document_is_read(void **state)
{
    struct weir_llm_tap *t = tap_of(false);
    const struct weir_llm_seen *s = weir_llm_tap_seen(t);

    (void)state;
    feed(t,
         "{" HEAD
         ",\"status\":\"incomplete\",\"error\":null,\"output\":[{\"type\":\"message\"}]" USAGE "}",
         3);
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    assert_true(s->complete && !s->error);
    assert_true(weir_str_is(s->finish, "incomplete"));
    assert_int_equal(s->usage.output, 6);
}

static const char *cut(struct weir_llm_tap *t, const char *notice)
{
    weir_buf_clear(&sent);
    assert_int_equal(weir_llm_tap_cut(t, weir_str_of(notice), &sent), WEIR_OK);
    return weir_arena_strdup(arena, weir_buf_str(&sent));
}

static void a_cut_ends_the_open_message_and_leaves_half_a_call_out(void **state)
{
    struct weir_llm_tap *t = tap_of(true);
    const char *got;

    (void)state;
    feed(t,
         CREATED DONE("1", "0", REASONING) ADDED("2", "1", MESSAGE)
             DELTA("output_text", "1", "half \\\"a") DELTA("output_text", "1", " text")
                 ADDED("6", "2",
                       "{\"type\":\"custom_tool_call\",\"id\":\"f\",\"call_id\":\"c\",\"name\":"
                       "\"exec\",\"input\":\"\"}") DELTA("custom_tool_call_input", "2", "rm -rf /"),
         1000);
    got = cut(t, NULL);
    assert_non_null(strstr(got, "\"type\":\"response.output_text.done\",\"sequence_number\":6,"
                                "\"output_index\":1,\"item_id\":\"msg_1\",\"content_index\":0,"
                                "\"text\":\"half \\\"a text\""));
    assert_non_null(strstr(got, "\"type\":\"response.content_part.done\",\"sequence_number\":7"));
    assert_non_null(strstr(got, "\"type\":\"response.output_item.done\",\"sequence_number\":8,"
                                "\"output_index\":1,\"item\":{\"id\":\"msg_1\""));
    assert_non_null(strstr(got, "event: response.incomplete\ndata: {\"type\":"
                                "\"response.incomplete\",\"sequence_number\":9,\"response\":{"
                                "\"id\":\"resp_1\""));
    assert_non_null(strstr(got, "\"output\":[" REASONING ",{\"id\":\"msg_1\",\"type\":\"message\","
                                "\"status\":\"incomplete\""));
    assert_non_null(strstr(got, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"));
    assert_non_null(strstr(got, "\"usage\":{\"input_tokens\":3,"));
    assert_null(strstr(got, "rm -rf"));
    assert_true(weir_llm_tap_seen(t)->complete);
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR_NULL, &sent), WEIR_ESTATE);
}

static void a_notice_is_a_message_of_its_own(void **state)
{
    struct weir_llm_tap *t = tap_of(true);
    const char *got;

    (void)state;
    feed(t, CREATED ADDED("1", "0", MESSAGE) DELTA("output_text", "0", "x"), 1000);
    got = cut(t, "The budget is \"used\" up.");
    assert_non_null(strstr(got, "\"type\":\"response.output_item.added\",\"sequence_number\":9,"
                                "\"output_index\":1,\"item\":{\"id\":\"msg_weir_1\""));
    assert_non_null(strstr(got, "\"delta\":\"The budget is \\\"used\\\" up.\""));
    assert_non_null(strstr(got, "\"output\":[{\"id\":\"msg_1\""));
    assert_non_null(strstr(got, "},{\"id\":\"msg_weir_1\""));
}

static void a_message_too_long_to_repeat_is_not_repeated(void **state)
{
    struct weir_llm_tap *t = tap_of(true);
    char *large = weir_arena_alloc(arena, 300001);
    const char *event, *got;

    (void)state;
    memset(large, 'x', 300000);
    large[300000] = 0;
    event = weir_arena_printf(arena,
                              "data: {\"type\":\"response.output_text.delta\","
                              "\"output_index\":0,\"delta\":\"%s\"}\n\n",
                              large);
    feed(t, CREATED ADDED("1", "0", MESSAGE), 1000);
    for (int i = 0; i < 4; i++)
        feed(t, event, 1 << 20);
    got = cut(t, NULL);
    assert_null(strstr(got, "response.output_item.done"));
    assert_non_null(strstr(got, "\"output\":[]"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_read),
        TEST(input_may_be_a_text),
        TEST(a_second_meaning_is_refused),
        TEST(media_and_what_the_provider_has_kept_bound_the_input),
        TEST(an_answer_in_the_background_is_refused),
        TEST(a_stream_passes_and_is_read),
        TEST(an_item_that_comes_at_once_counts),
        TEST(failures_are_errors),
        TEST(a_document_is_read),
        TEST(a_cut_ends_the_open_message_and_leaves_half_a_call_out),
        TEST(a_notice_is_a_message_of_its_own),
        TEST(a_message_too_long_to_repeat_is_not_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
