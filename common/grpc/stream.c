/* stream.c - one call, on either side.
 *
 * The queue's thread re-arms the receive and chains the sends; the loop queues messages and
 * consumes what was received. One batch of each kind is under way at a time. When gRPC has returned
 * them all and the call has ended, the close event goes to the loop as the last one of the stream.
 */
#include "grpc/internal.h"

#include <string.h>

enum {
    INBOX_COUNT = 256,     /* unconsumed messages after which the receive is not re-armed */
    INBOX_BYTES = 8 << 20, /* likewise, packed */
    UNPACK_FACTOR = 32,    /* unpacked bytes allowed for one packed byte */
    UNPACK_SLACK = 1 << 16,
};

static const char OPENING_KEY[] = "weir-protocol";

static void on_opened(void *owner, bool ok);
static void on_received(void *owner, bool ok);
static void on_sent(void *owner, bool ok);
static void on_finished(void *owner, bool ok);
static void on_ended(void *owner, bool ok);

struct weir_grpc_stream *weir__grpc_stream_new(struct weir_grpc *g, grpc_call *call)
{
    struct weir_grpc_stream *s = WEIR_NEW(struct weir_grpc_stream);

    s->g = g;
    s->call = call;
    s->queue_last = &s->queue;
    s->max_queue_bytes = WEIR_GRPC_SEND_QUEUE_BYTES;
    pthread_mutex_init(&s->lock, NULL);
    s->op_open = (struct weir__grpc_op){on_opened, s};
    s->op_recv = (struct weir__grpc_op){on_received, s};
    s->op_send = (struct weir__grpc_op){on_sent, s};
    s->op_finish = (struct weir__grpc_op){on_finished, s};
    s->op_end = (struct weir__grpc_op){on_ended, s};
    grpc_metadata_array_init(&s->initial);
    grpc_metadata_array_init(&s->trailing);
    s->call_reason = grpc_empty_slice();
    return s;
}

static void drop_queue(struct weir_grpc_stream *s)
{
    while (s->queue) {
        struct weir__grpc_queued *q = s->queue;

        s->queue = q->next;
        weir_grpc_msg_unref(q->msg);
        free(q);
    }
    s->queue_last = &s->queue;
    s->queued_bytes = 0;
}

void weir__grpc_stream_free(struct weir_grpc_stream *s)
{
    drop_queue(s);
    if (s->call)
        grpc_call_unref(s->call);
    grpc_metadata_array_destroy(&s->initial);
    grpc_metadata_array_destroy(&s->trailing);
    grpc_slice_unref(s->call_reason);
    pthread_mutex_destroy(&s->lock);
    free(s->reason);
    free(s->finish_reason);
    free(s->method);
    free(s->peer_uri);
    free(s->peer_address);
    free(s);
}

/* With the lock held, like all that start or end a batch. */
static void start(struct weir_grpc_stream *s, const grpc_op *ops, size_t n,
                  struct weir__grpc_op *tag)
{
    grpc_call_error err = grpc_call_start_batch(s->call, ops, n, tag, NULL);

    WEIR_ASSERT(err == GRPC_CALL_OK);
    s->pending++;
}

static void start_receive(struct weir_grpc_stream *s)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    if (s->receiving || s->recv_ended || s->paused || s->terminal ||
        s->inbox_count >= INBOX_COUNT || s->inbox_bytes >= INBOX_BYTES)
        return;
    op.data.recv_message.recv_message = &s->recv_buffer;
    s->receiving = true;
    start(s, &op, 1, &s->op_recv);
}

static void start_finish(struct weir_grpc_stream *s)
{
    grpc_op op = {0};
    grpc_slice details = grpc_empty_slice();

    s->finish_started = true;
    if (s->server) {
        details = grpc_slice_from_copied_string(s->finish_reason ? s->finish_reason : "");
        op.op = GRPC_OP_SEND_STATUS_FROM_SERVER;
        op.data.send_status_from_server.status = (grpc_status_code)s->finish_status;
        op.data.send_status_from_server.status_details = &details;
    } else {
        op.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    }
    start(s, &op, 1, &s->op_finish);
    grpc_slice_unref(details);
}

static void start_send(struct weir_grpc_stream *s)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    struct weir__grpc_queued *q = s->queue;

    if (s->terminal) {
        drop_queue(s);
        return;
    }
    if (s->sending || s->finish_started)
        return;
    if (!q) {
        if (s->finishing)
            start_finish(s);
        return;
    }
    s->queue = q->next;
    if (!s->queue)
        s->queue_last = &s->queue;
    s->send_buffer = grpc_raw_byte_buffer_create(&q->msg->slice, 1);
    op.data.send_message.send_message = s->send_buffer;
    s->sending = true;
    start(s, &op, 1, &s->op_send);
    s->queued_bytes -= weir_grpc_msg_bytes(q->msg);
    weir_grpc_msg_unref(q->msg);
    free(q);
}

