#include "http/sse.h"

#include <string.h>

static const char byte_order_mark[] = "\xef\xbb\xbf";

void weir_sse_init(struct weir_sse *s, size_t max_event_bytes)
{
    memset(s, 0, sizeof *s);
    s->max_event_bytes = max_event_bytes;
    weir_buf_init(&s->held, max_event_bytes);
    weir_buf_init(&s->joined, max_event_bytes);
}

void weir_sse_fini(struct weir_sse *s)
{
    weir_buf_fini(&s->held);
    weir_buf_fini(&s->joined);
}

void weir_sse_feed(struct weir_sse *s, const void *p, size_t n)
{
    WEIR_ASSERT(s->chunk.n == 0 || s->rc);
    s->chunk = (struct weir_str){p, n};
    s->scan = p;
    s->next_lf = s->next_cr = NULL;
}

/* The first c in [from, end), end when none. The answer is kept, so that a chunk is searched once
 * for each of CR and LF, however many there are of the other. */
static const char *next_of(const char **cached, char c, const char *from, const char *end)
{
    const char *hit;

    if (*cached && *cached >= from)
        return *cached;
    hit = from < end ? memchr(from, c, (size_t)(end - from)) : NULL;
    *cached = hit ? hit : end;
    return *cached;
}

/* One past the blank line that ends the event, or NULL when the chunk has none. */
static const char *find_end(struct weir_sse *s)
{
    const char *end = s->chunk.p + s->chunk.n;

    while (s->scan < end) {
        const char *lf, *cr, *stop;
        bool blank;

        if (s->after_cr) {
            s->after_cr = false;
            if (*s->scan == '\n') {
                s->scan++;
                continue;
            }
        }
        lf = next_of(&s->next_lf, '\n', s->scan, end);
        cr = next_of(&s->next_cr, '\r', s->scan, end);
        stop = lf < cr ? lf : cr;
        blank = stop == s->scan && !s->line_open;
        if (stop == end) {
            s->line_open = true;
            s->scan = end;
            return NULL;
        }
        s->line_open = false;
        s->after_cr = *stop == '\r';
        s->scan = stop + 1;
        if (!blank)
            continue;
        if (s->after_cr && s->scan < end && *s->scan == '\n') {
            s->after_cr = false;
            s->scan++;
        }
        return s->scan;
    }
    return NULL;
}

/* Cuts the first line off *rest, without its end. False: nothing is left. */
static bool next_line(struct weir_str *rest, struct weir_str *out)
{
    size_t i = 0;

    if (rest->n == 0)
        return false;
    while (i < rest->n && rest->p[i] != '\n' && rest->p[i] != '\r')
        i++;
    *out = (struct weir_str){rest->p, i};
    if (i < rest->n)
        i += rest->p[i] == '\r' && i + 1 < rest->n && rest->p[i + 1] == '\n' ? 2 : 1;
    rest->p += i;
    rest->n -= i;
    return true;
}

static bool field(struct weir_str line, struct weir_str *name, struct weir_str *value)
{
    const char *colon = line.n ? memchr(line.p, ':', line.n) : NULL;

    if (line.n == 0 || colon == line.p)
        return false;
    if (!colon) {
        *name = line;
        *value = WEIR_STR("");
        return true;
    }
    *name = (struct weir_str){line.p, (size_t)(colon - line.p)};
    *value = (struct weir_str){colon + 1, line.n - name->n - 1};
    if (value->n && *value->p == ' ') {
        value->p++;
        value->n--;
    }
    return true;
}

static void add_data(struct weir_sse *s, struct weir_str value, struct weir_str *data)
{
    if (!data->p) {
        *data = value;
        return;
    }
    /* The joined text is never longer than the raw one, so the buffer's limit holds. */
    if (s->joined.n == 0)
        weir_buf_adds(&s->joined, *data);
    weir_buf_add(&s->joined, "\n", 1);
    weir_buf_adds(&s->joined, value);
    *data = weir_buf_str(&s->joined);
}

