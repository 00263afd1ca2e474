/* schema_text.c - the schema for people: `weir explain` and the reference page. */
#include "data/schema_table.h"

#include "data/render.h"

static bool is_unset(const char *name)
{
    return weir_str_ends(weir_str_of(name), WEIR_STR("_UNSET"));
}

static const char *format_word(const ProtobufCFieldDescriptor *f, const struct weir_schema_field *r)
{
    static const char *const words[] = {
        [WEIR_FORMAT_DURATION] = "duration",
        [WEIR_FORMAT_USD] = "US dollars",
        [WEIR_FORMAT_URL] = "URL",
        [WEIR_FORMAT_NAME] = "name",
        [WEIR_FORMAT_GLOB] = "pattern",
        [WEIR_FORMAT_SHA256] = "SHA-256",
        [WEIR_FORMAT_HEADER] = "header name",
        [WEIR_FORMAT_TIMEZONE] = "time zone",
        [WEIR_FORMAT_DATE] = "date",
    };

    if (r->format != WEIR_FORMAT_NONE)
        return words[r->format];
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        return "whole number";
    case PROTOBUF_C_TYPE_BOOL:
        return "true or false";
    case PROTOBUF_C_TYPE_ENUM:
        return ((const ProtobufCEnumDescriptor *)f->descriptor)->short_name;
    case PROTOBUF_C_TYPE_MESSAGE:
        return ((const ProtobufCMessageDescriptor *)f->descriptor)->short_name;
    default:
        return "text";
    }
}

static void put_type(const ProtobufCFieldDescriptor *f, const struct weir_schema_field *r,
                     struct weir_buf *out)
{
    if (r->flags & WEIR_SCHEMA_MAP)
        weir_buf_addz(out, "mapping of names to text");
    else
        weir_buf_addf(out, "%s%s", f->label == PROTOBUF_C_LABEL_REPEATED ? "list of " : "",
                      format_word(f, r));
}

static void put_bound(const struct weir_schema_field *r, int64_t v, bool items,
                      struct weir_buf *out)
{
    if (!items && r->format == WEIR_FORMAT_DURATION)
        weir_render_duration(v, out);
    else if (!items && r->format == WEIR_FORMAT_USD)
        weir_render_usd(v, out);
    else
        weir_buf_addi(out, v);
}

/* "required, from 1 to 10, default 3": each part after a comma. */
static void put_rules(const ProtobufCFieldDescriptor *f, const struct weir_schema_field *r,
                      struct weir_buf *out)
{
    bool items = f->label == PROTOBUF_C_LABEL_REPEATED;

    if (r->flags & WEIR_SCHEMA_REQUIRED)
        weir_buf_addz(out, ", required");
    if (r->flags & WEIR_SCHEMA_MIN) {
        weir_buf_addz(out, ", at least ");
        put_bound(r, r->min, items, out);
    }
    if (r->flags & WEIR_SCHEMA_MAX) {
        weir_buf_addz(out, ", at most ");
        put_bound(r, r->max, items, out);
    }
    if (items && r->flags & (WEIR_SCHEMA_MIN | WEIR_SCHEMA_MAX))
        weir_buf_addz(out, " items");
    if (r->dflt)
        weir_buf_addf(out, ", default %s", r->dflt);
    if (r->ref)
        weir_buf_addf(out, ", names a %s", r->ref);
    if (r->flags & WEIR_SCHEMA_LATER)
        weir_buf_addz(out, ", not supported yet");
}

/* A field's own words, or those of its type. */
static const char *field_doc(const ProtobufCFieldDescriptor *f, const struct weir_schema_field *r)
{
    if (!r->doc[0] && f->type == PROTOBUF_C_TYPE_MESSAGE)
        return weir_schema_message(f->descriptor)->doc;
    return r->doc;
}

static void put_values(const ProtobufCEnumDescriptor *e, const char *bullet, struct weir_buf *out)
{
    const struct weir_schema_enum *s = weir_schema_enum(e);

    for (size_t i = 0; i < e->n_values; i++) {
        const struct weir_schema_value *v = &s->values[i];

        if (is_unset(v->name))
            continue;
        weir_buf_addf(out, "%s%s", bullet, v->name);
        if (v->flags & WEIR_SCHEMA_LATER)
            weir_buf_addz(out, " (not supported yet)");
        weir_buf_addf(out, "%s%s\n", v->doc[0] ? ": " : "", v->doc);
    }
}

static void explain_fields(const struct weir_schema_message *m, struct weir_buf *out)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    if (m->flags & WEIR_SCHEMA_ONE)
        weir_buf_addz(out, "\nExactly one of its fields is set.\n");
    weir_buf_addz(out, "\nFIELDS\n");
    for (unsigned i = 0; i < d->n_fields; i++) {
        weir_buf_addf(out, "  %s  <", d->fields[i].name);
        put_type(&d->fields[i], &m->fields[i], out);
        put_rules(&d->fields[i], &m->fields[i], out);
        weir_buf_addz(out, ">\n");
        if (field_doc(&d->fields[i], &m->fields[i])[0])
            weir_buf_addf(out, "      %s\n", field_doc(&d->fields[i], &m->fields[i]));
    }
}

static const char *kind_name(const void *arg, size_t i)
{
    const struct weir_schema_message *m = weir_schema_kind_at(i);

    (void)arg;
    return m ? m->name : "";
}

static size_t kind_count(void)
{
    size_t n = 0;

    while (weir_schema_kind_at(n))
        n++;
    return n;
}

static const char *field_name(const void *arg, size_t i)
{
    return ((const ProtobufCMessageDescriptor *)arg)->fields[i].name;
}

