/* attempt.h - the tries of a call at its targets, and the path between them.
 *
 * dispatch starts a try; whatever fails before the client has had a byte comes back here, and
 * either another try is started or the failure is answered. */
#ifndef WEIR_PROXY_ATTEMPT_H
#define WEIR_PROXY_ATTEMPT_H

#include "dataplane/proxy/exchange.h"

/* Notes that a try at x->candidate begins. */
void weir_attempt_open(struct weir_exchange *x);

/* Starts the next try, once it is held beside what earlier ones may have cost. WEIR_ENOTFOUND: none
 * is left. WEIR_EWAIT: it is under way, or will be after a pause. */
WEIR_NODISCARD int weir_attempt_next(struct weir_exchange *x);

/* Notes the end of the present try, and what it cost: by the tap's usage if there is one; else,
 * when something was sent, by the call's own estimate if `billable`. Fine when none is under way.
 */
void weir_attempt_close(struct weir_exchange *x, const char *error, bool billable);

/* The present try failed with nothing sent to the client: tries again, or answers and finishes. */
void weir_attempt_failed(struct weir_exchange *x, const char *error, const char *cause,
                         bool billable);

enum { WEIR_ATTEMPT_SIGNATURE_HEADERS = 3 };

/* Signs a request to AWS as of now: its method, path, body, host and type. Appends the headers that
 * say so and returns their count. */
size_t weir_attempt_sign(const struct weir_exchange *x, const struct weir_policy_provider *p,
                         const struct weir_http_call_spec *spec, struct weir_http_header *out);

/* Is the output's limit told to the provider, though the caller named none? Only where a hard
 * budget relies on it. */
bool weir_attempt_limits(const struct weir_exchange *x);

/* The request for a target: its path, its headers and the edited body; all in the arena. */
void weir_attempt_request(struct weir_exchange *x, const struct weir_candidate *c,
                          struct weir_http_call_spec *out);

/* Events of the upstream call; relay's part of them is in relay.h. */
extern const struct weir_http_call_events weir_attempt_events;

/* The error of an attempt that found no free connection; also the code of the answer. */
#define WEIR_CONNECTIONS_FULL "provider_connections_full"
/* The same where the provider has all the calls that it takes at once. */
#define WEIR_PROVIDER_BUSY "provider_busy"

int64_t weir_mono_us(void);

#endif
