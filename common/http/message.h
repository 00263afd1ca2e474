/* message.h - the few HTTP terms that server and client share. Plain values, no ownership. */
#ifndef WEIR_HTTP_MESSAGE_H
#define WEIR_HTTP_MESSAGE_H

#include "base/str.h"

struct weir_http_header {
    struct weir_str name, value;
};

/* The standard reason phrase ("Not Found"), "Unknown" for a status without one. */
struct weir_str weir_http_reason(unsigned status);

#endif
