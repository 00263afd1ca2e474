/* cli.c - the command's frame: set-up, the state folder, complaints; and the smallest commands. */
#include "controlplane/cli/cli.h"

#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "controlplane/cli/http.h"
#include "controlplane/cli/print.h"

void weir__cli_complain(struct weir_cli *cli, const char *fix, const char *fmt, ...)
{
    bool color = cli->color && isatty(fileno(cli->err));
    va_list ap;

    fflush(cli->out);
    fprintf(cli->err, "%sweir:%s ", color ? "\033[31m" : "", color ? "\033[0m" : "");
    va_start(ap, fmt);
    vfprintf(cli->err, fmt, ap);
    va_end(ap);
    fputs("\n", cli->err);
    if (fix && *fix)
        fprintf(cli->err, "  %s\n", fix);
}

const char *weir__cli_state(struct weir_cli *cli)
{
    const char *dir = cli->flags[WEIR_FLAG_STATE], *base;

    if (dir && *dir)
        return dir;
    if ((dir = getenv("WEIR_STATE")) && *dir)
        return dir;
    if ((base = getenv("XDG_STATE_HOME")) && *base)
        return weir_arena_printf(cli->arena, "%s/weir", base);
    base = getenv("HOME");
    return weir_arena_printf(cli->arena, "%s/.local/state/weir", base && *base ? base : ".");
}

const char *weir__cli_state_file(struct weir_cli *cli, const char *name)
{
    return weir_arena_printf(cli->arena, "%s/%s", weir__cli_state(cli), name);
}

int weir__cli_version(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    bool reached = weir__cli_reachable(cli, &doc);
    const char *control = weir__cli_text(cli, yyjson_doc_get_root(doc), "version");

    if (cli->format == WEIR_FORMAT_TABLE) {
        fprintf(cli->out, "weir %s\n", WEIR_VERSION);
        if (reached)
            fprintf(cli->out, "weir-control %s at %s\n", control, weir__cli_api_address(cli));
    } else if (cli->format == WEIR_FORMAT_JSON) {
        fprintf(cli->out, "{\"weir\": \"%s\", \"weir-control\": %s%s%s}\n", WEIR_VERSION,
                reached ? "\"" : "", reached ? control : "null", reached ? "\"" : "");
    } else {
        fprintf(cli->out, "weir: \"%s\"\nweir-control: %s%s%s\n", WEIR_VERSION, reached ? "\"" : "",
                reached ? control : "null", reached ? "\"" : "");
    }
    yyjson_doc_free(doc);
    return WEIR_EXIT_OK;
}

int weir__cli_login(struct weir_cli *cli)
{
    yyjson_doc *doc = NULL;
    int code = weir__cli_call(cli, "POST", "/logins", WEIR_STR_NULL, &doc);
    yyjson_val *root = yyjson_doc_get_root(doc);

    if (code == WEIR_EXIT_OK && !weir__cli_print_raw(cli, root))
        fprintf(cli->out, "http://%s/#login=%s\n", weir__cli_api_address(cli),
                weir__cli_text(cli, root, "login"));
    yyjson_doc_free(doc);
    return code;
}

int weir_cli_main(int argc, char **argv)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_cli cli = {.arena = arena, .out = stdout, .err = stderr};
    const char *error = NULL, *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    int code, rc = weir__cli_parse(&cli, argc, argv, &error);

    cli.color = isatty(STDOUT_FILENO) && !(no_color && *no_color) &&
                !cli.flags[WEIR_FLAG_NO_COLOR] && !(term && strcmp(term, "dumb") == 0);
    if (rc != WEIR_OK) {
        weir__cli_complain(
            &cli,
            cli.command ? weir_arena_printf(arena, "weir help %s shows more.", cli.command->name)
                        : "weir help lists the commands.",
            "%s", error);
        code = WEIR_EXIT_USAGE;
    } else if (cli.flags[WEIR_FLAG_HELP]) {
        weir__cli_help(&cli, cli.command);
        code = WEIR_EXIT_OK;
    } else {
        code = cli.command->fn(&cli);
    }
    if (fflush(stdout) && code == WEIR_EXIT_OK)
        code = WEIR_EXIT_REFUSED;
    weir_arena_destroy(arena);
    return code;
}
