/* judge.h - what each attempt tells about the health of its target. A failure of ours, of the
 * caller's request or of a kept connection says nothing about a target. */
#ifndef WEIR_PROXY_JUDGE_H
#define WEIR_PROXY_JUDGE_H

#include "dataplane/proxy/exchange.h"

/* Calls are limited by the provider's key, or by the caller's own where that is passed on. */
uint64_t weir_judge_key(const struct weir_exchange *x, const struct weir_candidate *c);

const struct weir_health *weir_judge_health(const struct weir_exchange *x,
                                            const struct weir_candidate *c);

/* Did the provider refuse the key that it was called with, and has it others? */
bool weir_judge_is_key_refused(const struct weir_candidate *c, int status);

void weir_judge_begin(struct weir_exchange *x, struct weir_attempt *a);
void weir_judge_head(struct weir_exchange *x, struct weir_attempt *a,
                     const struct weir_http_call_head *head);
void weir_judge_content(struct weir_exchange *x,
                        struct weir_attempt *a);                      /* of a stream; the first */
void weir_judge_end(struct weir_exchange *x, struct weir_attempt *a); /* a->error is set */

#endif
