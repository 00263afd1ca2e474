/* loopback.c - the streams between the planes, over a Unix socket and over mutual TLS. */
#include "tests/fleet/rig.h"

#include <stdio.h>

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "controlplane/stream/fleet.h"
#include "grpc/rpc.h"
#include "pki/pki.h"
#include "weir/v1/control.pb-c.h"
#include "weir/v1/ledger.pb-c.h"
#include "weir/v1/telemetry.pb-c.h"

static void a_policy_reaches_the_proxy_and_is_acknowledged(void **state)
{
    struct rig *r = *state;
    struct weir_fleet *f;

    rig_start_server(r, NULL);
    rig_start_client(r);
    UNTIL(r, r->connected);
    assert_int_equal(r->policies, 0);
    rig_set_policy(r, 3, "v1", 10, false);
    UNTIL(r, r->in_sync);
    assert_int_equal(r->resources, 3);
    for (bool acked = false; !acked;) {
        f = weir_fleet_snapshot(r->server);
        acked = f->acks == 1;
        if (acked) {
            assert_int_equal(f->proxy_count, 1);
            assert_string_equal(f->proxies[0].node, "proxy-1");
            assert_string_equal(f->proxies[0].acked_revision, r->revision);
            assert_int_equal(f->resource_count, 3);
            assert_int_equal(f->resources[0].programmed, 1);
        }
        weir_fleet_free(f);
        uv_run(&r->loop, UV_RUN_NOWAIT);
    }
}

static void a_refused_policy_leaves_the_old_one_and_is_reported(void **state)
{
    struct rig *r = *state;
    struct weir_fleet *f = NULL;

    rig_start_server(r, NULL);
    rig_set_policy(r, 2, "v1", 10, false);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    snprintf(r->bad, sizeof r->bad, "default/r2");
    rig_set_policy(r, 3, "v2", 10, false);
    UNTIL(r, (weir_fleet_free(f), f = weir_fleet_snapshot(r->server), f->nacks == 1));
    assert_string_equal(f->proxies[0].acked_revision, r->revision);
    assert_string_equal(f->proxies[0].nacked_revision, f->proxies[0].target_revision);
    assert_int_equal(f->proxies[0].error_count, 1);
    assert_string_equal(f->proxies[0].errors[0].name, "default/r2");
    assert_string_equal(f->proxies[0].errors[0].path, "spec.models[0]");
    assert_int_equal(f->resource_count, 3);
    assert_int_equal(f->resources[2].nacked, 1);
    assert_string_equal(f->resources[2].reason, "no such thing");
    assert_int_equal(f->resources[1].programmed, 1);
    weir_fleet_free(f);
    assert_string_equal(r->first_version, "v1");
    /* A mended policy gets through, and clears the report. */
    r->bad[0] = '\0';
    rig_set_policy(r, 3, "v3", 10, false);
    UNTIL(r, strcmp(r->first_version, "v3") == 0);
    f = NULL;
    UNTIL(r, (weir_fleet_free(f), f = weir_fleet_snapshot(r->server), f->acks == 2));
    assert_int_equal(f->proxies[0].error_count, 0);
    weir_fleet_free(f);
}

static void a_reconnect_sends_only_differences(void **state)
{
    struct rig *r = *state;
    uint64_t before;

    rig_start_server(r, NULL);
    rig_set_policy(r, 50, "v1", 100, false);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    assert_int_equal(rig_received(r), 50);
    before = rig_received(r);
    rig_stop_server(r);
    UNTIL(r, !r->connected);
    assert_int_equal(r->resources, 50);
    rig_start_server(r, NULL);
    rig_set_policy(r, 50, "v2", 100, false);
    UNTIL(r, r->in_sync);
    assert_string_equal(r->first_version, "v2");
    assert_int_equal(rig_received(r) - before, 1);
    before = rig_received(r);
    rig_stop_server(r);
    UNTIL(r, !r->connected);
    rig_start_server(r, NULL);
    rig_set_policy(r, 49, "v2", 100, false);
    UNTIL(r, r->in_sync);
    assert_int_equal(rig_received(r) - before, 1);
    assert_int_equal(r->resources, 49);
}

