/* schema.c - see schema.h. */
#include "data/schema_table.h"

#include <ctype.h>

const struct weir_schema_message *weir_schema_message(const ProtobufCMessageDescriptor *d)
{
    for (size_t i = 0; i < weir__schema_message_count; i++)
        if (weir__schema_messages[i].descriptor == d)
            return &weir__schema_messages[i];
    return NULL;
}

const struct weir_schema_enum *weir_schema_enum(const ProtobufCEnumDescriptor *d)
{
    for (size_t i = 0; i < weir__schema_enum_count; i++)
        if (weir__schema_enums[i].descriptor == d)
            return &weir__schema_enums[i];
    return NULL;
}

/* A kind is a message of metadata and spec. */
static bool is_kind(const struct weir_schema_message *m)
{
    const ProtobufCMessageDescriptor *d = m->descriptor;

    return d->n_fields == 2 && strcmp(d->fields[0].name, "metadata") == 0 &&
           strcmp(d->fields[1].name, "spec") == 0;
}

const struct weir_schema_message *weir_schema_kind_at(size_t i)
{
    for (size_t k = 0; k < weir__schema_message_count; k++)
        if (is_kind(&weir__schema_messages[k]) && i-- == 0)
            return &weir__schema_messages[k];
    return NULL;
}

const struct weir_schema_message *weir_schema_kind(struct weir_str name)
{
    const struct weir_schema_message *m;

    for (size_t i = 0; (m = weir_schema_kind_at(i)); i++)
        if (weir_str_is(name, m->name))
            return m;
    return NULL;
}

const struct weir_schema_message *weir_schema_kind_loose(struct weir_str name)
{
    const struct weir_schema_message *m;

    for (size_t i = 0; (m = weir_schema_kind_at(i)); i++) {
        struct weir_str known = weir_str_of(m->name);

        if (weir_str_ieq(name, known))
            return m;
        if (name.n == known.n + 1 && (name.p[known.n] == 's' || name.p[known.n] == 'S') &&
            weir_str_ieq((struct weir_str){name.p, known.n}, known))
            return m;
    }
    return NULL;
}

bool weir_schema_kind_supported(const struct weir_schema_message *kind)
{
    const struct weir_schema_message *spec =
        weir_schema_message(kind->descriptor->fields[1].descriptor);

    return !(kind->flags & WEIR_SCHEMA_LATER) && !(spec->flags & WEIR_SCHEMA_LATER);
}

enum { MAX_SLIP_NAME = 48, MAX_SLIPS = 2 };

/* Edits between two short names, upper and lower case being equal. */
static size_t distance(struct weir_str a, struct weir_str b)
{
    size_t row[MAX_SLIP_NAME + 1];

    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            bool same = tolower((unsigned char)a.p[i - 1]) == tolower((unsigned char)b.p[j - 1]);
            size_t best = corner + !same;

            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[b.n];
}

const char *weir_schema_nearest(struct weir_str s, const char *(*name_at)(const void *, size_t),
                                const void *arg, size_t n)
{
    size_t best = MAX_SLIPS + 1;
    const char *found = NULL;

    if (s.n == 0 || s.n > MAX_SLIP_NAME)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        struct weir_str name = weir_str_of(name_at(arg, i));
        size_t d;

        if (name.n == 0 || name.n > MAX_SLIP_NAME)
            continue;
        d = distance(s, name);
        if (d < best && (d < name.n || d == 0) && d * 2 < name.n + 1) {
            best = d;
            found = name.p;
        }
    }
    return found;
}
