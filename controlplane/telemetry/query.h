/* query.h - reads telemetry.db for the API and the commands, and writes the answers as JSON.
 *
 * A reader is a read-only connection: used by one thread at a time, beside the ingest's own writer.
 * It blocks on the disk: never on a loop. Every answer is bounded. Money is nano-USD. */
#ifndef WEIR_INGEST_QUERY_H
#define WEIR_INGEST_QUERY_H

#include "base/buf.h"

struct weir_query; /* opaque: the reader */

/* WEIR_ENOTFOUND: no telemetry yet; else as store.h. */
WEIR_NODISCARD int weir_query_open(const char *path, struct weir_query **out);
void weir_query_close(struct weir_query *q); /* NULL is fine */

enum {
    WEIR_QUERY_MAX_BY = 3,
    WEIR_QUERY_MAX_GROUPS = 1000,  /* the most expensive ones; others are summed as "(others)" */
    WEIR_QUERY_MAX_POINTS = 20000, /* of all series */
    WEIR_QUERY_MAX_CALLS = 1000,
};

/* Filters: absent means any. */
struct weir_query_filter {
    struct weir_str ns, agent, project, team, model, provider, key;
};

struct weir_query_spend {
    struct weir_str by;     /* "agent,model": up to three of agent, project, team, model, provider,
                             * key, namespace, environment; absent or "": one group */
    int64_t from_ms, to_ms; /* wall clock; whole minutes, hours or days are taken (see level) */
    int64_t step_ms;        /* > 0: a series of each group too; 0: none */
    int64_t limit;          /* 0: WEIR_QUERY_MAX_GROUPS */
    struct weir_query_filter filter;
};

/* Corrections (correct.h) are in the costs of the moment that they are for.
 *
 * NUMBERS: "calls","ok","refused","failed","aborted","cut","estimated","unpriced","costNano",
 * "inputTokens","outputTokens","cacheReadTokens","cacheWriteTokens","reasoningTokens","tokens"
 * (input + output), "durationUs" (sum), "correctedNano" (of the cost).
 *
 * {"by":["agent"],"level":"minute|hour|day","fromMs":…,"toMs":…,"stepMs":…,"total":{NUMBERS},
 *  "groups":[{"key":["ns/agent"],NUMBERS}…],            dearest first
 *  "series":[{"group":0,"points":[{"t":ms,"calls","costNano","tokens","inputTokens","outputTokens"}…]}…]}
 *
 * Days are read for whole days (UTC; also the step), minutes for up to 48 hours, hours for up to 60
 * days, else days; fromMs is what was taken, stepMs a multiple of the level. WEIR_EINVAL: an
 * unknown `by`, from after to. */
WEIR_NODISCARD int weir_query_spend_json(struct weir_query *q, const struct weir_query_spend *p,
                                         struct weir_buf *out);

struct weir_query_calls {
    struct weir_query_filter filter;         /* texts with '*' match as a pattern */
    struct weir_str outcome;                 /* ok, refused, failed, aborted, cut */
    struct weir_str session, trace, request; /* ids */
    int64_t since_ms, until_ms;              /* started; 0: open */
    int64_t after;                           /* a cursor: only calls that came in later; 0: none */
    int64_t before;                          /* a cursor: only earlier ones; 0: none */
    int64_t limit;                           /* 0: 100; at most WEIR_QUERY_MAX_CALLS */
};

/* {"items":[CALL…],"next":cursor or null,"newest":cursor}, the newest first; `next` is the `before`
 * of the next page, `newest` the `after` of the next poll. CALL, members left out when unknown:
 * {"id","cursor","node","requestId","traceId","session","startedMs","durationUs","firstByteUs",
 *  "firstTokenUs","gatewayUs","namespace","agent","key","organization","project","team",
 *  "environment","operation","dialect","route","provider","requestedModel","servedModel","stream","cached","status",
 *  "errorCode","errorDetail","outcome","finishReason","usage":{"inputTokens","outputTokens","cacheReadTokens",
 *  "cacheWriteTokens","cacheWrite1hTokens","reasoningTokens","estimated"},"costNano","priceSource"}
 */
WEIR_NODISCARD int weir_query_calls_json(struct weir_query *q, const struct weir_query_calls *p,
                                         struct weir_buf *out);

/* One call by its id (or request id): CALL and "spanId","parentSpanId","userAgent","incarnation",
 * "sequence","requestBytes","responseBytes","chunks","policyRevision",
 * "costParts":[{"kind","tokens","price"}…],"holds":[{"budget","scope","lease","unit","held",
 * "settled","refused"}…],"attempts":[{"provider","model","status","error","durationUs",
 * "reusedConnection","costNano"}…]. WEIR_ENOTFOUND. */
WEIR_NODISCARD int weir_query_call_json(struct weir_query *q, struct weir_str id,
                                        struct weir_buf *out);

/* For `weir top`: {"fromMs","toMs","total":{NUMBERS},"agents":[{"key":[…],NUMBERS}…],
 * "models":[…],"providers":[…]}, at most limit each, the dearest first. */
WEIR_NODISCARD int weir_query_top_json(struct weir_query *q, int64_t from_ms, int64_t to_ms,
                                       int64_t limit, struct weir_buf *out);

struct weir_query_focus {
    int64_t from_ms, to_ms; /* a billing period: whole days, UTC */
    bool csv;               /* with a line of names; else a JSON array of objects */
};

/* Cost and usage as rows of FOCUS 1.2, by day and label set, in the order of time; each correction
 * is a row of its own, of the charge class Correction. WEIR_ELIMIT: out
 * is too small for all of them. */
WEIR_NODISCARD int weir_query_focus(struct weir_query *q, const struct weir_query_focus *p,
                                    struct weir_buf *out);

struct weir_query_chargeback {
    struct weir_str by;     /* "team,project": any of the labels above, and "day" */
    int64_t from_ms, to_ms; /* whole days, UTC */
    bool csv;               /* with a line of names; else a JSON array of objects */
    struct weir_query_filter filter;
};

/* Who is charged how much: a row for each group, all of them, the dearest first (by day: in its
 * order). Columns: the labels, then those of FOCUS that a sum has, then x_ ones. Corrections are
 * in BilledCost; x_CorrectedCost is their part. WEIR_EINVAL: an unknown `by`, no days. WEIR_ELIMIT:
 * out is too small for all of them. */
WEIR_NODISCARD int weir_query_chargeback(struct weir_query *q,
                                         const struct weir_query_chargeback *p,
                                         struct weir_buf *out);

/* {"calls":rows kept,"firstMs","lastMs","total":{NUMBERS} of all days kept} */
WEIR_NODISCARD int weir_query_totals_json(struct weir_query *q, struct weir_buf *out);

#endif
