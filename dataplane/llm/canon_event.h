/* canon_event.h - the canonical answer: events between a provider's dialect and a client's.
 *
 * A reader turns a provider's stream events, or its whole document, into canonical events; a writer
 * turns these into the client's stream, or gathers them for a document. Texts are escaped, as in
 * canon.h; they are borrowed for the length of the call. */
#ifndef WEIR_LLM_CANON_EVENT_H
#define WEIR_LLM_CANON_EVENT_H

#include "data/json_scan.h"
#include "dataplane/llm/canon.h"
#include "dataplane/llm/canon_in.h"

enum { WEIR_CANON_ANSWER_PARTS = 1024 };

enum weir_canon_finish {
    WEIR_FINISH_NONE,
    WEIR_FINISH_STOP,
    WEIR_FINISH_SEQUENCE, /* one of the caller's stop sequences */
    WEIR_FINISH_LENGTH,
    WEIR_FINISH_WINDOW, /* the model's context is full */
    WEIR_FINISH_TOOLS,
    WEIR_FINISH_FILTER,
    WEIR_FINISH_REFUSAL,
    WEIR_FINISH_PAUSE,
};

enum weir_canon_event_type {
    WEIR_EVENT_START,     /* id, model */
    WEIR_EVENT_PART,      /* part, kind; of a tool call its id and name */
    WEIR_EVENT_DELTA,     /* part; text: a piece of its text, or of its arguments' JSON text */
    WEIR_EVENT_SIGNATURE, /* part; text: a piece of its signature */
    WEIR_EVENT_PART_END,  /* part */
    WEIR_EVENT_FINISH,    /* finish; text: the stop sequence, or why it was refused; or absent */
    WEIR_EVENT_COMPLETE,
};

/* Parts are numbered from 0 in the order in which they begin; several may be open at once. */
struct weir_canon_event {
    enum weir_canon_event_type type;
    unsigned part;
    enum weir_canon_kind kind; /* TEXT, TOOL_CALL, REASONING or REFUSAL */
    bool redacted;             /* reasoning that is nothing but its signature */
    struct weir_str text, id, name, model;
    enum weir_canon_finish finish;
};

typedef void weir_canon_event_fn(void *arg, const struct weir_canon_event *e);

enum { WEIR_CANON_SLOTS = 16 }; /* that are made at once */

/* What a reader knows of one index of the wire. */
struct weir_canon_slot {
    uint64_t said; /* the reader's own: flags, or a hash of the tool call's id */
    unsigned part; /* + 1; 0: none */
};

/* The state of reading one answer; zeroed, then the first four set. */
struct weir_canon_reader {
    weir_canon_event_fn *emit;
    void *arg;
    struct weir_arena *arena;
    enum weir_dialect dialect;
    struct weir_str id, model; /* for an answer that tells none */
    bool started, complete;
    bool called; /* a tool call has begun */
    unsigned next_part;
    unsigned text, reasoning, refusal; /* open parts, each + 1; 0: none */
    struct weir_canon_slot *slots[WEIR_CANON_ANSWER_PARTS / WEIR_CANON_SLOTS];
    uint64_t open[WEIR_CANON_ANSWER_PARTS / 64]; /* by part */
};

/* Of an index below WEIR_CANON_ANSWER_PARTS; never NULL, the reader's. */
struct weir_canon_slot *weir_canon_slot(struct weir_canon_reader *r, size_t index);

/* Each does nothing where it has no place. Past WEIR_CANON_ANSWER_PARTS nothing begins. */
void weir_canon_start(struct weir_canon_reader *r, struct weir_str id, struct weir_str model);
unsigned weir_canon_begin(struct weir_canon_reader *r, enum weir_canon_kind kind, bool redacted,
                          struct weir_str id, struct weir_str name); /* the part + 1; 0: none */
void weir_canon_delta(struct weir_canon_reader *r, unsigned part_1, struct weir_str text);
void weir_canon_sign(struct weir_canon_reader *r, unsigned part_1, struct weir_str text);
/* A piece of text of one kind, to that kind's open part (`text`, `reasoning` or `refusal` of the
 * reader), which ends the open ones of the others. */
void weir_canon_add_text(struct weir_canon_reader *r, unsigned *open, enum weir_canon_kind kind,
                         struct weir_str text);
void weir_canon_end_texts(struct weir_canon_reader *r);
/* The same with a JSON value, which becomes text. */
void weir_canon_delta_json(struct weir_canon_reader *r, unsigned part_1, struct weir_str json);
void weir_canon_end(struct weir_canon_reader *r, unsigned part_1);
void weir_canon_finish_with(struct weir_canon_reader *r, enum weir_canon_finish f,
                            struct weir_str text);
void weir_canon_complete(struct weir_canon_reader *r); /* ends what is open */

/* The members that are wanted of an object; null is absent. False: it is no well-formed object. */
bool weir_canon_find(struct weir_str object, const struct weir_canon_want *want, size_t n);
/* The inside of a raw string; absent when it is none. */
struct weir_str weir_canon_string(struct weir_str raw);
bool weir_canon_index(struct weir_str raw, size_t *out); /* below WEIR_CANON_ANSWER_PARTS */

/* A part on its way to the client. */
struct weir_canon_answer_part {
    enum weir_canon_kind kind;
    bool redacted, ended;
    bool cut;            /* a call of a document that was not whole when the answer was cut */
    bool opened, closed; /* on the wire: begun, or with a piece of it; ended */
    unsigned index;      /* on the wire */
    struct weir_str id, name;
    const struct weir_llm_tool_name *tool; /* NULL: the caller has the same name for it */
    struct weir_buf text, signature;       /* gathered, or waiting */
    struct weir_json_tap arguments;        /* knows when a tool call's JSON has ended */
};

struct weir_canon_writer {
    struct weir_arena *arena;
    struct weir_buf *out;
    enum weir_dialect from, to;     /* the provider's, the client's */
    const struct weir_usage *usage; /* kept up to date by the tap */
    const struct weir_llm_tool_name *tools;
    size_t tool_count;
    bool tells_usage;          /* the client asked for it in the stream */
    const int64_t *elapsed_ms; /* the tap's */
    int64_t created_s;
    struct weir_str id, model, finish_text;
    enum weir_canon_finish finish;
    struct weir_canon_answer_part **parts;
    unsigned part_count, part_room, live, next_index;
    int64_t sequence; /* of the next event, where a dialect numbers them */
    size_t gathered;  /* bytes, of all parts */
    bool begun, complete;
    bool full; /* past a bound: the answer cannot be given */
};

struct weir_canon_writer *weir_canon_writer_create(struct weir_arena *a);
/* Keeps START, PART, PART_END and FINISH; the part that the event is about, NULL: none. */
struct weir_canon_answer_part *weir_canon_note(struct weir_canon_writer *w,
                                               const struct weir_canon_event *e);
void weir_canon_gather(struct weir_canon_writer *w, struct weir_buf *to, struct weir_str text);
/* For whole documents: keeps everything. */
void weir_canon_gather_event(void *writer, const struct weir_canon_event *e);
bool weir_canon_has(const struct weir_canon_writer *w, enum weir_canon_kind kind);

#endif
