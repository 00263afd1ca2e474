/* rand.h - random bytes and ids. */
#ifndef WEIR_BASE_RAND_H
#define WEIR_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void weir_rand_bytes(void *p,
                     size_t n); /* from the kernel; for keys, tokens and seeds. Any thread. */

/* A fast generator for ids and jitter, not for secrets. One per loop; seed with weir_rand_bytes. */
struct weir_prng {
    uint64_t s[2];
};

void weir_prng_seed(struct weir_prng *r);
uint64_t weir_prng_next(struct weir_prng *r);
uint64_t weir_prng_below(struct weir_prng *r, uint64_t n); /* 0 <= result < n; n > 0 */

#endif
