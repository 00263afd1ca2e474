/* test_client.c - calls against an upstream that answers well, badly, slowly or not at all. */
#include "tests/unit/weir_http/client_probe.h"

#include <unistd.h>

/* ---- what an answer may look like ---- */

static const struct answer {
    const char *wire;
    bool close;
    int status;
    const char *body, *headers;
    int rc; /* then the others don't matter */
} answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:\r\nX-B: two \r\n\r\nhello", false, 200, "hello",
     "Content-Length=5\nX-A=\nX-B=two\n", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
     "chunked\r\n\r\n5\r\nhello\r\n1;q=\"a;b\"\r\n!\r\n0\r\n\r\n",
     false, 200, "hello!", "Transfer-Encoding=chunked\n", 0},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nTrailer: x\r\n\r\n",
     false, 200, "ab", "Transfer-Encoding=chunked\n", 0},
    {"HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of it", true, 200, "all of it", "X=y\n", 0},
    {"HTTP/1.0 200 OK\r\n\r\nold", true, 200, "old", "", 0},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 201 "
     "Made\r\nContent-Length: 0\r\nK: v\r\n\r\n",
     false, 201, "", "Content-Length=0\nK=v\n", 0},
    {"HTTP/1.1 204 None\r\nA: b\r\n\r\n", false, 204, "", "A=b\n", 0},
    {"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", false, 304, "", "Content-Length=9\n", 0},
    {"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort", true, .rc = WEIR_ECLOSED},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", true, .rc = WEIR_ECLOSED},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n", true,
     .rc = WEIR_ECLOSED},
    {"HTTP/1.1 200 OK\r\nConte", true, .rc = WEIR_ECLOSED},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false, .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", false,
     .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", false,
     .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
     .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", false, .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", false,
     .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n", false, .rc = WEIR_EPROTO},
    {"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n", false, .rc = WEIR_EPROTO},
    {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false,
     .rc = WEIR_EPROTO},
    {"SSH-2.0-nothing\r\n", false, .rc = WEIR_EPROTO},
};

static void check_answer(struct world *w, const struct answer *a, size_t piece)
{
    struct script s = {.reply = weir_str_of(a->wire), .piece = piece, .close_after = a->close};
    struct probe p = probe_of(w);

    serve(w, &s, 1);
    get(&p);
    finish(&p);
    if (p.rc != a->rc)
        print_message("%zu %s: %s\n", piece, p.info.cause, a->wire);
    assert_int_equal(p.rc, a->rc);
    if (a->rc == 0) {
        assert_int_equal(p.status, a->status);
        assert_int_equal(p.heads, 1);
        weir_buf_add(&p.body, "", 1);
        assert_string_equal(p.body.p, a->body);
        weir_buf_add(&p.headers, "", 1);
        assert_string_equal(p.headers.p, a->headers);
    } else {
        assert_true(*p.info.cause);
        assert_true(p.info.any_response_byte);
    }
    probe_fini(&p);
}

static void answers_are_read_alike_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        for (size_t piece = 0; piece < strlen(answers[i].wire); piece += piece < 8 ? 1 : 13)
            check_answer(*state, &answers[i], piece);
}

static void an_answer_to_head_has_no_body(void **state)
{
    struct world *w = *state;
    struct weir_http_call_spec spec = {.method = WEIR_STR("HEAD"), .path = WEIR_STR("/")};
    struct probe p = probe_of(w), q = probe_of(w);
    struct script s;

    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    start(&p, &spec);
    finish(&p);
    assert_int_equal(p.ends, 1);
    assert_int_equal(p.content_length, 500);
    start(&q, &spec);
    finish(&q);
    assert_true(q.info.reused_connection);
    probe_fini(&p);
    probe_fini(&q);
}

