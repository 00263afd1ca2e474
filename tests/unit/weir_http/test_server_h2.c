#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/weir_http/h2_rig.h"

static int setup(void **state)
{
    static const struct weir_http_limits limits = {.header_bytes = 2048,
                                                   .target_bytes = 256,
                                                   .header_count = 12,
                                                   .body_bytes = 400000,
                                                   .streams = 50,
                                                   .connections = 40};

    (void)state;
    memset(&rig, 0, sizeof rig);
    mem_init(&rig.m, &limits);
    rig.m.server->http2 = true;
    rig.m.server->handler = &rig_handler;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_disconnect();
    assert_int_equal(rig.m.server->req_count, 0);
    assert_int_equal(rig.m.server->stream_count, 0);
    mem_fini(&rig.m);
    return 0;
}

static struct served *last(void)
{
    return &rig.served[rig.served_n - 1];
}

static void respond(struct served *s, size_t n)
{
    static char body[200000];
    struct weir_http_header h[] = {{WEIR_STR("X-A"), WEIR_STR("b")},
                                   {WEIR_STR("Connection"), WEIR_STR("close")},
                                   {WEIR_STR("Upgrade"), WEIR_STR("websocket")}};

    assert_true(n <= sizeof body);
    assert_int_equal(weir_http_respond(s->req, 200, h, 3, (struct weir_str){body, n}), WEIR_OK);
}

static void get(void)
{
    int32_t id = rig_request("GET", NULL, NULL);

    rig_run();
    respond(last(), 3);
    rig_run();
    assert_int_equal(rig.answers[id].status, 200);
    assert_int_equal(rig.answers[id].n, 3);
    assert_true(rig.answers[id].ended);
}

static void a_server_without_work_lets_its_loop_sleep(void **state)
{
    (void)state;
    rig_connect(true);
    for (int i = 0; i < 5; i++)
        (void)rig_request("GET", NULL, NULL);
    rig_run();
    for (int i = 0; i < 5; i++)
        respond(&rig.served[i], 3);
    assert_true(uv_is_active((uv_handle_t *)&rig.m.server->idle));
    (void)rig_request("GET", NULL, NULL);
    rig_run(); /* bytes come before the loop's turn: they take the work along */
    assert_false(uv_is_active((uv_handle_t *)&rig.m.server->idle));
    respond(last(), 3);
    rig_run();
    assert_false(uv_is_active((uv_handle_t *)&rig.m.server->idle));
}

static void a_request_is_what_it_is_on_http_1(void **state)
{
    struct upload body = {.left = 1000};
    const char *more[] = {"x-a", " b ", NULL};
    struct weir_http_req_info info;
    struct weir_http_req *r;
    int32_t id;

    (void)state;
    rig_connect(true);
    id = rig_request("POST", &body, more);
    rig_run();
    r = last()->req;
    assert_int_equal(weir_http_req_method(r), WEIR_HTTP_POST);
    assert_true(weir_str_is(weir_http_req_host(r), "a"));
    assert_true(weir_str_is(weir_http_req_header(r, WEIR_STR("Host")), "a"));
    assert_int_equal(last()->body_n, 1000);
    respond(last(), 5);
    weir_http_req_info(r, &info);
    assert_int_equal(info.status, 200);
    rig_run();
    assert_int_equal(last()->dones, 1);
    assert_int_equal(rig.answers[id].status, 200);
    assert_string_equal(rig.answers[id].length, "5");
    assert_int_equal(rig.answers[id].fields, 3); /* date, x-a, content-length */
    assert_false(rig.answers[id].bad_field);
    assert_int_equal(rig.answers[id].reset, -1);
}

