/* What operators do to a budget: resets, and increases that end. Each is an entry that stays, and
 * the entries are what an increase is read from. */
#include "controlplane/ledger/tables.h"

enum {
    RELOAD_MS = 1000,    /* other replicas' entries are seen after this */
    MISSED_MS = 86400000 /* ends while nobody was running are looked for so far back */
};

/* ---- increases in force ---- */

static void forget_raises(struct weir__core *c)
{
    struct weir__raise *r = c->raises, *next;

    for (; r; r = next) {
        next = r->next;
        free(r->budget);
        free(r->scope);
        free(r);
    }
    c->raises = NULL;
}

void weir__raises_free(struct weir__core *c)
{
    forget_raises(c);
}

static void load_raises(struct weir__core *c)
{
    struct weir_stmt *st = weir__stmt(c, "SELECT budget, scope, amount, until_ms FROM entries"
                                         " WHERE what = 1 AND until_ms > ?1");

    if (!st)
        return;
    forget_raises(c);
    if (c->raises_ended_ms == 0)
        c->raises_ended_ms = c->now.wall_ms - MISSED_MS;
    weir_stmt_bind_i64(st, 1, c->raises_ended_ms);
    while (weir__row(c, st)) {
        struct weir__raise *r = WEIR_NEW(struct weir__raise);
        struct weir_str scope = weir_stmt_str(st, 1);

        r->budget = weir_strdup(weir_stmt_str(st, 0));
        r->scope = scope.p ? weir_strdup(scope) : NULL;
        r->amount = weir_stmt_i64(st, 2);
        r->until_ms = weir_stmt_i64(st, 3);
        r->next = c->raises;
        c->raises = r;
    }
    weir_stmt_reset(st);
    c->raises_loaded = true;
    c->raises_ms = c->now.mono_ms;
}

static int64_t raised(const struct weir__core *c, const char *budget, const char *scope)
{
    int64_t sum = 0;

    for (const struct weir__raise *r = c->raises; r; r = r->next)
        if (r->until_ms > c->now.wall_ms && strcmp(r->budget, budget) == 0 &&
            (!r->scope || strcmp(r->scope, scope) == 0))
            sum += r->amount < WEIR_AMOUNT_MAX - sum ? r->amount : WEIR_AMOUNT_MAX - sum;
    return sum;
}

void weir__window_limit(struct weir__core *c, const struct weir__budget *b, const char *scope,
                        struct weir__window *w)
{
    w->w.limit = b->def.limit + raised(c, b->id, scope) + w->carried + w->forgiven;
}

/* ---- a budget's windows ---- */

struct live {
    struct live *next;
    int64_t id, settled;
    const char *scope;
};

/* All rows are read before anything is written to the same table. scope NULL: all. */
static struct live *live_windows(struct weir__core *c, const struct weir__budget *b,
                                 const char *scope)
{
    struct weir_stmt *st = weir__stmt(
        c, "SELECT w.id, w.scope, w.closed_settled + CAST(coalesce((SELECT sum(l.settled) FROM"
           " leases l WHERE l.\"window\" = w.id AND l.closed = 0), 0) AS {int}) FROM windows w"
           " WHERE w.budget = ?1 AND w.unit = ?2 AND w.kind = ?3"
           " AND (w.end_ms < 0 OR w.end_ms > ?4) AND (CAST(?5 AS TEXT) IS NULL OR w.scope = ?5)");
    struct live *first = NULL;

    if (!st)
        return NULL;
    weir_stmt_bind_str(st, 1, weir_str_of(b->id));
    weir_stmt_bind_i64(st, 2, b->def.unit);
    weir_stmt_bind_i64(st, 3, b->def.window);
    weir_stmt_bind_i64(st, 4, c->now.wall_ms);
    weir_stmt_bind_str(st, 5, weir_str_of(scope));
    while (weir__row(c, st)) {
        struct live *l = WEIR_ARENA_NEW(c->arena, struct live);

        l->id = weir_stmt_i64(st, 0);
        l->scope = weir_arena_strdup(c->arena, weir_stmt_str(st, 1));
        l->settled = weir_stmt_i64(st, 2);
        l->next = first;
        first = l;
    }
    weir_stmt_reset(st);
    return first;
}

static void recall_idle(struct weir__core *c, const struct weir__lease_ref *r, void *arg)
{
    (void)arg;
    (void)weir__recall(c, r);
}

/* Gives the windows the limit that holds now; where it is lower, what lies idle comes back. */
static void relimit(struct weir__core *c, const struct weir__budget *b)
{
    struct weir__window w;

    for (struct live *l = live_windows(c, b, NULL); l; l = l->next) {
        int64_t before;

        if (!weir__window_by_id(c, l->id, &w))
            return;
        before = w.w.limit;
        weir__window_limit(c, b, l->scope, &w);
        if (w.w.limit == before)
            continue;
        weir__window_save(c, &w);
        weir__touch(c, w.id, 0);
        if (w.w.limit < before)
            weir__each_open_of_window(c, w.id, recall_idle, NULL);
    }
}

