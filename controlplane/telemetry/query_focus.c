/* query_focus.c - spend as FOCUS rows (FinOps Open Cost and Usage Specification 1.2): one for each
 * day and label set. What the specification has no column for stands in columns of our own, which
 * begin with x_. Costs are exact: nano-USD written as decimals. */
#include "controlplane/telemetry/jsonout.h"
#include "controlplane/telemetry/query_internal.h"
#include "controlplane/telemetry/rows_out.h"

enum { DAY_LEVEL = 2, DAY_MS = 86400000 };

enum { NS, AGENT, PROJECT, TEAM, MODEL, PROVIDER, KEY, ENVIRONMENT };

struct row {
    int64_t start_ms;
    struct weir_str labels[WEIR__LABELS];
    int64_t n[WEIR__N_COUNT];
    int64_t correction; /* its id; 0: the calls of a day */
    struct weir_str reason;
    const struct weir_query_focus *p;
};

/* What FOCUS calls tags: whom the cost is charged back to. */
static void tags(struct weir__rows *o, const struct row *r)
{
    static const int kept[] = {AGENT, TEAM, PROJECT, ENVIRONMENT, KEY, NS};
    struct weir_buf b;

    if (!weir__rows_column(o, "Tags"))
        return;
    weir_buf_init(&b, 16384);
    (void)weir_buf_addz(&b, "{");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (r->labels[kept[i]].n)
            weir__out_str(&b, weir__label_names[kept[i]], r->labels[kept[i]]);
    (void)weir_buf_addz(&b, "}");
    if (o->form == WEIR__ROWS_CSV)
        weir__rows_csv_text(o->b, weir_buf_str(&b));
    else
        (void)weir_buf_adds(o->b, weir_buf_str(&b));
    weir_buf_fini(&b);
}

static void write_row(struct weir__rows *o, const struct row *r)
{
    int64_t day = r->start_ms - r->start_ms % DAY_MS;
    int64_t cost = r->n[WEIR__N_COST], tokens = r->n[WEIR__N_INPUT] + r->n[WEIR__N_OUTPUT];

    weir__rows_begin(o);
    weir__rows_money(o, "BilledCost", cost);
    weir__rows_text(o, "BillingAccountId", r->labels[PROVIDER]);
    weir__rows_text(o, "BillingAccountName", r->labels[PROVIDER]);
    weir__rows_text(o, "BillingCurrency", WEIR_STR("USD"));
    weir__rows_instant(o, "BillingPeriodEnd", r->p->to_ms);
    weir__rows_instant(o, "BillingPeriodStart", r->p->from_ms);
    weir__rows_text(o, "ChargeCategory", WEIR_STR("Usage"));
    weir__rows_text(o, "ChargeClass", r->correction ? WEIR_STR("Correction") : WEIR_STR_NULL);
    weir__rows_text(o, "ChargeDescription",
                    r->correction ? r->reason : WEIR_STR("Model calls, priced by Weir"));
    weir__rows_text(o, "ChargeFrequency",
                    r->correction ? WEIR_STR("One-Time") : WEIR_STR("Usage-Based"));
    weir__rows_instant(o, "ChargePeriodEnd", day + DAY_MS);
    weir__rows_instant(o, "ChargePeriodStart", day);
    weir__rows_number(o, "ConsumedQuantity", tokens);
    weir__rows_text(o, "ConsumedUnit", WEIR_STR("Tokens"));
    weir__rows_money(o, "ContractedCost", cost);
    weir__rows_money(o, "EffectiveCost", cost);
    weir__rows_text(o, "InvoiceIssuerName", r->labels[PROVIDER]);
    weir__rows_money(o, "ListCost", cost);
    weir__rows_number(o, "PricingQuantity", tokens);
    weir__rows_text(o, "PricingUnit", WEIR_STR("Tokens"));
    weir__rows_text(o, "ProviderName", r->labels[PROVIDER]);
    weir__rows_text(o, "PublisherName", r->labels[PROVIDER]);
    weir__rows_text(o, "ResourceId", r->labels[AGENT]);
    weir__rows_text(o, "ResourceName", r->labels[AGENT]);
    weir__rows_text(o, "ResourceType", WEIR_STR("Agent"));
    weir__rows_text(o, "ServiceCategory", WEIR_STR("AI and Machine Learning"));
    weir__rows_text(o, "ServiceName", r->labels[MODEL]);
    weir__rows_text(o, "SkuId", r->labels[MODEL]);
    weir__rows_text(o, "SubAccountId", r->labels[PROJECT]);
    weir__rows_text(o, "SubAccountName", r->labels[PROJECT]);
    tags(o, r);
    weir__rows_number(o, "x_Calls", r->n[WEIR__N_CALLS]);
    weir__rows_number(o, "x_EstimatedCalls", r->n[WEIR__N_ESTIMATED]);
    weir__rows_number(o, "x_UnpricedCalls", r->n[WEIR__N_UNPRICED]);
    weir__rows_number(o, "x_InputTokens", r->n[WEIR__N_INPUT]);
    weir__rows_number(o, "x_OutputTokens", r->n[WEIR__N_OUTPUT]);
    weir__rows_number(o, "x_CacheReadTokens", r->n[WEIR__N_CACHE_READ]);
    weir__rows_number(o, "x_CacheWriteTokens", r->n[WEIR__N_CACHE_WRITE]);
    weir__rows_number(o, "x_ReasoningTokens", r->n[WEIR__N_REASONING]);
    weir__rows_end(o);
}

