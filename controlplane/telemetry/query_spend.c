#include "base/mem.h"
#include "controlplane/telemetry/jsonout.h"
#include "controlplane/telemetry/query_internal.h"

#define HOUR_MS INT64_C(3600000)

struct spend {
    int by[WEIR_QUERY_MAX_BY]; /* index of a label; -1: none */
    int by_count;
    int level;
    int64_t from_ms, to_ms, step_ms, limit;
};

struct group {
    char *key; /* the labels, each with a NUL */
    size_t key_n;
};

struct groups {
    struct group *list;
    size_t count;
};

static const char *const json_names[] = {
#define WEIR__X(id, column, json) json,
    WEIR__SUMS(WEIR__X)
#undef WEIR__X
};

#define WEIR__X(id, column, json) ", CAST(SUM(" #column ") AS {int})"
#define FROM_SPENT                                                                                 \
    WEIR__SPENT " WHERE 1 = 1" WEIR__FILTER("?4", "?5", "?6", "?7", "?8", "?9", "?10")

#define KEYS WEIR__LABEL("?11") " AS k1, " WEIR__LABEL("?12") " AS k2, " WEIR__LABEL("?13") " AS k3"

static const char sql_total[] = "SELECT 1" WEIR__SUMS(WEIR__X) FROM_SPENT;
static const char sql_groups[] = "SELECT " KEYS WEIR__SUMS(WEIR__X) FROM_SPENT
    " GROUP BY k1, k2, k3 ORDER BY SUM(cost) DESC, SUM(calls) DESC, k1, k2, k3 LIMIT ?14";
static const char sql_series[] =
    "SELECT " KEYS ", start_ms - start_ms % ?14 AS t, CAST(SUM(calls) AS {int}),"
    " CAST(SUM(cost) AS {int}), CAST(SUM(input) AS {int}), CAST(SUM(output) AS {int})" FROM_SPENT
    " GROUP BY k1, k2, k3, t ORDER BY k1, k2, k3, t LIMIT ?15";
#undef WEIR__X

static int parse_by(struct weir_str by, struct spend *s)
{
    for (int i = 0; i < WEIR_QUERY_MAX_BY; i++)
        s->by[i] = -1;
    while (by.n > 0) {
        struct weir_str name = weir_str_trim(weir_str_cut(by, ',', &by));
        int label = -1;

        for (int i = 0; i < WEIR__LABELS; i++)
            if (weir_str_is(name, weir__label_names[i]))
                label = i;
        if (label < 0 || s->by_count == WEIR_QUERY_MAX_BY)
            return WEIR_EINVAL;
        s->by[s->by_count++] = label;
    }
    return WEIR_OK;
}

static bool are_days(const struct weir_query_spend *p)
{
    const int64_t day = 24 * HOUR_MS;

    return p->from_ms % day == 0 && p->to_ms % day == 0 && p->step_ms % day == 0;
}

static int prepare(const struct weir_query_spend *p, struct spend *s)
{
    int64_t span = p->to_ms - p->from_ms, unit;
    int rc = parse_by(p->by, s);

    if (rc != WEIR_OK || p->from_ms < 0 || span <= 0 || p->step_ms < 0)
        return WEIR_EINVAL;
    /* Whole days are kept longest, and are as exact as minutes. */
    s->level = are_days(p) ? 2 : span <= 48 * HOUR_MS ? 0 : span <= 60 * 24 * HOUR_MS ? 1 : 2;
    unit = weir__level_ms[s->level];
    s->from_ms = p->from_ms - p->from_ms % unit;
    s->to_ms = p->to_ms;
    s->step_ms = p->step_ms > 0 ? (p->step_ms + unit - 1) / unit * unit : 0;
    s->limit = p->limit > 0 && p->limit < WEIR_QUERY_MAX_GROUPS ? p->limit : WEIR_QUERY_MAX_GROUPS;
    return WEIR_OK;
}

