/* exhausted.c - see exhausted.h. */
#include "dataplane/proxy/exhausted.h"

#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/worker.h"

enum {
    LEAST_OUTPUT = 16, /* an answer shorter than this serves nobody */
    MOST_DOWNGRADES = 4,
    LOOK_AGAIN_MS = 200,
};

/* The most output, of all choices, whose worst case the counter can pay with what is left. */
static int64_t affordable(const struct weir_exchange *x, size_t charge, int64_t left)
{
    int64_t low = 0, high = x->held_output_tokens;

    while (low < high) {
        int64_t mid = low + (high - low + 1) / 2;

        if (weir_charge_worst(x, charge, mid, true) <= left)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

static enum weir_exhausted_turn clamp(struct weir_exchange *x, const struct weir_admit_failure *f)
{
    int64_t choices = x->call.n > 0 ? x->call.n : 1;
    int64_t of_choice = affordable(x, f->part, f->remaining) / choices;

    /* A model that is told to think for so long must be given more than that. */
    if (x->clamps == WEIR_ADMIT_PARTS_MAX || of_choice < LEAST_OUTPUT ||
        of_choice <= x->call.reasoning_tokens || of_choice * choices >= x->held_output_tokens)
        return WEIR_TURN_REFUSE;
    for (size_t i = 0; i < x->candidate_count; i++) {
        struct weir_candidate *c = &x->candidates[i];

        if (c->choice_limit <= of_choice)
            continue;
        c->choice_limit = of_choice;
        c->max_output_tokens = of_choice * choices;
    }
    x->clamps++;
    return WEIR_TURN_AGAIN;
}

static enum weir_exhausted_turn queue(struct weir_exchange *x, const struct weir_policy_budget *b,
                                      const struct weir_admit_failure *f, uint64_t *delay_ms)
{
    int64_t now = weir_worker_now_ms(x->worker);

    if (f->limit == 0)
        return WEIR_TURN_REFUSE; /* no waiting helps */
    if (x->wait_until_ms == 0)
        x->wait_until_ms = now + b->max_wait_ms;
    if (now >= x->wait_until_ms)
        return WEIR_TURN_REFUSE;
    *delay_ms = LOOK_AGAIN_MS / 2 + weir_prng_below(&x->worker->prng, LOOK_AGAIN_MS);
    if (*delay_ms > (uint64_t)(x->wait_until_ms - now))
        *delay_ms = (uint64_t)(x->wait_until_ms - now);
    return WEIR_TURN_LATER;
}

static enum weir_exhausted_turn downgrade(struct weir_exchange *x,
                                          const struct weir_policy_budget *b)
{
    if (x->downgrades == MOST_DOWNGRADES || weir_str_eq(x->model, b->downgrade_to))
        return WEIR_TURN_REFUSE;
    x->downgrades++;
    x->model = b->downgrade_to;
    x->clamps = 0;
    return WEIR_TURN_ROUTE;
}

enum weir_exhausted_turn weir_exhausted(struct weir_exchange *x,
                                        const struct weir_admit_failure *failure,
                                        uint64_t *delay_ms)
{
    const struct weir_policy_budget *b = x->charges[failure->part].budget;

    if (failure->why != WEIR_REFUSED_EXHAUSTED)
        return WEIR_TURN_REFUSE;
    switch (b->on_exhausted) {
    case WEIR_EXHAUSTED_CLAMP:
        return clamp(x, failure);
    case WEIR_EXHAUSTED_QUEUE:
    case WEIR_EXHAUSTED_ASK:
        return queue(x, b, failure, delay_ms);
    case WEIR_EXHAUSTED_DOWNGRADE:
        return downgrade(x, b);
    case WEIR_EXHAUSTED_DENY:
        break;
    }
    return WEIR_TURN_REFUSE;
}
