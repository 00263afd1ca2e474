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
struct weir_candidate;
struct weir_llm_usage;

enum { WEIR_TRANCHE_TOKENS = 1024 }; /* a stream's first piece of output, and each further one */

/* Finds every counter that the call may be charged to at any target that routing may reach. Sets
 * x->charges. WEIR_ELIMIT: a hard budget covers a target without a price (*err says which);
 * WEIR_EINVAL: more counters than one call may have. */
WEIR_NODISCARD int weir_charges_collect(struct weir_exchange *x, struct weir_err *err);

/* The worst case of `output` tokens (of every choice) in the charge's unit, over the targets that
 * reach it; with_input: the input bound and per-request fees too. */
int64_t weir_charge_worst(const struct weir_exchange *x, size_t charge, int64_t output,
                          bool with_input);

/* Adds what one attempt used, and cost where the price is known, to the counters that cover it. */
void weir_charges_spend(struct weir_exchange *x, const struct weir_candidate *at,
                        const struct weir_llm_usage *usage, int64_t cost_nano_usd);

#endif
