/* lease.h - the rules of escrow as pure functions: what a holder and the ledger may do with a
 * lease.
 *
 * A lease is a slice of a budget's window that the ledger lends to one holder. No function here
 * reads a clock, allocates or does I/O: the proxy, the control plane, the checker and the
 * simulation run the same code. Amounts are in the budget's unit (nano-USD, tokens, requests) and
 * never negative; counters only grow, so that a message lost, repeated or late changes nothing. */
#ifndef WEIR_LEASE_LEASE_H
#define WEIR_LEASE_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Values are those of config.proto and ledger.proto. */
enum weir_unit { WEIR_UNIT_NANO_USD = 1, WEIR_UNIT_TOKENS = 2, WEIR_UNIT_REQUESTS = 3 };

enum weir_budget_mode { WEIR_MODE_HARD = 1, WEIR_MODE_SOFT = 2, WEIR_MODE_OBSERVE = 3 };

/* Amounts above this are refused, so that sums of a few never overflow. */
#define WEIR_AMOUNT_MAX (INT64_MAX / 8)

enum {
    WEIR_LEASE_USE_FOR_MS = 60000,     /* no new holds this long after the last message */
    WEIR_LEASE_IDLE_MS = 60000,        /* an unused lease goes back after this */
    WEIR_LEASE_SPEND_WINDOW_MS = 10000 /* a lease should last about so long */
};

/* ---- the holder's side ---- */

struct weir_lease_held {
    int64_t granted;  /* by the ledger, absolute */
    int64_t returned; /* given back for good */
    int64_t settled;  /* spent for good */
    int64_t held;     /* in open holds */
    bool ended;       /* takes no new holds: window over, recalled for good, being given back */
    bool final;       /* reported as final: nothing changes any more */
};

/* What the ledger is told; also what a journal keeps. */
struct weir_lease_report {
    int64_t returned, settled, held;
    bool final;
};

/* granted - returned - settled - held; negative after a provider billed past a hold. */
int64_t weir_lease_free(const struct weir_lease_held *l);

/* WEIR_ELIMIT: does not fit or the lease takes no more; nothing is changed. */
WEIR_NODISCARD int weir_lease_hold(struct weir_lease_held *l, int64_t amount);

/* Replaces a hold by the true cost, which may exceed it: money spent upstream always counts.
 * True: more than the lease had room for (a breach). */
bool weir_lease_settle(struct weir_lease_held *l, int64_t held, int64_t actual);

/* Nothing was spent under the hold. */
void weir_lease_release(struct weir_lease_held *l, int64_t held);

void weir_lease_grant(struct weir_lease_held *l, int64_t granted); /* keeps the maximum */

/* Gives back all that is neither held nor settled; the amount that went back by this call. */
int64_t weir_lease_return_idle(struct weir_lease_held *l);

/* Final when no hold is open: from then on nothing changes. False: holds are open. */
bool weir_lease_finalise(struct weir_lease_held *l);

/* After a crash nobody knows what the open holds cost: they are charged in full, then final. */
void weir_lease_finalise_crashed(struct weir_lease_held *l);

struct weir_lease_report weir_lease_report_of(const struct weir_lease_held *l);

/* Half of the lease is used up: time to ask for more before a call has to wait. */
bool weir_lease_wants_prefetch(const struct weir_lease_held *l, int64_t target);

/* ---- the ledger's side ---- */

struct weir_ledger_window {
    int64_t limit;
    int64_t closed_settled; /* spent under closed leases */
    int64_t committed;      /* sum of weir_lease_commitment over open leases */
};

struct weir_lease_row {
    int64_t granted, returned, settled, held;
    bool closed;
};

/* What an open lease may still cost: granted - returned, or what is settled if that is more. */
int64_t weir_lease_commitment(const struct weir_lease_row *row);

/* limit - closed_settled - committed; negative when the limit was lowered or a breach happened. */
int64_t weir_window_remaining(const struct weir_ledger_window *w);

/* Lends x more on the lease. WEIR_ELIMIT: beyond the limit, nothing is changed. over_limit: a
 * budget that only observes lends on. WEIR_ESTATE: the lease is closed. */
WEIR_NODISCARD int weir_window_grant(struct weir_ledger_window *w, struct weir_lease_row *row,
                                     int64_t x, bool over_limit);

/* Merges a report by maximum. A final one closes the lease and frees the rest, but one that knows
 * less than an earlier report comes from a rolled-back journal: its "final" is not believed.
 * WEIR_EINVAL: negative or absurd numbers. */
WEIR_NODISCARD int weir_window_report(struct weir_ledger_window *w, struct weir_lease_row *row,
                                      const struct weir_lease_report *r);

/* Closes without the holder: a soft budget after a time, or an operator. Charges what is settled
 * and what was last known to be held. */
void weir_window_write_off(struct weir_ledger_window *w, struct weir_lease_row *row);

struct weir_lease_demand {
    int64_t need;    /* of the first call that waits; 0: a prefetch */
    int64_t waiting; /* of all calls that wait */
    int64_t want;    /* for the next while */
};

/* How much to lend: need at least, what is waited for if there is so much, up to want at most what
 * is left divided by twice the holders. 0: less than need is left, or a prefetch would get nothing.
 */
int64_t weir_window_size(const struct weir_ledger_window *w, const struct weir_lease_row *row,
                         const struct weir_lease_demand *d, int64_t holders);

/* Worth recalling: something may be idle. What is held is known too late to count here. */
bool weir_lease_worth_recall(const struct weir_lease_row *row);

#endif