static void changes_in_quick_succession_become_one_transaction(void **state)
{
    struct rig *r = *state;
    size_t before;
    char version[16];

    rig_start_server(r, NULL);
    rig_set_policy(r, 2, "v1", 10, false);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    before = r->policies;
    for (int i = 0; i < 100; i++) {
        snprintf(version, sizeof version, "w%d", i);
        rig_set_policy(r, 2, version, 10, false);
    }
    UNTIL(r, strcmp(r->first_version, "w99") == 0);
    assert_true(r->policies - before <= 2);
}

static void a_large_policy_comes_in_pieces_and_is_applied_once(void **state)
{
    struct rig *r = *state;

    rig_start_server(r, NULL);
    rig_set_policy(r, 60, "v1", 100000, false); /* 6 MB: more than one message may have */
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    assert_int_equal(r->resources, 60);
    assert_int_equal(r->policies, 1);
}

static void secrets_are_used_and_never_kept(void **state)
{
    struct rig *r = *state;
    struct weir_control_options o;
    struct weir_buf b;
    char path[160];

    rig_start_server(r, NULL);
    rig_set_policy(r, 3, "v1", 10, true);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    assert_true(r->has_secret);
    rig_stop_client(r); /* waits for the file */
    rig_stop_server(r);
    snprintf(path, sizeof path, "%s/policy.lkg", r->state);
    weir_buf_init(&b, 1 << 20);
    assert_int_equal(weir_file_read(path, &b), WEIR_OK);
    assert_null(memmem(b.p, b.n, RIG_CANARY, strlen(RIG_CANARY)));
    assert_null(memmem(b.p, b.n, "default/key", 11));
    /* With no control plane at all, what is left is a policy. */
    r->policies = r->files = 0;
    rig_client_options(r, &o);
    assert_int_equal(weir_control_start(&r->loop, &o, &r->client), WEIR_OK);
    assert_int_equal(r->policies, 1);
    assert_int_equal(r->files, 1);
    assert_int_equal(r->resources, 3);
    assert_false(r->has_secret);
    /* And the secret alone is sent when it is back. */
    rig_start_server(r, NULL);
    rig_set_policy(r, 3, "v1", 10, true);
    UNTIL(r, r->in_sync);
    assert_true(r->has_secret);
    assert_int_equal(rig_received(r), 1);
    rig_stop_client(r);
    /* A damaged file is ignored. */
    b.p[b.n / 2] ^= 1;
    assert_int_equal(weir_file_replace(path, weir_buf_str(&b), 0600, false), WEIR_OK);
    r->policies = 0;
    o.target = NULL;
    assert_int_equal(weir_control_start(&r->loop, &o, &r->client), WEIR_OK);
    assert_int_equal(r->policies, 0);
    weir_buf_fini(&b);
}

static void budget_and_telemetry_messages_find_their_way(void **state)
{
    struct rig *r = *state;
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__BudgetHello hello = WEIR__V1__BUDGET_HELLO__INIT;
    Weir__V1__LeaseAsk ask = WEIR__V1__LEASE_ASK__INIT, *asks[] = {&ask};
    Weir__V1__TelemetryBatch batch = WEIR__V1__TELEMETRY_BATCH__INIT;
    Weir__V1__CallRecord record = WEIR__V1__CALL_RECORD__INIT;
    uint8_t packed[64];
    ProtobufCBinaryData records[] = {{0, packed}};

    rig_start_server(r, NULL);
    rig_start_client(r);
    UNTIL(r, r->budget_open && r->telemetry_open);
    hello.node = (char *)"proxy-1";
    ask.has_want = true;
    ask.want = 77;
    up.hello = &hello;
    up.n_asks = 1;
    up.asks = asks;
    assert_int_equal(weir_control_send_budget(r->client, &up), WEIR_OK);
    record.has_sequence = true;
    batch.incarnation = (char *)"inc-1";
    batch.n_records = 1;
    batch.records = records;
    for (int i = 1; i <= 40; i++) {
        record.sequence = (uint64_t)i;
        records[0].len = weir__v1__call_record__pack(&record, packed);
        assert_int_equal(weir_control_send_telemetry(r->client, &batch), WEIR_OK);
    }
    UNTIL(r, r->granted == 77 && r->acked == 40);
    assert_string_equal(r->budget_node, "proxy-1");
    rig_stop_server(r);
    UNTIL(r, !r->budget_open && !r->telemetry_open);
    assert_int_equal(weir_control_send_budget(r->client, &up), WEIR_ECLOSED);
}

