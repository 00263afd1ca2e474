/* args.c - the command line against the tables, and what is made from the same tables: help and
 * completion. */
#include "controlplane/cli/cli.h"

#include <stdlib.h>

#define GENERAL                                                                                    \
    (UINT64_C(1) << WEIR_FLAG_API | UINT64_C(1) << WEIR_FLAG_TOKEN_FILE |                          \
     UINT64_C(1) << WEIR_FLAG_STATE | UINT64_C(1) << WEIR_FLAG_OUTPUT |                            \
     UINT64_C(1) << WEIR_FLAG_NO_COLOR | UINT64_C(1) << WEIR_FLAG_HELP)

static int find_flag(struct weir_str name)
{
    for (int i = 0; i < WEIR_FLAG_COUNT; i++) {
        const struct weir_cli_flag *f = &weir__cli_flags[i];

        if (weir_str_is(name, f->name) ||
            (f->letter && name.n == 2 && name.p[0] == '-' && name.p[1] == f->letter))
            return i;
    }
    return -1;
}

/* Commands of one word and of two begin alike ("budgets", "budgets release"): the longer one wins.
 */
static const struct weir_cli_command *find_command(struct weir_cli *cli, const char **words,
                                                   int count, int *out_used)
{
    const struct weir_cli_command *found = NULL;
    const char *two = count > 1 ? weir_arena_printf(cli->arena, "%s %s", words[0], words[1]) : "";

    *out_used = 0;
    for (size_t i = 0; count > 0 && i < weir__cli_command_count; i++) {
        const struct weir_cli_command *c = &weir__cli_commands[i];

        if (strcmp(c->name, two) == 0) {
            *out_used = 2;
            return c;
        }
        if (strcmp(c->name, words[0]) == 0) {
            *out_used = 1;
            found = c;
        }
    }
    return found;
}

struct words {
    const char *p[WEIR_CLI_MAX_ARGS + 2];
    int n;
};

static int take_flag(struct weir_cli *cli, int argc, char **argv, int *i, const char **error)
{
    struct weir_str value, name = weir_str_cut(weir_str_of(argv[*i]), '=', &value);
    int id = find_flag(name);
    const struct weir_cli_flag *f = id < 0 ? NULL : &weir__cli_flags[id];

    if (!f) {
        *error = weir_arena_printf(cli->arena, "there is no flag %.*s", WEIR_STR_ARG(name));
        return WEIR_EINVAL;
    }
    if (!f->arg) {
        cli->flags[id] = "";
        return WEIR_OK;
    }
    if (!value.p && ++*i >= argc) {
        *error = weir_arena_printf(cli->arena, "%s needs a value: %s %s", f->name, f->name, f->arg);
        return WEIR_EINVAL;
    }
    cli->flags[id] = value.p ? value.p : argv[*i]; /* value.p ends where argv's string ends */
    if (id == WEIR_FLAG_FILE) {
        if (cli->file_count == WEIR_CLI_MAX_FILES) {
            *error = "too many -f; name a folder in their place";
            return WEIR_EINVAL;
        }
        cli->files[cli->file_count++] = cli->flags[id];
    }
    return WEIR_OK;
}

static int take_all(struct weir_cli *cli, int argc, char **argv, struct words *w,
                    const char **error)
{
    bool only_words = false;

    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            int rc = take_flag(cli, argc, argv, &i, error);

            if (rc != WEIR_OK)
                return rc;
        } else if (w->n == WEIR_CLI_MAX_ARGS) {
            *error = "too many arguments";
            return WEIR_EINVAL;
        } else {
            w->p[w->n++] = argv[i];
        }
    }
    return WEIR_OK;
}

