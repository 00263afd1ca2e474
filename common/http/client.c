/* client.c - calls: their requests, their time limits and their one way out.
 *
 *   QUEUE -> CONNECT -> TLS -> SEND -> FIRST_BYTE -> HEAD -> BODY -> gone (on_end)
 * A reused connection skips to SEND. From any of them: gone (on_error, or cancel). One timer serves
 * all calls: it is set to the earliest deadline known and looks at all of them when it fires, so
 * that progress costs no more than a stored time.
 */
#include "http/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/client_internal.h"

enum {
    MAX_SPARE_CALLS = 256,
    MAX_REQUEST_HEAD = 256 << 10,
    KEPT_HEAD = 16 << 10, /* a larger head buffer isn't kept with a spare call */
    TIMER_GRAIN_MS = 10,  /* deadlines closer than this are served together */
};

static void on_timer(uv_timer_t *timer);

void weir__client_arm(struct weir_http_client *c, uint64_t due_ms)
{
    uint64_t now = uv_now(c->loop);

    if (due_ms >= c->timer_due_ms || c->closing)
        return;
    c->timer_due_ms = due_ms;
    uv_timer_start(&c->timer, on_timer, due_ms > now ? due_ms - now : 0, 0);
}

static uint64_t sooner(uint64_t due, uint64_t from, int64_t limit_ms)
{
    uint64_t at = limit_ms > 0 ? from + (uint64_t)limit_ms : UINT64_MAX;

    return at < due ? at : due;
}

static uint64_t deadline(const struct weir_http_call *call)
{
    uint64_t due = sooner(UINT64_MAX, call->started_ms, call->total_ms);

    if (call->fail_rc)
        return 0;
    if (call->info.phase == WEIR_HTTP_PHASE_QUEUE)
        return sooner(due, call->started_ms, call->connect_ms);
    if (call->info.phase <= WEIR_HTTP_PHASE_TLS)
        return sooner(due, call->phase_ms, call->connect_ms);
    if (call->info.phase < WEIR_HTTP_PHASE_BODY)
        return sooner(due, call->phase_ms, call->first_byte_ms);
    return call->paused ? due : sooner(due, call->phase_ms, call->idle_ms);
}

void weir__call_enter(struct weir_http_call *call, enum weir_http_phase phase)
{
    call->info.phase = phase;
    /* The first-byte limit runs from SEND on: entering its later phases doesn't extend it. */
    if (phase == WEIR_HTTP_PHASE_CONNECT || phase == WEIR_HTTP_PHASE_SEND ||
        phase == WEIR_HTTP_PHASE_BODY)
        call->phase_ms = uv_now(call->client->loop);
    weir__client_arm(call->client, deadline(call));
}

static void detach(struct weir_http_call *call)
{
    struct weir__conn *conn = call->conn;

    if (!weir_list_empty(&call->waiting)) {
        weir_list_remove(&call->waiting);
        call->pool->waiting_count--;
    }
    call->conn = NULL;
    if (conn) {
        conn->call = NULL;
        conn->idle_since_ms = 0;
        weir__conn_close(conn);
    }
}

static void recycle(struct weir_http_call *call)
{
    struct weir_http_client *c = call->client;

    weir_list_remove(&call->link);
    if (--c->stats.active_calls == 0 && !c->closing)
        uv_unref((uv_handle_t *)&c->timer);
    if (c->spare_count >= MAX_SPARE_CALLS || c->closing) {
        weir_buf_fini(&call->head);
        free(call);
        return;
    }
    if (call->head.cap > KEPT_HEAD)
        weir_buf_fini(&call->head);
    weir_list_push(&c->spare, &call->link);
    c->spare_count++;
}

void weir__call_end(struct weir_http_call *call)
{
    const struct weir_http_call_events *ev = call->ev;
    struct weir_http_call_info info = call->info;
    void *arg = call->arg;

    detach(call);
    recycle(call);
    ev->on_end(arg, &info);
}

