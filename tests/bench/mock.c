/* A provider that costs as little as possible: OpenAI chat completions on one thread.
 *
 * What it answers is in the model's name, so that a gateway in between needs to pass nothing else:
 *   mock-aN      a whole answer with N bytes of content, and its usage
 *   mock-sNxM    a stream of N chunks, one each M ms (0: at once), each sent on its own; each one
 *                carries the time of its sending, "@" and 19 digits of CLOCK_MONOTONIC nanoseconds
 *   mock-eN      an error answer with status N
 *   mock-cN      a stream that breaks off after N chunks
 * It prints its address and serves until a signal ends it. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 16384,
    MAX_REQUEST_BYTES = 4 << 20,
    MAX_CONTENT_BYTES = 1 << 20,
    MAX_MODEL_BYTES = 64,
    EVENTS = 256,
    FIRST_ROOM = 4096,
    FILLER_PERIOD = 30 /* bytes of it, the last two an escape that must stay whole */
};

struct conn {
    int fd;
    char *in; /* the request so far */
    size_t in_n, in_room;
    char *out; /* what the socket did not take, malloc'd */
    size_t out_n, out_sent;
    char model[MAX_MODEL_BYTES];
    long chunks_left; /* of the stream under way */
    int64_t interval_ns, due_ns;
    size_t heap_at; /* 1-based; 0: not in the heap */
    bool streaming, role_sent, breaks_off, asked_usage, closing, wants_out;
};

struct mock {
    int epoll;
    int listener;
    struct conn *heap[MAX_CONNECTIONS + 1]; /* streams by due time; [0] unused */
    size_t heap_n;
    char filler[MAX_CONTENT_BYTES];
};

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- streams by the time of their next chunk ---- */

static void heap_put(struct mock *m, size_t at, struct conn *c)
{
    m->heap[at] = c;
    c->heap_at = at;
}

static void heap_settle(struct mock *m, size_t at)
{
    struct conn *c = m->heap[at];

    for (; at > 1 && m->heap[at / 2]->due_ns > c->due_ns; at /= 2)
        heap_put(m, at, m->heap[at / 2]);
    for (;;) {
        size_t child = at * 2;

        if (child > m->heap_n)
            break;
        if (child < m->heap_n && m->heap[child + 1]->due_ns < m->heap[child]->due_ns)
            child++;
        if (m->heap[child]->due_ns >= c->due_ns)
            break;
        heap_put(m, at, m->heap[child]);
        at = child;
    }
    heap_put(m, at, c);
}

static void heap_add(struct mock *m, struct conn *c)
{
    heap_put(m, ++m->heap_n, c);
    heap_settle(m, m->heap_n);
}

static void heap_remove(struct mock *m, struct conn *c)
{
    size_t at = c->heap_at;
    struct conn *last;

    if (!at)
        return;
    c->heap_at = 0;
    last = m->heap[m->heap_n--];
    if (last == c)
        return;
    heap_put(m, at, last);
    heap_settle(m, at);
}

/* ---- output ---- */

static void drop(struct mock *m, struct conn *c)
{
    heap_remove(m, c);
    close(c->fd);
    free(c->in);
    free(c->out);
    free(c);
}

static void want_output(struct mock *m, struct conn *c, bool on)
{
    struct epoll_event e = {.events = EPOLLIN | (on ? EPOLLOUT : 0u), .data.ptr = c};

    if (c->wants_out == on)
        return;
    c->wants_out = on;
    epoll_ctl(m->epoll, EPOLL_CTL_MOD, c->fd, &e);
}

/* False: the connection is gone. */
static bool put(struct mock *m, struct conn *c, const char *p, size_t n)
{
    ssize_t sent = c->out ? 0 : send(c->fd, p, n, MSG_NOSIGNAL);
    char *all;

    if (sent < 0 && errno != EAGAIN)
        return false;
    if (sent < 0)
        sent = 0;
    if ((size_t)sent == n)
        return true;
    all = realloc(c->out, c->out_n + n - (size_t)sent);
    if (!all)
        return false;
    memcpy(all + c->out_n, p + sent, n - (size_t)sent);
    c->out = all;
    c->out_n += n - (size_t)sent;
    want_output(m, c, true);
    return true;
}

static bool put_chunk(struct mock *m, struct conn *c, const char *data, int n)
{
    char framed[1024];
    int size =
        snprintf(framed, sizeof framed, "%x\r\ndata: %.*s\n\n\r\n", (unsigned)n + 8, n, data);

    return put(m, c, framed, (size_t)size);
}

/* ---- answers ---- */

static long number_after(const char *model, size_t prefix, const char **rest)
{
    char *end;
    long n = strtol(model + prefix, &end, 10);

    *rest = end;
    return n < 0 ? 0 : n;
}

