/* percent.h - percent-encoding of one part of a path or a query (RFC 3986, 2.1). Pure code. */
#ifndef WEIR_HTTP_PERCENT_H
#define WEIR_HTTP_PERCENT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* Decodes; '+' is a space in a form's value. The result is in the arena, with a NUL behind it.
 * WEIR_EINVAL: a broken escape, or a NUL. */
WEIR_NODISCARD int weir_percent_decode(struct weir_arena *a, struct weir_str s, bool form,
                                       struct weir_str *out);

/* Encodes all but the unreserved characters, so '/' too. In the arena, with a NUL behind it. */
struct weir_str weir_percent_encode(struct weir_arena *a, struct weir_str s);

#endif
