/* test_cohere.c - what Cohere's chat is sent, and what its answers say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/llm/endpoint.h"
#include "dataplane/llm/translate.h"
#include "tests/unit/weir_llm/answer_fixture.h"

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define TOOL(name, more)                                                                           \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"parameters\":{}" more "}}"

/* Fields of a chat request, the body for a target without a limit, and what is dropped. */
static void becomes(const char *fields, const char *expected, const char *dropped)
{
    struct weir_str body = weir_str_of(weir_arena_printf(arena, "{\"model\":\"m\",%s}", fields));
    const struct weir_llm_endpoint from = {.dialect = WEIR_DIALECT_OPENAI_CHAT};
    struct weir_llm_translation made;
    struct weir_llm_pieces pieces;
    struct weir_llm_call call;
    struct weir_err err;

    assert_int_equal(weir_llm_decode(&from, body, arena, &call, &err), WEIR_OK);
    assert_int_equal(
        weir_llm_translate(&call, body, WEIR_DIALECT_COHERE, false, arena, &made, &err), WEIR_OK);
    weir_llm_translated(&made, WEIR_STR("m"), 0, false, arena, &pieces);
    weir_buf_clear(&sent);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&sent, pieces.piece[i]);
    assert_string_equal(weir_arena_strdup(arena, weir_buf_str(&sent)),
                        weir_arena_printf(arena, "{\"model\":\"m\",%s}", expected));
    assert_string_equal(made.dropped.p ? weir_arena_strdup(arena, made.dropped) : "", dropped);
    weir_buf_fini(&made.rest);
}

static void a_tool_that_is_named_is_the_only_one_offered(void **state)
{
    (void)state;
    becomes(HI ",\"tools\":[" TOOL("f", "") "," TOOL(
                "g", "") "],\"tool_choice\":{\"type\":"
                         "\"function\",\"function\":{\"name\":\"g\"}}",
            HI ",\"tools\":[" TOOL("g", "") "],\"tool_choice\":\"REQUIRED\"", "");
    becomes(HI ",\"tools\":[" TOOL("f", "") "],\"tool_choice\":\"none\"",
            HI ",\"tools\":[" TOOL("f", "") "],\"tool_choice\":\"NONE\"", "");
    becomes(HI ",\"tools\":[" TOOL("f", "") "],\"tool_choice\":\"auto\"",
            HI ",\"tools\":[" TOOL("f", "") "]", "");
}

static void tools_are_strict_all_or_none(void **state)
{
    (void)state;
    becomes(HI ",\"tools\":[" TOOL("f", ",\"strict\":true") "," TOOL("g", ",\"strict\":true") "]",
            HI ",\"tools\":[" TOOL("f", "") "," TOOL("g", "") "],\"strict_tools\":true", "");
    becomes(HI ",\"tools\":[" TOOL("f", ",\"strict\":true") "," TOOL("g", "") "]",
            HI ",\"tools\":[" TOOL("f", "") "," TOOL("g", "") "]", "tools.strict");
}

