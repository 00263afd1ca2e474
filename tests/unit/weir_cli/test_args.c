/* test_args.c - the command line, its help and completion, all from the tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/cli/cli.h"

enum { MAX_WORDS = 16 };

struct result {
    struct weir_cli cli;
    char *out;
    size_t n;
    const char *error;
    int rc;
    char line[512];
};

/* Parses a line of words that blanks separate. */
static struct result *parse(const char *line)
{
    struct result *r = calloc(1, sizeof *r);
    char *argv[MAX_WORDS + 1], *save = NULL;
    int argc = 0;

    snprintf(r->line, sizeof r->line, "%s", line);
    for (char *w = strtok_r(r->line, " ", &save); w && argc < MAX_WORDS;
         w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;
    r->cli.arena = weir_arena_create(NULL);
    r->cli.out = r->cli.err = open_memstream(&r->out, &r->n);
    r->rc = weir__cli_parse(&r->cli, argc, argv, &r->error);
    return r;
}

static void done(struct result *r)
{
    fclose(r->cli.out);
    free(r->out);
    weir_arena_destroy(r->cli.arena);
    free(r);
}

static void command_lines_that_are_right(void **state)
{
    static const struct {
        const char *line, *command;
        int args;
    } rows[] = {
        {"weir spend", "spend", 0},
        {"weir spend --by agent --since=24h", "spend", 0},
        {"weir get budgets daily -o json", "get", 2},
        {"weir -o yaml get budgets", "get", 1},
        {"weir budgets", "budgets", 0},
        {"weir budgets daily", "budgets", 1},
        {"weir budgets release l-1", "budgets release", 1},
        {"weir keys create claude --expires 90d", "keys create", 1},
        {"weir apply -f a.yaml -f b.yaml --dry-run", "apply", 0},
        {"weir validate -f -", "validate", 0},
        {"weir trace -- -odd-id", "trace", 1},
        {"weir", "help", 0},
        {"weir help keys create", "help", 2},
        {"weir spend --help", "spend", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result *r = parse(rows[i].line);

        assert_int_equal(r->rc, WEIR_OK);
        assert_string_equal(r->cli.command->name, rows[i].command);
        assert_int_equal(r->cli.arg_count, rows[i].args);
        done(r);
    }
}

static void command_lines_that_are_wrong_say_why(void **state)
{
    static const struct {
        const char *line, *error;
    } rows[] = {
        {"weir frobnicate", "there is no command \"frobnicate\""},
        {"weir keys", "there is no command \"keys\""},
        {"weir spend --colour", "there is no flag --colour"},
        {"weir spend --since", "--since needs a value: --since TIME"},
        {"weir get", "usage: weir get KIND [NAME]"},
        {"weir get a b c", "usage: weir get KIND [NAME]"},
        {"weir apply", "usage: weir apply -f PATH"},
        {"weir validate budget.yaml", "usage: weir validate -f PATH"},
        {"weir version --dry-run", "weir version takes no --dry-run"},
        {"weir spend -o xml", "-o takes table, json or yaml"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct result *r = parse(rows[i].line);

        assert_int_equal(r->rc, WEIR_EINVAL);
        assert_string_equal(r->error, rows[i].error);
        done(r);
    }
}

static void every_command_has_help_and_an_example_that_parses(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir__cli_command_count; i++) {
        const struct weir_cli_command *c = &weir__cli_commands[i];
        struct weir_str rest = weir_str_of(c->examples);

        assert_true(strlen(c->help) > 10);
        assert_non_null(c->fn);
        assert_true(rest.n > 0);
        while (rest.n) {
            struct weir_str line = weir_str_cut(rest, '\n', &rest);
            char text[256];

            snprintf(text, sizeof text, "%.*s", WEIR_STR_ARG(line));
            if (strncmp(text, "weir ", 5) != 0 || strpbrk(text, "|>$("))
                continue;
            struct result *r = parse(text);

            assert_int_equal(r->rc, WEIR_OK);
            assert_ptr_equal(r->cli.command, c);
            done(r);
        }
    }
}

static void every_flag_has_a_help_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < WEIR_FLAG_COUNT; i++) {
        assert_true(strlen(weir__cli_flags[i].help) > 3);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(weir__cli_flags[i].help, weir__cli_flags[k].help);
            assert_string_not_equal(weir__cli_flags[i].name, weir__cli_flags[k].name);
        }
    }
}

static void help_of_a_command(void **state)
{
    struct result *r = parse("weir help trace");

    (void)state;
    assert_int_equal(r->cli.command->fn(&r->cli), WEIR_EXIT_OK);
    fflush(r->cli.out);
    assert_non_null(strstr(r->out, "Show one call: its attempts in time, holds and cost.\n\n"
                                   "Usage: weir trace ID\n\nGeneral flags:\n"));
    assert_non_null(strstr(r->out, "\nExamples:\n  weir trace req_01h9\n"));
    done(r);
}

static void completion_names_every_command_in_each_shell(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};

    (void)state;
    for (size_t s = 0; s < 3; s++) {
        char line[64];

        snprintf(line, sizeof line, "weir completion %s", shells[s]);
        struct result *r = parse(line);

        assert_int_equal(r->cli.command->fn(&r->cli), WEIR_EXIT_OK);
        fflush(r->cli.out);
        for (size_t i = 0; i < weir__cli_command_count; i++) {
            char name[64];

            snprintf(name, sizeof name, "%s", weir__cli_commands[i].name);
            for (char *p = name, *word; (word = strtok_r(p, " ", &p));)
                assert_non_null(strstr(r->out, word));
        }
        done(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines_that_are_right),
        cmocka_unit_test(command_lines_that_are_wrong_say_why),
        cmocka_unit_test(every_command_has_help_and_an_example_that_parses),
        cmocka_unit_test(every_flag_has_a_help_of_its_own),
        cmocka_unit_test(help_of_a_command),
        cmocka_unit_test(completion_names_every_command_in_each_shell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
