/* fuzz_server.c - any bytes to a server's connection, whole and cut, must give the same answers and
 * the same calls of the handler. A byte 0xff ends a turn: what is complete is answered there. */
#include <stdio.h>

#include "tests/unit/weir_http/server_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void turn(struct mem *m, const char *p, size_t n, size_t step)
{
    while (n > 0) {
        size_t part = step && step < n ? step : n;
        char *copy = weir_alloc(part); /* so that a sanitizer sees what is kept too long */

        memcpy(copy, p, part);
        mem_feed(m, copy, part);
        free(copy);
        p += part;
        n -= part;
    }
    mem_answer(m);
}

static void run(struct mem *m, const char *p, size_t n, size_t step)
{
    mem_connect(m);
    while (n > 0) {
        const char *end = memchr(p, 0xff, n);
        size_t part = end ? (size_t)(end - p) : n;

        turn(m, p, part, step);
        p += part;
        n -= part;
        if (n > 0) {
            p++;
            n--;
        }
    }
    mem_disconnect(m);
    mem_mask_dates(m);
}

static void must_equal(const struct weir_buf *whole, const struct weir_buf *cut)
{
    if (weir_str_eq(weir_buf_str(whole), weir_buf_str(cut)))
        return;
    fprintf(stderr, "whole: %.*s\n\ncut: %.*s\n", WEIR_STR_ARG(weir_buf_str(whole)),
            WEIR_STR_ARG(weir_buf_str(cut)));
    WEIR_ASSERT(!"where the bytes are cut must not matter");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct weir_http_limits limits = {
        .header_bytes = 2048, .target_bytes = 256, .header_count = 16, .body_bytes = 65536};
    struct mem whole, cut;
    size_t step = size ? 1 + data[size - 1] % 7 : 1;

    if (size > 32768)
        return 0;
    mem_init(&whole, &limits);
    mem_init(&cut, &limits);
    whole.later = cut.later = true;
    run(&whole, (const char *)data, size, 0);
    run(&cut, (const char *)data, size, step);
    must_equal(&whole.events, &cut.events);
    must_equal(&whole.out, &cut.out);
    mem_fini(&whole);
    mem_fini(&cut);
    return 0;
}
