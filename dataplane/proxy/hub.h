/* hub.h - the main thread's loop: the streams to the control plane, the policy, the disk (spool,
 * access log, last known good policy), the admin port. It never touches a call.
 *
 * Workers are told by the messages of worker.h; what they tell the hub is below. */
#ifndef WEIR_PROXY_HUB_H
#define WEIR_PROXY_HUB_H

#include "base/str.h"

struct weir_hub;
struct weir_lease_total;
struct weir_mailbox;
struct weir_proxy_options;
struct weir_sink;
struct weir_tls_context;
struct weir_worker;

/* Runs the proxy until a signal ends it. Returns the exit status of the program. */
int weir_hub_run(const struct weir_proxy_options *o);

/* ---- from a worker's thread ---- */

/* A packed BudgetUp for the ledger; the bytes are copied. WEIR_ELIMIT: the hub is behind. */
WEIR_NODISCARD int weir_hub_budget_up(struct weir_hub *h, struct weir_str packed);
/* What the worker's leases are now, for metrics; replaces what it told before. Copied. */
void weir_hub_lease_totals(struct weir_hub *h, struct weir_worker *w,
                           const struct weir_lease_total *totals, size_t n);
/* The worker has no calls left and its leases are given back, or its time is over. */
void weir_hub_worker_drained(struct weir_hub *h, struct weir_worker *w);
void weir_hub_worker_ended(struct weir_hub *h, struct weir_worker *w);

/* What workers share with the hub: where their records go, and, when they are made, the data port's
 * certificate (NULL: none). Both are borrowed. */
struct weir_sink *weir_hub_sink(struct weir_hub *h);
struct weir_tls_context *weir_hub_tls(struct weir_hub *h);

#endif
