/* test_endpoint.c - what a client's path asks for, and the path that a provider gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/llm/endpoint.h"

static struct weir_arena *arena;
static struct weir_llm_endpoint found;

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

static int find(enum weir_http_method method, const char *path)
{
    return weir_llm_endpoint_find(method, weir_str_of(path), arena, &found);
}

static void calls_are_found_with_and_without_version_and_prefix(void **state)
{
    static const struct {
        const char *path;
        enum weir_dialect dialect;
    } cases[] = {{"/v1/chat/completions", WEIR_DIALECT_OPENAI_CHAT},
                 {"/chat/completions", WEIR_DIALECT_OPENAI_CHAT},
                 {"/openai/v1/chat/completions", WEIR_DIALECT_OPENAI_CHAT},
                 {"/v1/messages", WEIR_DIALECT_ANTHROPIC_MESSAGES},
                 {"/anthropic/v1/messages", WEIR_DIALECT_ANTHROPIC_MESSAGES},
                 {"/v1/responses", WEIR_DIALECT_OPENAI_RESPONSES},
                 {"/responses", WEIR_DIALECT_OPENAI_RESPONSES}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(find(WEIR_HTTP_POST, cases[i].path), WEIR_OK);
        assert_int_equal(found.operation, WEIR_OP_GENERATE);
        assert_int_equal(found.dialect, cases[i].dialect);
        assert_null(found.model.p);
    }
}

static void a_model_in_the_path_is_decoded(void **state)
{
    (void)state;
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/models/meta%2Fllama-3"), WEIR_OK);
    assert_int_equal(found.operation, WEIR_OP_MODELS);
    assert_true(weir_str_is(found.model, "meta/llama-3"));
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/models/meta/llama-3"), WEIR_OK);
    assert_true(weir_str_is(found.model, "meta/llama-3"));
}

static void what_is_not_served_still_has_the_shape_of_its_dialect(void **state)
{
    (void)state;
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/messages"), WEIR_EINVAL);
    assert_int_equal(found.dialect, WEIR_DIALECT_ANTHROPIC_MESSAGES);
    assert_int_equal(find(WEIR_HTTP_POST, "/v1/messages/batches"), WEIR_ENOTFOUND);
    assert_int_equal(found.dialect, WEIR_DIALECT_ANTHROPIC_MESSAGES);
    assert_int_equal(find(WEIR_HTTP_POST, "/anthropic/other"), WEIR_ENOTFOUND);
    assert_int_equal(found.dialect, WEIR_DIALECT_ANTHROPIC_MESSAGES);
    assert_int_equal(find(WEIR_HTTP_POST, "/"), WEIR_ENOTFOUND);
    assert_int_equal(found.dialect, WEIR_DIALECT_OPENAI_CHAT);
    assert_int_equal(find(WEIR_HTTP_GET, NULL), WEIR_ENOTFOUND);
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/models/"), WEIR_ENOTFOUND);
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/models/%zz"), WEIR_ENOTFOUND);
}

static void expect_path(enum weir_dialect d, enum weir_operation op, const char *base,
                        const char *path)
{
    struct weir_llm_endpoint to = {.dialect = d, .operation = op, .model = WEIR_STR("m")};

    assert_string_equal(weir_llm_endpoint_path(&to, weir_str_of(base), arena).p, path);
}

static void what_is_about_a_stored_answer_keeps_its_path(void **state)
{
    static const struct {
        enum weir_http_method method;
        const char *path;
    } cases[] = {{WEIR_HTTP_GET, "/v1/responses/resp_1-a"},
                 {WEIR_HTTP_DELETE, "/v1/responses/resp_1-a"},
                 {WEIR_HTTP_POST, "/v1/responses/resp_1-a/cancel"},
                 {WEIR_HTTP_GET, "/v1/responses/resp_1-a/input_items"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(find(cases[i].method, cases[i].path), WEIR_OK);
        assert_int_equal(found.operation, WEIR_OP_STORED);
        assert_int_equal(found.dialect, WEIR_DIALECT_OPENAI_RESPONSES);
        assert_string_equal(weir_llm_endpoint_path(&found, WEIR_STR("/x/v1"), arena).p,
                            weir_arena_printf(arena, "/x%s", cases[i].path));
    }
    assert_int_equal(find(WEIR_HTTP_POST, "/v1/responses/input_tokens"), WEIR_OK);
    assert_int_equal(found.operation, WEIR_OP_COUNT_TOKENS);
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/responses/a/b"), WEIR_ENOTFOUND);
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/responses/.."), WEIR_ENOTFOUND);
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/responses/a%2f"), WEIR_ENOTFOUND);
    assert_int_equal(find(WEIR_HTTP_GET, "/v1/responses"), WEIR_EINVAL);
}

static void a_base_may_end_in_the_version(void **state)
{
    (void)state;
    expect_path(WEIR_DIALECT_OPENAI_CHAT, WEIR_OP_GENERATE, "", "/v1/chat/completions");
    expect_path(WEIR_DIALECT_OPENAI_CHAT, WEIR_OP_GENERATE, "/v1", "/v1/chat/completions");
    expect_path(WEIR_DIALECT_OPENAI_CHAT, WEIR_OP_GENERATE, "/api/v1", "/api/v1/chat/completions");
    expect_path(WEIR_DIALECT_ANTHROPIC_MESSAGES, WEIR_OP_COUNT_TOKENS, "/x",
                "/x/v1/messages/count_tokens");
}

static void a_deployment_stands_before_a_path_without_version(void **state)
{
    struct weir_llm_endpoint to = {.dialect = WEIR_DIALECT_OPENAI_CHAT,
                                   .operation = WEIR_OP_GENERATE,
                                   .model = WEIR_STR("my gpt/1"),
                                   .deployment = true};

    (void)state;
    assert_string_equal(weir_llm_endpoint_path(&to, WEIR_STR("/openai/deployments"), arena).p,
                        "/openai/deployments/my%20gpt%2F1/chat/completions");
}

static void an_operation_that_a_dialect_lacks_has_no_path(void **state)
{
    struct weir_llm_endpoint to = {.dialect = WEIR_DIALECT_OPENAI_CHAT,
                                   .operation = WEIR_OP_COUNT_TOKENS};

    (void)state;
    assert_null(weir_llm_endpoint_path(&to, WEIR_STR(""), arena).p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_are_found_with_and_without_version_and_prefix),
        TEST(a_model_in_the_path_is_decoded),
        TEST(what_is_not_served_still_has_the_shape_of_its_dialect),
        TEST(what_is_about_a_stored_answer_keeps_its_path),
        TEST(a_base_may_end_in_the_version),
        TEST(a_deployment_stands_before_a_path_without_version),
        TEST(an_operation_that_a_dialect_lacks_has_no_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
