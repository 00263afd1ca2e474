#include <time.h>

#include "dataplane/telemetry/attributes.h"

static void key(struct weir_buf *b, const char *name)
{
    (void)weir_buf_addz(b, ",\"");
    (void)weir_buf_addz(b, name);
    (void)weir_buf_addz(b, "\":");
}

static void on_str(void *arg, const char *name, const char *v)
{
    key(arg, name);
    (void)weir_buf_add_json(arg, weir_str_of(v));
}

static void on_i64(void *arg, const char *name, int64_t v)
{
    key(arg, name);
    (void)weir_buf_addi(arg, v);
}

static void on_flag(void *arg, const char *name, bool v)
{
    key(arg, name);
    (void)weir_buf_addz(arg, v ? "true" : "false");
}

void weir__access_line(const Weir__V1__CallRecord *r, struct weir_buf *out)
{
    static const struct weir__attribute_writer writer = {on_str, on_i64, on_flag};
    time_t s = (time_t)(r->startedms / 1000);
    struct tm tm;
    char when[32];

    if (!gmtime_r(&s, &tm) || strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        when[0] = '\0';
    (void)weir_buf_addf(out, "{\"time\":\"%s.%03dZ\"", when, (int)(r->startedms % 1000));
    if (r->traceid && *r->traceid)
        on_str(out, "trace_id", r->traceid);
    if (r->spanid && *r->spanid)
        on_str(out, "span_id", r->spanid);
    weir__attributes(r, &writer, out);
    (void)weir_buf_addz(out, "}\n");
}
