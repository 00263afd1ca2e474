/* fuzz_coding.c - coded bodies of any content: within their bound, and the same however they are
 * cut. The first byte picks the coding. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/coding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BODY = 1 << 16 };

static int decode(struct weir_arena *a, struct weir_str name, const uint8_t *data, size_t size,
                  size_t step, struct weir_str *out)
{
    struct weir_http_body *body = weir_arena_zalloc(a, sizeof *body);
    struct weir_http_coding *c;
    int rc = weir_http_coding_create(a, name, &c);

    WEIR_ASSERT(rc == WEIR_OK);
    weir_http_body_init(body, a, MAX_BODY, NULL);
    for (size_t at = 0; rc == WEIR_OK && at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        char *copy = weir_alloc(n); /* exactly this size, so that a read past it is seen */

        memcpy(copy, data + at, n);
        rc = weir_http_coding_feed(c, copy, n, body);
        free(copy);
    }
    if (rc == WEIR_OK)
        rc = weir_http_coding_end(c);
    /* One byte more shows that it is too large. */
    WEIR_ASSERT(body->n <= MAX_BODY + (rc == WEIR_ELIMIT));
    *out = weir_http_body_str(body);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"gzip", "deflate", "br", "zstd"};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_str whole, cut, name;

    if (size > 0) {
        name = weir_str_of(names[data[0] % 4]);
        if (decode(a, name, data + 1, size - 1, size, &whole) == WEIR_OK) {
            /* libzstd lets a block be larger than its frame's content when it sees the whole frame
             * at once; in pieces it refuses such a frame. */
            if (decode(a, name, data + 1, size - 1, 1 + size / 7, &cut) == WEIR_OK)
                WEIR_ASSERT(weir_str_eq(whole, cut));
            else
                WEIR_ASSERT(weir_str_is(name, "zstd"));
        }
    }
    weir_arena_destroy(a);
    return 0;
}
