/* jsonout.h - members of JSON objects, one after the other; the comma is put by looking at what was
 * written last. Private to the telemetry module. */
#ifndef WEIR_INGEST_JSONOUT_H
#define WEIR_INGEST_JSONOUT_H

#include "base/buf.h"

static inline void weir__out_comma(struct weir_buf *b)
{
    if (b->n > 0 && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[')
        (void)weir_buf_add(b, ",", 1);
}

static inline void weir__out_key(struct weir_buf *b, const char *key)
{
    weir__out_comma(b);
    (void)weir_buf_add(b, "\"", 1);
    (void)weir_buf_addz(b, key);
    (void)weir_buf_add(b, "\":", 2);
}

static inline void weir__out_i64(struct weir_buf *b, const char *key, int64_t v)
{
    weir__out_key(b, key);
    (void)weir_buf_addi(b, v);
}

static inline void weir__out_flag(struct weir_buf *b, const char *key, bool v)
{
    weir__out_key(b, key);
    (void)weir_buf_addz(b, v ? "true" : "false");
}

static inline void weir__out_str(struct weir_buf *b, const char *key, struct weir_str v)
{
    weir__out_key(b, key);
    (void)weir_buf_add_json(b, v);
}

/* Left out when NULL or "". */
static inline void weir__out_text(struct weir_buf *b, const char *key, const char *v)
{
    if (v && *v)
        weir__out_str(b, key, weir_str_of(v));
}

#endif
