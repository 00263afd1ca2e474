/* cmd_policy.c - the policy: get, describe, apply, delete, validate, diff, explain. */
#include "controlplane/cli/http.h"
#include "controlplane/cli/manifests.h"
#include "controlplane/cli/print.h"
#include "controlplane/config/local.h"

static yyjson_val *condition(yyjson_val *resource, const char *type)
{
    yyjson_val *c, *list = yyjson_obj_get(yyjson_obj_get(resource, "status"), "conditions");
    size_t i, max;

    yyjson_arr_foreach(list, i, max,
                       c) if (yyjson_equals_str(yyjson_obj_get(c, "type"), type)) return c;
    return NULL;
}

static void add_resource(struct weir_cli_table *t, yyjson_val *r)
{
    struct weir_cli *cli = t->cli;
    yyjson_val *meta = yyjson_obj_get(r, "metadata"), *status = yyjson_obj_get(r, "status");
    yyjson_val *accepted = condition(r, "Accepted"), *programmed = condition(r, "Programmed");
    bool good = yyjson_equals_str(yyjson_obj_get(accepted, "status"), "True");
    bool in_force = yyjson_equals_str(yyjson_obj_get(programmed, "status"), "True");
    const char *ns = weir__cli_text(cli, meta, "namespace");
    const char *reason = weir__cli_text(cli, programmed, "reason");
    const char *state = in_force                         ? "yes"
                        : strcmp(reason, "NoProxy") == 0 ? "no proxy"
                        : strcmp(reason, "Refused") == 0 ? "refused"
                                                         : "pending";

    weir__cli_table_add(
        t, (struct weir_cli_cell[]){{weir__cli_text(cli, r, "kind"), 0},
                                    {weir__cli_text(cli, meta, "name"), 0},
                                    {*ns ? ns : "default", 0},
                                    {good ? "yes" : "no", good ? WEIR_TONE_GOOD : WEIR_TONE_BAD},
                                    {state, in_force                         ? WEIR_TONE_GOOD
                                            : strcmp(reason, "Refused") == 0 ? WEIR_TONE_BAD
                                                                             : WEIR_TONE_WARN},
                                    {weir__cli_text(cli, status, "origin"), WEIR_TONE_DIM}});
}

/* A bad edit is told of wherever the policy is looked at. */
static void warn_of_errors(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    yyjson_val *errors, *e;
    size_t i, max;

    if (weir__cli_call(cli, "GET", "/policy", WEIR_STR_NULL, &doc) != WEIR_EXIT_OK)
        return;
    errors = yyjson_obj_get(yyjson_doc_get_root(doc), "errors");
    if (yyjson_arr_size(errors)) {
        fflush(cli->out);
        fputs("\n", cli->err);
        yyjson_arr_foreach(errors, i, max, e)
            fprintf(cli->err, "%s\n", weir__cli_text(cli, e, "text"));
        weir__cli_complain(cli, "",
                           "the last edit of the policy was not taken; the last good "
                           "policy stays in force until this is mended");
    }
    yyjson_doc_free(doc);
}

static const char *resource_path(struct weir_cli *cli)
{
    const char *ns = cli->flags[WEIR_FLAG_NAMESPACE];

    return weir_arena_printf(cli->arena, "/resources/%s/%s/%s", weir__cli_escape(cli, cli->args[0]),
                             weir__cli_escape(cli, ns ? ns : "default"),
                             weir__cli_escape(cli, cli->args[1]));
}

static bool in_namespace(struct weir_cli *cli, yyjson_val *r)
{
    const char *want = cli->flags[WEIR_FLAG_NAMESPACE];
    const char *ns = weir__cli_text(cli, yyjson_obj_get(r, "metadata"), "namespace");

    return !want || strcmp(want, *ns ? ns : "default") == 0;
}

