/* pushback.h - what the headers of a provider's answer say about when to come back. Pure. */
#ifndef WEIR_PROXY_PUSHBACK_H
#define WEIR_PROXY_PUSHBACK_H

#include "common/http/client.h"

struct weir_pushback {
    int64_t retry_ms; /* the pause that it asks for; -1: it asks for none */
    int64_t spent_ms; /* until an allowance that is used up comes back; 0: none is; -1: not told */
};

/* Reads retry-after-ms, retry-after (seconds or an HTTP date; RFC 9110, 10.2.3) and the vendors'
 * allowances: x-ratelimit-remaining-* with x-ratelimit-reset-* (OpenAI and most who imitate it),
 * anthropic-ratelimit-*-remaining with -reset. What can't be read is as if it were absent; no value
 * is negative or above a year. wall_ms: now, for headers that name a date. */
struct weir_pushback weir_pushback_read(const struct weir_http_header *h, size_t n,
                                        int64_t wall_ms);

#endif
