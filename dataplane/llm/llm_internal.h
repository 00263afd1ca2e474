/* llm_internal.h - what a dialect has to offer: one const table each, found by weir_llm_ops(). */
#ifndef WEIR_LLM_INTERNAL_H
#define WEIR_LLM_INTERNAL_H

#include "data/json_scan.h"
#include "dataplane/llm/llm.h"
#include "http/eventstream.h"
#include "http/sse.h"

/* Of a figure that may be absent (-1). */
static inline int64_t weir_llm_known(int64_t v)
{
    return v > 0 ? v : 0;
}

/* ---- requests ---- */

struct weir_llm_decoder {
    struct weir_json j;
    struct weir_str body;
    struct weir_arena *arena;
    struct weir_llm_call *call;
    uint32_t seen;     /* bit i: field i occurred */
    const char *wrong; /* the first thing that breaks a rule; static */
    size_t wrong_at;
    size_t image_bytes; /* inline images, which don't count by their bytes */
    size_t named_files;
    int64_t prompts; /* that are answered each; 0: one */
    int64_t best_of; /* answers that are made for each, of which some are given */
    bool stores;     /* the provider is to keep the answer */
    bool stored;     /* the provider adds what it has kept: an earlier answer, a conversation */
};

/* A top-level field that has a meaning here. */
struct weir_llm_field {
    const char *name;
    /* Reads the value the reader stands before. False: a fault, or `wrong` is set. */
    bool (*read)(struct weir_llm_decoder *d);
};

/* Readers that dialects share. */
bool weir_llm_read_model(struct weir_llm_decoder *d);
bool weir_llm_read_stream(struct weir_llm_decoder *d);
bool weir_llm_read_store(struct weir_llm_decoder *d);
bool weir_llm_read_messages(struct weir_llm_decoder *d);
bool weir_llm_read_tools(struct weir_llm_decoder *d); /* offers.c */
/* A tool's name, of which the raw string is given. NULL: it is empty, or not kept. */
struct weir_llm_offer *weir_llm_offer(struct weir_llm_decoder *d, struct weir_str raw);
bool weir_llm_read_max(struct weir_llm_decoder *d, size_t which);
bool weir_llm_read_text(struct weir_llm_decoder *d, struct weir_str *out); /* null: absent */
bool weir_llm_read_int(struct weir_llm_decoder *d, int64_t min, int64_t max, int64_t *out,
                       struct weir_llm_span *at);
bool weir_llm_wrong(struct weir_llm_decoder *d, const char *at, const char *what);
struct weir_llm_span weir_llm_span(const struct weir_llm_decoder *d, struct weir_str raw);
bool weir_llm_content(struct weir_llm_decoder *d, unsigned depth); /* of a message; counts media */

/* ---- answers ---- */

enum {
    WEIR_LLM_MODEL_BYTES = 256,
    WEIR_LLM_ID_BYTES = 128,
    WEIR_LLM_WORD_BYTES = 64,
    WEIR_LLM_MESSAGE_BYTES = 512,
    WEIR_LLM_USAGE_BYTES = 4096,
    WEIR_LLM_PARTS = 1024,
};

/* Anthropic's figures as they stand on the wire: cache tokens beside the input, not in it. */
struct weir_llm_raw_usage {
    int64_t input, output, cache_read, cache_write, write_5m, write_1h, reasoning;
};

/* A document that arrives in pieces. */
struct weir_llm_document {
    struct weir_json_tap tap;
    struct weir_json_pick picks[WEIR_JSON_PICKS];
    char usage[WEIR_LLM_USAGE_BYTES], error[2 * WEIR_LLM_MESSAGE_BYTES];
    char model[WEIR_LLM_MODEL_BYTES + 2], finish[WEIR_LLM_WORD_BYTES + 2];
    char units[WEIR_LLM_WORD_BYTES];
};

struct weir_llm_bridge;
struct weir_responses_kept;

struct weir_llm_tap {
    struct weir_llm_tap_conf conf;
    const struct weir_llm_ops *ops;
    struct weir_arena *arena;
    struct weir_llm_seen seen;
    struct weir_llm_raw_usage raw;
    struct weir_llm_document *document; /* NULL for a stream */
    struct weir_llm_bridge *bridge;     /* NULL: bytes pass */
    struct weir_responses_kept *kept;   /* what a cut of a Responses stream repeats; or NULL */
    struct weir_sse sse;
    struct weir_eventstream frames; /* in place of sse, by ops->binary_events */
    bool failure_frame;             /* the present event is one that says so by its kind */
    int64_t created_s;
    int64_t elapsed_ms;                   /* since the call began; see weir_llm_tap_elapsed() */
    uint64_t parts[WEIR_LLM_PARTS / 64];  /* open content blocks; choices that began */
    uint64_t closed[WEIR_LLM_PARTS / 64]; /* choices that finished */
    unsigned next_part;                   /* above every index seen */
    bool begun, last_empty;
    struct weir_str id;
    char id_bytes[WEIR_LLM_ID_BYTES], model_bytes[WEIR_LLM_MODEL_BYTES];
    char finish_bytes[WEIR_LLM_WORD_BYTES], type_bytes[WEIR_LLM_WORD_BYTES];
    char message_bytes[WEIR_LLM_MESSAGE_BYTES];
    struct weir_str error_code;
    uint16_t error_status; /* that an error says by a number in it; 0: none */
    char code_bytes[WEIR_LLM_WORD_BYTES];
};

/* Unescapes a raw string into one of the tap's places, cut to its size. */
void weir_llm_keep(struct weir_str *to, char *bytes, size_t cap, struct weir_str raw);
/* An object {type, message, ...}, or a string, as the error seen. */
void weir_llm_keep_error(struct weir_llm_tap *t, struct weir_str raw);
void weir_llm_count_output(struct weir_llm_tap *t, size_t bytes);
/* Sets *to when raw is an integer from 0 to 10^12. */
void weir_llm_keep_tokens(int64_t *to, struct weir_str raw);

