/* cache.h - whole answers of one worker, by the hash of all that they depend on.
 *
 * Bounded by bytes: the one that was used longest ago goes first. No clock of its own. */
#ifndef WEIR_PROXY_CACHE_H
#define WEIR_PROXY_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"

struct weir_cache;

struct weir_cache_key {
    unsigned char bytes[WEIR_SHA256_BYTES];
};

struct weir_cached {
    bool event_stream;
    struct weir_str provider; /* whose answer it is */
    struct weir_str body;
};

struct weir_cache *weir_cache_create(size_t max_bytes);
void weir_cache_destroy(struct weir_cache *c); /* NULL is fine */

/* False: there is none, or it is too old. Its texts are borrowed until the cache is called again.
 */
bool weir_cache_find(struct weir_cache *c, const struct weir_cache_key *key, int64_t now_ms,
                     struct weir_cached *out);
/* Copies the texts, in place of what had the key. One that is larger than an eighth of the cache is
 * not kept. */
void weir_cache_keep(struct weir_cache *c, const struct weir_cache_key *key,
                     const struct weir_cached *what, int64_t until_ms);
size_t weir_cache_bytes(const struct weir_cache *c);

#endif
