/* cmd_usage.c - what was spent, by whom: spend, top, budgets, fleet. */
#include <unistd.h>

#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

static const char *flag(struct weir_cli *cli, enum weir_cli_flag_id id, const char *fallback)
{
    return weir__cli_escape(cli, cli->flags[id] ? cli->flags[id] : fallback);
}

/* The parts of a group's key, joined. */
static const char *key_of(struct weir_cli *cli, yyjson_val *group)
{
    const char *text = NULL;
    yyjson_val *part;
    size_t i, max;

    yyjson_arr_foreach(yyjson_obj_get(group, "key"), i, max, part)
    {
        const char *s = yyjson_is_str(part) && yyjson_get_len(part) ? yyjson_get_str(part) : "-";

        text = text ? weir_arena_printf(cli->arena, "%s  %s", text, s)
                    : weir_arena_strdup(cli->arena, weir_str_of(s));
    }
    return text ? text : "all";
}

static void add_spend_row(struct weir_cli_table *t, const char *name, yyjson_val *g,
                          enum weir_cli_tone tone)
{
    struct weir_cli *cli = t->cli;

    weir__cli_table_add(t, (struct weir_cli_cell[]){
                               {name, tone},
                               {weir__cli_usd(cli, weir__cli_number(g, "costNano")), tone},
                               {weir__cli_short(cli, weir__cli_number(g, "calls")), tone},
                               {weir__cli_short(cli, weir__cli_number(g, "inputTokens")), tone},
                               {weir__cli_short(cli, weir__cli_number(g, "outputTokens")), tone},
                               {weir__cli_short(cli, weir__cli_number(g, "refused")), tone},
                               {weir__cli_short(cli, weir__cli_number(g, "failed")), tone}});
}

static void print_groups(struct weir_cli *cli, const char *head, yyjson_val *groups,
                         yyjson_val *total)
{
    const char *names[] = {head, ">COST", ">CALLS", ">INPUT", ">OUTPUT", ">REFUSED", ">FAILED"};
    struct weir_cli_table t;
    yyjson_val *g;
    size_t i, max;

    weir__cli_table_init(&t, cli, names, 7);
    yyjson_arr_foreach(groups, i, max, g) add_spend_row(&t, key_of(cli, g), g, WEIR_TONE_PLAIN);
    if (total && t.rows)
        add_spend_row(&t, "total", total, WEIR_TONE_DIM);
    weir__cli_table_print(&t);
}

int weir__cli_spend(struct weir_cli *cli)
{
    const char *by = cli->flags[WEIR_FLAG_BY] ? cli->flags[WEIR_FLAG_BY] : "agent,model";
    const char *path =
        weir_arena_printf(cli->arena, "/spend?by=%s&since=%s&limit=%s", weir__cli_escape(cli, by),
                          flag(cli, WEIR_FLAG_SINCE, "24h"), flag(cli, WEIR_FLAG_LIMIT, "100"));
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    int code;

    path = weir_arena_printf(cli->arena, "%s%s", path, weir__cli_period(cli));
    code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);
    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        char *head = weir_arena_strdup(cli->arena, weir_str_of(by));

        for (char *p = head; *p; p++)
            *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p == ',' ? ' ' : *p;
        print_groups(cli, head, yyjson_obj_get(root, "groups"), yyjson_obj_get(root, "total"));
    }
    yyjson_doc_free(doc);
    return code;
}

/* CSV or JSON as the control plane writes it. */
static int print_rows(struct weir_cli *cli, const char *path)
{
    bool json = cli->format == WEIR_FORMAT_JSON;

    if (cli->format == WEIR_FORMAT_YAML) {
        weir__cli_complain(cli, "Use -o json, or leave it out for CSV.",
                           "there is no such export as YAML");
        return WEIR_EXIT_USAGE;
    }
    return weir__cli_print_answer(cli,
                                  weir_arena_printf(cli->arena, "%s&month=%s&format=%s%s", path,
                                                    flag(cli, WEIR_FLAG_MONTH, ""),
                                                    json ? "json" : "csv", weir__cli_period(cli)));
}

int weir__cli_export(struct weir_cli *cli)
{
    return print_rows(cli, "/spend/focus?");
}

int weir__cli_chargeback(struct weir_cli *cli)
{
    return print_rows(
        cli, weir_arena_printf(cli->arena, "/spend/chargeback?by=%s", flag(cli, WEIR_FLAG_BY, "")));
}

