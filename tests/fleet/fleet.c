/* fleet.c - many simulated proxies on one stream server: how fast a policy change reaches them all,
 * what the server takes for it, and a storm of reconnects after it was killed.
 *
 *   fleet [proxies] [changes] [resources]        1000 20 200 by default
 *
 * The server runs in a child process, made before gRPC is (it does not survive a fork); a pipe
 * tells it which policy to set. Each proxy has a connection of its own. The exit code is 1 when a
 * proxy missed a change. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "controlplane/stream/stream.h"
#include "grpc/rpc.h"
#include "weir/v1/control.pb-c.h"

enum { BODY_BYTES = 500, PATIENCE_MS = 60000, BACKOFF_MS = 200, BACKOFF_MAX_MS = 30000 };

struct fleet;

struct proxy {
    struct fleet *f;
    struct weir_grpc_channel *channel;
    struct weir_grpc_stream *stream;
    uv_timer_t retry;
    char node[32];
    int version; /* of the resource that changes; -1: nothing yet */
    bool ready;
    unsigned failures;
    int64_t at_ns;
};

struct fleet {
    uv_loop_t loop;
    struct weir_grpc *grpc;
    struct weir_prng prng;
    struct proxy *list;
    size_t n, changes, resources, arrived, connects, errors, closed;
    bool leaving, gone, late;
    int want;
    char folder[64], socket[96], target[104];
    pid_t server;
    int pipe;
    uv_timer_t guard;
};

static void set_policy(struct weir_stream *s, int version, size_t resources)
{
    struct weir_rendered *r = weir_rendered_create();
    struct weir_stream_policy list[] = {{"default", r}};
    char body[BODY_BYTES] = {0}, name[32], text[16];

    for (size_t i = 0; i < resources; i++) {
        snprintf(name, sizeof name, "default/r%06zu", i);
        snprintf(text, sizeof text, "%d", i ? 0 : version);
        weir_rendered_add(
            r, &(struct weir_rendered_resource){
                   .type = "Agent", .name = name, .version = text, .body = {body, sizeof body}});
    }
    weir_rendered_seal(r);
    if (weir_stream_set_policy(s, list, 1) != WEIR_OK)
        exit(2);
    weir_rendered_unref(r);
}

static void serve(const struct fleet *f, int in)
{
    struct weir_stream_options o = {.unix_path = f->socket};
    struct weir_stream *s;
    int version;

    if (weir_stream_start(&o, &s) != WEIR_OK)
        exit(2);
    while (read(in, &version, sizeof version) == (ssize_t)sizeof version)
        set_policy(s, version, f->resources);
    weir_stream_stop(s, 0);
    weir_stream_free(s);
    exit(0);
}

/* The second server comes from a process that has never seen gRPC: both are forked at the start. */
struct spare {
    pid_t pid;
    int pipe, go;
};

static void spawn(struct fleet *f, struct spare *out)
{
    int policy[2], go[2];
    char c;

    if (pipe(policy) < 0 || pipe(go) < 0)
        exit(2);
    out->pid = fork();
    if (out->pid == 0) {
        close(policy[1]);
        close(go[1]);
        if (read(go[0], &c, 1) != 1)
            exit(0);
        serve(f, policy[0]);
    }
    close(policy[0]);
    close(go[0]);
    out->pipe = policy[1];
    out->go = go[1];
}

static void start_server(struct fleet *f, const struct spare *s, int version)
{
    f->server = s->pid;
    f->pipe = s->pipe;
    if (write(s->go, "x", 1) != 1 || write(f->pipe, &version, sizeof version) < 0)
        exit(2);
}

static void connect_proxy(struct proxy *p);

static void on_retry(uv_timer_t *h)
{
    connect_proxy(h->data);
}

static void on_message(void *arg, struct weir_grpc_stream *s, ProtobufCMessage *m)
{
    struct proxy *p = arg;
    const Weir__V1__ConfigDown *down = (const Weir__V1__ConfigDown *)m;
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigAck ack = WEIR__V1__CONFIG_ACK__INIT;

    if (down->txn) {
        for (size_t i = 0; i < down->txn->n_upserts; i++)
            if (strcmp(down->txn->upserts[i]->name, "default/r000000") == 0)
                p->version = (int)strtol(down->txn->upserts[i]->version, NULL, 10);
        if (down->txn->last) {
            ack.has_txn = true;
            ack.txn = down->txn->id;
            ack.revision = down->txn->revision;
            up.ack = &ack;
            if (weir_grpc_send(s, &up.base) == WEIR_ELIMIT)
                p->f->errors++;
            p->failures = 0;
            if (p->version == p->f->want && !p->ready) {
                p->ready = true;
                p->at_ns = weir_mono_ns();
                p->f->arrived++;
            }
        }
    }
    protobuf_c_message_free_unpacked(m, NULL);
}

static void on_open(void *arg, struct weir_grpc_stream *s)
{
    (void)s;
    ((struct proxy *)arg)->f->connects++;
}

