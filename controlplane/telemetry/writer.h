/* writer.h - stores batches in telemetry.db: one transaction for many, rollups summed up first.
 * Used by the ingest's thread only. */
#ifndef WEIR_INGEST_WRITER_H
#define WEIR_INGEST_WRITER_H

#include "controlplane/telemetry/ingest.h"
#include "controlplane/telemetry/schema.h"

struct weir__writer;

struct weir__batch {
    const char *node, *ns, *incarnation;
    const struct weir_str *records;
    size_t count;
    uint64_t last_sequence; /* out: the highest; 0 when none was readable */
};

struct weir__writer_counts {
    uint64_t records, duplicates, unreadable;
};

WEIR_NODISCARD int weir__writer_open(const struct weir_ingest_options *o,
                                     struct weir__writer **out);
void weir__writer_close(struct weir__writer *w);

WEIR_NODISCARD int weir__writer_begin(struct weir__writer *w);
/* WEIR_EAUTH: the incarnation is another proxy's; nothing was stored and the rest may go on. Other
 * errors: roll back. */
WEIR_NODISCARD int weir__writer_add(struct weir__writer *w, struct weir__batch *b);
/* Rollups and commit. Any error leaves nothing stored. Adds to counts after the commit. */
WEIR_NODISCARD int weir__writer_commit(struct weir__writer *w, struct weir__writer_counts *counts);
void weir__writer_rollback(struct weir__writer *w);

/* Deletes what is past its time, a bounded piece of it. True: there may be more. */
bool weir__writer_prune(struct weir__writer *w, int64_t now_ms);

#endif