static bool put_whole(struct mock *m, struct conn *c, long content)
{
    static const char tail[] =
        "\",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":256,\"completion_tokens\":%ld,\"total_tokens\":%ld,"
        "\"prompt_tokens_details\":{\"cached_tokens\":128,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\"}";
    char head[512], body[512], end[512];
    static char answer[MAX_CONTENT_BYTES + 2048];
    int head_n, body_n, end_n;
    char *p = answer;

    if (content > MAX_CONTENT_BYTES)
        content = MAX_CONTENT_BYTES;
    content -= content % FILLER_PERIOD;
    body_n = snprintf(body, sizeof body,
                      "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":"
                      "1700000000,\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
                      "\"assistant\",\"content\":\"",
                      c->model);
    end_n = snprintf(end, sizeof end, tail, content / 4 + 1, content / 4 + 257);
    head_n = snprintf(head, sizeof head,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %ld\r\n"
                      "x-request-id: req_mock\r\nopenai-processing-ms: 1\r\n\r\n",
                      body_n + content + end_n);
    p = mempcpy(p, head, (size_t)head_n);
    p = mempcpy(p, body, (size_t)body_n);
    p = mempcpy(p, m->filler, (size_t)content);
    p = mempcpy(p, end, (size_t)end_n);
    return put(m, c, answer, (size_t)(p - answer));
}

static bool put_error(struct mock *m, struct conn *c, long status)
{
    static const char body[] = "{\"error\":{\"message\":\"mock says no\",\"type\":\"server_error\","
                               "\"param\":null,\"code\":null}}";
    char answer[512];
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 %ld Mock\r\nContent-Type: application/json\r\nContent-Length: "
                     "%zu\r\n\r\n%s",
                     status, sizeof body - 1, body);

    return put(m, c, answer, (size_t)n);
}

static bool put_stream_head(struct mock *m, struct conn *c)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n"
                               "x-request-id: req_mock\r\n\r\n";

    return put(m, c, head, sizeof head - 1);
}

#define CHUNK_HEAD                                                                                 \
    "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"       \
    "\"model\":\"%s\",\"system_fingerprint\":\"fp_mock\",\"choices\":["

static bool put_content(struct mock *m, struct conn *c)
{
    char data[512];
    int n;

    if (!c->role_sent) {
        c->role_sent = true;
        n = snprintf(data, sizeof data,
                     CHUNK_HEAD "{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
                                "\"logprobs\":null,\"finish_reason\":null}]}",
                     c->model);
        if (!put_chunk(m, c, data, n))
            return false;
    }
    n = snprintf(data, sizeof data,
                 CHUNK_HEAD "{\"index\":0,\"delta\":{\"content\":\"@%019lld \"},\"logprobs\":null,"
                            "\"finish_reason\":null}]}",
                 c->model, (long long)now_ns());
    c->chunks_left--;
    return put_chunk(m, c, data, n);
}

