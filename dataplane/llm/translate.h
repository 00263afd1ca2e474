/* translate.h - a request in another dialect than the client's. Its answer comes back through the
 * tap, which is told the client's dialect (llm.h). Pure code: any thread, no I/O. */
#ifndef WEIR_LLM_TRANSLATE_H
#define WEIR_LLM_TRANSLATE_H

#include "dataplane/llm/llm.h"

/* A request but for its model and its limit of output, which differ between targets. */
struct weir_llm_translation {
    enum weir_dialect to;
    bool needs_limit; /* a limit of output must be told */
    struct weir_buf rest;
    size_t limit_at; /* in `rest`, where the limit goes; 0: before it */
    bool limit_comma;
    struct weir_llm_tool_name *tools; /* in the arena; the tap of the answer wants them */
    size_t tool_count;
    struct weir_str dropped; /* what the target cannot express, as "a, b"; absent: nothing */
};

/* Translates the body that `call` was decoded from. Hints that bear on cost, speed or bookkeeping
 * are dropped and named; what may change the answer is, too, unless `strict`. WEIR_EINVAL: *err
 * (400) names what cannot be read or, strictly, expressed. out->rest is the caller's to free, in
 * any case. */
WEIR_NODISCARD int weir_llm_translate(const struct weir_llm_call *call, struct weir_str body,
                                      enum weir_dialect to, bool strict, struct weir_arena *a,
                                      struct weir_llm_translation *out, struct weir_err *err);

/* Is all of the body that bears on its answer known here? Then a stream of it can be put together
 * without loss (weir_llm_tap_conf.gathers). */
bool weir_llm_is_understood(const struct weir_llm_call *call, struct weir_str body,
                            struct weir_arena *a);

/* The body for one target; the pieces point into the translation and the arena. max 0: no limit is
 * told, which not every dialect allows; older_limit as in weir_llm_edits. */
void weir_llm_translated(const struct weir_llm_translation *t, struct weir_str model, int64_t max,
                         bool older_limit, struct weir_arena *a, struct weir_llm_pieces *out);

#endif
