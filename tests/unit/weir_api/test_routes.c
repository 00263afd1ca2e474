/* test_routes.c - the routing table: what matches, who may, and that its documentation is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/file.h"
#include "controlplane/api/assets.h"
#include "controlplane/api/internal.h"

static struct weir_api_ctx *context(struct weir_arena *a, const char *method, const char *path)
{
    struct weir_api_ctx *c = WEIR_ARENA_NEW(a, struct weir_api_ctx);

    c->arena = a;
    c->method = weir_str_of(method);
    c->path = weir_str_of(path);
    weir_buf_init(&c->out, 1 << 20);
    return c;
}

static void a_path_with_parts_matches_and_its_parts_are_unescaped(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_api_ctx *c = context(a, "GET", "/api/v1/resources/Budget/default/a%2Fb");

    (void)state;
    assert_int_equal(weir__api_match(c), WEIR_OK);
    assert_string_equal(c->route->path, "/api/v1/resources/{kind}/{namespace}/{name}");
    assert_true(weir_str_is(c->params[0], "Budget"));
    assert_true(weir_str_is(c->params[2], "a/b"));
    weir_arena_destroy(a);
}

static void what_is_not_in_the_table_is_not_found(void **state)
{
    static const char *const paths[] = {
        "/api/v1/nothing",   "/api/v1/",          "/api/v1/calls/",      "/api/v1/calls/a/b", "//",
        "/assets/../main.c", "/api/v1/calls/%zz", "/api/v1/calls/a%00b", "/api/v1/calls/a%2", ""};
    struct weir_arena *a = weir_arena_create(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(weir__api_match(context(a, "GET", paths[i])), WEIR_ENOTFOUND);
    weir_arena_destroy(a);
}

static void a_wrong_method_is_told_which_ones_there_are(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_api_ctx *c = context(a, "DELETE", "/api/v1/keys");

    (void)state;
    assert_int_equal(weir__api_match(c), WEIR_ESTATE);
    assert_string_equal(c->allow, "GET, POST");
    weir_arena_destroy(a);
}

static void head_is_served_as_get(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);

    (void)state;
    assert_int_equal(weir__api_match(context(a, "HEAD", "/healthz")), WEIR_OK);
    weir_arena_destroy(a);
}

static void every_route_is_documented_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir__api_route_count; i++) {
        const struct weir_api_route *r = &weir__api_routes[i];

        assert_true(strlen(r->doc) > 5);
        assert_non_null(r->handler);
        for (size_t k = 0; k < i; k++)
            assert_false(strcmp(r->path, weir__api_routes[k].path) == 0 &&
                         strcmp(r->method, weir__api_routes[k].method) == 0);
    }
}

static void only_an_admin_changes_anything(void **state)
{
    static const char *const free_of_change[] = {"/api/v1/session", "/api/v1/validate",
                                                 "/api/v1/diff"};

    (void)state;
    for (size_t i = 0; i < weir__api_route_count; i++) {
        const struct weir_api_route *r = &weir__api_routes[i];
        bool harmless = strcmp(r->method, "GET") == 0;

        for (size_t k = 0; k < sizeof free_of_change / sizeof *free_of_change; k++)
            harmless |= strcmp(r->path, free_of_change[k]) == 0;
        if (!harmless)
            assert_int_equal(r->role, WEIR_ROLE_ADMIN);
    }
}

static void what_tells_of_policy_or_spend_needs_a_role(void **state)
{
    static const char *const open[] = {"/healthz",       "/readyz", "/",
                                       "/assets/{file}", "/api/v1", "/api/v1/version",
                                       "/api/v1/session"};

    (void)state;
    for (size_t i = 0; i < weir__api_route_count; i++) {
        bool listed = false;

        for (size_t k = 0; k < sizeof open / sizeof *open; k++)
            listed |= strcmp(weir__api_routes[i].path, open[k]) == 0;
        if (!listed)
            assert_true(weir__api_routes[i].role >= WEIR_ROLE_VIEWER);
    }
}

static void query_parameters_are_bounded(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_api_ctx *c = context(a, "GET", "/api/v1/calls");
    int64_t v;

    (void)state;
    c->query = WEIR_STR("limit=5&since=2h&agent=a%20b+c&x");
    assert_true(weir__api_query_i64(c, "limit", 9, 1, 10, &v));
    assert_int_equal(v, 5);
    assert_true(weir__api_query_i64(c, "other", 9, 1, 10, &v));
    assert_int_equal(v, 9);
    assert_false(weir__api_query_i64(c, "limit", 9, 6, 10, &v));
    assert_int_equal(c->status, 400);
    assert_true(weir__api_query_span(c, "since", 0, &v));
    assert_int_equal(v, 7200000);
    assert_true(weir_str_is(weir__api_query(c, "agent"), "a b c"));
    assert_true(weir__api_query_true(c, "x"));
    assert_false(weir__api_query_true(c, "y"));
    c->query = WEIR_STR("since=401d");
    assert_false(weir__api_query_span(c, "since", 0, &v));
    weir_buf_fini(&c->out);
    weir_arena_destroy(a);
}

static void the_pages_of_the_dashboard_are_in_the_program(void **state)
{
    size_t total = 0;
    bool index = false;

    (void)state;
    for (size_t i = 0; i < weir_asset_count; i++) {
        assert_true(weir_assets[i].n > 0);
        total += weir_assets[i].n;
        index |= strcmp(weir_assets[i].name, "index.html") == 0;
    }
    assert_true(index);
    assert_true(total < 100 * 1024);
}

static void docs_api_md_is_what_the_table_says(void **state)
{
    struct weir_buf kept, made;

    (void)state;
    weir_buf_init(&kept, 1 << 20);
    weir_buf_init(&made, 1 << 20);
    weir_api_write_docs(&made);
    if (getenv("WEIR_UPDATE_DOCS"))
        assert_int_equal(
            weir_file_replace(WEIR_SOURCE_DIR "/docs/api.md", weir_buf_str(&made), 0644, false),
            WEIR_OK);
    assert_int_equal(weir_file_read(WEIR_SOURCE_DIR "/docs/api.md", &kept), WEIR_OK);
    assert_true(weir_str_eq(weir_buf_str(&kept), weir_buf_str(&made)));
    weir_buf_fini(&kept);
    weir_buf_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_with_parts_matches_and_its_parts_are_unescaped),
        cmocka_unit_test(what_is_not_in_the_table_is_not_found),
        cmocka_unit_test(a_wrong_method_is_told_which_ones_there_are),
        cmocka_unit_test(head_is_served_as_get),
        cmocka_unit_test(every_route_is_documented_once),
        cmocka_unit_test(only_an_admin_changes_anything),
        cmocka_unit_test(what_tells_of_policy_or_spend_needs_a_role),
        cmocka_unit_test(query_parameters_are_bounded),
        cmocka_unit_test(the_pages_of_the_dashboard_are_in_the_program),
        cmocka_unit_test(docs_api_md_is_what_the_table_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
