/* client_conn.c - one connection to an origin.
 *
 *   DIALLING -> (TUNNEL) -> (TLS) -> BUSY <-> IDLE -> closed
 * It is BUSY while it has a call. A call that ends early takes its connection with it: nothing that
 * was meant for one call can reach another.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "http/client_internal.h"

static int64_t now_us(void)
{
    return weir_mono_ns() / 1000;
}

static void hold(struct weir__conn *conn)
{
    conn->depth++;
}

static void release(struct weir__conn *conn)
{
    if (--conn->depth == 0 && conn->dead)
        free(conn);
}

void weir__conn_close(struct weir__conn *conn)
{
    struct weir__pool *p = conn->pool;
    struct weir_http_client *c = p->client;

    if (conn->dead)
        return;
    conn->dead = true;
    weir_list_remove(&conn->link);
    if (!conn->call && conn->served) {
        p->idle_count -= conn->idle_since_ms != 0;
        c->stats.idle_connections -= conn->idle_since_ms != 0;
    }
    p->open--;
    c->stats.open_connections--;
    if (conn->dial)
        weir_dial_cancel(conn->dial);
    weir_tls_stream_close(conn->stream);
    weir__parse_free_head(conn);
    weir__tunnel_end(conn);
    conn->dial = NULL;
    conn->stream = NULL;
    conn->pool = NULL;
    if (conn->depth == 0)
        free(conn);
    weir__pool_next(p);
}

/* The answer is whole. The connection is given back first, so that what on_end starts may use it.
 */
static void complete(struct weir__conn *conn)
{
    struct weir_http_call *call = conn->call;
    struct weir__pool *p = conn->pool;
    struct weir_http_client *c = p->client;

    /* The call leaves first: a close below may serve the queue. */
    call->conn = NULL;
    conn->call = NULL;
    conn->idle_since_ms = 0;
    if (call->sending || conn->rc || !llhttp_should_keep_alive(&conn->parser)) {
        weir__conn_close(conn);
    } else if (call->paused && weir_tls_stream_read_start(conn->stream)) {
        weir__conn_close(conn);
    } else {
        weir_list_remove(&conn->link);
        weir_list_push(&p->idle, &conn->link);
        conn->idle_since_ms = uv_now(c->loop) + 1; /* never 0 */
        conn->served = true;
        p->idle_count++;
        c->stats.idle_connections++;
        weir__client_arm(c, conn->idle_since_ms + (uint64_t)p->origin->idle_timeout_ms);
        weir__pool_next(p);
    }
    weir__call_end(call);
}

static void fail(struct weir__conn *conn, int rc, const char *cause)
{
    if (conn->call)
        weir__call_fail(conn->call, rc, cause);
    else
        weir__conn_close(conn);
}

static void secure(struct weir__conn *conn);

static void tunnel_failed(struct weir__conn *conn, const char *cause)
{
    conn->pool->client->stats.connect_failures++;
    weir__call_fail(conn->call, WEIR_ECONNECT, cause);
}

static void read_tunnel(struct weir__conn *conn, const char *p, size_t n)
{
    const char *cause = NULL;
    int rc = weir__tunnel_bytes(conn, p, n, &cause);

    if (rc == WEIR_EAGAIN)
        return;
    hold(conn);
    if (rc) {
        tunnel_failed(conn, cause);
    } else {
        weir__tunnel_end(conn);
        weir_tls_stream_read_stop(conn->stream);
        secure(conn);
    }
    release(conn);
}

static void on_data(void *arg, const char *p, size_t n)
{
    struct weir__conn *conn = arg;

    if (conn->dead)
        return;
    if (conn->tunnel) {
        read_tunnel(conn, p, n);
        return;
    }
    if (!conn->call) { /* nobody asked */
        weir__conn_close(conn);
        return;
    }
    if (conn->done) {
        conn->rc = WEIR_EPROTO; /* more than the answer: never used again */
        return;
    }
    hold(conn);
    weir__parse_bytes(conn, p, n);
    if (!conn->dead && conn->rc && !conn->done)
        fail(conn, conn->rc, conn->cause);
    release(conn);
}

static void on_batch(void *arg)
{
    struct weir__conn *conn = arg;
    struct weir_http_call *call = conn->call;

    if (conn->dead || !call)
        return;
    hold(conn);
    if (conn->done)
        complete(conn);
    else if (conn->in_body && call->ev->on_batch)
        call->ev->on_batch(call->arg);
    release(conn);
}

static const char *closed_cause(const struct weir__conn *conn, int rc)
{
    if (rc == WEIR_ETLS)
        return weir_tls_cause(weir_tls_stream_tls(conn->stream));
    if (!conn->call->info.any_response_byte)
        return "the upstream closed the connection without an answer";
    return "the upstream closed the connection before the answer was complete";
}

static void on_closed(void *arg, int rc)
{
    struct weir__conn *conn = arg;

    if (conn->dead)
        return;
    hold(conn);
    if (!conn->call) {
        weir__conn_close(conn);
    } else if (conn->tunnel) {
        tunnel_failed(conn, "the egress proxy closed the connection");
    } else {
        /* Only an orderly end may stand for the end of an answer without a length. */
        if (!conn->done && rc == WEIR_ECLOSED)
            weir__parse_eof(conn);
        if (!conn->dead && conn->done) {
            conn->rc = WEIR_ECLOSED;
            complete(conn);
        } else if (!conn->dead) {
            fail(conn, rc == WEIR_ETLS ? rc : WEIR_ECLOSED, closed_cause(conn, rc));
        }
    }
    release(conn);
}

