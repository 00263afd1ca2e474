/* test_client_tls.c - calls over TLS: who is trusted, what is told when not, and resumption. */
#include "tests/unit/weir_http/client_probe.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/weir_net/certs.h"

static const char ok_text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static struct test_cert ca, stranger; /* made once: each costs milliseconds */
static char ca_path[64], cert_path[64], key_path[64];

static void write_file(char *path, size_t size, const char *what, const char *text)
{
    FILE *f;

    snprintf(path, size, "/tmp/weir-tls-%d-%s.pem", (int)getpid(), what);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_files(void **state)
{
    struct test_cert_spec me = {"client", NULL, TEST_ALWAYS, false};
    struct test_cert mine;

    (void)state;
    test_ca_make(&ca);
    test_ca_make(&stranger);
    test_cert_make(&mine, &me, &ca);
    write_file(ca_path, sizeof ca_path, "ca", ca.cert_pem);
    write_file(cert_path, sizeof cert_path, "cert", mine.cert_pem);
    write_file(key_path, sizeof key_path, "key", mine.key_pem);
    test_cert_free(&mine);
    return 0;
}

static int drop_files(void **state)
{
    (void)state;
    unlink(ca_path);
    unlink(cert_path);
    unlink(key_path);
    test_cert_free(&ca);
    test_cert_free(&stranger);
    return 0;
}

static void serve_tls(struct world *w, const struct test_cert_spec *spec, struct test_cert *issuer,
                      bool ask_client)
{
    struct weir_tls_conf conf = {.server = true};
    struct test_cert cert;
    char why[200] = "";

    test_cert_make(&cert, spec, issuer);
    conf.cert = weir_str_of(cert.cert_pem);
    conf.key = weir_str_of(cert.key_pem);
    if (ask_client)
        conf.ca = weir_str_of(ca.cert_pem);
    assert_int_equal(weir_tls_context_create(&conf, why, sizeof why, &w->server.tls), WEIR_OK);
    test_cert_free(&cert);
}

static void tls_origin(struct world *w, struct weir_origin_conf conf)
{
    conf.tls = true;
    conf.ca_file = weir_str_of(ca_path);
    make_origin(w, conf);
}

static int tls_teardown(void **state)
{
    struct world *w = *state;
    struct weir_tls_context *tls = w->server.tls;
    int rc = teardown(state);

    weir_tls_context_unref(tls);
    return rc;
}

static const struct test_cert_spec good = {"provider.test", NULL, TEST_ALWAYS, false};
static const struct weir_origin_conf by_name = {.server_name = {"provider.test", 13}};

static void a_trusted_upstream_is_called_and_its_session_resumed(void **state)
{
    struct world *w = *state;
    struct weir_http_client_stats stats;
    struct script s;

    serve_text(w, &s, ok_text);
    serve_tls(w, &good, &ca, false);
    tls_origin(w, by_name);
    for (int i = 0; i < 6; i++) {
        struct probe p = probe_of(w);

        get(&p);
        finish(&p);
        assert_string_equal(p.info.cause, "");
        assert_int_equal(p.ends, 1);
        assert_int_equal(p.body.n, 2);
        assert_int_equal(p.info.tls_resumed, i >= 2);
        if (i % 2) /* every other call finds a connection */
            weir_http_client_drop_idle(w->client);
        assert_int_equal(p.info.reused_connection, i % 2);
        probe_fini(&p);
    }
    weir_http_client_get_stats(w->client, &stats);
    assert_int_equal(stats.tls_handshakes, 3);
    assert_int_equal(stats.tls_resumed, 2);
}

static void an_address_is_verified_like_a_name(void **state)
{
    struct world *w = *state;
    const struct test_cert_spec spec = {NULL, "\x7f\0\0\1", TEST_ALWAYS, false};
    struct probe p = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    serve_tls(w, &spec, &ca, false);
    tls_origin(w, (struct weir_origin_conf){0});
    get(&p);
    finish(&p);
    assert_string_equal(p.info.cause, "");
    assert_int_equal(p.ends, 1);
    probe_fini(&p);
}

static void check_refused(struct world *w, const char *want)
{
    struct probe p = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    get(&p);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ETLS);
    assert_int_equal(p.info.phase, WEIR_HTTP_PHASE_TLS);
    assert_false(p.info.request_bytes_sent);
    if (!strstr(p.info.cause, want))
        fail_msg("told \"%s\"", p.info.cause);
    assert_int_equal(w->server.requests, 0);
    probe_fini(&p);
}

static void another_host_is_refused(void **state)
{
    serve_tls(*state, &good, &ca, false);
    tls_origin(*state, (struct weir_origin_conf){.server_name = WEIR_STR("other.test")});
    check_refused(*state, "another host name");
}

static void another_address_is_refused(void **state)
{
    const struct test_cert_spec spec = {NULL, "\x0a\0\0\1", TEST_ALWAYS, false};

    serve_tls(*state, &spec, &ca, false);
    tls_origin(*state, (struct weir_origin_conf){0});
    check_refused(*state, "another host name");
}

static void an_expired_certificate_is_refused(void **state)
{
    const struct test_cert_spec spec = {"provider.test", NULL, "20200101000000", "20200102000000",
                                        false};

    serve_tls(*state, &spec, &ca, false);
    tls_origin(*state, by_name);
    check_refused(*state, "expired");
}

static void an_unknown_issuer_is_refused(void **state)
{
    serve_tls(*state, &good, &stranger, false);
    tls_origin(*state, by_name);
    check_refused(*state, "not trusted");
}

