/* targets.h - the health of every target that one worker has called: one per provider, model and
 * credential. It outlives policies, so that a reload forgets nothing. One thread; bounded: the
 * target that was called the longest time ago makes room, never one with a call under way. */
#ifndef WEIR_PROXY_TARGETS_H
#define WEIR_PROXY_TARGETS_H

#include "base/str.h"
#include "dataplane/proxy/health.h"

enum { WEIR_TARGETS_MAX = 1024 };

struct weir_targets; /* opaque */

/* seed: random, so that callers can't choose model names that share an entry. */
struct weir_targets *weir_targets_create(uint64_t seed);
void weir_targets_destroy(struct weir_targets *t); /* NULL is fine */

/* credential: what the provider limits by: its key, or the caller's own. Never stored. */
uint64_t weir_targets_key(const struct weir_targets *t, struct weir_str provider,
                          struct weir_str model, struct weir_str credential);

/* NULL: not called yet. Good until the next weir_targets_get. */
const struct weir_health *weir_targets_find(const struct weir_targets *t, uint64_t key);

/* Makes it if needed. Good while a call to it is under way (weir_health_begin). */
struct weir_health *weir_targets_get(struct weir_targets *t, uint64_t key);

struct weir_targets_count {
    int64_t cooling, open;
};

struct weir_targets_count weir_targets_count(const struct weir_targets *t, int64_t now_ms);

#endif
