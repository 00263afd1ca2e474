/* test_dial.c - names, races between addresses, and what is remembered of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/dial.h"

struct world {
    uv_loop_t loop;
    struct weir_dns *dns;
    uv_tcp_t good; /* accepts */
    int stuck[9];  /* a listener whose queue is full, and who fills it: it never answers */
    struct sockaddr_in good_addr, stuck_addr;
    unsigned calls;
    int rc;
    const char *cause;
    struct weir_socket *socket;
};

static void on_connection(uv_stream_t *s, int status)
{
    (void)s;
    (void)status;
}

static void listen_on(struct world *w, uv_tcp_t *l, struct sockaddr_in *addr, const char *ip,
                      int backlog)
{
    int n = sizeof *addr;

    uv_ip4_addr(ip, 0, addr);
    assert_int_equal(uv_tcp_init(&w->loop, l), 0);
    assert_int_equal(uv_tcp_bind(l, (struct sockaddr *)addr, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)l, backlog, on_connection), 0);
    uv_tcp_getsockname(l, (struct sockaddr *)addr, &n);
}

static int setup(void **state)
{
    struct world *w = WEIR_NEW(struct world);

    uv_loop_init(&w->loop);
    w->dns = weir_dns_create(&w->loop);
    listen_on(w, &w->good, &w->good_addr, "127.0.0.1", 16);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    uv_close((uv_handle_t *)&w->good, NULL);
    for (size_t i = 0; i < 9; i++)
        if (w->stuck[i] > 0)
            close(w->stuck[i]);
    weir_dns_destroy(w->dns);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static void on_dialled(void *arg, int rc, const char *cause, struct weir_socket *socket)
{
    struct world *w = arg;

    w->calls++;
    w->rc = rc;
    w->cause = cause;
    w->socket = socket;
}

static void dial(struct world *w, const char *host, unsigned port)
{
    w->calls = 0;
    w->socket = NULL;
    weir_dial_tcp(&w->loop, w->dns, weir_str_of(host), (uint16_t)port, on_dialled, w);
    assert_int_equal(w->calls, 0);
    while (w->calls == 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->calls, 1);
}

static void peer_of(struct world *w, char *out, size_t size)
{
    struct sockaddr_storage a;
    int n = sizeof a;

    assert_int_equal(uv_tcp_getpeername(&w->socket->u.tcp, (struct sockaddr *)&a, &n), 0);
    uv_ip4_name((struct sockaddr_in *)&a, out, size);
    weir_socket_close(w->socket);
}

/* A listener that accepts nothing and whose queue is full drops new requests, like a dead host. Not
 * by libuv, which would take connections off the queue. */
static void make_stuck(struct world *w)
{
    socklen_t n = sizeof w->stuck_addr;

    /* The good listener's port, which hardly anybody else has on this address. */
    uv_ip4_addr("127.0.0.2", ntohs(w->good_addr.sin_port), &w->stuck_addr);
    for (size_t i = 0; i < 9; i++) {
        w->stuck[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(w->stuck[i] > 0);
        if (i == 0) {
            assert_int_equal(bind(w->stuck[0], (struct sockaddr *)&w->stuck_addr, n), 0);
            assert_int_equal(listen(w->stuck[0], 0), 0);
            getsockname(w->stuck[0], (struct sockaddr *)&w->stuck_addr, &n);
        } else if (connect(w->stuck[i], (struct sockaddr *)&w->stuck_addr, n)) {
            assert_int_equal(errno, EINPROGRESS);
        }
    }
}

static struct sockaddr_storage any_port(const char *ip)
{
    struct sockaddr_storage a = {0};

    if (strchr(ip, ':'))
        uv_ip6_addr(ip, 0, (struct sockaddr_in6 *)&a);
    else
        uv_ip4_addr(ip, 0, (struct sockaddr_in *)&a);
    return a;
}

static void an_address_is_dialled_without_a_name_server(void **state)
{
    struct world *w = *state;
    char ip[32];

    dial(w, "127.0.0.1", ntohs(w->good_addr.sin_port));
    assert_int_equal(w->rc, WEIR_OK);
    peer_of(w, ip, sizeof ip);
    assert_string_equal(ip, "127.0.0.1");
}

static void a_refused_first_address_gives_way_at_once(void **state)
{
    struct world *w = *state;
    /* Nobody listens on 127.0.0.3 at this port. */
    struct sockaddr_storage addrs[] = {any_port("127.0.0.3"), any_port("127.0.0.1")};
    char ip[32];

    weir_dns_pin(w->dns, WEIR_STR("pinned"), addrs, 2);
    dial(w, "pinned", ntohs(w->good_addr.sin_port));
    assert_int_equal(w->rc, WEIR_OK);
    peer_of(w, ip, sizeof ip);
    assert_string_equal(ip, "127.0.0.1");
}

static void a_dead_first_address_loses_the_race(void **state)
{
    struct world *w = *state;
    struct sockaddr_storage addrs[2];
    struct weir_dns_query *q = NULL;
    struct weir_dns_result r;
    uint16_t port;
    char ip[32];

    make_stuck(w);
    port = ntohs(w->stuck_addr.sin_port);
    addrs[0] = any_port("127.0.0.2");
    addrs[1] = any_port("127.0.0.1");
    weir_dns_pin(w->dns, WEIR_STR("pinned"), addrs, 2);
    dial(w, "pinned", port);
    assert_int_equal(w->rc, WEIR_OK);
    peer_of(w, ip, sizeof ip);
    assert_string_equal(ip, "127.0.0.1");
    /* A race that was lost is not a failure; one that is noted puts the address last. */
    weir_dns_note(w->dns, (struct sockaddr *)&w->stuck_addr, true);
    assert_int_equal(weir_dns_resolve(w->dns, WEIR_STR("pinned"), port, NULL, NULL, &r, &q),
                     WEIR_OK);
    assert_int_equal(((struct sockaddr_in *)&r.addr[1])->sin_addr.s_addr,
                     w->stuck_addr.sin_addr.s_addr);
}

static void families_take_turns(void **state)
{
    struct world *w = *state;
    struct sockaddr_storage addrs[] = {any_port("::1"), any_port("::2"), any_port("127.0.0.1"),
                                       any_port("127.0.0.2")};
    static const sa_family_t want[] = {AF_INET6, AF_INET, AF_INET6, AF_INET};
    struct weir_dns_query *q = NULL;
    struct weir_dns_result r;

    weir_dns_pin(w->dns, WEIR_STR("Pinned"), addrs, 4);
    assert_int_equal(weir_dns_resolve(w->dns, WEIR_STR("pinned"), 5, NULL, NULL, &r, &q), WEIR_OK);
    assert_int_equal(r.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(r.addr[i].ss_family, want[i]);
}

static void all_refused_is_told_with_its_cause(void **state)
{
    struct world *w = *state;
    struct sockaddr_storage addrs[] = {any_port("127.0.0.3"), any_port("127.0.0.4")};

    weir_dns_pin(w->dns, WEIR_STR("pinned"), addrs, 2);
    dial(w, "pinned", ntohs(w->good_addr.sin_port));
    assert_int_equal(w->rc, WEIR_ECONNECT);
    assert_string_equal(w->cause, "connection refused");
    assert_null(w->socket);
}

static void localhost_is_resolved_and_cached(void **state)
{
    struct world *w = *state;
    struct weir_dns_query *q = NULL;
    struct weir_dns_result r;
    char ip[32];

    dial(w, "localhost", ntohs(w->good_addr.sin_port));
    assert_int_equal(w->rc, WEIR_OK);
    peer_of(w, ip, sizeof ip);
    assert_int_equal(weir_dns_resolve(w->dns, WEIR_STR("LOCALHOST"), 1, NULL, NULL, &r, &q),
                     WEIR_OK);
    assert_true(r.count > 0);
}

static void a_missing_socket_file_is_told(void **state)
{
    struct world *w = *state;

    weir_dial_unix(&w->loop, WEIR_STR("/nonexistent/weir.sock"), on_dialled, w);
    assert_int_equal(w->calls, 0);
    while (w->calls == 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_int_equal(w->rc, WEIR_ECONNECT);
    assert_string_equal(w->cause, "the socket file does not exist");
}

static void a_cancelled_dial_says_nothing(void **state)
{
    struct world *w = *state;
    struct weir_dial *a, *b;

    a = weir_dial_tcp(&w->loop, w->dns, WEIR_STR("127.0.0.1"), ntohs(w->good_addr.sin_port),
                      on_dialled, w);
    b = weir_dial_tcp(&w->loop, w->dns, WEIR_STR("localhost"), 1, on_dialled, w);
    weir_dial_cancel(a);
    weir_dial_cancel(b); /* while it resolves */
    for (int i = 0; i < 20; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->calls, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_address_is_dialled_without_a_name_server),
        T(a_refused_first_address_gives_way_at_once),
        T(a_dead_first_address_loses_the_race),
        T(families_take_turns),
        T(all_refused_is_told_with_its_cause),
        T(localhost_is_resolved_and_cached),
        T(a_missing_socket_file_is_told),
        T(a_cancelled_dial_says_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
