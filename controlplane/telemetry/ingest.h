/* ingest.h - takes the records of every proxy into telemetry.db, each exactly once, with rollups by
 * minute, hour and day.
 *
 * It has a thread and a write connection of its own. Batches that wait are committed together;
 * a batch is told of after its commit (WAL, synchronous=NORMAL: it survives the process). What was
 * seen is kept as ranges of sequences for each incarnation, so replays and reorders count nothing
 * twice and lose nothing, also after the calls themselves were pruned. */
#ifndef WEIR_INGEST_INGEST_H
#define WEIR_INGEST_INGEST_H

#include "base/buf.h"

struct weir_ingest; /* opaque */
struct Weir__V1__TelemetryBatch;

/* Zero means the default, given in brackets. */
struct weir_ingest_options {
    const char *path;        /* telemetry.db; made when missing */
    int64_t calls_keep_ms;   /* [7 days] */
    int64_t calls_keep_rows; /* [1,000,000] */
    int64_t minutes_keep_ms; /* [3 days] */
    int64_t hours_keep_ms;   /* [90 days] */
    int64_t days_keep_ms;    /* [1,100 days] */
    size_t queue_bytes;      /* [32 MiB] that may wait for a commit */
    int64_t max_groups;      /* [50,000] sets of agent, project, ...; more count as "other" */
};

/* Opens, migrates and starts the thread. Errors as store.h. */
WEIR_NODISCARD int weir_ingest_start(const struct weir_ingest_options *o, struct weir_ingest **out);
/* Commits what waits, tells of it, ends the thread. NULL is fine. */
void weir_ingest_stop(struct weir_ingest *g);

/* From the transport, never from the records. */
struct weir_ingest_identity {
    const char *node, *ns;
};

/* On the ingest thread; must not block. rc WEIR_OK: all of the batch is stored (some of it maybe
 * before): acknowledge incarnation up to sequence. Else nothing of it is: drop the stream. */
typedef void (*weir_ingest_done_fn)(void *arg, int rc, const char *incarnation, uint64_t sequence);

/* Any thread; copies. done runs once, and may be NULL. WEIR_ELIMIT: too much waits; WEIR_EPROTO: no
 * incarnation or no records; WEIR_ECLOSED. In these cases done isn't called. A record that can't be
 * read is passed over and counted; done gets WEIR_EAUTH for another proxy's incarnation. */
WEIR_NODISCARD int weir_ingest_submit(struct weir_ingest *g, const struct weir_ingest_identity *id,
                                      const struct Weir__V1__TelemetryBatch *batch,
                                      weir_ingest_done_fn done, void *arg);

struct weir_ingest_stats { /* since the start */
    uint64_t batches, records, duplicates, unreadable, commits, failures, queued_bytes;
};

void weir_ingest_get_stats(struct weir_ingest *g, struct weir_ingest_stats *out); /* any thread */

/* The ingest's own numbers as Prometheus text. Any thread; doesn't block on the disk. */
void weir_ingest_metrics_write(struct weir_ingest *g, struct weir_buf *out);

#endif
