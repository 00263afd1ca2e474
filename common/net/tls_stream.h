/* tls_stream.h - a connected stream (TCP or Unix), plain or with TLS on it, with one face for both.
 *
 * One loop's thread. The owner embeds nothing: closing is immediate and detaches the libuv handle,
 * which frees itself later, so the stream's owner may be freed right after. */
#ifndef WEIR_NET_TLS_STREAM_H
#define WEIR_NET_TLS_STREAM_H

#include <uv.h>

#include "net/tls.h"

/* A handle with room for the operations on it. data pointers are private. */
struct weir_socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;

    uv_connect_t connect;
    uv_write_t write;
    void *owner; /* NULL once it is closing: callbacks then only return */
};

struct weir_socket *weir_socket_create(void);  /* zeroed; then init u.tcp or u.pipe */
void weir_socket_close(struct weir_socket *s); /* closes the descriptor now, frees itself later */

/* Read memory that many streams of a loop share: what is read is used up before the next read. */
struct weir_read_buf {
    char *p;
    size_t n;
};

struct weir_tls_stream;

struct weir_tls_stream_events {
    void (*on_ready)(void *arg, int rc); /* TLS handshake over; never for a plain stream */
    void (*on_data)(void *arg, const char *p, size_t n);
    void (*on_batch)(void *arg);        /* after the on_data of one read; may be NULL */
    void (*on_sent)(void *arg, int rc); /* a send that said WEIR_EWAIT is over */
    /* Once: the peer's orderly end (WEIR_ECLOSED), or a reset, a TLS stream cut without a goodbye
     * (WEIR_EIO), or a broken record (WEIR_ETLS). The owner still has to close. */
    void (*on_closed)(void *arg, int rc);
    void (*on_ticket)(void *arg, struct weir_tls_ticket *ticket); /* receiver owns; may be NULL */
};

/* Takes over a connected socket. read_buf is borrowed and outlives the stream. */
struct weir_tls_stream *weir_tls_stream_create(struct weir_socket *s,
                                               struct weir_read_buf *read_buf,
                                               const struct weir_tls_stream_events *events,
                                               void *arg);
/* Puts TLS on it and starts the handshake. An error: nothing will be called. */
WEIR_NODISCARD int weir_tls_stream_start_tls(struct weir_tls_stream *t,
                                             struct weir_tls_context *ctx, struct weir_str host,
                                             const struct weir_tls_ticket *ticket);
/* Closes at once, frees, calls nothing any more. Fine from inside a callback. NULL is fine. */
void weir_tls_stream_close(struct weir_tls_stream *t);

WEIR_NODISCARD int weir_tls_stream_read_start(struct weir_tls_stream *t); /* idempotent */
void weir_tls_stream_read_stop(struct weir_tls_stream *t);

/* Sends bufs in order, one send at a time. WEIR_OK: the kernel has it all. WEIR_EWAIT: on_sent
 * follows; array and bytes stay borrowed until then or until close. Else: failed. */
WEIR_NODISCARD int weir_tls_stream_send(struct weir_tls_stream *t, uv_buf_t *bufs, unsigned n);
bool weir_tls_stream_sent_any(const struct weir_tls_stream *t); /* of the last send */

const struct weir_tls *weir_tls_stream_tls(const struct weir_tls_stream *t); /* NULL when plain */

#endif
