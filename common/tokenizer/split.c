/* split.c - the first piece of a text, as the vocabularies' regular expressions would find it.
 *
 * Each function is one of their alternatives, in their order; NULL says that it does not match.
 * Where an expression would go back, the place to which it would is kept on the way. */
#include "tokenizer/internal.h"

#include <stddef.h>

struct text {
    const struct weir_vocabulary *v;
    const char *end;
};

enum { MOST_DIGITS = 3 };

#define LETTERS (1U << WEIR_CHAR_UPPER | 1U << WEIR_CHAR_LOWER | 1U << WEIR_CHAR_LETTER)
#define EITHER (1U << WEIR_CHAR_LETTER | 1U << WEIR_CHAR_MARK)
#define UPPER (EITHER | 1U << WEIR_CHAR_UPPER)
#define LOWER (EITHER | 1U << WEIR_CHAR_LOWER)
#define SPACES (1U << WEIR_CHAR_SPACE | 1U << WEIR_CHAR_NEWLINE)
#define SIGNS (1U << WEIR_CHAR_OTHER | 1U << WEIR_CHAR_MARK)
#define NUMBERS (1U << WEIR_CHAR_NUMBER)
#define PREFIXES (SIGNS | 1U << WEIR_CHAR_SPACE)

/* The length of the character at p and its code point; a byte that begins none is one of its own,
 * of a code point that has no class. */
static unsigned decode(const struct text *t, const char *p, uint32_t *code)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(t->end - p);
    unsigned n = u[0] < 0xc2 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 1;
    uint32_t c = n == 1 ? u[0] : u[0] & (0xffU >> (n + 1));

    *code = u[0] < 0x80 ? u[0] : 0xfffd;
    if (n == 1 || n > left)
        return 1;
    for (unsigned i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (u[i] & 0x3f);
    }
    if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)))
        return 1;
    *code = c;
    return n;
}

/* The class of the character at p as a bit, and its end; 0 at the text's end. */
static unsigned look(const struct text *t, const char *p, const char **next)
{
    uint32_t code;

    if (p >= t->end)
        return 0;
    *next = p + decode(t, p, &code);
    return 1U << (t->v->class_of[(size_t)t->v->block_of[code >> 8] * 256 + (code & 0xff)] & 7);
}

/* The end of the characters of these classes that begin at p. */
static const char *run(const struct text *t, const char *p, unsigned classes)
{
    const char *next = p;

    while (look(t, p, &next) & classes)
        p = next;
    return p;
}

/* 's 't 're 've 'm 'll 'd in any case; the long s folds to s. */
static const char *contraction(const struct text *t, const char *p)
{
    size_t left = (size_t)(t->end - p);
    char a, b;

    if (left < 2 || p[0] != '\'')
        return NULL;
    a = (char)(p[1] | 0x20);
    b = left > 2 ? (char)(p[2] | 0x20) : 0;
    if (((unsigned char)p[1] & 0x80) == 0 && (a == 's' || a == 't' || a == 'm' || a == 'd'))
        return p + 2;
    if (left > 2 && memcmp(p + 1, "\xc5\xbf", 2) == 0)
        return p + 3;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return p + 3;
    return NULL;
}

static const char *with_contraction(const struct text *t, const char *p)
{
    const char *end = contraction(t, p);

    return end ? end : p;
}

/* o200k: capitals, then at least one small letter; a letter that is neither counts as both. */
static const char *word(const struct text *t, const char *p)
{
    const char *both = NULL, *next = p;
    unsigned c;

    while ((c = look(t, p, &next)) & UPPER) {
        p = next;
        if (c & EITHER)
            both = p;
    }
    if (c & LOWER)
        return with_contraction(t, run(t, p, LOWER));
    return both ? with_contraction(t, both) : NULL;
}

/* o200k: capitals only. */
static const char *capitals(const struct text *t, const char *p)
{
    const char *end = run(t, p, UPPER);

    return end > p ? with_contraction(t, run(t, end, LOWER)) : NULL;
}

static const char *letters(const struct text *t, const char *p)
{
    const char *end = run(t, p, LETTERS);

    return end > p ? end : NULL;
}

/* One of these after a character that is no letter, number or new line, or without it. */
static const char *prefixed(const struct text *t, const char *p,
                            const char *(*fn)(const struct text *t, const char *p))
{
    const char *next = p;
    const char *end = look(t, p, &next) & PREFIXES ? fn(t, next) : NULL;

    return end ? end : fn(t, p);
}

static const char *digits(const struct text *t, const char *p)
{
    const char *from = p, *next = p;

    for (int i = 0; i < MOST_DIGITS && look(t, p, &next) & NUMBERS; i++)
        p = next;
    return p > from ? p : NULL;
}

static const char *signs(const struct text *t, const char *p)
{
    const char *from = *p == ' ' ? p + 1 : p;
    const char *end = run(t, from, SIGNS);
    bool slash = t->v->kind == WEIR_VOCABULARY_O200K;

    if (end == from)
        return NULL;
    while (end < t->end && (*end == '\r' || *end == '\n' || (slash && *end == '/')))
        end++;
    return end;
}

/* Up to the last new line; else up to the last space, which goes with what follows it. */
static const char *spaces(const struct text *t, const char *p)
{
    const char *from = p, *next = p, *line = NULL, *last = p;
    unsigned c;

    while ((c = look(t, p, &next)) & SPACES) {
        last = p;
        p = next;
        if (c & 1U << WEIR_CHAR_NEWLINE)
            line = p;
    }
    if (line)
        return line;
    return p == t->end || last == from ? p : last;
}

size_t weir__split(const struct weir_vocabulary *v, const char *p, const char *end)
{
    const struct text t = {v, end};
    const char *to = NULL;

    if (v->kind == WEIR_VOCABULARY_O200K) {
        to = prefixed(&t, p, word);
        if (!to)
            to = prefixed(&t, p, capitals);
    } else {
        to = contraction(&t, p);
        if (!to)
            to = prefixed(&t, p, letters);
    }
    if (!to)
        to = digits(&t, p);
    if (!to)
        to = signs(&t, p);
    if (!to)
        to = spaces(&t, p);
    WEIR_ASSERT(to > p && to <= end);
    return (size_t)(to - p);
}
