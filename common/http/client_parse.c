/* client_parse.c - what an upstream sends: heads as views, bodies as they come, all strictly
 * framed.
 *
 * llhttp does the syntax (RFC 9112, in its strict mode); here are the limits and what a client that
 * never asks for an upgrade or a coding other than chunked has to refuse.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/client_internal.h"

enum { MAX_INFORMATIONAL = 16, ERROR = -1 };

static int refuse(struct weir__conn *conn, int rc, const char *cause)
{
    conn->rc = rc;
    conn->cause = cause;
    return ERROR;
}

static bool in_stash(const struct weir__head *h, const char *p)
{
    return h->stash && p >= h->stash && p <= h->stash + h->stash_n;
}

static bool stash_add(struct weir__head *h, const char *p, size_t n)
{
    if (n > WEIR_HTTP_CALL_MAX_HEAD - h->stash_n)
        return false;
    memcpy(h->stash + h->stash_n, p, n);
    h->stash_n += n;
    return true;
}

/* A span comes in one piece, or continues in the stash where it was cut. Anything else is a folded
 * line (RFC 9112 5.2), which is refused. */
static int extend(struct weir__conn *conn, struct weir_str *s, const char *p, size_t n)
{
    struct weir__head *h = conn->head;

    if (s->n == 0) {
        *s = (struct weir_str){p, n};
        return 0;
    }
    if (s->p + s->n == p) {
        s->n += n;
        return 0;
    }
    if (!in_stash(h, s->p) || s->p + s->n != h->stash + h->stash_n)
        return refuse(conn, WEIR_EPROTO, "the answer's head has a folded line");
    if (!stash_add(h, p, n))
        return refuse(conn, WEIR_ELIMIT, "the answer's head is too large");
    s->n += n;
    return 0;
}

static int on_header_field(llhttp_t *parser, const char *p, size_t n)
{
    struct weir__conn *conn = parser->data;
    struct weir__head *h = conn->head;

    if (conn->in_body) { /* trailers: nobody reads them, but they are bounded too */
        conn->head_bytes += n;
        return conn->head_bytes > WEIR_HTTP_CALL_MAX_HEAD
                   ? refuse(conn, WEIR_ELIMIT, "the answer's trailers are too large")
                   : 0;
    }
    if (conn->span != WEIR__SPAN_NAME) {
        if (h->count == WEIR_HTTP_CALL_MAX_HEADERS)
            return refuse(conn, WEIR_ELIMIT, "the answer has too many headers");
        h->fields[h->count++] = (struct weir_http_header){WEIR_STR(""), WEIR_STR("")};
        conn->span = WEIR__SPAN_NAME;
    }
    return extend(conn, &h->fields[h->count - 1].name, p, n);
}

static int on_header_value(llhttp_t *parser, const char *p, size_t n)
{
    struct weir__conn *conn = parser->data;

    if (conn->in_body)
        return on_header_field(parser, p, n);
    conn->span = WEIR__SPAN_VALUE;
    return extend(conn, &conn->head->fields[conn->head->count - 1].value, p, n);
}

/* An empty value may come without a span: the name must not go on in the next field's. */
static int on_header_field_complete(llhttp_t *parser)
{
    struct weir__conn *conn = parser->data;

    conn->span = WEIR__SPAN_NONE;
    return 0;
}

static int check_head(struct weir__conn *conn)
{
    struct weir__head *h = conn->head;
    const llhttp_t *parser = &conn->parser;

    for (size_t i = 0; i < h->count; i++)
        h->fields[i].value = weir_str_trim(h->fields[i].value);
    if (parser->status_code < 100)
        return refuse(conn, WEIR_EPROTO, "the answer's status is not one");
    if (parser->status_code == 101)
        return refuse(conn, WEIR_EPROTO, "the upstream switched protocols unasked");
    if (!(parser->flags & F_TRANSFER_ENCODING))
        return 0;
    for (size_t i = 0; i < h->count; i++)
        if (weir_str_ieq(h->fields[i].name, WEIR_STR("transfer-encoding")) &&
            !weir_str_ieq(h->fields[i].value, WEIR_STR("chunked")))
            return refuse(conn, WEIR_EPROTO, "the answer has a transfer coding other than chunked");
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct weir__conn *conn = parser->data;
    struct weir_http_call *call = conn->call;
    struct weir_http_call_head head;
    bool no_body;

    if (check_head(conn))
        return ERROR;
    if (parser->status_code < 200)
        return 0;
    head = (struct weir_http_call_head){
        .status = parser->status_code,
        .headers = conn->head->fields,
        .header_count = conn->head->count,
        .content_length = parser->flags & F_CONTENT_LENGTH ? (int64_t)parser->content_length : -1,
    };
    if (parser->flags & F_CONTENT_LENGTH && head.content_length < 0)
        return refuse(conn, WEIR_EPROTO, "the answer's length is absurd");
    conn->in_body = true;
    conn->head_bytes = 0;
    no_body = call->head_only;
    weir__call_enter(call, WEIR_HTTP_PHASE_BODY);
    call->ev->on_head(call->arg, &head);
    if (conn->dead)
        return ERROR;
    weir__parse_free_head(conn);
    return no_body ? 1 : 0; /* 1: no body follows, whatever the head says (RFC 9112 6.3) */
}

