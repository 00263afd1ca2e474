/* options.h - the command line of weir-control. The strings are borrowed from argv. */
#ifndef WEIR_CONTROL_OPTIONS_H
#define WEIR_CONTROL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct weir_control_options {
    const char *state;      /* folder of the ledger, the records, the CA and the tokens */
    const char *policy;     /* folder or file of manifests */
    const char *store;      /* a PostgreSQL's DSN; NULL: databases in the state folder */
    const char *store_file; /* that holds the DSN */
    const char *grpc;       /* unix:PATH or HOST:PORT */
    const char *api;        /* HOST:PORT */
    const char *prices;     /* a manifest in place of the built-in price list */
    const char *join_token_file, *join_namespace;
    const char *server_name;    /* a further name for the server's certificate */
    const char *alert_commands; /* "NAME=PATH,...": what alerts of a policy may run */
    const char *log_level;
    int64_t drain_ms;
    bool local; /* providers from the environment when no policy names one */
    bool help, version;
};

/* WEIR_EINVAL: error (size bytes) says which flag is wrong and how to mend it. */
WEIR_NODISCARD int weir_control_options_parse(int argc, char **argv,
                                              struct weir_control_options *out, char *error,
                                              size_t size);
void weir_control_options_help(void); /* to standard output */

#endif
