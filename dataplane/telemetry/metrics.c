#include "dataplane/telemetry/metrics.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"

/* SECONDS: bounds and sums are kept in microseconds and written as seconds. */
enum unit { SECONDS, TOKENS };

enum { HISTOGRAM_MAX_BOUNDS = 16, TABLE = 2 * WEIR_METRICS_MAX_SERIES };

enum series_counter {

#define WEIR_SERIES_COUNTER(id, name, label, help) C_##id,
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...)
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
    C_COUNT
};

enum series_histogram {

#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...) H_##id,
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
    H_COUNT
};

struct family {
    const char *name, *label, *type, *help;
};

struct bounds {
    enum unit unit;
    int64_t upper[HISTOGRAM_MAX_BOUNDS + 1]; /* ends with 0 */
};

static const struct family counters[] = {
#define WEIR_SERIES_COUNTER(id, name, label, help) {name, label, "counter", help},
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...)
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
};

static const struct family histograms[] = {
#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...) {name, label, "histogram", help},
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
};

static const struct bounds bounds[] = {
#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...) {unit, {__VA_ARGS__}},
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
};

static const struct family plain[] = {
#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...)
#define WEIR_WORKER_COUNTER(id, name, help) {name, "", "counter", help},
#define WEIR_WORKER_GAUGE(id, name, help) {name, "", "gauge", help},
#define WEIR_HUB_METRIC(id, name, type, help)
#include "dataplane/telemetry/metrics.def"
};

static const struct family hub[] = {
#define WEIR_SERIES_COUNTER(id, name, label, help)
#define WEIR_SERIES_HISTOGRAM(id, name, label, help, unit, ...)
#define WEIR_WORKER_COUNTER(id, name, help)
#define WEIR_WORKER_GAUGE(id, name, help)
#define WEIR_HUB_METRIC(id, name, type, help) {name, "", type, help},
#include "dataplane/telemetry/metrics.def"
};

typedef _Atomic int64_t cell; /* one writer: a plain load and store, no locked instruction */

struct histogram {
    cell buckets[HISTOGRAM_MAX_BOUNDS + 1]; /* not cumulated; the one after the last bound: +Inf */
    cell sum;
};

struct series {
    uint64_t hash;
    char *labels; /* rendered, without braces: also the identity between workers */
    size_t labels_n;
    cell counters[C_COUNT];
    struct histogram histograms[H_COUNT];
};

struct weir_metrics {
    cell plain[WEIR_METRIC_COUNT];
    struct series *table[TABLE]; /* by hash, open addressing; the worker's alone */
    _Atomic size_t count;        /* published after its element in all */
    struct series *all[WEIR_METRICS_MAX_SERIES + 1]; /* the last one: "other" */
};

static void bump(cell *c, int64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static int64_t value(const cell *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

struct weir_metrics *weir_metrics_create(void)
{
    return WEIR_NEW(struct weir_metrics);
}

void weir_metrics_destroy(struct weir_metrics *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < atomic_load(&m->count); i++) {
        free(m->all[i]->labels);
        free(m->all[i]);
    }
    free(m);
}

/* ---- labels ---- */

static void add_label(struct weir_buf *b, const char *name, struct weir_str v)
{
    if (b->n > 0 && b->p[b->n - 1] != '{')
        (void)weir_buf_addz(b, ",");
    (void)weir_buf_addz(b, name);
    (void)weir_buf_addz(b, "=\"");
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\\' || v.p[i] == '"')
            (void)weir_buf_add(b, "\\", 1);
        if (v.p[i] == '\n')
            (void)weir_buf_addz(b, "\\n");
        else
            (void)weir_buf_add(b, v.p + i, 1);
    }
    (void)weir_buf_addz(b, "\"");
}

struct label_key {
    struct weir_str agent, provider, model, operation;
};

static uint64_t hash_key(const struct label_key *k)
{
    uint64_t h = weir_hash64(k->agent, 1);

    h = weir_hash64(k->provider, h);
    h = weir_hash64(k->model, h);
    return weir_hash64(k->operation, h);
}

static struct series *new_series(struct weir_metrics *m, const struct label_key *k, uint64_t hash)
{
    struct series *s = WEIR_NEW(struct series);
    size_t n = atomic_load_explicit(&m->count, memory_order_relaxed);
    struct weir_buf b;

    weir_buf_init(&b, 8192);
    add_label(&b, "gen_ai_operation_name", k->operation);
    add_label(&b, "gen_ai_provider_name", k->provider);
    add_label(&b, "gen_ai_request_model", k->model);
    add_label(&b, "weir_agent", k->agent);
    s->hash = hash;
    s->labels = weir_strdup(weir_buf_str(&b));
    s->labels_n = b.n;
    weir_buf_fini(&b);
    m->all[n] = s;
    atomic_store_explicit(&m->count, n + 1, memory_order_release);
    return s;
}

