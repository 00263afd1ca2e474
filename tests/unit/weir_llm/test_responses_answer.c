/* test_responses_answer.c - answers between Responses and the other dialects, both ways, streams
 * cut anywhere, and documents. */
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
#define RESPONSES WEIR_DIALECT_OPENAI_RESPONSES

static struct weir_llm_tap *tap;

static const struct weir_llm_tool_name tools[] = {
    {WEIR_STR_INIT("fs__exec"), WEIR_STR_INIT("exec"), WEIR_STR_INIT("fs"), true},
    {WEIR_STR_INIT("fs__wait"), WEIR_STR_INIT("wait"), WEIR_STR_INIT("fs"), false}};

static void feed(enum weir_dialect from, enum weir_dialect to, bool stream, const char *text,
                 size_t step)
{
    struct weir_llm_tap_conf conf = {.dialect = from,
                                     .client = to,
                                     .event_stream = stream,
                                     .status = 200,
                                     .created_s = 7,
                                     .tools = tools,
                                     .tool_count = 2,
                                     .request_id = WEIR_STR("req_1")};
    size_t n = strlen(text);

    weir_buf_clear(&sent);
    tap = weir_llm_tap_create(arena, &conf);
    for (size_t at = 0; at < n; at += step)
        assert_int_equal(
            weir_llm_tap_feed(tap, text + at, n - at < step ? n - at : step, sink, NULL), WEIR_OK);
}

static const char *translated(enum weir_dialect from, enum weir_dialect to, bool stream,
                              const char *text, size_t step)
{
    feed(from, to, stream, text, step);
    assert_int_equal(weir_llm_tap_end(tap, sink, NULL), WEIR_OK);
    return weir_arena_strdup(arena, weir_buf_str(&sent));
}

/* The pieces up to NULL, side by side. */
static const char *join(const char *const *piece)
{
    struct weir_buf b;
    const char *out;

    weir_buf_init(&b, 1 << 20);
    while (*piece)
        weir_buf_addz(&b, *piece++);
    out = weir_arena_strdup(arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return out;
}

#define JOIN(...) join((const char *const[]){__VA_ARGS__, NULL})

static void becomes(enum weir_dialect from, enum weir_dialect to, bool stream, const char *text,
                    const char *expected)
{
    assert_string_equal(translated(from, to, stream, text, strlen(text)), expected);
    for (size_t step = 1; step < 8; step += 3)
        assert_string_equal(translated(from, to, stream, text, step), expected);
}

/* ---- towards a client of Responses ---- */

#define EVENT(type, seq, rest)                                                                     \
    "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" seq rest "}\n\n"
#define RESPONSE(id, model, status, output, usage)                                                 \
    "{\"id\":\"" id "\",\"object\":\"response\",\"created_at\":7,\"status\":\"" status             \
    "\",\"error\":null,\"incomplete_details\":null,\"instructions\":null,\"metadata\":{},"         \
    "\"model\":\"" model "\",\"parallel_tool_calls\":true,\"temperature\":null,\"tool_choice\":"   \
    "\"auto\",\"tools\":[],\"top_p\":null,\"output\":[" output "],\"usage\":" usage "}"
#define USAGE(in, cached, out, reasoning, total)                                                   \
    "{\"input_tokens\":" in ",\"input_tokens_details\":{\"cached_tokens\":" cached                 \
    ",\"cache_write_tokens\":0},\"output_tokens\":" out                                            \
    ",\"output_tokens_details\":{\"reasoning_tokens\":" reasoning "},\"total_tokens\":" total "}"
#define STARTED(id, model)                                                                         \
    EVENT("response.created", "0",                                                                 \
          ",\"response\":" RESPONSE(id, model, "in_progress", "", "null"))                         \
    EVENT("response.in_progress", "1",                                                             \
          ",\"response\":" RESPONSE(id, model, "in_progress", "", "null"))
#define ITEM_EVENT(type, seq, at, item)                                                            \
    EVENT("response.output_item." type, seq, ",\"output_index\":" at ",\"item\":" item)
#define AT(item, at, sub) ",\"item_id\":\"" item "\",\"output_index\":" at sub

#define TEXT_PART(text)                                                                            \
    "{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],\"logprobs\":[]}"
#define MESSAGE(id, status, content)                                                               \
    "{\"id\":\"" id "\",\"type\":\"message\",\"status\":\"" status                                 \
    "\",\"role\":\"assistant\",\"content\":[" content "]}"
#define CALL(id, status, call, name, arguments)                                                    \
    "{\"id\":\"" id "\",\"type\":\"function_call\",\"status\":\"" status "\",\"call_id\":\"" call  \
    "\",\"name\":\"" name "\",\"arguments\":\"" arguments "\"}"

#define CHUNK(delta, finish)                                                                       \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"g\","     \
    "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":" finish "}]}\n\n"
