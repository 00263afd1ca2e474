#include "controlplane/ledger/query.h"

#include "base/mem.h"
#include "controlplane/store/store.h"

enum { PETITION_MS = 5000 }; /* waiting calls ask several times a second */

struct weir_ledger_reader {
    struct weir_store *store;
};

int weir_ledger_reader_open(const char *path, struct weir_ledger_reader **out)
{
    struct weir_store *store;
    int rc = weir_store_open(path, WEIR_STORE_READ_ONLY, &store);

    if (rc != WEIR_OK)
        return rc;
    *out = WEIR_NEW(struct weir_ledger_reader);
    (*out)->store = store;
    return WEIR_OK;
}

void weir_ledger_reader_close(struct weir_ledger_reader *r)
{
    if (!r)
        return;
    weir_store_close(r->store);
    free(r);
}

/* settled and held of open leases come on top of what is in the window's row. Of a rolling window
 * steps may have left that nobody has taken out yet. */
#define COUNTERS                                                                                   \
    "SELECT w.budget, w.scope, w.unit, w.budget_limit, w.start_ms, w.end_ms,"                      \
    " w.closed_settled - w.forgiven + CAST(coalesce(sum(l.settled), 0) AS {int}),"                 \
    " CAST(coalesce(sum(l.held), 0) AS {int}), w.committed,"                                       \
    " w.budget_limit + w.forgiven - w.closed_settled - w.committed, count(l.number), "             \
    "w.length_ms, w.carried,"                                                                      \
    " (SELECT CAST(coalesce(sum(s.amount), 0) AS {int}) FROM steps s WHERE s.\"window\" = w.id"    \
    " AND s.end_ms <= ?1 - w.length_ms)"                                                           \
    " FROM windows w LEFT JOIN leases l ON l.\"window\" = w.id AND l.closed = 0"

static void read_counter(struct weir_stmt *st, struct weir_arena *a, struct weir_ledger_counter *c)
{
    int64_t left = weir_stmt_i64(st, 13);

    *c = (struct weir_ledger_counter){.budget = weir_arena_strdup(a, weir_stmt_str(st, 0)),
                                      .scope = weir_arena_strdup(a, weir_stmt_str(st, 1)),
                                      .unit = (enum weir_unit)weir_stmt_i64(st, 2),
                                      .limit = weir_stmt_i64(st, 3),
                                      .window_start_ms = weir_stmt_i64(st, 4),
                                      .window_end_ms = weir_stmt_i64(st, 5),
                                      .settled = weir_stmt_i64(st, 6) - left,
                                      .held = weir_stmt_i64(st, 7),
                                      .committed = weir_stmt_i64(st, 8),
                                      .remaining = weir_stmt_i64(st, 9) + left,
                                      .open_leases = weir_stmt_i64(st, 10),
                                      .length_ms = weir_stmt_i64(st, 11),
                                      .carried = weir_stmt_i64(st, 12)};
}

static int collect_counters(struct weir_stmt *st, size_t max, struct weir_arena *arena,
                            struct weir_ledger_counter **out, size_t *out_n)
{
    struct weir_ledger_counter *rows = NULL;
    size_t n = 0, cap = 0;
    int rc;

    while ((rc = weir_stmt_step(st)) == 1 && n < max) {
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            rows = weir_realloc(rows, cap * sizeof *rows);
        }
        read_counter(st, arena, &rows[n++]);
    }
    weir_stmt_reset(st);
    if (rc >= 0) {
        *out = weir_arena_alloc(arena, n * sizeof *rows + 1);
        if (n > 0)
            memcpy(*out, rows, n * sizeof *rows);
        *out_n = n;
    }
    free(rows);
    return rc < 0 ? rc : WEIR_OK;
}

