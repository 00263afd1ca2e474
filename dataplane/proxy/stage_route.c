/* stage_route.c - where can this call go? Picks the route and lists its targets in order.
 *
 * A target is left out when it can't serve the call: a model that it doesn't list, that doesn't
 * take what the call has (fit.c), a credential that has not arrived, another dialect into which the
 * call can't be translated. Within a group the strategy orders them (strategy.c). */
#include "base/clock.h"
#include "dataplane/llm/endpoint.h"
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/fit.h"
#include "dataplane/proxy/gather.h"
#include "dataplane/proxy/judge.h"
#include "dataplane/proxy/strategy.h"
#include "dataplane/proxy/worker.h"

/* What a call may produce when nobody says: neither it, nor the provider, nor a price list. */
enum { DEFAULT_MAX_OUTPUT_TOKENS = 32768 };

/* How exactly a route names a model: its exact name, the longest pattern, or nothing at all. */
static size_t exactness(const Weir__V1__RouteSpec *spec, struct weir_str model, bool *matches)
{
    size_t best = 0;

    *matches = true;
    if (weir_policy_alias(spec, model).p)
        return SIZE_MAX;
    *matches = spec->n_models == 0;
    for (size_t i = 0; i < spec->n_models; i++) {
        struct weir_str pattern = weir_str_of(spec->models[i]);
        size_t value = weir_str_eq(pattern, model) ? SIZE_MAX : pattern.n;

        if (!weir_str_glob(pattern, model))
            continue;
        *matches = true;
        best = value > best ? value : best;
    }
    return best;
}

static bool headers_match(const Weir__V1__RouteSpec *spec, const struct weir_http_req *req)
{
    for (size_t i = 0; i < spec->n_headers; i++) {
        const Weir__V1__HeaderMatch *h = spec->headers[i];
        struct weir_str value = weir_http_req_header(req, weir_str_of(h->name));

        if (!value.p || !weir_str_glob(h->value ? weir_str_of(h->value) : WEIR_STR("*"), value))
            return false;
    }
    return true;
}

static const struct weir_policy_route *pick_route(const struct weir_exchange *x)
{
    const struct weir_policy_route *r, *best = NULL;
    size_t best_exact = 0;

    for (size_t i = 0; (r = weir_policy_route(x->policy, i)); i++) {
        bool matches;
        size_t exact = exactness(r->spec, x->model, &matches);

        if (best && r->priority < best->priority)
            break; /* they are sorted */
        if (!matches || (best && exact <= best_exact) || !headers_match(r->spec, x->req) ||
            !weir_policy_selects(r->spec->callers, x->agent, x->model, NULL, &x->call))
            continue;
        best = r;
        best_exact = exact;
    }
    return best;
}

static int64_t choice_limit(const struct weir_exchange *x, const struct weir_candidate *c,
                            const struct weir_policy_model *m)
{
    if (x->call.max_output_tokens >= 0)
        return x->call.max_output_tokens;
    if (weir_dialect_default_output(c->dialect))
        return weir_dialect_default_output(c->dialect);
    if (m && m->max_output_tokens)
        return m->max_output_tokens;
    if (c->price && weir_price_max_output(c->price) > 0)
        return weir_price_max_output(c->price);
    return DEFAULT_MAX_OUTPUT_TOKENS;
}

static int64_t output_limit(const struct weir_exchange *x, int64_t of_choice)
{
    int64_t choices = x->call.n > 0 ? x->call.n : 1;

    return of_choice > WEIR_AMOUNT_MAX / choices ? WEIR_AMOUNT_MAX : of_choice * choices;
}

/* Which targets of a group are listed. */
enum reach {
    OWN_DIALECT,  /* and the built-in provider */
    SURE_FOREIGN, /* of another dialect, and said to have the model */
    ANY_FOREIGN,
};

/* Cohere bills a search unit for each hundred documents that are ranked, and counts a long one once
 * for every 500 tokens of it and the query: no more than so many. Its answer tells how many. */
static int64_t most_units(const struct weir_exchange *x)
{
    enum { DOCUMENTS = 100, PIECE_BYTES = 250 };

    return (int64_t)((x->call.documents + x->body.n / PIECE_BYTES + DOCUMENTS - 1) / DOCUMENTS);
}

