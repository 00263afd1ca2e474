/* server.c - a server's listeners and its end. Its memory goes when the last handle, connection and
 * held request is gone. */
#include "http/server.h"

#include <errno.h>
#include <unistd.h>

#include "http/server_h2.h"
#include "http/server_tls.h"
#include "net/listen.h"

enum { ARENA_BLOCKS = 256, DEFAULT_BACKLOG = 1024 };

static void on_prepare(uv_prepare_t *h);
static void on_drain_deadline(struct weir_wheel_timer *t);

static void on_idle(uv_idle_t *h)
{
    (void)h; /* only keeps the loop from sleeping: on_prepare does the work */
}

void weir__http_wake(struct weir_http_server *s)
{
    if (!s->closing)
        (void)uv_idle_start(&s->idle, on_idle);
}

/* clang-format off */
#define DEFAULT(field, value) do { if (!l->field) l->field = (value); } while (0)

/* clang-format on */

static void fill_limits(struct weir_http_limits *l)
{
    DEFAULT(connections, 10000);
    DEFAULT(header_bytes, 65536);
    DEFAULT(target_bytes, 8192);
    DEFAULT(header_count, 128);
    DEFAULT(body_bytes, 32ull << 20);
    DEFAULT(header_ms, 10000);
    DEFAULT(body_ms, 30000);
    DEFAULT(idle_ms, 75000);
    DEFAULT(write_ms, 30000);
    DEFAULT(output_high, 262144);
    DEFAULT(output_low, 65536);
    DEFAULT(streams, 100);
    DEFAULT(output_max_bytes, 64ull << 20);
    if (l->output_low >= l->output_high)
        l->output_low = l->output_high / 4;
}

int weir_http_server_create(const struct weir_http_server_options *o, struct weir_http_server **out)
{
    struct weir_http_server *s = weir_alloc(sizeof *s);

    memset(s, 0, offsetof(struct weir_http_server, read_buf));
    s->loop = o->loop;
    s->handler = o->handler;
    s->arg = o->arg;
    s->limits = o->limits;
    fill_limits(&s->limits);
    s->bodies.max = s->limits.bodies_bytes;
    s->http2 = o->http2;
    s->own_wheel = !o->wheel;
    s->wheel = o->wheel ? o->wheel : weir_wheel_create(o->loop);
    if (!s->wheel) {
        free(s);
        return WEIR_EIO;
    }
    s->own_arenas = !o->arenas;
    s->arenas = o->arenas ? o->arenas : weir_arena_cache_create(ARENA_BLOCKS);
    weir_list_init(&s->conns);
    weir_list_init(&s->dirty);
    weir_list_init(&s->sessions);
    weir_list_init(&s->handshakes);
    weir_wheel_timer_init(&s->drain_timer, on_drain_deadline);
    /* Neither of these three calls can fail. */
    (void)uv_prepare_init(s->loop, &s->prepare);
    (void)uv_idle_init(s->loop, &s->idle);
    (void)uv_prepare_start(&s->prepare, on_prepare);
    uv_unref((uv_handle_t *)&s->prepare);
    s->prepare.data = s;
    s->handle_count = 2;
    *out = s;
    return WEIR_OK;
}

uint64_t weir_http_server_body_bytes(const struct weir_http_server *s)
{
    return s->bodies.used;
}

void weir_http_server_set_tls(struct weir_http_server *s, struct weir_tls_context *ctx)
{
    weir_tls_context_ref(ctx);
    weir_tls_context_unref(s->tls);
    s->tls = ctx;
}

const struct weir_http_metrics *weir_http_server_metrics(const struct weir_http_server *s)
{
    return &s->metrics;
}

/* ---- listeners ---- */

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0)
        (void)weir__http_accept(stream->data);
}

static void on_listener_closed(uv_handle_t *h)
{
    struct weir__http_listener *l = h->data, **at;
    struct weir_http_server *s = l->server;

    for (at = &s->listeners; *at != l; at = &(*at)->next)
        ;
    *at = l->next;
    free(l->path);
    free(l);
    s->listener_count--;
    weir__http_conn_gone(s);
}

static void close_listener(struct weir__http_listener *l)
{
    if (l->closed)
        return;
    l->closed = true;
    if (l->path)
        (void)unlink(l->path);
    uv_close((uv_handle_t *)&l->uv.stream, on_listener_closed);
}

/* Takes over fd. */
static int add_listener(struct weir_http_server *s, int fd, const char *path,
                        const struct weir_http_listen_options *o)
{
    struct weir__http_listener *l = WEIR_NEW(struct weir__http_listener);
    int rc = path ? uv_pipe_init(s->loop, &l->uv.pipe, 0) : uv_tcp_init(s->loop, &l->uv.tcp);

    WEIR_ASSERT(rc == 0);
    l->server = s;
    l->tag = o->tag;
    l->tls = o->tls;
    l->path = path ? weir_strdup(weir_str_of(path)) : NULL;
    l->uv.stream.data = l;
    l->next = s->listeners;
    s->listeners = l;
    s->listener_count++;
    rc = path ? uv_pipe_open(&l->uv.pipe, fd) : uv_tcp_open(&l->uv.tcp, fd);
    if (rc != 0)
        close(fd);
    else
        rc = uv_listen(&l->uv.stream, o->backlog ? o->backlog : DEFAULT_BACKLOG, on_connection);
    if (rc == 0)
        return WEIR_OK;
    close_listener(l);
    errno = -rc;
    return WEIR_EIO;
}

