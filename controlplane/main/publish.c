/* publish.c - from the policy in force to every proxy and to the ledger. Runs on the main loop. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/main/control_internal.h"
#include "weir/v1/config.pb-c.h"

enum { MAX_BUDGETS = 100000, MAX_COUNTERS = 10000 /* config.proto's default */ };

/* ---- to the ledger ---- */

/* Who calls can name as many of these as it likes. */
static bool callers_name(const Weir__V1__BudgetSpec *spec)
{
    for (size_t i = 0; i < spec->n_per; i++)
        if (spec->per[i] == WEIR__V1__PER_KEY__session || spec->per[i] == WEIR__V1__PER_KEY__run ||
            spec->per[i] == WEIR__V1__PER_KEY__user)
            return true;
    return false;
}

static int64_t max_counters(const Weir__V1__BudgetSpec *spec)
{
    if (!callers_name(spec))
        return 0;
    return spec->has_maxcounters ? spec->maxcounters : MAX_COUNTERS;
}

static int64_t amount_of(const Weir__V1__Limit *l)
{
    return l->has_usd ? l->usd : l->has_tokens ? l->tokens : l->requests;
}

/* What is to be looked for; who is told is the alerts' to know. In the arena. */
static void fill_alerts(struct weir_arena *arena, const Weir__V1__BudgetSpec *spec,
                        struct weir_ledger_budget *out)
{
    struct weir_ledger_alert *list = weir_arena_zalloc(arena, (spec->n_alerts + 1) * sizeof *list);

    for (size_t i = 0; i < spec->n_alerts; i++) {
        struct weir_ledger_alert a = weir_control_alert_of(spec->alerts[i]);
        bool twice = false;

        for (size_t k = 0; k < out->n_alerts; k++)
            twice = twice || (list[k].kind == a.kind && list[k].threshold == a.threshold);
        if (!twice && a.threshold > 0)
            list[out->n_alerts++] = a;
    }
    out->alerts = list;
}

static void fill_budget(struct weir_arena *arena, const struct weir_policy_object *o,
                        struct weir_ledger_budget *out)
{
    const Weir__V1__BudgetSpec *spec = ((const Weir__V1__Budget *)o->message)->spec;
    const Weir__V1__Limit *limit = spec->limit;

    *out = (struct weir_ledger_budget){
        .id = o->full_name,
        .unit = limit->has_usd      ? WEIR_UNIT_NANO_USD
                : limit->has_tokens ? WEIR_UNIT_TOKENS
                                    : WEIR_UNIT_REQUESTS,
        .mode = spec->has_mode ? (enum weir_budget_mode)spec->mode : WEIR_MODE_HARD,
        .window = (enum weir_window_kind)spec->window,
        .timezone = spec->timezone,
        .length_ms = spec->has_length ? spec->length : 0,
        .max_counters = max_counters(spec),
        .carry_max = spec->carryover ? amount_of(spec->carryover->max) : 0,
        .limit = amount_of(limit)};
    fill_alerts(arena, spec, out);
}

static void publish_budgets(struct weir_control *c)
{
    size_t count = weir_policy_set_count(c->set), n = 0;
    struct weir_ledger_budget *list = weir_zalloc((count ? count : 1) * sizeof *list);
    struct weir_arena *arena = weir_arena_create(NULL);

    for (size_t i = 0; i < count && n < MAX_BUDGETS; i++) {
        const struct weir_policy_object *o = weir_policy_set_at(c->set, i);

        if (strcmp(o->type, "Budget") == 0)
            fill_budget(arena, o, &list[n++]);
    }
    if (weir_ledger_set_budgets(c->ledger, list, n))
        WEIR_LOG(
            WEIR_LOG_ERROR, "policy",
            "the ledger refuses the budgets (a time zone that this machine doesn't know?); the "
            "ones before stay in force");
    weir_arena_destroy(arena);
    free(list);
}

/* ---- to the proxies ---- */

static void add_resource(void *arg, const struct weir_policy_send *r)
{
    weir_rendered_add(arg, &(struct weir_rendered_resource){.type = r->type,
                                                            .name = r->name,
                                                            .version = r->version,
                                                            .body = r->body,
                                                            .secret = r->secret});
}

static void publish_resources(struct weir_control *c, const struct weir_policy_secret *secrets,
                              size_t secret_count)
{
    size_t n = weir_policy_set_namespaces(c->set);
    struct weir_stream_policy *list = weir_zalloc((n ? n : 1) * sizeof *list);

    for (size_t i = 0; i < n; i++) {
        list[i].ns = weir_policy_set_namespace_at(c->set, i);
        list[i].rendered = weir_rendered_create();
        weir_policy_render(c->set, weir_str_of(list[i].ns), c->issued, c->issued_count, secrets,
                           secret_count, add_resource, list[i].rendered);
        weir_rendered_seal(list[i].rendered);
    }
    if (weir_stream_set_policy(c->stream, list, n))
        WEIR_LOG(
            WEIR_LOG_ERROR, "policy",
            "too large for the streams (3 MiB an object, 48 MiB a namespace); proxies keep the "
            "one before");
    for (size_t i = 0; i < n; i++)
        weir_rendered_unref(list[i].rendered);
    free(list);
}

