/* shared_policy.h - changes that `weir apply` and `weir delete` make at one replica reach the
 * policy folders of all: changed files travel by the shared store, under a revision that grows.
 * What is changed by hand in a folder stays there. Any thread; every call may block. */
#ifndef WEIR_CONTROL_SHARED_POLICY_H
#define WEIR_CONTROL_SHARED_POLICY_H

#include "controlplane/config/apply.h"

struct weir_shared_policy;

/* path: the policy's folder or file; state: where the revision that it has is kept. Brings the
 * folder up to date. Errors as store.h; WEIR_EIO: a file can't be written. */
WEIR_NODISCARD int weir_shared_policy_open(const char *dsn, const char *path, const char *state,
                                           struct weir_shared_policy **out);
void weir_shared_policy_close(struct weir_shared_policy *p); /* NULL is fine */

/* Fetches what other replicas changed. *out_changed: a file is another. */
WEIR_NODISCARD int weir_shared_policy_sync(struct weir_shared_policy *p, bool *out_changed);

/* For the policy's source options; borrowed. */
const struct weir_policy_shared *weir_shared_policy_hooks(struct weir_shared_policy *p);

#endif
