#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/mem.h"
#include "dataplane/telemetry/sink_internal.h"

enum { SPANS = 512 }; /* that many are sent without waiting for the timer */

/* A collector that takes one request after the other and answers as told. */
struct rig {
    uv_loop_t loop;
    uv_tcp_t listener, peer;
    bool open;
    struct weir_buf got;
    const char *answers[2];
    int requests, closed;
    size_t body_bytes;
    char head[512];
    uv_write_t write;
    struct weir__exporter *e;
};

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *out)
{
    static char piece[65536];

    (void)h, (void)n;
    *out = uv_buf_init(piece, sizeof piece);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *piece)
{
    struct rig *r = s->data;
    const char *end, *length;
    size_t head, body;
    uv_buf_t answer;

    if (n < 0) {
        uv_close((uv_handle_t *)s, NULL);
        r->open = false;
        return;
    }
    assert_int_equal(weir_buf_add(&r->got, piece->base, (size_t)n), WEIR_OK);
    end = memmem(r->got.p, r->got.n, "\r\n\r\n", 4);
    if (!end)
        return;
    head = (size_t)(end + 4 - r->got.p);
    length = strcasestr(r->got.p, "content-length: ");
    assert_non_null(length);
    body = (size_t)strtoull(length + 16, NULL, 10);
    if (r->got.n < head + body)
        return;
    snprintf(r->head, sizeof r->head, "%.*s", (int)head, r->got.p);
    r->body_bytes = body;
    weir_buf_clear(&r->got);
    answer = uv_buf_init((char *)(uintptr_t)r->answers[r->requests],
                         (unsigned)strlen(r->answers[r->requests]));
    r->requests++;
    assert_int_equal(uv_write(&r->write, s, &answer, 1, NULL), 0);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct rig *r = listener->data;

    assert_int_equal(status, 0);
    uv_tcp_init(&r->loop, &r->peer);
    r->peer.data = r;
    r->open = true;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&r->peer), 0);
    uv_read_start((uv_stream_t *)&r->peer, on_alloc, on_read);
}

static void on_closed(void *arg)
{
    ((struct rig *)arg)->closed++;
}

static void add_spans(struct rig *r, int n)
{
    static char trace[] = "0af7651916cd43dd8448eb211c80319c", span[] = "b7ad6b7169203331";
    Weir__V1__CallRecord rec = WEIR__V1__CALL_RECORD__INIT;

    rec.traceid = trace;
    rec.spanid = span;
    for (int i = 0; i < n; i++)
        weir__exporter_add(r->e, &rec);
}

static void spans_are_posted_and_a_refusal_is_counted(void **state)
{
    struct rig r = {.answers = {"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"}};
    struct weir_sink_options o = {.loop = &r.loop};
    struct weir_sink_stats st = {0};
    struct sockaddr_in at;
    char endpoint[64], why[256] = "";
    int n = sizeof at;

    (void)state;
    uv_loop_init(&r.loop);
    weir_buf_init(&r.got, 16 << 20);
    uv_tcp_init(&r.loop, &r.listener);
    r.listener.data = &r;
    uv_ip4_addr("127.0.0.1", 0, &at);
    assert_int_equal(uv_tcp_bind(&r.listener, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&r.listener, 8, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&r.listener, (struct sockaddr *)&at, &n), 0);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d", ntohs(at.sin_port));
    o.otlp_endpoint = endpoint;
    assert_int_equal(weir__exporter_create(&o, why, sizeof why, &r.e), WEIR_OK);

    add_spans(&r, SPANS);
    while (st.spans_sent == 0) {
        uv_run(&r.loop, UV_RUN_ONCE);
        weir__exporter_count(r.e, &st);
    }
    assert_int_equal(st.spans_sent, SPANS);
    assert_non_null(strstr(r.head, "POST /v1/traces HTTP/1.1\r\n"));
    assert_non_null(strcasestr(r.head, "content-type: application/x-protobuf\r\n"));
    assert_true(r.body_bytes > SPANS * 40);

    add_spans(&r, SPANS);
    while (st.spans_dropped == 0) {
        uv_run(&r.loop, UV_RUN_ONCE);
        weir__exporter_count(r.e, &st);
    }
    assert_int_equal(st.spans_dropped, SPANS);
    assert_int_equal(st.export_failures, 1);
    assert_int_equal(r.requests, 2);

    add_spans(&r, WEIR_SINK_SPANS + 7); /* more than may wait */
    weir__exporter_count(r.e, &st);
    assert_int_equal(st.spans_dropped, SPANS + 7);

    weir__exporter_close(r.e, on_closed, &r);
    uv_close((uv_handle_t *)&r.listener, NULL);
    uv_run(&r.loop, UV_RUN_DEFAULT); /* the client closes, so the peer does */
    assert_int_equal(r.closed, 1);
    assert_false(r.open);
    weir_buf_fini(&r.got);
    assert_int_equal(uv_loop_close(&r.loop), 0);
}

static void a_bad_endpoint_is_refused_with_a_reason(void **state)
{
    struct weir_sink_options o = {.otlp_endpoint = "localhost:4318"};
    struct weir__exporter *e;
    char why[256] = "";

    (void)state;
    assert_int_equal(weir__exporter_create(&o, why, sizeof why, &e), WEIR_EINVAL);
    assert_true(strlen(why) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_are_posted_and_a_refusal_is_counted),
        cmocka_unit_test(a_bad_endpoint_is_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