void weir__call_fail(struct weir_http_call *call, int rc, const char *cause)
{
    const struct weir_http_call_events *ev = call->ev;
    struct weir_http_call_info info = call->info;
    void *arg = call->arg;

    info.cause = cause;
    detach(call);
    recycle(call);
    ev->on_error(arg, rc, &info);
}

void weir__call_fail_later(struct weir_http_call *call, int rc, const char *cause)
{
    call->fail_rc = rc;
    call->info.cause = cause;
    weir__client_arm(call->client, 0);
}

static const char *timeout_cause(const struct weir_http_call *call, uint64_t now)
{
    if (call->total_ms > 0 && call->started_ms + (uint64_t)call->total_ms <= now)
        return "the call took longer than its total limit";
    switch (call->info.phase) {
    case WEIR_HTTP_PHASE_QUEUE:
        return "no connection became free in time";
    case WEIR_HTTP_PHASE_CONNECT:
        return "the upstream did not accept a connection in time";
    case WEIR_HTTP_PHASE_TLS:
        return "the TLS handshake was not done in time";
    case WEIR_HTTP_PHASE_BODY:
        return "the upstream fell silent within its answer";
    default:
        return "the upstream did not begin its answer in time";
    }
}

/* The first call that is due, or NULL; *next gets the earliest deadline of the others. */
static struct weir_http_call *find_due(struct weir_http_client *c, uint64_t now, uint64_t *next)
{
    WEIR_LIST_EACH (&c->calls, l, following) {
        struct weir_http_call *call = WEIR_CONTAINER(l, struct weir_http_call, link);
        uint64_t due = deadline(call);

        if (due <= now)
            return call;
        if (due < *next)
            *next = due;
    }
    return NULL;
}

/* Connections that were idle too long, and pools that nothing refers to any more. */
static void tidy_pools(struct weir_http_client *c, uint64_t now, uint64_t *next)
{
    struct weir__pool *p, *tmp;

    HASH_ITER (hh, c->pools, p, tmp) {
        uint64_t keep = (uint64_t)p->origin->idle_timeout_ms;

        WEIR_LIST_EACH (&p->idle, l, following) {
            struct weir__conn *conn = WEIR_CONTAINER(l, struct weir__conn, link);

            if (conn->idle_since_ms + keep <= now)
                weir__conn_close(conn);
            else if (conn->idle_since_ms + keep < *next)
                *next = conn->idle_since_ms + keep;
        }
        if (p->open == 0 && p->waiting_count == 0 && atomic_load(&p->origin->refs) == 1)
            weir__pool_drop(p);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct weir_http_client *c = timer->data;
    uint64_t now = uv_now(c->loop), next = UINT64_MAX;
    struct weir_http_call *call;
    size_t bound = c->stats.active_calls; /* those that a callback starts wait for the next round */

    c->timer_due_ms = UINT64_MAX;
    while (bound-- > 0 && !c->closing) {
        next = UINT64_MAX;
        call = find_due(c, now, &next);
        if (!call)
            break;
        if (call->fail_rc)
            weir__call_fail(call, call->fail_rc, call->info.cause);
        else
            weir__call_fail(call, WEIR_ETIMEOUT, timeout_cause(call, now));
    }
    if (c->closing)
        return;
    next = UINT64_MAX;
    if (find_due(c, now, &next))
        next = now;
    tidy_pools(c, now, &next);
    if (next != UINT64_MAX)
        weir__client_arm(c,
                         next > now + TIMER_GRAIN_MS || next <= now ? next : now + TIMER_GRAIN_MS);
}

/* ---- requests ---- */

static bool token(struct weir_str s) /* RFC 9110 5.6.2 */
{
    static const bool separators[128] = {
        ['"'] = true, ['('] = true,  [')'] = true, [','] = true, ['/'] = true, [':'] = true,
        [';'] = true, ['<'] = true,  ['='] = true, ['>'] = true, ['?'] = true, ['@'] = true,
        ['['] = true, ['\\'] = true, [']'] = true, ['{'] = true, ['}'] = true};

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 127 || separators[c])
            return false;
    }
    return s.n > 0;
}

static bool visible(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
            return false;
    return s.n > 0;
}

static bool field_value(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    return true;
}