int weir_ledger_read_counters(struct weir_ledger_reader *r, int64_t now_ms, struct weir_str budget,
                              size_t max, struct weir_arena *arena,
                              struct weir_ledger_counter **out, size_t *out_n)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(r->store,
                             COUNTERS " WHERE (w.end_ms < 0 OR w.end_ms > ?1)"
                                      " AND (CAST(?2 AS TEXT) IS NULL OR w.budget = ?2)"
                                      " GROUP BY w.id ORDER BY w.budget, w.scope, w.start_ms",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, now_ms);
    weir_stmt_bind_str(st, 2, budget);
    return collect_counters(st, max, arena, out, out_n);
}

int weir_ledger_read_history(struct weir_ledger_reader *r, int64_t now_ms, struct weir_str budget,
                             struct weir_str scope, size_t max, struct weir_arena *arena,
                             struct weir_ledger_counter **out, size_t *out_n)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(r->store,
                             COUNTERS " WHERE w.budget = ?2 AND w.scope = ?3"
                                      " GROUP BY w.id ORDER BY w.start_ms DESC",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, now_ms);
    weir_stmt_bind_str(st, 2, budget);
    weir_stmt_bind_str(st, 3, scope.p ? scope : WEIR_STR(""));
    return collect_counters(st, max, arena, out, out_n);
}

int weir_ledger_read_petitions(struct weir_ledger_reader *r, int64_t now_ms, size_t max,
                               struct weir_arena *arena, struct weir_ledger_petition **out,
                               size_t *out_n)
{
    struct weir_ledger_petition *list = weir_arena_alloc(arena, max * sizeof *list + 1);
    struct weir_stmt *st;
    size_t n = 0;
    int rc = weir_store_stmt(r->store,
                             "SELECT p.budget, p.scope, p.need, p.since_ms, p.last_ms,"
                             " p.denied_ms, b.unit FROM petitions p JOIN budgets b ON"
                             " b.id = p.budget WHERE p.last_ms >= ?1"
                             " ORDER BY p.since_ms, p.budget, p.scope",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, now_ms - PETITION_MS);
    while (n < max && (rc = weir_stmt_step(st)) == 1)
        list[n++] =
            (struct weir_ledger_petition){.budget = weir_arena_strdup(arena, weir_stmt_str(st, 0)),
                                          .scope = weir_arena_strdup(arena, weir_stmt_str(st, 1)),
                                          .need = weir_stmt_i64(st, 2),
                                          .since_ms = weir_stmt_i64(st, 3),
                                          .last_ms = weir_stmt_i64(st, 4),
                                          .denied = weir_stmt_i64(st, 5) > 0,
                                          .unit = (enum weir_unit)weir_stmt_i64(st, 6)};
    weir_stmt_reset(st);
    *out = list;
    *out_n = n;
    return rc < 0 ? rc : WEIR_OK;
}

int weir_ledger_read_burn(struct weir_ledger_reader *r, struct weir_str budget,
                          struct weir_str scope, size_t max, struct weir_arena *arena,
                          struct weir_ledger_burn **out, size_t *out_n)
{
    struct weir_ledger_burn *steps = weir_arena_alloc(arena, max * sizeof *steps + 1);
    struct weir_stmt *st;
    size_t n = 0;
    int rc = weir_store_stmt(r->store,
                             "SELECT end_ms, amount FROM burn WHERE \"window\" = (SELECT id FROM"
                             " windows WHERE budget = ?1 AND scope = ?2 ORDER BY start_ms DESC"
                             " LIMIT 1) ORDER BY end_ms",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, budget);
    weir_stmt_bind_str(st, 2, scope);
    while (n < max && (rc = weir_stmt_step(st)) == 1)
        steps[n++] = (struct weir_ledger_burn){weir_stmt_i64(st, 0), weir_stmt_i64(st, 1)};
    weir_stmt_reset(st);
    *out = steps;
    *out_n = n;
    return rc < 0 ? rc : WEIR_OK;
}

