/* secrets.h - the pushed secrets that a set asks for, read from the control plane's environment and
 * files. Values are wiped when they are freed. Blocks: for pool threads. */
#ifndef WEIR_CONFIG_SECRETS_H
#define WEIR_CONFIG_SECRETS_H

#include "controlplane/config/policy_set.h"

enum { WEIR_CONFIG_MAX_SECRET_BYTES = 64 << 10 };

struct weir__config_secrets {
    struct weir_policy_secret *list;
    size_t n;
};

/* What can't be read is added to errors, and left out. set may be NULL. */
void weir__config_secrets_read(const struct weir_policy_set *set, struct weir_data_errors *errors,
                               struct weir__config_secrets *out);
void weir__config_secrets_free(struct weir__config_secrets *s);
bool weir__config_secrets_equal(const struct weir__config_secrets *a,
                                const struct weir__config_secrets *b);

#endif
