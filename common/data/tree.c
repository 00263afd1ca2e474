/* tree.c - see tree.h. */
#include "data/tree.h"

struct weir_data_node *weir__tree_node(struct weir__tree *t, enum weir_node_type type,
                                       unsigned line)
{
    struct weir_data_node *n;

    if (t->nodes >= WEIR_DATA_MAX_NODES) {
        weir__tree_error(t, line, "the file has too many values: split it");
        return NULL;
    }
    t->nodes++;
    n = WEIR_ARENA_NEW(t->arena, struct weir_data_node);
    n->type = type;
    n->line = line;
    return n;
}

void weir__tree_append(struct weir_data_node *parent, struct weir_data_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->child = child;
    parent->last = child;
    parent->count++;
}

void weir__tree_error(struct weir__tree *t, unsigned line, const char *what)
{
    struct weir_data_error e = {.file = t->file, .line = line};

    weir_data_error_add(t->errors, &e, "%s", what);
}

const struct weir_data_node *weir__tree_get(const struct weir_data_node *map, const char *key)
{
    if (map->type != WEIR_NODE_MAP)
        return NULL;
    for (const struct weir_data_node *n = map->child; n; n = n->next)
        if (weir_str_is(n->key, key))
            return n;
    return NULL;
}

bool weir__tree_is_null(const struct weir_data_node *n)
{
    return n->type == WEIR_NODE_PLAIN &&
           (n->text.n == 0 || weir_str_is(n->text, "~") || weir_str_is(n->text, "null") ||
            weir_str_is(n->text, "Null") || weir_str_is(n->text, "NULL"));
}

/* The child that one step of a path names; *path moves behind the step. */
static const struct weir_data_node *step(const struct weir_data_node *n, struct weir_str *path)
{
    if (path->p[0] == '[') {
        struct weir_str rest,
            index = weir_str_cut((struct weir_str){path->p + 1, path->n - 1}, ']', &rest);
        int64_t i;

        *path = rest;
        if (n->type != WEIR_NODE_LIST || weir_str_i64(index, &i))
            return NULL;
        for (n = n->child; n && i > 0; i--)
            n = n->next;
        return n;
    }
    if (path->p[0] == '.')
        path->p++, path->n--;
    for (size_t i = 0; i <= path->n; i++) {
        if (i < path->n && path->p[i] != '.' && path->p[i] != '[')
            continue;
        struct weir_str key = {path->p, i};

        path->p += i;
        path->n -= i;
        if (n->type != WEIR_NODE_MAP)
            return NULL;
        for (n = n->child; n && !weir_str_eq(n->key, key); n = n->next)
            ;
        return n;
    }
    return NULL;
}

unsigned weir_data_line(const struct weir_data_object *o, const char *path)
{
    struct weir_str rest = weir_str_of(path);
    const struct weir_data_node *n = o->node;
    unsigned line = o->line;

    while (n && rest.n > 0) {
        n = step(n, &rest);
        if (n)
            line = n->key_line ? n->key_line : n->line;
    }
    return line;
}
