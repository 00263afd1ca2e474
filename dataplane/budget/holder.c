/* The holder's life: start from a journal, connection, ticks, graceful stop. */
#include <unistd.h>

#include "base/log.h"
#include "base/rand.h"
#include "dataplane/budget/holder_internal.h"

enum { WAIT_DEFAULT_MS = 2000, RATE_EVERY_MS = 1000 };

struct found {
    struct weir_holder *h;
    int64_t now_ms;
    bool own; /* the slot is in the holder's own journal */
};

/* A lease of an earlier start is never used again: it is final, its open holds charged in full. */
static void on_found(void *arg, const char *id, const struct weir_lease_held *l, int slot)
{
    struct found *f = arg;
    struct weir_held_lease *lease = NULL;

    HASH_FIND_STR(f->h->leases, id, lease);
    if (lease)
        return;
    lease = weir__lease_add(f->h, id, f->now_ms);
    lease->l = *l;
    weir_lease_finalise_crashed(&lease->l);
    lease->reported_ms = INT64_MIN / 2;
    lease->slot = f->own ? slot : -1;
}

struct weir_holder *weir_holder_create(const struct weir_holder_options *o, int64_t now_ms)
{
    struct weir_holder *h = WEIR_NEW(struct weir_holder);
    struct found f = {.h = h, .now_ms = now_ms, .own = true};

    h->o = *o;
    if (h->o.wait_ms == 0)
        h->o.wait_ms = WAIT_DEFAULT_MS;
    h->node = weir_strdup(weir_str_of(o->node));
    h->incarnation = weir_strdup(weir_str_of(o->incarnation));
    h->last_rx_ms = h->last_tx_ms = h->rate_at_ms = now_ms;
    weir_rand_bytes(&h->seed, sizeof h->seed);
    if (o->journal_path)
        h->journal = weir_journal_open(o->journal_path, h->incarnation, on_found, &f);
    if (h->leases)
        WEIR_LOG(WEIR_LOG_INFO, "budget",
                 "%u leases of an earlier start are given back, their open holds charged",
                 HASH_COUNT(h->leases));
    return h;
}

void weir_holder_inherit(struct weir_holder *h, const char *journal_path)
{
    struct found f = {.h = h, .now_ms = h->last_rx_ms};
    struct weir_journal *old = weir_journal_open(journal_path, h->incarnation, on_found, &f);

    if (!old)
        return;
    for (struct weir_held_lease *l = h->leases; l; l = l->hh.next)
        if (l->slot < 0 && h->journal)
            l->slot = weir_journal_add(h->journal, l->id, &l->l);
    (void)unlink(journal_path);
    weir_journal_close(old);
}

void weir_holder_destroy(struct weir_holder *h)
{
    struct weir_held_lease *lease, *next;

    if (!h)
        return;
    HASH_ITER (hh, h->leases, lease, next) {
        HASH_DEL(h->leases, lease);
        free(lease);
    }
    weir__counters_free(h);
    weir_journal_close(h->journal);
    free(h->node);
    free(h->incarnation);
    free(h);
}

void weir_holder_on_connected(struct weir_holder *h, int64_t now_ms)
{
    h->connected = true;
    weir__report_all(h, now_ms, true);
    for (size_t i = 0; i < h->n_buckets; i++)
        for (struct weir_counter *c = h->buckets[i]; c; c = c->next_in_bucket) {
            c->ask_seq = 0; /* an answer to an earlier stream's ask may have been lost */
            c->ask_not_before_ms = 0;
            c->refused = false;
            weir__serve(h, now_ms, c);
        }
}

void weir_holder_on_disconnected(struct weir_holder *h, int64_t now_ms)
{
    h->connected = false;
    for (size_t i = 0; i < h->n_buckets; i++)
        for (struct weir_counter *c = h->buckets[i]; c; c = c->next_in_bucket) {
            c->ask_seq = 0;
            weir__serve(h, now_ms, c); /* a policy may let calls go on without a lease */
        }
}

static void tick_counter(struct weir_holder *h, int64_t now_ms, struct weir_counter *c, bool rates)
{
    if (c->ask_seq != 0 && now_ms - c->ask_sent_ms >= WEIR__ASK_TIMEOUT_MS)
        c->ask_seq = 0;
    if (rates) {
        int64_t per_window =
            c->spent < WEIR_AMOUNT_MAX / 10 ? c->spent * 10 : WEIR_AMOUNT_MAX; /* per 1 s */

        c->spend_rate += (per_window - c->spend_rate) / 4;
        c->spent = 0;
    }
    if (c->debt > 0 && !c->cur && now_ms >= c->prefetch_not_before_ms)
        weir__ask(h, now_ms, c, 0);
    if (c->first)
        weir__expire_waits(h, now_ms, c);
}

void weir_holder_tick(struct weir_holder *h, int64_t now_ms)
{
    bool rates = now_ms - h->rate_at_ms >= RATE_EVERY_MS;

    if (rates)
        h->rate_at_ms = now_ms;
    weir__leases_tick(h, now_ms);
    for (size_t i = 0; i < h->n_buckets; i++)
        for (struct weir_counter *c = h->buckets[i], *next; c; c = next) {
            next = c->next_in_bucket;
            tick_counter(h, now_ms, c, rates);
        }
    if (rates)
        weir__counters_evict(h, now_ms);
    weir__report_all(h, now_ms, false);
    weir__heartbeat(h, now_ms);
}

bool weir_holder_drain(struct weir_holder *h, int64_t now_ms)
{
    struct weir_held_lease *lease, *next;
    bool debts = false;

    for (size_t i = 0; i < h->n_buckets; i++)
        for (const struct weir_counter *c = h->buckets[i]; c; c = c->next_in_bucket)
            debts = debts || c->debt > 0 || c->open > 0 || c->first;
    HASH_ITER (hh, h->leases, lease, next)
        if (lease->counter && !lease->l.final && lease->open == 0 && !lease->counter->first)
            weir__lease_retire(h, lease);
    weir__report_all(h, now_ms, false);
    return !h->leases && !debts;
}

int64_t weir_holder_remaining(struct weir_holder *h, struct weir_str budget, struct weir_str scope)
{
    const struct weir_counter *c = weir__counter_find(h, budget, scope);
    int64_t here;

    if (!c || c->remaining < 0)
        return -1;
    here = c->cur ? weir_lease_free(&c->cur->l) : 0;
    return c->remaining + (here > 0 ? here : 0);
}

void weir_holder_count(const struct weir_holder *h, int64_t now_ms,
                       struct weir_holder_counters *out)
{
    *out = h->count;
    out->leases = HASH_COUNT(h->leases);
    out->decision_age_ms = now_ms - h->last_rx_ms;
}
