/* server_conn.c - the life of a connection: bytes in, attention, timers, the end of each exchange.
 */
#include "http/server_h2.h"
#include "http/server_tls.h"

void weir__http_set_reading(struct weir_http_conn *c, bool on)
{
    if (c->reading == on || c->state == WEIR__HTTP_CLOSED)
        return;
    c->reading = on;
    c->transport->read(c, on);
}

static void arm(struct weir_http_conn *c, uint32_t ms)
{
    weir_wheel_arm(c->server->wheel, &c->read_timer, ms);
}

static void disarm(struct weir_http_conn *c)
{
    weir_wheel_cancel(c->server->wheel, &c->read_timer);
}

void weir__http_mark(struct weir_http_conn *c)
{
    c->attention = true;
    if (c->busy || !weir_list_empty(&c->dirty) || c->state == WEIR__HTTP_CLOSED)
        return;
    weir_list_push(c->h2 ? &c->server->sessions : &c->server->dirty, &c->dirty);
    weir__http_wake(c->server);
}

/* ---- the request's memory ---- */

void weir__http_req_unref(struct weir_http_req *r)
{
    struct weir_http_server *s = r->server;

    if (--r->holds > 0)
        return;
    s->req_count--;
    weir_arena_destroy(r->arena);
    weir__http_maybe_freed(s);
}

/* The request leaves its connection, for which it is over. */
static void detach(struct weir_http_conn *c)
{
    struct weir_http_req *r = c->req;

    c->req = NULL;
    r->holds++;
    if (r->announced)
        c->server->handler->on_done(r);
    r->conn = NULL;
    if (r->holds > 1) /* the connection's own text goes with it */
        r->info.peer = weir_arena_copy(r->arena, r->info.peer);
    weir__http_req_unref(r);
}

/* Does the handler still believe that its answer can be finished? */
static bool is_open(const struct weir_http_req *r)
{
    return r->announced && !r->aborted && !r->ended && !r->cut;
}

static void tell_abort(struct weir_http_req *r, int rc)
{
    struct weir_http_server *s = r->server;

    r->aborted = true;
    s->metrics.aborted++;
    if (s->handler->on_abort)
        s->handler->on_abort(r, rc);
}

/* ---- the end of a connection ---- */

void weir__http_lose(struct weir_http_conn *c, int rc, bool reset)
{
    if (c->state == WEIR__HTTP_CLOSED)
        return;
    c->state = WEIR__HTTP_CLOSED;
    c->busy++;
    disarm(c);
    weir_wheel_cancel(c->server->wheel, &c->write_timer);
    weir_list_remove(&c->dirty);
    c->transport->close(c, reset);
    if (c->h2)
        weir__h2_lose_streams(c, rc);
    if (c->req) {
        if (is_open(c->req))
            tell_abort(c->req, rc);
        c->req->aborted = true;
        detach(c);
    }
    c->busy--;
}

void weir__http_on_closed(struct weir_http_conn *c)
{
    struct weir_http_server *s = c->server;

    weir__http_out_drop(c);
    weir__h2_destroy(c);
    weir__http_tls_destroy(c);
    weir_list_remove(&c->link);
    weir_list_remove(&c->dirty);
    s->metrics.closed++;
    s->conn_count--;
    free(c);
    weir__http_conn_gone(s);
}

/* Nothing more is sent. What the client still sends is read off for a while: closing on unread
 * bytes would reset the connection and could destroy the answer on its way (RFC 9112 9.6). */
void weir__http_end_connection(struct weir_http_conn *c, bool input_left)
{
    if (!input_left || c->eof) {
        weir__http_lose(c, WEIR_ECLOSED, false);
        return;
    }
    c->state = WEIR__HTTP_LINGER;
    c->ignored = 0;
    c->transport->shutdown(c);
    weir__http_set_reading(c, true);
    arm(c, WEIR__HTTP_LINGER_MS);
}

