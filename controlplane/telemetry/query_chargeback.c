/* query_chargeback.c - who is charged how much: spend of a period by any labels, all groups. */
#include "controlplane/telemetry/query_internal.h"
#include "controlplane/telemetry/rows_out.h"

enum { DAY_LEVEL = 2, DAY_MS = 86400000, FIRST_LABEL = 11, DAYS = FIRST_LABEL + WEIR__LABELS };

struct charge {
    const struct weir_query_chargeback *p;
    int by[WEIR__LABELS];
    int count;
    bool by_day;
};

static int label_of(struct weir_str name)
{
    for (int i = 0; i < WEIR__LABELS; i++)
        if (weir_str_is(name, weir__label_names[i]))
            return i;
    return -1;
}

static int parse_by(struct weir_str by, struct charge *c)
{
    while (by.n > 0) {
        struct weir_str name = weir_str_trim(weir_str_cut(by, ',', &by));
        int label = label_of(name);

        if (weir_str_is(name, "day")) {
            c->by_day = true;
            continue;
        }
        for (int i = 0; i < c->count; i++)
            if (c->by[i] == label)
                return WEIR_EINVAL;
        if (label < 0)
            return WEIR_EINVAL;
        c->by[c->count++] = label; /* none comes twice, so all have room */
    }
    return c->count || c->by_day ? WEIR_OK : WEIR_EINVAL;
}

static int start(struct weir_query *q, const struct charge *c, struct weir__patterns *patterns,
                 struct weir_stmt **out)
{
#define WEIR__X(id, column, json) ", CAST(SUM(" #column ") AS {int})"
    /* Without days every moment is part of the same one. */
    static const char sql[] =
        "SELECT " WEIR__LABEL("?11") " AS k1, " WEIR__LABEL("?12") " AS k2, " WEIR__LABEL(
            "?1"
            "3") " AS k3, " WEIR__LABEL("?14") " AS k4, " WEIR__LABEL("?15") " AS k5, " WEIR__LABEL("?16") " AS k6, " WEIR__LABEL("?17") " AS "
                                                                                                                                         "k7, " WEIR__LABEL(
                                                                                                                                             "?18") " AS k8,"
                                                                                                                                                    " start_ms - start_ms % CAST(?19 AS {int}) AS t" WEIR__SUMS(
                                                                                                                                                        WEIR__X)
                                                                                                                                                        WEIR__SPENT
        " WHERE 1 = 1" WEIR__FILTER(
            "?4", "?5", "?6", "?7", "?8", "?9",
            "?10") " GROUP BY k1, k2, k3, k4, k5, k6, k7, k8, t"
                   " ORDER BY t, SUM(cost) DESC, k1, k2, k3, k4, k5, k6, k7, k8";
#undef WEIR__X
    int rc = weir_store_stmt(q->store, sql, out);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(*out, 1, DAY_LEVEL);
    weir_stmt_bind_i64(*out, 2, c->p->from_ms);
    weir_stmt_bind_i64(*out, 3, c->p->to_ms);
    for (int i = 0; i < WEIR__LABELS; i++)
        weir_stmt_bind_i64(*out, FIRST_LABEL + i, i < c->count ? c->by[i] : -1);
    weir_stmt_bind_i64(*out, DAYS, c->by_day ? DAY_MS : INT64_MAX);
    return weir__filter_bind(q, *out, 4, &c->p->filter, patterns);
}

struct row {
    struct weir_str labels[WEIR__LABELS];
    int64_t day_ms;
    int64_t n[WEIR__N_SUMS];
};

static void write_row(struct weir__rows *o, const struct charge *c, const struct row *r)
{
    const int64_t *n = r->n;

    weir__rows_begin(o);
    for (int i = 0; i < c->count; i++)
        weir__rows_text(o, weir__label_names[c->by[i]], r->labels[i]);
    weir__rows_instant(o, "ChargePeriodStart", c->by_day ? r->day_ms : c->p->from_ms);
    weir__rows_instant(o, "ChargePeriodEnd", c->by_day ? r->day_ms + DAY_MS : c->p->to_ms);
    weir__rows_text(o, "BillingCurrency", WEIR_STR("USD"));
    weir__rows_money(o, "BilledCost", n[WEIR__N_COST]);
    weir__rows_number(o, "ConsumedQuantity", n[WEIR__N_INPUT] + n[WEIR__N_OUTPUT]);
    weir__rows_text(o, "ConsumedUnit", WEIR_STR("Tokens"));
    weir__rows_money(o, "x_CorrectedCost", n[WEIR__N_CORRECTED]);
    weir__rows_number(o, "x_Calls", n[WEIR__N_CALLS]);
    weir__rows_number(o, "x_RefusedCalls", n[WEIR__N_REFUSED]);
    weir__rows_number(o, "x_EstimatedCalls", n[WEIR__N_ESTIMATED]);
    weir__rows_number(o, "x_UnpricedCalls", n[WEIR__N_UNPRICED]);
    weir__rows_number(o, "x_InputTokens", n[WEIR__N_INPUT]);
    weir__rows_number(o, "x_OutputTokens", n[WEIR__N_OUTPUT]);
    weir__rows_number(o, "x_CacheReadTokens", n[WEIR__N_CACHE_READ]);
    weir__rows_number(o, "x_CacheWriteTokens", n[WEIR__N_CACHE_WRITE]);
    weir__rows_number(o, "x_ReasoningTokens", n[WEIR__N_REASONING]);
    weir__rows_end(o);
}

static void write_next(struct weir__rows *o, const struct charge *c, struct weir_stmt *st)
{
    struct row r;

    for (int i = 0; i < WEIR__LABELS; i++)
        r.labels[i] = weir_stmt_str(st, i);
    r.day_ms = weir_stmt_i64(st, WEIR__LABELS);
    for (int i = 0; i < WEIR__N_SUMS; i++)
        r.n[i] = weir_stmt_i64(st, WEIR__LABELS + 1 + i);
    r.day_ms -= r.day_ms % DAY_MS;
    write_row(o, c, &r);
}

int weir_query_chargeback(struct weir_query *q, const struct weir_query_chargeback *p,
                          struct weir_buf *out)
{
    struct weir__rows o = {.form = p->csv ? WEIR__ROWS_CSV : WEIR__ROWS_JSON, .b = out};
    struct charge c = {.p = p};
    struct weir__patterns patterns;
    struct weir_stmt *st;
    int rc = parse_by(p->by, &c);

    if (rc != WEIR_OK || p->from_ms < 0 || p->to_ms <= p->from_ms || p->from_ms % DAY_MS ||
        p->to_ms % DAY_MS)
        return WEIR_EINVAL;
    rc = start(q, &c, &patterns, &st);
    if (rc != WEIR_OK)
        return rc;
    if (p->csv)
        write_row(&(struct weir__rows){.form = WEIR__ROWS_NAMES, .b = out}, &c,
                  &(struct row){.day_ms = 0});
    else
        (void)weir_buf_addz(out, "[");
    while ((rc = weir_stmt_step(st)) == 1 && !out->full)
        write_next(&o, &c, st);
    weir_stmt_reset(st);
    if (!p->csv)
        (void)weir_buf_addz(out, "]");
    return rc < 0 ? rc : out->full ? WEIR_ELIMIT : WEIR_OK;
}
