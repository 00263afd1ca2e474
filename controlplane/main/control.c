/* control.c - see control.h.
 *
 * Start: stores (ledger, records, keys), streams, policy source, API. The streams hold proxies back
 * until the first policy is there, so the order shows nowhere.
 * Stop: API -> source -> streams (they say goodbye) -> ledger and ingest (they commit) -> end. */
#include "controlplane/main/control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/main/control_internal.h"
#include "controlplane/main/prices.h"
#include "controlplane/stream/fleet.h"
#include "net/address.h"
#include "pki/pki.h"

enum { API_CLOSE_MS = 1000, MAX_TOKEN_BYTES = 4096 };

/* ---- the API's hooks ---- */

static struct weir_fleet *fleet(void *arg)
{
    struct weir_control *c = arg;

    return weir_fleet_snapshot(c->stream);
}

static int new_join_token(void *arg, const char *ns, int64_t valid_ms, char *out, size_t out_bytes)
{
    struct weir_control *c = arg;

    return weir_stream_new_token(c->stream, ns, valid_ms, out, out_bytes);
}

static void on_keys_changed(void *arg)
{
    weir_control_reload_keys(arg);
}

static void on_policy_changed(void *arg)
{
    struct weir_control *c = arg;

    weir_policy_source_poke(c->source);
}

static void on_secrets(void *arg)
{
    weir_control_publish(arg);
}

static void write_metrics(void *arg, struct weir_buf *out)
{
    struct weir_control *c = arg;
    struct weir_ledger_counters l;
    struct weir_alerts_counters a;

    weir_ledger_count(c->ledger, &l);
    weir_alerts_count(c->alerts, &a);
    weir_buf_addf(out,
                  "# HELP weir_alerts_total Alerts by what became of them.\n"
                  "# TYPE weir_alerts_total counter\n"
                  "weir_alerts_total{outcome=\"delivered\"} %llu\n"
                  "weir_alerts_total{outcome=\"given_up\"} %llu\n"
                  "weir_alerts_total{outcome=\"dropped\"} %llu\n"
                  "# HELP weir_alerts_waiting Alerts that are being delivered.\n"
                  "# TYPE weir_alerts_waiting gauge\nweir_alerts_waiting %lld\n",
                  (unsigned long long)a.delivered, (unsigned long long)a.failed,
                  (unsigned long long)a.dropped, (long long)a.waiting);
    weir_ingest_metrics_write(c->ingest, out);
    weir_buf_addf(out,
                  "# HELP weir_policy_errors Errors of the newest reading of the policy.\n"
                  "# TYPE weir_policy_errors gauge\nweir_policy_errors %zu\n"
                  "# HELP weir_ledger_grants_total Slices lent to proxies.\n"
                  "# TYPE weir_ledger_grants_total counter\nweir_ledger_grants_total %llu\n"
                  "# HELP weir_ledger_refusals_total Asks that a budget had too little for.\n"
                  "# TYPE weir_ledger_refusals_total counter\nweir_ledger_refusals_total %llu\n"
                  "# HELP weir_ledger_holders Holders that are connected.\n"
                  "# TYPE weir_ledger_holders gauge\nweir_ledger_holders %lld\n",
                  c->errors, (unsigned long long)l.grants, (unsigned long long)l.refusals,
                  (long long)l.holders);
}

static const char *not_ready(void *arg)
{
    struct weir_control *c = arg;

    if (c->stopping)
        return "the control plane is stopping";
    if (!c->set)
        return "no good policy was read yet: see /api/v1/policy/errors";
    return c->keys_known ? NULL : "the issued keys are not read yet";
}

/* ---- start ---- */

static int read_join_token(const struct weir_control *c, struct weir_buf *out)
{
    int rc;

    if (!c->options->join_token_file)
        return WEIR_OK;
    rc = weir_file_read(c->options->join_token_file, out);
    if (rc) {
        WEIR_LOG(WEIR_LOG_ERROR, "control", "--join-token-file %s can't be read",
                 c->options->join_token_file);
        return rc;
    }
    while (out->n && (unsigned char)out->p[out->n - 1] <= ' ')
        out->n--;
    return weir_buf_add(out, "", 1);
}

static int open_streams(struct weir_control *c)
{
    struct weir_stream_options o = {.state = c->options->state,
                                    .store = c->dsn,
                                    .join_namespace = c->options->join_namespace,
                                    .server_names = &c->options->server_name,
                                    .server_name_count = c->options->server_name ? 1 : 0,
                                    .hooks = weir_control_hooks(c)};
    struct weir_address a;
    struct weir_buf token;
    int rc = weir_address_parse(weir_str_of(c->options->grpc), &a);

    weir_buf_init(&token, MAX_TOKEN_BYTES);
    if (rc == WEIR_OK)
        rc = read_join_token(c, &token);
    if (rc == WEIR_OK) {
        o.join_token = token.p;
        if (a.unix_path[0])
            o.unix_path = a.unix_path;
        else
            o.address = c->options->grpc;
        rc = weir_stream_start(&o, &c->stream);
    }
    if (token.p)
        weir_wipe(token.p, token.n);
    weir_buf_fini(&token);
    if (rc == WEIR_ESTATE || rc == WEIR_ECORRUPT || rc == WEIR_ECONNECT)
        WEIR_LOG(WEIR_LOG_ERROR, "control", "the CA can't be used: %s", weir_rc_name(rc));
    else if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control",
                 "can't serve proxies on %s: %s; is another program there? --grpc changes it",
                 c->options->grpc, weir_rc_name(rc));
    return rc;
}

