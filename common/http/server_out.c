/* server_out.c - output: a chain of blocks from the server's pool, written in batches. A block
 * isn't moved while a write is under way, so later bytes go behind the part that it covers. */
#include "http/server_internal.h"

enum { BATCH = 16 };

static struct weir__http_out *take_block(struct weir_http_server *s)
{
    struct weir__http_out *b = s->spare;

    if (b) {
        s->spare = b->next;
        s->spare_n--;
    } else {
        b = weir_alloc(sizeof *b);
    }
    b->next = NULL;
    b->off = b->n = 0;
    return b;
}

static void give_block(struct weir_http_server *s, struct weir__http_out *b)
{
    if (s->spare_n >= WEIR__HTTP_OUT_SPARE) {
        free(b);
        return;
    }
    b->next = s->spare;
    s->spare = b;
    s->spare_n++;
}

void weir__http_put(struct weir_http_conn *c, const void *p, size_t n)
{
    const char *from = p;

    c->out_bytes += n;
    c->server->metrics.output_bytes += n;
    while (n > 0) {
        struct weir__http_out *b = c->out_last;
        size_t part;

        if (!b || b->n == sizeof b->data) {
            b = take_block(c->server);
            if (c->out_last)
                c->out_last->next = b;
            else
                c->out_first = b;
            c->out_last = b;
        }
        part = sizeof b->data - b->n;
        if (part > n)
            part = n;
        memcpy(b->data + b->n, from, part);
        b->n += (uint32_t)part;
        from += part;
        n -= part;
    }
}

static void consume(struct weir_http_conn *c, size_t n)
{
    c->out_bytes -= n;
    c->server->metrics.output_bytes -= n;
    c->server->metrics.bytes_out += n;
    while (n > 0) {
        struct weir__http_out *b = c->out_first;
        size_t part;

        WEIR_ASSERT(b); /* out_bytes are what the list holds */
        part = b->n - b->off;

        if (part > n) {
            b->off += (uint32_t)n;
            return;
        }
        n -= part;
        c->out_first = b->next;
        if (!c->out_first)
            c->out_last = NULL;
        give_block(c->server, b);
    }
}

void weir__http_out_drop(struct weir_http_conn *c)
{
    c->server->metrics.output_bytes -= c->out_bytes;
    c->out_bytes = 0;
    while (c->out_first) {
        struct weir__http_out *b = c->out_first;

        c->out_first = b->next;
        give_block(c->server, b);
    }
    c->out_last = NULL;
}

/* From a stream to its session, whose own output counts them when they are written. */
size_t weir__http_out_take(struct weir_http_conn *c, void *to, size_t max)
{
    char *at = to;
    size_t left = max < c->out_bytes ? max : c->out_bytes, taken = left;

    while (left > 0) {
        struct weir__http_out *b = c->out_first;
        size_t part = b->n - b->off < left ? b->n - b->off : left;

        memcpy(at, b->data + b->off, part);
        consume(c, part);
        c->server->metrics.bytes_out -= part;
        at += part;
        left -= part;
    }
    return taken;
}

static void lose_later(struct weir_http_conn *c, int rc)
{
    c->lost = true;
    c->lost_rc = rc;
    weir__http_mark(c);
}

static unsigned gather(struct weir_http_conn *c, uv_buf_t *bufs, unsigned max, size_t *total)
{
    unsigned n = 0;

    *total = 0;
    for (struct weir__http_out *b = c->out_first; b && n < max; b = b->next) {
        bufs[n++] = uv_buf_init(b->data + b->off, b->n - b->off);
        *total += b->n - b->off;
    }
    return n;
}

/* The kernel takes no more for now: the rest goes when the client has read some. */
static void write_later(struct weir_http_conn *c)
{
    uv_buf_t bufs[BATCH];
    size_t total;
    unsigned n = gather(c, bufs, BATCH, &total);

    c->write_bytes = total;
    c->writing = true;
    if (c->transport->write(c, bufs, n) != 0) {
        c->writing = false;
        lose_later(c, WEIR_ECLOSED);
        return;
    }
    c->last_queued = c->transport->queued(c);
    weir_wheel_arm(c->server->wheel, &c->write_timer, c->server->limits.write_ms);
}

void weir__http_flush(struct weir_http_conn *c)
{
    uv_buf_t bufs[BATCH];
    size_t total;

    while (c->out_first && !c->writing && !c->lost) {
        unsigned n = gather(c, bufs, BATCH, &total);
        int done = c->transport->try_write(c, bufs, n);

        if (done > 0)
            consume(c, (size_t)done);
        if (done < 0 && done != UV_EAGAIN)
            lose_later(c, WEIR_ECLOSED);
        else if (done < 0 || (size_t)done < total)
            write_later(c);
    }
}

void weir__http_on_written(struct weir_http_conn *c, int status)
{
    c->writing = false;
    if (c->state == WEIR__HTTP_CLOSED)
        return;
    weir_wheel_cancel(c->server->wheel, &c->write_timer);
    if (status != 0)
        lose_later(c, WEIR_ECLOSED);
    else
        consume(c, c->write_bytes);
    c->attention = true;
    weir__http_attend(c);
}

/* What waits and the pieces, in one call to the kernel; what it doesn't take is copied. */
void weir__http_put_direct(struct weir_http_conn *c, const uv_buf_t *pieces, unsigned n)
{
    uv_buf_t bufs[BATCH];
    size_t waiting, skip = 0;
    unsigned blocks;
    int done;

    blocks = gather(c, bufs, BATCH, &waiting);
    if (!c->writing && !c->lost && blocks + n <= BATCH && waiting == c->out_bytes) {
        for (unsigned i = 0; i < n; i++)
            bufs[blocks + i] = pieces[i];
        done = c->transport->try_write(c, bufs, blocks + n);
        if (done > 0) {
            skip = (size_t)done > waiting ? (size_t)done - waiting : 0;
            consume(c, (size_t)done - skip);
            c->server->metrics.bytes_out += skip;
        } else if (done < 0 && done != UV_EAGAIN) {
            lose_later(c, WEIR_ECLOSED);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        size_t part = skip < pieces[i].len ? skip : pieces[i].len;

        skip -= part;
        weir__http_put(c, pieces[i].base + part, pieces[i].len - part);
    }
    weir__http_mark(c);
}
