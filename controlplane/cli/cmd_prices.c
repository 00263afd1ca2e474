/* cmd_prices.c - the prices in force, and what a call would cost. */
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

#include "base/file.h"
#include "tokenizer/tokenizer.h"

enum { MOST_TEXT = 64 << 20 };

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

/* How many tokens a file has for a model, and what kind of a number that is. */
static int count_file(struct weir_cli *cli, const char *path, const char *model, int64_t *out)
{
    enum weir_vocabulary_kind kind = weir_vocabulary_of_model(weir_str_of(model));
    struct weir_vocabulary *v = NULL;
    struct weir_token_count count;
    struct weir_buf text;
    bool mapped;
    int rc;

    weir_buf_init(&text, MOST_TEXT);
    rc = weir_file_read(path, &text);
    if (rc != WEIR_OK) {
        weir__cli_complain(cli, "Give --input a number of tokens, or a file of at most 64 MiB.",
                           "can't read %s: %s", path, weir_rc_name(rc));
        weir_buf_fini(&text);
        return WEIR_EXIT_REFUSED;
    }
    mapped = weir_vocabulary_open(NULL, kind, &v) == WEIR_OK;
    count = weir_token_count(v, (struct weir_str){text.p, text.n});
    weir_vocabulary_close(v);
    weir_buf_fini(&text);
    if (count.exact)
        fprintf(cli->err, "%s: %lld tokens (%s)\n", path, (long long)count.tokens,
                weir_vocabulary_name(kind));
    else
        fprintf(cli->err, "%s: at most %lld tokens (%s)\n", path, (long long)count.tokens,
                kind == WEIR_VOCABULARY_UNKNOWN ? "its bytes: this model's vocabulary isn't known"
                : mapped                        ? "a part of it has no place to split it"
                                                : "its bytes: the vocabulary's file isn't there");
    *out = count.tokens;
    return WEIR_EXIT_OK;
}

/* --input: a number of tokens, or else a file. */
static int read_input(struct weir_cli *cli, const char *model)
{
    const char *input = cli->flags[WEIR_FLAG_INPUT];
    int64_t n;
    int code;

    if (!input || weir_str_i64(weir_str_of(input), &n) == WEIR_OK)
        return WEIR_EXIT_OK;
    code = count_file(cli, input, model, &n);
    if (code == WEIR_EXIT_OK)
        cli->flags[WEIR_FLAG_INPUT] = weir_arena_printf(cli->arena, "%lld", (long long)n);
    return code;
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
    int code;

    if (!cli->arg_count)
        return list(cli);
    code = read_input(cli, cli->args[0]);
    return code == WEIR_EXIT_OK ? cost(cli, cli->args[0]) : code;
}