void weir__grpc_stream_start(struct weir_grpc_stream *s)
{
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {0}};
    grpc_op end = {0};
    grpc_metadata opening = {.key = grpc_slice_from_static_string(OPENING_KEY),
                             .value = grpc_slice_from_static_string("1")};

    pthread_mutex_lock(&s->lock);
    if (s->server) {
        ops[0].data.send_initial_metadata.count = 1;
        ops[0].data.send_initial_metadata.metadata = &opening;
        end.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
        end.data.recv_close_on_server.cancelled = &s->cancelled;
        start(s, &end, 1, &s->op_end);
        start(s, ops, 1, &s->op_open);
    } else {
        end.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
        end.data.recv_status_on_client.trailing_metadata = &s->trailing;
        end.data.recv_status_on_client.status = &s->call_status;
        end.data.recv_status_on_client.status_details = &s->call_reason;
        start(s, &end, 1, &s->op_end);
        ops[1].op = GRPC_OP_RECV_INITIAL_METADATA;
        ops[1].data.recv_initial_metadata.recv_initial_metadata = &s->initial;
        start(s, ops, 2, &s->op_open);
    }
    start_receive(s);
    pthread_mutex_unlock(&s->lock);
}

/* A batch came back. Takes the lock over and releases it. */
static void returned(struct weir_grpc_stream *s)
{
    bool close;

    s->pending--;
    close = s->terminal && s->pending == 0 && !s->closed;
    if (close)
        s->closed = true;
    pthread_mutex_unlock(&s->lock);
    if (close)
        weir__grpc_post(s->g, WEIR__GRPC_CLOSE, s, NULL, NULL, 0);
}

/* A call that failed before it reached a server has opening metadata too, but not this. */
static bool taken(const struct weir_grpc_stream *s)
{
    for (size_t i = 0; i < s->initial.count; i++)
        if (grpc_slice_str_cmp(s->initial.metadata[i].key, OPENING_KEY) == 0)
            return true;
    return false;
}

static void on_opened(void *owner, bool ok)
{
    struct weir_grpc_stream *s = owner;

    if (ok && !s->server && taken(s))
        weir__grpc_post(s->g, WEIR__GRPC_OPEN, s, NULL, NULL, 0);
    pthread_mutex_lock(&s->lock); /* a failure shows in the call's end */
    returned(s);
}

static void on_sent(void *owner, bool ok)
{
    struct weir_grpc_stream *s = owner;

    pthread_mutex_lock(&s->lock);
    grpc_byte_buffer_destroy(s->send_buffer);
    s->send_buffer = NULL;
    s->sending = false;
    if (!ok)
        drop_queue(s);
    start_send(s);
    returned(s);
}

static void on_finished(void *owner, bool ok)
{
    struct weir_grpc_stream *s = owner;

    (void)ok;
    pthread_mutex_lock(&s->lock);
    returned(s);
}

static void on_ended(void *owner, bool ok)
{
    struct weir_grpc_stream *s = owner;

    (void)ok;
    pthread_mutex_lock(&s->lock);
    s->terminal = true;
    drop_queue(s);
    if (s->server) {
        s->status = s->cancelled ? WEIR_GRPC_CANCELLED : s->finish_status;
    } else {
        s->status = (int)s->call_status;
        s->reason = weir_strdup((struct weir_str){
            (const char *)GRPC_SLICE_START_PTR(s->call_reason), GRPC_SLICE_LENGTH(s->call_reason)});
    }
    returned(s);
}

struct budget {
    size_t left;
};

static void *budget_alloc(void *data, size_t n)
{
    struct budget *b = data;

    if (n > b->left)
        return NULL;
    b->left -= n;
    return malloc(n ? n : 1);
}

static void budget_free(void *data, void *p)
{
    (void)data;
    free(p);
}

/* A few bytes on the wire can ask for a large struct: what unpacking may allocate is bounded. */
static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type, grpc_byte_buffer *bytes,
                                size_t *out_bytes)
{
    grpc_byte_buffer_reader reader;
    grpc_slice all;
    struct budget budget;
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    ProtobufCMessage *m;

    if (!grpc_byte_buffer_reader_init(&reader, bytes))
        return NULL;
    all = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    *out_bytes = GRPC_SLICE_LENGTH(all);
    budget.left = *out_bytes * UNPACK_FACTOR + UNPACK_SLACK;
    m = protobuf_c_message_unpack(type, &allocator, *out_bytes, GRPC_SLICE_START_PTR(all));
    grpc_slice_unref(all);
    return m;
}