static bool ours(struct weir_str name)
{
    static const struct weir_str names[] = {WEIR_STR_INIT("host"), WEIR_STR_INIT("content-length"),
                                            WEIR_STR_INIT("connection"),
                                            WEIR_STR_INIT("transfer-encoding")};

    return weir_str_iany(name, names, sizeof names / sizeof *names);
}

static int add_headers(struct weir_buf *b, const struct weir_http_call_spec *spec)
{
    for (size_t i = 0; i < spec->header_count; i++) {
        const struct weir_http_header *h = &spec->headers[i];

        if (!token(h->name) || !field_value(h->value) || ours(h->name))
            return WEIR_EINVAL;
        weir_buf_adds(b, h->name);
        weir_buf_add(b, ": ", 2);
        weir_buf_adds(b, h->value);
        weir_buf_add(b, "\r\n", 2);
    }
    return WEIR_OK;
}

static int write_head(struct weir_http_call *call, const struct weir_origin *o,
                      const struct weir_http_call_spec *spec, size_t body_bytes)
{
    struct weir_buf *b = &call->head;

    if (!token(spec->method) || !visible(spec->path))
        return WEIR_EINVAL;
    weir_buf_clear(b);
    weir_buf_adds(b, spec->method);
    weir_buf_add(b, " ", 1);
    weir_buf_adds(b, spec->path);
    weir_buf_addz(b, " HTTP/1.1\r\nHost: ");
    weir_buf_addz(b, o->authority);
    weir_buf_add(b, "\r\n", 2);
    if (add_headers(b, spec))
        return WEIR_EINVAL;
    if (spec->has_body || body_bytes) {
        weir_buf_addz(b, "Content-Length: ");
        weir_buf_addi(b, (int64_t)body_bytes);
        weir_buf_add(b, "\r\n", 2);
    }
    weir_buf_add(b, "\r\n", 2);
    return b->full ? WEIR_EINVAL : WEIR_OK;
}

static int prepare(struct weir_http_call *call, const struct weir_origin *o,
                   const struct weir_http_call_spec *spec)
{
    size_t body_bytes = 0;
    int rc;

    if (spec->body_count > WEIR_HTTP_CALL_MAX_IOV)
        return WEIR_EINVAL;
    call->buf_count = 1;
    for (size_t i = 0; i < spec->body_count; i++) {
        if (spec->body[i].n == 0)
            continue;
        /* libuv counts a piece's bytes in 32 bits on some systems. */
        if (spec->body[i].n > UINT32_MAX)
            return WEIR_EINVAL;
        body_bytes += spec->body[i].n;
        call->bufs[call->buf_count++] =
            uv_buf_init((char *)(uintptr_t)spec->body[i].p, (unsigned)spec->body[i].n);
    }
    rc = write_head(call, o, spec, body_bytes);
    call->bufs[0] = uv_buf_init(call->head.p, (unsigned)call->head.n);
    return rc;
}

static struct weir_http_call *take_call(struct weir_http_client *c)
{
    struct weir_link *l = weir_list_pop(&c->spare);
    struct weir_http_call *call;
    struct weir_buf head;

    if (!l) {
        call = WEIR_NEW(struct weir_http_call);
        weir_buf_init(&call->head, MAX_REQUEST_HEAD);
    } else {
        call = WEIR_CONTAINER(l, struct weir_http_call, link);
        c->spare_count--;
        head = call->head;
        memset(call, 0, sizeof *call);
        call->head = head;
    }
    call->client = c;
    call->info.cause = "";
    weir_list_init(&call->link);
    weir_list_init(&call->waiting);
    weir_list_push(&c->calls, &call->link);
    /* An open call keeps the loop alive, an idle client doesn't. */
    if (c->stats.active_calls++ == 0)
        uv_ref((uv_handle_t *)&c->timer);
    return call;
}

int weir_http_call_start(struct weir_http_client *client, struct weir_origin *origin,
                         const struct weir_http_call_spec *spec,
                         const struct weir_http_call_events *events, void *arg,
                         struct weir_http_call **out)
{
    struct weir_http_call *call = take_call(client);
    int rc = prepare(call, origin, spec);

