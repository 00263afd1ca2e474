/* policy.h - the policy as the proxy holds it: resources shared between one policy and the next,
 * and the staging of a transaction. Hub loop only. */
#ifndef WEIR_CONTROL_POLICY_H
#define WEIR_CONTROL_POLICY_H

#include "base/buf.h"
#include "dataplane/control/control.h"
#include "weir/v1/control.pb-c.h"

enum {
    WEIR__POLICY_MAX_RESOURCES = 200000,
    WEIR__POLICY_MAX_BYTES = 64 << 20, /* of one policy, and of one transaction */
};

struct weir__policy;  /* immutable */
struct weir__staging; /* a transaction whose last message has not come */

struct weir__policy *weir__policy_empty(void);
void weir__policy_free(struct weir__policy *p); /* wipes secrets; NULL is fine */
const struct weir_policy_bytes *weir__policy_bytes(const struct weir__policy *p);

struct weir__staging *weir__staging_create(void);
void weir__staging_free(struct weir__staging *s); /* NULL is fine */
/* Copies. WEIR_ELIMIT: past the bounds above; WEIR_EPROTO: a resource without type, name or
 * version, or a message of another transaction. Both stay until the staging is freed. */
WEIR_NODISCARD int weir__staging_add(struct weir__staging *s, const Weir__V1__ConfigTxn *txn);
uint64_t weir__staging_id(const struct weir__staging *s);
const char *weir__staging_revision(const struct weir__staging *s);
/* The policy after the transaction; neither argument changes. WEIR_ELIMIT. */
WEIR_NODISCARD int weir__policy_after(const struct weir__policy *p, const struct weir__staging *s,
                                      struct weir__policy **out);

bool weir__policy_is_secret(const char *type);

/* The last known good file: checksummed, without secrets. */
void weir__lkg_encode(const struct weir__policy *p, struct weir_buf *out);
/* WEIR_ECORRUPT: not what was written. */
WEIR_NODISCARD int weir__lkg_decode(struct weir_str bytes, struct weir__policy **out);

#endif
