/* hub.c - see hub.h.
 *
 * Start: spool and sink, workers (their listeners are open before anything is announced), the admin
 * port, then the control client, which applies the last known good policy at once.
 * Stop: drain the workers -> close them -> control client, sink, spool, admin port -> end. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "dataplane/proxy/hub_internal.h"
#include "weir/v1/ledger.pb-c.h"
#include "weir/v1/telemetry.pb-c.h"

enum {
    MAILBOX_MAX = 65536,
    STREAM_DRAIN_MS = 1500,
    MAX_PACKED_BUDGET_DOWN = 1 << 20,
    IDLE_BEFORE_TRIM_S = 5
};

struct weir_sink *weir_hub_sink(struct weir_hub *h)
{
    return h->sink;
}

/* ---- from workers ---- */

struct budget_message {
    struct weir_hub *hub;
    size_t n;
    uint8_t bytes[];
};

static void take_budget_up(void *arg)
{
    struct budget_message *m = arg;
    Weir__V1__BudgetUp *up = weir__v1__budget_up__unpack(NULL, m->n, m->bytes);

    if (up && m->hub->control)
        /* Without a stream it is dropped: every report is absolute, and the hello repeats all. */
        (void)!weir_control_send_budget(m->hub->control, up);
    if (up)
        weir__v1__budget_up__free_unpacked(up, NULL);
    free(m);
}

int weir_hub_budget_up(struct weir_hub *h, struct weir_str packed)
{
    struct budget_message *m = weir_alloc(sizeof *m + packed.n);
    int rc;

    m->hub = h;
    m->n = packed.n;
    memcpy(m->bytes, packed.p, packed.n);
    rc = weir_mailbox_post(h->mailbox, take_budget_up, m);
    if (rc)
        free(m);
    return rc;
}

static void close_worker(void *arg)
{
    struct weir_worker *w = arg;

    if (!w->hub->open[w->index])
        return;
    w->hub->open[w->index] = false;
    weir_worker_close(w);
}

void weir_hub_worker_drained(struct weir_hub *h, struct weir_worker *w)
{
    (void)!weir_mailbox_post(h->mailbox, close_worker, w);
}

static void finish_stop(struct weir_hub *h);

static void end_worker(void *arg)
{
    struct weir_worker *w = arg;
    struct weir_hub *h = w->hub;

    h->ended++;
    if (h->ended == h->worker_count)
        finish_stop(h);
}

void weir_hub_worker_ended(struct weir_hub *h, struct weir_worker *w)
{
    (void)!weir_mailbox_post(h->mailbox, end_worker, w);
}

/* ---- budget stream ---- */

static void on_budget_down(void *arg, const struct Weir__V1__BudgetDown *down)
{
    struct weir_hub *h = arg;
    size_t n = weir__v1__budget_down__get_packed_size(down);
    char *packed;

    if (n > MAX_PACKED_BUDGET_DOWN)
        return;
    packed = weir_alloc(n);
    weir__v1__budget_down__pack(down, (uint8_t *)packed);
    for (unsigned i = 0; i < h->worker_count; i++)
        if (h->open[i] &&
            (!down->incarnation || strcmp(down->incarnation, h->workers[i]->incarnation) == 0))
            weir_worker_budget_down(h->workers[i], (struct weir_str){packed, n});
    free(packed);
}

static void on_budget_state(void *arg, bool connected)
{
    struct weir_hub *h = arg;

    h->budget_connected = connected;
    for (unsigned i = 0; i < h->worker_count; i++)
        if (h->open[i])
            weir_worker_budget_state(h->workers[i], connected);
}

/* ---- telemetry stream ---- */

static int send_batch(struct weir_hub *h, const struct weir_spool_batch *b)
{
    Weir__V1__TelemetryBatch batch = WEIR__V1__TELEMETRY_BATCH__INIT;
    ProtobufCBinaryData records[WEIR_SPOOL_BATCH_RECORDS];

    for (size_t i = 0; i < b->count; i++)
        records[i] = (ProtobufCBinaryData){b->records[i].n, (uint8_t *)(uintptr_t)b->records[i].p};
    batch.incarnation = (char *)(uintptr_t)b->incarnation;
    batch.records = records;
    batch.n_records = b->count;
    return weir_control_send_telemetry(h->control, &batch);
}

