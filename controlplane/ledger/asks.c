/* Asks: grant, or recall what others don't use and wait for it, or refuse. */
#include <stdio.h>

#include "base/log.h"
#include "controlplane/ledger/tables.h"

enum { PARKED_ASKS_MAX = 4096 };

struct weir__budget *weir__budget_find(struct weir__core *c, const char *id)
{
    struct weir__budget *b = NULL;

    if (c->budgets)
        HASH_FIND_STR(c->budgets->by_id, id, b);
    return b;
}

static int64_t ends_in(const struct weir__core *c, const struct weir__window *w)
{
    int64_t left = w->end_ms - c->now.wall_ms;

    return w->end_ms < 0 ? -1 : left > 0 ? left : 0;
}

/* Who may want something of the window, the asker included: those with a lease there, but not more
 * than are connected. */
static int64_t active_holders(struct weir__core *c, const struct weir__window *w,
                              const struct weir__lease *l)
{
    int64_t open = weir__count_open_of_window(c, w->id) + (l->number == 0);

    /* Who is connected elsewhere isn't known here. */
    return c->shared || open < c->count.holders ? open : c->count.holders;
}

/* How much more this ask can be lent now; 0: not what it needs. */
static int64_t size_of(struct weir__core *c, const struct weir__budget *b,
                       const struct weir__ask *a, const struct weir__window *w,
                       const struct weir__lease *l)
{
    struct weir_lease_demand d = {
        .need = a->need, .waiting = a->waiting, .want = a->want > a->need ? a->want : a->need};

    /* Only what goes beyond the calls that wait is a share of what is left. */
    bool shares = d.want > d.need && d.want > d.waiting;

    if (b->def.mode == WEIR_MODE_OBSERVE)
        return d.want;
    return weir_window_size(&w->w, &l->row, &d, shares ? active_holders(c, w, l) : 1);
}

enum outcome { ANSWERED, LACKING };

/* Lends if it can. LACKING: less than the ask needs is left; *w says how things stand. */
static enum outcome try_grant(struct weir__core *c, struct weir__budget *b,
                              const struct weir__ask *a, struct weir__window *w)
{
    struct weir__lease l;
    bool observe = b->def.mode == WEIR_MODE_OBSERVE;
    int64_t x;
    int rc = WEIR_OK;

    if (!weir__window_now(c, b, a->scope, a->debt > 0, w))
        return ANSWERED;
    if (w->full) {
        weir__out_refusal(c, a, w, false, "too many counters");
        return ANSWERED;
    }
    if (!weir__lease_open(c, w->id, a->node, a->incarnation, &l))
        return ANSWERED; /* the batch fails, and its end answers */
    if (l.number && a->seq && (int64_t)a->seq <= l.asked) {
        /* Repeated: what was lent for it, a debt above all, is not lent twice. */
        weir__out_grant(c, a->incarnation, l.number, b->id, a->scope, a->seq, l.row.granted,
                        ends_in(c, w), w);
        return ANSWERED;
    }
    /* Lent before, on this lease or another: an answer, if need be with an empty lease, lets the
     * holder settle it. */
    if (a->debt > 0 && (a->debt_id == 0 || weir__debts_lent(c, a) < a->debt_id))
        rc = weir_window_grant(&w->w, &l.row, a->debt, true);
    x = size_of(c, b, a, w, &l);
    if (x > 0 && rc == WEIR_OK)
        rc = weir_window_grant(&w->w, &l.row, x, observe);
    if ((x <= 0 && a->debt <= 0) || rc != WEIR_OK)
        return LACKING;
    if (a->seq && a->seq <= INT64_MAX)
        l.asked = (int64_t)a->seq;
    if (a->debt > 0 && a->debt_id > l.debts)
        l.debts = a->debt_id;
    weir__lease_save(c, &l, a->node, a->incarnation);
    weir__window_save(c, w);
    weir__out_grant(c, a->incarnation, l.number, b->id, a->scope, a->seq, l.row.granted,
                    ends_in(c, w), w);
    return ANSWERED;
}

