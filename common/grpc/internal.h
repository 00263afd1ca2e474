/* internal.h - what the files of this module share. */
#ifndef WEIR_GRPC_INTERNAL_H
#define WEIR_GRPC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/byte_buffer_reader.h>

#include "base/mem.h"
#include "grpc/rpc.h"

/* A tag of the completion queue: done runs on its thread. */
struct weir__grpc_op {
    void (*done)(void *owner, bool ok);
    void *owner;
};

enum weir__grpc_event_kind {
    WEIR__GRPC_CALL,
    WEIR__GRPC_OPEN,
    WEIR__GRPC_MESSAGE,
    WEIR__GRPC_END,
    WEIR__GRPC_CLOSE,
    WEIR__GRPC_SERVER_DOWN,
    WEIR__GRPC_ENDPOINT_DOWN,
};

/* On its way from the queue's thread to the loop. */
struct weir__grpc_event {
    struct weir__grpc_event *next;
    enum weir__grpc_event_kind kind;
    struct weir_grpc_stream *stream;
    struct weir_grpc_server *server;
    ProtobufCMessage *message;
    size_t bytes;
};

struct weir__grpc_server_tls;

struct weir_grpc {
    uv_loop_t *loop;
    uv_async_t async;
    grpc_completion_queue *cq;
    pthread_t thread;
    pthread_mutex_t lock; /* of the list below */
    struct weir__grpc_event *first, **last;
    void (*done)(void *arg);
    void *done_arg;
    struct weir__grpc_server_tls *server_tls; /* list; the loop */
};

struct weir_grpc_msg {
    atomic_uint refs;
    grpc_slice slice;
};

struct weir__grpc_queued {
    struct weir__grpc_queued *next;
    struct weir_grpc_msg *msg;
};

struct weir_grpc_stream {
    struct weir_grpc *g;
    struct weir_grpc_server *server; /* NULL: a client's stream */
    grpc_call *call;                 /* released on the loop, after everything else */
    const struct weir_grpc_handler *handler;
    void *arg;

    pthread_mutex_t lock; /* all below, until closed */
    unsigned pending;     /* batches that gRPC has and has not returned */
    bool terminal;        /* no new batch may be started */
    bool closed;          /* the close event is on its way */
    bool sending, receiving, recv_ended, paused;
    bool finishing, finish_started;
    unsigned inbox_count; /* delivered to the loop, not consumed yet */
    size_t inbox_bytes;
    struct weir__grpc_queued *queue, **queue_last;
    size_t queued_bytes, max_queue_bytes;
    int status, finish_status, cancelled;
    char *reason, *finish_reason;

    struct weir__grpc_op op_open, op_recv, op_send, op_finish, op_end;
    grpc_byte_buffer *recv_buffer, *send_buffer;
    grpc_metadata_array initial, trailing;
    grpc_status_code call_status;
    grpc_slice call_reason;

    struct weir_grpc_peer peer;
    char *method, *peer_uri, *peer_address;
};

/* server_tls.c. They live as long as the endpoint: gRPC gives no sign when it is done with one.
 * NULL, WEIR_EINVAL: a text is missing. */
struct weir__grpc_server_tls *weir__grpc_server_tls_new(struct weir_grpc *g,
                                                        const struct weir_grpc_tls *tls);
WEIR_NODISCARD int weir__grpc_server_tls_set(struct weir__grpc_server_tls *t,
                                             const struct weir_grpc_tls *tls);
grpc_server_credentials *weir__grpc_server_tls_credentials(struct weir__grpc_server_tls *t);
void weir__grpc_server_tls_free_all(struct weir_grpc *g);

void weir__grpc_post(struct weir_grpc *g, enum weir__grpc_event_kind kind,
                     struct weir_grpc_stream *s, struct weir_grpc_server *server,
                     ProtobufCMessage *m, size_t bytes);

struct weir_grpc_stream *weir__grpc_stream_new(struct weir_grpc *g, grpc_call *call);
void weir__grpc_stream_free(struct weir_grpc_stream *s);
/* Starts the batches that every call has: its opening, its end and the first receive. */
void weir__grpc_stream_start(struct weir_grpc_stream *s);
void weir__grpc_stream_event(struct weir__grpc_event *e);

/* The arguments that both sides set; out has room for WEIR__GRPC_ARGS. */
enum { WEIR__GRPC_ARGS = 20 };

size_t weir__grpc_common_args(grpc_arg out[WEIR__GRPC_ARGS]);
grpc_arg weir__grpc_int_arg(const char *key, int value);
grpc_arg weir__grpc_str_arg(const char *key, const char *value);

void weir__grpc_server_accept(struct weir_grpc_stream *s);
void weir__grpc_server_down(struct weir_grpc_server *v);
void weir__grpc_server_stream_gone(struct weir_grpc_server *v);

#endif
