/* arena.c - blocks in a chain; small requests are bumped from the newest one, large ones get a
 * block of their own behind it, so that one large body does not waste the rest of the current
 * block. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum { BLOCK_BYTES = 8192, ALIGN = 16 };

struct block {
    struct block *next;
    size_t size; /* payload bytes */
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
    struct hook *hooks;
};

struct weir_arena_cache {
    struct block *free;
    size_t count, max;
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
    while (c->free) {
        struct block *b = c->free;

        c->free = b->next;
        free(b);
    }
    free(c);
}

static struct block *take_block(struct weir_arena_cache *c, size_t size)
{
    struct block *b;

    if (c && c->free && size == BLOCK_BYTES - BLOCK_HEAD) {
        b = c->free;
        c->free = b->next;
        c->count--;
        return b;
    }
    b = weir_alloc(BLOCK_HEAD + size);
    b->size = size;
    return b;
}

static void give_block(struct weir_arena_cache *c, struct block *b)
{
    if (c && c->count < c->max && b->size == BLOCK_BYTES - BLOCK_HEAD) {
        b->next = c->free;
        c->free = b;
        c->count++;
        return;
    }
    free(b);
}

struct weir_arena *weir_arena_create(struct weir_arena_cache *cache)
{
    struct block *b = take_block(cache, BLOCK_BYTES - BLOCK_HEAD);
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
    if (n > BLOCK_BYTES / 4) {
        b = take_block(NULL, n);
        b->next = a->blocks->next;
        a->blocks->next = b;
        a->bytes += BLOCK_HEAD + n;
        return payload(b);
    }
    b = take_block(a->cache, BLOCK_BYTES - BLOCK_HEAD);
    b->next = a->blocks;
    a->blocks = b;
    a->used = n;
    a->bytes += BLOCK_BYTES;
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
