#include "controlplane/ledger/core.h"

#include <stdio.h>

#include "base/log.h"
#include "base/rand.h"
#include "controlplane/ledger/tables.h"

enum {
    SWEEP_MS = 60000,
    GONE_KEPT_MS = 120000, /* a budget that left the policy, after it was last asked for */
    SOFT_RECLAIM_MS = 600000,
    RECALL_WAIT_MS = 1000,
    TICK_MS = 1000,
    PARKED_TICK_MS = 50
};

/* ---- life ---- */

static int select_id(struct weir__core *c, bool *found)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(c->store, "SELECT id FROM ledger", &st);

    if (rc != WEIR_OK)
        return rc;
    rc = weir_stmt_step(st);
    *found = rc == 1;
    if (rc == 1) {
        struct weir_str id = weir_stmt_str(st, 0);

        rc = id.n > 0 && id.n < sizeof c->id ? WEIR_OK : WEIR_ECORRUPT;
        if (rc == WEIR_OK)
            memcpy(c->id, id.p, id.n);
    }
    weir_stmt_reset(st);
    return rc;
}

/* Of several replicas that start with an empty database one gives the identity. */
static int read_id(struct weir__core *c)
{
    struct weir_stmt *st;
    unsigned char fresh[5];
    char id[2 * sizeof fresh + 1];
    bool found;
    int rc = select_id(c, &found);

    if (rc != WEIR_OK || found)
        return rc;
    weir_rand_bytes(fresh, sizeof fresh);
    weir_hex(fresh, sizeof fresh, id);
    rc = weir_store_stmt(c->store, "INSERT INTO ledger(id) VALUES(?1) ON CONFLICT (one) DO NOTHING",
                         &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(id));
    rc = weir_stmt_run(st);
    if (rc == WEIR_OK)
        rc = select_id(c, &found);
    return rc == WEIR_OK && !found ? WEIR_ECORRUPT : rc;
}

int weir__core_create(const struct weir_ledger_options *o, struct weir__core_time now,
                      struct weir__core **out)
{
    struct weir__core *c = WEIR_NEW(struct weir__core);
    int rc;

    c->o = *o;
    if (c->o.soft_reclaim_ms == 0)
        c->o.soft_reclaim_ms = SOFT_RECLAIM_MS;
    if (c->o.recall_wait_ms == 0)
        c->o.recall_wait_ms = RECALL_WAIT_MS;
    c->now = now;
    c->started_ms = c->swept_ms = now.mono_ms;
    rc = weir_store_open(o->path, WEIR_STORE_FULL_SYNC, &c->store);
    c->shared = rc == WEIR_OK && weir_store_is_shared(c->store);
    if (rc == WEIR_OK)
        rc = weir_ledger_migrate(c->store);
    if (rc == WEIR_OK)
        rc = read_id(c);
    if (rc == WEIR_OK) {
        c->arena = weir_arena_create(NULL);
        rc = weir__budgets_load(c, &c->before);
        weir_arena_destroy(c->arena);
        c->arena = NULL;
    }
    if (rc != WEIR_OK) {
        weir__core_destroy(c);
        return rc;
    }
    *out = c;
    return WEIR_OK;
}

static void holder_free(struct weir__core *c, struct weir__holder *h)
{
    HASH_DEL(c->holders, h);
    free(h->incarnation);
    free(h);
}

void weir__core_destroy(struct weir__core *c)
{
    struct weir__holder *h, *next;

    if (!c)
        return;
    weir__parked_free(c);
    weir__raises_free(c);
    weir__crossings_forget(c);
    HASH_ITER (hh, c->holders, h, next)
        holder_free(c, h);
    while (c->conns)
        weir__core_disconnect(c, c->conns, c->now);
    weir__budget_set_free(c->budgets);
    weir__budget_set_free(c->before);
    weir_arena_destroy(c->arena);
    weir_store_close(c->store);
    free(c);
}

struct weir__conn *weir__core_connect(struct weir__core *c, const char *node,
                                      weir_ledger_send_fn send, void *arg)
{
    struct weir__conn *conn = WEIR_NEW(struct weir__conn);

    conn->node = weir_strdup(weir_str_of(node));
    conn->send = send;
    conn->arg = arg;
    conn->next = c->conns;
    if (c->conns)
        c->conns->prev = conn;
    c->conns = conn;
    return conn;
}

