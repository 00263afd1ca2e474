/* test_server.c - the API over loopback: who gets in, what comes back, and that errors are shaped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <yyjson.h>

#include "base/file.h"
#include "controlplane/api/api.h"
#include "controlplane/stream/fleet.h"
#include "http/client.h"

struct fixture {
    uv_loop_t loop;
    struct weir_api *api;
    struct weir_keys *keys;
    struct weir_http_client *client;
    struct weir_origin *origin;
    char dir[32], admin[80], viewer[80];
    int key_changes;
    bool closed;

    bool done;
    int status;
    struct weir_buf body;
    char cookie[256], csp[256];
};

static const struct weir_fleet_error errors[] = {{"Provider", "default/x", "spec.tls", "no file"}};
static const struct weir_fleet_proxy proxies[] = {
    {.node = "local",
     .incarnation = "i",
     .ns = "default",
     .build = "1",
     .peer = "unix",
     .connected = true,
     .workers = 1,
     .acked_revision = "r1",
     .target_revision = "r2",
     .nacked_revision = "r2",
     .errors = errors,
     .error_count = 1},
};

static struct weir_fleet *fleet(void *arg)
{
    struct weir_fleet *f = calloc(1, sizeof *f);

    (void)arg;
    f->proxies = proxies;
    f->proxy_count = 1;
    return f;
}

static void fleet_free(struct weir_fleet *f)
{
    free(f);
}

static void on_keys_changed(void *arg)
{
    ((struct fixture *)arg)->key_changes++;
}

static void metrics(void *arg, struct weir_buf *out)
{
    (void)arg;
    weir_buf_addz(out, "weir_test 1\n");
}

static void read_token(struct fixture *f, const char *name, char *out)
{
    struct weir_buf b;
    char path[64];

    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    weir_buf_init(&b, 80);
    assert_int_equal(weir_file_read(path, &b), WEIR_OK);
    memcpy(out, b.p, 64);
    weir_buf_fini(&b);
    unlink(path);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct weir_api_options o = {.loop = &f->loop, .host = "127.0.0.1", .state = f->dir};
    struct weir_origin_conf conf = {.host = WEIR_STR("127.0.0.1")};
    char why[128];

    snprintf(f->dir, sizeof f->dir, "%s", "/tmp/weir-api-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    uv_loop_init(&f->loop);
    assert_int_equal(weir_keys_open(":memory:", &f->keys), WEIR_OK);
    o.backend = (struct weir_api_backend){.version = "test",
                                          .keys = f->keys,
                                          .arg = f,
                                          .fleet = fleet,
                                          .fleet_free = fleet_free,
                                          .on_keys_changed = on_keys_changed,
                                          .metrics = metrics};
    assert_int_equal(weir_api_create(&o, &f->api), WEIR_OK);
    read_token(f, "admin.token", f->admin);
    read_token(f, "viewer.token", f->viewer);
    conf.port = (uint16_t)weir_api_port(f->api);
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &f->origin), WEIR_OK);
    f->client = weir_http_client_create(&f->loop);
    weir_buf_init(&f->body, 4 << 20);
    *state = f;
    return 0;
}

static void on_closed(void *arg)
{
    ((struct fixture *)arg)->closed = true;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    weir_http_client_destroy(f->client);
    weir_origin_unref(f->origin);
    weir_api_close(f->api, 1000, on_closed, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    weir_keys_close(f->keys);
    weir_buf_fini(&f->body);
    rmdir(f->dir);
    free(f);
    return 0;
}

static void on_head(void *arg, const struct weir_http_call_head *head)
{
    struct fixture *f = arg;

    f->status = head->status;
    for (size_t i = 0; i < head->header_count; i++) {
        struct weir_str rest, value = head->headers[i].value;

        if (weir_str_ieq(head->headers[i].name, WEIR_STR("set-cookie")))
            snprintf(f->cookie, sizeof f->cookie, "%.*s",
                     WEIR_STR_ARG(weir_str_cut(value, ';', &rest)));
        if (weir_str_ieq(head->headers[i].name, WEIR_STR("content-security-policy")))
            snprintf(f->csp, sizeof f->csp, "%.*s", WEIR_STR_ARG(value));
    }
}

static void on_body(void *arg, const char *p, size_t n)
{
    assert_int_equal(weir_buf_add(&((struct fixture *)arg)->body, p, n), WEIR_OK);
}

static void on_end(void *arg, const struct weir_http_call_info *info)
{
    (void)info;
    ((struct fixture *)arg)->done = true;
}

static void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    (void)rc;
    print_error("%s\n", info->cause);
    ((struct fixture *)arg)->done = true;
}

/* credential: a token, or "cookie" for the session, or NULL. extra: one more header, or NULL. */
static int call(struct fixture *f, const char *method, const char *path, const char *credential,
                const char *extra, const char *body)
{
    static const struct weir_http_call_events events = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};
    struct weir_http_header h[3];
    struct weir_str piece = weir_str_of(body), value;
    struct weir_http_call_spec spec = {.method = weir_str_of(method),
                                       .path = weir_str_of(path),
                                       .headers = h,
                                       .has_body = body != NULL,
                                       .body = &piece,
                                       .body_count = body ? 1 : 0,
                                       .total_timeout_ms = 20000};
    struct weir_http_call *started;
    char bearer[128];

    f->done = false;
    f->status = 0;
    weir_buf_clear(&f->body);
    snprintf(bearer, sizeof bearer, "Bearer %s", credential ? credential : "");
    if (credential && strcmp(credential, "cookie") == 0)
        h[spec.header_count++] =
            (struct weir_http_header){WEIR_STR("cookie"), weir_str_of(f->cookie)};
    else if (credential)
        h[spec.header_count++] =
            (struct weir_http_header){WEIR_STR("authorization"), weir_str_of(bearer)};
    if (extra) {
        struct weir_str name = weir_str_cut(weir_str_of(extra), ':', &value);

        h[spec.header_count++] = (struct weir_http_header){name, value};
    }
    assert_int_equal(weir_http_call_start(f->client, f->origin, &spec, &events, f, &started),
                     WEIR_OK);
    while (!f->done)
        uv_run(&f->loop, UV_RUN_ONCE);
    return f->status;
}

