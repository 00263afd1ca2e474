/* tls_stream.c - see tls_stream.h.
 *
 *   plain:             OPEN ------------------------> CLOSED (by the owner)
 *   TLS:   OPEN -> HANDSHAKE -> OPEN
 * A peer's end or a failure sets `over`: told once, then only close() is left.
 */
#include "net/tls_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What a handshake may have waiting for the socket; afterwards it is one record. */
enum { HANDSHAKE_QUEUE_BYTES = 64 << 10 };

struct weir_tls_stream {
    struct weir_socket *socket;
    struct weir_read_buf *read_buf;
    const struct weir_tls_stream_events *ev;
    void *arg;
    struct weir_tls *tls;
    uv_buf_t *bufs; /* the send under way, borrowed */
    unsigned buf_count;
    size_t queued_bytes; /* ciphertext copied for libuv */
    bool handshaking, reading, sending, sent_any, over;
    unsigned depth; /* callbacks to the owner on the stack */
    bool closed;
};

/* Ciphertext that the kernel had no room for. */
struct pending {
    uv_write_t req;
    struct weir_socket *socket;
    size_t n;
    char bytes[];
};

struct weir_socket *weir_socket_create(void)
{
    return WEIR_NEW(struct weir_socket);
}

static void on_socket_closed(uv_handle_t *h)
{
    free(h->data);
}

void weir_socket_close(struct weir_socket *s)
{
    s->owner = NULL;
    s->u.handle.data = s;
    uv_close(&s->u.handle, on_socket_closed);
}

struct weir_tls_stream *weir_tls_stream_create(struct weir_socket *s,
                                               struct weir_read_buf *read_buf,
                                               const struct weir_tls_stream_events *events,
                                               void *arg)
{
    struct weir_tls_stream *t = WEIR_NEW(struct weir_tls_stream);

    t->socket = s;
    t->read_buf = read_buf;
    t->ev = events;
    t->arg = arg;
    s->owner = t;
    s->u.handle.data = s;
    return t;
}

/* Every way to the owner goes through these two, since the owner may close the stream there. */
static void hold(struct weir_tls_stream *t)
{
    t->depth++;
}

/* False: the stream is gone. */
static bool release(struct weir_tls_stream *t)
{
    if (--t->depth > 0 || !t->closed)
        return !t->closed;
    free(t);
    return false;
}

static void end(struct weir_tls_stream *t, int rc)
{
    if (t->over || t->closed)
        return;
    t->over = true;
    uv_read_stop(&t->socket->u.stream);
    if (t->handshaking)
        t->ev->on_ready(t->arg, rc);
    else
        t->ev->on_closed(t->arg, rc);
}

static int pump(struct weir_tls_stream *t);

static void drive_handshake(struct weir_tls_stream *t, const void *p, size_t n)
{
    int rc = weir_tls_handshake(t->tls, p, n);

    if (rc == WEIR_EAGAIN)
        return;
    if (rc) {
        end(t, rc == WEIR_ECLOSED ? WEIR_ETLS : rc);
        return;
    }
    t->handshaking = false;
    if (!t->reading)
        uv_read_stop(&t->socket->u.stream);
    t->ev->on_ready(t->arg, WEIR_OK);
    if (t->closed)
        return;
    rc = weir_tls_feed(t->tls, NULL, 0); /* what came behind the handshake */
    if (rc && !t->closed)
        end(t, rc);
}

static void on_pending_written(uv_write_t *req, int status)
{
    struct pending *p = req->data;
    struct weir_tls_stream *t = p->socket->owner;
    size_t n = p->n;
    int rc;

    free(p);
    if (status == UV_ECANCELED || !t || t->over)
        return;
    t->queued_bytes -= n;
    hold(t);
    if (status < 0)
        end(t, WEIR_ECLOSED);
    else if (t->handshaking)
        drive_handshake(t, NULL, 0);
    else if (t->sending) {
        rc = pump(t);
        if (rc != WEIR_EWAIT) {
            t->sending = false;
            t->ev->on_sent(t->arg, rc);
        }
    }
    release(t);
}