static void on_close(void *arg, struct weir_grpc_stream *s, int status, const char *reason)
{
    struct proxy *p = arg;
    struct fleet *f = p->f;
    uint64_t top = BACKOFF_MAX_MS;

    (void)s;
    p->stream = NULL;
    weir_grpc_channel_destroy(p->channel);
    p->channel = NULL;
    if (f->leaving) {
        f->closed++;
        return;
    }
    if (status != WEIR_GRPC_UNAVAILABLE && status != WEIR_GRPC_OK) {
        f->errors++; /* a server that is gone is expected, anything else is not */
        fprintf(stderr, "%s: %d %s\n", p->node, status, reason);
    }
    if (p->failures < 8 && (uint64_t)BACKOFF_MS << p->failures < top)
        top = (uint64_t)BACKOFF_MS << p->failures;
    p->failures++;
    uv_timer_start(&p->retry, on_retry, weir_prng_below(&f->prng, top + 1), 0);
}

static const struct weir_grpc_handler handler = {.in = &weir__v1__config_down__descriptor,
                                                 .on_message = on_message,
                                                 .on_open = on_open,
                                                 .on_close = on_close};

static void send_hello(struct proxy *p)
{
    size_t n = p->version < 0 ? 0 : p->f->resources;
    Weir__V1__ConfigUp up = WEIR__V1__CONFIG_UP__INIT;
    Weir__V1__ConfigHello hello = WEIR__V1__CONFIG_HELLO__INIT;
    Weir__V1__Node node = WEIR__V1__NODE__INIT;
    Weir__V1__ResourceVersion *list = weir_alloc((n + 1) * sizeof *list);
    char(*names)[32] = weir_alloc((n + 1) * sizeof *names);
    char version[16];

    snprintf(version, sizeof version, "%d", p->version);
    hello.known = weir_alloc((n + 1) * sizeof *hello.known);
    for (size_t i = 0; i < n; i++) {
        weir__v1__resource_version__init(&list[i]);
        snprintf(names[i], sizeof names[i], "default/r%06zu", i);
        list[i].type = (char *)"Agent";
        list[i].name = names[i];
        list[i].version = i ? (char *)"0" : version;
        hello.known[i] = &list[i];
    }
    hello.n_known = n;
    node.id = p->node;
    node.protocolmin = node.protocolmax = 1;
    node.has_protocolmin = node.has_protocolmax = true;
    hello.node = &node;
    up.hello = &hello;
    if (weir_grpc_send(p->stream, &up.base) == WEIR_ELIMIT)
        p->f->errors++;
    free(hello.known);
    free(names);
    free(list);
}

static void connect_proxy(struct proxy *p)
{
    if (weir_grpc_channel_create(p->f->grpc, p->f->target, NULL, &p->channel) != WEIR_OK)
        exit(2);
    p->stream = weir_grpc_open(p->channel, "/weir.v1.Control/Config", 0, &handler, p);
    send_hello(p);
}

static void on_guard(uv_timer_t *h)
{
    ((struct fleet *)h->data)->late = true;
}

static void wait_all(struct fleet *f)
{
    f->late = false;
    uv_timer_start(&f->guard, on_guard, PATIENCE_MS, 0);
    while (f->arrived < f->n && !f->late)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_timer_stop(&f->guard);
}

static void expect(struct fleet *f, int version)
{
    f->want = version;
    f->arrived = 0;
    for (size_t i = 0; i < f->n; i++)
        f->list[i].ready = false;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void show(const char *what, double *ms, size_t n, size_t missed)
{
    qsort(ms, n, sizeof *ms, by_value);
    printf("%-34s %9.1f %9.1f %9.1f %9.1f %8zu\n", what, ms[n / 2], ms[n * 95 / 100],
           ms[n * 99 / 100], ms[n - 1], missed);
}

static void server_use(const struct fleet *f, double *out_rss_mb, double *out_cpu_s)
{
    char path[64], line[512];
    unsigned long user = 0, system = 0, kb = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)f->server);
    file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "VmRSS: %lu", &kb);
    if (file)
        fclose(file);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)f->server);
    file = fopen(path, "r");
    if (file && fgets(line, sizeof line, file)) {
        const char *rest = strrchr(line, ')');

        if (rest)
            sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &system);
    }
    if (file)
        fclose(file);
    *out_rss_mb = (double)kb / 1024;
    *out_cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static size_t run_changes(struct fleet *f)
{
    double *ms = weir_zalloc(f->n * f->changes * sizeof *ms), rss, before, after;
    size_t count = 0, missed = 0;

    server_use(f, &rss, &before);
    for (int c = 1; c <= (int)f->changes; c++) {
        int64_t start = weir_mono_ns();

        expect(f, c);
        if (write(f->pipe, &c, sizeof c) < 0)
            exit(2);
        wait_all(f);
        missed += f->n - f->arrived;
        for (size_t i = 0; i < f->n; i++)
            ms[count++] = f->list[i].ready ? (double)(f->list[i].at_ns - start) / 1e6 : PATIENCE_MS;
    }
    server_use(f, &rss, &after);
    show("policy change (100 ms debounce in)", ms, count, missed);
    printf("server: %.1f MB resident, %.1f ms CPU for one change to all\n", rss,
           (after - before) * 1000 / (double)f->changes);
    free(ms);
    return missed;
}