/* What a call that passes costs: the rule's price, or the model's for every answer. */
static int64_t flat_price(const struct weir_exchange *x, struct weir_candidate *c)
{
    const struct weir_policy_pass *rule =
        weir_policy_passes(c->provider, weir_http_req_method(x->req), x->endpoint.stored);
    int64_t each = c->price ? weir_price_flat(c->price) : -1;

    if (rule && rule->price_nano_usd >= 0)
        return rule->price_nano_usd;
    if (each >= 0 && c->provider->dialect == WEIR_DIALECT_COHERE && x->call.documents) {
        c->unit_nano_usd = each;
        return each > WEIR_AMOUNT_MAX / most_units(x) ? WEIR_AMOUNT_MAX : each * most_units(x);
    }
    if (each > WEIR_AMOUNT_MAX / x->call.n)
        return WEIR_AMOUNT_MAX;
    return each < 0 ? -1 : each * x->call.n;
}

static bool is_passed(const struct weir_exchange *x, const struct weir_policy_provider *p)
{
    return weir_policy_passed_path(p, weir_http_req_method(x->req), &x->endpoint).p;
}

/* The name of a target's model, as its provider knows it. */
static struct weir_str upstream_model(const struct weir_exchange *x,
                                      const struct weir_policy_target *t,
                                      const struct weir_policy_model *m)
{
    return m ? m->upstream : t->model.n ? t->model : x->routed_model;
}

static bool is_reached(const struct weir_exchange *x, const struct weir_policy_target *t,
                       const struct weir_policy_model *m, enum reach reach)
{
    const struct weir_policy_provider *p = t->provider;

    if (x->endpoint.operation == WEIR_OP_PASS)
        return reach == OWN_DIALECT && is_passed(x, p);
    if (weir_policy_speaks(p, x->endpoint.dialect))
        return reach == OWN_DIALECT;
    /* A caller's own credential is of no use to another vendor. */
    return reach != OWN_DIALECT && !p->passthrough && x->endpoint.operation == WEIR_OP_GENERATE &&
           weir_dialect_at(x->endpoint.dialect, p->dialect, upstream_model(x, t, m)) !=
               WEIR_DIALECT_NONE &&
           x->route->translation != WEIR__V1__TRANSLATION__none &&
           (reach == ANY_FOREIGN || t->model.n || m);
}

static bool make_candidate(struct weir_exchange *x, const struct weir_policy_target *t,
                           enum reach reach, struct weir_candidate *out)
{
    const struct weir_policy_provider *p = t->provider;
    struct weir_str name = t->model.n ? t->model : x->routed_model;
    const struct weir_policy_model *m = weir_policy_model(p, name);

    if (p->unavailable || (p->model_count && !m) || !is_reached(x, t, m, reach) ||
        (p->echo &&
         (x->endpoint.operation != WEIR_OP_GENERATE || !weir_dialect_echoes(x->endpoint.dialect))))
        return false;
    *out = (struct weir_candidate){
        .provider = p,
        .dialect = reach == OWN_DIALECT
                       ? x->endpoint.dialect
                       : weir_dialect_at(x->endpoint.dialect, p->dialect, upstream_model(x, t, m)),
        .model = upstream_model(x, t, m),
        .entry = m,
        .weight = t->weight,
        .shows_all = p->echo || x->call.no_reasoning || (m && m->shows_all)};
    out->price =
        weir_prices_find(weir_policy_prices(x->policy), p->name, out->model, weir_wall_ms());
    if (x->endpoint.operation == WEIR_OP_PASS)
        out->flat_nano_usd = flat_price(x, out);
    out->choice_limit = choice_limit(x, out, m);
    out->max_output_tokens = output_limit(x, out->choice_limit);
    out->health_key = weir_judge_key(x, out);
    return true;
}

static size_t most_candidates(const struct weir_policy_route *r)
{
    size_t n = 0;

    for (size_t g = 0; g < r->group_count; g++)
        n += r->groups[g].target_count;
    return n < WEIR_MAX_CANDIDATES ? n : WEIR_MAX_CANDIDATES;
}