static int get_one(struct weir_cli *cli)
{
    const char *path = weir_arena_printf(cli->arena, "%s?yaml=true", resource_path(cli));
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);
    yyjson_val *root = yyjson_doc_get_root(doc), *r = yyjson_obj_get(root, "resource");

    if (code == WEIR_EXIT_OK) {
        if (cli->format == WEIR_FORMAT_JSON)
            weir__cli_print_json(cli, r);
        else
            fprintf(cli->out, "%s", weir__cli_text(cli, root, "yaml"));
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_get(struct weir_cli *cli)
{
    static const char *const names[] = {"KIND",     "NAME",     "NAMESPACE",
                                        "ACCEPTED", "IN FORCE", "ORIGIN"};
    struct weir_cli_table t;
    yyjson_doc *doc = NULL;
    yyjson_val *root, *r;
    size_t i, max;
    int code;

    if (cli->arg_count == 2)
        return get_one(cli);
    code = weir__cli_call(
        cli, "GET",
        weir_arena_printf(cli->arena, "/resources?kind=%s", weir__cli_escape(cli, cli->args[0])),
        WEIR_STR_NULL, &doc);
    root = yyjson_doc_get_root(doc);
    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, yyjson_obj_get(root, "items"))) {
        weir__cli_table_init(&t, cli, names, 6);
        yyjson_arr_foreach(yyjson_obj_get(root, "items"), i, max, r) if (in_namespace(cli, r))
            add_resource(&t, r);
        weir__cli_table_print(&t);
    }
    if (code == WEIR_EXIT_OK)
        warn_of_errors(cli);
    yyjson_doc_free(doc);
    return code;
}

static void print_description(struct weir_cli *cli, yyjson_val *root)
{
    yyjson_val *r = yyjson_obj_get(root, "resource"), *c;
    yyjson_val *status = yyjson_obj_get(r, "status"), *p = yyjson_obj_get(status, "proxies");
    size_t i, max;

    fprintf(
        cli->out, "%s %s\n  from      %s\n  version   %s\n  proxies   %lld of %lld enforce it\n",
        weir__cli_text(cli, r, "kind"), weir__cli_text(cli, yyjson_obj_get(r, "metadata"), "name"),
        weir__cli_text(cli, status, "origin"), weir__cli_text(cli, status, "version"),
        (long long)weir__cli_number(p, "programmed"), (long long)weir__cli_number(p, "total"));
    yyjson_arr_foreach(yyjson_obj_get(status, "conditions"), i, max, c)
    {
        bool good = yyjson_equals_str(yyjson_obj_get(c, "status"), "True");

        fprintf(cli->out, "  %-9s ", i ? "" : "status");
        weir__cli_toned(cli, good ? WEIR_TONE_GOOD : WEIR_TONE_WARN,
                        weir_arena_printf(cli->arena, "%s%s: ", good ? "" : "not ",
                                          weir__cli_text(cli, c, "type")));
        fprintf(cli->out, "%s\n", weir__cli_text(cli, c, "message"));
    }
    fprintf(cli->out, "\n%s", weir__cli_text(cli, root, "yaml"));
}

int weir__cli_describe(struct weir_cli *cli)
{
    const char *path = weir_arena_printf(cli->arena, "%s?yaml=true", resource_path(cli));
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "GET", path, WEIR_STR_NULL, &doc);
    yyjson_val *root = yyjson_doc_get_root(doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root))
        print_description(cli, root);
    if (code == WEIR_EXIT_OK)
        warn_of_errors(cli);
    yyjson_doc_free(doc);
    return code;
}

/* ---- offline ---- */

void weir__cli_print_errors(struct weir_cli *cli, const struct weir_data_errors *errors)
{
    struct weir_buf text;

    weir_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < errors->count; i++) {
        weir_buf_clear(&text);
        weir_data_error_text(&errors->list[i], &text);
        fprintf(cli->err, "%.*s\n", WEIR_STR_ARG(weir_str_trim(weir_buf_str(&text))));
    }
    if (errors->dropped)
        fprintf(cli->err, "... and %zu more\n", errors->dropped);
    weir_buf_fini(&text);
}

