/* policy_compile.c - from the resources of a transaction to a policy. Runs on the hub thread.
 *
 * Messages are unpacked into the policy's arena, so that every string of the policy is borrowed
 * from them. Objects that others name (providers, agents) are compiled first. An error never stops
 * the compilation: a NACK lists all that is wrong. */
#include "dataplane/proxy/policy.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "dataplane/proxy/policy_internal.h"

static void *arena_alloc(void *arena, size_t n)
{
    return weir_arena_alloc(arena, n);
}

static void arena_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

void weir__policy_bad(struct weir_policy_compile *c, const char *path, const char *reason)
{
    c->failed = true;
    weir_control_error_add(c->errors, c->now ? c->now->type : "", c->now ? c->now->name : "", path,
                           reason);
}

void *weir__policy_unpack(struct weir_policy_compile *c, const struct weir_policy_resource *r,
                          const ProtobufCMessageDescriptor *type)
{
    ProtobufCAllocator in_arena = {arena_alloc, arena_free, c->p->arena};
    void *m = protobuf_c_message_unpack(type, &in_arena, r->body.n, (const uint8_t *)r->body.p);

    c->now = r;
    if (!m)
        weir__policy_bad(c, "",
                         "its bytes can't be decoded; is the control plane newer than this proxy?");
    return m;
}

struct weir_str weir__policy_local_name(struct weir_str id)
{
    struct weir_str name, ns = weir_str_cut(id, '/', &name);

    return name.p ? name : ns;
}

static struct weir_str namespace_of(struct weir_str id)
{
    struct weir_str name, ns = weir_str_cut(id, '/', &name);

    return name.p ? ns : WEIR_STR("");
}

static size_t count_type(const struct weir_policy_bytes *bytes, const char *type)
{
    size_t n = 0;

    for (size_t i = 0; i < bytes->count; i++)
        n += strcmp(bytes->resources[i].type, type) == 0;
    return n;
}

struct weir_policy_header *weir__policy_headers(struct weir_policy_compile *c,
                                                Weir__V1__Label **labels, size_t n)
{
    struct weir_policy_header *h = weir_arena_zalloc(c->p->arena, n * sizeof *h);

    for (size_t i = 0; i < n; i++)
        h[i] = (struct weir_policy_header){weir_str_of(labels[i]->key),
                                           weir_str_of(labels[i]->value ? labels[i]->value : "")};
    return h;
}

struct weir_policy_timeouts weir__policy_timeouts(const Weir__V1__Timeouts *t, bool defaults)
{
    struct weir_policy_timeouts d = {5000, 120000, 120000, 900000};

    if (!defaults)
        d = (struct weir_policy_timeouts){0, 0, 0, 0};
    return (struct weir_policy_timeouts){OR(t, connect, d.connect_ms),
                                         OR(t, firstbyte, d.first_byte_ms), OR(t, idle, d.idle_ms),
                                         OR(t, total, d.total_ms)};
}

/* ---- agents and keys ---- */

static void compile_agent(struct weir_policy_compile *c, const struct weir_policy_resource *r)
{
    Weir__V1__Agent *m = weir__policy_unpack(c, r, &weir__v1__agent__descriptor);
    struct weir_policy_agent *a = &c->p->agents[c->p->agent_count];

    if (!m || !m->spec)
        return;
    *a = (struct weir_policy_agent){
        .ns = namespace_of(weir_str_of(r->name)),
        .name = weir__policy_local_name(weir_str_of(r->name)),
        .organization = weir_str_of(m->spec->organization ? m->spec->organization : ""),
        .project = weir_str_of(m->spec->project ? m->spec->project : ""),
        .team = weir_str_of(m->spec->team ? m->spec->team : ""),
        .environment = weir_str_of(m->spec->environment ? m->spec->environment : ""),
        .message = m,
        .max_concurrency = OR(m->spec, maxconcurrency, -1),
        .disabled = OR(m->spec, disabled, false),
        .index = c->p->agent_count};
    c->p->agent_count++;
}

static const struct weir_policy_agent *find_agent(struct weir_policy_compile *c, struct weir_str ns,
                                                  struct weir_str name)
{
    for (size_t i = 0; i < c->p->agent_count; i++)
        if (weir_str_eq(c->p->agents[i].ns, ns) && weir_str_eq(c->p->agents[i].name, name))
            return &c->p->agents[i];
    return NULL;
}