static void list_group(struct weir_exchange *x, size_t g, enum reach reach)
{
    const struct weir_policy_group *group = &x->route->groups[g];
    size_t first = x->candidate_count;

    for (size_t i = 0; i < group->target_count && x->candidate_count < WEIR_MAX_CANDIDATES; i++) {
        struct weir_candidate *c = &x->candidates[x->candidate_count];

        if (!make_candidate(x, &group->targets[i], reach, c))
            continue;
        c->group = g;
        x->candidate_count++;
    }
    weir_strategy_order(x, group->strategy, x->candidates + first, x->candidate_count - first);
}

/* Where the caller's own dialect is spoken nothing is lost, so these targets come first. */
static void list_candidates(struct weir_exchange *x)
{
    x->candidate_count = 0;
    x->candidates = weir_arena_alloc(x->arena, most_candidates(x->route) * sizeof *x->candidates);
    for (size_t g = 0; g < x->route->group_count; g++) {
        list_group(x, g, OWN_DIALECT);
        list_group(x, g, SURE_FOREIGN);
    }
    for (size_t g = 0; x->candidate_count == 0 && g < x->route->group_count; g++)
        list_group(x, g, ANY_FOREIGN);
}

static bool is_foreign(const struct weir_exchange *x, const struct weir_candidate *c)
{
    return c->dialect != x->endpoint.dialect;
}

static void leave_out(struct weir_exchange *x, enum weir_dialect d)
{
    size_t n = 0;

    for (size_t i = 0; i < x->candidate_count; i++)
        if (x->candidates[i].dialect != d)
            x->candidates[n++] = x->candidates[i];
    x->candidate_count = n;
}

static void free_translations(void *arg)
{
    struct weir_llm_translation *t = arg;

    for (size_t d = 0; d < WEIR_DIALECT_ALL; d++)
        weir_buf_fini(&t[d].rest);
}

static void leave_out_at(struct weir_exchange *x, size_t at)
{
    x->candidate_count--;
    for (size_t i = at; i < x->candidate_count; i++)
        x->candidates[i] = x->candidates[i + 1];
}

/* What would go to the target, but for its limit. */
static struct weir_str body_for(const struct weir_exchange *x, const struct weir_candidate *c)
{
    struct weir_llm_pieces pieces;

    if (!is_foreign(x, c))
        return x->body;
    weir_llm_translated(&x->translations[c->dialect], c->model, 0, true, x->arena, &pieces);
    return weir_arena_join(x->arena, pieces.piece, pieces.count);
}

/* Does its server, or its model, refuse what may change the answer? */
static int check_refused(const struct weir_exchange *x, const struct weir_candidate *c,
                         struct weir_err *err)
{
    struct weir_server_fit fit;

    if (!weir_exchange_is_fitted(x, c) ||
        !weir_server_fit(weir_exchange_server(x, c), c->entry ? c->entry->refuses : NULL,
                         c->entry ? c->entry->refuse_count : 0, body_for(x, c), x->arena, &fit) ||
        !fit.lost.p)
        return WEIR_OK;
    *err = (struct weir_err){
        .rc = WEIR_EINVAL,
        .http_status = 400,
        .code = "not_translatable",
        .detail = weir_arena_printf(x->arena,
                                    "The field '%.*s' is refused by this model's server (Route "
                                    "spec.translation is strict).",
                                    WEIR_STR_ARG(fit.lost))};
    return WEIR_EINVAL;
}

/* Can the targets of other dialects serve this call? Once for each dialect; the first reason why
 * not is told when nothing is left. */
static int translate(struct weir_exchange *x, struct weir_err *err)
{
    bool strict = x->route->translation == WEIR__V1__TRANSLATION__strict;
    struct weir_err later;
    size_t i = 0;
    int first = WEIR_OK;

    while (i < x->candidate_count) {
        enum weir_dialect d = x->candidates[i].dialect;
        struct weir_llm_translation *t = &x->translations[d];
        struct weir_err *why = first ? &later : err;
        int rc = WEIR_OK;

        if (is_foreign(x, &x->candidates[i]) && t->to == WEIR_DIALECT_NONE)
            rc = weir_llm_translate(&x->call, x->body, d, strict, x->arena, t, why);
        if (rc) {
            leave_out(x, d);
        } else if (strict && (rc = check_refused(x, &x->candidates[i], why))) {
            leave_out_at(x, i);
        } else {
            i++;
        }
        first = first ? first : rc;
    }
    return x->candidate_count ? WEIR_OK : first;
}

