/* pricing.h - what a call costs: price lists compiled for look-up, the cost of what was used, and
 * the most that a call can cost.
 *
 * Built once (create, add, seal), then read-only and free to share between threads. Money is int64
 * nano-USD, rates are nano-USD per million tokens; every sum rounds up and saturates at INT64_MAX.
 */
#ifndef WEIR_PRICING_PRICING_H
#define WEIR_PRICING_PRICING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "pricing/usage.h"
#include "weir/v1/config.pb-c.h"

struct weir_prices;
struct weir_price; /* one entry; valid as long as its table */

struct weir_prices *weir_prices_create(void);
void weir_prices_destroy(struct weir_prices *p); /* NULL is fine */
/* Copies a list's entries; a missing input or output price is 0. builtin: what Weir brings itself.
 */
void weir_prices_add(struct weir_prices *p, const Weir__V1__PriceList *list, bool builtin);
void weir_prices_seal(struct weir_prices *p); /* once, after the last list */

/* The entry that holds for a model (as the provider names it) at a provider: a list of the policy
 * before the built-in one, an exact model before a pattern, a longer pattern before a shorter, one
 * that names the provider before one that does not, one that began later before one that began
 * earlier, an earlier list before a later. What begins after now_ms (wall clock) doesn't hold yet.
 * NULL: the price is unknown. */
const struct weir_price *weir_prices_find(const struct weir_prices *p, struct weir_str provider,
                                          struct weir_str model, int64_t now_ms);

struct weir_str weir_price_list(const struct weir_price *e); /* its list's name */
struct weir_str weir_price_date(const struct weir_price *e); /* when it was read; may be absent */
bool weir_price_builtin(const struct weir_price *e);
/* What a call costs whatever it uses; -1: the entry doesn't say, or has rates of tokens beside it.
 */
int64_t weir_price_flat(const struct weir_price *e);
int64_t weir_price_max_output(const struct weir_price *e); /* tokens; 0: not known */

/* A part of a cost: tokens at a rate (`webSearch`: searches, `request`: 1, at nano-USD each). */
struct weir_cost_part {
    const char *kind; /* static: input, output, cacheRead, cacheWrite, cacheWrite1h, reasoning,
                       * audioInput, audioOutput, webSearch, request */
    int64_t tokens, rate;
};

enum { WEIR_COST_PARTS = 10 };

struct weir_cost {
    int64_t nano_usd;
    struct weir_cost_part parts[WEIR_COST_PARTS];
    size_t part_count; /* parts of no tokens are left out */
};

/* Absent figures count as 0: fill them in first. Cached, cache-write and audio tokens are charged
 * at their own rate and not again as input; reasoning and audio tokens not again as output. */
void weir_price_cost(const struct weir_price *e, const struct weir_usage *usage,
                     struct weir_cost *out);

/* No usage with at most these tokens costs more: the highest rate that any tier within reach and
 * any kind of token has, and with_request the fee of a request. */
int64_t weir_price_worst(const struct weir_price *e, int64_t input_tokens, int64_t output_tokens,
                         bool with_request);

/* The most that a call's searches of the web can cost; searches: the limit that the call states, 0:
 * it can make none, -1: it states no limit, and what the entry assumes holds. */
int64_t weir_price_searches(const struct weir_price *e, int64_t searches);

#endif
