/* render.c - what one namespace's proxies get; see policy_set.h. */
#include "controlplane/config/policy_set.h"

#include <stdio.h>

#include "base/mem.h"
#include "weir/v1/config.pb-c.h"

/* A body that is made for the call only. */
static void send_made(const ProtobufCMessage *m, const char *type, const char *ns, const char *name,
                      bool secret, void (*fn)(void *arg, const struct weir_policy_send *r),
                      void *arg)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *body = weir_alloc(n ? n : 1);
    char full[160], version[WEIR_VERSION_CHARS + 1];
    struct weir_policy_send r = {.type = type, .name = full, .version = version, .secret = secret};

    protobuf_c_message_pack(m, body);
    (void)snprintf(full, sizeof full, "%s/%s", ns, name);
    r.body = (struct weir_str){(char *)body, n};
    weir_message_version(weir_str_of(type), weir_str_of(full), r.body, version);
    fn(arg, &r);
    weir_wipe(body, n);
    free(body);
}

static bool is_target(const struct weir_policy_set *s, struct weir_str ns, const char *provider)
{
    for (size_t i = 0; i < weir_policy_set_count(s); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(s, i);
        const Weir__V1__RouteSpec *r;

        if (strcmp(o->type, "Route") != 0 || !weir_str_is(ns, o->ns))
            continue;
        r = ((const Weir__V1__Route *)o->message)->spec;
        for (size_t g = 0; g < r->n_groups; g++)
            for (size_t t = 0; t < r->groups[g]->n_targets; t++)
                if (strcmp(r->groups[g]->targets[t]->provider, provider) == 0)
                    return true;
    }
    return false;
}

/* A secret goes out only while a Provider takes it from here and a Route needs that Provider. */
static bool is_needed(const struct weir_policy_set *s, struct weir_str ns,
                      const struct weir_policy_secret *secret)
{
    const struct weir_policy_object *o;
    const Weir__V1__ProviderSpec *p;

    if (!weir_str_is(ns, secret->ns))
        return false;
    o = weir_policy_set_find(s, WEIR_STR("Provider"), ns, weir_str_of(secret->provider));
    p = o ? ((const Weir__V1__Provider *)o->message)->spec : NULL;
    if (!p || !is_target(s, ns, secret->provider))
        return false;
    if (secret->key == 0)
        return p->credential && p->credential->pushed;
    return secret->key <= p->n_morecredentials && p->morecredentials[secret->key - 1]->pushed;
}

/* Who is told of a budget is no proxy's business, and a webhook's URL often is a secret. */
static void send_budget(const struct weir_policy_object *o, struct weir_policy_send *r,
                        void (*fn)(void *arg, const struct weir_policy_send *r), void *arg)
{
    Weir__V1__Budget m = *(const Weir__V1__Budget *)o->message;
    Weir__V1__BudgetSpec spec = *m.spec;
    uint8_t *body;

    spec.n_alerts = 0;
    m.spec = &spec;
    r->body.n = weir__v1__budget__get_packed_size(&m);
    body = weir_alloc(r->body.n + 1);
    (void)weir__v1__budget__pack(&m, body);
    r->body.p = (char *)body;
    fn(arg, r);
    free(body);
}

static bool has_alerts(const struct weir_policy_object *o)
{
    return strcmp(o->type, "Budget") == 0 &&
           ((const Weir__V1__Budget *)o->message)->spec->n_alerts > 0;
}

void weir_policy_render(const struct weir_policy_set *s, struct weir_str ns,
                        const struct weir_policy_key keys[], size_t key_count,
                        const struct weir_policy_secret secrets[], size_t secret_count,
                        void (*fn)(void *arg, const struct weir_policy_send *r), void *arg)
{
    for (size_t i = 0; i < weir_policy_set_count(s); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(s, i);
        struct weir_policy_send r = {o->sent_as, o->full_name, o->version, o->body, false};

        if (!o->built_in && !weir_str_is(ns, o->ns))
            continue;
        if (has_alerts(o))
            send_budget(o, &r, fn, arg);
        else
            fn(arg, &r);
    }
    for (size_t i = 0; i < key_count; i++) {
        Weir__V1__IssuedKey k = WEIR__V1__ISSUED_KEY__INIT;

        if (!weir_str_is(ns, keys[i].ns))
            continue;
        k.namespace_ = (char *)keys[i].ns;
        k.agent = (char *)keys[i].agent;
        k.id = (char *)keys[i].id;
        k.sha256 = (char *)keys[i].sha256;
        k.has_expires = keys[i].expires_ms != 0;
        k.expires = keys[i].expires_ms;
        send_made(&k.base, "IssuedKey", keys[i].ns, keys[i].id, false, fn, arg);
    }
    for (size_t i = 0; i < secret_count; i++) {
        Weir__V1__Secret m = WEIR__V1__SECRET__INIT;
        char full[160], name[96];

        if (!is_needed(s, ns, &secrets[i]))
            continue;
        if (secrets[i].key)
            (void)snprintf(name, sizeof name, "%s#%zu", secrets[i].provider, secrets[i].key);
        else
            (void)snprintf(name, sizeof name, "%s", secrets[i].provider);
        (void)snprintf(full, sizeof full, "%s/%s", secrets[i].ns, name);
        m.name = full;
        m.has_value = 1;
        m.value.data = (uint8_t *)secrets[i].value.p;
        m.value.len = secrets[i].value.n;
        send_made(&m.base, "Secret", secrets[i].ns, name, true, fn, arg);
    }
}