/* Says "used up" and when that may change. */
static void refuse(struct weir__core *c, const struct weir__ask *a, const struct weir__window *w)
{
    struct weir__window told = *w;
    int64_t wait_ms = w->length_ms > 0 ? weir__steps_wait_ms(c, w, a->need) : -1;
    struct weir__ask answered = *a;

    if (wait_ms >= 0)
        told.end_ms = c->now.wall_ms + wait_ms;
    answered.denied = a->person && a->need > 0 && weir__petition(c, a, w->id);
    weir__out_refusal(c, &answered, &told, false, "used up");
}

/* ---- recalls ---- */

struct recall {
    const char *asker;
    struct weir__parked *p;
};

bool weir__recall(struct weir__core *c, const struct weir__lease_ref *r)
{
    const struct weir__holder *h = weir__holder_find(c, r->incarnation);
    bool here = h && h->conn;

    if ((!here && !c->shared) || !weir_lease_worth_recall(&r->lease.row))
        return false;
    if (here)
        weir__out_recall(c, r->incarnation, r->lease.number);
    else
        weir__recall_remote(c, r->lease.number);
    return true;
}

static void recall_one(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    struct recall *rc = arg;

    if (strcmp(rc->asker, r->incarnation) == 0 || !weir__recall(c, r))
        return;
    rc->p->awaited = weir_realloc(rc->p->awaited, (rc->p->n_awaited + 1) * sizeof *rc->p->awaited);
    rc->p->awaited[rc->p->n_awaited++] = r->lease.number;
}

static void take_recall(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    const struct weir__holder *h = weir__holder_find(c, r->incarnation);

    (void)arg;
    if (!h || !h->conn)
        return;
    weir__out_recall(c, r->incarnation, r->lease.number);
    weir__recall_taken(c, r->lease.number);
}

void weir__recalls_take(struct weir__core *c)
{
    weir__each_recalled(c, take_recall, NULL);
}

static char *key_of(struct weir__core *c, const char *budget, const char *scope)
{
    return (char *)weir_arena_printf(c->arena, "%s\n%s", budget, scope);
}

static struct weir__parked *parked_find(struct weir__core *c, const struct weir__ask *a)
{
    struct weir__parked *p = NULL;
    const char *key = key_of(c, a->budget, a->scope);

    HASH_FIND_STR(c->parked, key, p);
    return p;
}

static void parked_push(struct weir__parked *p, const struct weir__ask *a)
{
    struct weir__parked_ask *e = WEIR_NEW(struct weir__parked_ask);

    *e = (struct weir__parked_ask){.incarnation = weir_strdup(weir_str_of(a->incarnation)),
                                   .seq = a->seq,
                                   .need = a->need,
                                   .waiting = a->waiting,
                                   .want = a->want,
                                   .debt = a->debt,
                                   .debt_id = a->debt_id,
                                   .person = a->person};
    *(p->last ? &p->last->next : &p->first) = e;
    p->last = e;
}

static void parked_pop(struct weir__parked *p)
{
    struct weir__parked_ask *e = p->first;

    p->first = e->next;
    if (!p->first)
        p->last = NULL;
    free(e->incarnation);
    free(e);
}

static void parked_drop(struct weir__core *c, struct weir__parked *p)
{
    HASH_DEL(c->parked, p);
    while (p->first)
        parked_pop(p);
    free(p->awaited);
    free(p->key);
    free(p->budget);
    free(p->scope);
    free(p);
}

void weir__parked_free(struct weir__core *c)
{
    struct weir__parked *p, *next;

    HASH_ITER (hh, c->parked, p, next)
        parked_drop(c, p);
}

static struct weir__parked *park(struct weir__core *c, const struct weir__ask *a)
{
    struct weir__parked *p = WEIR_NEW(struct weir__parked);

