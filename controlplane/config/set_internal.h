/* set_internal.h - what the files that make a policy set share. */
#ifndef WEIR_CONFIG_SET_INTERNAL_H
#define WEIR_CONFIG_SET_INTERNAL_H

#include "controlplane/config/policy_set.h"

/* An object on its way into a set. */
struct weir__config_item {
    struct weir_data_object o; /* message NULL: it has errors of its own */
    bool built_in;
    size_t order; /* of reading */
};

/* Items sorted by type, namespace, name, order. Adds what does not fit together to errors. */
void weir__config_check(const struct weir__config_item items[], size_t n,
                        struct weir_data_errors *errors);

/* Among sorted items; NULL: none. */
const struct weir__config_item *weir__config_find(const struct weir__config_item items[], size_t n,
                                                  const char *type, const char *ns,
                                                  const char *name);

int weir__config_compare(const void *a, const void *b); /* the order, for qsort */

#endif
