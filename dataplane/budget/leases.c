/* The life of a lease at its holder. */
#include "base/log.h"
#include "dataplane/budget/holder_internal.h"
#include "weir/v1/ledger.pb-c.h"

struct weir_held_lease *weir__lease_add(struct weir_holder *h, const char *id, int64_t now_ms)
{
    struct weir_held_lease *lease = WEIR_NEW(struct weir_held_lease);

    memcpy(lease->id, id, strlen(id)); /* the caller checked its length */
    lease->slot = -1;
    lease->window_end_ms = INT64_MAX;
    lease->use_for_ms = WEIR_LEASE_USE_FOR_MS;
    lease->last_used_ms = now_ms;
    HASH_ADD_STR(h->leases, id, lease);
    return lease;
}

void weir__lease_forget(struct weir_holder *h, struct weir_held_lease *lease)
{
    if (lease->slot >= 0 && h->journal)
        weir_journal_drop(h->journal, lease->slot);
    if (lease->counter && lease->counter->cur == lease)
        lease->counter->cur = NULL;
    if (lease->counter)
        lease->counter->leases--;
    HASH_DEL(h->leases, lease);
    free(lease);
}

void weir__lease_changed(struct weir_holder *h, struct weir_held_lease *lease)
{
    lease->dirty = true;
    if (lease->slot >= 0 && h->journal)
        weir_journal_write(h->journal, lease->slot, &lease->l);
}

void weir__lease_hold_ended(struct weir_holder *h, struct weir_held_lease *lease)
{
    if (lease->l.ended && lease->open == 0 && !lease->l.final) {
        (void)weir_lease_finalise(&lease->l);
        lease->reported_ms = INT64_MIN / 2;
    }
    weir__lease_changed(h, lease);
}

void weir__lease_retire(struct weir_holder *h, struct weir_held_lease *lease)
{
    lease->l.ended = true;
    if (lease->counter && lease->counter->cur == lease)
        lease->counter->cur = NULL;
    (void)weir_lease_return_idle(&lease->l);
    weir__lease_hold_ended(h, lease);
}

/* "ledger-number". A ledger that was made anew starts its numbers anew. */
static bool parse_id(const char *id, struct weir_str *ledger, uint64_t *number)
{
    const char *dash = strrchr(id, '-');
    int64_t n;

    if (!dash || dash == id || strlen(id) >= WEIR_LEASE_ID_MAX ||
        weir_str_i64(weir_str_of(dash + 1), &n) != WEIR_OK || n <= 0)
        return false;
    *ledger = (struct weir_str){id, (size_t)(dash - id)};
    *number = (uint64_t)n;
    return true;
}

/* Called when a lease is forgotten: a late copy of its grant must not bring it back. */
static void raise_floor(struct weir_holder *h, const char *id)
{
    struct weir_str ledger;
    uint64_t number;

    if (!parse_id(id, &ledger, &number))
        return;
    if (!weir_str_is(ledger, h->ledger)) {
        memset(h->ledger, 0, sizeof h->ledger);
        memcpy(h->ledger, ledger.p, ledger.n);
        h->floor = 0;
    }
    if (number > h->floor)
        h->floor = number;
}

static bool below_floor(const struct weir_holder *h, const char *id)
{
    struct weir_str ledger;
    uint64_t number;

    return parse_id(id, &ledger, &number) && weir_str_is(ledger, h->ledger) && number <= h->floor;
}

static bool older(const char *id, const char *than)
{
    struct weir_str ledger_a, ledger_b;
    uint64_t a, b;

    return parse_id(id, &ledger_a, &a) && parse_id(than, &ledger_b, &b) &&
           weir_str_eq(ledger_a, ledger_b) && a < b;
}

/* A lease that is not wanted is final before its first use. It stays known until the ledger has
 * confirmed that, so that a repeated grant can't revive it. */
static void decline(struct weir_held_lease *lease)
{
    lease->l.ended = lease->l.final = true;
    lease->reported_ms = INT64_MIN / 2;
    lease->dirty = true;
}

