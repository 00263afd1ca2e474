/* apply.h - changes to the policy folder: what a manifest would change, and writing it. Blocks on
 * the disk: for pool threads. One writer at a time is the caller's duty (the API has one lock). */
#ifndef WEIR_CONFIG_APPLY_H
#define WEIR_CONFIG_APPLY_H

#include "controlplane/config/source.h"

enum weir_policy_action {
    WEIR_POLICY_CREATED,
    WEIR_POLICY_CHANGED,
    WEIR_POLICY_UNCHANGED,
    WEIR_POLICY_DELETED,
};

/* Lives in the arena of the plan. */
struct weir_policy_change {
    enum weir_policy_action action;
    const char *type, *ns, *name;
    const char *file;   /* that holds it, or will */
    const char *before; /* YAML; "" when it is new */
    const char *after;  /* YAML; "" when it is deleted */
};

struct weir_policy_plan {
    struct weir_policy_change *list;
    size_t count;
};

/* Would the control plane take the policy at o->path as it is now? A missing path is an empty
 * policy. WEIR_EINVAL: errors has the reasons; WEIR_EIO: a file went away while it was read. */
WEIR_NODISCARD int weir_policy_check(const struct weir_policy_source_options *o,
                                     struct weir_arena *arena, struct weir_data_errors *errors);

/* What applying text (named file_name in errors) to the policy at path would do. The folder is read
 * anew, and the whole set that would result is checked. WEIR_EINVAL: errors has the reasons;
 * WEIR_EIO: the folder can't be read. */
WEIR_NODISCARD int weir_policy_plan(const struct weir_policy_source_options *o,
                                    struct weir_str file_name, struct weir_str text,
                                    struct weir_arena *arena, struct weir_data_errors *errors,
                                    struct weir_policy_plan *out);
/* The same, then writes each object into the file that already holds it, else into
 * kind-ns-name.yaml; each file is replaced atomically. */
WEIR_NODISCARD int weir_policy_apply(const struct weir_policy_source_options *o,
                                     struct weir_str file_name, struct weir_str text,
                                     struct weir_arena *arena, struct weir_data_errors *errors,
                                     struct weir_policy_plan *out);
/* Removes one object from the file that holds it. WEIR_ENOTFOUND; WEIR_EINVAL: another object needs
 * it, or the folder has errors. */
WEIR_NODISCARD int weir_policy_delete(const struct weir_policy_source_options *o,
                                      struct weir_str type, struct weir_str ns,
                                      struct weir_str name, struct weir_arena *arena,
                                      struct weir_data_errors *errors,
                                      struct weir_policy_plan *out);

#endif
