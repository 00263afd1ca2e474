/* Alerts: where a counter's spending crosses what its budget wants to be told of. A crossing is
 * written in the same transaction as what led to it, and told after the commit; so it is told again
 * only when nobody has confirmed it. */
#include <stdio.h>

#include "controlplane/ledger/tables.h"

enum {
    HOUR_MS = 3600000,
    HOUR_STEP_MS = 300000,
    BURN_AFTER_MS = 2 * HOUR_MS, /* before, there is no mean worth the name */
    BURN_LEAST = 100,            /* a part of the limit: less in an hour alarms nobody */
    KNOWN_MAX = 65536,
    KEY_CHARS = 64,
    RESUME_MS = 60000,
    RETAKE_MS = 1800000 /* whoever took it up has given up by then */
};

/* ---- what this batch has touched ---- */

struct weir__touched {
    int64_t window, spent;
    UT_hash_handle hh;
};

/* What is known of an alert of a window, to save a look into the table. */
struct weir__known {
    char key[KEY_CHARS]; /* window, kind and threshold */
    bool fired;
    UT_hash_handle hh;
};

void weir__touch(struct weir__core *c, int64_t window, int64_t spent)
{
    struct weir__touched *t = NULL;

    if (!c->budgets || !c->budgets->has_alerts)
        return;
    HASH_FIND(hh, c->touched, &window, sizeof window, t);
    if (!t) {
        t = WEIR_NEW(struct weir__touched);
        t->window = window;
        HASH_ADD(hh, c->touched, window, sizeof t->window, t);
    }
    t->spent += spent;
}

static void forget_touched(struct weir__core *c)
{
    struct weir__touched *t, *next;

    HASH_ITER (hh, c->touched, t, next) {
        HASH_DEL(c->touched, t);
        free(t);
    }
}

void weir__crossings_forget(struct weir__core *c)
{
    struct weir__known *k, *next;

    HASH_ITER (hh, c->known, k, next) {
        HASH_DEL(c->known, k);
        free(k);
    }
}

/* ---- crossings ---- */

struct state {
    int64_t window, settled, limit, start_ms, end_ms, length_ms, hour, begun_ms;
    const char *budget, *scope;
    enum weir_unit unit;
};

static bool read_state(struct weir__core *c, int64_t window, struct state *s)
{
    struct weir_stmt *st = weir__stmt(
        c, "SELECT w.budget, w.scope, w.unit, w.start_ms, w.end_ms, w.budget_limit, w.length_ms,"
           " w.closed_settled - w.forgiven + CAST(coalesce((SELECT sum(l.settled) FROM leases l"
           " WHERE l.\"window\" = w.id AND l.closed = 0), 0) AS {int})"
           /* Of a rolling window steps may have left that nobody has taken out yet. */
           " - (SELECT CAST(coalesce(sum(s.amount), 0) AS {int}) FROM steps s"
           " WHERE s.\"window\" = w.id AND s.end_ms <= CAST(?2 AS {int}) - w.length_ms)"
           " FROM windows w WHERE w.id = ?1");
    bool found;

    if (!st)
        return false;
    weir_stmt_bind_i64(st, 1, window);
    weir_stmt_bind_i64(st, 2, c->now.wall_ms);
    found = weir__row(c, st);
    if (found)
        *s = (struct state){.window = window,
                            .budget = weir_arena_strdup(c->arena, weir_stmt_str(st, 0)),
                            .scope = weir_arena_strdup(c->arena, weir_stmt_str(st, 1)),
                            .unit = (enum weir_unit)weir_stmt_i64(st, 2),
                            .start_ms = weir_stmt_i64(st, 3),
                            .end_ms = weir_stmt_i64(st, 4),
                            .limit = weir_stmt_i64(st, 5),
                            .length_ms = weir_stmt_i64(st, 6),
                            .settled = weir_stmt_i64(st, 7)};
    weir_stmt_reset(st);
    return found && c->rc == WEIR_OK;
}