static struct weir_held_lease *take_up(struct weir_holder *h, int64_t now_ms,
                                       struct weir_counter *c, const char *id)
{
    struct weir_held_lease *lease = weir__lease_add(h, id, now_ms);

    lease->counter = c;
    if (c)
        c->leases++;
    if (!c || below_floor(h, id) || (c->cur && older(id, c->cur->id))) {
        decline(lease);
        return lease;
    }
    if (c->cur)
        weir__lease_retire(h, c->cur);
    c->cur = lease;
    if (h->journal) {
        lease->slot = weir_journal_add(h->journal, id, &lease->l);
        if (lease->slot < 0 && h->count.journal_errors++ == 0)
            WEIR_LOG(WEIR_LOG_WARN, "budget",
                     "the journal has no room: a crash would strand lease %s", id);
    }
    return lease;
}

static void learn(struct weir_counter *c, int64_t now_ms, const Weir__V1__LeaseGrant *g)
{
    if (g->has_remaining)
        c->remaining = g->remaining;
    if (g->has_limit)
        c->told_limit = g->limit;
    c->resets_at_ms =
        g->has_windowendsinms && g->windowendsinms >= 0 ? now_ms + g->windowendsinms : -1;
    c->refused = c->full = c->denied = false;
}

static void apply(struct weir_holder *h, int64_t now_ms, struct weir_held_lease *lease,
                  const Weir__V1__LeaseGrant *g)
{
    struct weir_counter *c = lease->counter;
    int64_t before = lease->l.granted;

    if (lease->l.final)
        return;
    weir_lease_grant(&lease->l, g->granted);
    if (g->has_useforms && g->useforms > 0)
        lease->use_for_ms = g->useforms;
    if (g->has_windowendsinms)
        lease->window_end_ms = g->windowendsinms < 0 ? INT64_MAX : now_ms + g->windowendsinms;
    if (c && c->cur == lease && c->debt > 0) {
        (void)weir_lease_settle(&lease->l, 0, c->debt);
        c->debt = c->debt_asked = 0;
        c->debt_id = 0;
    }
    if (lease->l.granted != before) {
        lease->target = weir_lease_free(&lease->l);
        lease->last_used_ms = now_ms;
    }
    weir__lease_changed(h, lease);
    if (now_ms >= lease->window_end_ms)
        weir__lease_retire(h, lease);
}

void weir__lease_on_grant(struct weir_holder *h, int64_t now_ms, const Weir__V1__LeaseGrant *g)
{
    struct weir_held_lease *lease;
    struct weir_counter *c;
    struct weir_str ledger;
    uint64_t number;

    if (!g->lease || !g->budget || !g->has_granted || g->granted < 0 ||
        g->granted > WEIR_AMOUNT_MAX || g->windowendsinms > INT64_MAX / 4 ||
        !parse_id(g->lease, &ledger, &number)) {
        WEIR_LOG(WEIR_LOG_WARN, "budget", "a grant that makes no sense is ignored");
        return;
    }
    c = weir__counter_find(h, weir_str_of(g->budget), weir_str_of(g->scope ? g->scope : ""));
    HASH_FIND_STR(h->leases, g->lease, lease);
    if (!lease)
        lease = take_up(h, now_ms, c, g->lease);
    apply(h, now_ms, lease, g);
    if (c && (c->cur == lease || c->ask_seq == g->seq))
        learn(c, now_ms, g);
    if (c && c->ask_seq != 0 && c->ask_seq == g->seq)
        c->ask_seq = 0;
}

static void tick_one(struct weir_holder *h, int64_t now_ms, struct weir_held_lease *lease)
{
    struct weir_counter *c = lease->counter;

    if (lease->l.final || !c)
        return;
    if (!lease->l.ended &&
        (now_ms >= lease->window_end_ms ||
         (lease->open == 0 && !c->first && now_ms - lease->last_used_ms >= WEIR_LEASE_IDLE_MS))) {
        weir__lease_retire(h, lease);
        return;
    }
    if (c->cur == lease && c->spend_rate > 0 && c->ask_seq == 0 &&
        now_ms >= c->prefetch_not_before_ms && weir_lease_wants_prefetch(&lease->l, lease->target))
        weir__ask(h, now_ms, c, 0);
}

