/* attempt.c - the book of a call's attempts: begun, ended, and what each one cost. */
#include "dataplane/proxy/attempt.h"

#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/judge.h"
#include "dataplane/proxy/worker.h"

enum { FIRST_ROOM = 2 }; /* most calls need one attempt */

static void make_room(struct weir_exchange *x)
{
    size_t room = x->attempt_room ? 2 * x->attempt_room : FIRST_ROOM;
    struct weir_attempt *list;

    if (x->attempt_count < x->attempt_room)
        return;
    list = weir_arena_alloc(x->arena, room * sizeof *list);
    if (x->attempt_count)
        memcpy(list, x->attempts, x->attempt_count * sizeof *list);
    x->attempts = list;
    x->attempt_room = room;
}

void weir_attempt_open(struct weir_exchange *x)
{
    make_room(x);
    x->attempts[x->attempt_count++] =
        (struct weir_attempt){.candidate = x->candidate, .started_us = weir_mono_us()};
    x->candidate->tries++;
    x->sent = true;
    weir_judge_begin(x, &x->attempts[x->attempt_count - 1]);
}

/* A call that passed has the usage that its answer tells, if any. */
static bool read_passed(const struct weir_exchange *x, const struct weir_attempt *a, bool billable,
                        struct weir_usage *out)
{
    if (a->status == 0 || !x->tap)
        return billable;
    *out = weir_llm_tap_seen(x->tap)->usage;
    out->input = out->input > 0 ? out->input : 0;
    out->output = out->output > 0 ? out->output : 0;
    return a->status < 300;
}

/* What an attempt used. False: nothing that anybody bills, as with an answer that is an error,
 * whatever its body looks like. */
static bool read_usage(const struct weir_exchange *x, const struct weir_attempt *a, bool billable,
                       struct weir_usage *out)
{
    *out = (struct weir_usage){0};
    if (x->endpoint.operation == WEIR_OP_PASS)
        return read_passed(x, a, billable, out);
    if (x->endpoint.operation != WEIR_OP_GENERATE || a->status >= 300)
        return false;
    if (x->tap) {
        const struct weir_llm_seen *seen = weir_llm_tap_seen(x->tap);

        weir_llm_tap_usage(x->tap, out);
        return !seen->error || seen->content || out->input > 0 || out->output > 0;
    }
    if (billable)
        *out = (struct weir_usage){.input = x->call.input_estimate, .estimated = true};
    return billable;
}

/* By the units that its answer tells, where it is priced by these. */
static int64_t flat_cost(const struct weir_exchange *x, const struct weir_candidate *c)
{
    int64_t units = x->tap ? weir_llm_tap_seen(x->tap)->units : -1;

    if (units < 0 || c->unit_nano_usd <= 0)
        return c->flat_nano_usd;
    return units > WEIR_AMOUNT_MAX / c->unit_nano_usd ? WEIR_AMOUNT_MAX : units * c->unit_nano_usd;
}

static void close_attempt(struct weir_exchange *x, struct weir_attempt *a, const char *error,
                          bool billable)
{
    struct weir_cost cost = {0};

    a->ended_us = weir_mono_us();
    a->error = error;
    weir_judge_end(x, a);
    a->billed = read_usage(x, a, billable, &a->usage);
    if (!a->billed)
        a->usage = (struct weir_usage){0};
    else if (x->endpoint.operation == WEIR_OP_PASS && a->candidate->flat_nano_usd >= 0)
        cost.nano_usd = flat_cost(x, a->candidate);
    else if (a->candidate->price)
        weir_price_cost(a->candidate->price, &a->usage, &cost);
    a->cost_nano_usd = cost.nano_usd;
    x->cost_nano_usd += cost.nano_usd;
    weir_charges_spend(x, a);
}

void weir_attempt_close(struct weir_exchange *x, const char *error, bool billable)
{
    struct weir_attempt *a = x->attempt_count ? &x->attempts[x->attempt_count - 1] : NULL;

    if (a && !a->ended_us)
        close_attempt(x, a, error, billable);
    weir_turns_leave(x->worker->turns, &x->turn);
}