static bool body_has(struct fixture *f, const char *text)
{
    return f->body.n && memmem(f->body.p, f->body.n, text, strlen(text)) != NULL;
}

static void health_and_the_page_are_open_and_data_is_not(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call(f, "GET", "/healthz", NULL, NULL, NULL), 200);
    assert_int_equal(call(f, "GET", "/readyz", NULL, NULL, NULL), 200);
    assert_int_equal(call(f, "GET", "/", NULL, NULL, NULL), 200);
    assert_true(body_has(f, "<!doctype html>"));
    assert_non_null(strstr(f->csp, "script-src 'self'"));
    assert_int_equal(call(f, "GET", "/assets/app.js", NULL, NULL, NULL), 200);
    assert_int_equal(call(f, "GET", "/assets/none.js", NULL, NULL, NULL), 404);
    assert_int_equal(call(f, "GET", "/api/v1/fleet", NULL, NULL, NULL), 401);
    assert_true(body_has(f, "\"code\":\"unauthorized\""));
    assert_int_equal(call(f, "GET", "/api/v1/fleet", "wrong", NULL, NULL), 401);
}

static void a_viewer_reads_and_an_admin_changes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(call(f, "GET", "/api/v1/fleet", f->viewer, NULL, NULL), 200);
    assert_true(body_has(f, "\"state\":\"nacked\""));
    assert_true(body_has(f, "\"reason\":\"no file\""));
    assert_int_equal(call(f, "GET", "/metrics", f->viewer, NULL, NULL), 200);
    assert_true(body_has(f, "weir_test 1\n"));
    assert_int_equal(call(f, "POST", "/api/v1/keys", f->viewer, NULL, "{\"agent\":\"a\"}"), 403);
    assert_int_equal(f->key_changes, 0);
    assert_int_equal(
        call(f, "POST", "/api/v1/keys", f->admin, NULL, "{\"agent\":\"a\",\"id\":\"one\"}"), 201);
    assert_true(body_has(f, "\"key\":\"weir_sk_"));
    assert_int_equal(f->key_changes, 1);
    assert_int_equal(call(f, "GET", "/api/v1/keys", f->admin, NULL, NULL), 200);
    assert_false(body_has(f, "weir_sk_"));
    assert_int_equal(call(f, "DELETE", "/api/v1/keys/default/one", f->admin, NULL, NULL), 200);
    assert_int_equal(call(f, "DELETE", "/api/v1/keys/default/one", f->admin, NULL, NULL), 404);
    assert_int_equal(f->key_changes, 2);
}