static void list_kinds(struct weir_buf *out)
{
    const struct weir_schema_message *m;

    for (size_t i = 0; (m = weir_schema_kind_at(i)); i++)
        weir_buf_addf(out, "%-15s %s%s\n", m->name, m->doc,
                      weir_schema_kind_supported(m) ? "" : " Not supported yet.");
}

static int not_found(struct weir_buf *out, const char *what, struct weir_str name, const char *near)
{
    weir_buf_addf(out, "There is no %s \"%.*s\"", what, name.n > 64 ? 64 : (int)name.n, name.p);
    if (near)
        weir_buf_addf(out, "; did you mean %s?\n", near);
    else
        weir_buf_addz(out, ".\n");
    return WEIR_ENOTFOUND;
}

int weir_schema_explain(struct weir_str path, struct weir_buf *out)
{
    struct weir_str rest, part = weir_str_cut(path, '.', &rest);
    const struct weir_schema_message *m;
    const ProtobufCFieldDescriptor *f = NULL;
    const struct weir_schema_field *r = NULL;

    if (path.n == 0) {
        list_kinds(out);
        return WEIR_OK;
    }
    m = weir_schema_kind_loose(part);
    if (!m)
        return not_found(out, "kind", part,
                         weir_schema_nearest(part, kind_name, NULL, kind_count()));
    weir_buf_addf(out, "%s", m->name);
    while (rest.p) {
        const ProtobufCMessageDescriptor *d = m ? m->descriptor : NULL;
        unsigned i = 0;

        part = weir_str_cut(rest, '.', &rest);
        if (part.n > 2 && part.p[part.n - 1] == ']' && memchr(part.p, '[', part.n))
            part.n = (size_t)((const char *)memchr(part.p, '[', part.n) - part.p);
        while (d && i < d->n_fields && !weir_str_ieq(part, weir_str_of(d->fields[i].name)))
            i++;
        if (!d || i == d->n_fields) {
            weir_buf_addz(out, "\n");
            return not_found(out, "field", part,
                             d ? weir_schema_nearest(part, field_name, d, d->n_fields) : NULL);
        }
        f = &d->fields[i];
        r = &m->fields[i];
        weir_buf_addf(out, ".%s", f->name);
        m = f->type == PROTOBUF_C_TYPE_MESSAGE && !(r->flags & WEIR_SCHEMA_MAP)
                ? weir_schema_message(f->descriptor)
                : NULL;
    }
    if (f) {
        weir_buf_addz(out, "  <");
        put_type(f, r, out);
        put_rules(f, r, out);
        weir_buf_addz(out, ">");
    }
    weir_buf_addf(out, "\n\n%s\n", f ? field_doc(f, r) : m->doc);
    if (m)
        explain_fields(m, out);
    else if (f->type == PROTOBUF_C_TYPE_ENUM) {
        weir_buf_addz(out, "\nVALUES\n");
        put_values(f->descriptor, "  ", out);
    }
    return WEIR_OK;
}

/* A cell of a Markdown table. */
static void put_cell(const char *s, struct weir_buf *out)
{
    for (; *s; s++)
        weir_buf_addf(out, *s == '|' ? "\\%c" : "%c", *s);
}

static void reference_message(const struct weir_schema_message *m, struct weir_buf *out)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    weir_buf_addf(out, "\n%s%s%s\n", m->doc,
                  m->flags & WEIR_SCHEMA_ONE ? " Exactly one of its fields is set." : "",
                  m->flags & WEIR_SCHEMA_LATER ? " Not supported yet." : "");
    weir_buf_addz(out, "\n| Field | Type and rules | |\n|---|---|---|\n");
    for (unsigned i = 0; i < d->n_fields; i++) {
        weir_buf_addf(out, "| `%s` | ", d->fields[i].name);
        put_type(&d->fields[i], &m->fields[i], out);
        put_rules(&d->fields[i], &m->fields[i], out);
        weir_buf_addz(out, " | ");
        put_cell(field_doc(&d->fields[i], &m->fields[i]), out);
        weir_buf_addz(out, " |\n");
    }
}

static bool is_kind(const struct weir_schema_message *m)
{
    return weir_schema_kind(weir_str_of(m->name)) == m;
}

void weir_schema_reference(struct weir_buf *out)
{
    const struct weir_schema_message *m;

    weir_buf_addz(
        out,
        "# Reference of the kinds\n\n"
        "Made from `proto/weir/v1/config.proto`. Every object has `apiVersion: " WEIR_API_VERSION
        "`, `kind`, `metadata` and `spec`.\n\n## Kinds\n");
    for (size_t i = 0; (m = weir_schema_kind_at(i)); i++) {
        weir_buf_addf(out, "\n### %s\n\n%s\n\n`spec`:\n", m->name, m->doc);
        reference_message(weir_schema_message(m->descriptor->fields[1].descriptor), out);
    }
    weir_buf_addz(out, "\n## Types\n");
    for (size_t i = 0; i < weir__schema_message_count; i++) {
        m = &weir__schema_messages[i];
        /* Specs stand with their kinds; what only travels to proxies is nobody's to write. */
        if (is_kind(m) || weir_str_ends(weir_str_of(m->name), WEIR_STR("Spec")) ||
            strcmp(m->name, "IssuedKey") == 0 || strcmp(m->name, "Secret") == 0)
            continue;
        weir_buf_addf(out, "\n### %s\n", m->name);
        reference_message(m, out);
    }
    weir_buf_addz(out, "\n## Values\n");
    for (size_t i = 0; i < weir__schema_enum_count; i++) {
        weir_buf_addf(out, "\n### %s\n\n", weir__schema_enums[i].descriptor->short_name);
        put_values(weir__schema_enums[i].descriptor, "- ", out);
    }
}
