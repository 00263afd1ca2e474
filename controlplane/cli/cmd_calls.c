/* cmd_calls.c - the newest calls, and one call as a waterfall. */
#include <unistd.h>

#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

enum { BAR = 40 };

static enum weir_cli_tone outcome_tone(const char *outcome)
{
    return strcmp(outcome, "ok") == 0       ? WEIR_TONE_GOOD
           : strcmp(outcome, "failed") == 0 ? WEIR_TONE_BAD
                                            : WEIR_TONE_WARN;
}

static void add_call(struct weir_cli_table *t, yyjson_val *c)
{
    struct weir_cli *cli = t->cli;
    yyjson_val *u = yyjson_obj_get(c, "usage");
    const char *outcome = weir__cli_text(cli, c, "outcome");
    const char *code = weir__cli_text(cli, c, "errorCode");
    const char *model = weir__cli_text(cli, c, "servedModel");

    if (!*model)
        model = weir__cli_text(cli, c, "requestedModel");

    weir__cli_table_add(
        t, (struct weir_cli_cell[]){
               {weir__cli_text(cli, c, "id"), WEIR_TONE_DIM},
               {weir__cli_ago(cli, weir__cli_number(c, "startedMs")), 0},
               {weir__cli_text(cli, c, "agent"), 0},
               {*model ? model : "-", 0},
               {*code ? weir_arena_printf(cli->arena, "%s (%s)", outcome, code) : outcome,
                outcome_tone(outcome)},
               {weir__cli_short(cli, weir__cli_number(u, "inputTokens")), 0},
               {weir__cli_short(cli, weir__cli_number(u, "outputTokens")), 0},
               {weir__cli_micros(cli, weir__cli_number(c, "durationUs")), 0},
               {weir__cli_usd(cli, weir__cli_number(c, "costNano")), 0}});
}

