/* canon_in.h - reading a request into a canonical call: what the dialects' readers share. */
#ifndef WEIR_LLM_CANON_IN_H
#define WEIR_LLM_CANON_IN_H

#include "data/json_scan.h"
#include "dataplane/llm/canon.h"

struct weir_canon_in {
    struct weir_json j;
    struct weir_str body;
    struct weir_arena *arena;
    struct weir_canon_call *call;
    const char *wrong; /* static; the first thing that cannot be read */
    size_t wrong_at;
};

enum weir_canon_fate {
    WEIR_FIELD_READ,      /* by its reader */
    WEIR_FIELD_HINT,      /* no other dialect knows it; bears on cost, speed or bookkeeping */
    WEIR_FIELD_ELSEWHERE, /* weir_llm_decode() read it */
};

/* A field of a request's top level. One that stands in no table is a loss. */
struct weir_canon_field {
    const char *name;
    bool (*read)(struct weir_canon_in *in);
    enum weir_canon_fate fate;
};

/* An object's members by a table; `path` precedes the names of what is lost, "" at the top. */
bool weir_canon_members(struct weir_canon_in *in, const struct weir_canon_field *fields, size_t n,
                        const char *path);

/* A member that a reader knows. */
struct weir_canon_want {
    const char *name;
    struct weir_str *raw; /* gets the value, null as absent; NULL: known, and no more than a hint */
};

/* The members of an object of the body; all others are lost under `path`. */
bool weir_canon_pick(struct weir_canon_in *in, struct weir_str object,
                     const struct weir_canon_want *want, size_t n, const char *path);
/* The inside of a raw string; absent stays absent, anything else is wrong. */
bool weir_canon_inner(struct weir_canon_in *in, struct weir_str raw, struct weir_str *out);

/* Always false; notes the first sentence. `at` is in the body. */
bool weir_canon_wrong(struct weir_canon_in *in, const char *at, const char *what);
bool weir_canon_skip(struct weir_canon_in *in);

/* A value of any type; null: absent. */
bool weir_canon_json(struct weir_canon_in *in, struct weir_str *out);
/* A string; null: absent; anything else is wrong. */
bool weir_canon_text(struct weir_canon_in *in, struct weir_str *out);
bool weir_canon_number(struct weir_canon_in *in, struct weir_str *out);
bool weir_canon_flag(struct weir_canon_in *in, struct weir_str *out); /* "true", "false" */
bool weir_canon_stops(struct weir_canon_in *in); /* a string or a list of them */

/* Fields that dialects have in one form, for their tables. */
bool weir_canon_read_temperature(struct weir_canon_in *in);
bool weir_canon_read_top_p(struct weir_canon_in *in);
bool weir_canon_read_top_k(struct weir_canon_in *in);
bool weir_canon_read_parallel(struct weir_canon_in *in);
bool weir_canon_read_tier(struct weir_canon_in *in);
bool weir_canon_read_cache_key(struct weir_canon_in *in);
/* {"role", "content"}, as Anthropic and Bedrock have it. */
bool weir_canon_read_message(struct weir_canon_in *in, struct weir_str raw,
                             bool (*read_content)(struct weir_canon_in *in, struct weir_str raw,
                                                  struct weir_canon_message *to, bool nested));
/* OpenAI's tool choice: a word, or an object that `named` reads. */
bool weir_canon_read_choice(struct weir_canon_in *in,
                            bool (*named)(struct weir_canon_in *in, struct weir_str object));

/* NULL: past a bound, and `wrong` says so. */
struct weir_canon_message *weir_canon_add_message(struct weir_canon_in *in,
                                                  enum weir_canon_role role);
/* The last message becomes the first: what a field beside the messages says stands before them.
 * `last` is the one that was the last before it; NULL: there was none. */
void weir_canon_move_first(struct weir_canon_call *c, struct weir_canon_message *last);
struct weir_canon_part *weir_canon_new_part(struct weir_canon_in *in, enum weir_canon_kind kind);
struct weir_canon_tool *weir_canon_add_tool(struct weir_canon_in *in);
void weir_canon_append(struct weir_canon_message *m, struct weir_canon_part *p);

/* Loses a field or part: `path` and the name behind it. */
void weir_canon_in_loses(struct weir_canon_in *in, const char *path, struct weir_str name,
                         bool hint);

/* A data: URL as mime and base64 data; any other as url. */
void weir_canon_url(struct weir_canon_part *p, struct weir_str url);

/* A tool call's arguments, given as a string: unescaped and checked. Nothing at all is {}. */
bool weir_canon_arguments(struct weir_canon_in *in, struct weir_canon_part *p,
                          struct weir_str text);

/* A signature on its way to a foreign client is wrapped, so that it is known again when it comes
 * back: "weir." dialect "." opaque. Unwraps one, or takes it for one of dialect `own`. */
void weir_canon_unwrap(struct weir_str text, enum weir_dialect own, struct weir_str *signature,
                       enum weir_dialect *signer);
/* Both alphabets, as far as it is base64; in the arena. */
struct weir_str weir_canon_decode_base64(struct weir_arena *a, struct weir_str s);
/* The same where the dialect has base64 of it. In the arena, or `text` itself. */
void weir_canon_unwrap_coded(struct weir_arena *a, struct weir_str text, enum weir_dialect own,
                             struct weir_str *signature, enum weir_dialect *signer);

#endif
