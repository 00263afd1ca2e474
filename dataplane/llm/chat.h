/* chat.h - the parts of OpenAI Chat Completions, joined in chat.c. */
#ifndef WEIR_LLM_CHAT_H
#define WEIR_LLM_CHAT_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

enum { WEIR_CHAT_FIELDS = 14 };

enum { WEIR_CHAT_CANON = 24 };

extern const struct weir_canon_field weir_chat_canon[WEIR_CHAT_CANON];
extern const struct weir_llm_field weir_chat_fields[WEIR_CHAT_FIELDS];

bool weir_chat_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_chat_usage(struct weir_llm_tap *t, struct weir_str raw);
void weir_chat_cut(struct weir_llm_tap *t, struct weir_str notice, const struct weir_usage *usage,
                   struct weir_buf *out);
/* What servers end with when they could not go on: Mistral and OpenRouter, DeepSeek. */
bool weir_chat_is_failure(struct weir_str finish);
bool weir_chat_read_n(struct weir_llm_decoder *d);
bool weir_chat_read_stream_options(struct weir_llm_decoder *d);
bool weir_chat_read_user(struct weir_llm_decoder *d);
int weir_chat_add_usage(struct weir_buf *b, const struct weir_usage *u); /* as an object */
int weir_chat_echo_body(struct weir_llm_echo *e, struct weir_buf *out);
int weir_chat_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

/* OpenAI's shapes, which its Responses have, too. */
int weir_chat_error_body(const struct weir_err *err, struct weir_str request_id,
                         struct weir_buf *out);
int weir_chat_fail(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out);
void weir_chat_model(const struct weir_llm_model *m, int64_t created_s, struct weir_buf *out);
int weir_chat_models(const struct weir_llm_model *list, size_t n, bool more, int64_t created_s,
                     struct weir_buf *out);

void weir_chat_write_call(struct weir_canon_out *o);
void weir_chat_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_chat_read_answer(struct weir_canon_reader *r, struct weir_str document);
void weir_chat_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e);
void weir_chat_write_answer(struct weir_canon_writer *w);

#endif
