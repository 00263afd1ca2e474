/* json_write.c - see json_write.h. */
#include "data/json_write.h"

static void begin(struct weir_jw *w, const char *key)
{
    if (w->comma)
        weir_buf_add(w->b, ",", 1);
    w->comma = true;
    if (key) {
        weir_buf_add_json(w->b, weir_str_of(key));
        weir_buf_add(w->b, ":", 1);
    }
}

static void open_level(struct weir_jw *w, const char *key, const char *bracket)
{
    begin(w, key);
    weir_buf_addz(w->b, bracket);
    w->comma = false;
}

static void close_level(struct weir_jw *w, const char *bracket)
{
    weir_buf_addz(w->b, bracket);
    w->comma = true;
}

void weir_jw_object(struct weir_jw *w, const char *key)
{
    open_level(w, key, "{");
}

void weir_jw_array(struct weir_jw *w, const char *key)
{
    open_level(w, key, "[");
}

void weir_jw_end_object(struct weir_jw *w)
{
    close_level(w, "}");
}

void weir_jw_end_array(struct weir_jw *w)
{
    close_level(w, "]");
}

void weir_jw_i64(struct weir_jw *w, const char *key, int64_t v)
{
    begin(w, key);
    weir_buf_addi(w->b, v);
}

void weir_jw_bool(struct weir_jw *w, const char *key, bool v)
{
    begin(w, key);
    weir_buf_addz(w->b, v ? "true" : "false");
}

void weir_jw_null(struct weir_jw *w, const char *key)
{
    begin(w, key);
    weir_buf_addz(w->b, "null");
}

void weir_jw_str(struct weir_jw *w, const char *key, struct weir_str v)
{
    if (!v.p) {
        weir_jw_null(w, key);
        return;
    }
    begin(w, key);
    weir_buf_add_json(w->b, v);
}

void weir_jw_z(struct weir_jw *w, const char *key, const char *v)
{
    weir_jw_str(w, key, weir_str_of(v));
}

void weir_jw_raw(struct weir_jw *w, const char *key, struct weir_str v)
{
    begin(w, key);
    weir_buf_adds(w->b, v);
}
