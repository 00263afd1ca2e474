/* A load generator for loopback: keeps connections busy with one request, or starts it at a
 * constant rate whatever the answers do; prints what it saw as one JSON object.
 *
 * Closed loop: each connection sends as soon as it has its answer. Rate: calls are due at fixed
 * times and wait for a free connection if there is none; their time counts from when they were due
 * (histogram.h). Streams: the delay of each chunk is the mock's time in it against now. CPU time
 * and memory of processes are read at the two ends of the measured window. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "body.h"
#include "histogram.h"
#include "process.h"

enum { MAX_CONNECTIONS = 16384, MAX_PIDS = 64, EVENTS = 256, MAX_FAILURES_IN_ROW = 20000 };

enum conn_state { CLOSED, IDLE, SENDING, READING };

struct load;

struct conn {
    struct load *load;
    int fd;
    enum conn_state state;
    size_t sent;
    int64_t due_ns, opens_ns;
    long chunks;
    bool first_seen;
    struct answer answer;
};

struct numbers {
    uint64_t calls, http_errors, failures, aborted, chunks;
    struct histogram whole, first, delay;
};

struct load {
    int epoll, port;
    const char *path, *key;
    struct body_spec body;
    char *request;
    size_t request_n;
    long connections, abort_after;
    double rate, seconds, warmup, ramp;
    uint64_t count, started, finished;
    pid_t pids[MAX_PIDS];
    size_t pid_count;

    int64_t begin_ns, window_ns, end_ns, next_due_ns;
    double interval_ns;
    uint64_t rate_started;
    bool measuring;
    unsigned failures_in_row;
    struct conn *conns;
    struct conn **idle;
    size_t idle_n;
    struct process_use before, after;
    struct numbers n;
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- one connection ---- */

static void watch(struct conn *c, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};

    epoll_ctl(c->load->epoll, op, c->fd, &e);
}

static void disconnect(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    c->state = CLOSED;
}

static void open_conn(struct conn *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->load->port)};
    int one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Over loopback a connect is over at once: no state for it. */
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof a)) {
        c->load->failures_in_row++;
        c->load->n.failures++;
        disconnect(c);
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
    c->state = IDLE;
}

static void send_more(struct conn *c)
{
    struct load *l = c->load;
    ssize_t n =
        send(c->fd, l->request + c->sent, l->request_n - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0)
        c->sent += (size_t)n;
    if (c->sent == l->request_n) {
        if (c->state == SENDING)
            watch(c, EPOLL_CTL_MOD, EPOLLIN);
        c->state = READING;
    } else if (c->state != SENDING) {
        c->state = SENDING;
        watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
    }
}

static void begin_call(struct conn *c, int64_t due_ns)
{
    c->load->started++;
    c->due_ns = due_ns;
    c->sent = 0;
    c->chunks = 0;
    c->first_seen = false;
    answer_reset(&c->answer);
    c->state = READING;
    send_more(c);
}

/* The connection is free: closed loop begins again, rate takes what is due. */
static void next_call(struct conn *c)
{
    struct load *l = c->load;

    if (c->state == CLOSED)
        open_conn(c);
    if (c->state == CLOSED)
        return;
    c->state = IDLE;
    if (l->count && l->started >= l->count)
        return;
    if (l->rate == 0)
        begin_call(c, now_ns());
    else
        l->idle[l->idle_n++] = c;
}

static void first_byte(struct conn *c, int64_t now)
{
    if (c->first_seen)
        return;
    c->first_seen = true;
    histogram_add(&c->load->n.first, now - c->due_ns);
}

static void on_time(void *arg, int64_t sent_ns)
{
    struct conn *c = arg;
    int64_t now = now_ns();

    c->chunks++;
    c->load->n.chunks++;
    histogram_add(&c->load->n.delay, now - sent_ns);
    first_byte(c, now);
}

static void call_failed(struct conn *c)
{
    c->load->n.failures++;
    c->load->failures_in_row++;
    c->load->finished++;
    disconnect(c);
    next_call(c);
}

static void call_done(struct conn *c)
{
    struct load *l = c->load;
    int64_t now = now_ns();

    first_byte(c, now);
    l->failures_in_row = 0;
    l->finished++;
    l->n.calls++;
    if (c->answer.status / 100 == 2)
        histogram_add(&l->n.whole, now - c->due_ns);
    else
        l->n.http_errors++;
    if (!c->answer.keep_alive)
        disconnect(c);
    next_call(c);
}