static void heads_are_bounded(void **state)
{
    struct world *w = *state;
    struct weir_buf b;
    struct script s = {.piece = 4000};
    struct probe p = probe_of(w), q = probe_of(w);

    weir_buf_init(&b, 1 << 20);
    weir_buf_addz(&b, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < WEIR_HTTP_CALL_MAX_HEADERS + 1; i++)
        weir_buf_addz(&b, "A: b\r\n");
    weir_buf_addz(&b, "\r\n");
    s.reply = weir_buf_str(&b);
    serve(w, &s, 1);
    get(&p);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ELIMIT);
    weir_buf_clear(&b);
    weir_buf_addz(&b, "HTTP/1.1 200 OK\r\nA: ");
    while (b.n < WEIR_HTTP_CALL_MAX_HEAD + 100)
        weir_buf_addz(&b, "0123456789abcdef");
    weir_buf_addz(&b, "\r\n\r\n");
    s.reply = weir_buf_str(&b);
    get(&q);
    finish(&q);
    assert_int_equal(q.rc, WEIR_ELIMIT);
    probe_fini(&p);
    probe_fini(&q);
    weir_buf_fini(&b);
}

/* ---- requests ---- */

static void a_request_is_written_as_given(void **state)
{
    struct world *w = *state;
    const struct weir_http_header headers[] = {{WEIR_STR("X-One"), WEIR_STR("1")}};
    const struct weir_str body[] = {WEIR_STR("ab"), WEIR_STR(""), WEIR_STR("cde")};
    struct weir_http_call_spec spec = {.method = WEIR_STR("POST"),
                                       .path = WEIR_STR("/v1?q=1"),
                                       .headers = headers,
                                       .header_count = 1,
                                       .body = body,
                                       .body_count = 3,
                                       .has_body = true};
    struct probe p = probe_of(w);
    struct script s;
    char want[200];

    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    start(&p, &spec);
    finish(&p);
    snprintf(want, sizeof want,
             "POST /v1?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-One: 1\r\nContent-Length: "
             "5\r\n\r\nabcde",
             w->server.port);
    assert_string_equal(w->server.last_request, want);
    assert_int_equal(p.sents, 1);
    assert_true(p.info.connect_us > 0 && p.info.first_byte_us >= p.info.connect_us);
    probe_fini(&p);
}

static void a_request_that_breaks_a_rule_is_refused(void **state)
{
    struct world *w = *state;
    const struct weir_http_header bad[] = {{WEIR_STR("A"), WEIR_STR("b\r\nC: d")},
                                           {WEIR_STR("A b"), WEIR_STR("c")},
                                           {WEIR_STR(""), WEIR_STR("c")},
                                           {WEIR_STR("Host"), WEIR_STR("h")},
                                           {WEIR_STR("content-length"), WEIR_STR("1")}};
    struct weir_http_call_spec spec = {.method = WEIR_STR("GET"), .path = WEIR_STR("/a b")};
    struct probe p = probe_of(w);

    assert_int_equal(weir_http_call_start(w->client, w->origin, &spec, &events, &p, &p.call),
                     WEIR_EINVAL);
    spec.path = WEIR_STR("/");
    spec.header_count = 1;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        spec.headers = &bad[i];
        assert_int_equal(weir_http_call_start(w->client, w->origin, &spec, &events, &p, &p.call),
                         WEIR_EINVAL);
    }
    assert_int_equal(p.ends + p.errors, 0);
    probe_fini(&p);
}

static void a_large_body_goes_out_whole_and_is_told_sent_once(void **state)
{
    struct world *w = *state;
    size_t n = 20 << 20;
    char *big = weir_alloc(n);
    struct weir_str body = {big, n};
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("POST"), .path = WEIR_STR("/"), .body = &body, .body_count = 1};
    struct probe p = probe_of(w);
    struct script s;

    memset(big, 'x', n);
    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    start(&p, &spec);
    finish(&p);
    assert_int_equal(p.ends, 1);
    assert_int_equal(p.sents, 1);
    probe_fini(&p);
    free(big);
}

