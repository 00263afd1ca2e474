/* server.c - listening, and new calls.
 *
 * Several requests for a call are kept with gRPC, so that a burst of connections is taken without a
 * round trip to the loop for each. */
#include "grpc/internal.h"

#include <stdio.h>
#include <string.h>

enum { SLOTS = 32, METHOD_BYTES = 128 };

struct slot {
    struct weir__grpc_op op;
    struct weir_grpc_server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

struct weir_grpc_server {
    struct weir_grpc *g;
    grpc_server *server;
    weir_grpc_accept_fn accept;
    void *arg;
    struct weir__grpc_server_tls *tls; /* the endpoint's; NULL: a Unix socket only */
    int port;
    struct slot slots[SLOTS];
    struct weir__grpc_op op_shutdown;
    unsigned waiting; /* the queue's thread: slots with gRPC, and the shutdown */
    bool stopping;    /* written before the shutdown, read by the queue's thread */
    size_t streams;   /* the loop: streams not closed yet */
    bool down;        /* the loop: gRPC has given everything back */
    void (*done)(void *arg);
    void *done_arg;
};

static void request_call(struct slot *slot)
{
    struct weir_grpc_server *v = slot->server;

    grpc_call_details_init(&slot->details);
    grpc_metadata_array_init(&slot->metadata);
    slot->call = NULL;
    grpc_server_request_call(v->server, &slot->call, &slot->details, &slot->metadata, v->g->cq,
                             v->g->cq, &slot->op);
}

static void slot_done(struct weir_grpc_server *v)
{
    if (--v->waiting == 0)
        weir__grpc_post(v->g, WEIR__GRPC_SERVER_DOWN, NULL, v, NULL, 0);
}

static void on_call(void *owner, bool ok)
{
    struct slot *slot = owner;
    struct weir_grpc_server *v = slot->server;
    struct weir_grpc_stream *s;
    size_t n = GRPC_SLICE_LENGTH(slot->details.method);

    if (ok) {
        s = weir__grpc_stream_new(v->g, slot->call);
        s->server = v;
        s->method =
            weir_strdup((struct weir_str){(const char *)GRPC_SLICE_START_PTR(slot->details.method),
                                          n < METHOD_BYTES ? n : METHOD_BYTES});
        weir__grpc_post(v->g, WEIR__GRPC_CALL, s, NULL, NULL, 0);
    }
    grpc_call_details_destroy(&slot->details);
    grpc_metadata_array_destroy(&slot->metadata);
    if (ok)
        request_call(slot); /* after a shutdown it comes straight back with ok false */
    else
        slot_done(v);
}

static void on_shutdown(void *owner, bool ok)
{
    (void)ok;
    slot_done(owner);
}

static int add_ports(struct weir_grpc_server *v, const struct weir_grpc_listen *l)
{
    grpc_server_credentials *creds;
    char unix_address[256];
    int n;

    if (l->unix_path) {
        n = snprintf(unix_address, sizeof unix_address, "unix:%s", l->unix_path);
        if (n < 0 || (size_t)n >= sizeof unix_address)
            return WEIR_EINVAL;
        creds = grpc_insecure_server_credentials_create();
        n = grpc_server_add_http2_port(v->server, unix_address, creds);
        grpc_server_credentials_release(creds);
        if (n == 0)
            return WEIR_EIO;
    }
    if (l->address) {
        v->tls = weir__grpc_server_tls_new(v->g, l->tls);
        creds = v->tls ? weir__grpc_server_tls_credentials(v->tls) : NULL;
        if (!creds)
            return WEIR_EINVAL;
        v->port = grpc_server_add_http2_port(v->server, l->address, creds);
        grpc_server_credentials_release(creds);
        if (v->port == 0)
            return WEIR_EIO;
    }
    return l->unix_path || l->address ? WEIR_OK : WEIR_EINVAL;
}

int weir_grpc_server_create(struct weir_grpc *g, const struct weir_grpc_listen *l,
                            weir_grpc_accept_fn accept, void *arg, struct weir_grpc_server **out)
{
    grpc_arg list[WEIR__GRPC_ARGS];
    grpc_channel_args args = {weir__grpc_common_args(list), list};
    struct weir_grpc_server *v = WEIR_NEW(struct weir_grpc_server);
    int rc;

    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0);
    /* Below the clients' keepalive, or they would be sent away for pinging too much. */
    list[args.num_args++] =
        weir__grpc_int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10000);
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, 64);
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 20000);
    v->g = g;
    v->accept = accept;
    v->arg = arg;
    v->server = grpc_server_create(&args, NULL);
    v->op_shutdown = (struct weir__grpc_op){on_shutdown, v};
    grpc_server_register_completion_queue(v->server, g->cq, NULL);
    rc = add_ports(v, l);
    grpc_server_start(v->server);
    if (rc == WEIR_OK) {
        v->waiting = SLOTS + 1;
        for (size_t i = 0; i < SLOTS; i++) {
            v->slots[i].server = v;
            v->slots[i].op = (struct weir__grpc_op){on_call, &v->slots[i]};
            request_call(&v->slots[i]);
        }
        *out = v;
        return WEIR_OK;
    }
    v->waiting = 1;
    grpc_server_shutdown_and_notify(v->server, g->cq, &v->op_shutdown);
    return rc; /* freed when the shutdown comes back */
}

