/* test_converse_client.c - Bedrock's requests as a client sends them, and the answers that it gets:
 * read, edited, cut, and translated both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/json_scan.h"
#include "dataplane/llm/translate.h"
#include "http/eventstream.h"

#define CHAT WEIR_DIALECT_OPENAI_CHAT
#define MESSAGES WEIR_DIALECT_ANTHROPIC_MESSAGES
#define BEDROCK WEIR_DIALECT_BEDROCK

static struct weir_arena *arena;
static struct weir_buf sent;
static struct weir_llm_tap *tap;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    weir_buf_init(&sent, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_buf_fini(&sent);
    weir_arena_destroy(arena);
    return 0;
}

/* ---- requests ---- */

static int decode(const char *body, struct weir_llm_call *call)
{
    const struct weir_llm_endpoint at = {.dialect = BEDROCK, .model = WEIR_STR("m")};
    struct weir_err err;

    return weir_llm_decode(&at, weir_str_of(body), arena, call, &err);
}

static const char *joined(const struct weir_llm_pieces *pieces)
{
    return weir_arena_join(arena, pieces->piece, pieces->count).p;
}

static void a_limit_goes_where_it_belongs(const char *body, const char *expected)
{
    const struct weir_llm_edits edits = {.max_output_tokens = 5};
    struct weir_llm_pieces pieces;
    struct weir_llm_call call;

    assert_int_equal(decode(body, &call), WEIR_OK);
    weir_llm_edit(&call, weir_str_of(body), &edits, arena, &pieces);
    assert_string_equal(joined(&pieces), expected);
}

static void the_limit_is_edited_in_place(void **state)
{
    (void)state;
    a_limit_goes_where_it_belongs("{\"messages\":[]}",
                                  "{\"inferenceConfig\":{\"maxTokens\":5},\"messages\":[]}");
    a_limit_goes_where_it_belongs("{\"inferenceConfig\": {}}",
                                  "{\"inferenceConfig\": {\"maxTokens\":5}}");
    a_limit_goes_where_it_belongs("{\"inferenceConfig\":{\"topP\":1}}",
                                  "{\"inferenceConfig\":{\"maxTokens\":5,\"topP\":1}}");
    a_limit_goes_where_it_belongs("{\"inferenceConfig\":{\"maxTokens\":9}}",
                                  "{\"inferenceConfig\":{\"maxTokens\":5}}");
    a_limit_goes_where_it_belongs(
        "{\"inferenceConfig\":{\"maxTokens\":4},\"additionalModelRequestFields\":{\"max_tokens\":"
        "99}}",
        "{\"inferenceConfig\":{\"maxTokens\":5},\"additionalModelRequestFields\":{\"max_tokens\":"
        "5}}");
}

static void a_request_is_read(void **state)
{
    struct weir_llm_call call;

    (void)state;
    assert_int_equal(
        decode("{\"system\":[{\"text\":\"s\"}],\"messages\":[{\"role\":\"user\",\"content\":[{"
               "\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"aaaa\"}}},{\"document\":{"
               "\"name\":\"d\",\"source\":{\"s3Location\":{\"uri\":\"s3://x\"}}}},{\"toolResult\":"
               "{\"toolUseId\":\"t\",\"content\":[{\"image\":{\"source\":{\"bytes\":\"bb\"}}}]}}]}]"
               ",\"toolConfig\":{\"tools\":[{},{}]},\"inferenceConfig\":{\"maxTokens\":7},"
               "\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"enabled\","
               "\"budget_tokens\":2048}}}",
               &call),
        WEIR_OK);
    assert_int_equal(call.messages, 2);
    assert_int_equal(call.tools, 2);
    assert_int_equal(call.images, 2);
    assert_int_equal(call.files, 1);
    assert_int_equal(call.max_output_tokens, 7);
    assert_int_equal(call.reasoning_tokens, 2048);
    assert_true(call.input_bound > 100000);
    assert_int_equal(decode("{\"messages\":[],\"messages\":[]}", &call), WEIR_EINVAL);
    assert_int_equal(decode("{\"inferenceConfig\":{\"maxTokens\":1,\"maxTokens\":2}}", &call),
                     WEIR_EINVAL);
    assert_int_equal(decode("{\"inferenceConfig\":3}", &call), WEIR_EINVAL);
    assert_int_equal(decode("{}", &call), WEIR_EINVAL);
}

