/* cmd_reconcile.c - what a vendor bills against what was spent here, by day and model. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"
#include "controlplane/reconcile/compare.h"

enum { DAY_MS = 86400000, MAX_DAYS = 400, DEFAULT_TOLERANCE = 5, REASON_BYTES = 128 };

struct run {
    struct weir_cli *cli;
    struct weir_reconcile *r;
    const char *vendor, *provider;
    int64_t tolerance; /* thousandths */
    int64_t first_ms, last_ms, today_ms;
    int64_t from_ms, until_ms; /* what was asked for */
    int64_t left_out;
    int differences;
    bool usage; /* tokens are compared, not money */
};

static const char *const kinds[] = {[WEIR_BILL_INPUT] = "input",
                                    [WEIR_BILL_CACHE_READ] = "cacheRead",
                                    [WEIR_BILL_CACHE_WRITE] = "cacheWrite",
                                    [WEIR_BILL_OUTPUT] = "output"};

static const char *day_text(struct weir_cli *cli, int64_t ms)
{
    return weir_arena_printf(cli->arena, "%.10s", weir__cli_utc(cli, ms));
}

/* ---- what was asked for ---- */

static bool read_day(struct run *run, enum weir_cli_flag_id id, int64_t *out)
{
    const char *text = run->cli->flags[id];

    if (!text || weir_bill_day(weir_str_of(text), out) == WEIR_OK)
        return true;
    weir__cli_complain(run->cli, "Write it as 2026-11-01 (UTC).", "%s is no day",
                       weir__cli_flags[id].name);
    return false;
}

static bool read_tolerance(struct run *run)
{
    const char *text = run->cli->flags[WEIR_FLAG_TOLERANCE];
    int64_t nano = 0;

    run->tolerance = DEFAULT_TOLERANCE;
    if (!text)
        return true;
    if (weir_bill_nano(weir_str_of(text), -2, &nano) == WEIR_OK && nano >= 0 &&
        nano <= 1000000000) {
        run->tolerance = nano / 1000000;
        return true;
    }
    weir__cli_complain(run->cli, "Write it in percent, from 0 to 100: 0.5.",
                       "--tolerance is no such number");
    return false;
}

static bool read_flags(struct run *run, enum weir_bill_vendor *vendor)
{
    static const char *const providers[] = {"openai*", "anthropic*", "*bedrock*"};
    const char *name = run->cli->flags[WEIR_FLAG_VENDOR];

    if (!name || weir_bill_vendor(name, vendor) != WEIR_OK) {
        weir__cli_complain(run->cli, "Use --vendor openai, anthropic or aws.",
                           name ? "there is no vendor \"%s\" here" : "say whose export it is",
                           name);
        return false;
    }
    run->vendor = name;
    run->usage = run->cli->flags[WEIR_FLAG_USAGE] != NULL;
    if (run->usage && (*vendor == WEIR_BILL_AWS || run->cli->flags[WEIR_FLAG_CORRECT])) {
        weir__cli_complain(run->cli, "weir help reconcile",
                           *vendor == WEIR_BILL_AWS
                               ? "of AWS only costs are compared: its rows name tokens differently "
                                 "for each model"
                               : "what is booked is money: --correct needs costs, not --usage");
        return false;
    }
    run->provider = run->cli->flags[WEIR_FLAG_PROVIDER];
    if (!run->provider)
        run->provider = providers[*vendor];
    run->from_ms = 0;
    run->until_ms = INT64_MAX;
    return read_tolerance(run) && read_day(run, WEIR_FLAG_FROM, &run->from_ms) &&
           read_day(run, WEIR_FLAG_UNTIL, &run->until_ms);
}

/* ---- both sides ---- */

static int on_row(void *arg, const struct weir_bill_row *row)
{
    struct run *run = arg;

    if (row->day_ms < run->from_ms || row->day_ms >= run->until_ms)
        return WEIR_OK;
    return weir_reconcile_bill(run->r, row);
}

