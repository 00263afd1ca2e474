/* request.h - what a handler of the HTTP server sees of one request. Strings live as long as the
 * request: until on_done, or until the last hold is released. */
#ifndef WEIR_HTTP_REQUEST_H
#define WEIR_HTTP_REQUEST_H

#include "base/arena.h"
#include "http/message.h"

struct weir_http_req; /* opaque; its memory is its arena */

enum weir_http_method {
    WEIR_HTTP_OTHER, /* see weir_http_req_method_name() */
    WEIR_HTTP_GET,
    WEIR_HTTP_HEAD,
    WEIR_HTTP_POST,
    WEIR_HTTP_PUT,
    WEIR_HTTP_PATCH,
    WEIR_HTTP_DELETE,
    WEIR_HTTP_OPTIONS,
};

enum { WEIR_HTTP_BODY_PADDING = 64 }; /* zero bytes that may be read after a body's end */

/* Asks for the body: whole, without its transfer and content coding (gzip, deflate, br, zstd), at
 * most max bytes (0: the server's limit). on_body follows, or on_abort (413, 415, 400, 408 are
 * answered by the server). Once, before the answer is started. */
void weir_http_req_collect_body(struct weir_http_req *req, uint64_t max_bytes);

/* The body that on_body gave is not read any more: a large one's memory goes now rather than with
 * the request. */
void weir_http_req_drop_body(struct weir_http_req *req);

void weir_http_req_set_user(struct weir_http_req *req, void *user);
void *weir_http_req_user(const struct weir_http_req *req);

/* Keeps the request's memory (not its connection) past on_done, until the matching release. */
void weir_http_req_hold(struct weir_http_req *req);
void weir_http_req_release(struct weir_http_req *req);

struct weir_arena *weir_http_req_arena(struct weir_http_req *req);

enum weir_http_method weir_http_req_method(const struct weir_http_req *req);
struct weir_str weir_http_req_method_name(const struct weir_http_req *req);
struct weir_str weir_http_req_target(const struct weir_http_req *req); /* as sent */
struct weir_str weir_http_req_path(const struct weir_http_req *req);   /* not percent-decoded */
struct weir_str weir_http_req_query(const struct weir_http_req *req);  /* without '?'; or absent */
struct weir_str weir_http_req_host(const struct weir_http_req *req);   /* of the target or Host */

/* The first header of that name (any case), trimmed; absent when there is none. */
struct weir_str weir_http_req_header(const struct weir_http_req *req, struct weir_str name);
/* All of them in order, *n entries. */
const struct weir_http_header *weir_http_req_headers(const struct weir_http_req *req, size_t *n);

/* Numbers and names for records. They stay valid (as of the end) while the request is held. */
struct weir_http_req_info {
    uint64_t connection_id;
    struct weir_str peer; /* "127.0.0.1", "::1" or "unix" */
    unsigned peer_port;   /* 0 for a Unix socket */
    uint64_t bytes_in;    /* head and body, as on the wire */
    uint64_t bytes_out;   /* head and body, as handed to the connection */
    unsigned status;      /* of the answer; 0: none was started */
    int64_t started_ns;   /* weir_mono_ns() when the head was complete */
    const char *error;    /* code of the server's own error answer, or NULL */
    void *tag;            /* of the listener */
};

void weir_http_req_info(const struct weir_http_req *req, struct weir_http_req_info *out);

#endif