static void add_key(struct weir_policy_compile *c, const struct weir_policy_agent *agent,
                    const char *id, const char *sha256, int64_t expires_ms)
{
    struct weir_policy_key *k = &c->p->keys[c->p->key_count];

    *k = (struct weir_policy_key){
        .id = weir_str_of(id ? id : ""), .agent = agent, .expires_ms = expires_ms};
    if (!sha256 || weir_unhex(weir_str_of(sha256), k->digest, sizeof k->digest)) {
        weir__policy_bad(c, "spec.keys", "a digest must be 64 hex digits");
        return;
    }
    c->p->key_count++;
}

static void compile_issued_key(struct weir_policy_compile *c, const struct weir_policy_resource *r)
{
    Weir__V1__IssuedKey *m = weir__policy_unpack(c, r, &weir__v1__issued_key__descriptor);
    const struct weir_policy_agent *agent;

    if (!m)
        return;
    agent = find_agent(c, weir_str_of(m->namespace_), weir_str_of(m->agent));
    /* A key may outlive its agent's object: it then opens nothing. */
    if (agent)
        add_key(c, agent, m->id, m->sha256, OR(m, expires, 0));
}

static int by_digest(const void *a, const void *b)
{
    const struct weir_policy_key *x = a, *y = b;

    return memcmp(x->digest, y->digest, sizeof x->digest);
}

/* ---- routes ---- */

static const struct weir_policy_provider *find_provider(struct weir_policy_compile *c,
                                                        struct weir_str ns, struct weir_str name)
{
    for (size_t i = 0; i < c->p->provider_count; i++) {
        const struct weir_policy_provider *p = &c->p->providers[i];

        if (weir_str_eq(p->name, name) && weir_str_eq(namespace_of(p->id), ns))
            return p;
    }
    return NULL;
}

enum { MAX_WEIGHT = 1000 };

/* A provider's keys share its target's weight: each is a target of its own. With weights as whole
 * numbers, all of the group are multiplied by what every number of keys divides. */
static int64_t common_multiple(int64_t a, int64_t b)
{
    int64_t x = a, y = b;

    while (y) {
        int64_t rest = x % y;

        x = y;
        y = rest;
    }
    return a / x * b;
}

static int64_t weight_of(const Weir__V1__Target *t)
{
    int64_t weight = OR(t, weight, 1);

    return weight < 0 ? 0 : weight > MAX_WEIGHT ? MAX_WEIGHT : weight;
}

static void add_keys(struct weir_policy_group *g, const struct weir_policy_provider *p,
                     struct weir_str model, int64_t weight)
{
    for (size_t k = 0; k < p->key_count; k++)
        g->targets[g->target_count++] = (struct weir_policy_target){
            .provider = k ? &p->others[k - 1] : p, .model = model, .weight = weight};
}

static void compile_group(struct weir_policy_compile *c, struct weir_policy_group *g,
                          const Weir__V1__TargetGroup *m)
{
    const struct weir_policy_provider **providers =
        weir_arena_zalloc(c->p->arena, m->n_targets * sizeof *providers);
    size_t targets = 0;
    int64_t scale = 1;

    g->strategy = OR(m, strategy, WEIR__V1__STRATEGY__weighted);
    for (size_t i = 0; i < m->n_targets; i++) {
        providers[i] =
            find_provider(c, namespace_of(weir_str_of(c->now->name)),
                          weir_str_of(m->targets[i]->provider ? m->targets[i]->provider : ""));
        if (!providers[i]) {
            weir__policy_bad(c, "spec.groups.targets.provider",
                             "no such Provider in this namespace");
            continue;
        }
        targets += providers[i]->key_count;
        scale = common_multiple(scale, (int64_t)providers[i]->key_count);
    }
    g->targets = weir_arena_zalloc(c->p->arena, targets * sizeof *g->targets);
    for (size_t i = 0; i < m->n_targets; i++)
        if (providers[i])
            add_keys(g, providers[i], weir_str_of(m->targets[i]->model),
                     weight_of(m->targets[i]) * scale / (int64_t)providers[i]->key_count);
}

static void compile_fields(struct weir_policy_compile *c, struct weir_policy_route *route,
                           const Weir__V1__RouteSpec *spec)
{
    route->field_count = spec->n_fields;
    route->fields = weir_arena_zalloc(c->p->arena, spec->n_fields * sizeof *route->fields);
    for (size_t i = 0; i < spec->n_fields; i++)
        route->fields[i] = (struct weir_llm_field_edit){
            .field = spec->fields[i]->field ? spec->fields[i]->field : "",
            .value = weir_str_of(spec->fields[i]->value),
            .if_absent = OR(spec->fields[i], ifabsent, false)};
}

