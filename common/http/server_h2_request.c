/* server_h2_request.c - what a client sends on a stream: header block and body, as a request. */
#include "base/clock.h"
#include "http/server_h2.h"

static struct weir__h2_stream *stream_of(nghttp2_session *ng, int32_t id)
{
    return nghttp2_session_get_stream_user_data(ng, id);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    struct weir__h2 *s = arg;
    struct weir_http_server *server = s->conn->server;
    struct weir__h2_stream *st;

    s->list_bytes = 0;
    if (f->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (s->gone)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (server->stream_count >= server->limits.connections) { /* which may be sent again */
        (void)nghttp2_submit_rst_stream(ng, 0, f->hd.stream_id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    st = WEIR_NEW(struct weir__h2_stream);
    weir__h2_stream_init(st, s, f->hd.stream_id);
    (void)nghttp2_session_set_stream_user_data(ng, f->hd.stream_id, st);
    if (!s->noticed)
        weir_wheel_cancel(server->wheel, &s->conn->read_timer);
    weir_wheel_arm(server->wheel, &st->conn.read_timer, server->limits.header_ms);
    return 0;
}

/* ---- the header block ---- */

static uint8_t method_code(struct weir_str name)
{
#define METHOD(number, id, string)                                                                 \
    if (weir_str_is(name, #string))                                                                \
        return number;
    HTTP_METHOD_MAP(METHOD)
#undef METHOD
    return 255;
}

static void fail_headers(struct weir_http_req *r)
{
    weir__http_fail(r, 431, WEIR_ELIMIT, "headers_too_large",
                    "The request's headers are too large.");
}

static void take_method(struct weir_http_req *r, struct weir_str value)
{
    r->method_code = method_code(value);
    if (r->method_code == 255) {
        r->method_code = HTTP_GET;
        weir__http_fail(r, 501, WEIR_EUNSUPPORTED, "method_not_implemented",
                        "The method is not known here.");
    }
}

static void take_pseudo(struct weir_http_req *r, struct weir_str name, struct weir_str value)
{
    if (weir_str_is(name, ":method"))
        take_method(r, value);
    else if (weir_str_is(name, ":path"))
        r->target = value;
    else if (weir_str_is(name, ":authority"))
        r->host = value;
}

static struct weir_str bytes_of(struct weir_http_req *r, nghttp2_rcbuf *buf)
{
    nghttp2_vec v = nghttp2_rcbuf_get_buf(buf);

    return weir_arena_copy(r->arena, (struct weir_str){(const char *)v.base, v.len});
}

/* The request that a field belongs to; NULL: it is a trailer, behind a fault or refused, so read
 * and dropped. A block must be read to its end, since it changes the compression's state for all
 * that follow; one that has no end ends its connection. */
static struct weir_http_req *count_field(nghttp2_session *ng, const nghttp2_frame *f, size_t n,
                                         struct weir__h2 *s)
{
    struct weir__h2_stream *st = stream_of(ng, f->hd.stream_id);
    struct weir_http_req *r = st ? st->conn.req : NULL;
    size_t limit = s->conn->server->limits.header_bytes;

    s->list_bytes += n + 32;
    if (s->list_bytes / WEIR__H2_HEADER_ROOM > limit)
        weir__h2_calm(s);
    if (!r || f->headers.cat != NGHTTP2_HCAT_REQUEST || r->failure.status)
        return NULL;
    r->info.bytes_in += n;
    return r;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *f, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
    nghttp2_vec n = nghttp2_rcbuf_get_buf(name), v = nghttp2_rcbuf_get_buf(value);
    struct weir__h2 *s = arg;
    struct weir_http_req *r = count_field(ng, f, n.len + v.len, s);

    (void)flags;
    if (!r)
        return 0;
    if (s->list_bytes > r->server->limits.header_bytes) {
        fail_headers(r);
    } else if (n.len && n.base[0] == ':') {
        if (n.len == 5 && v.len > r->server->limits.target_bytes)
            weir__http_fail(r, 414, WEIR_ELIMIT, "uri_too_long", "The request target is too long.");
        else
            take_pseudo(r, (struct weir_str){(const char *)n.base, n.len}, bytes_of(r, value));
    } else if (r->header_n >= r->server->limits.header_count) {
        weir__http_fail(r, 431, WEIR_ELIMIT, "too_many_headers",
                        "The request has too many headers.");
    } else {
        weir__http_add_header(r, bytes_of(r, name), weir_str_trim(bytes_of(r, value)));
    }
    return 0;
}

/* nghttp2 would drop it in silence. */
static int on_bad_header(nghttp2_session *ng, const nghttp2_frame *f, nghttp2_rcbuf *name,
                         nghttp2_rcbuf *value, uint8_t flags, void *arg)
{
    size_t n = nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len;
    struct weir_http_req *r = count_field(ng, f, n, arg);

    (void)flags;
    if (r)
        weir__http_fail(r, 400, WEIR_EPROTO, "bad_request",
                        "A header has a character that may not stand in it.");
    return 0;
}

/* The forms of HTTP/1.1 that name a host in the target have no place here (RFC 9113 8.3.1). */
static void check_path(struct weir_http_req *r)
{
    if (r->target.n && r->target.p[0] != '/' && !weir_str_is(r->target, "*") &&
        r->method_code != HTTP_CONNECT)
        weir__http_fail(r, 400, WEIR_EPROTO, "bad_request", "The :path must begin with a slash.");
}

/* :authority is what Host is in HTTP/1.1, and both may be there if they agree (RFC 9113 8.3.1). */
static void join_host(struct weir_http_req *r)
{
    struct weir_str host = weir_http_req_header(r, WEIR_STR("host"));

    if (!r->host.p)
        return;
    if (!host.p)
        weir__http_add_header(r, WEIR_STR("host"), r->host);
    else if (!weir_str_ieq(host, r->host))
        weir__http_fail(r, 400, WEIR_EPROTO, "bad_request",
                        "The Host header and :authority differ.");
}

static void end_head(struct weir__h2_stream *st)
{
    struct weir_http_req *r = st->conn.req;

    r->head_complete = true;
    r->keep_alive = true;
    if (!r->failure.status)
        check_path(r);
    if (!r->failure.status)
        weir__http_split_target(r);
    if (!r->failure.status)
        join_host(r);
    r->has_body = !st->half;
    r->content_length = st->half ? 0 : -1; /* unless the header says it */
    if (!r->failure.status)
        weir__http_check_fields(r);
    if (r->failure.status) {
        weir__http_mark(&st->conn);
        return;
    }
    r->info.started_ns = weir_mono_ns();
    r->complete = st->half;
    st->conn.state = st->half ? WEIR__HTTP_WAIT : WEIR__HTTP_HELD;
    st->conn.busy++;
    weir__http_announce(&st->conn);
    st->conn.busy--;
    weir__http_mark(&st->conn);
}

/* ---- the body ---- */

static void end_body(struct weir__h2_stream *st)
{
    struct weir_http_conn *c = &st->conn;
    struct weir_http_req *r = c->req;

    if (!r || c->state != WEIR__HTTP_BODY || r->failure.status)
        return;
    c->state = WEIR__HTTP_WAIT;
    weir_wheel_cancel(c->server->wheel, &c->read_timer);
    r->complete = true;
    weir__http_body_end(r);
    weir__http_mark(c);
}

static void add_body(struct weir__h2_stream *st, const char *p, size_t n)
{
    struct weir_http_conn *c = &st->conn;
    struct weir_http_req *r = c->req;

    r->body_bytes += n;
    r->wire_bytes += n;
    r->info.bytes_in += n;
    if (weir__http_body_add(r, p, n) != 0)
        weir__http_mark(c);
    else
        weir_wheel_arm(c->server->wheel, &c->read_timer, c->server->limits.body_ms);
}

/* Bytes may come one at a time, up to the stream's window. */
static void hold_body(struct weir__h2_stream *st, const char *p, size_t n)
{
    struct weir_http_req *r = st->conn.req;

    if (st->held + n > st->held_cap) {
        char *to;

        st->held_cap = (st->held + n) * 2;
        to = weir_arena_alloc(r->arena, st->held_cap);
        if (st->held)
            memcpy(to, r->stash, st->held);
        r->stash = to;
    }
    memcpy(r->stash + st->held, p, n);
    st->held += n;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *arg)
{
    struct weir__h2_stream *st = stream_of(ng, id);
    struct weir_http_req *r = st ? st->conn.req : NULL;

    (void)flags, (void)arg;
    /* The session's window isn't held back for one stream's sake: the others go on. */
    (void)nghttp2_session_consume_connection(ng, n);
    if (!r || r->failure.status || r->ended)
        return 0; /* nobody will want it: its window stays shut */
    if (st->conn.state == WEIR__HTTP_HELD) {
        hold_body(st, (const char *)p, n);
    } else if (st->conn.state == WEIR__HTTP_BODY && r->wanted) {
        add_body(st, (const char *)p, n);
        (void)nghttp2_session_consume_stream(ng, id, n);
    }
    return 0;
}

void weir__h2_stream_resume(struct weir_http_conn *c)
{
    struct weir__h2_stream *st = weir__h2_stream_of(c);
    size_t held = st->held;

    if (held) {
        st->held = 0;
        add_body(st, c->req->stash, held);
        if (!st->closed)
            (void)nghttp2_session_consume_stream(st->session->ng, st->id, held);
        weir__h2_touch(st->session);
    }
    if (st->half)
        end_body(st);
}

void weir__h2_stalled(struct weir_http_conn *c)
{
    /* Within a header block no other frame may come, so that the whole connection stands still. */
    weir__http_lose(weir__h2_stream_of(c)->session->conn, WEIR_ETIMEOUT, false);
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    struct weir__h2_stream *st;

    (void)arg;
    if (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA)
        return 0;
    st = stream_of(ng, f->hd.stream_id);
    if (!st || st->conn.state == WEIR__HTTP_CLOSED)
        return 0;
    st->half = f->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (f->hd.type == NGHTTP2_HEADERS && f->headers.cat == NGHTTP2_HCAT_REQUEST)
        end_head(st);
    else if (st->half)
        end_body(st);
    return 0;
}

void weir__h2_set_callbacks(nghttp2_session_callbacks *cb)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback2(cb, on_bad_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
}