/* Of a model that was given up. */
static void forget_translations(struct weir_exchange *x)
{
    if (x->downgrades == 0)
        weir_arena_on_destroy(x->arena, free_translations, x->translations);
    free_translations(x->translations);
    for (size_t d = 0; d < WEIR_DIALECT_ALL; d++)
        x->translations[d] = (struct weir_llm_translation){.to = WEIR_DIALECT_NONE};
}

static bool waits_for_secret(const struct weir_policy_route *r)
{
    for (size_t g = 0; g < r->group_count; g++)
        for (size_t i = 0; i < r->groups[g].target_count; i++)
            if (r->groups[g].targets[i].provider->unavailable)
                return true;
    return false;
}

static enum weir_verdict refuse_model(struct weir_exchange *x, const char *code, const char *why)
{
    const char *detail =
        weir_arena_printf(x->arena, "The model '%.*s' %s", WEIR_STR_ARG(x->model), why);

    return weir_answer_error(
        x, &(struct weir_err){
               .rc = WEIR_ENOTFOUND, .http_status = 404, .code = code, .detail = detail});
}

/* A route names models, and an answer that was stored has none any more: which routes are the
 * caller's at all? */
static bool is_open(const struct weir_exchange *x, const struct weir_policy_route *r)
{
    bool may = r->spec->n_models == 0;

    for (size_t i = 0; i < r->spec->n_models && !may; i++)
        may = weir_policy_agent_may(x->agent, weir_str_of(r->spec->models[i]));
    return may && headers_match(r->spec, x->req) &&
           weir_policy_selects(r->spec->callers, x->agent, WEIR_STR(""), NULL, NULL);
}

static void add_keeper(struct weir_exchange *x, const struct weir_policy_route *r,
                       const struct weir_policy_provider *p)
{
    if (p->echo || p->unavailable || x->candidate_count == WEIR_MAX_CANDIDATES ||
        !(x->endpoint.operation == WEIR_OP_PASS ? is_passed(x, p)
                                                : weir_policy_speaks(p, x->endpoint.dialect)))
        return;
    for (size_t i = 0; i < x->candidate_count; i++)
        if (x->candidates[i].provider == p)
            return;
    if (!x->route)
        x->route = r;
    x->candidates[x->candidate_count] = (struct weir_candidate){
        .provider = p, .dialect = x->endpoint.dialect, .model = WEIR_STR(""), .shows_all = true};
    if (x->endpoint.operation == WEIR_OP_PASS)
        x->candidates[x->candidate_count].flat_nano_usd =
            flat_price(x, &x->candidates[x->candidate_count]);
    x->candidate_count++;
}

/* The providers of the caller's routes that may have kept the answer, or that let a path without a
 * model pass, in the routes' order; of those that keep answers each is asked until one knows it. */
static enum weir_verdict route_without_model(struct weir_exchange *x)
{
    const struct weir_policy_route *r;

    x->candidate_count = 0;
    x->candidates = weir_arena_alloc(x->arena, WEIR_MAX_CANDIDATES * sizeof *x->candidates);
    for (size_t i = 0; (r = weir_policy_route(x->policy, i)); i++)
        for (size_t g = 0; is_open(x, r) && g < r->group_count; g++)
            for (size_t t = 0; t < r->groups[g].target_count; t++)
                add_keeper(x, r, r->groups[g].targets[t].provider);
    if (x->candidate_count)
        return WEIR_V_CONTINUE;
    return weir_answer_error(
        x, &(struct weir_err){.rc = WEIR_ENOTFOUND,
                              .http_status = 404,
                              .code = "no_target",
                              .detail = x->endpoint.operation == WEIR_OP_PASS
                                            ? "No provider of this key's routes lets this path "
                                              "pass (Provider spec.passThrough)."
                                            : "No provider of this key's routes keeps answers."});
}

