/* fuzz_eventstream.c - where a binary event stream is cut must not matter. Each input is read as it
 * is, and as the payloads of messages that are written first, since no input guesses a CRC. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "http/eventstream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGE = 1 << 16 };

struct seen {
    struct weir_sha256 messages;
    size_t count, bytes;
    int rc;
};

static void take(struct seen *seen, const struct weir_eventstream_message *m)
{
    const struct weir_str all[] = {m->kind, m->type, m->reason, m->payload, m->raw};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t n = all[i].p ? all[i].n : UINT64_MAX;

        weir_sha256_add(&seen->messages, &n, sizeof n);
        weir_sha256_add(&seen->messages, all[i].p ? all[i].p : "", all[i].n);
    }
    seen->count++;
    seen->bytes += m->raw.n;
}

static void run(struct seen *seen, struct weir_str in, size_t step, unsigned char *digest)
{
    struct weir_eventstream_message m;
    struct weir_eventstream s;

    *seen = (struct seen){.rc = WEIR_EAGAIN};
    weir_sha256_init(&seen->messages);
    weir_eventstream_init(&s, MAX_MESSAGE);
    for (size_t at = 0; at < in.n && seen->rc == WEIR_EAGAIN; at += step) {
        size_t n = in.n - at < step ? in.n - at : step;
        /* A copy of exactly this size, so that a read past it is seen. */
        char *copy = weir_alloc(n);

        memcpy(copy, in.p + at, n);
        weir_eventstream_feed(&s, copy, n);
        while ((seen->rc = weir_eventstream_next(&s, &m)) == WEIR_OK)
            take(seen, &m);
        free(copy);
    }
    weir_eventstream_fini(&s);
    weir_sha256_end(&seen->messages, digest);
}

static size_t check(struct weir_str in, size_t step)
{
    unsigned char a[WEIR_SHA256_BYTES], b[WEIR_SHA256_BYTES];
    struct seen whole, split;

    run(&whole, in, in.n ? in.n : 1, a);
    run(&split, in, step, b);
    WEIR_ASSERT(whole.rc == split.rc && whole.count == split.count && !memcmp(a, b, sizeof a));
    WEIR_ASSERT(whole.bytes <= in.n);
    return whole.count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_str in = {(const char *)data, size};
    struct weir_buf b;
    size_t step, half;

    if (size == 0 || size > MAX_MESSAGE / 2)
        return 0;
    step = 1 + data[0] % size;
    half = size / 2;
    check(in, step);
    weir_buf_init(&b, 4 * MAX_MESSAGE);
    WEIR_ASSERT(weir_eventstream_write(&b, "event", (struct weir_str){in.p, half % 256},
                                       (struct weir_str){in.p + half, size - half}) == WEIR_OK);
    WEIR_ASSERT(weir_eventstream_write(&b, "exception", WEIR_STR("x"), in) == WEIR_OK);
    WEIR_ASSERT(check(weir_buf_str(&b), step) == 2);
    weir_buf_fini(&b);
    return 0;
}
