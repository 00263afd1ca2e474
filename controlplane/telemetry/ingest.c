#include "controlplane/telemetry/ingest.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/telemetry/writer.h"
#include "weir/v1/telemetry.pb-c.h"

enum {
    NAME_MAX_BYTES = 256,
    BATCH_RECORDS_MAX = 65536,
    GROUP_BATCHES = 64, /* committed together */
    PRUNE_EVERY_MS = 60000,
    PRUNE_AGAIN_MS = 200,
};

struct job {
    struct job *next;
    struct weir__batch batch; /* everything it points at lies behind this struct */
    size_t bytes;
    weir_ingest_done_fn done;
    void *arg;
    int rc;
};

struct weir_ingest {
    struct weir__writer *writer; /* the thread's alone */
    size_t queue_max;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows; never held during I/O */
    pthread_cond_t wake;
    struct job *first, **last;
    bool stopping;
    struct weir_ingest_stats stats;
};

/* ---- submitting ---- */

static char *put(char **at, const void *p, size_t n)
{
    char *to = *at;

    memcpy(to, p, n);
    to[n] = '\0';
    *at += n + 1;
    return to;
}

static struct job *make_job(const struct weir_ingest_identity *id,
                            const Weir__V1__TelemetryBatch *b)
{
    size_t bytes = sizeof(struct job) + b->n_records * sizeof(struct weir_str);
    size_t node = strlen(id->node), ns = strlen(id->ns), incarnation = strlen(b->incarnation);
    struct weir_str *records;
    struct job *j;
    char *at;

    bytes += node + ns + incarnation + 3;
    for (size_t i = 0; i < b->n_records; i++)
        bytes += b->records[i].len + 1;
    j = weir_alloc(bytes);
    memset(j, 0, sizeof *j);
    records = (struct weir_str *)(j + 1);
    at = (char *)(records + b->n_records);
    j->batch.node = put(&at, id->node, node);
    j->batch.ns = put(&at, id->ns, ns);
    j->batch.incarnation = put(&at, b->incarnation, incarnation);
    for (size_t i = 0; i < b->n_records; i++) {
        const ProtobufCBinaryData *r = &b->records[i];

        records[i] =
            (struct weir_str){put(&at, r->data ? (const char *)r->data : "", r->len), r->len};
    }
    j->batch.records = records;
    j->batch.count = b->n_records;
    j->bytes = bytes;
    return j;
}

int weir_ingest_submit(struct weir_ingest *g, const struct weir_ingest_identity *id,
                       const Weir__V1__TelemetryBatch *batch, weir_ingest_done_fn done, void *arg)
{
    struct job *j;
    int rc = WEIR_OK;

    if (!batch->incarnation || !*batch->incarnation || batch->n_records == 0 ||
        batch->n_records > BATCH_RECORDS_MAX || strlen(batch->incarnation) > NAME_MAX_BYTES)
        return WEIR_EPROTO;
    j = make_job(id, batch);
    j->done = done;
    j->arg = arg;
    pthread_mutex_lock(&g->lock);
    if (g->stopping)
        rc = WEIR_ECLOSED;
    else if (g->stats.queued_bytes + j->bytes > g->queue_max)
        rc = WEIR_ELIMIT;
    if (rc == WEIR_OK) {
        g->stats.queued_bytes += j->bytes;
        *g->last = j;
        g->last = &j->next;
        pthread_cond_signal(&g->wake);
    }
    pthread_mutex_unlock(&g->lock);
    if (rc != WEIR_OK)
        free(j);
    return rc;
}

void weir_ingest_get_stats(struct weir_ingest *g, struct weir_ingest_stats *out)
{
    pthread_mutex_lock(&g->lock);
    *out = g->stats;
    pthread_mutex_unlock(&g->lock);
}

/* ---- the thread ---- */

/* Some jobs, waiting for them until `until`; NULL: none came, or (stopping) none will. */
static struct job *take_some(struct weir_ingest *g, int64_t until_ms, bool *stopping)
{
    struct job *first, **end;
    struct timespec at = {until_ms / 1000, until_ms % 1000 * 1000000};

    pthread_mutex_lock(&g->lock);
    while (!g->first && !g->stopping)
        if (pthread_cond_timedwait(&g->wake, &g->lock, &at) != 0)
            break;
    first = g->first;
    end = &g->first;
    for (int n = 0; n < GROUP_BATCHES && *end; n++)
        end = &(*end)->next;
    g->first = *end;
    *end = NULL;
    if (first && !g->first)
        g->last = &g->first;
    *stopping = g->stopping;
    pthread_mutex_unlock(&g->lock);
    return first;
}

