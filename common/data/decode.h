/* decode.h - manifests in YAML or JSON into the messages of config.proto, with every error of a
 * file reported at once.
 *
 * Everything decoded lives in the caller's arena. Pure but for the time zone check, which looks
 * into the system's zone folder. One thread at a time for each arena. */
#ifndef WEIR_DATA_DECODE_H
#define WEIR_DATA_DECODE_H

#include "base/arena.h"
#include "data/schema.h"

enum {
    WEIR_DATA_MAX_BYTES = 4 << 20, /* of one file */
    WEIR_DATA_MAX_DEPTH = 32,      /* of nesting */
    WEIR_DATA_MAX_NODES = 400000,  /* of one file */
    WEIR_DATA_MAX_OBJECTS = 10000, /* of one file */
    WEIR_DATA_MAX_STRING = 16384,  /* bytes of one value */
    WEIR_DATA_MAX_ERRORS = 200,    /* kept; the count goes on */
};

/* One mistake. Strings are never NULL; unknown ones are "". */
struct weir_data_error {
    const char *file;
    unsigned line; /* from 1; 0: the whole file */
    const char *kind, *name;
    const char *path; /* "spec.groups[0].targets"; "": the object */
    const char *what; /* what and how to mend it */
};

/* Zero-initialise, set arena. */
struct weir_data_errors {
    struct weir_arena *arena;
    struct weir_data_error *list;
    size_t count;   /* in list */
    size_t dropped; /* past WEIR_DATA_MAX_ERRORS */
};

/* Strings of e other than what are copied into the list's arena too. */
void weir_data_error_add(struct weir_data_errors *errors, const struct weir_data_error *e,
                         const char *fmt, ...) WEIR_PRINTF(3, 4);
/* "file:line: kind/name: path: what", without the parts that are not known. */
void weir_data_error_text(const struct weir_data_error *e, struct weir_buf *out);

struct weir_data_node; /* the tree of a file, with lines */

struct weir_data_object {
    const struct weir_schema_message *kind;
    /* Of the kind: Weir__V1__Budget, ...; presence kept, no defaults. NULL: it has errors, and
     * stands here so that what refers to it isn't called dangling. */
    ProtobufCMessage *message;
    const char *ns, *name; /* "default" when it gives no namespace */
    const char *file;
    unsigned line;
    bool in_list; /* an item of a `kind: List` */
    const struct weir_data_node *node;
};

struct weir_data_file {
    struct weir_data_object *objects; /* those with a kind and a name, in the file's order */
    size_t count;
};

enum weir_data_syntax { WEIR_DATA_YAML, WEIR_DATA_JSON };

/* By the name's end: JSON for ".json", else YAML (which most JSON is, too). */
enum weir_data_syntax weir_data_syntax_of(struct weir_str file_name);

/* Adds what is wrong to errors; WEIR_EINVAL when it added any. out is filled in both cases. */
WEIR_NODISCARD int weir_data_decode(struct weir_arena *arena, struct weir_str file_name,
                                    enum weir_data_syntax syntax, struct weir_str text,
                                    struct weir_data_errors *errors, struct weir_data_file *out);

/* The line where path ("spec.limit", "spec.groups[0]") stands, or the nearest one above it. */
unsigned weir_data_line(const struct weir_data_object *o, const char *path);

/* "1h30m" as milliseconds; "12.50" as nano-USD. WEIR_EINVAL. */
WEIR_NODISCARD int weir_data_duration(struct weir_str s, int64_t *out_ms);
WEIR_NODISCARD int weir_data_usd(struct weir_str s, int64_t *out_nano_usd);
/* Is s a valid metadata.name? */
bool weir_data_is_name(struct weir_str s);

/* Sets each absent field of m that has a default in the schema, in message m and the ones below
 * that are there; new strings live in the arena. Never for what is hashed or sent. */
void weir_data_fill_defaults(struct weir_arena *arena, ProtobufCMessage *m);
/* The default of one scalar field as its stored integer (ms, nano-USD, bool, enum). WEIR_ENOTFOUND.
 */
WEIR_NODISCARD int weir_data_default_i64(const ProtobufCMessageDescriptor *d, const char *field,
                                         int64_t *out);

#endif
