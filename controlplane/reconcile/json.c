/* json.c - cost APIs' answers, one or many in a row: the days are cut out of the text as they come,
 * and only a day is ever parsed as a whole.
 *
 * OpenAI, GET /organization/costs: {"data": [{"start_time": SECONDS, "results": [{"amount":
 * {"value", "currency"}, "line_item"}]}]}. Anthropic, GET /v1/organizations/cost_report: {"data":
 * [{"starting_at", "results": [{"amount": CENTS, "currency", "model"}]}]}. AWS, GetCostAndUsage of
 * the Cost Explorer: {"ResultsByTime": [{"TimePeriod": {"Start"}, "Groups": [{"Keys", "Metrics":
 * {"UnblendedCost": {"Amount", "Unit"}}}], "Total"}]}. */
#include <string.h>
#include <yyjson.h>

#include "controlplane/reconcile/internal.h"

enum { MAX_DEPTH = 64, KEY_BYTES = 32, CENTS = -2, DAY_MS = 86400000 };

/* ---- a day ---- */

static struct weir_str text_of(yyjson_val *v)
{
    if (yyjson_is_raw(v))
        return (struct weir_str){yyjson_get_raw(v), yyjson_get_len(v)};
    return yyjson_is_str(v) ? (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)}
                            : WEIR_STR_NULL;
}

static struct weir_str member(yyjson_val *object, const char *name)
{
    return text_of(yyjson_obj_get(object, name));
}

static int add(struct weir__bill *b, unsigned long line, int64_t day_ms, struct weir_str model,
               struct weir_str amount, struct weir_str currency, int shift)
{
    struct weir_bill_row row = {.day_ms = day_ms, .model = model};

    if (!amount.p)
        return weir__bill_refuse(
            b, line,
            "a result of the day that begins here has no amount; is it usage? Then add --usage");
    if (weir_bill_nano(amount, shift, &row.nano_usd) != WEIR_OK)
        return weir__bill_refuse(b, line, "\"%.*s\" is no amount of money",
                                 amount.n > 40 ? 40 : (int)amount.n, amount.p);
    if (!weir__bill_is_usd(currency))
        return weir__bill_refuse(b, line, "the amounts are in %.*s, not in US dollars",
                                 currency.n > 10 ? 10 : (int)currency.n, currency.p);
    return weir__bill_row(b, &row);
}

static int openai_result(struct weir__bill *b, unsigned long line, int64_t day_ms, yyjson_val *r)
{
    yyjson_val *amount = yyjson_obj_get(r, "amount");

    return add(b, line, day_ms, weir__bill_line_item(member(r, "line_item")),
               member(amount, "value"), member(amount, "currency"), 0);
}

static int anthropic_result(struct weir__bill *b, unsigned long line, int64_t day_ms, yyjson_val *r)
{
    return add(b, line, day_ms, member(r, "model"), member(r, "amount"), member(r, "currency"),
               CENTS);
}

static int results(struct weir__bill *b, unsigned long line, yyjson_val *day, const char *start)
{
    yyjson_val *list = yyjson_obj_get(day, "results"), *r;
    int64_t day_ms;
    size_t i, max;
    int rc = WEIR_OK;

    if (weir_bill_day(member(day, start), &day_ms) != WEIR_OK)
        return weir__bill_refuse(b, line, "\"%s\" of the object that begins here is no time in UTC",
                                 start);
    if (!yyjson_is_arr(list))
        return weir__bill_refuse(b, line, "the object that begins here has no \"results\"");
    yyjson_arr_foreach(list, i, max, r)
    {
        if (rc == WEIR_OK)
            rc = b->usage                        ? weir__bill_usage(b, line, day_ms, r)
                 : b->vendor == WEIR_BILL_OPENAI ? openai_result(b, line, day_ms, r)
                                                 : anthropic_result(b, line, day_ms, r);
    }
    return rc;
}

/* A group counts if any of its keys names Bedrock; without groups the sum is taken as it is. */
static int aws_metrics(struct weir__bill *b, unsigned long line, int64_t day_ms, yyjson_val *group)
{
    yyjson_val *keys = yyjson_obj_get(group, "Keys"), *key, *metric;
    yyjson_val *metrics = yyjson_obj_get(group, "Metrics");
    bool ours = !yyjson_arr_size(keys);
    size_t i, max;

    yyjson_arr_foreach(keys, i, max, key) ours =
        ours || (yyjson_is_str(key) && strstr(yyjson_get_str(key), "Bedrock"));
    if (!ours) {
        b->left_out++;
        return WEIR_OK;
    }
    metric = yyjson_obj_get(metrics, "UnblendedCost");
    return add(b, line, day_ms, WEIR_STR_NULL, member(metric, "Amount"), member(metric, "Unit"), 0);
}

