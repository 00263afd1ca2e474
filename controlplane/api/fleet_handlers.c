/* fleet_handlers.c - the proxies and what they make of the policy. */
#include "controlplane/api/internal.h"

#include "base/clock.h"
#include "controlplane/stream/fleet.h"

static const char *state_of(const struct weir_fleet_proxy *p)
{
    if (p->nacked_revision && *p->nacked_revision)
        return "nacked";
    if (p->outstanding_since_ms || !p->acked_revision || !*p->acked_revision)
        return "pending";
    return "acked";
}

static void write_proxy(struct weir_jw *w, const struct weir_fleet_proxy *p)
{
    weir_jw_object(w, NULL);
    weir_jw_z(w, "node", p->node);
    weir_jw_z(w, "namespace", p->ns);
    weir_jw_z(w, "incarnation", p->incarnation);
    weir_jw_z(w, "build", p->build);
    weir_jw_z(w, "peer", p->peer);
    weir_jw_bool(w, "connected", p->connected);
    weir_jw_i64(w, "workers", p->workers);
    weir_jw_i64(w, "connectedMs", p->connected_ms);
    weir_jw_i64(w, "lastSeenMs", p->last_seen_ms);
    weir_jw_z(w, "state", state_of(p));
    weir_jw_z(w, "revision", p->acked_revision);
    weir_jw_z(w, "targetRevision", p->target_revision);
    weir_jw_i64(w, "outstandingSinceMs", p->outstanding_since_ms);
    weir_jw_z(w, "nackedRevision", p->nacked_revision);
    weir_jw_i64(w, "nackedMs", p->nacked_ms);
    weir_jw_array(w, "errors");
    for (size_t i = 0; i < p->error_count; i++) {
        weir_jw_object(w, NULL);
        weir_jw_z(w, "kind", p->errors[i].type);
        weir_jw_z(w, "name", p->errors[i].name);
        weir_jw_z(w, "path", p->errors[i].path);
        weir_jw_z(w, "reason", p->errors[i].reason);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
    weir_jw_z(w, "problem", p->problem);
    weir_jw_i64(w, "inFlight", (int64_t)p->in_flight);
    weir_jw_i64(w, "calls", (int64_t)p->calls);
    weir_jw_i64(w, "residentBytes", (int64_t)p->resident_bytes);
    weir_jw_i64(w, "spoolBytes", (int64_t)p->spool_bytes);
    weir_jw_i64(w, "cpuMicros", (int64_t)p->cpu_micros);
    weir_jw_end_object(w);
}

void weir__api_fleet(struct weir_api_ctx *c)
{
    const struct weir_api_backend *b = &c->api->backend;
    struct weir_fleet *f = b->fleet ? b->fleet(b->arg) : NULL;
    struct weir_jw *w;

    if (!f) {
        weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                        "The proxies' streams are not served.");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_i64(w, "nowMs", weir_wall_ms());
    weir_jw_array(w, "proxies");
    for (size_t i = 0; i < f->proxy_count; i++)
        write_proxy(w, &f->proxies[i]);
    weir_jw_end_array(w);
    weir_jw_object(w, "counters");
    weir_jw_i64(w, "transactions", (int64_t)f->txns_sent);
    weir_jw_i64(w, "acks", (int64_t)f->acks);
    weir_jw_i64(w, "nacks", (int64_t)f->nacks);
    weir_jw_i64(w, "closedSlow", (int64_t)f->closed_slow);
    weir_jw_i64(w, "refused", (int64_t)f->refused);
    weir_jw_end_object(w);
    weir_jw_end_object(w);
    if (b->fleet_free)
        b->fleet_free(f);
}
