/* shortage.c - see shortage.h. */
#include "dataplane/proxy/shortage.h"

#include <inttypes.h>

#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/charge.h"

/* Dollars to the last digit that counts, for a single call may cost very little; at least cents. */
static const char *dollars(struct weir_exchange *x, int64_t nano)
{
    int64_t part = nano % 1000000000;
    int digits = 9;

    for (; digits > 2 && part % 10 == 0; digits--)
        part /= 10;
    return weir_arena_printf(x->arena, "$%" PRId64 ".%0*" PRId64, nano / 1000000000, digits, part);
}

static const char *amount(struct weir_exchange *x, enum weir_unit unit, int64_t n)
{
    if (unit == WEIR_UNIT_NANO_USD)
        return dollars(x, n);
    return weir_arena_printf(x->arena, "%" PRId64 " %s", n,
                             unit == WEIR_UNIT_TOKENS ? "tokens" : "requests");
}

static const char *reset_text(struct weir_exchange *x, int64_t ms)
{
    int64_t s = ms / 1000 + (ms % 1000 > 0);

    if (ms < 0)
        return "";
    if (s < 120)
        return weir_arena_printf(x->arena, " It resets in %" PRId64 " s.", s);
    if (s < 7200)
        return weir_arena_printf(x->arena, " It resets in %" PRId64 " min.", s / 60);
    return weir_arena_printf(x->arena, " It resets in %" PRId64 " h %" PRId64 " min.", s / 3600,
                             s / 60 % 60);
}

static const char *sentence(struct weir_exchange *x, const struct weir_admit_failure *f)
{
    const struct weir_charge *c = &x->charges[f->part];
    enum weir_unit unit = c->budget->conf.unit;
    int64_t left = f->remaining > 0 ? f->remaining : 0;

    if (f->why == WEIR_REFUSED_NO_LEASE)
        return weir_arena_printf(
            x->arena,
            "Weir's budget '%s' can't be checked now: the control plane did "
            "not answer, and this proxy holds no share of it that is large enough.",
            c->budget->conf.id);
    if (f->why == WEIR_REFUSED_DENIED)
        return weir_arena_printf(
            x->arena,
            "Weir's budget '%s' is used up (limit %s, needed up to %s), and the operator who was "
            "asked has denied more.",
            c->budget->conf.id, amount(x, unit, f->limit),
            amount(x, unit, weir_charge_worst(x, f->part, x->held_output_tokens, true)));
    if (f->why == WEIR_REFUSED_COUNTERS)
        return weir_arena_printf(
            x->arena,
            "Weir's budget '%s' follows as many sessions, runs or users as it may (maxCounters), "
            "and '%.*s' is not one of them.",
            c->budget->conf.id, WEIR_STR_ARG(c->scope));
    return weir_arena_printf(
        x->arena,
        "Weir's budget '%s'%s%.*s%s does not allow this call: limit %s, left %s, needed up to "
        "%s.%s%s",
        c->budget->conf.id, c->scope.n ? " (" : "", WEIR_STR_ARG(c->scope), c->scope.n ? ")" : "",
        amount(x, unit, f->limit), amount(x, unit, left),
        amount(x, unit, weir_charge_worst(x, f->part, x->held_output_tokens, true)),
        unit == WEIR_UNIT_REQUESTS || left == 0 || x->call.max_output_tokens == 0
            ? ""
            : " A lower limit of its output needs less.",
        reset_text(x, f->resets_in_ms));
}

enum weir_verdict weir_answer_shortage(struct weir_exchange *x, const struct weir_admit_failure *f)
{
    const struct weir_policy_budget *b = x->charges[f->part].budget;
    struct weir_err err = {
        .rc = WEIR_ELIMIT, .http_status = 402, .code = "budget_exceeded", .detail = sentence(x, f)};

    x->refused = &x->charges[f->part];
    if (f->why == WEIR_REFUSED_NO_LEASE) {
        err.http_status = 503;
        err.code = "budget_unavailable";
        err.retry_after_s = 1;
    } else if (f->why == WEIR_REFUSED_DENIED) {
        err.code = "budget_denied";
    } else if (f->why == WEIR_REFUSED_COUNTERS) {
        err.code = "too_many_counters";
    } else if (b->rate && b->conf.limit > 0) {
        err.http_status = 429;
        err.code = "rate_limit_exceeded";
        err.retry_after_s = f->resets_in_ms > 0 ? (f->resets_in_ms + 999) / 1000 : 1;
    }
    return weir_answer_error(x, &err);
}

struct weir_str weir_shortage_notice(struct weir_exchange *x, const struct weir_admit_failure *f)
{
    return weir_str_of(
        weir_arena_printf(x->arena, "\n\n[Cut by Weir: the budget '%s' is used up (limit %s).%s]",
                          x->charges[f->part].budget->conf.id,
                          amount(x, x->charges[f->part].budget->conf.unit, f->limit),
                          reset_text(x, f->resets_in_ms)));
}
