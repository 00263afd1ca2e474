/* links.c - the Budget and Telemetry streams: they carry; the ledger and the ingest decide. */
#include "controlplane/stream/internal.h"

#include "base/log.h"

enum {
    BATCHES = 8, /* given to the ingest and not answered; then the stream is not read */
};

void *weir__stream_link_new(struct weir_stream *s, struct weir_grpc_stream *stream)
{
    struct weir__stream_link *k = WEIR_NEW(struct weir__stream_link);

    k->server = s;
    k->stream = stream;
    k->id = s->next_link++;
    (void)!weir__stream_identity(weir_grpc_peer(stream), k->ns, k->node, &k->local);
    weir_grpc_set_queue_bytes(stream, s->queue_bytes);
    HASH_ADD(hh, s->links, id, sizeof k->id, k);
    s->link_count++;
    return k;
}

static void drop(struct weir__stream_link *k, int status, const char *reason)
{
    if (k->closing)
        return;
    k->closing = true;
    weir_grpc_cancel(k->stream, status, reason);
}

static struct weir_stream_identity identity_of(const struct weir__stream_link *k)
{
    return (struct weir_stream_identity){k->ns, k->node, k->local};
}

static void greet_budget(struct weir__stream_link *k, const Weir__V1__BudgetUp *up)
{
    struct weir_stream_identity id;

    if (!up->hello) {
        drop(k, WEIR_GRPC_INVALID_ARGUMENT, "the Hello comes first");
        return;
    }
    if (k->local)
        weir__stream_local_names(k->ns, k->node, NULL, up->hello->node);
    id = identity_of(k);
    k->greeted = true;
    k->session = k->server->hooks.budget_open(k->server->hooks.arg, &id, k->id);
    if (!k->session)
        drop(k, WEIR_GRPC_UNAVAILABLE, "the ledger takes no session");
}

static void on_budget(void *arg, struct weir_grpc_stream *stream, ProtobufCMessage *m)
{
    struct weir__stream_link *k = arg;
    const Weir__V1__BudgetUp *up = (const Weir__V1__BudgetUp *)m;

    (void)stream;
    if (!k->closing && !k->greeted)
        greet_budget(k, up);
    if (!k->closing && k->session && k->server->hooks.budget_up(k->session, up) != WEIR_OK)
        drop(k, WEIR_GRPC_INVALID_ARGUMENT, "the ledger refuses the message");
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_telemetry(void *arg, struct weir_grpc_stream *stream, ProtobufCMessage *m)
{
    struct weir__stream_link *k = arg;
    const Weir__V1__TelemetryUp *up = (const Weir__V1__TelemetryUp *)m;
    struct weir_stream_identity id;

    if (!k->closing && !k->greeted) {
        if (!up->hello)
            drop(k, WEIR_GRPC_INVALID_ARGUMENT, "the Hello comes first");
        else if (k->local)
            weir__stream_local_names(k->ns, k->node, up->hello->namespace_, up->hello->node);
        k->greeted = true;
    }
    id = identity_of(k);
    if (!k->closing && up->batch) {
        k->batches++;
        if (k->server->hooks.telemetry_batch(k->server->hooks.arg, &id, k->id, up->batch) !=
            WEIR_OK)
            drop(k, WEIR_GRPC_UNAVAILABLE, "the batch is not taken");
        else if (k->batches >= BATCHES)
            weir_grpc_pause(stream, true);
    }
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_close(void *arg, struct weir_grpc_stream *stream, int status, const char *reason)
{
    struct weir__stream_link *k = arg;
    struct weir_stream *s = k->server;

    (void)stream;
    (void)status;
    (void)reason;
    if (k->session)
        s->hooks.budget_close(k->session);
    HASH_DEL(s->links, k);
    s->link_count--;
    free(k);
}

const struct weir_grpc_handler weir__stream_budget = {
    .in = &weir__v1__budget_up__descriptor, .on_message = on_budget, .on_close = on_close};
const struct weir_grpc_handler weir__stream_telemetry = {
    .in = &weir__v1__telemetry_up__descriptor, .on_message = on_telemetry, .on_close = on_close};

/* A message from another thread to one stream; without one, the stream is dropped. */
struct parcel {
    struct weir_stream *s;
    uint64_t link;
    struct weir_grpc_msg *msg;
    bool ack;
};

static void deliver(void *arg)
{
    struct parcel *p = arg;
    struct weir__stream_link *k;

    HASH_FIND(hh, p->s->links, &p->link, sizeof p->link, k);
    if (k && !p->msg) {
        drop(k, WEIR_GRPC_UNAVAILABLE, "not stored");
    } else if (k && !k->closing) {
        int rc = weir_grpc_send_msg(k->stream, p->msg);

        if (rc == WEIR_ELIMIT) {
            p->s->closed_slow++;
            drop(k, WEIR_GRPC_RESOURCE_EXHAUSTED, "the proxy reads too slowly");
        }
        if (p->ack && k->batches-- == BATCHES)
            weir_grpc_pause(k->stream, false);
    }
    weir_grpc_msg_unref(p->msg);
    free(p);
}

static void post_parcel(struct weir_stream *s, uint64_t link, struct weir_grpc_msg *msg, bool ack)
{
    struct parcel *p = WEIR_NEW(struct parcel);

    *p = (struct parcel){s, link, msg, ack};
    if (weir__stream_post(s, deliver, p) != WEIR_OK) {
        weir_grpc_msg_unref(msg);
        free(p);
    }
}

void weir_stream_send_budget(struct weir_stream *s, uint64_t link,
                             const struct Weir__V1__BudgetDown *down)
{
    post_parcel(s, link, weir_grpc_msg_pack(&down->base), false);
}

void weir_stream_ack_telemetry(struct weir_stream *s, uint64_t link, const char *incarnation,
                               uint64_t sequence)
{
    Weir__V1__TelemetryAck ack = WEIR__V1__TELEMETRY_ACK__INIT;
    Weir__V1__TelemetryDown down = WEIR__V1__TELEMETRY_DOWN__INIT;

    ack.incarnation = (char *)incarnation;
    ack.has_sequence = true;
    ack.sequence = sequence;
    down.ack = &ack;
    post_parcel(s, link, weir_grpc_msg_pack(&down.base), true);
}

void weir_stream_drop(struct weir_stream *s, uint64_t link)
{
    post_parcel(s, link, NULL, false);
}
