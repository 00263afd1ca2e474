/* scripted_server.h - an upstream that answers as a test tells it to, on the test's own loop: in
 * pieces, with lies, with a sudden end, with or without TLS. */
#ifndef WEIR_TESTS_SCRIPTED_SERVER_H
#define WEIR_TESTS_SCRIPTED_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/tls_stream.h"

struct script {
    struct weir_str reply;
    size_t piece;     /* bytes per write, one write per turn of the loop; 0: all at once */
    bool close_after; /* the connection, when all is written */
    bool reset;       /* closes without an answer */
    bool silent;      /* never answers */
    bool early;       /* answers without waiting for the request's body */
};

struct server {
    uv_loop_t *loop;
    struct weir_socket *listener;
    unsigned port;
    struct weir_tls_context *tls;
    const struct script *scripts; /* one per request, over all connections; the last one repeats */
    size_t script_count, requests, accepted, closed;
    struct weir_link peers;
    struct weir_read_buf read_buf;
    char memory[65536];
    char last_request[8192]; /* head and the start of the body */
    bool stop_reading;
};

struct peer {
    struct weir_link link;
    struct server *server;
    struct weir_tls_stream *stream;
    uv_handle_t *handle; /* the stream's */
    struct script script;
    bool answering;
    uv_idle_t *turn; /* the next piece */
    size_t at;
    struct weir_buf in;
    uv_buf_t out;
    bool sending;
};

static inline void peer_drop(struct peer *p)
{
    weir_list_remove(&p->link);
    p->server->closed++;
    if (p->turn) {
        uv_idle_stop(p->turn);
        uv_close((uv_handle_t *)p->turn, (uv_close_cb)free);
    }
    weir_tls_stream_close(p->stream);
    weir_buf_fini(&p->in);
    free(p);
}

static inline int peer_fd(struct peer *p)
{
    int fd = -1;

    assert_int_equal(uv_fileno(p->handle, &fd), 0);
    return fd;
}

static inline void peer_next(struct peer *p);

static inline void peer_piece(uv_idle_t *turn)
{
    struct peer *p = turn->data;
    size_t n = p->script.reply.n - p->at;
    int rc;

    if (p->sending)
        return;
    if (p->script.piece && n > p->script.piece)
        n = p->script.piece;
    if (n == 0) {
        uv_idle_stop(turn);
        if (p->script.close_after || p->script.reset) {
            peer_drop(p);
            return;
        }
        p->answering = false;
        peer_next(p);
        return;
    }
    p->out = uv_buf_init((char *)(uintptr_t)p->script.reply.p + p->at, (unsigned)n);
    p->at += n;
    rc = weir_tls_stream_send(p->stream, &p->out, 1);
    p->sending = rc == WEIR_EWAIT;
    if (rc != WEIR_OK && rc != WEIR_EWAIT)
        peer_drop(p);
}

/* How many bytes the first request in the buffer has; 0: it isn't whole yet. */
static inline size_t request_bytes(struct peer *p, bool early)
{
    const char *end = p->in.n ? memmem(p->in.p, p->in.n, "\r\n\r\n", 4) : NULL;
    const char *length;
    size_t head, body = 0;

    if (!end)
        return 0;
    head = (size_t)(end - p->in.p) + 4;
    length = memmem(p->in.p, head, "Content-Length: ", 16);
    if (length)
        body = strtoul(length + 16, NULL, 10);
    if (early)
        return head;
    return p->in.n >= head + body ? head + body : 0;
}

static inline void peer_next(struct peer *p)
{
    struct server *s = p->server;
    size_t i = s->requests < s->script_count ? s->requests : s->script_count - 1;
    size_t n = p->answering ? 0 : request_bytes(p, s->scripts[i].early);
    size_t keep = n < sizeof s->last_request - 1 ? n : sizeof s->last_request - 1;

    if (n == 0)
        return;
    memcpy(s->last_request, p->in.p, keep);
    s->last_request[keep] = 0;
    weir_buf_drop(&p->in, n);
    s->requests++;
    p->script = s->scripts[i]; /* a copy: the test goes on with the next one at once */
    p->answering = true;
    p->at = 0;
    if (p->script.silent)
        return;
    if (!p->turn) {
        p->turn = weir_alloc(sizeof *p->turn);
        uv_idle_init(s->loop, p->turn);
        p->turn->data = p;
    }
    uv_idle_start(p->turn, peer_piece);
}

