/* worker.h - one event loop that serves calls: a thread, a listener (SO_REUSEPORT), a client pool,
 * a budget holder. Workers share nothing; the hub and a worker talk by messages only.
 *
 * create, start and join are called on the hub's thread; everything marked "message" may be called
 * there too and runs later on the worker's loop. The rest is for the stages, on that loop. */
#ifndef WEIR_PROXY_WORKER_H
#define WEIR_PROXY_WORKER_H

#include <stdatomic.h>

#include "common/http/server.h"
#include "common/net/address.h"
#include "common/net/post.h"
#include "common/net/wheel.h"
#include "base/rand.h"
#include "dataplane/budget/holder.h"
#include "dataplane/proxy/policy.h"
#include "dataplane/proxy/targets.h"
#include "dataplane/proxy/tokens.h"
#include "dataplane/telemetry/metrics.h"
#include "dataplane/telemetry/sink.h"

struct weir_cache;
struct weir_exchange;
struct weir_hub;
struct weir_proxy_options;

/* The stages read it; only worker.c writes it. */
struct weir_worker {
    struct weir_hub *hub;
    const struct weir_proxy_options *options;
    unsigned index;
    char incarnation[33]; /* random hex: names this start's leases */
    uv_thread_t thread;
    uv_loop_t loop;
    struct weir_mailbox *mailbox;
    struct weir_wheel *wheel;
    struct weir_arena_cache *arenas;
    struct weir_http_server *server;
    struct weir_http_client *client;
    struct weir_holder *holder;
    unsigned ticks;
    bool told_leases; /* the hub knows of some */
    uv_timer_t tick;
    struct weir_prng prng;
    struct weir_targets *targets; /* their health */
    struct weir_turns *turns;     /* at providers that take so many calls at once */
    struct weir_cache *cache;     /* of answers */

    struct weir_tokens *tokens;
    const struct weir_policy *policy; /* a reference; NULL: none yet */
    uint32_t *agent_calls;            /* under way, by agent index of the policy */
    size_t agent_count;
    struct weir_link exchanges; /* open ones */
    unsigned drains;            /* of them, those whose client has gone */
    bool draining, server_drained, told_drained;
    int64_t drain_deadline_ms; /* on this loop's clock */
    int64_t auth_second;       /* of the failures below */
    unsigned auth_failures;
    bool closing, ledger_connected;

    struct weir_metrics *metrics;   /* written here, read by the hub */
    struct weir_recorder *recorder; /* records on their way to the hub */
    atomic_uint in_flight;          /* read by the hub */
    atomic_ullong calls;
    atomic_ullong policies; /* applied so far; the hub's readiness wants one */
};

/* WEIR_EIO: no loop, or the address can't be listened on (errno). A worker is not started yet. */
WEIR_NODISCARD int weir_worker_create(struct weir_hub *hub, const struct weir_proxy_options *o,
                                      unsigned index, struct weir_worker **out);
WEIR_NODISCARD int weir_worker_start(struct weir_worker *w);
/* After weir_hub_worker_ended(), or when it was never started. */
void weir_worker_join_and_destroy(struct weir_worker *w);

void weir_worker_set_policy(struct weir_worker *w, const struct weir_policy *p); /* message */
/* For connections that come from now on. Message. */
void weir_worker_set_tls(struct weir_worker *w, struct weir_tls_context *c);
/* The news of a credential's source (see tokens.h); a reference is taken. Message. */
void weir_worker_set_token(struct weir_worker *w, const struct weir_cred_source *s,
                           struct weir_cred_token *token, const char *problem);
/* Packed BudgetDown for this worker's holder; the bytes are copied. Message. */
void weir_worker_budget_down(struct weir_worker *w, struct weir_str packed);
void weir_worker_budget_state(struct weir_worker *w, bool connected); /* message */
/* Stops accepting, lets calls end for at most so long, gives every lease back; then tells the hub
 * by weir_hub_worker_drained(). Message. */
void weir_worker_drain(struct weir_worker *w, int64_t for_ms);
/* The last message to a worker: closes everything; its thread ends with weir_hub_worker_ended(). */
void weir_worker_close(struct weir_worker *w);

/* ---- for the stages ---- */

static inline int64_t weir_worker_now_ms(struct weir_worker *w)
{
    return (int64_t)uv_now(&w->loop);
}

/* Counts a call with a wrong key. True: there were too many in this second. */
bool weir_worker_auth_failed(struct weir_worker *w);
/* Counts the exchange in its agent's concurrency. False: the limit is reached. */
bool weir_worker_enter(struct weir_worker *w, struct weir_exchange *x);
void weir_worker_leave(struct weir_worker *w, struct weir_exchange *x);
/* Counts a finished call in the metrics; names that policy doesn't know become "other". */
void weir_worker_observe(struct weir_worker *w, const struct weir_exchange *x,
                         struct weir_record *r);

#endif
