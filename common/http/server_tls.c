/* server_tls.c - the transport with TLS over libuv's sockets.
 *
 *   HANDSHAKE -> OPEN -> closed
 * A handshake's step costs a millisecond or more, so what arrives for it only waits here, and
 * weir__http_tls_handshakes() takes few in each iteration of the loop: new clients never hold up
 * the streams of others for long.
 * Output: one record at a time. What the kernel has no room for is copied for libuv, and until it
 * is gone nothing is encrypted; its plain bytes count as written only then. */
#include "http/server_tls.h"

#include "base/clock.h"
#include "base/log.h"

enum {
    BUFS = 16,               /* the most that server_out.c hands over at once */
    HELLO_BYTES = 65536,     /* of a handshake that wait for their turn */
    QUEUE_BYTES = 65536,     /* ciphertext that waits for the kernel */
    HANDSHAKES_NS = 2000000, /* in one iteration; one is always taken */
};

struct weir__http_tls {
    struct weir_link due; /* in server->handshakes */
    struct weir_http_conn *conn;
    struct weir_tls *session; /* NULL: closed */
    bool begun, open; /* begun: the client sent something, so it isn't a mere look at the port */
    char *hello;
    size_t hello_n;
    size_t queued; /* ciphertext with libuv */
    size_t ahead;  /* plain bytes of the record that is queued: first of what is written next */
    uv_buf_t bufs[BUFS];
    unsigned buf_n; /* of the write that is under way; 0: none */
    size_t left;    /* bytes of it */
};

/* Ciphertext that the kernel had no room for. */
struct pending {
    uv_write_t req;
    size_t n;
    char bytes[];
};

static void pump(struct weir_http_conn *c);

static void on_pending_written(uv_write_t *req, int status)
{
    struct pending *p = WEIR_CONTAINER(req, struct pending, req);
    struct weir_http_conn *c = req->handle->data;
    struct weir__http_tls *t = c->tls;

    t->queued -= p->n;
    free(p);
    if (!t->session)
        return;
    if (status != 0 && t->buf_n)
        weir__http_on_written(c, status);
    else if (status != 0)
        weir__http_input(c, UV_ECONNRESET, NULL);
    else if (t->queued == 0 && t->buf_n)
        pump(c);
}

static int take_cipher(void *arg, const void *p, size_t n)
{
    struct weir_http_conn *c = arg;
    struct weir__http_tls *t = c->tls;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    struct pending *w;
    int done = 0;

    if (t->queued + n > QUEUE_BYTES)
        return WEIR_EAGAIN;
    if (t->queued == 0)
        done = uv_try_write(&c->uv.stream, &buf, 1);
    if (done < 0 && done != UV_EAGAIN)
        return WEIR_ECLOSED;
    done = done < 0 ? 0 : done;
    if ((size_t)done == n)
        return (int)n;
    w = weir_alloc(sizeof *w + n - (size_t)done);
    w->n = n - (size_t)done;
    memcpy(w->bytes, (const char *)p + done, w->n);
    buf = uv_buf_init(w->bytes, (unsigned)w->n);
    if (uv_write(&w->req, &c->uv.stream, &buf, 1, on_pending_written)) {
        free(w);
        return WEIR_ECLOSED;
    }
    t->queued += w->n;
    return (int)n;
}

static void on_plain(void *arg, const char *p, size_t n)
{
    weir__http_input(arg, (ssize_t)n, p);
}

static const struct weir_tls_io io = {.send = take_cipher, .on_plain = on_plain};

int weir__http_tls_create(struct weir_http_conn *c, struct weir_tls_context *ctx)
{
    struct weir__http_tls *t = WEIR_NEW(struct weir__http_tls);
    int rc = weir_tls_create(ctx, WEIR_STR_NULL, NULL, &io, c, &t->session);

    if (rc) {
        free(t);
        return rc;
    }
    t->conn = c;
    weir_list_init(&t->due);
    c->tls = t;
    return WEIR_OK;
}

void weir__http_tls_destroy(struct weir_http_conn *c)
{
    if (!c->tls)
        return;
    weir_tls_destroy(c->tls->session);
    weir_list_remove(&c->tls->due);
    free(c->tls->hello);
    free(c->tls);
    c->tls = NULL;
}

/* ---- the handshake ---- */

static void read_on(struct weir_http_conn *c);