void weir__core_disconnect(struct weir__core *c, struct weir__conn *conn,
                           struct weir__core_time now)
{
    struct weir__holder *h, *next;

    HASH_ITER (hh, c->holders, h, next) {
        if (h->conn != conn)
            continue;
        h->conn = NULL;
        h->seen_ms = now.mono_ms;
        c->count.holders--;
    }
    *(conn->prev ? &conn->prev->next : &c->conns) = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    free(conn->node);
    free(conn);
}

void weir__core_begin(struct weir__core *c, struct weir__core_time now)
{
    c->now = now;
    c->arena = weir_arena_create(NULL);
    c->rc = weir_store_begin(c->store);
    if (c->shared)
        weir__take_turn(c);
    weir__raises_begin(c);
}

int weir__core_end(struct weir__core *c)
{
    int rc;

    weir__parked_poke(c);
    weir__crossings_look(c);
    if (c->rc == WEIR_OK && c->budgets_changed)
        weir__budgets_save(c);
    if (c->rc == WEIR_OK)
        weir__fail(c, weir_store_commit(c->store));
    rc = c->rc;
    if (rc != WEIR_OK) {
        weir_store_rollback(c->store);
        c->raises_loaded = false;
        c->raises_ended_ms = 0;
        weir__crossings_forget(c);
        c->crossings = NULL;
        c->resumed_ms = 0;
        c->out_first = c->out_last = NULL;
        c->count.errors++;
        for (const struct weir__asked *a = c->asked; a; a = a->next)
            weir__out_refusal(c, &a->ask, NULL, true, "the ledger can't be written");
    } else {
        c->count.commits++;
        c->budgets_changed = false;
    }
    weir__out_send(c);
    weir__crossings_tell(c);
    c->asked = NULL;
    weir_arena_destroy(c->arena);
    c->arena = NULL;
    return rc;
}

int64_t weir__core_tick_ms(const struct weir__core *c)
{
    return c->parked ? PARKED_TICK_MS : c->shared ? WEIR__POLL_MS : TICK_MS;
}

bool weir__core_due(struct weir__core *c, struct weir__core_time now)
{
    int64_t n = 0;

    if (c->parked || now.mono_ms - c->swept_ms >= SWEEP_MS || weir__raise_ended(c, now.wall_ms))
        return true;
    if (!c->shared || c->count.holders == 0 || weir__count_recalled(c, &n) != WEIR_OK)
        return false; /* a server that is away is asked again by whatever comes */
    return n > 0;
}

void weir__core_count(const struct weir__core *c, struct weir_ledger_counters *out)
{
    *out = c->count;
}

/* ---- what holders say ---- */

/* WEIR_OK, or WEIR_ENOTFOUND: not an id of this ledger. */
static int number_of(const struct weir__core *c, struct weir_str lease, int64_t *out)
{
    struct weir_str number, ledger = weir_str_cut(lease, '-', &number);

    if (!weir_str_is(ledger, c->id) || !number.p || weir_str_i64(number, out) != WEIR_OK)
        return WEIR_ENOTFOUND;
    return WEIR_OK;
}

static bool lends(const struct weir__core *c, const struct weir__budget *b,
                  const struct weir__lease_ref *r)
{
    return b && (int64_t)b->def.unit == r->unit && (int64_t)b->def.window == r->kind &&
           (r->end_ms < 0 || r->end_ms > c->now.wall_ms);
}

/* Tells a holder how its lease stands: lost grants arrive, obsolete leases end. */
static void restate(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    struct weir__budget *b = weir__budget_find(c, r->budget);
    struct weir__window w;
    int64_t ends_in = r->end_ms < 0 ? -1 : r->end_ms - c->now.wall_ms;

    (void)arg;
    if (!weir__window_by_id(c, r->lease.window, &w))
        return;
    if (!lends(c, b, r))
        ends_in = 0;
    weir__out_grant(c, r->incarnation, r->lease.number, r->budget, r->scope, 0,
                    r->lease.row.granted, ends_in, &w);
}