static void every_bad_request_has_its_answer_and_the_connection_goes_on(void **state)
{
    static char target[400], value[2300];

    const struct {
        const char *name, *fields[10];
        unsigned status; /* 0: reset by PROTOCOL_ERROR */
        bool or_reset;   /* newer versions of nghttp2 see to it themselves */
    } table[] = {
        {"method",
         {":method", "TELEPORT", ":path", "/", ":scheme", "http", "host", "a"},
         501,
         false},
        {"lower case",
         {":method", "get", ":path", "/", ":scheme", "http", "host", "a"},
         501,
         false},
        {"connect", {":method", "CONNECT", ":authority", "a:443"}, 501, false},
        {"no path", {":method", "GET", ":scheme", "http", "host", "a"}, 0, false},
        {"no scheme", {":method", "GET", ":path", "/", "host", "a"}, 0, false},
        {"no host", {":method", "GET", ":path", "/", ":scheme", "http"}, 0, false},
        {"path twice", {":method", "GET", ":path", "/", ":path", "/", ":scheme", "http"}, 0, false},
        {"host in the path",
         {":method", "GET", ":path", "http://b/", ":scheme", "odd", "host", "a"},
         400,
         false},
        {"relative", {":method", "GET", ":path", "a", ":scheme", "odd", "host", "a"}, 400, false},
        {"fragment",
         {":method", "GET", ":path", "/a#b", ":scheme", "http", "host", "a"},
         400,
         false},
        {"star", {":method", "GET", ":path", "*", ":scheme", "http", "host", "a"}, 0, false},
        {"long target",
         {":method", "GET", ":path", target, ":scheme", "http", "host", "a"},
         414,
         false},
        {"another host",
         {":method", "GET", ":path", "/", ":scheme", "http", ":authority", "b", "host", "a"},
         400,
         false},
        {"user",
         {":method", "GET", ":path", "/", ":scheme", "http", ":authority", "u@a"},
         400,
         true},
        {"large",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "x", value},
         431,
         false},
        {"connection",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "connection", "close"},
         0,
         false},
        {"coding",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "transfer-encoding",
          "chunked"},
         0,
         false},
        {"upper case",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "X-A", "b"},
         0,
         false},
        {"line break",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "x", "b\r\nc: d"},
         400,
         false},
        {"expect",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "expect", "tea"},
         417,
         false},
        {"length",
         {":method", "GET", ":path", "/", ":scheme", "http", "host", "a", "content-length", "4"},
         0,
         false},
    };

    (void)state;
    memset(target, '/', sizeof target - 1);
    memset(value, 'v', sizeof value - 1);
    rig_connect(true);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        nghttp2_nv nv[5];
        size_t n = 0;
        int32_t id;
        bool reset;

        for (; n < 5 && table[i].fields[2 * n]; n++)
            nv[n] = rig_field(table[i].fields[2 * n], table[i].fields[2 * n + 1]);
        id = nghttp2_submit_request(rig.client, NULL, nv, n, NULL, NULL);
        rig_run();
        reset = rig.answers[id].reset == NGHTTP2_PROTOCOL_ERROR;
        if (reset ? table[i].status && !table[i].or_reset
                  : !table[i].status || rig.answers[id].status != table[i].status)
            fail_msg("%s: %u, reset %d", table[i].name, rig.answers[id].status,
                     (int)rig.answers[id].reset);
    }
    assert_int_equal(rig.served_n, 0);
    get();
    assert_int_equal(rig.goaway, -1);
}

static void too_many_headers_are_431_and_a_list_without_end_ends_the_connection(void **state)
{
    static const char name[] = "x-many", value[] = "0123456789012345678901234567890123456789";
    nghttp2_nv nv[204] = {rig_field(":method", "GET"), rig_field(":path", "/"),
                          rig_field(":scheme", "http"), rig_field(":authority", "a")};
    int32_t id;

    (void)state;
    for (size_t i = 4; i < 204; i++)
        nv[i] = rig_field(name, value);
    rig_connect(true);
    id = nghttp2_submit_request(rig.client, NULL, nv, 20, NULL, NULL);
    rig_run();
    assert_int_equal(rig.answers[id].status, 431);
    get();
    (void)nghttp2_submit_request(rig.client, NULL, nv, 204, NULL, NULL);
    rig_run();
    assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_true(rig.m.shut);
}

