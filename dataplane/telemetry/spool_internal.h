/* spool_internal.h - how a spool lies on disk. A segment is a header (64 bytes: magic, incarnation
 * in hex, first sequence, CRC-32C of those, zeros), then frames: length and CRC-32C of the payload,
 * both 32 bits little-endian, then the payload, a packed CallRecord that begins with its
 * sequence. */
#ifndef WEIR_TELEMETRY_SPOOL_INTERNAL_H
#define WEIR_TELEMETRY_SPOOL_INTERNAL_H

#include "dataplane/telemetry/record.h"
#include "dataplane/telemetry/spool.h"

enum {
    WEIR__SEGMENT_HEADER = 64,
    WEIR__FRAME_HEADER = 8,
    WEIR__FRAME_SEQUENCE = 11, /* at most: tag and varint */
    WEIR__FRAME_MAX = WEIR__FRAME_HEADER + WEIR__FRAME_SEQUENCE + WEIR_RECORD_MAX_BYTES,
};

struct weir__segment {
    char incarnation[WEIR_SPOOL_INCARNATION_HEX + 1];
    int64_t start_ms; /* of the incarnation: the order of what is sent */
    uint32_t number;
    uint64_t first, last; /* sequences; last 0: not known */
    uint64_t acked;       /* of the incarnation; the same in all its segments */
    int64_t bytes;
};

void weir__segment_header(const struct weir__segment *g, char out[WEIR__SEGMENT_HEADER]);
/* Fills incarnation and first. WEIR_ECORRUPT. */
WEIR_NODISCARD int weir__segment_parse(struct weir_str head, struct weir__segment *out);

/* "<start>-<incarnation>-<number>.seg"; names sort in the order of sending. */
void weir__segment_name(const struct weir__segment *g, char *out, size_t n);
/* WEIR_EINVAL: not such a name. */
WEIR_NODISCARD int weir__segment_parse_name(const char *name, struct weir__segment *out);

/* Appends one frame. WEIR_ELIMIT: out is full. */
WEIR_NODISCARD int weir__frame_add(struct weir_buf *out, uint64_t sequence, struct weir_str record);

/* The first frame of bytes with a sequence above `after`: *payload is a view, *used what it took,
 * *skipped how much damage lay before it. WEIR_EAGAIN: there is no whole frame; *used bytes can't
 * begin one any more. final: nothing follows, so a frame that isn't whole is damage, which is
 * searched through; otherwise bytes of WEIR__FRAME_MAX make progress. */
WEIR_NODISCARD int weir__frame_next(struct weir_str bytes, bool final, uint64_t after,
                                    struct weir_str *payload, uint64_t *sequence, size_t *used,
                                    size_t *skipped);

#endif
