/* session.c - one Config stream.
 *
 *   opened -> Hello -> (transaction outstanding <-> settled by Ack or Nack) -> goodbye -> closed */
#include "controlplane/stream/internal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    HELLO_MS = 10000,
    FULL_WAIT_MS = 5000, /* and as much again at random */
};

void *weir__stream_session_new(struct weir_stream *s, struct weir_grpc_stream *stream)
{
    struct weir__stream_session *x = WEIR_NEW(struct weir__stream_session);

    x->server = s;
    x->stream = stream;
    x->ends_ms = weir_mono_ms() + HELLO_MS;
    x->acked = weir_rendered_ref(s->empty);
    (void)!weir__stream_identity(weir_grpc_peer(stream), x->ns, x->node, &x->local);
    weir_grpc_set_queue_bytes(stream, s->queue_bytes);
    weir_list_init(&x->dirty);
    weir_list_push(&s->sessions, &x->link);
    s->session_count++;
    return x;
}

void weir__stream_goodbye(struct weir__stream_session *x, const char *reason, int64_t wait_ms,
                          int status)
{
    Weir__V1__Goodbye bye = WEIR__V1__GOODBYE__INIT;
    Weir__V1__ConfigDown down = WEIR__V1__CONFIG_DOWN__INIT;

    bye.reason = (char *)reason;
    bye.has_reconnectafterms = true;
    bye.reconnectafterms = wait_ms;
    down.goodbye = &bye;
    x->closing = true;
    if (weir_grpc_send(x->stream, &down.base) != WEIR_OK)
        weir_grpc_cancel(x->stream, status, reason);
    else
        weir_grpc_finish(x->stream, status, reason);
}

static void refuse(struct weir__stream_session *x, int status, const char *reason)
{
    x->closing = true;
    weir_grpc_finish(x->stream, status, reason);
}

/* What the proxy says that it has; compared with ours by a hash of all versions. */
static struct weir_rendered *known_of(const Weir__V1__ConfigHello *h)
{
    struct weir_rendered *r = weir_rendered_create();

    for (size_t i = 0; i < h->n_known; i++) {
        const Weir__V1__ResourceVersion *v = h->known[i];

        if (v->type && v->name && v->version)
            weir_rendered_add(r, &(struct weir_rendered_resource){.type = v->type,
                                                                  .name = v->name,
                                                                  .version = v->version,
                                                                  .body = WEIR_STR("")});
    }
    weir_rendered_seal(r);
    return r;
}

/* One copy for all proxies that have the same, in a storm of reconnects above all. */
static struct weir_rendered *share(struct weir_stream *s, struct weir_rendered *known,
                                   struct weir_rendered *target)
{
    struct weir_rendered *same = NULL;
    const char *revision = weir_rendered_revision(known);

    if (target && strcmp(revision, weir_rendered_revision(target)) == 0)
        same = target;
    else if (s->last_known && strcmp(revision, weir_rendered_revision(s->last_known)) == 0)
        same = s->last_known;
    if (same) {
        weir_rendered_unref(known);
        return weir_rendered_ref(same);
    }
    weir_rendered_unref(s->last_known);
    s->last_known = weir_rendered_ref(known);
    return known;
}

static void set_text(char **to, const char *text)
{
    free(*to);
    *to = weir_strdup((struct weir_str){text ? text : "", text ? strnlen(text, 128) : 0});
}

static void mark(struct weir__stream_session *x)
{
    struct weir_stream *s = x->server;

    weir_list_remove(&x->dirty);
    weir_list_push(&s->dirty, &x->dirty);
    uv_idle_start(&s->pusher, weir__stream_push);
}