static int check_flags(struct weir_cli *cli, const char **error)
{
    const char *format = cli->flags[WEIR_FLAG_OUTPUT];

    for (int i = 0; i < WEIR_FLAG_COUNT; i++)
        if (cli->flags[i] && !((GENERAL | cli->command->flags) >> i & 1)) {
            *error = weir_arena_printf(cli->arena, "weir %s takes no %s", cli->command->name,
                                       weir__cli_flags[i].name);
            return WEIR_EINVAL;
        }
    if (!format || strcmp(format, "table") == 0)
        cli->format = WEIR_FORMAT_TABLE;
    else if (strcmp(format, "json") == 0)
        cli->format = WEIR_FORMAT_JSON;
    else if (strcmp(format, "yaml") == 0)
        cli->format = WEIR_FORMAT_YAML;
    else {
        *error = "-o takes table, json or yaml";
        return WEIR_EINVAL;
    }
    return WEIR_OK;
}

int weir__cli_parse(struct weir_cli *cli, int argc, char **argv, const char **error)
{
    struct words w = {.n = 0};
    int used, rc = take_all(cli, argc, argv, &w, error);
    bool needs_file;

    if (rc != WEIR_OK)
        return rc;
    if (w.n == 0)
        w.p[w.n++] = "help";
    cli->command = find_command(cli, w.p, w.n, &used);
    if (!cli->command) {
        *error = weir_arena_printf(cli->arena, "there is no command \"%s\"", w.p[0]);
        return WEIR_EINVAL;
    }
    if ((rc = check_flags(cli, error)) != WEIR_OK || cli->flags[WEIR_FLAG_HELP])
        return rc;
    for (int i = used; i < w.n; i++)
        cli->args[cli->arg_count++] = w.p[i];
    needs_file = cli->command->flags >> WEIR_FLAG_FILE & 1;
    if (cli->arg_count < cli->command->min_args || cli->arg_count > cli->command->max_args ||
        (needs_file && !cli->file_count)) {
        *error = weir_arena_printf(cli->arena, "usage: weir %s %s%s", cli->command->name,
                                   cli->command->args, needs_file ? "-f PATH" : "");
        return WEIR_EINVAL;
    }
    return WEIR_OK;
}

static void print_flags(struct weir_cli *cli, uint64_t mask)
{
    for (int i = 0; i < WEIR_FLAG_COUNT; i++) {
        const struct weir_cli_flag *f = &weir__cli_flags[i];
        char left[64];

        if (!(mask >> i & 1))
            continue;
        if (f->letter)
            snprintf(left, sizeof left, "-%c, %s%s%s", f->letter, f->name, f->arg ? " " : "",
                     f->arg ? f->arg : "");
        else
            snprintf(left, sizeof left, "    %s%s%s", f->name, f->arg ? " " : "",
                     f->arg ? f->arg : "");
        fprintf(cli->out, "  %-28s %s\n", left, f->help);
    }
}

static void print_lines(struct weir_cli *cli, const char *text)
{
    struct weir_str rest = weir_str_of(text);

    while (rest.n) {
        struct weir_str line = weir_str_cut(rest, '\n', &rest);

        fprintf(cli->out, "  %.*s\n", WEIR_STR_ARG(line));
    }
}

static void help_all(struct weir_cli *cli)
{
    fprintf(cli->out, "weir - one governed path for every model that an agent calls\n\n"
                      "Usage: weir COMMAND [ARGUMENTS] [FLAGS]\n\nCommands:\n");
    for (size_t i = 0; i < weir__cli_command_count; i++) {
        const struct weir_cli_command *c = &weir__cli_commands[i];
        const char *left = weir_arena_printf(cli->arena, "%s %s", c->name, c->args);

        fprintf(cli->out, "  %-24s %s\n", left, c->help);
    }
    fprintf(cli->out, "\nGeneral flags:\n");
    print_flags(cli, GENERAL);
    fprintf(cli->out, "\nExit codes: 0 done; 1 refused or not valid; 2 wrong usage; 3 no control "
                      "plane answers; 4 not found.\n\nBegin with:\n  weir up\n");
}