static struct series *find_series(struct weir_metrics *m, const struct weir_record *r)
{
    static const struct label_key other = {{"other", 5}, {"other", 5}, {"other", 5}, {"other", 5}};
    struct label_key k = {r->agent, r->provider, r->requested_model, weir_str_of(r->operation)};
    size_t n = atomic_load_explicit(&m->count, memory_order_relaxed);
    uint64_t hash = hash_key(&k);
    size_t i = hash % TABLE;

    /* 64 bits of hash are the identity: two label sets in a thousand don't share one. */
    for (; m->table[i]; i = (i + 1) % TABLE)
        if (m->table[i]->hash == hash)
            return m->table[i];
    if (n == WEIR_METRICS_MAX_SERIES)
        return new_series(m, &other, hash_key(&other));
    if (n > WEIR_METRICS_MAX_SERIES)
        return m->all[WEIR_METRICS_MAX_SERIES];
    return m->table[i] = new_series(m, &k, hash);
}

/* ---- counting ---- */

static void observe(struct series *s, enum series_histogram h, int64_t v)
{
    const int64_t *upper = bounds[h].upper;
    size_t i = 0;

    while (upper[i] && v > upper[i])
        i++;
    bump(&s->histograms[h].buckets[i], 1);
    bump(&s->histograms[h].sum, v);
}

static void count_stream(struct series *s, const struct weir_record *r)
{
    int64_t rest_us = r->duration_us - r->first_token_us;

    if (!r->stream || r->first_token_us <= 0)
        return;
    observe(s, H_FIRST_TOKEN, r->first_token_us);
    if (r->usage.output_tokens > 1 && rest_us > 0)
        observe(s, H_PER_TOKEN, rest_us / (r->usage.output_tokens - 1));
}

void weir_metrics_observe(struct weir_metrics *m, const struct weir_record *r)
{
    struct series *s = find_series(m, r);
    const struct weir_record_usage *u = &r->usage;
    unsigned outcome = (unsigned)r->outcome < WEIR_OUTCOME_COUNT ? r->outcome : WEIR_OUTCOME_FAILED;

    bump(&s->counters[C_CALLS_OK + outcome], 1);
    bump(&s->counters[C_COST], r->cost_nano_usd);
    if (u->cache_read_tokens > 0)
        bump(&s->counters[C_CACHE_READ], u->cache_read_tokens);
    if (u->cache_write_tokens > 0)
        bump(&s->counters[C_CACHE_WRITE], u->cache_write_tokens);
    if (u->estimated)
        bump(&s->counters[C_ESTIMATED], 1);
    if (r->price_source && strcmp(r->price_source, "unknown") == 0)
        bump(&s->counters[C_UNPRICED], 1);
    if (r->attempt_count > 1)
        bump(&s->counters[C_RETRIES], (int64_t)r->attempt_count - 1);
    observe(s, H_DURATION, r->duration_us);
    count_stream(s, r);
    if (u->input_tokens >= 0)
        observe(s, H_TOKENS_IN, u->input_tokens);
    if (u->output_tokens >= 0)
        observe(s, H_TOKENS_OUT, u->output_tokens);
}

void weir_metrics_add(struct weir_metrics *m, enum weir_metric id, int64_t n)
{
    bump(&m->plain[id], n);
}

void weir_metrics_set(struct weir_metrics *m, enum weir_metric id, int64_t v)
{
    atomic_store_explicit(&m->plain[id], v, memory_order_relaxed);
}

int64_t weir_metrics_get(const struct weir_metrics *m, enum weir_metric id)
{
    return value(&m->plain[id]);
}

/* ---- the text ---- */

static void header(struct weir_buf *out, const struct family *f)
{
    (void)weir_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
}

/* The sum over workers of one series: workers that know the same label set are joined. */
struct joined {
    const struct series *parts; /* one of them, for the labels */
    int64_t counters[C_COUNT];
    int64_t buckets[H_COUNT][HISTOGRAM_MAX_BOUNDS + 1];
    int64_t sums[H_COUNT];
};

static void join(struct joined *j, const struct series *s)
{
    j->parts = s;
    for (size_t c = 0; c < C_COUNT; c++)
        j->counters[c] += value(&s->counters[c]);
    for (size_t h = 0; h < H_COUNT; h++) {
        for (size_t i = 0; i <= HISTOGRAM_MAX_BOUNDS; i++)
            j->buckets[h][i] += value(&s->histograms[h].buckets[i]);
        j->sums[h] += value(&s->histograms[h].sum);
    }
}

static int by_labels(const void *a, const void *b)
{
    const struct series *x = *(const struct series *const *)a;
    const struct series *y = *(const struct series *const *)b;

    return strcmp(x->labels, y->labels);
}

static struct joined *join_all(struct weir_metrics *const workers[], size_t count, size_t *out_n)
{
    struct series **list;
    struct joined *js;
    size_t n = 0, total = 0;

