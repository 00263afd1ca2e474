#include "dataplane/telemetry/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "dataplane/telemetry/spool_internal.h"

enum {
    SEGMENTS_MAX = 4096,
    PENDING_MAX = 8 << 20, /* kept while the disk refuses */
    PENDING_WRITE = 256 << 10,
    RECLAIM_BYTES = 1 << 20, /* a wholly acknowledged segment of this size is given up */
    ACKS_BYTES = 512 << 10,
    ACKS_EVERY_MS = 1000, /* what a crash replays is de-duplicated by its receiver */
};

struct weir_spool {
    char *dir;
    int64_t max_bytes, segment_bytes;
    struct weir__segment self; /* what the next segment of this incarnation is made from */
    struct weir__segment *segments;
    size_t count, cap;
    bool writing; /* the last segment is ours and open */
    int write_fd;
    uint64_t next_sequence;
    struct weir_buf pending;
    uint64_t pending_records;

    size_t at; /* what is read next: a segment, an offset in it */
    int64_t offset;
    uint64_t after; /* last sequence read of it */
    int read_fd;    /* -1: not open */
    struct weir_buf chunk;
    struct weir_str records[WEIR_SPOOL_BATCH_RECORDS];

    int64_t bytes, acks_saved_ms, complained_ms;
    bool acks_dirty;
    uint64_t appended, acknowledged, refused, damaged;
};

/* ---- the folder ---- */

static void path_of(const struct weir_spool *s, const struct weir__segment *g, char *out, size_t n)
{
    char name[96];

    weir__segment_name(g, name, sizeof name);
    (void)snprintf(out, n, "%s/%s", s->dir, name);
}

static struct weir__segment *push(struct weir_spool *s)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 16;
        s->segments = weir_realloc(s->segments, s->cap * sizeof *s->segments);
    }
    return &s->segments[s->count++];
}

