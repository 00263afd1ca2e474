#include "dataplane/llm/llm_internal.h"

struct splice {
    size_t at, cut; /* cut bytes go, text comes */
    struct weir_str text;
};

/* model, stream, include_usage or stream_options, two limits, a new limit: fewer than the pieces
 * allow for. */
struct plan {
    struct splice list[7];
    size_t n;
};

static void add(struct plan *p, size_t at, size_t cut, struct weir_str text)
{
    size_t i = p->n++;

    for (; i > 0 && p->list[i - 1].at > at; i--)
        p->list[i] = p->list[i - 1];
    p->list[i] = (struct splice){at, cut, text};
}

static struct weir_str quoted(struct weir_arena *a, struct weir_str s)
{
    struct weir_buf b;
    struct weir_str out;

    weir_buf_init(&b, 6 * s.n + 2);
    weir_buf_add_json(&b, s);
    out = weir_arena_copy(a, weir_buf_str(&b));
    weir_buf_fini(&b);
    return out;
}

/* A body that repeats the model of its path. */
static struct weir_str resource(struct weir_arena *a, struct weir_str model)
{
    return quoted(a, weir_str_of(weir_arena_printf(a, "models/%.*s", WEIR_STR_ARG(model))));
}

static void plan_usage(const struct weir_llm_call *c, struct plan *p)
{
    if (c->include_usage_at.n)
        add(p, c->include_usage_at.at, c->include_usage_at.n, WEIR_STR("true"));
    else if (c->stream_options_object)
        add(p, c->stream_options_at.at + 1, 0,
            c->stream_options_empty ? WEIR_STR("\"include_usage\":true")
                                    : WEIR_STR("\"include_usage\":true,"));
    else if (c->stream_options_at.n)
        add(p, c->stream_options_at.at, c->stream_options_at.n,
            WEIR_STR("{\"include_usage\":true}"));
    else
        add(p, c->object_at + 1, 0, WEIR_STR("\"stream_options\":{\"include_usage\":true},"));
}

static void plan_stream(const struct weir_llm_call *c, struct plan *p)
{
    if (c->stream_at.n)
        add(p, c->stream_at.at, c->stream_at.n, WEIR_STR("true"));
    else
        add(p, c->object_at + 1, 0, WEIR_STR("\"stream\":true,"));
}

static void plan_limit(const struct weir_llm_call *c, bool older, int64_t max, struct weir_arena *a,
                       struct plan *p)
{
    const struct weir_llm_ops *ops = weir_llm_ops(c->dialect);
    const char *field = older ? ops->older_max_field : ops->max_field;
    struct weir_str number;

    if (c->max_output_tokens >= 0 && c->max_output_tokens <= max)
        return;
    number = weir_str_of(weir_arena_printf(a, "%lld", (long long)max));
    if (c->max_at[0].n || c->max_at[1].n) {
        for (size_t i = 0; i < 2; i++)
            if (c->max_at[i].n)
                add(p, c->max_at[i].at, c->max_at[i].n, number);
        return;
    }
    if (c->limit_object_at)
        add(p, c->limit_object_at + 1, 0,
            weir_str_of(weir_arena_printf(a, "\"%s\":%.*s%s", field, WEIR_STR_ARG(number),
                                          c->limit_object_empty ? "" : ",")));
    else if (ops->limit_object)
        add(p, c->object_at + 1, 0,
            weir_str_of(weir_arena_printf(a, "\"%s\":{\"%s\":%.*s},", ops->limit_object, field,
                                          WEIR_STR_ARG(number))));
    else
        add(p, c->object_at + 1, 0,
            weir_str_of(weir_arena_printf(a, "\"%s\":%.*s,", field, WEIR_STR_ARG(number))));
}

static void piece(struct weir_llm_pieces *out, const char *p, size_t n)
{
    if (n == 0)
        return;
    out->piece[out->count++] = (struct weir_str){p, n};
    out->bytes += n;
}

/* A body that repeats the model in each of its parts, with another one in all of them. */
static void rename_all(const struct weir_llm_call *c, struct weir_str body, struct weir_str model,
                       struct weir_arena *a, struct weir_llm_pieces *out)
{
    char *to = weir_arena_alloc(a, body.n + c->models_count * model.n + 1), *p = to;
    size_t at = 0;

    for (size_t i = 0; i < c->models_count; i++) {
        size_t n = c->models_at[i].at - at;

        memcpy(p, body.p + at, n);
        memcpy(p + n, model.p, model.n);
        p += n + model.n;
        at = c->models_at[i].at + c->models_at[i].n;
    }
    memcpy(p, body.p + at, body.n - at);
    p += body.n - at;
    piece(out, to, (size_t)(p - to));
}

void weir_llm_edit(const struct weir_llm_call *call, struct weir_str body,
                   const struct weir_llm_edits *edits, struct weir_arena *a,
                   struct weir_llm_pieces *out)
{
    const struct weir_llm_ops *ops = weir_llm_ops(call->dialect);
    struct plan p = {.n = 0};
    size_t at = 0;

    if (edits->model.p && call->model_at.n && !weir_str_eq(edits->model, call->model))
        add(&p, call->model_at.at, call->model_at.n,
            call->form           ? edits->model
            : ops->model_in_path ? resource(a, edits->model)
                                 : quoted(a, edits->model));
    if (edits->ask_stream && !ops->stream_in_path)
        plan_stream(call, &p);
    if (edits->ask_usage && call->stream && !call->asks_usage && ops->usage_on_request)
        plan_usage(call, &p);
    if (edits->max_output_tokens > 0)
        plan_limit(call, edits->older_limit, edits->max_output_tokens, a, &p);
    out->count = 0;
    out->bytes = 0;
    if (edits->model.p && call->models_count && !weir_str_eq(edits->model, call->model)) {
        rename_all(call, body, resource(a, edits->model), a, out);
        return;
    }
    for (size_t i = 0; i < p.n; i++) {
        piece(out, body.p + at, p.list[i].at - at);
        piece(out, p.list[i].text.p, p.list[i].text.n);
        at = p.list[i].at + p.list[i].cut;
    }
    piece(out, body.p + at, body.n - at);
}
