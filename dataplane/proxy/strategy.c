/* strategy.c - see strategy.h. */
#include "dataplane/proxy/strategy.h"

#include "base/hash.h"
#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/judge.h"
#include "dataplane/proxy/worker.h"

enum {
    FRACTION_BITS = 24,
    WEIGHT_BITS = 30, /* of the largest weight: 1000, times what numbers of keys divide: 720720 */
    /* What a call is expected to produce that names no limit. */
    EXPECTED_OUTPUT_TOKENS = WEIR_TRANCHE_TOKENS,
};

/* ---- pure ---- */

static void swap(struct weir_rank *a, struct weir_rank *b)
{
    struct weir_rank was = *a;

    *a = *b;
    *b = was;
}

/* Drawing without putting back. */
static void draw(struct weir_prng *prng, struct weir_rank *r, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        uint64_t total = 0, at;
        size_t pick = i;

        for (size_t k = i; k < n; k++)
            total += (uint64_t)r[k].weight;
        if (total == 0)
            return;
        at = weir_prng_below(prng, total);
        while (at >= (uint64_t)r[pick].weight)
            at -= (uint64_t)r[pick++].weight;
        swap(&r[pick], &r[i]);
    }
}

static bool comes_before(const struct weir_rank *a, const struct weir_rank *b)
{
    if ((a->weight == 0) != (b->weight == 0))
        return b->weight == 0;
    return a->measure < b->measure;
}

void weir_rank_order(struct weir_prng *prng, struct weir_rank *ranks, size_t n)
{
    draw(prng, ranks, n);
    /* Insertion keeps the draw's order among equals; a group has 32 targets at most. */
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && comes_before(&ranks[k], &ranks[k - 1]); k--)
            swap(&ranks[k], &ranks[k - 1]);
}

/* -log2(u / 2^64) with FRACTION_BITS binary places. In integers, since every proxy must agree. */
static uint64_t minus_log2(uint64_t u)
{
    unsigned lead = (unsigned)__builtin_clzll(u | 1);
    uint64_t m = (u | 1) << lead, fraction = 0; /* m is 1 to 2, with 63 places */

    for (int i = 0; i < FRACTION_BITS; i++) {
        unsigned __int128 square = (unsigned __int128)m * m;
        bool above_two = (square >> 127) != 0;

        fraction = fraction << 1 | above_two;
        m = (uint64_t)(square >> (above_two ? 64 : 63));
    }
    return ((uint64_t)(lead + 1) << FRACTION_BITS) - fraction;
}

int64_t weir_rank_of_session(uint64_t session, uint64_t target, int64_t weight)
{
    uint64_t both[2] = {session, target};
    uint64_t u = weir_hash64((struct weir_str){(const char *)both, sizeof both}, 0);

    return (int64_t)((minus_log2(u) << WEIGHT_BITS) / (uint64_t)weight);
}

/* ---- of a call ---- */

static int64_t busyness(const struct weir_exchange *x, const struct weir_candidate *c)
{
    int64_t calls = (int64_t)weir_health_in_flight(weir_judge_health(x, c)) + 1;

    return (calls << WEIGHT_BITS) / c->weight;
}

static int64_t latency(const struct weir_exchange *x, const struct weir_candidate *c)
{
    return weir_health_expected_us(weir_judge_health(x, c), x->call.stream,
                                   weir_worker_now_ms(x->worker));
}

static int64_t cost(const struct weir_exchange *x, const struct weir_candidate *c)
{
    int64_t output =
        x->call.max_output_tokens >= 0 ? x->call.max_output_tokens : EXPECTED_OUTPUT_TOKENS;
    struct weir_usage usage = {x->call.input_estimate, output, -1, -1, -1, -1, -1, -1, -1, true};
    struct weir_cost expected;

    if (!c->price)
        return INT64_MAX;
    weir_price_cost(c->price, &usage, &expected);
    return expected.nano_usd;
}

static int64_t affinity(const struct weir_exchange *x, const struct weir_candidate *c)
{
    struct weir_str session = weir_caller_session(x);
    uint64_t caller = weir_hash64(x->agent->name, weir_hash64(x->agent->ns, 0));

    return weir_rank_of_session(
        weir_hash64(session.n ? session : x->key->id, caller),
        weir_hash64(c->model, weir_hash64(c->provider->id, c->provider->key)), c->weight);
}

static int64_t measure(const struct weir_exchange *x, Weir__V1__Strategy strategy,
                       const struct weir_candidate *c)
{
    if (c->weight == 0)
        return 0; /* last, whatever it is */
    switch ((int)strategy) {
    case WEIR__V1__STRATEGY__leastLatency:
        return latency(x, c);
    case WEIR__V1__STRATEGY__leastBusy:
        return busyness(x, c);
    case WEIR__V1__STRATEGY__leastCost:
        return cost(x, c);
    case WEIR__V1__STRATEGY__sessionHash:
        return affinity(x, c);
    default:
        return 0;
    }
}

void weir_strategy_order(struct weir_exchange *x, Weir__V1__Strategy strategy,
                         struct weir_candidate *candidates, size_t n)
{
    struct weir_candidate before[WEIR_MAX_CANDIDATES];
    struct weir_rank ranks[WEIR_MAX_CANDIDATES];

    if (n < 2)
        return;
    for (size_t i = 0; i < n; i++) {
        before[i] = candidates[i];
        ranks[i] = (struct weir_rank){.index = i,
                                      .weight = candidates[i].weight,
                                      .measure = measure(x, strategy, &candidates[i])};
    }
    weir_rank_order(&x->worker->prng, ranks, n);
    for (size_t i = 0; i < n; i++)
        candidates[i] = before[ranks[i].index];
}