#define CHAT_USAGE                                                                                 \
    "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15,"                 \
    "\"prompt_tokens_details\":{\"cached_tokens\":4},\"completion_tokens_details\":{"              \
    "\"reasoning_tokens\":2}}"

static const char *chat_stream(void)
{
    return JOIN(
        CHUNK("\"role\":\"assistant\",\"content\":\"\"", "null"),
        CHUNK("\"content\":\"Hi\"", "null"), CHUNK("\"content\":\" you\"", "null"),
        CHUNK("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\","
              "\"arguments\":\"{\\\"x\\\"\"}}]",
              "null"),
        CHUNK("\"tool_calls\":[{\"index\":1,\"id\":\"b\",\"function\":{\"name\":\"g\"}}]", "null"),
        CHUNK("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]", "null"),
        CHUNK("", "\"tool_calls\""), "data: {\"choices\":[]," CHAT_USAGE "}\n\ndata: [DONE]\n\n");
}

#define SAID MESSAGE("msg_c1_0", "completed", TEXT_PART("Hi you"))
#define CALLED_F CALL("fc_c1_1", "completed", "a", "f", "{\\\"x\\\":1}")
#define CALLED_G CALL("fc_c1_2", "completed", "b", "g", "{}")
#define IN_TEXT(rest) AT("msg_c1_0", "0", ",\"content_index\":0," rest)

static void chat_chunks_become_events(void **state)
{
    const char *expected = JOIN(
        STARTED("c1", "g"), ITEM_EVENT("added", "2", "0", MESSAGE("msg_c1_0", "in_progress", "")),
        EVENT("response.content_part.added", "3", IN_TEXT("\"part\":" TEXT_PART(""))),
        EVENT("response.output_text.delta", "4", IN_TEXT("\"delta\":\"Hi\",\"logprobs\":[]")),
        EVENT("response.output_text.delta", "5", IN_TEXT("\"delta\":\" you\",\"logprobs\":[]")),
        EVENT("response.output_text.done", "6", IN_TEXT("\"text\":\"Hi you\",\"logprobs\":[]")),
        EVENT("response.content_part.done", "7", IN_TEXT("\"part\":" TEXT_PART("Hi you"))),
        ITEM_EVENT("done", "8", "0", SAID),
        ITEM_EVENT("added", "9", "1", CALL("fc_c1_1", "in_progress", "a", "f", "")),
        EVENT("response.function_call_arguments.delta", "10",
              AT("fc_c1_1", "1", ",\"delta\":\"{\\\"x\\\"\"")),
        ITEM_EVENT("added", "11", "2", CALL("fc_c1_2", "in_progress", "b", "g", "")),
        EVENT("response.function_call_arguments.delta", "12",
              AT("fc_c1_1", "1", ",\"delta\":\":1}\"")),
        EVENT("response.function_call_arguments.done", "13",
              AT("fc_c1_1", "1", ",\"arguments\":\"{\\\"x\\\":1}\"")),
        ITEM_EVENT("done", "14", "1", CALLED_F),
        EVENT("response.function_call_arguments.done", "15",
              AT("fc_c1_2", "2", ",\"arguments\":\"{}\"")),
        ITEM_EVENT("done", "16", "2", CALLED_G),
        EVENT("response.completed", "17",
              ",\"response\":" RESPONSE("c1", "g", "completed", SAID "," CALLED_F "," CALLED_G,
                                        USAGE("10", "4", "5", "2", "15"))));

    (void)state;
    becomes(CHAT, RESPONSES, true, chat_stream(), expected);
}

#define ANTHROPIC(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define BLOCK(at, block)                                                                           \
    ANTHROPIC("content_block_start", ",\"index\":" at ",\"content_block\":" block)
