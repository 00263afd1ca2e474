/* decode.c - documents and objects; see decode.h. */
#include "data/decode_internal.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAX_PATH_TEXT = 512, MAX_WHAT = 1024, MAX_SHOWN_NAME = 80 };

void weir_data_error_add(struct weir_data_errors *errors, const struct weir_data_error *e,
                         const char *fmt, ...)
{
    struct weir_arena *a = errors->arena;
    struct weir_data_error *own;
    char what[MAX_WHAT];
    va_list ap;

    if (errors->count >= WEIR_DATA_MAX_ERRORS) {
        errors->dropped++;
        return;
    }
    if (!errors->list)
        errors->list = weir_arena_zalloc(a, WEIR_DATA_MAX_ERRORS * sizeof *errors->list);
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    own = &errors->list[errors->count++];
    own->line = e->line;
    own->file = weir_arena_strdup(a, weir_str_of(e->file ? e->file : ""));
    own->kind = weir_arena_strdup(a, weir_str_of(e->kind ? e->kind : ""));
    own->name = weir_arena_strdup(a, weir_str_of(e->name ? e->name : ""));
    own->path = weir_arena_strdup(a, weir_str_of(e->path ? e->path : ""));
    own->what = weir_arena_strdup(a, weir_str_of(what));
}

void weir_data_error_text(const struct weir_data_error *e, struct weir_buf *out)
{
    if (e->file[0])
        weir_buf_addz(out, e->file);
    if (e->file[0] && e->line)
        weir_buf_addf(out, ":%u", e->line);
    if (e->file[0])
        weir_buf_addz(out, ": ");
    if (e->kind[0])
        weir_buf_addf(out, "%s%s%s: ", e->kind, e->name[0] ? "/" : "", e->name);
    if (e->path[0])
        weir_buf_addf(out, "%s: ", e->path);
    weir_buf_addz(out, e->what);
}

static size_t path_text(const struct weir__path *p, char *out, size_t cap)
{
    size_t n;
    int k;

    if (!p)
        return 0;
    n = path_text(p->up, out, cap);
    if (!p->name)
        k = snprintf(out + n, cap - n, "[%zu]", p->index);
    else
        k = snprintf(out + n, cap - n, "%s%.64s", n ? "." : "", p->name);
    if (k < 0)
        return n;
    return (size_t)k < cap - n ? n + (size_t)k : cap - 1;
}

void weir__decode_error(struct weir__decode *d, unsigned line, const struct weir__path *path,
                        const char *fmt, ...)
{
    char text[MAX_PATH_TEXT] = "", what[MAX_WHAT];
    struct weir_data_error e = {
        .file = d->file, .line = line, .kind = d->kind, .name = d->name, .path = text};
    va_list ap;

    path_text(path, text, sizeof text);
    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    weir_data_error_add(d->errors, &e, "%s", what);
}

static const char *kind_name(const void *arg, size_t i)
{
    const struct weir_schema_message *m = weir_schema_kind_at(i);

    (void)arg;
    return m ? m->name : "";
}

/* Adds the error when there is no such kind. */
static const struct weir_schema_message *find_kind(struct weir__decode *d,
                                                   const struct weir_data_node *n)
{
    const struct weir_data_node *kind = weir__tree_get(n, "kind");
    const struct weir_schema_message *m;
    const char *near;
    size_t count = 0;

    if (!kind || kind->type > WEIR_NODE_TEXT || weir__tree_is_null(kind)) {
        weir__decode_error(d, n->line, NULL, "has no kind: add one, such as kind: Provider");
        return NULL;
    }
    m = weir_schema_kind(kind->text);
    if (!m) {
        while (weir_schema_kind_at(count))
            count++;
        near = weir_schema_nearest(kind->text, kind_name, NULL, count);
        weir__decode_error(d, kind->key_line, NULL, "unknown kind \"%.64s\"%s%s%s", kind->text.p,
                           near ? "; did you mean " : ": `weir explain` lists the kinds",
                           near ? near : "", near ? "?" : "");
    }
    return m;
}