static int on_body(llhttp_t *parser, const char *p, size_t n)
{
    struct weir__conn *conn = parser->data;
    struct weir_http_call *call = conn->call;

    call->ev->on_body(call->arg, p, n);
    return conn->dead ? ERROR : 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct weir__conn *conn = parser->data;

    if (parser->status_code < 200) {
        if (++conn->informational > MAX_INFORMATIONAL)
            return refuse(conn, WEIR_EPROTO, "the upstream sends no final answer");
        conn->head->count = 0;
        conn->head->stash_n = 0;
        conn->span = WEIR__SPAN_NONE;
        return 0;
    }
    conn->done = true;
    return HPE_PAUSED; /* what follows is not part of the answer */
}

void weir__parse_init(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_header_field = on_header_field;
    settings->on_header_field_complete = on_header_field_complete;
    settings->on_header_value = on_header_value;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_message_complete = on_message_complete;
}

void weir__parse_free_head(struct weir__conn *conn)
{
    if (conn->head && conn->head->stash) {
        free(conn->head->stash);
        free(conn->head);
    }
    conn->head = NULL;
}

void weir__parse_begin(struct weir__conn *conn)
{
    llhttp_reset(&conn->parser);
    conn->head_bytes = 0;
    conn->informational = 0;
    conn->span = WEIR__SPAN_NONE;
    conn->rc = 0;
    conn->cause = "";
    conn->in_body = conn->done = false;
    weir__parse_free_head(conn);
}

static struct weir__head *fresh_head(struct weir__conn *conn)
{
    struct weir__head *h = &conn->pool->client->scratch;

    h->count = 0;
    h->stash = NULL;
    h->stash_n = 0;
    return h;
}

static bool keep_span(struct weir__head *h, struct weir_str *s)
{
    const char *at = h->stash + h->stash_n;

    if (s->n == 0 || in_stash(h, s->p))
        return true;
    if (!stash_add(h, s->p, s->n))
        return false;
    s->p = at;
    return true;
}

/* The read ended inside the head: what was seen of it must outlive the read buffer. */
static int keep_head(struct weir__conn *conn)
{
    if (!conn->head->stash) {
        struct weir__head *own = weir_alloc(sizeof *own);

        own->count = conn->head->count;
        memcpy(own->fields, conn->head->fields, own->count * sizeof *own->fields);
        own->stash = weir_alloc(WEIR_HTTP_CALL_MAX_HEAD);
        own->stash_n = 0;
        conn->head = own;
    }
    for (size_t i = 0; i < conn->head->count; i++)
        if (!keep_span(conn->head, &conn->head->fields[i].name) ||
            !keep_span(conn->head, &conn->head->fields[i].value))
            return refuse(conn, WEIR_ELIMIT, "the answer's head is too large");
    return 0;
}

static void note_progress(struct weir__conn *conn)
{
    struct weir_http_call *call = conn->call;

    if (!call->info.any_response_byte) {
        call->info.any_response_byte = true;
        call->info.first_byte_us = weir_mono_ns() / 1000 - call->started_us;
        weir__call_enter(call, WEIR_HTTP_PHASE_HEAD);
    } else if (conn->in_body) {
        call->phase_ms = uv_now(conn->pool->client->loop);
    }
}

void weir__parse_bytes(struct weir__conn *conn, const char *p, size_t n)
{
    const char *rest;
    llhttp_errno_t err;

    note_progress(conn);
    if (!conn->in_body) {
        conn->head_bytes += n;
        if (!conn->head)
            conn->head = fresh_head(conn);
    }
    err = llhttp_execute(&conn->parser, p, n);
    if (conn->dead || conn->rc)
        return;
    if (err == HPE_PAUSED && conn->done) {
        rest = llhttp_get_error_pos(&conn->parser);
        if (rest != p + n)
            conn->rc = WEIR_EPROTO; /* done, and more: not to be used again */
        llhttp_resume(&conn->parser);
    } else if (err != HPE_OK) {
        refuse(conn, WEIR_EPROTO, "the upstream's answer is not proper HTTP/1.1");
    } else if (!conn->in_body && !conn->done) {
        if (conn->head_bytes > WEIR_HTTP_CALL_MAX_HEAD)
            refuse(conn, WEIR_ELIMIT, "the answer's head is too large");
        else
            keep_head(conn);
    }
}

void weir__parse_eof(struct weir__conn *conn)
{
    /* Sets done when the answer's end is the connection's. */
    llhttp_finish(&conn->parser);
}