static void a_stream_that_has_lived_its_time_moves_on_and_comes_back(void **state)
{
    struct rig *r = *state;
    struct weir_stream_options o = {.unix_path = r->socket, .lifetime_ms = 300};
    struct weir_control_stats s;

    rig_start_server(r, &o);
    rig_set_policy(r, 3, "v1", 10, false);
    rig_start_client(r);
    UNTIL(r, (weir_control_count(r->client, &s), s.connects >= 3 && s.in_sync));
    assert_int_equal(s.resources_received, 3);
}

static void a_full_server_sends_proxies_away_with_a_wait(void **state)
{
    struct rig *r = *state;
    struct weir_stream_options o = {.unix_path = r->socket, .max_proxies = 1};
    struct weir_control_options other;
    struct weir_control_client *second;
    struct weir_fleet *f = NULL;
    char folder[160];

    rig_start_server(r, &o);
    rig_set_policy(r, 1, "v1", 10, false);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    rig_client_options(r, &other);
    snprintf(folder, sizeof folder, "%s-2", r->state);
    other.node = "proxy-2";
    other.state = folder;
    other.callbacks = (struct weir_control_callbacks){0};
    assert_int_equal(weir_control_start(&r->loop, &other, &second), WEIR_OK);
    UNTIL(r, (weir_fleet_free(f), f = weir_fleet_snapshot(r->server), f->refused == 1));
    assert_int_equal(f->proxy_count, 1);
    weir_fleet_free(f);
    r->stopped = false;
    weir_control_stop(second, 1000, rig_on_stopped, r);
    UNTIL(r, r->stopped);
}

static void deaf_message(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    (void)arg;
    (void)s;
    protobuf_c_message_free_unpacked(m, NULL);
}

static void deaf_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    (void)s;
    (void)status;
    (void)reason;
    ((struct rig *)arg)->stopped = true;
}

static void a_proxy_that_does_not_read_is_closed_and_disturbs_nobody(void **state)
{
    static const struct weir_grpc_handler deaf = {.in = &weir__v1__config_down__descriptor,
                                                  .on_message = deaf_message,
                                                  .on_close = deaf_close};
    struct rig *r = *state;
    struct weir_stream_options o = {.unix_path = r->socket, .slow_ms = 2000, .queue_bytes = 65536};
    struct weir_grpc *g = weir_grpc_create(&r->loop);
    struct weir_grpc_channel *c;
    struct weir_grpc_stream *s;
    struct weir_fleet *f = NULL;
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigHello hello = WEIR__V1__CONFIG_HELLO__INIT;
    Weir__V1__Node node = WEIR__V1__NODE__INIT;

    rig_start_server(r, &o);
    rig_set_policy(r, 100, "v1", 200000, false); /* 20 MB, far above the queue's bound */
    assert_int_equal(weir_grpc_channel_create(g, r->target, NULL, &c), WEIR_OK);
    s = weir_grpc_open(c, "/weir.v1.Control/Config", 0, &deaf, r);
    weir_grpc_pause(s, true);
    node.id = (char *)"deaf";
    node.protocolmin = node.protocolmax = 1;
    node.has_protocolmin = node.has_protocolmax = true;
    hello.node = &node;
    up.hello = &hello;
    r->stopped = false;
    assert_int_equal(weir_grpc_send(s, &up.base), WEIR_OK);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    assert_int_equal(r->resources, 100);
    UNTIL(r, (weir_fleet_free(f), f = weir_fleet_snapshot(r->server), f->closed_slow > 0));
    weir_fleet_free(f);
    assert_true(r->connected);
    weir_grpc_cancel(s, WEIR_GRPC_CANCELLED, "");
    UNTIL(r, r->stopped);
    weir_grpc_channel_destroy(c);
    r->stopped = false;
    weir_grpc_destroy(g, rig_on_stopped, r);
    UNTIL(r, r->stopped);
}

