/* decode_value.c - one scalar: its type, its format and its bounds. */
#include "data/decode_internal.h"
#include "data/render.h"

#include <ctype.h>
#include <stdio.h>

static const char *show(struct weir__decode *d, enum weir_schema_format format, int64_t v)
{
    struct weir_buf b;
    const char *s;

    weir_buf_init(&b, 64);
    if (format == WEIR_FORMAT_DURATION)
        weir_render_duration(v, &b);
    else if (format == WEIR_FORMAT_USD)
        weir_render_usd(v, &b);
    else
        weir_buf_addi(&b, v);
    s = weir_arena_strdup(d->arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return s;
}

static bool in_bounds(struct weir__decode *d, unsigned line, const struct weir_schema_field *r,
                      const struct weir__path *path, int64_t v)
{
    bool low = r->flags & WEIR_SCHEMA_MIN && v < r->min;
    bool high = r->flags & WEIR_SCHEMA_MAX && v > r->max;

    if (!low && !high)
        return true;
    if (r->flags & WEIR_SCHEMA_MIN && r->flags & WEIR_SCHEMA_MAX)
        weir__decode_error(d, line, path, "must be from %s to %s", show(d, r->format, r->min),
                           show(d, r->format, r->max));
    else
        weir__decode_error(d, line, path, low ? "must be at least %s" : "must be at most %s",
                           show(d, r->format, low ? r->min : r->max));
    return false;
}

/* A value to repeat in a message: bounded, and only when it is printable. */
static const char *quote(struct weir__decode *d, const struct weir_data_node *n)
{
    if (n->type == WEIR_NODE_LIST)
        return "a list";
    if (n->type == WEIR_NODE_MAP)
        return "a mapping";
    for (size_t i = 0; i < n->text.n; i++)
        if (!isprint((unsigned char)n->text.p[i]))
            return "this value";
    return weir_arena_printf(d->arena, "\"%.*s%s\"", n->text.n > 40 ? 40 : (int)n->text.n,
                             n->text.p, n->text.n > 40 ? "..." : "");
}

static bool scalar_i64(struct weir__decode *d, const struct weir_data_node *n,
                       const struct weir_schema_field *r, const struct weir__path *path,
                       int64_t *out)
{
    bool is_scalar = n->type == WEIR_NODE_PLAIN || n->type == WEIR_NODE_TEXT;

    if (r->format == WEIR_FORMAT_DURATION) {
        if (!is_scalar || weir_data_duration(n->text, out)) {
            weir__decode_error(d, n->line, path,
                               "%s is no duration: write it like 200ms, 30s, 5m or 1h30m",
                               quote(d, n));
            return false;
        }
    } else if (r->format == WEIR_FORMAT_USD) {
        if (!is_scalar || weir_data_usd(n->text, out)) {
            weir__decode_error(d, n->line, path,
                               "%s is no amount: write US dollars like 20 or 12.50, with at most 9 "
                               "decimals",
                               quote(d, n));
            return false;
        }
    } else if (n->type != WEIR_NODE_PLAIN || weir_str_i64(n->text, out)) {
        weir__decode_error(d, n->line, path, "must be a whole number%s, not %s",
                           n->type == WEIR_NODE_TEXT ? " without quotes" : "", quote(d, n));
        return false;
    }
    return in_bounds(d, n->line, r, path, *out);
}

static bool scalar_bool(struct weir__decode *d, const struct weir_data_node *n,
                        const struct weir__path *path, protobuf_c_boolean *out)
{
    bool yes = n->type == WEIR_NODE_PLAIN && weir_str_is(n->text, "true");

    if (!yes && !(n->type == WEIR_NODE_PLAIN && weir_str_is(n->text, "false"))) {
        weir__decode_error(d, n->line, path, "must be true or false%s, not %s",
                           n->type == WEIR_NODE_TEXT ? " without quotes" : "", quote(d, n));
        return false;
    }
    *out = yes;
    return true;
}

/* A value that only says "not set" on the wire is none that a person may write. */
static bool is_unset(const char *name)
{
    return weir_str_ends(weir_str_of(name), WEIR_STR("_UNSET"));
}

static const char *value_name(const void *arg, size_t i)
{
    const ProtobufCEnumDescriptor *e = arg;

    return is_unset(e->values[i].name) ? "" : e->values[i].name;
}

static const char *value_list(struct weir__decode *d, const ProtobufCEnumDescriptor *e)
{
    const struct weir_schema_enum *s = weir_schema_enum(e);
    const char *list = NULL;

    for (size_t i = 0; i < e->n_values; i++)
        if (!is_unset(e->values[i].name) && !(s->values[i].flags & WEIR_SCHEMA_LATER))
            list = list ? weir_arena_printf(d->arena, "%s, %s", list, e->values[i].name)
                        : e->values[i].name;
    return list ? list : "";
}

static bool scalar_enum(struct weir__decode *d, const struct weir_data_node *n,
                        const ProtobufCEnumDescriptor *e, const struct weir__path *path, int *out)
{
    const struct weir_schema_enum *s = weir_schema_enum(e);
    const char *near;

    for (size_t i = 0; n->type <= WEIR_NODE_TEXT && i < e->n_values; i++) {
        if (is_unset(e->values[i].name) || !weir_str_is(n->text, e->values[i].name))
            continue;
        if (s->values[i].flags & WEIR_SCHEMA_LATER) {
            weir__decode_error(d, n->line, path, "%s is not supported yet: use one of %s",
                               e->values[i].name, value_list(d, e));
            return false;
        }
        *out = e->values[i].value;
        return true;
    }
    if (weir__decode_is_full(d)) {
        d->errors->dropped++;
        return false;
    }
    near =
        n->type <= WEIR_NODE_TEXT ? weir_schema_nearest(n->text, value_name, e, e->n_values) : NULL;
    weir__decode_error(d, n->line, path, "must be one of %s, not %s%s%s%s", value_list(d, e),
                       quote(d, n), near ? "; did you mean " : "", near ? near : "",
                       near ? "?" : "");
    return false;
}

static bool scalar_text(struct weir__decode *d, const struct weir_data_node *n,
                        const struct weir_schema_field *r, const struct weir__path *path,
                        char **out)
{
    const char *fault = NULL;

    if (n->type > WEIR_NODE_TEXT)
        fault = weir_arena_printf(d->arena, "must be text, not %s", quote(d, n));
    else if (n->type == WEIR_NODE_PLAIN &&
             r->format != WEIR_FORMAT_SHA256 && /* may be all digits */
             weir__plain_needs_quotes(n->text))
        fault = weir_arena_printf(d->arena, "must be text: write it in quotes, \"%.*s\"",
                                  n->text.n > 40 ? 40 : (int)n->text.n, n->text.p);
    else if (n->text.n > WEIR_DATA_MAX_STRING)
        fault = "is too long: at most 16384 bytes";
    else if (memchr(n->text.p, 0, n->text.n))
        fault = "must not hold a NUL byte";
    else
        fault = weir__format_fault(r->format, n->text);
    if (fault) {
        weir__decode_error(d, n->line, path, "%s", fault);
        return false;
    }
    *out = weir_arena_strdup(d->arena, n->text);
    if (r->format == WEIR_FORMAT_SHA256) /* one spelling, so that digests can be compared */
        for (char *c = *out; *c; c++)
            *c = (char)tolower((unsigned char)*c);
    return true;
}

bool weir__decode_scalar(struct weir__decode *d, const struct weir_data_node *n,
                         const ProtobufCFieldDescriptor *f, const struct weir_schema_field *rules,
                         const struct weir__path *path, void *out)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT64:
        return scalar_i64(d, n, rules, path, out);
    case PROTOBUF_C_TYPE_BOOL:
        return scalar_bool(d, n, path, out);
    case PROTOBUF_C_TYPE_ENUM:
        return scalar_enum(d, n, f->descriptor, path, out);
    case PROTOBUF_C_TYPE_STRING:
        return scalar_text(d, n, rules, path, out);
    default:
        WEIR_ASSERT(!"a type that no kind has");
        return false;
    }
}