static void becomes(enum weir_dialect to, const char *body, const char *expected,
                    const char *dropped)
{
    struct weir_llm_translation made;
    struct weir_llm_pieces pieces;
    struct weir_llm_call call;
    struct weir_err err;

    assert_int_equal(decode(body, &call), WEIR_OK);
    assert_int_equal(weir_llm_translate(&call, weir_str_of(body), to, false, arena, &made, &err),
                     WEIR_OK);
    weir_llm_translated(&made, WEIR_STR("m"), 9, false, arena, &pieces);
    assert_string_equal(joined(&pieces), expected);
    assert_string_equal(made.dropped.p ? weir_arena_strdup(arena, made.dropped) : "", dropped);
    weir_buf_fini(&made.rest);
}

#define ROUND                                                                                      \
    "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"u\"},{\"cachePoint\":{\"type\":"   \
    "\"default\",\"ttl\":\"1h\"}}]},{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{"  \
    "\"reasoningText\":{\"text\":\"h\",\"signature\":\"weir.anthropic.c2ln\"}}},{"                 \
    "\"reasoningContent\":{\"redactedContent\":\"d2Vpci5hbnRocm9waWMuaGlk\"}},{\"toolUse\":{"      \
    "\"toolUseId\":\"t\",\"name\":\"f\",\"input\":{\"x\":1}}}]},{\"role\":\"user\",\"content\":[{" \
    "\"toolResult\":{\"toolUseId\":\"t\",\"content\":[{\"json\":{\"a\":\"b\"}},{\"image\":{"       \
    "\"format\":\"png\",\"source\":{\"bytes\":\"aaaa\"}}}],\"status\":\"error\"}}]}],\"system\":[" \
    "{\"text\":\"s\"}],\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{" \
    "\"json\":{}}}}],\"toolChoice\":{\"tool\":{\"name\":\"f\"}}}}"

static void a_conversation_is_carried(void **state)
{
    (void)state;
    becomes(
        MESSAGES, ROUND,
        "{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"s\"}],"
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"u\",\"cache_"
        "control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]},{\"role\":\"assistant\",\"content\":["
        "{\"type\":\"thinking\",\"thinking\":\"h\",\"signature\":\"c2ln\"},{\"type\":\"redacted_"
        "thinking\",\"data\":\"hid\"},{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":"
        "{\"x\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
        "\"t\",\"content\":[{\"type\":\"text\",\"text\":\"{\\\"a\\\":\\\"b\\\"}\"},{\"type\":"
        "\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
        "png\",\"data\":\"aaaa\"}}],\"is_error\":true}]}],\"tools\":[{\"name\":\"f\",\"input_"
        "schema\":{}}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}}",
        "");
    becomes(CHAT, ROUND,
            "{\"model\":\"m\",\"max_completion_tokens\":9,\"messages\":[{\"role\":\"system\","
            "\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\","
            "\"content\":null,\"tool_calls\":[{\"id\":\"t\",\"type\":\"function\",\"function\":{"
            "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},{\"role\":\"tool\",\"tool_call_"
            "id\":\"t\",\"content\":[{\"type\":\"text\",\"text\":\"Error: "
            "\"},{\"type\":\"text\",\"text\":\"{\\\"a\\\":\\\"b\\\"}\"}]},{\"role\":\"user\","
            "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"
            "png;base64,aaaa\"}}]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"parameters\":{}}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
            "\"f\"}}}",
            "cachePoint, messages.content.reasoningContent");
}

