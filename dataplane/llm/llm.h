/* llm.h - the dialects of model calls: what a request asks for, which bytes of it are changed on
 * the way, and what an answer says while it passes.
 *
 * Pure code: no I/O, no clock, no loop; any thread, one at a time per object. Bytes belong to the
 * caller; what outlives a call is in the caller's arena. A dialect is one const ops table
 * (llm_internal.h); nothing outside this folder asks which dialect it is. */
#ifndef WEIR_LLM_LLM_H
#define WEIR_LLM_LLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "dataplane/llm/dialect.h"
#include "pricing/usage.h"

/* A JSON value's place in the body; n 0: absent. */
struct weir_llm_span {
    size_t at, n;
};

enum { WEIR_LLM_OFFERS_MAX = 256, WEIR_LLM_OFFER_BYTES = 256 };

/* A tool that the model may call, by its name in the caller's own API. */
struct weir_llm_offer {
    struct weir_str name;
    struct weir_llm_offer *next;
};

/* What a request says. Strings are unescaped; they lie in the body or in the arena. */
struct weir_llm_call {
    enum weir_dialect dialect;
    struct weir_str model;
    bool stream;
    bool asks_usage;           /* the client itself asked for usage in the stream */
    bool no_reasoning;         /* the client turned reasoning off */
    bool stateful;             /* the provider adds what it has kept, or keeps the answer */
    int64_t reasoning_tokens;  /* which the client grants for it, out of its limit; 0: not said */
    int64_t max_output_tokens; /* of one choice; -1: no limit given */
    int64_t n;                 /* choices that are made: of each prompt, where there are several */
    size_t messages, tools, images, files;
    struct weir_llm_offer *offers;
    size_t offer_count;
    bool offers_more; /* there are more of them, or longer ones, than are kept */
    int64_t searches; /* of the web, by the provider's own tool, at most; -1: no limit is stated */
    bool base64;      /* of embeddings: the client wants its vectors so */
    size_t documents; /* of what passes: that are to be ranked */
    /* Never less than the input's tokens: bytes outside of media (a byte-level BPE makes at most
     * one token of a byte) + 16 a message + 8 a tool + 512, 8,192 an image, an inline file's or
     * audio's bytes, 100,000 a file that is only named, 2^20 for what the provider has kept. */
    int64_t input_bound;
    int64_t input_estimate;  /* a guess to bill by when usage is missing: a quarter of the bytes */
    struct weir_str user;    /* metadata.user_id, safety_identifier or user; absent: not given */
    struct weir_str session; /* prompt_cache_key, or the session id inside metadata.user_id */
    struct weir_llm_span model_at, stream_at, max_at[2], stream_options_at, include_usage_at;
    const struct weir_llm_span *models_at; /* of a batch that repeats the model in each part */
    size_t models_count;
    bool form;              /* the body is a form: model_at is a bare text in it */
    size_t object_at;       /* of the body's opening brace */
    size_t limit_object_at; /* of the brace of the object that holds the limit, when it isn't the
                             * body itself; 0: there is none */
    bool limit_object_empty;
    bool stream_options_object, stream_options_empty;
};

/* Checks the whole body (UTF-8, grammar, 256 levels) and reads it. A key that has a meaning here
 * may occur once only, however it is escaped: two readers of a body must not see two models.
 * Unknown fields, roles and types are let through. WEIR_EINVAL: *err (400) says what is wrong and
 * where. What the path says (at->model, at->stream) the body need not. */
WEIR_NODISCARD int weir_llm_decode(const struct weir_llm_endpoint *at, struct weir_str body,
                                   struct weir_arena *a, struct weir_llm_call *out,
                                   struct weir_err *err);

/* What a body that passes says of its model and of the number of answers, whatever else it is: a
 * form (multipart/form-data) or JSON is read, all else is not. out->model is absent where it names
 * none. WEIR_EINVAL: *err (400), for two readers of it might see two models. */
