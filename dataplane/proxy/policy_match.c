/* policy_match.c - who and what a selector, a route or a key picks: pure look-ups in a policy. */
#include "dataplane/proxy/policy.h"

#include "dataplane/llm/endpoint.h"
#include "dataplane/proxy/policy_internal.h"

static bool any_glob(char *const *patterns, size_t n, struct weir_str s)
{
    if (n == 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (weir_str_glob(weir_str_of(patterns[i]), s))
            return true;
    return false;
}

bool weir_policy_agent_may(const struct weir_policy_agent *a, struct weir_str model)
{
    const Weir__V1__AgentSpec *spec = a->message->spec;

    return any_glob(spec->models, spec->n_models, model);
}

static bool has_label(const Weir__V1__Metadata *m, const Weir__V1__Label *wanted)
{
    for (size_t i = 0; m && i < m->n_labels; i++) {
        if (weir_str_eq(weir_str_of(m->labels[i]->key), weir_str_of(wanted->key)))
            return weir_str_eq(weir_str_of(m->labels[i]->value), weir_str_of(wanted->value));
    }
    return false;
}

/* More tools than are kept may be any. */
static bool any_offered(const Weir__V1__Selector *s, const struct weir_llm_call *call)
{
    if (s->n_tools == 0 || !call || call->offers_more)
        return true;
    for (const struct weir_llm_offer *o = call->offers; o; o = o->next)
        if (any_glob(s->tools, s->n_tools, o->name))
            return true;
    return false;
}

bool weir_policy_selects(const Weir__V1__Selector *s, const struct weir_policy_agent *agent,
                         struct weir_str model, const struct weir_policy_provider *provider,
                         const struct weir_llm_call *call)
{
    if (!s)
        return true;
    if (!any_glob(s->agents, s->n_agents, agent->name) ||
        !any_glob(s->organizations, s->n_organizations, agent->organization) ||
        !any_glob(s->projects, s->n_projects, agent->project) ||
        !any_glob(s->teams, s->n_teams, agent->team) || !any_glob(s->models, s->n_models, model))
        return false;
    if (provider && !any_glob(s->providers, s->n_providers, provider->name))
        return false;
    for (size_t i = 0; i < s->n_labels; i++)
        if (!has_label(agent->message->metadata, s->labels[i]))
            return false;
    return any_offered(s, call);
}

struct weir_str weir_policy_alias(const Weir__V1__RouteSpec *route, struct weir_str model)
{
    for (size_t i = 0; i < route->n_aliases; i++)
        if (weir_str_is(model, route->aliases[i]->key))
            return weir_str_of(route->aliases[i]->value);
    return WEIR_STR_NULL;
}

const struct weir_policy_pass *weir_policy_passes(const struct weir_policy_provider *p,
                                                  enum weir_http_method method,
                                                  struct weir_str path)
{
    const struct weir_policy_pass *best = NULL;

    for (size_t i = 0; i < p->pass_count; i++)
        if (weir_llm_endpoint_is_below(path, p->passes[i].path) &&
            (!best || p->passes[i].path.n > best->path.n))
            best = &p->passes[i];
    return best && (method == WEIR_HTTP_OPTIONS || best->methods & 1u << method) ? best : NULL;
}

const struct weir_policy_model *weir_policy_model(const struct weir_policy_provider *p,
                                                  struct weir_str name)
{
    for (size_t i = 0; i < p->model_count; i++)
        if (weir_str_eq(p->models[i].name, name))
            return &p->models[i];
    return NULL;
}

const struct weir_policy_key *weir_policy_find_key(const struct weir_policy *p, struct weir_str key)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    size_t low = 0, high = p->key_count;

    /* The table holds digests only, so the order in which they are compared tells nothing of a key.
     */
    weir_sha256(key, digest);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = memcmp(p->keys[mid].digest, digest, sizeof digest);

        if (c == 0)
            return &p->keys[mid];
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

size_t weir_policy_agent_slot(const struct weir_policy *p, const struct weir_policy_agent *a)
{
    for (size_t i = 0; i < p->agent_count; i++)
        if (weir_str_eq(p->agents[i].name, a->name) && weir_str_eq(p->agents[i].ns, a->ns))
            return i;
    return SIZE_MAX;
}

struct weir_str weir_policy_passed_path(const struct weir_policy_provider *p,
                                        enum weir_http_method method,
                                        const struct weir_llm_endpoint *e)
{
    bool openai = weir_policy_speaks(p, WEIR_DIALECT_OPENAI_OTHER);

    if (p->echo)
        return WEIR_STR_NULL;
    if (weir_policy_passes(p, method, e->stored))
        return e->stored;
    return weir_llm_endpoint_passed_at(e, openai ? WEIR_DIALECT_OPENAI_CHAT : p->dialect);
}