static int store_all(struct weir_ingest *g, struct job *jobs, struct weir__writer_counts *counts)
{
    int rc = weir__writer_begin(g->writer);

    for (struct job *j = jobs; rc == WEIR_OK && j; j = j->next) {
        j->rc = weir__writer_add(g->writer, &j->batch);
        if (j->rc == WEIR_EAUTH)
            WEIR_LOG(WEIR_LOG_WARN, "ingest", "%s/%s sent records of another proxy's start",
                     j->batch.ns, j->batch.node);
        else
            rc = j->rc;
    }
    if (rc == WEIR_OK)
        rc = weir__writer_commit(g->writer, counts);
    if (rc != WEIR_OK)
        weir__writer_rollback(g->writer);
    return rc;
}

static void run_jobs(struct weir_ingest *g, struct job *jobs)
{
    struct weir__writer_counts counts = {0};
    int rc = store_all(g, jobs, &counts);
    uint64_t batches = 0, bytes = 0;
    struct job *next;

    for (struct job *j = jobs; j; j = j->next) {
        batches++;
        bytes += j->bytes;
    }
    pthread_mutex_lock(&g->lock);
    g->stats.queued_bytes -= bytes;
    g->stats.batches += batches;
    g->stats.records += counts.records;
    g->stats.duplicates += counts.duplicates;
    g->stats.unreadable += counts.unreadable;
    g->stats.commits += rc == WEIR_OK;
    g->stats.failures += rc != WEIR_OK;
    pthread_mutex_unlock(&g->lock);
    for (struct job *j = jobs; j; j = next) {
        next = j->next;
        if (j->done)
            j->done(j->arg, rc != WEIR_OK ? rc : j->rc, j->batch.incarnation,
                    j->batch.last_sequence);
        free(j);
    }
}

static void *run(void *arg)
{
    struct weir_ingest *g = arg;
    int64_t prune_ms = weir_mono_ms() + PRUNE_EVERY_MS;
    bool stopping = false;

    for (;;) {
        struct job *jobs = take_some(g, prune_ms, &stopping);

        if (jobs)
            run_jobs(g, jobs);
        else if (stopping)
            break;
        if (weir_mono_ms() >= prune_ms)
            prune_ms =
                weir_mono_ms() +
                (weir__writer_prune(g->writer, weir_wall_ms()) ? PRUNE_AGAIN_MS : PRUNE_EVERY_MS);
    }
    return NULL;
}

/* ---- life ---- */

static void set_defaults(struct weir_ingest_options *o)
{
    const int64_t day = 86400000;

    o->calls_keep_ms = o->calls_keep_ms ? o->calls_keep_ms : 7 * day;
    o->calls_keep_rows = o->calls_keep_rows ? o->calls_keep_rows : 1000000;
    o->minutes_keep_ms = o->minutes_keep_ms ? o->minutes_keep_ms : 3 * day;
    o->hours_keep_ms = o->hours_keep_ms ? o->hours_keep_ms : 90 * day;
    o->days_keep_ms = o->days_keep_ms ? o->days_keep_ms : 1100 * day;
    o->queue_bytes = o->queue_bytes ? o->queue_bytes : 32 << 20;
    o->max_groups = o->max_groups ? o->max_groups : 50000;
}

int weir_ingest_start(const struct weir_ingest_options *options, struct weir_ingest **out)
{
    struct weir_ingest *g = WEIR_NEW(struct weir_ingest);
    struct weir_ingest_options o = *options;
    pthread_condattr_t attr;
    int rc;

    set_defaults(&o);
    g->queue_max = o.queue_bytes;
    g->last = &g->first;
    rc = weir__writer_open(&o, &g->writer);
    if (rc != WEIR_OK) {
        free(g);
        return rc;
    }
    pthread_mutex_init(&g->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&g->wake, &attr);
    pthread_condattr_destroy(&attr);
    WEIR_ASSERT(pthread_create(&g->thread, NULL, run, g) == 0);
    *out = g;
    return WEIR_OK;
}

void weir_ingest_stop(struct weir_ingest *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->stopping = true;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    weir__writer_close(g->writer);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

void weir_ingest_metrics_write(struct weir_ingest *g, struct weir_buf *out)
{
    struct weir_ingest_stats s;

    weir_ingest_get_stats(g, &s);

    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } rows[] = {
        {"weir_ingest_batches_total", "counter", "Batches that proxies sent.", s.batches},
        {"weir_ingest_records_total", "counter", "Records that were stored.", s.records},
        {"weir_ingest_duplicates_total", "counter", "Records that were stored before.",
         s.duplicates},
        {"weir_ingest_unreadable_total", "counter", "Records that could not be read.",
         s.unreadable},
        {"weir_ingest_commits_total", "counter", "Transactions of the telemetry store.", s.commits},
        {"weir_ingest_failures_total", "counter", "Transactions that failed.", s.failures},
        {"weir_ingest_queued_bytes", "gauge", "Bytes of batches that wait.", s.queued_bytes},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        (void)weir_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", rows[i].name,
                            rows[i].help, rows[i].name, rows[i].type, rows[i].name,
                            (unsigned long long)rows[i].value);
}