static void a_drain_says_goodbye_and_ends(void **state)
{
    struct rig *r = *state;

    rig_start_server(r, NULL);
    rig_set_policy(r, 1, "v1", 10, false);
    rig_start_client(r);
    UNTIL(r, r->in_sync);
    /* The client's loop must run for the goodbye to be read: stop in another thread. */
    {
        pthread_t t;

        assert_int_equal(
            pthread_create(&t, NULL, (void *(*)(void *))(void (*)(void))rig_stop_server, r), 0);
        UNTIL(r, !r->connected);
        pthread_join(t, NULL);
    }
}

static void a_proxy_enrols_with_a_token_over_tls(void **state)
{
    struct rig *r = *state;
    struct weir_stream_options so = {.address = "127.0.0.1:0", .certificate_ms = 4000};
    struct weir_control_options o;
    struct weir_fleet *f = NULL;
    struct stat st;
    ino_t before;
    char token[WEIR_PKI_TOKEN_BYTES], path[160];

    rig_start_server(r, &so);
    rig_set_policy(r, 2, "v1", 10, true);
    assert_int_equal(weir_stream_new_token(r->server, "default", 60000, token, sizeof token), 0);
    snprintf(r->target, sizeof r->target, "127.0.0.1:%d", weir_stream_port(r->server));
    rig_client_options(r, &o);
    o.ca_file = r->ca_file;
    o.join_token = "weir-join-wrong";
    assert_int_equal(weir_control_start(&r->loop, &o, &r->client), WEIR_OK);
    UNTIL(r, (weir_fleet_free(f), f = weir_fleet_snapshot(r->server), f->refused == 1));
    weir_fleet_free(f);
    rig_stop_client(r);
    assert_int_equal(r->policies, 0);
    o.join_token = token;
    assert_int_equal(weir_control_start(&r->loop, &o, &r->client), WEIR_OK);
    UNTIL(r, r->in_sync);
    assert_true(r->has_secret);
    f = weir_fleet_snapshot(r->server);
    assert_string_equal(f->proxies[0].ns, "default");
    assert_string_equal(f->proxies[0].node, "proxy-1");
    weir_fleet_free(f);
    snprintf(path, sizeof path, "%s/proxy.pem", r->state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    /* Well before its end it is renewed, without a token and without a break. */
    before = st.st_ino;
    UNTIL(r, stat(path, &st) == 0 && st.st_ino != before);
    assert_true(r->in_sync);
    /* A new start needs no token. */
    rig_stop_client(r);
    o.join_token = NULL;
    r->policies = 0;
    assert_int_equal(weir_control_start(&r->loop, &o, &r->client), WEIR_OK);
    UNTIL(r, r->in_sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
        T(a_policy_reaches_the_proxy_and_is_acknowledged),
        T(a_refused_policy_leaves_the_old_one_and_is_reported),
        T(a_reconnect_sends_only_differences),
        T(changes_in_quick_succession_become_one_transaction),
        T(a_large_policy_comes_in_pieces_and_is_applied_once),
        T(secrets_are_used_and_never_kept),
        T(budget_and_telemetry_messages_find_their_way),
        T(a_stream_that_has_lived_its_time_moves_on_and_comes_back),
        T(a_full_server_sends_proxies_away_with_a_wait),
        T(a_proxy_that_does_not_read_is_closed_and_disturbs_nobody),
        T(a_drain_says_goodbye_and_ends),
        T(a_proxy_enrols_with_a_token_over_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
