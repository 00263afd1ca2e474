/* answer.h - reads HTTP/1.1 answers as they come, and the times that the mock puts into streams. */
#ifndef WEIR_BENCH_ANSWER_H
#define WEIR_BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ANSWER_HEAD_BYTES = 8192 };

enum answer_state {
    ANSWER_HEAD,
    ANSWER_SIZE, /* of a chunk */
    ANSWER_DATA,
    ANSWER_DATA_END,
    ANSWER_TRAILER,
    ANSWER_DONE,
    ANSWER_BAD,
};

struct answer {
    enum answer_state state;
    int status;
    bool chunked, keep_alive, line_has_text;
    int64_t left; /* of the body, or of the chunk */
    size_t head_n;
    char head[ANSWER_HEAD_BYTES];

    int digits; /* of a time that has begun; -1: none has */
    int64_t sent_ns;
    void (*on_time)(void *arg, int64_t sent_ns); /* one for each content chunk */
    void *arg;
};

void answer_reset(struct answer *a);

/* Takes what came and says how it stands: anything before ANSWER_DONE wants more. Bytes after the
 * answer's end make it bad: nothing was asked for yet. */
enum answer_state answer_feed(struct answer *a, const char *p, size_t n);

#endif
