/* tls_session.c - one connection's TLS: bytes in, bytes out, nothing in between.
 *
 *   handshake (again and again) -> feed and write in any order -> goodbye
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/net_sockets.h>

#include "base/mem.h"
#include "net/tls_internal.h"

enum { HOST_MAX = 255 };

struct weir_tls {
    mbedtls_ssl_context ssl;
    struct weir_tls_context *ctx;
    const struct weir_tls_io *io;
    void *arg;
    struct weir_str in; /* ciphertext not read yet, borrowed from the caller's read */
    uint32_t verify_flags;
    int last; /* mbedTLS code of the failure */
    bool offered, verified, done, busy, dead;
    const char *cause;
    char address[INET6_ADDRSTRLEN + 1]; /* set when the host is an address */
};

static int bio_send(void *arg, const unsigned char *p, size_t n)
{
    struct weir_tls *t = arg;
    int rc = t->io->send(t->arg, p, n);

    if (rc > 0)
        return rc;
    return rc == WEIR_EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE : MBEDTLS_ERR_NET_SEND_FAILED;
}

static int bio_recv(void *arg, unsigned char *p, size_t n)
{
    struct weir_tls *t = arg;

    if (t->in.n == 0)
        return MBEDTLS_ERR_SSL_WANT_READ;
    if (n > t->in.n)
        n = t->in.n;
    memcpy(p, t->in.p, n);
    t->in.p += n;
    t->in.n -= n;
    return (int)n;
}

/* Only looks: mbedTLS decides by the flags. It runs in full handshakes only, which is how a resumed
 * one is told from them. */
static int on_certificate(void *arg, mbedtls_x509_crt *crt, int depth, uint32_t *flags)
{
    struct weir_tls *t = arg;

    (void)crt;
    (void)depth;
    t->verified = true;
    t->verify_flags |= *flags;
    return 0;
}

static int set_host(struct weir_tls *t, struct weir_str host)
{
    char name[HOST_MAX + 1];
    unsigned char binary[16];

    if (host.n == 0 || host.n > HOST_MAX || memchr(host.p, 0, host.n))
        return WEIR_EINVAL;
    memcpy(name, host.p, host.n);
    name[host.n] = 0;
    if (inet_pton(AF_INET, name, binary) == 1 || inet_pton(AF_INET6, name, binary) == 1) {
        /* RFC 6066 3: no addresses in the server name; the address is verified afterwards. */
        memcpy(t->address, name, host.n + 1);
        return mbedtls_ssl_set_hostname(&t->ssl, NULL) ? WEIR_ETLS : WEIR_OK;
    }
    return mbedtls_ssl_set_hostname(&t->ssl, name) ? WEIR_ETLS : WEIR_OK;
}

int weir_tls_create(struct weir_tls_context *ctx, struct weir_str host,
                    const struct weir_tls_ticket *ticket, const struct weir_tls_io *io, void *arg,
                    struct weir_tls **out)
{
    struct weir_tls *t = WEIR_NEW(struct weir_tls);
    int rc = WEIR_ETLS;

    t->ctx = weir_tls_context_ref(ctx);
    t->io = io;
    t->arg = arg;
    mbedtls_ssl_init(&t->ssl);
    if (mbedtls_ssl_setup(&t->ssl, &ctx->conf))
        goto fail;
    mbedtls_ssl_set_bio(&t->ssl, t, bio_send, bio_recv, NULL);
    mbedtls_ssl_set_verify(&t->ssl, on_certificate, t);
    if (!ctx->server) {
        rc = set_host(t, host);
        if (rc)
            goto fail;
        /* A ticket that can't be used is no error: the handshake is then a full one. */
        t->offered = ticket && mbedtls_ssl_set_session(&t->ssl, &ticket->session) == 0;
    }
    *out = t;
    return WEIR_OK;
fail:
    weir_tls_destroy(t);
    return rc;
}

void weir_tls_destroy(struct weir_tls *t)
{
    if (!t)
        return;
    t->dead = true;
    if (t->busy)
        return;
    mbedtls_ssl_free(&t->ssl);
    weir_tls_context_unref(t->ctx);
    free(t);
}

static void take_ticket(struct weir_tls *t)
{
    struct weir_tls_ticket *ticket;

    if (t->ctx->server || !t->io->on_ticket || t->dead)
        return;
    ticket = WEIR_NEW(struct weir_tls_ticket);
    mbedtls_ssl_session_init(&ticket->session);
    if (mbedtls_ssl_get_session(&t->ssl, &ticket->session) == 0)
        t->io->on_ticket(t->arg, ticket);
    else
        weir_tls_ticket_destroy(ticket);
}

