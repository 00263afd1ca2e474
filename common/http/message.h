/* message.h - the few HTTP terms that server and client share. Plain values, no ownership. */
#ifndef WEIR_HTTP_MESSAGE_H
#define WEIR_HTTP_MESSAGE_H

#include <stdbool.h>

#include "base/str.h"

struct weir_http_header {
    struct weir_str name, value;
};

/* Does a Connection line of this message name the header? Then it is for this hop only and a proxy
 * does not pass it on (RFC 9110, 7.6.1). Several lines count as one. */
bool weir_http_is_for_hop(const struct weir_http_header *headers, size_t count,
                          struct weir_str name);

/* The standard reason phrase ("Not Found"), "Unknown" for a status without one. */
struct weir_str weir_http_reason(unsigned status);

#endif
