#include "controlplane/telemetry/writer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/telemetry/seen.h"
#include "weir/v1/telemetry.pb-c.h"

enum { SUMS = 1024, SUMS_FULL = 700, PRUNE_ROWS = 2000, DAY_MS = 86400000, SEEN_KEEP_DAYS = 40 };

/* What a record may claim: keeps every sum of SQLite far from overflow. */
static const int64_t tokens_max = 1000000000000, cost_max = 1000000000000000;

struct sum {
    int64_t group, minute_ms; /* group 0: free */
    int64_t numbers[WEIR__N_COUNT];
};

struct weir__writer {
    struct weir_store *store;
    struct weir_ingest_options o;
    struct sum sums[SUMS];
    size_t sums_used;
    int64_t groups;
    struct weir__writer_counts pending;
};

int weir__writer_open(const struct weir_ingest_options *o, struct weir__writer **out)
{
    struct weir__writer *w = WEIR_NEW(struct weir__writer);
    struct weir_stmt *st;
    int rc;

    w->o = *o;
    rc = weir_store_open(o->path, 0, &w->store);
    if (rc == WEIR_OK)
        rc = weir_ingest_migrate(w->store);
    if (rc == WEIR_OK)
        rc = weir_store_stmt(w->store, "SELECT COUNT(*) FROM groups", &st);
    if (rc == WEIR_OK) {
        rc = weir_stmt_step(st);
        w->groups = rc == 1 ? weir_stmt_i64(st, 0) : 0;
        weir_stmt_reset(st);
        rc = rc < 0 ? rc : WEIR_OK;
    }
    if (rc != WEIR_OK) {
        weir__writer_close(w);
        return rc;
    }
    *out = w;
    return WEIR_OK;
}

void weir__writer_close(struct weir__writer *w)
{
    if (!w)
        return;
    weir_store_close(w->store);
    free(w);
}

int weir__writer_begin(struct weir__writer *w)
{
    w->pending = (struct weir__writer_counts){0};
    return weir_store_begin(w->store);
}

void weir__writer_rollback(struct weir__writer *w)
{
    memset(w->sums, 0, sizeof w->sums);
    w->sums_used = 0;
    weir_store_rollback(w->store);
}

/* ---- who, and what was seen of it ---- */

static int find_incarnation(struct weir__writer *w, const struct weir__batch *b, int64_t *id)
{
    struct weir_stmt *st;
    bool same;
    int rc;

    if (!weir_str_is_utf8(weir_str_of(b->incarnation)))
        return WEIR_EAUTH;
    rc = weir_store_stmt(
        w->store, "SELECT id, node, ns FROM incarnations WHERE incarnation = ?1 {for update}", &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(b->incarnation));
    rc = weir_stmt_step(st);
    if (rc == 1) {
        *id = weir_stmt_i64(st, 0);
        same =
            weir_str_is(weir_stmt_str(st, 1), b->node) && weir_str_is(weir_stmt_str(st, 2), b->ns);
        weir_stmt_reset(st);
        return same ? WEIR_OK : WEIR_EAUTH;
    }
    weir_stmt_reset(st);
    if (rc == 0)
        rc = weir_store_stmt(w->store,
                             "INSERT INTO incarnations (incarnation, node, ns, seen_ms)"
                             " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (incarnation)"
                             " DO NOTHING RETURNING id",
                             &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, weir_str_of(b->incarnation));
    weir_stmt_bind_str(st, 2, weir_str_of(b->node));
    weir_stmt_bind_str(st, 3, weir_str_of(b->ns));
    weir_stmt_bind_i64(st, 4, weir_wall_ms());
    rc = weir_stmt_run_i64(st, id);
    return rc == WEIR_OK && *id == 0 ? WEIR_ERETRY : rc; /* another replica was faster */
}

static int load_seen(struct weir__writer *w, int64_t id, struct weir__seen *seen)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(
        w->store, "SELECT first, last FROM seen WHERE incarnation = ?1 ORDER BY first", &st);

    seen->count = 0;
    seen->changed = false;
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, id);
    while ((rc = weir_stmt_step(st)) == 1 && seen->count < WEIR__SEEN_MAX)
        seen->ranges[seen->count++] =
            (struct weir__range){(uint64_t)weir_stmt_i64(st, 0), (uint64_t)weir_stmt_i64(st, 1)};
    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

