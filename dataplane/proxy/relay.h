/* relay.h - the answer of a provider on its way to the client: translated (same dialect: not at
 * all), metered, and kept within what is held. Called by the events of the upstream call. */
#ifndef WEIR_PROXY_RELAY_H
#define WEIR_PROXY_RELAY_H

#include "dataplane/proxy/exchange.h"

void weir_relay_body(struct weir_exchange *x, const char *p, size_t n);
void weir_relay_end(struct weir_exchange *x);
/* The attempt failed before the client had anything of it: its answer is as if it had never been.
 */
void weir_relay_forget(struct weir_exchange *x);
/* The upstream failed in the middle of its answer. */
void weir_relay_error(struct weir_exchange *x, int rc, const char *cause);
/* The client takes bytes again. */
void weir_relay_writable(struct weir_exchange *x);

#endif
