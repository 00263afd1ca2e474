/* json_internal.h - how strings are run through at speed; shared by the reader and the tap. */
#ifndef WEIR_DATA_JSON_INTERNAL_H
#define WEIR_DATA_JSON_INTERNAL_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define WEIR_JSON_LOW 0x0101010101010101ULL
#define WEIR_JSON_HIGH 0x8080808080808080ULL

/* Non-zero when some byte of w is c. */
static inline uint64_t weir_json_has(uint64_t w, unsigned char c)
{
    uint64_t x = w ^ (WEIR_JSON_LOW * c);

    return (x - WEIR_JSON_LOW) & ~x & WEIR_JSON_HIGH;
}

/* First byte in [p, end) that plain ASCII text of a string has not: a quote, a backslash, a control
 * character or a byte over 0x7f. */
static inline const char *weir_json_plain(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* The comparison is signed: it finds the bytes over 0x7f as well. */
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
                                   _mm_cmplt_epi8(v, space));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);

        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    for (; end - p >= 8; p += 8) {
        uint64_t w;

        memcpy(&w, p, 8);
        if (((w | (w - WEIR_JSON_LOW * 0x20)) & WEIR_JSON_HIGH) | weir_json_has(w, '"') |
            weir_json_has(w, '\\'))
            break;
    }
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\' || c < 0x20 || c >= 0x80)
            break;
    }
    return p;
}

#if defined(__SSE2__)
/* Of the 64 bytes at p, a bit each: which are backslashes, and which are quotes, control characters
 * or over 0x7f. */
static inline void weir_json_block(const char *p, uint64_t *slash, uint64_t *stop)
{
    const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\');
    const __m128i space = _mm_set1_epi8(0x20);

    *slash = *stop = 0;
    for (unsigned i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmplt_epi8(v, space));

        *slash |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, back)) << i;
        *stop |= (uint64_t)(unsigned)_mm_movemask_epi8(hit) << i;
    }
}

/* Also which may follow a backslash: the sets of their upper and lower halves have a bit in common
 * for those bytes alone. */
__attribute__((target("avx2"))) static inline void
weir_json_block_avx2(const char *p, uint64_t *slash, uint64_t *stop, uint64_t *valid)
{
    const __m256i quote = _mm256_set1_epi8('"'), back = _mm256_set1_epi8('\\');
    const __m256i space = _mm256_set1_epi8(0x20), half = _mm256_set1_epi8(0x0f);
    const __m256i none = _mm256_setzero_si256();
    const __m256i upper = _mm256_setr_epi8(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
                                           0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i lower = _mm256_setr_epi8(0, 0, 13, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1, 0, 0,
                                           13, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1);

    *slash = *stop = *valid = 0;
    for (unsigned i = 0; i < 64; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(v, 4), half);
        __m256i sets = _mm256_and_si256(_mm256_shuffle_epi8(upper, high),
                                        _mm256_shuffle_epi8(lower, _mm256_and_si256(v, half)));
        __m256i hit = _mm256_or_si256(_mm256_cmpeq_epi8(v, quote), _mm256_cmpgt_epi8(space, v));

        *slash |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, back)) << i;
        *stop |= (uint64_t)(uint32_t)_mm256_movemask_epi8(hit) << i;
        *valid |= (uint64_t)(uint32_t)~_mm256_movemask_epi8(_mm256_cmpeq_epi8(sets, none)) << i;
    }
}
#endif

/* First quote or backslash in [p, end). */
static inline const char *weir_json_quote(const char *p, const char *end)
{
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');

    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        unsigned mask = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));

        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    for (; end - p >= 8; p += 8) {
        uint64_t w;

        memcpy(&w, p, 8);
        if (weir_json_has(w, '"') | weir_json_has(w, '\\'))
            break;
    }
    while (p < end && *p != '"' && *p != '\\')
        p++;
    return p;
}

#endif
