/* endpoint.h - the paths of the dialects: what a client's path asks for, and the path that takes
 * the same to a provider. Pure code: any thread, no I/O. */
#ifndef WEIR_LLM_ENDPOINT_H
#define WEIR_LLM_ENDPOINT_H

#include "common/http/request.h"
#include "dataplane/llm/llm.h"

/* The dialect in whose shape a path's errors are told, whether or not it is served. */
enum weir_dialect weir_llm_endpoint_dialect(struct weir_str path);

/* Reads a client's method and path (percent-encoded, without its query). Clients that append their
 * own path may put /openai, /anthropic, /gemini or /bedrock before it.
 * WEIR_ENOTFOUND: no such path; WEIR_EINVAL: it has another method. out->dialect is set in any
 * case, to weir_llm_endpoint_dialect() where the path isn't one dialect's own. The model is
 * decoded, in the arena. */
WEIR_NODISCARD int weir_llm_endpoint_find(enum weir_http_method method, struct weir_str path,
                                          struct weir_arena *a, struct weir_llm_endpoint *out);

/* A path that isn't served, but that policy may let pass. False: it has something in it (an escape,
 * "..", an empty segment) that a server may read in another way than a rule for it does. */
bool weir_llm_endpoint_pass(struct weir_str path, struct weir_llm_endpoint *out);
bool weir_llm_endpoint_is_below(struct weir_str path, struct weir_str base); /* or the same */
/* Of those that pass: one that names a model, and so needs no rule. */
bool weir_llm_endpoint_is_passed(const struct weir_llm_endpoint *e);
/* The path of such a one at a provider whose conversations are in d; absent: it has none. */
struct weir_str weir_llm_endpoint_passed_at(const struct weir_llm_endpoint *e, enum weir_dialect d);
const char *weir_llm_endpoint_passed_name(struct weir_str path); /* "images", ... in records */

/* The provider's path for it, below base_path (without a slash at its end, with or without the
 * version that the path begins with: both are customary). Absent: the dialect has no such
 * operation. */
struct weir_str weir_llm_endpoint_path(const struct weir_llm_endpoint *to,
                                       struct weir_str base_path, struct weir_arena *a);

/* Google's API takes a caller's key and the form of an answer from the query: *key gets it,
 * decoded, or is absent; *array: a stream is wanted as one JSON array (gemini_array.h).
 * WEIR_EUNSUPPORTED: a stream is asked for in a form that isn't served. */
WEIR_NODISCARD int weir_llm_endpoint_read_query(const struct weir_llm_endpoint *from,
                                                struct weir_str query, struct weir_arena *a,
                                                struct weir_str *key, bool *array);

/* The value of a query's parameter, still encoded. Absent: there is none. */
struct weir_str weir_llm_endpoint_param(struct weir_str query, const char *name);

/* The query of a provider's path: the client's, which is absent when its dialect is another one,
 * less what read_query() takes from it, and what the path itself asks for. */
struct weir_str weir_llm_endpoint_query(const struct weir_llm_endpoint *to, struct weir_str client,
                                        struct weir_arena *a);

#endif