#define PIECE(at, delta) ANTHROPIC("content_block_delta", ",\"index\":" at ",\"delta\":" delta)
#define STOP(at) ANTHROPIC("content_block_stop", ",\"index\":" at)
#define BEGIN                                                                                      \
    ANTHROPIC("message_start", ",\"message\":{\"id\":\"m1\",\"model\":\"c\",\"usage\":{"           \
                               "\"input_tokens\":3,\"output_tokens\":1}}")
#define END(reason)                                                                                \
    ANTHROPIC("message_delta",                                                                     \
              ",\"delta\":{\"stop_reason\":\"" reason "\"},\"usage\":{\"output_tokens\":5}")       \
    ANTHROPIC("message_stop", "")

#define THOUGHT(status, summary, encrypted)                                                        \
    "{\"id\":\"rs_m1_0\",\"type\":\"reasoning\",\"status\":\"" status "\",\"summary\":[" summary   \
    "],\"encrypted_content\":" encrypted "}"
#define SUMMARY(text) "{\"type\":\"summary_text\",\"text\":\"" text "\"}"

static void thinking_becomes_signed_reasoning(void **state)
{
    const char *got = translated(
        MESSAGES, RESPONSES, true,
        JOIN(BEGIN, BLOCK("0", "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}"),
             PIECE("0", "{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}"),
             PIECE("0", "{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}"), STOP("0"),
             BLOCK("1", "{\"type\":\"redacted_thinking\",\"data\":\"ZGF0YQ\"}"), STOP("1"),
             END("end_turn")),
        9);

    (void)state;
    assert_non_null(strstr(got, ITEM_EVENT("added", "2", "0", THOUGHT("in_progress", "", "null"))));
    assert_non_null(
        strstr(got, EVENT("response.reasoning_summary_part.added", "3",
                          AT("rs_m1_0", "0", ",\"summary_index\":0,\"part\":" SUMMARY("")))));
    assert_non_null(
        strstr(got, EVENT("response.reasoning_summary_text.delta", "4",
                          AT("rs_m1_0", "0", ",\"summary_index\":0,\"delta\":\"Hm.\""))));
    assert_non_null(
        strstr(got, ITEM_EVENT("done", "7", "0",
                               THOUGHT("completed", SUMMARY("Hm."), "\"weir.anthropic.c2ln\""))));
    assert_non_null(strstr(got, "\"summary\":[],\"encrypted_content\":\"weir.anthropic.ZGF0YQ\"}"));
    assert_non_null(strstr(got, "event: response.completed\n"));
}

static const char *calls_of_named_tools(const char *input, const char *reason)
{
    return translated(
        MESSAGES, RESPONSES, true,
        JOIN(BEGIN, BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"fs__wait\"}"),
             STOP("0"), BLOCK("1", "{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"fs__exec\"}"),
             input, STOP("1"), reason),
        6);
}

#define SCRIPT(json) PIECE("1", "{\"type\":\"input_json_delta\",\"partial_json\":\"" json "\"}")
#define CUSTOM(status, input)                                                                      \
    "{\"id\":\"ctc_m1_1\",\"type\":\"custom_tool_call\",\"status\":\"" status                      \
    "\",\"call_id\":\"u\",\"name\":\"exec\",\"namespace\":\"fs\",\"input\":\"" input "\"}"

static void tools_get_their_own_names_and_texts_again(void **state)
{
    const char *got = calls_of_named_tools(
        JOIN(SCRIPT("{\\\"input\\\":\\\"say"), SCRIPT(" \\\\\\\"x\\\\\\\"\\\"}")), END("tool_use"));

    (void)state;
    assert_non_null(strstr(got, "\"call_id\":\"t\",\"name\":\"wait\",\"namespace\":\"fs\","
                                "\"arguments\":\"{}\"}"));
    assert_non_null(strstr(got, ITEM_EVENT("added", "5", "1", CUSTOM("in_progress", ""))));
    assert_non_null(strstr(got, EVENT("response.custom_tool_call_input.delta", "6",
                                      AT("ctc_m1_1", "1", ",\"delta\":\"say \\\"x\\\"\""))));
    assert_non_null(strstr(got, EVENT("response.custom_tool_call_input.done", "7",
                                      AT("ctc_m1_1", "1", ",\"input\":\"say \\\"x\\\"\""))));
    assert_non_null(
        strstr(got, ITEM_EVENT("done", "8", "1", CUSTOM("completed", "say \\\"x\\\""))));
    assert_non_null(strstr(got, "," CUSTOM("completed", "say \\\"x\\\"") "],\"usage\""));
}