/* What the route says of the request's fields; then they are read again, for their limits count.
 * Each route of a call that is downgraded has its say once. */
static int edit_fields(struct weir_exchange *x, struct weir_err *err)
{
    int rc;

    if (x->route->field_count == 0 || x->edited_for == x->route ||
        x->endpoint.operation == WEIR_OP_PASS)
        return WEIR_OK;
    x->edited_for = x->route;
    rc = weir_llm_edit_fields(x->body, x->route->fields, x->route->field_count, x->arena, &x->body);
    if (rc) {
        *err = (struct weir_err){.rc = rc,
                                 .http_status = 400,
                                 .code = "invalid_body",
                                 .detail = "The body is not a JSON object."};
        return rc;
    }
    return weir_llm_decode(&x->endpoint, x->body, x->arena, &x->call, err);
}

/* Nobody there counts in the caller's own API: is there a target that would take the call itself?
 */
static bool is_counted_here(struct weir_exchange *x)
{
    struct weir_candidate unused;
    bool serves = false;

    if (x->endpoint.operation != WEIR_OP_COUNT_TOKENS)
        return false;
    x->endpoint.operation = WEIR_OP_GENERATE;
    for (size_t g = 0; g < x->route->group_count && !serves; g++)
        for (size_t i = 0; i < x->route->groups[g].target_count && !serves; i++) {
            const struct weir_policy_target *t = &x->route->groups[g].targets[i];

            serves = make_candidate(x, t, OWN_DIALECT, &unused) ||
                     make_candidate(x, t, ANY_FOREIGN, &unused);
        }
    x->endpoint.operation = WEIR_OP_COUNT_TOKENS;
    return serves;
}

enum weir_verdict weir_stage_route(struct weir_exchange *x)
{
    struct weir_err err;

    if (x->endpoint.operation == WEIR_OP_PASS && x->model.n == 0 &&
        weir_llm_endpoint_is_passed(&x->endpoint))
        return weir_answer_error(
            x, &(struct weir_err){.rc = WEIR_EINVAL,
                                  .http_status = 400,
                                  .code = "invalid_body",
                                  .detail = "The request names no model, and without it Weir "
                                            "can't tell where it may go: add \"model\"."});
    if (x->endpoint.operation == WEIR_OP_STORED ||
        (x->endpoint.operation == WEIR_OP_PASS && x->model.n == 0))
        return route_without_model(x);
    if (x->downgrades == 0 && !weir_policy_agent_may(x->agent, x->model)) {
        const char *detail = weir_arena_printf(
            x->arena, "The agent '%.*s' may not use the model '%.*s' (Agent spec.models).",
            WEIR_STR_ARG(x->agent->name), WEIR_STR_ARG(x->model));

        return weir_answer_error(x, &(struct weir_err){.rc = WEIR_EAUTH,
                                                       .http_status = 403,
                                                       .code = "model_not_allowed",
                                                       .detail = detail});
    }
    x->route = pick_route(x);
    if (!x->route)
        return refuse_model(x, "model_not_found",
                            "matches no route of the policy that is in force; GET /v1/models lists "
                            "what this key may use.");
    if (edit_fields(x, &err))
        return weir_answer_error(x, &err);
    x->routed_model = weir_policy_alias(x->route->spec, x->model);
    if (!x->routed_model.p)
        x->routed_model = x->model;
    list_candidates(x);
    if (x->candidate_count == 0 && is_counted_here(x))
        return weir_answer_count(x);
    if (x->candidate_count == 0 && waits_for_secret(x->route))
        return weir_answer_error(
            x, &(struct weir_err){.rc = WEIR_EAGAIN,
                                  .http_status = 503,
                                  .code = "credential_pending",
                                  .retry_after_s = 1,
                                  .detail = "The provider's credential has not come from the "
                                            "control plane yet; it is never kept on disk."});
    if (x->candidate_count == 0)
        return refuse_model(
            x, "no_target",
            "has a route, but none of its providers serves it: another list of models, or another "
            "API and no translation.");
    forget_translations(x);
    weir_gather_decide(x);
    if (weir_fit_candidates(x, &err) || translate(x, &err))
        return weir_answer_error(x, &err);
    return WEIR_V_CONTINUE;
}
