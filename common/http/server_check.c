/* server_check.c - what a complete head must keep to before a handler sees it. Stricter than
 * llhttp: two readings of a message's length never get past here (RFC 9112 6.3 and 11.2). */
#include "http/server_internal.h"

static void bad(struct weir_http_req *r, const char *detail)
{
    weir__http_fail(r, 400, WEIR_EPROTO, "bad_request", detail);
}

static void bad_framing(struct weir_http_req *r, const char *detail)
{
    weir__http_fail(r, 400, WEIR_EPROTO, "bad_framing", detail);
}

static bool istarts(struct weir_str s, struct weir_str prefix)
{
    return s.n >= prefix.n && weir_str_ieq((struct weir_str){s.p, prefix.n}, prefix);
}

/* Absolute form (RFC 9112 3.2.2): the authority takes Host's place. */
static struct weir_str after_authority(struct weir_http_req *r, struct weir_str t)
{
    size_t i;

    if (istarts(t, WEIR_STR("http://")))
        t = (struct weir_str){t.p + 7, t.n - 7};
    else if (istarts(t, WEIR_STR("https://")))
        t = (struct weir_str){t.p + 8, t.n - 8};
    else
        return WEIR_STR_NULL;
    for (i = 0; i < t.n && t.p[i] != '/' && t.p[i] != '?'; i++) {
        if (t.p[i] == '@')
            return WEIR_STR_NULL;
    }
    if (i == 0)
        return WEIR_STR_NULL;
    r->host = (struct weir_str){t.p, i};
    return (struct weir_str){t.p + i, t.n - i};
}

void weir__http_split_target(struct weir_http_req *r)
{
    struct weir_str t = r->target, path;
    const char *q;

    for (size_t i = 0; i < t.n; i++) {
        if (t.p[i] <= 0x20 || t.p[i] >= 0x7f || t.p[i] == '#')
            return bad(r, "The request target has a character that may not stand in it.");
    }
    if (r->method_code == HTTP_CONNECT)
        return (void)weir__http_fail(r, 501, WEIR_EUNSUPPORTED, "method_not_implemented",
                                     "CONNECT is not supported: this is not a forward proxy.");
    if (t.n == 1 && t.p[0] == '*' && r->method_code == HTTP_OPTIONS) {
        r->path = t;
        return;
    }
    if (t.n == 0 || t.p[0] != '/') {
        t = after_authority(r, t);
        if (!t.p)
            return bad(r, "The request target must be a path.");
    }
    q = t.n ? memchr(t.p, '?', t.n) : NULL;
    path = (struct weir_str){t.p, q ? (size_t)(q - t.p) : t.n};
    r->path = path.n ? path : WEIR_STR("/");
    if (q)
        r->query = (struct weir_str){q + 1, t.n - path.n - 1};
}

static bool host_ok(struct weir_str h)
{
    for (size_t i = 0; i < h.n; i++) {
        unsigned char ch = (unsigned char)h.p[i];

        if (ch <= 0x20 || ch >= 0x7f || strchr("/?#@\\\"<>,", ch))
            return false;
    }
    return h.n > 0;
}

struct seen {
    struct weir_str host, length, transfer, coding, expect;
    unsigned hosts, lengths, transfers, codings, expects;
};

static void note(struct weir_str *value, unsigned *count, const struct weir_http_header *h,
                 struct weir_str name)
{
    if (!weir_str_ieq(h->name, name))
        return;
    *value = h->value;
    ++*count;
}

static void scan(const struct weir_http_req *r, struct seen *s)
{
    for (size_t i = 0; i < r->header_n; i++) {
        const struct weir_http_header *h = &r->headers[i];

        switch (h->name.n) {
        case 4:
            note(&s->host, &s->hosts, h, WEIR_STR("host"));
            break;
        case 6:
            note(&s->expect, &s->expects, h, WEIR_STR("expect"));
            break;
        case 14:
            note(&s->length, &s->lengths, h, WEIR_STR("content-length"));
            break;
        case 16:
            note(&s->coding, &s->codings, h, WEIR_STR("content-encoding"));
            break;
        case 17:
            note(&s->transfer, &s->transfers, h, WEIR_STR("transfer-encoding"));
            break;
        default:
            break;
        }
    }
}