static void pump_telemetry(struct weir_hub *h)
{
    struct weir_spool_batch b;

    while (h->control && h->telemetry_connected && h->batches_out < WEIR_HUB_BATCHES_OUT &&
           weir_spool_next_batch(h->spool, &b) == WEIR_OK) {
        if (send_batch(h, &b)) {
            /* Taken but not sent: the next connection begins from what is not acknowledged. */
            h->telemetry_connected = false;
            return;
        }
        h->batches_out++;
    }
}

static void on_spooled(void *arg)
{
    pump_telemetry(arg);
}

static void on_telemetry_ack(void *arg, const char *incarnation, uint64_t sequence)
{
    struct weir_hub *h = arg;

    weir_spool_ack(h->spool, incarnation, sequence);
    if (h->batches_out)
        h->batches_out--;
    pump_telemetry(h);
}

static void on_telemetry_state(void *arg, bool connected)
{
    struct weir_hub *h = arg;

    h->telemetry_connected = connected;
    h->batches_out = 0;
    if (!connected)
        return;
    weir_spool_rewind(h->spool);
    pump_telemetry(h);
}

static void on_state(void *arg, bool connected, bool in_sync)
{
    struct weir_hub *h = arg;

    (void)in_sync;
    h->control_connected = connected;
}

/* ---- once a second ---- */

