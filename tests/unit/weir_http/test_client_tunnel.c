/* test_client_tunnel.c - calls through an HTTP proxy that keeps the rules, and some that don't. */
#include "tests/unit/weir_http/client_probe.h"

#define OPEN "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"
#define ANSWER "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

static void through_proxy(struct world *w, const char *user)
{
    struct weir_origin_conf conf = {.host = WEIR_STR("far.example"),
                                    .port = 8080,
                                    .proxy_host = WEIR_STR("127.0.0.1"),
                                    .proxy_port = (uint16_t)w->server.port,
                                    .proxy_user = weir_str_of(user)};
    char why[100];

    weir_origin_unref(w->origin);
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &w->origin), WEIR_OK);
}

static void a_call_follows_the_tunnel_however_its_answer_is_cut(void **state)
{
    struct world *w = *state;

    through_proxy(w, "me:pass");
    for (size_t piece = 0; piece < sizeof OPEN; piece++) {
        struct script s[] = {{.reply = WEIR_STR(OPEN), .piece = piece},
                             {.reply = WEIR_STR(ANSWER), .close_after = true}};
        struct probe p = probe_of(w);

        serve(w, s, 2);
        w->server.requests = 0;
        get(&p);
        while (w->server.requests < 1)
            assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
        assert_string_equal(w->server.last_request,
                            "CONNECT far.example:8080 HTTP/1.1\r\nHost: far.example:8080\r\n"
                            "Proxy-Authorization: Basic bWU6cGFzcw==\r\n\r\n");
        finish(&p);
        assert_int_equal(p.status, 200);
        assert_non_null(strstr(w->server.last_request, "GET /x HTTP/1.1\r\n"));
        assert_null(strstr(w->server.last_request, "Proxy-Authorization"));
        probe_fini(&p);
    }
}

static void a_proxy_that_opens_no_tunnel_is_a_connect_error(void **state)
{
    static const struct {
        struct weir_str reply;
        const char *says;
    } cases[] = {
        {WEIR_STR_INIT("HTTP/1.1 407 No\r\n\r\n"), "(407)"},
        {WEIR_STR_INIT("HTTP/1.0 403 No\r\n\r\n"), "(403)"},
        {WEIR_STR_INIT("HTTP/1.1 502 No\r\n\r\n"), "(5xx)"},
        {WEIR_STR_INIT("HTTP/1.1 301 No\r\n\r\n"), "refuses the tunnel"},
        {WEIR_STR_INIT("SSH-2.0-x\r\n\r\n"), "doesn't speak HTTP"},
        {WEIR_STR_INIT("\r\n\r\n"), "doesn't speak HTTP"},
        {WEIR_STR_INIT(OPEN "x"), "more than its answer"},
        {WEIR_STR_INIT("HTTP/1.1 200 Conn"), "closed the connection"},
    };
    struct world *w = *state;

    through_proxy(w, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script s = {.reply = cases[i].reply, .close_after = true};
        struct probe p = probe_of(w);

        serve(w, &s, 1);
        get(&p);
        finish(&p);
        assert_int_equal(p.rc, WEIR_ECONNECT);
        assert_int_equal(p.info.phase, WEIR_HTTP_PHASE_CONNECT);
        if (!strstr(p.info.cause, cases[i].says))
            fail_msg("%zu: %s", i, p.info.cause);
        assert_false(p.info.request_bytes_sent);
        probe_fini(&p);
    }
}

static void a_proxys_answer_is_bounded(void **state)
{
    struct world *w = *state;
    char *large = weir_zalloc(20000);
    struct script s = {.reply = {large, 20000}};
    struct probe p = probe_of(w);

    memset(large, 'x', 20000);
    through_proxy(w, NULL);
    serve(w, &s, 1);
    get(&p);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ECONNECT);
    assert_non_null(strstr(p.info.cause, "too large"));
    probe_fini(&p);
    free(large);
}

static void a_silent_proxy_meets_the_connect_limit_and_may_be_cancelled(void **state)
{
    struct world *w = *state;
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("GET"), .path = WEIR_STR("/x"), .connect_timeout_ms = 20};
    struct script s = {.silent = true};
    struct probe p = probe_of(w), q = probe_of(w);

    through_proxy(w, NULL);
    serve(w, &s, 1);
    start(&p, &spec);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ETIMEOUT);
    get(&q);
    turn_until(w, &w->server.requests, 2);
    weir_http_call_cancel(q.call);
    turn_until(w, &w->server.closed, 2);
    probe_fini(&p);
    probe_fini(&q);
}

static void a_user_with_a_line_end_is_refused(void **state)
{
    const struct weir_origin_conf conf = {.host = WEIR_STR("far.example"),
                                          .proxy_host = WEIR_STR("127.0.0.1"),
                                          .proxy_user = WEIR_STR("a:b\r\nX: y")};
    struct weir_origin *o = NULL;
    char why[100];

    (void)state;
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &o), WEIR_EINVAL);
    assert_null(o);
    assert_non_null(strstr(why, "line end"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_call_follows_the_tunnel_however_its_answer_is_cut),
        T(a_proxy_that_opens_no_tunnel_is_a_connect_error),
        T(a_proxys_answer_is_bounded),
        T(a_silent_proxy_meets_the_connect_limit_and_may_be_cancelled),
        T(a_user_with_a_line_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
