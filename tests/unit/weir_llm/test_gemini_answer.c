/* test_gemini_answer.c - Google's answers: metered, cut, and translated both ways, streams cut
 * anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/json_scan.h"
#include "dataplane/llm/llm.h"
#include "tests/unit/weir_llm/answer_fixture.h"

#define CHAT WEIR_DIALECT_OPENAI_CHAT
#define MESSAGES WEIR_DIALECT_ANTHROPIC_MESSAGES
#define GEMINI WEIR_DIALECT_GEMINI

static struct weir_llm_tap *tap;

static const struct weir_llm_seen *feed(enum weir_dialect from, enum weir_dialect to, bool stream,
                                        const char *text, size_t step)
{
    struct weir_llm_tap_conf conf = {.dialect = from,
                                     .client = to,
                                     .event_stream = stream,
                                     .status = 200,
                                     .created_s = 7,
                                     .request_id = WEIR_STR("req_1")};
    size_t n = strlen(text);

    weir_buf_clear(&sent);
    tap = weir_llm_tap_create(arena, &conf);
    for (size_t at = 0; at < n; at += step)
        assert_int_equal(
            weir_llm_tap_feed(tap, text + at, n - at < step ? n - at : step, sink, NULL), WEIR_OK);
    return weir_llm_tap_seen(tap);
}

static const char *text_sent(void)
{
    return weir_arena_strdup(arena, weir_buf_str(&sent));
}

static void becomes(enum weir_dialect from, enum weir_dialect to, bool stream, const char *text,
                    const char *expected)
{
    for (size_t step = 1; step < 1000; step += 499) {
        feed(from, to, stream, text, step);
        assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
        assert_string_equal(text_sent(), expected);
    }
}

#define CHUNK(parts, rest)                                                                         \
    "data: {\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"}" rest          \
    ",\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n"
#define OPEN ",\"index\":0}]"
#define STOP(reason, usage)                                                                        \
    ",\"finishReason\":\"" reason "\",\"index\":0}],\"usageMetadata\":{" usage "}"
#define USAGE                                                                                      \
    "\"promptTokenCount\":9,\"cachedContentTokenCount\":2,\"toolUsePromptTokenCount\":1,"          \
    "\"candidatesTokenCount\":3,\"thoughtsTokenCount\":4,\"totalTokenCount\":17"

#define STREAM                                                                                     \
    CHUNK("{\"text\":\"h\",\"thought\":true}", OPEN)                                               \
    CHUNK("{\"text\":\"a\"}", OPEN)                                                                \
    CHUNK("{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":1}},\"thoughtSignature\":\"c2ln\"}",  \
          STOP("STOP", USAGE))

static void usage_has_thoughts_in_the_output_and_tools_in_the_input(void **state)
{
    const struct weir_llm_seen *s = feed(GEMINI, GEMINI, true, STREAM, 5);
    struct weir_usage u;

    (void)state;
    assert_false(s->complete);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_string_equal(text_sent(), STREAM);
    assert_true(s->complete && s->content);
    assert_true(weir_str_is(s->model, "m") && weir_str_is(s->finish, "STOP"));
    weir_llm_tap_usage(tap, &u);
    assert_int_equal(u.input, 10);
    assert_int_equal(u.cache_read, 2);
    assert_int_equal(u.output, 7);
    assert_int_equal(u.reasoning, 4);
    assert_false(u.estimated);
    assert_int_equal(s->output_bytes, 1 + 1 + 1 + 7);
}

static void a_stream_without_a_finish_reason_is_not_complete(void **state)
{
    (void)state;
    feed(GEMINI, GEMINI, true, CHUNK("{\"text\":\"a\"}", OPEN), 9);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_ECLOSED);
    /* Nor is one whose last event was cut, though its finish reason can be read already. */
    feed(GEMINI, GEMINI, true, "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageM", 9);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_ECLOSED);
    assert_int_equal(sent.n, 0);
}

static void a_blocked_prompt_is_complete_and_costs_its_input(void **state)
{
    static const char blocked[] =
        "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":"
        "{\"promptTokenCount\":9,\"totalTokenCount\":9}}\n\n";
    const struct weir_llm_seen *s = feed(GEMINI, GEMINI, true, blocked, 4);
    struct weir_usage u;

    (void)state;
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_true(weir_str_is(s->finish, "SAFETY"));
    weir_llm_tap_usage(tap, &u);
    assert_int_equal(u.input, 9);
    assert_int_equal(u.output, 0);
    assert_false(u.estimated);
}

