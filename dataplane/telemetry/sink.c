#include "dataplane/telemetry/sink.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "dataplane/telemetry/metrics.h"
#include "dataplane/telemetry/sink_internal.h"
#include "net/post.h"

enum {
    BUFFER_MAX = 8 << 20,     /* kept by a worker while the hub doesn't take its buffers */
    SCRATCH_BYTES = 32 << 10, /* an unpacked record nearly always fits */
};

struct weir_sink {
    struct weir_sink_options o; /* strings are not kept */
    struct weir__log *log;
    struct weir__exporter *exporter;
    char *scratch;
    size_t scratch_used;
    uint64_t records, unspooled;
    int open_parts; /* until done */
    void (*done)(void *arg);
    void *arg;
};

/* Records as the worker wrote them: 32 bits of length (native order), then the bytes. */
struct parcel {
    struct weir_sink *sink;
    struct weir_buf bytes;
};

struct weir_recorder {
    struct weir_sink *sink;
    struct weir_mailbox *hub;
    struct weir_metrics *metrics;
    struct parcel *parcel;
    size_t records; /* in it */
    uv_timer_t timer;
};

/* ---- the hub ---- */

int weir_sink_create(const struct weir_sink_options *o, char *why, size_t why_size,
                     struct weir_sink **out)
{
    struct weir_sink *s = WEIR_NEW(struct weir_sink);
    int rc = WEIR_OK;

    s->o = *o;
    if (o->otlp_endpoint && *o->otlp_endpoint)
        rc = weir__exporter_create(o, why, why_size, &s->exporter);
    if (rc == WEIR_OK && o->access_log) {
        rc = weir__log_create(o->loop, o->access_log, &s->log);
        if (rc != WEIR_OK)
            (void)snprintf(why, why_size, "access log %s can't be opened", o->access_log);
    }
    if (rc != WEIR_OK) {
        if (s->exporter)
            weir__exporter_close(s->exporter, NULL, NULL);
        free(s);
        return rc;
    }
    if (s->log || s->exporter)
        s->scratch = weir_alloc(SCRATCH_BYTES);
    *out = s;
    return WEIR_OK;
}

/* An unpacked record is read once and thrown away: its parts come from one piece of memory. */
static void *scratch_alloc(void *arg, size_t n)
{
    struct weir_sink *s = arg;
    size_t at = s->scratch_used;

    n = (n + 15) & ~(size_t)15;
    if (n > SCRATCH_BYTES - at)
        return weir_alloc(n);
    s->scratch_used += n;
    return s->scratch + at;
}

static void scratch_free(void *arg, void *p)
{
    struct weir_sink *s = arg;

    if ((char *)p < s->scratch || (char *)p >= s->scratch + SCRATCH_BYTES)
        free(p);
}

static void take(struct weir_sink *s, struct weir_str bytes)
{
    ProtobufCAllocator scratch = {scratch_alloc, scratch_free, s};
    Weir__V1__CallRecord *r;

    s->records++;
    if (s->o.spool && weir_spool_append(s->o.spool, bytes) != WEIR_OK)
        s->unspooled++; /* the spool has logged why */
    if (!s->log && !s->exporter)
        return;
    s->scratch_used = 0;
    r = weir__v1__call_record__unpack(&scratch, bytes.n, (const uint8_t *)bytes.p);
    if (!r)
        return;
    if (s->log)
        weir__log_add(s->log, r);
    if (s->exporter)
        weir__exporter_add(s->exporter, r);
    weir__v1__call_record__free_unpacked(r, &scratch);
}

static void on_parcel(void *arg)
{
    struct parcel *parcel = arg;
    struct weir_sink *s = parcel->sink;
    struct weir_str left = weir_buf_str(&parcel->bytes);
    uint32_t n;

    while (left.n >= sizeof n) {
        memcpy(&n, left.p, sizeof n);
        take(s, (struct weir_str){left.p + sizeof n, n});
        left.p += sizeof n + n;
        left.n -= sizeof n + n;
    }
    weir_buf_fini(&parcel->bytes);
    free(parcel);
    if (s->log)
        weir__log_flush(s->log);
    if (s->o.spool && weir_spool_flush(s->o.spool) == WEIR_OK && s->o.on_spooled)
        s->o.on_spooled(s->o.arg);
}

