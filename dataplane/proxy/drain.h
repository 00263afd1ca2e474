/* drain.h - reading an answer to its end for a client that has gone, so that it is billed exactly.
 *
 * Without it the provider's connection is closed at once and what was seen is settled (S-01, S-02).
 * A route may say otherwise (Route.spec.drain), within bounds: of time and bytes for each call, and
 * of calls for each worker (S-03). What ends a drain early settles the call as if there were none.
 * One worker's loop. */
#ifndef WEIR_PROXY_DRAIN_H
#define WEIR_PROXY_DRAIN_H

#include <stdbool.h>
#include <stddef.h>

struct weir_exchange;
struct weir_worker;

enum { WEIR_DRAINS_MAX = 256 }; /* of one worker at once */

/* The client has gone. True: the exchange goes on, keeps its memory, and ends by itself. False: it
 * is to be ended now, for its route has no drain, no request has left, or too many drain already.
 */
bool weir_drain_begin(struct weir_exchange *x);

/* n further bytes of the answer have come. False: they were too many; the exchange has ended. */
bool weir_drain_goes_on(struct weir_exchange *x, size_t n);

/* The exchange is settled and recorded. It lives until the loop has left its callbacks. */
void weir_drain_over(struct weir_exchange *x);

/* Ends all that drain, for the worker closes. Not from inside a callback of one of them. */
void weir_drain_end_all(struct weir_worker *w);

#endif
