#include "data/json_internal.h"
#include "data/json_scan.h"

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++) {
        char c = p[i];

        v = v * 16 + (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v & 0xffff;
}

static size_t put_utf8(unsigned c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* One escape at *p, which moves behind it; its text's length, at most four bytes. Never reads past
 * end, even where the text was not checked before. */
static size_t escape(const char **p, const char *end, char out[4])
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *q = *p + 1, *hit;
    unsigned c;

    if (q >= end) {
        *p = end;
        return 0;
    }
    if (*q != 'u') {
        hit = *q ? strchr(from, *q) : NULL;
        out[0] = hit ? to[hit - from] : *q;
        *p = q + 1;
        return 1;
    }
    if (end - q < 5) {
        *p = end;
        return 0;
    }
    c = hex4(q + 1);
    *p = q + 5;
    if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
        unsigned low = hex4(*p + 2);

        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return put_utf8(0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), out);
        }
    }
    if (c >= 0xd800 && c < 0xe000)
        c = 0xfffd;
    return put_utf8(c, out);
}

size_t weir_json_unescape(struct weir_str raw, char *out)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    char *to = out;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t n = (size_t)((slash ? slash : end) - p);

        memmove(to, p, n);
        to += n;
        p += n;
        if (p < end) {
            char c[4];
            size_t got = escape(&p, end, c);

            memcpy(to, c, got);
            to += got;
        }
    }
    return (size_t)(to - out);
}

bool weir_json_is(struct weir_str raw, const char *text)
{
    const char *p = raw.p, *end;
    size_t n;

    /* Nearly all differ in the first byte; an escape may stand for any. */
    if (raw.n == 0 || (*p != *text && *p != '\\'))
        return p && raw.n == 0 && !*text;
    n = strlen(text);
    end = p + raw.n;
    if (raw.n == n && memcmp(raw.p, text, n) == 0)
        return true; /* the texts asked for have no backslash */
    if (raw.n <= n || raw.n > 6 * n || !memchr(raw.p, '\\', raw.n))
        return false;
    while (p < end) {
        char c[4];
        size_t got = 1;

        if (*p == '\\')
            got = escape(&p, end, c);
        else
            c[0] = *p++;
        if (got > n || memcmp(c, text, got) != 0)
            return false;
        text += got;
        n -= got;
    }
    return n == 0;
}

size_t weir_json_text_bytes(struct weir_str raw)
{
    const char *p = raw.p, *end = raw.p + raw.n;
    size_t n = 0;

    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));

        n += (size_t)((slash ? slash : end) - p);
        p = slash ? slash : end;
        if (p < end) {
            char c[4];

            n += escape(&p, end, c);
        }
    }
    return n;
}
