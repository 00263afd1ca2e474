/* fuzz_server_h2.c - any bytes behind a preface of HTTP/2: nothing crashes, and every request that
 * was begun is over when its connection is. The first byte says how the rest is cut, whether what
 * is complete is answered after every piece, and whether the socket takes nothing at times. */
#include "http/server_h2.h"
#include "tests/unit/weir_http/server_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void turn(struct mem *m)
{
    mem_answer(m);
    (void)uv_run(&m->loop, UV_RUN_NOWAIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    static const struct weir_http_limits limits = {
        .header_bytes = 2048, .target_bytes = 256, .header_count = 16, .body_bytes = 65536};
    struct mem m;
    size_t step = size ? 1 + data[0] % 64 : 1;

    if (size > 32768)
        return 0;
    mem_init(&m, &limits);
    m.server->http2 = true;
    m.later = step % 2;
    mem_connect(&m);
    mem_feed(&m, preface, sizeof preface - 1);
    for (size_t at = 1; at < size; at += step) {
        size_t part = step < size - at ? step : size - at;
        char *copy = weir_alloc(part); /* so that a sanitizer sees what is kept too long */

        memcpy(copy, data + at, part);
        mem_feed(&m, copy, part);
        free(copy);
        if (step % 3 == 0)
            turn(&m);
        if (step % 5 == 0 && !m.blocked)
            m.blocked = true;
        else if (step % 5 == 0)
            mem_unblock(&m);
    }
    turn(&m);
    mem_disconnect(&m);
    WEIR_ASSERT(m.server->req_count == 0);
    mem_fini(&m);
    return 0;
}
