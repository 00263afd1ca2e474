/* canon_out.h - writing JSON from a canonical call or answer: what the dialects' writers share. */
#ifndef WEIR_LLM_CANON_OUT_H
#define WEIR_LLM_CANON_OUT_H

#include "data/json_write.h"
#include "dataplane/llm/canon.h"

/* A request that is being written. What cannot be expressed goes into call->losses. */
struct weir_canon_out {
    struct weir_jw w;
    struct weir_arena *arena;
    enum weir_dialect to;
    struct weir_canon_call *call;
    const struct weir_llm_call *given; /* what weir_llm_decode() read of the same body */
    size_t limit_at;                   /* see weir_canon_out_limit_here(); 0: before all else */
    bool limit_comma;
};

/* The limit of output belongs at the end of the object that is open: it differs between targets and
 * is put in by weir_llm_translated(). */
void weir_canon_out_limit_here(struct weir_canon_out *o);

/* A member from an escaped string; absent: not written. */
void weir_canon_put(struct weir_jw *w, const char *key, struct weir_str escaped);
/* A member from a whole JSON value; absent: not written. */
void weir_canon_put_json(struct weir_jw *w, const char *key, struct weir_str json);
/* A data: URL of the part's data, or its url. */
void weir_canon_put_url(struct weir_jw *w, const char *key, const struct weir_canon_part *p);
/* A signature towards a client of dialect `to`: wrapped when it is another's. */
void weir_canon_put_signature(struct weir_jw *w, const char *key, struct weir_str signature,
                              enum weir_dialect signer, enum weir_dialect to);
/* The same where `to` has base64 of it: its own signatures are that already. */
void weir_canon_put_coded(struct weir_jw *w, struct weir_arena *a, const char *key,
                          struct weir_str signature, enum weir_dialect signer,
                          enum weir_dialect to);
void weir_canon_put_stops(struct weir_canon_out *o, const char *key);
/* An escaped string's text as a JSON value: a tool call's arguments. What is no JSON object is
 * kept as the only member of one; nothing at all is {}. */
void weir_canon_put_arguments(struct weir_jw *w, const char *key, struct weir_str escaped);

/* Reasoning is taken back only by the dialect whose models have signed it. */
bool weir_canon_out_can_reason(const struct weir_canon_out *o, const struct weir_canon_part *p);
/* False: nothing of the message would be written, and empty messages are refused. */
bool weir_canon_out_says_something(const struct weir_canon_out *o,
                                   const struct weir_canon_message *m);
/* The system messages at the beginning as one list of parts, "system"; the message behind them. */
const struct weir_canon_message *
weir_canon_out_system(struct weir_canon_out *o,
                      void (*write_parts)(struct weir_canon_out *, const struct weir_canon_part *));

/* By the name that the client's dialect has for it. */
void weir_canon_out_loses(struct weir_canon_out *o, const char *name, bool hint);

/* What dialects have in different places, by the client's name for it. */
enum weir_canon_lost {
    WEIR_LOST_REASONING,
    WEIR_LOST_USER,
    WEIR_LOST_STOPS,
    WEIR_LOST_ANY_JSON,
    WEIR_LOST_IMAGE_DETAIL,
    WEIR_LOST_FILE_URL,
    WEIR_LOST_CACHE_KEY,
    WEIR_LOST_VERBOSITY,
    WEIR_LOST_COUNT,
};

void weir_canon_out_loses_part(struct weir_canon_out *o, enum weir_canon_lost what, bool hint);
/* Notes cache breakpoints as a hint that is lost. */
void weir_canon_out_loses_cache(struct weir_canon_out *o, enum weir_canon_cache cache);

#endif