static void head_and_no_content_have_no_body(void **state)
{
    int32_t head, none;

    (void)state;
    rig_connect(true);
    head = rig_request("HEAD", NULL, NULL);
    rig_run();
    respond(last(), 7);
    none = rig_request("GET", NULL, NULL);
    rig_run();
    assert_int_equal(weir_http_respond(last()->req, 204, NULL, 0, WEIR_STR("nothing")), WEIR_OK);
    rig_run();
    assert_string_equal(rig.answers[head].length, "7");
    assert_string_equal(rig.answers[none].length, "");
    assert_true(rig.answers[head].ended && rig.answers[none].ended);
    assert_int_equal(rig.answers[head].n + rig.answers[none].n, 0);
}

static void a_client_that_expects_it_is_told_to_continue(void **state)
{
    struct upload body = {.left = 10};
    const char *more[] = {"expect", "100-continue", NULL};
    int32_t id;

    (void)state;
    rig_connect(true);
    id = rig_request("POST", &body, more);
    rig_run();
    respond(last(), 1);
    rig_run();
    assert_true(rig.answers[id].continued);
    assert_int_equal(rig.answers[id].status, 200);
}

static void trailers_are_read_and_dropped(void **state)
{
    struct upload body = {.left = 10, .hold = true};
    nghttp2_nv trailer = rig_field("x-sum", "1");
    int32_t id;

    (void)state;
    rig_connect(true);
    id = rig_request("POST", &body, NULL);
    rig_run();
    assert_false(last()->has_body);
    assert_int_equal(
        nghttp2_submit_headers(rig.client, NGHTTP2_FLAG_END_STREAM, id, NULL, &trailer, 1, NULL),
        0);
    rig_run();
    assert_true(last()->has_body);
    assert_false(weir_http_req_header(last()->req, WEIR_STR("x-sum")).p);
    respond(last(), 1);
    rig_run();
    assert_true(rig.answers[id].ended);
}

/* ---- bodies and windows ---- */

static void a_body_nobody_asked_for_waits_in_its_window(void **state)
{
    struct upload body = {.left = 390000};
    struct served *first;

    (void)state;
    rig_connect(true);
    rig.take = false;
    (void)rig_request("POST", &body, NULL);
    rig_run();
    first = last();
    assert_int_equal(body.left, 390000 - WEIR__H2_STREAM_WINDOW);
    get(); /* others go on */
    weir_http_req_collect_body(first->req, 0);
    rig_run();
    assert_int_equal(first->body_n, 390000);
    respond(first, 1);
    rig_run();
    assert_int_equal(first->dones, 1);
}