static void an_upstream_without_tls_is_refused(void **state)
{
    struct world *w = *state;
    struct probe p = probe_of(w);
    struct script s;

    /* It takes the greeting for a request that never ends, so the time limit decides. */
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("GET"), .path = WEIR_STR("/"), .connect_timeout_ms = 30};

    serve_text(w, &s, ok_text);
    tls_origin(w, by_name);
    start(&p, &spec);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ETIMEOUT);
    assert_int_equal(p.info.phase, WEIR_HTTP_PHASE_TLS);
    probe_fini(&p);
}

static void a_client_certificate_opens_a_door_that_stays_shut_without(void **state)
{
    struct world *w = *state;
    struct weir_origin_conf conf = by_name;
    struct probe p = probe_of(w), q = probe_of(w);
    struct script s;

    serve_text(w, &s, ok_text);
    serve_tls(w, &good, &ca, true);
    tls_origin(w, conf);
    get(&p);
    finish(&p);
    assert_int_equal(p.errors, 1);
    conf.cert_file = weir_str_of(cert_path);
    conf.key_file = weir_str_of(key_path);
    tls_origin(w, conf);
    get(&q);
    finish(&q);
    assert_string_equal(q.info.cause, "");
    assert_int_equal(q.ends, 1);
    probe_fini(&p);
    probe_fini(&q);
}

static void large_bodies_pass_both_ways_with_a_pause(void **state)
{
    struct world *w = *state;
    size_t n = 3 << 20;
    struct weir_buf b;
    struct weir_str body;
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("POST"), .path = WEIR_STR("/"), .body = &body, .body_count = 1};
    struct probe p = probe_of(w);
    struct script s = {0};
    size_t before;

    weir_buf_init(&b, n + 100);
    weir_buf_addf(&b, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
    memset(weir_buf_reserve(&b, n), 'z', n);
    weir_buf_grown(&b, n);
    body = s.reply = weir_buf_str(&b);
    serve(w, &s, 1);
    serve_tls(w, &good, &ca, false);
    tls_origin(w, by_name);
    p.pause_in_head = true;
    start(&p, &spec);
    while (p.heads == 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    before = p.body.n;
    for (int i = 0; i < 50; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_true(before <= WEIR_HTTP_CALL_READ && p.body.n == before);
    weir_http_call_resume(p.call);
    finish(&p);
    assert_int_equal(p.ends, 1);
    assert_int_equal(p.body.n, n);
    assert_int_equal(p.sents, 1);
    probe_fini(&p);
    weir_buf_fini(&b);
}

static void a_stream_cut_without_a_goodbye_is_no_end(void **state)
{
    struct world *w = *state;
    struct script s = {.reply = WEIR_STR("HTTP/1.1 200 OK\r\n\r\nhalf")};
    struct probe p = probe_of(w);
    struct peer *peer;

    serve(w, &s, 1);
    serve_tls(w, &good, &ca, false);
    tls_origin(w, by_name);
    get(&p);
    while (p.body.n < 4)
        uv_run(&w->loop, UV_RUN_ONCE);
    peer = WEIR_CONTAINER(w->server.peers.next, struct peer, link);
    assert_int_equal(shutdown(peer_fd(peer), SHUT_WR), 0);
    finish(&p);
    assert_int_equal(p.rc, WEIR_ECLOSED);
    probe_fini(&p);
}

static void the_systems_roots_are_enough_to_start_with(void **state)
{
    struct weir_origin_conf conf = {.tls = true, .host = WEIR_STR("api.example.com")};
    struct weir_origin *o = NULL;
    char why[200] = "";

    (void)state;
    if (access("/etc/ssl/certs/ca-certificates.crt", R_OK))
        skip();
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &o), WEIR_OK);
    assert_true(weir_str_is(weir_origin_authority(o), "api.example.com"));
    weir_origin_unref(o);
}

static void bad_files_are_named(void **state)
{
    struct weir_origin_conf conf = {
        .tls = true, .host = WEIR_STR("h"), .ca_file = WEIR_STR("/nonexistent/ca.pem")};
    struct weir_origin *o = NULL;
    char why[200] = "";

    (void)state;
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &o), WEIR_EINVAL);
    assert_non_null(strstr(why, "/nonexistent/ca.pem"));
    conf.ca_file = weir_str_of(key_path); /* not a certificate */
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &o), WEIR_EINVAL);
    conf.ca_file = weir_str_of(ca_path);
    conf.cert_file = weir_str_of(ca_path);
    conf.key_file = weir_str_of(key_path); /* of another certificate */
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &o), WEIR_EINVAL);
    assert_non_null(strstr(why, "does not belong"));
    assert_null(o);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, tls_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_trusted_upstream_is_called_and_its_session_resumed),
        T(an_address_is_verified_like_a_name),
        T(another_host_is_refused),
        T(another_address_is_refused),
        T(an_expired_certificate_is_refused),
        T(an_unknown_issuer_is_refused),
        T(an_upstream_without_tls_is_refused),
        T(a_client_certificate_opens_a_door_that_stays_shut_without),
        T(large_bodies_pass_both_ways_with_a_pause),
        T(a_stream_cut_without_a_goodbye_is_no_end),
        cmocka_unit_test(the_systems_roots_are_enough_to_start_with),
        cmocka_unit_test(bad_files_are_named),
    };

    return cmocka_run_group_tests(tests, make_files, drop_files);
}
