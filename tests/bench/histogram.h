/* histogram.h - counts of nanoseconds in buckets that are 1.6 % wide at most, whatever their size.
 *
 * The caller records the time since a call was due, not since it could be sent, so a stall shows in
 * every call that it delayed. */
#ifndef WEIR_BENCH_HISTOGRAM_H
#define WEIR_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BITS = 6, HISTOGRAM_STEPS = 1 << HISTOGRAM_BITS, HISTOGRAM_SIZE = 60 << 6 };

struct histogram {
    uint64_t count;
    uint64_t at[HISTOGRAM_SIZE];
};

static inline unsigned histogram_slot(uint64_t ns)
{
    unsigned shift;

    if (ns < HISTOGRAM_STEPS)
        return (unsigned)ns;
    shift = 63u - (unsigned)__builtin_clzll(ns) - HISTOGRAM_BITS;
    return ((shift + 1) << HISTOGRAM_BITS) + (unsigned)((ns >> shift) & (HISTOGRAM_STEPS - 1));
}

static inline void histogram_add(struct histogram *h, int64_t ns)
{
    unsigned slot = histogram_slot(ns > 0 ? (uint64_t)ns : 0);

    h->at[slot < HISTOGRAM_SIZE ? slot : HISTOGRAM_SIZE - 1]++;
    h->count++;
}

/* The middle of the bucket that holds the quantile, in microseconds; 0 of nothing. */
static inline double histogram_us(const struct histogram *h, double quantile)
{
    uint64_t wanted = (uint64_t)((double)h->count * quantile), seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_SIZE; i++) {
        unsigned shift = i >> HISTOGRAM_BITS;

        seen += h->at[i];
        if (seen <= wanted)
            continue;
        if (shift <= 1)
            return (double)i / 1000.0;
        return ((double)(HISTOGRAM_STEPS + (i & (HISTOGRAM_STEPS - 1))) + 0.5) *
               (double)(1ull << (shift - 1)) / 1000.0;
    }
    return 0;
}

#endif