WEIR_NODISCARD int weir_llm_read_passed(struct weir_str content_type, struct weir_str body,
                                        struct weir_arena *a, struct weir_llm_call *out,
                                        struct weir_err *err);

struct weir_llm_edits {
    struct weir_str model;     /* absent: as it is */
    bool ask_usage;            /* make a stream tell its usage; the tap takes it out again */
    bool ask_stream;           /* make it a stream, which the body doesn't ask for */
    int64_t max_output_tokens; /* of one choice, no more than this; 0: as it is */
    bool older_limit;          /* a limit that is added takes the dialect's older field */
};

/* The body in pieces, for a gathered write. */
struct weir_llm_pieces {
    struct weir_str piece[16];
    size_t count, bytes;
};

/* Splices edits into the body: everything else keeps its bytes. The pieces point into body and
 * arena. */
void weir_llm_edit(const struct weir_llm_call *call, struct weir_str body,
                   const struct weir_llm_edits *edits, struct weir_arena *a,
                   struct weir_llm_pieces *out);

/* ---- answers ---- */

/* What an answer has said so far. */
struct weir_llm_seen {
    struct weir_usage usage; /* as given; see weir_llm_tap_usage() */
    struct weir_str model;   /* that served; absent: not said */
    struct weir_str finish;  /* finish_reason or stop_reason, the last one */
    struct weir_str error_type, error_message;
    uint64_t events;         /* of a stream, with comments */
    uint64_t content_events; /* with text, reasoning or arguments */
    int64_t output_bytes; /* of content: its tokens are no more, but for reasoning that is hidden */
    int64_t units;        /* that a document says are billed, where it is no tokens; -1: none */
    int64_t output_estimate; /* tokens: a quarter of each event's bytes, at least 1 */
    bool content;            /* the first content has passed: no retry from here on */
    bool error;              /* an error object or event was seen */
    bool complete;           /* [DONE], message_stop, or the whole document */
};

/* A tool that its provider gets under another name than the caller has for it (escaped strings). */
struct weir_llm_tool_name {
    struct weir_str wire;        /* what the provider calls */
    struct weir_str name, space; /* the caller's; its namespace, absent: none */
    bool custom;                 /* takes a text: the provider gives it as {"input": text} */
};

struct weir_llm_tap; /* opaque; lives in the arena it was made in */

struct weir_llm_tap_conf {
    enum weir_dialect dialect; /* the provider's */
    enum weir_dialect client;  /* another one: the answer is translated; NONE: it is the same */
    uint16_t status;           /* these three are for translation only */
    int64_t created_s;
    struct weir_str request_id;
    const struct weir_llm_tool_name *tools; /* the translation's; borrowed */
    size_t tool_count;
    struct weir_str asked_model; /* what the answer is said to come from if it doesn't say */
    bool event_stream;           /* by the answer's content type */
    bool gathers;                /* the client gets the stream as one document, when it has ended */
    bool base64;                 /* the client wants its vectors so */
    int64_t told_input;          /* tokens, by a header of the answer; 0: not told */
    bool hide_usage;             /* usage was asked for by us: take its chunk out */
    bool client_usage;           /* the client asked for it: a cut stream tells it too */
    int64_t input_estimate;      /* of the call */
    size_t max_event_bytes;      /* 0: the dialect's own limit */
};

/* Gets the bytes that go to the client, in order; they are borrowed for the length of the call. */
typedef void weir_llm_sink_fn(void *arg, const char *p, size_t n);

struct weir_llm_tap *weir_llm_tap_create(struct weir_arena *a,
                                         const struct weir_llm_tap_conf *conf);

/* How long the call has taken so far, for dialects whose answers tell it. */
void weir_llm_tap_elapsed(struct weir_llm_tap *t, int64_t ms);

/* Passes bytes on: a document at once and unchanged, a stream in whole events. WEIR_ELIMIT: an
 * event is longer than allowed; WEIR_EPROTO: a binary one is damaged. What came before it was
 * passed on, and the stream can only be failed. */
