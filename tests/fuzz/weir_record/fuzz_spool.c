/* Frames of a segment, from any bytes and in any pieces: the reader ends, stays in its bounds, and
 * what it hands out has a rising sequence and its checksum. */
#include "base/hash.h"
#include "base/mem.h"
#include "dataplane/telemetry/spool_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t read_all(struct weir_str left, bool final)
{
    struct weir_str payload;
    size_t used, skipped, n = 0;
    uint64_t after = 0, sequence;

    while (weir__frame_next(left, final, after, &payload, &sequence, &used, &skipped) == WEIR_OK) {
        WEIR_ASSERT(sequence > after && skipped < used && used <= left.n);
        WEIR_ASSERT(payload.p > left.p && payload.p + payload.n == left.p + used);
        after = sequence;
        left.p += used;
        left.n -= used;
        n++;
    }
    WEIR_ASSERT(used <= left.n && used == skipped);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_str s = {(const char *)data, size};
    struct weir__segment g;
    struct weir_buf b;
    size_t n;

    if (weir__segment_parse(s, &g) == WEIR_OK)
        WEIR_ASSERT(strlen(g.incarnation) <= WEIR_SPOOL_INCARNATION_HEX);
    n = read_all(s, true);
    WEIR_ASSERT(read_all(s, false) <= n);

    /* The same bytes as a record between two others: all three come back. */
    if (size == 0 || size > 4096)
        return 0;
    weir_buf_init(&b, 1 << 20);
    WEIR_ASSERT(weir__frame_add(&b, 1, s) == WEIR_OK && weir__frame_add(&b, 2, s) == WEIR_OK);
    WEIR_ASSERT(weir__frame_add(&b, UINT64_MAX, s) == WEIR_OK);
    WEIR_ASSERT(read_all(weir_buf_str(&b), true) == 3);
    weir_buf_fini(&b);
    return 0;
}
