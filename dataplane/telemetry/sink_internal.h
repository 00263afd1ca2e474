/* sink_internal.h - the hub's outputs besides the spool: the access log's file and the exporter of
 * spans. Hub loop only. Both buffer, are bounded, and drop what is too much. */
#ifndef WEIR_TELEMETRY_SINK_INTERNAL_H
#define WEIR_TELEMETRY_SINK_INTERNAL_H

#include <uv.h>

#include "dataplane/telemetry/attributes.h"
#include "dataplane/telemetry/sink.h"

struct weir__log;

/* Written by libuv's pool, so that a full pipe never holds up the hub. WEIR_EIO. */
WEIR_NODISCARD int weir__log_create(uv_loop_t *loop, const char *path, struct weir__log **out);
void weir__log_add(struct weir__log *l, const Weir__V1__CallRecord *r);
void weir__log_flush(struct weir__log *l);
void weir__log_reopen(struct weir__log *l);
void weir__log_count(const struct weir__log *l, uint64_t *lines, uint64_t *dropped);
/* Writes what waits, then done; a write that hangs is left to the process's end after a second. */
void weir__log_close(struct weir__log *l, void (*done)(void *arg), void *arg);

struct weir__exporter;

WEIR_NODISCARD int weir__exporter_create(const struct weir_sink_options *o, char *why,
                                         size_t why_size, struct weir__exporter **out);
void weir__exporter_add(struct weir__exporter *e, const Weir__V1__CallRecord *r);
void weir__exporter_count(const struct weir__exporter *e, struct weir_sink_stats *out);
void weir__exporter_close(struct weir__exporter *e, void (*done)(void *arg), void *arg);

#endif
