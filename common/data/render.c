/* render.c - see render.h. One walk over a message, two ways to write it down. */
#include "data/render.h"

#include "base/hash.h"
#include "data/decode_internal.h"

struct writer {
    struct weir_buf *out;
    bool json;
    unsigned indent; /* JSON: blanks for each level; 0: one line */
};

static void newline(struct writer *w, unsigned level)
{
    if (w->json && w->indent == 0)
        return;
    weir_buf_addz(w->out, "\n");
    for (unsigned i = 0; i < level * (w->json ? w->indent : 2); i++)
        weir_buf_addz(w->out, " ");
}

void weir_render_duration(int64_t ms, struct weir_buf *out)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

    uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

    if (ms < 0)
        weir_buf_addz(out, "-");
    if (left == 0)
        weir_buf_addz(out, "0s");
    for (size_t i = 0; i < 4; i++) {
        if (left >= units[i].ms)
            weir_buf_addf(out, "%llu%s", (unsigned long long)(left / units[i].ms), units[i].unit);
        left %= units[i].ms;
    }
}

void weir_render_usd(int64_t nano_usd, struct weir_buf *out)
{
    uint64_t v = nano_usd < 0 ? -(uint64_t)nano_usd : (uint64_t)nano_usd;
    uint64_t fraction = v % 1000000000;
    int digits = 9;

    weir_buf_addf(out, "%s%llu", nano_usd < 0 ? "-" : "", (unsigned long long)(v / 1000000000));
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; digits--)
        fraction /= 10;
    weir_buf_addf(out, ".%0*llu", digits, (unsigned long long)fraction);
}

/* Would YAML read this text, unquoted, as exactly this text? Cautious: quotes never hurt. */
static bool is_plain(struct weir_str s)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no",
                                        "on",   "off",   "y",    "n",   "~"};

    if (s.n == 0 || s.n > 200 || weir__plain_needs_quotes(s))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (weir_str_ieq(s, weir_str_of(words[i])))
            return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inner = (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '/' ||
                     (c == ':' && i + 1 < s.n && s.p[i + 1] != ' ') || c == '*';

        if (!letter && (!inner || i == 0))
            return false;
    }
    return true;
}

static void put_text(struct writer *w, struct weir_str s)
{
    if (!w->json && is_plain(s))
        weir_buf_adds(w->out, s);
    else
        weir_buf_add_json(w->out, s); /* a JSON string is a YAML double-quoted one */
}

static void put_scalar(struct writer *w, const ProtobufCFieldDescriptor *f,
                       const struct weir_schema_field *r, const void *p)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        put_text(w, weir_str_of(*(char *const *)p));
    } else if (f->type == PROTOBUF_C_TYPE_BOOL) {
        weir_buf_addz(w->out, *(const protobuf_c_boolean *)p ? "true" : "false");
    } else if (f->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumValue *v =
            protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p);

        put_text(w, weir_str_of(v ? v->name : ""));
    } else if (f->type == PROTOBUF_C_TYPE_INT64) {
        int64_t v = *(const int64_t *)p;

        if (r->format == WEIR_FORMAT_DURATION) {
            weir_buf_addz(w->out, w->json ? "\"" : "");
            weir_render_duration(v, w->out);
            weir_buf_addz(w->out, w->json ? "\"" : "");
        } else if (r->format == WEIR_FORMAT_USD) {
            weir_render_usd(v, w->out);
        } else {
            weir_buf_addi(w->out, v);
        }
    } else {
        weir_buf_addz(w->out, "\"\""); /* bytes are secrets: never written down */
    }
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

static void put_message(struct writer *w, const ProtobufCMessage *m, unsigned level, bool in_list);

/* The comma or line before an entry. */
static void put_key(struct writer *w, const char *key, bool first, bool hang, unsigned level)
{
    if (w->json) {
        weir_buf_addz(w->out, first ? "" : ",");
        newline(w, level);
        weir_buf_add_json(w->out, weir_str_of(key));
        weir_buf_addz(w->out, w->indent ? ": " : ":");
        return;
    }
    if (!(first && hang)) /* the first key of a list's item stands behind its dash */
        newline(w, level);
    put_text(w, weir_str_of(key));
    weir_buf_addz(w->out, ":");
}

static void put_map(struct writer *w, char *items, size_t n,
                    const ProtobufCMessageDescriptor *label, unsigned level)
{
    weir_buf_addz(w->out, w->json ? "{" : n == 0 ? " {}" : "");
    for (size_t i = 0; i < n; i++) {
        const char *m = ((char **)items)[i];

        put_key(w, *(char *const *)(m + label->fields[0].offset), i == 0, false, level);
        weir_buf_addz(w->out, w->json ? "" : " ");
        put_text(w, weir_str_of(*(char *const *)(m + label->fields[1].offset)));
    }
    if (w->json) {
        if (n > 0)
            newline(w, level - 1);
        weir_buf_addz(w->out, "}");
    }
}

