/* responses.h - the parts of OpenAI Responses, joined in responses.c. */
#ifndef WEIR_LLM_RESPONSES_H
#define WEIR_LLM_RESPONSES_H

#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

enum { WEIR_RESPONSES_FIELDS = 15 };

enum { WEIR_RESPONSES_CANON = 29 };

extern const struct weir_canon_field weir_responses_canon[WEIR_RESPONSES_CANON];
extern const struct weir_llm_field weir_responses_fields[WEIR_RESPONSES_FIELDS];

bool weir_responses_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
void weir_responses_usage(struct weir_llm_tap *t, struct weir_str raw);
void weir_responses_cut(struct weir_llm_tap *t, struct weir_str notice,
                        const struct weir_usage *usage, struct weir_buf *out);
int weir_responses_echo_body(struct weir_llm_echo *e, struct weir_buf *out);
int weir_responses_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

/* Tools (responses_tools.c). Other dialects have one level of them, and only functions: a tool of a
 * namespace gets its name before its own, and one that takes a text becomes a function of one. */
bool weir_responses_tools(struct weir_canon_in *in);
bool weir_responses_choice(struct weir_canon_in *in);
bool weir_responses_read_tools(struct weir_canon_in *in, struct weir_str list);
struct weir_str weir_responses_wire_name(struct weir_canon_in *in, struct weir_str space,
                                         struct weir_str name);
struct weir_str weir_responses_wrap(struct weir_canon_in *in, const char *before,
                                    struct weir_str text, const char *after);

void weir_responses_write_call(struct weir_canon_out *o);
void weir_responses_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e);
void weir_responses_read_answer(struct weir_canon_reader *r, struct weir_str document);
void weir_responses_write_event(struct weir_canon_writer *w, const struct weir_canon_event *e);
void weir_responses_write_answer(struct weir_canon_writer *w);

/* A response object as far as its output: the list is open. Texts are escaped. */
struct weir_responses_head {
    struct weir_str id, model;
    int64_t created_s;
    const char *status; /* in_progress, completed, incomplete */
    const char *reason; /* why it is incomplete; NULL: it is not */
};

void weir_responses_begin(struct weir_jw *j, const char *key,
                          const struct weir_responses_head *head);
/* Ends it; usage NULL: null. */
void weir_responses_end(struct weir_jw *j, const struct weir_usage *usage);

/* A text part, {"type":"output_text"} or refusal, as a value or a member. */
void weir_responses_text_part(struct weir_jw *j, const char *key, bool refusal,
                              struct weir_str text);

/* "event: TYPE\ndata: {"type":TYPE,"sequence_number":N": members follow, then
 * weir_responses_event_end(). */
struct weir_jw weir_responses_event_begin(struct weir_buf *out, const char *type, int64_t sequence);
void weir_responses_event_end(struct weir_jw *j);

#endif