static void a_cut_finishes_every_candidate_and_tells_usage(void **state)
{
    (void)state;
    feed(GEMINI, GEMINI, true,
         "data: {\"candidates\":[{\"index\":0,\"content\":{\"parts\":[{\"text\":\"a\"}]}},"
         "{\"index\":1,\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":5,"
         "\"candidatesTokenCount\":1}}\n\n",
         9);
    weir_buf_clear(&sent);
    assert_int_equal(weir_llm_tap_cut(tap, WEIR_STR("Over."), &sent), WEIR_OK);
    assert_string_equal(
        text_sent(),
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Over.\"}],\"role\":\"model\"}"
        ",\"finishReason\":\"MAX_TOKENS\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":5,"
        "\"candidatesTokenCount\":1,\"totalTokenCount\":6},\"modelVersion\":\"\","
        "\"responseId\":\"\"}\n\n");
}

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

static void a_stream_becomes_messages(void **state)
{
    (void)state;
    becomes(
        GEMINI, MESSAGES, true, STREAM,
        EVENT("message_start",
              ",\"message\":{\"id\":\"r\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
              "\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{"
              "\"input_tokens\":0,\"cache_creation_input_tokens\":0,"
              "\"cache_read_input_tokens\":0,\"output_tokens\":0}}")
            EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"thinking\","
                                         "\"thinking\":\"\",\"signature\":\"\"}")
                EVENT("content_block_delta",
                      ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"h\"}")
                    EVENT("content_block_delta",
                          ",\"index\":0,\"delta\":{\"type\":"
                          "\"signature_delta\",\"signature\":"
                          "\"weir.gemini.\"}") EVENT("content_block_stop", ",\"index\":0")
                        EVENT("content_block_start",
                              ",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
                            EVENT("content_block_delta", ",\"index\":1,\"delta\":{\"type\":"
                                                         "\"text_delta\",\"text\":\"a\"}")
                                EVENT("content_block_stop", ",\"index\":1") EVENT(
                                    "content_block_start",
                                    ",\"index\":2,\"content_block\":{\"type\":"
                                    "\"redacted_thinking\",\"data\":\"weir.gemini.f.c2ln\"}")
                                    EVENT("content_block_stop", ",\"index\":2") EVENT(
                                        "content_block_start",
                                        ",\"index\":3,\"content_block\":{\"type\":\"tool_use\","
                                        "\"id\":\"call_3\",\"name\":\"f\",\"input\":{}}")
                                        EVENT("content_block_delta",
                                              ",\"index\":3,\"delta\":{\"type\":"
                                              "\"input_json_delta\",\"partial_json\":"
                                              "\"{\\\"x\\\":1}\"}")
                                            EVENT("content_block_stop", ",\"index\":3") EVENT(
                                                "message_delta",
                                                ",\"delta\":{\"stop_reason\":\"tool_use\","
                                                "\"stop_sequence\":null},\"usage\":{"
                                                "\"input_tokens\":8,"
                                                "\"cache_creation_input_tokens\":0,"
                                                "\"cache_read_input_tokens\":2,\"output_tokens\":7"
                                                ",\"output_tokens_details\":{\"thinking_tokens\":4"
                                                "}}") EVENT("message_stop", ""));
}

#define DELTA(delta, finish)                                                                       \
    "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{" delta              \
    "},\"finish_reason\":" finish "}]}\n\n"
#define OWN(parts) CHUNKED(parts, OPEN)
#define CHUNKED(parts, rest)                                                                       \
    "data: {\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"}" rest          \
    ",\"modelVersion\":\"m\",\"responseId\":\"c\"}\n\n"

