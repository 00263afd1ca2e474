/* Enrolment against a real server: its certificate outlives itself, and guessing is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "controlplane/stream/stream.h"
#include "controlplane/stream/throttle.h"
#include "grpc/rpc.h"
#include "pki/pki.h"
#include "weir/v1/control.pb-c.h"

/* Ends at a whole second, so up to one earlier, and is renewed after two thirds: by then it must be
 * good still. */
enum { VALID_MS = 6000 };

struct caller {
    uv_loop_t loop;
    struct weir_grpc *grpc;
    int status; /* -1: open */
    bool gone;
};

static void on_message(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    (void)arg;
    (void)s;
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    (void)s;
    (void)reason;
    ((struct caller *)arg)->status = status;
}

static const struct weir_grpc_handler handler = {
    .in = &weir__v1__enroll_response__descriptor, .on_message = on_message, .on_close = on_close};

static void set_gone(void *arg)
{
    ((struct caller *)arg)->gone = true;
}

static void send_request(struct weir_grpc_stream *s, const char *token)
{
    Weir__V1__EnrollRequest r = WEIR__V1__ENROLL_REQUEST__INIT;
    char *key;

    assert_int_equal(weir_pki_request(&r.csr, &key), WEIR_OK);
    r.token = (char *)token;
    assert_int_equal(weir_grpc_send(s, &r.base), WEIR_OK);
    free(r.csr);
    weir_pki_free(key);
}

/* How the call ends; without a token it says nothing. */
static int enrol_on_a_new_connection(const struct weir_stream *s, const char *token)
{
    struct caller c = {.status = -1};
    struct weir_grpc_tls tls = {.ca = weir_stream_ca(s), .server_name = "weir-control"};
    struct weir_grpc_channel *channel;
    struct weir_grpc_stream *call;
    char target[32];

    snprintf(target, sizeof target, "127.0.0.1:%d", weir_stream_port(s));
    uv_loop_init(&c.loop);
    c.grpc = weir_grpc_create(&c.loop);
    assert_int_equal(weir_grpc_channel_create(c.grpc, target, &tls, &channel), WEIR_OK);
    call = weir_grpc_open(channel, "/weir.v1.Control/Enroll", 0, &handler, &c);
    if (token)
        send_request(call, token);
    weir_grpc_finish(call, WEIR_GRPC_OK, NULL);
    while (c.status < 0)
        uv_run(&c.loop, UV_RUN_ONCE);
    weir_grpc_channel_destroy(channel);
    weir_grpc_destroy(c.grpc, set_gone, &c);
    while (!c.gone)
        uv_run(&c.loop, UV_RUN_ONCE);
    uv_run(&c.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&c.loop), 0);
    return c.status;
}

static void remove_state(const char *dir)
{
    static const char *const names[] = {"ca.crt", "ca.key", "join.tokens", "tokens"};
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

static void a_certificate_is_renewed_while_the_server_runs(void **state)
{
    char dir[] = "/tmp/weir-identity-XXXXXX";
    struct weir_stream_options o = {
        .address = "127.0.0.1:0", .state = dir, .server_certificate_ms = VALID_MS};
    struct weir_stream *s;
    int64_t over_ms;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(weir_stream_start(&o, &s), WEIR_OK);
    over_ms = weir_wall_ms() + VALID_MS + 1000; /* a certificate's times are whole seconds */
    assert_int_equal(enrol_on_a_new_connection(s, NULL), WEIR_GRPC_INVALID_ARGUMENT);
    while (weir_wall_ms() <= over_ms)
        usleep(10000);
    assert_int_equal(enrol_on_a_new_connection(s, NULL), WEIR_GRPC_INVALID_ARGUMENT);
    weir_stream_stop(s, 0);
    weir_stream_free(s);
    remove_state(dir);
}

static void guesses_of_a_join_token_are_slowed(void **state)
{
    char dir[] = "/tmp/weir-identity-XXXXXX", good[WEIR_PKI_TOKEN_BYTES];
    struct weir_stream_options o = {.address = "127.0.0.1:0", .state = dir};
    struct weir_stream *s;

    (void)state;
    assert_non_null(mkdtemp(dir));
    assert_int_equal(weir_stream_start(&o, &s), WEIR_OK);
    assert_int_equal(weir_stream_new_token(s, "default", 60000, good, sizeof good), WEIR_OK);
    for (int i = 0; i < WEIR__THROTTLE_WRONG; i++)
        assert_int_equal(enrol_on_a_new_connection(s, "a guess"), WEIR_GRPC_PERMISSION_DENIED);
    assert_int_equal(enrol_on_a_new_connection(s, good), WEIR_GRPC_RESOURCE_EXHAUSTED);
    weir_stream_stop(s, 0);
    weir_stream_free(s);
    remove_state(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_certificate_is_renewed_while_the_server_runs),
        cmocka_unit_test(guesses_of_a_join_token_are_slowed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