static void a_body_over_the_limit_is_413_and_its_window_stays_shut(void **state)
{
    struct upload body = {.left = 2000000};
    int32_t id;

    (void)state;
    rig_connect(true);
    id = rig_request("POST", &body, NULL);
    rig_run();
    assert_int_equal(rig.answers[id].status, 413);
    assert_true(rig.answers[id].ended);
    assert_int_equal(rig.answers[id].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(last()->aborted, WEIR_ELIMIT);
    assert_true(body.left >= 2000000 - 400000 - 2 * WEIR__H2_STREAM_WINDOW);
    get();
}

static void a_refusal_before_the_body_ends_the_stream_alone(void **state)
{
    struct upload body = {.left = 2000000};
    int32_t id;

    (void)state;
    rig_connect(true);
    rig.take = false;
    id = rig_request("POST", &body, NULL);
    rig_run();
    respond(last(), 10);
    rig_run();
    assert_int_equal(rig.answers[id].status, 200);
    assert_int_equal(rig.answers[id].reset, NGHTTP2_NO_ERROR);
    assert_int_equal(last()->dones, 1);
    assert_int_equal(last()->aborted, 0);
    get();
}

static void open_window(int32_t id, int32_t by)
{
    assert_int_equal(nghttp2_submit_window_update(rig.client, 0, 0, by), 0);
    assert_int_equal(nghttp2_submit_window_update(rig.client, 0, id, by), 0);
    rig_run();
}

static void a_slow_reader_stops_its_writer_and_no_other(void **state)
{
    static char piece[10000];
    size_t written = 0;
    struct served *slow;
    int32_t id;

    (void)state;
    rig_connect(false);
    assert_int_equal(nghttp2_submit_window_update(rig.client, 0, 0, 1000000), 0);
    id = rig_request("GET", NULL, NULL);
    rig_run();
    slow = last();
    assert_int_equal(weir_http_start(slow->req, 200, NULL, 0, -1), WEIR_OK);
    while (weir_http_write(slow->req, piece, sizeof piece) == WEIR_OK) {
        written += sizeof piece;
        rig_run();
        assert_true(written < 200000);
    }
    rig_run();
    assert_int_equal(rig.answers[id].n, 65535); /* the window of a stream, by default */
    assert_false(slow->writable);
    get();
    open_window(id, 60000);
    assert_true(slow->writable);
    assert_int_equal(weir_http_end(slow->req), WEIR_OK);
    rig_run();
    assert_int_equal(slow->dones, 0); /* the window doesn't let all of it go */
    open_window(id, 60000);
    assert_int_equal(slow->dones, 1);
    assert_true(rig.answers[id].ended);
}

static void a_socket_that_takes_nothing_is_given_no_more_than_its_share(void **state)
{
    int32_t ids[8];

    (void)state;
    rig_connect(true);
    rig.m.blocked = true;
    for (int i = 0; i < 8; i++) {
        ids[i] = rig_request("GET", NULL, NULL);
        rig_run();
        respond(last(), 60000);
        rig_run();
    }
    assert_true(rig.m.conn->out_bytes < WEIR__H2_OUT_BYTES + 20000);
    mem_unblock(&rig.m);
    rig_run();
    for (int i = 0; i < 8; i++)
        assert_int_equal(rig.answers[ids[i]].n, 60000);
    assert_int_equal(rig.m.server->metrics.output_bytes, 0);
}

/* ---- ends ---- */

static void a_reset_is_an_abort_of_that_request_alone(void **state)
{
    int32_t first, second;

    (void)state;
    rig_connect(true);
    first = rig_request("GET", NULL, NULL);
    second = rig_request("GET", NULL, NULL);
    rig_run();
    assert_int_equal(weir_http_start(rig.served[0].req, 200, NULL, 0, -1), WEIR_OK);
    assert_int_equal(weir_http_write(rig.served[0].req, "x", 1), WEIR_OK);
    rig_run();
    assert_int_equal(nghttp2_submit_rst_stream(rig.client, 0, first, NGHTTP2_CANCEL), 0);
    rig_run();
    assert_int_equal(rig.served[0].aborted, WEIR_ECLOSED);
    assert_int_equal(rig.served[0].dones, 1);
    assert_int_equal(rig.served[1].dones, 0);
    respond(&rig.served[1], 4);
    rig_run();
    assert_int_equal(rig.answers[second].n, 4);
    assert_int_equal(rig.served[1].aborted, 0);
}

static void an_answer_that_is_cut_is_a_reset_and_the_connection_goes_on(void **state)
{
    int32_t id;

    (void)state;
    rig_connect(true);
    id = rig_request("GET", NULL, NULL);
    rig_run();
    assert_int_equal(weir_http_start(last()->req, 200, NULL, 0, -1), WEIR_OK);
    assert_int_equal(weir_http_write(last()->req, "x", 1), WEIR_OK);
    rig_run();
    weir_http_abort(last()->req);
    rig_run();
    assert_int_equal(rig.answers[id].reset, NGHTTP2_INTERNAL_ERROR);
    assert_false(rig.answers[id].ended);
    assert_int_equal(last()->aborted, 0);
    assert_int_equal(last()->dones, 1);
    get();
}

static void a_lost_connection_aborts_every_stream_once(void **state)
{
    (void)state;
    rig_connect(true);
    for (int i = 0; i < 10; i++)
        (void)rig_request("GET", NULL, NULL);
    rig_run();
    assert_int_equal(rig.served_n, 10);
    rig_disconnect();
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rig.served[i].aborted, WEIR_ECLOSED);
        assert_int_equal(rig.served[i].dones, 1);
    }
}

static void streams_beyond_what_the_server_carries_are_refused_and_may_come_again(void **state)
{
    (void)state;
    rig_connect(true);
    for (int i = 0; i < 45; i++)
        (void)rig_request("GET", NULL, NULL);
    rig_run();
    assert_int_equal(rig.served_n, 40);
    assert_int_equal(rig.resets, 5);
    assert_int_equal(rig.answers[2 * 44 + 1].reset, NGHTTP2_REFUSED_STREAM);
    for (int i = 0; i < 40; i++)
        respond(&rig.served[i], 1);
    rig_run();
    get();
}

