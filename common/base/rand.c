/* rand.c - see rand.h; the generator is xoroshiro128+. */
#include "base/rand.h"

#include <sys/random.h>

#include "base/err.h"

void weir_rand_bytes(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n < 256 ? n : 256, 0);

        WEIR_ASSERT(got > 0);
        at += got;
        n -= (size_t)got;
    }
}

void weir_prng_seed(struct weir_prng *r)
{
    do
        weir_rand_bytes(r->s, sizeof r->s);
    while (r->s[0] == 0 && r->s[1] == 0);
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t weir_prng_next(struct weir_prng *r)
{
    uint64_t a = r->s[0], b = r->s[1], result = a + b;

    b ^= a;
    r->s[0] = rotl(a, 24) ^ b ^ b << 16;
    r->s[1] = rotl(b, 37);
    return result;
}

uint64_t weir_prng_below(struct weir_prng *r, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)weir_prng_next(r) * n) >> 64);
}
