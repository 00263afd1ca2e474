#include "common/http/percent.h"

static int hex_digit(char ch)
{
    return ch >= '0' && ch <= '9'   ? ch - '0'
           : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
           : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                    : -1;
}

int weir_percent_decode(struct weir_arena *a, struct weir_str s, bool form, struct weir_str *out)
{
    char *p = weir_arena_alloc(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (ch == '%') {
            int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int lo = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

            if (hi < 0 || lo < 0)
                return WEIR_EINVAL;
            ch = (char)(hi << 4 | lo);
            i += 2;
        } else if (ch == '+' && form) {
            ch = ' ';
        }
        if (ch == 0)
            return WEIR_EINVAL;
        p[n++] = ch;
    }
    p[n] = 0;
    *out = (struct weir_str){p, n};
    return WEIR_OK;
}

static bool is_unreserved(char ch)
{
    return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
           ch == '-' || ch == '.' || ch == '_' || ch == '~';
}

struct weir_str weir_percent_encode(struct weir_arena *a, struct weir_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *p = weir_arena_alloc(a, 3 * s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (is_unreserved(s.p[i])) {
            p[n++] = s.p[i];
            continue;
        }
        p[n++] = '%';
        p[n++] = hex[ch >> 4];
        p[n++] = hex[ch & 15];
    }
    p[n] = 0;
    return (struct weir_str){p, n};
}