static uint64_t resident_bytes(void)
{
    struct weir_buf text;
    struct weir_str rest, size;
    int64_t pages = 0;

    weir_buf_init(&text, 4096);
    if (weir_file_read("/proc/self/statm", &text) == WEIR_OK) {
        (void)weir_str_cut(weir_buf_str(&text), ' ', &rest);
        size = weir_str_cut(rest, ' ', &rest);
        if (weir_str_i64(size, &pages))
            pages = 0;
    }
    weir_buf_fini(&text);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void report_numbers(struct weir_hub *h)
{
    struct weir_control_numbers n = {.resident_bytes = resident_bytes()};
    struct weir_spool_stats spool;
    struct rusage usage;

    if (h->credentials.problem[0])
        n.problem = h->credentials.problem;
    else if (h->tls.problem[0])
        n.problem = h->tls.problem;
    weir_spool_get_stats(h->spool, &spool);
    n.spool_bytes = (uint64_t)spool.bytes;
    for (unsigned i = 0; i < h->worker_count; i++) {
        n.in_flight += atomic_load(&h->workers[i]->in_flight);
        n.calls += atomic_load(&h->workers[i]->calls);
    }
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        n.cpu_micros = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
                       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    weir_control_set_numbers(h->control, &n);
}

/* After a burst the heap keeps what it has freed. It goes back to the system once the proxy has
 * been idle for a while, when the pause that this takes meets nobody. */
static void return_memory(struct weir_hub *h)
{
    uint64_t calls = 0;
    unsigned in_flight = 0;

    for (unsigned i = 0; i < h->worker_count; i++) {
        in_flight += atomic_load(&h->workers[i]->in_flight);
        calls += atomic_load(&h->workers[i]->calls);
    }
    if (in_flight || calls != h->calls_seen) {
        h->calls_seen = calls;
        h->idle_seconds = 0;
    } else if (++h->idle_seconds == IDLE_BEFORE_TRIM_S) {
        malloc_trim(0);
    }
}

static void on_second(uv_timer_t *t)
{
    struct weir_hub *h = t->data;

    if (h->stopping)
        return;
    weir_hub_refresh_credentials(h);
    weir_hub_tls_refresh(h);
    weir_refresher_tick(h->refresher);
    return_memory(h);
    if (h->control)
        report_numbers(h);
    pump_telemetry(h);
}

/* ---- stop ---- */

static void close_handles(void *arg)
{
    struct weir_hub *h = arg;

    weir_spool_close(h->spool);
    h->spool = NULL;
    weir_refresher_destroy(h->refresher);
    uv_close((uv_handle_t *)&h->second, NULL);
    uv_close((uv_handle_t *)&h->sigterm, NULL);
    uv_close((uv_handle_t *)&h->sigint, NULL);
    uv_close((uv_handle_t *)&h->sighup, NULL);
    if (h->admin)
        weir_http_server_close(h->admin, NULL, NULL);
    weir_mailbox_destroy(h->mailbox);
}

static void on_control_stopped(void *arg)
{
    struct weir_hub *h = arg;

    h->control = NULL;
    weir_sink_close(h->sink, close_handles, h);
}

/* All workers have ended; what they recorded is in the sink. */
static void finish_stop(struct weir_hub *h)
{
    for (unsigned i = 0; i < h->worker_count; i++)
        weir_worker_join_and_destroy(h->workers[i]);
    h->worker_count = 0;
    pump_telemetry(h);
    if (h->control)
        weir_control_stop(h->control, STREAM_DRAIN_MS, on_control_stopped, h);
    else
        on_control_stopped(h);
}

static void on_stop_signal(uv_signal_t *s, int signum)
{
    struct weir_hub *h = s->data;
    int64_t drain_ms = h->stopping ? 0 : h->options->drain_ms;

    WEIR_LOG(WEIR_LOG_INFO, "proxy", "%s: %s", signum == SIGTERM ? "SIGTERM" : "SIGINT",
             h->stopping ? "open calls are cut" : "stopping; open calls may end");
    h->stopping = true;
    for (unsigned i = 0; i < h->worker_count; i++)
        if (h->open[i])
            weir_worker_drain(h->workers[i], drain_ms);
}

static void on_hangup(uv_signal_t *s, int signum)
{
    struct weir_hub *h = s->data;

    (void)signum;
    weir_sink_reopen_log(h->sink);
}

/* ---- start ---- */

static int open_disk(struct weir_hub *h)
{
    char spool[4096], why[256];
    struct weir_sink_options o = {.loop = &h->loop,
                                  .hub = h->mailbox,
                                  .access_log = h->options->access_log,
                                  .otlp_endpoint = getenv("OTEL_EXPORTER_OTLP_ENDPOINT"),
                                  .service_version = WEIR_VERSION,
                                  .node = h->options->node,
                                  .on_spooled = on_spooled,
                                  .arg = h};
    int rc = weir_file_mkdirs(h->options->state, 0700);

    snprintf(spool, sizeof spool, "%s/spool", h->options->state);
    if (rc == WEIR_OK)
        rc = weir_spool_open(&(struct weir_spool_options){.dir = spool}, &h->spool);
    if (rc) {
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "--state %s can't be used: %s", h->options->state,
                 strerror(errno));
        return rc;
    }
    o.spool = h->spool;
    rc = weir_sink_create(&o, why, sizeof why, &h->sink);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "%s", why);
    return rc;
}

/* Journals of workers that this start doesn't have are charged by the first one. */
static void inherit_journals(struct weir_hub *h)
{
    for (unsigned i = h->worker_count; i < WEIR_HUB_MAX_WORKERS; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/journal.%u", h->options->state, i);
        if (access(path, F_OK) == 0)
            weir_holder_inherit(h->workers[0]->holder, path);
    }
}

static int open_workers(struct weir_hub *h)
{
    for (unsigned i = 0; i < (unsigned)h->options->workers; i++) {
        int rc = weir_worker_create(h, h->options, i, &h->workers[i]);

        if (rc)
            return rc;
        h->open[i] = true;
        h->worker_count++;
    }
    inherit_journals(h);
    for (unsigned i = 0; i < h->worker_count; i++)
        if (weir_worker_start(h->workers[i]))
            return WEIR_EIO;
    return WEIR_OK;
}

static int read_token(const char *path, struct weir_buf *out)
{
    int rc = path ? weir_file_read(path, out) : WEIR_OK;

    if (rc) {
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "--join-token-file %s can't be read", path);
        return rc;
    }
    while (out->n && (unsigned char)out->p[out->n - 1] <= ' ')
        out->n--;
    return weir_buf_add(out, "", 1);
}