static void compile_route(struct weir_policy_compile *c, const struct weir_policy_resource *r)
{
    Weir__V1__Route *m = weir__policy_unpack(c, r, &weir__v1__route__descriptor);
    struct weir_policy_route *route = &c->p->routes[c->p->route_count];
    const Weir__V1__RouteSpec *spec = m ? m->spec : NULL;

    if (!spec)
        return;
    *route = (struct weir_policy_route){
        .name = weir__policy_local_name(weir_str_of(r->name)),
        .spec = spec,
        .priority = OR(spec, priority, 0),
        .attempts = OR(spec->retry, attempts, 3),
        .backoff_ms = OR(spec->retry, backoff, 200),
        .max_pause_ms = OR(spec->retry, maxpause, 2000),
        .cache_ms = spec->cache ? OR(spec->cache, keepfor, 300000) : 0,
        .drain_ms = spec->drain ? OR(spec->drain, maxtime, 30000) : 0,
        .drain_bytes = spec->drain ? OR(spec->drain, maxbytes, 4 << 20) : 0,
        .gathers = OR(spec, wholeasstream, false),
        .translation = OR(spec, translation, WEIR__V1__TRANSLATION__lenient),
        .has_timeouts = spec->timeouts != NULL,
        .timeouts = weir__policy_timeouts(spec->timeouts, false),
        .group_count = spec->n_groups,
        .header_count = spec->n_addheaders,
        .default_count = spec->n_defaultheaders,
        .removed = spec->removeheaders,
        .removed_count = spec->n_removeheaders};
    route->headers = weir__policy_headers(c, spec->addheaders, spec->n_addheaders);
    route->defaults = weir__policy_headers(c, spec->defaultheaders, spec->n_defaultheaders);
    compile_fields(c, route, spec);
    route->groups = weir_arena_zalloc(c->p->arena, spec->n_groups * sizeof *route->groups);
    for (size_t i = 0; i < spec->n_groups; i++)
        compile_group(c, &route->groups[i], spec->groups[i]);
    c->p->route_count++;
}

static int by_precedence(const void *a, const void *b)
{
    const struct weir_policy_route *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int c;

    if (x->priority != y->priority)
        return x->priority > y->priority ? -1 : 1;
    c = memcmp(x->name.p, y->name.p, n);
    return c ? c : x->name.n < y->name.n ? -1 : x->name.n > y->name.n;
}

/* ---- budgets and prices ---- */

static int64_t limit_value(const Weir__V1__Limit *l)
{
    return l->has_usd ? l->usd : l->has_tokens ? l->tokens : OR(l, requests, 0);
}

static void compile_limit(struct weir_budget_conf *conf, const Weir__V1__Limit *l)
{
    conf->unit = l->has_usd      ? WEIR_UNIT_NANO_USD
                 : l->has_tokens ? WEIR_UNIT_TOKENS
                                 : WEIR_UNIT_REQUESTS;
    conf->limit = limit_value(l);
}

static void compile_partition(struct weir_budget_conf *conf, const Weir__V1__OnPartition *p)
{
    conf->on_partition = WEIR_PARTITION_DENY;
    if (OR(p, allow, false)) {
        conf->on_partition = WEIR_PARTITION_ALLOW;
    } else if (p && p->allowwithin) {
        conf->on_partition = WEIR_PARTITION_WITHIN;
        conf->within = limit_value(p->allowwithin);
    }
}

enum { DEFAULT_MAX_WAIT_MS = 10000 };

static void compile_exhausted(struct weir_policy_budget *b, const Weir__V1__BudgetSpec *spec)
{
    switch ((int)OR(spec, onexhausted, WEIR__V1__ON_EXHAUSTED__deny)) {
    case WEIR__V1__ON_EXHAUSTED__clamp:
        b->on_exhausted = WEIR_EXHAUSTED_CLAMP;
        break;
    case WEIR__V1__ON_EXHAUSTED__queue:
        b->on_exhausted = WEIR_EXHAUSTED_QUEUE;
        b->max_wait_ms = OR(spec, maxwait, DEFAULT_MAX_WAIT_MS);
        break;
    case WEIR__V1__ON_EXHAUSTED__ask:
        b->on_exhausted = WEIR_EXHAUSTED_ASK;
        b->max_wait_ms = OR(spec, maxwait, DEFAULT_MAX_WAIT_MS);
        b->conf.asks_person = true;
        break;
    case WEIR__V1__ON_EXHAUSTED__downgrade:
        b->on_exhausted = spec->downgradeto ? WEIR_EXHAUSTED_DOWNGRADE : WEIR_EXHAUSTED_DENY;
        b->downgrade_to = weir_str_of(spec->downgradeto);
        break;
    default:
        b->on_exhausted = WEIR_EXHAUSTED_DENY;
    }
}

