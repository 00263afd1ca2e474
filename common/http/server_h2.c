/* server_h2.c - a session of HTTP/2: bytes in, frames out, limits on both, its end. */
#include "http/server_h2.h"

#include "base/clock.h"

enum { NS_PER_S = 1000000000 };

void weir__h2_touch(struct weir__h2 *s)
{
    if (!s->gone)
        weir__http_mark(s->conn);
}

static bool allow(struct weir__h2_allowance *a, int64_t burst, int64_t per_s)
{
    int64_t now = weir_mono_ns(), gained = (now - a->at_ns) / (NS_PER_S / per_s);

    if (gained > 0) {
        a->left = a->left + gained > burst ? burst : a->left + gained;
        a->at_ns = now;
    }
    return a->left > 0 && a->left-- > 0;
}

void weir__h2_calm(struct weir__h2 *s)
{
    if (s->ending)
        return;
    s->ending = true;
    s->conn->server->metrics.refused++;
    (void)nghttp2_session_terminate_session(s->ng, NGHTTP2_ENHANCE_YOUR_CALM);
}

/* Opening and resetting costs the server more than the client (CVE-2023-44487, CVE-2025-8671). */
static void count_reset(struct weir__h2 *s)
{
    if (!allow(&s->resets, WEIR__H2_RESETS, WEIR__H2_RESETS_PER_S))
        weir__h2_calm(s);
}

void weir__h2_count_noise(struct weir__h2 *s)
{
    if (!allow(&s->noise, WEIR__H2_NOISE, WEIR__H2_NOISE_PER_S))
        weir__h2_calm(s);
}

static void arm(struct weir__h2 *s, uint32_t ms)
{
    if (s->conn->state == WEIR__HTTP_H2)
        weir_wheel_arm(s->conn->server->wheel, &s->conn->read_timer, ms);
}

/* Nothing is open. */
static void rest(struct weir__h2 *s)
{
    if (s->going)
        arm(s, WEIR__HTTP_LINGER_MS);
    else if (!s->noticed)
        arm(s, s->conn->server->limits.idle_ms);
}

/* Frames that may be sent without end at no cost for the client. */
static int on_any_frame(nghttp2_session *ng, const nghttp2_frame_hd *hd, void *arg)
{
    struct weir__h2 *s = arg;

    switch (hd->type) {
    case NGHTTP2_DATA:
        if (hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM))
            weir__h2_count_noise(s);
        break;
    case NGHTTP2_RST_STREAM:
        count_reset(s);
        break;
    case NGHTTP2_SETTINGS:
        if (!s->greeted)
            rest(s);
        s->greeted = true;
        weir__h2_count_noise(s);
        break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_WINDOW_UPDATE: /* costs little, and an honest reader sends many */
        break;
    default: /* PING, PRIORITY, CONTINUATION, GOAWAY; nghttp2 skips unknown ones */
        weir__h2_count_noise(s);
        break;
    }
    /* Frames that need an answer, from a client that reads none (CVE-2019-9514, -9515). */
    if (nghttp2_session_get_outbound_queue_size(ng) >
        WEIR__H2_QUEUE + 4 * (size_t)s->conn->server->limits.streams)
        weir__h2_calm(s);
    return 0;
}

/* What nghttp2 says to a client that broke the rules, not what the server itself says. */
static bool is_fault(uint32_t error)
{
    return error == NGHTTP2_PROTOCOL_ERROR || error == NGHTTP2_FLOW_CONTROL_ERROR ||
           error == NGHTTP2_STREAM_CLOSED || error == NGHTTP2_FRAME_SIZE_ERROR;
}

static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    struct weir__h2 *s = arg;
    struct weir__h2_stream *st;

    if (f->hd.type == NGHTTP2_RST_STREAM && is_fault(f->rst_stream.error_code))
        count_reset(s);
    if ((f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS) ||
        !(f->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
    /* Whole answer, part of a request: the client need not send the rest (RFC 9113 8.1). */
    if (st && !st->half)
        (void)nghttp2_submit_rst_stream(ng, 0, f->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *arg)
{
    struct weir__h2 *s = arg;
    struct weir__h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

    if (!st)
        return 0;
    st->closed = true;
    weir__http_lose(&st->conn, error == NGHTTP2_PROTOCOL_ERROR ? WEIR_EPROTO : WEIR_ECLOSED, false);
    if (st->session) { /* once: it may have been lost before nghttp2 closed it */
        st->session = NULL;
        s->stream_count--;
        s->conn->server->stream_count--;
        weir_list_remove(&st->conn.link);
        weir_list_push(&s->dead, &st->conn.link);
        if (s->stream_count == 0)
            rest(s);
    }
    return 0;
}

static nghttp2_session *new_session(struct weir__h2 *s)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *o;
    nghttp2_session *ng = NULL;

    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    if (nghttp2_option_new(&o) != 0) {
        nghttp2_session_callbacks_del(cb);
        return NULL;
    }
    nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_any_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    weir__h2_set_callbacks(cb);
    nghttp2_option_set_no_auto_window_update(o, 1);
    /* Blanks around a value are cut off, as in HTTP/1.1: some clients send them. */
    nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(o, 1);
    nghttp2_option_set_max_outbound_ack(o, WEIR__H2_ACKS);
    (void)nghttp2_session_server_new2(&ng, cb, s, o); /* ng stays NULL if it fails */
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(cb);
    return ng;
}

/* A drain: requests that the client sent before it hears of it are still served, so this comes
 * first and the last word a while later (RFC 9113 6.8). */
static void notice(struct weir__h2 *s)
{
    s->noticed = true;
    (void)nghttp2_submit_shutdown_notice(s->ng);
    arm(s, WEIR__HTTP_DRAIN_FRESH_MS);
}

void weir__h2_begin(struct weir_http_conn *c)
{
    const struct weir_http_limits *l = &c->server->limits;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WEIR__H2_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->header_bytes},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}, /* no tree of them is kept */
    };
    int64_t now = weir_mono_ns();
    struct weir__h2 *s = WEIR_NEW(struct weir__h2);

    s->conn = c;
    s->resets = (struct weir__h2_allowance){WEIR__H2_RESETS, now};
    s->noise = (struct weir__h2_allowance){WEIR__H2_NOISE, now};
    weir_list_init(&s->streams);
    weir_list_init(&s->dead);
    s->ng = new_session(s);
    WEIR_ASSERT(s->ng); /* it fails for want of memory alone */
    (void)nghttp2_submit_settings(s->ng, 0, settings, sizeof settings / sizeof *settings);
    (void)nghttp2_session_set_local_window_size(s->ng, 0, 0, WEIR__H2_SESSION_WINDOW);
    c->h2 = s;
    c->server->metrics.sessions++;
    if (c->server->draining)
        notice(s);
    weir__http_set_reading(c, true);
    weir__http_mark(c);
}

