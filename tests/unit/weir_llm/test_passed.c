/* test_passed.c - what passes without being understood: forms, models in them, paths and prices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/llm/endpoint.h"
#include "dataplane/llm/form.h"
#include "dataplane/llm/llm.h"

#define FORM "multipart/form-data; boundary=XY"
#define PART(name, value)                                                                          \
    "--XY\r\nContent-Disposition: form-data; name=" name "\r\n\r\n" value "\r\n"
#define END "--XY--\r\n"

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

static int read_body(const char *type, const char *body)
{
    return weir_llm_read_passed(weir_str_of(type), weir_str_of(body), arena, &call, &err);
}

static void a_form_tells_its_model_and_its_number(void **state)
{
    (void)state;
    assert_int_equal(
        read_body(FORM, PART("\"prompt\"", "a\r\n--X") PART("\"model\"", "m-1") PART("n", "3") END),
        WEIR_OK);
    assert_true(weir_str_is(call.model, "m-1"));
    assert_int_equal(call.n, 3);
    assert_int_equal(read_body("Multipart/Form-Data; charset=x; boundary=\"XY\"",
                               "preamble\r\n" PART("model", "m") "--XY-- \r\nepilogue"),
                     WEIR_OK);
    assert_true(weir_str_is(call.model, "m"));
}

static void the_model_of_a_form_is_replaced_in_place(void **state)
{
    const char *body = PART("model", "m-1") PART("prompt", "m-1") END;
    struct weir_llm_pieces pieces;
    struct weir_buf b;

    (void)state;
    assert_int_equal(read_body(FORM, body), WEIR_OK);
    weir_llm_edit(&call, weir_str_of(body), &(struct weir_llm_edits){.model = WEIR_STR("other")},
                  arena, &pieces);
    weir_buf_init(&b, 4096);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    assert_true(weir_str_is(weir_buf_str(&b), PART("model", "other") PART("prompt", "m-1") END));
    weir_buf_fini(&b);
}

static void a_file_in_a_form_may_hold_anything(void **state)
{
    (void)state;
    assert_int_equal(read_body(FORM, "--XY\r\nContent-Disposition: form-data; name=\"file\"; "
                                     "filename=\"a%22\\\"b.png\"\r\nContent-Type: image/png\r\n\r\n"
                                     "\x89PNG name=\"model\"\r\n\r\nx\r\n" PART("model", "m") END),
                     WEIR_OK);
    assert_true(weir_str_is(call.model, "m"));
}

static void a_form_that_two_readers_might_see_differently_is_refused(void **state)
{
    static const char *const bodies[] = {
        "",
        "--XY\r\n",
        "--XYZ\r\n\r\n",
        PART("model", "a") PART("model", "b") END,
        PART("model", "a"),
        PART("\"mo\\del\"", "a") END,
        PART("\"mod%65l\"", "a") END,
        PART("\"x\"; name*=utf-8''model", "a") END,
        PART("\"x\"; name=\"model\"", "a") END,
        PART("\"x\";\r\n name=\"model\"", "a") END,
        PART("\"x\"\r\nContent-Disposition: form-data; name=model", "a") END,
        "--XY\r\nContent-Type: text/plain\r\n\r\na\r\n" END,
        "--XY\r\nContent-Disposition: form-data\r\n\r\na\r\n" END,
        PART("model", "") END,
        PART("model", "a\tb") END,
        PART("n", "0") END,
        PART("n", "two") END,
    };

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(read_body(FORM, bodies[i]), WEIR_EINVAL);
        assert_int_equal(err.http_status, 400);
        assert_non_null(err.detail);
    }
    assert_int_equal(read_body("multipart/form-data", PART("model", "a") END), WEIR_EINVAL);
    assert_int_equal(read_body("multipart/form-data; boundary=XY; boundary=Z", END), WEIR_EINVAL);
}

static void json_is_read_whatever_its_type_says(void **state)
{
    (void)state;
    assert_int_equal(read_body("text/plain", " {\"model\":\"m\",\"n\":2}"), WEIR_OK);
    assert_true(weir_str_is(call.model, "m"));
    assert_int_equal(call.n, 2);
    assert_int_equal(read_body("text/plain", "{\"model\":\"m\",\"mod\\u0065l\":\"n\"}"),
                     WEIR_EINVAL);
    assert_int_equal(read_body("application/json", "{\"model\":"), WEIR_EINVAL);
    assert_int_equal(read_body("application/json", "\xef\xbb\xbf{\"model\":\"m\"}"), WEIR_EINVAL);
}

static void what_is_neither_names_no_model(void **state)
{
    static const char *const bodies[] = {"", "{not json", "{\"a\":1}\n{\"b\":2}\n", "\xff\xfe",
                                         "{\"prompt\":\"p\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(read_body("application/octet-stream", bodies[i]), WEIR_OK);
        assert_null(call.model.p);
        assert_int_equal(call.n, 1);
    }
}

static void only_plain_paths_may_pass(void **state)
{
    static const char *const bad[] = {"",      "/",       "files",     "/v1/files/", "/v1//files",
                                      "/v1/.", "/v1/../", "/v1/%2e",   "/v1/a\\b",   "/v1/a b",
                                      "/..",   "/v1/..",  "/v1/a;b/.", "/v1/\x80"};
    struct weir_llm_endpoint e;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(weir_llm_endpoint_pass(weir_str_of(bad[i]), &e));
    assert_true(weir_llm_endpoint_pass(WEIR_STR("/openai/v1/files/file-1/content"), &e));
    assert_true(weir_str_is(e.stored, "/v1/files/file-1/content"));
    assert_false(weir_llm_endpoint_is_passed(&e));
    assert_true(weir_str_is(weir_llm_endpoint_path(&e, WEIR_STR("/base/v1"), arena),
                            "/base/v1/files/file-1/content"));
    assert_true(weir_llm_endpoint_pass(WEIR_STR("/files"), &e));
    assert_true(weir_str_is(weir_llm_endpoint_path(&e, WEIR_STR("/v1"), arena), "/v1/files"));
    assert_true(weir_llm_endpoint_is_below(WEIR_STR("/v1/files/x"), WEIR_STR("/v1/files")));
    assert_false(weir_llm_endpoint_is_below(WEIR_STR("/v1/filesystem"), WEIR_STR("/v1/files")));
}

static void known_paths_pass_and_have_names(void **state)
{
    struct weir_llm_endpoint e;

    (void)state;
    assert_int_equal(
        weir_llm_endpoint_find(WEIR_HTTP_POST, WEIR_STR("/v1/images/edits"), arena, &e), WEIR_OK);
    assert_int_equal(e.operation, WEIR_OP_PASS);
    assert_true(weir_llm_endpoint_is_passed(&e));
    assert_string_equal(weir_llm_endpoint_passed_name(e.stored), "images");
    assert_string_equal(weir_llm_endpoint_passed_name(WEIR_STR("/v1/videos")), "pass_through");
    assert_int_equal(weir_llm_endpoint_find(WEIR_HTTP_GET, WEIR_STR("/v1/images/edits"), arena, &e),
                     WEIR_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_form_tells_its_model_and_its_number),
        TEST(the_model_of_a_form_is_replaced_in_place),
        TEST(a_file_in_a_form_may_hold_anything),
        TEST(a_form_that_two_readers_might_see_differently_is_refused),
        TEST(json_is_read_whatever_its_type_says),
        TEST(what_is_neither_names_no_model),
        TEST(only_plain_paths_may_pass),
        TEST(known_paths_pass_and_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
