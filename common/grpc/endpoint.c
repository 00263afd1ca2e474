/* endpoint.c - the completion queue's thread and its mailbox to the loop; packed messages. */
#include "grpc/internal.h"

#include <signal.h>

#include "base/log.h"

void weir__grpc_post(struct weir_grpc *g, enum weir__grpc_event_kind kind,
                     struct weir_grpc_stream *s, struct weir_grpc_server *server,
                     ProtobufCMessage *m, size_t bytes)
{
    struct weir__grpc_event *e = WEIR_NEW(struct weir__grpc_event);
    bool wake;

    e->kind = kind;
    e->stream = s;
    e->server = server;
    e->message = m;
    e->bytes = bytes;
    pthread_mutex_lock(&g->lock);
    wake = g->first == NULL;
    *g->last = e;
    g->last = &e->next;
    pthread_mutex_unlock(&g->lock);
    if (wake)
        uv_async_send(&g->async);
}

static void *run_queue(void *arg)
{
    struct weir_grpc *g = arg;

    for (;;) {
        grpc_event ev = grpc_completion_queue_next(g->cq, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        struct weir__grpc_op *op = ev.tag;

        if (ev.type == GRPC_QUEUE_SHUTDOWN)
            break;
        if (ev.type == GRPC_OP_COMPLETE)
            op->done(op->owner, ev.success != 0);
    }
    weir__grpc_post(g, WEIR__GRPC_ENDPOINT_DOWN, NULL, NULL, NULL, 0);
    return NULL;
}

static void on_async_closed(uv_handle_t *h)
{
    struct weir_grpc *g = h->data;
    void (*done)(void *) = g->done;
    void *arg = g->done_arg;

    weir__grpc_server_tls_free_all(g);
    pthread_mutex_destroy(&g->lock);
    free(g);
    if (done)
        done(arg);
}

static void endpoint_down(struct weir_grpc *g)
{
    pthread_join(g->thread, NULL); /* its last act was to post this */
    grpc_completion_queue_destroy(g->cq);
    grpc_shutdown();
    uv_close((uv_handle_t *)&g->async, on_async_closed);
}

static void on_async(uv_async_t *h)
{
    struct weir_grpc *g = h->data;
    struct weir__grpc_event *e, *next;

    pthread_mutex_lock(&g->lock);
    e = g->first;
    g->first = NULL;
    g->last = &g->first;
    pthread_mutex_unlock(&g->lock);
    for (; e; e = next) {
        next = e->next;
        switch (e->kind) {
        case WEIR__GRPC_CALL:
            weir__grpc_server_accept(e->stream);
            break;
        case WEIR__GRPC_OPEN:
        case WEIR__GRPC_MESSAGE:
        case WEIR__GRPC_END:
        case WEIR__GRPC_CLOSE:
            weir__grpc_stream_event(e);
            break;
        case WEIR__GRPC_SERVER_DOWN:
            weir__grpc_server_down(e->server);
            break;
        case WEIR__GRPC_ENDPOINT_DOWN:
            endpoint_down(g);
            break;
        }
        free(e);
    }
}

struct weir_grpc *weir_grpc_create(uv_loop_t *loop)
{
    struct weir_grpc *g = WEIR_NEW(struct weir_grpc);
    sigset_t all, before;
    int rc;

    g->loop = loop;
    g->last = &g->first;
    pthread_mutex_init(&g->lock, NULL);
    rc = uv_async_init(loop, &g->async, on_async);
    WEIR_ASSERT(rc == 0);
    g->async.data = g;
    /* gRPC's threads inherit the mask: signals are for the loops. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    grpc_init();
    g->cq = grpc_completion_queue_create_for_next(NULL);
    rc = pthread_create(&g->thread, NULL, run_queue, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    WEIR_ASSERT(rc == 0);
    return g;
}

void weir_grpc_destroy(struct weir_grpc *g, void (*done)(void *arg), void *arg)
{
    g->done = done;
    g->done_arg = arg;
    grpc_completion_queue_shutdown(g->cq);
}

struct weir_grpc_msg *weir_grpc_msg_pack(const ProtobufCMessage *m)
{
    struct weir_grpc_msg *out = WEIR_NEW(struct weir_grpc_msg);

    atomic_init(&out->refs, 1);
    out->slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(m));
    protobuf_c_message_pack(m, GRPC_SLICE_START_PTR(out->slice));
    return out;
}

struct weir_grpc_msg *weir_grpc_msg_ref(struct weir_grpc_msg *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void weir_grpc_msg_unref(struct weir_grpc_msg *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1)
        return;
    grpc_slice_unref(m->slice);
    free(m);
}

size_t weir_grpc_msg_bytes(const struct weir_grpc_msg *m)
{
    return GRPC_SLICE_LENGTH(m->slice);
}

grpc_arg weir__grpc_int_arg(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)key, .value.integer = value};
}

grpc_arg weir__grpc_str_arg(const char *key, const char *value)
{
    return (grpc_arg){.type = GRPC_ARG_STRING, .key = (char *)key, .value.string = (char *)value};
}

size_t weir__grpc_common_args(grpc_arg out[WEIR__GRPC_ARGS])
{
    size_t n = 0;

    out[n++] = weir__grpc_int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, WEIR_GRPC_MAX_MESSAGE_BYTES);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, WEIR_GRPC_MAX_MESSAGE_BYTES);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 30000);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_MAX_METADATA_SIZE, 16384);
    /* Nobody asks for it, and it keeps a trace of every channel. */
    out[n++] = weir__grpc_int_arg(GRPC_ARG_ENABLE_CHANNELZ, 0);
    out[n++] = weir__grpc_int_arg(GRPC_ARG_MAX_CHANNEL_TRACE_EVENT_MEMORY_PER_NODE, 0);
    return n;
}
