/* coding.h - request bodies in memory: a bounded buffer and the content codings that fill it. */
#ifndef WEIR_HTTP_CODING_H
#define WEIR_HTTP_CODING_H

#include "base/arena.h"
#include "base/str.h"

/* What the bodies of one loop may take together. Must outlive them. */
struct weir_http_body_pool {
    uint64_t max, used; /* max 0: no bound */
};

/* Grows to max_bytes; the memory belongs to the arena that was given first. */
struct weir_http_body {
    char *p;
    size_t n, cap;
    uint64_t max;
    struct weir_arena *arena;
    struct weir_http_body_pool *pool;
    uint64_t taken; /* from the pool, until the arena goes */
    bool heap;
};

/* pool may be NULL. Any of the three below: WEIR_ELIMIT: past max_bytes; WEIR_EAGAIN: the pool has
 * no room now. */
void weir_http_body_init(struct weir_http_body *b, struct weir_arena *a, uint64_t max_bytes,
                         struct weir_http_body_pool *pool);
/* Room for n more bytes, with padding behind. */
WEIR_NODISCARD int weir_http_body_reserve(struct weir_http_body *b, size_t n);
/* The same, once and first, for a length that is known. */
WEIR_NODISCARD int weir_http_body_expect(struct weir_http_body *b, size_t n);
WEIR_NODISCARD int weir_http_body_add(struct weir_http_body *b, const char *p, size_t n);
/* Nobody reads it any more. One in the arena stays as it is. */
void weir_http_body_drop(struct weir_http_body *b);
/* Zeroes the padding. */
struct weir_str weir_http_body_str(struct weir_http_body *b);

struct weir_http_coding; /* opaque; destroyed with the arena */

/* name: gzip, x-gzip, deflate, br or zstd, in any case. WEIR_EUNSUPPORTED: anything else. */
WEIR_NODISCARD int weir_http_coding_create(struct weir_arena *a, struct weir_str name,
                                           struct weir_http_coding **out);
/* Decodes all of p into b. WEIR_ELIMIT: b is full. WEIR_EAGAIN: its pool is. WEIR_EPROTO: not that
 * coding. */
WEIR_NODISCARD int weir_http_coding_feed(struct weir_http_coding *c, const char *p, size_t n,
                                         struct weir_http_body *b);
/* After the last byte. WEIR_EPROTO: the coded data isn't complete. Frees the decoder's memory. */
WEIR_NODISCARD int weir_http_coding_end(struct weir_http_coding *c);

#endif