/* Where a translated body has the model: a byte that no JSON has. */
#define WEIR_LLM_MODEL_HERE "\x01"

struct weir_llm_doc_paths {
    const char *path[WEIR_JSON_PATH];
};

enum {
    WEIR_DOC_USAGE,
    WEIR_DOC_MODEL,
    WEIR_DOC_FINISH,
    WEIR_DOC_CONTENT,
    WEIR_DOC_ERROR,
    WEIR_DOC_UNITS, /* the last one: few have it */
    WEIR_DOC_COUNT
};

struct weir_canon_field;
struct weir_embed_answer;
struct weir_embed_writer;
struct weir_canon_out;
struct weir_canon_reader;
struct weir_canon_writer;
struct weir_canon_event;

struct weir_llm_ops {
    const char *name, *call;
    const struct weir_llm_field *fields;
    size_t field_count;
    const char *max_field, *older_max_field; /* the names under which a limit is added */
    const char *limit_object;                /* which holds it; NULL: the body itself does */
    bool model_in_path, stream_in_path;      /* of a request; the body doesn't tell them */
    bool openai;                             /* has a place for what only this vendor has */
    bool stores_by_default;                  /* its answers are kept unless the caller says no */
    bool needs_limit;                        /* a limit must be told */
    bool binary_events;                      /* streams are AWS's event streams, not SSE */
    bool model_optional;                     /* a body may name none */
    bool no_output;                          /* its answers are no tokens: nothing to limit */
    bool provider_only;                      /* no client speaks it */
    bool one_input;                          /* embeds one text in a call */
    bool usage_in_header;                    /* Bedrock's, of models whose body doesn't tell it */
    bool repeats_model;     /* a request has the model in it, WEIR_LLM_MODEL_HERE when translated */
    bool error_is_text;     /* what stands where errors do is an answer if it is an object */
    int64_t default_output; /* tokens, when no limit is told; 0: the model's */
    enum weir_dialect family; /* of a further API; NONE: it is a conversation's */
    bool usage_on_request;    /* streams tell usage only when asked */
    const char *input_field;  /* holds the messages */
    size_t event_bytes;       /* of one event of a stream, at most; 0: 1 MiB */
    bool ends_with_stream;    /* no event says that nothing follows */
    const char *stream_query; /* of the path of a stream; NULL: none */
    bool (*event)(struct weir_llm_tap *t, const struct weir_sse_event *e); /* false: keep it back */
    void (*usage)(struct weir_llm_tap *t, struct weir_str raw);
    bool (*is_failure)(struct weir_str finish); /* of an answer that is none; NULL: none is */
    struct weir_llm_doc_paths paths[WEIR_DOC_COUNT];
    void (*cut)(struct weir_llm_tap *t, struct weir_str notice, const struct weir_usage *usage,
                struct weir_buf *out);
    int (*error_body)(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out);
    int (*fail)(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out);
    const char *(*error_type)(uint16_t status); /* in a header of its own; NULL: there is none */
    struct weir_str keepalive;
    void (*model)(const struct weir_llm_model *model, int64_t created_s, struct weir_buf *out);
    int (*models)(const struct weir_llm_model *models, size_t n, bool more, int64_t created_s,
                  struct weir_buf *out); /* more: this is a page, and others follow */
    int (*echo_body)(struct weir_llm_echo *e, struct weir_buf *out);
    int (*echo_next)(struct weir_llm_echo *e, struct weir_buf *out);

    /* Translation: canon_in.h, canon_out.h, canon_event.h. */
    const struct weir_canon_field *canon_fields;
    size_t canon_field_count;
    void (*write_call)(struct weir_canon_out *o); /* all but the model and the limit of output */
    void (*read_event)(struct weir_canon_reader *r, const struct weir_sse_event *e);
    void (*read_answer)(struct weir_canon_reader *r, struct weir_str document);
    void (*write_event)(struct weir_canon_writer *w, const struct weir_canon_event *e);
    void (*write_answer)(struct weir_canon_writer *w); /* of the parts that were gathered */
    /* In place of these four, of embeddings (embed.h). False: it is no answer. */
    bool (*read_vectors)(struct weir_str document, struct weir_arena *a,
                         struct weir_embed_answer *out);
    void (*write_vectors)(struct weir_embed_writer *e, const struct weir_embed_answer *answer);
};

extern const struct weir_llm_ops weir_llm_chat_ops, weir_llm_messages_ops, weir_llm_responses_ops,
    weir_llm_gemini_ops, weir_llm_converse_ops, weir_llm_cohere_ops, weir_llm_completions_ops,
    weir_llm_embeddings_ops, weir_llm_gemini_embed_ops, weir_llm_gemini_embed_batch_ops,
    weir_llm_cohere_embed_ops, weir_llm_bedrock_cohere_embed_ops, weir_llm_titan_embed_ops,
    weir_llm_other_ops;

const struct weir_llm_ops *weir_llm_ops(enum weir_dialect d); /* NULL: no such dialect */

struct weir_llm_echo {
    const struct weir_llm_ops *ops;
    struct weir_llm_call call;
    struct weir_str text; /* what is answered */
    size_t sent;
    unsigned step;
    uint64_t events; /* so far, where a dialect numbers them */
    bool limited;    /* cut at the call's limit */
    uint64_t id;
    int64_t created_s, input, output;
};

/* The next piece of the text, whole characters; empty at its end. */
struct weir_str weir_llm_echo_piece(struct weir_llm_echo *e);

#endif
