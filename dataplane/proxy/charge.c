/* charge.c - see charge.h. */
#include "dataplane/proxy/charge.h"

#include "base/buf.h"
#include "dataplane/proxy/exchange.h"

enum { MAX_SCOPE_BYTES = 512, PER_MILLION = 1000000 };

static struct weir_str scope_part(const struct weir_exchange *x, const struct weir_candidate *c,
                                  Weir__V1__PerKey per)
{
    switch ((int)per) {
    case WEIR__V1__PER_KEY__agent:
        return x->agent->name;
    case WEIR__V1__PER_KEY__organization:
        return x->agent->organization;
    case WEIR__V1__PER_KEY__project:
        return x->agent->project;
    case WEIR__V1__PER_KEY__team:
        return x->agent->team;
    case WEIR__V1__PER_KEY__model:
        return c->model;
    case WEIR__V1__PER_KEY__provider:
        return c->provider->name;
    case WEIR__V1__PER_KEY__key:
        return x->key->id;
    case WEIR__V1__PER_KEY__session:
        return x->caller.session;
    case WEIR__V1__PER_KEY__run:
        return x->caller.run;
    case WEIR__V1__PER_KEY__user:
        return x->caller.user;
    default:
        return WEIR_STR("");
    }
}

/* The counter of the budget that a call at this target is charged to. */
static struct weir_str scope_of(const struct weir_exchange *x, const struct weir_policy_budget *b,
                                const struct weir_candidate *c, char out[MAX_SCOPE_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < b->spec->n_per; i++) {
        struct weir_str part = scope_part(x, c, b->spec->per[i]);

        if (i > 0 && n < MAX_SCOPE_BYTES)
            out[n++] = '|';
        /* A longer name would share its counter with others that begin alike: bounded, and never
         * less strict than what was asked for. */
        if (part.n > MAX_SCOPE_BYTES - n)
            part.n = MAX_SCOPE_BYTES - n;
        if (part.n)
            memcpy(out + n, part.p, part.n);
        n += part.n;
    }
    return (struct weir_str){out, n};
}

static bool covers(const struct weir_exchange *x, const struct weir_policy_budget *b,
                   const struct weir_candidate *c)
{
    return weir_policy_selects(b->spec->selector, x->agent, x->model, c->provider, &x->call);
}

/* Does the counter take what is spent at this target? */
static bool reaches(const struct weir_exchange *x, const struct weir_charge *charge,
                    const struct weir_candidate *c)
{
    char scope[MAX_SCOPE_BYTES];

    return covers(x, charge->budget, c) &&
           weir_str_eq(scope_of(x, charge->budget, c, scope), charge->scope);
}

static bool passes(const struct weir_exchange *x)
{
    return x->endpoint.operation == WEIR_OP_PASS;
}

static bool price_missing(const struct weir_exchange *x, const struct weir_policy_budget *b,
                          const struct weir_candidate *c)
{
    /* What a price of tokens assumes is no bound where nobody counts any. */
    if (passes(x))
        return b->conf.mode == WEIR_MODE_HARD && !b->unknown_price_allowed &&
               (b->conf.unit == WEIR_UNIT_TOKENS ||
                (b->conf.unit == WEIR_UNIT_NANO_USD && c->flat_nano_usd < 0));

    return b->conf.unit == WEIR_UNIT_NANO_USD && b->conf.mode == WEIR_MODE_HARD && !c->price &&
           !b->unknown_price_allowed && b->unknown_price_assumed < 0;
}

static int add_charge(struct weir_exchange *x, const struct weir_policy_budget *b,
                      const struct weir_candidate *c)
{
    char text[MAX_SCOPE_BYTES];
    struct weir_str scope = scope_of(x, b, c, text);

    for (size_t i = 0; i < x->charge_count; i++)
        if (x->charges[i].budget == b && weir_str_eq(x->charges[i].scope, scope))
            return WEIR_OK;
    if (x->charge_count == WEIR_ADMIT_PARTS_MAX)
        return WEIR_EINVAL;
    x->charges[x->charge_count++] =
        (struct weir_charge){.budget = b, .scope = weir_arena_copy(x->arena, scope)};
    return WEIR_OK;
}

static const char *missing_price(const struct weir_exchange *x, const struct weir_policy_budget *b,
                                 const struct weir_candidate *c)
{
    if (!passes(x))
        return weir_arena_printf(
            x->arena,
            "Weir's budget '%s' counts dollars, and no price is known for the model '%.*s' at "
            "'%.*s'. Add it to a PriceList, or set onUnknownPrice.",
            b->conf.id, WEIR_STR_ARG(c->model), WEIR_STR_ARG(c->provider->name));
    if (b->conf.unit == WEIR_UNIT_TOKENS)
        return weir_arena_printf(x->arena,
                                 "Weir's budget '%s' counts tokens, and those of %.*s can't be "
                                 "bounded: nothing that passes there is let through.",
                                 b->conf.id, WEIR_STR_ARG(x->endpoint.stored));
    if (c->model.n)
        return weir_arena_printf(
            x->arena,
            "Weir's budget '%s' counts dollars, and no price per call is known for the model "
            "'%.*s' at '%.*s'. Give it a `request` price, and no rates of tokens, in a PriceList, "
            "or set "
            "onUnknownPrice.",
            b->conf.id, WEIR_STR_ARG(c->model), WEIR_STR_ARG(c->provider->name));
    return weir_arena_printf(
        x->arena,
        "Weir's budget '%s' counts dollars, and no price is known for a call of %.*s at '%.*s'. "
        "Set pricePerCall of the path in Provider spec.passThrough, or onUnknownPrice.",
        b->conf.id, WEIR_STR_ARG(x->endpoint.stored), WEIR_STR_ARG(c->provider->name));
}