void weir__count_spent(struct weir__core *c, const struct weir__window *w, int64_t spent)
{
    weir__steps_add(c, w, spent);
    weir__burn_add(c, w, spent);
    weir__touch(c, w->id, spent);
}

static void report_in(struct weir__core *c, const struct weir__holder *h,
                      const Weir__V1__LeaseReport *m)
{
    struct weir_lease_report r = {
        .returned = m->returned, .settled = m->settled, .held = m->held, .final = m->final};
    struct weir__lease l;
    struct weir__window w;
    int64_t number, before;

    c->count.reports++;
    if (number_of(c, weir_str_of(m->lease), &number) != WEIR_OK ||
        !weir__lease_by_number(c, number, h->conn->node, &l)) {
        if (c->rc == WEIR_OK) /* of another ledger or pruned: nothing to wait for */
            weir__out_closed(c, h->incarnation, m->lease);
        return;
    }
    weir__recall_answered(c, number);
    if (!weir__window_by_id(c, l.window, &w))
        return;
    before = weir__spent(&w, &l);
    if (weir_window_report(&w.w, &l.row, &r) != WEIR_OK) {
        WEIR_LOG(WEIR_LOG_WARN, "ledger", "lease %s: a report of node %s makes no sense", m->lease,
                 h->conn->node);
        return;
    }
    weir__lease_save(c, &l, h->conn->node, h->incarnation);
    weir__window_save(c, &w);
    weir__count_spent(c, &w, weir__spent(&w, &l) - before);
    if (l.row.closed)
        weir__out_closed(c, h->incarnation, m->lease);
    else if (r.final)
        WEIR_LOG(WEIR_LOG_WARN, "ledger",
                 "lease %s: the final report knows less than an earlier one; it stays open",
                 m->lease);
}

static bool in_range(int64_t v)
{
    return v >= 0 && v <= WEIR_AMOUNT_MAX;
}

void weir__ask_remember(struct weir__core *c, const struct weir__ask *a)
{
    struct weir__asked *e = WEIR_ARENA_NEW(c->arena, struct weir__asked);

    e->ask = *a;
    e->ask.incarnation = weir_arena_strdup(c->arena, weir_str_of(a->incarnation));
    e->ask.budget = weir_arena_strdup(c->arena, weir_str_of(a->budget));
    e->ask.scope = weir_arena_strdup(c->arena, weir_str_of(a->scope));
    e->next = c->asked;
    c->asked = e;
}

static void ask_in(struct weir__core *c, const struct weir__holder *h, const Weir__V1__LeaseAsk *m)
{
    struct weir__ask a = {.incarnation = h->incarnation,
                          .node = h->conn->node,
                          .budget = m->budget,
                          .scope = m->scope ? m->scope : "",
                          .seq = m->seq,
                          .need = m->need,
                          .waiting = m->waiting,
                          .want = m->want,
                          .debt = m->debt,
                          .debt_id = m->debtid <= INT64_MAX ? (int64_t)m->debtid : 0,
                          .person = m->person};
    const struct weir__budget *b;

    if (!m->budget || !in_range(a.need) || !in_range(a.waiting) || !in_range(a.want) ||
        !in_range(a.debt) || strlen(a.budget) > WEIR__LEDGER_NAME_MAX ||
        strlen(a.scope) > WEIR__LEDGER_NAME_MAX || strchr(a.budget, '\n'))
        return;
    weir__ask_remember(c, &a);
    b = weir__budget_find(c, a.budget);
    if (b && m->has_unit && m->unit != (int32_t)b->def.unit) {
        weir__out_refusal(c, &a, NULL, true, "another unit");
        return;
    }
    weir__ask_in(c, &a);
}

static struct weir__holder *holder_of(struct weir__core *c, struct weir__conn *conn,
                                      const char *incarnation)
{
    struct weir__holder *h = weir__holder_find(c, incarnation);

    if (!h) {
        h = WEIR_NEW(struct weir__holder);
        h->incarnation = weir_strdup(weir_str_of(incarnation));
        HASH_ADD_KEYPTR(hh, c->holders, h->incarnation, strlen(h->incarnation), h);
    }
    if (!h->conn)
        c->count.holders++;
    h->conn = conn;
    h->seen_ms = c->now.mono_ms;
    return h;
}