/* Runs show() once, or every two seconds with --watch until it fails or is interrupted. */
static int repeat(struct weir_cli *cli, int (*show)(struct weir_cli *))
{
    int code;

    do {
        if (cli->flags[WEIR_FLAG_WATCH] && isatty(fileno(cli->out)))
            fputs("\033[H\033[2J", cli->out);
        code = show(cli);
        fflush(cli->out);
    } while (cli->flags[WEIR_FLAG_WATCH] && code == WEIR_EXIT_OK && !ferror(cli->out) &&
             sleep(2) == 0);
    return code;
}

static int show_top(struct weir_cli *cli)
{
    const char *path =
        weir_arena_printf(cli->arena, "/top?since=%s&limit=%s", flag(cli, WEIR_FLAG_SINCE, "5m"),
                          flag(cli, WEIR_FLAG_LIMIT, "10"));
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);
    yyjson_val *root = yyjson_doc_get_root(doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        print_groups(cli, "AGENT", yyjson_obj_get(root, "agents"), yyjson_obj_get(root, "total"));
        fputs("\n", cli->out);
        print_groups(cli, "MODEL", yyjson_obj_get(root, "models"), NULL);
        fputs("\n", cli->out);
        print_groups(cli, "PROVIDER", yyjson_obj_get(root, "providers"), NULL);
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_top(struct weir_cli *cli)
{
    return repeat(cli, show_top);
}

/* ---- budgets ---- */

static const char *resets(struct weir_cli *cli, yyjson_val *b, int64_t now_ms)
{
    yyjson_val *at = yyjson_obj_get(b, "resetsMs");

    if (yyjson_get_bool(yyjson_obj_get(b, "unused")))
        return "not used yet";
    if (weir__cli_number(b, "lengthMs") > 0)
        return weir_arena_printf(cli->arena, "over %s",
                                 weir__cli_span(cli, weir__cli_number(b, "lengthMs")));
    return yyjson_is_int(at) ? weir_arena_printf(cli->arena, "in %s",
                                                 weir__cli_span(cli, yyjson_get_sint(at) - now_ms))
                             : "never";
}

static const char *forecast(struct weir_cli *cli, yyjson_val *b, const char *unit)
{
    yyjson_val *f = yyjson_obj_get(b, "forecast");

    return yyjson_is_obj(f) ? weir__cli_amount(cli, weir__cli_number(f, "atEnd"), unit) : "-";
}

static void add_budget(struct weir_cli_table *t, yyjson_val *b, int64_t now_ms)
{
    struct weir_cli *cli = t->cli;
    const char *unit = weir__cli_text(cli, b, "unit"), *scope = weir__cli_text(cli, b, "scope");
    int64_t limit = weir__cli_number(b, "limit"), settled = weir__cli_number(b, "settled");
    enum weir_cli_tone tone = settled >= limit           ? WEIR_TONE_BAD
                              : settled / 4 >= limit / 5 ? WEIR_TONE_WARN
                                                         : WEIR_TONE_PLAIN;

    weir__cli_table_add(
        t, (struct weir_cli_cell[]){
               {weir__cli_text(cli, b, "name"), 0},
               {*scope ? scope : "-", 0},
               {weir__cli_text(cli, b, "window"), 0},
               {weir__cli_amount(cli, limit, unit), 0},
               {weir__cli_amount(cli, settled, unit), tone},
               {weir__cli_amount(cli, weir__cli_number(b, "held"), unit), 0},
               {weir__cli_amount(cli, weir__cli_number(b, "lent"), unit), 0},
               {weir__cli_amount(cli, weir__cli_number(b, "remaining"), unit), tone},
               {forecast(cli, b, unit),
                weir__cli_number(yyjson_obj_get(b, "forecast"), "atEnd") > limit ? WEIR_TONE_WARN
                                                                                 : WEIR_TONE_PLAIN},
               {unit, WEIR_TONE_DIM},
               {resets(cli, b, now_ms), 0}});
}

int weir__cli_budgets(struct weir_cli *cli)
{
    const char *unit;

    return weir__cli_budgets_table(cli, &unit);
}

int weir__cli_budgets_table(struct weir_cli *cli, const char **out_unit)
{
    static const char *const names[] = {"BUDGET", "SCOPE", "WINDOW",  ">LIMIT", ">SPENT", ">HELD",
                                        ">LENT",  ">FREE", ">BY END", "UNIT",   "RESETS"};
    const char *ns = cli->flags[WEIR_FLAG_NAMESPACE] ? cli->flags[WEIR_FLAG_NAMESPACE] : "default";
    const char *path = "/budgets";
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *b;
    size_t i, max;
    int code;

    if (cli->arg_count)
        path = weir_arena_printf(
            cli->arena, "/budgets?budget=%s",
            weir__cli_escape(cli, strchr(cli->args[0], '/')
                                      ? cli->args[0]
                                      : weir_arena_printf(cli->arena, "%s/%s", ns, cli->args[0])));
    code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);
    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && cli->arg_count &&
        yyjson_arr_size(yyjson_obj_get(root, "items")) == 0) {
        weir__cli_complain(cli, "weir budgets lists them.", "there is no budget \"%s\"",
                           cli->args[0]);
        code = WEIR_EXIT_NOT_FOUND;
    }
    if (code == WEIR_EXIT_OK)
        *out_unit = weir_arena_strdup(
            cli->arena, weir_str_of(weir__cli_text(
                            cli, yyjson_arr_get_first(yyjson_obj_get(root, "items")), "unit")));
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        weir__cli_table_init(&t, cli, names, 11);
        yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, b)
            add_budget(&t, b, weir__cli_number(root, "nowMs"));
        weir__cli_table_print(&t);
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_budgets_release(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(
        cli, "POST",
        weir_arena_printf(cli->arena, "/leases/%s/release", weir__cli_escape(cli, cli->args[0])),
        WEIR_STR_NULL, &doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        fprintf(cli->out, "released %s\n", cli->args[0]);
    yyjson_doc_free(doc);
    return code;
}

/* ---- fleet ---- */

static void add_proxy(struct weir_cli_table *t, yyjson_val *p)
{
    struct weir_cli *cli = t->cli;
    bool connected = yyjson_get_bool(yyjson_obj_get(p, "connected"));
    const char *state = weir__cli_text(cli, p, "state"), *shown = "pending";
    enum weir_cli_tone tone = WEIR_TONE_WARN;

    if (!connected)
        shown = "gone", tone = WEIR_TONE_DIM;
    else if (strcmp(state, "acked") == 0)
        shown = "in force", tone = WEIR_TONE_GOOD;
    else if (strcmp(state, "nacked") == 0)
        shown = "refused", tone = WEIR_TONE_BAD;
    weir__cli_table_add(
        t, (struct weir_cli_cell[]){
               {weir__cli_text(cli, p, "node"), 0},
               {weir__cli_text(cli, p, "namespace"), 0},
               {shown, tone},
               {weir_arena_printf(cli->arena, "%.10s", weir__cli_text(cli, p, "revision")), 0},
               {weir__cli_ago(cli, weir__cli_number(p, "lastSeenMs")), 0},
               {weir__cli_short(cli, weir__cli_number(p, "inFlight")), 0},
               {weir__cli_short(cli, weir__cli_number(p, "calls")), 0},
               {weir_arena_printf(cli->arena, "%.1f MiB",
                                  (double)weir__cli_number(p, "residentBytes") / 1048576),
                0},
               {weir__cli_text(cli, p, "build"), 0}});
}

static void print_problem(struct weir_cli *cli, yyjson_val *p)
{
    const char *problem = weir__cli_text(cli, p, "problem");

    if (*problem)
        fprintf(cli->out, "%s: %s\n", weir__cli_text(cli, p, "node"), problem);
}

static int show_fleet(struct weir_cli *cli)
{
    static const char *const names[] = {"PROXY",      "NAMESPACE", "POLICY",  "REVISION", "SEEN",
                                        ">UNDER WAY", ">CALLS",    ">MEMORY", "VERSION"};
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *p;
    size_t i, max;
    int code = weir__cli_call(cli, "GET", "/fleet", WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        weir__cli_table_init(&t, cli, names, 9);
        yyjson_arr_foreach(yyjson_obj_get(root, "proxies"), i, max, p) add_proxy(&t, p);
        weir__cli_table_print(&t);
        yyjson_arr_foreach(yyjson_obj_get(root, "proxies"), i, max, p) print_problem(cli, p);
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_fleet(struct weir_cli *cli)
{
    return repeat(cli, show_fleet);
}
