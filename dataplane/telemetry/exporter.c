/* exporter.c - posts spans to a collector as OTLP over HTTP: one request at a time, repeated with
 * growing delays when the collector says that it may be (OTLP 1.x, section "Retryable response
 * codes"). */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "dataplane/telemetry/sink_internal.h"
#include "http/client.h"
#include "http/url.h"

enum {
    BYTES_MAX = 8 << 20,
    EVERY_MS = 1000,
    SEND_SPANS = 512, /* that many don't wait for the timer */
    TRIES_MAX = 5,
    BACKOFF_MS = 1000,
    BACKOFF_MAX_MS = 30000,
    CALL_MS = 10000,
    PREFIX_MAX = 8192,
};

struct weir__exporter {
    struct weir_http_client *client;
    struct weir_origin *origin;
    char *target, *service, *version, *node;
    struct weir_buf waiting, sending, prefix;
    size_t waiting_spans, sending_spans;
    unsigned tries;
    int status;
    struct weir_http_call *call;
    uv_timer_t timer;
    uint64_t sent, dropped, failures;
    void (*done)(void *arg);
    void *arg;
};

static void send_now(struct weir__exporter *e);

static void on_timer(uv_timer_t *t)
{
    send_now(t->data);
}

static void wait(struct weir__exporter *e, uint64_t ms)
{
    (void)uv_timer_start(&e->timer, on_timer, ms, 0);
}

static void settle(struct weir__exporter *e, bool taken)
{
    if (taken)
        e->sent += e->sending_spans;
    else
        e->dropped += e->sending_spans;
    e->sending_spans = 0;
    e->tries = 0;
    weir_buf_clear(&e->sending);
    if (e->waiting_spans >= SEND_SPANS)
        wait(e, 0);
    else if (e->waiting_spans > 0)
        wait(e, EVERY_MS);
}

static void failed(struct weir__exporter *e, bool again, const char *why)
{
    uint64_t delay;

    if (e->failures++ % 60 == 0)
        WEIR_LOG(WEIR_LOG_WARN, "otlp", "export failed: %s", why);
    if (!again || ++e->tries >= TRIES_MAX) {
        settle(e, false);
        return;
    }
    delay = (uint64_t)BACKOFF_MS << (e->tries - 1);
    wait(e, delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS);
}

static void on_head(void *arg, const struct weir_http_call_head *head)
{
    ((struct weir__exporter *)arg)->status = head->status;
}

static void on_body(void *arg, const char *p, size_t n)
{
    (void)arg, (void)p, (void)n; /* a partial success says only what can't be mended */
}

static void on_end(void *arg, const struct weir_http_call_info *info)
{
    struct weir__exporter *e = arg;
    char why[32];

    (void)info;
    e->call = NULL;
    if (e->status >= 200 && e->status < 300) {
        settle(e, true);
        return;
    }
    (void)snprintf(why, sizeof why, "status %d", e->status);
    failed(e, e->status == 429 || e->status == 502 || e->status == 503 || e->status == 504, why);
}

static void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    struct weir__exporter *e = arg;

    (void)rc;
    e->call = NULL;
    failed(e, true, info->cause);
}

static void send_now(struct weir__exporter *e)
{
    static const struct weir_http_call_events events = {on_head,  on_body, on_end,
                                                        on_error, NULL,    NULL};
    const struct weir_http_header type = {WEIR_STR("content-type"),
                                          WEIR_STR("application/x-protobuf")};
    struct weir_str body[2];
    struct weir_http_call_spec spec = {
        .method = WEIR_STR("POST"),
        .path = weir_str_of(e->target),
        .headers = &type,
        .header_count = 1,
        .body = body,
        .body_count = 2,
        .has_body = true,
        .total_timeout_ms = CALL_MS,
    };

    if (e->call)
        return;
    if (e->sending_spans == 0) {
        struct weir_buf empty = e->sending;

        if (e->waiting_spans == 0)
            return;
        e->sending = e->waiting;
        e->sending_spans = e->waiting_spans;
        e->waiting = empty;
        e->waiting_spans = 0;
        weir_buf_clear(&e->prefix);
        weir__span_prefix(e->service, e->version, e->node, e->sending.n, &e->prefix);
    }
    body[0] = weir_buf_str(&e->prefix);
    body[1] = weir_buf_str(&e->sending);
    e->status = 0;
    if (weir_http_call_start(e->client, e->origin, &spec, &events, e, &e->call) != WEIR_OK) {
        e->call = NULL;
        failed(e, false, "the request can't be made");
    }
}