int weir_grpc_server_set_tls(struct weir_grpc_server *s, const struct weir_grpc_tls *tls)
{
    return s->tls ? weir__grpc_server_tls_set(s->tls, tls) : WEIR_ESTATE;
}

int weir_grpc_server_port(const struct weir_grpc_server *s)
{
    return s->port;
}

void weir_grpc_server_destroy(struct weir_grpc_server *v, void (*done)(void *arg), void *arg)
{
    v->done = done;
    v->done_arg = arg;
    grpc_server_shutdown_and_notify(v->server, v->g->cq, &v->op_shutdown);
    grpc_server_cancel_all_calls(v->server);
}

static void maybe_gone(struct weir_grpc_server *v)
{
    void (*done)(void *) = v->done;
    void *arg = v->done_arg;

    if (!v->down || v->streams > 0)
        return;
    grpc_server_destroy(v->server);
    free(v);
    if (done)
        done(arg);
}

void weir__grpc_server_down(struct weir_grpc_server *v)
{
    v->down = true;
    maybe_gone(v);
}

void weir__grpc_server_stream_gone(struct weir_grpc_server *v)
{
    v->streams--;
    maybe_gone(v);
}

static void read_peer(struct weir_grpc_stream *s)
{
    grpc_auth_context *auth = grpc_call_auth_context(s->call);
    grpc_auth_property_iterator it;
    const grpc_auth_property *p;
    char *address = grpc_call_get_peer(s->call);

    s->peer_address = weir_strdup(weir_str_of(address));
    gpr_free(address);
    it =
        grpc_auth_context_find_properties_by_name(auth, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME);
    p = grpc_auth_property_iterator_next(&it);
    /* The only listener without TLS is the Unix socket. */
    s->peer.local = !p || strcmp(p->value, "ssl") != 0;
    if (!s->peer.local && grpc_auth_context_peer_is_authenticated(auth)) {
        it = grpc_auth_context_find_properties_by_name(auth, GRPC_PEER_URI_PROPERTY_NAME);
        p = grpc_auth_property_iterator_next(&it);
        if (p)
            s->peer_uri = weir_strdup((struct weir_str){p->value, p->value_length});
    }
    s->peer.uri = s->peer_uri;
    s->peer.address = s->peer_address;
    grpc_auth_context_release(auth);
}

const struct weir_grpc_peer *weir_grpc_peer(const struct weir_grpc_stream *s)
{
    return &s->peer;
}

static void refused_message(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    (void)arg;
    (void)s;
    protobuf_c_message_free_unpacked(m, NULL);
}

static void refused_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    (void)arg;
    (void)s;
    (void)status;
    (void)reason;
}

/* For calls that are turned away: nothing that they send is read. */
static const ProtobufCMessageDescriptor nothing = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .name = "",
    .short_name = "",
    .sizeof_message = sizeof(ProtobufCMessage),
};
static const struct weir_grpc_handler refused = {
    .in = &nothing, .on_message = refused_message, .on_close = refused_close};

void weir__grpc_server_accept(struct weir_grpc_stream *s)
{
    struct weir_grpc_server *v = s->server;
    const struct weir_grpc_handler *handler = NULL;
    void *arg = NULL;
    const char *reason = "";
    int status;

    v->streams++;
    read_peer(s);
    status = v->accept(v->arg, s, s->method, &handler, &arg, &reason);
    s->handler = status == WEIR_GRPC_OK ? handler : &refused;
    s->arg = arg;
    s->paused = status != WEIR_GRPC_OK;
    weir__grpc_stream_start(s);
    if (status != WEIR_GRPC_OK)
        weir_grpc_finish(s, status, reason);
}
