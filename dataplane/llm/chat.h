/* chat.h - the parts of OpenAI Chat Completions, joined in chat.c. */
#ifndef WEIR_LLM_CHAT_H
#define WEIR_LLM_CHAT_H

#include "dataplane/llm/llm_internal.h"

enum { WEIR_CHAT_FIELDS = 13 };

extern const struct weir_llm_field weir_chat_fields[WEIR_CHAT_FIELDS];

bool weir_chat_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_chat_usage(struct weir_llm_tap *t, struct weir_str raw);
void weir_chat_cut(struct weir_llm_tap *t, struct weir_str notice,
                   const struct weir_llm_usage *usage, struct weir_buf *out);
int weir_chat_add_usage(struct weir_buf *b, const struct weir_llm_usage *u); /* as an object */
int weir_chat_echo_body(struct weir_llm_echo *e, struct weir_buf *out);
int weir_chat_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

#endif