static void documents_and_settings_are_carried(void **state)
{
    (void)state;
    becomes(MESSAGES,
            "{\"messages\":[{\"role\":\"user\",\"content\":[{\"document\":{\"format\":\"pdf\","
            "\"name\":\"d\",\"source\":{\"bytes\":\"JVBE\"}}},{\"document\":{\"name\":\"t\","
            "\"source\":{\"content\":[{\"text\":\"a\"},{\"text\":\"b\"}]}}},{\"guardContent\":{"
            "\"text\":{\"text\":\"g\"}}}]}],\"outputConfig\":{\"textFormat\":{\"type\":\"json_"
            "schema\",\"structure\":{\"jsonSchema\":{\"name\":\"n\",\"schema\":\"{\\\"type\\\":"
            "\\\"object\\\"}\"}}}},\"inferenceConfig\":{\"temperature\":0.5,\"topP\":0.25,"
            "\"stopSequences\":[\"x\"]},\"additionalModelRequestFields\":{\"top_k\":3,\"thinking\":"
            "{\"type\":\"enabled\",\"budget_tokens\":8000},\"own\":1}}",
            "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":[{"
            "\"type\":\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/"
            "pdf\",\"data\":\"JVBE\"},\"title\":\"d\"},{\"type\":\"text\",\"text\":\"a\"},{"
            "\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\",\"text\":\"g\"}]}],\"thinking\":{"
            "\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"medium\",\"format\":{\"type\":"
            "\"json_schema\",\"schema\":{\"type\":\"object\"}}},\"temperature\":0.5,\"top_p\":0.25,"
            "\"top_k\":3,\"stop_sequences\":[\"x\"]}",
            "messages.content.guardContent, additionalModelRequestFields.own");
}

static void what_cannot_be_read_is_refused(void **state)
{
    static const char broken[] =
        "{\"messages\":[],\"outputConfig\":{\"textFormat\":{\"structure\":{"
        "\"jsonSchema\":{\"schema\":\"{\"}}}}}";
    static const char *const bodies[] = {
        "{\"messages\":[{\"role\":\"tool\",\"content\":[]}]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"text\"}]}",
        "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"input\":3}}]}]}",
        broken,
        "{\"messages\":[],\"toolConfig\":{\"tools\":{}}}",
    };
    struct weir_llm_translation made;
    struct weir_llm_call call;
    struct weir_err err;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(decode(bodies[i], &call), WEIR_OK);
        assert_int_equal(
            weir_llm_translate(&call, weir_str_of(bodies[i]), CHAT, false, arena, &made, &err),
            WEIR_EINVAL);
        assert_int_equal(err.http_status, 400);
        weir_buf_fini(&made.rest);
    }
}

/* ---- answers ---- */

static void sink(void *arg, const char *p, size_t n)
{
    (void)arg;
    assert_int_equal(weir_buf_add(&sent, p, n), WEIR_OK);
}

static void feed(enum weir_dialect from, bool stream, const char *p, size_t n, size_t step)
{
    struct weir_llm_tap_conf conf = {.dialect = from,
                                     .client = BEDROCK,
                                     .event_stream = stream,
                                     .status = 200,
                                     .request_id = WEIR_STR("req_1")};

    weir_buf_clear(&sent);
    tap = weir_llm_tap_create(arena, &conf);
    weir_llm_tap_elapsed(tap, 12);
    for (size_t at = 0; at < n; at += step)
        assert_int_equal(weir_llm_tap_feed(tap, p + at, n - at < step ? n - at : step, sink, NULL),
                         WEIR_OK);
}

/* Each message of the stream as "name payload". */
static const char *frames(struct weir_str bytes)
{
    struct weir_eventstream_message m;
    struct weir_eventstream s;
    struct weir_buf b;
    const char *out;

    weir_buf_init(&b, 1 << 20);
    weir_eventstream_init(&s, 1 << 20);
    weir_eventstream_feed(&s, bytes.p, bytes.n);
    while (weir_eventstream_next(&s, &m) == WEIR_OK)
        weir_buf_addf(&b, "%.*s %.*s\n", WEIR_STR_ARG(m.type), WEIR_STR_ARG(m.payload));
    weir_eventstream_fini(&s);
    out = weir_arena_strdup(arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return out;
}

#define EVENT(type, more) "event: " type "\ndata: {\"type\":\"" type "\"" more "}\n\n"
#define DELTA(index, delta)                                                                        \
    EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{" delta "}")
#define BEGIN(index, block)                                                                        \
    EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define END(index) EVENT("content_block_stop", ",\"index\":" index)

#define THOUGHTFUL                                                                                 \
    EVENT("message_start",                                                                         \
          ",\"message\":{\"id\":\"i\",\"model\":\"m\",\"usage\":{\"input_tokens\":5,"              \
          "\"cache_read_input_tokens\":2,\"cache_creation_input_tokens\":3,\"output_tokens\":1}}") \
    BEGIN("0", "\"type\":\"thinking\",\"thinking\":\"\"")                                          \
    DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"h\"")                                   \
    DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"c2ln\"")                              \
    END("0")                                                                                       \
    BEGIN("1", "\"type\":\"redacted_thinking\",\"data\":\"hid\"")                                  \
    END("1")                                                                                       \
    BEGIN("2", "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}")                   \
    DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"x\\\":\"")

