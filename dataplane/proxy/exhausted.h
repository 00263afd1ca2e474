/* exhausted.h - what a budget does with a call that it can't pay, in place of a refusal. */
#ifndef WEIR_PROXY_EXHAUSTED_H
#define WEIR_PROXY_EXHAUSTED_H

#include "dataplane/proxy/exchange.h"

enum weir_exhausted_turn {
    WEIR_TURN_REFUSE,
    WEIR_TURN_AGAIN, /* the call asks for less now: try to admit it again */
    WEIR_TURN_LATER, /* try again in *delay_ms */
    WEIR_TURN_ROUTE, /* another model stands in x->model: route it anew */
};

/* Decides, and changes the exchange accordingly. Bounded: a call is clamped as often as it has
 * counters at most, downgraded a few times, queued until its budget's maxWait is over. */
enum weir_exhausted_turn weir_exhausted(struct weir_exchange *x,
                                        const struct weir_admit_failure *failure,
                                        uint64_t *delay_ms);

#endif
