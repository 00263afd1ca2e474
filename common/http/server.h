/* server.h - an HTTP server on one libuv loop: listeners, limits, drain, counters.
 *
 * One thread: everything here and in request.h and response.h is called on the server's loop. A
 * handler gets one request at a time from each connection, or stream of HTTP/2: to it they are the
 * same, and an answer's "connection" below means the stream. No callback runs from inside a call
 * that the handler makes. Errors of clients are answered by the server itself; a handler only hears
 * of them by on_abort. */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "http/request.h"
#include "http/response.h"

struct weir_http_server; /* opaque */
struct weir_tls_context;
struct weir_wheel;

/* 0 in a field means the default in brackets. */
struct weir_http_limits {
    uint32_t connections;  /* [10000] at the limit no more are accepted, none are cut. As many
                            * streams of HTTP/2, together: more get REFUSED_STREAM */
    uint32_t header_bytes; /* [65536] request line and headers: 431 */
    uint32_t target_bytes; /* [8192] 414 */
    uint32_t header_count; /* [128] 431 */
    uint64_t body_bytes;   /* [32 MiB] decoded body, unless the handler says otherwise: 413 */
    uint64_t bodies_bytes; /* [no limit] all bodies that are held, together: 503 */
    uint32_t header_ms;    /* [10000] first byte to end of the head: 408 */
    uint32_t body_ms;      /* [30000] without a byte of the body: 408 */
    uint32_t idle_ms;      /* [75000] a kept-alive connection without a request is closed */
    uint32_t write_ms;     /* [30000] output waits and the client takes none: closed */
    uint32_t output_high;  /* [262144] bytes waiting from which a write says WEIR_EAGAIN */
    uint32_t output_low;   /* [65536] on_writable is called at or below it. A stream's two marks
                            * are a quarter of these */
    uint64_t
        output_max_bytes;  /* [64 MiB] past it the connection is cut: the handler ignored high */
    uint32_t streams;      /* [100] HTTP/2: requests at once on one connection */
    bool allow_half_close; /* a client's FIN while its answer is pending isn't an abort */
};

struct weir_http_handler {
    /* The head is complete. Ask for the body, answer now, or answer later. */
    void (*on_request)(void *arg, struct weir_http_req *req);
    /* The whole body, decoded; lives as long as the request. Also called (empty) without a body. */
    void (*on_body)(struct weir_http_req *req, struct weir_str body);
    /* The client is gone, too slow, or broke the protocol (the server answers then, if it can)
     * before weir_http_end(); rc is WEIR_ECLOSED, WEIR_ETIMEOUT, WEIR_EPROTO, WEIR_ELIMIT,
     * WEIR_EUNSUPPORTED or WEIR_ECANCELED (the server closes). on_done follows. May be NULL. */
    void (*on_abort)(struct weir_http_req *req, int rc);
    /* Output fell to the low mark after a write said WEIR_EAGAIN. May be NULL. */
    void (*on_writable)(struct weir_http_req *req);
    /* Last callback, exactly once for each on_request: the answer is with the kernel, or the
     * connection is gone. On HTTP/2: the client's windows have let all of the answer into the
     * connection's output, of which 64 KiB may still wait for the kernel; or the stream was reset,
     * by either side. The request's memory goes when this returns and no hold is left. */
    void (*on_done)(struct weir_http_req *req);
    /* Optional: the body of an error that the server answers itself, in the client's dialect. req
     * may be NULL if its target is not known. Sets *content_type. Appending nothing: the default
     * (JSON).
     */
    void (*on_protocol_error)(void *arg, struct weir_http_req *req, unsigned status,
                              const char *code, const char *detail, struct weir_buf *body,
                              struct weir_str *content_type);
};

struct weir_http_server_options {
    uv_loop_t *loop;
    const struct weir_http_handler *handler; /* borrowed, outlives the server */
    void *arg;                               /* for on_request and on_protocol_error */
    struct weir_http_limits limits;
    bool http2; /* also HTTP/2, by prior knowledge (RFC 9113 3.3) or ALPN; else its preface gets 505
                 */
    struct weir_wheel *wheel;        /* borrowed; NULL: the server makes its own */
    struct weir_arena_cache *arenas; /* borrowed; NULL: the server makes its own */
};

struct weir_http_listen_options {
    bool reuseport; /* several loops share the port; the kernel spreads connections */
    bool ipv6_only;
    int backlog;        /* [1024] */
    unsigned unix_mode; /* [0600] of a Unix socket's file */
    void *tag;          /* in the weir_http_req_info of every request that came in here */
    bool tls;           /* weir_http_server_set_tls() came first, or WEIR_ESTATE; TCP only */
};

struct weir_http_metrics {
    uint64_t accepted, closed; /* open connections: the difference */
    uint64_t sessions;         /* connections that spoke HTTP/2 */
    uint64_t requests;         /* handed to the handler */
    uint64_t responses[6];     /* by status class; [0] unused */
    uint64_t refused;          /* answered by the server itself: bad, too large, too slow */
    uint64_t aborted;          /* on_abort calls */
    uint64_t bodies_refused;   /* of refused: 503, all bodies together were too large */
    uint64_t pipelined;        /* connections closed because of pipelining */
    uint64_t timeouts;         /* header, body and write limits */
    uint64_t tls_failed;       /* handshakes that were begun and came to nothing */
    uint64_t accept_paused;    /* times the connection limit was reached */
    uint64_t bytes_in, bytes_out;
    uint64_t output_bytes; /* waiting for clients now */
};

/* WEIR_EIO: the loop refused a handle. */
WEIR_NODISCARD int weir_http_server_create(const struct weir_http_server_options *o,
                                           struct weir_http_server **out);

/* A server's context for all that are accepted from now on, on listeners with TLS. Of the protocols
 * that it offers by ALPN, "h2" begins a session of HTTP/2 and "http/1.1" rules it out. A handshake
 * has header_ms. */
void weir_http_server_set_tls(struct weir_http_server *s, struct weir_tls_context *ctx);

/* host: a numeric address, "localhost", or "" for all. port 0: any. out_port may be NULL.
 * WEIR_EINVAL: not an address. WEIR_EIO: bind or listen failed, errno set. o may be NULL. */
WEIR_NODISCARD int weir_http_listen(struct weir_http_server *s, const char *host, unsigned port,
                                    const struct weir_http_listen_options *o, unsigned *out_port);

/* Replaces a stale socket file; removed on close. WEIR_EINVAL: path too long. WEIR_EIO, errno set.
 */
WEIR_NODISCARD int weir_http_listen_unix(struct weir_http_server *s, const char *path,
                                         const struct weir_http_listen_options *o);

/* Stops accepting, closes idle connections, lets requests finish (with Connection: close) whose
 * bytes have arrived, cuts the rest after deadline_ms. HTTP/2 is told by GOAWAY at once, and takes
 * streams for another second that were on their way. on_drained(arg) once, when no connection is
 * left. A second call may only shorten the deadline; its callback replaces the first. */
void weir_http_server_drain(struct weir_http_server *s, uint32_t deadline_ms,
                            void (*on_drained)(void *arg), void *arg);

/* Cuts everything now (on_abort with WEIR_ECANCELED, on_done). on_closed(arg), which may be NULL,
 * when the server's memory is gone; it needs some more iterations of the loop. */
void weir_http_server_close(struct weir_http_server *s, void (*on_closed)(void *arg), void *arg);

uint64_t weir_http_server_body_bytes(const struct weir_http_server *s); /* held now */
const struct weir_http_metrics *weir_http_server_metrics(const struct weir_http_server *s);

#endif