static void adopt(struct weir_spool *s, const char *name)
{
    struct weir__segment by_name = {0}, g = {0};
    char path[1024], head[WEIR__SEGMENT_HEADER];
    struct stat st;
    int fd;

    if (weir__segment_parse_name(name, &by_name) != WEIR_OK)
        return;
    path_of(s, &by_name, path, sizeof path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    g = by_name;
    if (fstat(fd, &st) != 0 || pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head ||
        weir__segment_parse((struct weir_str){head, sizeof head}, &g) != WEIR_OK ||
        strcmp(g.incarnation, by_name.incarnation) != 0) {
        /* Died before the header was whole, or damaged: without it nothing can be acknowledged. */
        WEIR_LOG(WEIR_LOG_WARN, "spool", "%s has no valid header: set aside", name);
        char aside[1032];

        (void)snprintf(aside, sizeof aside, "%s.bad", path);
        (void)rename(path, aside);
        s->damaged++;
        close(fd);
        return;
    }
    close(fd);
    g.bytes = st.st_size;
    s->bytes += g.bytes;
    *push(s) = g;
}

static int by_order(const void *a, const void *b)
{
    const struct weir__segment *x = a, *y = b;
    int c = strcmp(x->incarnation, y->incarnation);

    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    if (c != 0)
        return c;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int scan(struct weir_spool *s)
{
    DIR *d = opendir(s->dir);
    const struct dirent *e;

    if (!d)
        return WEIR_EIO;
    while (s->count < SEGMENTS_MAX && (e = readdir(d)))
        adopt(s, e->d_name);
    closedir(d);
    if (s->count > 1)
        qsort(s->segments, s->count, sizeof *s->segments, by_order);
    return WEIR_OK;
}

/* ---- acknowledgements on disk: lines of incarnation and sequence ---- */

static void load_acks(struct weir_spool *s)
{
    struct weir_str rest, line;
    struct weir_buf b;
    char path[1024];

    weir_buf_init(&b, ACKS_BYTES);
    (void)snprintf(path, sizeof path, "%s/acked", s->dir);
    if (weir_file_read(path, &b) == WEIR_OK) {
        for (rest = weir_buf_str(&b); rest.n > 0;) {
            struct weir_str number, id;
            int64_t n;

            line = weir_str_cut(rest, '\n', &rest);
            id = weir_str_cut(line, ' ', &number);
            if (weir_str_i64(number, &n) != WEIR_OK || n < 0)
                continue;
            for (size_t i = 0; i < s->count; i++)
                if (weir_str_is(id, s->segments[i].incarnation))
                    s->segments[i].acked = (uint64_t)n;
        }
    }
    weir_buf_fini(&b);
}

static void save_acks(struct weir_spool *s)
{
    struct weir_buf b;
    char path[1024];

    weir_buf_init(&b, ACKS_BYTES);
    (void)snprintf(path, sizeof path, "%s/acked", s->dir);
    for (size_t i = 0; i < s->count; i++) {
        const struct weir__segment *g = &s->segments[i];

        if (g->acked && (i == 0 || strcmp(g->incarnation, g[-1].incarnation) != 0))
            (void)weir_buf_addf(&b, "%s %llu\n", g->incarnation, (unsigned long long)g->acked);
    }
    /* Lost: records are sent again, and known there. */
    if (weir_file_replace(path, weir_buf_str(&b), 0600, false) != WEIR_OK)
        WEIR_LOG(WEIR_LOG_WARN, "spool", "%s: %s", path, strerror(errno));
    weir_buf_fini(&b);
    s->acks_dirty = false;
    s->acks_saved_ms = weir_mono_ms();
}

/* ---- life ---- */

int weir_spool_open(const struct weir_spool_options *o, struct weir_spool **out)
{
    struct weir_spool *s = WEIR_NEW(struct weir_spool);
    unsigned char id[WEIR_SPOOL_INCARNATION_HEX / 2];

    s->dir = weir_strdup(weir_str_of(o->dir));
    s->max_bytes = o->max_bytes ? o->max_bytes : (int64_t)256 << 20;
    s->segment_bytes = o->segment_bytes ? o->segment_bytes : (int64_t)8 << 20;
    s->read_fd = s->write_fd = -1;
    s->next_sequence = 1;
    weir_buf_init(&s->pending, PENDING_MAX);
    weir_buf_init(&s->chunk, WEIR_SPOOL_BATCH_BYTES + WEIR__FRAME_MAX);
    if (weir_file_mkdirs(o->dir, 0700) != WEIR_OK || scan(s) != WEIR_OK) {
        WEIR_LOG(WEIR_LOG_ERROR, "spool", "%s: %s", o->dir, strerror(errno));
        weir_spool_close(s);
        return WEIR_EIO;
    }
    load_acks(s);
    weir_rand_bytes(id, sizeof id);
    weir_hex(id, sizeof id, s->self.incarnation);
    s->self.start_ms = weir_wall_ms();
    /* After a clock that was set back, this start still comes last. */
    if (s->count && s->self.start_ms <= s->segments[s->count - 1].start_ms)
        s->self.start_ms = s->segments[s->count - 1].start_ms + 1;
    s->offset = WEIR__SEGMENT_HEADER;
    if (s->count)
        WEIR_LOG(WEIR_LOG_INFO, "spool", "%zu segments, %lld bytes from earlier starts", s->count,
                 (long long)s->bytes);
    *out = s;
    return WEIR_OK;
}

void weir_spool_close(struct weir_spool *s)
{
    if (!s)
        return;
    if (s->pending.n > 0)
        (void)weir_spool_flush(s);
    if (s->acks_dirty)
        save_acks(s);
    if (s->write_fd >= 0)
        close(s->write_fd);
    if (s->read_fd >= 0)
        close(s->read_fd);
    weir_buf_fini(&s->pending);
    weir_buf_fini(&s->chunk);
    free(s->segments);
    free(s->dir);
    free(s);
}

const char *weir_spool_incarnation(const struct weir_spool *s)
{
    return s->self.incarnation;
}

void weir_spool_get_stats(const struct weir_spool *s, struct weir_spool_stats *out)
{
    *out = (struct weir_spool_stats){
        .bytes = s->bytes + (int64_t)s->pending.n,
        .max_bytes = s->max_bytes,
        .appended = s->appended,
        .acknowledged = s->acknowledged,
        .refused = s->refused,
        .damaged = s->damaged,
        .segments = (uint32_t)s->count,
    };
}

/* ---- writing ---- */

static void complain(struct weir_spool *s, const char *what)
{
    int64_t now = weir_mono_ms();

    if (s->complained_ms && now - s->complained_ms < 10000)
        return;
    s->complained_ms = now;
    WEIR_LOG(WEIR_LOG_ERROR, "spool", "%s: %s", s->dir, what);
}

static int open_segment(struct weir_spool *s)
{
    char path[1024], head[WEIR__SEGMENT_HEADER];
    struct weir__segment *g;

    s->self.first = s->next_sequence - s->pending_records;
    weir__segment_header(&s->self, head);
    path_of(s, &s->self, path, sizeof path);
    s->write_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->write_fd < 0)
        return WEIR_EIO;
    if (write(s->write_fd, head, sizeof head) != (ssize_t)sizeof head) {
        close(s->write_fd);
        s->write_fd = -1;
        (void)unlink(path);
        return WEIR_EIO;
    }
    g = push(s);
    *g = s->self;
    g->bytes = sizeof head;
    s->bytes += g->bytes;
    s->self.number++;
    s->writing = true;
    return WEIR_OK;
}

static void end_segment(struct weir_spool *s)
{
    s->segments[s->count - 1].last = s->next_sequence - 1 - s->pending_records;
    close(s->write_fd);
    s->write_fd = -1;
    s->writing = false;
}

int weir_spool_flush(struct weir_spool *s)
{
    struct weir__segment *g;
    size_t done = 0;

    if (s->pending.n == 0)
        return WEIR_OK;
    if (!s->writing && open_segment(s) != WEIR_OK) {
        complain(s, strerror(errno));
        return WEIR_EIO;
    }
    g = &s->segments[s->count - 1];
    while (done < s->pending.n) {
        ssize_t n = pwrite(s->write_fd, s->pending.p + done, s->pending.n - done,
                           (off_t)(g->bytes + (int64_t)done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            /* What was written of it is overwritten by the next try at the same place. */
            complain(s, n < 0 ? strerror(errno) : "short write");
            return WEIR_EIO;
        }
        done += (size_t)n;
    }
    g->bytes += (int64_t)done;
    s->bytes += (int64_t)done;
    weir_buf_clear(&s->pending);
    s->pending_records = 0;
    if (g->bytes >= s->segment_bytes)
        end_segment(s);
    return WEIR_OK;
}

int weir_spool_append(struct weir_spool *s, struct weir_str record)
{
    int64_t room = s->max_bytes - s->bytes - (int64_t)s->pending.n;

    if (record.n == 0 || record.n > WEIR_RECORD_MAX_BYTES)
        return WEIR_EINVAL;
    if (s->pending.n >= PENDING_WRITE)
        (void)weir_spool_flush(s);
    if (room <
            WEIR__SEGMENT_HEADER + WEIR__FRAME_HEADER + WEIR__FRAME_SEQUENCE + (int64_t)record.n ||
        weir__frame_add(&s->pending, s->next_sequence, record) != WEIR_OK) {
        s->pending.full = false;
        s->refused++;
        complain(s, "full: records are refused until the control plane acknowledges older ones");
        return WEIR_ELIMIT;
    }
    s->next_sequence++;
    s->pending_records++;
    s->appended++;
    return WEIR_OK;
}

/* ---- giving up segments ---- */

static bool is_current(const struct weir_spool *s, size_t i)
{
    return s->writing && i == s->count - 1;
}

/* The last sequence of a segment, 0 when only reading can tell. */
static uint64_t last_of(const struct weir_spool *s, size_t i)
{
    const struct weir__segment *g = &s->segments[i];

    if (is_current(s, i))
        return s->next_sequence - 1 - s->pending_records;
    if (!g->last && i + 1 < s->count && strcmp(g->incarnation, g[1].incarnation) == 0)
        return g[1].first - 1;
    return g->last;
}

static void seek(struct weir_spool *s, size_t i)
{
    if (s->read_fd >= 0)
        close(s->read_fd);
    s->read_fd = -1;
    s->at = i;
    s->offset = WEIR__SEGMENT_HEADER;
    s->after = 0;
}

static void remove_segment(struct weir_spool *s, size_t i)
{
    char path[1024];

    path_of(s, &s->segments[i], path, sizeof path);
    (void)unlink(path);
    s->bytes -= s->segments[i].bytes;
    if (s->at == i)
        seek(s, i);
    else if (s->at > i)
        s->at--;
    s->count--;
    memmove(s->segments + i, s->segments + i + 1, (s->count - i) * sizeof *s->segments);
}

void weir_spool_ack(struct weir_spool *s, const char *incarnation, uint64_t sequence)
{
    bool ours = strcmp(incarnation, s->self.incarnation) == 0;

    if (ours && sequence >= s->next_sequence)
        return;
    if (ours && sequence > s->self.acked) {
        s->acknowledged += sequence - s->self.acked;
        s->self.acked = sequence;
    }
    for (size_t i = 0; i < s->count;) {
        struct weir__segment *g = &s->segments[i];
        uint64_t last = last_of(s, i);

        if (strcmp(g->incarnation, incarnation) != 0 || sequence < g->acked) {
            i++;
            continue;
        }
        s->acks_dirty = s->acks_dirty || sequence > g->acked;
        g->acked = sequence;
        if (is_current(s, i) && last && last <= sequence && g->bytes >= RECLAIM_BYTES)
            end_segment(s);
        if (!is_current(s, i) && last && last <= sequence)
            remove_segment(s, i);
        else
            i++;
    }
    if (s->acks_dirty && weir_mono_ms() - s->acks_saved_ms >= ACKS_EVERY_MS)
        save_acks(s);
}

/* ---- reading ---- */

void weir_spool_rewind(struct weir_spool *s)
{
    seek(s, 0);
}

/* Bytes from the cursor on into the chunk. WEIR_ENOTFOUND: none. */
static int load(struct weir_spool *s, const struct weir__segment *g)
{
    char path[1024];
    int64_t want = g->bytes - s->offset;
    ssize_t n;
    char *p;

    if (want <= 0)
        return WEIR_ENOTFOUND;
    if (want > (int64_t)s->chunk.max)
        want = (int64_t)s->chunk.max;
    if (s->read_fd < 0) {
        path_of(s, g, path, sizeof path);
        s->read_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (s->read_fd < 0)
            return WEIR_EIO;
    }
    weir_buf_clear(&s->chunk);
    p = weir_buf_reserve(&s->chunk, (size_t)want);
    if (!p)
        return WEIR_EIO;
    do
        n = pread(s->read_fd, p, (size_t)want, (off_t)s->offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return WEIR_EIO;
    weir_buf_grown(&s->chunk, (size_t)n);
    return n > 0 ? WEIR_OK : WEIR_ENOTFOUND;
}

/* Frames of the chunk into records, from the cursor on; those acknowledged are passed over. */
static bool collect(struct weir_spool *s, const struct weir__segment *g,
                    struct weir_spool_batch *out)
{
    struct weir_str left = weir_buf_str(&s->chunk), payload;
    uint64_t sequence;
    size_t used, skipped, bytes = 0;
    bool final = s->offset + (int64_t)left.n >= g->bytes;
    bool moved = false;

    while (out->count < WEIR_SPOOL_BATCH_RECORDS && bytes < WEIR_SPOOL_BATCH_BYTES) {
        int rc = weir__frame_next(left, final, s->after, &payload, &sequence, &used, &skipped);

        if (skipped > 0) {
            s->damaged++;
            WEIR_LOG(WEIR_LOG_WARN, "spool", "%s: %zu damaged bytes skipped at %lld",
                     g->incarnation, skipped, (long long)s->offset);
        }
        s->offset += (int64_t)used;
        left.p += used;
        left.n -= used;
        moved = moved || used > 0;
        if (rc != WEIR_OK)
            break;
        s->after = sequence;
        if (sequence <= g->acked)
            continue;
        if (out->count == 0)
            out->first_sequence = sequence;
        out->last_sequence = sequence;
        s->records[out->count++] = payload;
        bytes += payload.n;
    }
    return moved;
}

/* The segment is read to its end: goes on to the next, and drops what holds nothing of use. */
static void leave(struct weir_spool *s)
{
    struct weir__segment *g = &s->segments[s->at];

    if (s->offset < g->bytes) {
        WEIR_LOG(WEIR_LOG_WARN, "spool", "%s: torn tail of %lld bytes cut off", g->incarnation,
                 (long long)(g->bytes - s->offset));
        s->damaged++;
    }
    if (!g->last)
        g->last = s->after;
    if (g->last <= g->acked || s->after == 0)
        remove_segment(s, s->at); /* which leaves the cursor at the next one */
    else
        seek(s, s->at + 1);
}

int weir_spool_next_batch(struct weir_spool *s, struct weir_spool_batch *out)
{
    (void)weir_spool_flush(s);
    *out = (struct weir_spool_batch){.records = s->records};
    while (s->at < s->count) {
        struct weir__segment *g = &s->segments[s->at];
        int rc = load(s, g);
        bool moved = rc == WEIR_OK && collect(s, g, out);

        if (rc == WEIR_EIO) {
            complain(s, strerror(errno));
            return WEIR_EIO;
        }
        if (out->count > 0) {
            out->incarnation = g->incarnation;
            return WEIR_OK;
        }
        if (moved)
            continue;
        if (is_current(s, s->at))
            return WEIR_ENOTFOUND;
        leave(s);
    }
    return WEIR_ENOTFOUND;
}
