/* converse.h - the parts of Bedrock's Converse and ConverseStream, joined in converse.c. */
#ifndef WEIR_LLM_CONVERSE_H
#define WEIR_LLM_CONVERSE_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

enum { WEIR_CONVERSE_FIELDS = 6 };

enum { WEIR_CONVERSE_CANON = 9, WEIR_CONVERSE_CONFIG = 4 };

extern const struct weir_canon_field weir_converse_canon[WEIR_CONVERSE_CANON];
extern const struct weir_canon_field weir_converse_config[WEIR_CONVERSE_CONFIG];
extern const struct weir_llm_field weir_converse_fields[WEIR_CONVERSE_FIELDS];

bool weir_converse_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_converse_usage(struct weir_llm_tap *t, struct weir_str raw);
void weir_converse_cut(struct weir_llm_tap *t, struct weir_str notice,
                       const struct weir_usage *usage, struct weir_buf *out);
/* The members "usage" and "metrics". */
void weir_converse_put_usage(struct weir_jw *j, const struct weir_usage *u, int64_t elapsed_ms);
int weir_converse_echo_body(struct weir_llm_echo *e, struct weir_buf *out);
int weir_converse_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

bool weir_converse_read_messages(struct weir_canon_in *in);
bool weir_converse_read_system(struct weir_canon_in *in);
enum weir_canon_cache weir_converse_cache(struct weir_canon_in *in, struct weir_str raw);
struct weir_str weir_converse_mime(struct weir_str format); /* of a document; absent: unknown */
void weir_converse_write_call(struct weir_canon_out *o);
void weir_converse_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_converse_read_answer(struct weir_canon_reader *r, struct weir_str document);
void weir_converse_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e);
void weir_converse_write_answer(struct weir_canon_writer *w);

#endif