static int too_many(struct run *run)
{
    weir__cli_complain(run->cli, "Take a part of it with --from and --until.",
                       "there are more than %d days and models", WEIR_RECONCILE_MAX_ITEMS);
    return WEIR_EXIT_REFUSED;
}

static int read_export(struct run *run, enum weir_bill_vendor vendor)
{
    const char *path = run->cli->args[0];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    struct weir_bill_error e;
    int rc;

    if (!f) {
        weir__cli_complain(run->cli, "", "%s can't be read: %s", path, strerror(errno));
        return errno == ENOENT ? WEIR_EXIT_NOT_FOUND : WEIR_EXIT_REFUSED;
    }
    rc = weir_bill_read(f, vendor, run->usage, on_row, run, &run->left_out, &e);
    if (f != stdin)
        (void)fclose(f);
    if (rc == WEIR_OK)
        return WEIR_EXIT_OK;
    if (rc == WEIR_ELIMIT)
        return too_many(run);
    if (rc == WEIR_EINVAL)
        weir__cli_complain(run->cli, "weir help reconcile says which exports it reads.",
                           "%s:%lu: %s", path, e.line, e.text);
    else
        weir__cli_complain(run->cli, "", "%s can't be read", path);
    return WEIR_EXIT_REFUSED;
}

static struct weir_str part(yyjson_val *key, size_t at)
{
    yyjson_val *v = yyjson_arr_get(key, at);

    return yyjson_is_str(v) ? (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)}
                            : WEIR_STR_NULL;
}

static int take_groups(struct run *run, int64_t day_ms, yyjson_val *groups)
{
    yyjson_val *g;
    size_t i, max;
    int rc = WEIR_OK;

    yyjson_arr_foreach(groups, i, max, g)
    {
        const struct weir_reconcile_spent spent = {
            .nano_usd = weir__cli_number(g, "costNano"),
            .calls = weir__cli_number(g, "calls"),
            .unpriced = weir__cli_number(g, "unpriced"),
            .estimated = weir__cli_number(g, "estimated"),
            .unfinished = weir__cli_number(g, "cut") + weir__cli_number(g, "aborted"),
            .tokens = {weir__cli_number(g, "inputTokens"), weir__cli_number(g, "cacheReadTokens"),
                       weir__cli_number(g, "cacheWriteTokens"),
                       weir__cli_number(g, "outputTokens")}};
        yyjson_val *key = yyjson_obj_get(g, "key");

        /* Refused calls only: nothing was spent and nothing can be billed. */
        if (rc == WEIR_OK && (spent.nano_usd || weir__cli_number(g, "refused") < spent.calls))
            rc = weir_reconcile_spend(run->r, day_ms, part(key, 0), part(key, 1), &spent);
    }
    return rc == WEIR_OK ? WEIR_EXIT_OK : too_many(run);
}

static int read_ledger_day(struct run *run, int64_t day_ms)
{
    struct weir_cli *cli = run->cli;
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(
        cli, "GET",
        weir_arena_printf(cli->arena, "/spend?by=provider,model&provider=%s&from=%s&until=%s",
                          weir__cli_escape(cli, run->provider), day_text(cli, day_ms),
                          day_text(cli, day_ms + DAY_MS)),
        WEIR_STR_NULL, &doc);

    if (code == WEIR_EXIT_OK)
        code = take_groups(run, day_ms, yyjson_obj_get(yyjson_doc_get_root(doc), "groups"));
    yyjson_doc_free(doc);
    return code;
}

static int read_ledger(struct run *run)
{
    int code = WEIR_EXIT_OK;

    if (!weir_reconcile_days(run->r, &run->first_ms, &run->last_ms)) {
        weir__cli_complain(run->cli, "",
                           run->left_out ? "none of the export's rows is of a model service"
                                         : "the export has no costs in this period");
        return WEIR_EXIT_REFUSED;
    }
    if (run->last_ms - run->first_ms >= (int64_t)MAX_DAYS * DAY_MS) {
        weir__cli_complain(run->cli, "Take a part of it with --from and --until.",
                           "the export goes over more than %d days", MAX_DAYS);
        return WEIR_EXIT_REFUSED;
    }
    for (int64_t day = run->first_ms; code == WEIR_EXIT_OK && day <= run->last_ms; day += DAY_MS)
        code = read_ledger_day(run, day);
    return code;
}