static void results_are_documents(void **state)
{
#define CALL(id)                                                                                   \
    "{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}"
#define RESULT(id, content)                                                                        \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" content "\"}"
#define DOCUMENT(id, data)                                                                         \
    "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":[{\"type\":\"document\","          \
    "\"document\":{\"data\":" data "}}]}"
    (void)state;
    becomes(
        "\"messages\":[{\"role\":\"assistant\",\"content\":\"Wait.\",\"tool_calls\":[" CALL(
            "a") "," CALL("b") "]}," RESULT("a", "{\\\"m\\\":3}") "," RESULT("b", "3 m") "]",
        "\"messages\":[{\"role\":\"assistant\",\"tool_plan\":\"Wait.\",\"tool_calls\":[" CALL(
            "a") "," CALL("b") "]}," DOCUMENT("a",
                                              "{\"m\":3}") "," DOCUMENT("b",
                                                                        "{\"text\":\"3 m\"}") "]",
        "");
}

static void bounds_of_its_own_are_kept(void **state)
{
    (void)state;
    becomes(HI ",\"top_p\":1,\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]",
            HI ",\"p\":0.99,\"stop_sequences\":[\"a\",\"b\",\"c\",\"d\",\"e\"]", "stop");
    becomes(HI ",\"reasoning_effort\":\"none\"", HI ",\"thinking\":{\"type\":\"disabled\"}", "");
    becomes(HI ",\"reasoning_effort\":\"low\",\"seed\":7",
            HI ",\"thinking\":{\"type\":\"enabled\",\"token_budget\":1024}", "seed");
    becomes(HI ",\"response_format\":{\"type\":\"json_object\"}",
            HI ",\"response_format\":{\"type\":\"json_object\"}", "");
}

static struct weir_llm_tap *answer(bool stream, const char *text)
{
    const struct weir_llm_tap_conf conf = {.dialect = WEIR_DIALECT_COHERE,
                                           .client = WEIR_DIALECT_OPENAI_CHAT,
                                           .status = 200,
                                           .asked_model = WEIR_STR("m"),
                                           .event_stream = stream};
    struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);

    weir_buf_clear(&sent);
    for (const char *p = text; *p; p++)
        assert_int_equal(weir_llm_tap_feed(t, p, 1, sink, NULL), WEIR_OK);
    return t;
}

#define DOC(finish, usage)                                                                         \
    "{\"id\":\"c\",\"finish_reason\":\"" finish "\",\"message\":{\"role\":\"assistant\","          \
    "\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]},\"usage\":{" usage "}}"

static void the_tokens_count_and_what_is_billed_stands_in_for_them(void **state)
{
    struct weir_usage u;

    (void)state;
    weir_llm_tap_usage(
        answer(false, DOC("COMPLETE", "\"billed_units\":{\"input_tokens\":5,\"output_tokens\":3},"
                                      "\"tokens\":{\"input_tokens\":70,\"output_tokens\":4},"
                                      "\"cached_tokens\":2")),
        &u);
    assert_int_equal(u.input, 70);
    assert_int_equal(u.output, 4);
    assert_int_equal(u.cache_read, 2);
    weir_llm_tap_usage(answer(false, DOC("COMPLETE", "\"billed_units\":{\"input_tokens\":5,"
                                                     "\"output_tokens\":3},\"tokens\":null")),
                       &u);
    assert_int_equal(u.input, 5);
    assert_int_equal(u.output, 3);
    assert_false(u.estimated);
}

static void an_answer_that_failed_is_none(void **state)
{
    struct weir_llm_tap *t = answer(false, DOC("ERROR", ""));

    (void)state;
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    assert_true(weir_llm_tap_seen(t)->error);
    assert_non_null(
        memmem(sent.p, sent.n, "\"error\":{\"message\":\"The generation failed.\"", 43));
    t = answer(true, "data: {\"type\":\"message-start\",\"id\":\"c\"}\n\n"
                     "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\","
                     "\"error\":\"no room\"}}\n\n");
    assert_true(weir_llm_tap_seen(t)->error && !weir_llm_tap_seen(t)->complete);
    assert_non_null(memmem(sent.p, sent.n, "no room", 7));
}

static void an_error_is_a_text_where_an_answer_is_an_object(void **state)
{
    struct weir_llm_tap *t = answer(false, "{\"id\":\"e\",\"message\":\"invalid api token\"}");

    (void)state;
    assert_true(weir_llm_tap_seen(t)->error);
    assert_true(weir_str_is(weir_llm_tap_seen(t)->error_message, "invalid api token"));
    t = answer(false, DOC("COMPLETE", ""));
    assert_false(weir_llm_tap_seen(t)->error);
    assert_true(weir_llm_tap_seen(t)->output_bytes > 0);
}

static void a_stream_is_cut_in_the_clients_dialect(void **state)
{
    struct weir_llm_tap *t =
        answer(true, "data: {\"type\":\"message-start\",\"id\":\"c\"}\n\n"
                     "data: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
                     "\"content\":{\"text\":\"hello\"}}}}\n\n");

    (void)state;
    assert_int_equal(weir_llm_tap_seen(t)->output_bytes, 5);
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR("Enough."), &sent), WEIR_OK);
    assert_non_null(memmem(sent.p, sent.n, "\"finish_reason\":\"length\"", 24));
    assert_non_null(memmem(sent.p, sent.n, "[DONE]", 6));
}

static void it_is_no_api_of_clients(void **state)
{
    struct weir_llm_endpoint e = {.dialect = WEIR_DIALECT_COHERE, .operation = WEIR_OP_GENERATE};

    (void)state;
    assert_string_equal(weir_llm_endpoint_path(&e, WEIR_STR(""), arena).p, "/v2/chat");
    assert_string_equal(weir_llm_endpoint_path(&e, WEIR_STR("/base/v2"), arena).p, "/base/v2/chat");
    assert_int_equal(weir_llm_endpoint_find(WEIR_HTTP_POST, WEIR_STR("/v2/chat"), arena, &e),
                     WEIR_ENOTFOUND);
    assert_false(weir_dialect_translates(WEIR_DIALECT_COHERE));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tool_that_is_named_is_the_only_one_offered),
        TEST(tools_are_strict_all_or_none),
        TEST(results_are_documents),
        TEST(bounds_of_its_own_are_kept),
        TEST(the_tokens_count_and_what_is_billed_stands_in_for_them),
        TEST(an_answer_that_failed_is_none),
        TEST(an_error_is_a_text_where_an_answer_is_an_object),
        TEST(a_stream_is_cut_in_the_clients_dialect),
        TEST(it_is_no_api_of_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
