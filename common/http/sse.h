/* sse.h - server-sent events (WHATWG HTML, 9.2): an incremental reader that also hands out each
 * event's raw bytes, so that a relay can forward or drop it unchanged, and a writer.
 *
 * The caller owns both. No I/O, no loop: any thread, one at a time. The raw spans of all events, in
 * order, followed by weir_sse_finish()'s, are exactly the bytes that were fed. */
#ifndef WEIR_HTTP_SSE_H
#define WEIR_HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* All views point into the fed chunk or into the reader; they die with the next call on it. */
struct weir_sse_event {
    struct weir_str name; /* of "event:", empty when there was none (a client sees "message") */
    struct weir_str data; /* data lines joined by LF; p is NULL when the event has none: a comment
                           * or a blank line, which clients ignore */
    struct weir_str id;   /* of "id:", absent when there was none */
    struct weir_str raw;  /* everything up to and with the blank line. When the LF of a closing CRLF
                           * comes in a later chunk, it stands at the start of the next raw. */
    bool complete;        /* false only from weir_sse_finish() */
};

/* Private: only its size is public. */
struct weir_sse {
    struct weir_buf held;          /* an event that was cut, from its first byte */
    struct weir_buf joined;        /* several data lines as one */
    struct weir_str chunk;         /* what is left of the fed chunk */
    const char *scan;              /* up to here the chunk has no blank line */
    const char *next_lf, *next_cr; /* next occurrence at or after scan; chunk end when none */
    size_t max_event_bytes;
    bool drop_held; /* held was handed out: forget it on the next call */
    bool line_open; /* the present line has a byte already */
    bool after_cr;  /* the last byte was a CR: an LF belongs to it */
    bool started;   /* the byte order mark was looked for */
    int rc;         /* sticky failure */
};

/* max_event_bytes bounds what is kept of one event, its raw bytes. */
void weir_sse_init(struct weir_sse *s, size_t max_event_bytes);
void weir_sse_fini(struct weir_sse *s);

/* Gives the reader bytes; they stay borrowed until weir_sse_next() has said WEIR_EAGAIN. The former
 * chunk must be used up. */
void weir_sse_feed(struct weir_sse *s, const void *p, size_t n);

/* The next whole event. WEIR_EAGAIN: feed more. WEIR_ELIMIT: an event is too long; the reader then
 * refuses everything and the caller still has the chunk. */
WEIR_NODISCARD int weir_sse_next(struct weir_sse *s, struct weir_sse_event *out);

/* At the end of the stream: what came after the last blank line, parsed as if it had ended. Clients
 * of the standard discard such an event. WEIR_ENOTFOUND: nothing was left. */
WEIR_NODISCARD int weir_sse_finish(struct weir_sse *s, struct weir_sse_event *out);

/* Appends one event. A name is written when it isn't empty; data may have line ends (each LF, CR or
 * CRLF starts another data line). WEIR_ELIMIT: the buffer is full, nothing was appended;
 * WEIR_EINVAL: a line end in the name. */
int weir_sse_write(struct weir_buf *b, struct weir_str name, struct weir_str data);
int weir_sse_write_comment(struct weir_buf *b, struct weir_str text); /* ": text", a keep-alive */

#endif
