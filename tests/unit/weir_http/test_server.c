/* A server in a thread of its own, and blocking clients on loopback sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "http/server.h"
#include "net/post.h"

enum { LARGE_BYTES = 8 << 20, PIECE_BYTES = 32768 };

#define HOST "Host: a\r\n"

struct rig {
    uv_loop_t loop;
    pthread_t thread;
    struct weir_mailbox *box;
    struct weir_http_server *server;
    unsigned port;
    struct weir_http_req *pending;
    size_t left; /* of a streamed answer */
    size_t max_pending;
    int abort_rc;
    unsigned aborts, dones;
    sem_t event; /* posted by aborted, done, drained, pending */
    bool drained;
    struct weir_http_metrics last;
};

static struct rig g;

static const char *piece(void)
{
    static char bytes[PIECE_BYTES];

    memset(bytes, 'p', sizeof bytes);
    return bytes;
}

static void stream(struct weir_http_req *r)
{
    while (g.left > 0) {
        int rc = weir_http_write(r, piece(), PIECE_BYTES);

        if (weir_http_pending_bytes(r) > g.max_pending)
            g.max_pending = weir_http_pending_bytes(r);
        g.left -= PIECE_BYTES;
        if (rc != WEIR_OK)
            return;
    }
    weir_http_end(r);
}

static void on_request(void *arg, struct weir_http_req *r)
{
    struct weir_str path = weir_http_req_path(r);

    (void)arg;
    if (weir_str_is(path, "/large") || weir_str_is(path, "/chunked")) {
        g.left = weir_str_is(path, "/large") ? LARGE_BYTES : PIECE_BYTES * 2;
        weir_http_start(r, 200, NULL, 0, weir_str_is(path, "/large") ? LARGE_BYTES : -1);
        stream(r);
    } else if (weir_str_is(path, "/upgrade")) {
        struct weir_http_header h = {WEIR_STR("Upgrade"), WEIR_STR("HTTP/1.1")};

        weir_http_respond(r, 426, &h, 1, WEIR_STR("no"));
    } else if (weir_str_is(path, "/early")) {
        struct weir_http_header h = {WEIR_STR("X-Bad"), WEIR_STR("a\r\nX-Evil: b")};

        weir_http_respond(r, 401, &h, 1, WEIR_STR("who?"));
    } else if (weir_str_is(path, "/cut")) {
        weir_http_start(r, 200, NULL, 0, 10);
        weir_http_write(r, "half", 4);
        weir_http_end(r);
    } else if (weir_str_is(path, "/held")) { /* asks for its body only when told */
        g.pending = r;
        sem_post(&g.event);
    } else {
        weir_http_req_collect_body(r, weir_str_is(path, "/small") ? 100 : 0);
    }
}

static void on_body(struct weir_http_req *r, struct weir_str body)
{
    char text[64];
    int n;

    if (weir_str_is(weir_http_req_path(r), "/pending")) {
        g.pending = r;
        sem_post(&g.event);
        return;
    }
    n = snprintf(text, sizeof text, "%zu %016llx", body.n,
                 (unsigned long long)weir_hash64(body, 1));
    weir_http_respond(r, 200, NULL, 0, (struct weir_str){text, (size_t)n});
}

static void on_abort(struct weir_http_req *r, int rc)
{
    (void)r;
    g.abort_rc = rc;
    g.aborts++;
    g.pending = NULL;
}

static void on_writable(struct weir_http_req *r)
{
    stream(r);
}

static void on_done(struct weir_http_req *r)
{
    (void)r;
    g.dones++;
    sem_post(&g.event);
}

static const struct weir_http_handler handler = {
    .on_request = on_request,
    .on_body = on_body,
    .on_abort = on_abort,
    .on_writable = on_writable,
    .on_done = on_done,
};

static void *run_loop(void *arg)
{
    (void)arg;
    uv_run(&g.loop, UV_RUN_DEFAULT);
    return NULL;
}

static void start(const struct weir_http_limits *limits)
{
    struct weir_http_server_options o = {.loop = &g.loop, .handler = &handler};

    memset(&g, 0, sizeof g);
    sem_init(&g.event, 0, 0);
    assert_int_equal(uv_loop_init(&g.loop), 0);
    if (limits)
        o.limits = *limits;
    g.box = weir_mailbox_create(&g.loop, 100);
    assert_int_equal(weir_http_server_create(&o, &g.server), WEIR_OK);
    assert_int_equal(weir_http_listen(g.server, "127.0.0.1", 0, NULL, &g.port), WEIR_OK);
    assert_int_equal(pthread_create(&g.thread, NULL, run_loop, NULL), 0);
}