static void become_idle(struct weir_http_conn *c)
{
    c->state = WEIR__HTTP_IDLE;
    weir__http_set_reading(c, true);
    arm(c, c->server->limits.idle_ms);
}

/* The answer is with the kernel. */
static void finish_exchange(struct weir_http_conn *c)
{
    struct weir_http_req *r = c->req;
    bool complete = r->complete, keep = r->keep_alive && !c->close_after && !c->broken &&
                                        !c->pipelined && !c->eof && !c->server->draining;

    if (c->pipelined)
        c->server->metrics.pipelined++;
    detach(c);
    if (c->state == WEIR__HTTP_CLOSED)
        return;
    if (c->is_stream) {
        weir__h2_stream_ended(c);
    } else if (!keep) {
        weir__http_end_connection(c, !complete || c->pipelined || c->broken);
    } else if (complete) {
        become_idle(c);
    } else { /* a short rest of a body that nobody asked for is read off */
        c->state = WEIR__HTTP_BODY;
        weir__http_set_reading(c, true);
        arm(c, c->server->limits.body_ms);
    }
}

/* ---- attention ---- */

static void feed(struct weir_http_conn *c, const char *p, size_t n);

static void resume_body(struct weir_http_conn *c)
{
    struct weir_http_req *r = c->req;

    c->state = WEIR__HTTP_BODY;
    arm(c, c->server->limits.body_ms);
    if (c->is_stream) {
        weir__h2_stream_resume(c);
        return;
    }
    if (r->stash_n) {
        size_t n = r->stash_n;

        r->stash_n = 0;
        feed(c, r->stash, n);
    }
    weir__http_set_reading(c, c->state != WEIR__HTTP_CLOSED);
}

static void check_input(struct weir_http_conn *c)
{
    struct weir_http_req *r = c->req;

    if (!r)
        return;
    if (r->failure.status && !c->broken) {
        bool open = is_open(r);

        c->broken = true;
        c->state = WEIR__HTTP_WAIT;
        disarm(c);
        if (!r->ended)
            weir__http_answer_failure(c);
        if (open)
            tell_abort(r, r->failure.rc);
        c->attention = true;
    } else if (c->state == WEIR__HTTP_HELD && (r->wanted || (r->ended && !c->close_after))) {
        resume_body(c);
        c->attention = true;
    } else if (r->wanted && r->complete && !r->delivered && !r->aborted && !r->cut) {
        r->delivered = true;
        disarm(c);
        c->server->handler->on_body(r, weir_http_body_str(&r->body));
        c->attention = true;
    }
}

static void check_output(struct weir_http_conn *c, bool *told)
{
    struct weir_http_req *r = c->req;

    if (c->h2 && c->state == WEIR__HTTP_H2)
        weir__h2_pump(c);
    weir__http_flush(c);
    if (c->lost) {
        weir__http_lose(c, c->lost_rc, false);
        return;
    }
    if (!r)
        return;
    if (r->cut || (r->aborted && !r->ended && r->started)) {
        weir__http_lose(c, WEIR_ECANCELED, true);
    } else if (r->ended && c->out_bytes == 0) {
        finish_exchange(c);
        c->attention = true;
    } else if (r->wants_writable && !r->ended && !*told &&
               c->out_bytes <= weir__http_output_mark(c, c->server->limits.output_low)) {
        r->wants_writable = false;
        *told = true;
        if (c->server->handler->on_writable)
            c->server->handler->on_writable(r);
        c->attention = true;
    }
}

void weir__http_attend(struct weir_http_conn *c)
{
    bool told = false;

    weir_list_remove(&c->dirty);
    c->busy++;
    while (c->attention && c->state != WEIR__HTTP_CLOSED) {
        c->attention = false;
        check_input(c);
        if (c->state != WEIR__HTTP_CLOSED)
            check_output(c, &told);
    }
    c->busy--;
    /* A fast client could keep its handler writing for ever: the rest in the next iteration. */
    if (told && c->state != WEIR__HTTP_CLOSED && c->req && c->req->wants_writable && !c->writing)
        weir__http_mark(c);
}