/* When spending in the window began: a budget may be younger than its window. */
static int64_t begun_ms(struct weir__core *c, const struct state *s)
{
    struct weir_stmt *st =
        weir__stmt(c, s->length_ms > 0
                          ? "SELECT end_ms FROM steps WHERE \"window\" = ?1 ORDER BY end_ms LIMIT 1"
                          : "SELECT opened_ms FROM leases WHERE \"window\" = ?1"
                            " ORDER BY number LIMIT 1");
    int64_t ms = c->now.wall_ms;

    if (!st)
        return ms;
    weir_stmt_bind_i64(st, 1, s->window);
    if (weir__row(c, st))
        ms = weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    return ms;
}

static void bind_hour(struct weir__core *c, struct weir_stmt *st, int64_t window)
{
    weir_stmt_bind_i64(st, 1, window);
    weir_stmt_bind_i64(st, 2, c->now.wall_ms - HOUR_MS);
}

/* Adds what was spent, forgets what is over an hour old, and sums up the rest. */
static int64_t last_hour(struct weir__core *c, int64_t window, int64_t spent)
{
    struct weir_stmt *st;
    int64_t sum = 0;

    st = weir__stmt(c, "DELETE FROM recent WHERE \"window\" = ?1 AND end_ms <= ?2");
    if (!st)
        return 0;
    bind_hour(c, st, window);
    weir__run(c, st);
    st = spent > 0 ? weir__stmt(c, "INSERT INTO recent(\"window\", end_ms, amount)"
                                   " VALUES(?1, ?2, ?3) ON CONFLICT (\"window\", end_ms)"
                                   " DO UPDATE SET amount = recent.amount + excluded.amount")
                   : NULL;
    if (st) {
        weir_stmt_bind_i64(st, 1, window);
        weir_stmt_bind_i64(st, 2, (c->now.wall_ms / HOUR_STEP_MS + 1) * HOUR_STEP_MS);
        weir_stmt_bind_i64(st, 3, spent);
        weir__run(c, st);
    }
    st = weir__stmt(c, "SELECT CAST(coalesce(sum(amount), 0) AS {int}) FROM recent"
                       " WHERE \"window\" = ?1 AND end_ms > ?2");
    if (!st)
        return 0;
    bind_hour(c, st, window);
    weir__run_i64(c, st, &sum);
    return sum;
}

/* The part of the threshold that is reached, in thousandths; -1: can't be said now. */
static int64_t reached(const struct weir__core *c, const struct weir_ledger_alert *a,
                       const struct state *s)
{
    int64_t over = c->now.wall_ms - s->begun_ms;
    __int128 part;

    if (a->kind == WEIR_ALERT_ASKED)
        return -1; /* not for spending */
    if (s->limit <= 0 || s->settled <= 0)
        return s->limit > 0 ? 0 : -1;
    if (a->kind == WEIR_ALERT_PERCENT) {
        part = (__int128)s->settled * 100000 / ((__int128)s->limit * a->threshold);
    } else {
        if (s->length_ms > 0 && over > s->length_ms)
            over = s->length_ms;
        if (over < BURN_AFTER_MS)
            return -1;
        if (s->hour < s->limit / BURN_LEAST)
            return 0;
        /* hour / (settled * HOUR_MS / over), against a threshold in thousandths */
        part = (__int128)s->hour * over / HOUR_MS * 1000000 / ((__int128)s->settled * a->threshold);
    }
    return part > 1000000 ? 1000000 : (int64_t)part;
}

static void key_of(const struct state *s, const struct weir_ledger_alert *a, char key[KEY_CHARS])
{
    (void)snprintf(key, KEY_CHARS, "%lld %d %lld", (long long)s->window, (int)a->kind,
                   (long long)a->threshold);
}

static struct weir__known *known_of(struct weir__core *c, const struct state *s,
                                    const struct weir_ledger_alert *a)
{
    struct weir__known *k = NULL;
    char key[KEY_CHARS];

    key_of(s, a, key);
    HASH_FIND_STR(c->known, key, k);
    return k;
}