static void read_lease(struct weir_stmt *st, struct weir_arena *a, struct weir_ledger_lease *l)
{
    *l = (struct weir_ledger_lease){.budget = weir_arena_strdup(a, weir_stmt_str(st, 1)),
                                    .scope = weir_arena_strdup(a, weir_stmt_str(st, 2)),
                                    .node = weir_arena_strdup(a, weir_stmt_str(st, 3)),
                                    .incarnation = weir_arena_strdup(a, weir_stmt_str(st, 4)),
                                    .granted = weir_stmt_i64(st, 5),
                                    .returned = weir_stmt_i64(st, 6),
                                    .settled = weir_stmt_i64(st, 7),
                                    .held = weir_stmt_i64(st, 8),
                                    .window_start_ms = weir_stmt_i64(st, 9),
                                    .opened_ms = weir_stmt_i64(st, 10),
                                    .reported_ms = weir_stmt_i64(st, 11)};
    l->id = weir_arena_strdup(a, weir_stmt_str(st, 0));
}

int weir_ledger_read_leases(struct weir_ledger_reader *r, struct weir_str budget, size_t max,
                            struct weir_arena *arena, struct weir_ledger_lease **out, size_t *out_n)
{
    struct weir_ledger_lease *rows = NULL;
    struct weir_stmt *st;
    size_t n = 0, cap = 0;
    int rc = weir_store_stmt(r->store,
                             "SELECT (SELECT id FROM ledger) || '-' || l.number, w.budget, w.scope,"
                             " l.node, l.incarnation, l.granted, l.returned, l.settled, l.held,"
                             " w.start_ms, l.opened_ms, l.reported_ms"
                             " FROM leases l JOIN windows w ON w.id = l.\"window\""
                             " WHERE l.closed = 0 AND (CAST(?1 AS TEXT) IS NULL OR w.budget = ?1)"
                             " ORDER BY l.number",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, budget);
    while ((rc = weir_stmt_step(st)) == 1 && n < max) {
        if (n == cap) {
            cap = cap ? cap * 2 : 16;
            rows = weir_realloc(rows, cap * sizeof *rows);
        }
        read_lease(st, arena, &rows[n++]);
    }
    weir_stmt_reset(st);
    if (rc >= 0) {
        *out = weir_arena_alloc(arena, n * sizeof *rows + 1);
        if (n > 0)
            memcpy(*out, rows, n * sizeof *rows);
        *out_n = n;
    }
    free(rows);
    return rc < 0 ? rc : WEIR_OK;
}

int weir_ledger_read_entries(struct weir_ledger_reader *r, struct weir_str budget, size_t max,
                             struct weir_arena *arena, struct weir_ledger_noted **out,
                             size_t *out_n)
{
    struct weir_ledger_noted *rows = weir_arena_zalloc(arena, (max + 1) * sizeof *rows);
    struct weir_stmt *st;
    size_t n = 0;
    int rc =
        weir_store_stmt(r->store,
                        "SELECT what, scope, actor, amount, at_ms, until_ms, reason FROM entries"
                        " WHERE budget = ?1 ORDER BY id DESC",
                        &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, budget);
    while (n < max && (rc = weir_stmt_step(st)) == 1) {
        struct weir_str scope = weir_stmt_str(st, 1), reason = weir_stmt_str(st, 6);

        rows[n++] =
            (struct weir_ledger_noted){.kind = (enum weir_entry_kind)weir_stmt_i64(st, 0),
                                       .scope = scope.p ? weir_arena_strdup(arena, scope) : NULL,
                                       .actor = weir_arena_strdup(arena, weir_stmt_str(st, 2)),
                                       .reason = reason.p ? weir_arena_strdup(arena, reason) : NULL,
                                       .amount = weir_stmt_i64(st, 3),
                                       .at_ms = weir_stmt_i64(st, 4),
                                       .until_ms = weir_stmt_i64(st, 5)};
    }
    weir_stmt_reset(st);
    *out = rows;
    *out_n = n;
    return rc < 0 ? rc : WEIR_OK;
}
