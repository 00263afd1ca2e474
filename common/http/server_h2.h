/* server_h2.h - HTTP/2 towards clients (RFC 9113): one session of nghttp2 on a connection, and each
 * of its streams as a connection of its own that carries one request. The rest of the server, and
 * the handler, treat a stream like a connection of HTTP/1.1.
 *
 * Stream (its struct weir_http_conn):
 *   HEAD -> HELD -> BODY -> WAIT -> CLOSED     (HELD and BODY are left out if there is no body)
 * Request bodies: the window of a stream opens again only as its handler's body takes the bytes.
 * Answers wait in the stream's own blocks; the session pulls them as the client's windows and the
 * socket let it, so a slow reader of one stream stops that stream alone.
 * nghttp2 refuses malformed requests (pseudo-headers, connection-specific headers, lengths that
 * don't match) by RST_STREAM and never calls back into itself: nothing here is lost from inside one
 * of its callbacks but streams. */
#ifndef WEIR_HTTP_SERVER_H2_H
#define WEIR_HTTP_SERVER_H2_H

#include <nghttp2/nghttp2.h>

#include "http/server_internal.h"

enum {
    WEIR__H2_STREAM_WINDOW = 262144,   /* also what a stream holds of a body nobody asked for yet */
    WEIR__H2_SESSION_WINDOW = 1 << 20, /* all streams of a connection */
    WEIR__H2_OUT_BYTES = 65536,        /* a session has no more than this waiting for its socket */
    WEIR__H2_ACKS = 128,               /* answers to PING and SETTINGS that may wait */
    WEIR__H2_RESETS = 100,             /* streams reset in a burst, by either side for a fault */
    WEIR__H2_RESETS_PER_S = 20,
    WEIR__H2_NOISE = 1000, /* frames that bring no request further, in a burst */
    WEIR__H2_NOISE_PER_S = 200,
    WEIR__H2_QUEUE = 1000,    /* frames that wait to be sent, besides those of its streams */
    WEIR__H2_DRIBBLE = 64,    /* a window that lets fewer bytes go than this is noise */
    WEIR__H2_HEADER_ROOM = 4, /* a header list so many times over the limit ends its connection */
};

struct weir__h2_stream {
    struct weir_http_conn conn; /* first: the server frees and finds it by this */
    struct weir__h2 *session;   /* NULL: its connection is gone */
    int32_t id;
    bool closed; /* nghttp2 doesn't know it any more */
    bool half;   /* END_STREAM came, perhaps behind bytes that still wait here */
    bool last;   /* all of the answer is written: END_STREAM is due */
    size_t held_cap;
    size_t held; /* bytes in conn.req's stash, not yet given back to the stream's window */
};

/* A token bucket. */
struct weir__h2_allowance {
    int64_t left, at_ns;
};

struct weir__h2 {
    struct weir_http_conn *conn;
    nghttp2_session *ng;
    struct weir_link streams; /* by conn.link */
    struct weir_link dead;    /* likewise: freed when nothing of them is on the stack */
    size_t stream_count;
    struct weir__h2_allowance resets, noise;
    size_t list_bytes; /* of the header list that comes now, as RFC 9113 10.5.1 counts */
    bool greeted;      /* the client's SETTINGS came */
    bool noticed;      /* a drain was announced: read_timer brings the last GOAWAY */
    bool going;        /* the last GOAWAY was submitted */
    bool ending, gone;
};

/* server_h2.c: the connection's side */
void weir__h2_begin(struct weir_http_conn *c);
void weir__h2_feed(struct weir_http_conn *c, const char *p, size_t n);
void weir__h2_pump(struct weir_http_conn *c); /* what may be sent goes to c's output */
void weir__h2_idle(struct weir_http_conn *c); /* nothing was asked for too long */
void weir__h2_drain(struct weir_http_conn *c);
void weir__h2_lose_streams(struct weir_http_conn *c, int rc); /* c is closed */
void weir__h2_destroy(struct weir_http_conn *c);              /* fine without a session */
void weir__h2_touch(struct weir__h2 *s);                      /* something is to be sent */
void weir__h2_count_noise(struct weir__h2 *s); /* ends the session if there is too much of it */
void weir__h2_calm(struct weir__h2 *s);        /* ends it: GOAWAY, ENHANCE_YOUR_CALM */

/* server_h2_request.c: what a client sends on a stream */
void weir__h2_set_callbacks(nghttp2_session_callbacks *cb);
void weir__h2_stream_resume(struct weir_http_conn *c); /* the handler wants the body */
void weir__h2_stalled(struct weir_http_conn *c);       /* its header block doesn't end */

/* server_h2_response.c: what is sent on a stream */
void weir__h2_stream_init(struct weir__h2_stream *st, struct weir__h2 *s, int32_t id);
void weir__h2_stream_head(struct weir_http_req *r, unsigned status,
                          const struct weir_http_header *hdrs, size_t n, int64_t content_length);
void weir__h2_stream_continue(struct weir_http_conn *c);
void weir__h2_stream_ended(struct weir_http_conn *c); /* its request is done */

static inline struct weir__h2_stream *weir__h2_stream_of(struct weir_http_conn *c)
{
    return WEIR_CONTAINER(c, struct weir__h2_stream, conn);
}

#endif
