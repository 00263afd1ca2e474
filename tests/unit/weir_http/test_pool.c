/* test_pool.c - which connection a call gets, and what happens to those nobody uses. */
#include "tests/unit/weir_http/client_probe.h"

static const char ok_text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static struct weir_http_client_stats stats_of(struct world *w)
{
    struct weir_http_client_stats s;

    weir_http_client_get_stats(w->client, &s);
    return s;
}

static void calls_in_turn_share_one_connection(void **state)
{
    struct world *w = *state;
    struct script s;

    serve_text(w, &s, ok_text);
    for (int i = 0; i < 20; i++) {
        struct probe p = probe_of(w);

        get(&p);
        finish(&p);
        assert_int_equal(p.ends, 1);
        assert_int_equal(p.info.reused_connection, i > 0);
        probe_fini(&p);
    }
    assert_int_equal(w->server.accepted, 1);
    assert_int_equal(stats_of(w).reused, 19);
}

static void a_call_started_from_on_end_reuses_the_connection(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w), q = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    p.then = &q;
    get(&p);
    finish(&p);
    finish(&q);
    assert_true(q.info.reused_connection);
    assert_int_equal(w->server.accepted, 1);
    probe_fini(&p);
    probe_fini(&q);
}

static void equal_origins_share_connections_and_others_do_not(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w), q = probe_of(w), r = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    get(&p);
    finish(&p);
    make_origin(w, (struct weir_origin_conf){0});
    get(&q);
    finish(&q);
    assert_true(q.info.reused_connection);
    make_origin(w, (struct weir_origin_conf){.max_connections = 3});
    get(&r);
    finish(&r);
    assert_false(r.info.reused_connection);
    probe_fini(&p);
    probe_fini(&q);
    probe_fini(&r);
}

static void no_more_connections_than_the_cap_are_made(void **state)
{
    struct world *w = *state;

    enum { CALLS = 12 };
    struct probe p[CALLS];
    struct script s;

    serve_text(w, &s, ok_text);
    make_origin(w, (struct weir_origin_conf){.max_connections = 2});
    for (int i = 0; i < CALLS; i++) {
        p[i] = probe_of(w);
        get(&p[i]);
    }
    assert_int_equal(stats_of(w).open_connections, 2);
    assert_int_equal(stats_of(w).waiting_calls, CALLS - 2);
    for (int i = 0; i < CALLS; i++) {
        finish(&p[i]);
        assert_int_equal(p[i].ends, 1);
        probe_fini(&p[i]);
    }
    assert_int_equal(w->server.accepted, 2);
}

static void a_full_queue_refuses_and_waiting_has_a_limit_in_time(void **state)
{
    struct world *w = *state;
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("GET"), .path = WEIR_STR("/"), .connect_timeout_ms = 30};
    struct probe busy = probe_of(w), waits = probe_of(w), refused = probe_of(w);
    struct script s = {.silent = true};

    serve(w, &s, 1);
    make_origin(w, (struct weir_origin_conf){.max_connections = 1, .max_waiting = 1});
    get(&busy);
    start(&waits, &spec);
    start(&refused, &spec);
    finish(&refused);
    assert_int_equal(refused.rc, WEIR_ELIMIT);
    finish(&waits);
    assert_int_equal(waits.rc, WEIR_ETIMEOUT);
    assert_int_equal(waits.info.phase, WEIR_HTTP_PHASE_QUEUE);
    weir_http_call_cancel(busy.call);
    probe_fini(&busy);
    probe_fini(&waits);
    probe_fini(&refused);
}

static void a_cancelled_call_makes_room_for_who_waits(void **state)
{
    struct world *w = *state;
    struct probe busy = probe_of(w), waits = probe_of(w), gone = probe_of(w);
    struct script scripts[] = {{.silent = true}, {.reply = weir_str_of(ok_text)}};

    serve(w, scripts, 2);
    make_origin(w, (struct weir_origin_conf){.max_connections = 1});
    get(&busy);
    get(&gone);
    get(&waits);
    turn_until(w, &w->server.requests, 1);
    weir_http_call_cancel(gone.call); /* while it waits */
    weir_http_call_cancel(busy.call);
    finish(&waits);
    assert_int_equal(waits.ends, 1);
    probe_fini(&busy);
    probe_fini(&waits);
    probe_fini(&gone);
}

