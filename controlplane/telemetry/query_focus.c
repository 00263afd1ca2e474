/* query_focus.c - spend as FOCUS rows (FinOps Open Cost and Usage Specification 1.2): one for each
 * day and label set. What the specification has no column for stands in columns of our own, which
 * begin with x_. Costs are exact: nano-USD written as decimals. */
#include <time.h>

#include "base/mem.h"
#include "controlplane/telemetry/jsonout.h"
#include "controlplane/telemetry/query_internal.h"

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

struct out {
    enum { NAMES, CSV, JSON } form;

    bool first;
    struct weir_buf *b;
};

/* Quoted as RFC 4180 has it where needed. A text that a spreadsheet would run as a formula is told
 * apart by a quote before it: model names are the callers' own. */
static void csv_text(struct weir_buf *b, struct weir_str s)
{
    bool formula = s.n && memchr("=+-@\t\r", s.p[0], 6);
    bool quote = formula;

    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        (void)weir_buf_adds(b, s);
        return;
    }
    (void)weir_buf_addz(b, formula ? "\"'" : "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            (void)weir_buf_addz(b, "\"");
        (void)weir_buf_add(b, s.p + i, 1);
    }
    (void)weir_buf_addz(b, "\"");
}

/* Begins a column. True: its value is to be written, too. */
static bool column(struct out *o, const char *name)
{
    if (o->form == JSON) {
        weir__out_key(o->b, name);
        return true;
    }
    if (!o->first)
        (void)weir_buf_addz(o->b, ",");
    o->first = false;
    if (o->form == NAMES)
        (void)weir_buf_addz(o->b, name);
    return o->form == CSV;
}

static void text(struct out *o, const char *name, struct weir_str s)
{
    if (!column(o, name))
        return;
    if (o->form == CSV)
        csv_text(o->b, s);
    else if (s.n)
        (void)weir_buf_add_json(o->b, s);
    else
        (void)weir_buf_addz(o->b, "null");
}

static void number(struct out *o, const char *name, int64_t n)
{
    if (column(o, name))
        (void)weir_buf_addi(o->b, n);
}

static void money(struct out *o, const char *name, int64_t nano)
{
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;

    if (column(o, name))
        (void)weir_buf_addf(o->b, "%s%llu.%09llu", nano < 0 ? "-" : "",
                            (unsigned long long)(size / 1000000000),
                            (unsigned long long)(size % 1000000000));
}

static void instant(struct out *o, const char *name, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm = {0};
    char z[32];

    (void)gmtime_r(&s, &tm);
    (void)strftime(z, sizeof z, "%Y-%m-%dT%H:%M:%SZ", &tm);
    text(o, name, weir_str_of(z));
}

/* What FOCUS calls tags: whom the cost is charged back to. */
static void tags(struct out *o, const struct row *r)
{
    static const int kept[] = {AGENT, TEAM, PROJECT, ENVIRONMENT, KEY, NS};
    struct weir_buf b;

    if (!column(o, "Tags"))
        return;
    weir_buf_init(&b, 16384);
    (void)weir_buf_addz(&b, "{");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (r->labels[kept[i]].n)
            weir__out_str(&b, weir__label_names[kept[i]], r->labels[kept[i]]);
    (void)weir_buf_addz(&b, "}");
    if (o->form == CSV)
        csv_text(o->b, weir_buf_str(&b));
    else
        (void)weir_buf_adds(o->b, weir_buf_str(&b));
    weir_buf_fini(&b);
}

