/* choice.h - which of a call's targets is tried next: the healthy ones first, in the order of the
 * route; then those that may fail or refuse, if they can be called soon enough. */
#ifndef WEIR_PROXY_CHOICE_H
#define WEIR_PROXY_CHOICE_H

#include "dataplane/proxy/exchange.h"

/* NULL: none is left that may be called in time. *wait_ms: for how long it must still be left alone
 * (0: it may be called at once). */
struct weir_candidate *weir_choice_next(struct weir_exchange *x, int64_t *wait_ms);

/* Until the first of the call's targets may be called again. */
int64_t weir_choice_nearest_ms(const struct weir_exchange *x);

/* May another target, or the same once more, be tried for this caller? */
bool weir_choice_may_fall_back(const struct weir_exchange *x);

#endif