static int start(struct weir_query *q, const char *sql, const struct spend *s,
                 const struct weir_query_filter *f, struct weir__patterns *patterns,
                 struct weir_stmt **out)
{
    int rc = weir_store_stmt(q->store, sql, out);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(*out, 1, s->level);
    weir_stmt_bind_i64(*out, 2, s->from_ms);
    weir_stmt_bind_i64(*out, 3, s->to_ms);
    rc = weir__filter_bind(q, *out, 4, f, patterns);
    for (int i = 0; rc == WEIR_OK && sql != sql_total && i < WEIR_QUERY_MAX_BY; i++)
        weir_stmt_bind_i64(*out, 11 + i, s->by[i]);
    return rc;
}

static void read_numbers(struct weir_stmt *st, int col, int64_t n[WEIR__N_SUMS])
{
    for (int i = 0; i < WEIR__N_SUMS; i++)
        n[i] = weir_stmt_i64(st, col + i);
}

static void write_numbers(struct weir_buf *out, const int64_t n[WEIR__N_SUMS])
{
    for (int i = 0; i < WEIR__N_SUMS; i++)
        weir__out_i64(out, json_names[i], n[i]);
    weir__out_i64(out, "tokens", n[WEIR__N_INPUT] + n[WEIR__N_OUTPUT]);
}

static int read_total(struct weir_query *q, const struct spend *s,
                      const struct weir_query_filter *f, int64_t n[WEIR__N_SUMS])
{
    struct weir__patterns patterns;
    struct weir_stmt *st;
    int rc = start(q, sql_total, s, f, &patterns, &st);

    if (rc != WEIR_OK)
        return rc;
    rc = weir_stmt_step(st);
    if (rc == 1)
        read_numbers(st, 1, n);
    weir_stmt_reset(st);
    return rc < 0 ? rc : WEIR_OK;
}

/* The first `count` columns as one string, for comparison. */
static struct group key_of(struct weir_stmt *st)
{
    struct group g = {0};
    struct weir_buf b;

    weir_buf_init(&b, 64 << 10);
    for (int i = 0; i < WEIR_QUERY_MAX_BY; i++) {
        (void)weir_buf_adds(&b, weir_stmt_str(st, i));
        (void)weir_buf_add(&b, "", 1);
    }
    g.key = b.p;
    g.key_n = b.n;
    return g;
}

static void write_key(struct weir_buf *out, struct weir_stmt *st, int by_count)
{
    weir__out_key(out, "key");
    (void)weir_buf_addz(out, "[");
    for (int i = 0; i < by_count; i++) {
        weir__out_comma(out);
        (void)weir_buf_add_json(out, weir_stmt_str(st, i));
    }
    (void)weir_buf_addz(out, "]");
}

/* What the groups left out sum up to. */
static void write_others(struct weir_buf *out, int by_count, const int64_t rest[WEIR__N_SUMS])
{
    if (rest[WEIR__N_CALLS] <= 0 && rest[WEIR__N_CORRECTED] == 0)
        return;
    weir__out_comma(out);
    (void)weir_buf_addz(out, "{\"key\":[");
    for (int i = 0; i < by_count; i++) {
        weir__out_comma(out);
        (void)weir_buf_addz(out, "\"(others)\"");
    }
    (void)weir_buf_addz(out, "]");
    write_numbers(out, rest);
    (void)weir_buf_addz(out, "}");
}

