/* The ledger's tables. Windows hold the sums; leases hold what each holder was lent. */
#include "controlplane/ledger/tables.h"

static const char *const schema[] = {
    "CREATE TABLE ledger(id TEXT NOT NULL);"
    "CREATE TABLE windows(id {rowid}, budget TEXT NOT NULL, scope TEXT NOT NULL,"
    "  unit {int} NOT NULL, kind {int} NOT NULL, start_ms {int} NOT NULL,"
    "  end_ms {int} NOT NULL, budget_limit {int} NOT NULL,"
    "  closed_settled {int} NOT NULL DEFAULT 0, committed {int} NOT NULL DEFAULT 0,"
    "  UNIQUE(budget, scope, unit, kind, start_ms)) {strict};"
    "CREATE INDEX windows_end ON windows(end_ms);"
    /* serial: a number is never used twice, not even after rows were pruned. */
    "CREATE TABLE leases(number {serial},"
    "  \"window\" {int} NOT NULL REFERENCES windows(id), node TEXT NOT NULL,"
    "  incarnation TEXT NOT NULL, granted {int} NOT NULL, returned {int} NOT NULL,"
    "  settled {int} NOT NULL, held {int} NOT NULL, closed {int} NOT NULL,"
    "  opened_ms {int} NOT NULL, reported_ms {int} NOT NULL) {strict};"
    "CREATE INDEX leases_window ON leases(\"window\", closed);"
    "CREATE INDEX leases_open ON leases(incarnation) WHERE closed = 0;",
    /* What lent last: a budget that left the policy lends on for a while, over restarts too. */
    "CREATE TABLE budgets(id TEXT PRIMARY KEY, unit {int} NOT NULL, mode {int} NOT NULL,"
    "  kind {int} NOT NULL, timezone TEXT, budget_limit {int} NOT NULL,"
    "  gone {int} NOT NULL) {strict, keyed};",
    /* Several replicas: one identity, one open lease for a holder in a window. A holder's last ask
     * that was answered; when it was last known to live; when another replica's asker recalled. */
    "ALTER TABLE ledger ADD COLUMN one {int} NOT NULL DEFAULT 1;"
    "CREATE UNIQUE INDEX ledger_one ON ledger(one);"
    "CREATE UNIQUE INDEX leases_one ON leases(\"window\", node, incarnation) WHERE closed = 0;"
    "ALTER TABLE leases ADD COLUMN asked {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE leases ADD COLUMN seen_ms {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE leases ADD COLUMN recalled_ms {int} NOT NULL DEFAULT 0;"
    "CREATE INDEX leases_recalled ON leases(recalled_ms) WHERE recalled_ms > 0;",
    /* The newest of the holder's debts that was lent: one that is asked for again is not. */
    "ALTER TABLE leases ADD COLUMN debts {int} NOT NULL DEFAULT 0",
    "CREATE INDEX leases_debts ON leases(incarnation) WHERE debts > 0;",
    /* Rolling windows: what was spent, by the end of the step that it belongs to. What has left a
     * window is forgiven: the sums themselves only grow. */
    "ALTER TABLE budgets ADD COLUMN length_ms {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE windows ADD COLUMN length_ms {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE windows ADD COLUMN forgiven {int} NOT NULL DEFAULT 0;"
    "CREATE TABLE steps(\"window\" {int} NOT NULL REFERENCES windows(id), end_ms {int} NOT NULL,"
    "  amount {int} NOT NULL, PRIMARY KEY(\"window\", end_ms)) {strict, keyed};",
    "ALTER TABLE budgets ADD COLUMN max_counters {int} NOT NULL DEFAULT 0",
    /* What operators did. scope NULL: to every counter. */
    "CREATE TABLE entries(id {serial}, at_ms {int} NOT NULL, budget TEXT NOT NULL, scope TEXT,"
    "  what {int} NOT NULL, amount {int} NOT NULL, until_ms {int} NOT NULL,"
    "  actor TEXT NOT NULL) {strict};"
    "CREATE INDEX entries_budget ON entries(budget, id);"
    "CREATE INDEX entries_until ON entries(until_ms) WHERE until_ms > 0;"
    "ALTER TABLE windows ADD COLUMN carried {int} NOT NULL DEFAULT 0;"
    "ALTER TABLE budgets ADD COLUMN carry_max {int} NOT NULL DEFAULT 0",
    /* Alerts that were raised, once for a crossing; done: whoever it concerns was told. And what
     * was spent lately, for burn rates. */
    "CREATE TABLE alerts(id {serial}, \"window\" {int} NOT NULL, what {int} NOT NULL,"
    "  threshold {int} NOT NULL, at_ms {int} NOT NULL, settled {int} NOT NULL,"
    "  budget_limit {int} NOT NULL, hour {int} NOT NULL, taken_ms {int} NOT NULL,"
    "  done {int} NOT NULL, UNIQUE(\"window\", what, threshold)) {strict};"
    "CREATE TABLE recent(\"window\" {int} NOT NULL, end_ms {int} NOT NULL,"
    "  amount {int} NOT NULL, PRIMARY KEY(\"window\", end_ms)) {strict, keyed};",
    "ALTER TABLE entries ADD COLUMN reason TEXT",
    ("CREATE TABLE burn(\"window\" {int} NOT NULL, end_ms {int} NOT NULL,"
     "  amount {int} NOT NULL, PRIMARY KEY(\"window\", end_ms)) {strict, keyed};"),
    ("CREATE TABLE petitions(budget TEXT NOT NULL, scope TEXT NOT NULL, need {int} NOT NULL,"
     "  since_ms {int} NOT NULL, last_ms {int} NOT NULL, denied_ms {int} NOT NULL,"
     "  PRIMARY KEY(budget, scope)) {strict, keyed};")};