int weir_http_listen(struct weir_http_server *s, const char *host, unsigned port,
                     const struct weir_http_listen_options *o, unsigned *out_port)
{
    static const struct weir_http_listen_options none;
    struct weir_net_bind b = {.host = host, .port = port};
    int fd, rc;

    if (!o)
        o = &none;
    b.reuseport = o->reuseport;
    b.ipv6_only = o->ipv6_only;
    if (o->tls && !s->tls)
        return WEIR_ESTATE;
    rc = weir_net_bind_tcp(&b, &fd, out_port);
    return rc ? rc : add_listener(s, fd, NULL, o);
}

int weir_http_listen_unix(struct weir_http_server *s, const char *path,
                          const struct weir_http_listen_options *o)
{
    static const struct weir_http_listen_options none;
    int fd, rc;

    if (!o)
        o = &none;
    rc = weir_net_bind_unix(path, o->unix_mode ? o->unix_mode : 0600, &fd);
    return rc ? rc : add_listener(s, fd, path, o);
}

/* ---- the loop ---- */

static void tell_drained(struct weir_http_server *s)
{
    void (*fn)(void *arg) = s->on_drained;

    if (!s->draining || s->conn_count || s->listener_count || !fn)
        return;
    weir_wheel_cancel(s->wheel, &s->drain_timer);
    s->on_drained = NULL;
    fn(s->drained_arg);
}

static void on_prepare(uv_prepare_t *h)
{
    struct weir_http_server *s = h->data;
    struct weir_link now, *l;

    uv_idle_stop(&s->idle); /* even if nothing is left to do, or the loop would never sleep */
    if (weir_list_empty(&s->dirty) && weir_list_empty(&s->sessions) &&
        weir_list_empty(&s->handshakes) && !s->draining)
        return;
    weir__http_tls_handshakes(s);
    /* Only those that are dirty now: what they make dirty waits for the next iteration. */
    weir_list_init(&now);
    while ((l = weir_list_pop(&s->dirty)))
        weir_list_push(&now, l);
    while ((l = weir_list_pop(&now)))
        weir__http_attend(WEIR_CONTAINER(l, struct weir_http_conn, dirty));
    /* What those streams have to say goes out in this iteration. */
    while ((l = weir_list_pop(&s->sessions)))
        weir_list_push(&now, l);
    while ((l = weir_list_pop(&now)))
        weir__http_attend(WEIR_CONTAINER(l, struct weir_http_conn, dirty));
    tell_drained(s);
}

/* A connection or a listener has closed: its place may be taken. */
void weir__http_conn_gone(struct weir_http_server *s)
{
    for (struct weir__http_listener *l = s->listeners; l && !s->draining; l = l->next) {
        if (l->waiting && !l->closed)
            (void)weir__http_accept(l);
    }
    if (s->closing)
        weir__http_maybe_freed(s);
    else if (s->draining && s->on_drained)
        weir__http_wake(s); /* on_prepare tells */
}

/* ---- the end ---- */

static void cut_all(struct weir_http_server *s)
{
    WEIR_LIST_EACH (&s->conns, l, following)
        weir__http_lose(WEIR_CONTAINER(l, struct weir_http_conn, link), WEIR_ECANCELED, true);
}

static void on_drain_deadline(struct weir_wheel_timer *t)
{
    cut_all(WEIR_CONTAINER(t, struct weir_http_server, drain_timer));
}

static void drain_conn(struct weir_http_conn *c)
{
    if (c->state == WEIR__HTTP_H2)
        weir__h2_drain(c);
    if (c->state != WEIR__HTTP_IDLE || c->transport->readable(c))
        return;
    if (c->served)
        weir__http_lose(c, WEIR_ECANCELED, false);
    else
        weir_wheel_arm(c->server->wheel, &c->read_timer, WEIR__HTTP_DRAIN_FRESH_MS);
}

void weir_http_server_drain(struct weir_http_server *s, uint32_t deadline_ms,
                            void (*on_drained)(void *arg), void *arg)
{
    s->on_drained = on_drained;
    s->drained_arg = arg;
    if (!s->draining) {
        for (struct weir__http_listener *l = s->listeners; l; l = l->next) {
            weir__http_accept_rest(l);
            close_listener(l);
        }
        s->draining = true;
        WEIR_LIST_EACH (&s->conns, l, following)
            drain_conn(WEIR_CONTAINER(l, struct weir_http_conn, link));
    }
    weir_wheel_arm(s->wheel, &s->drain_timer, deadline_ms);
    weir__http_wake(s);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct weir_http_server *s = h->data;

    s->handle_count--;
    weir__http_maybe_freed(s);
}

void weir_http_server_close(struct weir_http_server *s, void (*on_closed)(void *arg), void *arg)
{
    WEIR_ASSERT(!s->closing);
    s->closing = s->draining = true;
    s->on_drained = NULL;
    s->on_closed = on_closed;
    s->closed_arg = arg;
    weir_wheel_cancel(s->wheel, &s->drain_timer);
    for (struct weir__http_listener *l = s->listeners; l; l = l->next)
        close_listener(l);
    cut_all(s);
    s->idle.data = s;
    uv_close((uv_handle_t *)&s->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&s->idle, on_handle_closed);
}

void weir__http_maybe_freed(struct weir_http_server *s)
{
    void (*fn)(void *arg) = s->on_closed;
    void *arg = s->closed_arg;

    if (!s->closing || s->conn_count || s->listener_count || s->handle_count || s->req_count)
        return;
    weir_tls_context_unref(s->tls);
    if (s->own_wheel)
        weir_wheel_destroy(s->wheel);
    if (s->own_arenas)
        weir_arena_cache_destroy(s->arenas);
    while (s->spare) {
        struct weir__http_out *b = s->spare;

        s->spare = b->next;
        free(b);
    }
    free(s);
    if (fn)
        fn(arg);
}