/* What browsers and harnesses say when their base URL has http:// for this port. */
static bool is_plain_http(const struct weir__http_tls *t)
{
    return !t->open && t->hello_n && t->hello[0] >= 'A' && t->hello[0] <= 'Z';
}

static void refuse(struct weir_http_conn *c, const char *why)
{
    static char plain[] = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
                          "Content-Length: 97\r\nConnection: close\r\n\r\n"
                          "{\"error\":{\"code\":\"tls_required\",\"message\":\"This port speaks "
                          "TLS: use https:// in the base URL.\"}}";
    uv_buf_t buf = uv_buf_init(plain, sizeof plain - 1);

    if (is_plain_http(c->tls))
        (void)uv_try_write(&c->uv.stream, &buf, 1);
    WEIR_LOG(WEIR_LOG_DEBUG, "http", "TLS with %s: %s", c->peer, why);
    weir__http_lose(c, WEIR_EPROTO, false);
}

static void opened(struct weir_http_conn *c)
{
    const char *protocol = weir_tls_protocol(c->tls->session);

    c->tls->open = true;
    weir__http_await_head(c);
    if (strcmp(protocol, "h2") == 0 && c->server->http2)
        weir__http_start_h2(c);
    else if (*protocol)
        c->greeted = true; /* so that a preface of HTTP/2 is no request */
}

static void feed(struct weir_http_conn *c, const char *p, size_t n)
{
    int rc = weir_tls_feed(c->tls->session, p, n);

    if (rc == WEIR_ECLOSED)
        weir__http_input(c, UV_EOF, NULL);
    else if (rc && rc != WEIR_ECANCELED)
        weir__http_input(c, UV_ECONNRESET, NULL);
}

static void step(struct weir_http_conn *c)
{
    struct weir__http_tls *t = c->tls;
    char *hello = t->hello;
    int rc;

    rc = is_plain_http(t) ? WEIR_EPROTO : weir_tls_handshake(t->session, hello, t->hello_n);
    if (rc && rc != WEIR_EAGAIN) {
        refuse(c, is_plain_http(t) ? "the client speaks plain HTTP" : weir_tls_cause(t->session));
        return;
    }
    t->hello = NULL;
    t->hello_n = 0;
    if (rc == WEIR_OK) {
        opened(c);
        if (c->reading)
            read_on(c);
        feed(c, NULL, 0); /* what came behind it */
    } else if (c->reading) {
        read_on(c);
    }
    free(hello);
}

void weir__http_tls_handshakes(struct weir_http_server *s)
{
    int64_t end_ns = 0;
    struct weir_link *l;

    while (!weir_list_empty(&s->handshakes)) {
        int64_t now_ns = weir_mono_ns();

        if (end_ns && now_ns >= end_ns) {
            weir__http_wake(s);
            return;
        }
        end_ns = end_ns ? end_ns : now_ns + HANDSHAKES_NS;
        l = weir_list_pop(&s->handshakes);
        step(WEIR_CONTAINER(l, struct weir__http_tls, due)->conn);
    }
}

/* Nothing more is read before it had its turn. */
static void wait_for_turn(struct weir_http_conn *c, const char *p, size_t n)
{
    struct weir__http_tls *t = c->tls;
    char *to;

    if (t->hello_n + n > HELLO_BYTES) {
        refuse(c, "the handshake has no end");
        return;
    }
    to = weir_alloc(t->hello_n + n);
    if (t->hello_n)
        memcpy(to, t->hello, t->hello_n);
    memcpy(to + t->hello_n, p, n);
    free(t->hello);
    t->begun = true;
    t->hello = to;
    t->hello_n += n;
    uv_read_stop(&c->uv.stream);
    if (weir_list_empty(&t->due))
        weir_list_push(&c->server->handshakes, &t->due);
    weir__http_wake(c->server);
}

/* ---- the transport ---- */

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct weir_http_conn *c = h->data;

    (void)hint;
    *buf = uv_buf_init(c->server->read_buf, sizeof c->server->read_buf);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct weir_http_conn *c = stream->data;

    if (nread == 0)
        return;
    if (nread < 0)
        weir__http_input(c, nread, NULL);
    else if (c->tls->open)
        feed(c, buf->base, (size_t)nread);
    else
        wait_for_turn(c, buf->base, (size_t)nread);
}

