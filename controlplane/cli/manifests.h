/* manifests.h - the files that -f names, read and checked on this side; and line differences. */
#ifndef WEIR_CLI_MANIFESTS_H
#define WEIR_CLI_MANIFESTS_H

#include "controlplane/cli/cli.h"
#include "controlplane/config/policy_set.h"

/* Every error on a line of its own: file:line: kind/name: path: what. */
void weir__cli_print_errors(struct weir_cli *cli, const struct weir_data_errors *errors);

struct weir_cli_manifests {
    struct weir_policy_text *texts; /* in the arena */
    size_t count, cap;
};

/* Files, the .yaml, .yml and .json files of folders, "-" for standard input. Complains; an exit
 * code. */
int weir__cli_manifests_read(struct weir_cli *cli, struct weir_cli_manifests *out);
/* All as one stream of documents, for the API. */
struct weir_str weir__cli_manifests_join(struct weir_cli *cli, const struct weir_cli_manifests *m,
                                         const char **out_name);

/* Lines of both texts, those that differ marked with - and +, a few equal ones around them. */
void weir__cli_print_diff(struct weir_cli *cli, const char *before, const char *after);

#endif