static void on_input(struct conn *c)
{
    static char bytes[256 << 10];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    enum answer_state state;

    if (n < 0 && errno == EAGAIN)
        return;
    if (c->state == IDLE) {
        /* Closed between calls, which HTTP allows. */
        close(c->fd);
        c->fd = -1;
        open_conn(c);
        return;
    }
    state = n > 0 ? answer_feed(&c->answer, bytes, (size_t)n) : ANSWER_BAD;
    if (state == ANSWER_BAD) {
        call_failed(c);
    } else if (state == ANSWER_DONE) {
        call_done(c);
    } else if (c->load->abort_after && c->chunks >= c->load->abort_after) {
        c->load->n.aborted++;
        c->load->finished++;
        disconnect(c);
        next_call(c);
    }
}

/* ---- the run ---- */

static void start_due(struct load *l, int64_t now)
{
    if (l->rate == 0)
        return;
    while (l->next_due_ns <= now && l->idle_n && (!l->count || l->started < l->count)) {
        struct conn *c = l->idle[--l->idle_n];

        if (c->state == CLOSED)
            open_conn(c);
        if (c->state == CLOSED) {
            l->idle[l->idle_n++] = c;
            return;
        }
        begin_call(c, l->next_due_ns);
        l->rate_started++;
        l->next_due_ns = l->begin_ns + (int64_t)((double)l->rate_started * l->interval_ns);
    }
}

static void begin_window(struct load *l)
{
    l->measuring = true;
    memset(&l->n, 0, sizeof l->n);
    process_measure(l->pids, l->pid_count, &l->before);
    /* Reading memory takes a while; the window begins after it. */
    l->window_ns = now_ns();
    l->end_ns = l->window_ns + (int64_t)(l->seconds * 1e9);
}

static void wait_for_events(struct load *l, int64_t until)
{
    struct epoll_event events[EVENTS];
    int64_t wait = until - now_ns();
    struct timespec t = {wait > 0 ? wait / 1000000000 : 0, wait > 0 ? wait % 1000000000 : 0};
    int n = epoll_pwait2(l->epoll, events, EVENTS, &t, NULL);

    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if (c->state == SENDING && (events[i].events & EPOLLOUT))
            send_more(c);
        if (c->state != CLOSED && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            on_input(c);
    }
}

static bool run(struct load *l)
{
    long opened = 0;
    int64_t now = l->begin_ns = now_ns(), warm = now + (int64_t)(l->warmup * 1e9);

    l->next_due_ns = now;
    l->interval_ns = l->rate > 0 ? 1e9 / l->rate : 0;
    while (!l->measuring || now < l->end_ns) {
        int64_t until = l->measuring ? l->end_ns : warm;

        for (; opened < l->connections && l->conns[opened].opens_ns <= now - l->begin_ns; opened++)
            next_call(&l->conns[opened]);
        if (opened < l->connections && l->begin_ns + l->conns[opened].opens_ns < until)
            until = l->begin_ns + l->conns[opened].opens_ns;
        start_due(l, now);
        if (l->rate > 0 && l->idle_n && l->next_due_ns < until)
            until = l->next_due_ns;
        wait_for_events(l, until);
        now = now_ns();
        if (!l->measuring && now >= warm)
            begin_window(l);
        if (l->count && l->finished >= l->count)
            break;
        if (l->failures_in_row > MAX_FAILURES_IN_ROW)
            return false;
    }
    l->end_ns = now_ns();
    process_measure(l->pids, l->pid_count, &l->after);
    return true;
}

static void report(const struct load *l)
{
    const struct numbers *n = &l->n;
    double seconds = (double)(l->end_ns - l->window_ns) / 1e9;

    (void)printf("{\"seconds\":%.3f,\"calls\":%llu,\"per_second\":%.1f,\"http_errors\":%llu,"
                 "\"failures\":%llu,\"aborted\":%llu,\"chunks\":%llu",
                 seconds, (unsigned long long)n->calls, (double)n->calls / seconds,
                 (unsigned long long)n->http_errors, (unsigned long long)n->failures,
                 (unsigned long long)n->aborted, (unsigned long long)n->chunks);
    (void)printf(",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f,\"first_p50_us\":%.1f,"
                 "\"first_p99_us\":%.1f,\"delay_p50_us\":%.1f,\"delay_p99_us\":%.1f",
                 histogram_us(&n->whole, 0.5), histogram_us(&n->whole, 0.99),
                 histogram_us(&n->whole, 0.999999), histogram_us(&n->first, 0.5),
                 histogram_us(&n->first, 0.99), histogram_us(&n->delay, 0.5),
                 histogram_us(&n->delay, 0.99));
    (void)printf(",\"cpu_us\":%.0f,\"private_kib\":%lld,\"resident_kib\":%lld}\n",
                 (double)(l->after.cpu_ns - l->before.cpu_ns) / 1000.0,
                 (long long)l->after.private_kib, (long long)l->after.resident_kib);
}

