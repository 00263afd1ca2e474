/* dns.h - host names to addresses by the system's resolver (in libuv's thread pool), with a small
 * cache that also remembers which addresses failed. One per loop, its thread only. */
#ifndef WEIR_NET_DNS_H
#define WEIR_NET_DNS_H

#include <uv.h>

#include "base/err.h"
#include "base/str.h"

struct weir_dns;       /* opaque; the caller owns it */
struct weir_dns_query; /* gone after its callback or its cancel */

enum {
    WEIR_DNS_MAX_ADDRESSES = 16,
    WEIR_DNS_MAX_NAMES = 256,
    WEIR_DNS_TTL_MS = 30000, /* getaddrinfo tells no TTL; short enough for failovers by DNS */
    WEIR_DNS_FAILED_MS = 10000,
};

struct weir_dns_result {
    struct sockaddr_storage addr[WEIR_DNS_MAX_ADDRESSES]; /* in the order to try: families in turn
                                                           * (RFC 8305), lately failed ones last */
    size_t count;
};

struct weir_dns *weir_dns_create(uv_loop_t *loop);
/* Calls nothing any more; frees itself when the resolver's threads are done. NULL is fine. */
void weir_dns_destroy(struct weir_dns *d);

/* Address literals and cached names are answered at once: WEIR_OK with *out_now filled and no
 * callback. WEIR_EWAIT: done follows; rc WEIR_ENOTFOUND (no such name) or WEIR_EIO. */
typedef void (*weir_dns_fn)(void *arg, int rc, const struct weir_dns_result *result);
WEIR_NODISCARD int weir_dns_resolve(struct weir_dns *d, struct weir_str host, uint16_t port,
                                    weir_dns_fn done, void *arg, struct weir_dns_result *out_now,
                                    struct weir_dns_query **out_query);
void weir_dns_cancel(struct weir_dns_query *q);

/* Puts an address last for a while, or forgives it. */
void weir_dns_note(struct weir_dns *d, const struct sockaddr *addr, bool failed);

/* Answers a name from now on without asking anybody, for tests and for names pinned by policy. */
void weir_dns_pin(struct weir_dns *d, struct weir_str host, const struct sockaddr_storage *addrs,
                  size_t count);

#endif
