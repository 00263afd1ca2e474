/* decode_internal.h - what the decoder's files share: where it stands, and the check of one scalar.
 */
#ifndef WEIR_DATA_DECODE_INTERNAL_H
#define WEIR_DATA_DECODE_INTERNAL_H

#include "data/tree.h"

/* A place in an object, from the inside out; lives on the stack. */
struct weir__path {
    const struct weir__path *up;
    const char *name; /* NULL: an item of a list */
    size_t index;
};

struct weir__decode {
    struct weir_arena *arena;
    struct weir_data_errors *errors;
    const char *file;
    const char *kind, *name; /* of the present object; "" */
};

void weir__decode_error(struct weir__decode *d, unsigned line, const struct weir__path *path,
                        const char *fmt, ...) WEIR_PRINTF(4, 5);

/* No further error will be kept: don't work on its words. */
static inline bool weir__decode_is_full(const struct weir__decode *d)
{
    return d->errors->count >= WEIR_DATA_MAX_ERRORS;
}

/* A message from a mapping. NULL: it is no mapping; other errors are added and it goes on. */
ProtobufCMessage *weir__decode_message(struct weir__decode *d, const struct weir_data_node *n,
                                       const ProtobufCMessageDescriptor *desc,
                                       const struct weir__path *path);

/* One value of a scalar field into out, which has room for it. False: an error was added. */
bool weir__decode_scalar(struct weir__decode *d, const struct weir_data_node *n,
                         const ProtobufCFieldDescriptor *f, const struct weir_schema_field *rules,
                         const struct weir__path *path, void *out);

/* Text that a string field of this format may hold, NULL; else what is wrong and how to mend it. */
const char *weir__format_fault(enum weir_schema_format format, struct weir_str s);

/* A header that a policy may add to a request, NULL; else what is wrong. */
const char *weir__added_header_fault(struct weir_str name, struct weir_str value);

/* Must this unquoted word be quoted to be text? */
bool weir__plain_needs_quotes(struct weir_str s);

#endif
