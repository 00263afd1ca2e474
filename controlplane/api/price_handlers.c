/* price_handlers.c - the prices that are in force, and what a call of so many tokens would cost. */
#include "controlplane/api/internal.h"

#include "base/clock.h"
#include "controlplane/config/source.h"
#include "pricing/pricing.h"

enum { MAX_LIST = 5000, MAX_TOKENS = 1000000000 };

/* With a reference; NULL: the reply is there. */
static struct weir_policy_set *policy(struct weir_api_ctx *c)
{
    const struct weir_api_backend *b = &c->api->backend;
    struct weir_policy_set *set = b->source ? weir_policy_source_set(b->source) : NULL;

    if (!set)
        weir__api_error(c, 503, "no_policy", "GET /api/v1/policy has the errors.",
                        "No valid policy was read yet.");
    return set;
}

static const Weir__V1__PriceListSpec *price_list(const struct weir_policy_object *o)
{
    return strcmp(o->type, "PriceList") == 0 && o->message
               ? ((const Weir__V1__PriceList *)o->message)->spec
               : NULL;
}

static void put_rate(struct weir_jw *w, const char *name, bool has, int64_t nano)
{
    if (has)
        weir_jw_i64(w, name, nano);
}

static void put_entry(struct weir_jw *w, const struct weir_policy_object *o,
                      const Weir__V1__PriceListSpec *list, const Weir__V1__Price *p)
{
    weir_jw_object(w, NULL);
    weir_jw_z(w, "model", p->model);
    if (p->provider)
        weir_jw_z(w, "provider", p->provider);
    put_rate(w, "inputNano", p->has_input, p->input);
    put_rate(w, "outputNano", p->has_output, p->output);
    put_rate(w, "cacheReadNano", p->has_cacheread, p->cacheread);
    put_rate(w, "cacheWriteNano", p->has_cachewrite, p->cachewrite);
    put_rate(w, "cacheWrite1hNano", p->has_cachewrite1h, p->cachewrite1h);
    put_rate(w, "reasoningNano", p->has_reasoning, p->reasoning);
    put_rate(w, "requestNano", p->has_request, p->request);
    put_rate(w, "audioInputNano", p->has_audioinput, p->audioinput);
    put_rate(w, "audioOutputNano", p->has_audiooutput, p->audiooutput);
    put_rate(w, "webSearchNano", p->has_websearch, p->websearch);
    if (p->from)
        weir_jw_z(w, "from", p->from);
    weir_jw_i64(w, "tiers", (int64_t)p->n_tiers);
    weir_jw_z(w, "list", o->name);
    weir_jw_bool(w, "builtIn", o->built_in);
    if (list->date)
        weir_jw_z(w, "date", list->date);
    weir_jw_end_object(w);
}

void weir__api_prices(struct weir_api_ctx *c)
{
    struct weir_str match = weir__api_query(c, "match");
    struct weir_policy_set *set;
    struct weir_jw *w;
    int64_t limit, n = 0;

    if (!weir__api_query_i64(c, "limit", 100, 1, MAX_LIST, &limit) || !(set = policy(c)))
        return;
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_array(w, "items");
    for (size_t i = 0; i < weir_policy_set_count(set); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(set, i);
        const Weir__V1__PriceListSpec *list = price_list(o);

        for (size_t k = 0; list && k < list->n_prices; k++) {
            const char *model = list->prices[k]->model;

            if (match.n && !memmem(model, strlen(model), match.p, match.n))
                continue;
            if (n++ < limit)
                put_entry(w, o, list, list->prices[k]);
        }
    }
    weir_jw_end_array(w);
    weir_jw_i64(w, "total", n);
    weir_jw_end_object(w);
    weir_policy_set_unref(set);
}

static struct weir_prices *compile(const struct weir_policy_set *set, struct weir_str ns)
{
    struct weir_prices *prices = weir_prices_create();

    for (size_t i = 0; i < weir_policy_set_count(set); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(set, i);

        if (price_list(o) && (o->built_in || weir_str_is(ns, o->ns)))
            weir_prices_add(prices, (const Weir__V1__PriceList *)o->message, o->built_in);
    }
    weir_prices_seal(prices);
    return prices;
}

static bool read_usage(struct weir_api_ctx *c, struct weir_usage *u)
{
    *u = WEIR_USAGE_NONE;
    return weir__api_query_i64(c, "input", 1000000, 0, MAX_TOKENS, &u->input) &&
           weir__api_query_i64(c, "output", 1000000, 0, MAX_TOKENS, &u->output) &&
           weir__api_query_i64(c, "cacheRead", 0, 0, MAX_TOKENS, &u->cache_read) &&
           weir__api_query_i64(c, "cacheWrite", 0, 0, MAX_TOKENS, &u->cache_write) &&
           weir__api_query_i64(c, "audioInput", 0, 0, MAX_TOKENS, &u->audio_input) &&
           weir__api_query_i64(c, "audioOutput", 0, 0, MAX_TOKENS, &u->audio_output) &&
           weir__api_query_i64(c, "webSearches", 0, 0, MAX_TOKENS, &u->web_searches);
}

static void put_cost(struct weir_jw *w, const struct weir_price *e, const struct weir_usage *u)
{
    struct weir_cost cost;

    weir_price_cost(e, u, &cost);
    weir_jw_str(w, "list", weir_price_list(e));
    weir_jw_bool(w, "builtIn", weir_price_builtin(e));
    if (weir_price_date(e).n)
        weir_jw_str(w, "date", weir_price_date(e));
    weir_jw_i64(w, "maxOutputTokens", weir_price_max_output(e));
    weir_jw_i64(w, "costNano", cost.nano_usd);
    weir_jw_array(w, "parts");
    for (size_t i = 0; i < cost.part_count; i++) {
        weir_jw_object(w, NULL);
        weir_jw_z(w, "kind", cost.parts[i].kind);
        weir_jw_i64(w, "tokens", cost.parts[i].tokens);
        weir_jw_i64(w, "rateNano", cost.parts[i].rate);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
}

void weir__api_price_cost(struct weir_api_ctx *c)
{
    struct weir_str model = weir__api_query(c, "model"), provider = weir__api_query(c, "provider");
    struct weir_str ns = weir__api_query(c, "namespace");
    const struct weir_price *e;
    struct weir_policy_set *set;
    struct weir_prices *prices;
    struct weir_usage usage;
    struct weir_jw *w;

    if (!model.n) {
        weir__api_error(c, 400, "bad_parameter", "Add model=NAME, as the provider names it.",
                        "No model was named.");
        return;
    }
    if (!read_usage(c, &usage) || !(set = policy(c)))
        return;
    prices = compile(set, ns.n ? ns : WEIR_STR("default"));
    e = weir_prices_find(prices, provider.p ? provider : WEIR_STR(""), model, weir_wall_ms());
    if (e) {
        w = weir__api_ok(c);
        weir_jw_object(w, NULL);
        weir_jw_str(w, "model", model);
        put_cost(w, e, &usage);
        weir_jw_end_object(w);
    } else {
        weir__api_error(c, 404, "price_unknown",
                        "Add it to a PriceList; a hard budget refuses calls without a price.",
                        "No price list has the model '%.*s'.", WEIR_STR_ARG(model));
    }
    weir_prices_destroy(prices);
    weir_policy_set_unref(set);
}