static void write_off(struct weir__core *c, const char *node, const char *incarnation,
                      struct weir__lease *l)
{
    struct weir__window w;
    int64_t before;

    if (!weir__window_by_id(c, l->window, &w))
        return;
    before = weir__spent(&w, l);
    weir_window_write_off(&w.w, &l->row);
    weir__lease_save(c, l, node, incarnation);
    weir__window_save(c, &w);
    weir__count_spent(c, &w, weir__spent(&w, l) - before);
}

struct gone {
    const char *node;
    const Weir__V1__BudgetHello *hello;
};

/* A grant that its holder never lived to see. Those in the reports had their answer there. */
static void close_unused(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    const struct gone *g = arg;
    struct weir__lease l = r->lease;
    int64_t number;

    if (strcmp(r->node, g->node) != 0)
        return;
    for (size_t i = 0; i < g->hello->n_reports; i++) {
        const char *id = g->hello->reports[i]->lease;

        if (id && number_of(c, weir_str_of(id), &number) == WEIR_OK && number == l.number)
            return;
    }
    write_off(c, r->node, r->incarnation, &l);
}

void weir__core_up(struct weir__core *c, struct weir__conn *conn, const Weir__V1__BudgetUp *up)
{
    const char *incarnation = up->incarnation ? up->incarnation
                              : up->hello     ? up->hello->incarnation
                                              : NULL;
    struct gone gone = {.node = conn->node, .hello = up->hello};
    struct weir__holder *h;

    if (!incarnation || incarnation[0] == '\0' || strlen(incarnation) > 64)
        return;
    h = holder_of(c, conn, incarnation);
    if (up->hello) {
        for (size_t i = 0; i < up->hello->n_reports; i++)
            if (up->hello->reports[i]->lease)
                report_in(c, h, up->hello->reports[i]);
        for (size_t i = 0; i < up->hello->n_gone; i++)
            if (strcmp(up->hello->gone[i], incarnation) != 0)
                weir__each_open_of_holder(c, up->hello->gone[i], close_unused, &gone);
        weir__each_open_of_holder(c, incarnation, restate, NULL);
    }
    for (size_t i = 0; i < up->n_reports; i++)
        if (up->reports[i]->lease)
            report_in(c, h, up->reports[i]);
    for (size_t i = 0; i < up->n_asks; i++)
        ask_in(c, h, up->asks[i]);
    weir__out_heartbeat(c, incarnation);
}

/* ---- budgets ---- */

/* Leases that lend no more end; those of a lowered budget give back what they don't use. */
static void adjust(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    struct weir__budget_set *old = arg;
    const struct weir__holder *h = weir__holder_find(c, r->incarnation);
    struct weir__budget *b = weir__budget_find(c, r->budget), *was = NULL;
    struct weir__window w;

    if (old)
        HASH_FIND_STR(old->by_id, r->budget, was);
    if (b && lends(c, b, r) && was && was->def.limit != b->def.limit &&
        weir__window_by_id(c, r->lease.window, &w)) {
        weir__window_limit(c, b, r->scope, &w);
        weir__window_save(c, &w);
    }
    if (!h || !h->conn)
        return;
    if (!lends(c, b, r))
        restate(c, r, NULL);
    else if (was && b->def.limit < was->def.limit && weir_lease_worth_recall(&r->lease.row))
        weir__out_recall(c, r->incarnation, r->lease.number);
}

/* A proxy enforces its old policy until it has the new one, and longer if it refuses that: so a
 * budget that was taken out lends on as long as someone asks for it. */
static void keep_gone(struct weir__core *c, struct weir__budget_set *old,
                      struct weir__budget_set *next)
{
    struct weir__budget *b, *after, *same;

