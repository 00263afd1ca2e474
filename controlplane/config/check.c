/* check.c - what only shows when all objects are seen together. */
#include "controlplane/config/set_internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "data/json_scan.h"
#include "http/url.h"
#include "weir/v1/config.pb-c.h"

struct check {
    const struct weir__config_item *items;
    size_t n;
    struct weir_data_errors *errors;
};

enum { MAX_PATH_TEXT = 512, MIN_BURN_WINDOW_MS = 4 * 3600000 };

static void bad(struct check *c, const struct weir__config_item *i, const char *path,
                const char *fmt, ...) WEIR_PRINTF(4, 5);

static void bad(struct check *c, const struct weir__config_item *i, const char *path,
                const char *fmt, ...)
{
    struct weir_data_error e = {.file = i->o.file,
                                .line = weir_data_line(&i->o, path),
                                .kind = i->o.kind->name,
                                .name = i->o.name,
                                .path = path};
    char what[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    weir_data_error_add(c->errors, &e, "%s", what);
}

static int compare_names(const struct weir__config_item *i, const char *type, const char *ns,
                         const char *name)
{
    int r = strcmp(i->o.kind->name, type);

    if (r == 0)
        r = strcmp(i->o.ns, ns);
    return r ? r : strcmp(i->o.name, name);
}

int weir__config_compare(const void *a, const void *b)
{
    const struct weir__config_item *x = a, *y = b;
    int r = compare_names(x, y->o.kind->name, y->o.ns, y->o.name);

    return r ? r : (x->order > y->order) - (x->order < y->order);
}

const struct weir__config_item *weir__config_find(const struct weir__config_item items[], size_t n,
                                                  const char *type, const char *ns,
                                                  const char *name)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (compare_names(&items[mid], type, ns, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && compare_names(&items[low], type, ns, name) == 0 ? &items[low] : NULL;
}

static void check_duplicates(struct check *c)
{
    for (size_t k = 1; k < c->n; k++) {
        const struct weir__config_item *a = &c->items[k - 1], *b = &c->items[k];

        if (compare_names(a, b->o.kind->name, b->o.ns, b->o.name) == 0)
            bad(c, b, "", "is already defined in %s:%u: remove one, or give it another name",
                a->o.file, a->o.line);
    }
}

struct names {
    const struct weir__config_item *first;
};

static const char *name_at(const void *arg, size_t i)
{
    const struct names *names = arg;

    return names->first[i].o.name;
}

static void check_ref(struct check *c, const struct weir__config_item *i, const char *type,
                      const char *value, const char *path)
{
    struct names names = {NULL};
    const char *near;
    size_t count = 0;

    if (weir__config_find(c->items, c->n, type, i->o.ns, value))
        return;
    if (c->errors->count >= WEIR_DATA_MAX_ERRORS) { /* counted; no words are kept */
        c->errors->dropped++;
        return;
    }
    for (size_t k = 0; k < c->n; k++) {
        if (strcmp(c->items[k].o.kind->name, type) != 0 || strcmp(c->items[k].o.ns, i->o.ns) != 0)
            continue;
        if (!names.first)
            names.first = &c->items[k];
        count++;
    }
    near = weir_schema_nearest(weir_str_of(value), name_at, &names, count);
    bad(c, i, path, "there is no %s \"%.64s\" in namespace %s%s%s%s", type, value, i->o.ns,
        near ? "; did you mean " : ": add it, or name another", near ? near : "", near ? "?" : "");
}

/* Follows every field that names another object. */
static void check_refs(struct check *c, const struct weir__config_item *i,
                       const ProtobufCMessage *m, const char *path)
{
    const struct weir_schema_message *s = weir_schema_message(m->descriptor);

    for (unsigned k = 0; k < m->descriptor->n_fields; k++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[k];
        bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
        const char *p = (const char *)m + f->offset;
        size_t n = list ? *(const size_t *)((const char *)m + f->quantifier_offset) : 1;
        void *const *values = list ? *(void *const *const *)p : (void *const *)p;

        if (f->type != PROTOBUF_C_TYPE_MESSAGE &&
            (f->type != PROTOBUF_C_TYPE_STRING || !s->fields[k].ref))
            continue;
        for (size_t v = 0; v < n; v++) {
            char at[MAX_PATH_TEXT];
            int used = snprintf(at, sizeof at, "%s%s%s", path, path[0] ? "." : "", f->name);

            if (used < 0 || (size_t)used + 24 >= sizeof at || !values[v])
                continue;
            if (list)
                (void)snprintf(at + used, sizeof at - (size_t)used, "[%zu]", v);
            if (f->type == PROTOBUF_C_TYPE_MESSAGE)
                check_refs(c, i, values[v], at);
            else
                check_ref(c, i, s->fields[k].ref, values[v], at);
        }
    }
}

static bool is_path(const char *path)
{
    size_t n = strlen(path);

    return n > 1 && path[0] == '/' && path[n - 1] != '/' && !strstr(path, "//") &&
           strcspn(path, " %?#*\\\t\r\n") == n && !strstr(path, "/.");
}

static void check_pass_through(struct check *c, const struct weir__config_item *i,
                               const Weir__V1__ProviderSpec *p)
{
    char path[64];

    if (p->dialect == WEIR__V1__DIALECT__echo && p->n_passthrough)
        bad(c, i, "spec.passThrough", "the echo provider has no further paths: remove it");
    for (size_t k = 0; k < p->n_passthrough; k++) {
        (void)snprintf(path, sizeof path, "spec.passThrough[%zu].path", k);
        if (!is_path(p->passthrough[k]->path))
            bad(c, i, path,
                "must be a plain path like /v1/files, without a slash at its end, wildcards, "
                "escapes or a query");
        for (size_t j = 0; j < k; j++)
            if (strcmp(p->passthrough[k]->path, p->passthrough[j]->path) == 0)
                bad(c, i, path, "is listed twice: name all its methods in one");
    }
}

static void check_provider(struct check *c, const struct weir__config_item *i)
{
    const Weir__V1__ProviderSpec *p = ((const Weir__V1__Provider *)i->o.message)->spec;
    char path[64];

    if (p->credential && p->credential->has_passthrough && !p->credential->passthrough)
        bad(c, i, "spec.credential.passthrough", "must be true: without it, remove `credential`");
    if (p->n_morecredentials && (!p->credential || p->credential->has_passthrough))
        bad(c, i, "spec.moreCredentials", "needs a first key of the provider's in `credential`");
    for (size_t k = 0; k < p->n_morecredentials; k++) {
        if (!p->morecredentials[k]->has_passthrough)
            continue;
        (void)snprintf(path, sizeof path, "spec.moreCredentials[%zu].passthrough", k);
        bad(c, i, path, "has no place among keys of the provider's: remove it");
    }
    if (p->tls && !p->tls->certfile != !p->tls->keyfile)
        bad(c, i, "spec.tls", "needs certFile and keyFile together: add the other one");
    if (p->dialect == WEIR__V1__DIALECT__echo && p->endpoint)
        bad(c, i, "spec.endpoint", "the echo provider has no endpoint: remove it");
    if (p->dialect == WEIR__V1__DIALECT__echo && p->n_alsospeaks)
        bad(c, i, "spec.alsoSpeaks", "the echo provider answers in every API: remove it");
    for (size_t k = 0; k < p->n_alsospeaks; k++) {
        (void)snprintf(path, sizeof path, "spec.alsoSpeaks[%zu]", k);
        if (p->alsospeaks[k] == p->dialect || p->alsospeaks[k] == WEIR__V1__DIALECT__echo)
            bad(c, i, path, "must be another API than `dialect`, and not echo: remove it");
    }
    check_pass_through(c, i, p);
    for (size_t k = 0; k < p->n_models; k++)
        for (size_t j = 0; j < k; j++)
            if (strcmp(p->models[k]->name, p->models[j]->name) == 0) {
                (void)snprintf(path, sizeof path, "spec.models[%zu].name", k);
                bad(c, i, path, "is listed twice: remove one");
                break;
            }
}

static bool has_model(const Weir__V1__ProviderSpec *p, const char *model)
{
    for (size_t i = 0; i < p->n_models; i++)
        if (strcmp(p->models[i]->name, model) == 0)
            return true;
    return p->n_models == 0;
}

static void check_aliases(struct check *c, const struct weir__config_item *i,
                          const Weir__V1__RouteSpec *r)
{
    for (size_t k = 0; k < r->n_aliases; k++)
        if (!r->aliases[k]->value || !r->aliases[k]->value[0])
            bad(c, i, "spec.aliases", "\"%.64s\" stands for nothing: name the model to call",
                r->aliases[k]->key);
}

static void check_fields(struct check *c, const struct weir__config_item *i,
                         const Weir__V1__RouteSpec *r)
{
    char path[64];

    for (size_t k = 0; k < r->n_fields; k++) {
        const Weir__V1__FieldEdit *f = r->fields[k];
        size_t at;

        if (f->field && (strcmp(f->field, "model") == 0 || strcmp(f->field, "stream") == 0)) {
            (void)snprintf(path, sizeof path, "spec.fields[%zu].field", k);
            bad(c, i, path, "%s is not a route's to change: a target has its own `model`",
                f->field);
        }
        if (f->value && weir_json_check(weir_str_of(f->value), &at)) {
            (void)snprintf(path, sizeof path, "spec.fields[%zu].value", k);
            bad(c, i, path, "is no JSON at character %zu; a text needs its quotes: '\"high\"'",
                at + 1);
        }
        if (!f->value && f->ifabsent) {
            (void)snprintf(path, sizeof path, "spec.fields[%zu].ifAbsent", k);
            bad(c, i, path, "has no effect without `value`: remove it");
        }
    }
}

static void check_route(struct check *c, const struct weir__config_item *i)
{
    const Weir__V1__RouteSpec *r = ((const Weir__V1__Route *)i->o.message)->spec;
    char path[96];

    check_aliases(c, i, r);
    check_fields(c, i, r);
    for (size_t g = 0; g < r->n_groups; g++) {
        bool weighted = false;

        for (size_t t = 0; t < r->groups[g]->n_targets; t++) {
            const Weir__V1__Target *target = r->groups[g]->targets[t];
            const struct weir__config_item *p =
                weir__config_find(c->items, c->n, "Provider", i->o.ns, target->provider);

            weighted = weighted || !target->has_weight || target->weight > 0;
            if (!p || !p->o.message || !target->model ||
                has_model(((const Weir__V1__Provider *)p->o.message)->spec, target->model))
                continue;
            (void)snprintf(path, sizeof path, "spec.groups[%zu].targets[%zu].model", g, t);
            bad(c, i, path,
                "the Provider %s has no model \"%.64s\": add it to its models, or name another",
                target->provider, target->model);
        }
        if (!weighted) {
            (void)snprintf(path, sizeof path, "spec.groups[%zu].targets", g);
            bad(c, i, path, "every weight is 0: give at least one target a higher one");
        }
    }
}

static void check_exhausted(struct check *c, const struct weir__config_item *i,
                            const Weir__V1__BudgetSpec *b)
{
    bool downgrade = b->onexhausted == WEIR__V1__ON_EXHAUSTED__downgrade;

    if (downgrade && !b->downgradeto)
        bad(c, i, "spec.onExhausted", "downgrade needs downgradeTo: name the cheaper model");
    if (!downgrade && b->downgradeto)
        bad(c, i, "spec.downgradeTo", "has no effect without onExhausted: downgrade");
    if (b->has_maxwait && b->onexhausted != WEIR__V1__ON_EXHAUSTED__queue &&
        b->onexhausted != WEIR__V1__ON_EXHAUSTED__ask)
        bad(c, i, "spec.maxWait", "has no effect without onExhausted: queue or ask");
    if (b->onexhausted == WEIR__V1__ON_EXHAUSTED__clamp && b->limit->has_requests)
        bad(c, i, "spec.onExhausted", "clamp needs a limit of money or tokens: calls have no size");
}

static void check_window(struct check *c, const struct weir__config_item *i,
                         const Weir__V1__BudgetSpec *b)
{
    bool rolling = b->window == WEIR__V1__WINDOW__rolling;

    if (rolling && !b->has_length)
        bad(c, i, "spec.window", "rolling needs length: say how far back it reaches, such as 24h");
    if (!rolling && b->has_length)
        bad(c, i, "spec.length", "has no effect without window: rolling");
    if (rolling && b->timezone)
        bad(c, i, "spec.timezone", "has no effect with window: rolling, which knows no days");
}

static void check_carry(struct check *c, const struct weir__config_item *i,
                        const Weir__V1__BudgetSpec *b)
{
    const Weir__V1__Limit *max = b->carryover ? b->carryover->max : NULL;

    if (!b->carryover)
        return;
    if (b->window == WEIR__V1__WINDOW__total || b->window == WEIR__V1__WINDOW__rolling)
        bad(c, i, "spec.carryOver", "needs a window with an end: minute, hour, day, week or month");
    if (max && (max->has_usd != b->limit->has_usd || max->has_tokens != b->limit->has_tokens ||
                max->has_requests != b->limit->has_requests))
        bad(c, i, "spec.carryOver.max", "must be in the same unit as spec.limit");
}

static void check_alert(struct check *c, const struct weir__config_item *i,
                        const Weir__V1__Alert *a, size_t k)
{
    struct weir_url url;
    const char *wrong;
    int64_t rate;
    char path[64];

    (void)snprintf(path, sizeof path, "spec.alerts[%zu]", k);
    if (a->has_percent + (a->burnrate != NULL) + (a->has_asked && a->asked) != 1)
        bad(c, i, path, "must have exactly one of percent, burnRate, asked");
    if (a->webhook && weir_url_parse(weir_str_of(a->webhook), &url, &wrong))
        bad(c, i, path, "has a webhook that %s", wrong);
    if (!a->webhook && !a->command)
        bad(c, i, path, "tells nobody: add webhook or command");
    if (!a->webhook && (a->has_format || a->secretfile))
        bad(c, i, path, "has format or secretFile, which have no effect without webhook");
    if (a->secretfile && a->secretfile[0] != '/')
        bad(c, i, path, "has a secretFile that does not begin with /: name the whole path");
    if (a->burnrate && weir_config_burn_rate(a->burnrate, &rate))
        bad(c, i, path,
            "has a burnRate that is no multiple: write \"3x\" or \"1.5x\", at most 1000x");
}

static void check_alerts(struct check *c, const struct weir__config_item *i,
                         const Weir__V1__BudgetSpec *b)
{
    bool short_window = b->window == WEIR__V1__WINDOW__minute ||
                        b->window == WEIR__V1__WINDOW__hour ||
                        (b->window == WEIR__V1__WINDOW__rolling && b->length < MIN_BURN_WINDOW_MS);

    for (size_t k = 0; k < b->n_alerts; k++) {
        check_alert(c, i, b->alerts[k], k);
        if (b->alerts[k]->burnrate && short_window)
            bad(c, i, "spec.alerts", "burnRate needs a window of at least 4 hours");
        if (b->alerts[k]->asked && b->onexhausted != WEIR__V1__ON_EXHAUSTED__ask)
            bad(c, i, "spec.alerts", "asked needs onExhausted: ask");
    }
}

static bool is_callers(Weir__V1__PerKey k)
{
    return k == WEIR__V1__PER_KEY__session || k == WEIR__V1__PER_KEY__run ||
           k == WEIR__V1__PER_KEY__user;
}

static void check_per(struct check *c, const struct weir__config_item *i,
                      const Weir__V1__BudgetSpec *b)
{
    bool callers = false;
    char path[64];

    for (size_t k = 0; k < b->n_per; k++) {
        callers = callers || is_callers(b->per[k]);
        for (size_t j = 0; j < k; j++)
            if (b->per[k] == b->per[j]) {
                (void)snprintf(path, sizeof path, "spec.per[%zu]", k);
                bad(c, i, path, "is listed twice: remove one");
                break;
            }
    }
    if (b->has_maxcounters && !callers)
        bad(c, i, "spec.maxCounters", "has no effect without per: session, run or user");
}

static void check_budget(struct check *c, const struct weir__config_item *i)
{
    const Weir__V1__BudgetSpec *b = ((const Weir__V1__Budget *)i->o.message)->spec;
    const Weir__V1__OnPartition *part = b->onpartition;
    const Weir__V1__OnUnknownPrice *price = b->onunknownprice;

    if (part && part->has_allow && part->allow && part->allowwithin)
        bad(c, i, "spec.onPartition", "allow and allowWithin exclude each other: remove one");
    if (part && part->allowwithin &&
        (part->allowwithin->has_usd != b->limit->has_usd ||
         part->allowwithin->has_tokens != b->limit->has_tokens ||
         part->allowwithin->has_requests != b->limit->has_requests))
        bad(c, i, "spec.onPartition.allowWithin", "must be in the same unit as spec.limit");
    if (price && price->has_allow && price->allow && price->has_assume)
        bad(c, i, "spec.onUnknownPrice", "allow and assume exclude each other: remove one");
    check_window(c, i, b);
    check_exhausted(c, i, b);
    check_per(c, i, b);
    check_carry(c, i, b);
    check_alerts(c, i, b);
}

static void check_prices(struct check *c, const struct weir__config_item *i)
{
    const Weir__V1__PriceListSpec *l = ((const Weir__V1__PriceList *)i->o.message)->spec;
    char path[64];

    for (size_t k = 0; k < l->n_prices; k++) {
        const Weir__V1__Price *p = l->prices[k];

        if (p->has_input || p->has_output || p->has_request)
            continue;
        (void)snprintf(path, sizeof path, "spec.prices[%zu]", k);
        bad(c, i, path, "has no amount: add input and output, 0 when it is free");
    }
}

struct digest {
    const char *sha256;
    const struct weir__config_item *item;
    size_t index;
};

static int by_digest(const void *a, const void *b)
{
    const struct digest *x = a, *y = b;
    int r = strcmp(x->item->o.ns, y->item->o.ns);

    if (r == 0)
        r = strcmp(x->sha256, y->sha256);
    if (r == 0)
        r = (x->item->order > y->item->order) - (x->item->order < y->item->order);
    return r ? r : (x->index > y->index) - (x->index < y->index);
}

/* One key must name one agent, or whose call it is would be chance. */
static void check_keys(struct check *c)
{
    struct digest *all;
    size_t n = 0, k = 0;
    char path[64];

    for (size_t i = 0; i < c->n; i++)
        if (c->items[i].o.message && strcmp(c->items[i].o.kind->name, "Agent") == 0)
            n += ((const Weir__V1__Agent *)c->items[i].o.message)->spec->n_keys;
    if (n < 2)
        return;
    all = weir_alloc(n * sizeof *all);
    for (size_t i = 0; i < c->n; i++) {
        const Weir__V1__Agent *a = (const Weir__V1__Agent *)c->items[i].o.message;

        if (!a || strcmp(c->items[i].o.kind->name, "Agent") != 0)
            continue;
        for (size_t j = 0; j < a->spec->n_keys; j++)
            all[k++] = (struct digest){a->spec->keys[j]->sha256, &c->items[i], j};
    }
    qsort(all, n, sizeof *all, by_digest);
    for (k = 1; k < n; k++) {
        const struct digest *a = &all[k - 1], *b = &all[k];

        if (strcmp(a->item->o.ns, b->item->o.ns) != 0 || strcmp(a->sha256, b->sha256) != 0)
            continue;
        (void)snprintf(path, sizeof path, "spec.keys[%zu].sha256", b->index);
        bad(c, b->item, path,
            "is also a key of the Agent %s (%s:%u): a key can belong to one agent only",
            a->item->o.name, a->item->o.file, a->item->o.line);
    }
    free(all);
}

void weir__config_check(const struct weir__config_item items[], size_t n,
                        struct weir_data_errors *errors)
{
    static const struct {
        const char *kind;
        void (*fn)(struct check *c, const struct weir__config_item *i);
    } checks[] = {{"Provider", check_provider},
                  {"Route", check_route},
                  {"Budget", check_budget},
                  {"PriceList", check_prices}};
    struct check c = {items, n, errors};

    check_duplicates(&c);
    for (size_t i = 0; i < n; i++) {
        if (!items[i].o.message)
            continue;
        check_refs(&c, &items[i], items[i].o.message, "");
        for (size_t k = 0; k < sizeof checks / sizeof checks[0]; k++)
            if (strcmp(items[i].o.kind->name, checks[k].kind) == 0)
                checks[k].fn(&c, &items[i]);
    }
    check_keys(&c);
}
