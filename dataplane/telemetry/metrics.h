/* metrics.h - the proxy's numbers: every worker counts in memory of its own, the hub reads all of
 * them when it is scraped and writes Prometheus text (exposition format 0.0.4).
 *
 * A weir_metrics belongs to the worker that made it: only that thread updates it. Reading from
 * another thread is safe at any time (relaxed atomics: a scrape may see a call half counted, never
 * a torn number). Label sets are bounded: past WEIR_METRICS_MAX_SERIES calls count as "other". */
#ifndef WEIR_TELEMETRY_METRICS_H
#define WEIR_TELEMETRY_METRICS_H

#include "dataplane/telemetry/record.h"

enum { WEIR_METRICS_MAX_SERIES = 1024 };

struct weir_metrics; /* opaque */

/* What metrics.def declares without labels of a call. */
enum weir_metric {

#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...)
#define WEIR_WORKER_COUNTER(id, name, help) WEIR_METRIC_##id,
#define WEIR_WORKER_GAUGE(id, name, help) WEIR_METRIC_##id,
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
    WEIR_METRIC_COUNT
};

/* What the hub adds at a scrape (budgets, policy, spool, ...), from metrics.def too. */
enum weir_hub_metric {

#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...)
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help) WEIR_HUB_##id,
#include "dataplane/telemetry/metrics.def"
    WEIR_HUB_COUNT
};

struct weir_metrics *weir_metrics_create(void);
void weir_metrics_destroy(struct weir_metrics *m); /* after its last reader; NULL is fine */

/* Counts a finished call. Worker only. Labels are the record's agent, provider, requested model and
 * operation: leave those out of the record (or use "other") that policy doesn't name. */
void weir_metrics_observe(struct weir_metrics *m, const struct weir_record *r);

void weir_metrics_add(struct weir_metrics *m, enum weir_metric id, int64_t n); /* worker only */
void weir_metrics_set(struct weir_metrics *m, enum weir_metric id, int64_t v); /* worker only */
int64_t weir_metrics_get(const struct weir_metrics *m, enum weir_metric id);   /* any thread */

/* The sum over all workers as Prometheus text. Any thread, while no worker ends. */
void weir_metrics_write(struct weir_metrics *const workers[], size_t count, struct weir_buf *out);

/* ---- one family at a time, for the hub's own numbers ---- */

struct weir_metric_label {
    const char *name;
    struct weir_str value; /* escaped when written */
};

/* HELP and TYPE lines; then the samples of that family, each label set once. */
void weir_metrics_hub_family(struct weir_buf *out, enum weir_hub_metric id);
void weir_metrics_hub_sample(struct weir_buf *out, enum weir_hub_metric id,
                             const struct weir_metric_label *labels, size_t label_count, int64_t v);
/* Both, for a number without labels. */
void weir_metrics_hub_value(struct weir_buf *out, enum weir_hub_metric id, int64_t v);

#endif
