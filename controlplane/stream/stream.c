/* stream.c - the stream thread: start, stop, who may call what, and what other threads hand over.
 */
#include "controlplane/stream/internal.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

enum {
    MAILBOX = 1 << 20,
    TICK_MS = 100,
    DRAIN_GRACE_MS = 500,
};

int weir__stream_post(struct weir_stream *s, weir_post_fn fn, void *arg)
{
    int rc = WEIR_ECLOSED;

    pthread_mutex_lock(&s->post_lock);
    if (!s->stopped)
        rc = weir_mailbox_post(s->mailbox, fn, arg);
    pthread_mutex_unlock(&s->post_lock);
    return rc;
}

int weir__stream_identity(const struct weir_grpc_peer *peer, char *ns, char *node, bool *out_local)
{
    struct weir_str a, b;

    *out_local = peer->local;
    if (peer->local)
        return WEIR_OK;
    if (!peer->uri || weir_pki_parse_uri(weir_str_of(peer->uri), &a, &b) != WEIR_OK)
        return WEIR_EAUTH;
    snprintf(ns, WEIR__STREAM_NAME_BYTES, "%.*s", WEIR_STR_ARG(a));
    snprintf(node, WEIR__STREAM_NAME_BYTES, "%.*s", WEIR_STR_ARG(b));
    return WEIR_OK;
}

void weir__stream_local_names(char *ns, char *node, const char *said_ns, const char *said_node)
{
    snprintf(ns, WEIR__STREAM_NAME_BYTES, "%s", said_ns && *said_ns ? said_ns : "default");
    snprintf(node, WEIR__STREAM_NAME_BYTES, "%s", said_node && *said_node ? said_node : "local");
}

static int accept_call(void *arg, struct weir_grpc_stream *stream, const char *method,
                       const struct weir_grpc_handler **handler, void **handler_arg,
                       const char **reason)
{
    struct weir_stream *s = arg;
    char ns[WEIR__STREAM_NAME_BYTES], node[WEIR__STREAM_NAME_BYTES];
    bool local, enroll = strcmp(method, "/weir.v1.Control/Enroll") == 0;

    if (s->draining) {
        *reason = "this replica is going away";
        return WEIR_GRPC_UNAVAILABLE;
    }
    if (!enroll && weir__stream_identity(weir_grpc_peer(stream), ns, node, &local) != WEIR_OK) {
        *reason = "a certificate with a proxy's name is needed; enrol first";
        return WEIR_GRPC_UNAUTHENTICATED;
    }
    if (s->link_count >= 2 * s->max_proxies + 16) {
        *reason = "too many streams";
        return WEIR_GRPC_RESOURCE_EXHAUSTED;
    }
    if (strcmp(method, "/weir.v1.Control/Config") == 0) {
        *handler = &weir__stream_config;
        *handler_arg = weir__stream_session_new(s, stream);
    } else if (strcmp(method, "/weir.v1.Control/Budget") == 0 && s->hooks.budget_open) {
        *handler = &weir__stream_budget;
        *handler_arg = weir__stream_link_new(s, stream);
    } else if (strcmp(method, "/weir.v1.Control/Telemetry") == 0 && s->hooks.telemetry_batch) {
        *handler = &weir__stream_telemetry;
        *handler_arg = weir__stream_link_new(s, stream);
    } else if (enroll && s->ca) {
        *handler = &weir__stream_enroll;
        *handler_arg = weir__stream_enrolment_new(s, stream);
    } else {
        *reason = "no such call here";
        return WEIR_GRPC_UNIMPLEMENTED;
    }
    return WEIR_GRPC_OK;
}

static void on_grpc_gone(void *arg)
{
    struct weir_stream *s = arg;

    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->debounce, NULL);
    uv_close((uv_handle_t *)&s->pusher, NULL);
    pthread_mutex_lock(&s->post_lock);
    s->stopped = true;
    pthread_mutex_unlock(&s->post_lock);
    weir_mailbox_destroy(s->mailbox);
}