static void a_drain_serves_what_was_on_its_way_and_then_says_the_last_word(void **state)
{
    int32_t early, between, late;

    (void)state;
    rig_connect(true);
    early = rig_request("GET", NULL, NULL);
    rig_run();
    weir_http_server_drain(rig.m.server, 60000, NULL, NULL);
    (void)uv_run(&rig.m.loop, UV_RUN_NOWAIT);
    between = rig_request("GET", NULL, NULL); /* sent before the notice is read */
    rig_run();
    assert_int_equal(rig.goaway, NGHTTP2_NO_ERROR);
    assert_int_equal(rig.goaway_last, INT32_MAX);
    assert_int_equal(rig.served_n, 2);
    assert_true(weir_wheel_armed(&rig.m.conn->read_timer));
    weir__h2_idle(rig.m.conn); /* as the timer does */
    (void)uv_run(&rig.m.loop, UV_RUN_NOWAIT);
    rig_run();
    assert_int_equal(rig.goaway_last, between);
    late = rig_request("GET", NULL, NULL);
    assert_true(late < 0 || late > between);
    rig_run();
    assert_int_equal(rig.served_n, 2);
    respond(&rig.served[0], 1);
    respond(&rig.served[1], 1);
    rig_run();
    assert_true(rig.answers[early].ended && rig.answers[between].ended);
    assert_true(rig.m.shut);
}

/* ---- floods ---- */

static void assert_calmed(void)
{
    rig_run();
    assert_true(rig.m.shut);
    assert_int_equal(rig.m.server->metrics.refused, rig.refused + 1);
    for (unsigned i = 0; i < rig.served_n && i < RIG_STREAMS; i++)
        assert_int_equal(rig.served[i].dones, 1);
}

/* The client hears nothing, or it would break off before the server does. */
static void turn(void)
{
    (void)uv_run(&rig.m.loop, UV_RUN_NOWAIT);
    weir_buf_clear(&rig.m.out);
}

