/* h2_rig.h - nghttp2's client towards the server in memory, and a handler that only notes, so that
 * a test decides when anything is taken or answered. */
#ifndef WEIR_TESTS_H2_RIG_H
#define WEIR_TESTS_H2_RIG_H

#include "http/server_h2.h"
#include "tests/unit/weir_http/server_mem.h"

enum { RIG_STREAMS = 256 };

struct served {                /* what the handler saw of a request */
    struct weir_http_req *req; /* NULL when done */
    bool has_body, writable;
    size_t body_n;
    int aborted; /* the code */
    unsigned dones;
};

struct answer { /* what the client got on a stream */
    unsigned status;
    bool continued, ended;
    int64_t reset; /* error code; -1: none */
    size_t n;      /* bytes of the body */
    char length[24];
    unsigned fields; /* besides :status */
    bool bad_field;  /* one that may not be in HTTP/2 */
};

struct rig {
    struct mem m;
    nghttp2_session *client;
    struct served served[RIG_STREAMS];
    unsigned served_n;
    struct answer answers[2 * RIG_STREAMS]; /* by stream */
    int64_t goaway;                         /* error code; -1: none */
    int32_t goaway_last;
    unsigned resets;
    uint64_t refused; /* the server's counter when the client came */
    bool take;        /* the handler asks for every body at once */
};

static struct rig rig; /* cmocka's tests are one after the other */

static void rig_on_request(void *arg, struct weir_http_req *r)
{
    struct served *s = &rig.served[rig.served_n % RIG_STREAMS];

    (void)arg;
    rig.served_n++;
    *s = (struct served){.req = r};
    weir_http_req_set_user(r, s);
    if (rig.take)
        weir_http_req_collect_body(r, 0);
}

static void rig_on_body(struct weir_http_req *r, struct weir_str body)
{
    struct served *s = weir_http_req_user(r);

    s->has_body = true;
    s->body_n = body.n;
}

static void rig_on_abort(struct weir_http_req *r, int rc)
{
    ((struct served *)weir_http_req_user(r))->aborted = rc;
}

static void rig_on_writable(struct weir_http_req *r)
{
    ((struct served *)weir_http_req_user(r))->writable = true;
}

static void rig_on_done(struct weir_http_req *r)
{
    struct served *s = weir_http_req_user(r);

    s->req = NULL;
    s->dones++;
}

static const struct weir_http_handler rig_handler = {
    .on_request = rig_on_request,
    .on_body = rig_on_body,
    .on_abort = rig_on_abort,
    .on_writable = rig_on_writable,
    .on_done = rig_on_done,
};

/* ---- the client's side ---- */

static int rig_on_field(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name, size_t n,
                        const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
    struct answer *a = &rig.answers[f->hd.stream_id];
    struct weir_str field = {(const char *)name, n};

    (void)ng, (void)flags, (void)arg;
    if (weir_str_is(field, ":status")) {
        a->continued |= a->status == 100;
        a->status = (unsigned)strtoul((const char *)value, NULL, 10);
        return 0;
    }
    a->fields++;
    a->bad_field |= weir_str_is(field, "connection") || weir_str_is(field, "transfer-encoding");
    if (weir_str_is(field, "content-length"))
        (void)snprintf(a->length, sizeof a->length, "%.*s", (int)value_n, (const char *)value);
    return 0;
}

static int rig_on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                       void *arg)
{
    (void)ng, (void)flags, (void)p, (void)arg;
    rig.answers[id].n += n;
    return 0;
}

static int rig_on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
    (void)ng, (void)arg;
    if ((f->hd.type == NGHTTP2_DATA || f->hd.type == NGHTTP2_HEADERS) &&
        (f->hd.flags & NGHTTP2_FLAG_END_STREAM))
        rig.answers[f->hd.stream_id].ended = true;
    if (f->hd.type == NGHTTP2_RST_STREAM) {
        rig.answers[f->hd.stream_id].reset = f->rst_stream.error_code;
        rig.resets++;
    }
    if (f->hd.type == NGHTTP2_GOAWAY) {
        rig.goaway = f->goaway.error_code;
        rig.goaway_last = f->goaway.last_stream_id;
    }
    return 0;
}