static bool put_stream_end(struct mock *m, struct conn *c)
{
    static const char last[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";
    char data[512];
    int n;

    c->streaming = false;
    if (c->breaks_off)
        return false;
    n = snprintf(data, sizeof data,
                 CHUNK_HEAD
                 "{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}",
                 c->model);
    if (!put_chunk(m, c, data, n))
        return false;
    n = snprintf(data, sizeof data,
                 CHUNK_HEAD "],\"usage\":{\"prompt_tokens\":256,\"completion_tokens\":100,"
                            "\"total_tokens\":356}}",
                 c->model);
    if (c->asked_usage && !put_chunk(m, c, data, n))
        return false;
    return put(m, c, last, sizeof last - 1);
}

static bool stream_at_once(struct mock *m, struct conn *c)
{
    while (c->chunks_left > 0) {
        if (c->out)
            return true; /* goes on when the socket takes more */
        if (!put_content(m, c))
            return false;
    }
    return put_stream_end(m, c);
}

static bool answer(struct mock *m, struct conn *c, const char *body, size_t n)
{
    const char *rest, *at = memmem(body, n, "\"model\":\"mock-", 14);
    size_t size = 0;

    memcpy(c->model, "mock-a100", 10);
    if (at) {
        for (at += 9; size + 1 < MAX_MODEL_BYTES && at + size < body + n && at[size] != '"'; size++)
            c->model[size] = at[size];
        c->model[size] = '\0';
    }
    if (c->model[5] == 'a')
        return put_whole(m, c, number_after(c->model, 6, &rest));
    if (c->model[5] == 'e')
        return put_error(m, c, number_after(c->model, 6, &rest));
    c->asked_usage = memmem(body, n, "\"include_usage\":true", 20) != NULL;
    c->chunks_left = number_after(c->model, 6, &rest);
    c->interval_ns = *rest == 'x' ? strtol(rest + 1, NULL, 10) * 1000000 : 0;
    c->breaks_off = c->model[5] == 'c';
    c->streaming = true;
    c->role_sent = false;
    if (!put_stream_head(m, c))
        return false;
    if (!c->interval_ns)
        return stream_at_once(m, c);
    c->due_ns = now_ns() + c->interval_ns;
    heap_add(m, c);
    return true;
}

static bool tick(struct mock *m, struct conn *c)
{
    heap_remove(m, c);
    if (c->chunks_left <= 0)
        return put_stream_end(m, c);
    if (!put_content(m, c))
        return false;
    c->due_ns += c->interval_ns;
    heap_add(m, c);
    return true;
}

/* ---- input ---- */

/* Bytes of a whole request at the front of what has come; 0: more must come; -1: not served. */
static ssize_t request_size(const struct conn *c, size_t *head)
{
    const char *end = memmem(c->in, c->in_n, "\r\n\r\n", 4), *p;
    long body = 0;

    if (!end)
        return c->in_n > 65536 ? -1 : 0;
    *head = (size_t)(end + 4 - c->in);
    for (p = c->in; p && p < end; p = memmem(p, (size_t)(end - p), "\r\n", 2)) {
        p += p != c->in ? 2 : 0;
        if (strncasecmp(p, "content-length:", 15) == 0)
            body = strtol(p + 15, NULL, 10);
        if (strncasecmp(p, "transfer-encoding:", 18) == 0)
            return -1;
    }
    if (body < 0 || body > MAX_REQUEST_BYTES)
        return -1;
    return c->in_n >= *head + (size_t)body ? (ssize_t)(*head + (size_t)body) : 0;
}

static bool take_requests(struct mock *m, struct conn *c)
{
    while (c->in_n && !c->streaming) {
        size_t head;
        ssize_t n = request_size(c, &head);

        if (n < 0)
            return false;
        if (n == 0)
            return true;
        if (!answer(m, c, c->in + head, (size_t)n - head))
            return false;
        c->in_n -= (size_t)n;
        memmove(c->in, c->in + n, c->in_n);
    }
    return true;
}

static bool on_input(struct mock *m, struct conn *c)
{
    ssize_t n;

    if (c->in_n + 1 >= c->in_room) {
        size_t room = c->in_room ? c->in_room * 4 : FIRST_ROOM;
        char *p = room > 2 * (size_t)MAX_REQUEST_BYTES ? NULL : realloc(c->in, room);

        if (!p)
            return false;
        c->in = p;
        c->in_room = room;
    }
    n = recv(c->fd, c->in + c->in_n, c->in_room - c->in_n - 1, 0);
    if (n < 0)
        return errno == EAGAIN;
    if (n == 0)
        return false;
    c->in_n += (size_t)n;
    c->in[c->in_n] = '\0';
    return take_requests(m, c);
}

static bool on_output(struct mock *m, struct conn *c)
{
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_n - c->out_sent, MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN;
    c->out_sent += (size_t)n;
    if (c->out_sent < c->out_n)
        return true;
    free(c->out);
    c->out = NULL;
    c->out_n = c->out_sent = 0;
    want_output(m, c, false);
    if (c->streaming && !c->interval_ns && !stream_at_once(m, c))
        return false;
    return take_requests(m, c);
}

static void accept_all(struct mock *m)
{
    for (;;) {
        int one = 1, fd = accept4(m->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn *c = fd < 0 ? NULL : calloc(1, sizeof *c);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};

        if (fd < 0)
            return;
        if (!c || epoll_ctl(m->epoll, EPOLL_CTL_ADD, fd, &e)) {
            close(fd);
            free(c);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
    }
}

static void serve(struct mock *m)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        int64_t wait = m->heap_n ? m->heap[1]->due_ns - now_ns() : 1000000000;
        struct timespec t = {wait > 0 ? wait / 1000000000 : 0, wait > 0 ? wait % 1000000000 : 0};
        int n = epoll_pwait2(m->epoll, events, EVENTS, &t, NULL);

        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            bool alive = true;

            if (!c) {
                accept_all(m);
                continue;
            }
            if (events[i].events & EPOLLOUT)
                alive = on_output(m, c);
            if (alive && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                alive = on_input(m, c);
            if (!alive)
                drop(m, c);
        }
        while (m->heap_n && m->heap[1]->due_ns <= now_ns()) {
            struct conn *c = m->heap[1];

            if (!tick(m, c))
                drop(m, c);
        }
    }
}

static int listen_on(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4096)) {
        close(fd);
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    struct mock *m = calloc(1, sizeof *m);
    struct epoll_event e = {.events = EPOLLIN};
    int port = argc == 2 ? (int)strtol(argv[1], NULL, 10) : -1;

    if (!m || port <= 0 || port > 65535) {
        (void)fprintf(stderr, "mock PORT: serves on 127.0.0.1\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000);
    for (size_t i = 0; i < sizeof m->filler; i++)
        m->filler[i] = "lorem ipsum dolor sit amet, \\n"[i % FILLER_PERIOD];
    m->listener = listen_on(port);
    m->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (m->listener < 0 || epoll_ctl(m->epoll, EPOLL_CTL_ADD, m->listener, &e)) {
        perror("mock");
        return 1;
    }
    (void)printf("http://127.0.0.1:%d\n", port);
    (void)fflush(stdout);
    serve(m);
    return 0;
}
