/* tree.h - one file as a bounded tree with lines; what the YAML and JSON readers make and the
 * decoder applies the schema to. Everything lives in the file's arena. */
#ifndef WEIR_DATA_TREE_H
#define WEIR_DATA_TREE_H

#include "data/decode.h"

enum weir_node_type {
    WEIR_NODE_PLAIN, /* an unquoted scalar: its meaning depends on the field */
    WEIR_NODE_TEXT,  /* a quoted scalar */
    WEIR_NODE_LIST,
    WEIR_NODE_MAP,
};

struct weir_data_node {
    enum weir_node_type type;
    unsigned line;
    struct weir_str text; /* of a scalar; NUL-terminated */
    struct weir_str key;  /* when it is the value of a mapping's entry; NUL-terminated */
    unsigned key_line;
    struct weir_data_node *next;  /* in its list or mapping; of a document: the next document */
    struct weir_data_node *child; /* the first entry */
    struct weir_data_node *last;
    size_t count;
};

/* What a reader works with. */
struct weir__tree {
    struct weir_arena *arena;
    const char *file;
    struct weir_data_errors *errors;
    size_t nodes;
};

/* The documents, linked by next; NULL: none. What is wrong is added to errors, with at most one
 * error of syntax; the documents before it are returned. */
struct weir_data_node *weir__tree_yaml(struct weir__tree *t, struct weir_str text);
struct weir_data_node *weir__tree_json(struct weir__tree *t, struct weir_str text);

/* NULL: an error was added, there are too many. */
struct weir_data_node *weir__tree_node(struct weir__tree *t, enum weir_node_type type,
                                       unsigned line);
void weir__tree_append(struct weir_data_node *parent, struct weir_data_node *child);
void weir__tree_error(struct weir__tree *t, unsigned line, const char *what);

/* The value of a key; NULL: not there. */
const struct weir_data_node *weir__tree_get(const struct weir_data_node *map, const char *key);
bool weir__tree_is_null(const struct weir_data_node *n); /* ~, null, or nothing */

#endif