/* ---- the answer ---- */

static int64_t difference_of(const struct weir_reconcile_item *i)
{
    int64_t d;

    return __builtin_sub_overflow(i->vendor_nano, i->spent.nano_usd, &d) ? INT64_MAX : d;
}

static void add_row(struct weir_cli_table *t, struct run *run, const struct weir_reconcile_item *i)
{
    struct weir_cli *cli = run->cli;
    bool differs = weir_reconcile_differs(i, run->tolerance);
    char text[REASON_BYTES];
    const char *why =
        differs ? weir_reconcile_reason(i, run->last_ms, run->today_ms, text, sizeof text) : "";

    weir__cli_table_add(
        t, (struct weir_cli_cell[]){
               {day_text(cli, i->day_ms), 0},
               {i->model[0] ? i->model : "(all)", 0},
               {weir__cli_usd(cli, i->spent.nano_usd), 0},
               {weir__cli_usd(cli, i->vendor_nano), 0},
               {weir__cli_usd(cli, difference_of(i)), differs ? WEIR_TONE_BAD : WEIR_TONE_GOOD},
               {weir_arena_strdup(cli->arena, weir_str_of(why)), 0}});
}

static bool has_kind(const struct weir_reconcile_item *i, size_t kind)
{
    return i->vendor_tokens[kind] || i->spent.tokens[kind];
}

static const char *token_reason(struct run *run, const struct weir_reconcile_item *i, size_t kind)
{
    char text[REASON_BYTES];

    if (!weir_reconcile_tokens_differ(i, (enum weir_bill_kind)kind, run->tolerance))
        return "";
    return weir_arena_strdup(run->cli->arena, weir_str_of(weir_reconcile_tokens_reason(
                                                  i, i->vendor_tokens[kind] > i->spent.tokens[kind],
                                                  run->last_ms, run->today_ms, text, sizeof text)));
}

static void add_token_rows(struct weir_cli_table *t, struct run *run,
                           const struct weir_reconcile_item *i)
{
    struct weir_cli *cli = run->cli;

    for (size_t k = 0; k < WEIR_BILL_KINDS; k++) {
        const char *why = token_reason(run, i, k);

        if (has_kind(i, k))
            weir__cli_table_add(
                t, (struct weir_cli_cell[]){
                       {day_text(cli, i->day_ms), 0},
                       {i->model[0] ? i->model : "(all)", 0},
                       {kinds[k], 0},
                       {weir__cli_amount(cli, i->spent.tokens[k], "tokens"), 0},
                       {weir__cli_amount(cli, i->vendor_tokens[k], "tokens"), 0},
                       {weir__cli_amount(cli, i->vendor_tokens[k] - i->spent.tokens[k], "tokens"),
                        *why ? WEIR_TONE_BAD : WEIR_TONE_GOOD},
                       {why, 0}});
    }
}

static void print_token_table(struct run *run, struct weir_reconcile_item *const *items, size_t n)
{
    static const char *const names[] = {"DAY",     "MODEL",       "TOKENS", ">LEDGER",
                                        ">VENDOR", ">DIFFERENCE", "LIKELY"};
    struct weir_cli_table t;

    weir__cli_table_init(&t, run->cli, names, 7);
    for (size_t k = 0; k < n; k++)
        add_token_rows(&t, run, items[k]);
    weir__cli_table_print(&t);
    fprintf(run->cli->out, "%d difference%s\n", run->differences, run->differences == 1 ? "" : "s");
}

