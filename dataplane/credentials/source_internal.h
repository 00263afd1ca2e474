/* source_internal.h - what the files about sources share. */
#ifndef WEIR_CREDENTIALS_SOURCE_INTERNAL_H
#define WEIR_CREDENTIALS_SOURCE_INTERNAL_H

#include "dataplane/credentials/source.h"

/* A wall-clock end of 0: the token tells none, and is taken to last this long. */
enum { WEIR__CRED_UNTOLD_MS = 300000 };

struct weir_cred_token *weir__cred_token_bearer(struct weir_str bearer, int64_t expires_ms);
struct weir_cred_token *weir__cred_token_aws(const struct weir_sigv4_keys *keys,
                                             int64_t expires_ms);

/* "header.claims.signature" of a service account (RFC 7515, RS256). WEIR_EINVAL: its key can't
 * sign. */
WEIR_NODISCARD int weir__cred_assertion(const struct weir_cred_conf *c, int64_t now_ms,
                                        struct weir_arena *a, struct weir_str *out);

#endif
