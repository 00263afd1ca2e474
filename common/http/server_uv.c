/* server_uv.c - the transport over libuv's TCP and Unix sockets, and accepting. */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_tls.h"

/* A body of known length is read to where it will stay. */
static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
    struct weir_http_conn *c = h->data;
    struct weir_http_req *r = c->req;

    (void)hint;
    *buf = uv_buf_init(c->server->read_buf, sizeof c->server->read_buf);
    if (c->state != WEIR__HTTP_BODY || !r || !r->wanted || r->decoder || r->content_length < 0)
        return;
    if (r->body.cap - r->body.n >= WEIR__HTTP_READ_BYTES / 16)
        *buf = uv_buf_init(r->body.p + r->body.n, (unsigned)(r->body.cap - r->body.n));
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    weir__http_input(stream->data, nread, buf->base);
}

static int uv_transport_try_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    return uv_try_write(&c->uv.stream, bufs, n);
}

static void on_written(uv_write_t *w, int status)
{
    weir__http_on_written(w->handle->data, status);
}

static int uv_transport_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    return uv_write(&c->write_req, &c->uv.stream, bufs, n, on_written);
}

/* With what the kernel holds: its buffer may take a slow client longer than the write limit before
 * it has room again. */
static size_t uv_transport_queued(struct weir_http_conn *c)
{
    uv_os_fd_t fd;
    int kernel = 0;

    if (uv_fileno((uv_handle_t *)&c->uv.stream, &fd) == 0)
        (void)ioctl(fd, SIOCOUTQ, &kernel);
    return uv_stream_get_write_queue_size(&c->uv.stream) + (size_t)kernel;
}

static void uv_transport_read(struct weir_http_conn *c, bool on)
{
    if (on)
        uv_read_start(&c->uv.stream, on_alloc, on_read);
    else
        uv_read_stop(&c->uv.stream);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status;
}

static void uv_transport_shutdown(struct weir_http_conn *c)
{
    (void)uv_shutdown(&c->shutdown_req, &c->uv.stream, on_shutdown);
}

static bool uv_transport_readable(struct weir_http_conn *c)
{
    uv_os_fd_t fd;
    char byte;

    return uv_fileno((uv_handle_t *)&c->uv.stream, &fd) == 0 &&
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void on_conn_closed(uv_handle_t *h)
{
    weir__http_on_closed(h->data);
}

static void uv_transport_close(struct weir_http_conn *c, bool reset)
{
    if (reset && c->uv.stream.type == UV_TCP && uv_tcp_close_reset(&c->uv.tcp, on_conn_closed) == 0)
        return;
    uv_close((uv_handle_t *)&c->uv.stream, on_conn_closed);
}

const struct weir__http_transport weir__http_uv_transport = {
    .try_write = uv_transport_try_write,
    .write = uv_transport_write,
    .queued = uv_transport_queued,
    .read = uv_transport_read,
    .shutdown = uv_transport_shutdown,
    .readable = uv_transport_readable,
    .close = uv_transport_close,
};

/* ---- accepting ---- */

static void note_peer(struct weir_http_conn *c)
{
    struct sockaddr_storage a;
    int len = sizeof a;

    if (c->uv.stream.type != UV_TCP) {
        memcpy(c->peer, "unix", 5);
        return;
    }
    if (uv_tcp_getpeername(&c->uv.tcp, (struct sockaddr *)&a, &len) != 0)
        return;
    if (a.ss_family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;

        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
            inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, c->peer, sizeof c->peer);
        else
            uv_ip6_name(v6, c->peer, sizeof c->peer);
        c->peer_port = ntohs(v6->sin6_port);
    } else {
        uv_ip4_name((struct sockaddr_in *)&a, c->peer, sizeof c->peer);
        c->peer_port = ntohs(((struct sockaddr_in *)&a)->sin_port);
    }
}

static struct weir_http_conn *new_conn(struct weir__http_listener *l)
{
    struct weir_http_conn *c = WEIR_NEW(struct weir_http_conn);
    int rc = l->uv.stream.type == UV_TCP ? uv_tcp_init(l->server->loop, &c->uv.tcp)
                                         : uv_pipe_init(l->server->loop, &c->uv.pipe, 0);

    WEIR_ASSERT(rc == 0); /* without a socket of its own neither call can fail */
    c->uv.stream.data = c;
    c->tag = l->tag;
    return c;
}

static void on_refused(uv_handle_t *h)
{
    free(h->data);
}

static void begin_conn(struct weir__http_listener *l, struct weir_http_conn *c)
{
    if (c->uv.stream.type == UV_TCP)
        (void)uv_tcp_nodelay(&c->uv.tcp, 1);
    note_peer(c);
    if (l->tls && weir__http_tls_create(c, l->server->tls)) {
        uv_close((uv_handle_t *)&c->uv.stream, on_refused);
        return;
    }
    weir__http_conn_init(c, l->server,
                         l->tls ? &weir__http_tls_transport : &weir__http_uv_transport);
}

int weir__http_accept(struct weir__http_listener *l)
{
    struct weir_http_conn *c;
    int rc;

    if (l->server->conn_count >= l->server->limits.connections) {
        if (!l->waiting)
            l->server->metrics.accept_paused++;
        l->waiting = true;
        return WEIR_ELIMIT;
    }
    l->waiting = false;
    c = new_conn(l);
    rc = uv_accept(&l->uv.stream, &c->uv.stream);
    if (rc != 0) {
        uv_close((uv_handle_t *)&c->uv.stream, on_refused);
        return WEIR_EIO;
    }
    begin_conn(l, c);
    return WEIR_OK;
}

/* Before a listener is closed: closing resets connections that wait in the kernel's queue, although
 * their requests may have arrived. */
void weir__http_accept_rest(struct weir__http_listener *l)
{
    uv_os_fd_t listening;

    while (l->waiting && weir__http_accept(l) == WEIR_OK)
        ;
    if (uv_fileno((uv_handle_t *)&l->uv.stream, &listening) != 0)
        return;
    while (l->server->conn_count < l->server->limits.connections) {
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct weir_http_conn *c;
        int rc;

        if (fd < 0)
            return;
        c = new_conn(l);
        rc = c->uv.stream.type == UV_TCP ? uv_tcp_open(&c->uv.tcp, fd)
                                         : uv_pipe_open(&c->uv.pipe, fd);
        if (rc != 0) {
            close(fd);
            uv_close((uv_handle_t *)&c->uv.stream, on_refused);
            continue;
        }
        begin_conn(l, c);
    }
}