static void write_row(struct out *o, const struct row *r)
{
    int64_t day = r->start_ms - r->start_ms % DAY_MS;
    int64_t cost = r->n[WEIR__N_COST], tokens = r->n[WEIR__N_INPUT] + r->n[WEIR__N_OUTPUT];

    o->first = true;
    money(o, "BilledCost", cost);
    text(o, "BillingAccountId", r->labels[PROVIDER]);
    text(o, "BillingAccountName", r->labels[PROVIDER]);
    text(o, "BillingCurrency", WEIR_STR("USD"));
    instant(o, "BillingPeriodEnd", r->p->to_ms);
    instant(o, "BillingPeriodStart", r->p->from_ms);
    text(o, "ChargeCategory", WEIR_STR("Usage"));
    text(o, "ChargeClass", r->correction ? WEIR_STR("Correction") : WEIR_STR_NULL);
    text(o, "ChargeDescription",
         r->correction ? r->reason : WEIR_STR("Model calls, priced by Weir"));
    text(o, "ChargeFrequency", r->correction ? WEIR_STR("One-Time") : WEIR_STR("Usage-Based"));
    instant(o, "ChargePeriodEnd", day + DAY_MS);
    instant(o, "ChargePeriodStart", day);
    number(o, "ConsumedQuantity", tokens);
    text(o, "ConsumedUnit", WEIR_STR("Tokens"));
    money(o, "ContractedCost", cost);
    money(o, "EffectiveCost", cost);
    text(o, "InvoiceIssuerName", r->labels[PROVIDER]);
    money(o, "ListCost", cost);
    number(o, "PricingQuantity", tokens);
    text(o, "PricingUnit", WEIR_STR("Tokens"));
    text(o, "ProviderName", r->labels[PROVIDER]);
    text(o, "PublisherName", r->labels[PROVIDER]);
    text(o, "ResourceId", r->labels[AGENT]);
    text(o, "ResourceName", r->labels[AGENT]);
    text(o, "ResourceType", WEIR_STR("Agent"));
    text(o, "ServiceCategory", WEIR_STR("AI and Machine Learning"));
    text(o, "ServiceName", r->labels[MODEL]);
    text(o, "SkuId", r->labels[MODEL]);
    text(o, "SubAccountId", r->labels[PROJECT]);
    text(o, "SubAccountName", r->labels[PROJECT]);
    tags(o, r);
    number(o, "x_Calls", r->n[WEIR__N_CALLS]);
    number(o, "x_EstimatedCalls", r->n[WEIR__N_ESTIMATED]);
    number(o, "x_UnpricedCalls", r->n[WEIR__N_UNPRICED]);
    number(o, "x_InputTokens", r->n[WEIR__N_INPUT]);
    number(o, "x_OutputTokens", r->n[WEIR__N_OUTPUT]);
    number(o, "x_CacheReadTokens", r->n[WEIR__N_CACHE_READ]);
    number(o, "x_CacheWriteTokens", r->n[WEIR__N_CACHE_WRITE]);
    number(o, "x_ReasoningTokens", r->n[WEIR__N_REASONING]);
}

static void write_next(struct out *o, struct weir_stmt *st, const struct weir_query_focus *p)
{
    struct row r = {.start_ms = weir_stmt_i64(st, 0), .p = p};

    for (int i = 0; i < WEIR__LABELS; i++)
        r.labels[i] = weir_stmt_str(st, 1 + i);
    for (int i = 0; i < WEIR__N_COUNT; i++)
        r.n[i] = weir_stmt_i64(st, 1 + WEIR__LABELS + i);
    r.correction = weir_stmt_i64(st, 1 + WEIR__LABELS + WEIR__N_COUNT);
    r.reason = weir_stmt_str(st, 2 + WEIR__LABELS + WEIR__N_COUNT);
    if (o->form == JSON) {
        weir__out_comma(o->b);
        (void)weir_buf_addz(o->b, "{");
    }
    write_row(o, &r);
    (void)weir_buf_addz(o->b, o->form == JSON ? "}" : "\r\n");
}

int weir_query_focus(struct weir_query *q, const struct weir_query_focus *p, struct weir_buf *out)
{
    static const char sql[] =
        "SELECT start_ms, ns, agent, project, team, model, provider, key,"
        " environment" WEIR__NUMBERS(WEIR__COLUMN) ", correction, reason FROM (SELECT start_ms, "
                                                   "grp" WEIR__NUMBERS(
                                                       WEIR__COLUMN) ","
                                                                     " 0 AS corrected, 0 AS "
                                                                     "correction, '' AS reason "
                                                                     "FROM rollups WHERE"
                                                                     " level = ?1 AND start_ms >= "
                                                                     "?2 AND start_ms < ?3 AND "
                                                                     "calls > 0"
                                                                     " UNION ALL SELECT for_ms, "
                                                                     "grp, " WEIR__CORRECTION
                                                                     ", id, reason"
                                                                     " FROM corrections WHERE "
                                                                     "for_ms >= ?2 AND for_ms < "
                                                                     "?3) s"
                                                                     " JOIN groups ON groups.id = "
                                                                     "s.grp ORDER BY start_ms, "
                                                                     "correction, grp";
    struct out o = {.form = p->csv ? CSV : JSON, .b = out};
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
    if (p->csv) {
        write_row(&(struct out){.form = NAMES, .b = out}, &(struct row){.p = p});
        (void)weir_buf_addz(out, "\r\n");
    } else {
        (void)weir_buf_addz(out, "[");
    }
    while ((rc = weir_stmt_step(st)) == 1 && !out->full)
        write_next(&o, st, p);
    weir_stmt_reset(st);
    if (!p->csv)
        (void)weir_buf_addz(out, "]");
    return rc < 0 ? rc : out->full ? WEIR_ELIMIT : WEIR_OK;
}
