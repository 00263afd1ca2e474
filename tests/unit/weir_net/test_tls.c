/* test_tls.c - two sessions that talk through memory, cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "net/tls.h"
#include "tests/unit/weir_net/certs.h"

struct end {
    struct weir_tls *tls;
    struct weir_buf out;   /* ciphertext for the other end */
    struct weir_buf plain; /* what arrived */
    struct weir_tls_ticket *ticket;
    unsigned tickets;
    bool done, full, destroy_on_plain;
};

struct world {
    struct weir_tls_context *client, *server;
};

static struct test_cert ca;

static int take(void *arg, const void *p, size_t n)
{
    struct end *e = arg;

    if (e->full)
        return WEIR_EAGAIN;
    weir_buf_add(&e->out, p, n);
    return (int)n;
}

static void on_plain(void *arg, const char *p, size_t n)
{
    struct end *e = arg;

    weir_buf_add(&e->plain, p, n);
    if (e->destroy_on_plain)
        weir_tls_destroy(e->tls);
}

static void on_ticket(void *arg, struct weir_tls_ticket *ticket)
{
    struct end *e = arg;

    weir_tls_ticket_destroy(e->ticket);
    e->ticket = ticket;
    e->tickets++;
}

static const struct weir_tls_io io = {take, on_plain, on_ticket};

static struct weir_tls_context *context(struct weir_tls_conf conf)
{
    struct weir_tls_context *c = NULL;
    char why[200] = "";

    assert_int_equal(weir_tls_context_create(&conf, why, sizeof why, &c), WEIR_OK);
    return c;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct test_cert_spec spec = {"a.test", NULL, TEST_ALWAYS, false};
    struct test_cert cert;

    test_ca_make(&ca);
    test_cert_make(&cert, &spec, &ca);
    w->client = context((struct weir_tls_conf){.ca = weir_str_of(ca.cert_pem)});
    w->server = context((struct weir_tls_conf){
        .server = true, .cert = weir_str_of(cert.cert_pem), .key = weir_str_of(cert.key_pem)});
    test_cert_free(&cert);
    test_cert_free(&ca);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    weir_tls_context_unref(w->client);
    weir_tls_context_unref(w->server);
    free(w);
    return 0;
}

static void open_ends(struct world *w, struct end *c, struct end *s,
                      const struct weir_tls_ticket *ticket)
{
    *c = *s = (struct end){0};
    weir_buf_init(&c->out, 1 << 20);
    weir_buf_init(&s->out, 1 << 20);
    weir_buf_init(&c->plain, 1 << 20);
    weir_buf_init(&s->plain, 1 << 20);
    assert_int_equal(weir_tls_create(w->client, WEIR_STR("a.test"), ticket, &io, c, &c->tls),
                     WEIR_OK);
    assert_int_equal(weir_tls_create(w->server, WEIR_STR_NULL, NULL, &io, s, &s->tls), WEIR_OK);
}

static void close_end(struct end *e)
{
    weir_tls_destroy(e->tls);
    weir_tls_ticket_destroy(e->ticket);
    weir_buf_fini(&e->out);
    weir_buf_fini(&e->plain);
}

static void give(struct end *to, const char *p, size_t n)
{
    int rc;

    if (to->done) {
        assert_int_equal(weir_tls_feed(to->tls, p, n), WEIR_OK);
        return;
    }
    rc = weir_tls_handshake(to->tls, p, n);
    if (rc == WEIR_OK) {
        to->done = true;
        assert_int_equal(weir_tls_feed(to->tls, NULL, 0), WEIR_OK);
    } else {
        assert_int_equal(rc, WEIR_EAGAIN);
    }
}

/* Carries what one end has to the other, in pieces of exactly this size (0: all at once). */
static void carry(struct end *from, struct end *to, size_t piece)
{
    struct weir_buf b = from->out;

    weir_buf_init(&from->out, 1 << 20);
    for (size_t at = 0; at < b.n; at += piece ? piece : b.n) {
        size_t n = piece && b.n - at > piece ? piece : b.n - at;
        char *copy = malloc(n);

        memcpy(copy, b.p + at, n);
        give(to, copy, n);
        free(copy);
    }
    weir_buf_fini(&b);
}

static void shake(struct end *c, struct end *s, size_t piece)
{
    assert_int_equal(weir_tls_handshake(c->tls, NULL, 0), WEIR_EAGAIN);
    while (c->out.n || s->out.n) {
        carry(c, s, piece);
        carry(s, c, piece);
    }
    assert_true(c->done && s->done);
}

static void say(struct end *from, struct end *to, const char *text, size_t piece)
{
    size_t taken = 0;

    assert_int_equal(weir_tls_write(from->tls, text, strlen(text), &taken), WEIR_OK);
    assert_int_equal(taken, strlen(text));
    carry(from, to, piece);
}

static void bytes_pass_however_they_are_cut(void **state)
{
    static const size_t pieces[] = {0, 1, 3, 100};

    for (size_t i = 0; i < 4; i++) {
        struct end c, s;

        open_ends(*state, &c, &s, NULL);
        shake(&c, &s, pieces[i]);
        assert_string_equal(weir_tls_version(c.tls), "TLSv1.3");
        say(&c, &s, "hello", pieces[i]);
        say(&s, &c, "good day", pieces[i]);
        assert_true(weir_str_is(weir_buf_str(&s.plain), "hello"));
        assert_true(weir_str_is(weir_buf_str(&c.plain), "good day"));
        assert_true(c.tickets > 0);
        close_end(&c);
        close_end(&s);
    }
}

