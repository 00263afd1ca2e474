/* translate.c - see translate.h. */
#include "dataplane/llm/translate.h"

#include "dataplane/llm/canon_out.h"
#include "dataplane/llm/embed.h"
#include "dataplane/llm/llm_internal.h"

/* Escapes grow a text up to sixfold. */
enum { GROWTH = 6, ROOM = 1 << 16 };

static struct weir_str name_losses(const struct weir_canon_call *c, struct weir_arena *a)
{
    size_t n = 0;
    char *to;

    if (c->loss_count == 0)
        return WEIR_STR_NULL;
    for (size_t i = 0; i < c->loss_count; i++)
        n += c->losses[i].name.n + 2;
    to = weir_arena_alloc(a, n);
    n = 0;
    for (size_t i = 0; i < c->loss_count; i++) {
        if (i) {
            memcpy(to + n, ", ", 2);
            n += 2;
        }
        memcpy(to + n, c->losses[i].name.p, c->losses[i].name.n);
        n += c->losses[i].name.n;
    }
    return (struct weir_str){to, n};
}

static int refuse(const struct weir_canon_call *c, enum weir_dialect to, struct weir_arena *a,
                  struct weir_err *err)
{
    size_t i = 0;

    while (i + 1 < c->loss_count && c->losses[i].hint)
        i++;
    *err = (struct weir_err){
        .rc = WEIR_EINVAL,
        .http_status = 400,
        .code = "not_translatable",
        .detail = weir_arena_printf(a,
                                    "The field '%.*s' cannot be expressed in the %s API of this "
                                    "model's provider (Route spec.translation is strict).",
                                    WEIR_STR_ARG(c->losses[i].name), weir_dialect_name(to))};
    return WEIR_EINVAL;
}

static void lose_openai(struct weir_canon_out *o)
{
    if (o->call->cache_key.p)
        weir_canon_out_loses_part(o, WEIR_LOST_CACHE_KEY, true);
    if (o->call->verbosity.p)
        weir_canon_out_loses_part(o, WEIR_LOST_VERBOSITY, false);
}

/* The body that they point into is gone when the answer comes. */
static void name_tools(const struct weir_canon_call *c, struct weir_arena *a,
                       struct weir_llm_translation *out)
{
    size_t n = 0;

    for (const struct weir_canon_tool *t = c->tools; t; t = t->next)
        n += t->own_name.p != NULL;
    out->tools = weir_arena_alloc(a, n * sizeof *out->tools);
    for (const struct weir_canon_tool *t = c->tools; t; t = t->next)
        if (t->own_name.p)
            out->tools[out->tool_count++] = (struct weir_llm_tool_name){
                weir_arena_copy(a, t->name), weir_arena_copy(a, t->own_name),
                t->space.p ? weir_arena_copy(a, t->space) : WEIR_STR_NULL, t->custom};
}

int weir_llm_translate(const struct weir_llm_call *call, struct weir_str body, enum weir_dialect to,
                       bool strict, struct weir_arena *a, struct weir_llm_translation *out,
                       struct weir_err *err)
{
    struct weir_canon_call *c = weir_arena_alloc(a, sizeof *c);
    struct weir_canon_out o = {.arena = a, .to = to, .call = c, .given = call};
    int rc;

    *out = (struct weir_llm_translation){.to = to, .needs_limit = weir_llm_ops(to)->needs_limit};
    weir_buf_init(&out->rest, body.n * GROWTH + ROOM);
    rc = weir_canon_read(call->dialect, body, a, c, err);
    if (rc)
        return rc;
    if (weir_llm_ops(to)->read_vectors) {
        rc = weir_embed_check(c, to, a, err);
        if (rc)
            return rc;
    }
    c->stream = call->stream;
    /* It stands behind the model, where the body names one. */
    o.w = (struct weir_jw){.b = &out->rest, .comma = !weir_llm_ops(to)->model_in_path};
    weir_llm_ops(to)->write_call(&o);
    if (!weir_llm_ops(to)->openai)
        lose_openai(&o);
    weir_buf_addz(&out->rest, "}");
    out->limit_at = o.limit_at;
    out->limit_comma = o.limit_comma;
    if (strict && c->loses)
        return refuse(c, to, a, err);
    out->dropped = name_losses(c, a);
    name_tools(c, a, out);
    if (!out->rest.full)
        return WEIR_OK;
    *err = (struct weir_err){.rc = WEIR_EINVAL,
                             .http_status = 413,
                             .code = "body_too_large",
                             .detail = "The request is too large to be translated."};
    return WEIR_EINVAL;
}

bool weir_llm_is_understood(const struct weir_llm_call *call, struct weir_str body,
                            struct weir_arena *a)
{
    struct weir_llm_translation same;
    struct weir_err why;
    int rc = weir_llm_translate(call, body, call->dialect, true, a, &same, &why);

    weir_buf_fini(&same.rest);
    return rc == WEIR_OK;
}

static void add_piece(struct weir_llm_pieces *out, struct weir_str s)
{
    if (s.n)
        out->piece[out->count++] = s;
    out->bytes += s.n;
}

/* The rest with the model in every place that is for it. */
static struct weir_str put_model(struct weir_str rest, struct weir_str model, struct weir_arena *a)
{
    static const char mark = WEIR_LLM_MODEL_HERE[0];
    struct weir_str quoted;
    struct weir_buf b;
    size_t n = 0, at = 0;
    char *out;

    weir_buf_init(&b, ROOM);
    weir_buf_add_json(&b, model);
    quoted = weir_arena_copy(a, weir_buf_str(&b));
    weir_buf_fini(&b);
    for (size_t i = 0; i < rest.n; i++)
        n += rest.p[i] == mark;
    out = weir_arena_alloc(a, rest.n + n * quoted.n + 1);
    for (size_t i = 0; i < rest.n; i++) {
        if (rest.p[i] != mark) {
            out[at++] = rest.p[i];
            continue;
        }
        if (quoted.n)
            memcpy(out + at, quoted.p, quoted.n);
        at += quoted.n;
    }
    return (struct weir_str){out, at};
}

void weir_llm_translated(const struct weir_llm_translation *t, struct weir_str model, int64_t max,
                         bool older_limit, struct weir_arena *a, struct weir_llm_pieces *out)
{
    const struct weir_llm_ops *ops = weir_llm_ops(t->to);
    struct weir_str rest = weir_buf_str(&t->rest), limit = WEIR_STR_NULL;
    struct weir_buf head;

    *out = (struct weir_llm_pieces){.count = 0};
    if (ops->repeats_model)
        rest = put_model(rest,
                         weir_str_of(weir_arena_printf(a, "models/%.*s", WEIR_STR_ARG(model))), a);
    if (max > 0)
        limit = weir_str_of(
            weir_arena_printf(a, "%s\"%s\":%lld", !t->limit_at || t->limit_comma ? "," : "",
                              older_limit ? ops->older_max_field : ops->max_field, (long long)max));
    weir_buf_init(&head, ROOM);
    weir_buf_addz(&head, "{");
    if (!ops->model_in_path) {
        weir_buf_addz(&head, "\"model\":");
        weir_buf_add_json(&head, model);
    }
    add_piece(out, weir_arena_copy(a, weir_buf_str(&head)));
    weir_buf_fini(&head);
    add_piece(out, (struct weir_str){rest.p, t->limit_at});
    add_piece(out, limit);
    add_piece(out, (struct weir_str){rest.p + t->limit_at, rest.n - t->limit_at});
}
