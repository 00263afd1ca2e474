/* client.h - HTTP/1.1 calls to upstreams over pooled connections, on one loop.
 *
 * A client belongs to one loop and its thread. An origin says how to reach one upstream; it is
 * immutable and may be shared between threads. Connections are pooled by what an origin says, so
 * two origins made from equal settings share them. Errors are told once, by on_error, with the
 * phase and what is needed to decide about a retry. Nothing is ever retried that an upstream may
 * have seen. */
#ifndef WEIR_HTTP_CLIENT_H
#define WEIR_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/err.h"
#include "base/str.h"
#include "http/message.h"

struct weir_http_client;
struct weir_http_call;
struct weir_origin;

enum {
    WEIR_HTTP_CALL_MAX_IOV = 30,        /* pieces of one request body */
    WEIR_HTTP_CALL_MAX_HEADERS = 128,   /* of one response */
    WEIR_HTTP_CALL_MAX_HEAD = 64 << 10, /* bytes of one response head */
    WEIR_HTTP_CALL_READ = 64 << 10,     /* a pause may still be followed by this much body */
};

/* ---- origins ---- */

/* Zero means the default, given in brackets. Texts are copied. */
struct weir_origin_conf {
    bool tls;
    struct weir_str host;        /* name or address; IPv6 without brackets */
    uint16_t port;               /* [80 or 443] */
    struct weir_str unix_path;   /* a socket in place of host and port; host then only names it */
    struct weir_str ca_file;     /* PEM, in place of the system's */
    struct weir_str server_name; /* asked for and verified in place of host */
    struct weir_str cert_file, key_file; /* PEM, for mutual TLS */
    struct weir_str proxy_host;          /* an HTTP proxy to go through (RFC 9110, 9.3.6) */
    uint16_t proxy_port;                 /* [80] */
    struct weir_str proxy_user;          /* "name:password" for it; absent: none */
    uint32_t max_connections;            /* [256] open at once in one client */
    uint32_t max_waiting;                /* [1024] calls that may wait for a connection */
    int64_t idle_timeout_ms;             /* [60000] how long an unused connection is kept */
};

/* Reads certificate files, so never on a busy loop. WEIR_EINVAL or WEIR_ETLS with a sentence for
 * the user in why (why_size bytes, always terminated). The caller owns one reference. */
WEIR_NODISCARD int weir_origin_create(const struct weir_origin_conf *conf, char *why,
                                      size_t why_size, struct weir_origin **out);
struct weir_origin *weir_origin_ref(struct weir_origin *o);
void weir_origin_unref(struct weir_origin *o);                      /* NULL is fine */
struct weir_str weir_origin_authority(const struct weir_origin *o); /* as the Host header has it */

/* ---- calls ---- */

/* Everything is borrowed: texts and headers until start() returns, the body's bytes (not the array)
 * until on_sent, on_end, on_error or cancel, whichever is first. */
struct weir_http_call_spec {
    struct weir_str method, path;           /* path: the request target with its query */
    const struct weir_http_header *headers; /* host, content-length, connection and
                                             * transfer-encoding are ours: EINVAL if given */
    size_t header_count;
    const struct weir_str *body;
    size_t body_count;
    bool has_body; /* sends "content-length: 0" for an empty one */
    /* 0: no limit. connect covers DNS, TCP and TLS, and before that, as long again,
     * waiting for a free connection. */
    int64_t connect_timeout_ms, first_byte_timeout_ms, idle_timeout_ms, total_timeout_ms;
};

struct weir_http_call_head {
    int status; /* 200..999: 1xx are skipped */
    const struct weir_http_header *headers;
    size_t header_count;
    int64_t content_length; /* -1: not said */
};

enum weir_http_phase {
    WEIR_HTTP_PHASE_QUEUE,      /* waiting for a free connection */
    WEIR_HTTP_PHASE_CONNECT,    /* DNS and TCP */
    WEIR_HTTP_PHASE_TLS,        /* handshake */
    WEIR_HTTP_PHASE_SEND,       /* request not wholly handed to the kernel */
    WEIR_HTTP_PHASE_FIRST_BYTE, /* sent, no byte of an answer */
    WEIR_HTTP_PHASE_HEAD,       /* in the answer's head */
    WEIR_HTTP_PHASE_BODY,
};

struct weir_http_call_info {
    enum weir_http_phase phase;
    bool reused_connection;
    bool request_bytes_sent; /* the kernel took at least one byte of the request */
    bool any_response_byte;
    bool tls_resumed;
    const char *cause;     /* a short sentence for the user about an error; never NULL */
    int64_t connect_us;    /* of a new connection, TLS included; 0 when reused */
    int64_t first_byte_us; /* from start to the first byte of the answer; 0 when none came */
};

/* on_head once, then on_body for each piece, then on_end; or on_error at any point in place of the
 * rest. Exactly one of on_end and on_error, never from inside start(), none after cancel(). After
 * it the call is gone. Each may cancel the call or start others; on_sent, on_batch may be NULL. */
struct weir_http_call_events {
    void (*on_head)(void *arg,
                    const struct weir_http_call_head *head); /* views: until it returns */
    void (*on_body)(void *arg, const char *p, size_t n);     /* likewise */
    void (*on_end)(void *arg, const struct weir_http_call_info *info);
    void (*on_error)(void *arg, int rc, const struct weir_http_call_info *info);
    void (*on_sent)(void *arg);  /* the request's body is no longer borrowed; once at most, maybe
                                  * from inside start(), and not when the call ends before */
    void (*on_batch)(void *arg); /* all body that one read brought was handed out: time to flush;
                                  * not after on_end */
};

/* WEIR_EINVAL: the spec breaks a rule (a line end in a header, too many pieces). Everything else
 * comes by on_error: WEIR_ECONNECT, WEIR_ETLS, WEIR_ETIMEOUT, WEIR_ELIMIT (waiting queue or
 * response head), WEIR_ECLOSED (closed before the answer's end), WEIR_EPROTO, WEIR_EIO. */
WEIR_NODISCARD int weir_http_call_start(struct weir_http_client *client, struct weir_origin *origin,
                                        const struct weir_http_call_spec *spec,
                                        const struct weir_http_call_events *events, void *arg,
                                        struct weir_http_call **out);

/* Stops and restarts reading the answer; before the request is sent a pause does nothing.
 * Idempotent. While paused the idle limit doesn't run. */
void weir_http_call_pause(struct weir_http_call *call);
void weir_http_call_resume(struct weir_http_call *call);

/* Ends the call without further callbacks; its connection is closed before this returns. */
void weir_http_call_cancel(struct weir_http_call *call);

void weir_http_call_get_info(const struct weir_http_call *call, struct weir_http_call_info *out);

/* ---- the client ---- */

struct weir_http_client_stats {
    uint64_t calls, reused, connects, connect_failures, tls_handshakes, tls_resumed;
    uint32_t open_connections, idle_connections, waiting_calls, active_calls;
};

struct weir_http_client *weir_http_client_create(uv_loop_t *loop);
/* Cancels what is open without callbacks, closes every connection; frees itself once the loop has
 * run their close callbacks. The loop must run until then. NULL is fine. */
void weir_http_client_destroy(struct weir_http_client *c);
void weir_http_client_get_stats(const struct weir_http_client *c,
                                struct weir_http_client_stats *out);
void weir_http_client_drop_idle(struct weir_http_client *c); /* closes every unused connection */

#endif