int weir_ledger_migrate(struct weir_store *s)
{
    return weir_store_migrate(s, "ledger", schema, sizeof schema / sizeof *schema);
}

void weir__fail(struct weir__core *c, int rc)
{
    if (c->rc == WEIR_OK)
        c->rc = rc;
}

struct weir_stmt *weir__stmt(struct weir__core *c, const char *sql)
{
    struct weir_stmt *st = NULL;
    int rc;

    if (c->rc != WEIR_OK)
        return NULL;
    rc = weir_store_stmt(c->store, sql, &st);
    if (rc != WEIR_OK)
        weir__fail(c, rc);
    return rc == WEIR_OK ? st : NULL;
}

bool weir__row(struct weir__core *c, struct weir_stmt *st)
{
    int rc = weir_stmt_step(st);

    if (rc < 0)
        weir__fail(c, rc);
    return rc == 1;
}

void weir__run(struct weir__core *c, struct weir_stmt *st)
{
    int rc = weir_stmt_run(st);

    if (rc != WEIR_OK)
        weir__fail(c, rc);
}

void weir__run_i64(struct weir__core *c, struct weir_stmt *st, int64_t *out)
{
    int rc = weir_stmt_run_i64(st, out);

    if (rc != WEIR_OK)
        weir__fail(c, rc);
}

static void bind_z(struct weir_stmt *st, int i, const char *z)
{
    weir_stmt_bind_str(st, i, weir_str_of(z));
}

static void read_window(struct weir_stmt *st, struct weir__window *out)
{
    *out = (struct weir__window){.id = weir_stmt_i64(st, 0),
                                 .start_ms = weir_stmt_i64(st, 1),
                                 .end_ms = weir_stmt_i64(st, 2),
                                 .w = {.limit = weir_stmt_i64(st, 3) + weir_stmt_i64(st, 7),
                                       .closed_settled = weir_stmt_i64(st, 4),
                                       .committed = weir_stmt_i64(st, 5)},
                                 .length_ms = weir_stmt_i64(st, 6),
                                 .forgiven = weir_stmt_i64(st, 7),
                                 .carried = weir_stmt_i64(st, 8)};
}

