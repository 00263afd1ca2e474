/* canon.h - the canonical call: what a request says, free of any dialect's form.
 *
 * It stands between two dialects only; within one the bytes pass. The client's dialect reads a
 * request into it (canon_in.h), the provider's writes one from it (canon_out.h).
 *
 * Strings are kept as they stand between the quotes of a JSON string, never unescaped, so that they
 * travel without work: compare them with weir_json_is(). Fields named `json` are whole values.
 * Everything points into the body or lies in the arena. Pure code: any thread, no I/O. */
#ifndef WEIR_LLM_CANON_H
#define WEIR_LLM_CANON_H

#include "dataplane/llm/llm.h"

enum {
    WEIR_CANON_MESSAGES = 20000,
    WEIR_CANON_PARTS = 100000, /* of all messages */
    WEIR_CANON_TOOLS = 2048,
    WEIR_CANON_STOPS = 64,
    WEIR_CANON_LOSSES = 32, /* that are named; further ones are only counted */
};

struct weir_embed_call;

enum weir_canon_role {
    WEIR_ROLE_SYSTEM, /* developer, too */
    WEIR_ROLE_USER,   /* holds tool results, too */
    WEIR_ROLE_ASSISTANT,
};

enum weir_canon_kind {
    WEIR_PART_TEXT,
    WEIR_PART_IMAGE,
    WEIR_PART_FILE,
    WEIR_PART_TOOL_CALL,
    WEIR_PART_TOOL_RESULT,
    WEIR_PART_REASONING,
    WEIR_PART_REFUSAL,
};

/* A cache breakpoint behind something. */
enum weir_canon_cache { WEIR_CACHE_NONE, WEIR_CACHE_SHORT, WEIR_CACHE_HOUR };

struct weir_canon_part {
    struct weir_canon_part *next;
    enum weir_canon_kind kind;
    enum weir_canon_cache cache;
    bool failed;                   /* of a tool result */
    bool answered;                 /* a tool call whose result was paired with it by name */
    bool redacted;                 /* reasoning that is nothing but its signature */
    enum weir_dialect signer;      /* which dialect the signature is for */
    struct weir_str text;          /* text, reasoning, refusal */
    struct weir_str signature;     /* opaque; absent: unsigned */
    struct weir_str id;            /* of a tool call, and in its result again */
    struct weir_str name;          /* of the tool, the file */
    struct weir_str json;          /* a tool call's arguments: a JSON object */
    struct weir_str mime, data;    /* media; data is base64 */
    struct weir_str url, detail;   /* media elsewhere; an image's detail: low, high, auto */
    struct weir_canon_part *parts; /* of a tool result: text and media */
};

struct weir_canon_message {
    struct weir_canon_message *next;
    enum weir_canon_role role;
    struct weir_canon_part *parts, *last;
};

struct weir_canon_tool {
    struct weir_canon_tool *next;
    struct weir_str name, description;
    struct weir_str own_name, space; /* the caller's, if `name` is another one; else absent */
    bool custom;                     /* see weir_llm_tool_name */
    struct weir_str json;            /* the schema of its arguments; absent: none given */
    struct weir_str strict;          /* "true", "false" or absent */
    enum weir_canon_cache cache;
};

enum weir_canon_choice {
    WEIR_CHOICE_UNSET,
    WEIR_CHOICE_AUTO,
    WEIR_CHOICE_NONE,
    WEIR_CHOICE_ANY,
    WEIR_CHOICE_NAMED,
};

/* What a target cannot express, by the names that the client's dialect has for it: letters, digits,
 * '_', '.' and '-' only. A hint bears on cost, speed or bookkeeping; anything else may change the
 * answer. */
struct weir_canon_loss {
    struct weir_str name;
    bool hint;
};

struct weir_canon_call {
    enum weir_dialect dialect;
    bool stream;
    struct weir_canon_message *messages, *last_message;
    struct weir_canon_message *last_answer; /* the assistant's, where results have no ids */
    struct weir_canon_tool *tools, *last_tool;
    size_t message_count, part_count, tool_count;
    enum weir_canon_choice choice;
    struct weir_str choice_name;
    struct weir_str parallel; /* "true", "false" or absent */
    struct weir_str format;   /* the answer's JSON Schema; absent: free text */
    struct weir_str format_name;
    bool format_any;                           /* any JSON object */
    bool format_loose;                         /* the schema need not have the strict form */
    struct weir_str temperature, top_p, top_k; /* numbers as they stand; absent: not given */
    struct weir_str stops[WEIR_CANON_STOPS];
    size_t stop_count;
    struct weir_str effort; /* none, minimal, low, medium, high, xhigh, max; absent: not given */
    struct weir_str user, tier;
    struct weir_str cache_key, verbosity; /* OpenAI's own: other targets lose them */
    struct weir_embed_call *embed;        /* of a call for embeddings (embed.h); else NULL */
    struct weir_canon_loss losses[WEIR_CANON_LOSSES];
    size_t loss_count;
    bool loses; /* at least one loss is no hint */
};

/* Reads a body that weir_llm_decode() has accepted. WEIR_EINVAL: *err (400) says what cannot be
 * read, and where. */
WEIR_NODISCARD int weir_canon_read(enum weir_dialect d, struct weir_str body, struct weir_arena *a,
                                   struct weir_canon_call *out, struct weir_err *err);

/* Notes a loss, once a name; any characters, which are made fit for a header. */
void weir_canon_lose(struct weir_canon_call *c, struct weir_arena *a, struct weir_str name,
                     bool hint);

#endif
