/* answer.c - see answer.h. */
#include "dataplane/proxy/answer.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dataplane/llm/models_page.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/worker.h"

enum {
    MAX_ERROR_BYTES = 16384,
    MAX_MODELS_BYTES = 4 << 20,
    MAX_MODELS = 1024,
    MAX_COUNT_BYTES = 256
};

static const struct weir_http_header json_type = {{"content-type", 12}, {"application/json", 16}};

static struct weir_http_header header(const char *name, const char *value)
{
    return (struct weir_http_header){weir_str_of(name), weir_str_of(value)};
}

/* What the provider's API has no place for, and what its server refuses. */
static struct weir_str dropped(const struct weir_exchange *x)
{
    struct weir_str names = weir_exchange_is_translated(x)
                                ? x->translations[x->candidate->dialect].dropped
                                : WEIR_STR_NULL;

    if (!names.n || !x->left_out.n)
        return names.n ? names : x->left_out;
    return weir_arena_join(x->arena, (struct weir_str[]){names, WEIR_STR(", "), x->left_out}, 3);
}

size_t weir_answer_headers(struct weir_exchange *x, bool with_cost, struct weir_http_header *h)
{
    size_t n = 0;

    h[n++] = header("x-weir-request-id", x->id);
    if (x->candidate) {
        h[n++] =
            (struct weir_http_header){WEIR_STR("x-weir-provider"), x->candidate->provider->name};
        if (x->candidate->model.n)
            h[n++] = (struct weir_http_header){WEIR_STR("x-weir-model"), x->candidate->model};
    }
    if (x->attempt_count)
        h[n++] = header("x-weir-attempts", weir_arena_printf(x->arena, "%zu", x->attempt_count));
    if (x->candidate && weir_attempt_limits(x))
        h[n++] = header("x-weir-output-limit",
                        weir_arena_printf(x->arena, "%" PRId64, x->candidate->choice_limit));
    if (x->candidate && dropped(x).n)
        h[n++] = (struct weir_http_header){WEIR_STR("x-weir-dropped"), dropped(x)};
    if (with_cost && x->sent && x->candidate->price)
        h[n++] = header("x-weir-cost-usd", weir_arena_printf(x->arena, "%" PRId64 ".%09" PRId64,
                                                             x->cost_nano_usd / 1000000000,
                                                             x->cost_nano_usd % 1000000000));
    return n;
}

enum weir_verdict weir_answer_error(struct weir_exchange *x, const struct weir_err *err)
{
    struct weir_http_header h[WEIR_ANSWER_HEADERS + 4];
    const char *type;
    size_t n = 0;
    struct weir_buf body;

    x->status = weir_llm_error_status(err);
    x->error_code = err->code;
    x->error_detail = err->detail;
    if (x->outcome == WEIR_OUTCOME_OK)
        x->outcome = WEIR_OUTCOME_REFUSED;
    h[n++] = json_type;
    if (err->retry_after_s > 0)
        h[n++] = header("retry-after", weir_arena_printf(x->arena, "%" PRId64, err->retry_after_s));
    if (weir_llm_error_final(err))
        h[n++] = header("x-should-retry", "false");
    type = weir_llm_error_type(x->endpoint.dialect, (uint16_t)x->status);
    if (type)
        h[n++] = header("x-amzn-errortype", type);
    n += weir_answer_headers(x, false, h + n);
    weir_buf_init(&body, MAX_ERROR_BYTES);
    weir_llm_error_body(x->endpoint.dialect, err, weir_str_of(x->id), &body);
    x->response_bytes = body.n;
    weir_http_respond(x->req, (unsigned)x->status, h, n, weir_buf_str(&body));
    weir_buf_fini(&body);
    return WEIR_V_DONE;
}

enum weir_verdict weir_answer_hello(struct weir_exchange *x)
{
    x->status = 200;
    weir_http_respond(x->req, 200, NULL, 0, WEIR_STR(""));
    return WEIR_V_DONE;
}

struct model_list {
    struct weir_llm_model items[MAX_MODELS];
    size_t n;
};

static void list_model(struct weir_exchange *x, struct model_list *l, struct weir_str id,
                       const struct weir_policy_provider *p, int64_t max_output)
{
    if (l->n == MAX_MODELS || !id.n || memchr(id.p, '*', id.n) ||
        !weir_policy_agent_may(x->agent, id))
        return;
    for (size_t i = 0; i < l->n; i++)
        if (weir_str_eq(l->items[i].id, id))
            return;
    l->items[l->n++] =
        (struct weir_llm_model){.id = id, .owner = p->name, .max_output_tokens = max_output};
}