static int aws_day(struct weir__bill *b, unsigned long line, yyjson_val *day)
{
    yyjson_val *groups = yyjson_obj_get(day, "Groups"), *group;
    yyjson_val *period = yyjson_obj_get(day, "TimePeriod");
    yyjson_val *total = yyjson_obj_get(yyjson_obj_get(day, "Total"), "UnblendedCost");
    int64_t day_ms, end_ms;
    size_t i, max;
    int rc = WEIR_OK;

    if (weir_bill_day(member(period, "Start"), &day_ms) != WEIR_OK ||
        weir_bill_day(member(period, "End"), &end_ms) != WEIR_OK || end_ms > day_ms + DAY_MS)
        return weir__bill_refuse(b, line,
                                 "\"TimePeriod\" of the object that begins here is no day: export "
                                 "with Granularity DAILY");
    if (!yyjson_arr_size(groups))
        return add(b, line, day_ms, WEIR_STR_NULL, member(total, "Amount"), member(total, "Unit"),
                   0);
    yyjson_arr_foreach(groups, i, max, group)
    {
        if (rc == WEIR_OK)
            rc = aws_metrics(b, line, day_ms, group);
    }
    return rc;
}

static int read_day(struct weir__bill *b, unsigned long line)
{
    yyjson_read_err err;
    yyjson_doc *doc =
        yyjson_read_opts(b->record.p, b->record.n, YYJSON_READ_NUMBER_AS_RAW, NULL, &err);
    yyjson_val *root = yyjson_doc_get_root(doc);
    int rc;

    if (!doc)
        return weir__bill_refuse(b, line, "the object that begins here is no JSON: %s", err.msg);
    if (b->vendor == WEIR_BILL_AWS)
        rc = aws_day(b, line, root);
    else
        rc = results(b, line, root, b->vendor == WEIR_BILL_OPENAI ? "start_time" : "starting_at");
    yyjson_doc_free(doc);
    return rc;
}

/* ---- cutting out ---- */

struct cutter {
    struct weir__bill *b;
    const char *wanted;   /* the array's key */
    char open[MAX_DEPTH]; /* '{' or '[' */
    bool ours[MAX_DEPTH]; /* an array with that key */
    int depth;
    char key[KEY_BYTES + 1]; /* the newest string */
    size_t key_n;
    bool in_string, escaped;
    int taking; /* depth of the object that is being cut out; 0: none */
    unsigned long taking_line;
};

static int open_one(struct cutter *c, char ch)
{
    if (c->depth == MAX_DEPTH)
        return weir__bill_refuse(c->b, 0, "it is nested too deeply");
    if (ch == '{' && !c->taking && c->depth && c->ours[c->depth - 1]) {
        c->taking = c->depth + 1;
        c->taking_line = c->b->line;
        weir_buf_clear(&c->b->record);
    }
    c->open[c->depth] = ch;
    c->ours[c->depth] = ch == '[' && !c->taking && c->key_n == strlen(c->wanted) &&
                        memcmp(c->key, c->wanted, c->key_n) == 0;
    c->depth++;
    c->key_n = 0;
    return WEIR_OK;
}

/* The byte itself is in the record already. */
static int close_one(struct cutter *c, char ch)
{
    if (!c->depth || c->open[c->depth - 1] != (ch == '}' ? '{' : '['))
        return weir__bill_refuse(c->b, 0, "a '%c' closes nothing", ch);
    c->key_n = 0;
    if (c->depth-- != c->taking)
        return WEIR_OK;
    c->taking = 0;
    return read_day(c->b, c->taking_line);
}

static void in_string(struct cutter *c, char ch)
{
    if (c->escaped)
        c->escaped = false;
    else if (ch == '\\')
        c->escaped = true;
    else if (ch == '"')
        c->in_string = false;
    if (c->in_string && c->key_n < KEY_BYTES)
        c->key[c->key_n++] = ch;
}

static int outside(struct cutter *c, char ch)
{
    switch (ch) {
    case '"':
        c->in_string = true;
        c->key_n = 0;
        return WEIR_OK;
    case '{':
    case '[':
        return WEIR_OK;
    case '}':
    case ']':
        return close_one(c, ch);
    case ',':
        c->key_n = 0;
        return WEIR_OK;
    default:
        return c->depth || strchr(" \t\r\n", ch)
                   ? WEIR_OK
                   : weir__bill_refuse(c->b, 0, "this is no JSON: '%c' stands outside of objects",
                                       ch >= ' ' && ch <= '~' ? ch : '?');
    }
}

static int take(struct cutter *c, char ch)
{
    int rc = WEIR_OK;

    if (!c->in_string && (ch == '{' || ch == '['))
        rc = open_one(c, ch);
    if (rc == WEIR_OK && c->taking && weir_buf_add(&c->b->record, &ch, 1) != WEIR_OK)
        rc = weir__bill_refuse(c->b, c->taking_line, "a day is larger than %d MiB",
                               WEIR_BILL_MAX_RECORD >> 20);
    if (rc != WEIR_OK)
        return rc;
    if (c->in_string) {
        in_string(c, ch);
        return WEIR_OK;
    }
    return outside(c, ch);
}

int weir__bill_json(struct weir__bill *b)
{
    struct cutter c = {.b = b, .wanted = b->vendor == WEIR_BILL_AWS ? "ResultsByTime" : "data"};
    int ch, rc = WEIR_OK;

    while (rc == WEIR_OK && (ch = weir__bill_next(b)) != EOF)
        rc = take(&c, (char)ch);
    if (rc == WEIR_OK && (c.depth || c.in_string))
        rc = weir__bill_refuse(b, 0, "it ends in the middle");
    if (rc == WEIR_OK && !b->rows && !b->left_out)
        rc = weir__bill_refuse(b, 0, "there is no \"%s\" with %s in it", c.wanted,
                               b->usage ? "usage" : "costs");
    return rc;
}