static void tell(void (*fn)(void *arg))
{
    assert_int_equal(weir_mailbox_post(g.box, fn, NULL), WEIR_OK);
}

static void do_stop(void *arg)
{
    (void)arg;
    g.last = *weir_http_server_metrics(g.server);
    weir_http_server_close(g.server, NULL, NULL);
}

static void stop(void)
{
    tell(do_stop);
    pthread_join(g.thread, NULL);
    weir_mailbox_destroy(g.box);
    uv_run(&g.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&g.loop), 0);
    sem_destroy(&g.event);
}

/* libuv's io_uring may interrupt a waiting system call of the thread that made the loop: hence the
 * retries. */
static void await(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    assert_int_equal(TEMP_FAILURE_RETRY(sem_timedwait(&g.event, &until)), 0);
}

static int dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)g.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {20, 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static char reply[65536];

/* Reads until the text ends with end, or to the end of the connection if NULL. */
static size_t hear(int fd, const char *end)
{
    size_t n = 0;

    for (;;) {
        ssize_t got = TEMP_FAILURE_RETRY(recv(fd, reply + n, sizeof reply - 1 - n, 0));

        if (got <= 0)
            break;
        n += (size_t)got;
        reply[n] = '\0';
        if (end && n >= strlen(end) && strcmp(reply + n - strlen(end), end) == 0)
            break;
    }
    reply[n] = '\0';
    return n;
}

static void expect_eof(int fd)
{
    char byte;

    assert_int_equal(TEMP_FAILURE_RETRY(recv(fd, &byte, 1, 0)), 0);
    close(fd);
}

static void assert_reply(const char *part)
{
    if (!strstr(reply, part))
        fail_msg("\"%s\" is not in: %s", part, reply);
}

static void requests_share_a_connection_and_pipelining_ends_it(void **state)
{
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    for (int i = 0; i < 3; i++) {
        say(fd,
            "GET /upgrade HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
        hear(fd, "no");
        assert_reply("HTTP/1.1 426 Upgrade Required\r\n");
        assert_reply("Connection: upgrade\r\n");
    }
    say(fd, "GET /pending HTTP/1.1\r\n" HOST "\r\nGET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 4; i++)
        await();
    stop();
    assert_int_equal(g.last.requests, 4);
    assert_int_equal(g.dones, 4); /* the last was cut by the close */
    assert_int_equal(g.abort_rc, WEIR_ECANCELED);
    close(fd);
}

static void do_answer(void *arg)
{
    (void)arg;
    if (g.pending)
        weir_http_respond(g.pending, 200, NULL, 0, WEIR_STR("late"));
}

static void do_collect(void *arg)
{
    (void)arg;
    weir_http_req_collect_body(g.pending, 0);
}

static void a_second_request_before_the_answer_closes_after_it(void **state)
{
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    say(fd, "GET /pending HTTP/1.1\r\n" HOST "\r\nGET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    await();
    tell(do_answer);
    hear(fd, NULL);
    assert_reply("Connection: close\r\n");
    assert_reply("\r\n\r\nlate");
    assert_null(strstr(reply, "426"));
    close(fd);
    stop();
    assert_int_equal(g.aborts, 0);
    assert_int_equal(g.dones, 1);
    assert_int_equal(g.last.pipelined, 1);
}

static void a_handler_may_ask_for_the_body_later(void **state)
{
    char expected[64];
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    say(fd, "POST /held HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    await();
    tell(do_collect);
    hear(fd, "100 Continue\r\n\r\n");
    say(fd, "hel");
    say(fd, "lo");
    snprintf(expected, sizeof expected, "5 %016llx",
             (unsigned long long)weir_hash64(WEIR_STR("hello"), 1));
    hear(fd, expected);
    assert_reply("HTTP/1.1 200 OK\r\n");
    assert_reply("\r\n\r\n5 ");
    close(fd);
    stop();
}

static void a_large_body_comes_in_and_a_chunked_answer_goes_out(void **state)
{
    char expected[64];
    char *body = weir_alloc(5 << 20);
    int fd;

    (void)state;
    for (size_t i = 0; i < 5 << 20; i++)
        body[i] = (char)(i * 31 >> 7);
    start(NULL);
    fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5242880\r\n\r\n");
    for (size_t at = 0; at < 5 << 20;) {
        ssize_t n = send(fd, body + at, (5 << 20) - at, MSG_NOSIGNAL);

        assert_true(n > 0);
        at += (size_t)n;
    }
    snprintf(expected, sizeof expected, "5242880 %016llx",
             (unsigned long long)weir_hash64((struct weir_str){body, 5 << 20}, 1));
    hear(fd, expected);
    assert_reply(expected);
    say(fd, "GET /chunked HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "\r\n0\r\n\r\n");
    assert_reply("Transfer-Encoding: chunked\r\n");
    assert_reply("\r\n\r\n8000\r\npppp");
    assert_reply("p\r\n8000\r\npppp");
    say(fd, "GET /chunked HTTP/1.0\r\n\r\n");
    hear(fd, NULL);
    assert_null(strstr(reply, "chunked"));
    assert_reply("Connection: close\r\n");
    close(fd);
    free(body);
    stop();
}

static void a_slow_reader_bounds_what_waits_for_it(void **state)
{
    static const struct weir_http_limits limits = {.output_high = 100000, .output_low = 20000};
    int fd, small = 65536;
    size_t total = 0;
    ssize_t n;

    (void)state;
    start(&limits);
    fd = dial();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    say(fd, "GET /large HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    while ((n = recv(fd, reply, 20000, 0)) > 0)
        total += (size_t)n;
    assert_int_equal(n, 0);
    assert_in_range(total, LARGE_BYTES, LARGE_BYTES + 200);
    close(fd);
    await();
    assert_true(g.max_pending < 100000 + 2 * PIECE_BYTES);
    assert_int_equal(g.aborts, 0);
    stop();
}

static void a_reader_that_stops_is_cut(void **state)
{
    static const struct weir_http_limits limits = {.write_ms = 100};
    int fd;

    (void)state;
    start(&limits);
    fd = dial();
    say(fd, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    await();
    assert_int_equal(g.abort_rc, WEIR_ETIMEOUT);
    assert_int_equal(g.aborts, 1);
    assert_int_equal(g.dones, 1);
    close(fd);
    stop();
}

static void a_refused_large_body_still_gets_its_answer(void **state)
{
    static char body[200000];
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    say(fd, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n");
    assert_int_equal(send(fd, body, sizeof body, MSG_NOSIGNAL), sizeof body);
    hear(fd, NULL);
    assert_reply("HTTP/1.1 413 Content Too Large\r\n");
    close(fd);
    await();
    assert_int_equal(g.abort_rc, WEIR_ELIMIT);
    fd = dial();
    say(fd, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\n01234");
    hear(fd, "who?");
    assert_reply("HTTP/1.1 401 Unauthorized\r\n");
    assert_reply("X-Bad: a  X-Evil: b\r\n");
    assert_null(strstr(reply, "Connection"));
    say(fd, "56789GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "no");
    assert_reply("HTTP/1.1 426");
    close(fd);
    stop();
}

static void slow_requests_are_408_and_idle_connections_close(void **state)
{
    static const struct weir_http_limits limits = {.header_ms = 60, .body_ms = 60, .idle_ms = 60};
    int fd;

    (void)state;
    start(&limits);
    fd = dial();
    expect_eof(fd);
    fd = dial();
    say(fd, "GET / HTTP/1.1\r\nHo");
    hear(fd, NULL);
    assert_reply("HTTP/1.1 408 Request Timeout\r\n");
    close(fd);
    fd = dial();
    say(fd, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
    hear(fd, NULL);
    assert_reply("HTTP/1.1 408 Request Timeout\r\n");
    close(fd);
    await();
    assert_int_equal(g.abort_rc, WEIR_ETIMEOUT);
    fd = dial();
    say(fd, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "no");
    expect_eof(fd);
    stop();
}

static void a_client_that_leaves_is_an_abort_unless_half_close_is_allowed(void **state)
{
    static const struct weir_http_limits half = {.allow_half_close = true};
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    say(fd, "GET /pending HTTP/1.1\r\n" HOST "\r\n");
    await();
    close(fd);
    await();
    assert_int_equal(g.abort_rc, WEIR_ECLOSED);
    assert_int_equal(g.aborts, 1);
    assert_int_equal(g.dones, 1);
    stop();
    start(&half);
    fd = dial();
    say(fd, "GET /pending HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    await();
    tell(do_answer);
    hear(fd, NULL);
    assert_reply("\r\n\r\nlate");
    close(fd);
    stop();
    assert_int_equal(g.aborts, 0);
}

static void an_incomplete_answer_is_seen_as_such(void **state)
{
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    say(fd, "GET /cut HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, NULL);
    assert_null(strstr(reply, "half\r\n"));
    close(fd);
    await();
    assert_int_equal(g.aborts, 0);
    assert_int_equal(g.dones, 1);
    stop();
}

static void on_drained(void *arg)
{
    (void)arg;
    g.drained = true;
    sem_post(&g.event);
}

static void do_drain(void *arg)
{
    (void)arg;
    weir_http_server_drain(g.server, 10000, on_drained, NULL);
}

static void do_drain_now(void *arg)
{
    (void)arg;
    weir_http_server_drain(g.server, 50, on_drained, NULL);
}

static void a_drain_finishes_what_was_asked_and_closes_the_rest(void **state)
{
    int idle, busy;

    (void)state;
    start(NULL);
    idle = dial();
    say(idle, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(idle, "no");
    await();
    busy = dial();
    say(busy, "GET /pending HTTP/1.1\r\n" HOST "\r\n");
    await();
    tell(do_drain);
    expect_eof(idle);
    tell(do_answer);
    hear(busy, NULL);
    assert_reply("Connection: close\r\n");
    assert_reply("late");
    close(busy);
    await(); /* done */
    await(); /* drained */
    assert_true(g.drained);
    assert_int_equal(g.aborts, 0);
    stop();
}

static sem_t gate;

static void do_drain_at_gate(void *arg)
{
    sem_post(&g.event);
    sem_wait(&gate); /* the loop stands still: what arrives now waits in the kernel */
    do_drain(arg);
}

static void a_drain_serves_what_has_arrived_already(void **state)
{
    int kept, fresh;

    (void)state;
    sem_init(&gate, 0, 0);
    start(NULL);
    kept = dial();
    say(kept, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(kept, "no");
    await();
    tell(do_drain_at_gate);
    await();
    say(kept, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    fresh = dial();
    say(fresh, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    sem_post(&gate);
    hear(kept, NULL);
    assert_reply("HTTP/1.1 426");
    assert_reply("Connection: upgrade, close\r\n");
    hear(fresh, NULL);
    assert_reply("HTTP/1.1 426");
    close(kept);
    close(fresh);
    for (int i = 0; i < 3; i++)
        await();
    assert_true(g.drained);
    stop();
    sem_destroy(&gate);
}

static void a_drain_cuts_at_its_deadline(void **state)
{
    int fd;

    (void)state;
    start(NULL);
    fd = dial();
    say(fd, "GET /pending HTTP/1.1\r\n" HOST "\r\n");
    await();
    tell(do_drain_now);
    await();
    await();
    assert_true(g.drained);
    assert_int_equal(g.abort_rc, WEIR_ECANCELED);
    assert_int_equal(g.dones, 1);
    close(fd);
    stop();
}

static void at_the_connection_limit_others_wait(void **state)
{
    static const struct weir_http_limits limits = {.connections = 1};
    int first, second;

    (void)state;
    start(&limits);
    first = dial();
    say(first, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(first, "no");
    second = dial();
    say(second, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    say(first, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(first, "no");
    close(first);
    hear(second, "no");
    assert_reply("426");
    close(second);
    stop();
    assert_true(g.last.accept_paused >= 1);
}

static void do_listen_unix(void *arg)
{
    (void)arg;
    if (weir_http_listen_unix(g.server, "test_server.sock", NULL) == WEIR_OK)
        sem_post(&g.event);
}

static void a_unix_socket_serves_too(void **state)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "test_server.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)state;
    start(NULL);
    tell(do_listen_unix);
    await();
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    say(fd, "GET /upgrade HTTP/1.1\r\n" HOST "\r\n");
    hear(fd, "no");
    close(fd);
    stop();
    assert_int_equal(access(a.sun_path, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_share_a_connection_and_pipelining_ends_it),
        cmocka_unit_test(a_second_request_before_the_answer_closes_after_it),
        cmocka_unit_test(a_handler_may_ask_for_the_body_later),
        cmocka_unit_test(a_large_body_comes_in_and_a_chunked_answer_goes_out),
        cmocka_unit_test(a_slow_reader_bounds_what_waits_for_it),
        cmocka_unit_test(a_reader_that_stops_is_cut),
        cmocka_unit_test(a_refused_large_body_still_gets_its_answer),
        cmocka_unit_test(slow_requests_are_408_and_idle_connections_close),
        cmocka_unit_test(a_client_that_leaves_is_an_abort_unless_half_close_is_allowed),
        cmocka_unit_test(an_incomplete_answer_is_seen_as_such),
        cmocka_unit_test(a_drain_finishes_what_was_asked_and_closes_the_rest),
        cmocka_unit_test(a_drain_serves_what_has_arrived_already),
        cmocka_unit_test(a_drain_cuts_at_its_deadline),
        cmocka_unit_test(at_the_connection_limit_others_wait),
        cmocka_unit_test(a_unix_socket_serves_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