static void half_a_script_is_left_out(void **state)
{
    const char *got =
        calls_of_named_tools(SCRIPT("{\\\"input\\\":\\\"rm -rf /"), END("max_tokens"));

    (void)state;
    assert_null(strstr(got, "rm -rf"));
    assert_non_null(strstr(got, "event: response.incomplete\n"));
}

static void an_answer_cut_short_is_incomplete(void **state)
{
    const char *got;

    (void)state;
    got = translated(MESSAGES, RESPONSES, true,
                     BEGIN BLOCK("0", "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"}")
                         PIECE("0", "{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\"}")
                             STOP("0") END("max_tokens"),
                     5);
    assert_non_null(strstr(got, CALL("fc_m1_0", "incomplete", "t", "f", "{\\\"a")));
    assert_non_null(strstr(got, "event: response.incomplete\n"));
    assert_non_null(strstr(got, "\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"));
    assert_true(weir_str_is(weir_llm_tap_seen(tap)->finish, "max_tokens"));
}

static void a_cut_of_a_translated_stream_closes_what_is_open(void **state)
{
    struct weir_buf out;
    const char *got;

    (void)state;
    feed(CHAT, RESPONSES, true, CHUNK("\"content\":\"half\"", "null"), 1000);
    weir_buf_init(&out, 1 << 20);
    assert_int_equal(weir_llm_tap_cut(tap, WEIR_STR("Over."), &out), WEIR_OK);
    got = weir_arena_strdup(arena, weir_buf_str(&out));
    weir_buf_fini(&out);
    assert_non_null(strstr(got, MESSAGE("msg_c1_0", "completed", TEXT_PART("half"))));
    assert_non_null(strstr(got, MESSAGE("msg_c1_1", "completed", TEXT_PART("Over."))));
    assert_non_null(strstr(got, "event: response.incomplete\n"));
}

static void refusals_are_told(void **state)
{
    const char *got;

    (void)state;
    got = translated(MESSAGES, RESPONSES, true,
                     BEGIN ANTHROPIC("message_delta",
                                     ",\"delta\":{\"stop_reason\":\"refusal\",\"stop_details\":{"
                                     "\"explanation\":\"No.\"}}") ANTHROPIC("message_stop", ""),
                     1000);
    assert_non_null(strstr(got, "\"content\":[{\"type\":\"refusal\",\"refusal\":\"No.\"}]"));
    assert_non_null(strstr(got, "event: response.completed\n"));
    got = translated(CHAT, RESPONSES, true,
                     CHUNK("\"refusal\":\"No.\"", "null") CHUNK("", "\"stop\"") "data: [DONE]\n\n",
                     1000);
    assert_non_null(strstr(got, "\"type\":\"response.refusal.delta\""));
    assert_non_null(strstr(got, "\"type\":\"response.refusal.done\""));
    got = translated(CHAT, RESPONSES, true,
                     CHUNK("\"content\":\"x\"", "null")
                         CHUNK("", "\"content_filter\"") "data: [DONE]\n\n",
                     1000);
    assert_non_null(strstr(got, "\"incomplete_details\":{\"reason\":\"content_filter\"}"));
}

static void documents_become_responses(void **state)
{
    (void)state;
    becomes(CHAT, RESPONSES, false,
            "{\"id\":\"c1\",\"model\":\"g\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
            "\"assistant\",\"content\":\"Hi\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\","
            "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":"
            "\"tool_calls\"}]," CHAT_USAGE "}",
            RESPONSE("c1", "g", "completed",
                     MESSAGE("msg_c1_0", "completed",
                             TEXT_PART("Hi")) "," CALL("fc_c1_1", "completed", "a", "f", "{}"),
                     USAGE("10", "4", "5", "2", "15")));
}