/* An hour at most: waiting helps. */
static bool is_rate(const Weir__V1__BudgetSpec *spec)
{
    return spec->window == WEIR__V1__WINDOW__minute || spec->window == WEIR__V1__WINDOW__hour ||
           (spec->window == WEIR__V1__WINDOW__rolling && OR(spec, length, 0) <= 3600000);
}

static void compile_budget(struct weir_policy_compile *c, const struct weir_policy_resource *r)
{
    Weir__V1__Budget *m = weir__policy_unpack(c, r, &weir__v1__budget__descriptor);
    const Weir__V1__BudgetSpec *spec = m ? m->spec : NULL;
    struct weir_policy_budget *b = &c->p->budgets[c->p->budget_count];
    const Weir__V1__OnUnknownPrice *unknown = spec ? spec->onunknownprice : NULL;

    if (!spec || !spec->limit) {
        if (m)
            weir__policy_bad(c, "spec.limit", "is missing: give usd, tokens or requests");
        return;
    }
    *b = (struct weir_policy_budget){
        .spec = spec,
        .rate = is_rate(spec),
        .unknown_price_allowed = OR(unknown, allow, false),
        .unknown_price_assumed = OR(unknown, assume, -1),
        .charge_hold = OR(spec, onusagemissing, WEIR__V1__ON_USAGE_MISSING__estimate) ==
                       WEIR__V1__ON_USAGE_MISSING__chargeHold};
    b->conf = (struct weir_budget_conf){
        .id = r->name,
        .mode = (enum weir_budget_mode)OR(spec, mode, WEIR__V1__BUDGET_MODE__hard),
        .deny_no_lease = OR(spec, onnolease, WEIR__V1__ON_NO_LEASE__waitForLease) ==
                         WEIR__V1__ON_NO_LEASE__denyWithoutLease};
    compile_limit(&b->conf, spec->limit);
    compile_partition(&b->conf, spec->onpartition);
    compile_exhausted(b, spec);
    c->p->budget_count++;
}

static void compile_prices(struct weir_policy_compile *c)
{
    for (size_t i = 0; i < c->bytes->count; i++) {
        const struct weir_policy_resource *r = &c->bytes->resources[i];
        bool builtin = strcmp(r->type, "DefaultPriceList") == 0;
        Weir__V1__PriceList *m;

        if (!builtin && strcmp(r->type, "PriceList") != 0)
            continue;
        m = weir__policy_unpack(c, r, &weir__v1__price_list__descriptor);
        if (m && m->spec)
            weir_prices_add(c->p->prices, m, builtin);
    }
    weir_prices_seal(c->p->prices);
}

static void for_type(struct weir_policy_compile *c, const char *type,
                     void (*fn)(struct weir_policy_compile *, const struct weir_policy_resource *))
{
    for (size_t i = 0; i < c->bytes->count; i++) {
        c->now = &c->bytes->resources[i];
        if (strcmp(c->now->type, type) == 0)
            fn(c, c->now);
    }
}

static size_t inline_keys(struct weir_policy_compile *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->p->agent_count; i++)
        n += c->p->agents[i].message->spec->n_keys;
    return n;
}

static void compile_keys(struct weir_policy_compile *c)
{
    size_t room = inline_keys(c) + count_type(c->bytes, "IssuedKey");

    c->p->keys = weir_arena_zalloc(c->p->arena, room * sizeof *c->p->keys);
    for (size_t i = 0; i < c->p->agent_count; i++) {
        const struct weir_policy_agent *a = &c->p->agents[i];

        for (size_t k = 0; k < a->message->spec->n_keys; k++)
            add_key(c, a, a->message->spec->keys[k]->id, a->message->spec->keys[k]->sha256, 0);
    }
    for_type(c, "IssuedKey", compile_issued_key);
    if (c->p->key_count)
        qsort(c->p->keys, c->p->key_count, sizeof *c->p->keys, by_digest);
}

/* The transaction's bytes die with it; what a policy keeps of them is copied once. */
static struct weir_policy_bytes *own_bytes(struct weir_arena *a, const struct weir_policy_bytes *in)
{
    struct weir_policy_bytes *own = WEIR_ARENA_NEW(a, struct weir_policy_bytes);
    struct weir_policy_resource *r = weir_arena_zalloc(a, in->count * sizeof *r);

    for (size_t i = 0; i < in->count; i++) {
        r[i] = in->resources[i];
        r[i].type = weir_arena_strdup(a, weir_str_of(r[i].type));
        r[i].name = weir_arena_strdup(a, weir_str_of(r[i].name));
    }
    *own = *in;
    own->revision = weir_arena_strdup(a, weir_str_of(in->revision));
    own->resources = r;
    return own;
}