static void bad_requests_are_told_what_to_mend(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
    } rows[] = {
        {"GET", "/nothing", NULL, 404},
        {"PATCH", "/api/v1/keys", NULL, 405},
        {"POST", "/api/v1/keys", "nonsense", 400},
        {"POST", "/api/v1/keys", "[]", 400},
        {"POST", "/api/v1/keys", "{\"agent\":\"Not A Name\"}", 400},
        {"POST", "/api/v1/keys", "{\"agent\":\"a\",\"expiresMs\":5}", 400},
        {"POST", "/api/v1/join-tokens", "{}", 503},
        {"GET", "/api/v1/policy", NULL, 503},
        {"GET", "/api/v1/budgets", NULL, 503},
        {"GET", "/api/v1/spend?since=never", NULL, 400},
        {"GET", "/api/v1/calls?limit=0", NULL, 400},
        {"GET", "/api/v1/explain/Nonsense", NULL, 404},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        yyjson_doc *doc;
        yyjson_val *error;

        assert_int_equal(call(f, rows[i].method, rows[i].path, f->admin, NULL, rows[i].body),
                         rows[i].status);
        doc = yyjson_read(f->body.p, f->body.n, 0);
        error = yyjson_obj_get(yyjson_doc_get_root(doc), "error");
        assert_true(yyjson_get_len(yyjson_obj_get(error, "code")) > 0);
        assert_true(yyjson_get_len(yyjson_obj_get(error, "message")) > 0);
        assert_true(yyjson_get_len(yyjson_obj_get(error, "fix")) > 0);
        yyjson_doc_free(doc);
    }
}

static void a_browser_signs_in_with_a_link_that_works_once(void **state)
{
    struct fixture *f = *state;
    char body[160], code[65];
    const char *login;
    yyjson_doc *doc;

    assert_int_equal(call(f, "POST", "/api/v1/logins", f->admin, NULL, NULL), 201);
    doc = yyjson_read(f->body.p, f->body.n, 0);
    login = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "login"));
    snprintf(code, sizeof code, "%s", login ? login : "");
    yyjson_doc_free(doc);
    snprintf(body, sizeof body, "{\"login\":\"%s\"}", code);
    assert_int_equal(call(f, "POST", "/api/v1/session", NULL, NULL, body), 403);
    assert_int_equal(call(f, "POST", "/api/v1/session", NULL, "x-weir-request:1", body), 200);
    assert_int_equal(call(f, "GET", "/api/v1/session", "cookie", NULL, NULL), 200);
    assert_true(body_has(f, "\"role\":\"admin\""));
    assert_int_equal(call(f, "POST", "/api/v1/session", NULL, "x-weir-request:1", body), 401);
    /* What a foreign page can do with the cookie: nothing that changes anything. */
    assert_int_equal(call(f, "POST", "/api/v1/keys", "cookie", NULL, "{\"agent\":\"a\"}"), 401);
    assert_int_equal(
        call(f, "POST", "/api/v1/keys", "cookie", "x-weir-request:1", "{\"agent\":\"a\"}"), 201);
    assert_int_equal(call(f, "GET", "/api/v1/fleet", "cookie", "origin:http://evil.example", NULL),
                     403);
    assert_int_equal(call(f, "DELETE", "/api/v1/session", "cookie", "x-weir-request:1", NULL), 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(health_and_the_page_are_open_and_data_is_not),
        TEST(a_viewer_reads_and_an_admin_changes),
        TEST(bad_requests_are_told_what_to_mend),
        TEST(a_browser_signs_in_with_a_link_that_works_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
