/* decode_message.c - a mapping into a message, by its descriptor and rules. */
#include "data/decode_internal.h"

#include <stdlib.h>

static const char *field_name(const void *arg, size_t i)
{
    const ProtobufCMessageDescriptor *desc = arg;

    return desc->fields[i].name;
}

static void *member(ProtobufCMessage *m, unsigned offset)
{
    return (char *)m + offset;
}

static size_t element_size(const ProtobufCFieldDescriptor *f)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        return sizeof(int64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    default:
        return sizeof(void *);
    }
}

/* One value, scalar or message, into out. */
static bool decode_value(struct weir__decode *d, const struct weir_data_node *n,
                         const ProtobufCFieldDescriptor *f, const struct weir_schema_field *rules,
                         const struct weir__path *path, void *out)
{
    if (weir__tree_is_null(n)) {
        weir__decode_error(d, n->line, path, "has no value: give it one, or remove the line");
        return false;
    }
    if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage *m = weir__decode_message(d, n, f->descriptor, path);

        memcpy(out, &m, sizeof(void *));
        return m != NULL;
    }
    return weir__decode_scalar(d, n, f, rules, path, out);
}

static bool check_count(struct weir__decode *d, const struct weir_data_node *n,
                        const struct weir_schema_field *rules, const struct weir__path *path)
{
    if (rules->flags & WEIR_SCHEMA_MAX && n->count > (size_t)rules->max) {
        weir__decode_error(d, n->line, path, "has %zu items: at most %lld are allowed", n->count,
                           (long long)rules->max);
        return false;
    }
    if (rules->flags & WEIR_SCHEMA_MIN && n->count < (size_t)rules->min) {
        weir__decode_error(d, n->line, path, "needs at least %lld item%s", (long long)rules->min,
                           rules->min == 1 ? "" : "s");
        return false;
    }
    return true;
}

static void decode_list(struct weir__decode *d, const struct weir_data_node *n,
                        const ProtobufCFieldDescriptor *f, const struct weir_schema_field *rules,
                        const struct weir__path *path, ProtobufCMessage *m)
{
    struct weir_schema_field item_rules = *rules;
    size_t size = element_size(f), i = 0, kept = 0;
    char *items;

    if (n->type != WEIR_NODE_LIST) {
        weir__decode_error(d, n->line, path, "must be a list%s",
                           n->type == WEIR_NODE_MAP ? ", not a mapping"
                                                    : ": write it as [value] or as lines with '-'");
        return;
    }
    if (!check_count(d, n, rules, path) || n->count == 0)
        return;
    item_rules.flags &= ~(unsigned)(WEIR_SCHEMA_MIN | WEIR_SCHEMA_MAX);
    items = weir_arena_zalloc(d->arena, n->count * size);
    for (const struct weir_data_node *item = n->child; item; item = item->next, i++) {
        struct weir__path at = {path, NULL, i};

        kept += decode_value(d, item, f, &item_rules, &at, items + kept * size);
    }
    memcpy(member(m, f->offset), &items, sizeof items);
    memcpy(member(m, f->quantifier_offset), &kept, sizeof kept);
}

static int by_key(const void *a, const void *b)
{
    const struct weir_data_node *const *x = a, *const *y = b;

    return strcmp((*x)->key.p, (*y)->key.p);
}

/* Controls would be written as escapes, and YAML reads back no key of more than 1,024 characters.
 */
static bool is_name(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= 256;
}

/* A mapping into a list of Label, sorted, so that the order in a file changes no version. */
static void decode_map(struct weir__decode *d, const struct weir_data_node *n,
                       const ProtobufCFieldDescriptor *f, const struct weir_schema_field *rules,
                       const struct weir__path *path, ProtobufCMessage *m)
{
    const ProtobufCMessageDescriptor *label = f->descriptor;
    static const struct weir_schema_field text = {.name = "value", .doc = ""};
    const struct weir_data_node **sorted;
    ProtobufCMessage **items;
    size_t i = 0, kept = 0;

    if (n->type != WEIR_NODE_MAP) {
        weir__decode_error(d, n->line, path, "must be a mapping of names to text");
        return;
    }
    if (!check_count(d, n, rules, path) || n->count == 0)
        return;
    sorted = weir_arena_alloc(d->arena, n->count * sizeof(void *));
    items = weir_arena_zalloc(d->arena, n->count * sizeof(void *));
    for (const struct weir_data_node *c = n->child; c; c = c->next)
        sorted[i++] = c;
    qsort(sorted, n->count, sizeof(void *), by_key);
    for (i = 0; i < n->count; i++) {
        const struct weir_data_node *c = sorted[i];
        struct weir__path at = {path, c->key.p, 0};
        const char *fault = NULL;
        char *value = NULL, *key;

        if (i > 0 && strcmp(sorted[i - 1]->key.p, c->key.p) == 0)
            fault = "is given twice: remove one";
        else if (!is_name(c->key))
            fault = "must have a name of 1 to 256 bytes without control characters";
        else
            fault = weir__format_fault(rules->format, c->key);
        if (fault)
            weir__decode_error(d, c->key_line, &at, "%s", fault);
        else if (weir__tree_is_null(c))
            weir__decode_error(d, c->key_line, &at,
                               "has no value: give it one, or remove the line");
        if (fault || weir__tree_is_null(c) ||
            !weir__decode_scalar(d, c, &label->fields[1], &text, &at, &value))
            continue;
        fault = rules->format == WEIR_FORMAT_HEADER
                    ? weir__added_header_fault(c->key, weir_str_of(value))
                    : NULL;
        if (fault)
            weir__decode_error(d, c->key_line, &at, "%s", fault);
        items[kept] = weir_arena_alloc(d->arena, label->sizeof_message);
        protobuf_c_message_init(label, items[kept]);
        key = weir_arena_strdup(d->arena, c->key);
        memcpy(member(items[kept], label->fields[0].offset), &key, sizeof key);
        memcpy(member(items[kept++], label->fields[1].offset), &value, sizeof value);
    }
    memcpy(member(m, f->offset), &items, sizeof items);
    memcpy(member(m, f->quantifier_offset), &kept, sizeof kept);
}