static void write_tokens(struct run *run, struct weir_buf *out, const struct weir_reconcile_item *i)
{
    (void)weir_buf_addf(out, "{\"day\":\"%s\",\"model\":", day_text(run->cli, i->day_ms));
    (void)weir_buf_add_json(out, weir_str_of(i->model));
    (void)weir_buf_addf(out, ",\"calls\":%lld,\"tokens\":{", (long long)i->spent.calls);
    for (size_t k = 0; k < WEIR_BILL_KINDS; k++) {
        const char *why = token_reason(run, i, k);

        (void)weir_buf_addf(out, "%s\"%s\":{\"ledger\":%lld,\"vendor\":%lld,\"differs\":%s",
                            k ? "," : "", kinds[k], (long long)i->spent.tokens[k],
                            (long long)i->vendor_tokens[k], *why ? "true" : "false");
        if (*why) {
            (void)weir_buf_addz(out, ",\"likely\":");
            (void)weir_buf_add_json(out, weir_str_of(why));
        }
        (void)weir_buf_addz(out, "}");
    }
    (void)weir_buf_addz(out, "}}");
}

static void print_table(struct run *run, struct weir_reconcile_item *const *items, size_t n)
{
    static const char *const names[] = {"DAY",     "MODEL",       ">LEDGER",
                                        ">VENDOR", ">DIFFERENCE", "LIKELY"};
    struct weir_cli_table t;

    weir__cli_table_init(&t, run->cli, names, 6);
    for (size_t k = 0; k < n; k++)
        add_row(&t, run, items[k]);
    weir__cli_table_print(&t);
    if (run->left_out)
        fprintf(run->cli->out, "%lld rows of other services were left out\n",
                (long long)run->left_out);
    fprintf(run->cli->out, "%d difference%s\n", run->differences, run->differences == 1 ? "" : "s");
}

static void write_item(struct run *run, struct weir_buf *out, const struct weir_reconcile_item *i)
{
    bool differs = weir_reconcile_differs(i, run->tolerance);
    char text[REASON_BYTES];

    (void)weir_buf_addf(out, "{\"day\":\"%s\",\"model\":", day_text(run->cli, i->day_ms));
    (void)weir_buf_add_json(out, weir_str_of(i->model));
    (void)weir_buf_addf(out,
                        ",\"ledgerNano\":%lld,\"vendorNano\":%lld,\"differenceNano\":%lld,"
                        "\"calls\":%lld,\"differs\":%s",
                        (long long)i->spent.nano_usd, (long long)i->vendor_nano,
                        (long long)difference_of(i), (long long)i->spent.calls,
                        differs ? "true" : "false");
    if (differs) {
        (void)weir_buf_addz(out, ",\"likely\":");
        (void)weir_buf_add_json(out, weir_str_of(weir_reconcile_reason(
                                         i, run->last_ms, run->today_ms, text, sizeof text)));
    }
    (void)weir_buf_addz(out, "}");
}

