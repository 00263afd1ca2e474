/* models_page.h - which part of the list of models a client asks for. Anthropic's API and Google's
 * have pages; the others give the whole list, and so do these unless the query says how many.
 * Pure code: any thread, no I/O. */
#ifndef WEIR_LLM_MODELS_PAGE_H
#define WEIR_LLM_MODELS_PAGE_H

#include "base/arena.h"
#include "dataplane/llm/llm.h"

struct weir_llm_models_page {
    size_t first, n; /* of the list */
    bool more;       /* others follow in the direction that the client goes */
};

/* Reads limit, after_id and before_id (Anthropic), pageSize and pageToken (Google) of a query that
 * is still encoded. WEIR_EINVAL: a number that is none, or a mark that isn't in the list; err says
 * which. */
WEIR_NODISCARD int weir_llm_models_page(enum weir_dialect d, struct weir_str query,
                                        const struct weir_llm_model *models, size_t n,
                                        struct weir_arena *a, struct weir_llm_models_page *out,
                                        struct weir_err *err);

#endif