static void know(struct weir__core *c, const struct state *s, const struct weir_ledger_alert *a,
                 bool fired)
{
    struct weir__known *k = known_of(c, s, a), *next;

    if (!k) {
        if (HASH_COUNT(c->known) >= KNOWN_MAX)
            HASH_ITER (hh, c->known, k, next) {
                HASH_DEL(c->known, k);
                free(k);
            }
        k = WEIR_NEW(struct weir__known);
        key_of(s, a, k->key);
        HASH_ADD_STR(c->known, key, k);
    }
    k->fired = fired;
}

static void tell(struct weir__core *c, const struct weir_ledger_crossing *x)
{
    struct weir__crossing *e = WEIR_ARENA_NEW(c->arena, struct weir__crossing);

    e->x = *x;
    e->next = c->crossings;
    c->crossings = e;
}

static void fire(struct weir__core *c, const struct state *s, const struct weir_ledger_alert *a)
{
    struct weir_stmt *st = weir__stmt(
        c, "INSERT INTO alerts(\"window\", what, threshold, at_ms, settled, budget_limit, hour,"
           " taken_ms, done) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?4, 0)"
           " ON CONFLICT (\"window\", what, threshold) DO NOTHING RETURNING id");
    struct weir_ledger_crossing x = {.kind = a->kind,
                                     .threshold = a->threshold,
                                     .budget = s->budget,
                                     .scope = s->scope,
                                     .unit = s->unit,
                                     .settled = s->settled,
                                     .limit = s->limit,
                                     .hour = s->hour,
                                     .window_start_ms = s->start_ms,
                                     .window_end_ms = s->end_ms,
                                     .at_ms = c->now.wall_ms};

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, s->window);
    weir_stmt_bind_i64(st, 2, a->kind);
    weir_stmt_bind_i64(st, 3, a->threshold);
    weir_stmt_bind_i64(st, 4, c->now.wall_ms);
    weir_stmt_bind_i64(st, 5, s->settled);
    weir_stmt_bind_i64(st, 6, s->limit);
    weir_stmt_bind_i64(st, 7, s->hour);
    if (weir__row(c, st))
        x.id = weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    if (x.id)
        tell(c, &x);
    know(c, s, a, true);
}

/* Below nine tenths of it the next crossing counts again. */
static void rearm(struct weir__core *c, const struct state *s, const struct weir_ledger_alert *a)
{
    struct weir_stmt *st =
        weir__stmt(c, "DELETE FROM alerts WHERE \"window\" = ?1 AND what = ?2 AND threshold = ?3");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, s->window);
    weir_stmt_bind_i64(st, 2, a->kind);
    weir_stmt_bind_i64(st, 3, a->threshold);
    weir__run(c, st);
    know(c, s, a, false);
}

static void look(struct weir__core *c, const struct weir__touched *t)
{
    const struct weir__budget *b;
    bool burns = false;
    struct state s;

    if (!read_state(c, t->window, &s) || !(b = weir__budget_find(c, s.budget)))
        return;
    for (size_t i = 0; i < b->def.n_alerts; i++)
        burns = burns || b->def.alerts[i].kind == WEIR_ALERT_BURN;
    if (burns) {
        s.hour = last_hour(c, t->window, t->spent);
        s.begun_ms = begun_ms(c, &s);
    }
    for (size_t i = 0; i < b->def.n_alerts; i++) {
        const struct weir_ledger_alert *a = &b->def.alerts[i];
        const struct weir__known *k = known_of(c, &s, a);
        int64_t part = reached(c, a, &s);

        if (part >= 1000 && (!k || !k->fired))
            fire(c, &s, a);
        else if (part >= 0 && part < 900 && (!k || k->fired))
            rearm(c, &s, a);
    }
}