#define THOUGHTFUL_FRAMES                                                                          \
    "messageStart {\"role\":\"assistant\"}\n"                                                      \
    "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":\"h\"}}" \
    "}\n"                                                                                          \
    "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"signature\":"   \
    "\"weir.anthropic.c2ln\"}}}\n"                                                                 \
    "contentBlockStop {\"contentBlockIndex\":0}\n"                                                 \
    "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"reasoningContent\":{"                 \
    "\"redactedContent\":\"d2Vpci5hbnRocm9waWMuaGlk\"}}}\n"                                        \
    "contentBlockStop {\"contentBlockIndex\":1}\n"                                                 \
    "contentBlockStart {\"contentBlockIndex\":2,\"start\":{\"toolUse\":{\"toolUseId\":\"t\","      \
    "\"name\":\"f\"}}}\n"                                                                          \
    "contentBlockDelta {\"contentBlockIndex\":2,\"delta\":{\"toolUse\":{\"input\":\"{\\\"x\\\":"   \
    "\"}}}\n"

static void a_stream_of_another_dialect_becomes_frames(void **state)
{
    static const char stream[] =
        THOUGHTFUL DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"1}\"") END("2")
            EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{"
                                   "\"output_tokens\":9}") EVENT("message_stop", "");

    (void)state;
    for (size_t step = 1; step < 1000; step += 499) {
        feed(MESSAGES, true, stream, sizeof stream - 1, step);
        assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
        assert_string_equal(
            frames(weir_buf_str(&sent)), THOUGHTFUL_FRAMES
            "contentBlockDelta {\"contentBlockIndex\":2,\"delta\":{\"toolUse\":{\"input\":\"1}\"}}}"
            "\n"
            "contentBlockStop {\"contentBlockIndex\":2}\n"
            "messageStop {\"stopReason\":\"tool_use\"}\n"
            "metadata {\"usage\":{\"inputTokens\":5,\"outputTokens\":9,\"totalTokens\":19,"
            "\"cacheReadInputTokens\":2,\"cacheWriteInputTokens\":3,\"cacheDetails\":[{\"ttl\":"
            "\"5m\",\"inputTokens\":3}]},\"metrics\":{\"latencyMs\":12}}\n");
    }
}

#define CUT_FRAMES(usage)                                                                          \
    "messageStop {\"stopReason\":\"max_tokens\"}\nmetadata {\"usage\":{" usage                     \
    "},\"metrics\":{\"latencyMs\":12}}\n"

static void a_cut_stream_ends_with_its_usage(void **state)
{
    static const char head[] = THOUGHTFUL;
    struct weir_buf rest, own;

    (void)state;
    weir_buf_init(&rest, 1 << 16);
    weir_buf_init(&own, 1 << 16);
    feed(MESSAGES, true, head, sizeof head - 1, 100);
    assert_string_equal(frames(weir_buf_str(&sent)), THOUGHTFUL_FRAMES);
    assert_int_equal(weir_llm_tap_cut(tap, WEIR_STR("Cut."), &rest), WEIR_OK);
    assert_non_null(strstr(frames(weir_buf_str(&rest)),
                           "contentBlockStop {\"contentBlockIndex\":2}\n"
                           "contentBlockDelta {\"contentBlockIndex\":3,\"delta\":{\"text\":\"Cut."
                           "\"}}\n"
                           "contentBlockStop {\"contentBlockIndex\":3}\n"
                           "messageStop {\"stopReason\":\"max_tokens\"}\n"
                           "metadata {\"usage\":{\"inputTokens\":5,"));
    /* The same where the bytes pass. */
    weir_buf_adds(&own, weir_buf_str(&sent));
    weir_buf_clear(&rest);
    feed(BEDROCK, true, own.p, own.n, 7);
    assert_true(weir_str_eq(weir_buf_str(&sent), weir_buf_str(&own)));
    assert_int_equal(weir_llm_tap_cut(tap, WEIR_STR("Cut."), &rest), WEIR_OK);
    assert_string_equal(
        frames(weir_buf_str(&rest)),
        "contentBlockStop {\"contentBlockIndex\":2}\n"
        "contentBlockDelta {\"contentBlockIndex\":3,\"delta\":{\"text\":\"Cut.\"}}\n"
        "contentBlockStop {\"contentBlockIndex\":3}\n" CUT_FRAMES(
            "\"inputTokens\":0,\"outputTokens\":4,\"totalTokens\":4,\"cacheReadInputTokens\":0,"
            "\"cacheWriteInputTokens\":0"));
    weir_buf_fini(&rest);
    weir_buf_fini(&own);
}