void weir_control_publish(struct weir_control *c)
{
    const struct weir_policy_secret *secrets;
    size_t secret_count;

    if (!c->set || !c->keys_known || c->stopping)
        return;
    secrets = weir_policy_source_secrets(c->source, &secret_count);
    weir_control_publish_alerts(c);
    /* First the ledger, so that a budget is known there when proxies begin to ask for it. */
    publish_budgets(c);
    publish_resources(c, secrets, secret_count);
}

/* However the files were changed. Of replicas that take the same policy the first one says so. */
static void note_policy(struct weir_control *c, const struct weir_policy_set *old)
{
    char detail[64];

    (void)snprintf(detail, sizeof detail, "{\"objects\":%zu}", weir_policy_set_count(c->set));
    (void)weir_audit_post(
        c->audit, &(struct weir_audit_entry){.actor = "weir-control",
                                             .action = "policy.taken",
                                             .before = old ? weir_policy_set_revision(old) : NULL,
                                             .after = weir_policy_set_revision(c->set),
                                             .detail = weir_str_of(detail),
                                             .once = true});
}

void weir_control_on_policy(void *control, struct weir_policy_set *set,
                            struct weir_policy_errors *errors)
{
    struct weir_control *c = control;
    struct weir_policy_set *old = c->set;

    c->errors = weir_policy_errors_count(errors);
    if (c->errors)
        WEIR_LOG(WEIR_LOG_ERROR, "policy", "%zu error%s; %s", c->errors, c->errors == 1 ? "" : "s",
                 set ? "the last good policy stays in force" : "no policy is in force yet");
    if (!set || (old && strcmp(weir_policy_set_revision(old), weir_policy_set_revision(set)) == 0))
        return;
    c->set = weir_policy_set_ref(set);
    WEIR_LOG(WEIR_LOG_INFO, "policy", "revision %s is in force (%zu objects)",
             weir_policy_set_revision(set), weir_policy_set_count(set));
    note_policy(c, old);
    weir_control_publish(c);
    weir_policy_set_unref(old);
}

/* ---- issued keys ---- */

struct key_reading {
    uv_work_t work;
    struct weir_control *control;
    struct weir_arena *arena;
    struct weir_key *keys;
    size_t count;
    int64_t revision;
    int rc;
};

static void read_keys(uv_work_t *work)
{
    struct key_reading *k = work->data;

    k->rc = weir_keys_revision(k->control->keys, &k->revision);
    if (k->rc == WEIR_OK)
        k->rc = weir_keys_list(k->control->keys, k->arena, &k->keys, &k->count);
}

static void take_keys(struct weir_control *c, struct key_reading *k)
{
    struct weir_policy_key *list = weir_arena_zalloc(k->arena, (k->count + 1) * sizeof *list);
    int64_t now = weir_wall_ms();

    c->issued_count = 0;
    for (size_t i = 0; i < k->count; i++) {
        const struct weir_key *key = &k->keys[i];

        if (!key->revoked_ms && (!key->expires_ms || key->expires_ms > now))
            list[c->issued_count++] = (struct weir_policy_key){key->ns, key->agent, key->id,
                                                               key->sha256, key->expires_ms};
    }
    weir_arena_destroy(c->key_arena);
    c->key_arena = k->arena;
    c->keys_revision = k->revision;
    c->keys_known = true;
    c->issued = list;
}

static void on_keys_read(uv_work_t *work, int status)
{
    struct key_reading *k = work->data;
    struct weir_control *c = k->control;
    bool again = c->keys_stale;

    c->keys_loading = c->keys_stale = false;
    if (status || k->rc) {
        WEIR_LOG(WEIR_LOG_ERROR, "keys", "the issued keys can't be read: %s", weir_rc_name(k->rc));
        weir_arena_destroy(k->arena);
    } else {
        take_keys(c, k);
        weir_control_publish(c);
    }
    free(k);
    if (again)
        weir_control_reload_keys(c);
}

void weir_control_reload_keys(struct weir_control *c)
{
    struct key_reading *k;

    if (c->keys_loading) {
        c->keys_stale = true;
        return;
    }
    k = WEIR_NEW(struct key_reading);
    k->work.data = k;
    k->control = c;
    k->arena = weir_arena_create(NULL);
    c->keys_loading = true;
    if (uv_queue_work(&c->loop, &k->work, read_keys, on_keys_read))
        on_keys_read(&k->work, UV_EIO);
}
