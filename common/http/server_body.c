/* server_body.c - the request's body on its way into the arena. */
#include "http/server_h2.h"
#include "http/server_internal.h"

static int fail_rc(struct weir_http_req *r, int rc)
{
    if (rc == WEIR_EAGAIN) {
        r->server->metrics.bodies_refused++;
        return weir__http_fail(r, 503, WEIR_ELIMIT, "body_memory_full",
                               "Too many request bodies are held here at once; try again.");
    }
    if (rc == WEIR_ELIMIT)
        return weir__http_fail(r, 413, rc, "body_too_large", "The request body is too large.");
    return weir__http_fail(r, 400, WEIR_EPROTO, "bad_encoding",
                           "The request body does not match its Content-Encoding.");
}

static void start_body(struct weir_http_req *r, uint64_t max)
{
    int rc = WEIR_OK;

    weir_http_body_init(&r->body, r->arena, max, &r->server->bodies);
    if (r->content_length > 0 && (uint64_t)r->content_length > max) {
        fail_rc(r, WEIR_ELIMIT);
        return;
    }
    if (r->coding.p && r->has_body) {
        rc = weir_http_coding_create(r->arena, r->coding, &r->decoder);
        if (rc)
            weir__http_fail(r, 415, rc, "unsupported_encoding",
                            "The request's Content-Encoding is not supported.");
    } else if (r->content_length > 0) {
        rc = weir_http_body_expect(&r->body, (size_t)r->content_length);
        if (rc)
            fail_rc(r, rc);
    }
}

void weir_http_req_collect_body(struct weir_http_req *req, uint64_t max_bytes)
{
    struct weir_http_conn *c = req->conn;

    if (!c || req->wanted || req->started || req->cut)
        return;
    req->wanted = true;
    start_body(req, max_bytes ? max_bytes : req->server->limits.body_bytes);
    if (req->failure.status || !req->expects || req->complete)
        ;
    else if (c->is_stream)
        weir__h2_stream_continue(c);
    else
        weir__http_put(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    req->expects = false;
    weir__http_mark(c);
}

void weir_http_req_drop_body(struct weir_http_req *req)
{
    if (req->delivered)
        weir_http_body_drop(&req->body);
}

int weir__http_body_add(struct weir_http_req *r, const char *p, size_t n)
{
    int rc;

    if (r->body_bytes > r->body.max)
        return fail_rc(r, WEIR_ELIMIT);
    rc = r->decoder ? weir_http_coding_feed(r->decoder, p, n, &r->body)
                    : weir_http_body_add(&r->body, p, n);
    return rc ? fail_rc(r, rc) : 0;
}

void weir__http_body_end(struct weir_http_req *r)
{
    if (r->decoder && !r->failure.status && weir_http_coding_end(r->decoder) != WEIR_OK)
        fail_rc(r, WEIR_EPROTO);
}