/* ---- start ---- */

static const char usage[] =
    "load --port N [--path /v1/chat/completions] [--key KEY] --model NAME [--bytes N] [--tools N]\n"
    "     [--stream] [--connections N] [--rate CALLS_PER_SECOND] [--warmup S] [--seconds S]\n"
    "     [--count CALLS] [--ramp S] [--abort-after CHUNKS] [--pid PID]...\n";

static bool parse(struct load *l, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (strcmp(flag, "--stream") == 0) {
            l->body.stream = true;
            continue;
        }
        if (!value)
            return false;
        i++;
        if (strcmp(flag, "--port") == 0)
            l->port = (int)strtol(value, NULL, 10);
        else if (strcmp(flag, "--path") == 0)
            l->path = value;
        else if (strcmp(flag, "--key") == 0)
            l->key = value;
        else if (strcmp(flag, "--model") == 0)
            l->body.model = value;
        else if (strcmp(flag, "--bytes") == 0)
            l->body.bytes = strtoul(value, NULL, 10);
        else if (strcmp(flag, "--tools") == 0)
            l->body.tools = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(flag, "--connections") == 0)
            l->connections = strtol(value, NULL, 10);
        else if (strcmp(flag, "--rate") == 0)
            l->rate = strtod(value, NULL);
        else if (strcmp(flag, "--warmup") == 0)
            l->warmup = strtod(value, NULL);
        else if (strcmp(flag, "--seconds") == 0)
            l->seconds = strtod(value, NULL);
        else if (strcmp(flag, "--count") == 0)
            l->count = strtoull(value, NULL, 10);
        else if (strcmp(flag, "--ramp") == 0)
            l->ramp = strtod(value, NULL);
        else if (strcmp(flag, "--abort-after") == 0)
            l->abort_after = strtol(value, NULL, 10);
        else if (strcmp(flag, "--pid") == 0 && l->pid_count < MAX_PIDS)
            l->pids[l->pid_count++] = (pid_t)strtol(value, NULL, 10);
        else
            return false;
    }
    return l->port > 0 && l->port < 65536 && l->body.model && l->connections > 0 &&
           l->connections <= MAX_CONNECTIONS && l->seconds > 0;
}

static bool prepare(struct load *l)
{
    size_t body_n;
    char *body = body_make(&l->body, &body_n);
    int n;

    l->request_n = body_n + strlen(l->path) + strlen(l->key) + 512;
    l->request = malloc(l->request_n);
    l->conns = calloc((size_t)l->connections, sizeof *l->conns);
    l->idle = calloc((size_t)l->connections, sizeof(struct conn *));
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!body || !l->request || !l->conns || !l->idle || l->epoll < 0)
        return false;
    n = snprintf(l->request, l->request_n,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: OpenAI/Python 1.99.0\r\n"
                 "Accept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"
                 "Content-Type: application/json\r\nAuthorization: Bearer %s\r\n"
                 "X-Stainless-Lang: python\r\nX-Stainless-Runtime: CPython\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 l->path, l->port, l->key, body_n);
    memcpy(l->request + n, body, body_n);
    l->request_n = (size_t)n + body_n;
    free(body);
    for (long i = 0; i < l->connections; i++) {
        struct conn *c = &l->conns[i];

        c->load = l;
        c->fd = -1;
        c->answer.on_time = on_time;
        c->answer.arg = c;
        c->opens_ns = (int64_t)(l->ramp * 1e9 * (double)i / (double)l->connections);
    }
    return true;
}

int main(int argc, char **argv)
{
    struct load *l = calloc(1, sizeof *l);

    if (!l)
        return 1;
    l->path = "/v1/chat/completions";
    l->key = "none";
    l->body.bytes = 1024;
    l->connections = 64;
    l->warmup = 1;
    l->seconds = 5;
    if (!parse(l, argc, argv)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000);
    if (!prepare(l)) {
        perror("load");
        return 1;
    }
    if (!run(l)) {
        (void)fprintf(stderr, "load: port %d: %u calls in a row failed\n", l->port,
                      l->failures_in_row);
        return 1;
    }
    report(l);
    return 0;
}
