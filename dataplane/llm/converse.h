/* converse.h - the parts of Bedrock's Converse and ConverseStream, joined in converse.c. Providers
 * only: no client is served in it. */
#ifndef WEIR_LLM_CONVERSE_H
#define WEIR_LLM_CONVERSE_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

bool weir_converse_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_converse_usage(struct weir_llm_tap *t, struct weir_str raw);

void weir_converse_write_call(struct weir_canon_out *o);
void weir_converse_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_converse_read_answer(struct weir_canon_reader *r, struct weir_str document);

#endif
