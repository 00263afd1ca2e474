/* shortage.h - how a caller is told that a budget does not allow its call. */
#ifndef WEIR_PROXY_SHORTAGE_H
#define WEIR_PROXY_SHORTAGE_H

#include "dataplane/proxy/exchange.h"

/* 402 for money and totals, 429 with Retry-After for rates, 503 when no lease could be had; names
 * the budget, its limit, what is left and when it resets. */
enum weir_verdict weir_answer_shortage(struct weir_exchange *x,
                                       const struct weir_admit_failure *failure);

/* One sentence of the same for the end of a stream that is cut; in the arena. */
struct weir_str weir_shortage_notice(struct weir_exchange *x,
                                     const struct weir_admit_failure *failure);

#endif
