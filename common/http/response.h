/* response.h - how a handler of the HTTP server answers a request.
 *
 * Output is collected and handed to the kernel at the end of the loop's iteration; pieces of 16 KiB
 * and more go at once, without a copy if the kernel takes them. Nothing here blocks or fails
 * because of the client: after an abort everything is accepted and dropped. */
#ifndef WEIR_HTTP_RESPONSE_H
#define WEIR_HTTP_RESPONSE_H

#include "http/message.h"

struct weir_http_req;

/* The server writes Date, Connection, Content-Length and Transfer-Encoding itself (and "Connection:
 * upgrade" beside an Upgrade header): a handler's are left out. Bytes that may not stand in a
 * header are replaced by spaces. HEAD, 204 and 304 get no body, whatever is written. */

/* The whole answer. Copies body unless the kernel takes it at once. WEIR_ESTATE: already started.
 */
int weir_http_respond(struct weir_http_req *req, unsigned status,
                      const struct weir_http_header *hdrs, size_t n, struct weir_str body);

/* Starts an answer; content_length < 0: chunked (or until close for HTTP/1.0). WEIR_ESTATE: already
 * started. */
int weir_http_start(struct weir_http_req *req, unsigned status, const struct weir_http_header *hdrs,
                    size_t n, int64_t content_length);

/* Takes all n bytes. WEIR_EAGAIN: taken, but more than the high mark waits; on_writable comes when
 * it is better to go on. WEIR_ECLOSED: dropped, the client is gone. WEIR_ESTATE: not started or
 * ended. WEIR_ELIMIT: dropped, more than content_length. */
int weir_http_write(struct weir_http_req *req, const void *p, size_t n);
/* Several pieces as one (one chunk). */
int weir_http_write_iov(struct weir_http_req *req, const struct weir_str *pieces, size_t n);

/* Finishes the answer; fewer bytes than content_length cut the connection. on_done comes later. */
int weir_http_end(struct weir_http_req *req);

/* Cuts the connection, so that the client sees that the answer is incomplete. No on_abort; on_done
 * comes later. Also fine before anything was started. */
void weir_http_abort(struct weir_http_req *req);

/* Bytes of this connection that wait for the client. */
size_t weir_http_pending_bytes(const struct weir_http_req *req);

/* The connection isn't used for another request after this one. */
void weir_http_close_after(struct weir_http_req *req);

#endif
