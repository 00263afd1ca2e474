/* csv.c - cost exports as CSV (RFC 4180), record by record. The columns have the names of the
 * vendors' fields; of AWS: the cost and usage report in its older and newer form, and FOCUS. */
#include <string.h>

#include "controlplane/reconcile/internal.h"

enum { MAX_NAMES = 6, CENTS = -2 };

/* Names that a column may have; the first that is there is taken. */
struct shape {
    const char *day[MAX_NAMES], *amount[MAX_NAMES], *currency[MAX_NAMES], *model[MAX_NAMES];
    const char *service[MAX_NAMES]; /* any of them must name Bedrock; none: every row counts */
    int shift;
};

static const struct shape shapes[] = {
    [WEIR_BILL_OPENAI] = {.day = {"start_time", "start_time_iso"},
                          .amount = {"amount_value", "amount.value"},
                          .currency = {"amount_currency", "amount.currency"},
                          .model = {"line_item"}},
    [WEIR_BILL_ANTHROPIC] = {.day = {"starting_at"},
                             .amount = {"amount"},
                             .currency = {"currency"},
                             .model = {"model"},
                             .shift = CENTS},
    [WEIR_BILL_AWS] =
        {.day = {"line_item_usage_start_date", "lineItem/UsageStartDate", "ChargePeriodStart"},
         .amount = {"line_item_unblended_cost", "lineItem/UnblendedCost", "BilledCost"},
         .currency = {"line_item_currency_code", "lineItem/CurrencyCode", "BillingCurrency"},
         .service = {"line_item_product_code", "lineItem/ProductCode", "product",
                     "product/ProductName", "line_item_line_item_description", "ServiceName"}},
};

struct csv {
    struct weir__bill *b;
    struct weir_str cells[WEIR_BILL_MAX_COLUMNS];
    size_t starts[WEIR_BILL_MAX_COLUMNS + 1]; /* in the record, while it grows */
    size_t n, columns;
    unsigned long line; /* where the record begins */
    int day, amount, currency, model;
    int service[MAX_NAMES], n_service;
};

/* ---- records ---- */

static int add_byte(struct csv *c, int ch)
{
    char byte = (char)ch;

    if (!ch)
        return weir__bill_refuse(c->b, c->line, "it is no text: there is a NUL in it");
    return weir_buf_add(&c->b->record, &byte, 1) == WEIR_OK
               ? WEIR_OK
               : weir__bill_refuse(c->b, c->line,
                                   "a record is larger than %d MiB: is a quote not closed?",
                                   WEIR_BILL_MAX_RECORD >> 20);
}

static int end_cell(struct csv *c)
{
    if (c->n == WEIR_BILL_MAX_COLUMNS)
        return weir__bill_refuse(c->b, c->line, "there are more than %d columns",
                                 WEIR_BILL_MAX_COLUMNS);
    c->starts[++c->n] = c->b->record.n;
    return WEIR_OK;
}

static int quoted(struct csv *c)
{
    int ch, rc = WEIR_OK;

    while (rc == WEIR_OK) {
        ch = weir__bill_next(c->b);
        if (ch == EOF)
            return weir__bill_refuse(c->b, c->line,
                                     "a quote of the record that begins here is not closed");
        if (ch == '"') {
            ch = getc_unlocked(c->b->f);
            if (ch != '"') {
                (void)ungetc(ch, c->b->f);
                return WEIR_OK;
            }
        }
        rc = add_byte(c, ch);
    }
    return rc;
}

/* *more: there is a record. */
static int read_record(struct csv *c, bool *more)
{
    bool fresh = true; /* at a cell's beginning */
    int ch, rc = WEIR_OK;

    weir_buf_clear(&c->b->record);
    c->n = 0;
    c->line = c->b->line;
    while (rc == WEIR_OK && (ch = weir__bill_next(c->b)) != EOF && ch != '\n') {
        if (ch == '"' && fresh) {
            rc = quoted(c);
        } else if (ch == ',') {
            rc = end_cell(c);
            fresh = true;
            continue;
        } else if (ch != '\r') {
            rc = add_byte(c, ch);
        }
        fresh = false;
    }
    *more = rc == WEIR_OK && (ch != EOF || c->b->record.n || c->n);
    if (rc == WEIR_OK)
        rc = end_cell(c);
    for (size_t i = 0; rc == WEIR_OK && i < c->n; i++)
        c->cells[i] = (struct weir_str){weir_buf_str(&c->b->record).p + c->starts[i],
                                        c->starts[i + 1] - c->starts[i]};
    return rc;
}

