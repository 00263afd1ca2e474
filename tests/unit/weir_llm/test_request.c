#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dataplane/llm/llm.h"

static struct weir_arena *arena;
static struct weir_llm_call call;
static struct weir_err err;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_arena_destroy(arena);
    return 0;
}

static int chat(const char *body)
{
    return weir_llm_decode(&(struct weir_llm_endpoint){.dialect = WEIR_DIALECT_OPENAI_CHAT},
                           weir_str_of(body), arena, &call, &err);
}

static int messages(const char *body)
{
    return weir_llm_decode(&(struct weir_llm_endpoint){.dialect = WEIR_DIALECT_ANTHROPIC_MESSAGES},
                           weir_str_of(body), arena, &call, &err);
}

static struct weir_str edited(const char *body, struct weir_llm_edits edits)
{
    struct weir_llm_pieces pieces;
    struct weir_buf b;
    struct weir_str out;

    weir_llm_edit(&call, weir_str_of(body), &edits, arena, &pieces);
    weir_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    assert_int_equal(pieces.bytes, b.n);
    out = (struct weir_str){weir_arena_strdup(arena, weir_buf_str(&b)), b.n};
    weir_buf_fini(&b);
    return out;
}

static void a_chat_request_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        chat("{\"model\":\"gpt-\\u0034o\",\"stream\":true,\"max_tokens\":5,"
             "\"max_completion_tokens\":7,\"n\":2,\"messages\":[{\"role\":\"user\",\"content\":"
             "\"hi\"},"
             "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
             "\"data:image/png;base64,AAAA\"}},{\"type\":\"file\",\"file\":{\"file_id\":\"f\"}}]}],"
             "\"tools\":[{},{}],\"stream_options\":{\"include_usage\":true},\"user\":\"u\","
             "\"prompt_cache_key\":\"s\",\"unknown\":{\"x\":[1]}}"),
        WEIR_OK);
    assert_true(weir_str_is(call.model, "gpt-4o"));
    assert_true(call.stream);
    assert_true(call.asks_usage);
    assert_int_equal(call.max_output_tokens, 7);
    assert_int_equal(call.n, 2);
    assert_int_equal(call.messages, 2);
    assert_int_equal(call.tools, 2);
    assert_int_equal(call.images, 1);
    assert_int_equal(call.files, 1);
    assert_true(weir_str_is(call.user, "u"));
    assert_true(weir_str_is(call.session, "s"));
    assert_true(call.input_bound > 8192 + 100000);
}

static void a_messages_request_is_read(void **state)
{
    (void)state;
    assert_int_equal(
        messages(
            "{\"model\":\"claude-x\",\"max_tokens\":100,\"system\":[{\"type\":\"text\","
            "\"text\":\"s\"}],\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":"
            "\"user\",\"content\":[{\"type\":\"tool_result\",\"content\":[{\"type\":\"image\","
            "\"source\":{\"type\":\"base64\",\"data\":\"AAAA\"}}]}]}],\"metadata\":{\"user_id\":"
            "\"{\\\"session_id\\\":\\\"abc\\\"}\"},\"thinking\":{\"type\":\"adaptive\"}}"),
        WEIR_OK);
    assert_false(call.stream);
    assert_int_equal(call.max_output_tokens, 100);
    assert_int_equal(call.images, 1);
    assert_true(weir_str_is(call.session, "abc"));
}

static void a_large_inline_image_counts_by_the_bound_and_not_by_its_bytes(void **state)
{
    static char body[200000];
    int n = snprintf(body, sizeof(body),
                     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
                     "\"image\",\"source\":{\"type\":\"base64\",\"data\":\"");

    (void)state;
    memset(body + n, 'A', 150000);
    strcpy(body + n + 150000, "\"}}]}]}");
    assert_int_equal(messages(body), WEIR_OK);
    assert_true(call.input_bound < 10000);
    assert_true(call.input_bound > 8192);
}

