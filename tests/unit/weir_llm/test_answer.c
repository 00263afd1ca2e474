#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/llm/llm.h"
#include "tests/unit/weir_llm/answer_fixture.h"

#define CHUNK(delta, rest)                                                                         \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m-1\","   \
    "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}]" rest "}\n\n"
#define CHAT_USAGE                                                                                 \
    "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5," \
    "\"total_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":4},"                         \
    "\"completion_tokens_details\":{\"reasoning_tokens\":2}}}\n\n"
#define CHAT_DONE "data: [DONE]\n\n"

static const char chat_text[] = CHUNK("\"role\":\"assistant\",\"content\":\"\"", "")
    CHUNK("\"content\":\"hell\\u00f6\"", "") ": ping\r\n\r\n" CHUNK(
        "\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\",\"arguments\":\"{}"
        "\"}}]",
        "") "data:{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";

#define EVENT(name, rest) "event: " name "\ndata: {\"type\":\"" name "\"" rest "}\n\n"

static const char messages_text[] = EVENT(
    "message_start",
    ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],"
    "\"model\":"
    "\"claude-x\",\"usage\":{\"input_tokens\":10,\"cache_creation_input_tokens\":30,"
    "\"cache_read_input_tokens\":200,\"cache_creation\":{\"ephemeral_5m_input_tokens\":20,"
    "\"ephemeral_1h_input_tokens\":10},\"output_tokens\":1}}")
    EVENT("content_block_start",
          ",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}") EVENT("ping",
                                                                                            "")
        EVENT("content_block_delta",
              ",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"abcd\"}")
            EVENT("content_block_stop", ",\"index\":0")
                EVENT("content_block_start",
                      ",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
                    EVENT("content_block_delta",
                          ",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}");
static const char messages_end[] = EVENT("content_block_stop", ",\"index\":1")
    EVENT("message_delta",
          ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":"
          "{\"input_tokens\":12,\"cache_creation_input_tokens\":30,"
          "\"cache_read_input_tokens\":200,\"output_tokens\":50}") EVENT("message_stop", "");

static struct weir_llm_tap *stream(enum weir_dialect d, bool hide)
{
    struct weir_llm_tap_conf conf = {.dialect = d,
                                     .event_stream = true,
                                     .hide_usage = hide,
                                     .client_usage = !hide,
                                     .input_estimate = 77};

    weir_buf_clear(&sent);
    return weir_llm_tap_create(arena, &conf);
}

static void feed(struct weir_llm_tap *t, const char *text)
{
    assert_int_equal(weir_llm_tap_feed(t, text, strlen(text), sink, NULL), WEIR_OK);
}

static void a_chat_stream_cut_at_any_byte_is_read_and_its_added_usage_taken_out(void **state)
{
    char whole[4096], want[4096];
    size_t n;

    (void)state;
    n = (size_t)snprintf(whole, sizeof(whole), "%s%s%s", chat_text, CHAT_USAGE, CHAT_DONE);
    snprintf(want, sizeof(want), "%s%s", chat_text, CHAT_DONE);
    for (size_t cut = 0; cut <= n; cut++) {
        struct weir_llm_tap *t = stream(WEIR_DIALECT_OPENAI_CHAT, true);
        const struct weir_llm_seen *s = weir_llm_tap_seen(t);

        assert_int_equal(weir_llm_tap_feed(t, whole, cut, sink, NULL), WEIR_OK);
        assert_int_equal(weir_llm_tap_feed(t, whole + cut, n - cut, sink, NULL), WEIR_OK);
        assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
        assert_int_equal(sent.n, strlen(want));
        assert_memory_equal(sent.p, want, sent.n);
        assert_true(s->complete);
        assert_int_equal(s->usage.input, 10);
        assert_int_equal(s->usage.output, 5);
        assert_int_equal(s->usage.cache_read, 4);
        assert_int_equal(s->usage.reasoning, 2);
        assert_int_equal(s->content_events, 2);
        assert_int_equal(s->output_bytes, 6 + 3);
        assert_int_equal(s->output_estimate, 2 + 1);
        assert_true(weir_str_is(s->model, "m-1"));
        assert_true(weir_str_is(s->finish, "stop"));
    }
}

static void usage_in_a_frame_with_choices_counts_and_the_last_one_wins(void **state)
{
    struct weir_llm_tap *t = stream(WEIR_DIALECT_OPENAI_CHAT, true);
    struct weir_usage u;

    (void)state;
    feed(t, CHUNK("\"content\":\"a\"", ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1}"));
    feed(t, CHUNK("\"content\":\"b\"", ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":9}"));
    feed(t, CHUNK("\"content\":\"c\"", ",\"usage\":null"));
    feed(t, CHAT_DONE);
    assert_non_null(strstr(sent.p, "\"completion_tokens\":9"));
    weir_llm_tap_usage(t, &u);
    assert_int_equal(u.input, 3);
    assert_int_equal(u.output, 9);
    assert_false(u.estimated);
}

static void zero_usage_is_an_answer_and_absent_usage_is_estimated(void **state)
{
    struct weir_llm_tap *t = stream(WEIR_DIALECT_OPENAI_CHAT, false);
    struct weir_usage u;

    (void)state;
    feed(t, CHUNK("\"content\":\"a\"", ""));
    feed(t, CHUNK("\"content\":\"abcde\"", ""));
    weir_llm_tap_usage(t, &u);
    assert_true(u.estimated);
    assert_int_equal(u.input, 77);
    assert_int_equal(u.output, 3);
    feed(t, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n");
    feed(t, CHAT_DONE);
    weir_llm_tap_usage(t, &u);
    assert_false(u.estimated);
    assert_int_equal(u.input, 0);
    assert_int_equal(u.output, 0);
}

static void message_start_and_message_delta_are_merged_and_not_added(void **state)
{
    struct weir_llm_tap *t = stream(WEIR_DIALECT_ANTHROPIC_MESSAGES, false);
    const struct weir_llm_seen *s = weir_llm_tap_seen(t);

    (void)state;
    feed(t, messages_text);
    assert_int_equal(s->usage.input, 240);
    assert_int_equal(s->content_events, 2);
    feed(t, messages_end);
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    assert_int_equal(s->usage.input, 242);
    assert_int_equal(s->usage.output, 50);
    assert_int_equal(s->usage.cache_read, 200);
    assert_int_equal(s->usage.cache_write, 20);
    assert_int_equal(s->usage.cache_write_1h, 10);
    assert_true(weir_str_is(s->model, "claude-x"));
    assert_true(weir_str_is(s->finish, "end_turn"));
    assert_int_equal(sent.n, strlen(messages_text) + strlen(messages_end));
}

static void a_stream_that_ends_early_is_told_from_a_whole_one(void **state)
{
    struct weir_llm_tap *t = stream(WEIR_DIALECT_OPENAI_CHAT, false);

    (void)state;
    feed(t, chat_text);
    feed(t, "data: {\"half");
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_ECLOSED);
    assert_int_equal(sent.n, strlen(chat_text));
    t = stream(WEIR_DIALECT_OPENAI_CHAT, false);
    feed(t, "data: [DONE]");
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    assert_memory_equal(sent.p, "data: [DONE]\n\n", sent.n);
}

static void an_event_beyond_the_limit_is_refused(void **state)
{
    struct weir_llm_tap_conf conf = {
        .dialect = WEIR_DIALECT_OPENAI_CHAT, .event_stream = true, .max_event_bytes = 64};
    struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);
    char big[200];

    (void)state;
    memset(big, 'x', sizeof(big));
    assert_int_equal(weir_llm_tap_feed(t, big, sizeof(big), sink, NULL), WEIR_ELIMIT);
}

static void a_cut_ends_a_messages_stream_with_its_open_block(void **state)
{
    struct weir_llm_tap *t = stream(WEIR_DIALECT_ANTHROPIC_MESSAGES, false), *again;

    (void)state;
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR("x"), &sent), WEIR_ESTATE);
    feed(t, messages_text);
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR("budget \"b\" is used up"), &sent), WEIR_OK);
    assert_non_null(strstr(sent.p, "{\"type\":\"content_block_stop\",\"index\":1}"));
    assert_non_null(strstr(sent.p, "budget \\\"b\\\" is used up"));
    assert_non_null(strstr(sent.p, "\"stop_reason\":\"max_tokens\""));
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR("x"), &sent), WEIR_ESTATE);
    /* What the client got is a whole stream by the same reader. */
    {
        char *copy = weir_arena_strdup(arena, weir_buf_str(&sent));

        again = stream(WEIR_DIALECT_ANTHROPIC_MESSAGES, false);
        feed(again, copy);
        assert_int_equal(weir_llm_tap_end(again, sink, NULL), WEIR_OK);
        assert_true(weir_str_is(weir_llm_tap_seen(again)->finish, "max_tokens"));
    }
}