/* Takes one record, by copy where the kernel has no room for all of it. */
static int tls_send(void *arg, const void *p, size_t n)
{
    struct weir_tls_stream *t = arg;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)p, (unsigned)n);
    struct pending *w;
    int rc = 0;

    if (t->queued_bytes && (!t->handshaking || t->queued_bytes + n > HANDSHAKE_QUEUE_BYTES))
        return WEIR_EAGAIN;
    if (t->queued_bytes == 0) {
        rc = uv_try_write(&t->socket->u.stream, &buf, 1);
        if (rc < 0 && rc != UV_EAGAIN)
            return WEIR_ECLOSED;
        if (rc == (int)n) {
            t->sent_any = true;
            return rc;
        }
    }
    t->sent_any = true;
    rc = rc < 0 ? 0 : rc;
    w = weir_alloc(sizeof *w + n - (size_t)rc);
    w->n = n - (size_t)rc;
    w->socket = t->socket;
    w->req.data = w;
    memcpy(w->bytes, (const char *)p + rc, w->n);
    buf = uv_buf_init(w->bytes, (unsigned)w->n);
    if (uv_write(&w->req, &t->socket->u.stream, &buf, 1, on_pending_written)) {
        free(w);
        return WEIR_ECLOSED;
    }
    t->queued_bytes += w->n;
    return (int)n;
}

static void tls_plain(void *arg, const char *p, size_t n)
{
    struct weir_tls_stream *t = arg;

    t->ev->on_data(t->arg, p, n);
}

static void tls_ticket(void *arg, struct weir_tls_ticket *ticket)
{
    struct weir_tls_stream *t = arg;

    if (t->ev->on_ticket && !t->closed)
        t->ev->on_ticket(t->arg, ticket);
    else
        weir_tls_ticket_destroy(ticket);
}

static const struct weir_tls_io tls_io = {
    .send = tls_send, .on_plain = tls_plain, .on_ticket = tls_ticket};

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct weir_socket *s = h->data;
    struct weir_tls_stream *t = s->owner;

    (void)suggested;
    *buf = t ? uv_buf_init(t->read_buf->p, (unsigned)t->read_buf->n) : uv_buf_init(NULL, 0);
}

static void take_bytes(struct weir_tls_stream *t, const char *p, size_t n)
{
    int rc;

    if (!t->tls) {
        t->ev->on_data(t->arg, p, n);
    } else if (t->handshaking) {
        drive_handshake(t, p, n);
    } else {
        rc = weir_tls_feed(t->tls, p, n);
        if (rc && !t->closed)
            end(t, rc);
    }
    if (!t->closed && !t->over && !t->handshaking && t->ev->on_batch)
        t->ev->on_batch(t->arg);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct weir_socket *s = stream->data;
    struct weir_tls_stream *t = s->owner;

    if (!t || t->over || n == 0)
        return;
    hold(t);
    if (n < 0)
        /* A TLS stream that ends without a goodbye may have been cut by anybody. */
        end(t, t->handshaking ? WEIR_ETLS : n == UV_EOF && !t->tls ? WEIR_ECLOSED : WEIR_EIO);
    else
        take_bytes(t, buf->base, (size_t)n);
    release(t);
}

int weir_tls_stream_start_tls(struct weir_tls_stream *t, struct weir_tls_context *ctx,
                              struct weir_str host, const struct weir_tls_ticket *ticket)
{
    int rc = weir_tls_create(ctx, host, ticket, &tls_io, t, &t->tls);

    if (rc)
        return rc;
    t->handshaking = true;
    if (uv_read_start(&t->socket->u.stream, on_alloc, on_read))
        return WEIR_EIO;
    rc = weir_tls_handshake(t->tls, NULL, 0);
    return rc == WEIR_EAGAIN ? WEIR_OK : rc ? rc : WEIR_EPROTO;
}