    if (!old)
        return;
    HASH_ITER (hh, old->by_id, b, after) {
        HASH_FIND_STR(next->by_id, b->id, same);
        if (same)
            continue;
        HASH_DEL(old->by_id, b);
        if (!b->gone_ms)
            b->gone_ms = c->now.mono_ms;
        HASH_ADD_KEYPTR(hh, next->by_id, b->id, strlen(b->id), b);
        next->has_alerts = next->has_alerts || b->def.n_alerts > 0;
    }
}

static void end_if_unlent(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    const struct weir__holder *h = weir__holder_find(c, r->incarnation);

    (void)arg;
    if (h && h->conn && !weir__budget_find(c, r->budget))
        restate(c, r, NULL);
}

static void forget_gone(struct weir__core *c)
{
    struct weir__budget *b, *next;
    bool any = false;

    if (!c->budgets)
        return;
    HASH_ITER (hh, c->budgets->by_id, b, next) {
        if (!b->gone_ms || c->now.mono_ms - b->gone_ms < GONE_KEPT_MS)
            continue;
        any = true;
        weir__budget_forget(c, b->id);
        HASH_DEL(c->budgets->by_id, b);
        weir__budget_free(b);
    }
    if (any)
        weir__each_open(c, end_if_unlent, NULL);
}

void weir__core_set_budgets(struct weir__core *c, struct weir__budget_set *s)
{
    struct weir__budget_set *old = c->budgets ? c->budgets : c->before;

    keep_gone(c, old, s);
    c->budgets = s;
    c->before = NULL;
    c->budgets_changed = true;
    weir__each_open(c, adjust, old);
    weir__budget_set_free(old);
}

/* ---- what the ledger does on its own ---- */

struct released {
    int64_t number;
    const char *id;
    bool found;
};

static void release_one(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    struct released *want = arg;
    struct weir__lease l = r->lease;

    if (l.number != want->number)
        return;
    want->found = true;
    write_off(c, r->node, r->incarnation, &l);
    weir__out_closed(c, r->incarnation, want->id); /* should it be there after all */
}

int weir__core_release(struct weir__core *c, struct weir_str lease)
{
    struct released want = {0};

    if (number_of(c, lease, &want.number) != WEIR_OK)
        return WEIR_ENOTFOUND;
    want.id = weir_arena_strdup(c->arena, lease);
    weir__each_open(c, release_one, &want);
    return c->rc != WEIR_OK ? c->rc : want.found ? WEIR_OK : WEIR_ENOTFOUND;
}

static void sweep_one(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    const struct weir__budget *b = weir__budget_find(c, r->budget);
    const struct weir__holder *h = weir__holder_find(c, r->incarnation);
    int64_t seen_ms = h ? h->seen_ms : c->started_ms;
    struct weir__lease l = r->lease;

    (void)arg;
    /* Never a hard one: its holder may still be spending. */
    if (!b || b->def.mode == WEIR_MODE_HARD || (h && h->conn) ||
        c->now.mono_ms - seen_ms < c->o.soft_reclaim_ms)
        return;
    /* It may speak to another replica. */
    if (c->shared && c->now.wall_ms - r->seen_ms < c->o.soft_reclaim_ms)
        return;
    WEIR_LOG(WEIR_LOG_INFO, "ledger", "lease %s-%lld of node %s is taken back: not heard of", c->id,
             (long long)l.number, r->node);
    write_off(c, r->node, r->incarnation, &l);
}

void weir__core_tick(struct weir__core *c)
{
    struct weir__holder *h, *next;

    if (c->shared)
        weir__recalls_take(c);
    weir__raises_tick(c);
    weir__crossings_tick(c);
    if (c->now.mono_ms - c->swept_ms < SWEEP_MS)
        return;
    c->swept_ms = c->now.mono_ms;
    forget_gone(c);
    if (c->shared)
        HASH_ITER (hh, c->holders, h, next)
            if (h->conn)
                weir__holder_lives(c, h->incarnation);
    weir__each_open(c, sweep_one, NULL);
    weir__prune(c);
    weir__crossings_forget(c); /* a window's number may come again */
    HASH_ITER (hh, c->holders, h, next)
        if (!h->conn && c->now.mono_ms - h->seen_ms > 2 * c->o.soft_reclaim_ms)
            holder_free(c, h);
}
