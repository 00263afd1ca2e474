/* fuzz_sse.c - where a stream is cut must not matter, and no byte may be lost or invented. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "http/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_EVENT = 1 << 20 };

struct seen {
    struct weir_sha256 events;
    struct weir_buf raw;
    size_t count;
};

static void add(struct weir_sha256 *h, struct weir_str s)
{
    uint64_t n = s.p ? s.n : UINT64_MAX;

    weir_sha256_add(h, &n, sizeof n);
    weir_sha256_add(h, s.p ? s.p : "", s.n);
}

static void take(struct seen *seen, const struct weir_sse_event *e)
{
    weir_buf_adds(&seen->raw, e->raw);
    /* An LF that ends a CRLF may stand alone in a later rest: that is no event. */
    if (!e->data.p && !e->name.n && !e->id.p)
        return;
    seen->count++;
    add(&seen->events, e->name);
    add(&seen->events, e->data);
    add(&seen->events, e->id);
}

static void feed(struct weir_sse *s, struct seen *seen, const uint8_t *p, size_t n)
{
    /* A copy of exactly this size, so that a read past it is seen. */
    uint8_t *copy = weir_alloc(n ? n : 1);
    struct weir_sse_event e;

    memcpy(copy, p, n);
    weir_sse_feed(s, copy, n);
    while (weir_sse_next(s, &e) == WEIR_OK)
        take(seen, &e);
    free(copy);
}

static void run(struct seen *seen, const uint8_t *data, size_t size, size_t step)
{
    struct weir_sse s;
    struct weir_sse_event e;

    weir_sha256_init(&seen->events);
    weir_buf_init(&seen->raw, 2 * MAX_EVENT);
    seen->count = 0;
    weir_sse_init(&s, MAX_EVENT);
    for (size_t at = 0; at < size; at += step)
        feed(&s, seen, data + at, size - at < step ? size - at : step);
    if (weir_sse_finish(&s, &e) == WEIR_OK)
        take(seen, &e);
    weir_sse_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char a[WEIR_SHA256_BYTES], b[WEIR_SHA256_BYTES];
    size_t steps[] = {1, 2, size ? 1 + data[0] % size : 1};
    struct seen whole, split;

    if (size > MAX_EVENT)
        return 0;
    run(&whole, data, size, size ? size : 1);
    WEIR_ASSERT(whole.raw.n == size && (!size || !memcmp(whole.raw.p, data, size)));
    weir_sha256_end(&whole.events, a);
    for (size_t i = 0; i < 3; i++) {
        run(&split, data, size, steps[i]);
        weir_sha256_end(&split.events, b);
        WEIR_ASSERT(split.raw.n == size && (!size || !memcmp(split.raw.p, data, size)));
        WEIR_ASSERT(split.count == whole.count && !memcmp(a, b, sizeof a));
        weir_buf_fini(&split.raw);
    }
    weir_buf_fini(&whole.raw);
    return 0;
}
