/* stage_hold.c - can the call be paid? Holds its worst case against every budget that covers it,
 * all or none, before anything leaves. A stream holds its input and a first piece of output, unless
 * a hard budget covers it and its provider may bill output that it doesn't show (decision 9). */
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/exhausted.h"
#include "dataplane/proxy/shortage.h"
#include "dataplane/proxy/worker.h"

static int64_t most_output(const struct weir_exchange *x)
{
    int64_t most = 0;

    for (size_t i = 0; i < x->candidate_count; i++)
        if (x->candidates[i].max_output_tokens > most)
            most = x->candidates[i].max_output_tokens;
    return most;
}

static bool all_show(const struct weir_exchange *x)
{
    for (size_t i = 0; i < x->candidate_count; i++)
        if (!x->candidates[i].shows_all)
            return false;
    return true;
}

/* A stream that shows all that is billed can be held in pieces, for it can be cut in time. */
static int64_t first_output(const struct weir_exchange *x)
{
    int64_t most = most_output(x);

    if (!x->call.stream || most <= WEIR_TRANCHE_TOKENS || (x->bounded && !all_show(x)))
        return most;
    return WEIR_TRANCHE_TOKENS;
}

static enum weir_verdict hold(struct weir_exchange *x);

static void go_on(struct weir_exchange *x, enum weir_verdict v)
{
    if (v == WEIR_V_CONTINUE)
        weir_pipeline_resume(x);
    else if (v == WEIR_V_DONE)
        weir_pipeline_finish(x);
}

static void on_turn(struct weir_wheel_timer *t)
{
    struct weir_exchange *x = WEIR_CONTAINER(t, struct weir_exchange, timer);

    go_on(x, hold(x));
}

static enum weir_verdict not_admitted(struct weir_exchange *x,
                                      const struct weir_admit_failure *failure)
{
    uint64_t delay_ms;

    switch (weir_exhausted(x, failure, &delay_ms)) {
    case WEIR_TURN_AGAIN:
        return hold(x);
    case WEIR_TURN_LATER:
        weir_wheel_timer_init(&x->timer, on_turn);
        weir_wheel_arm(x->worker->wheel, &x->timer, delay_ms);
        return WEIR_V_WAIT;
    case WEIR_TURN_ROUTE:
        weir_pipeline_back_to_route(x);
        return WEIR_V_CONTINUE;
    case WEIR_TURN_REFUSE:
        break;
    }
    return weir_answer_shortage(x, failure);
}

static void on_admitted(void *arg, int rc, const struct weir_admit_failure *failure)
{
    struct weir_exchange *x = arg;

    x->held = rc == WEIR_OK;
    go_on(x, x->held ? WEIR_V_CONTINUE : not_admitted(x, failure));
}

/* Recursion through not_admitted() ends: each turn asks for less. */
static enum weir_verdict hold(struct weir_exchange *x)
{
    struct weir_admit_part parts[WEIR_ADMIT_PARTS_MAX];
    struct weir_admit_failure failure;
    int rc;

    x->held_output_tokens = first_output(x);
    for (size_t i = 0; i < x->charge_count; i++)
        parts[i] = (struct weir_admit_part){
            .budget = &x->charges[i].budget->conf,
            .scope = x->charges[i].scope,
            .amount = weir_charge_worst(x, i, x->held_output_tokens, true)};
    rc = weir_holder_admit(x->worker->holder, weir_worker_now_ms(x->worker), parts,
                           (unsigned)x->charge_count, on_admitted, x, &x->admission, &failure);
    if (rc == WEIR_EWAIT)
        return WEIR_V_WAIT;
    if (rc == WEIR_EINVAL)
        failure = (struct weir_admit_failure){.why = WEIR_REFUSED_EXHAUSTED, .resets_in_ms = -1};
    if (rc != WEIR_OK)
        return not_admitted(x, &failure);
    x->held = true;
    return WEIR_V_CONTINUE;
}

enum weir_verdict weir_stage_hold(struct weir_exchange *x)
{
    struct weir_err err;

    if (x->endpoint.operation != WEIR_OP_GENERATE && x->endpoint.operation != WEIR_OP_PASS)
        return WEIR_V_CONTINUE;
    weir_caller_read(x);
    if (weir_charges_collect(x, &err))
        return weir_answer_error(x, &err);
    x->bounded = weir_charges_bound(x);
    return hold(x);
}