/* after: the cursor of the calls that were shown already; 0: none were. */
static int show_calls(struct weir_cli *cli, int64_t *after)
{
    static const char *const names[] = {"ID",     "STARTED", "AGENT",     "MODEL", "OUTCOME",
                                        ">INPUT", ">OUTPUT", ">DURATION", ">COST"};
    const char *agent = cli->flags[WEIR_FLAG_AGENT], *since = cli->flags[WEIR_FLAG_SINCE];
    const char *limit = cli->flags[WEIR_FLAG_LIMIT];
    const char *path = weir_arena_printf(
        cli->arena, "/calls?limit=%s&agent=%s&since=%s&after=%lld",
        weir__cli_escape(cli, limit ? limit : "50"), weir__cli_escape(cli, agent ? agent : ""),
        weir__cli_escape(cli, since ? since : ""), (long long)*after);
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *items;
    int code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    items = yyjson_obj_get(root, "items");
    if (code == WEIR_EXIT_OK && (!*after || yyjson_arr_size(items)) &&
        !weir__cli_print_raw(cli, root)) {
        weir__cli_table_init(&t, cli, names, 9);
        for (size_t i = yyjson_arr_size(items); i > 0; i--) /* the newest last, by the prompt */
            add_call(&t, yyjson_arr_get(items, i - 1));
        weir__cli_table_print(&t);
    }
    if (weir__cli_number(root, "newest") > *after)
        *after = weir__cli_number(root, "newest");
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_calls(struct weir_cli *cli)
{
    int64_t after = 0;
    int code;

    do {
        code = show_calls(cli, &after);
        fflush(cli->out);
    } while (cli->flags[WEIR_FLAG_WATCH] && code == WEIR_EXIT_OK && !ferror(cli->out) &&
             sleep(2) == 0);
    return code;
}

static void bar(struct weir_cli *cli, const char *name, int64_t from_us, int64_t to_us,
                int64_t total_us, enum weir_cli_tone tone, const char *note)
{
    int64_t all = total_us > 0 ? total_us : 1;
    int a = (int)(from_us * BAR / all), b = (int)(to_us * BAR / all);
    char cells[3 * BAR + 1];
    size_t n = 0;

    a = a < BAR - 1 ? a : BAR - 1;
    b = b > BAR ? BAR : b <= a ? a + 1 : b;
    for (int i = 0; i < BAR; i++) {
        const char *cell = i >= a && i < b ? "█" : "·";

        memcpy(cells + n, cell, strlen(cell));
        n += strlen(cell);
    }
    cells[n] = 0;
    fprintf(cli->out, "  %-24.24s ", name);
    weir__cli_toned(cli, tone, cells);
    fprintf(cli->out, "  %s%s%s\n", weir__cli_micros(cli, to_us - from_us), *note ? "  " : "",
            note);
}

static void print_waterfall(struct weir_cli *cli, yyjson_val *c)
{
    int64_t total_us = weir__cli_number(c, "durationUs"), at = total_us;
    int64_t first_us = weir__cli_number(c, "firstTokenUs");
    yyjson_val *a;
    size_t i, max;

    bar(cli, "whole call", 0, total_us, total_us, WEIR_TONE_PLAIN, "");
    bar(cli, "in the gateway", 0, weir__cli_number(c, "gatewayUs"), total_us, WEIR_TONE_DIM, "");
    /* The record has lengths only: attempts follow each other, and the last ends with the call. */
    yyjson_arr_foreach(yyjson_obj_get(c, "attempts"), i, max, a) at -=
        weir__cli_number(a, "durationUs");
    at = at > 0 ? at : 0;
    yyjson_arr_foreach(yyjson_obj_get(c, "attempts"), i, max, a)
    {
        const char *error = weir__cli_text(cli, a, "error");
        int64_t status = weir__cli_number(a, "status");
        int64_t end = at + weir__cli_number(a, "durationUs");
        bool bad = *error || status >= 400;

        bar(cli,
            weir_arena_printf(cli->arena, "attempt %zu: %s", i + 1,
                              weir__cli_text(cli, a, "provider")),
            at, end, total_us, bad ? WEIR_TONE_BAD : WEIR_TONE_GOOD,
            status ? weir_arena_printf(cli->arena, "%lld %s", (long long)status, error) : error);
        at = end;
    }
    if (first_us)
        bar(cli, "until the first token", 0, first_us, total_us, WEIR_TONE_WARN, "");
}

static void print_holds(struct weir_cli *cli, yyjson_val *c)
{
    yyjson_val *h;
    size_t i, max;

    yyjson_arr_foreach(yyjson_obj_get(c, "holds"), i, max, h)
    {
        const char *unit = weir__cli_text(cli, h, "unit");

        fprintf(cli->out, "  budget %s %s: held %s, settled %s%s\n",
                weir__cli_text(cli, h, "budget"), weir__cli_text(cli, h, "scope"),
                weir__cli_amount(cli, weir__cli_number(h, "held"), unit),
                weir__cli_amount(cli, weir__cli_number(h, "settled"), unit),
                yyjson_get_bool(yyjson_obj_get(h, "refused")) ? ", refused" : "");
    }
}

static void print_cost(struct weir_cli *cli, yyjson_val *c)
{
    yyjson_val *p;
    size_t i, max;

    fprintf(cli->out, "  cost %s\n", weir__cli_usd(cli, weir__cli_number(c, "costNano")));
    yyjson_arr_foreach(yyjson_obj_get(c, "costParts"), i, max, p)
    {
        const char *kind = weir__cli_text(cli, p, "kind");

        fprintf(cli->out, "    %-14s %12lld at %s %s\n", kind,
                (long long)weir__cli_number(p, "tokens"),
                weir__cli_usd(cli, weir__cli_number(p, "price")),
                strcmp(kind, "request") == 0 ? "each" : "a million");
    }
}

static void print_trace(struct weir_cli *cli, yyjson_val *c)
{
    const char *outcome = weir__cli_text(cli, c, "outcome");
    const char *detail = weir__cli_text(cli, c, "errorDetail");
    const char *provider = weir__cli_text(cli, c, "provider");

    fprintf(cli->out, "%s  %s  %s%s%s  ", weir__cli_text(cli, c, "id"),
            weir__cli_text(cli, c, "agent"), weir__cli_text(cli, c, "requestedModel"),
            *provider ? " -> " : "", provider);
    weir__cli_toned(cli, outcome_tone(outcome), outcome);
    fprintf(cli->out, "  %lld %s  %s\n", (long long)weir__cli_number(c, "status"),
            weir__cli_text(cli, c, "errorCode"),
            weir__cli_ago(cli, weir__cli_number(c, "startedMs")));
    if (*detail)
        fprintf(cli->out, "  %s\n", detail);
    fputs("\n", cli->out);
    print_waterfall(cli, c);
    fputs("\n", cli->out);
    print_cost(cli, c);
    print_holds(cli, c);
}

int weir__cli_trace(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(
        cli, "GET", weir_arena_printf(cli->arena, "/calls/%s", weir__cli_escape(cli, cli->args[0])),
        WEIR_STR_NULL, &doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        print_trace(cli, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return code;
}