#define ROOM(c, member, type)                                                                      \
    ((c)->p->member =                                                                              \
         weir_arena_zalloc((c)->p->arena, count_type((c)->bytes, type) * sizeof *(c)->p->member))

int weir_policy_compile(const struct weir_policy_bytes *bytes, struct weir_control_errors *errors,
                        const struct weir_policy **out)
{
    struct weir_policy *p = WEIR_NEW(struct weir_policy);
    struct weir_policy_compile c = {.p = p, .errors = errors};

    atomic_init(&p->refs, 1);
    p->arena = weir_arena_create(NULL);
    c.bytes = own_bytes(p->arena, bytes);
    p->revision = weir_str_of(c.bytes->revision);
    p->compiled_ms = weir_mono_ms();
    p->prices = weir_prices_create();
    ROOM(&c, providers, "Provider");
    ROOM(&c, agents, "Agent");
    ROOM(&c, routes, "Route");
    ROOM(&c, budgets, "Budget");

    p->files = weir_arena_zalloc(p->arena, count_type(c.bytes, "Provider") * WEIR__POLICY_FILES *
                                               sizeof *p->files);
    for_type(&c, "Provider", weir__policy_provider);
    for_type(&c, "Agent", compile_agent);
    compile_keys(&c);
    for_type(&c, "Route", compile_route);
    if (p->route_count)
        qsort(p->routes, p->route_count, sizeof *p->routes, by_precedence);
    for_type(&c, "Budget", compile_budget);
    compile_prices(&c);
    if (c.failed) {
        weir_policy_unref(p);
        return WEIR_EINVAL;
    }
    *out = p;
    return WEIR_OK;
}

const struct weir_policy *weir_policy_ref(const struct weir_policy *p)
{
    atomic_fetch_add_explicit(&((struct weir_policy *)p)->refs, 1, memory_order_relaxed);
    return p;
}

static void wipe_secret(const struct weir_policy_provider *p)
{
    if (p->secret.p)
        weir_wipe((char *)p->secret.p, p->secret.n);
}

static void wipe_secrets(const struct weir_policy_provider *p)
{
    wipe_secret(p);
    for (size_t k = 1; p->others && k < p->key_count; k++)
        wipe_secret(&p->others[k - 1]);
}

void weir_policy_unref(const struct weir_policy *shared)
{
    struct weir_policy *p = (struct weir_policy *)shared;

    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < p->provider_count; i++)
        wipe_secrets(&p->providers[i]);
    for (size_t i = 0; i < p->provider_count; i++)
        weir_origin_unref(p->providers[i].origin);
    for (size_t i = 0; i < p->provider_count; i++)
        for (size_t k = 0; k == 0 || k < p->providers[i].key_count; k++)
            weir_cred_source_unref(weir_policy_credential(&p->providers[i], k)->source);
    weir_prices_destroy(p->prices);
    weir_arena_destroy(p->arena);
    free(p);
}

struct weir_str weir_policy_revision(const struct weir_policy *p)
{
    return p->revision;
}

int64_t weir_policy_compiled_ms(const struct weir_policy *p)
{
    return p->compiled_ms;
}

const struct weir_prices *weir_policy_prices(const struct weir_policy *p)
{
    return p->prices;
}

size_t weir_policy_agent_count(const struct weir_policy *p)
{
    return p->agent_count;
}

const struct weir_policy_route *weir_policy_route(const struct weir_policy *p, size_t n)
{
    return n < p->route_count ? &p->routes[n] : NULL;
}

const struct weir_policy_budget *weir_policy_budget(const struct weir_policy *p, size_t n)
{
    return n < p->budget_count ? &p->budgets[n] : NULL;
}

const struct weir_policy_provider *weir_policy_provider(const struct weir_policy *p, size_t n)
{
    return n < p->provider_count ? &p->providers[n] : NULL;
}

static uint64_t add_state(uint64_t h, uint64_t state)
{
    return weir_hash64((struct weir_str){(const char *)&state, sizeof state}, h);
}

uint64_t weir_policy_credentials_read(const struct weir_policy *p)
{
    uint64_t h = 0;

    for (size_t i = 0; i < p->file_count; i++)
        h = add_state(h, p->files[i].state);
    return h;
}

uint64_t weir_policy_credentials_now(const struct weir_policy *p)
{
    uint64_t h = 0;

    for (size_t i = 0; i < p->file_count; i++)
        h = add_state(h, weir_file_state(p->files[i].path));
    return h;
}