static int open_control(struct weir_hub *h)
{
    struct weir_control_options o = {.target = h->options->control,
                                     .state = h->options->state,
                                     .node = h->options->node,
                                     .ns = h->options->namespace_,
                                     .build = WEIR_VERSION,
                                     .workers = h->worker_count,
                                     .ca_file = h->options->control_ca,
                                     .callbacks = {.on_policy = weir_hub_on_policy,
                                                   .on_budget_down = on_budget_down,
                                                   .on_budget_state = on_budget_state,
                                                   .on_telemetry_ack = on_telemetry_ack,
                                                   .on_telemetry_state = on_telemetry_state,
                                                   .on_state = on_state},
                                     .arg = h};
    struct weir_buf token;
    int rc;

    weir_buf_init(&token, 4096);
    rc = read_token(h->options->join_token_file, &token);
    if (rc == WEIR_OK) {
        o.join_token = h->options->join_token_file ? token.p : NULL;
        rc = weir_control_start(&h->loop, &o, &h->control);
        if (rc)
            WEIR_LOG(WEIR_LOG_ERROR, "proxy", "the control stream can't be started: %s",
                     weir_rc_name(rc));
    }
    if (token.p)
        weir_wipe(token.p, token.n);
    weir_buf_fini(&token);
    return rc;
}

static void open_signals(struct weir_hub *h)
{
    uv_signal_init(&h->loop, &h->sigterm);
    uv_signal_init(&h->loop, &h->sigint);
    uv_signal_init(&h->loop, &h->sighup);
    h->sigterm.data = h->sigint.data = h->sighup.data = h;
    uv_signal_start(&h->sigterm, on_stop_signal, SIGTERM);
    uv_signal_start(&h->sigint, on_stop_signal, SIGINT);
    uv_signal_start(&h->sighup, on_hangup, SIGHUP);
    uv_timer_init(&h->loop, &h->second);
    h->second.data = h;
    uv_timer_start(&h->second, on_second, 1000, 1000);
}

/* Provider keys live in this process: no core file, no look into it by others of the same user. */
static void protect_memory(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0);
}

/* Each call takes two descriptors: the customary soft limit of 1024 would be met first. */
static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == files.rlim_max)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files))
        WEIR_LOG(WEIR_LOG_WARN, "proxy", "the limit of open files can't be raised: %s",
                 strerror(errno));
}

int weir_hub_run(const struct weir_proxy_options *o)
{
    struct weir_hub *h = WEIR_NEW(struct weir_hub);
    int rc;

    h->options = o;
    signal(SIGPIPE, SIG_IGN);
    protect_memory();
    raise_file_limit();
    if (uv_loop_init(&h->loop))
        return 1;
    h->mailbox = weir_mailbox_create(&h->loop, MAILBOX_MAX);
    h->refresher = weir_refresher_create(&h->loop, weir_hub_on_token, h);
    rc = h->mailbox && h->refresher ? open_disk(h) : WEIR_EIO;
    if (rc == WEIR_OK)
        rc = weir_hub_tls_start(h);
    if (rc == WEIR_OK)
        rc = open_workers(h);
    if (rc == WEIR_OK)
        rc = weir_admin_start(h);
    if (rc == WEIR_OK)
        rc = open_control(h);
    if (rc)
        return 1; /* told already; nothing has been served */
    open_signals(h);
    WEIR_LOG(WEIR_LOG_INFO, "proxy", "serving on %s%s%s with %u worker%s", o->listen,
             o->listen_tls ? " and, with TLS, on " : "", o->listen_tls ? o->listen_tls : "",
             h->worker_count, o->workers == 1 ? "" : "s");
    uv_run(&h->loop, UV_RUN_DEFAULT);
    weir_hub_forget_policy(h);
    weir_hub_forget_leases(h);
    weir_hub_tls_forget(h);
    if (uv_loop_close(&h->loop))
        WEIR_LOG(WEIR_LOG_WARN, "proxy", "the hub left handles open");
    rc = h->exit_status;
    free(h);
    return rc;
}
