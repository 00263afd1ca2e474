/* sink.h - the way of a record from a worker to the hub, and what the hub does with it: spool,
 * access log, spans.
 *
 * A worker appends encoded records to a buffer of its recorder; the whole buffer goes to the hub by
 * mailbox when it is large or a moment has passed, so that a record costs the worker one copy. The
 * sink lives on the hub's loop; a recorder on its worker's. */
#ifndef WEIR_TELEMETRY_SINK_H
#define WEIR_TELEMETRY_SINK_H

#include <uv.h>

#include "dataplane/telemetry/record.h"
#include "dataplane/telemetry/spool.h"

struct weir_sink;
struct weir_recorder;
struct weir_mailbox;
struct weir_metrics;

enum {
    WEIR_SINK_FLUSH_MS = 20, /* a record is at most this old when it goes to the hub */
    WEIR_SINK_BUFFER_BYTES = 64 << 10,
    WEIR_SINK_LOG_BYTES = 4 << 20, /* access log lines that may wait; more are dropped */
    WEIR_SINK_SPANS = 4096,        /* spans that may wait */
};

struct weir_sink_options {
    uv_loop_t *loop;             /* the hub's */
    struct weir_mailbox *hub;    /* posts to that loop; outlives the recorders */
    struct weir_spool *spool;    /* borrowed; NULL: records only go to the log and the collector */
    const char *access_log;      /* NULL: none; "-": standard output; else a file, appended to */
    const char *otlp_endpoint;   /* NULL: none; "http://host:4318": /v1/traces is added */
    const char *service_name;    /* NULL: "weir-proxy" */
    const char *service_version; /* NULL: left out */
    const char *node;            /* service.instance.id; NULL: left out */
    /* Records were spooled: send them now if a stream is open. May be NULL. */
    void (*on_spooled)(void *arg);
    void *arg;
};

/* WEIR_EINVAL: the endpoint (why says what). WEIR_EIO: the log file. */
WEIR_NODISCARD int weir_sink_create(const struct weir_sink_options *o, char *why, size_t why_size,
                                    struct weir_sink **out);
/* After the recorders. Writes what waits (the log for a bounded time, one last export of spans is
 * not awaited), then frees itself; done(arg) runs on the loop. */
void weir_sink_close(struct weir_sink *s, void (*done)(void *arg), void *arg);

void weir_sink_reopen_log(struct weir_sink *s); /* after a rename, on SIGHUP */

struct weir_sink_stats {
    uint64_t records, unspooled, log_lines, log_dropped, spans_sent, spans_dropped, export_failures;
};

void weir_sink_get_stats(const struct weir_sink *s, struct weir_sink_stats *out);

/* ---- the worker's end; all on the worker's thread ---- */

/* metrics: counts the records that are lost; may be NULL. */
struct weir_recorder *weir_recorder_create(uv_loop_t *loop, struct weir_sink *sink,
                                           struct weir_metrics *metrics);
/* Never blocks. */
void weir_recorder_add(struct weir_recorder *rec, const struct weir_record *r);
/* Hands over what waits and frees itself once the loop has closed its timer. */
void weir_recorder_close(struct weir_recorder *rec);

#endif
