/* str.c - see str.h. */
#include "base/str.h"

static unsigned char fold(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

bool weir_str_ieq(struct weir_str a, struct weir_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (fold(a.p[i]) != fold(b.p[i]))
            return false;
    return true;
}

bool weir_str_iany(struct weir_str s, const struct weir_str *of, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (of[i].n == s.n && weir_str_ieq(s, of[i]))
            return true;
    return false;
}

bool weir_str_starts(struct weir_str s, struct weir_str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool weir_str_ends(struct weir_str s, struct weir_str suffix)
{
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct weir_str weir_str_trim(struct weir_str s)
{
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct weir_str weir_str_cut(struct weir_str s, char c, struct weir_str *rest)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    if (!at) {
        *rest = WEIR_STR_NULL;
        return s;
    }
    *rest = (struct weir_str){at + 1, (size_t)(s.p + s.n - at - 1)};
    return (struct weir_str){s.p, (size_t)(at - s.p)};
}

int weir_str_i64(struct weir_str s, int64_t *out)
{
    return weir_str_decimal(s, 0, out);
}

int weir_str_decimal(struct weir_str s, unsigned scale, int64_t *out)
{
    bool negative = s.n && s.p[0] == '-', point = false;
    size_t i = negative ? 1 : 0, digits = 0;
    unsigned decimals = 0;
    int64_t v = 0;

    for (; i < s.n; i++) {
        char c = s.p[i];

        if (c == '.' && !point && scale > 0) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return WEIR_EINVAL;
        digits++;
        if (point && decimals == scale) {
            if (c != '0')
                return WEIR_EINVAL; /* finer than the unit: never rounded in silence */
            continue;
        }
        decimals += point;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, c - '0', &v))
            return WEIR_EINVAL;
    }
    if (digits == 0 || s.p[s.n - 1] == '.')
        return WEIR_EINVAL;
    for (; decimals < scale; decimals++)
        if (__builtin_mul_overflow(v, 10, &v))
            return WEIR_EINVAL;
    /* Counted downwards so that INT64_MIN can be read. */
    if (!negative && __builtin_mul_overflow(v, -1, &v))
        return WEIR_EINVAL;
    *out = v;
    return WEIR_OK;
}

bool weir_str_glob(struct weir_str pattern, struct weir_str s)
{
    size_t p = 0, i = 0, star = SIZE_MAX, mark = 0;

    while (i < s.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = i;
        } else if (p < pattern.n && pattern.p[p] == s.p[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

bool weir_str_eq_secret(struct weir_str a, struct weir_str b)
{
    volatile unsigned char diff = a.n != b.n;

    for (size_t i = 0; i < a.n && i < b.n; i++)
        diff |= (unsigned char)(a.p[i] ^ b.p[i]);
    return diff == 0;
}

void weir_hex(const void *bytes, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = bytes;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)fold(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int weir_unhex(struct weir_str hex, void *out, size_t n)
{
    unsigned char *b = out;

    if (hex.n != 2 * n)
        return WEIR_EINVAL;
    for (size_t i = 0; i < hex.n; i++)
        if (hex_digit(hex.p[i]) < 0)
            return WEIR_EINVAL;
    for (size_t i = 0; i < n; i++)
        b[i] = (unsigned char)((unsigned)hex_digit(hex.p[2 * i]) << 4 |
                               (unsigned)hex_digit(hex.p[2 * i + 1]));
    return WEIR_OK;
}
