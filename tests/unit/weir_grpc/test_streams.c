/* Streams between a client and a server on one loop, over a Unix socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/mem.h"
#include "grpc/rpc.h"
#include "weir/v1/control.pb-c.h"
#include "weir/v1/ledger.pb-c.h"

struct rig {
    uv_loop_t loop;
    struct weir_grpc *grpc;
    struct weir_grpc_server *server;
    struct weir_grpc_channel *channel;
    char folder[64], path[96], target[104];
    bool gone, server_gone, opened;
    uint64_t client_next, server_next; /* sequence numbers that are expected */
    int status;                        /* of the client's stream; -1: open */
    size_t server_closed;
    struct weir_grpc_stream *accepted;
    bool mute; /* the server takes calls and does nothing */
};

static void server_message(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    struct rig *r = arg;
    const Weir__V1__ConfigUp *up = (const Weir__V1__ConfigUp *)m;
    Weir__V1__ConfigDown down = WEIR__V1__CONFIG_DOWN__INIT;
    Weir__V1__ConfigTxn txn = WEIR__V1__CONFIG_TXN__INIT;

    assert_non_null(up->ack);
    assert_int_equal(up->ack->txn, r->server_next++);
    txn.has_id = true;
    txn.id = up->ack->txn;
    down.txn = &txn;
    assert_int_equal(weir_grpc_send(s, &down.base), WEIR_OK);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void server_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    (void)s;
    (void)status;
    (void)reason;
    ((struct rig *)arg)->server_closed++;
    ((struct rig *)arg)->accepted = NULL;
}

static const struct weir_grpc_handler server_handler = {
    .in = &weir__v1__config_up__descriptor, .on_message = server_message, .on_close = server_close};
static const struct weir_grpc_handler budget_handler = {
    .in = &weir__v1__budget_up__descriptor, .on_message = server_message, .on_close = server_close};

static int accept_call(void *arg, struct weir_grpc_stream *s, const char *method,
                       const struct weir_grpc_handler **handler, void **handler_arg,
                       const char **reason)
{
    struct rig *r = arg;

    assert_true(weir_grpc_peer(s)->local);
    assert_null(weir_grpc_peer(s)->uri);
    *handler_arg = r;
    *handler = strcmp(method, "/budget") == 0 ? &budget_handler : &server_handler;
    *reason = "unknown";
    r->accepted = s;
    if (strcmp(method, "/none") == 0) {
        r->accepted = NULL;
        return WEIR_GRPC_UNIMPLEMENTED;
    }
    if (r->mute)
        weir_grpc_pause(s, true);
    return WEIR_GRPC_OK;
}

static void client_message(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    struct rig *r = arg;

    (void)s;
    assert_int_equal(((Weir__V1__ConfigDown *)m)->txn->id, r->client_next++);
    protobuf_c_message_free_unpacked(m, NULL);
}

static void client_open(void *arg, struct weir_grpc_stream *s)
{
    (void)s;
    ((struct rig *)arg)->opened = true;
}

static void client_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    (void)s;
    assert_non_null(reason);
    ((struct rig *)arg)->status = status;
}

static const struct weir_grpc_handler client_handler = {.in = &weir__v1__config_down__descriptor,
                                                        .on_message = client_message,
                                                        .on_open = client_open,
                                                        .on_close = client_close};

/* The loop has ended by itself when the last handle is gone: then the condition must hold. */
#define UNTIL(r, condition)                                                                        \
    do {                                                                                           \
        while (!(condition))                                                                       \
            assert_true(uv_run(&(r)->loop, UV_RUN_ONCE) || (condition));                           \
    } while (0)

