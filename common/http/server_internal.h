/* server_internal.h - what the server's own files share: the connection, its request, its output.
 *
 * Connection:
 *   IDLE -> HEAD -> HELD -> BODY -> WAIT -> IDLE ...      (HELD, BODY and WAIT are left out if
 * empty) any  -> LINGER -> CLOSED                             (last answer sent, input is read off)
 *   any  -> CLOSED
 * Whatever a handler's call changes is only noted; weir__http_attend() acts on it, at the end of
 * the callback that caused it or before the loop polls again. */
#ifndef WEIR_HTTP_SERVER_INTERNAL_H
#define WEIR_HTTP_SERVER_INTERNAL_H

#include <netinet/in.h>

#include <llhttp.h>
#include <uv.h>

#include "base/list.h"
#include "base/mem.h"
#include "http/coding.h"
#include "http/server.h"
#include "net/wheel.h"

enum {
    WEIR__HTTP_READ_BYTES = 65536,    /* the buffer that all connections of a loop read into */
    WEIR__HTTP_OUT_BLOCK = 16384,     /* with its head */
    WEIR__HTTP_OUT_SPARE = 64,        /* unused blocks that a server keeps */
    WEIR__HTTP_DIRECT_BYTES = 16384,  /* from here on a write goes to the kernel at once */
    WEIR__HTTP_DISCARD_BYTES = 65536, /* a body left unread up to this keeps the connection */
    WEIR__HTTP_IGNORE_BYTES = 262144, /* pipelined bytes that are read to see a client's FIN */
    WEIR__HTTP_LINGER_BYTES = 1 << 20,
    WEIR__HTTP_LINGER_MS = 2000,
    WEIR__HTTP_DRAIN_FRESH_MS = 1000, /* a drain waits so long for a new connection's first byte */
    WEIR__HTTP_STREAM_SHARE = 4,      /* a stream's output marks are this part of a connection's */
    WEIR__HTTP_BODY_AT_ONCE = 262144, /* more of a body is allocated only as it comes */
};

enum weir__http_state {
    WEIR__HTTP_IDLE,
    WEIR__HTTP_HEAD,
    WEIR__HTTP_HELD, /* the handler hasn't asked for the body: reading is stopped */
    WEIR__HTTP_BODY,
    WEIR__HTTP_WAIT, /* the request is complete, its answer isn't */
    WEIR__HTTP_H2,   /* carries a session of HTTP/2, whose streams are connections of their own */
    WEIR__HTTP_LINGER,
    WEIR__HTTP_CLOSED,
};

struct weir__http_out {
    struct weir__http_out *next;
    uint32_t off, n; /* the bytes from off to n wait */
    char data[WEIR__HTTP_OUT_BLOCK - 16];
};

struct weir_http_conn;
struct weir__h2;
struct weir__http_tls;

/* How bytes move: plain (server_uv.c), with TLS (server_tls.c), a stream of HTTP/2. try_write
 * returns bytes that are out of our hands, or a UV_E code. write takes over the given pieces until
 * it calls weir__http_on_written. close ends with weir__http_on_closed, later. */
struct weir__http_transport {
    int (*try_write)(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n);
    int (*write)(struct weir_http_conn *c, const uv_buf_t *bufs, unsigned n);
    size_t (*queued)(struct weir_http_conn *c);
    void (*read)(struct weir_http_conn *c, bool on);
    void (*shutdown)(struct weir_http_conn *c);
    bool (*readable)(struct weir_http_conn *c); /* do bytes wait in the kernel? */
    void (*close)(struct weir_http_conn *c, bool reset);
};

struct weir_http_conn {
    struct weir_link link;  /* in server->conns */
    struct weir_link dirty; /* in server->dirty while it wants attention */
    struct weir_http_server *server;
    struct weir__h2 *h2; /* in state H2: the session that it carries */
    const struct weir__http_transport *transport;
    struct weir__http_tls *tls; /* NULL: plain */
    struct weir_http_req *req;  /* NULL: none, or its answer is sent and its body is read off */
    enum weir__http_state state;
    unsigned busy; /* depth of callbacks that attend to it at their end */
    bool attention, reading, writing, eof, pipelined, close_after, broken, lost, served;
    bool greeted;   /* it has carried a request of HTTP/1.1, so it stays that */
    bool is_stream; /* one stream of a session rather than a socket: server_h2.h */
    int lost_rc;
    uint64_t id, ignored;
    size_t last_queued; /* what waited when the write timer was armed */
    llhttp_t parser;
    struct weir_wheel_timer read_timer, write_timer;
    struct weir__http_out *out_first, *out_last;
    size_t out_bytes, write_bytes;
    void *tag;
    uint16_t peer_port;
    char peer[INET6_ADDRSTRLEN];

    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;

    uv_write_t write_req;
    uv_shutdown_t shutdown_req;
};

struct weir__http_failure {
    unsigned status; /* 0: none */
    int rc;
    const char *code, *detail;
};

struct weir_http_req {
    struct weir_arena *arena;
    struct weir_http_conn *conn; /* NULL when done */
    struct weir_http_server *server;
    void *user;
    unsigned holds;

    char *head;
    size_t head_n, head_cap;
    struct weir_http_header *headers;
    size_t header_n, header_cap;
    struct weir_str target, path, query, host, coding;
    bool name_open, head_complete, announced, complete, keep_alive, expects, has_body, old;
    enum weir_http_method method;
    uint8_t method_code;
    int64_t content_length; /* -1: chunked */