/* A route lists its exact model names; one without a list passes on all that its providers list. */
static void list_route(struct weir_exchange *x, struct model_list *l,
                       const struct weir_policy_route *r)
{
    if (!weir_policy_selects(r->spec->callers, x->agent, WEIR_STR(""), NULL, NULL))
        return;
    for (size_t g = 0; g < r->group_count; g++) {
        for (size_t t = 0; t < r->groups[g].target_count; t++) {
            const struct weir_policy_provider *p = r->groups[g].targets[t].provider;

            if (!weir_policy_speaks(p, x->endpoint.dialect) &&
                (p->passthrough || r->translation == WEIR__V1__TRANSLATION__none))
                continue;
            for (size_t i = 0; i < r->spec->n_aliases; i++)
                list_model(x, l, weir_str_of(r->spec->aliases[i]->key), p, 0);
            for (size_t i = 0; i < r->spec->n_models; i++)
                list_model(x, l, weir_str_of(r->spec->models[i]), p, 0);
            for (size_t i = 0; r->spec->n_models == 0 && i < p->model_count; i++)
                list_model(x, l, p->models[i].name, p, p->models[i].max_output_tokens);
        }
    }
}

enum weir_verdict weir_answer_models(struct weir_exchange *x)
{
    struct model_list *l = weir_arena_alloc(x->arena, sizeof *l);
    struct weir_http_header h[WEIR_ANSWER_HEADERS + 1] = {json_type};
    struct weir_str wanted = x->endpoint.model; /* absent: all of them */
    const struct weir_policy_route *r;
    struct weir_llm_models_page page;
    struct weir_err err;
    struct weir_buf body;
    size_t first = 0, n;

    l->n = 0;
    for (size_t i = 0; (r = weir_policy_route(x->policy, i)); i++)
        list_route(x, l, r);
    while (wanted.p && first < l->n && !weir_str_eq(l->items[first].id, wanted))
        first++;
    if (wanted.p && first == l->n)
        return weir_answer_error(
            x, &(struct weir_err){.rc = WEIR_ENOTFOUND,
                                  .http_status = 404,
                                  .code = "model_not_found",
                                  .detail = "No route that this key may use names this model."});
    if (weir_llm_models_page(x->endpoint.dialect, weir_http_req_query(x->req), l->items, l->n,
                             x->arena, &page, &err))
        return weir_answer_error(x, &err);
    weir_buf_init(&body, MAX_MODELS_BYTES);
    if (wanted.p)
        weir_llm_model_body(x->endpoint.dialect, &l->items[first], x->started_wall_ms / 1000,
                            &body);
    else
        weir_llm_models_body(x->endpoint.dialect, l->items + page.first, page.n, page.more,
                             x->started_wall_ms / 1000, &body);
    x->status = 200;
    x->response_bytes = body.n;
    n = 1 + weir_answer_headers(x, false, h + 1);
    weir_http_respond(x->req, 200, h, n, weir_buf_str(&body));
    weir_buf_fini(&body);
    return WEIR_V_DONE;
}

enum weir_verdict weir_answer_count(struct weir_exchange *x)
{
    struct weir_http_header h[WEIR_ANSWER_HEADERS + 2] = {json_type,
                                                          header("x-weir-count", "estimate")};
    struct weir_buf body;
    size_t n;

    weir_buf_init(&body, MAX_COUNT_BYTES);
    weir_llm_count_body(x->endpoint.dialect, x->call.input_estimate, &body);
    x->status = 200;
    x->response_bytes = body.n;
    n = 2 + weir_answer_headers(x, false, h + 2);
    weir_http_respond(x->req, 200, h, n, weir_buf_str(&body));
    weir_buf_fini(&body);
    return WEIR_V_DONE;
}

void weir_answer_protocol_error(struct weir_http_req *req, unsigned status, const char *code,
                                const char *detail, struct weir_buf *body,
                                struct weir_str *content_type)
{
    struct weir_exchange *x = req ? weir_http_req_user(req) : NULL;
    struct weir_err err = {
        .rc = WEIR_EPROTO, .http_status = (uint16_t)status, .code = code, .detail = detail};

    if (x) {
        x->status = (int)status;
        x->error_code = code;
        x->error_detail = detail;
    }
    weir_llm_error_body(x                                  ? x->endpoint.dialect
                        : req && weir_http_req_path(req).n ? weir_dialect_of_request(req)
                                                           : WEIR_DIALECT_NONE,
                        &err, x ? weir_str_of(x->id) : WEIR_STR_NULL, body);
    *content_type = json_type.value;
}