static void on_received(void *owner, bool ok)
{
    struct weir_grpc_stream *s = owner;
    grpc_byte_buffer *bytes = s->recv_buffer; /* ours while the receive is not re-armed */
    ProtobufCMessage *m = NULL;
    size_t n = 0;
    bool end = !ok || !bytes;

    s->recv_buffer = NULL;
    if (bytes) {
        if (ok)
            m = unpack(s->handler->in, bytes, &n);
        grpc_byte_buffer_destroy(bytes);
    }
    if (!end && !m) {
        grpc_call_cancel_with_status(s->call, GRPC_STATUS_INTERNAL, "unreadable message", NULL);
        end = true;
    }
    if (m)
        weir__grpc_post(s->g, WEIR__GRPC_MESSAGE, s, NULL, m, n);
    else if (s->server)
        weir__grpc_post(s->g, WEIR__GRPC_END, s, NULL, NULL, 0);
    pthread_mutex_lock(&s->lock);
    s->receiving = false;
    if (end) {
        s->recv_ended = true;
    } else {
        s->inbox_count++;
        s->inbox_bytes += n;
        start_receive(s);
    }
    returned(s);
}

static void consumed(struct weir_grpc_stream *s, size_t bytes)
{
    pthread_mutex_lock(&s->lock);
    s->inbox_count--;
    s->inbox_bytes -= bytes;
    start_receive(s);
    pthread_mutex_unlock(&s->lock);
}

void weir__grpc_stream_event(struct weir__grpc_event *e)
{
    struct weir_grpc_stream *s = e->stream;
    struct weir_grpc_server *server = s->server;

    switch (e->kind) {
    case WEIR__GRPC_MESSAGE:
        s->handler->on_message(s->arg, s, e->message);
        consumed(s, e->bytes);
        break;
    case WEIR__GRPC_OPEN:
        if (s->handler->on_open)
            s->handler->on_open(s->arg, s);
        break;
    case WEIR__GRPC_END:
        if (s->handler->on_end)
            s->handler->on_end(s->arg, s);
        else
            weir_grpc_finish(s, WEIR_GRPC_OK, NULL);
        break;
    default:
        s->handler->on_close(s->arg, s, s->status, s->reason ? s->reason : "");
        weir__grpc_stream_free(s);
        if (server)
            weir__grpc_server_stream_gone(server);
        break;
    }
}

int weir_grpc_send_msg(struct weir_grpc_stream *s, struct weir_grpc_msg *m)
{
    size_t n = weir_grpc_msg_bytes(m);
    int rc = WEIR_OK;

    pthread_mutex_lock(&s->lock);
    if (s->terminal || s->finishing) {
        rc = WEIR_ECLOSED;
    } else if (s->queued_bytes + n > s->max_queue_bytes && s->queue) {
        rc = WEIR_ELIMIT;
    } else {
        struct weir__grpc_queued *q = WEIR_NEW(struct weir__grpc_queued);

        q->msg = weir_grpc_msg_ref(m);
        *s->queue_last = q;
        s->queue_last = &q->next;
        s->queued_bytes += n;
        start_send(s);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

int weir_grpc_send(struct weir_grpc_stream *s, const ProtobufCMessage *m)
{
    struct weir_grpc_msg *msg = weir_grpc_msg_pack(m);
    int rc = weir_grpc_send_msg(s, msg);

    weir_grpc_msg_unref(msg);
    return rc;
}

void weir_grpc_finish(struct weir_grpc_stream *s, int status, const char *reason)
{
    pthread_mutex_lock(&s->lock);
    if (!s->terminal && !s->finishing) {
        s->finishing = true;
        s->finish_status = status;
        s->finish_reason = reason ? weir_strdup(weir_str_of(reason)) : NULL;
        start_send(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void weir_grpc_cancel(struct weir_grpc_stream *s, int status, const char *reason)
{
    grpc_call_cancel_with_status(s->call, (grpc_status_code)status, reason ? reason : "", NULL);
}

void weir_grpc_pause(struct weir_grpc_stream *s, bool paused)
{
    pthread_mutex_lock(&s->lock);
    s->paused = paused;
    start_receive(s);
    pthread_mutex_unlock(&s->lock);
}

void weir_grpc_set_queue_bytes(struct weir_grpc_stream *s, size_t max_bytes)
{
    pthread_mutex_lock(&s->lock);
    s->max_queue_bytes = max_bytes;
    pthread_mutex_unlock(&s->lock);
}

size_t weir_grpc_queued_bytes(struct weir_grpc_stream *s)
{
    size_t n;

    pthread_mutex_lock(&s->lock);
    n = s->queued_bytes;
    pthread_mutex_unlock(&s->lock);
    return n;
}
