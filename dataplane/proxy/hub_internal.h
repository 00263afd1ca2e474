/* hub_internal.h - the inside of the hub, shared by the files that make it up. One thread. */
#ifndef WEIR_PROXY_HUB_INTERNAL_H
#define WEIR_PROXY_HUB_INTERNAL_H

#include <uv.h>

#include "common/http/server.h"
#include "common/net/post.h"
#include "common/net/tls.h"
#include "dataplane/control/control.h"
#include "dataplane/credentials/refresher.h"
#include "dataplane/proxy/hub.h"
#include "dataplane/proxy/options.h"
#include "dataplane/proxy/policy.h"
#include "dataplane/proxy/worker.h"
#include "dataplane/telemetry/sink.h"
#include "dataplane/telemetry/spool.h"

enum {
    WEIR_HUB_MAX_WORKERS = 64,
    WEIR_HUB_BATCHES_OUT = 8, /* telemetry batches that may be unacknowledged */
};

struct weir_hub {
    const struct weir_proxy_options *options;
    uv_loop_t loop;
    struct weir_mailbox *mailbox;
    uv_signal_t sigterm, sigint, sighup;
    uv_timer_t second;

    struct weir_control_client *control;
    bool control_connected, budget_connected, telemetry_connected;
    unsigned batches_out;
    uint64_t sent_sequence; /* of the last batch that was sent */

    const struct weir_policy *policy; /* in force; NULL: none yet */
    struct weir_refresher *refresher; /* of the credentials that it names */
    struct weir_policy_bytes *kept;   /* what it was compiled from, to read credentials again */
    uint64_t policies_rejected;
    char refusal[512]; /* why the newest policy was refused; "": it was not */

    struct weir_hub_credentials {
        char problem[512];                  /* why a changed file can't be used; "": all is well */
        uint64_t tried;                     /* the files' state at the last try */
        int64_t pause_ms, retry_ms, log_ms; /* monotonic; no try and no line before */
    } credentials;

    struct weir_hub_tls {
        struct weir_tls_context *context; /* of the data port; NULL: it has no TLS */
        uint64_t loaded, seen;            /* the files' state at the last try and the last look */
        char problem[512];                /* why changed files can't be used; "": all is well */
    } tls;

    struct weir_spool *spool;
    struct weir_sink *sink;
    struct weir_http_server *admin;

    struct weir_worker *workers[WEIR_HUB_MAX_WORKERS];
    bool open[WEIR_HUB_MAX_WORKERS];                      /* takes messages */
    struct weir_hub_leases *leases[WEIR_HUB_MAX_WORKERS]; /* as told last; NULL: none */
    unsigned worker_count, ended;
    uint64_t calls_seen;   /* at the last look, to see whether anything happens */
    unsigned idle_seconds; /* without a call */
    bool stopping;
    int exit_status;
};

/* hub_policy.c: the control client's on_policy, and re-reading credential files. */
int weir_hub_on_policy(void *hub, const struct weir_policy_bytes *b,
                       struct weir_control_errors *errs);
void weir_hub_refresh_credentials(struct weir_hub *h);
/* What the refresher tells goes to every worker: a weir_refresher_fn. */
void weir_hub_on_token(void *hub, const struct weir_cred_source *s, struct weir_cred_token *token,
                       const char *problem);
void weir_hub_forget_policy(struct weir_hub *h);
/* Does every worker have a policy? */
bool weir_hub_is_ready(const struct weir_hub *h);

/* hub_tls.c. start: WEIR_EINVAL, WEIR_EIO, ...: logged. */
WEIR_NODISCARD int weir_hub_tls_start(struct weir_hub *h);
void weir_hub_tls_refresh(struct weir_hub *h); /* once a second */
void weir_hub_tls_forget(struct weir_hub *h);

/* hub_numbers.c: what the admin port tells of the hub itself, and of all workers' leases. */
void weir_hub_write_numbers(struct weir_hub *h, struct weir_buf *b);
void weir_hub_forget_leases(struct weir_hub *h);

/* admin.c: health, readiness and metrics. WEIR_EINVAL, WEIR_EIO: logged. */
WEIR_NODISCARD int weir_admin_start(struct weir_hub *h);

#endif
