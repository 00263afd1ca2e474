/* schema.h - what the kinds are: the descriptors of config.proto together with the doc comments and
 * rules that stand in it, as constant tables made at build time (schema_gen.c).
 *
 * Everything here is constant and may be used from any thread. */
#ifndef WEIR_DATA_SCHEMA_H
#define WEIR_DATA_SCHEMA_H

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define WEIR_API_VERSION "weir.dev/v1alpha1"

enum weir_schema_format {
    WEIR_FORMAT_NONE,
    WEIR_FORMAT_DURATION, /* int64 milliseconds */
    WEIR_FORMAT_USD,      /* int64 nano-USD */
    WEIR_FORMAT_URL,
    WEIR_FORMAT_NAME,
    WEIR_FORMAT_GLOB,
    WEIR_FORMAT_SHA256,
    WEIR_FORMAT_HEADER,
    WEIR_FORMAT_TIMEZONE,
    WEIR_FORMAT_DATE, /* YYYY-MM-DD */
};

enum weir_schema_flags {
    WEIR_SCHEMA_REQUIRED = 1,
    WEIR_SCHEMA_MAP = 2,   /* a list of Label that is written as a mapping */
    WEIR_SCHEMA_LATER = 4, /* understood, refused with "not supported yet" */
    WEIR_SCHEMA_MIN = 8,
    WEIR_SCHEMA_MAX = 16,
    WEIR_SCHEMA_ONE = 32, /* of a message: exactly one of its fields is set */
};

struct weir_schema_field {
    const char *name;
    const char *doc;  /* "" when the type's own doc says it */
    const char *dflt; /* as a user would write it; NULL: none */
    const char *ref;  /* a kind; NULL: none */
    unsigned flags;
    enum weir_schema_format format;
    int64_t min, max; /* of the value, or of the number of items; valid by flags */
};

struct weir_schema_message {
    const ProtobufCMessageDescriptor *descriptor;
    const char *name;
    const char *doc;
    unsigned flags;
    const struct weir_schema_field *fields; /* parallel to descriptor->fields */
};

struct weir_schema_value {
    const char *name;
    const char *doc;
    unsigned flags; /* WEIR_SCHEMA_LATER */
};

struct weir_schema_enum {
    const ProtobufCEnumDescriptor *descriptor;
    const struct weir_schema_value *values; /* parallel to descriptor->values */
};

const struct weir_schema_message *weir_schema_message(const ProtobufCMessageDescriptor *d);
const struct weir_schema_enum *weir_schema_enum(const ProtobufCEnumDescriptor *d);

/* The kinds that a file may hold, in the order of config.proto; NULL past the end. */
const struct weir_schema_message *weir_schema_kind_at(size_t i);
/* By its exact name; NULL: there is none. */
const struct weir_schema_message *weir_schema_kind(struct weir_str name);
/* By any spelling a person types: "budget", "Budgets", "pricelist". */
const struct weir_schema_message *weir_schema_kind_loose(struct weir_str name);
/* False: the kind is understood but not enforced yet, so every object of it is refused. */
bool weir_schema_kind_supported(const struct weir_schema_message *kind);

/* Text for `weir explain`: path is "Budget", "Budget.spec.limit.usd", the kind in any spelling; ""
 * lists the kinds. WEIR_ENOTFOUND: out holds one sentence with the nearest name. */
WEIR_NODISCARD int weir_schema_explain(struct weir_str path, struct weir_buf *out);

/* docs/reference.md: every kind and type, in Markdown. */
void weir_schema_reference(struct weir_buf *out);

/* The nearest of n names to s, close enough to be a slip; NULL: none. */
const char *weir_schema_nearest(struct weir_str s, const char *(*name_at)(const void *, size_t),
                                const void *arg, size_t n);

#endif
