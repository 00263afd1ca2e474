/* correct.c - see correct.h. */
#include "controlplane/telemetry/correct.h"

#include "controlplane/telemetry/query_internal.h"

enum { MAX_TRIES = 20 };

static const int64_t amount_max = 1000000000000000; /* a million US dollars */

int weir_correction_label(struct weir_str name)
{
    for (int i = 0; i < WEIR__LABELS; i++)
        if (weir_str_is(name, weir__label_names[i]))
            return i;
    return -1;
}

static bool is_text(struct weir_str s)
{
    return s.n <= WEIR_CORRECTION_MAX_TEXT && weir_str_is_utf8(s) && (!s.n || !memchr(s.p, 0, s.n));
}

static bool is_valid(const struct weir_correction *k)
{
    for (size_t i = 0; i < WEIR_CORRECTION_LABELS; i++)
        if (!is_text(k->labels[i]))
            return false;
    return k->nano_usd != 0 && k->nano_usd <= amount_max && k->nano_usd >= -amount_max &&
           k->for_ms >= 0 && is_text(k->reason) && is_text(k->actor) && is_text(k->ref);
}

static struct weir_str or_empty(struct weir_str s)
{
    return s.p ? s : WEIR_STR("");
}

static int find_group(struct weir_store *s, const struct weir_correction *k, int64_t *out)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s,
                             "INSERT INTO groups (ns, agent, project, team, model, provider, key,"
                             " environment) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT"
                             " (ns, agent, project, team, model, provider, key, environment)"
                             " DO UPDATE SET ns = excluded.ns RETURNING id",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    for (int i = 0; i < WEIR_CORRECTION_LABELS; i++)
        weir_stmt_bind_str(st, 1 + i, or_empty(k->labels[i]));
    return weir_stmt_run_i64(st, out);
}

static int insert(struct weir_store *s, const struct weir_correction *k, int64_t group,
                  int64_t now_ms, int64_t *out_id)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s,
                             "INSERT INTO corrections (at_ms, for_ms, grp, amount, reason, actor,"
                             " ref) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                             " ON CONFLICT (ref) DO NOTHING RETURNING id",
                             &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, now_ms);
    weir_stmt_bind_i64(st, 2, k->for_ms);
    weir_stmt_bind_i64(st, 3, group);
    weir_stmt_bind_i64(st, 4, k->nano_usd);
    weir_stmt_bind_str(st, 5, or_empty(k->reason));
    weir_stmt_bind_str(st, 6, or_empty(k->actor));
    weir_stmt_bind_str(st, 7, k->ref.n ? k->ref : WEIR_STR_NULL);
    rc = weir_stmt_run_i64(st, out_id);
    return rc == WEIR_OK && *out_id == 0 ? WEIR_EEXIST : rc;
}

static int add(struct weir_store *s, const struct weir_correction *k, int64_t *out_id)
{
    int64_t group = 0, now_ms = 0;
    int rc = weir_store_begin(s);

    if (rc == WEIR_OK)
        rc = weir_store_now(s, &now_ms);
    if (rc == WEIR_OK)
        rc = find_group(s, k, &group);
    if (rc == WEIR_OK)
        rc = insert(s, k, group, now_ms, out_id);
    if (rc == WEIR_OK)
        rc = weir_store_commit(s);
    weir_store_rollback(s);
    return rc;
}

int weir_correction_add(const char *path, const struct weir_correction *k, int64_t *out_id)
{
    struct weir_store *s;
    int rc;

    if (!is_valid(k))
        return WEIR_EINVAL;
    rc = weir_store_open(path, WEIR_STORE_FULL_SYNC, &s);
    if (rc != WEIR_OK)
        return rc;
    rc = weir_ingest_migrate(s);
    if (rc == WEIR_OK)
        rc = WEIR_ERETRY;
    for (int i = 0; rc == WEIR_ERETRY && i < MAX_TRIES; i++)
        rc = add(s, k, out_id);
    weir_store_close(s);
    return rc;
}

static void read_row(struct weir_stmt *st, struct weir_arena *arena, struct weir_correction *k)
{
    *k = (struct weir_correction){.id = weir_stmt_i64(st, 0),
                                  .at_ms = weir_stmt_i64(st, 1),
                                  .for_ms = weir_stmt_i64(st, 2),
                                  .nano_usd = weir_stmt_i64(st, 3),
                                  .reason = weir_arena_copy(arena, weir_stmt_str(st, 4)),
                                  .actor = weir_arena_copy(arena, weir_stmt_str(st, 5))};
    if (!weir_stmt_is_null(st, 6))
        k->ref = weir_arena_copy(arena, weir_stmt_str(st, 6));
    for (int i = 0; i < WEIR_CORRECTION_LABELS; i++)
        k->labels[i] = weir_arena_copy(arena, weir_stmt_str(st, 7 + i));
}

int weir_correction_list(const char *path, int64_t max, struct weir_arena *arena,
                         struct weir_correction **out, size_t *out_n)
{
    struct weir_correction *list = weir_arena_zalloc(arena, (size_t)max * sizeof *list);
    struct weir_query *q;
    struct weir_stmt *st;
    size_t n = 0;
    int rc = weir_query_open(path, &q);

    if (rc != WEIR_OK)
        return rc;
    rc = weir_store_stmt(q->store,
                         "SELECT c.id, at_ms, for_ms, amount, reason, actor, ref, ns, agent,"
                         " project, team, model, provider, key, environment FROM corrections c"
                         " JOIN groups ON groups.id = c.grp ORDER BY c.id DESC LIMIT ?1",
                         &st);
    if (rc == WEIR_OK) {
        weir_stmt_bind_i64(st, 1, max);
        while (n < (size_t)max && (rc = weir_stmt_step(st)) == 1)
            read_row(st, arena, &list[n++]);
        weir_stmt_reset(st);
    }
    weir_query_close(q);
    *out = list;
    *out_n = n;
    return rc < 0 ? rc : WEIR_OK;
}
