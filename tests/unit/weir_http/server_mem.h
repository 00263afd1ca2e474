/* server_mem.h - a server's connection without a socket, for tests of the parser: bytes are given
 * by hand, the answer is kept in memory. */
#ifndef WEIR_TESTS_SERVER_MEM_H
#define WEIR_TESTS_SERVER_MEM_H

#include "base/hash.h"
#include "http/server_internal.h"

enum { MEM_OUT_BYTES = 1 << 20 };

struct mem {
    uv_loop_t loop;
    struct weir_http_server *server;
    struct weir_http_conn *conn;
    struct weir_http_req *pending; /* its body came, nobody has answered */
    struct weir_buf out;           /* all that the client would have got */
    struct weir_buf events;        /* what the handler was told */
    bool closed, shut, later;      /* later: the test answers */
    bool blocked;                  /* the kernel takes nothing: until mem_unblock() */
    uv_buf_t waiting[16];
    unsigned waiting_n;
};

static int mem_try_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    struct mem *m = c->uv.stream.data;
    int total = 0;

    if (m->blocked)
        return UV_EAGAIN;
    for (unsigned i = 0; i < n; i++) {
        WEIR_ASSERT(weir_buf_add(&m->out, bufs[i].base, bufs[i].len) == WEIR_OK);
        total += (int)bufs[i].len;
    }
    return total;
}

static int mem_write(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n)
{
    struct mem *m = c->uv.stream.data;

    if (!m->blocked || n > sizeof m->waiting / sizeof *m->waiting)
        return UV_EPIPE; /* try_write takes everything */
    memcpy(m->waiting, bufs, n * sizeof *bufs);
    m->waiting_n = n;
    return 0;
}

static inline void mem_unblock(struct mem *m)
{
    unsigned n = m->waiting_n;

    m->blocked = false;
    m->waiting_n = 0;
    if (n == 0 || m->closed)
        return;
    (void)mem_try_write(m->conn, m->waiting, n);
    weir__http_on_written(m->conn, 0);
}

static size_t mem_queued(struct weir_http_conn *c)
{
    (void)c;
    return 0;
}

static void mem_read(struct weir_http_conn *c, bool on)
{
    (void)c, (void)on;
}

static void mem_shutdown(struct weir_http_conn *c)
{
    ((struct mem *)c->uv.stream.data)->shut = true;
}

static bool mem_readable(struct weir_http_conn *c)
{
    (void)c;
    return false;
}

static void mem_close(struct weir_http_conn *c, bool reset)
{
    struct mem *m = c->uv.stream.data;

    weir_buf_addz(&m->events, reset ? "reset;" : "close;");
    m->closed = true;
}

static const struct weir__http_transport mem_transport = {
    mem_try_write, mem_write, mem_queued, mem_read, mem_shutdown, mem_readable, mem_close,
};

static void mem_answer(struct mem *m)
{
    struct weir_http_req *r = m->pending;
    struct weir_http_header type = {WEIR_STR("Content-Type"), WEIR_STR("text/plain")};

    m->pending = NULL;
    if (r)
        (void)weir_http_respond(r, 200, &type, 1, WEIR_STR("fine"));
    if (r && m->conn->attention && !m->conn->busy && !m->conn->h2) /* else: the loop does it */
        weir__http_attend(m->conn);
}

static void mem_on_request(void *arg, struct weir_http_req *r)
{
    struct mem *m = arg;
    struct weir_str path = weir_http_req_path(r), query = weir_http_req_query(r),
                    host = weir_http_req_host(r), method = weir_http_req_method_name(r);
    size_t n;
    const struct weir_http_header *h = weir_http_req_headers(r, &n);

    weir_http_req_set_user(r, m);
    weir_buf_addf(&m->events, "request %.*s %.*s?%.*s @%.*s", WEIR_STR_ARG(method),
                  WEIR_STR_ARG(path), WEIR_STR_ARG(query), WEIR_STR_ARG(host));
    for (size_t i = 0; i < n; i++)
        weir_buf_addf(&m->events, " %.*s=[%.*s]", WEIR_STR_ARG(h[i].name),
                      WEIR_STR_ARG(h[i].value));
    weir_buf_addz(&m->events, ";");
    weir_http_req_collect_body(r, weir_str_is(path, "/max10") ? 10 : 0);
}