static void write_next(struct weir__rows *o, struct weir_stmt *st, const struct weir_query_focus *p)
{
    struct row r = {.start_ms = weir_stmt_i64(st, 0), .p = p};

    for (int i = 0; i < WEIR__LABELS; i++)
        r.labels[i] = weir_stmt_str(st, 1 + i);
    for (int i = 0; i < WEIR__N_COUNT; i++)
        r.n[i] = weir_stmt_i64(st, 1 + WEIR__LABELS + i);
    r.correction = weir_stmt_i64(st, 1 + WEIR__LABELS + WEIR__N_COUNT);
    r.reason = weir_stmt_str(st, 2 + WEIR__LABELS + WEIR__N_COUNT);
    write_row(o, &r);
}

int weir_query_focus(struct weir_query *q, const struct weir_query_focus *p, struct weir_buf *out)
{
    static const char sql[] =
        "SELECT start_ms, ns, agent, project, team, model, provider, key, environment" WEIR__COLUMNS
        ", correction, reason FROM"
        " (SELECT start_ms, grp" WEIR__COLUMNS ", 0 AS corrected, 0 AS correction, '' AS reason"
        " FROM rollups WHERE level = ?1 AND start_ms >= ?2 AND start_ms < ?3 AND calls > 0"
        " UNION ALL SELECT for_ms, grp, " WEIR__CORRECTION ", id, reason"
        " FROM corrections WHERE for_ms >= ?2 AND for_ms < ?3) s"
        " JOIN groups ON groups.id = s.grp ORDER BY start_ms, correction, grp";
    struct weir__rows o = {.form = p->csv ? WEIR__ROWS_CSV : WEIR__ROWS_JSON, .b = out};
    struct weir_stmt *st;
    int rc;

    if (p->from_ms < 0 || p->to_ms <= p->from_ms)
        return WEIR_EINVAL;
    rc = weir_store_stmt(q->store, sql, &st);
    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, DAY_LEVEL);
    weir_stmt_bind_i64(st, 2, p->from_ms);
    weir_stmt_bind_i64(st, 3, p->to_ms);
    if (p->csv)
        write_row(&(struct weir__rows){.form = WEIR__ROWS_NAMES, .b = out}, &(struct row){.p = p});
    else
        (void)weir_buf_addz(out, "[");
    while ((rc = weir_stmt_step(st)) == 1 && !out->full)
        write_next(&o, st, p);
    weir_stmt_reset(st);
    if (!p->csv)
        (void)weir_buf_addz(out, "]");
    return rc < 0 ? rc : out->full ? WEIR_ELIMIT : WEIR_OK;
}