void weir__leases_tick(struct weir_holder *h, int64_t now_ms)
{
    struct weir_held_lease *lease, *next;

    HASH_ITER (hh, h->leases, lease, next)
        tick_one(h, now_ms, lease);
}

static void on_closed(struct weir_holder *h, const char *id)
{
    struct weir_held_lease *lease = NULL;

    HASH_FIND_STR(h->leases, id, lease);
    if (!lease)
        return;
    if (!lease->l.final) { /* written off: its open holds are still to be told */
        weir__lease_retire(h, lease);
        return;
    }
    raise_floor(h, id);
    weir__lease_forget(h, lease);
}

static void on_recall(struct weir_holder *h, int64_t now_ms, const char *id)
{
    struct weir_held_lease *lease = NULL;

    HASH_FIND_STR(h->leases, id, lease);
    if (!lease)
        return;
    if (weir_lease_return_idle(&lease->l) > 0) {
        weir__lease_changed(h, lease);
        /* Two holders, whose calls wait for a further budget, would else take this one from each
         * other without end, as fast as the network carries it. */
        if (lease->counter && h->count.waiting > 0 &&
            lease->counter->ask_not_before_ms < now_ms + WEIR__RECALL_PAUSE_MS)
            lease->counter->ask_not_before_ms = now_ms + WEIR__RECALL_PAUSE_MS;
    }
    weir__report_now(h, now_ms, lease); /* always: the ledger waits for it */
}

static void on_refusal(struct weir_holder *h, int64_t now_ms, const Weir__V1__LeaseRefusal *r)
{
    struct weir_counter *c;

    if (!r->budget)
        return;
    c = weir__counter_find(h, weir_str_of(r->budget), weir_str_of(r->scope ? r->scope : ""));
    if (!c || c->ask_seq == 0 || c->ask_seq != r->seq)
        return;
    c->ask_seq = 0;
    c->prefetch_not_before_ms = now_ms + WEIR__PREFETCH_PAUSE_MS;
    if (r->retry) {
        c->ask_not_before_ms = now_ms + WEIR__RETRY_MS;
        return;
    }
    if (c->ask_need == 0) { /* a prefetch: nothing was recalled for it, so it says little */
        weir__serve(h, now_ms, c);
        return;
    }
    c->refused = true;
    c->full = r->full;
    c->denied = r->denied;
    c->refused_until_ms = now_ms + WEIR__RETRY_MS;
    c->remaining = r->has_remaining ? r->remaining : 0;
    if (r->has_limit)
        c->told_limit = r->limit;
    c->resets_at_ms = r->has_resetsinms && r->resetsinms >= 0 && r->resetsinms < INT64_MAX / 4
                          ? now_ms + r->resetsinms
                          : -1;
    weir__serve(h, now_ms, c);
}

void weir_holder_on_down(struct weir_holder *h, int64_t now_ms, const Weir__V1__BudgetDown *down)
{
    h->last_rx_ms = now_ms;
    for (size_t i = 0; i < down->n_recalls; i++)
        if (down->recalls[i]->lease)
            on_recall(h, now_ms, down->recalls[i]->lease);
    for (size_t i = 0; i < down->n_closed; i++)
        if (down->closed[i]->lease)
            on_closed(h, down->closed[i]->lease);
    for (size_t i = 0; i < down->n_grants; i++) {
        const Weir__V1__LeaseGrant *g = down->grants[i];
        struct weir_counter *c;

        weir__lease_on_grant(h, now_ms, g);
        if (!g->budget)
            continue;
        c = weir__counter_find(h, weir_str_of(g->budget), weir_str_of(g->scope ? g->scope : ""));
        if (c)
            weir__serve(h, now_ms, c);
    }
    for (size_t i = 0; i < down->n_refusals; i++)
        on_refusal(h, now_ms, down->refusals[i]);
}
