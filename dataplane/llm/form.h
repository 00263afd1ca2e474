/* form.h - fields of a form (multipart/form-data, RFC 7578). Pure code: any thread, no I/O. */
#ifndef WEIR_LLM_FORM_H
#define WEIR_LLM_FORM_H

#include "base/err.h"
#include "base/str.h"

struct weir_llm_form_field {
    struct weir_str name;
    struct weir_str value; /* in the body; absent: the form hasn't got it */
};

/* Finds the values of some fields. Strict: whatever two readers might see differently is refused: a
 * field twice, names in an unusual form, folded headers, an end that is missing. WEIR_EINVAL: *why
 * is a sentence (static) that says what is wrong. */
WEIR_NODISCARD int weir_llm_form_read(struct weir_str content_type, struct weir_str body,
                                      struct weir_llm_form_field *fields, size_t n,
                                      const char **why);

#endif