static void check_version(struct weir__decode *d, const struct weir_data_node *n)
{
    const struct weir_data_node *v = weir__tree_get(n, "apiVersion");
    struct weir__path at = {NULL, "apiVersion", 0};

    if (!v)
        weir__decode_error(d, n->line, &at, "is missing: add apiVersion: " WEIR_API_VERSION);
    else if (v->type > WEIR_NODE_TEXT || !weir_str_is(v->text, WEIR_API_VERSION))
        weir__decode_error(d, v->key_line, &at, "must be " WEIR_API_VERSION);
}

/* The object's own keys; what a server adds (status) is passed over. */
static void check_keys(struct weir__decode *d, const struct weir_data_node *n)
{
    static const char *const known[] = {"apiVersion", "kind", "metadata", "spec", "status"};
    unsigned seen = 0;

    for (const struct weir_data_node *c = n->child; c; c = c->next) {
        struct weir__path at = {NULL, c->key.p, 0};
        unsigned i = 0;

        while (i < 5 && !weir_str_is(c->key, known[i]))
            i++;
        if (i == 5)
            weir__decode_error(d, c->key_line, &at,
                               "unknown field: an object has apiVersion, kind, metadata and spec");
        else if (seen & 1U << i)
            weir__decode_error(d, c->key_line, &at, "is given twice: remove one");
        seen |= i < 5 ? 1U << i : 0;
    }
}

static const char *metadata_text(struct weir__decode *d, const struct weir_data_node *n,
                                 const char *key)
{
    const struct weir_data_node *meta = weir__tree_get(n, "metadata");
    const struct weir_data_node *v = meta ? weir__tree_get(meta, key) : NULL;

    if (!v || v->type > WEIR_NODE_TEXT || !weir_data_is_name(v->text))
        return NULL;
    return weir_arena_strdup(d->arena, v->text);
}

