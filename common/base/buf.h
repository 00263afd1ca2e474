/* buf.h - a growable byte buffer with a maximum that is set when it is made. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct weir_buf {
    char *p;
    size_t n, cap, max;
    bool full; /* an append was refused; it stays set, so a writer may check once at its end */
};

void weir_buf_init(struct weir_buf *b, size_t max_bytes);
void weir_buf_fini(struct weir_buf *b);  /* frees; the buffer may be initialised again */
void weir_buf_clear(struct weir_buf *b); /* keeps the memory */

/* All appends: WEIR_ELIMIT when max would be passed, and then nothing is appended. */
int weir_buf_add(struct weir_buf *b, const void *p, size_t n);
int weir_buf_adds(struct weir_buf *b, struct weir_str s);
int weir_buf_addz(struct weir_buf *b, const char *z);
int weir_buf_addf(struct weir_buf *b, const char *fmt, ...) WEIR_PRINTF(2, 3);
int weir_buf_addi(struct weir_buf *b, int64_t v); /* decimal */

/* s as a JSON string with its quotes, which is a YAML double-quoted one too; invalid UTF-8 becomes
 * U+FFFD. */
int weir_buf_add_json(struct weir_buf *b, struct weir_str s);

/* RFC 4648: section 4 with padding, or (url) section 5 without. */
int weir_buf_add_base64(struct weir_buf *b, struct weir_str s, bool url);

bool weir_str_is_utf8(struct weir_str s); /* RFC 3629 */

/* Room for n more bytes at p + n, NULL past the maximum; then weir_buf_grown() after they are
 * written. */
char *weir_buf_reserve(struct weir_buf *b, size_t n);
void weir_buf_grown(struct weir_buf *b, size_t n);

void weir_buf_drop(struct weir_buf *b, size_t n); /* removes the first n bytes */

static inline struct weir_str weir_buf_str(const struct weir_buf *b)
{
    return (struct weir_str){b->p ? b->p : "", b->n};
}

#endif