static int save_seen(struct weir__writer *w, int64_t id, const struct weir__seen *seen)
{
    struct weir_stmt *st;
    int rc;

    rc = weir_store_stmt(w->store, "DELETE FROM seen WHERE incarnation = ?1", &st);
    if (rc == WEIR_OK) {
        weir_stmt_bind_i64(st, 1, id);
        rc = weir_stmt_run(st);
    }
    for (size_t i = 0; rc == WEIR_OK && i < seen->count; i++) {
        rc = weir_store_stmt(
            w->store, "INSERT INTO seen (incarnation, first, last) VALUES (?1, ?2, ?3)", &st);
        if (rc != WEIR_OK)
            break;
        weir_stmt_bind_i64(st, 1, id);
        weir_stmt_bind_i64(st, 2, (int64_t)seen->ranges[i].first);
        weir_stmt_bind_i64(st, 3, (int64_t)seen->ranges[i].last);
        rc = weir_stmt_run(st);
    }
    if (rc == WEIR_OK)
        rc = weir_store_stmt(w->store, "UPDATE incarnations SET seen_ms = ?2 WHERE id = ?1", &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, id);
    weir_stmt_bind_i64(st, 2, weir_wall_ms());
    return weir_stmt_run(st);
}

/* ---- rollups ---- */

/* PostgreSQL takes nothing but UTF-8; the record itself is kept as it came. */
static struct weir_str text(const char *z)
{
    struct weir_str s = z ? weir_str_of(z) : WEIR_STR("");

    return weir_str_is_utf8(s) ? s : WEIR_STR("\xef\xbf\xbd");
}

/* The model that was billed; what a caller merely asked for is its own word. */
static const char *model_of(const Weir__V1__CallRecord *r)
{
    if (r->servedmodel && *r->servedmodel)
        return r->servedmodel;
    return r->requestedmodel;
}

static void bind_labels(struct weir_stmt *st, const struct weir__batch *b,
                        const Weir__V1__CallRecord *r, bool other)
{
    const struct weir_str o = WEIR_STR("other");

    weir_stmt_bind_str(st, 1, text(b->ns));
    weir_stmt_bind_str(st, 2, other ? o : text(r->agent));
    weir_stmt_bind_str(st, 3, other ? o : text(r->project));
    weir_stmt_bind_str(st, 4, other ? o : text(r->team));
    weir_stmt_bind_str(st, 5, other ? o : text(model_of(r)));
    weir_stmt_bind_str(st, 6, other ? o : text(r->provider));
    weir_stmt_bind_str(st, 7, other ? o : text(r->key));
    weir_stmt_bind_str(st, 8, other ? o : text(r->environment));
}

static int find_group(struct weir__writer *w, const struct weir__batch *b,
                      const Weir__V1__CallRecord *r, int64_t *id)
{
    bool other = false;
    struct weir_stmt *st;
    int rc;

again:
    rc = weir_store_stmt(w->store,
                         "SELECT id FROM groups WHERE ns = ?1 AND agent = ?2 AND project = ?3 AND"
                         " team = ?4 AND model = ?5 AND provider = ?6 AND key = ?7 AND"
                         " environment = ?8",
                         &st);
    if (rc != WEIR_OK)
        return rc;
    bind_labels(st, b, r, other);
    rc = weir_stmt_step(st);
    *id = rc == 1 ? weir_stmt_i64(st, 0) : 0;
    weir_stmt_reset(st);
    if (rc != 0)
        return rc < 0 ? rc : WEIR_OK;
    if (!other && w->groups >= w->o.max_groups) {
        other = true;
        goto again;
    }
    rc = weir_store_stmt(w->store,
                         "INSERT INTO groups (ns, agent, project, team, model, provider, key,"
                         " environment) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT"
                         " (ns, agent, project, team, model, provider, key, environment)"
                         " DO UPDATE SET ns = excluded.ns RETURNING id",
                         &st);
    if (rc != WEIR_OK)
        return rc;
    bind_labels(st, b, r, other);
    rc = weir_stmt_run_i64(st, id);
    w->groups++;
    return rc;
}

static int64_t within(int64_t v, int64_t max)
{
    return v < 0 ? 0 : v > max ? max : v;
}