/* A name that breaks the rules still tells the reader which object is meant. */
static const char *shown_name(struct weir__decode *d, const struct weir_data_node *n)
{
    const struct weir_data_node *meta = weir__tree_get(n, "metadata");
    const struct weir_data_node *v = meta ? weir__tree_get(meta, "name") : NULL;
    struct weir_str text = v && v->type <= WEIR_NODE_TEXT ? v->text : WEIR_STR("");
    char *name;

    if (text.n > MAX_SHOWN_NAME)
        for (text.n = MAX_SHOWN_NAME; ((unsigned char)text.p[text.n] & 0xc0) == 0x80;)
            text.n--; /* never within a character */
    name = weir_arena_alloc(d->arena, text.n + 1);
    for (size_t i = 0; i < text.n; i++)
        name[i] = (char)((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f ? '?' : text.p[i]);
    name[text.n] = 0;
    return name;
}

static void set_part(struct weir__decode *d, const struct weir_data_node *n, ProtobufCMessage *m,
                     unsigned i, unsigned line)
{
    const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
    const struct weir_data_node *part = weir__tree_get(n, f->name);
    struct weir__path at = {NULL, f->name, 0};
    ProtobufCMessage *sub;

    if (!part || weir__tree_is_null(part)) {
        weir__decode_error(d, part ? part->key_line : line, &at, "is missing: add it");
        return;
    }
    sub = weir__decode_message(d, part, f->descriptor, &at);
    memcpy((char *)m + f->offset, &sub, sizeof(void *));
}

/* False: it has no kind or no name, so nothing can refer to it. */
static bool decode_object(struct weir__decode *d, const struct weir_data_node *n,
                          struct weir_data_object *out)
{
    size_t before = d->errors->count + d->errors->dropped;
    const struct weir_schema_message *kind = find_kind(d, n);
    const struct weir_data_node *name = weir__tree_get(n, "kind");
    const char *ns;

    if (!kind)
        return false;
    d->kind = kind->name;
    d->name = metadata_text(d, n, "name");
    ns = metadata_text(d, n, "namespace");
    *out = (struct weir_data_object){.kind = kind,
                                     .ns = ns ? ns : "default",
                                     .name = d->name,
                                     .file = d->file,
                                     .line = name->key_line,
                                     .node = n};
    if (!d->name)
        d->name = shown_name(d, n);
    check_version(d, n);
    check_keys(d, n);
    if (!weir_schema_kind_supported(kind)) {
        weir__decode_error(d, out->line, NULL, "the kind %s is not supported yet: remove it",
                           kind->name);
        return out->name != NULL;
    }
    out->message = weir_arena_alloc(d->arena, kind->descriptor->sizeof_message);
    protobuf_c_message_init(kind->descriptor, out->message);
    set_part(d, n, out->message, 0, out->line);
    set_part(d, n, out->message, 1, out->line);
    if (d->errors->count + d->errors->dropped != before)
        out->message = NULL;
    return out->name != NULL;
}

static void add_object(struct weir__decode *d, const struct weir_data_node *n, bool in_list,
                       size_t *cap, struct weir_data_file *out)
{
    if (n->type != WEIR_NODE_MAP) {
        weir__decode_error(d, n->line, NULL,
                           "must be an object with apiVersion, kind, metadata and spec");
        return;
    }
    if (out->count >= WEIR_DATA_MAX_OBJECTS) {
        if (out->count++ == WEIR_DATA_MAX_OBJECTS)
            weir__decode_error(d, n->line, NULL, "the file has too many objects: split it");
        return;
    }
    if (out->count == *cap) {
        struct weir_data_object *more;

        *cap = *cap ? *cap * 2 : 16;
        more = weir_arena_zalloc(d->arena, *cap * sizeof *more);
        if (out->count)
            memcpy(more, out->objects, out->count * sizeof *more);
        out->objects = more;
    }
    if (decode_object(d, n, &out->objects[out->count]))
        out->objects[out->count++].in_list = in_list;
    d->kind = d->name = "";
}

/* `kubectl get -o yaml` of several objects. */
static const struct weir_data_node *list_items(const struct weir_data_node *n)
{
    const struct weir_data_node *kind = weir__tree_get(n, "kind");
    const struct weir_data_node *items = weir__tree_get(n, "items");

    return kind && kind->type <= WEIR_NODE_TEXT && weir_str_is(kind->text, "List") && items &&
                   items->type == WEIR_NODE_LIST
               ? items
               : NULL;
}

enum weir_data_syntax weir_data_syntax_of(struct weir_str file_name)
{
    return weir_str_ends(file_name, WEIR_STR(".json")) ? WEIR_DATA_JSON : WEIR_DATA_YAML;
}

int weir_data_decode(struct weir_arena *arena, struct weir_str file_name,
                     enum weir_data_syntax syntax, struct weir_str text,
                     struct weir_data_errors *errors, struct weir_data_file *out)
{
    size_t before = errors->count + errors->dropped, cap = 0;
    const char *file = weir_arena_strdup(arena, file_name);
    struct weir__tree tree = {.arena = arena, .file = file, .errors = errors};
    struct weir__decode d = {
        .arena = arena, .errors = errors, .file = file, .kind = "", .name = ""};
    const struct weir_data_node *doc = NULL;

    *out = (struct weir_data_file){0};
    if (text.n > WEIR_DATA_MAX_BYTES)
        weir__tree_error(&tree, 0, "is too large: at most 4 MiB");
    else if (syntax == WEIR_DATA_JSON)
        doc = weir__tree_json(&tree, text);
    else
        doc = weir__tree_yaml(&tree, text);
    for (; doc; doc = doc->next) {
        const struct weir_data_node *items = list_items(doc);

        if (weir__tree_is_null(doc))
            continue; /* "---" with nothing behind it */
        if (!items)
            add_object(&d, doc, false, &cap, out);
        else
            for (const struct weir_data_node *n = items->child; n; n = n->next)
                add_object(&d, n, true, &cap, out);
    }
    if (out->count > WEIR_DATA_MAX_OBJECTS)
        out->count = WEIR_DATA_MAX_OBJECTS;
    return errors->count + errors->dropped == before ? WEIR_OK : WEIR_EINVAL;
}