static void on_listener_gone(void *arg)
{
    struct weir_stream *s = arg;

    weir_grpc_destroy(s->grpc, on_grpc_gone, s);
}

static void shut(struct weir_stream *s)
{
    s->down = true;
    weir_grpc_server_destroy(s->listener, on_listener_gone, s);
}

/* Not one that refuses to answer, but one that does not even read. */
static void close_if_slow(struct weir_stream *s, struct weir__stream_session *x, int64_t now)
{
    if (!x->outstanding || now - x->sent_ms < s->slow_ms || weir_grpc_queued_bytes(x->stream) == 0)
        return;
    s->closed_slow++;
    x->closing = true;
    weir_grpc_cancel(x->stream, WEIR_GRPC_RESOURCE_EXHAUSTED, "the proxy does not read");
}

static void on_tick(uv_timer_t *h)
{
    struct weir_stream *s = h->data;
    int64_t now = weir_mono_ms();

    if (s->down)
        return;
    WEIR_LIST_EACH (&s->sessions, l, next) {
        struct weir__stream_session *x = WEIR_CONTAINER(l, struct weir__stream_session, link);

        if (!x->closing)
            close_if_slow(s, x, now);
        if (x->closing || now < x->ends_ms)
            continue;
        if (!x->record)
            weir_grpc_cancel(x->stream, WEIR_GRPC_DEADLINE_EXCEEDED, "no Hello");
        else
            weir__stream_goodbye(x, s->draining ? "draining" : "lifetime", 0, WEIR_GRPC_OK);
        x->closing = true;
    }
    weir__stream_prune(s, false);
    if (!s->draining)
        weir__stream_renew_identity(s);
    if (s->draining && s->enrolments == 0 &&
        (weir_list_empty(&s->sessions) || now >= s->drain_until_ms))
        shut(s);
}

static void *run_loop(void *arg)
{
    struct weir_stream *s = arg;

    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static int make_socket_folder(const char *path)
{
    char copy[PATH_MAX];

    if (snprintf(copy, sizeof copy, "%s", path) >= (int)sizeof copy)
        return WEIR_EINVAL;
    return weir_file_mkdirs(dirname(copy), 0700);
}

static void init(struct weir_stream *s, const struct weir_stream_options *o)
{
    s->hooks = o->hooks;
    s->certificate_ms = o->certificate_ms ? o->certificate_ms : 86400000;
    s->quiet_ms = o->quiet_ms ? o->quiet_ms : 100;
    s->quiet_max_ms = o->quiet_max_ms ? o->quiet_max_ms : 2000;
    s->lifetime_ms = o->lifetime_ms ? o->lifetime_ms : 1800000;
    s->slow_ms = o->slow_ms ? o->slow_ms : 30000;
    s->max_proxies = o->max_proxies ? o->max_proxies : 10000;
    s->queue_bytes = o->queue_bytes ? o->queue_bytes : WEIR_GRPC_SEND_QUEUE_BYTES;
    s->next_link = s->next_txn = 1;
    s->empty = weir_rendered_create();
    weir_rendered_seal(s->empty);
    s->diffs = weir__diff_cache_create();
    weir_prng_seed(&s->prng);
    weir_list_init(&s->sessions);
    weir_list_init(&s->dirty);
    pthread_mutex_init(&s->post_lock, NULL);
    pthread_mutex_init(&s->ca_lock, NULL);
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->tick);
    uv_timer_init(&s->loop, &s->debounce);
    uv_idle_init(&s->loop, &s->pusher);
    s->tick.data = s->debounce.data = s->pusher.data = s;
    s->mailbox = weir_mailbox_create(&s->loop, MAILBOX);
    WEIR_ASSERT(s->mailbox);
    s->grpc = weir_grpc_create(&s->loop);
}

