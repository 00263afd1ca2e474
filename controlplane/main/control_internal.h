/* control_internal.h - what the files of weir-control's joint share. */
#ifndef WEIR_CONTROL_CONTROL_INTERNAL_H
#define WEIR_CONTROL_CONTROL_INTERNAL_H

#include <uv.h>

#include "controlplane/alerts/alerts.h"
#include "controlplane/api/api.h"
#include "controlplane/audit/audit.h"
#include "controlplane/config/source.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/main/options.h"
#include "controlplane/main/shared_policy.h"
#include "controlplane/stream/stream.h"
#include "controlplane/telemetry/ingest.h"

struct weir_control {
    const struct weir_control_options *options;
    uv_loop_t loop;
    uv_signal_t sigterm, sigint, sighup;
    struct weir_policy_source_options source_options;

    struct weir_alerts *alerts;
    struct weir_ledger *ledger;
    struct weir_ingest *ingest;
    struct weir_stream *stream;
    struct weir_keys *keys;
    struct weir_audit *audit;
    struct weir_policy_source *source;
    struct weir_api *api;

    struct weir_arena *key_arena; /* of the list below */
    struct weir_policy_key *issued;
    size_t issued_count;
    bool keys_loading, keys_stale;
    bool keys_known; /* they were read once: without them a policy would lock their holders out */

    struct weir_policy_set *set; /* in force; NULL: none yet */
    _Atomic size_t errors;       /* of the newest reading; /metrics is made in the pool */
    char *dsn;                   /* of the store that replicas share; NULL: none */
    struct weir_shared_policy *shared_policy; /* NULL: none */
    struct weir_control_watch *watch;
    int64_t keys_revision; /* that the list above has */
    bool stopping;
    int exit_status;

    char ledger_path[4096], telemetry_path[4096], control_path[4096], audit_path[4096];
};

/* publish.c: from the policy in force to every proxy and to the ledger. Loop. */
void weir_control_on_policy(void *control, struct weir_policy_set *set,
                            struct weir_policy_errors *errors);
void weir_control_publish(struct weir_control *c);
/* Reads the issued keys in a pool thread, then publishes. */
void weir_control_reload_keys(struct weir_control *c);

/* alerts.c: who is told of the ledger's crossings. Before the ledger is opened. */
WEIR_NODISCARD int weir_control_open_alerts(struct weir_control *c);
void weir_control_publish_alerts(struct weir_control *c);
/* threshold 0: it is not valid. */
struct Weir__V1__Alert;
struct weir_ledger_alert weir_control_alert_of(const struct Weir__V1__Alert *m);

/* watch.c: what other replicas change: keys and policy come here within a second. Loop. NULL is
 * fine. */
struct weir_control_watch *weir_control_watch_start(struct weir_control *c);
void weir_control_watch_close(struct weir_control_watch *w);

/* stores.c: the databases, in the state folder or on a server that replicas share. Blocks until the
 * server can be reached. */
WEIR_NODISCARD int weir_control_open_stores(struct weir_control *c);

/* link.c: joins a proxy's streams to the ledger and the ingest. */
struct weir_stream_hooks weir_control_hooks(struct weir_control *c);

#endif
