#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/llm/llm.h"
#include "tests/unit/weir_llm/answer_fixture.h"

static struct weir_llm_tap *tap;

static void begin(enum weir_dialect from, bool stream, uint16_t status)
{
    struct weir_llm_tap_conf conf = {.dialect = from,
                                     .client = from == WEIR_DIALECT_OPENAI_CHAT
                                                   ? WEIR_DIALECT_ANTHROPIC_MESSAGES
                                                   : WEIR_DIALECT_OPENAI_CHAT,
                                     .event_stream = stream,
                                     .client_usage = true,
                                     .status = status,
                                     .created_s = 7,
                                     .request_id = WEIR_STR("req_1")};

    weir_buf_clear(&sent);
    tap = weir_llm_tap_create(arena, &conf);
}

/* The same, in pieces of so many bytes. */
static const char *translated(enum weir_dialect from, bool stream, const char *text, size_t step)
{
    size_t n = strlen(text);

    begin(from, stream, 200);
    for (size_t at = 0; at < n; at += step)
        assert_int_equal(
            weir_llm_tap_feed(tap, text + at, n - at < step ? n - at : step, sink, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    return weir_arena_strdup(arena, weir_buf_str(&sent));
}

static void becomes(enum weir_dialect from, bool stream, const char *text, const char *expected)
{
    assert_string_equal(translated(from, stream, text, strlen(text)), expected);
    for (size_t step = 1; step < 8; step++)
        assert_string_equal(translated(from, stream, text, step), expected);
}

/* A provider's chunk, and a client's. */
#define CHUNK(delta, finish)                                                                       \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"g\","     \
    "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]"
#define IN(delta) CHUNK(delta, "null") "}\n\n"
#define OUT(delta) CHUNK(delta, "null") ",\"usage\":null}\n\n"
#define CHAT_USAGE                                                                                 \
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,"                 \
    "\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{"              \
    "\"reasoning_tokens\":2}}"
#define IN_END(reason)                                                                             \
    CHUNK("", "\"" reason "\"")                                                                    \
    "}\n\ndata: {\"id\":\"c1\",\"choices\":[]," CHAT_USAGE "}\n\ndata: [DONE]\n\n"
#define OUT_END(reason)                                                                            \
    CHUNK("", "\"" reason "\"")                                                                    \
    ",\"usage\":null}\n\ndata: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7," \
    "\"model\":\"g\",\"choices\":[]," CHAT_USAGE "}\n\ndata: [DONE]\n\n"
#define TOOL(index, id, name, args)                                                                \
    "\"tool_calls\":[{\"index\":" index ",\"id\":\"" id "\",\"type\":\"function\",\"function\":{"  \
    "\"name\":\"" name "\",\"arguments\":\"" args "\"}}]"
#define MORE(index, args)                                                                          \
    "\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" args "\"}}]"

#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"
#define START(usage)                                                                               \
    EVENT("message_start",                                                                         \
          ",\"message\":{\"id\":\"c1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"     \
          "\"g\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{" usage     \
          "}}")
#define NO_USAGE                                                                                   \
    "\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"          \
    "\"output_tokens\":0"
#define BLOCK(index, block)                                                                        \
    EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define TEXT_BLOCK "\"type\":\"text\",\"text\":\"\""
#define TOOL_BLOCK(id, name)                                                                       \
    "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}"
#define DELTA(index, type, key, text)                                                              \
    EVENT("content_block_delta",                                                                   \
          ",\"index\":" index ",\"delta\":{\"type\":\"" type "\",\"" key "\":\"" text "\"}")
#define TEXT(index, text) DELTA(index, "text_delta", "text", text)
#define JSON(index, text) DELTA(index, "input_json_delta", "partial_json", text)
#define STOP(index) EVENT("content_block_stop", ",\"index\":" index)
#define END(reason)                                                                                \
    EVENT("message_delta",                                                                         \
          ",\"delta\":{\"stop_reason\":\"" reason "\",\"stop_sequence\":null},\"usage\":{"         \
          "\"input_tokens\":6,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,"    \
          "\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":2}}")                \
    EVENT("message_stop", "")

#define CHAT WEIR_DIALECT_OPENAI_CHAT
#define MESSAGES WEIR_DIALECT_ANTHROPIC_MESSAGES

static void a_text_is_streamed_both_ways_however_it_is_cut(void **state)
{
    (void)state;
    becomes(CHAT, true,
            IN("\"role\":\"assistant\",\"content\":\"\"") IN("\"content\":\"h\\u00f6\"")
                IN("\"content\":\"t\"") IN_END("stop"),
            START(NO_USAGE) BLOCK("0", TEXT_BLOCK) TEXT("0", "h\\u00f6") TEXT("0", "t") STOP("0")
                END("end_turn"));
    becomes(MESSAGES, true,
            START(NO_USAGE) BLOCK("0", TEXT_BLOCK) EVENT("ping", "") TEXT("0", "h\\u00f6")
                TEXT("0", "t") STOP("0") END("end_turn"),
            OUT("\"role\":\"assistant\",\"content\":\"\"") OUT("\"content\":\"h\\u00f6\"")
                OUT("\"content\":\"t\"") OUT_END("stop"));
}

static void text_and_tool_in_one_chunk_become_two_blocks(void **state)
{
    (void)state;
    becomes(CHAT, true, IN(TOOL("0", "a", "f", "{}") ",\"content\":\"t\"") IN_END("tool_calls"),
            START(NO_USAGE) BLOCK("0", TEXT_BLOCK) TEXT("0", "t") STOP("0")
                BLOCK("1", TOOL_BLOCK("a", "f")) JSON("1", "{}") STOP("1") END("tool_use"));
}

static void an_empty_list_of_tools_and_empty_arguments_are_nothing(void **state)
{
    (void)state;
    becomes(CHAT, true,
            IN("\"content\":\"t\",\"tool_calls\":[]") IN(TOOL("0", "a", "f", "")) IN(MORE("0", ""))
                IN_END("tool_calls"),
            START(NO_USAGE) BLOCK("0", TEXT_BLOCK) TEXT("0", "t") STOP("0")
                BLOCK("1", TOOL_BLOCK("a", "f")) STOP("1") END("tool_use"));
}

static void interleaved_tools_never_get_a_delta_after_their_end(void **state)
{
    (void)state;
    becomes(CHAT, true,
            IN(TOOL("0", "a", "f", "{\\\"x")) IN(TOOL("1", "b", "g", "[1")) IN(MORE("0", "\\\":1"))
                IN(MORE("1", ",2]")) IN(MORE("0", "}")) IN_END("tool_calls"),
            START(NO_USAGE) BLOCK("0", TOOL_BLOCK("a", "f")) JSON("0", "{\\\"x") JSON("0", "\\\":1")
                JSON("0", "}") STOP("0") BLOCK("1", TOOL_BLOCK("b", "g")) JSON("1", "[1,2]")
                    STOP("1") END("tool_use"));
    becomes(MESSAGES, true,
            START(NO_USAGE) BLOCK("0", TOOL_BLOCK("a", "f")) BLOCK("1", TOOL_BLOCK("b", "g"))
                JSON("1", "{") JSON("0", "{}") JSON("1", "}") STOP("1") STOP("0") END("tool_use"),
            OUT("\"role\":\"assistant\",\"content\":\"\"") OUT(TOOL("0", "a", "f", ""))
                OUT(TOOL("1", "b", "g", "")) OUT(MORE("1", "{")) OUT(MORE("0", "{}"))
                    OUT(MORE("1", "}")) OUT_END("tool_calls"));
}

static void a_tool_whose_json_has_ended_does_not_keep_the_next_waiting(void **state)
{
    const char *got;

    (void)state;
    got = translated(CHAT, true,
                     IN(TOOL("0", "a", "f", "{\\\"x\\\":\\\"}\\\"}")) IN(TOOL("0", "b", "g", "{"))
                         IN(MORE("0", "}")) IN_END("tool_calls"),
                     1 << 20);
    assert_string_equal(got, START(NO_USAGE) BLOCK("0", TOOL_BLOCK("a", "f"))
                                 JSON("0", "{\\\"x\\\":\\\"}\\\"}") STOP("0")
                                     BLOCK("1", TOOL_BLOCK("b", "g")) JSON("1", "{") JSON("1", "}")
                                         STOP("1") END("tool_use"));
}

#define THINKING "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""

static void reasoning_keeps_its_signature_in_a_foreign_clients_hands(void **state)
{
    (void)state;
    becomes(MESSAGES, true,
            START(NO_USAGE) BLOCK("0", THINKING) DELTA("0", "thinking_delta", "thinking", "hm")
                DELTA("0", "signature_delta", "signature", "S=") STOP("0")
                    BLOCK("1", "\"type\":\"redacted_thinking\",\"data\":\"D\"") STOP("1")
                        END("end_turn"),
            OUT("\"role\":\"assistant\",\"content\":\"\"") OUT("\"reasoning_content\":\"hm\"")
                OUT("\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\","
                    "\"signature\":\"weir.anthropic.S=\"}]")
                    OUT("\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":"
                        "\"weir.anthropic.D\"}]") OUT_END("stop"));
    becomes(CHAT, true, IN("\"reasoning_content\":\"hm\"") IN("\"content\":\"t\"") IN_END("stop"),
            START(NO_USAGE) BLOCK("0", THINKING) DELTA("0", "thinking_delta", "thinking", "hm")
                DELTA("0", "signature_delta", "signature", "weir.openai.") STOP("0")
                    BLOCK("1", TEXT_BLOCK) TEXT("1", "t") STOP("1") END("end_turn"));
}

static void a_refusal_is_one_in_the_clients_words(void **state)
{
    (void)state;
    becomes(CHAT, true, IN("\"refusal\":\"no\"") IN_END("stop"),
            START(NO_USAGE) BLOCK("0", TEXT_BLOCK) TEXT("0", "no") STOP("0") END("refusal"));
    becomes(MESSAGES, true,
            START(NO_USAGE) EVENT("message_delta",
                                  ",\"delta\":{\"stop_reason\":\"refusal\",\"stop_details\":{"
                                  "\"type\":\"refusal\",\"explanation\":\"why\"}}")
                EVENT("message_delta",
                      ",\"delta\":{},\"usage\":{\"input_tokens\":6,\"cache_read_input_tokens\":4,"
                      "\"output_tokens\":5,\"output_tokens_details\":{\"thinking_tokens\":2}}")
                    EVENT("message_stop", ""),
            OUT("\"role\":\"assistant\",\"content\":\"\"") OUT("\"refusal\":\"why\"")
                OUT_END("content_filter"));
}

static void documents_are_translated_both_ways(void **state)
{
    (void)state;
    becomes(CHAT, false,
            "{\"id\":\"c1\",\"model\":\"g\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
            "\"assistant\",\"content\":\"t\",\"refusal\":null,\"tool_calls\":[{\"id\":\"a\","
            "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\": 1}\"}},"
            "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":"
            "\"{oo\"}}]},\"finish_reason\":\"tool_calls\"}]," CHAT_USAGE "}",
            "{\"id\":\"c1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"g\","
            "\"content\":[{\"type\":\"text\",\"text\":\"t\"},{\"type\":\"tool_use\",\"id\":\"a\","
            "\"name\":\"f\",\"input\":{\"x\": 1}},{\"type\":\"tool_use\",\"id\":\"b\",\"name\":"
            "\"g\",\"input\":{\"INVALID_JSON\":\"{oo\"}}],\"stop_reason\":\"tool_use\","
            "\"stop_sequence\":null,\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":"
            "0,\"cache_read_input_tokens\":4,\"output_tokens\":5,\"output_tokens_details\":{"
            "\"thinking_tokens\":2}}}");
    becomes(MESSAGES, false,
            "{\"id\":\"c1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"g\","
            "\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"S\"},"
            "{\"type\":\"text\",\"text\":\"t\"},{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\","
            "\"input\":{\"x\":\"\\n\"}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":"
            "6,\"cache_read_input_tokens\":4,\"output_tokens\":5,\"output_tokens_details\":{"
            "\"thinking_tokens\":2}}}",
            "{\"id\":\"c1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"g\","
            "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"t\","
            "\"refusal\":null,\"reasoning_content\":\"hm\",\"reasoning_details\":[{\"type\":"
            "\"reasoning.text\",\"text\":\"hm\",\"signature\":\"weir.anthropic.S\"}],"
            "\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{\\\"x\\\":\\\"\\\\n\\\"}\"}}]},\"logprobs\":null,\"finish_reason\":"
            "\"tool_calls\"}]," CHAT_USAGE "}");
}

static void errors_keep_status_code_and_message_in_the_clients_shape(void **state)
{
    static const char chat[] = "{\"error\":{\"message\":\"too long\",\"type\":"
                               "\"invalid_request_error\",\"code\":\"context_length_exceeded\"}}";
    static const char stream[] = START(NO_USAGE)
        EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}");

    (void)state;
    begin(CHAT, false, 400);
    assert_int_equal(weir_llm_tap_feed(tap, chat, strlen(chat), sink, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_string_equal(weir_arena_strdup(arena, weir_buf_str(&sent)),
                        "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                        "\"message\":\"too long\",\"code\":\"context_length_exceeded\"},"
                        "\"request_id\":\"req_1\"}");
    begin(CHAT, false, 503);
    assert_int_equal(weir_llm_tap_feed(tap, "<html>", 6, sink, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_non_null(strstr(weir_arena_strdup(arena, weir_buf_str(&sent)), "status 503"));
    begin(MESSAGES, true, 200);
    assert_int_equal(weir_llm_tap_feed(tap, stream, strlen(stream), sink, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_non_null(strstr(weir_arena_strdup(arena, weir_buf_str(&sent)),
                           "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"server_error\","
                           "\"code\":\"overloaded_error\""));
    assert_null(strstr(weir_arena_strdup(arena, weir_buf_str(&sent)), "[DONE]"));
}

static void a_cut_stream_ends_properly_in_the_clients_dialect(void **state)
{
    static const char chat[] =
        IN("\"content\":\"t\"") IN(TOOL("0", "a", "f", "{\\\"x")) IN(TOOL("1", "b", "g", "{"));
    struct weir_buf rest;
    const char *tail;

    (void)state;
    begin(CHAT, true, 200);
    assert_int_equal(weir_llm_tap_feed(tap, chat, strlen(chat), sink, NULL), WEIR_OK);
    weir_buf_init(&rest, 1 << 16);
    assert_int_equal(weir_llm_tap_cut(tap, WEIR_STR("Budget."), &rest), WEIR_OK);
    tail = weir_arena_strdup(arena, weir_buf_str(&rest));
    assert_non_null(strstr(tail, STOP("1") BLOCK("2", TOOL_BLOCK("b", "g")) JSON("2", "{") STOP("2")
                                     BLOCK("3", TEXT_BLOCK) TEXT("3", "Budget.") STOP("3")));
    assert_non_null(strstr(tail, "\"stop_reason\":\"max_tokens\""));
    assert_non_null(strstr(tail, EVENT("message_stop", "")));
    weir_buf_fini(&rest);
}

static void a_hundred_kilobytes_of_arguments_in_single_bytes_arrive_whole(void **state)
{
    static const char head[] = IN(TOOL("0", "a", "f", "{\\\"x\\\":\\\""));
    static const char byte[] = IN(MORE("0", "y"));
    static const char nothing[] = IN(MORE("0", ""));
    static const char tail[] = IN(MORE("0", "\\\"}")) IN_END("tool_calls");
    size_t n = 0, before;

    (void)state;
    begin(CHAT, true, 200);
    assert_int_equal(weir_llm_tap_feed(tap, head, strlen(head), sink, NULL), WEIR_OK);
    before = weir_arena_bytes(arena);
    for (int i = 0; i < 100 << 10; i++) {
        weir_buf_clear(&sent);
        assert_int_equal(weir_llm_tap_feed(tap, nothing, strlen(nothing), sink, NULL), WEIR_OK);
        assert_int_equal(sent.n, 0);
        assert_int_equal(weir_llm_tap_feed(tap, byte, strlen(byte), sink, NULL), WEIR_OK);
        n += memmem(sent.p, sent.n, "\"y\"", 3) != NULL;
    }
    assert_int_equal(n, 100 << 10);
    assert_int_equal(weir_arena_bytes(arena), before);
    assert_int_equal(weir_llm_tap_feed(tap, tail, strlen(tail), sink, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    assert_true(weir_llm_tap_seen(tap)->complete);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_text_is_streamed_both_ways_however_it_is_cut),
        TEST(text_and_tool_in_one_chunk_become_two_blocks),
        TEST(an_empty_list_of_tools_and_empty_arguments_are_nothing),
        TEST(interleaved_tools_never_get_a_delta_after_their_end),
        TEST(a_tool_whose_json_has_ended_does_not_keep_the_next_waiting),
        TEST(a_hundred_kilobytes_of_arguments_in_single_bytes_arrive_whole),
        TEST(reasoning_keeps_its_signature_in_a_foreign_clients_hands),
        TEST(a_refusal_is_one_in_the_clients_words),
        TEST(documents_are_translated_both_ways),
        TEST(errors_keep_status_code_and_message_in_the_clients_shape),
        TEST(a_cut_stream_ends_properly_in_the_clients_dialect),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
