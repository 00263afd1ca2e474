/* schema.h - telemetry.db: its tables, and the numbers that calls and rollups have in common.
 * Private to the telemetry module.
 *
 * A call's labels are one row of `groups`; rollups point there, so that a label set is written
 * once. Level 0 holds minutes, 1 hours, 2 days (UTC); all three are written with the call, in one
 * transaction, so that each is a sum of the calls and not of the level below. */
#ifndef WEIR_INGEST_SCHEMA_H
#define WEIR_INGEST_SCHEMA_H

#include "controlplane/store/store.h"

enum { WEIR__LEVELS = 3, WEIR__LABELS = 8 };

extern const int64_t weir__level_ms[WEIR__LEVELS];
extern const char *const weir__level_names[WEIR__LEVELS];

/* In the order of the columns of `groups`, as users name them. */
extern const char *const weir__label_names[WEIR__LABELS];
extern const char *const weir__label_columns[WEIR__LABELS];

/* id, column, JSON name */
#define WEIR__NUMBERS(X)                                                                           \
    X(CALLS, calls, "calls")                                                                       \
    X(OK, ok, "ok")                                                                                \
    X(REFUSED, refused, "refused")                                                                 \
    X(FAILED, failed, "failed")                                                                    \
    X(ABORTED, aborted, "aborted")                                                                 \
    X(CUT, cut, "cut")                                                                             \
    X(ESTIMATED, estimated, "estimated")                                                           \
    X(UNPRICED, unpriced, "unpriced")                                                              \
    X(COST, cost, "costNano")                                                                      \
    X(INPUT, input, "inputTokens")                                                                 \
    X(OUTPUT, output, "outputTokens")                                                              \
    X(CACHE_READ, cache_read, "cacheReadTokens")                                                   \
    X(CACHE_WRITE, cache_write, "cacheWriteTokens")                                                \
    X(REASONING, reasoning, "reasoningTokens")                                                     \
    X(DURATION, duration, "durationUs")

enum weir__number {

#define WEIR__X(id, column, json) WEIR__N_##id,
    WEIR__NUMBERS(WEIR__X)
#undef WEIR__X
        WEIR__N_COUNT
};

/* Brings the database to the present schema. Errors as store.h. */
WEIR_NODISCARD int weir_ingest_migrate(struct weir_store *s);

#endif