static void two_readers_can_never_see_two_models(void **state)
{
    (void)state;
    assert_int_equal(chat("{\"model\":\"a\",\"model\":\"b\",\"messages\":[]}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"m\\u006fdel\":\"b\",\"messages\":[]}"), WEIR_EINVAL);
    assert_int_equal(err.http_status, 400);
    assert_non_null(strstr(err.detail, "twice"));
    assert_int_equal(chat("{\"model\":\"a\",\"stream_options\":{\"include_usage\":true,"
                          "\"include_usage\":false}}"),
                     WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"x\":1,\"x\":2}"), WEIR_OK);
}

static void malformed_bodies_are_refused_with_the_position(void **state)
{
    (void)state;
    assert_int_equal(chat("{\"model\":\"a\",,}"), WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "at byte 13"));
    assert_int_equal(chat(""), WEIR_EINVAL);
    assert_int_equal(chat("[]"), WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "JSON object"));
    assert_int_equal(chat("{\"messages\":[]}"), WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "missing"));
    assert_int_equal(chat("{\"model\":1}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"\"}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"stream\":\"yes\"}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"max_tokens\":1.5}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"max_tokens\":-1}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"n\":0}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\"} x"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"messages\":{}}"), WEIR_EINVAL);
    assert_int_equal(chat("{\"model\":\"a\",\"max_tokens\":null,\"stream\":null,\"n\":null}"),
                     WEIR_OK);
    assert_int_equal(call.max_output_tokens, -1);
}

static void usage_is_asked_for_wherever_stream_options_stands(void **state)
{
    static const struct {
        const char *body, *want;
    } cases[] = {
        {"{\"model\":\"a\",\"stream\":true}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"a\",\"stream\":true}"},
        {"{\"model\":\"a\",\"stream\":true,\"stream_options\":null }",
         "{\"model\":\"a\",\"stream\":true,\"stream_options\":{\"include_usage\":true} }"},
        {"{\"model\":\"a\",\"stream\":true,\"stream_options\":{ }}",
         "{\"model\":\"a\",\"stream\":true,\"stream_options\":{\"include_usage\":true }}"},
        {"{\"model\":\"a\",\"stream\":true,\"stream_options\":{\"x\":1}}",
         "{\"model\":\"a\",\"stream\":true,\"stream_options\":{\"include_usage\":true,\"x\":1}}"},
        {"{\"model\":\"a\",\"stream_options\":{\"include_usage\":false},\"stream\":true}",
         "{\"model\":\"a\",\"stream_options\":{\"include_usage\":true},\"stream\":true}"},
        {"{\"model\":\"a\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", NULL},
        {"{\"model\":\"a\",\"stream\":false}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(chat(cases[i].body), WEIR_OK);
        assert_string_equal(edited(cases[i].body, (struct weir_llm_edits){.ask_usage = true}).p,
                            cases[i].want ? cases[i].want : cases[i].body);
    }
}

static void the_model_and_the_limit_are_spliced_and_nothing_else(void **state)
{
    const char *body = " {\"max_tokens\" : 900 , \"model\":\"a\",\"x\":\"\\u00e9\"}";
    struct weir_llm_edits e = {.model = WEIR_STR("b\"c"), .max_output_tokens = 50};

    (void)state;
    assert_int_equal(messages(body), WEIR_OK);
    assert_string_equal(edited(body, e).p,
                        " {\"max_tokens\" : 50 , \"model\":\"b\\\"c\",\"x\":\"\\u00e9\"}");
    e = (struct weir_llm_edits){.max_output_tokens = 900};
    assert_string_equal(edited(body, e).p, body);
    body = "{\"model\":\"a\"}";
    assert_int_equal(chat(body), WEIR_OK);
    e.max_output_tokens = 9;
    assert_string_equal(edited(body, e).p, "{\"max_completion_tokens\":9,\"model\":\"a\"}");
    e.older_limit = true;
    assert_string_equal(edited(body, e).p, "{\"max_tokens\":9,\"model\":\"a\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chat_request_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_messages_request_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_large_inline_image_counts_by_the_bound_and_not_by_its_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(two_readers_can_never_see_two_models, setup, teardown),
        cmocka_unit_test_setup_teardown(malformed_bodies_are_refused_with_the_position, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(usage_is_asked_for_wherever_stream_options_stands, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_model_and_the_limit_are_spliced_and_nothing_else, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