void weir_sink_reopen_log(struct weir_sink *s)
{
    if (s->log)
        weir__log_reopen(s->log);
}

void weir_sink_get_stats(const struct weir_sink *s, struct weir_sink_stats *out)
{
    *out = (struct weir_sink_stats){.records = s->records, .unspooled = s->unspooled};
    if (s->log)
        weir__log_count(s->log, &out->log_lines, &out->log_dropped);
    if (s->exporter)
        weir__exporter_count(s->exporter, out);
}

static void part_closed(void *arg)
{
    struct weir_sink *s = arg;

    if (--s->open_parts > 0)
        return;
    if (s->done)
        s->done(s->arg);
    free(s->scratch);
    free(s);
}

void weir_sink_close(struct weir_sink *s, void (*done)(void *arg), void *arg)
{
    s->done = done;
    s->arg = arg;
    s->open_parts = 1 + (s->log != NULL) + (s->exporter != NULL);
    if (s->log)
        weir__log_close(s->log, part_closed, s);
    if (s->exporter)
        weir__exporter_close(s->exporter, part_closed, s);
    part_closed(s);
}

/* ---- the worker ---- */

struct weir_recorder *weir_recorder_create(uv_loop_t *loop, struct weir_sink *sink,
                                           struct weir_metrics *metrics)
{
    struct weir_recorder *rec = WEIR_NEW(struct weir_recorder);

    rec->sink = sink;
    rec->hub = sink->o.hub;
    rec->metrics = metrics;
    (void)uv_timer_init(loop, &rec->timer);
    uv_unref((uv_handle_t *)&rec->timer);
    rec->timer.data = rec;
    return rec;
}

static void hand_over(struct weir_recorder *rec)
{
    if (!rec->parcel || weir_mailbox_post(rec->hub, on_parcel, rec->parcel) != WEIR_OK)
        return; /* full: kept, and tried again with what follows */
    rec->parcel = NULL;
    rec->records = 0;
}

static void on_timer(uv_timer_t *t)
{
    struct weir_recorder *rec = t->data;

    hand_over(rec);
    if (rec->parcel)
        (void)uv_timer_start(t, on_timer, WEIR_SINK_FLUSH_MS, 0);
}

static void lost(struct weir_recorder *rec, size_t n)
{
    if (rec->metrics)
        weir_metrics_add(rec->metrics, WEIR_METRIC_RECORDS_LOST, (int64_t)n);
    WEIR_LOG(WEIR_LOG_ERROR, "record", "%zu records lost: the hub takes none", n);
}

void weir_recorder_add(struct weir_recorder *rec, const struct weir_record *r)
{
    struct weir_buf *b;
    size_t at;
    uint32_t n = 0;

    if (!rec->parcel) {
        rec->parcel = WEIR_NEW(struct parcel);
        rec->parcel->sink = rec->sink;
        weir_buf_init(&rec->parcel->bytes, BUFFER_MAX);
        (void)uv_timer_start(&rec->timer, on_timer, WEIR_SINK_FLUSH_MS, 0);
    }
    b = &rec->parcel->bytes;
    at = b->n;
    if (weir_buf_add(b, &n, sizeof n) != WEIR_OK || weir_record_encode(r, b) != WEIR_OK) {
        b->n = at;
        lost(rec, 1);
        return;
    }
    n = (uint32_t)(b->n - at - sizeof n);
    memcpy(b->p + at, &n, sizeof n);
    rec->records++;
    if (b->n >= WEIR_SINK_BUFFER_BYTES && b->n - (sizeof n + n) < WEIR_SINK_BUFFER_BYTES)
        hand_over(rec);
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void weir_recorder_close(struct weir_recorder *rec)
{
    hand_over(rec);
    if (rec->parcel) {
        lost(rec, rec->records);
        weir_buf_fini(&rec->parcel->bytes);
        free(rec->parcel);
    }
    uv_close((uv_handle_t *)&rec->timer, on_closed);
}
