/* bridge.h - the part of a tap that gives an answer to a client of another dialect. */
#ifndef WEIR_LLM_BRIDGE_H
#define WEIR_LLM_BRIDGE_H

#include "dataplane/llm/llm_internal.h"

struct weir_llm_bridge; /* opaque; lives in the tap's arena */

struct weir_llm_bridge *weir_llm_bridge_create(struct weir_llm_tap *t);

/* An event that the tap has metered. WEIR_ELIMIT: more waits than is kept. */
WEIR_NODISCARD int weir_llm_bridge_event(struct weir_llm_tap *t, const struct weir_sse_event *e);
/* A piece of a document, which is kept until its end. WEIR_ELIMIT: it is too long. */
WEIR_NODISCARD int weir_llm_bridge_keep(struct weir_llm_tap *t, const char *p, size_t n);
/* The document has ended. WEIR_EPROTO: it is no answer of the provider's dialect. */
WEIR_NODISCARD int weir_llm_bridge_document(struct weir_llm_tap *t);
/* The stream has ended behind its last event, which did not say so. WEIR_ELIMIT: as above. */
WEIR_NODISCARD int weir_llm_bridge_end(struct weir_llm_tap *t);
/* Ends a stream where it stands; see weir_llm_tap_cut(). */
void weir_llm_bridge_cut(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *out);

/* Hands what has been made to the client. */
void weir_llm_bridge_flush(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg);

#endif
