/* messages.h - the parts of Anthropic Messages, joined in messages.c. */
#ifndef WEIR_LLM_MESSAGES_H
#define WEIR_LLM_MESSAGES_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

enum { WEIR_MESSAGES_FIELDS = 8 };

enum { WEIR_MESSAGES_CANON = 18 };

extern const struct weir_canon_field weir_messages_canon[WEIR_MESSAGES_CANON];
extern const struct weir_llm_field weir_messages_fields[WEIR_MESSAGES_FIELDS];

/* The vendor's field `thinking`, which its models have behind other APIs, too. */
bool weir_messages_thinking(struct weir_llm_decoder *d);
bool weir_messages_canon_thinking(struct weir_canon_in *in, const char *path);

bool weir_messages_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_messages_usage(struct weir_llm_tap *t, struct weir_str raw);
void weir_messages_cut(struct weir_llm_tap *t, struct weir_str notice,
                       const struct weir_usage *usage, struct weir_buf *out);
int weir_messages_echo_body(struct weir_llm_echo *e, struct weir_buf *out);
int weir_messages_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

void weir_messages_write_call(struct weir_canon_out *o);
void weir_messages_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_messages_read_answer(struct weir_canon_reader *r, struct weir_str document);
void weir_messages_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e);
void weir_messages_write_answer(struct weir_canon_writer *w);

#endif