static void an_idle_connection_that_the_peer_closes_is_dropped(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w), q = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    get(&p);
    finish(&p);
    assert_int_equal(stats_of(w).idle_connections, 1);
    peer_drop(WEIR_CONTAINER(w->server.peers.next, struct peer, link));
    while (stats_of(w).open_connections)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(stats_of(w).idle_connections, 0);
    get(&q);
    finish(&q);
    assert_int_equal(q.ends, 1);
    assert_false(q.info.reused_connection);
    probe_fini(&p);
    probe_fini(&q);
}

static void an_unasked_answer_spoils_the_connection(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w), q = probe_of(w);
    struct script s;

    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nevil");
    get(&p);
    finish(&p);
    assert_int_equal(p.ends, 1);
    assert_int_equal(stats_of(w).open_connections, 0);
    get(&q);
    finish(&q);
    assert_false(q.info.reused_connection);
    assert_int_equal(q.body.n, 2);
    probe_fini(&p);
    probe_fini(&q);
}

static void connection_close_is_honoured(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w);
    struct script s;

    serve_text(w, &s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    get(&p);
    finish(&p);
    assert_int_equal(p.ends, 1);
    assert_int_equal(stats_of(w).open_connections, 0);
    probe_fini(&p);
}

static void a_stale_connection_is_told_so_that_the_caller_may_retry(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w), q = probe_of(w);
    struct script scripts[] = {{.reply = weir_str_of(ok_text)}, {.reset = true}};

    serve(w, scripts, 2);
    get(&p);
    finish(&p);
    get(&q);
    finish(&q);
    assert_int_equal(q.rc, WEIR_ECLOSED);
    assert_true(q.info.reused_connection);
    assert_true(q.info.request_bytes_sent);
    assert_false(q.info.any_response_byte);
    assert_int_equal(q.info.phase, WEIR_HTTP_PHASE_FIRST_BYTE);
    probe_fini(&p);
    probe_fini(&q);
}

static void a_connection_that_takes_no_byte_is_replaced_unseen(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w), q = probe_of(w);
    struct peer *peer;
    struct script s;
    struct linger now = {1, 0};

    serve_text(w, &s, ok_text);
    get(&p);
    finish(&p);
    /* A reset that the loop hasn't seen yet: the kernel refuses the very first byte. */
    peer = WEIR_CONTAINER(w->server.peers.next, struct peer, link);
    assert_int_equal(setsockopt(peer_fd(peer), SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    peer_drop(peer);
    get(&q);
    finish(&q);
    assert_int_equal(q.ends, 1);
    assert_false(q.info.reused_connection);
    assert_int_equal(w->server.requests, 2);
    probe_fini(&p);
    probe_fini(&q);
}

static void idle_connections_are_closed_after_their_time(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    make_origin(w, (struct weir_origin_conf){.idle_timeout_ms = 20});
    get(&p);
    finish(&p);
    turn_until(w, &w->server.closed, 1);
    assert_int_equal(stats_of(w).open_connections, 0);
    assert_int_equal(stats_of(w).idle_connections, 0);
    probe_fini(&p);
}

static void idle_connections_can_be_dropped_at_once(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    get(&p);
    finish(&p);
    weir_http_client_drop_idle(w->client);
    assert_int_equal(stats_of(w).open_connections, 0);
    probe_fini(&p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(calls_in_turn_share_one_connection),
        T(a_call_started_from_on_end_reuses_the_connection),
        T(equal_origins_share_connections_and_others_do_not),
        T(no_more_connections_than_the_cap_are_made),
        T(a_full_queue_refuses_and_waiting_has_a_limit_in_time),
        T(a_cancelled_call_makes_room_for_who_waits),
        T(an_idle_connection_that_the_peer_closes_is_dropped),
        T(an_unasked_answer_spoils_the_connection),
        T(connection_close_is_honoured),
        T(a_stale_connection_is_told_so_that_the_caller_may_retry),
        T(a_connection_that_takes_no_byte_is_replaced_unseen),
        T(idle_connections_are_closed_after_their_time),
        T(idle_connections_can_be_dropped_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