static size_t run_storm(struct fleet *f, const struct spare *next)
{
    double *ms = weir_zalloc(f->n * sizeof *ms), rss, cpu;
    int64_t start;
    size_t missed;

    expect(f, (int)f->changes + 1);
    kill(f->server, SIGKILL);
    waitpid(f->server, NULL, 0);
    close(f->pipe);
    start = weir_mono_ns();
    start_server(f, next, f->want);
    wait_all(f);
    missed = f->n - f->arrived;
    for (size_t i = 0; i < f->n; i++)
        ms[i] = f->list[i].ready ? (double)(f->list[i].at_ns - start) / 1e6 : PATIENCE_MS;
    server_use(f, &rss, &cpu);
    show("all back after a killed server", ms, f->n, missed);
    printf("server: %.1f MB resident, %.2f s CPU; %zu unexpected errors\n", rss, cpu, f->errors);
    missed += f->errors;
    free(ms);
    return missed;
}

static void on_gone(void *arg)
{
    ((struct fleet *)arg)->gone = true;
}

static void leave(struct fleet *f)
{
    f->leaving = true;
    for (size_t i = 0; i < f->n; i++) {
        if (f->list[i].stream)
            weir_grpc_cancel(f->list[i].stream, WEIR_GRPC_CANCELLED, "done");
        else
            f->closed++;
        uv_close((uv_handle_t *)&f->list[i].retry, NULL);
    }
    while (f->closed < f->n)
        uv_run(&f->loop, UV_RUN_ONCE);
    weir_grpc_destroy(f->grpc, on_gone, f);
    uv_close((uv_handle_t *)&f->guard, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    uv_loop_close(&f->loop);
    close(f->pipe);
    waitpid(f->server, NULL, 0);
    unlink(f->socket);
    rmdir(f->folder);
    free(f->list);
}

int main(int argc, char **argv)
{
    struct fleet f = {.n = 1000, .changes = 20, .resources = 200};
    struct spare servers[2];
    struct rlimit files;
    double *ms;
    int64_t start;
    size_t missed;

    if (argc > 1)
        f.n = strtoul(argv[1], NULL, 10);
    if (argc > 2)
        f.changes = strtoul(argv[2], NULL, 10);
    if (argc > 3)
        f.resources = strtoul(argv[3], NULL, 10);
    if (!f.n || !f.changes || !f.resources || f.n > 100000)
        return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    snprintf(f.folder, sizeof f.folder, "/tmp/weir-fleet-XXXXXX");
    if (!mkdtemp(f.folder))
        return 2;
    snprintf(f.socket, sizeof f.socket, "%s/control.sock", f.folder);
    snprintf(f.target, sizeof f.target, "unix:%s", f.socket);
    spawn(&f, &servers[1]); /* first, so that it does not hold the other one's pipes open */
    spawn(&f, &servers[0]);
    uv_loop_init(&f.loop);
    uv_timer_init(&f.loop, &f.guard);
    f.guard.data = &f;
    weir_prng_seed(&f.prng);
    f.list = weir_zalloc(f.n * sizeof *f.list);
    f.grpc = weir_grpc_create(&f.loop);
    start = weir_mono_ns();
    start_server(&f, &servers[0], 0);
    for (size_t i = 0; i < f.n; i++) {
        f.list[i] = (struct proxy){.f = &f, .version = -1};
        snprintf(f.list[i].node, sizeof f.list[i].node, "proxy-%zu", i);
        uv_timer_init(&f.loop, &f.list[i].retry);
        f.list[i].retry.data = &f.list[i];
        uv_timer_start(&f.list[i].retry, on_retry, weir_prng_below(&f.prng, 1000), 0);
    }
    wait_all(&f);
    printf("%zu proxies, %zu resources of %d bytes, %zu changes\n", f.n, f.resources, BODY_BYTES,
           f.changes);
    printf("%-34s %9s %9s %9s %9s %8s\n", "milliseconds", "p50", "p95", "p99", "max", "missed");
    ms = weir_zalloc(f.n * sizeof *ms);
    for (size_t i = 0; i < f.n; i++)
        ms[i] = f.list[i].ready ? (double)(f.list[i].at_ns - start) / 1e6 : PATIENCE_MS;
    missed = f.n - f.arrived;
    show("first policy (1 s of start jitter)", ms, f.n, missed);
    free(ms);
    missed += run_changes(&f);
    missed += run_storm(&f, &servers[1]);
    leave(&f);
    return missed > 0;
}