    p->key = weir_strdup(weir_str_of(key_of(c, a->budget, a->scope)));
    p->budget = weir_strdup(weir_str_of(a->budget));
    p->scope = weir_strdup(weir_str_of(a->scope));
    p->deadline_ms = c->now.mono_ms + c->o.recall_wait_ms;
    parked_push(p, a);
    HASH_ADD_KEYPTR(hh, c->parked, p->key, strlen(p->key), p);
    return p;
}

static void recall_for(struct weir__core *c, const struct weir__ask *a,
                       const struct weir__window *w)
{
    struct weir__parked *p = park(c, a);
    struct recall others = {.asker = a->incarnation, .p = p};

    weir__each_open_of_window(c, w->id, recall_one, &others);
    if (p->n_awaited > 0)
        return;
    parked_drop(c, p); /* nobody has anything */
    refuse(c, a, w);
}

void weir__ask_in(struct weir__core *c, const struct weir__ask *a)
{
    struct weir__budget *b = weir__budget_find(c, a->budget);
    struct weir__parked *p = parked_find(c, a);
    struct weir__window w;

    if (!b) {
        weir__out_refusal(c, a, NULL, true, "unknown budget");
        return;
    }
    if (b->gone_ms)
        b->gone_ms = c->now.mono_ms;
    /* In order: who came first gets what comes back first. */
    if (p && a->need > 0) {
        size_t n = 0;

        for (struct weir__parked_ask *e = p->first; e; e = e->next)
            n++;
        if (n < PARKED_ASKS_MAX)
            parked_push(p, a);
        else
            weir__out_refusal(c, a, NULL, true, "too many asks");
        return;
    }
    if (try_grant(c, b, a, &w) == ANSWERED)
        return;
    if (a->need <= 0 || a->need > w.w.limit - w.forgiven)
        refuse(c, a, &w);
    else
        recall_for(c, a, &w);
}

void weir__recall_answered(struct weir__core *c, int64_t number)
{
    struct weir__parked *p, *next;

    HASH_ITER (hh, c->parked, p, next)
        for (size_t i = 0; i < p->n_awaited; i++)
            if (p->awaited[i] == number) {
                p->awaited[i] = p->awaited[--p->n_awaited];
                p->poked = true;
                break;
            }
}

/* True: the first ask was answered. */
static bool serve_first(struct weir__core *c, struct weir__parked *p, bool last_chance)
{
    const struct weir__parked_ask *e = p->first;
    const struct weir__holder *h = weir__holder_find(c, e->incarnation);
    struct weir__budget *b = weir__budget_find(c, p->budget);
    struct weir__ask a = {.incarnation = e->incarnation,
                          .node = h && h->conn ? h->conn->node : NULL,
                          .budget = p->budget,
                          .scope = p->scope,
                          .seq = e->seq,
                          .need = e->need,
                          .waiting = e->waiting,
                          .want = e->want,
                          .debt = e->debt,
                          .debt_id = e->debt_id,
                          .person = e->person};
    struct weir__window w;

    if (!a.node)
        return true; /* nobody waits for it any more */
    if (!b) {
        weir__out_refusal(c, &a, NULL, true, "unknown budget");
        return true;
    }
    weir__ask_remember(c, &a);
    if (try_grant(c, b, &a, &w) == ANSWERED)
        return true;
    if (last_chance)
        refuse(c, &a, &w);
    return last_chance;
}

void weir__parked_poke(struct weir__core *c)
{
    struct weir__parked *p, *next;

    HASH_ITER (hh, c->parked, p, next) {
        bool last_chance = p->n_awaited == 0 || c->now.mono_ms >= p->deadline_ms;

        /* Other replicas don't say when something has come back to them. */
        if (!p->poked && !last_chance && !c->shared)
            continue;
        p->poked = false;
        while (p->first && c->rc == WEIR_OK && serve_first(c, p, last_chance))
            parked_pop(p);
        if (!p->first)
            parked_drop(c, p);
    }
}
