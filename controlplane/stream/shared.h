/* shared.h - what replicas on one PostgreSQL share to enrol proxies: the CA and the join tokens.
 *
 * The CA's key lies in the table `authority` as it lies in ca.key otherwise: whoever may read the
 * database may sign. Any thread; every call waits for the server, so none belongs on a loop. */
#ifndef WEIR_STREAM_SHARED_H
#define WEIR_STREAM_SHARED_H

#include "controlplane/stream/tokens.h"
#include "pki/pki.h"

struct weir__shared;

/* Errors as weir_store_open and weir_store_migrate. */
WEIR_NODISCARD int weir__shared_open(const char *dsn, struct weir__shared **out);
void weir__shared_close(struct weir__shared *s); /* NULL is fine */

/* The CA of all replicas. The first one makes it, or brings its folder's along, so that proxies
 * which were enrolled there stay so. Its certificate is written to folder/ca.crt. WEIR_ESTATE: the
 * folder holds the key of another CA; WEIR_ECORRUPT; WEIR_EIO; WEIR_ECONNECT. */
WEIR_NODISCARD int weir__shared_ca(struct weir__shared *s, const char *folder,
                                   struct weir_ca **out);

/* WEIR_ELIMIT: WEIR__TOKENS_MAX are open. */
WEIR_NODISCARD int weir__shared_token_add(struct weir__shared *s, struct weir_str digest_hex,
                                          const char *ns, int64_t expires_ms);
/* Uses it up at all replicas. WEIR_EAUTH: unknown, used or too old. */
WEIR_NODISCARD int weir__shared_token_use(struct weir__shared *s, struct weir_str digest_hex,
                                          char out_ns[WEIR__TOKENS_NS_BYTES]);

#endif
