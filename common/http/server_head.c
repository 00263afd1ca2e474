/* server_head.c - one request through llhttp. Limits are checked where a token is complete, so that
 * the answer never depends on where the network cut the bytes. The head is gathered in one piece of
 * the arena before and while it is parsed, so that every string of it is contiguous wherever the
 * network cut it. */
#include <limits.h>

#include "base/clock.h"
#include "http/server_internal.h"

enum { FIRST_HEADERS = 32, FIRST_HEAD_BYTES = 1024 };

int weir__http_fail(struct weir_http_req *r, unsigned status, int rc, const char *code,
                    const char *detail)
{
    if (!r->failure.status)
        r->failure = (struct weir__http_failure){status, rc, code, detail};
    return -1;
}

static int fail_bad(struct weir_http_req *r, const char *detail)
{
    return weir__http_fail(r, 400, WEIR_EPROTO, "bad_request", detail);
}

static struct weir_http_req *req_of(llhttp_t *parser)
{
    return ((struct weir_http_conn *)parser->data)->req;
}

static int on_url(llhttp_t *parser, const char *at, size_t n)
{
    struct weir_http_req *r = req_of(parser);

    if (!r->target.p)
        r->target.p = at;
    r->target.n += n;
    return 0;
}

static int fail_long_target(struct weir_http_req *r)
{
    return weir__http_fail(r, 414, WEIR_ELIMIT, "uri_too_long", "The request target is too long.");
}

static int on_url_complete(llhttp_t *parser)
{
    struct weir_http_req *r = req_of(parser);

    r->method_code = llhttp_get_method(parser);
    if (r->target.n > r->server->limits.target_bytes)
        return fail_long_target(r);
    weir__http_split_target(r);
    return r->failure.status ? -1 : 0;
}

static void more_headers(struct weir_http_req *r)
{
    size_t cap = r->header_cap ? r->header_cap * 2 : FIRST_HEADERS;
    struct weir_http_header *to = weir_arena_alloc(r->arena, cap * sizeof *to);

    if (r->header_n)
        memcpy(to, r->headers, r->header_n * sizeof *to);
    r->headers = to;
    r->header_cap = cap;
}

void weir__http_add_header(struct weir_http_req *r, struct weir_str name, struct weir_str value)
{
    if (r->header_n == r->header_cap)
        more_headers(r);
    r->headers[r->header_n++] = (struct weir_http_header){name, value};
}

static int on_field(llhttp_t *parser, const char *at, size_t n)
{
    struct weir_http_req *r = req_of(parser);

    if (!r || r->head_complete) /* a trailer: read and dropped */
        return 0;
    if (r->name_open) {
        r->headers[r->header_n - 1].name.n += n;
        return 0;
    }
    weir__http_add_header(r, (struct weir_str){at, n}, WEIR_STR_NULL);
    r->name_open = true;
    return 0;
}

static int on_field_complete(llhttp_t *parser)
{
    struct weir_http_req *r = req_of(parser);

    if (!r)
        return 0;
    r->name_open = false;
    if (r->header_n > r->server->limits.header_count)
        return weir__http_fail(r, 431, WEIR_ELIMIT, "too_many_headers",
                               "The request has too many headers.");
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t n)
{
    struct weir_http_req *r = req_of(parser);
    struct weir_str *value;

    if (!r || r->head_complete || r->header_n == 0)
        return 0;
    value = &r->headers[r->header_n - 1].value;
    if (!value->p)
        value->p = at;
    value->n = (size_t)(at + n - value->p);
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct weir_http_req *r = req_of(parser);

    for (size_t i = 0; i < r->header_n; i++) {
        struct weir_str *v = &r->headers[i].value;

        *v = v->p ? weir_str_trim(*v) : WEIR_STR("");
    }
    r->head_complete = true;
    weir__http_check_head(r, parser);
    parser->upgrade = 0; /* an upgrade is refused by the handler: the body is an ordinary one */
    return r->failure.status ? -1 : 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t n)
{
    struct weir_http_req *r = req_of(parser);

    if (!r)
        return 0;
    r->body_bytes += n;
    return r->wanted ? weir__http_body_add(r, at, n) : 0;
}