static void name_missing_price(const struct weir_exchange *x, const struct weir_policy_budget *b,
                               const struct weir_candidate *c, struct weir_err *err)
{
    *err = (struct weir_err){.rc = WEIR_ELIMIT,
                             .http_status = 402,
                             .code = "price_unknown",
                             .detail = missing_price(x, b, c)};
}

int weir_charges_collect(struct weir_exchange *x, struct weir_err *err)
{
    const struct weir_policy_budget *b;

    x->charge_count = 0;
    for (size_t i = 0; (b = weir_policy_budget(x->policy, i)); i++) {
        for (size_t k = 0; k < x->candidate_count; k++) {
            const struct weir_candidate *c = &x->candidates[k];

            if (!covers(x, b, c))
                continue;
            if (price_missing(x, b, c)) {
                name_missing_price(x, b, c, err);
                return WEIR_ELIMIT;
            }
            if (add_charge(x, b, c)) {
                *err = (struct weir_err){
                    .rc = WEIR_EINVAL,
                    .http_status = 403,
                    .code = "too_many_budgets",
                    .detail = "More budget counters cover this call than one call may have (12)."};
                return WEIR_EINVAL;
            }
        }
    }
    return WEIR_OK;
}

static int64_t capped(__int128 v)
{
    return v > WEIR_AMOUNT_MAX ? WEIR_AMOUNT_MAX : (int64_t)v;
}

static int64_t assumed_cost(const struct weir_policy_budget *b, int64_t tokens)
{
    return capped(((__int128)tokens * b->unknown_price_assumed + PER_MILLION - 1) / PER_MILLION);
}

static int64_t worst_at(const struct weir_exchange *x, const struct weir_policy_budget *b,
                        const struct weir_candidate *c, int64_t output, bool with_input)
{
    int64_t input = with_input ? x->call.input_bound : 0;

    if (passes(x) && b->conf.unit != WEIR_UNIT_REQUESTS)
        return with_input && b->conf.unit == WEIR_UNIT_NANO_USD && c->flat_nano_usd > 0
                   ? capped(c->flat_nano_usd)
                   : 0;
    if (output > c->max_output_tokens)
        output = c->max_output_tokens;
    switch (b->conf.unit) {
    case WEIR_UNIT_REQUESTS:
        return with_input ? 1 : 0;
    case WEIR_UNIT_TOKENS:
        return capped((__int128)input + output);
    case WEIR_UNIT_NANO_USD:
        break;
    }
    if (c->price)
        return capped((__int128)weir_price_worst(c->price, input, output, with_input) +
                      (with_input ? weir_price_searches(c->price, x->call.searches) : 0));
    return b->unknown_price_assumed >= 0 ? assumed_cost(b, input + output) : 0;
}

int64_t weir_charge_worst(const struct weir_exchange *x, size_t charge, int64_t output,
                          bool with_input)
{
    int64_t most = 0;

    for (size_t k = 0; k < x->candidate_count; k++) {
        const struct weir_candidate *c = &x->candidates[k];
        int64_t worst;

        if (!reaches(x, &x->charges[charge], c))
            continue;
        worst = worst_at(x, x->charges[charge].budget, c, output, with_input);
        most = worst > most ? worst : most;
    }
    return most;
}

/* In the charge's unit. Of an attempt that is not billed it is 0. */
static int64_t used_by(const struct weir_exchange *x, const struct weir_policy_budget *b,
                       const struct weir_attempt *a)
{
    const struct weir_usage *u = &a->usage;
    int64_t tokens = (u->input > 0 ? u->input : 0) + (u->output > 0 ? u->output : 0);

    switch (b->conf.unit) {
    case WEIR_UNIT_REQUESTS:
        return 1;
    case WEIR_UNIT_TOKENS:
        return tokens;
    case WEIR_UNIT_NANO_USD:
        break;
    }
    if (a->candidate->price || passes(x))
        return a->cost_nano_usd;
    return b->unknown_price_assumed >= 0 ? assumed_cost(b, tokens) : 0;
}

void weir_charges_spend(struct weir_exchange *x, const struct weir_attempt *a)
{
    for (size_t i = 0; i < x->charge_count; i++) {
        struct weir_charge *charge = &x->charges[i];
        const struct weir_policy_budget *b = charge->budget;
        int64_t used, worst;

        if (!reaches(x, charge, a->candidate))
            continue;
        used = used_by(x, b, a);
        worst = worst_at(x, b, a->candidate, x->held_output_tokens, true);
        if (a->billed && a->usage.estimated && b->charge_hold && worst > used)
            used = worst;
        charge->spent =
            b->conf.unit == WEIR_UNIT_REQUESTS ? used : capped((__int128)charge->spent + used);
    }
}

bool weir_charges_lack(const struct weir_exchange *x, int64_t more[])
{
    bool any = false;

    for (size_t i = 0; i < x->charge_count; i++) {
        const struct weir_charge *charge = &x->charges[i];
        bool calls = charge->budget->conf.unit == WEIR_UNIT_REQUESTS;
        int64_t need =
            (calls ? 0 : charge->spent) + weir_charge_worst(x, i, x->held_output_tokens, true);

        more[i] = need > x->admission.holds[i].held ? need - x->admission.holds[i].held : 0;
        any = any || more[i] > 0;
    }
    return any;
}

bool weir_charges_bound(const struct weir_exchange *x)
{
    for (size_t i = 0; i < x->charge_count; i++)
        if (x->charges[i].budget->conf.mode == WEIR_MODE_HARD &&
            x->charges[i].budget->conf.unit != WEIR_UNIT_REQUESTS)
            return true;
    return false;
}
