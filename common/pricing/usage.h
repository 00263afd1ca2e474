/* usage.h - the tokens of a call, in one sense for all providers. */
#ifndef WEIR_PRICING_USAGE_H
#define WEIR_PRICING_USAGE_H

#include <stdbool.h>
#include <stdint.h>

/* Tokens. -1: the provider did not say; 0 is an answer. Every dialect is brought to the same sense:
 * input is the whole input; the three cache figures are parts of it and don't overlap (cache_write
 * are five-minute writes); reasoning is a part of output; audio is a part of input that
 * no cache gave, or of output that is no reasoning. */
struct weir_usage {
    int64_t input, output;
    int64_t cache_read, cache_write, cache_write_1h;
    int64_t reasoning;
    int64_t audio_input, audio_output;
    int64_t web_searches; /* not tokens: uses of the provider's own tool */
    bool estimated;       /* counted here for want of the provider's figure */
};

#define WEIR_USAGE_NONE ((struct weir_usage){-1, -1, -1, -1, -1, -1, -1, -1, -1, false})

#endif
