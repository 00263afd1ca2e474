#include "pricing/pricing.h"

#include <time.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/mem.h"

enum { MAX_TIERS = 8, MILLION = 1000000, SEARCHES_ASSUMED = 10 };

/* Nano-USD per million tokens. */
struct rates {
    int64_t above; /* holds for inputs of more tokens than this; -1: from the first */
    int64_t input, output, cache_read, cache_write, cache_write_1h, reasoning;
    int64_t audio_input, audio_output;
};

struct weir_price {
    struct weir_str model, provider, list, date;
    bool builtin, exact, has_request;
    unsigned order;
    int64_t request, max_output;
    int64_t from_ms; /* INT64_MIN: from ever */
    int64_t web_search, searches_assumed;
    size_t tier_count; /* at least 1: the base */
    struct rates tiers[MAX_TIERS + 1];
};

struct weir_prices {
    struct weir_arena *arena;
    struct weir_price **list; /* best first */
    size_t count, cap;
    /* Exact names, open addressing: index + 1 of an entry, 0: free. All entries of one name lie
     * along one probe chain in the order of precedence. */
    uint32_t *slots;
    uint32_t *globs; /* indices of the patterns, best first */
    size_t glob_count;
    size_t slot_mask;
    bool sealed;
};

struct weir_prices *weir_prices_create(void)
{
    struct weir_prices *p = WEIR_NEW(struct weir_prices);

    p->arena = weir_arena_create(NULL);
    return p;
}

void weir_prices_destroy(struct weir_prices *p)
{
    if (!p)
        return;
    weir_arena_destroy(p->arena);
    free(p->list);
    free(p->slots);
    free(p->globs);
    free(p);
}

static int64_t or_else(protobuf_c_boolean has, int64_t v, int64_t other)
{
    return has ? (v > 0 ? v : 0) : other;
}

static void base_rates(const Weir__V1__Price *m, struct rates *r)
{
    r->above = -1;
    r->input = or_else(m->has_input, m->input, 0);
    r->output = or_else(m->has_output, m->output, 0);
    r->cache_read = or_else(m->has_cacheread, m->cacheread, r->input);
    r->cache_write = or_else(m->has_cachewrite, m->cachewrite, r->input);
    r->cache_write_1h = or_else(m->has_cachewrite1h, m->cachewrite1h, r->cache_write);
    r->reasoning = or_else(m->has_reasoning, m->reasoning, r->output);
    r->audio_input = or_else(m->has_audioinput, m->audioinput, r->input);
    r->audio_output = or_else(m->has_audiooutput, m->audiooutput, r->output);
}

/* v * num / den, upwards; used to carry a rate into a tier that does not state it. */
static int64_t scaled(int64_t v, int64_t num, int64_t den)
{
    __int128 x;

    if (den <= 0)
        return v;
    x = ((__int128)v * num + den - 1) / den;
    return x > INT64_MAX ? INT64_MAX : (int64_t)x;
}

/* What a tier does not state follows the rate that it is a multiple of: the long-cache,
 * reasoning and audio rates have no field in a tier. */
static void tier_rates(const Weir__V1__PriceTier *m, const struct rates *base, struct rates *r)
{
    r->above = m->has_aboveinputtokens && m->aboveinputtokens > 0 ? m->aboveinputtokens : 0;
    r->input = or_else(m->has_input, m->input, base->input);
    r->output = or_else(m->has_output, m->output, base->output);
    r->cache_read =
        or_else(m->has_cacheread, m->cacheread, scaled(base->cache_read, r->input, base->input));
    r->cache_write =
        or_else(m->has_cachewrite, m->cachewrite, scaled(base->cache_write, r->input, base->input));
    r->cache_write_1h = scaled(base->cache_write_1h, r->cache_write, base->cache_write);
    r->reasoning = scaled(base->reasoning, r->output, base->output);
    r->audio_input = scaled(base->audio_input, r->input, base->input);
    r->audio_output = scaled(base->audio_output, r->output, base->output);
}

static void add_tiers(const Weir__V1__Price *m, struct weir_price *e)
{
    for (size_t i = 0; i < m->n_tiers && i < MAX_TIERS; i++) {
        struct rates r;
        size_t k = e->tier_count++;

        tier_rates(m->tiers[i], &e->tiers[0], &r);
        for (; k > 1 && e->tiers[k - 1].above > r.above; k--)
            e->tiers[k] = e->tiers[k - 1];
        e->tiers[k] = r;
    }
}

static struct weir_str copy(struct weir_prices *p, const char *z)
{
    return z && *z ? weir_arena_copy(p->arena, weir_str_of(z)) : WEIR_STR_NULL;
}