static void insert_window(struct weir__core *c, const struct weir__budget *b, const char *scope,
                          struct weir__window *w)
{
    struct weir_stmt *st = weir__stmt(
        c, "INSERT INTO windows(budget, scope, unit, kind, start_ms, end_ms, budget_limit,"
           " length_ms, carried) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id");

    if (!st)
        return;
    bind_z(st, 1, b->id);
    bind_z(st, 2, scope);
    weir_stmt_bind_i64(st, 3, b->def.unit);
    weir_stmt_bind_i64(st, 4, b->def.window);
    weir_stmt_bind_i64(st, 5, w->start_ms);
    weir_stmt_bind_i64(st, 6, w->end_ms);
    weir_stmt_bind_i64(st, 7, w->w.limit);
    weir_stmt_bind_i64(st, 8, w->length_ms);
    weir_stmt_bind_i64(st, 9, w->carried);
    weir__run_i64(c, st, &w->id);
}

/* What is lent when a window ends counts as spent: it may be. A window in which nobody asked for
 * anything leaves its whole limit. */
static int64_t carried(const struct weir__budget *b, const struct weir__window *before,
                       int64_t start_ms)
{
    int64_t left = b->def.limit + before->carried + before->forgiven - before->w.closed_settled -
                   before->w.committed;

    left = left > 0 ? left : 0;
    if (before->end_ms < start_ms)
        left += b->def.limit;
    return left < b->def.carry_max ? left : b->def.carry_max;
}

/* before: the counter's last window; NULL: none. spent: something is already, so the bound on
 * counters does not keep it out. */
static void open_next(struct weir__core *c, struct weir__budget *b, const char *scope, bool spent,
                      const struct weir__window *before, struct weir__window *out)
{
    *out = (struct weir__window){.length_ms = b->def.length_ms};
    weir_window_bounds(b->zone, b->def.window, c->now.wall_ms, &out->start_ms, &out->end_ms);
    out->full = !weir__counter_fits(c, b) && !spent;
    if (out->full)
        return;
    if (before && b->def.carry_max > 0)
        out->carried = carried(b, before, out->start_ms);
    weir__window_limit(c, b, scope, out);
    insert_window(c, b, scope, out);
}

/* The newest window that is not over. A wall clock that stepped back does not bring back an older
 * one: what was spent is never forgotten that way. */
bool weir__window_now(struct weir__core *c, struct weir__budget *b, const char *scope, bool spent,
                      struct weir__window *out)
{
    struct weir_stmt *st = weir__stmt(
        c, "SELECT id, start_ms, end_ms, budget_limit, closed_settled, committed, length_ms,"
           " forgiven, carried FROM windows WHERE budget = ?1 AND scope = ?2 AND unit = ?3 AND "
           "kind = ?4"
           " ORDER BY start_ms DESC LIMIT 1");
    bool found;

    if (!st)
        return false;
    bind_z(st, 1, b->id);
    bind_z(st, 2, scope);
    weir_stmt_bind_i64(st, 3, b->def.unit);
    weir_stmt_bind_i64(st, 4, b->def.window);
    found = weir__row(c, st);
    if (found)
        read_window(st, out);
    weir_stmt_reset(st);
    if (!found || (out->end_ms >= 0 && out->end_ms <= c->now.wall_ms)) {
        struct weir__window before = *out;

        open_next(c, b, scope, spent, found ? &before : NULL, out);
        return c->rc == WEIR_OK;
    }
    out->length_ms = b->def.length_ms;
    if (out->length_ms > 0)
        weir__steps_leave(c, out);
    weir__window_limit(c, b, scope, out);
    return c->rc == WEIR_OK;
}

