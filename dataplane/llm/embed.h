/* embed.h - calls for embeddings between dialects: what they ask for, and the vectors that come.
 *
 * A client's dialect reads its request into weir_embed_call, which hangs on the canonical call; the
 * provider's writes one from it. An answer is a whole document: the provider's dialect finds its
 * vectors, the client's writes them again, in the coding that the client asked for. Vectors are
 * kept as they stand, a JSON array of numbers or a string of base64, and are only recoded where the
 * two sides differ: 32-bit floats, little-endian, exactly. Pure code: any thread, no I/O. */
#ifndef WEIR_LLM_EMBED_H
#define WEIR_LLM_EMBED_H

#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/llm_internal.h"

enum { WEIR_EMBED_VECTORS = 100000 }; /* and inputs */

/* What the vectors are for, where a dialect tells models. */
enum weir_embed_purpose {
    WEIR_EMBED_UNSET,
    WEIR_EMBED_QUERY,
    WEIR_EMBED_DOCUMENT,
    WEIR_EMBED_CLASSIFICATION,
    WEIR_EMBED_CLUSTERING,
    WEIR_EMBED_SIMILARITY,
};

struct weir_embed_call {
    struct weir_str *texts; /* escaped; each gets a vector */
    size_t count, room;
    struct weir_str dimensions, title; /* absent: not given */
    enum weir_embed_purpose purpose;
    const char *input_field, *dimensions_field, *purpose_field; /* the client's names for them */
};

/* The call's, made when it is first asked for. */
struct weir_embed_call *weir_embed_of(struct weir_canon_in *in);
/* False: past a bound, and `wrong` says so. */
bool weir_embed_add(struct weir_canon_in *in, struct weir_str text);
/* Can it be written to a dialect that takes one input? WEIR_EINVAL: *err (400) says why not. */
WEIR_NODISCARD int weir_embed_check(const struct weir_canon_call *c, enum weir_dialect to,
                                    struct weir_arena *a, struct weir_err *err);
void weir_embed_put_texts(struct weir_canon_out *o, const char *key);
/* Names what has no place in the target: the purpose and the title; and the caller's user. */
void weir_embed_lose_purpose(struct weir_canon_out *o);
void weir_embed_lose_title(struct weir_canon_out *o);
void weir_embed_lose_user(struct weir_canon_out *o);

/* ---- answers ---- */

struct weir_embed_answer {
    struct weir_str *vectors; /* raw JSON, in the document */
    size_t count, room;
    struct weir_str model; /* escaped; absent: not told */
};

/* How a client's dialect is given it. */
struct weir_embed_writer {
    struct weir_jw w;
    const struct weir_usage *usage;
    bool base64; /* the client wants its vectors so */
    bool failed; /* a vector that is none */
};

bool weir_embed_add_vector(struct weir_embed_answer *out, struct weir_arena *a,
                           struct weir_str raw);
/* Every element of a list. */
bool weir_embed_add_vectors(struct weir_embed_answer *out, struct weir_arena *a,
                            struct weir_str list);
/* A vector as numbers, or as base64. */
void weir_embed_put_vector(struct weir_embed_writer *e, const char *key, struct weir_str raw,
                           bool base64);

#endif
