/* budget_policy.c - what the policy says of budgets, beside what the ledger counts. */
#include "controlplane/api/internal.h"
#include "controlplane/config/source.h"
#include "weir/v1/config.pb-c.h"

static const Weir__V1__BudgetSpec *spec_of(const struct weir_policy_object *o)
{
    return o ? ((const Weir__V1__Budget *)(const void *)o->message)->spec : NULL;
}

static void write_spec(struct weir_jw *w, const Weir__V1__BudgetSpec *spec)
{
    const ProtobufCEnumValue *mode = NULL, *window = NULL;

    if (spec) {
        window =
            protobuf_c_enum_descriptor_get_value(&weir__v1__window__descriptor, (int)spec->window);
        mode = protobuf_c_enum_descriptor_get_value(&weir__v1__budget_mode__descriptor,
                                                    spec->has_mode ? (int)spec->mode
                                                                   : WEIR__V1__BUDGET_MODE__hard);
    }
    weir_jw_z(w, "window", window ? window->name : "");
    weir_jw_z(w, "mode", mode ? mode->name : "");
}

void weir__api_budget_policy(struct weir_api_ctx *c, struct weir_jw *w, const char *budget)
{
    struct weir_policy_set *set =
        c->api->backend.source ? weir_policy_source_set(c->api->backend.source) : NULL;
    struct weir_str name, ns = weir_str_cut(weir_str_of(budget), '/', &name);

    write_spec(w, set ? spec_of(weir_policy_set_find(set, WEIR_STR("Budget"), ns, name)) : NULL);
    weir_policy_set_unref(set);
}

static void write_unused(struct weir_jw *w, const struct weir_policy_object *o)
{
    static const char *const zeros[] = {"settled", "held", "lent", "committed", "startedMs"};
    const Weir__V1__BudgetSpec *spec = spec_of(o);
    const Weir__V1__Limit *limit = spec->limit;
    int64_t amount = limit->has_usd      ? limit->usd
                     : limit->has_tokens ? limit->tokens
                                         : limit->requests;

    weir_jw_object(w, NULL);
    weir_jw_z(w, "name", o->full_name);
    weir_jw_z(w, "scope", "");
    weir_jw_z(w, "unit", limit->has_usd ? "usd" : limit->has_tokens ? "tokens" : "requests");
    weir_jw_bool(w, "unused", true);
    weir_jw_i64(w, "limit", amount);
    weir_jw_i64(w, "remaining", amount);
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
        weir_jw_i64(w, zeros[i], 0);
    weir_jw_null(w, "resetsMs");
    write_spec(w, spec);
    weir_jw_array(w, "holders");
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

void weir__api_budgets_unused(struct weir_api_ctx *c, struct weir_jw *w, struct weir_str only,
                              bool (*has_counter)(void *arg, const char *budget), void *arg)
{
    struct weir_policy_set *set =
        c->api->backend.source ? weir_policy_source_set(c->api->backend.source) : NULL;

    for (size_t i = 0; set && i < weir_policy_set_count(set); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(set, i);

        if (strcmp(o->type, "Budget") == 0 && (!only.p || weir_str_is(only, o->full_name)) &&
            spec_of(o) && spec_of(o)->limit && !has_counter(arg, o->full_name))
            write_unused(w, o);
    }
    weir_policy_set_unref(set);
}
