/* rpc.h - bidirectional gRPC streams of packed protobuf-c messages, for a libuv loop.
 *
 * An endpoint has one thread in gRPC's completion queue, which re-arms receives, chains sends and
 * unpacks messages; batches of events cross to the loop by one wake-up. Everything here is called,
 * and every callback runs, on the loop's thread. Signals are blocked for gRPC's own threads; a
 * process must not fork once an endpoint exists. */
#ifndef WEIR_GRPC_RPC_H
#define WEIR_GRPC_RPC_H

#include <protobuf-c/protobuf-c.h>
#include <uv.h>

#include "base/err.h"
#include "base/str.h"

struct weir_grpc;         /* an endpoint */
struct weir_grpc_channel; /* a client's connection */
struct weir_grpc_server;
struct weir_grpc_stream; /* one call; gone after on_close */
struct weir_grpc_msg;    /* packed bytes with a reference count, shared by many streams */

/* The status codes used here, with gRPC's own numbers. */
enum weir_grpc_status {
    WEIR_GRPC_OK = 0,
    WEIR_GRPC_CANCELLED = 1,
    WEIR_GRPC_INVALID_ARGUMENT = 3,
    WEIR_GRPC_DEADLINE_EXCEEDED = 4,
    WEIR_GRPC_PERMISSION_DENIED = 7,
    WEIR_GRPC_RESOURCE_EXHAUSTED = 8,
    WEIR_GRPC_UNIMPLEMENTED = 12,
    WEIR_GRPC_INTERNAL = 13,
    WEIR_GRPC_UNAVAILABLE = 14,
    WEIR_GRPC_UNAUTHENTICATED = 16,
};

enum {
    WEIR_GRPC_MAX_MESSAGE_BYTES = 4 << 20,
    WEIR_GRPC_SEND_QUEUE_BYTES = 8 << 20, /* default bound of one stream's queue */
};

/* PEM texts, NUL-terminated, copied. Client: ca verifies the server; certificate and key are absent
 * only to enrol. Server: ca verifies clients; one without a certificate may connect, and has no
 * identity. */
struct weir_grpc_tls {
    const char *ca, *certificate, *key;
    const char *server_name; /* client: the name that the server proves; NULL: the target's host */
};

/* Starts the thread. */
struct weir_grpc *weir_grpc_create(uv_loop_t *loop);
/* Streams must be closed, channels and servers destroyed. done runs on the loop when the thread and
 * the handles are gone; g is freed by then. */
void weir_grpc_destroy(struct weir_grpc *g, void (*done)(void *arg), void *arg);

/* Packs once; the caller holds one reference. */
struct weir_grpc_msg *weir_grpc_msg_pack(const ProtobufCMessage *m);
struct weir_grpc_msg *weir_grpc_msg_ref(struct weir_grpc_msg *m);
void weir_grpc_msg_unref(struct weir_grpc_msg *m); /* NULL is fine; any thread */
size_t weir_grpc_msg_bytes(const struct weir_grpc_msg *m);

struct weir_grpc_handler {
    const ProtobufCMessageDescriptor *in;
    /* m belongs to the callee: protobuf_c_message_free_unpacked(m, NULL). */
    void (*on_message)(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m);
    /* Client side: the server has taken the call. NULL: not told. */
    void (*on_open)(void *arg, struct weir_grpc_stream *s);
    /* The peer sends no more (server side: reply what is left and finish). NULL: finish with OK. */
    void (*on_end)(void *arg, struct weir_grpc_stream *s);
    /* Once, last, never from inside a call of this module. s is freed after it. */
    void (*on_close)(void *arg, struct weir_grpc_stream *s, int status, const char *reason);
};

/* target: "unix:/path" (tls NULL) or "host:port" (tls set). WEIR_EINVAL: neither, or bad PEM. */
WEIR_NODISCARD int weir_grpc_channel_create(struct weir_grpc *g, const char *target,
                                            const struct weir_grpc_tls *tls,
                                            struct weir_grpc_channel **out);
/* Streams may still be open; they close by themselves. NULL is fine. */
void weir_grpc_channel_destroy(struct weir_grpc_channel *c);

/* Opens a call of method ("/weir.v1.Control/Config"). deadline_ms 0: none. The handler is
 * borrowed for the stream's life. */
struct weir_grpc_stream *weir_grpc_open(struct weir_grpc_channel *c, const char *method,
                                        int64_t deadline_ms,
                                        const struct weir_grpc_handler *handler, void *arg);

/* WEIR_ELIMIT: the queue is full and nothing was queued. WEIR_ECLOSED: the stream has ended. */
WEIR_NODISCARD int weir_grpc_send(struct weir_grpc_stream *s, const ProtobufCMessage *m);
WEIR_NODISCARD int weir_grpc_send_msg(struct weir_grpc_stream *s, struct weir_grpc_msg *m);
/* After what is queued. Client: no more messages from here. Server: ends the call with a status. */
void weir_grpc_finish(struct weir_grpc_stream *s, int status, const char *reason);
/* At once; what is queued is lost. Harmless when it has ended. */
void weir_grpc_cancel(struct weir_grpc_stream *s, int status, const char *reason);
/* Stops and resumes reading, so that a slow consumer slows its peer. */
void weir_grpc_pause(struct weir_grpc_stream *s, bool paused);
void weir_grpc_set_queue_bytes(struct weir_grpc_stream *s, size_t max_bytes);
size_t weir_grpc_queued_bytes(struct weir_grpc_stream *s);

/* Who calls, proved by the transport. */
struct weir_grpc_peer {
    bool local;      /* by a Unix socket */
    const char *uri; /* the URI name of a verified certificate; NULL without one */
    const char *address;
};

const struct weir_grpc_peer *weir_grpc_peer(const struct weir_grpc_stream *s); /* server side */

/* Answers a new call: sets *handler (borrowed for the stream's life) and *arg. Any other result is
 * the status that the call is refused with, *reason a static string for it. */
typedef int (*weir_grpc_accept_fn)(void *arg, struct weir_grpc_stream *s, const char *method,
                                   const struct weir_grpc_handler **handler, void **handler_arg,
                                   const char **reason);

struct weir_grpc_listen {
    const char *unix_path; /* NULL: none; its folder must be 0700 */
    const char *address;   /* "host:port", port 0: any; NULL: none; needs tls */
    const struct weir_grpc_tls *tls;
};

/* WEIR_EINVAL: nothing to listen on or bad PEM; WEIR_EIO: an address is taken. */
WEIR_NODISCARD int weir_grpc_server_create(struct weir_grpc *g, const struct weir_grpc_listen *l,
                                           weir_grpc_accept_fn accept, void *arg,
                                           struct weir_grpc_server **out);
/* Another certificate (and CA) for handshakes from now on; open connections stay. Copied. When gRPC
 * can't use it the one before goes on. WEIR_EINVAL: a text is missing. WEIR_ESTATE: no TLS here. */
WEIR_NODISCARD int weir_grpc_server_set_tls(struct weir_grpc_server *s,
                                            const struct weir_grpc_tls *tls);
int weir_grpc_server_port(const struct weir_grpc_server *s); /* of address */
/* Refuses new calls, cancels the open ones; done runs when all have closed; s is freed by then. */
void weir_grpc_server_destroy(struct weir_grpc_server *v, void (*done)(void *arg), void *arg);

#endif