static void errors_in_a_stream_are_told(void **state)
{
    const char *got;

    (void)state;
    feed(MESSAGES, RESPONSES, true,
         BEGIN ANTHROPIC("error",
                         ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}"),
         1000);
    got = weir_arena_strdup(arena, weir_buf_str(&sent));
    assert_non_null(strstr(got, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,"
                                "\"code\":\"overloaded_error\",\"message\":\"Overloaded\""));
}

/* ---- from a provider of Responses ---- */

#define PART(type, at, rest) EVENT("response." type, "5", ",\"output_index\":" at rest)
#define OWN_USAGE ",\"usage\":" USAGE("10", "4", "6", "2", "16")
#define OWN_START                                                                                  \
    EVENT("response.created", "0",                                                                 \
          ",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt\",\"status\":\"in_progress\","         \
          "\"output\":[],\"error\":null}")
#define OWN_END(type, more)                                                                        \
    EVENT("response." type, "9",                                                                   \
          ",\"response\":{\"id\":\"resp_1\",\"model\":\"gpt\",\"status\":\"" type                  \
          "\",\"error\":null" more OWN_USAGE "}")
#define THINKS                                                                                     \
    "{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":"    \
    "\"Hm.\"}],\"encrypted_content\":\"gAAA\"}"
#define HIDES                                                                                      \
    "{\"id\":\"rs_2\",\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"gBBB\"}"
#define CALLS(arguments)                                                                           \
    "{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"f\","                \
    "\"arguments\":\"" arguments "\"}"

static const char *own_stream(void)
{
    return JOIN(OWN_START,
                PART("output_item.added", "0",
                     ",\"item\":{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[]}"),
                PART("reasoning_summary_part.added", "0", ",\"summary_index\":0,\"part\":{}"),
                PART("reasoning_summary_text.delta", "0", ",\"summary_index\":0,\"delta\":\"Hm.\""),
                PART("output_item.done", "0", ",\"item\":" THINKS),
                PART("output_item.done", "1", ",\"item\":" HIDES),
                PART("output_item.added", "2",
                     ",\"item\":{\"id\":\"m\",\"type\":\"message\",\"content\":[]}"),
                PART("content_part.added", "2", ",\"content_index\":0,\"part\":{}"),
                PART("output_text.delta", "2", ",\"delta\":\"Hi\""),
                PART("output_text.done", "2", ",\"text\":\"Hi\""),
                PART("content_part.done", "2", ",\"part\":{}"),
                PART("output_item.done", "2",
                     ",\"item\":{\"id\":\"m\",\"type\":\"message\",\"content\":[{\"type\":"
                     "\"output_text\",\"text\":\"Hi\"}]}"),
                PART("output_item.added", "3", ",\"item\":" CALLS("")),
                PART("function_call_arguments.delta", "3", ",\"delta\":\"{}\""),
                PART("function_call_arguments.done", "3", ",\"arguments\":\"{}\""),
                PART("output_item.done", "3", ",\"item\":" CALLS("{}")), OWN_END("completed", ""));
}

#define OUT(delta)                                                                                 \
    "data: {\"id\":\"resp_1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":"       \
    "\"gpt\",\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}]}\n\n"

static void events_become_chat_chunks(void **state)
{
    const char *expected = JOIN(
        OUT("\"role\":\"assistant\",\"content\":\"\""), OUT("\"reasoning_content\":\"Hm.\""),
        OUT("\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"Hm.\",\"signature\":"
            "\"weir.openaiResponses.rs_1.gAAA\"}]"),
        OUT("\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":"
            "\"weir.openaiResponses.rs_2.gBBB\"}]"),
        OUT("\"content\":\"Hi\""),
        OUT("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{"
            "\"name\":\"f\",\"arguments\":\"\"}}]"),
        OUT("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]"),
        "data: {\"id\":\"resp_1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":"
        "\"gpt\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
        "data: [DONE]\n\n");

    (void)state;
    becomes(RESPONSES, CHAT, true, own_stream(), expected);
}

static void events_become_message_events(void **state)
{
    const char *got;

    (void)state;
    got = translated(RESPONSES, MESSAGES, true, own_stream(), 11);
    assert_non_null(strstr(got, "\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm.\"}"));
    assert_non_null(strstr(got, "\"signature\":\"weir.openaiResponses.rs_1.gAAA\""));
    assert_non_null(strstr(got, "{\"type\":\"redacted_thinking\",\"data\":"
                                "\"weir.openaiResponses.rs_2.gBBB\"}"));
    assert_non_null(
        strstr(got, "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{}}"));
    assert_non_null(strstr(got, "\"stop_reason\":\"tool_use\""));
    assert_non_null(strstr(got, "\"input_tokens\":6,\"cache_creation_input_tokens\":0,"
                                "\"cache_read_input_tokens\":4,\"output_tokens\":6"));
}

