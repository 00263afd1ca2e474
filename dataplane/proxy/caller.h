/* caller.h - what a caller says of itself beyond its key: session, run, user. From Weir's own
 * headers, else from those of the harnesses, else from the body. Nothing here is proven. */
#ifndef WEIR_PROXY_CALLER_H
#define WEIR_PROXY_CALLER_H

#include "base/str.h"

struct weir_exchange;

/* As counters are named by it; "": not given. A value that is long or has other characters than a
 * name is told by its SHA-256, so that no two share a counter because they were cut. */
struct weir_caller {
    struct weir_str session, run, user;
};

/* As it was given, for records; absent: not given. Borrowed from the request and the arena. */
struct weir_str weir_caller_session(const struct weir_exchange *x);

/* Sets x->caller; after decode. */
void weir_caller_read(struct weir_exchange *x);

#endif