WEIR_NODISCARD int weir_llm_tap_feed(struct weir_llm_tap *t, const char *p, size_t n,
                                     weir_llm_sink_fn *sink, void *arg);
/* The upstream ended. WEIR_ECLOSED: before the answer was complete; half an event is dropped. */
WEIR_NODISCARD int weir_llm_tap_end(struct weir_llm_tap *t, weir_llm_sink_fn *sink, void *arg);

const struct weir_llm_seen *weir_llm_tap_seen(const struct weir_llm_tap *t);

/* Usage to settle by: the provider's figures, gaps filled by estimates (and marked) unless the
 * answer is an error without content, which costs nothing. */
void weir_llm_tap_usage(const struct weir_llm_tap *t, struct weir_usage *out);

/* Appends what ends a stream properly where it stands: open parts closed, notice (a sentence for
 * the reader; may be absent) as text, the dialect's finish reason for a length limit, usage,
 * terminator. Feed nothing after it. WEIR_ESTATE: the answer has not begun or is already finished,
 * or its API has no streams. */
WEIR_NODISCARD int weir_llm_tap_cut(struct weir_llm_tap *t, struct weir_str notice,
                                    struct weir_buf *out);

/* Appends the dialect's error event: the end of a stream that cannot go on. */
int weir_llm_stream_fail(enum weir_dialect d, const struct weir_err *err,
                         struct weir_str request_id, struct weir_buf *out);

/* An event that clients ignore, for minutes of silence. Only between events. */
struct weir_str weir_llm_keepalive(enum weir_dialect d);

/* ---- answers of our own ---- */

uint16_t weir_llm_error_status(const struct weir_err *err); /* its own, or by its rc */
/* True: add "x-should-retry: false", for trying again cannot help. */
bool weir_llm_error_final(const struct weir_err *err);
/* Appends the dialect's error body; WEIR_DIALECT_NONE: OpenAI's shape. */
int weir_llm_error_body(enum weir_dialect d, const struct weir_err *err, struct weir_str request_id,
                        struct weir_buf *out);

/* What the dialect's clients look for in the header "x-amzn-errortype"; NULL: it has none. */
const char *weir_llm_error_type(enum weir_dialect d, uint16_t status);

struct weir_llm_model {
    struct weir_str id, owner;
    int64_t max_output_tokens; /* 0: not known */
};

/* Appends the list for GET /v1/models, or a page of it (models_page.h) that more follow;
 * created_s stands for dates that nobody knows. */
int weir_llm_models_body(enum weir_dialect d, const struct weir_llm_model *models, size_t n,
                         bool more, int64_t created_s, struct weir_buf *out);
/* Appends one of them, for GET /v1/models/ID. */
int weir_llm_model_body(enum weir_dialect d, const struct weir_llm_model *model, int64_t created_s,
                        struct weir_buf *out);

/* Appends the answer to a request that asks how many tokens a call brings. */
int weir_llm_count_body(enum weir_dialect d, int64_t tokens, struct weir_buf *out);

struct weir_llm_echo; /* opaque; lives in the arena it was made in */

struct weir_llm_echo_conf {
    const struct weir_llm_call *call;
    struct weir_str body;
    uint64_t id;       /* becomes a part of the answer's id */
    int64_t created_s; /* Unix time */
};

/* The built-in provider: answers with the last user text, a token being four bytes, cut at the
 * call's limit. What it gives is in the call's dialect, as any provider's answer. */
struct weir_llm_echo *weir_llm_echo_create(struct weir_arena *a,
                                           const struct weir_llm_echo_conf *conf);
int weir_llm_echo_body(struct weir_llm_echo *e, struct weir_buf *out); /* not streaming */
/* Appends the next event of the stream. WEIR_ENOTFOUND: that was all. */
WEIR_NODISCARD int weir_llm_echo_next(struct weir_llm_echo *e, struct weir_buf *out);

#endif