static void an_early_answer_ends_the_call_and_its_connection(void **state)
{
    struct world *w = *state;
    size_t n = 64 << 20;
    char *big = weir_zalloc(n);
    struct weir_str body = {big, n};
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("POST"), .path = WEIR_STR("/"), .body = &body, .body_count = 1};
    struct probe p = probe_of(w);
    struct script s;
    struct weir_http_client_stats stats;

    serve_text(w, &s, "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
    s.early = true;
    start(&p, &spec);
    finish(&p);
    free(big); /* no longer borrowed */
    assert_int_equal(p.status, 413);
    assert_int_equal(p.ends, 1);
    weir_http_client_get_stats(w->client, &stats);
    if (p.sents == 0)
        assert_int_equal(stats.open_connections, 0);
    probe_fini(&p);
}

/* ---- time limits ---- */

static void each_time_limit_ends_the_call_in_its_phase(void **state)
{
    struct world *w = *state;
    struct weir_http_call_spec first = {.method = WEIR_STR("GET"),
                                        .path = WEIR_STR("/"),
                                        .first_byte_timeout_ms = 20,
                                        .total_timeout_ms = 60000};
    struct weir_http_call_spec idle = {
        .method = WEIR_STR("GET"), .path = WEIR_STR("/"), .idle_timeout_ms = 20};
    struct weir_http_call_spec total = {
        .method = WEIR_STR("GET"), .path = WEIR_STR("/"), .total_timeout_ms = 20};
    struct script scripts[] = {
        {.silent = true},
        {.reply = WEIR_STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")},
        {.reply = WEIR_STR("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")}};
    struct probe p[3] = {probe_of(w), probe_of(w), probe_of(w)};

    serve(w, scripts, 3);
    start(&p[0], &first);
    finish(&p[0]);
    start(&p[1], &idle);
    finish(&p[1]);
    start(&p[2], &total);
    finish(&p[2]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i].rc, WEIR_ETIMEOUT);
    assert_int_equal(p[0].info.phase, WEIR_HTTP_PHASE_FIRST_BYTE);
    assert_false(p[0].info.any_response_byte);
    assert_int_equal(p[1].info.phase, WEIR_HTTP_PHASE_BODY);
    assert_int_equal(p[2].info.phase, WEIR_HTTP_PHASE_BODY);
    for (int i = 0; i < 3; i++)
        probe_fini(&p[i]);
}

/* ---- back-pressure and cancel ---- */