int64_t weir__spent(const struct weir__window *w, const struct weir__lease *l)
{
    return w->w.closed_settled + (l->row.closed ? 0 : l->row.settled);
}

void weir__window_save(struct weir__core *c, const struct weir__window *w)
{
    struct weir_stmt *st =
        weir__stmt(c, "UPDATE windows SET budget_limit = ?2, closed_settled = ?3,"
                      " committed = ?4, length_ms = ?5, forgiven = ?6 WHERE id = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, w->id);
    weir_stmt_bind_i64(st, 2, w->w.limit - w->forgiven);
    weir_stmt_bind_i64(st, 3, w->w.closed_settled);
    weir_stmt_bind_i64(st, 4, w->w.committed);
    weir_stmt_bind_i64(st, 5, w->length_ms);
    weir_stmt_bind_i64(st, 6, w->forgiven);
    weir__run(c, st);
}

bool weir__window_by_id(struct weir__core *c, int64_t id, struct weir__window *out)
{
    struct weir_stmt *st =
        weir__stmt(c, "SELECT id, start_ms, end_ms, budget_limit, closed_settled,"
                      " committed, length_ms, forgiven, carried FROM windows WHERE id = ?1");
    bool found;

    if (!st)
        return false;
    weir_stmt_bind_i64(st, 1, id);
    found = weir__row(c, st);
    if (found)
        read_window(st, out);
    weir_stmt_reset(st);
    return found;
}

static void read_lease(struct weir_stmt *st, struct weir__lease *out)
{
    *out = (struct weir__lease){.number = weir_stmt_i64(st, 0),
                                .window = weir_stmt_i64(st, 1),
                                .row = {.granted = weir_stmt_i64(st, 2),
                                        .returned = weir_stmt_i64(st, 3),
                                        .settled = weir_stmt_i64(st, 4),
                                        .held = weir_stmt_i64(st, 5),
                                        .closed = weir_stmt_i64(st, 6) != 0},
                                .asked = weir_stmt_i64(st, 7),
                                .debts = weir_stmt_i64(st, 8)};
}

bool weir__lease_open(struct weir__core *c, int64_t window, const char *node,
                      const char *incarnation, struct weir__lease *out)
{
    struct weir_stmt *st = weir__stmt(
        c,
        "SELECT number, \"window\", granted, returned, settled, held, closed,"
        " asked, debts FROM leases WHERE incarnation = ?2 AND \"window\" = ?1 AND closed = 0 AND "
        "node = ?3");

    *out = (struct weir__lease){.window = window};
    if (!st)
        return false;
    weir_stmt_bind_i64(st, 1, window);
    bind_z(st, 2, incarnation);
    bind_z(st, 3, node);
    if (weir__row(c, st))
        read_lease(st, out);
    weir_stmt_reset(st);
    return c->rc == WEIR_OK;
}

static void bind_lease(struct weir__core *c, struct weir_stmt *st, const struct weir__lease *l)
{
    weir_stmt_bind_i64(st, 1, l->row.granted);
    weir_stmt_bind_i64(st, 2, l->row.returned);
    weir_stmt_bind_i64(st, 3, l->row.settled);
    weir_stmt_bind_i64(st, 4, l->row.held);
    weir_stmt_bind_i64(st, 5, l->row.closed);
    weir_stmt_bind_i64(st, 6, c->now.wall_ms);
    weir_stmt_bind_i64(st, 7, l->asked);
    weir_stmt_bind_i64(st, 8, l->debts);
}

static void insert_lease(struct weir__core *c, struct weir__lease *l, const char *node,
                         const char *incarnation)
{
    struct weir_stmt *st = weir__stmt(
        c, "INSERT INTO leases(granted, returned, settled, held, closed, reported_ms, asked,"
           " debts, \"window\", node, incarnation, opened_ms, seen_ms)"
           " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?6, ?6) RETURNING number");

    if (!st)
        return;
    bind_lease(c, st, l);
    weir_stmt_bind_i64(st, 9, l->window);
    bind_z(st, 10, node);
    bind_z(st, 11, incarnation);
    weir__run_i64(c, st, &l->number);
}

void weir__lease_save(struct weir__core *c, struct weir__lease *l, const char *node,
                      const char *incarnation)
{
    struct weir_stmt *st;

    if (!l->number) {
        insert_lease(c, l, node, incarnation);
        return;
    }
    st = weir__stmt(
        c,
        "UPDATE leases SET granted = ?1, returned = ?2, settled = ?3, held = ?4,"
        " closed = ?5, reported_ms = ?6, seen_ms = ?6, asked = ?7, debts = ?8 WHERE number = ?9");
    if (!st)
        return;
    bind_lease(c, st, l);
    weir_stmt_bind_i64(st, 9, l->number);
    weir__run(c, st);
}

int64_t weir__debts_lent(struct weir__core *c, const struct weir__ask *a)
{
    struct weir_stmt *st = weir__stmt(
        c, "SELECT coalesce(max(l.debts), 0) FROM leases l JOIN windows w ON w.id = l.\"window\""
           " WHERE l.incarnation = ?1 AND l.debts > 0 AND l.node = ?2 AND w.budget = ?3"
           " AND w.scope = ?4");
    int64_t n = 0;

    if (!st)
        return 0;
    bind_z(st, 1, a->incarnation);
    bind_z(st, 2, a->node);
    bind_z(st, 3, a->budget);
    bind_z(st, 4, a->scope);
    weir__run_i64(c, st, &n);
    return n;
}

int weir__lease_by_number(struct weir__core *c, int64_t number, const char *node,
                          struct weir__lease *out)
{
    struct weir_stmt *st = weir__stmt(
        c,
        "SELECT number, \"window\", granted, returned, settled, held, closed,"
        " asked, debts FROM leases WHERE number = ?1 AND (CAST(?2 AS TEXT) IS NULL OR node = ?2)");
    bool found;

    if (!st)
        return 0;
    weir_stmt_bind_i64(st, 1, number);
    bind_z(st, 2, node);
    found = weir__row(c, st);
    if (found)
        read_lease(st, out);
    weir_stmt_reset(st);
    return found;
}

#define OPEN_LEASES                                                                                \
    "SELECT l.number, l.window, l.granted, l.returned, l.settled, l.held, l.closed,"               \
    " l.asked, l.debts, l.incarnation,"                                                            \
    " l.node, w.budget, w.scope, w.unit, w.kind, w.end_ms, l.reported_ms, l.seen_ms FROM leases l" \
    " JOIN windows w ON w.id = l.window WHERE l.closed = 0"

struct refs {
    struct weir__lease_ref *first;
    size_t n, cap;
};

/* All rows are read before fn runs, because fn writes to the same tables. */
static void each(struct weir__core *c, struct weir_stmt *st, weir__lease_fn fn, void *arg)
{
    struct refs refs = {0};

    while (weir__row(c, st)) {
        struct weir__lease_ref *r;

        if (refs.n == refs.cap) {
            refs.cap = refs.cap ? refs.cap * 2 : 16;
            refs.first = weir_realloc(refs.first, refs.cap * sizeof *refs.first);
        }
        r = &refs.first[refs.n++];
        read_lease(st, &r->lease);
        r->incarnation = weir_arena_strdup(c->arena, weir_stmt_str(st, 9));
        r->node = weir_arena_strdup(c->arena, weir_stmt_str(st, 10));
        r->budget = weir_arena_strdup(c->arena, weir_stmt_str(st, 11));
        r->scope = weir_arena_strdup(c->arena, weir_stmt_str(st, 12));
        r->unit = weir_stmt_i64(st, 13);
        r->kind = weir_stmt_i64(st, 14);
        r->end_ms = weir_stmt_i64(st, 15);
        r->reported_ms = weir_stmt_i64(st, 16);
        r->seen_ms = weir_stmt_i64(st, 17);
    }
    weir_stmt_reset(st);
    for (size_t i = 0; i < refs.n; i++)
        fn(c, &refs.first[i], arg);
    free(refs.first);
}

void weir__each_open_of_holder(struct weir__core *c, const char *incarnation, weir__lease_fn fn,
                               void *arg)
{
    struct weir_stmt *st = weir__stmt(c, OPEN_LEASES " AND l.incarnation = ?1");

    if (!st)
        return;
    bind_z(st, 1, incarnation);
    each(c, st, fn, arg);
}

void weir__each_open_of_window(struct weir__core *c, int64_t window, weir__lease_fn fn, void *arg)
{
    struct weir_stmt *st = weir__stmt(c, OPEN_LEASES " AND l.window = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, window);
    each(c, st, fn, arg);
}

int64_t weir__count_open_of_window(struct weir__core *c, int64_t window)
{
    struct weir_stmt *st =
        weir__stmt(c, "SELECT count(*) FROM leases WHERE \"window\" = ?1 AND closed = 0");
    int64_t n = 0;

    if (!st)
        return 0;
    weir_stmt_bind_i64(st, 1, window);
    if (weir__row(c, st))
        n = weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    return n;
}

void weir__each_open(struct weir__core *c, weir__lease_fn fn, void *arg)
{
    struct weir_stmt *st = weir__stmt(c, OPEN_LEASES);

    if (st)
        each(c, st, fn, arg);
}

/* ---- between replicas ---- */

/* Batches take turns: the row is the lock that SQLite's begin is. Then everything that is read is
 * what the batch before has left, and the server's clock never runs back between two of them. */
void weir__take_turn(struct weir__core *c)
{
    struct weir_stmt *st = weir__stmt(c, "SELECT one FROM ledger {for update}");
    int64_t one;

    if (!st)
        return;
    weir__run_i64(c, st, &one);
    if (c->rc == WEIR_OK)
        weir__fail(c, weir_store_now(c->store, &c->now.wall_ms));
}

void weir__recall_remote(struct weir__core *c, int64_t number)
{
    struct weir_stmt *st = weir__stmt(c, "UPDATE leases SET recalled_ms = ?2 WHERE number = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, number);
    weir_stmt_bind_i64(st, 2, c->now.wall_ms);
    weir__run(c, st);
}

void weir__recall_taken(struct weir__core *c, int64_t number)
{
    struct weir_stmt *st = weir__stmt(c, "UPDATE leases SET recalled_ms = 0 WHERE number = ?1");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, number);
    weir__run(c, st);
}

void weir__each_recalled(struct weir__core *c, weir__lease_fn fn, void *arg)
{
    struct weir_stmt *st = weir__stmt(
        c, OPEN_LEASES " AND l.recalled_ms > 0 AND l.recalled_ms > ?1 ORDER BY l.number");

    if (!st)
        return;
    weir_stmt_bind_i64(st, 1, c->now.wall_ms - WEIR__RECALL_FRESH_MS);
    each(c, st, fn, arg);
}

int weir__count_recalled(struct weir__core *c, int64_t *n)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(c->store,
                             "SELECT count(*) FROM leases WHERE closed = 0 AND recalled_ms > 0"
                             " AND recalled_ms > ?1",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, c->now.wall_ms - WEIR__RECALL_FRESH_MS);
    return weir_stmt_run_i64(st, n);
}

void weir__holder_lives(struct weir__core *c, const char *incarnation)
{
    struct weir_stmt *st =
        weir__stmt(c, "UPDATE leases SET seen_ms = ?2 WHERE incarnation = ?1 AND closed = 0");

    if (!st)
        return;
    bind_z(st, 1, incarnation);
    weir_stmt_bind_i64(st, 2, c->now.wall_ms);
    weir__run(c, st);
}