/* Asks of the same batch have one time, and are told once. */
static void rearm_asked(struct weir__core *c, int64_t window)
{
    struct weir_stmt *st =
        weir__stmt(c, "DELETE FROM alerts WHERE \"window\" = ?1 AND what = ?2 AND at_ms < ?3");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, window);
    weir_stmt_bind_i64(st, 2, WEIR_ALERT_ASKED);
    weir_stmt_bind_i64(st, 3, c->now.wall_ms);
    weir__run(c, st);
}

void weir__crossing_asked(struct weir__core *c, int64_t window, int64_t need)
{
    const struct weir__budget *b;
    struct state s;

    if (!c->budgets || !c->budgets->has_alerts || !read_state(c, window, &s) ||
        !(b = weir__budget_find(c, s.budget)))
        return;
    s.hour = need;
    for (size_t i = 0; i < b->def.n_alerts; i++) {
        if (b->def.alerts[i].kind != WEIR_ALERT_ASKED)
            continue;
        rearm_asked(c, window);
        fire(c, &s, &b->def.alerts[i]);
        return;
    }
}

void weir__crossings_look(struct weir__core *c)
{
    for (struct weir__touched *t = c->touched; t && c->rc == WEIR_OK; t = t->hh.next)
        look(c, t);
    forget_touched(c);
}

void weir__crossings_tell(struct weir__core *c)
{
    for (struct weir__crossing *e = c->crossings; e; e = e->next)
        if (c->o.on_crossing)
            c->o.on_crossing(c->o.crossing_arg, &e->x);
    c->crossings = NULL;
}

/* ---- those that nobody has confirmed ---- */

static void take_up(struct weir__core *c, int64_t id)
{
    struct weir_stmt *st = weir__stmt(c, "UPDATE alerts SET taken_ms = ?2 WHERE id = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, id);
    weir_stmt_bind_i64(st, 2, c->now.wall_ms);
    weir__run(c, st);
}

static void resume(struct weir__core *c, int64_t taken_before_ms)
{
    struct weir_stmt *st = weir__stmt(
        c, "SELECT a.id, a.what, a.threshold, a.at_ms, a.settled, a.budget_limit, a.hour, w.budget,"
           " w.scope, w.unit, w.start_ms, w.end_ms FROM alerts a JOIN windows w ON"
           " w.id = a.\"window\" WHERE a.done = 0 AND a.taken_ms < ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, taken_before_ms);
    while (weir__row(c, st))
        tell(c, &(struct weir_ledger_crossing){
                    .id = weir_stmt_i64(st, 0),
                    .kind = (enum weir_alert_kind)weir_stmt_i64(st, 1),
                    .threshold = weir_stmt_i64(st, 2),
                    .at_ms = weir_stmt_i64(st, 3),
                    .settled = weir_stmt_i64(st, 4),
                    .limit = weir_stmt_i64(st, 5),
                    .hour = weir_stmt_i64(st, 6),
                    .budget = weir_arena_strdup(c->arena, weir_stmt_str(st, 7)),
                    .scope = weir_arena_strdup(c->arena, weir_stmt_str(st, 8)),
                    .unit = (enum weir_unit)weir_stmt_i64(st, 9),
                    .window_start_ms = weir_stmt_i64(st, 10),
                    .window_end_ms = weir_stmt_i64(st, 11)});
    weir_stmt_reset(st);
    for (const struct weir__crossing *e = c->crossings; e; e = e->next)
        take_up(c, e->x.id);
}

/* An earlier run of this ledger has left them, or another replica that is gone for long. */
void weir__crossings_tick(struct weir__core *c)
{
    bool first = c->resumed_ms == 0;

    if (!c->budgets || !c->o.on_crossing || (!first && c->now.mono_ms - c->resumed_ms < RESUME_MS))
        return;
    c->resumed_ms = c->now.mono_ms;
    resume(c, first && !c->shared ? c->now.wall_ms + 1 : c->now.wall_ms - RETAKE_MS);
}

void weir__core_crossing_done(struct weir__core *c, int64_t id)
{
    struct weir_stmt *st = weir__stmt(c, "UPDATE alerts SET done = 1 WHERE id = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, id);
    weir__run(c, st);
}
