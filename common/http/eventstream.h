/* eventstream.h - AWS's binary event stream (application/vnd.amazon.eventstream): an incremental
 * reader that checks every message's two CRCs, and a writer.
 *
 * A message is its length and its headers' length (4 bytes each, big-endian), a CRC-32 of these
 * eight, the headers, the payload, and a CRC-32 of all that. No I/O, no loop: any thread, one at a
 * time. The raw spans of all messages, in order, are the bytes that were fed, up to one that was
 * cut. */
#ifndef WEIR_HTTP_EVENTSTREAM_H
#define WEIR_HTTP_EVENTSTREAM_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* All views point into the fed chunk or into the reader; they die with the next call on it. */
struct weir_eventstream_message {
    struct weir_str kind;   /* of ":message-type": "event", "exception", "error" */
    struct weir_str type;   /* of ":event-type", ":exception-type" or ":error-code" */
    struct weir_str reason; /* of ":error-message"; absent: none */
    struct weir_str payload;
    struct weir_str raw;
};

/* Private: only its size is public. */
struct weir_eventstream {
    struct weir_buf held; /* a message that was cut */
    struct weir_str chunk;
    size_t max_message_bytes;
    bool drop_held; /* held was handed out: forget it on the next call */
    int rc;         /* sticky failure */
};

void weir_eventstream_init(struct weir_eventstream *s, size_t max_message_bytes);
void weir_eventstream_fini(struct weir_eventstream *s);

/* Gives the reader bytes; they stay borrowed until weir_eventstream_next() has said WEIR_EAGAIN.
 * The former chunk must be used up. */
void weir_eventstream_feed(struct weir_eventstream *s, const void *p, size_t n);

/* The next whole message. WEIR_EAGAIN: feed more. WEIR_ELIMIT: it is longer than allowed;
 * WEIR_EPROTO: a CRC or a length is wrong. After either the reader refuses everything. */
WEIR_NODISCARD int weir_eventstream_next(struct weir_eventstream *s,
                                         struct weir_eventstream_message *out);

/* Appends a message with a JSON payload. kind "exception" names an exception by `type`, anything
 * else an event. WEIR_ELIMIT: the buffer is full; it may have half a message. WEIR_EINVAL: type is
 * longer than 255 bytes. */
int weir_eventstream_write(struct weir_buf *b, const char *kind, struct weir_str type,
                           struct weir_str payload);

#endif