static int on_complete(llhttp_t *parser)
{
    struct weir_http_conn *c = parser->data;

    c->state = WEIR__HTTP_WAIT;
    if (c->req) {
        c->req->complete = true;
        if (c->req->wanted)
            weir__http_body_end(c->req);
    }
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_field,
    .on_header_field_complete = on_field_complete,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void weir__http_begin(struct weir_http_conn *c)
{
    struct weir_arena *a = weir_arena_create(c->server->arenas);
    struct weir_http_req *r = WEIR_ARENA_NEW(a, struct weir_http_req);

    r->arena = a;
    r->conn = c;
    r->server = c->server;
    r->info.tag = c->tag;
    r->info.connection_id = c->id;
    r->info.peer = weir_str_of(c->peer);
    r->info.peer_port = c->peer_port;
    c->server->req_count++;
    c->req = r;
    c->state = WEIR__HTTP_HEAD;
    c->served = true;
    llhttp_init(&c->parser, HTTP_REQUEST, &settings);
    c->parser.data = c;
}

/* How many of the n bytes belong to the head, as far as can be seen. */
static size_t head_part(const struct weir_http_req *r, const char *p, size_t n)
{
    size_t before = r->head_n < 3 ? r->head_n : 3, after = n < 3 ? n : 3;
    char seam[6];
    const char *end;

    if (before) {
        memcpy(seam, r->head + r->head_n - before, before);
        memcpy(seam + before, p, after);
        end = memmem(seam, before + after, "\r\n\r\n", 4);
        if (end && (size_t)(end - seam) + 4 > before)
            return (size_t)(end - seam) + 4 - before;
    }
    end = memmem(p, n, "\r\n\r\n", 4);
    return end ? (size_t)(end - p) + 4 : n;
}

static void rebase(struct weir_str *s, const char *from, const char *to)
{
    if (s->p)
        s->p = to + (s->p - from);
}

static void grow_head(struct weir_http_req *r, size_t need, bool whole)
{
    char *from = r->head, *to;
    size_t cap = need;

    if (need <= r->head_cap)
        return;
    if (!whole && cap < FIRST_HEAD_BYTES)
        cap = FIRST_HEAD_BYTES;
    if (from && cap < r->head_cap * 2)
        cap = r->head_cap * 2;
    to = weir_arena_alloc(r->arena, cap);
    if (from) {
        memcpy(to, from, r->head_n);
        rebase(&r->target, from, to);
        rebase(&r->path, from, to);
        rebase(&r->query, from, to);
        rebase(&r->host, from, to);
        for (size_t i = 0; i < r->header_n; i++) {
            rebase(&r->headers[i].name, from, to);
            rebase(&r->headers[i].value, from, to);
        }
    }
    r->head = to;
    r->head_cap = cap;
}

/* Is it a version that isn't spoken, or none at all? */
static bool names_a_version(const struct weir_http_req *r, const llhttp_t *parser)
{
    const char *v = r->target.p ? r->target.p + r->target.n : r->head;
    size_t n = r->head_n - (size_t)(v - r->head);

    return n >= 9 && memcmp(v, " HTTP/", 6) == 0 && v[6] >= '0' && v[6] <= '9' && v[7] == '.' &&
           v[8] >= '0' && v[8] <= '9' && (parser->http_major != 1 || parser->http_minor > 1);
}

static int map_error(struct weir_http_req *r, const llhttp_t *parser, llhttp_errno_t e)
{
    const char *reason = llhttp_get_error_reason(parser);

    switch (e) {
    case HPE_INVALID_VERSION:
        if (!names_a_version(r, parser))
            return fail_bad(r, "The request line is not valid HTTP/1.1.");
        return weir__http_fail(r, 505, WEIR_EPROTO, "version_not_supported",
                               "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_CHUNK_SIZE:
        return weir__http_fail(r, 400, WEIR_EPROTO, "bad_framing", reason);
    default:
        return fail_bad(r, reason && *reason ? reason : "The request is not valid HTTP/1.1.");
    }
}

/* An HTTP/2 client with prior knowledge opens with "PRI * HTTP/2.0" (RFC 9113 3.4). */
static bool is_h2_preface(const struct weir_http_req *r)
{
    size_t i = 0;

    while (i < r->head_n && (r->head[i] == '\r' || r->head[i] == '\n'))
        i++;
    return r->head_n - i >= 4 && memcmp(r->head + i, "PRI ", 4) == 0;
}

size_t weir__http_head_feed(struct weir_http_conn *c, const char *p, size_t n)
{
    struct weir_http_req *r = c->req;
    size_t limit = r->server->limits.header_bytes, part = head_part(r, p, n), old = r->head_n;
    bool over = part > limit - old;
    llhttp_errno_t e;

    if (over)
        part = limit - old;
    grow_head(r, old + part, part < n);
    memcpy(r->head + old, p, part);
    r->head_n += part;
    r->info.bytes_in += part;
    if (is_h2_preface(r) && r->head[0] == 'P' && c->server->http2 && !c->greeted) {
        c->state = WEIR__HTTP_H2;
        return part;
    }
    if (is_h2_preface(r)) {
        weir__http_fail(r, 505, WEIR_EPROTO, "version_not_supported", "HTTP/2 is not spoken here.");
        return part;
    }
    e = llhttp_execute(&c->parser, r->head + old, part);
    if (e != HPE_OK && e != HPE_PAUSED)
        map_error(r, &c->parser, e);
    else if (!r->head_complete && over && !r->path.p)
        fail_long_target(r);
    else if (!r->head_complete && over)
        weir__http_fail(r, 431, WEIR_ELIMIT, "headers_too_large",
                        "The request's headers are too large.");
    if (r->head_complete && !r->failure.status) {
        c->greeted = true;
        r->info.started_ns = weir_mono_ns();
        if (c->state == WEIR__HTTP_HEAD)
            c->state = WEIR__HTTP_HELD;
    }
    return part;
}

/* Chunk sizes, extensions and trailers may not cost without bound: a byte of body may bring 16. */
static bool framing_is_wasteful(const struct weir_http_req *r)
{
    return r->wire_bytes > r->body_bytes * 16 + 65536;
}

size_t weir__http_body_feed(struct weir_http_conn *c, const char *p, size_t n)
{
    struct weir_http_req *r = c->req;
    llhttp_errno_t e = llhttp_execute(&c->parser, p, n);
    size_t used = n;

    if (e == HPE_PAUSED)
        used = (size_t)(llhttp_get_error_pos(&c->parser) - p);
    if (!r) {
        if (e != HPE_OK && e != HPE_PAUSED)
            c->broken = true;
        return used;
    }
    r->wire_bytes += used;
    r->info.bytes_in += used;
    if (e != HPE_OK && e != HPE_PAUSED)
        map_error(r, &c->parser, e);
    else if (framing_is_wasteful(r))
        weir__http_fail(r, 400, WEIR_EPROTO, "bad_framing", "The chunk framing is too long.");
    return used;
}
