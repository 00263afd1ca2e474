/* charge.h - which budget counters a call is charged to, and how much: at the worst case before it
 * leaves, by what was used after it. Pure look-ups in the policy; the holder does the accounting.
 */
#ifndef WEIR_PROXY_CHARGE_H
#define WEIR_PROXY_CHARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct weir_exchange;
struct weir_attempt;

enum { WEIR_TRANCHE_TOKENS = 1024 }; /* a stream's first piece of output, and each further one */

/* Finds every counter that the call may be charged to at any target that routing may reach. Sets
 * x->charges. WEIR_ELIMIT: a hard budget covers a target without a price (*err says which);
 * WEIR_EINVAL: more counters than one call may have. */
WEIR_NODISCARD int weir_charges_collect(struct weir_exchange *x, struct weir_err *err);

/* The worst case of `output` tokens (of every choice) in the charge's unit, over the targets that
 * reach it; with_input: the input bound and per-request fees too. */
int64_t weir_charge_worst(const struct weir_exchange *x, size_t charge, int64_t output,
                          bool with_input);

/* Adds what an attempt that has ended used, and cost where the price is known, to the counters
 * that cover it. Usage that the provider did not tell is the proxy's estimate, or the attempt's
 * whole worst case where the budget wants that. A budget of requests counts calls: several attempts
 * are one. */
void weir_charges_spend(struct weir_exchange *x, const struct weir_attempt *a);

/* What each counter must hold more so that a further attempt's worst case is covered beside what
 * the ended ones spent. False: nothing. */
bool weir_charges_lack(const struct weir_exchange *x, int64_t more[]);

/* Does a hard budget of money or tokens cover the call? Then its output needs a limit that the
 * provider obeys. */
bool weir_charges_bound(const struct weir_exchange *x);

#endif
