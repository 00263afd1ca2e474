/* refresher.h - keeps one good token for each source: fetched when the source is new, renewed
 * before its end, tried again after a failure while the last good one stays in force.
 *
 * One loop's thread, which may read small files (the token files of projected identities). */
#ifndef WEIR_CREDENTIALS_REFRESHER_H
#define WEIR_CREDENTIALS_REFRESHER_H

#include <uv.h>

#include "dataplane/credentials/source.h"

struct weir_refresher;

/* A source has a new token, or (token NULL) a fetch failed: problem is a sentence without secrets.
 * Both are borrowed. */
typedef void (*weir_refresher_fn)(void *arg, const struct weir_cred_source *s,
                                  struct weir_cred_token *token, const char *problem);

/* NULL: the loop refused a handle. */
struct weir_refresher *weir_refresher_create(uv_loop_t *loop, weir_refresher_fn fn, void *arg);
/* Cancels what is under way; frees itself once the loop has closed its connections. NULL is fine.
 */
void weir_refresher_destroy(struct weir_refresher *r);

/* The sources from now on: those that were there already keep their token and their time, new ones
 * are fetched at once, others are forgotten. References are taken. */
void weir_refresher_set(struct weir_refresher *r, struct weir_cred_source *const *sources,
                        size_t n);

/* Starts what is due; call it about once a second. */
void weir_refresher_tick(struct weir_refresher *r);

/* When a token that was made at now_ms and ends at expires_ms is renewed: after three quarters of
 * its life and up to a tenth more, so that many proxies don't come at once. random: any number. */
int64_t weir_refresher_due_ms(int64_t now_ms, int64_t expires_ms, uint64_t random);

#endif
