/* arena.h - memory with one lifetime: everything an exchange or a snapshot allocates, freed
 * together. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct weir_arena;       /* opaque; used by one thread at a time */
struct weir_arena_cache; /* recycled first blocks; one per loop, never shared between threads */

struct weir_arena_cache *weir_arena_cache_create(size_t max_blocks);
void weir_arena_cache_destroy(struct weir_arena_cache *c); /* after all its arenas; NULL is fine */

/* cache may be NULL (plain heap). The caller owns the arena. */
struct weir_arena *weir_arena_create(struct weir_arena_cache *cache);
/* Runs the clean-up hooks, last first, then frees everything. NULL is fine. */
void weir_arena_destroy(struct weir_arena *a);

void *weir_arena_alloc(struct weir_arena *a, size_t n);  /* 16-byte aligned, uninitialised */
void *weir_arena_zalloc(struct weir_arena *a, size_t n); /* zeroed */
char *weir_arena_strdup(struct weir_arena *a, struct weir_str s); /* adds a NUL */
struct weir_str weir_arena_copy(struct weir_arena *a, struct weir_str s);
/* The parts side by side; adds a NUL. */
struct weir_str weir_arena_join(struct weir_arena *a, const struct weir_str *parts, size_t n);
const char *weir_arena_printf(struct weir_arena *a, const char *fmt, ...) WEIR_PRINTF(2, 3);

/* Calls fn(arg) when the arena is destroyed. */
void weir_arena_on_destroy(struct weir_arena *a, void (*fn)(void *arg), void *arg);

size_t weir_arena_bytes(const struct weir_arena *a); /* taken from the heap, for limits */

#define WEIR_ARENA_NEW(a, type) ((type *)weir_arena_zalloc((a), sizeof(type)))

#endif
