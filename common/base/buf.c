/* buf.c - see buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void weir_buf_init(struct weir_buf *b, size_t max_bytes)
{
    *b = (struct weir_buf){.max = max_bytes};
}

void weir_buf_fini(struct weir_buf *b)
{
    free(b->p);
    *b = (struct weir_buf){.max = b->max};
}

void weir_buf_clear(struct weir_buf *b)
{
    b->n = 0;
    b->full = false;
}

char *weir_buf_reserve(struct weir_buf *b, size_t n)
{
    if (n > b->max || b->n > b->max - n) {
        b->full = true;
        return NULL;
    }
    if (b->n + n > b->cap) {
        size_t cap = b->cap ? b->cap : 256;

        while (cap < b->n + n)
            cap = cap < SIZE_MAX / 2 ? cap * 2 : b->n + n;
        if (cap > b->max)
            cap = b->max;
        b->p = weir_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void weir_buf_grown(struct weir_buf *b, size_t n)
{
    WEIR_ASSERT(n <= b->cap - b->n);
    b->n += n;
}

int weir_buf_add(struct weir_buf *b, const void *p, size_t n)
{
    char *to;

    if (n == 0)
        return WEIR_OK;
    to = weir_buf_reserve(b, n);
    if (!to)
        return WEIR_ELIMIT;
    memcpy(to, p, n);
    b->n += n;
    return WEIR_OK;
}

int weir_buf_adds(struct weir_buf *b, struct weir_str s)
{
    return weir_buf_add(b, s.p, s.n);
}

int weir_buf_addz(struct weir_buf *b, const char *z)
{
    return weir_buf_add(b, z, strlen(z));
}

int weir_buf_addf(struct weir_buf *b, const char *fmt, ...)
{
    va_list args;
    char small[256], *to;
    int n;

    va_start(args, fmt);
    n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    WEIR_ASSERT(n >= 0);
    if ((size_t)n < sizeof small)
        return weir_buf_add(b, small, (size_t)n);
    to = weir_buf_reserve(b, (size_t)n + 1);
    if (!to)
        return WEIR_ELIMIT;
    va_start(args, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, args);
    va_end(args);
    b->n += (size_t)n;
    return WEIR_OK;
}

int weir_buf_addi(struct weir_buf *b, int64_t v)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    do {
        digits[--at] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0)
        digits[--at] = '-';
    return weir_buf_add(b, digits + at, sizeof digits - at);
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), 0 when it is invalid or cut. */
static size_t utf8_len(struct weir_str s)
{
    const unsigned char *u = (const unsigned char *)s.p;
    size_t n;
    unsigned lo = 0x80, hi = 0xBF;

    if (u[0] < 0x80)
        return 1;
    if (u[0] < 0xC2 || u[0] > 0xF4)
        return 0;
    n = u[0] < 0xE0 ? 2 : u[0] < 0xF0 ? 3 : 4;
    if (s.n < n)
        return 0;
    if (u[0] == 0xE0)
        lo = 0xA0;
    else if (u[0] == 0xED)
        hi = 0x9F;
    else if (u[0] == 0xF0)
        lo = 0x90;
    else if (u[0] == 0xF4)
        hi = 0x8F;
    if (u[1] < lo || u[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((u[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

bool weir_str_is_utf8(struct weir_str s)
{
    for (size_t i = 0; i < s.n;) {
        size_t len = utf8_len((struct weir_str){s.p + i, s.n - i});

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* The code point, where it is a control or a separator that YAML doesn't read back and that a
 * terminal may obey: C1, U+2028, U+2029, the byte order mark, U+FFFE and U+FFFF (YAML 1.2.2, 5.1).
 * 0: none. */
static unsigned hidden_control(const unsigned char *u, size_t len)
{
    unsigned c = 0;

    if (len == 2)
        c = (u[0] & 0x1Fu) << 6 | (u[1] & 0x3Fu);
    else if (len == 3)
        c = (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
    return (c >= 0x80 && c < 0xA0) || c == 0x2028 || c == 0x2029 || c == 0xFEFF || c >= 0xFFFE ? c
                                                                                               : 0;
}

static void add_escape(struct weir_buf *b, unsigned c)
{
    static const char names[] = "btn.fr"; /* for 8..13 */

    if (c == '"' || c == '\\')
        weir_buf_add(b, (char[]){'\\', (char)c}, 2);
    else if (c >= 8 && c <= 13 && c != 11)
        weir_buf_add(b, (char[]){'\\', names[c - 8]}, 2);
    else
        weir_buf_addf(b, "\\u%04x", c);
}

int weir_buf_add_json(struct weir_buf *b, struct weir_str s)
{
    size_t start = b->n, run = 0, i = 0;

    weir_buf_add(b, "\"", 1);
    while (i < s.n) {
        unsigned char c = (unsigned char)s.p[i];
        size_t len = utf8_len((struct weir_str){s.p + i, s.n - i});
        unsigned hidden = len > 1 ? hidden_control((const unsigned char *)s.p + i, len) : 0;

        if ((len > 1 && !hidden) || (len == 1 && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)) {
            i += len;
            continue;
        }
        weir_buf_add(b, s.p + run, i - run);
        if (len == 0)
            weir_buf_add(b, "\xEF\xBF\xBD", 3);
        else
            add_escape(b, hidden ? hidden : c);
        i += len ? len : 1;
        run = i;
    }
    weir_buf_add(b, s.p ? s.p + run : "", i - run);
    weir_buf_add(b, "\"", 1);
    if (!b->full)
        return WEIR_OK;
    b->n = start;
    return WEIR_ELIMIT;
}

void weir_buf_drop(struct weir_buf *b, size_t n)
{
    WEIR_ASSERT(n <= b->n);
    b->n -= n;
    if (b->n)
        memmove(b->p, b->p + n, b->n);
}

int weir_buf_add_base64(struct weir_buf *b, struct weir_str s, bool url)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t total = (s.n + 2) / 3 * 4, at = 0;
    char *to = s.n && s.n <= b->max ? weir_buf_reserve(b, total) : NULL;

    if (s.n == 0)
        return WEIR_OK;
    if (!to) {
        b->full = true;
        return WEIR_ELIMIT;
    }
    for (size_t i = 0; i < s.n; i += 3) {
        size_t n = s.n - i < 3 ? s.n - i : 3;
        uint32_t v = 0;

        for (size_t k = 0; k < 3; k++)
            v = v << 8 | (k < n ? (unsigned char)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++) {
            char c = k <= n ? plain[v >> (18 - 6 * k) & 63] : '=';

            if (!url || c != '=')
                to[at++] = !url ? c : c == '+' ? '-' : c == '/' ? '_' : c;
        }
    }
    weir_buf_grown(b, at);
    return WEIR_OK;
}