static void on_hello(struct weir__stream_session *x, const Weir__V1__ConfigHello *h)
{
    struct weir_stream *s = x->server;
    const Weir__V1__Node *node = h->node;
    struct weir_rendered *known;
    struct weir__stream_record *r;
    int64_t spread;

    if (x->record || !node)
        return refuse(x, WEIR_GRPC_INVALID_ARGUMENT, "one Hello with a node, first");
    if (node->protocolmin > WEIR__STREAM_PROTOCOL || node->protocolmax < WEIR__STREAM_PROTOCOL)
        return refuse(x, WEIR_GRPC_UNIMPLEMENTED, "no protocol version in common");
    if (s->session_count > s->max_proxies) {
        s->refused++;
        weir__stream_goodbye(x, "full",
                             FULL_WAIT_MS + (int64_t)weir_prng_below(&s->prng, FULL_WAIT_MS),
                             WEIR_GRPC_RESOURCE_EXHAUSTED);
        return;
    }
    if (x->local)
        weir__stream_local_names(x->ns, x->node, node->namespace_, node->id);
    known = share(s, known_of(h), weir__stream_target(s, x->ns));
    weir_rendered_unref(x->acked);
    x->acked = known;
    r = x->record = weir__stream_record_of(s, x);
    set_text(&r->incarnation, node->incarnation);
    set_text(&r->build, node->build);
    set_text(&r->peer, x->local ? "local" : weir_grpc_peer(x->stream)->address);
    r->workers = node->workers;
    r->connected_ms = r->last_seen_ms = weir_wall_ms();
    snprintf(r->acked_revision, sizeof r->acked_revision, "%s", weir_rendered_revision(known));
    spread = s->lifetime_ms / 5;
    x->ends_ms = weir_mono_ms() + s->lifetime_ms - spread +
                 (int64_t)weir_prng_below(&s->prng, (uint64_t)(2 * spread) + 1);
    mark(x);
}

static void settle(struct weir__stream_session *x)
{
    weir_rendered_unref(x->outstanding);
    x->outstanding = NULL;
    x->record->outstanding_since_ms = 0;
    mark(x);
}

static void on_ack(struct weir__stream_session *x, const Weir__V1__ConfigAck *a)
{
    struct weir__stream_record *r = x->record;

    if (!x->outstanding || a->txn != x->outstanding_id)
        return;
    x->server->acks++;
    weir_rendered_unref(x->acked);
    weir_rendered_unref(x->nacked);
    x->nacked = NULL;
    x->acked = weir_rendered_ref(x->outstanding);
    snprintf(r->acked_revision, sizeof r->acked_revision, "%s", weir_rendered_revision(x->acked));
    weir__stream_record_nack(r, NULL);
    settle(x);
}

static void on_nack(struct weir__stream_session *x, const Weir__V1__ConfigNack *n)
{
    struct weir__stream_record *r = x->record;

    if (!x->outstanding || n->txn != x->outstanding_id)
        return;
    x->server->nacks++;
    weir_rendered_unref(x->nacked);
    x->nacked = weir_rendered_ref(x->outstanding);
    snprintf(r->nacked_revision, sizeof r->nacked_revision, "%s",
             weir_rendered_revision(x->nacked));
    r->nacked_ms = weir_wall_ms();
    weir__stream_record_nack(r, n);
    WEIR_LOG(WEIR_LOG_WARN, "stream", "proxy %s/%s refuses policy %.12s: %s/%s: %s", r->ns, r->node,
             r->nacked_revision, r->error_count ? r->errors[0].type : "",
             r->error_count ? r->errors[0].name : "", r->error_count ? r->errors[0].reason : "");
    settle(x);
}

static void on_message(void *arg, struct weir_grpc_stream *stream, ProtobufCMessage *m)
{
    struct weir__stream_session *x = arg;
    const Weir__V1__ConfigUp *up = (const Weir__V1__ConfigUp *)m;

    (void)stream;
    if (!x->closing && up->hello)
        on_hello(x, up->hello);
    else if (!x->closing && !x->record)
        refuse(x, WEIR_GRPC_INVALID_ARGUMENT, "the Hello comes first");
    if (!x->closing && x->record) {
        x->record->last_seen_ms = weir_wall_ms();
        if (up->ack)
            on_ack(x, up->ack);
        if (up->nack)
            on_nack(x, up->nack);
        if (up->status)
            weir__stream_record_status(x->record, up->status);
    }
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_close(void *arg, struct weir_grpc_stream *stream, int status, const char *reason)
{
    struct weir__stream_session *x = arg;
    struct weir__stream_record *r = x->record;

    (void)stream;
    (void)status;
    (void)reason;
    if (r && r->session == x) {
        r->session = NULL;
        r->outstanding_since_ms = 0;
        r->last_seen_ms = weir_wall_ms();
    }
    weir_rendered_unref(x->acked);
    weir_rendered_unref(x->outstanding);
    weir_rendered_unref(x->nacked);
    weir_list_remove(&x->dirty);
    weir_list_remove(&x->link);
    x->server->session_count--;
    free(x);
}

const struct weir_grpc_handler weir__stream_config = {
    .in = &weir__v1__config_up__descriptor, .on_message = on_message, .on_close = on_close};
