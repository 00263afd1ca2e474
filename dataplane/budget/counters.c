/* The table of counters: (budget, scope) -> what is known of it. */
#include "base/hash.h"
#include "base/log.h"
#include "dataplane/budget/holder_internal.h"

enum { BUCKETS_FIRST = 64, COUNTERS_MAX = 1 << 20 };

static uint64_t key_hash(const struct weir_holder *h, struct weir_str budget, struct weir_str scope)
{
    return weir_hash64(scope, weir_hash64(budget, h->seed));
}

static struct weir_counter *find(struct weir_holder *h, uint64_t hash, struct weir_str budget,
                                 struct weir_str scope)
{
    struct weir_counter *c = h->n_buckets ? h->buckets[hash & (h->n_buckets - 1)] : NULL;

    for (; c; c = c->next_in_bucket)
        if (c->hash == hash && weir_str_is(budget, c->budget) && weir_str_is(scope, c->scope))
            return c;
    return NULL;
}

struct weir_counter *weir__counter_find(struct weir_holder *h, struct weir_str budget,
                                        struct weir_str scope)
{
    return find(h, key_hash(h, budget, scope), budget, scope);
}

static void grow(struct weir_holder *h)
{
    size_t n = h->n_buckets ? h->n_buckets * 2 : BUCKETS_FIRST;
    struct weir_counter **buckets = weir_zalloc(n * sizeof(void *));

    for (size_t i = 0; i < h->n_buckets; i++)
        for (struct weir_counter *c = h->buckets[i], *next; c; c = next) {
            next = c->next_in_bucket;
            c->next_in_bucket = buckets[c->hash & (n - 1)];
            buckets[c->hash & (n - 1)] = c;
        }
    free(h->buckets);
    h->buckets = buckets;
    h->n_buckets = n;
}

static struct weir_counter *add(struct weir_holder *h, uint64_t hash, struct weir_str budget,
                                struct weir_str scope)
{
    struct weir_counter *c = WEIR_NEW(struct weir_counter);

    if (h->n_counters >= h->n_buckets)
        grow(h);
    c->budget = weir_strdup(budget);
    c->scope = weir_strdup(scope);
    c->hash = hash;
    c->resets_at_ms = -1;
    c->remaining = -1;
    c->next_in_bucket = h->buckets[hash & (h->n_buckets - 1)];
    h->buckets[hash & (h->n_buckets - 1)] = c;
    h->n_counters++;
    return c;
}

/* What was counted so far was something else. */
static void change_unit(struct weir_holder *h, struct weir_counter *c, enum weir_unit unit)
{
    if (c->cur)
        weir__lease_retire(h, c->cur);
    c->unit = unit;
    c->debt = c->debt_asked = c->spent = c->spend_rate = c->typical = 0;
    c->ask_seq = c->debt_id = 0;
    c->refused = false;
    c->remaining = -1;
}

struct weir_counter *weir__counter_get(struct weir_holder *h, int64_t now_ms,
                                       const struct weir_budget_conf *conf, struct weir_str scope)
{
    struct weir_str budget = weir_str_of(conf->id);
    uint64_t hash = key_hash(h, budget, scope);
    struct weir_counter *c = find(h, hash, budget, scope);

    if (!c) {
        if (h->n_counters >= COUNTERS_MAX)
            return NULL;
        c = add(h, hash, budget, scope);
        c->unit = conf->unit;
    }
    if (c->unit != conf->unit)
        change_unit(h, c, conf->unit);
    if (c->limit != conf->limit) {
        c->limit = conf->limit;
        c->told_limit = 0;
        c->refused = false;
    }
    c->mode = conf->mode;
    c->on_partition = conf->on_partition;
    c->within = conf->within;
    c->deny_no_lease = conf->deny_no_lease;
    c->asks_person = conf->asks_person;
    c->last_used_ms = now_ms;
    return c;
}

static bool idle(const struct weir_counter *c, int64_t now_ms)
{
    if (c->cur || c->debt || c->open || c->first || c->serving || c->leases > 0)
        return false;
    return now_ms - c->last_used_ms >= (c->full ? WEIR__COUNTER_FULL_MS : WEIR__COUNTER_IDLE_MS);
}

static void free_counter(struct weir_counter *c)
{
    free(c->budget);
    free(c->scope);
    free(c);
}

void weir__counters_evict(struct weir_holder *h, int64_t now_ms)
{
    for (size_t i = 0; i < h->n_buckets; i++)
        for (struct weir_counter **at = &h->buckets[i]; *at;) {
            struct weir_counter *c = *at;

            if (!idle(c, now_ms)) {
                at = &c->next_in_bucket;
                continue;
            }
            *at = c->next_in_bucket;
            h->n_counters--;
            free_counter(c);
        }
}

void weir__counters_free(struct weir_holder *h)
{
    for (size_t i = 0; i < h->n_buckets; i++)
        for (struct weir_counter *c = h->buckets[i], *next; c; c = next) {
            next = c->next_in_bucket;
            free_counter(c);
        }
    free(h->buckets);
}

bool weir__counter_usable(const struct weir_holder *h, const struct weir_counter *c, int64_t now_ms)
{
    const struct weir_held_lease *l = c->cur;

    return l && !l->l.ended && now_ms < l->window_end_ms && now_ms - h->last_rx_ms < l->use_for_ms;
}
