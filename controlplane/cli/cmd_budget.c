/* cmd_budget.c - one budget: show it with what was done to it, raise it for a time, reset it,
 * correct what it has spent; who waits for a person, and no. */
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"
#include "data/decode.h"

/* "/budgets/NS/NAME" + more. */
static const char *path_of(struct weir_cli *cli, const char *more)
{
    struct weir_str name, ns = weir_str_cut(weir_str_of(cli->args[0]), '/', &name);
    const char *flag = cli->flags[WEIR_FLAG_NAMESPACE];

    if (!name.p) {
        name = ns;
        ns = weir_str_of(flag ? flag : "default");
    }
    return weir_arena_printf(cli->arena, "/budgets/%s/%s%s",
                             weir__cli_escape(cli, weir_arena_strdup(cli->arena, ns)),
                             weir__cli_escape(cli, weir_arena_strdup(cli->arena, name)), more);
}

static int day_start(const char *text, int64_t *out_ms)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);

    if (!end || *end)
        return WEIR_EINVAL;
    *out_ms = (int64_t)timegm(&tm) * 1000;
    return WEIR_OK;
}

/* A day (it ends when that day begins, UTC) or a time from now. */
static int until(struct weir_cli *cli, int64_t *out_ms)
{
    const char *text = cli->flags[WEIR_FLAG_UNTIL];

    if (text && day_start(text, out_ms) == WEIR_OK)
        return WEIR_EXIT_OK;
    if (text && weir_data_duration(weir_str_of(text), out_ms) == WEIR_OK) {
        *out_ms += weir_wall_ms();
        return WEIR_EXIT_OK;
    }
    weir__cli_complain(cli, "Write it as 2026-12-01 (UTC) or 12h.", "--until %s",
                       text ? "is not a day or a time" : "is missing: an increase needs an end");
    return WEIR_EXIT_USAGE;
}

static int post(struct weir_cli *cli, const char *more, struct weir_buf *body, yyjson_doc **out)
{
    const char *scope = cli->flags[WEIR_FLAG_SCOPE];
    int code;

    if (scope) {
        weir_buf_addz(body, body->n > 1 ? ",\"scope\":" : "\"scope\":");
        weir_buf_add_json(body, weir_str_of(scope));
    }
    weir_buf_addz(body, "}");
    code = weir__cli_call(cli, "POST", path_of(cli, more), weir_buf_str(body), out);
    weir_buf_fini(body);
    return code;
}

