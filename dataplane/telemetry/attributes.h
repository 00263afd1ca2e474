/* attributes.h - a record as flat attributes, named as in OpenTelemetry's conventions for
 * generative AI and weir.* for the rest. Access log and spans are written from this one list. */
#ifndef WEIR_TELEMETRY_ATTRIBUTES_H
#define WEIR_TELEMETRY_ATTRIBUTES_H

#include "base/buf.h"
#include "weir/v1/telemetry.pb-c.h"

struct weir__attribute_writer {
    void (*str)(void *arg, const char *key, const char *value);
    void (*i64)(void *arg, const char *key, int64_t value);
    void (*flag)(void *arg, const char *key, bool value);
};

/* Absent values are left out. */
void weir__attributes(const Weir__V1__CallRecord *r, const struct weir__attribute_writer *w,
                      void *arg);

/* One line of JSON, with its line end. */
void weir__access_line(const Weir__V1__CallRecord *r, struct weir_buf *out);

/* One entry of ScopeSpans.spans with its tag (OTLP 1.x, trace.proto). WEIR_ENOTFOUND: the record
 * has no trace. */
WEIR_NODISCARD int weir__span_encode(const Weir__V1__CallRecord *r, struct weir_buf *out);

/* What goes before spans of that many bytes in an ExportTraceServiceRequest. NULLs are left out. */
void weir__span_prefix(const char *service, const char *version, const char *node,
                       size_t spans_bytes, struct weir_buf *out);

#endif
