/* server_h2_response.c - answers on a stream: its transport, which the session pulls from. */
#include <stdio.h>

#include "http/server_h2.h"

/* ---- the transport of a stream: output stays in the stream until the session asks ---- */

static int stream_try_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    (void)c, (void)bufs, (void)n;
    return UV_EAGAIN;
}

static void resume(struct weir__h2_stream *st)
{
    if (st->closed)
        return;
    (void)nghttp2_session_resume_data(st->session->ng, st->id); /* fails if it isn't deferred */
    weir__h2_touch(st->session);
}

static int stream_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    (void)bufs, (void)n;
    resume(weir__h2_stream_of(c));
    return 0;
}

static size_t stream_queued(struct weir_http_conn *c)
{
    return c->out_bytes;
}

static void stream_read(struct weir_http_conn *c, bool on)
{
    (void)c, (void)on; /* the stream's window says it */
}

static void stream_shutdown(struct weir_http_conn *c)
{
    (void)c;
}

static bool stream_readable(struct weir_http_conn *c)
{
    (void)c;
    return false;
}

static void stream_close(struct weir_http_conn *c, bool reset)
{
    struct weir__h2_stream *st = weir__h2_stream_of(c);

    weir__http_out_drop(c);
    if (st->closed)
        return;
    (void)nghttp2_submit_rst_stream(st->session->ng, 0, st->id,
                                    reset ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL);
    weir__h2_touch(st->session);
}

static const struct weir__http_transport stream_transport = {
    .try_write = stream_try_write,
    .write = stream_write,
    .queued = stream_queued,
    .read = stream_read,
    .shutdown = stream_shutdown,
    .readable = stream_readable,
    .close = stream_close,
};

void weir__h2_stream_init(struct weir__h2_stream *st, struct weir__h2 *s, int32_t id)
{
    struct weir_http_conn *c = &st->conn, *base = s->conn;

    st->session = s;
    st->id = id;
    c->server = base->server;
    c->transport = &stream_transport;
    c->id = base->id;
    c->tag = base->tag;
    c->peer_port = base->peer_port;
    memcpy(c->peer, base->peer, sizeof c->peer);
    c->is_stream = true;
    c->close_after = true; /* one request is all that it carries */
    weir_list_init(&c->dirty);
    weir_list_push(&s->streams, &c->link);
    s->stream_count++;
    c->server->stream_count++;
    weir__http_conn_timers(c);
    weir__http_begin(c);
}

/* ---- the session pulls ---- */

static ssize_t on_pull(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t max, uint32_t *flags,
                       nghttp2_data_source *source, void *arg)
{
    struct weir__h2_stream *st = source->ptr;
    struct weir_http_conn *c = &st->conn;
    size_t n;

    (void)ng, (void)id, (void)arg;
    if (c->state == WEIR__HTTP_CLOSED)
        return NGHTTP2_ERR_DEFERRED; /* its RST_STREAM is on the way */
    if (max < WEIR__H2_DRIBBLE && c->out_bytes > max)
        weir__h2_count_noise(st->session); /* a window opened byte by byte (CVE-2019-9511) */
    n = weir__http_out_take(c, buf, max);
    if (c->out_bytes == 0) {
        c->writing = false;
        weir_wheel_cancel(c->server->wheel, &c->write_timer);
        st->last |= c->req && c->req->ended && !c->req->cut;
    } else if (n) {
        weir_wheel_arm(c->server->wheel, &c->write_timer, c->server->limits.write_ms);
    }
    if (n && c->req && (c->req->ended || c->req->wants_writable))
        weir__http_mark(c);
    if (st->last && c->out_bytes == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (n == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)n;
}

void weir__h2_stream_ended(struct weir_http_conn *c)
{
    struct weir__h2_stream *st = weir__h2_stream_of(c);

    c->state = WEIR__HTTP_WAIT;
    weir_wheel_cancel(c->server->wheel, &c->read_timer);
    st->last = true;
    resume(st);
}

/* ---- heads ---- */

static nghttp2_nv field(struct weir_str name, struct weir_str value)
{
    return (nghttp2_nv){.name = (uint8_t *)name.p,
                        .value = (uint8_t *)value.p,
                        .namelen = name.n,
                        .valuelen = value.n};
}

static bool is_for_connection(struct weir_str name) /* RFC 9113 8.2.2 */
{
    return weir__http_is_ours(name) || weir_str_ieq(name, WEIR_STR("upgrade")) ||
           weir_str_ieq(name, WEIR_STR("proxy-connection")) || weir_str_ieq(name, WEIR_STR("te"));
}

/* Lower case, and nothing that may not stand in a field; false: it can't be sent. */
static bool clean(struct weir_arena *a, const struct weir_http_header *h, nghttp2_nv *out)
{
    char *name = weir_arena_alloc(a, h->name.n + h->value.n + 1), *value = name + h->name.n;
    struct weir_str trimmed;

    for (size_t i = 0; i < h->name.n; i++) {
        char ch = h->name.p[i];

        name[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + 32 : ch);
    }
    for (size_t i = 0; i < h->value.n; i++) {
        unsigned char ch = (unsigned char)h->value.p[i];

        value[i] = (ch < 0x20 && ch != '\t') || ch == 0x7f ? ' ' : (char)ch;
    }
    trimmed = weir_str_trim((struct weir_str){value, h->value.n});
    *out = field((struct weir_str){name, h->name.n}, trimmed);
    return !is_for_connection(h->name) && name[0] != ':' &&
           nghttp2_check_header_name((const uint8_t *)name, h->name.n);
}

void weir__h2_stream_head(struct weir_http_req *r, unsigned status,
                          const struct weir_http_header *hdrs, size_t n, int64_t content_length)
{
    struct weir__h2_stream *st = weir__h2_stream_of(r->conn);
    nghttp2_nv *nv = weir_arena_alloc(r->arena, (n + 3) * sizeof *nv);
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = on_pull};
    struct weir_str date = weir__http_date(r->server);
    bool no_length = status == 204 || status == 304;
    char code[4], length[24];
    size_t k = 0;

    r->bodyless = r->method == WEIR_HTTP_HEAD || no_length;
    (void)snprintf(code, sizeof code, "%03u", status % 1000);
    nv[k++] = field(WEIR_STR(":status"), weir_str_of(code));
    nv[k++] = field(WEIR_STR("date"), (struct weir_str){date.p + 6, date.n - 8});
    for (size_t i = 0; i < n; i++)
        k += clean(r->arena, &hdrs[i], &nv[k]);
    if (!no_length && content_length >= 0) {
        (void)snprintf(length, sizeof length, "%lld", (long long)content_length);
        nv[k++] = field(WEIR_STR("content-length"), weir_str_of(length));
    }
    for (size_t i = 0; i < k; i++)
        r->info.bytes_out += nv[i].namelen + nv[i].valuelen;
    if (st->closed || nghttp2_submit_response(st->session->ng, st->id, nv, k,
                                              r->bodyless || content_length == 0 ? NULL : &body))
        r->cut = true;
    weir__h2_touch(st->session);
}

void weir__h2_stream_continue(struct weir_http_conn *c)
{
    struct weir__h2_stream *st = weir__h2_stream_of(c);
    nghttp2_nv nv = field(WEIR_STR(":status"), WEIR_STR("100"));

    if (st->closed)
        return;
    (void)nghttp2_submit_headers(st->session->ng, NGHTTP2_FLAG_NONE, st->id, NULL, &nv, 1, NULL);
    weir__h2_touch(st->session);
}
