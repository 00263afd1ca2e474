/* test_gemini.c - Google's requests: what is read of them and which bytes are changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/llm/endpoint.h"

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

static int decode(const char *body)
{
    struct weir_llm_endpoint at = {.dialect = WEIR_DIALECT_GEMINI, .model = WEIR_STR("gem")};

    err = (struct weir_err){0};
    return weir_llm_decode(&at, weir_str_of(body), arena, &call, &err);
}

static const char *edited(const char *body, const struct weir_llm_edits *edits)
{
    struct weir_llm_pieces pieces;
    struct weir_buf b;
    const char *out;

    assert_int_equal(decode(body), WEIR_OK);
    weir_llm_edit(&call, weir_str_of(body), edits, arena, &pieces);
    weir_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    out = weir_arena_strdup(arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return out;
}

static void a_request_tells_its_limits_media_and_tools(void **state)
{
    (void)state;
    assert_int_equal(
        decode("{\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]},\"contents\":[{\"parts\":["
               "{\"inlineData\":{\"mimeType\":\"image/png\",\"data\":\"AAAA\"}},{\"fileData\":"
               "{\"mimeType\":\"application/pdf\",\"fileUri\":\"gs://x\"}}]},{\"role\":\"user\","
               "\"parts\":[{\"functionResponse\":{\"name\":\"f\",\"parts\":[{\"inlineData\":"
               "{\"mimeType\":\"image/png\",\"data\":\"AA==\"}}]}}]}],\"tools\":[{"
               "\"functionDeclarations\":[{},{}]}],\"generationConfig\":{\"maxOutputTokens\":9,"
               "\"candidateCount\":2,\"thinkingConfig\":{\"thinkingBudget\":100}}}"),
        WEIR_OK);
    assert_true(weir_str_is(call.model, "gem"));
    assert_int_equal(call.max_output_tokens, 9);
    assert_int_equal(call.n, 2);
    assert_int_equal(call.reasoning_tokens, 100);
    assert_int_equal(call.messages, 3);
    assert_int_equal(call.images, 2);
    assert_int_equal(call.files, 1);
    assert_int_equal(call.tools, 3);
    assert_true(call.input_bound > 100000 + 2 * 8192);
}

static void names_with_underscores_are_the_same_names(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"contents\":[{\"parts\":[{\"inline_data\":{\"mime_type\":"
                            "\"image/png\",\"data\":\"AAAA\"}}]}],\"generation_config\":"
                            "{\"max_output_tokens\":9,\"thinking_config\":{\"thinking_budget\":"
                            "0}}}"),
                     WEIR_OK);
    assert_int_equal(call.images, 1);
    assert_int_equal(call.max_output_tokens, 9);
    assert_true(call.no_reasoning);
}

static void what_could_be_read_in_two_ways_is_refused(void **state)
{
    static const char *const bodies[] = {
        "{}",
        "{\"contents\":{}}",
        "{\"contents\":[],\"generationConfig\":{},\"generation_config\":{}}",
        "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":1,\"max_output_tokens\":2}}",
        "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":\"9\"}}",
        "{\"contents\":[],\"generationConfig\":{\"candidateCount\":0}}",
        "{\"contents\":[],\"generationConfig\":null}",
        "{\"contents\":[],\"model\":\"models/other\"}",
        "{\"contents\":[],\"model\":7}",
        "{\"generateContentRequest\":{\"model\":\"models/other\"}}",
        "{\"model\":\"gem\",\"generateContentRequest\":{\"model\":\"gem\"}}"};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(decode(bodies[i]), WEIR_EINVAL);
        assert_int_equal(err.http_status, 400);
    }
}

static void a_limit_is_put_into_the_object_that_holds_it(void **state)
{
    struct weir_llm_edits edits = {.max_output_tokens = 5};

    (void)state;
    assert_string_equal(edited("{\"contents\":[]}", &edits),
                        "{\"generationConfig\":{\"maxOutputTokens\":5},\"contents\":[]}");
    assert_string_equal(edited("{\"contents\":[],\"generationConfig\":{}}", &edits),
                        "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":5}}");
    assert_string_equal(
        edited("{\"contents\":[],\"generationConfig\": {\"topK\":1}}", &edits),
        "{\"contents\":[],\"generationConfig\": {\"maxOutputTokens\":5,\"topK\":1}}");
    assert_string_equal(
        edited("{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":9}}", &edits),
        "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":5}}");
    assert_string_equal(
        edited("{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":3}}", &edits),
        "{\"contents\":[],\"generationConfig\":{\"maxOutputTokens\":3}}");
}

static void a_model_that_the_body_repeats_changes_with_the_path(void **state)
{
    struct weir_llm_edits edits = {.model = WEIR_STR("new")};

    (void)state;
    assert_string_equal(edited("{\"contents\":[]}", &edits), "{\"contents\":[]}");
    assert_string_equal(edited("{\"contents\":[],\"model\":\"gem\"}", &edits),
                        "{\"contents\":[],\"model\":\"models/new\"}");
    assert_string_equal(edited("{\"generateContentRequest\":{\"model\":\"models/gem\"}}", &edits),
                        "{\"generateContentRequest\":{\"model\":\"models/new\"}}");
}

static void paths_and_queries_are_googles(void **state)
{
    struct weir_llm_endpoint e;
    struct weir_str key;
    bool array;

    (void)state;
    assert_int_equal(weir_llm_endpoint_find(WEIR_HTTP_POST,
                                            WEIR_STR("/v1beta/models/a%2Fb:streamGenerateContent"),
                                            arena, &e),
                     WEIR_OK);
    assert_int_equal(e.dialect, WEIR_DIALECT_GEMINI);
    assert_true(e.stream && weir_str_is(e.model, "a/b"));
    assert_int_equal(
        weir_llm_endpoint_read_query(&e, WEIR_STR("key=a%2Bb&alt=sse"), arena, &key, &array),
        WEIR_OK);
    assert_true(weir_str_is(key, "a+b") && !array);
    assert_int_equal(weir_llm_endpoint_read_query(&e, WEIR_STR("key=k"), arena, &key, &array),
                     WEIR_OK);
    assert_true(array);
    assert_int_equal(weir_llm_endpoint_read_query(&e, WEIR_STR("alt=proto"), arena, &key, &array),
                     WEIR_EUNSUPPORTED);
    assert_true(weir_str_is(weir_llm_endpoint_query(&e, WEIR_STR("key=k&alt=sse&x=1"), arena),
                            "x=1&alt=sse"));
    assert_true(weir_str_is(weir_llm_endpoint_query(&e, WEIR_STR_NULL, arena), "alt=sse"));
    assert_true(weir_str_is(weir_llm_endpoint_path(&e, WEIR_STR(""), arena),
                            "/v1beta/models/a%2Fb:streamGenerateContent"));
    assert_true(weir_str_is(weir_llm_endpoint_path(&e, WEIR_STR("/v1beta"), arena),
                            "/v1beta/models/a%2Fb:streamGenerateContent"));
    e.stream = false;
    assert_true(weir_str_is(
        weir_llm_endpoint_path(&e, WEIR_STR("/v1/projects/p/locations/l/publishers/google"), arena),
        "/v1/projects/p/locations/l/publishers/google/models/a%2Fb:generateContent"));
    assert_int_equal(weir_llm_endpoint_dialect(WEIR_STR("/v1/models/gpt-5")),
                     WEIR_DIALECT_OPENAI_CHAT);
    assert_int_equal(weir_llm_endpoint_dialect(WEIR_STR("/v1/models/g:countTokens")),
                     WEIR_DIALECT_GEMINI);
    assert_int_equal(weir_llm_endpoint_dialect(WEIR_STR("/v1beta/models/g")), WEIR_DIALECT_GEMINI);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(a_request_tells_its_limits_media_and_tools),
                                       T(names_with_underscores_are_the_same_names),
                                       T(what_could_be_read_in_two_ways_is_refused),
                                       T(a_limit_is_put_into_the_object_that_holds_it),
                                       T(a_model_that_the_body_repeats_changes_with_the_path),
                                       T(paths_and_queries_are_googles)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