static void print_json(struct run *run, struct weir_reconcile_item *const *items, size_t n)
{
    struct weir_buf out;
    yyjson_doc *doc;

    weir_buf_init(&out, 64 << 20);
    (void)weir_buf_addf(&out, "{\"differences\":%d,\"leftOut\":%lld,\"items\":[", run->differences,
                        (long long)run->left_out);
    for (size_t k = 0; k < n; k++) {
        if (k)
            (void)weir_buf_addz(&out, ",");
        if (run->usage)
            write_tokens(run, &out, items[k]);
        else
            write_item(run, &out, items[k]);
    }
    (void)weir_buf_addz(&out, "]}");
    doc = yyjson_read(out.p, out.n, 0);
    (void)weir__cli_print_raw(run->cli, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    weir_buf_fini(&out);
}

/* Without its stars a pattern is the provider that the vendor's own costs are booked to. */
static struct weir_str provider_of(struct run *run, const struct weir_reconcile_item *i)
{
    char *name;
    size_t n = 0;

    if (i->provider[0])
        return weir_str_of(i->provider);
    name = weir_arena_strdup(run->cli->arena, weir_str_of(run->provider));
    for (const char *p = run->provider; *p; p++)
        if (*p != '*')
            name[n++] = *p;
    return (struct weir_str){name, n};
}

static int book(struct run *run, const struct weir_reconcile_item *i)
{
    int64_t d = difference_of(i);
    uint64_t size = d < 0 ? 0 - (uint64_t)d : (uint64_t)d;
    const char *day = day_text(run->cli, i->day_ms);
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    int code;

    weir_buf_init(&body, 65536);
    (void)weir_buf_addf(&body,
                        "{\"by\":\"%s%llu.%09llu\",\"day\":\"%s\",\"reason\":\"as %s billed it\"",
                        d < 0 ? "-" : "", (unsigned long long)(size / 1000000000),
                        (unsigned long long)(size % 1000000000), day, run->vendor);
    (void)weir_buf_addz(&body, ",\"ref\":");
    (void)weir_buf_add_json(
        &body, weir_str_of(weir_arena_printf(
                   run->cli->arena, "reconcile:%s:%s:%s:%lld:%lld", run->vendor, day, i->model,
                   (long long)i->spent.nano_usd, (long long)i->vendor_nano)));
    (void)weir_buf_addz(&body, ",\"labels\":{\"provider\":");
    (void)weir_buf_add_json(&body, provider_of(run, i));
    (void)weir_buf_addz(&body, ",\"model\":");
    (void)weir_buf_add_json(&body, weir_str_of(i->model));
    (void)weir_buf_addz(&body, "}}");
    code = weir__cli_call(run->cli, "POST", "/spend/corrections", weir_buf_str(&body), &doc);
    weir_buf_fini(&body);
    yyjson_doc_free(doc);
    return code;
}

static int book_all(struct run *run, struct weir_reconcile_item *const *items, size_t n)
{
    int code = WEIR_EXIT_OK, booked = 0;

    for (size_t k = 0; code == WEIR_EXIT_OK && k < n; k++) {
        /* What is still counted on either side is no difference yet. */
        if (!weir_reconcile_differs(items[k], run->tolerance) || items[k]->day_ms >= run->today_ms)
            continue;
        code = book(run, items[k]);
        booked += code == WEIR_EXIT_OK;
    }
    fprintf(run->cli->format == WEIR_FORMAT_TABLE ? run->cli->out : run->cli->err,
            "booked %d correction%s\n", booked, booked == 1 ? "" : "s");
    return code == WEIR_EXIT_OK && booked < run->differences ? WEIR_EXIT_REFUSED : code;
}

static int answer(struct run *run)
{
    struct weir_reconcile_item *const *items;
    size_t n = weir_reconcile_items(run->r, &items);

    for (size_t k = 0; k < n; k++) {
        run->differences += !run->usage && weir_reconcile_differs(items[k], run->tolerance);
        for (size_t kind = 0; run->usage && kind < WEIR_BILL_KINDS; kind++)
            run->differences +=
                weir_reconcile_tokens_differ(items[k], (enum weir_bill_kind)kind, run->tolerance);
    }
    if (run->cli->format == WEIR_FORMAT_TABLE && run->usage)
        print_token_table(run, items, n);
    else if (run->cli->format == WEIR_FORMAT_TABLE)
        print_table(run, items, n);
    else
        print_json(run, items, n);
    if (run->cli->flags[WEIR_FLAG_CORRECT])
        return book_all(run, items, n);
    return run->differences ? WEIR_EXIT_REFUSED : WEIR_EXIT_OK;
}

int weir__cli_reconcile(struct weir_cli *cli)
{
    struct run run = {.cli = cli, .r = weir_reconcile_create()};
    enum weir_bill_vendor vendor;
    int64_t now_ms = weir_wall_ms();
    int code = WEIR_EXIT_USAGE;

    run.today_ms = now_ms - now_ms % DAY_MS;
    if (read_flags(&run, &vendor)) {
        code = read_export(&run, vendor);
        if (code == WEIR_EXIT_OK)
            code = read_ledger(&run);
        if (code == WEIR_EXIT_OK)
            code = answer(&run);
    }
    weir_reconcile_destroy(run.r);
    return code;
}
