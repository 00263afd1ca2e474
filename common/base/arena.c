/* arena.c - blocks in a chain; small requests are bumped from the newest one, large ones get a
 * block of their own behind it, so that one large body does not waste the rest of the current
 * block. The first block is as large as most exchanges need; the next ones begin small, since a
 * thousand slow streams that each need a little more would hold a thousand blocks. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 8192, LARGE_BYTES = 1024, ALIGN = 16, CLASSES = 3 };

/* With their heads. The first block is of the last class. */
static const size_t class_bytes[CLASSES] = {2048, 4096, BLOCK_BYTES};

struct block {
    struct block *next;
    size_t size; /* payload bytes */
    int class;   /* CLASSES: of its own size */
};

#define BLOCK_HEAD ((sizeof(struct block) + ALIGN - 1) / ALIGN * ALIGN)

struct hook {
    struct hook *next;
    void (*fn)(void *arg);
    void *arg;
};

struct weir_arena {
    struct weir_arena_cache *cache;
    struct block *blocks; /* the current one first */
    struct block *first;  /* holds the arena itself */
    size_t used;          /* in the current block */
    size_t bytes;
    int next_class; /* of the next block */
    struct hook *hooks;
};

struct weir_arena_cache {
    struct block *free[CLASSES];
    size_t count[CLASSES], max; /* max: of each class */
};

static char *payload(struct block *b)
{
    return (char *)b + BLOCK_HEAD;
}

struct weir_arena_cache *weir_arena_cache_create(size_t max_blocks)
{
    struct weir_arena_cache *c = WEIR_NEW(struct weir_arena_cache);

    c->max = max_blocks;
    return c;
}

void weir_arena_cache_destroy(struct weir_arena_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < CLASSES; i++)
        while (c->free[i]) {
            struct block *b = c->free[i];

            c->free[i] = b->next;
            free(b);
        }
    free(c);
}

static struct block *new_block(size_t size, int class)
{
    struct block *b = weir_alloc(BLOCK_HEAD + size);

    b->size = size;
    b->class = class;
    return b;
}

static struct block *take_block(struct weir_arena_cache *c, int class)
{
    struct block *b = c ? c->free[class] : NULL;

    if (!b)
        return new_block(class_bytes[class] - BLOCK_HEAD, class);
    c->free[class] = b->next;
    c->count[class]--;
    return b;
}

static void give_block(struct weir_arena_cache *c, struct block *b)
{
    if (c && b->class < CLASSES && c->count[b->class] < c->max) {
        b->next = c->free[b->class];
        c->free[b->class] = b;
        c->count[b->class]++;
        return;
    }
    free(b);
}

struct weir_arena *weir_arena_create(struct weir_arena_cache *cache)
{
    struct block *b = take_block(cache, CLASSES - 1);
    struct weir_arena *a = (struct weir_arena *)payload(b);

    b->next = NULL;
    *a = (struct weir_arena){.cache = cache, .blocks = b, .first = b, .bytes = BLOCK_BYTES};
    a->used = (sizeof *a + ALIGN - 1) / ALIGN * ALIGN;
    return a;
}

void weir_arena_destroy(struct weir_arena *a)
{
    struct weir_arena_cache *cache;
    struct block *b, *next, *first;

    if (!a)
        return;
    while (a->hooks) {
        struct hook *h = a->hooks;

        a->hooks = h->next;
        h->fn(h->arg);
    }
    cache = a->cache;
    first = a->first;
    for (b = a->blocks; b; b = next) {
        next = b->next;
        if (b != first)
            give_block(cache, b);
    }
    give_block(cache, first);
}

void *weir_arena_alloc(struct weir_arena *a, size_t n)
{
    struct block *b;
    void *p;

    WEIR_ASSERT(n < SIZE_MAX / 2);
    n = (n + ALIGN - 1) / ALIGN * ALIGN;
    if (a->used + n <= a->blocks->size) {
        p = payload(a->blocks) + a->used;
        a->used += n;
        return p;
    }
    if (n > LARGE_BYTES) {
        b = new_block(n, CLASSES);
        b->next = a->blocks->next;
        a->blocks->next = b;
        a->bytes += BLOCK_HEAD + n;
        return payload(b);
    }
    b = take_block(a->cache, a->next_class);
    a->bytes += class_bytes[a->next_class];
    if (a->next_class < CLASSES - 1)
        a->next_class++;
    b->next = a->blocks;
    a->blocks = b;
    a->used = n;
    return payload(b);
}

void *weir_arena_zalloc(struct weir_arena *a, size_t n)
{
    return memset(weir_arena_alloc(a, n), 0, n);
}

char *weir_arena_strdup(struct weir_arena *a, struct weir_str s)
{
    char *z = weir_arena_alloc(a, s.n + 1);

    if (s.n)
        memcpy(z, s.p, s.n);
    z[s.n] = '\0';
    return z;
}

struct weir_str weir_arena_copy(struct weir_arena *a, struct weir_str s)
{
    return (struct weir_str){s.p ? weir_arena_strdup(a, s) : NULL, s.n};
}

struct weir_str weir_arena_join(struct weir_arena *a, const struct weir_str *parts, size_t n)
{
    size_t bytes = 0, at = 0;
    char *p;

    for (size_t i = 0; i < n; i++)
        bytes += parts[i].n;
    p = weir_arena_alloc(a, bytes + 1);
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    p[at] = 0;
    return (struct weir_str){p, at};
}

const char *weir_arena_printf(struct weir_arena *a, const char *fmt, ...)
{
    va_list args, again;
    char small[256], *z;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(small, sizeof small, fmt, args);
    va_end(args);
    WEIR_ASSERT(n >= 0);
    z = weir_arena_alloc(a, (size_t)n + 1);
    if ((size_t)n < sizeof small)
        memcpy(z, small, (size_t)n + 1);
    else
        vsnprintf(z, (size_t)n + 1, fmt, again);
    va_end(again);
    return z;
}

void weir_arena_on_destroy(struct weir_arena *a, void (*fn)(void *arg), void *arg)
{
    struct hook *h = weir_arena_alloc(a, sizeof *h);

    *h = (struct hook){a->hooks, fn, arg};
    a->hooks = h;
}

size_t weir_arena_bytes(const struct weir_arena *a)
{
    return a->bytes;
}
