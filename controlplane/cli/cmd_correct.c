/* cmd_correct.c - corrections of what was spent: made and listed. */
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

const char *weir__cli_period(struct weir_cli *cli)
{
    const char *from = cli->flags[WEIR_FLAG_FROM], *until = cli->flags[WEIR_FLAG_UNTIL];

    return weir_arena_printf(cli->arena, "%s%s%s%s", from ? "&from=" : "",
                             from ? weir__cli_escape(cli, from) : "", until ? "&until=" : "",
                             until ? weir__cli_escape(cli, until) : "");
}

static void add_member(struct weir_buf *body, const char *name, struct weir_str value)
{
    if (body->n > 0 && body->p[body->n - 1] != '{')
        (void)weir_buf_addz(body, ",");
    (void)weir_buf_add_json(body, weir_str_of(name));
    (void)weir_buf_addz(body, ":");
    (void)weir_buf_add_json(body, value);
}

/* "provider=openai,model=gpt-4o" */
static bool add_labels(struct weir_cli *cli, struct weir_buf *body, const char *text)
{
    struct weir_str rest = weir_str_of(text);

    (void)weir_buf_addz(body, ",\"labels\":{");
    while (rest.n) {
        struct weir_str value, pair = weir_str_cut(rest, ',', &rest);
        struct weir_str name = weir_str_cut(pair, '=', &value);

        if (!value.p) {
            weir__cli_complain(cli, "Write it as provider=openai,model=gpt-4o.",
                               "--label has no value for \"%.*s\"", WEIR_STR_ARG(name));
            return false;
        }
        add_member(body, weir_arena_strdup(cli->arena, weir_str_trim(name)), weir_str_trim(value));
    }
    (void)weir_buf_addz(body, "}");
    return true;
}

int weir__cli_spend_correct(struct weir_cli *cli)
{
    const char *by = cli->flags[WEIR_FLAG_BY], *day = cli->flags[WEIR_FLAG_DAY],
               *reason = cli->flags[WEIR_FLAG_REASON], *labels = cli->flags[WEIR_FLAG_LABEL];
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    int code = WEIR_EXIT_USAGE;

    if (!by || !day || !reason) {
        weir__cli_complain(cli, "weir help spend correct",
                           "a correction needs --day, --by and --reason");
        return WEIR_EXIT_USAGE;
    }
    weir_buf_init(&body, 65536);
    (void)weir_buf_addz(&body, "{");
    add_member(&body, "by", weir_str_of(by));
    add_member(&body, "day", weir_str_of(day));
    add_member(&body, "reason", weir_str_of(reason));
    if (add_labels(cli, &body, labels ? labels : "")) {
        (void)weir_buf_addz(&body, "}");
        code = weir__cli_call(cli, "POST", "/spend/corrections", weir_buf_str(&body), &doc);
    }
    weir_buf_fini(&body);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        fprintf(cli->out, "corrected %s by %s\n", day,
                weir__cli_usd(cli, weir__cli_number(yyjson_doc_get_root(doc), "costNano")));
    yyjson_doc_free(doc);
    return code;
}

static const char *labels_of(struct weir_cli *cli, yyjson_val *labels)
{
    const char *text = "";
    yyjson_val *name, *value;
    size_t i, max;

    if (!labels)
        return "-";
    yyjson_obj_foreach(labels, i, max, name, value) text =
        weir_arena_printf(cli->arena, "%s%s%s=%s", text, *text ? "," : "", yyjson_get_str(name),
                          yyjson_get_str(value));
    return *text ? text : "-";
}

int weir__cli_spend_corrections(struct weir_cli *cli)
{
    static const char *const names[] = {"WHEN", "DAY", ">BY", "LABELS", "REASON", "WHO"};
    const char *limit = cli->flags[WEIR_FLAG_LIMIT];
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *k;
    size_t i, max;
    int code = weir__cli_call(cli, "GET",
                              weir_arena_printf(cli->arena, "/spend/corrections?limit=%s",
                                                weir__cli_escape(cli, limit ? limit : "100")),
                              WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        weir__cli_table_init(&t, cli, names, 6);
        yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, k) weir__cli_table_add(
            &t, (struct weir_cli_cell[]){
                    {weir__cli_utc(cli, weir__cli_number(k, "atMs")), WEIR_TONE_DIM},
                    {weir_arena_printf(cli->arena, "%.10s",
                                       weir__cli_utc(cli, weir__cli_number(k, "forMs"))),
                     0},
                    {weir__cli_usd(cli, weir__cli_number(k, "costNano")), 0},
                    {labels_of(cli, yyjson_obj_get(k, "labels")), 0},
                    {weir__cli_text(cli, k, "reason"), 0},
                    {weir__cli_text(cli, k, "actor"), WEIR_TONE_DIM}});
        weir__cli_table_print(&t);
    }
    yyjson_doc_free(doc);
    return code;
}