static void check_host(struct weir_http_req *r, const struct seen *s)
{
    if (s->hosts > 1)
        bad(r, "The Host header is there more than once.");
    else if (s->hosts == 0 && !r->old)
        bad(r, "The Host header is missing.");
    else if (s->hosts == 1 && !host_ok(s->host))
        bad(r, "The Host header is not a host.");
    else if (r->host.p && !host_ok(r->host))
        bad(r, "The request target's authority is not a host.");
    if (!r->host.p)
        r->host = s->host;
}

static void check_framing(struct weir_http_req *r, const struct seen *s)
{
    if (s->transfers && s->lengths)
        return bad_framing(r, "Transfer-Encoding and Content-Length may not stand together.");
    if (s->transfers) {
        if (r->old || s->transfers > 1 || !weir_str_ieq(s->transfer, WEIR_STR("chunked")))
            return bad_framing(r, "The only Transfer-Encoding that is supported is chunked.");
        r->content_length = -1;
        r->has_body = true;
        return;
    }
    if (!s->lengths)
        return;
    if (s->lengths > 1)
        return bad_framing(r, "The Content-Length header is there more than once.");
    if (s->length.n == 0 || s->length.p[0] == '+' || s->length.p[0] == '-' ||
        weir_str_i64(s->length, &r->content_length) != WEIR_OK)
        return bad_framing(r, "The Content-Length is not a number.");
    r->has_body = r->content_length > 0;
}

static enum weir_http_method method_of(uint8_t code)
{
    switch (code) {
    case HTTP_GET:
        return WEIR_HTTP_GET;
    case HTTP_HEAD:
        return WEIR_HTTP_HEAD;
    case HTTP_POST:
        return WEIR_HTTP_POST;
    case HTTP_PUT:
        return WEIR_HTTP_PUT;
    case HTTP_PATCH:
        return WEIR_HTTP_PATCH;
    case HTTP_DELETE:
        return WEIR_HTTP_DELETE;
    case HTTP_OPTIONS:
        return WEIR_HTTP_OPTIONS;
    default:
        return WEIR_HTTP_OTHER;
    }
}

void weir__http_check_head(struct weir_http_req *r, const llhttp_t *parser)
{
    if (parser->http_major != 1 || parser->http_minor > 1) {
        weir__http_fail(r, 505, WEIR_EPROTO, "version_not_supported",
                        "Only HTTP/1.1 and HTTP/1.0 are spoken here.");
        return;
    }
    r->old = parser->http_minor == 0;
    r->keep_alive = (r->old || (parser->flags & F_CONNECTION_CLOSE))
                        ? r->old && (parser->flags & F_CONNECTION_KEEP_ALIVE) &&
                              !(parser->flags & F_CONNECTION_CLOSE)
                        : true;
    weir__http_check_fields(r);
}

void weir__http_check_fields(struct weir_http_req *r)
{
    struct seen s = {0};

    r->method = method_of(r->method_code);
    scan(r, &s);
    check_host(r, &s);
    check_framing(r, &s);
    if (s.codings > 1)
        s.coding = WEIR_STR("more than one");
    if (s.codings && !weir_str_ieq(s.coding, WEIR_STR("identity")))
        r->coding = s.coding;
    if (!s.expects)
        return;
    if (s.expects > 1 || !weir_str_ieq(s.expect, WEIR_STR("100-continue")))
        weir__http_fail(r, 417, WEIR_EUNSUPPORTED, "expectation_failed",
                        "The only expectation that can be met is 100-continue.");
    r->expects = !r->old && r->has_body; /* RFC 9110 10.1.1: ignored in HTTP/1.0 */
}
