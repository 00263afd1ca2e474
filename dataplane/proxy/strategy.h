/* strategy.h - in which order the targets of one group are tried, while all of them are healthy.
 *
 * weighted      at random, by weight
 * leastLatency  the one whose first byte is expected soonest
 * leastBusy     the one with the fewest calls under way from this worker, for its weight
 * leastCost     the one where the call is expected to cost least; no price: last
 * sessionHash   always the same one for a session, so that its prompt stays in that one's cache */
#ifndef WEIR_PROXY_STRATEGY_H
#define WEIR_PROXY_STRATEGY_H

#include "base/rand.h"
#include "dataplane/proxy/exchange.h"

/* A target, to be put in order. */
struct weir_rank {
    size_t index; /* the caller's */
    int64_t weight;
    int64_t measure; /* the least comes first */
};

/* By measure; of equal ones, by weight at random. Those of weight 0 come last. */
void weir_rank_order(struct weir_prng *prng, struct weir_rank *ranks, size_t n);

/* The measure of a target for a session (weighted rendezvous hashing): over all sessions each is
 * first in proportion to its weight (> 0), and one that goes or comes moves no session but its own.
 */
int64_t weir_rank_of_session(uint64_t session, uint64_t target, int64_t weight);

/* Puts n candidates of one group in the strategy's order. */
void weir_strategy_order(struct weir_exchange *x, Weir__V1__Strategy strategy,
                         struct weir_candidate *candidates, size_t n);

#endif