    for (size_t w = 0; w < count; w++)
        total += atomic_load_explicit(&workers[w]->count, memory_order_acquire);
    list = weir_alloc((total + 1) * sizeof *list);
    js = weir_zalloc((total + 1) * sizeof *js);
    for (size_t w = 0; w < count; w++) {
        size_t k = atomic_load_explicit(&workers[w]->count, memory_order_acquire);

        for (size_t i = 0; i < k && n < total; i++)
            list[n++] = workers[w]->all[i];
    }
    qsort(list, n, sizeof *list, by_labels);
    *out_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(list[i]->labels, list[i - 1]->labels) != 0)
            ++*out_n;
        join(&js[*out_n - 1], list[i]);
    }
    free(list);
    return js;
}

/* Microseconds as seconds without trailing zeros, so that no float is ever involved. */
static void add_value(struct weir_buf *out, enum unit unit, int64_t v)
{
    char frac[8];
    int n = 6;

    if (unit == TOKENS || v < 0) {
        (void)weir_buf_addi(out, v);
        return;
    }
    (void)weir_buf_addi(out, v / 1000000);
    for (int64_t f = v % 1000000, i = 5; i >= 0; i--, f /= 10)
        frac[i] = (char)('0' + f % 10);
    while (n > 0 && frac[n - 1] == '0')
        n--;
    if (n > 0) {
        (void)weir_buf_add(out, ".", 1);
        (void)weir_buf_add(out, frac, (size_t)n);
    }
}

static void labels(struct weir_buf *out, const struct joined *j, const struct family *f)
{
    (void)weir_buf_addz(out, j->parts->labels);
    if (*f->label)
        (void)weir_buf_addf(out, ",%s", f->label);
}

static void write_histogram(struct weir_buf *out, const struct joined *j, size_t h)
{
    const struct family *f = &histograms[h];
    int64_t total = 0;

    for (size_t i = 0;; i++) {
        total += j->buckets[h][i];
        (void)weir_buf_addf(out, "%s_bucket{", f->name);
        labels(out, j, f);
        (void)weir_buf_addz(out, ",le=\"");
        if (bounds[h].upper[i])
            add_value(out, bounds[h].unit, bounds[h].upper[i]);
        else
            (void)weir_buf_addz(out, "+Inf");
        (void)weir_buf_addf(out, "\"} %lld\n", (long long)total);
        if (!bounds[h].upper[i])
            break;
    }
    (void)weir_buf_addf(out, "%s_sum{", f->name);
    labels(out, j, f);
    (void)weir_buf_addz(out, "} ");
    add_value(out, bounds[h].unit, j->sums[h]);
    (void)weir_buf_addf(out, "\n%s_count{", f->name);
    labels(out, j, f);
    (void)weir_buf_addf(out, "} %lld\n", (long long)total);
}

static void write_counter(struct weir_buf *out, const struct joined *j, size_t c)
{
    (void)weir_buf_addf(out, "%s{", counters[c].name);
    labels(out, j, &counters[c]);
    (void)weir_buf_addf(out, "} %lld\n", (long long)j->counters[c]);
}

static bool observed(const struct joined *j, size_t h)
{
    for (size_t i = 0; i <= HISTOGRAM_MAX_BOUNDS; i++)
        if (j->buckets[h][i])
            return true;
    return false;
}

void weir_metrics_write(struct weir_metrics *const workers[], size_t count, struct weir_buf *out)
{
    size_t n;
    struct joined *js = join_all(workers, count, &n);

    for (size_t h = 0; h < H_COUNT; h++) {
        if (h == 0 || strcmp(histograms[h].name, histograms[h - 1].name) != 0)
            header(out, &histograms[h]);
        for (size_t i = 0; i < n; i++)
            if (observed(&js[i], h))
                write_histogram(out, &js[i], h);
    }
    for (size_t c = 0; c < C_COUNT; c++) {
        if (c == 0 || strcmp(counters[c].name, counters[c - 1].name) != 0)
            header(out, &counters[c]);
        for (size_t i = 0; i < n; i++)
            if (js[i].counters[c])
                write_counter(out, &js[i], c);
    }
    free(js);
    for (size_t p = 0; p < WEIR_METRIC_COUNT; p++) {
        int64_t v = 0;

        for (size_t w = 0; w < count; w++)
            v += value(&workers[w]->plain[p]);
        header(out, &plain[p]);
        (void)weir_buf_addf(out, "%s %lld\n", plain[p].name, (long long)v);
    }
}

void weir_metrics_hub_family(struct weir_buf *out, enum weir_hub_metric id)
{
    header(out, &hub[id]);
}

void weir_metrics_hub_sample(struct weir_buf *out, enum weir_hub_metric id,
                             const struct weir_metric_label *labels, size_t label_count, int64_t v)
{
    (void)weir_buf_addz(out, hub[id].name);
    if (label_count > 0) {
        (void)weir_buf_addz(out, "{");
        for (size_t i = 0; i < label_count; i++)
            add_label(out, labels[i].name, labels[i].value);
        (void)weir_buf_addz(out, "}");
    }
    (void)weir_buf_addf(out, " %lld\n", (long long)v);
}

void weir_metrics_hub_value(struct weir_buf *out, enum weir_hub_metric id, int64_t v)
{
    weir_metrics_hub_family(out, id);
    weir_metrics_hub_sample(out, id, NULL, 0, v);
}