/* ---- columns ---- */

static int find(const struct csv *c, const char *const names[MAX_NAMES])
{
    for (int k = 0; k < MAX_NAMES && names[k]; k++)
        for (size_t i = 0; i < c->n; i++)
            if (weir_str_is(weir_str_trim(c->cells[i]), names[k]))
                return (int)i;
    return -1;
}

static int missing(struct csv *c, const char *const names[MAX_NAMES])
{
    char list[200] = "";
    size_t n = 0;

    for (int i = 0; i < MAX_NAMES && names[i] && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", names[i]);
    return weir__bill_refuse(c->b, c->line, "there is no column %s", list);
}

static int read_names(struct csv *c)
{
    const struct shape *s = &shapes[c->b->vendor];
    bool more;
    int rc = read_record(c, &more);

    if (rc != WEIR_OK)
        return rc;
    c->columns = c->n;
    c->day = find(c, s->day);
    c->amount = find(c, s->amount);
    c->currency = find(c, s->currency);
    c->model = find(c, s->model);
    for (int i = 0; i < MAX_NAMES && s->service[i]; i++) {
        int at = find(c, (const char *const[MAX_NAMES]){s->service[i]});

        if (at >= 0)
            c->service[c->n_service++] = at;
    }
    if (c->day < 0)
        return missing(c, s->day);
    if (c->amount < 0)
        return missing(c, s->amount);
    return s->service[0] && !c->n_service ? missing(c, s->service) : WEIR_OK;
}

static struct weir_str cell(const struct csv *c, int at)
{
    return at < 0 ? WEIR_STR_NULL : c->cells[at];
}

static bool is_ours(const struct csv *c)
{
    for (int i = 0; i < c->n_service; i++) {
        struct weir_str s = c->cells[c->service[i]];

        if (s.n && memmem(s.p, s.n, "Bedrock", 7))
            return true;
    }
    return c->n_service == 0;
}

static int take(struct csv *c)
{
    struct weir_str amount = cell(c, c->amount), day = cell(c, c->day);
    struct weir_bill_row row = {.model = cell(c, c->model)};

    if (c->n != c->columns)
        return weir__bill_refuse(c->b, c->line, "this record has %zu columns, the first line %zu",
                                 c->n, c->columns);
    if (!is_ours(c)) {
        c->b->left_out++;
        return WEIR_OK;
    }
    if (weir_bill_day(day, &row.day_ms) != WEIR_OK)
        return weir__bill_refuse(c->b, c->line, "\"%.*s\" is no day in UTC",
                                 day.n > 40 ? 40 : (int)day.n, day.p);
    if (weir_bill_nano(amount, shapes[c->b->vendor].shift, &row.nano_usd) != WEIR_OK)
        return weir__bill_refuse(c->b, c->line, "\"%.*s\" is no amount of money",
                                 amount.n > 40 ? 40 : (int)amount.n, amount.p);
    if (!weir__bill_is_usd(cell(c, c->currency)))
        return weir__bill_refuse(c->b, c->line, "the amount is not in US dollars");
    if (c->b->vendor == WEIR_BILL_OPENAI)
        row.model = weir__bill_line_item(row.model);
    if (!row.model.n)
        row.model = WEIR_STR_NULL;
    return weir__bill_row(c->b, &row);
}

int weir__bill_csv(struct weir__bill *b)
{
    struct csv c = {.b = b};
    bool more = true;
    int rc = read_names(&c);

    while (rc == WEIR_OK && more) {
        rc = read_record(&c, &more);
        /* An empty line, as there may be at the end. */
        if (rc == WEIR_OK && more && !(c.n == 1 && !c.cells[0].n))
            rc = take(&c);
    }
    return rc;
}