static void a_chat_stream_becomes_chunks_with_whole_calls(void **state)
{
    (void)state;
    becomes(
        CHAT, GEMINI, true,
        DELTA("\"role\":\"assistant\",\"reasoning_content\":\"h\"", "null") DELTA(
            "\"content\":\"a\"",
            "null") DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\","
                          "\"arguments\":\"{\\\"x\\\":\"}}]",
                          "null")
            DELTA("\"tool_calls\":[{\"index\":1,\"id\":\"u\",\"function\":{\"name\":\"g\","
                  "\"arguments\":\"\"}}]",
                  "null")
                DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"1}\"}}]", "null")
                    DELTA("",
                          "\"tool_calls\"") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,"
                                            "\"completion_tokens\":3}}\n\ndata: [DONE]\n\n",
        OWN("{\"text\":\"h\",\"thought\":true}") OWN("{\"text\":\"a\"}")
            OWN("{\"functionCall\":{\"id\":\"t\",\"name\":\"f\",\"args\":{\"x\":1}}}")
                OWN("{\"functionCall\":{\"id\":\"u\",\"name\":\"g\",\"args\":{}}}")
                    CHUNKED("{\"text\":\"\"}",
                            STOP("STOP", "\"promptTokenCount\":5,\"candidatesTokenCount\":3,"
                                         "\"totalTokenCount\":8")));
}

static void a_document_gives_hidden_reasoning_to_the_call_behind_it(void **state)
{
    (void)state;
    becomes(MESSAGES, GEMINI, false,
            "{\"id\":\"c\",\"type\":\"message\",\"model\":\"m\",\"content\":[{\"type\":"
            "\"redacted_thinking\",\"data\":\"x\"},{\"type\":\"text\",\"text\":\"t\"},{\"type\":"
            "\"tool_use\",\"id\":\"i\",\"name\":\"f\",\"input\":{\"x\":1}}],\"stop_reason\":"
            "\"tool_use\",\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":2,"
            "\"output_tokens\":3}}",
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"t\"},{\"functionCall\":{"
            "\"id\":\"i\",\"name\":\"f\",\"args\":{\"x\":1}},\"thoughtSignature\":"
            "\"d2Vpci5hbnRocm9waWMueA==\"}],\"role\":\"model\"},\"finishReason\":\"STOP\","
            "\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":7,\"cachedContentTokenCount\":2"
            ",\"candidatesTokenCount\":3,\"totalTokenCount\":10},\"modelVersion\":\"m\","
            "\"responseId\":\"c\"}");
}

static void a_document_that_is_no_answer_is_not_taken_for_one(void **state)
{
    (void)state;
    feed(GEMINI, CHAT, false, "{\"totalTokens\":7}", 5);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_EPROTO);
}

static void an_error_keeps_its_meaning(void **state)
{
    (void)state;
    feed(GEMINI, MESSAGES, true,
         CHUNK("{\"text\":\"a\"}", OPEN) "data: {\"error\":{\"code\":429,\"message\":\"slow\","
                                         "\"status\":\"RESOURCE_EXHAUSTED\"}}\n\n",
         7);
    assert_non_null(strstr(text_sent(), "\"type\":\"rate_limit_error\",\"message\":\"slow\""));
    feed(CHAT, GEMINI, true,
         "data: {\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\"}}\n\n", 7);
    assert_string_equal(
        text_sent(),
        "data: {\"error\":{\"code\":400,\"message\":\"no\",\"status\":\"INVALID_ARGUMENT\","
        "\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":"
        "\"invalid_request_error\",\"domain\":\"weir\"},{\"@type\":"
        "\"type.googleapis.com/google.rpc.RequestInfo\",\"requestId\":\"req_1\"}]}}\n\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void a_refusal_is_no_proper_stop(void **state)
{
    (void)state;
    becomes(
        CHAT, GEMINI, false,
        "{\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\","
        "\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"}}],\"usage\":{"
        "\"prompt_tokens\":1,\"completion_tokens\":2}}",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"No.\"}],\"role\":\"model\"},"
        "\"finishReason\":\"SAFETY\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":1,"
        "\"candidatesTokenCount\":2,\"totalTokenCount\":3},\"modelVersion\":\"m\",\"responseId\":"
        "\"i\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(usage_has_thoughts_in_the_output_and_tools_in_the_input),
                                       T(a_stream_without_a_finish_reason_is_not_complete),
                                       T(a_blocked_prompt_is_complete_and_costs_its_input),
                                       T(a_cut_finishes_every_candidate_and_tells_usage),
                                       T(a_stream_becomes_messages),
                                       T(a_chat_stream_becomes_chunks_with_whole_calls),
                                       T(a_document_gives_hidden_reasoning_to_the_call_behind_it),
                                       T(a_document_that_is_no_answer_is_not_taken_for_one),
                                       T(a_refusal_is_no_proper_stop),
                                       T(an_error_keeps_its_meaning)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
