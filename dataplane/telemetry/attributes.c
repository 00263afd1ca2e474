#include "dataplane/telemetry/attributes.h"

struct out {
    const struct weir__attribute_writer *w;
    void *arg;
};

static void str(const struct out *o, const char *key, const char *v)
{
    if (v && *v)
        o->w->str(o->arg, key, v);
}

static void num(const struct out *o, const char *key, protobuf_c_boolean has, int64_t v)
{
    if (has)
        o->w->i64(o->arg, key, v);
}

static void usage(const struct out *o, const Weir__V1__Usage *u)
{
    if (!u)
        return;
    num(o, "gen_ai.usage.input_tokens", u->has_inputtokens, u->inputtokens);
    num(o, "gen_ai.usage.output_tokens", u->has_outputtokens, u->outputtokens);
    num(o, "gen_ai.usage.cache_read.input_tokens", u->has_cachereadtokens, u->cachereadtokens);
    num(o, "gen_ai.usage.cache_creation.input_tokens", u->has_cachewritetokens,
        u->cachewritetokens);
    num(o, "weir.usage.cache_write_1h_tokens", u->has_cachewrite1htokens, u->cachewrite1htokens);
    num(o, "weir.usage.reasoning_tokens", u->has_reasoningtokens, u->reasoningtokens);
    if (u->has_estimated && u->estimated)
        o->w->flag(o->arg, "weir.usage.estimated", true);
}

static void caller(const struct out *o, const Weir__V1__CallRecord *r)
{
    str(o, "weir.request_id", r->requestid);
    str(o, "weir.namespace", r->namespace_);
    str(o, "weir.agent", r->agent);
    str(o, "weir.key", r->key);
    str(o, "weir.organization", r->organization);
    str(o, "weir.project", r->project);
    str(o, "weir.team", r->team);
    str(o, "deployment.environment.name", r->environment);
    str(o, "gen_ai.conversation.id", r->session);
    str(o, "user_agent.original", r->useragent);
}

static void holds(const struct out *o, const Weir__V1__CallRecord *r)
{
    /* The budget that refused is what a reader looks for; all holds are in the record itself. */
    num(o, "weir.budget.count", r->n_holds > 0, (int64_t)r->n_holds);
    for (size_t i = 0; i < r->n_holds; i++)
        if (r->holds[i]->refused) {
            str(o, "weir.budget.refused_by", r->holds[i]->budget);
            return;
        }
    if (r->n_holds > 0)
        str(o, "weir.budget", r->holds[0]->budget);
}

void weir__attributes(const Weir__V1__CallRecord *r, const struct weir__attribute_writer *w,
                      void *arg)
{
    struct out o = {w, arg};

    caller(&o, r);
    str(&o, "gen_ai.operation.name", r->operation);
    str(&o, "gen_ai.provider.name", r->provider);
    str(&o, "gen_ai.request.model", r->requestedmodel);
    str(&o, "gen_ai.response.model", r->servedmodel);
    str(&o, "gen_ai.response.finish_reason", r->finishreason);
    str(&o, "weir.dialect", r->dialect);
    str(&o, "weir.route", r->route);
    if (r->has_stream && r->stream)
        w->flag(arg, "weir.stream", true);
    if (r->has_cached && r->cached)
        w->flag(arg, "weir.cached", true);
    num(&o, "http.response.status_code", r->has_status, r->status);
    str(&o, "weir.outcome", r->outcome);
    str(&o, "error.type", r->errorcode);
    str(&o, "weir.error.detail", r->errordetail);
    usage(&o, r->usage);
    num(&o, "weir.cost_nano_usd", 1, r->cost);
    str(&o, "weir.price_source", r->pricesource);
    holds(&o, r);
    num(&o, "weir.attempts", r->n_attempts > 0, (int64_t)r->n_attempts);
    num(&o, "weir.duration_us", 1, r->durationus);
    num(&o, "weir.first_byte_us", r->has_firstbyteus, r->firstbyteus);
    num(&o, "weir.first_token_us", r->has_firsttokenus, r->firsttokenus);
    num(&o, "weir.gateway_us", r->has_gatewayus, r->gatewayus);
    num(&o, "http.request.body.size", r->has_requestbytes, r->requestbytes);
    num(&o, "http.response.body.size", r->has_responsebytes, r->responsebytes);
    num(&o, "weir.chunks", r->has_chunks, r->chunks);
    str(&o, "weir.policy.revision", r->policyrevision);
}