/* ---- input ---- */

void weir__http_announce(struct weir_http_conn *c)
{
    struct weir_http_server *s = c->server;
    struct weir_http_req *r = c->req;

    disarm(c);
    r->announced = true;
    s->metrics.requests++;
    s->handler->on_request(s->arg, r);
    c->attention = true;
    /* The usual case goes on at once; the rest of a refused body is for attend. */
    if (c->state == WEIR__HTTP_HELD && r->wanted && !r->failure.status)
        resume_body(c);
}

/* What was taken for a request's head was the preface of a session. */
static void begin_h2(struct weir_http_conn *c)
{
    struct weir_http_req *r = c->req;

    weir_http_req_hold(r);
    detach(c);
    arm(c, c->server->limits.header_ms);
    weir__h2_begin(c);
    weir__h2_feed(c, r->head, r->head_n);
    weir_http_req_release(r);
}

void weir__http_start_h2(struct weir_http_conn *c)
{
    c->state = WEIR__HTTP_H2;
    weir__h2_begin(c);
}

void weir__http_await_head(struct weir_http_conn *c)
{
    arm(c, c->server->draining ? WEIR__HTTP_DRAIN_FRESH_MS : c->server->limits.header_ms);
}

static size_t feed_head(struct weir_http_conn *c, const char *p, size_t n)
{
    size_t used = weir__http_head_feed(c, p, n);
    struct weir_http_req *r = c->req;

    if (c->state == WEIR__HTTP_H2) {
        begin_h2(c);
        return used;
    }
    if (r->failure.status)
        weir__http_mark(c);
    else if (r->head_complete)
        weir__http_announce(c);
    else if (!weir_wheel_armed(&c->read_timer))
        arm(c, c->server->limits.header_ms);
    return used;
}

static void stash(struct weir_http_conn *c, const char *p, size_t n)
{
    struct weir_http_req *r = c->req;
    char *to = weir_arena_alloc(r->arena, r->stash_n + n);

    if (r->stash_n)
        memcpy(to, r->stash, r->stash_n);
    memcpy(to + r->stash_n, p, n);
    r->stash = to;
    r->stash_n += n;
    weir__http_set_reading(c, false);
}

/* Bytes that are never served: of a pipelined request, or behind a broken one. */
static void ignore(struct weir_http_conn *c, size_t n)
{
    if (c->state == WEIR__HTTP_WAIT && !c->broken)
        c->pipelined = true;
    c->ignored += n;
    if (c->state == WEIR__HTTP_LINGER && c->ignored > WEIR__HTTP_LINGER_BYTES)
        weir__http_lose(c, WEIR_ECLOSED, false);
    else if (c->state == WEIR__HTTP_WAIT && c->ignored > WEIR__HTTP_IGNORE_BYTES)
        weir__http_set_reading(c, false);
}

static size_t feed_body(struct weir_http_conn *c, const char *p, size_t n)
{
    size_t used = weir__http_body_feed(c, p, n);

    if (c->state == WEIR__HTTP_BODY)
        arm(c, c->server->limits.body_ms);
    else
        disarm(c);
    if (c->req)
        weir__http_mark(c);
    else if (c->broken)
        weir__http_lose(c, WEIR_EPROTO, false);
    else if (c->state == WEIR__HTTP_WAIT)
        become_idle(c);
    return used;
}