static void a_ticket_saves_the_certificates(void **state)
{
    struct end c, s, c2, s2;

    open_ends(*state, &c, &s, NULL);
    shake(&c, &s, 0);
    assert_false(weir_tls_resumed(c.tls));
    assert_non_null(c.ticket);
    open_ends(*state, &c2, &s2, c.ticket);
    shake(&c2, &s2, 1);
    assert_true(weir_tls_resumed(c2.tls));
    say(&c2, &s2, "again", 1);
    assert_true(weir_str_is(weir_buf_str(&s2.plain), "again"));
    close_end(&c);
    close_end(&s);
    close_end(&c2);
    close_end(&s2);
}

static void a_write_without_room_is_repeated(void **state)
{
    struct end c, s;
    size_t taken = 77;

    open_ends(*state, &c, &s, NULL);
    shake(&c, &s, 0);
    c.full = true;
    assert_int_equal(weir_tls_write(c.tls, "abc", 3, &taken), WEIR_EAGAIN);
    assert_int_equal(taken, 77);
    c.full = false;
    assert_int_equal(weir_tls_write(c.tls, "abc", 3, &taken), WEIR_OK);
    assert_int_equal(taken, 3);
    carry(&c, &s, 0);
    assert_true(weir_str_is(weir_buf_str(&s.plain), "abc"));
    close_end(&c);
    close_end(&s);
}

static void a_goodbye_is_told_from_damage(void **state)
{
    struct end c, s;
    size_t taken;

    open_ends(*state, &c, &s, NULL);
    shake(&c, &s, 0);
    weir_tls_goodbye(s.tls);
    assert_int_equal(weir_tls_feed(c.tls, s.out.p, s.out.n), WEIR_ECLOSED);
    close_end(&c);
    close_end(&s);
    open_ends(*state, &c, &s, NULL);
    shake(&c, &s, 0);
    assert_int_equal(weir_tls_write(s.tls, "abc", 3, &taken), WEIR_OK);
    s.out.p[s.out.n - 1] ^= 1;
    assert_int_equal(weir_tls_feed(c.tls, s.out.p, s.out.n), WEIR_ETLS);
    assert_string_equal(weir_tls_cause(c.tls), "a record was damaged or forged");
    assert_int_equal(c.plain.n, 0);
    close_end(&c);
    close_end(&s);
}

static void a_session_may_be_destroyed_while_it_hands_out(void **state)
{
    struct end c, s;
    size_t taken;

    open_ends(*state, &c, &s, NULL);
    shake(&c, &s, 0);
    assert_int_equal(weir_tls_write(s.tls, "abc", 3, &taken), WEIR_OK);
    c.destroy_on_plain = true;
    assert_int_equal(weir_tls_feed(c.tls, s.out.p, s.out.n), WEIR_ECANCELED);
    c.tls = NULL;
    close_end(&c);
    close_end(&s);
}

static void plain_text_is_told_as_such(void **state)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    struct end c, s;

    open_ends(*state, &c, &s, NULL);
    assert_int_equal(weir_tls_handshake(c.tls, NULL, 0), WEIR_EAGAIN);
    assert_int_equal(weir_tls_handshake(c.tls, answer, sizeof answer - 1), WEIR_ETLS);
    assert_non_null(strstr(weir_tls_cause(c.tls), "does not speak TLS"));
    close_end(&c);
    close_end(&s);
}

/* The protocol that both ends agree on; "": none. */
static void agree(bool client_http2, bool server_http2, bool client_silent, const char *expected)
{
    struct test_cert_spec spec = {"a.test", NULL, TEST_ALWAYS, false};
    struct test_cert authority, cert;
    struct world w;
    struct end c, s;

    test_ca_make(&authority);
    test_cert_make(&cert, &spec, &authority);
    w.client = context((struct weir_tls_conf){
        .ca = weir_str_of(authority.cert_pem), .http2 = client_http2, .no_alpn = client_silent});
    w.server = context((struct weir_tls_conf){.server = true,
                                              .cert = weir_str_of(cert.cert_pem),
                                              .key = weir_str_of(cert.key_pem),
                                              .http2 = server_http2});
    open_ends(&w, &c, &s, NULL);
    shake(&c, &s, 0);
    assert_string_equal(weir_tls_protocol(s.tls), expected);
    assert_string_equal(weir_tls_protocol(c.tls), expected);
    close_end(&c);
    close_end(&s);
    weir_tls_context_unref(w.client);
    weir_tls_context_unref(w.server);
    test_cert_free(&cert);
    test_cert_free(&authority);
}

static void http2_is_chosen_where_both_speak_it(void **state)
{
    (void)state;
    agree(true, true, false, "h2");
    agree(true, false, false, "http/1.1");
    agree(false, true, false, "http/1.1");
    agree(false, true, true, "");
}

static void a_context_knows_how_long_its_certificate_is_good(void **state)
{
    struct world *w = *state;
    int64_t from, until;

    weir_tls_context_validity(w->server, &from, &until);
    assert_int_equal(from, 1577836800); /* TEST_ALWAYS */
    assert_int_equal(until, 4102444799);
    weir_tls_context_validity(w->client, &from, &until);
    assert_int_equal(from, 0);
    assert_int_equal(until, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(http2_is_chosen_where_both_speak_it),
        T(a_context_knows_how_long_its_certificate_is_good),
        T(bytes_pass_however_they_are_cut),
        T(a_ticket_saves_the_certificates),
        T(a_write_without_room_is_repeated),
        T(a_goodbye_is_told_from_damage),
        T(a_session_may_be_destroyed_while_it_hands_out),
        T(plain_text_is_told_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
