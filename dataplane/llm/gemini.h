/* gemini.h - the parts of Google's generateContent, joined in gemini.c. */
#ifndef WEIR_LLM_GEMINI_H
#define WEIR_LLM_GEMINI_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

enum { WEIR_GEMINI_FIELDS = 12 };

enum { WEIR_GEMINI_CANON = 13, WEIR_GEMINI_CONFIG = 21 };

extern const struct weir_canon_field weir_gemini_canon[WEIR_GEMINI_CANON];
extern const struct weir_canon_field weir_gemini_config[WEIR_GEMINI_CONFIG]; /* generationConfig */
extern const struct weir_llm_field weir_gemini_fields[WEIR_GEMINI_FIELDS];

/* Of requests for embeddings, too. */
bool weir_gemini_count_content(struct weir_llm_decoder *d);
/* A body may repeat the model of its path, and must not name another one. */
bool weir_gemini_same_model(struct weir_llm_decoder *d, struct weir_llm_span *out);

enum { WEIR_GEMINI_EMBED_FIELDS = 2, WEIR_GEMINI_EMBED_BATCH_FIELDS = 1 };

enum { WEIR_GEMINI_EMBED_CANON = 7, WEIR_GEMINI_EMBED_BATCH_CANON = 1 };

extern const struct weir_canon_field weir_gemini_embed_canon[WEIR_GEMINI_EMBED_CANON];
extern const struct weir_canon_field weir_gemini_embed_batch_canon[WEIR_GEMINI_EMBED_BATCH_CANON];

/* Embeddings (embed.h). */
void weir_gemini_write_embed(struct weir_canon_out *o);
bool weir_gemini_read_vectors(struct weir_str document, struct weir_arena *a,
                              struct weir_embed_answer *out);
void weir_gemini_write_vector(struct weir_embed_writer *e, const struct weir_embed_answer *a);
void weir_gemini_write_vectors(struct weir_embed_writer *e, const struct weir_embed_answer *a);

extern const struct weir_llm_field weir_gemini_embed_fields[WEIR_GEMINI_EMBED_FIELDS];
extern const struct weir_llm_field weir_gemini_embed_batch_fields[WEIR_GEMINI_EMBED_BATCH_FIELDS];

bool weir_gemini_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_gemini_usage(struct weir_llm_tap *t, struct weir_str raw);
void weir_gemini_cut(struct weir_llm_tap *t, struct weir_str notice, const struct weir_usage *usage,
                     struct weir_buf *out);
void weir_gemini_add_usage(struct weir_buf *b, const struct weir_usage *u); /* as an object */
int weir_gemini_echo_body(struct weir_llm_echo *e, struct weir_buf *out);
int weir_gemini_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

bool weir_gemini_read_contents(struct weir_canon_in *in);
bool weir_gemini_read_system(struct weir_canon_in *in);
void weir_gemini_write_call(struct weir_canon_out *o);
void weir_gemini_write_config(struct weir_canon_out *o); /* what stands behind its contents */
void weir_gemini_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_gemini_read_answer(struct weir_canon_reader *r, struct weir_str document);
void weir_gemini_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e);
void weir_gemini_write_answer(struct weir_canon_writer *w);

/* Google's Schema (OpenAPI's, with types in capitals) as JSON Schema, in the arena. */
struct weir_str weir_gemini_schema(struct weir_arena *a, struct weir_str schema);

#endif