static int write_groups(struct weir_query *q, const struct spend *s,
                        const struct weir_query_filter *f, int64_t rest[WEIR__N_SUMS],
                        struct groups *groups, struct weir_buf *out)
{
    struct weir__patterns patterns;
    struct weir_stmt *st;
    int rc = start(q, sql_groups, s, f, &patterns, &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 14, s->limit);
    if (groups)
        groups->list = weir_zalloc((size_t)s->limit * sizeof *groups->list);
    while ((rc = weir_stmt_step(st)) == 1) {
        int64_t n[WEIR__N_SUMS];

        read_numbers(st, WEIR_QUERY_MAX_BY, n);
        for (int i = 0; i < WEIR__N_SUMS; i++)
            rest[i] -= n[i];
        weir__out_comma(out);
        (void)weir_buf_addz(out, "{");
        write_key(out, st, s->by_count);
        write_numbers(out, n);
        (void)weir_buf_addz(out, "}");
        if (groups)
            groups->list[groups->count++] = key_of(st);
    }
    weir_stmt_reset(st);
    if (rc == WEIR_OK)
        write_others(out, s->by_count, rest);
    return rc;
}

static int find_group(const struct groups *gs, const struct group *g)
{
    for (size_t i = 0; i < gs->count; i++)
        if (gs->list[i].key_n == g->key_n && memcmp(gs->list[i].key, g->key, g->key_n) == 0)
            return (int)i;
    return -1;
}

static void write_point(struct weir_buf *out, struct weir_stmt *st)
{
    weir__out_comma(out);
    (void)weir_buf_addz(out, "{");
    weir__out_i64(out, "t", weir_stmt_i64(st, 3));
    weir__out_i64(out, "calls", weir_stmt_i64(st, 4));
    weir__out_i64(out, "costNano", weir_stmt_i64(st, 5));
    weir__out_i64(out, "tokens", weir_stmt_i64(st, 6) + weir_stmt_i64(st, 7));
    weir__out_i64(out, "inputTokens", weir_stmt_i64(st, 6));
    weir__out_i64(out, "outputTokens", weir_stmt_i64(st, 7));
    (void)weir_buf_addz(out, "}");
}

static int write_series(struct weir_query *q, const struct spend *s,
                        const struct weir_query_filter *f, const struct groups *groups,
                        struct weir_buf *out)
{
    struct weir__patterns patterns;
    struct group last = {0};
    struct weir_stmt *st;
    int group = -1, rc = start(q, sql_series, s, f, &patterns, &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 14, s->step_ms);
    weir_stmt_bind_i64(st, 15, WEIR_QUERY_MAX_POINTS);
    while ((rc = weir_stmt_step(st)) == 1) {
        struct group now = key_of(st);

        if (!last.key || now.key_n != last.key_n || memcmp(now.key, last.key, now.key_n) != 0) {
            if (group >= 0)
                (void)weir_buf_addz(out, "]}");
            group = find_group(groups, &now);
            if (group >= 0) {
                weir__out_comma(out);
                (void)weir_buf_addf(out, "{\"group\":%d,\"points\":[", group);
            }
        }
        if (group >= 0)
            write_point(out, st);
        free(last.key);
        last = now;
    }
    if (group >= 0)
        (void)weir_buf_addz(out, "]}");
    free(last.key);
    weir_stmt_reset(st);
    return rc;
}

static void write_head(struct weir_buf *out, const struct spend *s)
{
    (void)weir_buf_addz(out, "{\"by\":[");
    for (int i = 0; i < s->by_count; i++) {
        weir__out_comma(out);
        (void)weir_buf_add_json(out, weir_str_of(weir__label_names[s->by[i]]));
    }
    (void)weir_buf_addz(out, "]");
    weir__out_text(out, "level", weir__level_names[s->level]);
    weir__out_i64(out, "fromMs", s->from_ms);
    weir__out_i64(out, "toMs", s->to_ms);
    weir__out_i64(out, "stepMs", s->step_ms);
}

int weir_query_spend_json(struct weir_query *q, const struct weir_query_spend *p,
                          struct weir_buf *out)
{
    int64_t total[WEIR__N_SUMS] = {0};
    struct groups groups = {0};
    struct spend s = {0};
    int rc = prepare(p, &s);