static void add_json(struct weir_buf *b, const char *name, const char *value)
{
    weir_buf_addf(b, "%s\"%s\":", b->p[b->n - 1] == '{' ? "" : ",", name);
    weir_buf_add_json(b, weir_str_of(value));
}

static void print_errors_raw(struct weir_cli *cli, const struct weir_data_errors *errors)
{
    struct weir_buf b;
    yyjson_doc *doc;

    weir_buf_init(&b, 16 << 20);
    weir_buf_addf(&b, "{\"valid\":%s,\"errors\":[", errors->count ? "false" : "true");
    for (size_t i = 0; i < errors->count; i++) {
        const struct weir_data_error *e = &errors->list[i];

        weir_buf_addz(&b, i ? ",{" : "{");
        add_json(&b, "file", e->file);
        weir_buf_addf(&b, ",\"line\":%u", e->line);
        add_json(&b, "kind", e->kind);
        add_json(&b, "name", e->name);
        add_json(&b, "path", e->path);
        add_json(&b, "message", e->what);
        weir_buf_addz(&b, "}");
    }
    weir_buf_addz(&b, "]}");
    doc = yyjson_read(b.p, b.n, 0);
    (void)weir__cli_print_raw(cli, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    weir_buf_fini(&b);
}

int weir__cli_validate(struct weir_cli *cli)
{
    struct weir_local_env env = weir_local_env_read();
    struct weir_data_errors errors = {.arena = cli->arena};
    struct weir_policy_set *set = NULL;
    struct weir_cli_manifests m;
    size_t own = 0;
    int rc, code = weir__cli_manifests_read(cli, &m);

    if (code != WEIR_EXIT_OK)
        return code;
    rc = weir_policy_set_build(m.texts, m.count, &env, &errors, &set);
    for (size_t i = 0; set && i < weir_policy_set_count(set); i++)
        own += strncmp(weir_policy_set_at(set, i)->file, "built-in", 8) != 0;
    weir_policy_set_unref(set);
    if (cli->format != WEIR_FORMAT_TABLE) {
        print_errors_raw(cli, &errors);
    } else if (rc != WEIR_OK) {
        weir__cli_print_errors(cli, &errors);
        weir__cli_complain(cli, "", "%zu %s", errors.count + errors.dropped,
                           errors.count == 1 ? "error" : "errors");
    } else {
        fprintf(cli->out, "valid: %zu %s in %zu %s\n", own, own == 1 ? "object" : "objects",
                m.count, m.count == 1 ? "file" : "files");
    }
    return rc == WEIR_OK ? WEIR_EXIT_OK : WEIR_EXIT_REFUSED;
}

int weir__cli_explain(struct weir_cli *cli)
{
    struct weir_buf text;
    int rc;

    weir_buf_init(&text, 4 << 20);
    rc = weir_schema_explain(weir_str_of(cli->arg_count ? cli->args[0] : ""), &text);
    if (rc == WEIR_OK)
        fprintf(cli->out, "%.*s", WEIR_STR_ARG(weir_buf_str(&text)));
    else
        weir__cli_complain(cli, "weir explain lists the kinds.", "%.*s",
                           WEIR_STR_ARG(weir_str_trim(weir_buf_str(&text))));
    weir_buf_fini(&text);
    return rc == WEIR_OK ? WEIR_EXIT_OK : WEIR_EXIT_NOT_FOUND;
}

/* ---- changes ---- */

/* Joined files would be reported with lines of the whole; so each is decoded by itself first. */
static int check_syntax(struct weir_cli *cli, const struct weir_cli_manifests *m)
{
    struct weir_data_errors errors = {.arena = cli->arena};
    int rc = WEIR_OK;

    for (size_t i = 0; i < m->count; i++) {
        struct weir_str file = weir_str_of(m->texts[i].file);
        struct weir_data_file decoded;
        int one = weir_data_decode(cli->arena, file, weir_data_syntax_of(file), m->texts[i].text,
                                   &errors, &decoded);

        rc = rc == WEIR_OK ? one : rc;
    }
    if (rc == WEIR_OK)
        return WEIR_EXIT_OK;
    weir__cli_print_errors(cli, &errors);
    weir__cli_complain(cli, "", "%zu %s; nothing was changed", errors.count + errors.dropped,
                       errors.count == 1 ? "error" : "errors");
    return WEIR_EXIT_REFUSED;
}

static int send_manifests(struct weir_cli *cli, const char *endpoint, yyjson_doc **out)
{
    struct weir_cli_manifests m;
    struct weir_str body;
    const char *name;
    int code = weir__cli_manifests_read(cli, &m);

    if (code == WEIR_EXIT_OK)
        code = check_syntax(cli, &m);
    if (code != WEIR_EXIT_OK)
        return code;
    body = weir__cli_manifests_join(cli, &m, &name);
    return weir__cli_call(cli, "POST",
                          weir_arena_printf(cli->arena, "%s%sfile=%s", endpoint,
                                            strchr(endpoint, '?') ? "&" : "?",
                                            weir__cli_escape(cli, name)),
                          body, out);
}

static size_t print_changes(struct weir_cli *cli, yyjson_val *root, bool with_diff)
{
    yyjson_val *c;
    size_t i, max, changed = 0;

    yyjson_arr_foreach(yyjson_obj_get(root, "changes"), i, max, c)
    {
        const char *action = weir__cli_text(cli, c, "action");
        bool same = strcmp(action, "unchanged") == 0;

        changed += !same;
        if (with_diff && same)
            continue;
        fprintf(cli->out, "%s %s/%s ", weir__cli_text(cli, c, "kind"),
                weir__cli_text(cli, c, "namespace"), weir__cli_text(cli, c, "name"));
        weir__cli_toned(cli, same ? WEIR_TONE_DIM : WEIR_TONE_GOOD, action);
        fprintf(cli->out, "\n");
        if (with_diff)
            weir__cli_print_diff(cli, weir__cli_text(cli, c, "before"),
                                 weir__cli_text(cli, c, "after"));
    }
    return changed;
}

int weir__cli_apply(struct weir_cli *cli)
{
    bool dry = cli->flags[WEIR_FLAG_DRY_RUN] != NULL;
    yyjson_doc *doc = NULL;
    int code = send_manifests(cli, dry ? "/apply?dryRun=true" : "/apply", &doc);
    yyjson_val *root = yyjson_doc_get_root(doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root)) {
        (void)print_changes(cli, root, dry);
        if (dry)
            fprintf(cli->out, "(dry run: nothing was changed)\n");
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_diff(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    int code = send_manifests(cli, "/diff", &doc);
    yyjson_val *root = yyjson_doc_get_root(doc), *c;
    size_t i, max, changed = 0;

    if (code == WEIR_EXIT_OK) {
        yyjson_arr_foreach(yyjson_obj_get(root, "changes"), i, max, c) changed +=
            !yyjson_equals_str(yyjson_obj_get(c, "action"), "unchanged");
        if (!weir__cli_print_raw(cli, root) && !print_changes(cli, root, true))
            fprintf(cli->out, "no difference\n");
        code = changed ? WEIR_EXIT_REFUSED : WEIR_EXIT_OK;
    }
    yyjson_doc_free(doc);
    return code;
}

int weir__cli_delete(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "DELETE", resource_path(cli), WEIR_STR_NULL, &doc);
    yyjson_val *root = yyjson_doc_get_root(doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root))
        (void)print_changes(cli, root, false);
    yyjson_doc_free(doc);
    return code;
}