static int open_source(struct weir_control *c)
{
    c->source_options = (struct weir_policy_source_options){
        .loop = &c->loop,
        .path = c->options->policy,
        .price_path = c->options->prices,
        .local_defaults = c->options->local,
        .shared = c->shared_policy ? weir_shared_policy_hooks(c->shared_policy) : NULL,
        .arg = c,
        .on_change = weir_control_on_policy,
        .on_secrets = on_secrets};
    if (!c->options->prices && weir_default_prices[0])
        c->source_options.price_text = weir_default_prices;
    return weir_policy_source_start(&c->source_options, &c->source);
}

static int open_api(struct weir_control *c)
{
    struct weir_api_options o = {.loop = &c->loop,
                                 .state = c->options->state,
                                 .backend = {.version = WEIR_VERSION,
                                             .ledger_path = c->ledger_path,
                                             .telemetry_path = c->telemetry_path,
                                             .policy = &c->source_options,
                                             .ledger = c->ledger,
                                             .keys = c->keys,
                                             .audit = c->audit,
                                             .source = c->source,
                                             .arg = c,
                                             .fleet = fleet,
                                             .fleet_free = weir_fleet_free,
                                             .new_join_token = new_join_token,
                                             .on_keys_changed = on_keys_changed,
                                             .on_policy_changed = on_policy_changed,
                                             .metrics = write_metrics,
                                             .not_ready = not_ready}};
    struct weir_address a;
    int rc = weir_address_parse(weir_str_of(c->options->api), &a);

    if (rc == WEIR_OK) {
        o.host = a.host;
        o.port = a.port;
        rc = weir_api_create(&o, &c->api);
    }
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "control",
                 "can't serve the API on %s: %s; is another program there? --api changes it",
                 c->options->api, rc == WEIR_EIO ? strerror(errno) : weir_rc_name(rc));
    return rc;
}

/* ---- stop ---- */

static void on_source_closed(void *arg)
{
    struct weir_control *c = arg;

    c->source = NULL;
}

static void on_api_closed(void *arg)
{
    struct weir_control *c = arg;

    c->api = NULL;
    weir_control_watch_close(c->watch);
    c->watch = NULL;
    weir_policy_source_close(c->source, on_source_closed, c);
    uv_close((uv_handle_t *)&c->sigterm, NULL);
    uv_close((uv_handle_t *)&c->sigint, NULL);
    uv_close((uv_handle_t *)&c->sighup, NULL);
}

static void on_stop_signal(uv_signal_t *s, int signum)
{
    struct weir_control *c = s->data;

    if (c->stopping)
        return;
    c->stopping = true;
    WEIR_LOG(WEIR_LOG_INFO, "control", "%s: stopping", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    weir_api_close(c->api, API_CLOSE_MS, on_api_closed, c);
}

/* In place of the default, which would end the process: what daemons are customarily told by it. */
static void on_hangup(uv_signal_t *s, int signum)
{
    struct weir_control *c = s->data;

    (void)signum;
    if (c->stopping)
        return;
    WEIR_LOG(WEIR_LOG_INFO, "control", "SIGHUP: the policy is read again");
    weir_policy_source_poke(c->source);
}

static void close_stores(struct weir_control *c)
{
    weir_stream_stop(c->stream, c->options->drain_ms);
    weir_alerts_stop(c->alerts);
    weir_ledger_destroy(c->ledger);
    weir_alerts_free(c->alerts);
    weir_ingest_stop(c->ingest);
    weir_stream_free(c->stream);
    weir_keys_close(c->keys);
    weir_audit_close(c->audit);
    weir_shared_policy_close(c->shared_policy);
    weir_policy_set_unref(c->set);
    weir_arena_destroy(c->key_arena);
    weir_pki_free(c->dsn); /* wipes: it may hold a password */
}

static void open_signals(struct weir_control *c)
{
    uv_signal_init(&c->loop, &c->sigterm);
    uv_signal_init(&c->loop, &c->sigint);
    uv_signal_init(&c->loop, &c->sighup);
    c->sigterm.data = c->sigint.data = c->sighup.data = c;
    uv_signal_start(&c->sigterm, on_stop_signal, SIGTERM);
    uv_signal_start(&c->sigint, on_stop_signal, SIGINT);
    uv_signal_start(&c->sighup, on_hangup, SIGHUP);
}

int weir_control_run(const struct weir_control_options *o)
{
    struct weir_control *c = WEIR_NEW(struct weir_control);
    int rc;

    c->options = o;
    signal(SIGPIPE, SIG_IGN);
    /* Pushed secrets pass through this process. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0);
    if (uv_loop_init(&c->loop))
        return 1;
    rc = weir_control_open_alerts(c);
    if (rc == WEIR_OK)
        rc = weir_control_open_stores(c);
    if (rc == WEIR_OK)
        rc = open_streams(c);
    if (rc == WEIR_OK)
        rc = open_source(c);
    if (rc == WEIR_OK)
        rc = open_api(c);
    if (rc)
        return 1; /* told already; nothing has been served */
    open_signals(c);
    weir_control_reload_keys(c);
    c->watch = weir_control_watch_start(c);
    WEIR_LOG(WEIR_LOG_INFO, "control", "proxies on %s, API and dashboard on http://%s", o->grpc,
             o->api);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    close_stores(c);
    if (uv_loop_close(&c->loop))
        WEIR_LOG(WEIR_LOG_WARN, "control", "the loop left handles open");
    rc = c->exit_status;
    free(c);
    return rc;
}