static void mem_on_body(struct weir_http_req *r, struct weir_str body)
{
    struct mem *m = weir_http_req_user(r);

    for (size_t i = 0; i < WEIR_HTTP_BODY_PADDING; i++)
        WEIR_ASSERT(body.p[body.n + i] == '\0');
    weir_buf_addf(&m->events, "body %zu ", body.n);
    weir_buf_add(&m->events, body.p, body.n < 64 ? body.n : 64);
    weir_buf_addf(&m->events, " %016llx;", (unsigned long long)weir_hash64(body, 7));
    m->pending = r;
    if (!m->later)
        mem_answer(m);
}

static void mem_on_abort(struct weir_http_req *r, int rc)
{
    struct mem *m = weir_http_req_user(r);

    m->pending = NULL;
    weir_buf_addf(&m->events, "abort %s;", weir_rc_name(rc));
}

static void mem_on_done(struct weir_http_req *r)
{
    struct mem *m = weir_http_req_user(r);

    m->pending = NULL;
    weir_buf_addz(&m->events, "done;");
}

static const struct weir_http_handler mem_handler = {
    .on_request = mem_on_request,
    .on_body = mem_on_body,
    .on_abort = mem_on_abort,
    .on_done = mem_on_done,
};

static void mem_connect(struct mem *m)
{
    m->conn = WEIR_NEW(struct weir_http_conn);
    m->conn->uv.stream.data = m;
    memcpy(m->conn->peer, "memory", 7);
    m->closed = m->shut = m->blocked = false;
    m->waiting_n = 0;
    m->pending = NULL;
    weir_buf_clear(&m->out);
    weir_buf_clear(&m->events);
    weir__http_conn_init(m->conn, m->server, &mem_transport);
}

static void mem_disconnect(struct mem *m)
{
    weir__http_lose(m->conn, WEIR_ECLOSED, false);
    weir__http_on_closed(m->conn);
    m->conn = NULL;
}

static void mem_init(struct mem *m, const struct weir_http_limits *limits)
{
    struct weir_http_server_options o = {.loop = &m->loop, .handler = &mem_handler, .arg = m};

    memset(m, 0, sizeof *m);
    WEIR_ASSERT(uv_loop_init(&m->loop) == 0);
    if (limits)
        o.limits = *limits;
    WEIR_ASSERT(weir_http_server_create(&o, &m->server) == WEIR_OK);
    weir_buf_init(&m->out, MEM_OUT_BYTES);
    weir_buf_init(&m->events, MEM_OUT_BYTES);
}

static void mem_fini(struct mem *m)
{
    weir_http_server_close(m->server, NULL, NULL);
    uv_run(&m->loop, UV_RUN_DEFAULT);
    WEIR_ASSERT(uv_loop_close(&m->loop) == 0);
    weir_buf_fini(&m->out);
    weir_buf_fini(&m->events);
}

static void mem_feed(struct mem *m, const char *p, size_t n)
{
    if (!m->closed && n > 0)
        weir__http_input(m->conn, (ssize_t)n, p);
}

/* The date is the one thing that may differ between two equal runs. */
static inline void mem_mask_dates(struct mem *m)
{
    char *p = m->out.p, *end = p ? p + m->out.n : NULL, *at;

    while (p && (at = memmem(p, (size_t)(end - p), "\r\nDate: ", 8)) && end - at >= 37) {
        memset(at + 8, '?', 29);
        p = at + 37;
    }
}

#endif