static void count(int64_t n[WEIR__N_COUNT], const Weir__V1__CallRecord *r)
{
    static const char *const outcomes[] = {"ok", "refused", "failed", "aborted", "cut"};
    const Weir__V1__Usage *u = r->usage;
    size_t outcome = WEIR__N_FAILED - WEIR__N_OK;

    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (r->outcome && strcmp(r->outcome, outcomes[i]) == 0)
            outcome = i;
    n[WEIR__N_CALLS]++;
    n[WEIR__N_OK + outcome]++;
    n[WEIR__N_UNPRICED] += r->pricesource && strcmp(r->pricesource, "unknown") == 0;
    n[WEIR__N_COST] += within(r->cost, cost_max);
    n[WEIR__N_DURATION] += within(r->durationus, tokens_max);
    if (!u)
        return;
    n[WEIR__N_ESTIMATED] += u->estimated != 0;
    n[WEIR__N_INPUT] += within(u->inputtokens, tokens_max);
    n[WEIR__N_OUTPUT] += within(u->outputtokens, tokens_max);
    n[WEIR__N_CACHE_READ] += within(u->cachereadtokens, tokens_max);
    n[WEIR__N_CACHE_WRITE] +=
        within(u->cachewritetokens, tokens_max) + within(u->cachewrite1htokens, tokens_max);
    n[WEIR__N_REASONING] += within(u->reasoningtokens, tokens_max);
}

static int write_sum(struct weir__writer *w, const struct sum *s, int level)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(w->store,
                             "INSERT INTO rollups (level, start_ms, grp"
#define WEIR__X(id, column, json) ", " #column
                             WEIR__NUMBERS(WEIR__X)
#undef WEIR__X
                                 ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
                                 "?13, ?14, ?15, ?16, ?17, ?18)"
                                 " ON CONFLICT (level, start_ms, grp) DO UPDATE SET"
                                 " grp = excluded.grp"
#define WEIR__X(id, column, json) ", " #column " = rollups." #column " + excluded." #column
                             WEIR__NUMBERS(WEIR__X)
#undef WEIR__X
                                 ,
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, level);
    weir_stmt_bind_i64(st, 2, s->minute_ms - s->minute_ms % weir__level_ms[level]);
    weir_stmt_bind_i64(st, 3, s->group);
    for (int i = 0; i < WEIR__N_COUNT; i++)
        weir_stmt_bind_i64(st, 4 + i, s->numbers[i]);
    return weir_stmt_run(st);
}

static int write_sums(struct weir__writer *w)
{
    int rc = WEIR_OK;

    for (size_t i = 0; rc == WEIR_OK && i < SUMS; i++)
        for (int level = 0; rc == WEIR_OK && w->sums[i].group && level < WEIR__LEVELS; level++)
            rc = write_sum(w, &w->sums[i], level);
    memset(w->sums, 0, sizeof w->sums);
    w->sums_used = 0;
    return rc;
}

static int roll_up(struct weir__writer *w, const struct weir__batch *b,
                   const Weir__V1__CallRecord *r)
{
    int64_t started = r->startedms > 0 ? r->startedms : 0;
    int64_t minute = started - started % weir__level_ms[0], group;
    int rc = find_group(w, b, r, &group);
    size_t i;

    if (rc == WEIR_OK && w->sums_used >= SUMS_FULL)
        rc = write_sums(w);
    if (rc != WEIR_OK)
        return rc;
    for (i = (size_t)(group * 31 + minute / weir__level_ms[0]) % SUMS; w->sums[i].group;
         i = (i + 1) % SUMS)
        if (w->sums[i].group == group && w->sums[i].minute_ms == minute)
            break;
    if (!w->sums[i].group) {
        w->sums[i].group = group;
        w->sums[i].minute_ms = minute;
        w->sums_used++;
    }
    count(w->sums[i].numbers, r);
    return WEIR_OK;
}

/* ---- calls ---- */

static struct weir_str or_null(const char *z)
{
    return z && *z ? text(z) : WEIR_STR_NULL;
}

static int insert_call(struct weir__writer *w, const struct weir__batch *b, int64_t incarnation,
                       const Weir__V1__CallRecord *r, struct weir_str packed)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(
        w->store,
        "INSERT INTO calls (incarnation, sequence, started_ms, request_id, trace_id,"
        " session, ns, agent, project, team, model, provider, key, outcome, node, record)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
        " ON CONFLICT (incarnation, sequence) DO NOTHING",
        &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, incarnation);
    weir_stmt_bind_i64(st, 2, (int64_t)r->sequence);
    weir_stmt_bind_i64(st, 3, r->startedms);
    weir_stmt_bind_str(st, 4, or_null(r->requestid));
    weir_stmt_bind_str(st, 5, or_null(r->traceid));
    weir_stmt_bind_str(st, 6, or_null(r->session));
    weir_stmt_bind_str(st, 7, text(b->ns));
    weir_stmt_bind_str(st, 8, text(r->agent));
    weir_stmt_bind_str(st, 9, text(r->project));
    weir_stmt_bind_str(st, 10, text(r->team));
    weir_stmt_bind_str(st, 11, text(model_of(r)));
    weir_stmt_bind_str(st, 12, text(r->provider));
    weir_stmt_bind_str(st, 13, text(r->key));
    weir_stmt_bind_str(st, 14, text(r->outcome));
    weir_stmt_bind_str(st, 15, text(b->node));
    weir_stmt_bind_blob(st, 16, packed);
    return weir_stmt_run(st);
}