static void a_paused_answer_stays_bounded_and_goes_on_after_resume(void **state)
{
    struct world *w = *state;
    size_t n = 30 << 20;
    struct weir_buf b;
    struct script s = {0};
    struct probe p = probe_of(w);
    size_t before;

    weir_buf_init(&b, n + 100);
    weir_buf_addf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
    memset(weir_buf_reserve(&b, n), 'z', n);
    weir_buf_grown(&b, n);
    s.reply = weir_buf_str(&b);
    serve(w, &s, 1);
    p.pause_in_head = true;
    get(&p);
    while (p.heads == 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    before = p.body.n;
    assert_true(before <= WEIR_HTTP_CALL_READ);
    for (int i = 0; i < 50; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(p.body.n, before);
    weir_http_call_resume(p.call);
    finish(&p);
    assert_int_equal(p.body.n, n);
    assert_true(p.batches > 0);
    probe_fini(&p);
    weir_buf_fini(&b);
}

static void a_cancelled_call_closes_its_connection_and_says_nothing(void **state)
{
    struct world *w = *state;
    struct script s = {.silent = true};
    struct probe p = probe_of(w);
    struct weir_http_client_stats stats;

    serve(w, &s, 1);
    get(&p);
    turn_until(w, &w->server.requests, 1);
    weir_http_call_cancel(p.call);
    weir_http_client_get_stats(w->client, &stats);
    assert_int_equal(stats.open_connections, 0);
    assert_int_equal(stats.active_calls, 0);
    turn_until(w, &w->server.closed, 1);
    assert_int_equal(p.ends + p.errors + p.heads, 0);
    probe_fini(&p);
}

static void a_call_may_be_cancelled_from_its_own_callbacks(void **state)
{
    struct world *w = *state;
    struct probe head = probe_of(w), body = probe_of(w), dial = probe_of(w);
    struct script s;

    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    head.cancel_in_head = true;
    get(&head);
    body.cancel_in_body = true;
    get(&body);
    get(&dial);
    weir_http_call_cancel(dial.call); /* while it connects */
    turn_until(w, &w->server.closed, 2);
    assert_int_equal(head.heads, 1);
    assert_int_equal(head.body.n, 0);
    assert_int_equal(body.body.n, 5);
    assert_int_equal(head.ends + head.errors + body.ends + body.errors + dial.ends + dial.errors,
                     0);
    probe_fini(&head);
    probe_fini(&body);
    probe_fini(&dial);
}

/* ---- failures ---- */

static void no_listener_is_a_connect_error(void **state)
{
    struct world *w = *state;
    struct weir_origin_conf conf = {.host = WEIR_STR("127.0.0.1"), .port = 1};
    struct probe p = probe_of(w);
    char why[100];

    weir_origin_unref(w->origin);
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &w->origin), WEIR_OK);
    get(&p);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ECONNECT);
    assert_int_equal(p.info.phase, WEIR_HTTP_PHASE_CONNECT);
    assert_string_equal(p.info.cause, "connection refused");
    assert_false(p.info.request_bytes_sent);
    probe_fini(&p);
}

static void a_socket_file_serves_as_well(void **state)
{
    struct world *w = *state;
    struct server local;
    struct weir_origin_conf conf = {.host = WEIR_STR("local")};
    struct probe p = probe_of(w);
    struct script s;
    char path[64], why[100];

    snprintf(path, sizeof path, "/tmp/weir-client-%d.sock", (int)getpid());
    server_init(&local, &w->loop);
    server_listen_unix(&local, path);
    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    local.scripts = &s;
    local.script_count = 1;
    conf.unix_path = weir_str_of(path);
    weir_origin_unref(w->origin);
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &w->origin), WEIR_OK);
    get(&p);
    finish(&p);
    assert_int_equal(p.ends, 1);
    assert_non_null(strstr(local.last_request, "Host: local\r\n"));
    server_close(&local);
    probe_fini(&p);
}

static void a_client_with_open_calls_can_be_destroyed(void **state)
{
    struct world *w = *state;
    struct script s = {.silent = true};
    struct probe p = probe_of(w), q = probe_of(w);

    serve(w, &s, 1);
    get(&p);
    turn_until(w, &w->server.requests, 1);
    get(&q);
    weir_http_client_destroy(w->client);
    w->client = NULL;
    turn_until(w, &w->server.closed, 1);
    assert_int_equal(p.ends + p.errors + q.ends + q.errors, 0);
    probe_fini(&p);
    probe_fini(&q);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_are_read_alike_however_they_are_cut),
        T(an_answer_to_head_has_no_body),
        T(heads_are_bounded),
        T(a_request_is_written_as_given),
        T(a_request_that_breaks_a_rule_is_refused),
        T(a_large_body_goes_out_whole_and_is_told_sent_once),
        T(an_early_answer_ends_the_call_and_its_connection),
        T(each_time_limit_ends_the_call_in_its_phase),
        T(a_paused_answer_stays_bounded_and_goes_on_after_resume),
        T(a_cancelled_call_closes_its_connection_and_says_nothing),
        T(a_call_may_be_cancelled_from_its_own_callbacks),
        T(no_listener_is_a_connect_error),
        T(a_socket_file_serves_as_well),
        T(a_client_with_open_calls_can_be_destroyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