    if (rc) {
        recycle(call);
        return rc;
    }
    call->ev = events;
    call->arg = arg;
    call->head_only = weir_str_eq(spec->method, WEIR_STR("HEAD"));
    call->connect_ms = spec->connect_timeout_ms;
    call->first_byte_ms = spec->first_byte_timeout_ms;
    call->idle_ms = spec->idle_timeout_ms;
    call->total_ms = spec->total_timeout_ms;
    call->started_ms = uv_now(client->loop);
    call->started_us = weir_mono_ns() / 1000;
    client->stats.calls++;
    call->pool = weir__pool_of(client, origin);
    *out = call; /* on_sent may come before this returns */
    weir__pool_assign(call);
    return WEIR_OK;
}

void weir_http_call_pause(struct weir_http_call *call)
{
    if (call->paused || !call->conn || call->info.phase < WEIR_HTTP_PHASE_SEND)
        return;
    call->paused = true;
    weir_tls_stream_read_stop(call->conn->stream);
}

void weir_http_call_resume(struct weir_http_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    if (call->info.phase == WEIR_HTTP_PHASE_BODY) {
        call->phase_ms = uv_now(call->client->loop);
        weir__client_arm(call->client, deadline(call));
    }
    if (call->conn && weir_tls_stream_read_start(call->conn->stream))
        weir__call_fail_later(call, WEIR_EIO, "the connection could not be read on");
}

void weir_http_call_cancel(struct weir_http_call *call)
{
    detach(call);
    recycle(call);
}

void weir_http_call_get_info(const struct weir_http_call *call, struct weir_http_call_info *out)
{
    *out = call->info;
}

/* ---- the client ---- */

struct weir_http_client *weir_http_client_create(uv_loop_t *loop)
{
    struct weir_http_client *c = WEIR_NEW(struct weir_http_client);

    c->loop = loop;
    c->timer_due_ms = UINT64_MAX;
    uv_timer_init(loop, &c->timer); /* cannot fail on a live loop */
    uv_unref((uv_handle_t *)&c->timer);
    c->timer.data = c;
    c->dns = weir_dns_create(loop);
    weir_list_init(&c->calls);
    weir_list_init(&c->spare);
    weir__parse_init(&c->settings);
    c->read_buf.n = WEIR_HTTP_CALL_READ;
    c->read_buf.p = weir_alloc(c->read_buf.n);
    return c;
}

static void on_client_closed(uv_handle_t *h)
{
    struct weir_http_client *c = h->data;

    free(c->read_buf.p);
    free(c);
}

void weir_http_client_destroy(struct weir_http_client *c)
{
    struct weir__pool *p, *tmp;
    struct weir_link *l;

    if (!c)
        return;
    c->closing = true;
    WEIR_LIST_EACH (&c->calls, open, following) {
        weir_http_call_cancel(WEIR_CONTAINER(open, struct weir_http_call, link));
    }
    HASH_ITER (hh, c->pools, p, tmp) {
        weir__pool_drop(p);
    }
    while ((l = weir_list_pop(&c->spare))) {
        struct weir_http_call *call = WEIR_CONTAINER(l, struct weir_http_call, link);

        weir_buf_fini(&call->head);
        free(call);
    }
    weir_dns_destroy(c->dns);
    uv_ref((uv_handle_t *)&c->timer);
    uv_close((uv_handle_t *)&c->timer, on_client_closed);
}

void weir_http_client_get_stats(const struct weir_http_client *c,
                                struct weir_http_client_stats *out)
{
    const struct weir__pool *p, *tmp;

    *out = c->stats;
    out->waiting_calls = 0;
    HASH_ITER (hh, c->pools, p, tmp) {
        out->waiting_calls += p->waiting_count;
    }
}

void weir_http_client_drop_idle(struct weir_http_client *c)
{
    struct weir__pool *p, *tmp;

    HASH_ITER (hh, c->pools, p, tmp) {
        WEIR_LIST_EACH (&p->idle, l, following) {
            weir__conn_close(WEIR_CONTAINER(l, struct weir__conn, link));
        }
    }
}