static void rig_client(bool reads)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *o;

    WEIR_ASSERT(nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&o) == 0);
    nghttp2_session_callbacks_set_on_header_callback(cb, rig_on_field);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, rig_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, rig_on_frame);
    nghttp2_option_set_no_auto_window_update(o, !reads);
    WEIR_ASSERT(nghttp2_session_client_new2(&rig.client, cb, NULL, o) == 0);
    WEIR_ASSERT(nghttp2_submit_settings(rig.client, 0, NULL, 0) == 0);
    nghttp2_option_del(o);
    nghttp2_session_callbacks_del(cb);
}

/* One turn of the loop, and what either side has to say; false: nothing moved. */
static bool rig_step(void)
{
    const uint8_t *p;
    ssize_t n;
    bool moved = false;

    while (!rig.m.closed && (n = nghttp2_session_mem_send(rig.client, &p)) > 0) {
        mem_feed(&rig.m, (const char *)p, (size_t)n);
        moved = true;
    }
    (void)uv_run(&rig.m.loop, UV_RUN_NOWAIT);
    if (rig.m.out.n) {
        (void)nghttp2_session_mem_recv(rig.client, (const uint8_t *)rig.m.out.p, rig.m.out.n);
        weir_buf_clear(&rig.m.out);
        moved = true;
    }
    return moved;
}

static void rig_run(void)
{
    while (rig_step() || rig_step())
        continue;
}

/* reads: the client opens its windows again by itself. */
static void rig_connect(bool reads)
{
    rig.served_n = 0;
    rig.goaway = -1;
    rig.refused = rig.m.server->metrics.refused;
    rig.resets = 0;
    rig.take = true;
    memset(rig.answers, 0, sizeof rig.answers);
    for (size_t i = 0; i < 2 * RIG_STREAMS; i++)
        rig.answers[i].reset = -1;
    mem_connect(&rig.m);
    rig_client(reads);
    rig_run();
}

/* Fine without a connection. */
static void rig_disconnect(void)
{
    if (rig.m.conn)
        mem_disconnect(&rig.m);
    nghttp2_session_del(rig.client);
    rig.client = NULL;
}

static nghttp2_nv rig_field(const char *name, const char *value)
{
    return (nghttp2_nv){.name = (uint8_t *)name,
                        .value = (uint8_t *)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value),
                        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME}; /* else it becomes lower case */
}

struct upload {
    size_t left;
    bool hold; /* no END_STREAM at its end */
};

static ssize_t rig_pull(nghttp2_session *ng, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                        nghttp2_data_source *source, void *arg)
{
    struct upload *u = source->ptr;
    size_t n = u->left < max ? u->left : max;

    (void)ng, (void)id, (void)arg;
    memset(to, 'b', n);
    u->left -= n;
    if (u->left == 0 && !u->hold)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (n == 0)
        return NGHTTP2_ERR_DEFERRED;
    return (ssize_t)n;
}

/* Up to 16 fields behind the usual four, as name, value, ..., NULL. Returns the stream. */
static int32_t rig_request(const char *method, struct upload *body, const char *const *more)
{
    nghttp2_nv nv[20] = {rig_field(":method", method), rig_field(":path", "/"),
                         rig_field(":scheme", "http"), rig_field(":authority", "a")};
    nghttp2_data_provider provider = {.source.ptr = body, .read_callback = rig_pull};
    size_t n = 4;

    for (; more && *more; more += 2)
        nv[n++] = rig_field(more[0], more[1]);
    return nghttp2_submit_request(rig.client, NULL, nv, n, body ? &provider : NULL, NULL);
}

/* A frame that nghttp2's client would not send. */
static void rig_frame(uint8_t type, uint8_t flags, int32_t id, const void *p, size_t n)
{
    char frame[9 + 64] = {0, 0, (char)n, (char)type, (char)flags};

    WEIR_ASSERT(n <= 64);
    for (int i = 0; i < 4; i++)
        frame[5 + i] = (char)((uint32_t)id >> (24 - 8 * i));
    if (n)
        memcpy(frame + 9, p, n);
    mem_feed(&rig.m, frame, 9 + n);
}

#endif