static void a_document_of_another_dialect_becomes_one(void **state)
{
    static const char document[] =
        "{\"id\":\"i\",\"model\":\"m\",\"choices\":[{\"index\":0,\"finish_reason\":\"length\","
        "\"message\":{\"role\":\"assistant\",\"content\":\"Gr\\u00fc\",\"tool_calls\":[{\"id\":"
        "\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}],\"usage\":{"
        "\"prompt_tokens\":9,\"completion_tokens\":4,\"prompt_tokens_details\":{\"cached_tokens\":"
        "2}}}";

    (void)state;
    feed(CHAT, false, document, sizeof document - 1, 10);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_string_equal(
        weir_arena_strdup(arena, weir_buf_str(&sent)),
        "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":\"Gr\\u00fc\"},{"
        "\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"f\",\"input\":{}}}]}},\"stopReason\":"
        "\"max_tokens\",\"usage\":{\"inputTokens\":7,\"outputTokens\":4,\"totalTokens\":13,"
        "\"cacheReadInputTokens\":2,\"cacheWriteInputTokens\":0},\"metrics\":{\"latencyMs\":12}}");
}

static void a_call_without_arguments_has_an_empty_object(void **state)
{
    static const char stream[] = EVENT("message_start", ",\"message\":{\"id\":\"i\"}")
        BEGIN("0", "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}") END("0");

    (void)state;
    feed(MESSAGES, true, stream, sizeof stream - 1, 9);
    assert_string_equal(frames(weir_buf_str(&sent)),
                        "messageStart {\"role\":\"assistant\"}\n"
                        "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{"
                        "\"toolUseId\":\"t\",\"name\":\"f\"}}}\n"
                        "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"toolUse\":{"
                        "\"input\":\"{}\"}}}\n"
                        "contentBlockStop {\"contentBlockIndex\":0}\n");
}

static void an_error_in_a_stream_becomes_an_exception(void **state)
{
    static const char stream[] = THOUGHTFUL EVENT(
        "error", ",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"slow\"}");

    (void)state;
    feed(MESSAGES, true, stream, sizeof stream - 1, 3);
    assert_string_equal(frames(weir_buf_str(&sent)), THOUGHTFUL_FRAMES
                        "throttlingException {\"__type\":\"ThrottlingException\","
                        "\"message\":\"slow\",\"reason\":\"rate_limit_error\"}\n");
}

static void silence_is_filled_by_an_event_that_nobody_knows(void **state)
{
    (void)state;
    assert_string_equal(frames(weir_llm_keepalive(BEDROCK)), "ping {}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_is_edited_in_place),
        cmocka_unit_test(a_request_is_read),
        cmocka_unit_test(a_conversation_is_carried),
        cmocka_unit_test(documents_and_settings_are_carried),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(a_stream_of_another_dialect_becomes_frames),
        cmocka_unit_test(a_cut_stream_ends_with_its_usage),
        cmocka_unit_test(a_document_of_another_dialect_becomes_one),
        cmocka_unit_test(a_call_without_arguments_has_an_empty_object),
        cmocka_unit_test(an_error_in_a_stream_becomes_an_exception),
        cmocka_unit_test(silence_is_filled_by_an_event_that_nobody_knows),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