void weir__cli_help(struct weir_cli *cli, const struct weir_cli_command *c)
{
    if (!c) {
        help_all(cli);
        return;
    }
    fprintf(cli->out, "%s\n\nUsage: weir %s%s%s%s\n", c->help, c->name, *c->args ? " " : "",
            c->args, c->flags ? " [FLAGS]" : "");
    if (c->flags) {
        fprintf(cli->out, "\nFlags:\n");
        print_flags(cli, c->flags);
    }
    fprintf(cli->out, "\nGeneral flags:\n");
    print_flags(cli, GENERAL);
    fprintf(cli->out, "\nExamples:\n");
    print_lines(cli, c->examples);
}

int weir__cli_help_command(struct weir_cli *cli)
{
    int used;
    const struct weir_cli_command *c = find_command(cli, cli->args, cli->arg_count, &used);

    if (cli->arg_count && !c) {
        weir__cli_complain(cli, "weir help lists them.", "there is no command \"%s\"",
                           cli->args[0]);
        return WEIR_EXIT_USAGE;
    }
    weir__cli_help(cli, c);
    return WEIR_EXIT_OK;
}

/* ---- completion ---- */

static const char kinds[] = "all agent budget pricelist provider route";

/* Calls fn for each word that may follow the words of a command ("" for the first). */
static void next_words(const char *first, void (*fn)(struct weir_cli *, const char *, const char *),
                       struct weir_cli *cli)
{
    struct weir_str seen = WEIR_STR_NULL;

    for (size_t i = 0; i < weir__cli_command_count; i++) {
        struct weir_str second;
        struct weir_str word = weir_str_cut(weir_str_of(weir__cli_commands[i].name), ' ', &second);

        if (*first) {
            if (weir_str_is(word, first) && second.p)
                fn(cli, second.p, weir__cli_commands[i].help);
        } else if (!weir_str_eq(word, seen)) {
            fn(cli, weir_arena_strdup(cli->arena, word), weir__cli_commands[i].help);
        }
        seen = word;
    }
}

/* For a script's '...' string. */
static void print_quoted(struct weir_cli *cli, const char *text)
{
    for (; *text; text++)
        fputs(*text == '\'' ? "’" : (char[]){*text, 0}, cli->out);
}

static void print_word(struct weir_cli *cli, const char *word, const char *help)
{
    (void)help;
    fprintf(cli->out, " %s", word);
}

static void print_fish(struct weir_cli *cli, const char *word, const char *help)
{
    fprintf(cli->out, "complete -c weir -f -n __fish_use_subcommand -a %s -d '", word);
    print_quoted(cli, help);
    fputs("'\n", cli->out);
}

static void print_zsh(struct weir_cli *cli, const char *word, const char *help)
{
    fprintf(cli->out, "    '%s:", word);
    print_quoted(cli, help);
    fputs("'\n", cli->out);
}

static void print_flag_names(struct weir_cli *cli)
{
    for (int i = 0; i < WEIR_FLAG_COUNT; i++)
        fprintf(cli->out, " %s", weir__cli_flags[i].name);
}

static void bash_script(struct weir_cli *cli)
{
    fprintf(
        cli->out,
        "_weir() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
        "  case ${COMP_WORDS[COMP_CWORD-1]} in\n"
        "    -f|--file|--token-file|--prices) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
        "    --state|--policy) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
        "    -o|--output) COMPREPLY=($(compgen -W 'table json yaml' -- \"$cur\")); return ;;\n"
        "  esac\n  if [[ $cur == -* ]]; then words='");
    print_flag_names(cli);
    fprintf(cli->out, "'\n  elif ((COMP_CWORD == 1)); then words='");
    next_words("", print_word, cli);
    fprintf(cli->out, "'\n  else case ${COMP_WORDS[1]} in\n    keys) words='");
    next_words("keys", print_word, cli);
    fprintf(cli->out, "' ;;\n    budget) words='");
    next_words("budget", print_word, cli);
    fprintf(cli->out, "' ;;\n    budgets) words='");
    next_words("budgets", print_word, cli);
    fprintf(cli->out, "' ;;\n    audit) words='");
    next_words("audit", print_word, cli);
    fprintf(cli->out, "' ;;\n    spend) words='");
    next_words("spend", print_word, cli);
    fprintf(
        cli->out,
        "' ;;\n    get|describe|delete) words='%s' ;;\n    completion) words='bash zsh fish' ;;\n"
        "    help) words='",
        kinds);
    next_words("", print_word, cli);
    fprintf(cli->out, "' ;;\n  esac; fi\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
                      "complete -o default -F _weir weir\n");
}

