/* eventstream.c - see eventstream.h. */
#include "http/eventstream.h"

#include <zlib.h>

enum { PRELUDE = 12, OVERHEAD = 16, TYPE_MAX = 255 };

static uint32_t read_u32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;

    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static uint32_t crc_of(const char *p, size_t n)
{
    return (uint32_t)crc32(0, (const unsigned char *)p, (unsigned)n);
}

void weir_eventstream_init(struct weir_eventstream *s, size_t max_message_bytes)
{
    *s = (struct weir_eventstream){.max_message_bytes = max_message_bytes};
    weir_buf_init(&s->held, max_message_bytes < PRELUDE ? PRELUDE : max_message_bytes);
}

void weir_eventstream_fini(struct weir_eventstream *s)
{
    weir_buf_fini(&s->held);
}

void weir_eventstream_feed(struct weir_eventstream *s, const void *p, size_t n)
{
    s->chunk = (struct weir_str){p, n};
}

/* ---- headers ---- */

/* Takes n bytes off the front. False: there are fewer. */
static bool take(struct weir_str *from, size_t n, struct weir_str *out)
{
    if (from->n < n)
        return false;
    *out = (struct weir_str){from->p, n};
    *from = (struct weir_str){from->p + n, from->n - n};
    return true;
}

/* A header's value; absent unless it is a string. */
static bool take_value(struct weir_str *from, struct weir_str *out)
{
    /* By type: true, false, byte, short, integer, long, bytes, string, timestamp, UUID. */
    static const unsigned char sizes[] = {0, 0, 1, 2, 4, 8, 0, 0, 8, 16};

    enum { BYTES = 6, STRING = 7 };
    struct weir_str head, value;
    unsigned char type;
    size_t n;

    if (!take(from, 1, &head))
        return false;
    type = (unsigned char)head.p[0];
    if (type >= sizeof sizes)
        return false;
    n = sizes[type];
    if (type == BYTES || type == STRING) {
        if (!take(from, 2, &head))
            return false;
        n = (size_t)(unsigned char)head.p[0] << 8 | (unsigned char)head.p[1];
    }
    if (!take(from, n, &value))
        return false;
    *out = type == STRING ? value : WEIR_STR_NULL;
    return true;
}

static bool read_headers(struct weir_str from, struct weir_eventstream_message *out)
{
    struct weir_str head, name, value;

    while (from.n) {
        if (!take(&from, 1, &head) || !take(&from, (unsigned char)head.p[0], &name) ||
            !take_value(&from, &value))
            return false;
        if (weir_str_is(name, ":message-type"))
            out->kind = value;
        else if (weir_str_is(name, ":event-type") || weir_str_is(name, ":exception-type") ||
                 weir_str_is(name, ":error-code"))
            out->type = value;
        else if (weir_str_is(name, ":error-message"))
            out->reason = value;
    }
    return true;
}

/* ---- messages ---- */

/* The length that a prelude tells. */
static int check_prelude(const struct weir_eventstream *s, const char *p, size_t *out)
{
    uint32_t total = read_u32(p), headers = read_u32(p + 4);

    if (crc_of(p, 8) != read_u32(p + 8) || total < OVERHEAD || headers > total - OVERHEAD)
        return WEIR_EPROTO;
    if (total > s->max_message_bytes)
        return WEIR_ELIMIT;
    *out = total;
    return WEIR_OK;
}

static int read_message(struct weir_str raw, struct weir_eventstream_message *out)
{
    size_t headers = read_u32(raw.p + 4);
    struct weir_eventstream_message m = {.raw = raw};

    if (crc_of(raw.p, raw.n - 4) != read_u32(raw.p + raw.n - 4) ||
        !read_headers((struct weir_str){raw.p + PRELUDE, headers}, &m))
        return WEIR_EPROTO;
    m.payload = (struct weir_str){raw.p + PRELUDE + headers, raw.n - OVERHEAD - headers};
    *out = m;
    return WEIR_OK;
}

static void move_to_held(struct weir_eventstream *s, size_t wanted)
{
    struct weir_str piece;
    size_t n = wanted - s->held.n;

    if (take(&s->chunk, n < s->chunk.n ? n : s->chunk.n, &piece))
        weir_buf_adds(&s->held, piece);
}

/* Finds the bytes of the next message, where they lie or gathered. */
static int find_message(struct weir_eventstream *s, struct weir_str *raw)
{
    size_t total;
    int rc;

    if (s->held.n == 0 && s->chunk.n >= PRELUDE) {
        rc = check_prelude(s, s->chunk.p, &total);
        if (rc)
            return rc;
        if (take(&s->chunk, total, raw))
            return WEIR_OK;
    }
    if (s->held.n < PRELUDE)
        move_to_held(s, PRELUDE);
    if (s->held.n < PRELUDE)
        return WEIR_EAGAIN;
    rc = check_prelude(s, s->held.p, &total);
    if (rc)
        return rc;
    move_to_held(s, total);
    if (s->held.n < total)
        return WEIR_EAGAIN;
    *raw = weir_buf_str(&s->held);
    s->drop_held = true;
    return WEIR_OK;
}

int weir_eventstream_next(struct weir_eventstream *s, struct weir_eventstream_message *out)
{
    struct weir_str raw;
    int rc;

    if (s->rc)
        return s->rc;
    if (s->drop_held)
        weir_buf_clear(&s->held);
    s->drop_held = false;
    rc = find_message(s, &raw);
    if (rc == WEIR_OK)
        rc = read_message(raw, out);
    if (rc && rc != WEIR_EAGAIN)
        s->rc = rc;
    return rc;
}

/* ---- writing ---- */

static void add_u32(struct weir_buf *b, uint32_t v)
{
    const unsigned char bytes[] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                   (unsigned char)(v >> 8), (unsigned char)v};

    weir_buf_add(b, bytes, sizeof bytes);
}

static void add_header(struct weir_buf *b, struct weir_str name, struct weir_str value)
{
    const unsigned char n = (unsigned char)name.n, type[] = {7, 0, (unsigned char)value.n};

    weir_buf_add(b, &n, 1);
    weir_buf_adds(b, name);
    weir_buf_add(b, type, sizeof type);
    weir_buf_adds(b, value);
}

int weir_eventstream_write(struct weir_buf *b, const char *kind, struct weir_str type,
                           struct weir_str payload)
{
    struct weir_buf headers;
    size_t at = b->n;

    if (type.n > TYPE_MAX || payload.n > UINT32_MAX / 2)
        return WEIR_EINVAL;
    weir_buf_init(&headers, 1024);
    add_header(&headers,
               strcmp(kind, "exception") == 0 ? WEIR_STR(":exception-type")
                                              : WEIR_STR(":event-type"),
               type);
    add_header(&headers, WEIR_STR(":content-type"), WEIR_STR("application/json"));
    add_header(&headers, WEIR_STR(":message-type"), weir_str_of(kind));
    add_u32(b, (uint32_t)(OVERHEAD + headers.n + payload.n));
    add_u32(b, (uint32_t)headers.n);
    if (!b->full)
        add_u32(b, crc_of(b->p + at, 8));
    weir_buf_adds(b, weir_buf_str(&headers));
    weir_buf_adds(b, payload);
    if (!b->full)
        add_u32(b, crc_of(b->p + at, b->n - at));
    weir_buf_fini(&headers);
    return b->full ? WEIR_ELIMIT : WEIR_OK;
}
