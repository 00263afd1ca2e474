/* tree_yaml.c - YAML by libyaml's events. Refused, because a policy never needs them and they make
 * small files large or surprising: anchors, aliases and tags. */
#include "data/tree.h"

#include <yaml.h>

struct reader {
    struct weir__tree *tree;
    yaml_parser_t parser;
    yaml_event_t event;
    bool failed; /* a syntax error was reported: stop */
};

static unsigned line_of(const yaml_event_t *e)
{
    return (unsigned)e->start_mark.line + 1;
}

static bool fail(struct reader *r, unsigned line, const char *what)
{
    if (!r->failed)
        weir__tree_error(r->tree, line, what);
    r->failed = true;
    return false;
}

/* Frees the event before and reads the next one. */
static bool advance(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (yaml_parser_parse(&r->parser, &r->event))
        return true;
    memset(&r->event, 0, sizeof r->event);
    if (!r->failed) {
        const char *why = weir_arena_printf(
            r->tree->arena, "not valid YAML: %s%s%s",
            r->parser.problem ? r->parser.problem : "cannot be read", r->parser.context ? ", " : "",
            r->parser.context ? r->parser.context : "");

        fail(r,
             (unsigned)(r->parser.problem_mark.line ? r->parser.problem_mark.line
                                                    : r->parser.mark.line) +
                 1,
             why);
    }
    return false;
}

static bool plain_words_only(struct reader *r, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return fail(r, line_of(&r->event), "anchors are not supported: write the value out");
    if (tag)
        return fail(r, line_of(&r->event), "tags are not supported: remove it");
    return true;
}

static struct weir_data_node *scalar(struct reader *r)
{
    const yaml_event_t *e = &r->event;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct weir_data_node *n;

    if (!plain_words_only(r, e->data.scalar.anchor, e->data.scalar.tag))
        return NULL;
    n = weir__tree_node(r->tree, plain ? WEIR_NODE_PLAIN : WEIR_NODE_TEXT, line_of(e));
    if (n) {
        n->text.n = e->data.scalar.length;
        n->text.p = weir_arena_strdup(
            r->tree->arena, (struct weir_str){(const char *)e->data.scalar.value, n->text.n});
    } else {
        r->failed = true;
    }
    return n;
}

static struct weir_data_node *value(struct reader *r, unsigned depth);

static struct weir_data_node *list(struct reader *r, unsigned depth)
{
    struct weir_data_node *n, *item;

    if (!plain_words_only(r, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag))
        return NULL;
    n = weir__tree_node(r->tree, WEIR_NODE_LIST, line_of(&r->event));
    while (n && advance(r)) {
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return n;
        item = value(r, depth);
        if (!item)
            return NULL;
        weir__tree_append(n, item);
    }
    r->failed = true;
    return NULL;
}

static struct weir_data_node *mapping(struct reader *r, unsigned depth)
{
    struct weir_data_node *n, *key, *item;

    if (!plain_words_only(r, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag))
        return NULL;
    n = weir__tree_node(r->tree, WEIR_NODE_MAP, line_of(&r->event));
    while (n && advance(r)) {
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return n;
        if (r->event.type != YAML_SCALAR_EVENT) {
            fail(r, line_of(&r->event), "a mapping's key must be a plain word");
            return NULL;
        }
        key = scalar(r);
        if (!key || !advance(r) || !(item = value(r, depth)))
            break;
        item->key = key->text;
        item->key_line = key->line;
        weir__tree_append(n, item);
    }
    r->failed = true;
    return NULL;
}

/* The value that the present event begins. */
static struct weir_data_node *value(struct reader *r, unsigned depth)
{
    if (depth >= WEIR_DATA_MAX_DEPTH) {
        fail(r, line_of(&r->event), "nested too deeply");
        return NULL;
    }
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return scalar(r);
    case YAML_SEQUENCE_START_EVENT:
        return list(r, depth + 1);
    case YAML_MAPPING_START_EVENT:
        return mapping(r, depth + 1);
    case YAML_ALIAS_EVENT:
        fail(r, line_of(&r->event), "aliases are not supported: write the value out");
        return NULL;
    default:
        fail(r, line_of(&r->event), "a value is missing");
        return NULL;
    }
}

struct weir_data_node *weir__tree_yaml(struct weir__tree *t, struct weir_str text)
{
    struct reader r = {.tree = t};
    struct weir_data_node *first = NULL, **end = &first;

    if (!yaml_parser_initialize(&r.parser)) {
        weir__tree_error(t, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    while (!r.failed && advance(&r) && r.event.type != YAML_STREAM_END_EVENT) {
        if (r.event.type != YAML_DOCUMENT_START_EVENT)
            continue;
        if (!advance(&r))
            break;
        *end = value(&r, 0);
        if (*end)
            end = &(*end)->next;
    }
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return first;
}
