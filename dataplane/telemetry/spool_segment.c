#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "dataplane/telemetry/spool_internal.h"
#include "dataplane/telemetry/wire.h"

static const char magic[8] = {'W', 'E', 'I', 'R', 'S', 'P', 'L', '1'};

enum { AT_INCARNATION = 8, AT_FIRST = 40, AT_CRC = 48 };

static void put32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++, v >>= 8)
        p[i] = (char)v;
}

static uint64_t get(const char *p, int n)
{
    uint64_t v = 0;

    for (int i = n - 1; i >= 0; i--)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

void weir__segment_header(const struct weir__segment *g, char out[WEIR__SEGMENT_HEADER])
{
    memset(out, 0, WEIR__SEGMENT_HEADER);
    memcpy(out, magic, sizeof magic);
    memcpy(out + AT_INCARNATION, g->incarnation, WEIR_SPOOL_INCARNATION_HEX);
    put32(out + AT_FIRST, (uint32_t)g->first);
    put32(out + AT_FIRST + 4, (uint32_t)(g->first >> 32));
    put32(out + AT_CRC, weir_crc32c(out, AT_CRC));
}

int weir__segment_parse(struct weir_str head, struct weir__segment *out)
{
    if (head.n < WEIR__SEGMENT_HEADER || memcmp(head.p, magic, sizeof magic) != 0 ||
        get(head.p + AT_CRC, 4) != weir_crc32c(head.p, AT_CRC))
        return WEIR_ECORRUPT;
    memcpy(out->incarnation, head.p + AT_INCARNATION, WEIR_SPOOL_INCARNATION_HEX);
    out->incarnation[WEIR_SPOOL_INCARNATION_HEX] = '\0';
    out->first = get(head.p + AT_FIRST, 8);
    return WEIR_OK;
}

void weir__segment_name(const struct weir__segment *g, char *out, size_t n)
{
    (void)snprintf(out, n, "%015" PRId64 "-%s-%010" PRIu32 ".seg", g->start_ms, g->incarnation,
                   g->number);
}

int weir__segment_parse_name(const char *name, struct weir__segment *out)
{
    struct weir_str start, incarnation, number, rest;
    unsigned char id[WEIR_SPOOL_INCARNATION_HEX / 2];
    int64_t n;

    start = weir_str_cut(weir_str_of(name), '-', &rest);
    incarnation = weir_str_cut(rest, '-', &rest);
    number = weir_str_cut(rest, '.', &rest);
    if (!weir_str_is(rest, "seg") || weir_unhex(incarnation, id, sizeof id) != WEIR_OK ||
        weir_str_i64(start, &out->start_ms) != WEIR_OK || weir_str_i64(number, &n) != WEIR_OK ||
        n < 0 || n > UINT32_MAX)
        return WEIR_EINVAL;
    out->number = (uint32_t)n;
    memcpy(out->incarnation, incarnation.p, incarnation.n);
    out->incarnation[incarnation.n] = '\0';
    return WEIR_OK;
}

int weir__frame_add(struct weir_buf *out, uint64_t sequence, struct weir_str record)
{
    char *frame = weir_buf_reserve(out, WEIR__FRAME_HEADER + WEIR__FRAME_SEQUENCE + record.n);
    char *payload, *end;

    if (!frame)
        return WEIR_ELIMIT;
    payload = frame + WEIR__FRAME_HEADER;
    end = weir__wire_u64(payload, 1, sequence);
    memcpy(end, record.p, record.n);
    end += record.n;
    put32(frame, (uint32_t)(end - payload));
    put32(frame + 4, weir_crc32c(payload, (size_t)(end - payload)));
    weir_buf_grown(out, (size_t)(end - frame));
    return WEIR_OK;
}

/* The sequence that a payload begins with; 0: it doesn't. */
static uint64_t sequence_of(const char *p, size_t n)
{
    uint64_t v = 0;

    if (n < 2 || p[0] != 0x08)
        return 0;
    for (size_t i = 1, shift = 0; i < n && shift < 64; i++, shift += 7) {
        v |= (uint64_t)(p[i] & 0x7f) << shift;
        if (!(p[i] & 0x80))
            return v;
    }
    return 0;
}

/* WEIR_OK, WEIR_EAGAIN (p may begin a frame that isn't whole), WEIR_ECORRUPT (it can't). The cheap
 * tests come first, so that a search through damage rarely sums anything. */
static int frame_at(const char *p, size_t n, uint64_t after, struct weir_str *payload,
                    uint64_t *sequence)
{
    uint64_t size;

    if (n < WEIR__FRAME_HEADER + 2)
        return WEIR_EAGAIN;
    size = get(p, 4);
    if (size < 2 || size > WEIR__FRAME_MAX - WEIR__FRAME_HEADER || p[WEIR__FRAME_HEADER] != 0x08)
        return WEIR_ECORRUPT;
    if (size > n - WEIR__FRAME_HEADER)
        return WEIR_EAGAIN;
    *payload = (struct weir_str){p + WEIR__FRAME_HEADER, size};
    *sequence = sequence_of(payload->p, size);
    if (*sequence <= after || get(p + 4, 4) != weir_crc32c(payload->p, size))
        return WEIR_ECORRUPT;
    return WEIR_OK;
}

int weir__frame_next(struct weir_str bytes, bool final, uint64_t after, struct weir_str *payload,
                     uint64_t *sequence, size_t *used, size_t *skipped)
{
    size_t undecided = bytes.n; /* the first place where a frame may begin that isn't whole */

    for (size_t i = 0; i < bytes.n; i++) {
        int rc = frame_at(bytes.p + i, bytes.n - i, after, payload, sequence);

        if (rc == WEIR_EAGAIN && undecided == bytes.n)
            undecided = i;
        if (rc == WEIR_EAGAIN && i == 0 && !final) /* no damage so far: wait for the rest */
            break;
        if (rc == WEIR_OK) {
            *skipped = i;
            *used = i + WEIR__FRAME_HEADER + payload->n;
            return WEIR_OK;
        }
    }
    *skipped = *used = final ? 0 : undecided;
    return WEIR_EAGAIN;
}