int weir__cli_budget_raise(struct weir_cli *cli)
{
    const char *by = cli->flags[WEIR_FLAG_BY];
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    int64_t until_ms = 0;
    int code = until(cli, &until_ms);

    if (code == WEIR_EXIT_OK && !by) {
        weir__cli_complain(cli, "Write --by 50 (US dollars, tokens or requests).",
                           "--by is missing");
        code = WEIR_EXIT_USAGE;
    }
    if (code != WEIR_EXIT_OK)
        return code;
    weir_buf_init(&body, 65536);
    weir_buf_addz(&body, "{\"by\":");
    weir_buf_add_json(&body, weir_str_of(by));
    weir_buf_addf(&body, ",\"untilMs\":%lld", (long long)until_ms);
    code = post(cli, "/raise", &body, &doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        fprintf(cli->out, "raised %s by %s until %s\n", cli->args[0], by,
                weir__cli_utc(cli, until_ms));
    yyjson_doc_free(doc);
    return code;
}

static int plain(struct weir_cli *cli, const char *more, const char *done)
{
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    int code;

    weir_buf_init(&body, 65536);
    weir_buf_addz(&body, "{");
    code = post(cli, more, &body, &doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        fprintf(cli->out, "%s %s\n", done, cli->args[0]);
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_budget_reset(struct weir_cli *cli)
{
    return plain(cli, "/reset", "reset");
}

int weir__cli_budget_deny(struct weir_cli *cli)
{
    return plain(cli, "/deny", "denied");
}

int weir__cli_budget_correct(struct weir_cli *cli)
{
    const char *by = cli->flags[WEIR_FLAG_BY], *reason = cli->flags[WEIR_FLAG_REASON];
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    int code;

    if (!by || !reason) {
        weir__cli_complain(cli, "weir help budget correct", "a correction needs --by and --reason");
        return WEIR_EXIT_USAGE;
    }
    weir_buf_init(&body, 65536);
    weir_buf_addz(&body, "{\"by\":");
    weir_buf_add_json(&body, weir_str_of(by));
    weir_buf_addz(&body, ",\"reason\":");
    weir_buf_add_json(&body, weir_str_of(reason));
    code = post(cli, "/correct", &body, &doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        fprintf(cli->out, "corrected %s by %s\n", cli->args[0], by);
    yyjson_doc_free(doc);
    return code;
}

static void print_asks(struct weir_cli *cli, yyjson_val *root)
{
    static const char *const names[] = {"BUDGET", "SCOPE", ">NEEDS", "SINCE", "STATE"};
    struct weir_cli_table t;
    yyjson_val *e;
    size_t i, max;

    weir__cli_table_init(&t, cli, names, 5);
    yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, e)
    {
        bool denied = yyjson_get_bool(yyjson_obj_get(e, "denied"));

        weir__cli_table_add(
            &t,
            (struct weir_cli_cell[]){
                {weir__cli_text(cli, e, "name"), 0},
                {weir__cli_text(cli, e, "scope"), 0},
                {weir__cli_amount(cli, weir__cli_number(e, "need"), weir__cli_text(cli, e, "unit")),
                 0},
                {weir__cli_utc(cli, weir__cli_number(e, "sinceMs")), 0},
                {denied ? "denied" : "waits", denied ? WEIR_TONE_DIM : WEIR_TONE_WARN}});
    }
    weir__cli_table_print(&t);
}

int weir__cli_budget_asks(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "GET", "/asks", WEIR_STR_NULL, &doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        print_asks(cli, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return code;
}

static void print_entries(struct weir_cli *cli, yyjson_val *root, const char *unit)
{
    static const char *const names[] = {"WHEN", "WHAT", "SCOPE", ">AMOUNT", "UNTIL", "BY", "WHY"};
    struct weir_cli_table t;
    yyjson_val *e;
    size_t i, max;

    if (yyjson_arr_size(yyjson_obj_get(root, "items")) == 0)
        return;
    fputs("\n", cli->out);
    weir__cli_table_init(&t, cli, names, 7);
    yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, e)
    {
        const char *scope = weir__cli_text(cli, e, "scope");
        bool ends = yyjson_is_int(yyjson_obj_get(e, "untilMs"));

        weir__cli_table_add(
            &t,
            (struct weir_cli_cell[]){
                {weir__cli_utc(cli, weir__cli_number(e, "atMs")), 0},
                {weir__cli_text(cli, e, "what"),
                 yyjson_get_bool(yyjson_obj_get(e, "inForce")) ? WEIR_TONE_GOOD : WEIR_TONE_PLAIN},
                {*scope ? scope : "all", 0},
                {weir__cli_amount(cli, weir__cli_number(e, "amount"), unit), 0},
                {ends ? weir__cli_utc(cli, weir__cli_number(e, "untilMs")) : "-", 0},
                {weir__cli_text(cli, e, "actor"), WEIR_TONE_DIM},
                {weir__cli_text(cli, e, "reason"), 0}});
    }
    weir__cli_table_print(&t);
}

int weir__cli_budget_show(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    const char *unit = "";
    int code = weir__cli_budgets_table(cli, &unit);

    if (code != WEIR_EXIT_OK || cli->format != WEIR_FORMAT_TABLE)
        return code;
    code = weir__cli_call(cli, "GET", path_of(cli, "/entries"), WEIR_STR_NULL, &doc);
    if (code == WEIR_EXIT_OK)
        print_entries(cli, yyjson_doc_get_root(doc), unit);
    yyjson_doc_free(doc);
    return code;
}
