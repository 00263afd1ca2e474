/* test_converse.c - what a Bedrock provider is sent, and what its figures mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/llm/endpoint.h"
#include "dataplane/llm/translate.h"
#include "http/eventstream.h"

static struct weir_arena *arena;

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

#define HI "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define HI_OUT "\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}],"
#define LIMIT "\"inferenceConfig\":{\"maxTokens\":9}}"

/* Fields of a chat request, the body for a target with limit 9, and what is dropped. */
static void becomes(const char *fields, const char *expected, const char *dropped)
{
    struct weir_str body = weir_str_of(weir_arena_printf(arena, "{\"model\":\"m\",%s}", fields));
    const struct weir_llm_endpoint from = {.dialect = WEIR_DIALECT_OPENAI_CHAT};
    struct weir_llm_translation made;
    struct weir_llm_pieces pieces;
    struct weir_llm_call call;
    struct weir_err err;
    struct weir_buf whole;

    assert_int_equal(weir_llm_decode(&from, body, arena, &call, &err), WEIR_OK);
    assert_int_equal(
        weir_llm_translate(&call, body, WEIR_DIALECT_BEDROCK, false, arena, &made, &err), WEIR_OK);
    weir_llm_translated(&made, WEIR_STR("never in the body"), 9, false, arena, &pieces);
    weir_buf_init(&whole, 1 << 20);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&whole, pieces.piece[i]);
    assert_string_equal(weir_arena_strdup(arena, weir_buf_str(&whole)), expected);
    assert_string_equal(made.dropped.p ? weir_arena_strdup(arena, made.dropped) : "", dropped);
    weir_buf_fini(&whole);
    weir_buf_fini(&made.rest);
}

static void neighbours_of_one_role_become_one_message(void **state)
{
    (void)state;
    becomes(
        "\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
        "\"a\"},{\"role\":\"user\",\"content\":\"b\"},{\"role\":\"assistant\",\"content\":\"c\"}]",
        "{\"system\":[{\"text\":\"s\"}],\"messages\":[{\"role\":\"user\",\"content\":[{"
        "\"text\":\"a\"},{\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":[{\"text\":"
        "\"c\"}]}]," LIMIT,
        "");
}

static void a_schema_effort_and_tier_have_their_places(void **state)
{
    (void)state;
    becomes(HI ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
               "\"schema\":{\"type\":\"object\"}}},\"reasoning_effort\":\"high\",\"service_tier\":"
               "\"flex\",\"top_p\":0.5",
            "{" HI_OUT "\"outputConfig\":{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{"
            "\"jsonSchema\":{\"schema\":\"{\\\"type\\\":\\\"object\\\"}\",\"name\":\"n\"}}},"
            "\"effort\":\"high\"},\"serviceTier\":{\"type\":\"flex\"},"
            "\"inferenceConfig\":{\"topP\":0.5,\"maxTokens\":9}}",
            "");
}

static void what_has_no_place_is_named(void **state)
{
    (void)state;
    becomes(HI ",\"temperature\":1.5,\"user\":\"u\",\"n\":2,\"reasoning_effort\":\"none\"",
            "{" HI_OUT "\"inferenceConfig\":{\"temperature\":1,\"maxTokens\":9}}",
            "n, user, reasoning_effort.none, temperature");
    becomes("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"},{"
            "\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x/y.png\"}}]}]",
            "{" HI_OUT LIMIT, "messages.content.image");
}

static void the_model_is_in_the_path(void **state)
{
    struct weir_llm_endpoint to = {.dialect = WEIR_DIALECT_BEDROCK,
                                   .operation = WEIR_OP_GENERATE,
                                   .model = WEIR_STR("a:b/c"),
                                   .stream = true};

    (void)state;
    assert_string_equal(weir_llm_endpoint_path(&to, WEIR_STR(""), arena).p,
                        "/model/a%3Ab%2Fc/converse-stream");
    to.stream = false;
    assert_string_equal(weir_llm_endpoint_path(&to, WEIR_STR("/base"), arena).p,
                        "/base/model/a%3Ab%2Fc/converse");
    assert_int_equal(weir_llm_endpoint_find(WEIR_HTTP_POST,
                                            WEIR_STR("/bedrock/model/a%3Ab%2Fc/converse-stream"),
                                            arena, &to),
                     WEIR_OK);
    assert_true(to.stream && to.operation == WEIR_OP_GENERATE);
    assert_true(weir_str_is(to.model, "a:b/c"));
    assert_int_equal(
        weir_llm_endpoint_find(WEIR_HTTP_POST, WEIR_STR("/model/x/count-tokens"), arena, &to),
        WEIR_OK);
    assert_int_equal(to.operation, WEIR_OP_COUNT_TOKENS);
}

static void drop(void *arg, const char *p, size_t n)
{
    (void)arg;
    (void)p;
    (void)n;
}

static void cache_tokens_are_parts_of_the_input(void **state)
{
    const struct weir_llm_tap_conf conf = {
        .dialect = WEIR_DIALECT_BEDROCK, .client = WEIR_DIALECT_OPENAI_CHAT, .event_stream = true};
    struct weir_llm_tap *t = weir_llm_tap_create(arena, &conf);
    struct weir_usage u;
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 4096);
    weir_eventstream_write(&b, "event", WEIR_STR("messageStart"), WEIR_STR("{}"));
    weir_eventstream_write(&b, "event", WEIR_STR("messageStop"),
                           WEIR_STR("{\"stopReason\":\"end_turn\"}"));
    weir_eventstream_write(
        &b, "event", WEIR_STR("metadata"),
        WEIR_STR("{\"usage\":{\"inputTokens\":10,\"outputTokens\":7,\"cacheReadInputTokens\":3,"
                 "\"cacheWriteInputTokens\":5,\"cacheDetails\":[{\"ttl\":\"5m\",\"inputTokens\":1},"
                 "{\"ttl\":\"1h\",\"inputTokens\":4}]}}"));
    assert_int_equal(weir_llm_tap_feed(t, b.p, b.n, drop, NULL), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(t, drop, NULL), WEIR_OK);
    weir_llm_tap_usage(t, &u);
    assert_int_equal(u.input, 18);
    assert_int_equal(u.output, 7);
    assert_int_equal(u.cache_read, 3);
    assert_int_equal(u.cache_write, 1);
    assert_int_equal(u.cache_write_1h, 4);
    assert_false(u.estimated);
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_of_one_role_become_one_message),
        cmocka_unit_test(a_schema_effort_and_tier_have_their_places),
        cmocka_unit_test(what_has_no_place_is_named),
        cmocka_unit_test(the_model_is_in_the_path),
        cmocka_unit_test(cache_tokens_are_parts_of_the_input),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