static void sweep(struct weir__h2 *s)
{
    struct weir_link *l;

    while ((l = weir_list_pop(&s->dead))) {
        struct weir_http_conn *c = WEIR_CONTAINER(l, struct weir_http_conn, link);

        weir__http_out_drop(c);
        weir_list_remove(&c->dirty);
        free(weir__h2_stream_of(c));
    }
}

void weir__h2_feed(struct weir_http_conn *c, const char *p, size_t n)
{
    struct weir__h2 *s = c->h2;
    ssize_t used;

    c->attention = true;
    if (s->ending || s->gone)
        return;
    used = nghttp2_session_mem_recv(s->ng, (const uint8_t *)p, n);
    if (used >= 0 || s->ending) /* a fault of framing answers itself by GOAWAY */
        return;
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
        s->ending = true;
        (void)nghttp2_session_terminate_session(s->ng, NGHTTP2_PROTOCOL_ERROR);
    } else { /* nghttp2's own limits of acknowledgements, resets and CONTINUATION */
        weir__h2_calm(s);
    }
}

/* The session is over: its streams end, its last words go out. */
static void finish(struct weir__h2 *s)
{
    struct weir_http_conn *c = s->conn;

    weir__h2_lose_streams(c, WEIR_EPROTO);
    weir__http_flush(c);
    if (c->out_bytes == 0 && !c->lost)
        weir__http_end_connection(c, true);
}

void weir__h2_pump(struct weir_http_conn *c)
{
    struct weir__h2 *s = c->h2;

    while (!c->lost && !s->gone) {
        const uint8_t *p;
        ssize_t n = c->out_bytes < WEIR__H2_OUT_BYTES ? nghttp2_session_mem_send(s->ng, &p) : 0;

        if (n < 0) {
            c->lost = true;
            c->lost_rc = WEIR_EPROTO;
        } else if (n > 0) {
            weir__http_put(c, p, (size_t)n);
        } else if (c->out_bytes && !c->writing) {
            weir__http_flush(c); /* and on, if the kernel took it all */
        } else {
            break;
        }
    }
    sweep(s);
    if (s->gone ||
        (!c->lost && !nghttp2_session_want_read(s->ng) && !nghttp2_session_want_write(s->ng)))
        finish(s);
}

/* No stream has been open for long, or the settings never came, or a drain was announced: what is
 * open goes on to its end, and nothing else comes. */
void weir__h2_idle(struct weir_http_conn *c)
{
    struct weir__h2 *s = c->h2;

    if (s->going) { /* it was told, and doesn't even take that */
        weir__http_lose(c, WEIR_ETIMEOUT, false);
        return;
    }
    s->going = true;
    (void)nghttp2_submit_goaway(s->ng, 0, nghttp2_session_get_last_proc_stream_id(s->ng),
                                NGHTTP2_NO_ERROR, NULL, 0);
    if (s->stream_count == 0)
        rest(s);
    weir__http_mark(c);
}

void weir__h2_drain(struct weir_http_conn *c)
{
    if (c->h2->noticed || c->h2->going)
        return;
    if (c->h2->stream_count == 0 && !c->transport->readable(c)) {
        weir__h2_idle(c);
        return;
    }
    notice(c->h2);
    weir__http_mark(c);
}

void weir__h2_lose_streams(struct weir_http_conn *c, int rc)
{
    struct weir__h2 *s = c->h2;
    struct weir_link *l;

    s->gone = true; /* from here on nothing is said to nghttp2 */
    c->server->stream_count -= s->stream_count;
    while ((l = weir_list_pop(&s->streams))) {
        struct weir_http_conn *sc = WEIR_CONTAINER(l, struct weir_http_conn, link);

        weir__h2_stream_of(sc)->closed = true;
        weir__h2_stream_of(sc)->session = NULL;
        weir__http_lose(sc, rc, false);
        weir_list_push(&s->dead, &sc->link);
    }
    s->stream_count = 0;
}

void weir__h2_destroy(struct weir_http_conn *c)
{
    if (!c->h2)
        return;
    weir__h2_lose_streams(c, WEIR_ECLOSED);
    sweep(c->h2);
    nghttp2_session_del(c->h2->ng);
    free(c->h2);
    c->h2 = NULL;
}
