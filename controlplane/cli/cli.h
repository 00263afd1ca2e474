/* cli.h - the `weir` command: one table of commands drives parsing, help and completion.
 *
 * One thread, one process, one command. Nothing here is used by the other programs. */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"

/* Exit codes; `weir help` lists them. */
enum weir_cli_exit {
    WEIR_EXIT_OK = 0,
    WEIR_EXIT_REFUSED = 1,     /* not valid, not allowed, failed */
    WEIR_EXIT_USAGE = 2,       /* the command line is wrong */
    WEIR_EXIT_UNREACHABLE = 3, /* no control plane answers */
    WEIR_EXIT_NOT_FOUND = 4,
};

enum weir_cli_flag_id {
    WEIR_FLAG_API,
    WEIR_FLAG_TOKEN_FILE,
    WEIR_FLAG_STATE,
    WEIR_FLAG_OUTPUT,
    WEIR_FLAG_NO_COLOR,
    WEIR_FLAG_HELP,
    WEIR_FLAG_FILE,
    WEIR_FLAG_NAMESPACE,
    WEIR_FLAG_DRY_RUN,
    WEIR_FLAG_BY,
    WEIR_FLAG_SINCE,
    WEIR_FLAG_LIMIT,
    WEIR_FLAG_MONTH,
    WEIR_FLAG_AGENT,
    WEIR_FLAG_ID,
    WEIR_FLAG_EXPIRES,
    WEIR_FLAG_WATCH,
    WEIR_FLAG_POLICY,
    WEIR_FLAG_LISTEN,
    WEIR_FLAG_ADMIN,
    WEIR_FLAG_API_LISTEN,
    WEIR_FLAG_WORKERS,
    WEIR_FLAG_PRICES,
    WEIR_FLAG_LOG_LEVEL,
    WEIR_FLAG_READY_FILE,
    WEIR_FLAG_STORE,
    WEIR_FLAG_STORE_FILE,
    WEIR_FLAG_UNTIL,
    WEIR_FLAG_SCOPE,
    WEIR_FLAG_LISTEN_TLS,
    WEIR_FLAG_TLS_CERT,
    WEIR_FLAG_TLS_KEY,
    WEIR_FLAG_HEAD,
    WEIR_FLAG_MATCH,
    WEIR_FLAG_INPUT,
    WEIR_FLAG_OUTPUT_TOKENS,
    WEIR_FLAG_DAY,
    WEIR_FLAG_FROM,
    WEIR_FLAG_REASON,
    WEIR_FLAG_LABEL,
    WEIR_FLAG_VENDOR,
    WEIR_FLAG_PROVIDER,
    WEIR_FLAG_TOLERANCE,
    WEIR_FLAG_CORRECT,
    WEIR_FLAG_USAGE,
    WEIR_FLAG_COUNT,
};

struct weir_cli_flag {
    const char *name; /* "--since" */
    char letter;      /* 'f', or 0 */
    const char *arg;  /* "TIME"; NULL: a switch */
    const char *help;
};

extern const struct weir_cli_flag weir__cli_flags[WEIR_FLAG_COUNT];

enum { WEIR_CLI_MAX_ARGS = 16, WEIR_CLI_MAX_FILES = 64 };

enum weir_cli_format { WEIR_FORMAT_TABLE, WEIR_FORMAT_JSON, WEIR_FORMAT_YAML };

struct weir_cli;

struct weir_cli_command {
    const char *name; /* "keys create" */
    const char *args; /* "KIND [NAME]" */
    int min_args, max_args;
    uint64_t flags; /* bits by enum weir_cli_flag_id, besides the general ones */
    int (*fn)(struct weir_cli *cli);
    const char *help;
    const char *examples; /* lines */
};

extern const struct weir_cli_command weir__cli_commands[];
extern const size_t weir__cli_command_count;

/* A parsed command line and where its output goes. */
struct weir_cli {
    struct weir_arena *arena;
    FILE *out, *err;
    const struct weir_cli_command *command;
    const char *args[WEIR_CLI_MAX_ARGS];
    int arg_count;
    const char *flags[WEIR_FLAG_COUNT]; /* NULL: not given; "" for a switch */
    const char *files[WEIR_CLI_MAX_FILES];
    int file_count;
    enum weir_cli_format format;
    bool color;
};

/* argv as main got it. Returns the exit code. */
int weir_cli_main(int argc, char **argv);

/* Fills cli->command, args and flags. WEIR_EINVAL: *error says what is wrong and how to mend it. */
WEIR_NODISCARD int weir__cli_parse(struct weir_cli *cli, int argc, char **argv, const char **error);

void weir__cli_help(struct weir_cli *cli, const struct weir_cli_command *command); /* NULL: all */
int weir__cli_completion(struct weir_cli *cli);
int weir__cli_help_command(struct weir_cli *cli);

/* A folder of the state, a file in it; in the arena. */
const char *weir__cli_state(struct weir_cli *cli);
const char *weir__cli_state_file(struct weir_cli *cli, const char *name);

/* "weir: ..." on the error stream. */
void weir__cli_complain(struct weir_cli *cli, const char *fix, const char *fmt, ...)
    WEIR_PRINTF(3, 4);

/* commands */
int weir__cli_up(struct weir_cli *cli);
int weir__cli_apply(struct weir_cli *cli);
int weir__cli_delete(struct weir_cli *cli);
int weir__cli_get(struct weir_cli *cli);
int weir__cli_describe(struct weir_cli *cli);
int weir__cli_validate(struct weir_cli *cli);
int weir__cli_diff(struct weir_cli *cli);
int weir__cli_explain(struct weir_cli *cli);
int weir__cli_keys_create(struct weir_cli *cli);
int weir__cli_keys_list(struct weir_cli *cli);
int weir__cli_keys_revoke(struct weir_cli *cli);
int weir__cli_spend(struct weir_cli *cli);
int weir__cli_spend_correct(struct weir_cli *cli);
int weir__cli_spend_corrections(struct weir_cli *cli);
int weir__cli_reconcile(struct weir_cli *cli);
int weir__cli_chargeback(struct weir_cli *cli);
int weir__cli_prices(struct weir_cli *cli);
int weir__cli_export(struct weir_cli *cli);
int weir__cli_top(struct weir_cli *cli);
int weir__cli_calls(struct weir_cli *cli);
int weir__cli_trace(struct weir_cli *cli);
int weir__cli_budgets(struct weir_cli *cli);
int weir__cli_budgets_release(struct weir_cli *cli);
int weir__cli_budget_show(struct weir_cli *cli);
int weir__cli_budget_raise(struct weir_cli *cli);
int weir__cli_budget_asks(struct weir_cli *cli);
int weir__cli_budget_deny(struct weir_cli *cli);
int weir__cli_budget_reset(struct weir_cli *cli);
int weir__cli_budget_correct(struct weir_cli *cli);
/* Prints the budgets that are asked for. The unit of the first one is in the arena. */
int weir__cli_budgets_table(struct weir_cli *cli, const char **out_unit);
int weir__cli_audit_list(struct weir_cli *cli);
int weir__cli_audit_verify(struct weir_cli *cli);
int weir__cli_audit_export(struct weir_cli *cli);
int weir__cli_fleet(struct weir_cli *cli);
int weir__cli_join_token(struct weir_cli *cli);
int weir__cli_login(struct weir_cli *cli);
int weir__cli_check(struct weir_cli *cli);
int weir__cli_migrate(struct weir_cli *cli);
int weir__cli_version(struct weir_cli *cli);

#endif
