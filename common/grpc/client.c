/* client.c - channels, and calls on them. */
#include "grpc/internal.h"

#include <string.h>

struct weir_grpc_channel {
    struct weir_grpc *g;
    grpc_channel *channel;
};

static grpc_channel_credentials *credentials(const struct weir_grpc_tls *tls)
{
    grpc_ssl_pem_key_cert_pair pair;

    if (!tls)
        return grpc_insecure_credentials_create();
    if (!tls->ca || !tls->certificate != !tls->key)
        return NULL;
    pair.private_key = tls->key;
    pair.cert_chain = tls->certificate;
    return grpc_ssl_credentials_create_ex(tls->ca, tls->key ? &pair : NULL, NULL, NULL);
}

int weir_grpc_channel_create(struct weir_grpc *g, const char *target,
                             const struct weir_grpc_tls *tls, struct weir_grpc_channel **out)
{
    grpc_arg list[WEIR__GRPC_ARGS];
    grpc_channel_args args = {weir__grpc_common_args(list), list};
    grpc_channel_credentials *creds;
    struct weir_grpc_channel *c;

    if (!target || (strncmp(target, "unix:", 5) == 0) != (tls == NULL))
        return WEIR_EINVAL; /* plain text never leaves the machine */
    creds = credentials(tls);
    if (!creds)
        return WEIR_EINVAL;
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_ENABLE_RETRIES, 0);
    /* The longest that one attempt to connect may take. */
    list[args.num_args++] = weir__grpc_int_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
    if (tls && tls->server_name)
        list[args.num_args++] =
            weir__grpc_str_arg(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, tls->server_name);
    if (!tls)
        list[args.num_args++] = weir__grpc_str_arg(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    c = WEIR_NEW(struct weir_grpc_channel);
    c->g = g;
    c->channel = grpc_channel_create(target, creds, &args);
    grpc_channel_credentials_release(creds);
    *out = c;
    return WEIR_OK;
}

void weir_grpc_channel_destroy(struct weir_grpc_channel *c)
{
    if (!c)
        return;
    grpc_channel_destroy(c->channel);
    free(c);
}

struct weir_grpc_stream *weir_grpc_open(struct weir_grpc_channel *c, const char *method,
                                        int64_t deadline_ms,
                                        const struct weir_grpc_handler *handler, void *arg)
{
    gpr_timespec deadline = deadline_ms > 0
                                ? gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                                               gpr_time_from_millis(deadline_ms, GPR_TIMESPAN))
                                : gpr_inf_future(GPR_CLOCK_MONOTONIC);
    grpc_slice path = grpc_slice_from_copied_string(method);
    struct weir_grpc_stream *s = weir__grpc_stream_new(
        c->g, grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->g->cq, path,
                                       NULL, deadline, NULL));

    grpc_slice_unref(path);
    s->handler = handler;
    s->arg = arg;
    weir__grpc_stream_start(s);
    return s;
}