static void forget_steps(struct weir__core *c, int64_t window)
{
    struct weir_stmt *st = weir__stmt(c, "DELETE FROM steps WHERE \"window\" = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, window);
    weir__run(c, st);
}

/* What has been reported as spent is forgiven; what is held or lent counts on. */
static int64_t reset(struct weir__core *c, const struct weir__budget *b, const char *scope)
{
    struct weir__window w;
    int64_t sum = 0;

    for (struct live *l = live_windows(c, b, scope); l; l = l->next) {
        int64_t spent;

        if (!weir__window_by_id(c, l->id, &w))
            return 0;
        spent = l->settled - w.forgiven;
        if (spent <= 0)
            continue;
        sum += spent;
        w.forgiven += spent;
        w.w.limit += spent;
        weir__window_save(c, &w);
        weir__burn_add(c, &w, -spent);
        weir__touch(c, w.id, 0);
        forget_steps(c, w.id);
    }
    return sum;
}

/* As if the limit were another one: what is lent stays lent, and the sums only grow. */
static int correct(struct weir__core *c, const struct weir__budget *b,
                   const struct weir_ledger_entry *e)
{
    struct live *l = live_windows(c, b, e->scope);
    struct weir__window w;

    if (c->rc != WEIR_OK)
        return c->rc;
    if (!l || l->next)
        return WEIR_EEXIST;
    if (!weir__window_by_id(c, l->id, &w))
        return c->rc;
    if (l->settled - w.forgiven + e->amount < 0 || (e->amount < 0 && w.length_ms > 0))
        return WEIR_ESTATE;
    if (l->settled - w.forgiven > WEIR_AMOUNT_MAX - e->amount)
        return WEIR_EINVAL; /* many of them must not overflow the sum */
    w.forgiven -= e->amount;
    w.w.limit -= e->amount;
    weir__window_save(c, &w);
    weir__steps_add(c, &w, e->amount);
    weir__burn_add(c, &w, e->amount);
    weir__touch(c, w.id, 0);
    if (e->amount > 0)
        weir__each_open_of_window(c, w.id, recall_idle, NULL);
    return c->rc;
}

/* ---- entries ---- */

static void write_entry(struct weir__core *c, const struct weir_ledger_entry *e, int64_t amount)
{
    struct weir_stmt *st =
        weir__stmt(c, "INSERT INTO entries(at_ms, budget, scope, what, amount, until_ms, actor,"
                      " reason) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, c->now.wall_ms);
    weir_stmt_bind_str(st, 2, weir_str_of(e->budget));
    weir_stmt_bind_str(st, 3, weir_str_of(e->scope));
    weir_stmt_bind_i64(st, 4, e->kind);
    weir_stmt_bind_i64(st, 5, amount);
    weir_stmt_bind_i64(st, 6, e->kind == WEIR_ENTRY_RAISE ? e->until_ms : 0);
    weir_stmt_bind_str(st, 7, weir_str_of(e->actor ? e->actor : ""));
    weir_stmt_bind_str(st, 8, weir_str_of(e->reason));
    weir__run(c, st);
}

int weir__core_enter(struct weir__core *c, const struct weir_ledger_entry *e)
{
    struct weir__budget *b = weir__budget_find(c, e->budget);

    if (!b || b->gone_ms)
        return WEIR_ENOTFOUND;
    if (e->kind == WEIR_ENTRY_RESET) {
        write_entry(c, e, reset(c, b, e->scope));
        weir__petitions_granted(c, e->budget, e->scope);
        return c->rc;
    }
    if (e->kind == WEIR_ENTRY_DENY) {
        int rc = weir__petitions_deny(c, e->budget, e->scope);

        if (rc == WEIR_OK)
            write_entry(c, e, 0);
        return rc == WEIR_OK ? c->rc : rc;
    }
    if (e->kind == WEIR_ENTRY_CORRECT) {
        int rc = e->amount == 0 || e->amount > WEIR_AMOUNT_MAX || e->amount < -WEIR_AMOUNT_MAX
                     ? WEIR_EINVAL
                     : correct(c, b, e);

        if (rc == WEIR_OK)
            write_entry(c, e, e->amount);
        return rc == WEIR_OK ? c->rc : rc;
    }
    if (e->kind != WEIR_ENTRY_RAISE || e->amount <= 0 || e->amount > WEIR_AMOUNT_MAX ||
        e->until_ms <= c->now.wall_ms)
        return WEIR_EINVAL;
    if (b->def.limit == 0)
        return WEIR_ESTATE;
    write_entry(c, e, e->amount);
    weir__petitions_granted(c, e->budget, e->scope);
    load_raises(c);
    relimit(c, b);
    return c->rc;
}

bool weir__raise_ended(const struct weir__core *c, int64_t wall_ms)
{
    for (const struct weir__raise *r = c->raises; r; r = r->next)
        if (r->until_ms <= wall_ms)
            return true;
    return false;
}

void weir__raises_begin(struct weir__core *c)
{
    if (!c->raises_loaded || (c->shared && c->now.mono_ms - c->raises_ms >= RELOAD_MS))
        load_raises(c);
}

void weir__raises_tick(struct weir__core *c)
{
    struct weir__raise **at = &c->raises;

    if (!c->budgets) /* which windows they end in is not known yet */
        return;
    while (*at) {
        struct weir__raise *r = *at;
        struct weir__budget *b;

        if (r->until_ms > c->now.wall_ms) {
            at = &r->next;
            continue;
        }
        b = weir__budget_find(c, r->budget);
        if (b)
            relimit(c, b);
        if (c->rc != WEIR_OK)
            return; /* tried again in the next batch */
        *at = r->next;
        free(r->budget);
        free(r->scope);
        free(r);
    }
    c->raises_ended_ms = c->now.wall_ms;
}
