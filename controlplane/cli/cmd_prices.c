/* cmd_prices.c - the prices in force, and what a call would cost. */
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

static const char *rate(struct weir_cli *cli, yyjson_val *e, const char *name)
{
    yyjson_val *v = yyjson_obj_get(e, name);

    return v ? weir__cli_usd(cli, yyjson_get_sint(v)) : "-";
}

static const char *text(yyjson_val *e, const char *name)
{
    const char *s = yyjson_get_str(yyjson_obj_get(e, name));

    return s ? s : "";
}

static int list(struct weir_cli *cli)
{
    static const char *const names[] = {"MODEL",       "PROVIDER", ">INPUT", ">OUTPUT",
                                        ">CACHE READ", ">CALL",    "LIST",   "DATE"};
    const char *limit = cli->flags[WEIR_FLAG_LIMIT] ? cli->flags[WEIR_FLAG_LIMIT] : "100";
    const char *path = weir_arena_printf(
        cli->arena, "/prices?limit=%s&match=%s", weir__cli_escape(cli, limit),
        cli->flags[WEIR_FLAG_MATCH] ? weir__cli_escape(cli, cli->flags[WEIR_FLAG_MATCH]) : "");
    yyjson_doc *doc = NULL;
    struct weir_cli_table t;
    yyjson_val *root, *e;
    size_t i, max;
    int code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    if (code != WEIR_EXIT_OK || weir__cli_print_raw(cli, root)) {
        yyjson_doc_free(doc);
        return code;
    }
    weir__cli_table_init(&t, cli, names, 8);
    yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, e) weir__cli_table_add(
        &t, (struct weir_cli_cell[]){{text(e, "model"), WEIR_TONE_PLAIN},
                                     {text(e, "provider"), WEIR_TONE_DIM},
                                     {rate(cli, e, "inputNano"), WEIR_TONE_PLAIN},
                                     {rate(cli, e, "outputNano"), WEIR_TONE_PLAIN},
                                     {rate(cli, e, "cacheReadNano"), WEIR_TONE_PLAIN},
                                     {rate(cli, e, "requestNano"), WEIR_TONE_PLAIN},
                                     {text(e, "list"), WEIR_TONE_DIM},
                                     {text(e, "date"), WEIR_TONE_DIM}});
    weir__cli_table_print(&t);
    yyjson_doc_free(doc);
    return code;
}

static const char *tokens(struct weir_cli *cli, enum weir_cli_flag_id id)
{
    return weir__cli_escape(cli, cli->flags[id] ? cli->flags[id] : "1000000");
}

static int cost(struct weir_cli *cli, const char *model)
{
    static const char *const names[] = {"PART", ">TOKENS", ">A MILLION"};
    const char *path = weir_arena_printf(
        cli->arena, "/prices/cost?model=%s&provider=%s&namespace=%s&input=%s&output=%s",
        weir__cli_escape(cli, model),
        cli->flags[WEIR_FLAG_PROVIDER] ? weir__cli_escape(cli, cli->flags[WEIR_FLAG_PROVIDER]) : "",
        weir__cli_escape(cli, cli->flags[WEIR_FLAG_NAMESPACE] ? cli->flags[WEIR_FLAG_NAMESPACE]
                                                              : "default"),
        tokens(cli, WEIR_FLAG_INPUT), tokens(cli, WEIR_FLAG_OUTPUT_TOKENS));
    yyjson_doc *doc = NULL;
    struct weir_cli_table t;
    yyjson_val *root, *e;
    size_t i, max;
    int code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    if (code != WEIR_EXIT_OK || weir__cli_print_raw(cli, root)) {
        yyjson_doc_free(doc);
        return code;
    }
    weir__cli_table_init(&t, cli, names, 3);
    yyjson_arr_foreach(yyjson_obj_get(root, "parts"), i, max, e) weir__cli_table_add(
        &t, (struct weir_cli_cell[]){
                {text(e, "kind"), WEIR_TONE_PLAIN},
                {weir__cli_short(cli, weir__cli_number(e, "tokens")), WEIR_TONE_PLAIN},
                {weir__cli_usd(cli, weir__cli_number(e, "rateNano")), WEIR_TONE_PLAIN}});
    weir__cli_table_add(
        &t, (struct weir_cli_cell[]){
                {"costs", WEIR_TONE_PLAIN},
                {weir__cli_usd(cli, weir__cli_number(root, "costNano")), WEIR_TONE_PLAIN},
                {text(root, "list"), WEIR_TONE_DIM}});
    weir__cli_table_print(&t);
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_prices(struct weir_cli *cli)
{
    return cli->arg_count ? cost(cli, cli->args[0]) : list(cli);
}
