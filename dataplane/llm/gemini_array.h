/* gemini_array.h - a stream of generateContent as one JSON array that grows, which Google's API
 * gives where events aren't asked for (`alt=sse`): each event's data is an element. Pure; the
 * owner's memory. */
#ifndef WEIR_LLM_GEMINI_ARRAY_H
#define WEIR_LLM_GEMINI_ARRAY_H

#include "dataplane/llm/llm.h"
#include "http/sse.h"

struct weir_gemini_array {
    struct weir_sse sse;
    bool begun; /* the bracket is written */
};

void weir_gemini_array_init(struct weir_gemini_array *g);
void weir_gemini_array_fini(struct weir_gemini_array *g); /* twice is fine */

/* Turns whole or cut events into elements; comments go. WEIR_ELIMIT: an event is longer than any
 * that the tap lets pass. */
WEIR_NODISCARD int weir_gemini_array_feed(struct weir_gemini_array *g, struct weir_str events,
                                          weir_llm_sink_fn *sink, void *arg);
/* Closes the array; half an event is dropped. */
void weir_gemini_array_end(struct weir_gemini_array *g, weir_llm_sink_fn *sink, void *arg);

#endif