    if (rc == WEIR_OK)
        rc = read_total(q, &s, &p->filter, total);
    if (rc != WEIR_OK)
        return rc;
    write_head(out, &s);
    (void)weir_buf_addz(out, ",\"total\":{");
    write_numbers(out, total);
    (void)weir_buf_addz(out, "},\"groups\":[");
    rc = write_groups(q, &s, &p->filter, total, &groups, out);
    (void)weir_buf_addz(out, "],\"series\":[");
    if (rc == WEIR_OK && s.step_ms > 0)
        rc = write_series(q, &s, &p->filter, &groups, out);
    (void)weir_buf_addz(out, "]}");
    for (size_t i = 0; i < groups.count; i++)
        free(groups.list[i].key);
    free(groups.list);
    return rc == WEIR_OK && out->full ? WEIR_ELIMIT : rc;
}

static int write_top(struct weir_query *q, struct spend s, int label, const char *name,
                     struct weir_buf *out)
{
    const struct weir_query_filter any = {0};
    int64_t rest[WEIR__N_SUMS] = {0};
    int rc;

    s.by[0] = label;
    s.by_count = 1;
    weir__out_key(out, name);
    (void)weir_buf_addz(out, "[");
    /* Nothing is left over from zero, so that no "(others)" is written. */
    rc = write_groups(q, &s, &any, rest, NULL, out);
    (void)weir_buf_addz(out, "]");
    return rc;
}

int weir_query_top_json(struct weir_query *q, int64_t from_ms, int64_t to_ms, int64_t limit,
                        struct weir_buf *out)
{
    const struct weir_query_spend p = {.from_ms = from_ms, .to_ms = to_ms, .limit = limit};
    int64_t total[WEIR__N_SUMS] = {0};
    struct spend s = {0};
    int rc = prepare(&p, &s);

    if (rc == WEIR_OK)
        rc = read_total(q, &s, &p.filter, total);
    if (rc != WEIR_OK)
        return rc;
    (void)weir_buf_addz(out, "{");
    weir__out_i64(out, "fromMs", s.from_ms);
    weir__out_i64(out, "toMs", s.to_ms);
    (void)weir_buf_addz(out, ",\"total\":{");
    write_numbers(out, total);
    (void)weir_buf_addz(out, "}");
    rc = write_top(q, s, 1, "agents", out);
    if (rc == WEIR_OK)
        rc = write_top(q, s, 4, "models", out);
    if (rc == WEIR_OK)
        rc = write_top(q, s, 5, "providers", out);
    (void)weir_buf_addz(out, "}");
    return rc == WEIR_OK && out->full ? WEIR_ELIMIT : rc;
}

int weir_query_totals_json(struct weir_query *q, struct weir_buf *out)
{
    const struct weir_query_filter any = {0};
    struct spend s = {.by = {-1, -1, -1}, .level = 2, .to_ms = INT64_MAX};
    int64_t total[WEIR__N_SUMS] = {0};
    struct weir_stmt *st;
    int rc = read_total(q, &s, &any, total);

    if (rc == WEIR_OK)
        rc = weir_store_stmt(q->store,
                             "SELECT COUNT(*), MIN(started_ms), MAX(started_ms) FROM calls", &st);
    if (rc != WEIR_OK)
        return rc;
    rc = weir_stmt_step(st);
    if (rc == 1) {
        (void)weir_buf_addz(out, "{");
        weir__out_i64(out, "calls", weir_stmt_i64(st, 0));
        weir__out_i64(out, "firstMs", weir_stmt_i64(st, 1));
        weir__out_i64(out, "lastMs", weir_stmt_i64(st, 2));
        (void)weir_buf_addz(out, ",\"total\":{");
        write_numbers(out, total);
        (void)weir_buf_addz(out, "}}");
    }
    weir_stmt_reset(st);
    return rc < 0 ? rc : out->full ? WEIR_ELIMIT : WEIR_OK;
}
