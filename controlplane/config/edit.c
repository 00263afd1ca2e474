/* edit.c - see edit.h. */
#include "controlplane/config/edit.h"

#define BEHIND SIZE_MAX /* as a place: behind the last object */

static bool is_marker(struct weir_str line)
{
    return line.n >= 3 && memcmp(line.p, "---", 3) == 0 &&
           (line.n == 3 || line.p[3] == ' ' || line.p[3] == '\r' || line.p[3] == '\t');
}

static bool is_json(const struct weir_policy_text *t)
{
    return weir_data_syntax_of(weir_str_of(t->file)) == WEIR_DATA_JSON;
}

/* The bytes of the document that line (from 1) is in, without its marker, and its lines. "---" at a
 * line's start is a marker everywhere in YAML, in block scalars too. */
static struct weir_str document(struct weir_str text, unsigned line, unsigned *first,
                                unsigned *last)
{
    size_t begin = 0, at = 0;
    unsigned number = 1;

    *first = 1;
    while (at < text.n) {
        const char *nl = memchr(text.p + at, '\n', text.n - at);
        size_t end = nl ? (size_t)(nl - text.p) : text.n;

        if (is_marker((struct weir_str){text.p + at, end - at})) {
            if (number > line)
                break;
            begin = nl ? end + 1 : end;
            *first = number + 1;
        }
        at = nl ? end + 1 : end;
        number++;
    }
    *last = number;
    return (struct weir_str){text.p + begin, at - begin};
}

static size_t leading_comments(struct weir_str doc)
{
    size_t at = 0, kept = 0;

    while (at < doc.n && (doc.p[at] == '#' || doc.p[at] == '\n')) {
        const char *nl = memchr(doc.p + at, '\n', doc.n - at);

        at = nl ? (size_t)(nl - doc.p) + 1 : doc.n;
        kept = at;
    }
    return kept;
}

static struct weir_str finish(struct weir_arena *arena, struct weir_buf *b)
{
    struct weir_str s = weir_arena_copy(arena, weir_buf_str(b));

    weir_buf_fini(b);
    return s;
}

/* All objects anew, with m in place of number at. A text with an error
 * stays as it is: what could not be read would be lost. */
static struct weir_str rewrite(struct weir_arena *arena, const struct weir_policy_text *t,
                               size_t at, const ProtobufCMessage *m)
{
    struct weir_data_errors errors = {.arena = arena};
    bool json = is_json(t), first = true;
    struct weir_data_file file = {0};
    struct weir_buf b;

    if (weir_str_trim(t->text).n > 0 &&
        weir_data_decode(arena, weir_str_of(t->file), json ? WEIR_DATA_JSON : WEIR_DATA_YAML,
                         t->text, &errors, &file))
        return t->text;
    weir_buf_init(&b, 2 * (size_t)WEIR_DATA_MAX_BYTES);
    if (json)
        weir_buf_addf(&b, "{\"apiVersion\": \"%s\", \"kind\": \"List\", \"items\": [\n",
                      WEIR_API_VERSION);
    for (size_t i = 0; i <= file.count; i++) {
        const ProtobufCMessage *o = i == file.count ? NULL : file.objects[i].message;

        if (i == at || (i == file.count && at == BEHIND))
            o = m;
        if (!o)
            continue;
        if (!first)
            weir_buf_addz(&b, json ? ",\n" : "---\n");
        first = false;
        (void)!(json ? weir_render_json(o, 2, &b) : weir_render_yaml(o, &b));
    }
    if (first)
        weir_buf_clear(&b);
    else if (json)
        weir_buf_addz(&b, "\n]}\n");
    return finish(arena, &b);
}

struct weir_str weir__edit_append(struct weir_arena *arena, const struct weir_policy_text *t,
                                  const ProtobufCMessage *m)
{
    struct weir_buf b;

    if (is_json(t))
        return rewrite(arena, t, BEHIND, m);
    weir_buf_init(&b, 2 * (size_t)WEIR_DATA_MAX_BYTES);
    weir_buf_adds(&b, t->text);
    if (t->text.n && t->text.p[t->text.n - 1] != '\n')
        weir_buf_addz(&b, "\n");
    if (weir_str_trim(t->text).n)
        weir_buf_addz(&b, "---\n");
    (void)!weir_render_yaml(m, &b);
    return finish(arena, &b);
}

struct weir_str weir__edit_replace(struct weir_arena *arena, const struct weir_policy_text *t,
                                   const struct weir_data_file *file, size_t at,
                                   const ProtobufCMessage *m)
{
    struct weir_str doc, before, after;
    unsigned first, last;
    struct weir_buf b;

    if (is_json(t) || file->objects[at].in_list)
        return rewrite(arena, t, at, m);
    doc = document(t->text, file->objects[at].line, &first, &last);
    if (file->objects[at].line < first || file->objects[at].line >= last)
        return rewrite(arena, t, at, m); /* it stands on its marker's line */
    for (size_t i = 0; i < file->count; i++)
        if (i != at && file->objects[i].line >= first && file->objects[i].line < last)
            return rewrite(arena, t, at, m);
    before = (struct weir_str){t->text.p, (size_t)(doc.p - t->text.p)};
    after = (struct weir_str){doc.p + doc.n, t->text.n - before.n - doc.n};
    weir_buf_init(&b, 2 * (size_t)WEIR_DATA_MAX_BYTES);
    weir_buf_adds(&b, before);
    if (m) {
        weir_buf_add(&b, doc.p, leading_comments(doc));
        (void)!weir_render_yaml(m, &b);
    } else if (file->count == 1) {
        weir_buf_clear(&b); /* nothing is left: the file goes */
        after = WEIR_STR_NULL;
    }
    weir_buf_adds(&b, after);
    return finish(arena, &b);
}
