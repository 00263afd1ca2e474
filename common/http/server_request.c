/* server_request.c - what request.h lets a handler see. */
#include "http/server_internal.h"

void weir_http_req_set_user(struct weir_http_req *req, void *user)
{
    req->user = user;
}

void *weir_http_req_user(const struct weir_http_req *req)
{
    return req->user;
}

void weir_http_req_hold(struct weir_http_req *req)
{
    req->holds++;
}

void weir_http_req_release(struct weir_http_req *req)
{
    WEIR_ASSERT(req->holds > 0);
    if (req->conn)
        req->holds--;
    else
        weir__http_req_unref(req);
}

struct weir_arena *weir_http_req_arena(struct weir_http_req *req)
{
    return req->arena;
}

enum weir_http_method weir_http_req_method(const struct weir_http_req *req)
{
    return req->method;
}

struct weir_str weir_http_req_method_name(const struct weir_http_req *req)
{
    return weir_str_of(llhttp_method_name((llhttp_method_t)req->method_code));
}

struct weir_str weir_http_req_target(const struct weir_http_req *req)
{
    return req->target;
}

struct weir_str weir_http_req_path(const struct weir_http_req *req)
{
    return req->path;
}

struct weir_str weir_http_req_query(const struct weir_http_req *req)
{
    return req->query;
}

struct weir_str weir_http_req_host(const struct weir_http_req *req)
{
    return req->host;
}

struct weir_str weir_http_req_header(const struct weir_http_req *req, struct weir_str name)
{
    for (size_t i = 0; i < req->header_n; i++) {
        const struct weir_http_header *h = &req->headers[i];

        if (h->name.n == name.n && weir_str_ieq(h->name, name))
            return h->value;
    }
    return WEIR_STR_NULL;
}

const struct weir_http_header *weir_http_req_headers(const struct weir_http_req *req, size_t *n)
{
    *n = req->header_n;
    return req->headers;
}

void weir_http_req_info(const struct weir_http_req *req, struct weir_http_req_info *out)
{
    *out = req->info;
}