static void parse(struct weir_sse *s, struct weir_str raw, bool complete,
                  struct weir_sse_event *out)
{
    struct weir_str rest = raw, line, name, value;

    *out = (struct weir_sse_event){.raw = raw, .name = WEIR_STR(""), .complete = complete};
    weir_buf_clear(&s->joined);
    if (!s->started && weir_str_starts(rest, weir_str_of(byte_order_mark))) {
        rest.p += 3;
        rest.n -= 3;
    }
    s->started = true;
    while (next_line(&rest, &line)) {
        if (!field(line, &name, &value))
            continue;
        if (weir_str_eq(name, WEIR_STR("data"))) {
            add_data(s, value, &out->data);
        } else if (weir_str_eq(name, WEIR_STR("event"))) {
            out->name = value;
        } else if (weir_str_eq(name, WEIR_STR("id")) && !memchr(value.p, 0, value.n)) {
            out->id = value;
        }
    }
}

/* Forgets what was handed out before. */
static void settle(struct weir_sse *s)
{
    if (s->drop_held)
        weir_buf_clear(&s->held);
    s->drop_held = false;
}

int weir_sse_next(struct weir_sse *s, struct weir_sse_event *out)
{
    const char *end;
    size_t n;

    if (s->rc)
        return s->rc;
    settle(s);
    end = find_end(s);
    n = end ? (size_t)(end - s->chunk.p) : s->chunk.n;
    if (s->held.n + n > s->max_event_bytes)
        return s->rc = WEIR_ELIMIT;
    if (end && s->held.n == 0) {
        parse(s, (struct weir_str){s->chunk.p, n}, true, out);
    } else {
        weir_buf_add(&s->held, s->chunk.p, n);
        if (end) {
            s->drop_held = true;
            parse(s, weir_buf_str(&s->held), true, out);
        }
    }
    s->chunk.p += n;
    s->chunk.n -= n;
    return end ? WEIR_OK : WEIR_EAGAIN;
}

int weir_sse_finish(struct weir_sse *s, struct weir_sse_event *out)
{
    if (s->rc)
        return s->rc;
    settle(s);
    if (s->held.n == 0)
        return WEIR_ENOTFOUND;
    s->drop_held = true;
    parse(s, weir_buf_str(&s->held), false, out);
    return WEIR_OK;
}

int weir_sse_write(struct weir_buf *b, struct weir_str name, struct weir_str data)
{
    size_t before = b->n;
    struct weir_str rest = data, line = WEIR_STR("");

    if (name.n && (memchr(name.p, '\n', name.n) || memchr(name.p, '\r', name.n)))
        return WEIR_EINVAL;
    if (name.n) {
        weir_buf_addz(b, "event: ");
        weir_buf_adds(b, name);
        weir_buf_addz(b, "\n");
    }
    do {
        const char *was = rest.p;

        line = WEIR_STR("");
        next_line(&rest, &line);
        weir_buf_addz(b, "data: ");
        weir_buf_adds(b, line);
        weir_buf_addz(b, "\n");
        /* Data that ends in a line end has one more, empty, line. */
        if (rest.n == 0 && was && rest.p > was + line.n)
            weir_buf_addz(b, "data: \n");
    } while (rest.n);
    if (!b->full && weir_buf_addz(b, "\n") == WEIR_OK)
        return WEIR_OK;
    b->n = before;
    return WEIR_ELIMIT;
}

int weir_sse_write_comment(struct weir_buf *b, struct weir_str text)
{
    size_t before = b->n;

    if (text.n && (memchr(text.p, '\n', text.n) || memchr(text.p, '\r', text.n)))
        return WEIR_EINVAL;
    weir_buf_addz(b, ": ");
    weir_buf_adds(b, text);
    if (!b->full && weir_buf_addz(b, "\n\n") == WEIR_OK)
        return WEIR_OK;
    b->n = before;
    return WEIR_ELIMIT;
}
