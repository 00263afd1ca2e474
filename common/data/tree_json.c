/* tree_json.c - JSON by the scanner of json_scan.h, which knows where each value stands. */
#include "data/json_scan.h"
#include "data/tree.h"

struct reader {
    struct weir__tree *tree;
    struct weir_json json;
    const char *at; /* line was counted up to here */
    unsigned line;
    bool failed;
};

static unsigned line_at(struct reader *r, const char *p)
{
    while (r->at < p)
        r->line += *r->at++ == '\n';
    return r->line;
}

/* Where the next value begins, past the blanks. */
static unsigned line_here(struct reader *r)
{
    (void)weir_json_peek(&r->json);
    return line_at(r, r->json.p);
}

static struct weir_str unescape(struct reader *r, struct weir_str raw)
{
    char *s = weir_arena_alloc(r->tree->arena, raw.n + 1);
    size_t n = weir_json_unescape(raw, s);

    s[n] = 0;
    return (struct weir_str){s, n};
}

static struct weir_data_node *value(struct reader *r, unsigned depth);

static struct weir_data_node *container(struct reader *r, struct weir_data_node *n, unsigned depth)
{
    struct weir_data_node *item;
    struct weir_str key = WEIR_STR_NULL;
    bool map = n->type == WEIR_NODE_MAP;
    unsigned key_line;

    if (!weir_json_enter(&r->json, map ? WEIR_JSON_OBJECT : WEIR_JSON_ARRAY))
        return NULL;
    while (map ? weir_json_member(&r->json, &key) : weir_json_element(&r->json)) {
        key_line = map ? line_at(r, key.p) : 0;
        item = value(r, depth + 1);
        if (!item)
            return NULL;
        if (map) {
            item->key = unescape(r, key);
            item->key_line = key_line;
        }
        weir__tree_append(n, item);
    }
    return r->json.fault ? NULL : n;
}

static struct weir_data_node *value(struct reader *r, unsigned depth)
{
    unsigned line = line_here(r);
    enum weir_json_type type = weir_json_peek(&r->json);
    struct weir_data_node *n;
    struct weir_str raw;

    if (depth >= WEIR_DATA_MAX_DEPTH) {
        weir__tree_error(r->tree, line, "nested too deeply");
        r->failed = true;
        return NULL;
    }
    n = weir__tree_node(r->tree,
                        type == WEIR_JSON_OBJECT   ? WEIR_NODE_MAP
                        : type == WEIR_JSON_ARRAY  ? WEIR_NODE_LIST
                        : type == WEIR_JSON_STRING ? WEIR_NODE_TEXT
                                                   : WEIR_NODE_PLAIN,
                        line);
    if (!n) {
        r->failed = true;
        return NULL;
    }
    if (type == WEIR_JSON_OBJECT || type == WEIR_JSON_ARRAY)
        return container(r, n, depth);
    if (type == WEIR_JSON_STRING) {
        if (!weir_json_string(&r->json, &raw))
            return NULL;
        n->text = unescape(r, raw);
        return n;
    }
    if (!weir_json_skip(&r->json, &raw))
        return NULL;
    n->text = (struct weir_str){weir_arena_strdup(r->tree->arena, raw), raw.n};
    return n;
}

struct weir_data_node *weir__tree_json(struct weir__tree *t, struct weir_str text)
{
    struct reader r = {.tree = t, .line = 1};
    struct weir_data_node *n;

    weir_json_init(&r.json, text);
    r.at = r.json.begin;
    n = value(&r, 0);
    if (r.failed || (n && weir_json_end(&r.json) == WEIR_OK))
        return n;
    r.at = r.json.begin;
    r.line = 1;
    weir__tree_error(t, line_at(&r, r.json.begin + r.json.fault_at),
                     weir_arena_printf(t->arena, "not valid JSON: %s",
                                       r.json.fault ? r.json.fault : "more follows its end"));
    return NULL;
}