void weir_tls_stream_close(struct weir_tls_stream *t)
{
    if (!t || t->closed)
        return;
    t->closed = true;
    if (t->tls) {
        if (!t->over)
            weir_tls_goodbye(t->tls);
        weir_tls_destroy(t->tls);
    }
    weir_socket_close(t->socket);
    if (t->depth == 0)
        free(t);
}

int weir_tls_stream_read_start(struct weir_tls_stream *t)
{
    if (t->reading)
        return WEIR_OK;
    t->reading = true;
    if (t->handshaking || t->over)
        return WEIR_OK;
    return uv_read_start(&t->socket->u.stream, on_alloc, on_read) ? WEIR_EIO : WEIR_OK;
}

void weir_tls_stream_read_stop(struct weir_tls_stream *t)
{
    if (!t->reading)
        return;
    t->reading = false;
    if (!t->handshaking && !t->over)
        uv_read_stop(&t->socket->u.stream);
}

static void on_written(uv_write_t *req, int status)
{
    struct weir_socket *s = WEIR_CONTAINER(req, struct weir_socket, write);
    struct weir_tls_stream *t = s->owner;

    if (!t || !t->sending)
        return;
    t->sending = false;
    hold(t);
    if (!t->over)
        t->ev->on_sent(t->arg, status < 0 ? WEIR_ECLOSED : WEIR_OK);
    release(t);
}

static void skip(struct weir_tls_stream *t, size_t n)
{
    while (t->buf_count && n >= t->bufs->len) {
        n -= t->bufs->len;
        t->bufs++;
        t->buf_count--;
    }
    if (t->buf_count) {
        t->bufs->base += n;
        t->bufs->len -= n;
    }
}

static int send_plain(struct weir_tls_stream *t)
{
    uv_stream_t *stream = &t->socket->u.stream;
    int rc = uv_try_write(stream, t->bufs, t->buf_count);

    if (rc < 0 && rc != UV_EAGAIN)
        return WEIR_ECLOSED;
    t->sent_any = true;
    skip(t, rc < 0 ? 0 : (size_t)rc);
    if (t->buf_count == 0)
        return WEIR_OK;
    if (uv_write(&t->socket->write, stream, t->bufs, t->buf_count, on_written))
        return WEIR_ECLOSED;
    return WEIR_EWAIT;
}

/* Encrypts on until all is taken or the socket is full. */
static int pump(struct weir_tls_stream *t)
{
    while (t->buf_count) {
        size_t taken = 0;
        int rc;

        if (t->bufs->len == 0) {
            skip(t, 0);
            continue;
        }
        rc = weir_tls_write(t->tls, t->bufs->base, t->bufs->len, &taken);
        if (rc == WEIR_EAGAIN)
            return WEIR_EWAIT;
        if (rc)
            return WEIR_ECLOSED;
        skip(t, taken);
    }
    /* Sent means in the kernel, so that the owner knows when its deadline moves on. */
    return t->queued_bytes ? WEIR_EWAIT : WEIR_OK;
}

int weir_tls_stream_send(struct weir_tls_stream *t, uv_buf_t *bufs, unsigned n)
{
    int rc;

    WEIR_ASSERT(!t->sending && !t->handshaking);
    t->sent_any = false;
    if (t->over)
        return WEIR_ECLOSED;
    t->bufs = bufs;
    t->buf_count = n;
    t->sending = true;
    rc = t->tls ? pump(t) : send_plain(t);
    if (rc != WEIR_EWAIT)
        t->sending = false;
    return rc;
}

bool weir_tls_stream_sent_any(const struct weir_tls_stream *t)
{
    return t->sent_any;
}

const struct weir_tls *weir_tls_stream_tls(const struct weir_tls_stream *t)
{
    return t->tls;
}