static void on_sent(void *arg, int rc)
{
    struct weir__conn *conn = arg;
    struct weir_http_call *call = conn->call;

    if (conn->dead || !call)
        return;
    call->sending = false;
    /* A failure is told by reading: an upstream may answer and close without reading all. */
    if (rc)
        return;
    hold(conn);
    if (call->info.phase == WEIR_HTTP_PHASE_SEND)
        weir__call_enter(call, WEIR_HTTP_PHASE_FIRST_BYTE);
    if (call->ev->on_sent)
        call->ev->on_sent(call->arg);
    release(conn);
}

int weir__conn_begin(struct weir__conn *conn, struct weir_http_call *call)
{
    struct weir__pool *p = conn->pool;
    int rc;

    if (conn->idle_since_ms) {
        p->idle_count--;
        p->client->stats.idle_connections--;
        conn->idle_since_ms = 0;
    }
    weir_list_remove(&conn->link);
    weir_list_push(&p->busy, &conn->link);
    conn->call = call;
    call->conn = conn;
    call->info.tls_resumed = conn->resumed;
    weir__parse_begin(conn);
    weir__call_enter(call, WEIR_HTTP_PHASE_SEND);
    rc = weir_tls_stream_send(conn->stream, call->bufs, call->buf_count);
    call->info.request_bytes_sent = weir_tls_stream_sent_any(conn->stream);
    call->sending = rc == WEIR_EWAIT;
    if (rc && rc != WEIR_EWAIT)
        return rc;
    if (call->info.reused_connection)
        p->client->stats.reused++;
    if (rc == WEIR_OK) {
        weir__call_enter(call, WEIR_HTTP_PHASE_FIRST_BYTE);
        if (call->ev->on_sent)
            call->ev->on_sent(call->arg);
    }
    return WEIR_OK;
}

static void use(struct weir__conn *conn)
{
    struct weir_http_call *call = conn->call;
    int rc;

    call->info.connect_us = now_us() - call->dial_started_us;
    rc = weir_tls_stream_read_start(conn->stream);
    if (rc == WEIR_OK)
        rc = weir__conn_begin(conn, call);
    if (rc)
        weir__call_fail(call, WEIR_ECLOSED,
                        "the connection was closed before the request was sent");
}

static void on_ready(void *arg, int rc)
{
    struct weir__conn *conn = arg;
    struct weir_http_client *c;
    const struct weir_tls *tls;

    if (conn->dead)
        return;
    c = conn->pool->client;
    tls = weir_tls_stream_tls(conn->stream);
    hold(conn);
    if (rc) {
        c->stats.connect_failures++;
        weir__call_fail(conn->call, WEIR_ETLS, weir_tls_cause(tls));
    } else {
        c->stats.tls_handshakes++;
        conn->resumed = weir_tls_resumed(tls);
        c->stats.tls_resumed += conn->resumed;
        use(conn);
    }
    release(conn);
}

static void on_ticket(void *arg, struct weir_tls_ticket *ticket)
{
    struct weir__conn *conn = arg;

    if (conn->dead) {
        weir_tls_ticket_destroy(ticket);
        return;
    }
    weir_tls_ticket_destroy(conn->pool->ticket);
    conn->pool->ticket = ticket;
}

static const struct weir_tls_stream_events stream_events = {
    .on_ready = on_ready,
    .on_data = on_data,
    .on_batch = on_batch,
    .on_sent = on_sent,
    .on_closed = on_closed,
    .on_ticket = on_ticket,
};

/* The way to the upstream stands: TLS on it, where it has some. */
static void secure(struct weir__conn *conn)
{
    struct weir__pool *p = conn->pool;
    const struct weir_origin *o = p->origin;

    if (!o->tls) {
        use(conn);
        return;
    }
    weir__call_enter(conn->call, WEIR_HTTP_PHASE_TLS);
    if (weir_tls_stream_start_tls(conn->stream, o->context, weir_str_of(o->server_name),
                                  p->ticket)) {
        p->client->stats.connect_failures++;
        weir__call_fail(conn->call, WEIR_ETLS, "the TLS handshake could not be started");
    }
}

static void on_dialled(void *arg, int rc, const char *cause, struct weir_socket *socket)
{
    struct weir__conn *conn = arg;
    struct weir__pool *p = conn->pool;
    struct weir_http_client *c = p->client;
    const struct weir_origin *o = p->origin;

    conn->dial = NULL;
    if (rc) {
        c->stats.connect_failures++;
        weir__call_fail(conn->call, WEIR_ECONNECT, cause);
        return;
    }
    hold(conn);
    conn->stream = weir_tls_stream_create(socket, &c->read_buf, &stream_events, conn);
    if (!o->proxy_host)
        secure(conn);
    else if (weir__tunnel_begin(conn))
        tunnel_failed(conn, "the egress proxy closed the connection");
    release(conn);
}

void weir__conn_dial(struct weir__pool *p, struct weir_http_call *call)
{
    struct weir_http_client *c = p->client;
    const struct weir_origin *o = p->origin;
    struct weir__conn *conn = WEIR_NEW(struct weir__conn);

    conn->pool = p;
    conn->call = call;
    call->conn = conn;
    call->dial_started_us = now_us();
    weir_list_init(&conn->link);
    weir_list_push(&p->busy, &conn->link);
    llhttp_init(&conn->parser, HTTP_RESPONSE, &c->settings);
    conn->parser.data = conn;
    p->open++;
    c->stats.open_connections++;
    c->stats.connects++;
    weir__call_enter(call, WEIR_HTTP_PHASE_CONNECT);
    if (o->unix_path)
        conn->dial = weir_dial_unix(c->loop, weir_str_of(o->unix_path), on_dialled, conn);
    else
        conn->dial =
            weir_dial_tcp(c->loop, c->dns, weir_str_of(o->proxy_host ? o->proxy_host : o->host),
                          o->proxy_host ? o->proxy_port : o->port, on_dialled, conn);
}