static void resets_in_a_burst_end_the_connection(void **state)
{
    (void)state;
    rig_connect(true);
    for (int i = 0; i < WEIR__H2_RESETS + 50; i++) {
        int32_t id = rig_request("GET", NULL, NULL);

        (void)rig_step();
        (void)nghttp2_submit_rst_stream(rig.client, 0, id, NGHTTP2_CANCEL);
        rig_run();
    }
    assert_calmed();
    assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* CVE-2025-8671: the client breaks a rule so that the server does the resetting. */
static void resets_that_a_client_provokes_count_as_its_own(void **state)
{
    static const char most[4] = {0x7f, -1, -1, -1}, *wrong[] = {"content-length", "4", NULL};

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        rig_disconnect();
        rig_connect(true);
        for (int i = 0; i < WEIR__H2_RESETS + 50 && !rig.m.shut; i++) {
            int32_t id = rig_request("GET", NULL, kind ? wrong : NULL);

            rig_run();
            if (kind == 0)
                rig_frame(NGHTTP2_WINDOW_UPDATE, 0, id, most, 4);
            rig_run();
        }
        assert_calmed();
        assert_int_equal(rig.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static void frames_that_bring_nothing_end_the_connection(void **state)
{
    static const struct {
        uint8_t type;
        size_t n;
    } kinds[] = {{NGHTTP2_PING, 8}, {NGHTTP2_SETTINGS, 0}, {NGHTTP2_PRIORITY, 5}};

    static const char bytes[8] = {0, 0, 0, 3};

    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        rig_disconnect();
        rig_connect(true);
        for (int i = 0; i < WEIR__H2_NOISE + 500 && !rig.m.shut; i++) {
            rig_frame(kinds[k].type, 0, kinds[k].type == NGHTTP2_PRIORITY ? 1 : 0, bytes,
                      kinds[k].n);
            turn();
        }
        assert_calmed();
    }
}

static void a_window_opened_byte_by_byte_ends_the_connection(void **state)
{
    nghttp2_settings_entry tiny = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    static const char one[4] = {0, 0, 0, 1};
    int32_t id;

    (void)state;
    rig_connect(false);
    assert_int_equal(nghttp2_submit_settings(rig.client, 0, &tiny, 1), 0);
    id = rig_request("GET", NULL, NULL);
    rig_run();
    respond(last(), 60000);
    for (int i = 0; i < WEIR__H2_NOISE + 500 && !rig.m.shut; i++) {
        rig_frame(NGHTTP2_WINDOW_UPDATE, 0, id, one, 4);
        turn();
    }
    assert_calmed();
}

static void answers_that_are_never_read_do_not_pile_up(void **state)
{
    size_t most = 0;
    int32_t id = 1;

    (void)state;
    rig.take = true;
    mem_connect(&rig.m);
    mem_feed(&rig.m, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
    rig_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
    rig.m.blocked = true;
    for (int i = 0; i < 20000; i++, id += 2) { /* the limit isn't acknowledged: refused, each */
        size_t queue;

        rig_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, id,
                  "\x82\x84\x86\x41\x01\x61", 6);
        queue = nghttp2_session_get_outbound_queue_size(rig.m.conn->h2->ng);
        most = queue > most ? queue : most;
    }
    assert_true(most <= WEIR__H2_QUEUE + 4 * 50 + 2);
    assert_true(rig.m.conn->h2->ending);
    mem_disconnect(&rig.m);
}

static void where_the_network_cuts_bytes_does_not_matter(void **state)
{
    static const char bytes[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\0\4\0\0\0\0\0"
                                "\0\0\6\1\4\0\0\0\1\x83\x84\x86\x41\1\x61"
                                "\0\0\5\0\x1\0\0\0\1hello";

    (void)state;
    for (size_t step = 1; step < sizeof bytes; step++) {
        rig.served_n = 0;
        rig.take = true;
        mem_connect(&rig.m);
        for (size_t at = 0; at < sizeof bytes - 1; at += step)
            mem_feed(&rig.m, bytes + at,
                     sizeof bytes - 1 - at < step ? sizeof bytes - 1 - at : step);
        (void)uv_run(&rig.m.loop, UV_RUN_NOWAIT);
        assert_int_equal(rig.served_n, 1);
        assert_int_equal(last()->body_n, 5);
        respond(last(), 2);
        (void)uv_run(&rig.m.loop, UV_RUN_NOWAIT);
        assert_int_equal(last()->dones, 1);
        mem_disconnect(&rig.m);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_what_it_is_on_http_1),
        TEST(a_server_without_work_lets_its_loop_sleep),
        TEST(every_bad_request_has_its_answer_and_the_connection_goes_on),
        TEST(too_many_headers_are_431_and_a_list_without_end_ends_the_connection),
        TEST(head_and_no_content_have_no_body),
        TEST(a_client_that_expects_it_is_told_to_continue),
        TEST(trailers_are_read_and_dropped),
        TEST(a_body_nobody_asked_for_waits_in_its_window),
        TEST(a_body_over_the_limit_is_413_and_its_window_stays_shut),
        TEST(a_refusal_before_the_body_ends_the_stream_alone),
        TEST(a_slow_reader_stops_its_writer_and_no_other),
        TEST(a_socket_that_takes_nothing_is_given_no_more_than_its_share),
        TEST(a_reset_is_an_abort_of_that_request_alone),
        TEST(an_answer_that_is_cut_is_a_reset_and_the_connection_goes_on),
        TEST(a_lost_connection_aborts_every_stream_once),
        TEST(streams_beyond_what_the_server_carries_are_refused_and_may_come_again),
        TEST(a_drain_serves_what_was_on_its_way_and_then_says_the_last_word),
        TEST(resets_in_a_burst_end_the_connection),
        TEST(resets_that_a_client_provokes_count_as_its_own),
        TEST(frames_that_bring_nothing_end_the_connection),
        TEST(a_window_opened_byte_by_byte_ends_the_connection),
        TEST(answers_that_are_never_read_do_not_pile_up),
        TEST(where_the_network_cuts_bytes_does_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
