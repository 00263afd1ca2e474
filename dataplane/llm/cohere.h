/* cohere.h - the parts of Cohere's chat (v2), joined in cohere.c. Only providers speak it: it has
 * no reader of requests, and no writer of answers, for translation. */
#ifndef WEIR_LLM_COHERE_H
#define WEIR_LLM_COHERE_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

/* Cohere signs no reasoning, and takes it back: this stands for a signature, so that it is known as
 * Cohere's when it comes back from a client of another dialect. */
#define WEIR_COHERE_SIGNATURE "thinking"

bool weir_cohere_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_cohere_usage(struct weir_llm_tap *t, struct weir_str raw);
/* Its generation failed: the call has an answer, and the answer is none. */
bool weir_cohere_is_failure(struct weir_str finish);

void weir_cohere_write_call(struct weir_canon_out *o);
void weir_cohere_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_cohere_read_answer(struct weir_canon_reader *r, struct weir_str document);

#endif
