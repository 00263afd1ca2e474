/* fit.c - see fit.h. */
#include "dataplane/proxy/fit.h"

static const struct {
    uint32_t bit;
    const char *name; /* as policy has it */
} features[] = {
    {1u << WEIR__V1__FEATURE__tools, "tools"},
    {1u << WEIR__V1__FEATURE__images, "images"},
    {1u << WEIR__V1__FEATURE__files, "files"},
    {1u << WEIR__V1__FEATURE__streams, "streams"},
};

uint32_t weir_fit_features(const struct weir_llm_call *call)
{
    return (call->tools ? 1u << WEIR__V1__FEATURE__tools : 0) |
           (call->images ? 1u << WEIR__V1__FEATURE__images : 0) |
           (call->files ? 1u << WEIR__V1__FEATURE__files : 0) |
           (call->stream ? 1u << WEIR__V1__FEATURE__streams : 0);
}

bool weir_fit_window(const struct weir_llm_call *call, int64_t context_tokens)
{
    int64_t output = call->max_output_tokens > 0 ? call->max_output_tokens : 0;

    return context_tokens == 0 || call->files || call->input_estimate <= context_tokens - output;
}

static uint32_t lacks(const struct weir_candidate *c, uint32_t wanted)
{
    return c->entry ? c->entry->without & wanted : 0;
}

static int refuse(const struct weir_exchange *x, uint32_t lacking, struct weir_err *err)
{
    const char *names = "";

    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (lacking & features[i].bit)
            names =
                weir_arena_printf(x->arena, "%s%s%s", names, *names ? ", " : "", features[i].name);
    *err = (struct weir_err){
        .rc = WEIR_EINVAL,
        .http_status = 400,
        .code = "feature_not_served",
        .detail = weir_arena_printf(x->arena,
                                    "No target of the route '%.*s' takes what this call to '%.*s' "
                                    "has: %s (Provider spec.models[].without).",
                                    WEIR_STR_ARG(x->route->name), WEIR_STR_ARG(x->model), names)};
    return WEIR_EINVAL;
}

static int keep_able(struct weir_exchange *x, struct weir_err *err)
{
    uint32_t wanted = weir_fit_features(&x->call), lacking = 0;
    size_t n = 0;

    for (size_t i = 0; i < x->candidate_count; i++) {
        lacking |= lacks(&x->candidates[i], wanted);
        if (!lacks(&x->candidates[i], wanted))
            x->candidates[n++] = x->candidates[i];
    }
    x->candidate_count = n;
    return n ? WEIR_OK : refuse(x, lacking, err);
}

static bool fits(const struct weir_exchange *x, const struct weir_candidate *c)
{
    return weir_fit_window(&x->call, c->entry ? c->entry->context_tokens : 0);
}

/* An estimate refuses nobody: where the call fits none, all of them stay. */
static void keep_large_enough(struct weir_exchange *x)
{
    size_t n = 0;

    for (size_t i = 0; i < x->candidate_count; i++)
        n += fits(x, &x->candidates[i]);
    if (n == 0 || n == x->candidate_count)
        return;
    n = 0;
    for (size_t i = 0; i < x->candidate_count; i++)
        if (fits(x, &x->candidates[i]))
            x->candidates[n++] = x->candidates[i];
    x->candidate_count = n;
}

int weir_fit_candidates(struct weir_exchange *x, struct weir_err *err)
{
    int rc = keep_able(x, err);

    if (rc == WEIR_OK && x->endpoint.operation == WEIR_OP_GENERATE)
        keep_large_enough(x);
    return rc;
}
