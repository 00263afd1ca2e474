#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "dataplane/telemetry/sink_internal.h"

enum { CLOSE_WAIT_MS = 1000 };

struct weir__log {
    uv_loop_t *loop;
    char *path; /* NULL: standard output */
    int fd;
    struct weir_buf waiting, writing;
    size_t written; /* of writing */
    uv_fs_t write;
    bool busy, reopen, closing;
    uint64_t lines, dropped, waiting_lines;
    uv_timer_t patience;
    void (*done)(void *arg);
    void *arg;
};

static void start_write(struct weir__log *l);

static int open_log(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

int weir__log_create(uv_loop_t *loop, const char *path, struct weir__log **out)
{
    struct weir__log *l = WEIR_NEW(struct weir__log);

    l->loop = loop;
    l->fd = STDOUT_FILENO;
    if (strcmp(path, "-") != 0) {
        l->path = weir_strdup(weir_str_of(path));
        l->fd = open_log(path);
    }
    if (l->fd < 0 || uv_timer_init(loop, &l->patience) != 0) {
        WEIR_LOG(WEIR_LOG_ERROR, "accesslog", "%s: %s", path, strerror(errno));
        free(l->path);
        free(l);
        return WEIR_EIO;
    }
    uv_unref((uv_handle_t *)&l->patience);
    l->patience.data = l;
    weir_buf_init(&l->waiting, WEIR_SINK_LOG_BYTES);
    weir_buf_init(&l->writing, WEIR_SINK_LOG_BYTES);
    *out = l;
    return WEIR_OK;
}

void weir__log_add(struct weir__log *l, const Weir__V1__CallRecord *r)
{
    size_t before = l->waiting.n;

    weir__access_line(r, &l->waiting);
    l->lines++;
    if (l->waiting.full) { /* never half a line */
        l->waiting.n = before;
        l->waiting.full = false;
        l->dropped++;
    }
}

void weir__log_count(const struct weir__log *l, uint64_t *lines, uint64_t *dropped)
{
    *lines = l->lines;
    *dropped = l->dropped;
}

static void do_reopen(struct weir__log *l)
{
    int fd;

    l->reopen = false;
    if (!l->path)
        return;
    fd = open_log(l->path);
    if (fd < 0) {
        WEIR_LOG(WEIR_LOG_ERROR, "accesslog", "%s: %s: going on with the old file", l->path,
                 strerror(errno));
        return;
    }
    close(l->fd);
    l->fd = fd;
}

static void on_timer_closed(uv_handle_t *h)
{
    struct weir__log *l = h->data;

    if (l->done)
        l->done(l->arg);
    if (l->busy) /* its write still hangs in the pool and uses this memory */
        return;
    if (l->path)
        close(l->fd);
    weir_buf_fini(&l->waiting);
    weir_buf_fini(&l->writing);
    free(l->path);
    free(l);
}

static void finish(struct weir__log *l)
{
    if (!uv_is_closing((uv_handle_t *)&l->patience))
        uv_close((uv_handle_t *)&l->patience, on_timer_closed);
}

static void on_written(uv_fs_t *req)
{
    struct weir__log *l = req->data;
    ssize_t n = req->result;

    uv_fs_req_cleanup(req);
    l->busy = false;
    if (n > 0)
        l->written += (size_t)n;
    if (n <= 0 && n != UV_EAGAIN && n != UV_EINTR) {
        WEIR_LOG(WEIR_LOG_WARN, "accesslog", "write failed: %s", n ? uv_strerror((int)n) : "full");
        l->dropped++; /* at least one; the piece is given up so that the next may fare better */
        l->written = l->writing.n;
    }
    if (uv_is_closing((uv_handle_t *)&l->patience))
        return;
    start_write(l);
}

static void start_write(struct weir__log *l)
{
    uv_buf_t piece;

    if (l->busy)
        return;
    if (l->written == l->writing.n) {
        struct weir_buf empty = l->writing;

        weir_buf_clear(&empty);
        l->writing = l->waiting;
        l->waiting = empty;
        l->written = 0;
        if (l->reopen)
            do_reopen(l);
    }
    if (l->writing.n == 0) {
        if (l->closing)
            finish(l);
        return;
    }
    piece = uv_buf_init(l->writing.p + l->written, (unsigned)(l->writing.n - l->written));
    l->write.data = l;
    l->busy = uv_fs_write(l->loop, &l->write, l->fd, &piece, 1, -1, on_written) == 0;
}

void weir__log_flush(struct weir__log *l)
{
    start_write(l);
}

void weir__log_reopen(struct weir__log *l)
{
    l->reopen = true;
    start_write(l);
}

static void on_impatient(uv_timer_t *t)
{
    finish(t->data);
}

void weir__log_close(struct weir__log *l, void (*done)(void *arg), void *arg)
{
    l->done = done;
    l->arg = arg;
    l->closing = true;
    (void)uv_timer_start(&l->patience, on_impatient, CLOSE_WAIT_MS, 0);
    start_write(l);
}