static inline void peer_on_data(void *arg, const char *bytes, size_t n)
{
    struct peer *p = arg;

    weir_buf_add(&p->in, bytes, n);
}

static inline void peer_on_batch(void *arg)
{
    peer_next(arg);
}

static inline void peer_on_sent(void *arg, int rc)
{
    struct peer *p = arg;

    (void)rc;
    p->sending = false;
}

static inline void peer_on_ready(void *arg, int rc)
{
    if (rc)
        peer_drop(arg);
}

static inline void peer_on_closed(void *arg, int rc)
{
    (void)rc;
    peer_drop(arg);
}

static const struct weir_tls_stream_events peer_events = {
    .on_ready = peer_on_ready,
    .on_data = peer_on_data,
    .on_batch = peer_on_batch,
    .on_sent = peer_on_sent,
    .on_closed = peer_on_closed,
};

static inline void server_on_connection(uv_stream_t *listener, int status)
{
    struct weir_socket *l = listener->data;
    struct server *s = l->owner;
    struct weir_socket *socket = weir_socket_create();
    struct peer *p = WEIR_NEW(struct peer);

    assert_int_equal(status, 0);
    if (listener->type == UV_TCP)
        assert_int_equal(uv_tcp_init(s->loop, &socket->u.tcp), 0);
    else
        assert_int_equal(uv_pipe_init(s->loop, &socket->u.pipe, 0), 0);
    assert_int_equal(uv_accept(listener, &socket->u.stream), 0);
    if (listener->type == UV_TCP)
        uv_tcp_nodelay(&socket->u.tcp, 1);
    s->accepted++;
    p->server = s;
    p->handle = &socket->u.handle;
    weir_list_init(&p->link);
    weir_list_push(&s->peers, &p->link);
    weir_buf_init(&p->in, 64 << 20);
    p->stream = weir_tls_stream_create(socket, &s->read_buf, &peer_events, p);
    if (s->tls)
        assert_int_equal(weir_tls_stream_start_tls(p->stream, s->tls, WEIR_STR_NULL, NULL), 0);
    if (!s->stop_reading)
        assert_int_equal(weir_tls_stream_read_start(p->stream), 0);
}

static inline void server_init(struct server *s, uv_loop_t *loop)
{
    memset(s, 0, sizeof *s);
    s->loop = loop;
    weir_list_init(&s->peers);
    s->read_buf = (struct weir_read_buf){s->memory, sizeof s->memory};
    s->listener = weir_socket_create();
    s->listener->owner = s;
}

static inline void server_listen(struct server *s)
{
    struct sockaddr_in a;
    int n = sizeof a;

    uv_ip4_addr("127.0.0.1", 0, &a);
    assert_int_equal(uv_tcp_init(s->loop, &s->listener->u.tcp), 0);
    s->listener->u.handle.data = s->listener;
    assert_int_equal(uv_tcp_bind(&s->listener->u.tcp, (struct sockaddr *)&a, 0), 0);
    assert_int_equal(uv_listen(&s->listener->u.stream, 64, server_on_connection), 0);
    uv_tcp_getsockname(&s->listener->u.tcp, (struct sockaddr *)&a, &n);
    s->port = ntohs(a.sin_port);
}

static inline void server_listen_unix(struct server *s, const char *path)
{
    assert_int_equal(uv_pipe_init(s->loop, &s->listener->u.pipe, 0), 0);
    s->listener->u.handle.data = s->listener;
    assert_int_equal(uv_pipe_bind(&s->listener->u.pipe, path), 0);
    assert_int_equal(uv_listen(&s->listener->u.stream, 64, server_on_connection), 0);
}

static inline void server_close(struct server *s)
{
    while (!weir_list_empty(&s->peers))
        peer_drop(WEIR_CONTAINER(s->peers.next, struct peer, link));
    weir_socket_close(s->listener);
}

#endif
