/* json_internal.h - how strings are run through at speed; shared by the reader and the tap. */
#ifndef WEIR_DATA_JSON_INTERNAL_H
#define WEIR_DATA_JSON_INTERNAL_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
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
