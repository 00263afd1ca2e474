/* json_write.h - writes JSON into a buffer, member by member, with the commas in the right places.
 * The buffer remembers a refused append; check it once at the end. */
#ifndef WEIR_DATA_JSON_WRITE_H
#define WEIR_DATA_JSON_WRITE_H

#include "base/buf.h"

struct weir_jw {
    struct weir_buf *b; /* borrowed */
    bool comma;         /* a member was written at this level */
};

/* key NULL: an array's element, or the outermost value. */
void weir_jw_object(struct weir_jw *w, const char *key);
void weir_jw_array(struct weir_jw *w, const char *key);
void weir_jw_end_object(struct weir_jw *w);
void weir_jw_end_array(struct weir_jw *w);

void weir_jw_i64(struct weir_jw *w, const char *key, int64_t v);
void weir_jw_bool(struct weir_jw *w, const char *key, bool v);
void weir_jw_null(struct weir_jw *w, const char *key);
void weir_jw_str(struct weir_jw *w, const char *key, struct weir_str v); /* absent: null */
void weir_jw_z(struct weir_jw *w, const char *key, const char *v);       /* NULL: null */
void weir_jw_raw(struct weir_jw *w, const char *key, struct weir_str v); /* v is JSON already */

#endif