static void a_cut_ends_a_chat_stream_with_usage_only_for_who_asked(void **state)
{
    (void)state;
    for (int hide = 0; hide < 2; hide++) {
        struct weir_llm_tap *t = stream(WEIR_DIALECT_OPENAI_CHAT, hide);

        feed(t, CHUNK("\"content\":\"abc\"", ""));
        assert_int_equal(weir_llm_tap_cut(t, WEIR_STR("used up"), &sent), WEIR_OK);
        weir_buf_add(&sent, "", 1);
        assert_non_null(strstr(sent.p, "\"content\":\"used up\"},\"finish_reason\":\"length\""));
        assert_non_null(strstr(sent.p, "data: [DONE]\n\n"));
        assert_int_equal(strstr(sent.p, "\"usage\"") == NULL, hide);
    }
}

static void whole_documents_tell_usage_in_either_dialect(void **state)
{
    static const char chat[] =
        "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\","
        "\"content\":\"hi\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,"
        "\"completion_tokens\":50,\"prompt_tokens_details\":{\"cached_tokens\":0}}}";
    static const char messages[] =
        "{\"type\":\"message\",\"model\":\"c\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}],"
        "\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":60,\"cache_read_input_tokens\":"
        "40,"
        "\"cache_creation_input_tokens\":null,\"output_tokens\":50,\"output_tokens_details\":"
        "{\"thinking_tokens\":20}}}";
    struct weir_llm_tap_conf conf = {.dialect = WEIR_DIALECT_OPENAI_CHAT};
    struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);
    struct weir_usage u;

    (void)state;
    for (size_t i = 0; i < sizeof(chat) - 1; i++)
        assert_int_equal(weir_llm_tap_feed(t, chat + i, 1, sink, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    weir_llm_tap_usage(t, &u);
    assert_int_equal(u.input + u.output, 150);
    assert_int_equal(u.cache_read, 0);
    assert_int_equal(u.cache_write, -1);
    conf.dialect = WEIR_DIALECT_ANTHROPIC_MESSAGES;
    t = weir_llm_tap_create(arena, &conf);
    feed(t, messages);
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    weir_llm_tap_usage(t, &u);
    assert_int_equal(u.input + u.output, 150);
    assert_int_equal(u.cache_read, 40);
    assert_int_equal(u.reasoning, 20);
}

static void an_error_answer_is_seen_and_costs_nothing(void **state)
{
    struct weir_llm_tap_conf conf = {.dialect = WEIR_DIALECT_ANTHROPIC_MESSAGES,
                                     .input_estimate = 9};
    struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);
    struct weir_usage u;

    (void)state;
    feed(t, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Over\"}}");
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
    assert_true(weir_llm_tap_seen(t)->error);
    assert_true(weir_str_is(weir_llm_tap_seen(t)->error_type, "overloaded_error"));
    weir_llm_tap_usage(t, &u);
    assert_int_equal(u.input + u.output, 0);
    t = stream(WEIR_DIALECT_ANTHROPIC_MESSAGES, false);
    feed(t, EVENT("error", ",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}"));
    assert_true(weir_llm_tap_seen(t)->error);
    assert_int_equal(weir_llm_tap_end(t, sink, NULL), WEIR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chat_stream_cut_at_any_byte_is_read_and_its_added_usage_taken_out),
        cmocka_unit_test(usage_in_a_frame_with_choices_counts_and_the_last_one_wins),
        cmocka_unit_test(zero_usage_is_an_answer_and_absent_usage_is_estimated),
        cmocka_unit_test(message_start_and_message_delta_are_merged_and_not_added),
        cmocka_unit_test(a_stream_that_ends_early_is_told_from_a_whole_one),
        cmocka_unit_test(an_event_beyond_the_limit_is_refused),
        cmocka_unit_test(a_cut_ends_a_messages_stream_with_its_open_block),
        cmocka_unit_test(a_cut_ends_a_chat_stream_with_usage_only_for_who_asked),
        cmocka_unit_test(whole_documents_tell_usage_in_either_dialect),
        cmocka_unit_test(an_error_answer_is_seen_and_costs_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