static void read_on(struct weir_http_conn *c)
{
    (void)uv_read_start(&c->uv.stream, on_alloc, on_read);
}

static void tls_read(struct weir_http_conn *c, bool on)
{
    if (on && weir_list_empty(&c->tls->due))
        read_on(c);
    else
        uv_read_stop(&c->uv.stream);
}

/* Small pieces share a record. */
static size_t gather(const uv_buf_t *bufs, unsigned n, size_t skip, char *record)
{
    size_t got = 0;

    for (unsigned i = 0; i < n && got < WEIR_TLS_RECORD_BYTES; i++) {
        size_t part = bufs[i].len;

        if (skip >= part) {
            skip -= part;
            continue;
        }
        part -= skip;
        if (part > WEIR_TLS_RECORD_BYTES - got)
            part = WEIR_TLS_RECORD_BYTES - got;
        memcpy(record + got, bufs[i].base + skip, part);
        got += part;
        skip = 0;
    }
    return got;
}

/* The bytes of bufs that the kernel has, which may be 0, or a UV_E code. */
static ssize_t encrypt(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    struct weir__http_tls *t = c->tls;
    char record[WEIR_TLS_RECORD_BYTES];
    size_t done = t->ahead, got;

    t->ahead = 0;
    while ((got = gather(bufs, n, done, record)) > 0) {
        size_t taken = 0;

        if (weir_tls_write(t->session, record, got, &taken) != WEIR_OK)
            return UV_EPIPE; /* nothing is queued, so there was room */
        if (t->queued) {
            t->ahead = taken;
            break;
        }
        done += taken;
    }
    return (ssize_t)done;
}

static int tls_try_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    ssize_t done = c->tls->open && !c->tls->queued ? encrypt(c, bufs, n) : 0;

    return done == 0 ? UV_EAGAIN : (int)done;
}

static int tls_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    struct weir__http_tls *t = c->tls;

    WEIR_ASSERT(n <= BUFS);
    if (!t->queued) /* only what is queued ends it */
        return UV_EPIPE;
    memcpy(t->bufs, bufs, n * sizeof *bufs);
    t->buf_n = n;
    t->left = 0;
    for (unsigned i = 0; i < n; i++)
        t->left += bufs[i].len;
    return 0;
}

/* Goes on with the write that is under way. */
static void pump(struct weir_http_conn *c)
{
    struct weir__http_tls *t = c->tls;
    ssize_t done = encrypt(c, t->bufs, t->buf_n);
    size_t skip = done > 0 ? (size_t)done : 0;
    unsigned i = 0;

    for (; done >= 0 && i < t->buf_n && skip >= t->bufs[i].len; i++)
        skip -= t->bufs[i].len;
    if (done < 0 || i == t->buf_n) {
        t->buf_n = 0;
        t->left = 0;
        weir__http_on_written(c, done < 0 ? (int)done : 0);
        return;
    }
    t->left -= (size_t)done;
    t->bufs[i].base += skip;
    t->bufs[i].len -= skip;
    t->buf_n -= i;
    memmove(t->bufs, t->bufs + i, t->buf_n * sizeof *t->bufs);
}

static size_t tls_queued(struct weir_http_conn *c)
{
    return weir__http_uv_transport.queued(c) + c->tls->left;
}

static void tls_shutdown(struct weir_http_conn *c)
{
    if (c->tls->open)
        weir_tls_goodbye(c->tls->session);
    weir__http_uv_transport.shutdown(c);
}

static bool tls_readable(struct weir_http_conn *c)
{
    return c->tls->hello_n || weir__http_uv_transport.readable(c);
}

static void tls_close(struct weir_http_conn *c, bool reset)
{
    struct weir__http_tls *t = c->tls;

    if (t->open && !reset)
        weir_tls_goodbye(t->session);
    if (t->begun && !t->open)
        c->server->metrics.tls_failed++;
    weir_tls_destroy(t->session);
    t->session = NULL;
    weir_list_remove(&t->due);
    weir__http_uv_transport.close(c, reset);
}

const struct weir__http_transport weir__http_tls_transport = {
    .try_write = tls_try_write,
    .write = tls_write,
    .queued = tls_queued,
    .read = tls_read,
    .shutdown = tls_shutdown,
    .readable = tls_readable,
    .close = tls_close,
};