static char *copy(const char *z)
{
    return z ? weir_strdup(weir_str_of(z)) : NULL;
}

static int set_target(struct weir__exporter *e, const char *endpoint, char *why, size_t why_size)
{
    struct weir_origin_conf conf = {0};
    const char *reason = "";
    struct weir_buf target;
    struct weir_url url;
    bool whole;

    if (weir_url_parse(weir_str_of(endpoint), &url, &reason) != WEIR_OK) {
        (void)snprintf(why, why_size, "OTLP endpoint: %s", reason);
        return WEIR_EINVAL;
    }
    conf.tls = url.tls;
    conf.host = url.host;
    conf.port = url.port;
    conf.max_connections = 1;
    whole = weir_str_ends(url.path, WEIR_STR("/v1/traces"));
    weir_buf_init(&target, WEIR_URL_MAX_BYTES);
    (void)weir_url_join(&url, whole ? WEIR_STR("") : WEIR_STR("/v1/traces"), &target);
    e->target = weir_strdup(weir_buf_str(&target));
    weir_buf_fini(&target);
    return weir_origin_create(&conf, why, why_size, &e->origin);
}

int weir__exporter_create(const struct weir_sink_options *o, char *why, size_t why_size,
                          struct weir__exporter **out)
{
    struct weir__exporter *e = WEIR_NEW(struct weir__exporter);
    int rc = set_target(e, o->otlp_endpoint, why, why_size);

    if (rc != WEIR_OK) {
        free(e->target);
        free(e);
        return rc;
    }
    e->service = copy(o->service_name ? o->service_name : "weir-proxy");
    e->version = copy(o->service_version);
    e->node = copy(o->node);
    weir_buf_init(&e->waiting, BYTES_MAX);
    weir_buf_init(&e->sending, BYTES_MAX);
    weir_buf_init(&e->prefix, PREFIX_MAX);
    e->client = weir_http_client_create(o->loop);
    (void)uv_timer_init(o->loop, &e->timer);
    uv_unref((uv_handle_t *)&e->timer);
    e->timer.data = e;
    *out = e;
    return WEIR_OK;
}

void weir__exporter_add(struct weir__exporter *e, const Weir__V1__CallRecord *r)
{
    int rc;

    if (e->waiting_spans >= WEIR_SINK_SPANS) {
        e->dropped++;
        return;
    }
    rc = weir__span_encode(r, &e->waiting);
    e->waiting.full = false;
    if (rc == WEIR_ELIMIT)
        e->dropped++;
    if (rc != WEIR_OK)
        return;
    e->waiting_spans++;
    if (e->call || e->sending_spans > 0)
        return; /* what follows the request under way, or its repetition, sends these too */
    if (e->waiting_spans >= SEND_SPANS)
        wait(e, 0);
    else if (!uv_is_active((uv_handle_t *)&e->timer))
        wait(e, EVERY_MS);
}

void weir__exporter_count(const struct weir__exporter *e, struct weir_sink_stats *out)
{
    out->spans_sent = e->sent;
    out->spans_dropped = e->dropped;
    out->export_failures = e->failures;
}

static void on_closed(uv_handle_t *h)
{
    struct weir__exporter *e = h->data;

    weir_buf_fini(&e->waiting);
    weir_buf_fini(&e->sending);
    weir_buf_fini(&e->prefix);
    free(e->target);
    free(e->service);
    free(e->version);
    free(e->node);
    if (e->done)
        e->done(e->arg);
    free(e);
}

void weir__exporter_close(struct weir__exporter *e, void (*done)(void *arg), void *arg)
{
    e->done = done;
    e->arg = arg;
    if (e->call)
        weir_http_call_cancel(e->call);
    weir_http_client_destroy(e->client);
    weir_origin_unref(e->origin);
    uv_close((uv_handle_t *)&e->timer, on_closed);
}