/* The first moment of a day. What isn't one was refused when the policy was read. */
static int64_t day_ms(const char *day)
{
    struct tm tm = {0};
    const char *end = day && *day ? strptime(day, "%Y-%m-%d", &tm) : NULL;

    return end && !*end ? (int64_t)timegm(&tm) * 1000 : INT64_MIN;
}

void weir_prices_add(struct weir_prices *p, const Weir__V1__PriceList *list, bool builtin)
{
    const Weir__V1__Metadata *meta = list->metadata;
    const char *name = meta && meta->name ? meta->name : "";
    struct weir_str list_name = copy(p, name), date;

    WEIR_ASSERT(!p->sealed);
    if (!list->spec)
        return;
    date = copy(p, list->spec->date);
    for (size_t i = 0; i < list->spec->n_prices; i++) {
        const Weir__V1__Price *m = list->spec->prices[i];
        struct weir_price *e = WEIR_ARENA_NEW(p->arena, struct weir_price);

        e->model = copy(p, m->model);
        e->provider = copy(p, m->provider);
        e->list = list_name;
        e->date = date;
        e->builtin = builtin;
        e->exact = !e->model.n || !memchr(e->model.p, '*', e->model.n);
        e->order = (unsigned)p->count;
        e->request = m->has_request && m->request > 0 ? m->request : 0;
        e->has_request = m->has_request;
        e->max_output = m->has_maxoutputtokens ? m->maxoutputtokens : 0;
        e->from_ms = day_ms(m->from);
        e->web_search = or_else(m->has_websearch, m->websearch, 0);
        e->searches_assumed = or_else(m->has_websearchmost, m->websearchmost, SEARCHES_ASSUMED);
        base_rates(m, &e->tiers[0]);
        e->tier_count = 1;
        add_tiers(m, e);
        if (p->count == p->cap) {
            p->cap = p->cap ? p->cap * 2 : 64;
            p->list = weir_realloc(p->list, p->cap * sizeof(*p->list));
        }
        p->list[p->count++] = e;
    }
}

