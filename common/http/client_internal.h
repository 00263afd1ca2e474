/* client_internal.h - what the client's files share: origins, pools, connections, calls.
 *
 *   client --> pools (one per distinct origin) --> connections --> the call on each
 *          \-> calls (all that are open; some wait in a pool's queue)
 */
#ifndef WEIR_HTTP_CLIENT_INTERNAL_H
#define WEIR_HTTP_CLIENT_INTERNAL_H

#include <stdatomic.h>

#include <llhttp.h>
#include <uthash.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/list.h"
#include "http/client.h"
#include "net/dial.h"

struct weir_origin {
    atomic_uint refs;
    bool tls;
    uint16_t port;
    char *host, *server_name, *unix_path, *authority;
    char *proxy_host;    /* NULL: dialled directly */
    char *proxy_request; /* the head that asks it for a tunnel; wiped */
    uint16_t proxy_port;
    struct weir_tls_context *context; /* tls only */
    uint32_t max_connections, max_waiting;
    int64_t idle_timeout_ms;
    unsigned char key[WEIR_SHA256_BYTES]; /* of everything above, files' contents included */
};

struct weir__pool {
    UT_hash_handle hh;
    unsigned char key[WEIR_SHA256_BYTES];
    struct weir_http_client *client;
    struct weir_origin *origin; /* a reference, to the latest of those with this key */
    struct weir_tls_ticket *ticket;
    struct weir_link idle; /* latest used last */
    struct weir_link busy; /* dialling or with a call */
    struct weir_link waiting;
    uint32_t open, idle_count, waiting_count;
};

/* A response head while it is read. Spans point into the read buffer; when the head is cut they
 * move to the stash, which never moves. */
struct weir__head {
    struct weir_http_header fields[WEIR_HTTP_CALL_MAX_HEADERS];
    size_t count;
    char *stash; /* WEIR_HTTP_CALL_MAX_HEAD bytes, only when the head was cut */
    size_t stash_n;
};

/* An egress proxy's answer to CONNECT, while it is read. */
struct weir__tunnel {
    uv_buf_t request;
    size_t n;
    char head[8192];
};

struct weir__conn {
    struct weir_link link; /* in its pool's idle or busy list */
    struct weir__pool *pool;
    struct weir_dial *dial;
    struct weir_tls_stream *stream;
    struct weir__tunnel *tunnel; /* NULL: none, or it stands */
    struct weir_http_call *call; /* NULL: idle */
    llhttp_t parser;
    struct weir__head *head; /* the client's scratch, or its own when the head was cut */
    uint64_t idle_since_ms;
    size_t head_bytes;
    unsigned informational; /* 1xx heads seen */

    enum { WEIR__SPAN_NONE, WEIR__SPAN_NAME, WEIR__SPAN_VALUE } span;

    int rc; /* what a parser callback found wrong */
    const char *cause;
    unsigned depth; /* its callbacks on the stack */
    bool in_body, done, dead, served, resumed;
};

struct weir_http_call {
    struct weir_link link;    /* in the client's list of calls, or of spare ones */
    struct weir_link waiting; /* in the pool's queue */
    struct weir_http_client *client;
    struct weir__pool *pool;
    struct weir__conn *conn;
    const struct weir_http_call_events *ev;
    void *arg;
    struct weir_buf head;
    uv_buf_t bufs[WEIR_HTTP_CALL_MAX_IOV + 1];
    unsigned buf_count;
    int64_t connect_ms, first_byte_ms, idle_ms, total_ms; /* limits, 0: none */
    uint64_t started_ms, phase_ms;                        /* phase_ms: latest progress in BODY */
    int64_t started_us, dial_started_us;
    struct weir_http_call_info info;
    int fail_rc; /* told by the timer, never from inside start() */
    bool head_only, paused, retried, sending;
};

struct weir_http_client {
    uv_loop_t *loop;
    uv_timer_t timer;
    uint64_t timer_due_ms; /* UINT64_MAX: not armed */
    struct weir_dns *dns;
    struct weir__pool *pools;
    struct weir_link calls, spare;
    size_t spare_count;
    llhttp_settings_t settings;
    struct weir__head scratch;
    struct weir_read_buf read_buf;
    struct weir_http_client_stats stats;
    bool closing;
};

/* pool.c: who gets which connection. */
struct weir__pool *weir__pool_of(struct weir_http_client *c, struct weir_origin *o);
void weir__pool_assign(struct weir_http_call *call); /* a connection, a dial, a wait or a failure */
void weir__pool_next(struct weir__pool *p); /* serves who waits, as far as the cap allows */
void weir__pool_drop(struct weir__pool *p); /* with all its connections; calls are gone */

/* client_conn.c: one connection. */
void weir__conn_dial(struct weir__pool *p, struct weir_http_call *call);
int weir__conn_begin(struct weir__conn *conn, struct weir_http_call *call); /* hands it the call */
void weir__conn_close(struct weir__conn *conn);

/* client_tunnel.c: the way through an egress proxy. */
int weir__tunnel_begin(struct weir__conn *conn); /* sends CONNECT. WEIR_ECLOSED: it can't be sent */
/* WEIR_EAGAIN: the head is not whole yet; WEIR_OK: the tunnel stands; WEIR_ECONNECT: *cause says
 * why it doesn't. */
int weir__tunnel_bytes(struct weir__conn *conn, const char *p, size_t n, const char **cause);
void weir__tunnel_end(struct weir__conn *conn); /* fine when there is none */
/* The request for it, on the heap; NULL: the user's name or password can't be sent. */
char *weir__tunnel_request(struct weir_str host, uint16_t port, struct weir_str user);

/* client_parse.c: what arrives on a connection. */
void weir__parse_init(llhttp_settings_t *settings);
void weir__parse_begin(struct weir__conn *conn);
void weir__parse_bytes(struct weir__conn *conn, const char *p, size_t n);
void weir__parse_eof(struct weir__conn *conn);
void weir__parse_free_head(struct weir__conn *conn);

/* client.c: calls. */
void weir__client_arm(struct weir_http_client *c, uint64_t due_ms);
void weir__call_enter(struct weir_http_call *call, enum weir_http_phase phase);
void weir__call_fail(struct weir_http_call *call, int rc, const char *cause);       /* now */
void weir__call_fail_later(struct weir_http_call *call, int rc, const char *cause); /* by timer */
void weir__call_end(struct weir_http_call *call);

#endif
