/* defaults.c - the schema's defaults as values: parsed like a person's input. */
#include "data/decode_internal.h"

static bool parse(const ProtobufCFieldDescriptor *f, const struct weir_schema_field *r,
                  int64_t *out)
{
    struct weir_str s = weir_str_of(r->dflt);
    const ProtobufCEnumValue *v;

    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        *out = weir_str_is(s, "true");
        return true;
    case PROTOBUF_C_TYPE_ENUM:
        v = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, r->dflt);
        *out = v ? v->value : 0;
        return v != NULL;
    case PROTOBUF_C_TYPE_INT64:
        if (r->format == WEIR_FORMAT_DURATION)
            return weir_data_duration(s, out) == WEIR_OK;
        if (r->format == WEIR_FORMAT_USD)
            return weir_data_usd(s, out) == WEIR_OK;
        return weir_str_i64(s, out) == WEIR_OK;
    default:
        return false;
    }
}

int weir_data_default_i64(const ProtobufCMessageDescriptor *d, const char *field, int64_t *out)
{
    const struct weir_schema_message *s = weir_schema_message(d);

    for (unsigned i = 0; s && i < d->n_fields; i++)
        if (strcmp(d->fields[i].name, field) == 0 && s->fields[i].dflt &&
            parse(&d->fields[i], &s->fields[i], out))
            return WEIR_OK;
    return WEIR_ENOTFOUND;
}

static void fill_field(struct weir_arena *arena, ProtobufCMessage *m,
                       const ProtobufCFieldDescriptor *f, const struct weir_schema_field *r)
{
    char *p = (char *)m + f->offset, *has = (char *)m + f->quantifier_offset;
    int64_t v;

    if (!r->dflt)
        return;
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        if (!*(char **)p)
            *(char **)p = weir_arena_strdup(arena, weir_str_of(r->dflt));
        return;
    }
    if (*(protobuf_c_boolean *)has || !parse(f, r, &v))
        return;
    *(protobuf_c_boolean *)has = 1;
    if (f->type == PROTOBUF_C_TYPE_BOOL)
        *(protobuf_c_boolean *)p = v != 0;
    else if (f->type == PROTOBUF_C_TYPE_ENUM)
        *(int *)p = (int)v;
    else
        *(int64_t *)p = v;
}

void weir_data_fill_defaults(struct weir_arena *arena, ProtobufCMessage *m)
{
    const struct weir_schema_message *s = weir_schema_message(m->descriptor);

    for (unsigned i = 0; s && i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        char *p = (char *)m + f->offset;
        bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
        size_t n = list ? *(size_t *)((char *)m + f->quantifier_offset) : 1;
        ProtobufCMessage **sub = list ? *(ProtobufCMessage ***)p : (ProtobufCMessage **)p;

        if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
            for (size_t k = 0; k < n; k++)
                if (sub[k])
                    weir_data_fill_defaults(arena, sub[k]);
        } else if (!list) {
            fill_field(arena, m, f, &s->fields[i]);
        }
    }
}