static int by_precedence(const void *x, const void *y)
{
    const struct weir_price *a = *(struct weir_price *const *)x;
    const struct weir_price *b = *(struct weir_price *const *)y;

    if (a->builtin != b->builtin)
        return a->builtin ? 1 : -1;
    if (a->exact != b->exact)
        return a->exact ? -1 : 1;
    if (!a->exact && a->model.n != b->model.n)
        return a->model.n > b->model.n ? -1 : 1;
    if (!a->provider.p != !b->provider.p)
        return a->provider.p ? -1 : 1;
    if (a->from_ms != b->from_ms)
        return a->from_ms > b->from_ms ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static size_t slot_of(const struct weir_prices *p, struct weir_str model)
{
    return (size_t)weir_hash64(model, 0) & p->slot_mask;
}

void weir_prices_seal(struct weir_prices *p)
{
    size_t slots = 16;

    WEIR_ASSERT(!p->sealed);
    p->sealed = true;
    if (p->count)
        qsort(p->list, p->count, sizeof(*p->list), by_precedence);
    while (slots < 2 * p->count)
        slots *= 2;
    p->slots = weir_zalloc(slots * sizeof(*p->slots));
    p->globs = weir_zalloc((p->count + 1) * sizeof(*p->globs));
    p->slot_mask = slots - 1;
    for (size_t i = 0; i < p->count; i++) {
        size_t at = slot_of(p, p->list[i]->model);

        if (!p->list[i]->exact) {
            p->globs[p->glob_count++] = (uint32_t)i;
            continue;
        }
        while (p->slots[at])
            at = (at + 1) & p->slot_mask;
        p->slots[at] = (uint32_t)i + 1;
    }
}

static bool holds(const struct weir_price *e, struct weir_str provider, int64_t now_ms)
{
    return e->from_ms <= now_ms && (!e->provider.p || weir_str_glob(e->provider, provider));
}

const struct weir_price *weir_prices_find(const struct weir_prices *p, struct weir_str provider,
                                          struct weir_str model, int64_t now_ms)
{
    size_t best = p->count;

    WEIR_ASSERT(p->sealed);
    for (size_t at = slot_of(p, model); p->slots[at]; at = (at + 1) & p->slot_mask) {
        const struct weir_price *e = p->list[p->slots[at] - 1];

        if (weir_str_eq(e->model, model) && holds(e, provider, now_ms)) {
            best = p->slots[at] - 1;
            break;
        }
    }
    for (size_t i = 0; i < p->glob_count && p->globs[i] < best; i++) {
        const struct weir_price *e = p->list[p->globs[i]];

        if (weir_str_glob(e->model, model) && holds(e, provider, now_ms)) {
            best = p->globs[i];
            break;
        }
    }
    return best < p->count ? p->list[best] : NULL;
}

struct weir_str weir_price_list(const struct weir_price *e)
{
    return e->list;
}

struct weir_str weir_price_date(const struct weir_price *e)
{
    return e->date;
}

bool weir_price_builtin(const struct weir_price *e)
{
    return e->builtin;
}

int64_t weir_price_flat(const struct weir_price *e)
{
    for (size_t i = 0; i < e->tier_count; i++) {
        const struct rates *r = &e->tiers[i];

        if (r->input || r->output || r->cache_read || r->cache_write || r->cache_write_1h ||
            r->reasoning || r->audio_input || r->audio_output)
            return -1;
    }
    return e->has_request ? e->request : -1;
}

int64_t weir_price_max_output(const struct weir_price *e)
{
    return e->max_output;
}

static int64_t at_least_0(int64_t v)
{
    return v > 0 ? v : 0;
}

/* Millionths of a nano-USD to nano-USD, upwards, and a flat sum on top. */
static int64_t total(unsigned __int128 sum, int64_t flat)
{
    unsigned __int128 nano = (sum + (MILLION - 1)) / MILLION + (unsigned __int128)flat;

    return nano > INT64_MAX ? INT64_MAX : (int64_t)nano;
}

static void part(struct weir_cost *c, const char *kind, int64_t tokens, int64_t rate,
                 unsigned __int128 *sum)
{
    if (tokens <= 0)
        return;
    c->parts[c->part_count++] = (struct weir_cost_part){kind, tokens, rate};
    *sum += (unsigned __int128)tokens * (unsigned __int128)rate;
}

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* What costs by the piece. */
static int64_t each(struct weir_cost *c, const char *kind, int64_t n, int64_t price)
{
    __int128 sum = (__int128)n * price;

    if (n <= 0 || price <= 0)
        return 0;
    c->parts[c->part_count++] = (struct weir_cost_part){kind, n, price};
    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}

void weir_price_cost(const struct weir_price *e, const struct weir_usage *u, struct weir_cost *out)
{
    int64_t read = at_least_0(u->cache_read), write = at_least_0(u->cache_write);
    int64_t write_1h = at_least_0(u->cache_write_1h), reasoning = at_least_0(u->reasoning);
    __int128 cached = (__int128)read + write + write_1h;
    __int128 input = u->input > cached ? (__int128)u->input : cached;
    int64_t output = at_least_0(u->output), fresh, heard, spoken, searches;
    const struct rates *r = &e->tiers[0];
    unsigned __int128 sum = 0;

    for (size_t i = 1; i < e->tier_count && input > e->tiers[i].above; i++)
        r = &e->tiers[i];
    out->part_count = 0;
    fresh = (int64_t)(input - cached);
    heard = smaller(at_least_0(u->audio_input), fresh);
    spoken = smaller(at_least_0(u->audio_output), at_least_0(output - reasoning));
    part(out, "input", fresh - heard, r->input, &sum);
    part(out, "audioInput", heard, r->audio_input, &sum);
    part(out, "cacheRead", read, r->cache_read, &sum);
    part(out, "cacheWrite", write, r->cache_write, &sum);
    part(out, "cacheWrite1h", write_1h, r->cache_write_1h, &sum);
    part(out, "output", output - reasoning - spoken, r->output, &sum);
    part(out, "audioOutput", spoken, r->audio_output, &sum);
    part(out, "reasoning", reasoning, r->reasoning, &sum);
    searches = each(out, "webSearch", u->web_searches, e->web_search);
    (void)each(out, "request", 1, e->request);
    out->nano_usd = total(sum, plus(e->request, searches));
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t weir_price_worst(const struct weir_price *e, int64_t input_tokens, int64_t output_tokens,
                         bool with_request)
{
    int64_t in = 0, out = 0;
    unsigned __int128 sum;

    for (size_t i = 0; i < e->tier_count; i++) {
        const struct rates *r = &e->tiers[i];

        if (i > 0 && input_tokens <= r->above)
            break;
        in = larger(
            in, larger(larger(r->input, r->cache_read), larger(r->cache_write, r->cache_write_1h)));
        in = larger(in, r->audio_input);
        out = larger(out, larger(larger(r->output, r->reasoning), r->audio_output));
    }
    sum = (unsigned __int128)at_least_0(input_tokens) * (unsigned __int128)in +
          (unsigned __int128)at_least_0(output_tokens) * (unsigned __int128)out;
    return total(sum, with_request ? e->request : 0);
}

int64_t weir_price_searches(const struct weir_price *e, int64_t searches)
{
    __int128 sum = (__int128)(searches < 0 ? e->searches_assumed : searches) * e->web_search;

    return sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
}
