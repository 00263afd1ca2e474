/* spool.h - records on disk until the control plane has them: append-only segment files in the
 * state folder, one incarnation for each start of the proxy.
 *
 * Hub thread only: it blocks on the disk (no fsync: a record survives the process, not the power).
 * A record is known by (incarnation, sequence); sequences rise from 1 without a gap, in the order
 * of appending. Memory does not grow with the backlog. */
#ifndef WEIR_TELEMETRY_SPOOL_H
#define WEIR_TELEMETRY_SPOOL_H

#include "base/buf.h"

enum { WEIR_SPOOL_INCARNATION_HEX = 32 };

struct weir_spool; /* opaque */

/* Zero means the default, given in brackets. */
struct weir_spool_options {
    const char *dir;       /* made when missing, 0700 */
    int64_t max_bytes;     /* [256 MiB] of all segments */
    int64_t segment_bytes; /* [8 MiB] */
};

/* Recovers what earlier incarnations left: a torn tail is cut, a damaged record skipped, both with
 * a log line. WEIR_EIO: the folder can't be used. */
WEIR_NODISCARD int weir_spool_open(const struct weir_spool_options *o, struct weir_spool **out);
void weir_spool_close(struct weir_spool *s); /* NULL is fine */

const char *weir_spool_incarnation(const struct weir_spool *s); /* of this start */

/* Takes encoded records (weir_record_encode), gives them their sequences and writes them with one
 * system call when weir_spool_flush() is called or enough are waiting.
 * WEIR_ELIMIT: at max_bytes, or the disk has refused writes for long: the record is not taken and
 * counted in `refused`; usage already taken is never thrown away for newer one. */
WEIR_NODISCARD int weir_spool_append(struct weir_spool *s, struct weir_str record);
/* WEIR_EIO: the disk refused; what waits is kept (bounded) and tried again at the next call. */
int weir_spool_flush(struct weir_spool *s);

/* Records of one incarnation in their order, each a packed CallRecord; views until the next call on
 * the spool. */
struct weir_spool_batch {
    const char *incarnation;
    uint64_t first_sequence, last_sequence;
    const struct weir_str *records;
    size_t count;
};

enum { WEIR_SPOOL_BATCH_RECORDS = 256, WEIR_SPOOL_BATCH_BYTES = 256 << 10 };

/* The next records not handed out since weir_spool_rewind(), the oldest incarnation first.
 * WEIR_ENOTFOUND: all were. WEIR_EIO. */
WEIR_NODISCARD int weir_spool_next_batch(struct weir_spool *s, struct weir_spool_batch *out);

/* All records of incarnation up to sequence are durable elsewhere: their segments may go. Stale and
 * unknown acknowledgements are ignored. */
void weir_spool_ack(struct weir_spool *s, const char *incarnation, uint64_t sequence);

/* A stream was opened: hand everything that is not acknowledged out again. */
void weir_spool_rewind(struct weir_spool *s);

struct weir_spool_stats {
    int64_t bytes, max_bytes; /* on disk now, acknowledged parts of segments included */
    uint64_t appended, acknowledged, refused, damaged;
    uint32_t segments;
};

void weir_spool_get_stats(const struct weir_spool *s, struct weir_spool_stats *out);

#endif