static void feed(struct weir_http_conn *c, const char *p, size_t n)
{
    c->busy++;
    while (n > 0 && c->state != WEIR__HTTP_CLOSED) {
        size_t used = n;

        switch (c->state) {
        case WEIR__HTTP_IDLE:
            disarm(c);
            weir__http_begin(c);
            used = feed_head(c, p, n);
            break;
        case WEIR__HTTP_HEAD:
            if (c->req->failure.status)
                ignore(c, n);
            else
                used = feed_head(c, p, n);
            break;
        case WEIR__HTTP_HELD:
            stash(c, p, n);
            break;
        case WEIR__HTTP_BODY:
            if (c->req && c->req->failure.status)
                ignore(c, n);
            else
                used = feed_body(c, p, n);
            break;
        case WEIR__HTTP_H2:
            weir__h2_feed(c, p, n);
            break;
        default:
            ignore(c, n);
            break;
        }
        p += used;
        n -= used;
    }
    c->busy--;
}

static void end_of_input(struct weir_http_conn *c)
{
    struct weir_http_req *r = c->req;

    c->eof = true;
    if (c->state != WEIR__HTTP_WAIT || !r || !(r->ended || c->server->limits.allow_half_close)) {
        weir__http_lose(c, WEIR_ECLOSED, false);
        return;
    }
    weir__http_set_reading(c, false);
    weir__http_mark(c);
}

void weir__http_input(struct weir_http_conn *c, ssize_t nread, const char *p)
{
    if (c->state == WEIR__HTTP_CLOSED || nread == 0)
        return;
    c->busy++;
    if (nread > 0) {
        c->server->metrics.bytes_in += (uint64_t)nread;
        feed(c, p, (size_t)nread);
    } else if (nread == UV_EOF) {
        end_of_input(c);
    } else {
        weir__http_lose(c, WEIR_ECLOSED, false);
    }
    c->busy--;
    if (c->attention && c->state != WEIR__HTTP_CLOSED)
        weir__http_attend(c);
}

/* ---- timers ---- */

static void on_read_timer(struct weir_wheel_timer *t)
{
    struct weir_http_conn *c = WEIR_CONTAINER(t, struct weir_http_conn, read_timer);
    bool asked =
        c->req && !c->req->ended && (c->state == WEIR__HTTP_HEAD || c->state == WEIR__HTTP_BODY);

    if (c->state == WEIR__HTTP_H2) {
        weir__h2_idle(c);
        return;
    }
    if (!asked) {
        weir__http_lose(c, WEIR_ETIMEOUT, false);
        return;
    }
    c->server->metrics.timeouts++;
    if (c->is_stream && c->state == WEIR__HTTP_HEAD) {
        weir__h2_stalled(c);
        return;
    }
    weir__http_fail(c->req, 408, WEIR_ETIMEOUT, "request_timeout",
                    "The request took too long to arrive.");
    weir__http_mark(c);
}

static void on_write_timer(struct weir_wheel_timer *t)
{
    struct weir_http_conn *c = WEIR_CONTAINER(t, struct weir_http_conn, write_timer);
    size_t queued = c->transport->queued(c);

    if (queued < c->last_queued) {
        c->last_queued = queued;
        weir_wheel_arm(c->server->wheel, t, c->server->limits.write_ms);
        return;
    }
    c->server->metrics.timeouts++;
    weir__http_lose(c, WEIR_ETIMEOUT, true);
}

void weir__http_conn_timers(struct weir_http_conn *c)
{
    weir_wheel_timer_init(&c->read_timer, on_read_timer);
    weir_wheel_timer_init(&c->write_timer, on_write_timer);
}

void weir__http_conn_init(struct weir_http_conn *c, struct weir_http_server *s,
                          const struct weir__http_transport *t)
{
    c->server = s;
    c->transport = t;
    c->id = ++s->next_id;
    c->state = WEIR__HTTP_IDLE;
    weir_list_init(&c->dirty);
    weir_list_push(&s->conns, &c->link);
    weir__http_conn_timers(c);
    s->conn_count++;
    s->metrics.accepted++;
    weir__http_set_reading(c, true);
    weir__http_await_head(c);
}