static void zsh_script(struct weir_cli *cli)
{
    fprintf(cli->out, "#compdef weir\n_weir() {\n  local -a commands=(\n");
    next_words("", print_zsh, cli);
    fprintf(cli->out, "  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                      "  case $words[2] in\n    keys) compadd --");
    next_words("keys", print_word, cli);
    fprintf(cli->out, " ;;\n    budget) compadd --");
    next_words("budget", print_word, cli);
    fprintf(cli->out, " ;;\n    audit) compadd --");
    next_words("audit", print_word, cli);
    fprintf(cli->out, " ;;\n    spend) compadd --");
    next_words("spend", print_word, cli);
    fprintf(cli->out, " ;;\n    budgets) compadd --");
    next_words("budgets", print_word, cli);
    fprintf(cli->out,
            " ;;\n    get|describe|delete) compadd -- %s ;;\n    completion) compadd -- bash zsh "
            "fish ;;\n"
            "    *) compadd --",
            kinds);
    print_flag_names(cli);
    fprintf(cli->out, "; _files ;;\n  esac\n}\ncompdef _weir weir\n");
}

static void fish_script(struct weir_cli *cli)
{
    next_words("", print_fish, cli);
    fprintf(cli->out, "complete -c weir -f -n '__fish_seen_subcommand_from keys' -a '");
    next_words("keys", print_word, cli);
    fprintf(cli->out, "'\ncomplete -c weir -f -n '__fish_seen_subcommand_from budget' -a '");
    next_words("budget", print_word, cli);
    fprintf(cli->out, "'\ncomplete -c weir -f -n '__fish_seen_subcommand_from budgets' -a '");
    next_words("budgets", print_word, cli);
    fprintf(cli->out, "'\ncomplete -c weir -f -n '__fish_seen_subcommand_from audit' -a '");
    next_words("audit", print_word, cli);
    fprintf(cli->out, "'\ncomplete -c weir -f -n '__fish_seen_subcommand_from spend' -a '");
    next_words("spend", print_word, cli);
    fprintf(cli->out,
            "'\ncomplete -c weir -f -n '__fish_seen_subcommand_from get describe delete' -a '%s'\n"
            "complete -c weir -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'\n",
            kinds);
    for (int i = 0; i < WEIR_FLAG_COUNT; i++) {
        const struct weir_cli_flag *f = &weir__cli_flags[i];

        fprintf(cli->out, "complete -c weir -l %s%s -d '", f->name + 2, f->arg ? " -r" : "");
        print_quoted(cli, f->help);
        fputs("'\n", cli->out);
    }
}

int weir__cli_completion(struct weir_cli *cli)
{
    const char *shell = cli->args[0];

    if (strcmp(shell, "bash") == 0)
        bash_script(cli);
    else if (strcmp(shell, "zsh") == 0)
        zsh_script(cli);
    else if (strcmp(shell, "fish") == 0)
        fish_script(cli);
    else {
        weir__cli_complain(cli, "weir completion bash|zsh|fish", "no completion for \"%s\"", shell);
        return WEIR_EXIT_USAGE;
    }
    return WEIR_EXIT_OK;
}