static int setup(void **state)
{
    struct rig *r = WEIR_NEW(struct rig);
    struct weir_grpc_listen l = {0};

    snprintf(r->folder, sizeof r->folder, "/tmp/weir-grpc-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    snprintf(r->path, sizeof r->path, "%s/s", r->folder);
    snprintf(r->target, sizeof r->target, "unix:%s", r->path);
    l.unix_path = r->path;
    uv_loop_init(&r->loop);
    r->status = -1;
    r->grpc = weir_grpc_create(&r->loop);
    assert_int_equal(weir_grpc_server_create(r->grpc, &l, accept_call, r, &r->server), WEIR_OK);
    assert_int_equal(weir_grpc_channel_create(r->grpc, r->target, NULL, &r->channel), WEIR_OK);
    *state = r;
    return 0;
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void destroy_server(struct rig *r)
{
    weir_grpc_server_destroy(r->server, set_true, &r->server_gone);
    UNTIL(r, r->server_gone);
    r->server = NULL;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    weir_grpc_channel_destroy(r->channel);
    if (r->server)
        destroy_server(r);
    weir_grpc_destroy(r->grpc, set_true, &r->gone);
    UNTIL(r, r->gone);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    unlink(r->path);
    rmdir(r->folder);
    free(r);
    return 0;
}

static int send_ack(struct weir_grpc_stream *s, uint64_t id, const char *filler)
{
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigAck ack = WEIR__V1__CONFIG_ACK__INIT;

    ack.has_txn = true;
    ack.txn = id;
    ack.revision = (char *)filler;
    up.ack = &ack;
    return weir_grpc_send(s, &up.base);
}

static void messages_arrive_whole_and_in_order(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_stream *s = weir_grpc_open(r->channel, "/echo", 0, &client_handler, r);

    for (uint64_t i = 0; i < 2000; i++)
        assert_int_equal(send_ack(s, i, NULL), WEIR_OK);
    UNTIL(r, r->client_next == 2000);
    assert_true(r->opened);
    assert_int_equal(r->status, -1);
    weir_grpc_finish(s, WEIR_GRPC_OK, NULL);
    assert_int_equal(send_ack(s, 1, NULL), WEIR_ECLOSED);
    UNTIL(r, r->status >= 0 && r->server_closed == 1);
    assert_int_equal(r->status, WEIR_GRPC_OK);
}

static void a_peer_that_does_not_read_fills_a_bounded_queue(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_stream *s;
    char *filler = weir_zalloc(100001);
    int rc = WEIR_OK, sent = 0;

    r->mute = true;
    memset(filler, 'x', 100000);
    s = weir_grpc_open(r->channel, "/echo", 0, &client_handler, r);
    weir_grpc_set_queue_bytes(s, 1 << 20);
    for (; rc == WEIR_OK && sent < 1000; sent++)
        rc = send_ack(s, 0, filler);
    assert_int_equal(rc, WEIR_ELIMIT);
    assert_true(weir_grpc_queued_bytes(s) <= 1 << 20);
    weir_grpc_cancel(s, WEIR_GRPC_CANCELLED, "enough");
    UNTIL(r, r->status >= 0);
    assert_int_equal(r->status, WEIR_GRPC_CANCELLED);
    free(filler);
}

static void a_call_that_is_not_answered_ends_at_its_deadline(void **state)
{
    struct rig *r = *state;

    r->mute = true;
    weir_grpc_open(r->channel, "/echo", 200, &client_handler, r);
    UNTIL(r, r->status >= 0);
    assert_int_equal(r->status, WEIR_GRPC_DEADLINE_EXCEEDED);
}

static void an_unknown_call_is_refused_with_its_status(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_stream *s = weir_grpc_open(r->channel, "/none", 0, &client_handler, r);

    int rc = send_ack(s, 0, NULL);

    assert_true(rc == WEIR_OK || rc == WEIR_ECLOSED);
    UNTIL(r, r->status >= 0);
    assert_int_equal(r->status, WEIR_GRPC_UNIMPLEMENTED);
}

static void an_unreadable_message_ends_the_call(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_stream *s = weir_grpc_open(r->channel, "/echo", 0, &client_handler, r);
    Weir__V1__Node node = WEIR__V1__NODE__INIT;

    node.id = (char *)"\xff\xff\xff\xff"; /* where a message should be */
    assert_int_equal(weir_grpc_send(s, &node.base), WEIR_OK);
    UNTIL(r, r->status >= 0 && r->server_closed == 1);
    assert_int_not_equal(r->status, WEIR_GRPC_OK);
    assert_int_equal(r->server_next, 0);
}

static void a_small_message_that_unpacks_to_a_large_one_ends_the_call(void **state)
{
    enum { N = 200000 }; /* two bytes each on the wire */
    struct rig *r = *state;
    struct weir_grpc_stream *s = weir_grpc_open(r->channel, "/budget", 0, &client_handler, r);
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseReport report = WEIR__V1__LEASE_REPORT__INIT;

    up.n_reports = N;
    up.reports = weir_alloc(N * sizeof *up.reports);
    for (size_t i = 0; i < N; i++)
        up.reports[i] = &report;
    assert_int_equal(weir_grpc_send(s, &up.base), WEIR_OK);
    free(up.reports);
    UNTIL(r, r->status >= 0 && r->server_closed == 1);
    assert_int_not_equal(r->status, WEIR_GRPC_OK);
}

static void a_server_that_goes_ends_its_calls(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_stream *s = weir_grpc_open(r->channel, "/echo", 0, &client_handler, r);

    assert_int_equal(send_ack(s, 0, NULL), WEIR_OK);
    UNTIL(r, r->client_next == 1);
    destroy_server(r);
    UNTIL(r, r->status >= 0);
    assert_int_equal(r->server_closed, 1);
    /* A new call finds nobody, and is not told that it was taken. */
    r->status = -1;
    r->opened = false;
    weir_grpc_open(r->channel, "/echo", 0, &client_handler, r);
    UNTIL(r, r->status >= 0);
    assert_int_equal(r->status, WEIR_GRPC_UNAVAILABLE);
    assert_false(r->opened);
}

static void a_server_ends_a_call_with_what_it_has_queued(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_stream *s = weir_grpc_open(r->channel, "/echo", 0, &client_handler, r);

    assert_int_equal(send_ack(s, 0, NULL), WEIR_OK);
    UNTIL(r, r->server_next == 1);
    weir_grpc_finish(r->accepted, WEIR_GRPC_RESOURCE_EXHAUSTED, "full");
    UNTIL(r, r->status >= 0);
    assert_int_equal(r->client_next, 1);
    assert_int_equal(r->status, WEIR_GRPC_RESOURCE_EXHAUSTED);
}

static void plain_text_never_leaves_the_machine(void **state)
{
    struct rig *r = *state;
    struct weir_grpc_channel *c = NULL;
    struct weir_grpc_tls tls = {.ca = "x"};

    assert_int_equal(weir_grpc_channel_create(r->grpc, "127.0.0.1:1", NULL, &c), WEIR_EINVAL);
    assert_int_equal(weir_grpc_channel_create(r->grpc, r->target, &tls, &c), WEIR_EINVAL);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(messages_arrive_whole_and_in_order),
        T(a_peer_that_does_not_read_fills_a_bounded_queue),
        T(a_call_that_is_not_answered_ends_at_its_deadline),
        T(an_unknown_call_is_refused_with_its_status),
        T(an_unreadable_message_ends_the_call),
        T(a_small_message_that_unpacks_to_a_large_one_ends_the_call),
        T(a_server_that_goes_ends_its_calls),
        T(a_server_ends_a_call_with_what_it_has_queued),
        T(plain_text_never_leaves_the_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
