/* server_response.c - heads and bodies of answers. */
#include <stdio.h>
#include <time.h>

#include "http/server_h2.h"
#include "http/server_internal.h"

static void put_str(struct weir_http_conn *c, struct weir_str s)
{
    weir__http_put(c, s.p, s.n);
}

#define PUT(c, lit) weir__http_put((c), (lit), sizeof(lit) - 1)

static void put_number(struct weir_http_conn *c, uint64_t v)
{
    char digits[20];
    size_t i = sizeof digits;

    do {
        digits[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    weir__http_put(c, digits + i, sizeof digits - i);
}

static bool has_control(struct weir_str s)
{
    unsigned bad = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        bad |= (unsigned)(ch < 0x20) | (unsigned)(ch == 0x7f);
    }
    return bad;
}

/* Text that may come from anywhere: a line break in it must not become a header of its own. */
static void put_clean(struct weir_http_conn *c, struct weir_str s)
{
    if (!has_control(s)) {
        put_str(c, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        weir__http_put(c, (ch < 0x20 && ch != '\t') || ch == 0x7f ? " " : s.p + i, 1);
    }
}

bool weir__http_is_ours(struct weir_str name)
{
    switch (name.n) {
    case 4:
        return weir_str_ieq(name, WEIR_STR("date"));
    case 10:
        return weir_str_ieq(name, WEIR_STR("connection")) ||
               weir_str_ieq(name, WEIR_STR("keep-alive"));
    case 14:
        return weir_str_ieq(name, WEIR_STR("content-length"));
    case 17:
        return weir_str_ieq(name, WEIR_STR("transfer-encoding"));
    default:
        return false;
    }
}

struct weir_str weir__http_date(struct weir_http_server *s)
{
    int64_t now = time(NULL);

    if (now != s->date_s) {
        time_t t = (time_t)now;
        struct tm tm;

        gmtime_r(&t, &tm);
        s->date_n = strftime(s->date, sizeof s->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        s->date_s = now;
    }
    return (struct weir_str){s->date, s->date_n};
}

static void put_headers(struct weir_http_conn *c, const struct weir_http_header *hdrs, size_t n,
                        bool *upgrade)
{
    *upgrade = false;
    for (size_t i = 0; i < n; i++) {
        if (weir__http_is_ours(hdrs[i].name))
            continue;
        if (hdrs[i].name.n == 7 && weir_str_ieq(hdrs[i].name, WEIR_STR("upgrade")))
            *upgrade = true;
        put_clean(c, hdrs[i].name);
        PUT(c, ": ");
        put_clean(c, hdrs[i].value);
        PUT(c, "\r\n");
    }
}

static void put_connection(struct weir_http_conn *c, const struct weir_http_req *r, bool upgrade)
{
    if (!r->keep_alive || c->close_after) {
        if (upgrade)
            PUT(c, "Connection: upgrade, close\r\n");
        else
            PUT(c, "Connection: close\r\n");
    } else if (upgrade) {
        PUT(c, "Connection: upgrade\r\n");
    } else if (r->old) {
        PUT(c, "Connection: keep-alive\r\n");
    }
}

/* A body that isn't read is worth a connection only if its rest is short and sure to come. */
static bool must_close(const struct weir_http_conn *c, const struct weir_http_req *r)
{
    if (c->pipelined || c->eof || c->broken || c->server->draining)
        return true;
    if (r->complete)
        return false;
    return r->expects || r->content_length < 0 || r->wanted ||
           (uint64_t)r->content_length - r->body_bytes > WEIR__HTTP_DISCARD_BYTES;
}

static void put_head(struct weir_http_req *r, unsigned status, const struct weir_http_header *hdrs,
                     size_t n, int64_t content_length)
{
    struct weir_http_conn *c = r->conn;
    bool upgrade, no_length = status == 204 || status == 304;

    r->bodyless = r->method == WEIR_HTTP_HEAD || no_length;
    r->chunked = content_length < 0 && !r->old && !no_length;
    if (content_length < 0 && r->old && !r->bodyless)
        c->close_after = true; /* the end of the connection ends the body */
    c->close_after |= must_close(c, r);
    PUT(c, "HTTP/1.1 ");
    put_number(c, status);
    PUT(c, " ");
    put_str(c, weir_http_reason(status));
    PUT(c, "\r\n");
    put_str(c, weir__http_date(c->server));
    put_headers(c, hdrs, n, &upgrade);
    put_connection(c, r, upgrade);
    if (r->chunked) {
        PUT(c, "Transfer-Encoding: chunked\r\n");
    } else if (!no_length && content_length >= 0) {
        PUT(c, "Content-Length: ");
        put_number(c, (uint64_t)content_length);
        PUT(c, "\r\n");
    }
    PUT(c, "\r\n");
}

int weir_http_start(struct weir_http_req *req, unsigned status, const struct weir_http_header *hdrs,
                    size_t n, int64_t content_length)
{
    struct weir_http_conn *c = req->conn;
    size_t before;

    WEIR_ASSERT(status >= 200 && status <= 999);
    if (req->started || req->ended)
        return WEIR_ESTATE;
    req->info.status = status;
    if (!c || req->aborted || req->cut)
        return WEIR_ECLOSED;
    req->started = true;
    req->left = content_length;
    before = c->out_bytes;
    if (c->is_stream)
        weir__h2_stream_head(req, status, hdrs, n, content_length);
    else
        put_head(req, status, hdrs, n, content_length);
    req->info.bytes_out += c->out_bytes - before;
    if (status < 600)
        c->server->metrics.responses[status / 100]++;
    weir__http_mark(c);
    return WEIR_OK;
}

static size_t chunk_head(char *out, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    char digits[16];
    size_t i = sizeof digits, len;

    do {
        digits[--i] = hex[n & 15];
        n >>= 4;
    } while (n);
    len = sizeof digits - i;
    memcpy(out, digits + i, len);
    memcpy(out + len, "\r\n", 2);
    return len + 2;
}

static void put_pieces(struct weir_http_conn *c, const struct weir_str *pieces, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_str(c, pieces[i]);
}

/* One chunk, or plain bytes. */
static void put_body(struct weir_http_req *r, const struct weir_str *pieces, size_t n, size_t total)
{
    struct weir_http_conn *c = r->conn;
    char head[20];
    size_t head_n = r->chunked ? chunk_head(head, total) : 0;

    r->info.bytes_out += total + head_n + (r->chunked ? 2 : 0);
    if (total >= WEIR__HTTP_DIRECT_BYTES && n <= 8) {
        uv_buf_t bufs[10];
        unsigned k = 0;

        if (head_n)
            bufs[k++] = uv_buf_init(head, (unsigned)head_n);
        for (size_t i = 0; i < n; i++) {
            if (pieces[i].n)
                bufs[k++] = (uv_buf_t){.base = (char *)pieces[i].p, .len = pieces[i].n};
        }
        if (head_n)
            bufs[k++] = uv_buf_init((char *)"\r\n", 2);
        weir__http_put_direct(c, bufs, k);
        return;
    }
    weir__http_put(c, head, head_n);
    put_pieces(c, pieces, n);
    if (head_n)
        PUT(c, "\r\n");
}

int weir_http_write_iov(struct weir_http_req *req, const struct weir_str *pieces, size_t n)
{
    struct weir_http_conn *c = req->conn;
    size_t total = 0;

    if (!c || req->aborted || req->cut || c->lost)
        return WEIR_ECLOSED;
    if (!req->started || req->ended)
        return WEIR_ESTATE;
    for (size_t i = 0; i < n; i++)
        total += pieces[i].n;
    if (total == 0 || (req->bodyless && req->left < 0))
        return WEIR_OK;
    if (req->left >= 0) {
        if (total > (uint64_t)req->left)
            return WEIR_ELIMIT;
        req->left -= (int64_t)total;
    }
    if (req->bodyless)
        return WEIR_OK;
    put_body(req, pieces, n, total);
    weir__http_mark(c);
    if (c->out_bytes > c->server->limits.output_max_bytes)
        weir_http_abort(req);
    if (c->out_bytes < weir__http_output_mark(c, c->server->limits.output_high))
        return WEIR_OK;
    req->wants_writable = true;
    return WEIR_EAGAIN;
}

int weir_http_write(struct weir_http_req *req, const void *p, size_t n)
{
    struct weir_str piece = {p, n};

    return weir_http_write_iov(req, &piece, 1);
}

int weir_http_end(struct weir_http_req *req)
{
    struct weir_http_conn *c = req->conn;

    if (!c || req->aborted || req->cut)
        return WEIR_ECLOSED;
    if (!req->started || req->ended)
        return WEIR_ESTATE;
    if (req->left > 0 && !req->bodyless) {
        weir_http_abort(req);
        return WEIR_ESTATE;
    }
    if (req->chunked && !req->bodyless) {
        PUT(c, "0\r\n\r\n");
        req->info.bytes_out += 5;
    }
    req->ended = true;
    req->wants_writable = false;
    weir__http_mark(c);
    return WEIR_OK;
}

int weir_http_respond(struct weir_http_req *req, unsigned status,
                      const struct weir_http_header *hdrs, size_t n, struct weir_str body)
{
    int rc = weir_http_start(req, status, hdrs, n, (int64_t)body.n);

    if (rc)
        return rc;
    if (req->bodyless)
        req->left = 0;
    else
        (void)weir_http_write_iov(req, &body, 1);
    return weir_http_end(req);
}

void weir_http_abort(struct weir_http_req *req)
{
    if (!req->conn || req->cut || req->aborted)
        return;
    req->cut = true;
    weir__http_mark(req->conn);
}

void weir_http_close_after(struct weir_http_req *req)
{
    if (req->conn)
        req->conn->close_after = true;
}

size_t weir_http_pending_bytes(const struct weir_http_req *req)
{
    return req->conn ? req->conn->out_bytes : 0;
}

/* The server's own answer to what it can't hand on. Nothing, if an answer was begun already. */
void weir__http_answer_failure(struct weir_http_conn *c)
{
    struct weir_http_server *s = c->server;
    struct weir_http_req *r = c->req;
    const struct weir__http_failure *f = &r->failure;
    struct weir_http_header h[] = {{WEIR_STR("Content-Type"), WEIR_STR("application/json")},
                                   {WEIR_STR("Retry-After"), WEIR_STR("1")}};
    struct weir_buf body;

    s->metrics.refused++;
    r->info.error = f->code;
    if (r->started)
        return;
    weir_buf_init(&body, 65536);
    if (s->handler->on_protocol_error)
        s->handler->on_protocol_error(s->arg, r->path.p ? r : NULL, f->status, f->code, f->detail,
                                      &body, &h[0].value);
    if (body.n == 0) {
        weir_buf_addz(&body, "{\"error\":{\"code\":");
        weir_buf_add_json(&body, weir_str_of(f->code));
        weir_buf_addz(&body, ",\"message\":");
        weir_buf_add_json(&body, weir_str_of(f->detail));
        weir_buf_addz(&body, "}}");
    }
    c->close_after = true;
    (void)weir_http_respond(r, f->status, h, f->status == 503 ? 2 : 1, weir_buf_str(&body));
    weir_buf_fini(&body);
}