static void put_list(struct writer *w, char *items, size_t n, const ProtobufCFieldDescriptor *f,
                     const struct weir_schema_field *r, unsigned level)
{
    weir_buf_addz(w->out, w->json ? "[" : n == 0 ? " []" : "");
    for (size_t i = 0; i < n; i++) {
        char *p = items + i * element_size(f);

        weir_buf_addz(w->out, w->json && i ? "," : "");
        newline(w, level);
        weir_buf_addz(w->out, w->json ? "" : "- ");
        if (f->type == PROTOBUF_C_TYPE_MESSAGE)
            put_message(w, *(ProtobufCMessage *const *)p, level + 1, true);
        else
            put_scalar(w, f, r, p);
    }
    if (w->json) {
        if (n > 0)
            newline(w, level - 1);
        weir_buf_addz(w->out, "]");
    }
}

static bool is_present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
    const char *p = (const char *)m + f->offset;

    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)((const char *)m + f->quantifier_offset) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(void *const *)p != NULL;
    return *(const protobuf_c_boolean *)((const char *)m + f->quantifier_offset);
}

/* An empty list is as good as none, except where the reader insists on one. */
static bool is_written(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                       const struct weir_schema_field *r)
{
    return is_present(m, f) ||
           (f->label == PROTOBUF_C_LABEL_REPEATED && (r->flags & WEIR_SCHEMA_REQUIRED));
}

/* level is that of the message's fields. */
static void put_message(struct writer *w, const ProtobufCMessage *m, unsigned level, bool in_list)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;
    const struct weir_schema_message *s = weir_schema_message(d);
    bool first = true;

    weir_buf_addz(w->out, w->json ? "{" : "");
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        char *p = (char *)m + f->offset;
        size_t n;

        if (!is_written(m, f, &s->fields[i]))
            continue;
        put_key(w, f->name, first, in_list, level);
        first = false;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            n = *(const size_t *)((const char *)m + f->quantifier_offset);
            if (s->fields[i].flags & WEIR_SCHEMA_MAP)
                put_map(w, *(char **)p, n, f->descriptor, level + 1);
            else
                put_list(w, *(char **)p, n, f, &s->fields[i], level + 1);
        } else if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
            put_message(w, *(ProtobufCMessage *const *)p, level + 1, false);
        } else {
            weir_buf_addz(w->out, w->json ? "" : " ");
            put_scalar(w, f, &s->fields[i], p);
        }
    }
    if (w->json) {
        if (!first)
            newline(w, level - 1);
        weir_buf_addz(w->out, "}");
    } else if (first) {
        weir_buf_addz(w->out, in_list ? "{}" : " {}");
    }
}

int weir_render_yaml(const ProtobufCMessage *object, struct weir_buf *out)
{
    struct writer w = {.out = out};

    weir_buf_addf(out, "apiVersion: %s\nkind: %s", WEIR_API_VERSION,
                  object->descriptor->short_name);
    put_message(&w, object, 0, false);
    weir_buf_addz(out, "\n");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

int weir_render_json(const ProtobufCMessage *object, unsigned indent, struct weir_buf *out)
{
    struct writer w = {.out = out, .json = true, .indent = indent};
    const ProtobufCMessageDescriptor *d = object->descriptor;
    const char *colon = indent ? ": " : ":";

    weir_buf_addz(out, "{");
    newline(&w, 1);
    weir_buf_addf(out, "\"apiVersion\"%s\"%s\",", colon, WEIR_API_VERSION);
    newline(&w, 1);
    weir_buf_addf(out, "\"kind\"%s\"%s\"", colon, d->short_name);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const char *p = (const char *)object + d->fields[i].offset;

        if (!is_present(object, &d->fields[i]))
            continue;
        put_key(&w, d->fields[i].name, false, false, 1);
        put_message(&w, *(ProtobufCMessage *const *)p, 2, false);
    }
    newline(&w, 0);
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

struct weir_str weir_message_pack(struct weir_arena *arena, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = weir_arena_alloc(arena, n ? n : 1);

    protobuf_c_message_pack(m, p);
    return (struct weir_str){(char *)p, n};
}

void weir_message_version(struct weir_str type, struct weir_str name, struct weir_str body,
                          char out[WEIR_VERSION_CHARS + 1])
{
    unsigned char digest[WEIR_SHA256_BYTES];
    struct weir_sha256 s;

    weir_sha256_init(&s);
    weir_sha256_add(&s, type.p, type.n);
    weir_sha256_add(&s, "", 1);
    weir_sha256_add(&s, name.p, name.n);
    weir_sha256_add(&s, "", 1);
    weir_sha256_add(&s, body.p, body.n);
    weir_sha256_end(&s, digest);
    weir_hex(digest, WEIR_VERSION_CHARS / 2, out);
}
