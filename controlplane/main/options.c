/* options.c - see options.h. */
#include "controlplane/main/options.h"

#include <stdio.h>

#include "base/flags.h"

#define TEXT(flag, value, member, help)                                                            \
    {                                                                                              \
        flag, value, WEIR_FLAG_TEXT, offsetof(struct weir_control_options, member), 0, 0, help     \
    }
#define SWITCH(flag, member, help)                                                                 \
    {                                                                                              \
        flag, NULL, WEIR_FLAG_SWITCH, offsetof(struct weir_control_options, member), 0, 0, help    \
    }

static const struct weir_flag rows[] = {
    TEXT("--state", "DIR", state, "folder of the ledger, the records, the CA and the tokens"),
    TEXT("--policy", "DIR", policy, "folder (or file) of manifests, re-read when it changes"),
    TEXT("--store", "URI", store,
         "a PostgreSQL for all databases, shared by replicas; without a password (WEIR_STORE)"),
    TEXT("--store-file", "FILE", store_file, "a file with that URI, which may hold a password"),
    TEXT("--grpc", "ADDR", grpc, "for proxies, unix:PATH or HOST:PORT (127.0.0.1:7080)"),
    TEXT("--api", "ADDR", api, "HTTP API and dashboard (127.0.0.1:7081)"),
    TEXT("--prices", "FILE", prices, "a PriceList in place of the built-in one"),
    TEXT("--join-token-file", "FILE", join_token_file,
         "a token that any number of proxies may use"),
    TEXT("--join-namespace", "NS", join_namespace, "the namespace of that token (default)"),
    TEXT("--server-name", "NAME", server_name, "a further name for the server's certificate"),
    SWITCH("--local", local, "providers from the environment when no policy names one"),
    TEXT("--alert-commands", "LIST", alert_commands,
         "programs that a budget's alerts may run: NAME=/PATH,NAME=/PATH (none)"),
    {"--drain-ms", "MS", WEIR_FLAG_NUMBER, offsetof(struct weir_control_options, drain_ms), 0,
     3600000, "how long proxies are said goodbye to after SIGTERM (0)"},
    TEXT("--log-level", "LEVEL", log_level, "debug, info, warn or error (info)"),
    SWITCH("--help", help, "this text"),
    SWITCH("--version", version, "the version"),
};

int weir_control_options_parse(int argc, char **argv, struct weir_control_options *out, char *error,
                               size_t size)
{
    struct weir_control_options o = {.grpc = "127.0.0.1:7080",
                                     .api = "127.0.0.1:7081",
                                     .join_namespace = "default",
                                     .log_level = "info"};

    if (weir_flags_parse(rows, sizeof rows / sizeof *rows, argc, argv, &o, error, size))
        return WEIR_EINVAL;
    if ((!o.state || !o.policy) && !o.help && !o.version) {
        snprintf(error, size, "--state DIR and --policy DIR are required");
        return WEIR_EINVAL;
    }
    *out = o;
    return WEIR_OK;
}

void weir_control_options_help(void)
{
    printf("weir-control: the control plane of Weir\n\n"
           "  weir-control --state DIR --policy DIR [--store URI] [--grpc unix:PATH|HOST:PORT] "
           "[--api HOST:PORT] "
           "...\n\n");
    weir_flags_help(rows, sizeof rows / sizeof *rows);
}