static int failed(struct weir_tls *t, int mbedtls_rc)
{
    t->last = mbedtls_rc;
    if (mbedtls_rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || mbedtls_rc == 0)
        return WEIR_ECLOSED;
    return WEIR_ETLS;
}

/* Does the certificate have the address that was dialled? Once per full handshake. */
static int verify_address(struct weir_tls *t)
{
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&t->ssl);
    uint32_t flags = 0;
    int rc;

    if (!*t->address || !t->verified || t->ctx->server)
        return WEIR_OK;
    if (!peer)
        return failed(t, MBEDTLS_ERR_SSL_BAD_CERTIFICATE);
    /* The cast: the parameter is const in meaning, not in mbedTLS's declaration. */
    rc = mbedtls_x509_crt_verify((mbedtls_x509_crt *)(uintptr_t)peer, &t->ctx->roots->chain, NULL,
                                 t->address, &flags, NULL, NULL);
    t->verify_flags |= flags;
    return rc ? failed(t, rc) : WEIR_OK;
}

int weir_tls_handshake(struct weir_tls *t, const void *p, size_t n)
{
    int rc;

    if (n)
        t->in = (struct weir_str){p, n};
    do {
        rc = mbedtls_ssl_handshake(&t->ssl);
    } while (rc == MBEDTLS_ERR_SSL_WANT_READ && t->in.n > 0);
    if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
        return WEIR_EAGAIN;
    if (rc)
        return failed(t, rc);
    t->done = true;
    rc = verify_address(t);
    if (rc)
        return rc;
    if (mbedtls_ssl_get_version_number(&t->ssl) == MBEDTLS_SSL_VERSION_TLS1_2)
        take_ticket(t); /* in TLS 1.3 they come later, as news */
    return WEIR_OK;
}

static int read_all(struct weir_tls *t)
{
    char plain[WEIR_TLS_RECORD_BYTES];
    unsigned dry = 0;

    while (!t->dead) {
        int rc = mbedtls_ssl_read(&t->ssl, (unsigned char *)plain, sizeof plain);

        if (rc > 0) {
            t->io->on_plain(t->arg, plain, (size_t)rc);
        } else if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            take_ticket(t);
        } else if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE) {
            /* Once more when all is read: a ticket may be half processed. */
            if (t->in.n == 0 && ++dry > 1)
                return WEIR_OK;
            if (t->in.n > 0 && rc == MBEDTLS_ERR_SSL_WANT_WRITE)
                return failed(t, rc); /* nobody would keep the input until there is room */
        } else {
            return failed(t, rc);
        }
    }
    return WEIR_ECANCELED;
}

int weir_tls_feed(struct weir_tls *t, const void *p, size_t n)
{
    int rc;

    if (n)
        t->in = (struct weir_str){p, n};
    t->busy = true;
    rc = read_all(t);
    t->busy = false;
    if (t->dead) {
        weir_tls_destroy(t);
        return WEIR_ECANCELED;
    }
    return rc;
}

int weir_tls_write(struct weir_tls *t, const void *p, size_t n, size_t *out_taken)
{
    for (;;) {
        int rc = mbedtls_ssl_write(&t->ssl, p, n);

        if (rc >= 0) {
            *out_taken = (size_t)rc;
            return WEIR_OK;
        }
        if (rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
            take_ticket(t);
            continue;
        }
        if (rc == MBEDTLS_ERR_SSL_WANT_READ || rc == MBEDTLS_ERR_SSL_WANT_WRITE)
            return WEIR_EAGAIN;
        return failed(t, rc);
    }
}

void weir_tls_goodbye(struct weir_tls *t)
{
    if (t->done && t->last == 0)
        mbedtls_ssl_close_notify(&t->ssl);
}

bool weir_tls_resumed(const struct weir_tls *t)
{
    return t->done && t->offered && !t->verified;
}

const char *weir_tls_version(const struct weir_tls *t)
{
    return mbedtls_ssl_get_version(&t->ssl);
}

const char *weir_tls_protocol(const struct weir_tls *t)
{
    const char *name = mbedtls_ssl_get_alpn_protocol(&t->ssl);

    return name ? name : "";
}

const char *weir_tls_cause(const struct weir_tls *t)
{
    return weir__tls_cause(t->last, t->verify_flags, t->ctx->server);
}

void weir_tls_ticket_destroy(struct weir_tls_ticket *ticket)
{
    if (!ticket)
        return;
    mbedtls_ssl_session_free(&ticket->session);
    free(ticket);
}
