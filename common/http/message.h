/* message.h - the few HTTP terms that server and client share. Plain values, no ownership. */
#ifndef WEIR_HTTP_MESSAGE_H
#define WEIR_HTTP_MESSAGE_H

#include <stdbool.h>

#include "base/str.h"

struct weir_http_header {
    struct weir_str name, value;
};

/* Narrows a message's headers to the part that its Connection lines stand in, so that each of its
 * headers is held against those alone: weir_http_is_for_hop(). */
struct weir_http_hop {
    const struct weir_http_header *first;
    size_t count; /* 0: no such line */
};

struct weir_http_hop weir_http_hop_of(const struct weir_http_header *headers, size_t count);
/* Does a Connection line name the header? Then it is for this hop only and a proxy does not pass it
 * on (RFC 9110, 7.6.1). Several lines count as one. */
bool weir_http_is_for_hop(struct weir_http_hop hop, struct weir_str name);

/* The standard reason phrase ("Not Found"), "Unknown" for a status without one. */
struct weir_str weir_http_reason(unsigned status);

#endif