static int add_record(struct weir__writer *w, struct weir__batch *b, int64_t incarnation,
                      struct weir__seen *seen, struct weir_str packed)
{
    Weir__V1__CallRecord *r =
        weir__v1__call_record__unpack(NULL, packed.n, (const uint8_t *)packed.p);
    int rc = WEIR_OK;

    if (!r || !r->has_sequence || r->sequence == 0 || r->sequence >= INT64_MAX) {
        /* Sending it again can't mend it. */
        w->pending.unreadable++;
    } else if (weir__seen_has(seen, r->sequence)) {
        w->pending.duplicates++;
    } else {
        rc = insert_call(w, b, incarnation, r, packed);
        if (rc == WEIR_OK)
            rc = roll_up(w, b, r);
        weir__seen_add(seen, r->sequence);
        w->pending.records++;
    }
    if (r && r->sequence < INT64_MAX && r->sequence > b->last_sequence)
        b->last_sequence = r->sequence;
    if (r)
        weir__v1__call_record__free_unpacked(r, NULL);
    return rc;
}

int weir__writer_add(struct weir__writer *w, struct weir__batch *b)
{
    struct weir__seen seen;
    int64_t id = 0;
    int rc = find_incarnation(w, b, &id);

    b->last_sequence = 0;
    if (rc == WEIR_OK)
        rc = load_seen(w, id, &seen);
    for (size_t i = 0; rc == WEIR_OK && i < b->count; i++)
        rc = add_record(w, b, id, &seen, b->records[i]);
    if (rc == WEIR_OK && seen.changed)
        rc = save_seen(w, id, &seen);
    return rc;
}

int weir__writer_commit(struct weir__writer *w, struct weir__writer_counts *counts)
{
    int rc = write_sums(w);

    if (rc == WEIR_OK)
        rc = weir_store_commit(w->store);
    if (rc != WEIR_OK)
        return rc;
    counts->records += w->pending.records;
    counts->duplicates += w->pending.duplicates;
    counts->unreadable += w->pending.unreadable;
    if (w->pending.unreadable)
        WEIR_LOG(WEIR_LOG_WARN, "ingest", "%llu records could not be read and were passed over",
                 (unsigned long long)w->pending.unreadable);
    return WEIR_OK;
}

/* ---- retention ---- */

static bool prune(struct weir__writer *w, const char *sql, int64_t a, int64_t b)
{
    struct weir_stmt *st;

    if (weir_store_stmt(w->store, sql, &st) != WEIR_OK)
        return false;
    weir_stmt_bind_i64(st, 1, a);
    weir_stmt_bind_i64(st, 2, b);
    return weir_stmt_run(st) == WEIR_OK && weir_store_changes(w->store) >= PRUNE_ROWS;
}

bool weir__writer_prune(struct weir__writer *w, int64_t now_ms)
{
    const int64_t keep[WEIR__LEVELS] = {w->o.minutes_keep_ms, w->o.hours_keep_ms,
                                        w->o.days_keep_ms};
    bool more;

    more = prune(w,
                 "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE started_ms < ?1"
                 " LIMIT ?2)",
                 now_ms - w->o.calls_keep_ms, PRUNE_ROWS);
    more |= prune(w,
                  "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id <="
                  " (SELECT MAX(id) FROM calls) - ?1 ORDER BY id LIMIT ?2)",
                  w->o.calls_keep_rows, PRUNE_ROWS);
    for (int i = 0; i < WEIR__LEVELS; i++)
        (void)prune(w, "DELETE FROM rollups WHERE level = ?1 AND start_ms < ?2", i,
                    now_ms - keep[i]);
    /* Spools are gone long before: nobody sends these again. */
    (void)prune(w,
                "DELETE FROM seen WHERE incarnation IN (SELECT id FROM incarnations WHERE"
                " seen_ms < ?1 LIMIT ?2)",
                now_ms - (int64_t)SEEN_KEEP_DAYS * DAY_MS, PRUNE_ROWS);
    (void)prune(w,
                "DELETE FROM incarnations WHERE id IN (SELECT id FROM incarnations WHERE"
                " seen_ms < ?1 AND id NOT IN (SELECT incarnation FROM seen) LIMIT ?2)",
                now_ms - (int64_t)SEEN_KEEP_DAYS * DAY_MS, PRUNE_ROWS);
    weir_store_checkpoint(w->store);
    return more;
}