static void items_that_come_at_once_are_read(void **state)
{
    const char *got = translated(RESPONSES, MESSAGES, true,
                                 OWN_START PART("output_item.done", "0", ",\"item\":" THINKS)
                                     PART("output_item.done", "1", ",\"item\":" CALLS("{}"))
                                         OWN_END("completed", ""),
                                 1000);

    (void)state;
    assert_non_null(strstr(got, "\"thinking\":\"Hm.\""));
    assert_non_null(strstr(got, "\"partial_json\":\"{}\""));
}

static void an_incomplete_answer_says_why(void **state)
{
    (void)state;
    assert_non_null(strstr(
        translated(RESPONSES, MESSAGES, true,
                   OWN_START OWN_END("incomplete",
                                     ",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}"),
                   1000),
        "\"stop_reason\":\"max_tokens\""));
    assert_non_null(strstr(
        translated(RESPONSES, CHAT, true,
                   OWN_START OWN_END("incomplete",
                                     ",\"incomplete_details\":{\"reason\":\"content_filter\"}"),
                   1000),
        "\"finish_reason\":\"content_filter\""));
}

static void a_failed_answer_is_an_error_of_the_client(void **state)
{
    (void)state;
    feed(RESPONSES, MESSAGES, true,
         OWN_START EVENT("response.failed", "1",
                         ",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{"
                         "\"code\":\"rate_limit_exceeded\",\"message\":\"Slow down.\"}}"),
         1000);
    assert_non_null(strstr(weir_arena_strdup(arena, weir_buf_str(&sent)),
                           "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
                           "\"message\":\"Slow down.\",\"code\":\"rate_limit_exceeded\"}"));
}

static void responses_become_documents(void **state)
{
    static const char text[] =
        "{\"id\":\"resp_1\",\"object\":\"response\",\"model\":\"gpt\",\"status\":\"completed\","
        "\"error\":null,\"output\":[" THINKS ",{\"id\":\"m\",\"type\":\"message\",\"content\":[{"
        "\"type\":\"output_text\",\"text\":\"Hi\"},{\"type\":\"refusal\",\"refusal\":\"No.\"}]}"
        "," CALLS("{\\\"x\\\":1}") "]" OWN_USAGE "}";

    (void)state;
    becomes(RESPONSES, CHAT, false, text,
            "{\"id\":\"resp_1\",\"object\":\"chat.completion\",\"created\":7,\"model\":\"gpt\","
            "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\","
            "\"refusal\":\"No.\",\"reasoning_content\":\"Hm.\",\"reasoning_details\":[{\"type\":"
            "\"reasoning.text\",\"text\":\"Hm.\",\"signature\":"
            "\"weir.openaiResponses.rs_1.gAAA\"}],\"tool_calls\":[{\"id\":\"a\",\"type\":"
            "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]},"
            "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":10,"
            "\"completion_tokens\":6,\"total_tokens\":16,\"prompt_tokens_details\":{"
            "\"cached_tokens\":4},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}");
    assert_non_null(
        strstr(translated(RESPONSES, MESSAGES, false, text, 1000),
               "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":{\"x\":1}}"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chat_chunks_become_events),
        TEST(thinking_becomes_signed_reasoning),
        TEST(tools_get_their_own_names_and_texts_again),
        TEST(half_a_script_is_left_out),
        TEST(an_answer_cut_short_is_incomplete),
        TEST(a_cut_of_a_translated_stream_closes_what_is_open),
        TEST(refusals_are_told),
        TEST(documents_become_responses),
        TEST(errors_in_a_stream_are_told),
        TEST(events_become_chat_chunks),
        TEST(events_become_message_events),
        TEST(items_that_come_at_once_are_read),
        TEST(an_incomplete_answer_says_why),
        TEST(a_failed_answer_is_an_error_of_the_client),
        TEST(responses_become_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
