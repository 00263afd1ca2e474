/* wire.h - writes protobuf wire format (the encoding's varints, fixed words and length-delimited
 * fields) straight into memory that the caller made large enough. Private to telemetry. */
#ifndef WEIR_TELEMETRY_WIRE_H
#define WEIR_TELEMETRY_WIRE_H

#include "base/str.h"

enum { WEIR_WIRE_VARINT_MAX = 10, WEIR_WIRE_FIELD_MAX = 20 /* of a number with its tag */ };

static inline char *weir__wire_varint(char *p, uint64_t v)
{
    while (v >= 0x80) {
        *p++ = (char)(v | 0x80);
        v >>= 7;
    }
    *p++ = (char)v;
    return p;
}

static inline char *weir__wire_tag(char *p, unsigned field, unsigned type)
{
    return weir__wire_varint(p, (uint64_t)field << 3 | type);
}

static inline char *weir__wire_u64(char *p, unsigned field, uint64_t v)
{
    return weir__wire_varint(weir__wire_tag(p, field, 0), v);
}

static inline char *weir__wire_fixed64(char *p, unsigned field, uint64_t v)
{
    p = weir__wire_tag(p, field, 1);
    for (int i = 0; i < 8; i++, v >>= 8)
        *p++ = (char)v;
    return p;
}

static inline char *weir__wire_bytes(char *p, unsigned field, const void *s, size_t n)
{
    p = weir__wire_varint(weir__wire_tag(p, field, 2), n);
    if (n > 0)
        memcpy(p, s, n);
    return p + n;
}

/* A nested message of unknown size: its length takes three bytes, padded as varints may be. */
static inline char *weir__wire_open(char *p, unsigned field, char **mark)
{
    p = weir__wire_tag(p, field, 2);
    *mark = p;
    return p + 3;
}

static inline void weir__wire_close(char *mark, const char *end)
{
    size_t n = (size_t)(end - mark) - 3; /* < 2^21 */

    mark[0] = (char)(n | 0x80);
    mark[1] = (char)((n >> 7 & 0x7f) | 0x80);
    mark[2] = (char)(n >> 14 & 0x7f);
}

#endif
