/* cmd_keys.c - API keys and join tokens. */
#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

/* "90s", "12h", "90d" as milliseconds; WEIR_EINVAL. */
static int span_ms(const char *text, int64_t *out)
{
    size_t n = strlen(text);
    int64_t v, unit = 0;

    if (n < 2 || weir_str_i64((struct weir_str){text, n - 1}, &v) || v < 1)
        return WEIR_EINVAL;
    switch (text[n - 1]) {
    case 's':
        unit = 1000;
        break;
    case 'm':
        unit = 60000;
        break;
    case 'h':
        unit = 3600000;
        break;
    case 'd':
        unit = 86400000;
        break;
    }
    if (!unit || v > 36500ll * 86400000 / unit)
        return WEIR_EINVAL;
    *out = v * unit;
    return WEIR_OK;
}

static int expires(struct weir_cli *cli, int64_t *out_ms)
{
    const char *text = cli->flags[WEIR_FLAG_EXPIRES];

    *out_ms = 0;
    if (!text || span_ms(text, out_ms) == WEIR_OK)
        return WEIR_EXIT_OK;
    weir__cli_complain(cli, "Write it as 12h or 90d.", "\"%s\" is not a time", text);
    return WEIR_EXIT_USAGE;
}

static void add_member(struct weir_buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    weir_buf_addz(b, b->n > 1 ? "," : "");
    weir_buf_add_json(b, weir_str_of(name));
    weir_buf_addz(b, ":");
    weir_buf_add_json(b, weir_str_of(value));
}

int weir__cli_keys_create(struct weir_cli *cli)
{
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    int64_t valid_ms;
    int code = expires(cli, &valid_ms);

    if (code != WEIR_EXIT_OK)
        return code;
    weir_buf_init(&body, 65536);
    weir_buf_addz(&body, "{");
    add_member(&body, "agent", cli->args[0]);
    add_member(&body, "namespace", cli->flags[WEIR_FLAG_NAMESPACE]);
    add_member(&body, "id", cli->flags[WEIR_FLAG_ID]);
    if (valid_ms)
        weir_buf_addf(&body, ",\"expiresMs\":%lld", (long long)weir_wall_ms() + valid_ms);
    weir_buf_addz(&body, "}");
    code = weir__cli_call(cli, "POST", "/keys", weir_buf_str(&body), &doc);
    weir_buf_fini(&body);
    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        fprintf(cli->out, "%s\n", weir__cli_text(cli, root, "key"));
        fflush(cli->out);
        fprintf(cli->err,
                "Key %s of agent %s. It is shown this once only; `weir keys revoke %s` "
                "ends it.\n",
                weir__cli_text(cli, root, "id"), weir__cli_text(cli, root, "agent"),
                weir__cli_text(cli, root, "id"));
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_keys_list(struct weir_cli *cli)
{
    static const char *const names[] = {"ID", "AGENT", "NAMESPACE", "STATE", "CREATED", "EXPIRES"};
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *k;
    size_t i, max;
    int code = weir__cli_call(cli, "GET", "/keys", WEIR_STR_NULL, &doc);

    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        weir__cli_table_init(&t, cli, names, 6);
        yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, k)
        {
            const char *state = weir__cli_text(cli, k, "state");
            int64_t end_ms = weir__cli_number(k, "expiresMs");
            enum weir_cli_tone tone = strcmp(state, "active") == 0 ? WEIR_TONE_GOOD : WEIR_TONE_DIM;

            weir__cli_table_add(
                &t, (struct weir_cli_cell[]){
                        {weir__cli_text(cli, k, "id"), 0},
                        {weir__cli_text(cli, k, "agent"), 0},
                        {weir__cli_text(cli, k, "namespace"), 0},
                        {state, tone},
                        {weir__cli_ago(cli, weir__cli_number(k, "createdMs")), 0},
                        {!end_ms ? "never"
                                 : weir_arena_printf(cli->arena, "in %s",
                                                     weir__cli_span(cli, end_ms - weir_wall_ms())),
                         0}});
        }
        weir__cli_table_print(&t);
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_keys_revoke(struct weir_cli *cli)
{
    const char *ns = cli->flags[WEIR_FLAG_NAMESPACE];
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "DELETE",
                              weir_arena_printf(cli->arena, "/keys/%s/%s",
                                                weir__cli_escape(cli, ns ? ns : "default"),
                                                weir__cli_escape(cli, cli->args[0])),
                              WEIR_STR_NULL, &doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_doc_get_root(doc)))
        fprintf(cli->out, "revoked %s\n", cli->args[0]);
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_join_token(struct weir_cli *cli)
{
    struct weir_buf body;
    yyjson_doc *doc = NULL;
    yyjson_val *root;
    int64_t valid_ms;
    int code = expires(cli, &valid_ms);

    if (code != WEIR_EXIT_OK)
        return code;
    weir_buf_init(&body, 4096);
    weir_buf_addz(&body, "{");
    add_member(&body, "namespace", cli->flags[WEIR_FLAG_NAMESPACE]);
    if (valid_ms)
        weir_buf_addf(&body, "%s\"validMs\":%lld", body.n > 1 ? "," : "", (long long)valid_ms);
    weir_buf_addz(&body, "}");
    code = weir__cli_call(cli, "POST", "/join-tokens", weir_buf_str(&body), &doc);
    weir_buf_fini(&body);
    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root))
        fprintf(cli->out, "%s\n", weir__cli_text(cli, root, "token"));
    yyjson_doc_free(doc);
    return code;
}