static int listen_on(struct weir_stream *s, const struct weir_stream_options *o)
{
    struct weir_grpc_tls tls;
    struct weir_grpc_listen l = {.unix_path = o->unix_path, .address = o->address, .tls = &tls};
    int rc = o->unix_path ? make_socket_folder(o->unix_path) : WEIR_OK;

    if (rc == WEIR_OK && o->address)
        rc = weir__stream_open_identity(s, o);
    if (rc != WEIR_OK)
        return rc;
    tls = weir__stream_server_tls(s);
    return weir_grpc_server_create(s->grpc, &l, accept_call, s, &s->listener);
}

int weir_stream_start(const struct weir_stream_options *o, struct weir_stream **out)
{
    struct weir_stream *s = WEIR_NEW(struct weir_stream);
    int rc;

    init(s, o);
    rc = listen_on(s, o);
    if (rc != WEIR_OK) {
        weir_grpc_destroy(s->grpc, on_grpc_gone, s);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        weir_stream_free(s);
        return rc;
    }
    s->port = o->address ? weir_grpc_server_port(s->listener) : 0;
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
    rc = pthread_create(&s->thread, NULL, run_loop, s);
    WEIR_ASSERT(rc == 0);
    *out = s;
    return WEIR_OK;
}

struct stop {
    struct weir_stream *s;
    int64_t wave_ms;
};

static void begin_stop(void *arg)
{
    struct stop *stop = arg;
    struct weir_stream *s = stop->s;
    int64_t now = weir_mono_ms();

    s->draining = true;
    s->drain_until_ms = now + (stop->wave_ms > 0 ? stop->wave_ms + DRAIN_GRACE_MS : 0);
    uv_timer_stop(&s->debounce);
    WEIR_LIST_EACH (&s->sessions, l, next) {
        struct weir__stream_session *x = WEIR_CONTAINER(l, struct weir__stream_session, link);

        x->ends_ms = now + (int64_t)weir_prng_below(&s->prng, (uint64_t)stop->wave_ms + 1);
    }
    on_tick(&s->tick);
    uv_timer_start(&s->tick, on_tick, 20, 20);
}

void weir_stream_stop(struct weir_stream *s, int64_t wave_ms)
{
    struct stop stop = {s, wave_ms};

    if (weir__stream_post(s, begin_stop, &stop) == WEIR_OK)
        pthread_join(s->thread, NULL);
}

void weir_stream_free(struct weir_stream *s)
{
    if (!s)
        return;
    WEIR_ASSERT(uv_loop_close(&s->loop) == 0);
    weir__stream_prune(s, true);
    weir__stream_free_policy(&s->policy);
    weir__stream_free_policy(&s->next);
    weir_rendered_unref(s->empty);
    weir_rendered_unref(s->last_known);
    weir__diff_cache_destroy(s->diffs);
    weir__stream_close_identity(s);
    pthread_mutex_destroy(&s->post_lock);
    pthread_mutex_destroy(&s->ca_lock);
    free(s);
}

int weir_stream_port(const struct weir_stream *s)
{
    return s->port;
}

const char *weir_stream_ca(const struct weir_stream *s)
{
    return s->ca ? weir_ca_pem(s->ca) : NULL;
}

int weir_stream_new_token(struct weir_stream *s, const char *ns, int64_t valid_ms, char *out,
                          size_t out_bytes)
{
    char token[WEIR_PKI_TOKEN_BYTES], uri[WEIR_PKI_URI_BYTES];
    int rc;

    if (!s->tokens)
        return WEIR_ESTATE;
    if (out_bytes < sizeof token || valid_ms <= 0 ||
        weir_pki_uri(weir_str_of(ns), WEIR_STR("any"), uri) != WEIR_OK)
        return WEIR_EINVAL;
    weir_pki_token(token);
    rc = weir__tokens_add(s->tokens, weir_str_of(token), ns, weir_wall_ms() + valid_ms);
    if (rc == WEIR_OK)
        memcpy(out, token, sizeof token);
    weir_wipe(token, sizeof token);
    return rc;
}
