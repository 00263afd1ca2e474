/* tokens.h - a worker's copy of the tokens that the hub keeps fresh, and the calls that wait for a
 * first one. One loop's thread. */
#ifndef WEIR_PROXY_TOKENS_H
#define WEIR_PROXY_TOKENS_H

#include "base/list.h"
#include "dataplane/credentials/source.h"
#include "dataplane/proxy/policy.h"

struct weir_tokens;

struct weir_tokens_waiter {
    struct weir_link link; /* init it; removing it ends the wait */
    void (*fn)(struct weir_tokens_waiter *w);
};

struct weir_tokens *weir_tokens_create(void);
void weir_tokens_destroy(struct weir_tokens *t); /* nobody waits any more; NULL is fine */

/* The news of a source, by its key: a token (the reference is taken over), or a problem. Those who
 * wait for it are called. */
void weir_tokens_take(struct weir_tokens *t, const unsigned char *key,
                      struct weir_cred_token *token, struct weir_str problem);

/* Forgets what the policy's providers don't name and nobody waits for. */
void weir_tokens_prune(struct weir_tokens *t, const struct weir_policy *p);

/* WEIR_OK: *out is borrowed until the loop's next turn. WEIR_EAUTH: *why says what was the matter
 * with the last fetch. WEIR_EWAIT: none has come yet; w (armed by this) is called with the news. */
WEIR_NODISCARD int weir_tokens_get(struct weir_tokens *t, const struct weir_cred_source *s,
                                   int64_t wall_ms, struct weir_tokens_waiter *w,
                                   const struct weir_cred_token **out, const char **why);

#endif
