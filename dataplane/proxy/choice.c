/* choice.c - see choice.h. */
#include "dataplane/proxy/choice.h"

#include "dataplane/proxy/judge.h"
#include "dataplane/proxy/worker.h"

bool weir_choice_may_fall_back(const struct weir_exchange *x)
{
    return !weir_str_is(weir_http_req_header(x->req, WEIR_STR("x-weir-no-fallback")), "true");
}

struct standing {
    bool last_resort; /* its circuit is open, or it is cooling down */
    unsigned tries;
    enum weir_fitness fitness;
    int64_t wait_ms;
};

static struct standing standing_of(const struct weir_exchange *x, const struct weir_candidate *c)
{
    const struct weir_health *h = weir_judge_health(x, c);
    int64_t now = weir_worker_now_ms(x->worker);
    enum weir_fitness fitness = weir_health_fitness(h, now);

    return (struct standing){.last_resort = fitness >= WEIR_FIT_OPEN,
                             .tries = c->tries,
                             .fitness = fitness,
                             .wait_ms = weir_health_cooling_ms(h, now)};
}

/* Every target once, before one of them again. */
static bool is_better(const struct standing *a, const struct standing *b)
{
    if (a->last_resort != b->last_resort)
        return b->last_resort;
    if (a->tries != b->tries)
        return a->tries < b->tries;
    if (a->fitness != b->fitness)
        return a->fitness < b->fitness;
    return a->wait_ms < b->wait_ms;
}

/* A caller that wants no fallback wants the first target; with which of its keys is ours to say. */
static bool is_eligible(const struct weir_exchange *x, const struct weir_candidate *c)
{
    const struct weir_candidate *first = x->candidates;

    return weir_choice_may_fall_back(x) || (weir_str_eq(c->provider->id, first->provider->id) &&
                                            weir_str_eq(c->model, first->model));
}

struct weir_candidate *weir_choice_next(struct weir_exchange *x, int64_t *wait_ms)
{
    struct weir_candidate *best = NULL;
    struct standing of_best = {0};

    for (size_t i = 0; i < x->candidate_count; i++) {
        struct weir_candidate *c = &x->candidates[i];
        struct standing s = standing_of(x, c);

        if (!is_eligible(x, c) || s.wait_ms > x->route->max_pause_ms)
            continue;
        if (best && !is_better(&s, &of_best))
            continue;
        best = c;
        of_best = s;
    }
    if (best)
        *wait_ms = of_best.wait_ms;
    return best;
}

int64_t weir_choice_nearest_ms(const struct weir_exchange *x)
{
    int64_t nearest = INT64_MAX;

    for (size_t i = 0; i < x->candidate_count; i++) {
        int64_t wait = standing_of(x, &x->candidates[i]).wait_ms;

        if (is_eligible(x, &x->candidates[i]) && wait < nearest)
            nearest = wait;
    }
    return nearest;
}
