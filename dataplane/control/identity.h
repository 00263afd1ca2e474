/* identity.h - the proxy's certificate: kept in the state folder, bought with a token, renewed at
 * 50 to 70 % of its life. Hub loop only; keys are made in the pool. */
#ifndef WEIR_CONTROL_IDENTITY_H
#define WEIR_CONTROL_IDENTITY_H

#include "dataplane/control/control.h"
#include "grpc/rpc.h"

struct weir__identity;

/* rc WEIR_OK: a certificate is at hand. WEIR_EAUTH: the control plane refuses; no use to hurry. */
typedef void (*weir__identity_fn)(void *arg, int rc);

/* Reads the CA and what the state folder holds. Options are borrowed for its life. WEIR_EINVAL: the
 * CA's file can't be read. */
WEIR_NODISCARD int weir__identity_create(uv_loop_t *loop, struct weir_grpc *g,
                                         const struct weir_control_options *o,
                                         struct weir__identity **out);
/* done runs when its work and handles are gone. */
void weir__identity_destroy(struct weir__identity *id, void (*done)(void *arg), void *arg);

/* What a channel needs now; WEIR_ENOTFOUND: no valid certificate: get one. */
WEIR_NODISCARD int weir__identity_tls(struct weir__identity *id, struct weir_grpc_tls *out);
/* Gets a first certificate; done runs later, once. Not while one is being got. */
void weir__identity_get(struct weir__identity *id, weir__identity_fn done, void *arg);

#endif