static void decode_field(struct weir__decode *d, const struct weir_data_node *n,
                         const ProtobufCFieldDescriptor *f, const struct weir_schema_field *rules,
                         const struct weir__path *path, ProtobufCMessage *m)
{
    protobuf_c_boolean has = 1;

    if (weir__tree_is_null(n)) {
        weir__decode_error(d, n->line, path, "has no value: give it one, or remove the line");
    } else if (rules->flags & WEIR_SCHEMA_MAP) {
        decode_map(d, n, f, rules, path, m);
    } else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        decode_list(d, n, f, rules, path, m);
    } else if (decode_value(d, n, f, rules, path, member(m, f->offset)) && f->quantifier_offset) {
        memcpy(member(m, f->quantifier_offset), &has, sizeof has);
    }
}

static void unknown_field(struct weir__decode *d, const struct weir_data_node *c,
                          const ProtobufCMessageDescriptor *desc, const struct weir__path *path)
{
    /* What `kubectl get -o yaml` adds to metadata. */
    static const char *const ignored[] = {"uid",        "resourceVersion", "creationTimestamp",
                                          "generation", "managedFields",   "selfLink"};
    const char *near = NULL;

    if (strcmp(desc->short_name, "Metadata") == 0)
        for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
            if (weir_str_is(c->key, ignored[i]))
                return;
    if (!weir__decode_is_full(d))
        near = weir_schema_nearest(c->key, field_name, desc, desc->n_fields);
    if (near)
        weir__decode_error(d, c->key_line, path, "unknown field; did you mean %s?", near);
    else
        weir__decode_error(d, c->key_line, path,
                           "unknown field: remove it (`weir explain` lists the fields)");
}

static void check_present(struct weir__decode *d, const struct weir_data_node *n,
                          const struct weir_schema_message *s, const struct weir__path *path,
                          uint64_t seen)
{
    const ProtobufCMessageDescriptor *desc = s->descriptor;
    const char *list = NULL;
    unsigned line = n->key_line ? n->key_line : n->line;
    bool one = s->flags & WEIR_SCHEMA_ONE && __builtin_popcountll(seen) != 1;

    for (unsigned i = 0; i < desc->n_fields; i++) {
        struct weir__path at = {path, desc->fields[i].name, 0};

        if (s->fields[i].flags & WEIR_SCHEMA_REQUIRED && !(seen >> i & 1))
            weir__decode_error(d, line, &at, "is missing: add it");
        if (one && !(s->fields[i].flags & WEIR_SCHEMA_LATER))
            list = list ? weir_arena_printf(d->arena, "%s, %s", list, desc->fields[i].name)
                        : desc->fields[i].name;
    }
    if (one)
        weir__decode_error(d, line, path, "must have exactly one of %s",
                           list ? list : "its fields");
}

ProtobufCMessage *weir__decode_message(struct weir__decode *d, const struct weir_data_node *n,
                                       const ProtobufCMessageDescriptor *desc,
                                       const struct weir__path *path)
{
    const struct weir_schema_message *s = weir_schema_message(desc);
    ProtobufCMessage *m;
    uint64_t seen = 0;

    WEIR_ASSERT(s && desc->n_fields <= 64);
    if (n->type != WEIR_NODE_MAP) {
        weir__decode_error(d, n->line, path, "must be a mapping of fields");
        return NULL;
    }
    m = weir_arena_alloc(d->arena, desc->sizeof_message);
    protobuf_c_message_init(desc, m);
    for (const struct weir_data_node *c = n->child; c; c = c->next) {
        struct weir__path at = {path, c->key.p, 0};
        unsigned i = 0;

        while (i < desc->n_fields && !weir_str_is(c->key, desc->fields[i].name))
            i++;
        if (i == desc->n_fields) {
            unknown_field(d, c, desc, &at);
            continue;
        }
        if (seen >> i & 1) {
            weir__decode_error(d, c->key_line, &at, "is given twice: remove one");
            continue;
        }
        seen |= UINT64_C(1) << i;
        if (s->fields[i].flags & WEIR_SCHEMA_LATER)
            weir__decode_error(d, c->key_line, &at, "is not supported yet: remove it");
        else
            decode_field(d, c, &desc->fields[i], &s->fields[i], &at, m);
    }
    check_present(d, n, s, path, seen);
    return m;
}
