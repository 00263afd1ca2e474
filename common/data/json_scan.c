#include "data/json_scan.h"

#include "data/json_internal.h"

static bool fault(struct weir_json *j, const char *at, const char *what)
{
    if (!j->fault) {
        j->fault = what;
        j->fault_at = (size_t)(at - j->begin);
    }
    j->p = j->end;
    return false;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static bool tail(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return false;
    return true;
}

/* Length of the well-formed sequence at p (RFC 3629: shortest form, no surrogates), 0 when it is
 * none. */
static size_t utf8(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);

    if (u[0] < 0xc2)
        return 0;
    if (u[0] < 0xe0)
        return left >= 2 && tail(p + 1, 1) ? 2 : 0;
    if (u[0] < 0xf0) {
        if (left < 3 || !tail(p + 1, 2) || (u[0] == 0xe0 && u[1] < 0xa0) ||
            (u[0] == 0xed && u[1] >= 0xa0))
            return 0;
        return 3;
    }
    if (u[0] > 0xf4 || left < 4 || !tail(p + 1, 3) || (u[0] == 0xf0 && u[1] < 0x90) ||
        (u[0] == 0xf4 && u[1] >= 0x90))
        return 0;
    return 4;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four hex digits, or -1. */
static long hex4(const char *p, const char *end)
{
    long v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int d = hex_digit(p[i]);

        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* What may follow a backslash, and how many bytes the escape then has. */
static const unsigned char escape_bytes[256] = {
    ['"'] = 2, ['\\'] = 2, ['/'] = 2, ['b'] = 2, ['f'] = 2,
    ['n'] = 2, ['r'] = 2,  ['t'] = 2, ['u'] = 6};

/* Behind the escapes at p, of which there often are several in a row; NULL with a fault. */
static const char *escapes_end(struct weir_json *j, const char *p)
{
    const char *end = j->end;

    do {
        size_t n;

        if (p + 1 >= end) {
            fault(j, end, "a string does not end");
            return NULL;
        }
        n = escape_bytes[(unsigned char)p[1]];
        if (n == 0 || (n == 6 && hex4(p + 2, end) < 0)) {
            fault(j, p, "bad escape in a string");
            return NULL;
        }
        p += n;
    } while (p < end && *p == '\\');
    return p;
}

#if defined(__SSE2__)
/* One block of run_escaped(), escape by escape: backslashes may touch. NULL: all of it was run
 * through, *next is behind it and an escape that it ends in. */
static const char *run_pairs(const char *p, uint64_t slash, uint64_t stop, const char **next)
{
    uint64_t before;

    *next = p + 64;
    while ((before = slash & ((stop & (0 - stop)) - 1)) != 0) {
        unsigned i = (unsigned)__builtin_ctzll(before);
        uint64_t pair = (uint64_t)3 << i;

        if (escape_bytes[(unsigned char)p[i + 1]] != 2)
            return p + i;
        slash &= ~pair;
        stop &= ~pair;
        *next += i == 63;
    }
    return stop ? p + __builtin_ctzll(stop) : NULL;
}

static const char *run_escaped_sse2(const char *p, const char *end)
{
    while (end - p > 64) {
        uint64_t slash, stop;
        const char *at;

        weir_json_block(p, &slash, &stop);
        at = run_pairs(p, slash, stop, &p);
        if (at)
            return at;
    }
    return p;
}

/* The same where no two backslashes touch: without a branch for each escape. */
__attribute__((target("avx2"))) static const char *run_escaped_avx2(const char *p, const char *end)
{
    while (end - p > 64) {
        uint64_t slash, stop, valid, escaped, bad;
        const char *at;

        weir_json_block_avx2(p, &slash, &stop, &valid);
        if (slash & slash << 1) {
            at = run_pairs(p, slash, stop, &p);
            if (at)
                return at;
            continue;
        }
        escaped = slash << 1;
        stop &= ~escaped;
        bad = escaped & ~valid & ((stop & (0 - stop)) - 1);
        if (bad)
            return p + __builtin_ctzll(bad) - 1;
        if (stop)
            return p + __builtin_ctzll(stop);
        if (slash >> 63 && escape_bytes[(unsigned char)p[64]] != 2)
            return p + 63;
        p += 64 + (slash >> 63);
    }
    return p;
}
#endif

/* Runs through text with many escapes 64 bytes at a time, from the backslash at p. Stops at the
 * closing quote, at an escape that is not two bytes long, at any byte that is not plain, or where
 * less than a block is left. What comes before has been checked. */
static const char *run_escaped(const char *p, const char *end)
{
#if defined(__SSE2__)
    if (end - p > 64)
        return __builtin_cpu_supports("avx2") ? run_escaped_avx2(p, end) : run_escaped_sse2(p, end);
#else
    (void)end;
#endif
    return p;
}

/* The closing quote of the string whose text begins at p; NULL with a fault. */
static const char *string_end(struct weir_json *j, const char *p)
{
    const char *end = j->end;

    for (;;) {
        size_t n;

        p = weir_json_plain(p, end);
        if (p >= end)
            goto open;
        if (*p == '"')
            return p;
        if (*p == '\\') {
            const char *from = p;

            p = run_escaped(p, end);
            if (p > from)
                continue;
            p = escapes_end(j, p);
            if (!p)
                return NULL;
        } else if ((unsigned char)*p < 0x20) {
            fault(j, p, "control character in a string");
            return NULL;
        } else {
            do {
                n = utf8(p, end);
                if (!n) {
                    fault(j, p, "not UTF-8");
                    return NULL;
                }
                p += n;
            } while (p < end && (unsigned char)*p >= 0x80);
        }
    }
open:
    fault(j, end, "a string does not end");
    return NULL;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static const char *number_end(struct weir_json *j, const char *p)
{
    const char *end = j->end, *from;

    if (*p == '-')
        p++;
    from = p;
    p = digits(p, end);
    if (p == from || (*from == '0' && p - from > 1))
        goto bad;
    if (p < end && *p == '.') {
        from = ++p;
        p = digits(p, end);
        if (p == from)
            goto bad;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = digits(p, end);
        if (p == from)
            goto bad;
    }
    return p;
bad:
    fault(j, p, "bad number");
    return NULL;
}

static const char *word_end(struct weir_json *j, const char *p, const char *word, size_t n)
{
    if ((size_t)(j->end - p) >= n && memcmp(p, word, n) == 0)
        return p + n;
    fault(j, p, "unexpected character");
    return NULL;
}

/* Behind the string, number or word at p; NULL with a fault. */
static const char *scalar_end(struct weir_json *j, const char *p)
{
    switch (*p) {
    case '"':
        p = string_end(j, p + 1);
        return p ? p + 1 : NULL;
    case 't':
        return word_end(j, p, "true", 4);
    case 'f':
        return word_end(j, p, "false", 5);
    case 'n':
        return word_end(j, p, "null", 4);
    default:
        if (*p == '-' || (*p >= '0' && *p <= '9'))
            return number_end(j, p);
        fault(j, p, "unexpected character");
        return NULL;
    }
}

/* Behind the key and colon at p, at its value. */
static const char *key_end(struct weir_json *j, const char *p, struct weir_str *key)
{
    const char *from;

    if (p >= j->end || *p != '"') {
        fault(j, p, "a key is missing");
        return NULL;
    }
    from = p + 1;
    p = string_end(j, from);
    if (!p)
        return NULL;
    if (key)
        *key = (struct weir_str){from, (size_t)(p - from)};
    p = skip_space(p + 1, j->end);
    if (p >= j->end || *p != ':') {
        fault(j, p, "a colon is missing");
        return NULL;
    }
    return skip_space(p + 1, j->end);
}

/* Behind the container at p. The kinds of open levels are a stack of bits. */
static const char *container_end(struct weir_json *j, const char *p)
{
    uint64_t kinds[WEIR_JSON_DEPTH / 64] = {0};
    const char *end = j->end;
    unsigned depth = 0;
    bool object;

open:
    if (j->depth + depth >= WEIR_JSON_DEPTH) {
        fault(j, p, "nested too deeply");
        return NULL;
    }
    object = *p == '{';
    kinds[depth / 64] = (kinds[depth / 64] & ~(1ULL << depth % 64)) | (uint64_t)object
                                                                          << depth % 64;
    depth++;
    p = skip_space(p + 1, end);
    if (p < end && *p == (object ? '}' : ']'))
        goto close;
value:
    if (object) {
        p = key_end(j, p, NULL);
        if (!p)
            return NULL;
    }
    if (p >= end) {
        fault(j, p, "the document is cut off");
        return NULL;
    }
    if (*p == '{' || *p == '[')
        goto open;
    p = scalar_end(j, p);
    if (!p)
        return NULL;
after:
    p = skip_space(p, end);
    if (p < end && *p == ',') {
        p = skip_space(p + 1, end);
        goto value;
    }
    if (p >= end || *p != (object ? '}' : ']')) {
        fault(j, p, p >= end ? "the document is cut off" : "a comma or an end is missing");
        return NULL;
    }
close:
    p++;
    if (--depth == 0)
        return p;
    object = kinds[(depth - 1) / 64] >> (depth - 1) % 64 & 1;
    goto after;
}

void weir_json_init(struct weir_json *j, struct weir_str s)
{
    if (!s.p)
        s = WEIR_STR("");
    *j = (struct weir_json){.begin = s.p, .p = s.p, .end = s.p + s.n};
    j->p = skip_space(j->p, j->end);
}

enum weir_json_type weir_json_peek(struct weir_json *j)
{
    if (j->fault || j->p >= j->end)
        return WEIR_JSON_BAD;
    switch (*j->p) {
    case '{':
        return WEIR_JSON_OBJECT;
    case '[':
        return WEIR_JSON_ARRAY;
    case '"':
        return WEIR_JSON_STRING;
    case 't':
        return WEIR_JSON_TRUE;
    case 'f':
        return WEIR_JSON_FALSE;
    case 'n':
        return WEIR_JSON_NULL;
    default:
        return *j->p == '-' || (*j->p >= '0' && *j->p <= '9') ? WEIR_JSON_NUMBER : WEIR_JSON_BAD;
    }
}

bool weir_json_enter(struct weir_json *j, enum weir_json_type type)
{
    if (weir_json_peek(j) != type || (type != WEIR_JSON_OBJECT && type != WEIR_JSON_ARRAY))
        return false;
    if (j->depth >= WEIR_JSON_DEPTH)
        return fault(j, j->p, "nested too deeply");
    j->depth++;
    j->first = true;
    j->p = skip_space(j->p + 1, j->end);
    return true;
}

/* At the next thing of a container; false at its end, behind it, or with a fault. */
static bool next(struct weir_json *j, char close)
{
    bool first = j->first;

    if (j->fault)
        return false;
    j->first = false;
    if (j->p >= j->end)
        return fault(j, j->p, "the document is cut off");
    if (*j->p == close) {
        j->depth--;
        j->p = skip_space(j->p + 1, j->end);
        return false;
    }
    if (first)
        return true;
    if (*j->p != ',')
        return fault(j, j->p, "a comma or an end is missing");
    j->p = skip_space(j->p + 1, j->end);
    return true;
}

bool weir_json_member(struct weir_json *j, struct weir_str *key)
{
    const char *p;

    if (!next(j, '}'))
        return false;
    p = key_end(j, j->p, key);
    if (!p)
        return false;
    j->p = p;
    return true;
}

bool weir_json_element(struct weir_json *j)
{
    return next(j, ']');
}

bool weir_json_skip(struct weir_json *j, struct weir_str *raw)
{
    const char *from = j->p, *p;

    if (j->fault)
        return false;
    if (from >= j->end)
        return fault(j, from, "the document is cut off");
    p = *from == '{' || *from == '[' ? container_end(j, from) : scalar_end(j, from);
    if (!p)
        return false;
    if (raw)
        *raw = (struct weir_str){from, (size_t)(p - from)};
    j->p = skip_space(p, j->end);
    return true;
}

bool weir_json_string(struct weir_json *j, struct weir_str *raw)
{
    if (weir_json_peek(j) != WEIR_JSON_STRING || !weir_json_skip(j, raw))
        return false;
    raw->p++;
    raw->n -= 2;
    return true;
}

int weir_json_end(struct weir_json *j)
{
    if (!j->fault && (j->p < j->end || j->depth > 0))
        fault(j, j->p, j->depth ? "the document is cut off" : "something follows the document");
    return j->fault ? WEIR_EINVAL : WEIR_OK;
}

int weir_json_check(struct weir_str s, size_t *fault_at)
{
    struct weir_json j;
    int rc;

    weir_json_init(&j, s);
    weir_json_skip(&j, NULL);
    rc = weir_json_end(&j);
    if (fault_at)
        *fault_at = j.fault_at;
    return rc;
}

int weir_json_i64(struct weir_str raw, int64_t *out)
{
    return weir_str_i64(raw, out);
}
