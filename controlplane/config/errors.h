/* errors.h - making the list that source.h hands out. */
#ifndef WEIR_CONFIG_ERRORS_H
#define WEIR_CONFIG_ERRORS_H

#include <stdatomic.h>

#include "controlplane/config/source.h"

struct weir_policy_errors {
    atomic_uint refs;
    struct weir_data_errors list;
};

struct weir_policy_errors *weir__policy_errors_create(void); /* empty, one reference */
void weir__policy_errors_append(struct weir_policy_errors *to, const struct weir_data_errors *from);
bool weir__policy_errors_equal(const struct weir_policy_errors *a,
                               const struct weir_policy_errors *b);

#endif
