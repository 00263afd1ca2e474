/* Messages to holders: gathered during a batch, sent after its commit. */
#include <stdio.h>

#include "controlplane/ledger/core_internal.h"

enum { PER_MESSAGE = 128 };

struct weir__holder *weir__holder_find(struct weir__core *c, const char *incarnation)
{
    struct weir__holder *h = NULL;

    HASH_FIND_STR(c->holders, incarnation, h);
    return h;
}

/* The message to this holder that is being filled; a full array starts another one. */
static Weir__V1__BudgetDown *message(struct weir__core *c, const char *incarnation)
{
    struct weir__out *o = c->out_last;

    if (o && strcmp(o->incarnation, incarnation) == 0 && o->down.n_grants < PER_MESSAGE &&
        o->down.n_refusals < PER_MESSAGE && o->down.n_recalls < PER_MESSAGE &&
        o->down.n_closed < PER_MESSAGE)
        return &o->down;
    o = WEIR_ARENA_NEW(c->arena, struct weir__out);
    o->incarnation = weir_arena_strdup(c->arena, weir_str_of(incarnation));
    weir__v1__budget_down__init(&o->down);
    o->down.incarnation = (char *)o->incarnation;
    *(c->out_last ? &c->out_last->next : &c->out_first) = o;
    c->out_last = o;
    return &o->down;
}

static void *slot(struct weir__core *c, void *array)
{
    return array ? array : weir_arena_zalloc(c->arena, PER_MESSAGE * sizeof(void *));
}

static char *copy(struct weir__core *c, const char *s)
{
    return weir_arena_strdup(c->arena, weir_str_of(s));
}

static char *lease_id(struct weir__core *c, int64_t number)
{
    return (char *)weir_arena_printf(c->arena, "%s-%lld", c->id, (long long)number);
}

static int64_t at_least_0(int64_t v)
{
    return v > 0 ? v : 0;
}

void weir__out_grant(struct weir__core *c, const char *incarnation, int64_t number,
                     const char *budget, const char *scope, uint64_t seq, int64_t granted,
                     int64_t ends_in_ms, const struct weir__window *w)
{
    Weir__V1__BudgetDown *d = message(c, incarnation);
    Weir__V1__LeaseGrant *g = WEIR_ARENA_NEW(c->arena, Weir__V1__LeaseGrant);

    weir__v1__lease_grant__init(g);
    g->lease = lease_id(c, number);
    g->budget = copy(c, budget);
    g->scope = copy(c, scope);
    g->has_seq = g->has_granted = g->has_useforms = g->has_windowendsinms = true;
    g->seq = seq;
    g->granted = granted;
    g->useforms = WEIR_LEASE_USE_FOR_MS;
    g->windowendsinms = ends_in_ms;
    if (w) {
        g->has_limit = g->has_remaining = true;
        g->limit = w->w.limit - w->forgiven;
        g->remaining = at_least_0(weir_window_remaining(&w->w));
    }
    d->grants = slot(c, d->grants);
    d->grants[d->n_grants++] = g;
    c->count.grants++;
}

void weir__out_refusal(struct weir__core *c, const struct weir__ask *a,
                       const struct weir__window *w, bool retry, const char *reason)
{
    Weir__V1__BudgetDown *d = message(c, a->incarnation);
    Weir__V1__LeaseRefusal *r = WEIR_ARENA_NEW(c->arena, Weir__V1__LeaseRefusal);

    weir__v1__lease_refusal__init(r);
    r->budget = copy(c, a->budget);
    r->scope = copy(c, a->scope);
    r->has_seq = r->has_retry = r->has_resetsinms = true;
    r->seq = a->seq;
    r->retry = retry;
    r->reason = copy(c, reason);
    r->resetsinms = -1;
    if (a->denied)
        r->has_denied = r->denied = true;
    if (w && w->full) {
        r->has_full = r->full = true;
    } else if (w) {
        r->has_limit = r->has_remaining = true;
        r->limit = w->w.limit - w->forgiven;
        r->remaining = at_least_0(weir_window_remaining(&w->w));
        if (w->end_ms >= 0)
            r->resetsinms = at_least_0(w->end_ms - c->now.wall_ms);
    }
    d->refusals = slot(c, d->refusals);
    d->refusals[d->n_refusals++] = r;
    c->count.refusals++;
}

void weir__out_recall(struct weir__core *c, const char *incarnation, int64_t number)
{
    Weir__V1__BudgetDown *d = message(c, incarnation);
    Weir__V1__LeaseRecall *r = WEIR_ARENA_NEW(c->arena, Weir__V1__LeaseRecall);

    weir__v1__lease_recall__init(r);
    r->lease = lease_id(c, number);
    d->recalls = slot(c, d->recalls);
    d->recalls[d->n_recalls++] = r;
    c->count.recalls++;
}

void weir__out_closed(struct weir__core *c, const char *incarnation, const char *lease)
{
    Weir__V1__BudgetDown *d = message(c, incarnation);
    Weir__V1__LeaseClosed *r = WEIR_ARENA_NEW(c->arena, Weir__V1__LeaseClosed);

    weir__v1__lease_closed__init(r);
    r->lease = copy(c, lease);
    d->closed = slot(c, d->closed);
    d->closed[d->n_closed++] = r;
    c->count.closed++;
}

void weir__out_heartbeat(struct weir__core *c, const char *incarnation)
{
    Weir__V1__BudgetDown *d = message(c, incarnation);

    d->has_heartbeat = d->heartbeat = true;
}

void weir__out_send(struct weir__core *c)
{
    for (struct weir__out *o = c->out_first; o; o = o->next) {
        const struct weir__holder *h = weir__holder_find(c, o->incarnation);

        if (h && h->conn)
            h->conn->send(h->conn->arg, &o->down);
    }
    c->out_first = c->out_last = NULL;
}
