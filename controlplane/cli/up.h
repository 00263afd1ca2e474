/* up.h - the parts of `weir up`: what it found out, and what it prints of it. */
#ifndef WEIR_CLI_UP_H
#define WEIR_CLI_UP_H

#include "base/buf.h"
#include "controlplane/cli/cli.h"

struct weir_up_facts {
    const char *gateway; /* "http://127.0.0.1:7070" */
    const char *key;
    const char *model; /* one that the gateway serves */
};

/* Can this address be listened on? Complains with the flag that changes it. */
bool weir__up_address_is_free(struct weir_cli *cli, const char *address, const char *flag);
/* Would weir-control take the policy at path? Complains with every error. */
bool weir__up_policy_is_valid(struct weir_cli *cli, const char *path);

/* One line to copy for each known harness. */
void weir__up_harness_lines(const struct weir_up_facts *f, struct weir_buf *out);

/* For a program that started `weir up`: "gateway=URL" and "model=NAME", a line each. The file is
 * there whole or not at all. WEIR_EIO with errno. */
WEIR_NODISCARD int weir__up_write_ready(const struct weir_up_facts *f, const char *path);

#endif
