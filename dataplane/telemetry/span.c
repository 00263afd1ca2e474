/* span.c - OTLP by hand: field numbers are those of opentelemetry/proto/trace/v1/trace.proto,
 * common/v1/common.proto and resource/v1/resource.proto. */
#include <stdio.h>

#include "dataplane/telemetry/attributes.h"
#include "dataplane/telemetry/wire.h"

enum {
    SPAN_MAX = 64 << 10,
    KEY_VALUE_ROOM = 64,
    F_SPANS = 2,
    F_TRACE_ID = 1,
    F_SPAN_ID = 2,
    F_PARENT = 4,
    F_NAME = 5,
    F_KIND = 6,
    F_START = 7,
    F_END = 8,
    F_ATTRIBUTES = 9,
    F_STATUS = 15,
    KIND_SERVER = 2,
    STATUS_ERROR = 2,
};

struct writer {
    char *p, *end;
    unsigned field;
};

/* Begins a KeyValue with its AnyValue; both close after the value. False: no room, left out. */
static bool open_value(struct writer *w, const char *key, size_t n, char *marks[2])
{
    size_t k = strlen(key);

    if ((size_t)(w->end - w->p) < KEY_VALUE_ROOM + k + n)
        return false;
    w->p = weir__wire_open(w->p, w->field, &marks[0]);
    w->p = weir__wire_bytes(w->p, 1, key, k);
    w->p = weir__wire_open(w->p, 2, &marks[1]);
    return true;
}

static void close_value(struct writer *w, char *marks[2])
{
    weir__wire_close(marks[1], w->p);
    weir__wire_close(marks[0], w->p);
}

static void on_str(void *arg, const char *key, const char *v)
{
    struct writer *w = arg;
    size_t n = strlen(v);
    char *marks[2];

    if (!open_value(w, key, n, marks))
        return;
    w->p = weir__wire_bytes(w->p, 1, v, n);
    close_value(w, marks);
}

static void on_i64(void *arg, const char *key, int64_t v)
{
    struct writer *w = arg;
    char *marks[2];

    if (!open_value(w, key, WEIR_WIRE_FIELD_MAX, marks))
        return;
    w->p = weir__wire_u64(w->p, 3, (uint64_t)v);
    close_value(w, marks);
}

static void on_flag(void *arg, const char *key, bool v)
{
    struct writer *w = arg;
    char *marks[2];

    if (!open_value(w, key, WEIR_WIRE_FIELD_MAX, marks))
        return;
    w->p = weir__wire_u64(w->p, 2, v);
    close_value(w, marks);
}

static bool is_error(const Weir__V1__CallRecord *r)
{
    /* A refusal is the gateway doing its work, but the caller sees an error. */
    return r->errorcode && *r->errorcode;
}

static char *put_name(char *p, const Weir__V1__CallRecord *r)
{
    const char *model = r->requestedmodel ? r->requestedmodel : "";
    char name[256];
    int n = snprintf(name, sizeof name, "%s%s%s", r->operation ? r->operation : "call",
                     *model ? " " : "", model);

    return weir__wire_bytes(p, F_NAME, name, n < (int)sizeof name ? (size_t)n : sizeof name - 1);
}

int weir__span_encode(const Weir__V1__CallRecord *r, struct weir_buf *out)
{
    static const struct weir__attribute_writer attributes = {on_str, on_i64, on_flag};
    unsigned char trace[16], span[8], parent[8];
    struct writer w = {.field = F_ATTRIBUTES};
    char *start, *mark, *status;

    if (weir_unhex(weir_str_of(r->traceid), trace, sizeof trace) != WEIR_OK ||
        weir_unhex(weir_str_of(r->spanid), span, sizeof span) != WEIR_OK)
        return WEIR_ENOTFOUND;
    start = weir_buf_reserve(out, SPAN_MAX);
    if (!start)
        return WEIR_ELIMIT;
    w.p = weir__wire_open(start, F_SPANS, &mark);
    w.p = weir__wire_bytes(w.p, F_TRACE_ID, trace, sizeof trace);
    w.p = weir__wire_bytes(w.p, F_SPAN_ID, span, sizeof span);
    if (weir_unhex(weir_str_of(r->parentspanid), parent, sizeof parent) == WEIR_OK)
        w.p = weir__wire_bytes(w.p, F_PARENT, parent, sizeof parent);
    w.p = put_name(w.p, r);
    w.p = weir__wire_u64(w.p, F_KIND, KIND_SERVER);
    w.p = weir__wire_fixed64(w.p, F_START, (uint64_t)r->startedms * 1000000);
    w.p = weir__wire_fixed64(w.p, F_END,
                             (uint64_t)r->startedms * 1000000 + (uint64_t)r->durationus * 1000);
    w.end = start + SPAN_MAX - KEY_VALUE_ROOM;
    weir__attributes(r, &attributes, &w);
    if (is_error(r)) {
        w.p = weir__wire_open(w.p, F_STATUS, &status);
        w.p = weir__wire_u64(w.p, 3, STATUS_ERROR);
        weir__wire_close(status, w.p);
    }
    weir__wire_close(mark, w.p);
    weir_buf_grown(out, (size_t)(w.p - start));
    return WEIR_OK;
}

static size_t varint_size(uint64_t v)
{
    char tmp[WEIR_WIRE_VARINT_MAX];

    return (size_t)(weir__wire_varint(tmp, v) - tmp);
}

void weir__span_prefix(const char *service, const char *version, const char *node,
                       size_t spans_bytes, struct weir_buf *out)
{
    static const char scope_name[] = "weir";
    char inner[4096], scope[64], head[32];
    struct writer w = {inner, inner + sizeof inner, 1};
    char *s, *h;
    size_t resource, scope_spans;

    on_str(&w, "service.name", service);
    if (version)
        on_str(&w, "service.version", version);
    if (node)
        on_str(&w, "service.instance.id", node);
    resource = (size_t)(w.p - inner);
    /* InstrumentationScope inside ScopeSpans: its field 1, with a name. */
    scope[0] = 0x0a;
    s = weir__wire_bytes(scope + 2, 1, scope_name, sizeof scope_name - 1);
    scope[1] = (char)(s - scope - 2);
    scope_spans = (size_t)(s - scope) + spans_bytes;
    h = weir__wire_varint(weir__wire_tag(head, 1, 2), 1 + varint_size(resource) + resource + 1 +
                                                          varint_size(scope_spans) + scope_spans);
    h = weir__wire_varint(weir__wire_tag(h, 1, 2), resource);
    (void)weir_buf_add(out, head, (size_t)(h - head));
    (void)weir_buf_add(out, inner, resource);
    h = weir__wire_varint(weir__wire_tag(head, 2, 2), scope_spans);
    (void)weir_buf_add(out, head, (size_t)(h - head));
    (void)weir_buf_add(out, scope, (size_t)(s - scope));
}
