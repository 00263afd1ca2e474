/* fields.h - what a route changes of a request's fields before anything else is read of it. Pure.
 */
#ifndef WEIR_LLM_FIELDS_H
#define WEIR_LLM_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/str.h"

struct weir_llm_field_edit {
    const char *field;     /* of the request's top level */
    struct weir_str value; /* JSON; absent: the field is taken out */
    bool if_absent;        /* only where the request hasn't the field */
};

/* A body with the edits, in the arena; what they don't name keeps its bytes and its order, what is
 * new comes last. WEIR_EINVAL: the body is no JSON object. */
WEIR_NODISCARD int weir_llm_edit_fields(struct weir_str body,
                                        const struct weir_llm_field_edit *edits, size_t n,
                                        struct weir_arena *a, struct weir_str *out);

#endif