    struct weir_http_body body;
    struct weir_http_coding *decoder;
    bool wanted, delivered;
    uint64_t wire_bytes, body_bytes; /* of the body: with and without chunk framing */
    char *stash;                     /* body bytes that came before the handler asked */
    size_t stash_n;

    struct weir__http_failure failure;
    bool started, ended, aborted, cut, bodyless, chunked, wants_writable;
    int64_t left; /* of the announced length; -1: not announced */
    struct weir_http_req_info info;
};

struct weir__http_listener {
    struct weir__http_listener *next;
    struct weir_http_server *server;

    union {
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;

    void *tag;
    bool tls;
    bool waiting; /* a connection stands in libuv because of the limit */
    bool closed;
    char *path;
};

struct weir_http_server {
    uv_loop_t *loop;
    const struct weir_http_handler *handler;
    void *arg;
    struct weir_http_limits limits;
    struct weir_http_metrics metrics;
    struct weir_http_body_pool bodies;
    struct weir_wheel *wheel;
    struct weir_arena_cache *arenas;
    bool own_wheel, own_arenas, draining, drained, closing;
    struct weir_link conns, dirty;
    struct weir_link sessions;   /* dirty connections of HTTP/2: after their streams */
    struct weir_link handshakes; /* of TLS, whose next step is due */
    struct weir_tls_context *tls;
    bool http2;
    uint32_t conn_count, req_count, listener_count, handle_count;
    size_t stream_count; /* of all sessions */
    struct weir__http_listener *listeners;
    uint64_t next_id;
    uv_prepare_t prepare;
    uv_idle_t idle; /* active while dirty: the loop must not sleep on it */
    struct weir_wheel_timer drain_timer;
    void (*on_drained)(void *arg);
    void *drained_arg;
    void (*on_closed)(void *arg);
    void *closed_arg;
    struct weir__http_out *spare;
    unsigned spare_n;
    int64_t date_s;
    char date[40]; /* "Date: ...\r\n" */
    size_t date_n;
    char read_buf[WEIR__HTTP_READ_BYTES];
};

/* server_conn.c */
void weir__http_conn_init(struct weir_http_conn *c, struct weir_http_server *s,
                          const struct weir__http_transport *t);
void weir__http_conn_timers(struct weir_http_conn *c); /* of a new one */
/* What a read brought: bytes, UV_EOF, or another UV_E code. */
void weir__http_input(struct weir_http_conn *c, ssize_t nread, const char *p);
void weir__http_lose(struct weir_http_conn *c, int rc, bool reset);
void weir__http_mark(struct weir_http_conn *c); /* attend to it soon */
void weir__http_attend(struct weir_http_conn *c);
void weir__http_on_closed(struct weir_http_conn *c); /* frees the connection */
void weir__http_set_reading(struct weir_http_conn *c, bool on);
void weir__http_req_unref(struct weir_http_req *r);
void weir__http_announce(struct weir_http_conn *c);   /* the head is complete and good */
void weir__http_start_h2(struct weir_http_conn *c);   /* a new connection, as ALPN says */
void weir__http_await_head(struct weir_http_conn *c); /* the first byte has its whole time again */
/* Nothing more is sent; what the client still sends is read off for a while if input_left. */
void weir__http_end_connection(struct weir_http_conn *c, bool input_left);

/* server_head.c: they return the bytes used; state or failure tell the rest. */
void weir__http_begin(struct weir_http_conn *c);
size_t weir__http_head_feed(struct weir_http_conn *c, const char *p, size_t n);
size_t weir__http_body_feed(struct weir_http_conn *c, const char *p, size_t n);
int weir__http_fail(struct weir_http_req *r, unsigned status, int rc, const char *code,
                    const char *detail); /* -1; the first failure stays */
void weir__http_check_head(struct weir_http_req *r, const llhttp_t *parser);
void weir__http_check_fields(struct weir_http_req *r); /* the part that all versions share */
void weir__http_add_header(struct weir_http_req *r, struct weir_str name, struct weir_str value);
void weir__http_split_target(struct weir_http_req *r);

/* server_body.c */
int weir__http_body_add(struct weir_http_req *r, const char *p, size_t n);
void weir__http_body_end(struct weir_http_req *r);

/* Streams share a connection's marks, though not to the byte: most of them wait for the provider.
 */
static inline size_t weir__http_output_mark(const struct weir_http_conn *c, size_t mark)
{
    return c->is_stream ? mark / WEIR__HTTP_STREAM_SHARE : mark;
}

/* server_out.c */
void weir__http_put(struct weir_http_conn *c, const void *p, size_t n);
void weir__http_put_direct(struct weir_http_conn *c, const uv_buf_t *pieces, unsigned n);
void weir__http_flush(struct weir_http_conn *c);
void weir__http_on_written(struct weir_http_conn *c, int status);
void weir__http_out_drop(struct weir_http_conn *c);
size_t weir__http_out_take(struct weir_http_conn *c, void *to, size_t max); /* moves them */

/* server_response.c */
void weir__http_answer_failure(struct weir_http_conn *c);
bool weir__http_is_ours(struct weir_str name);               /* only the server writes it */
struct weir_str weir__http_date(struct weir_http_server *s); /* "Date: ...\r\n" */

/* server.c */
void weir__http_wake(struct weir_http_server *s);      /* the loop must not sleep on dirty ones */
void weir__http_conn_gone(struct weir_http_server *s); /* or a listener */
void weir__http_maybe_freed(struct weir_http_server *s);

/* server_uv.c */
extern const struct weir__http_transport weir__http_uv_transport;
int weir__http_accept(struct weir__http_listener *l);
void weir__http_accept_rest(struct weir__http_listener *l);

#endif
