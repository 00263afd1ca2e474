/* trace.c - the traceparent header of W3C Trace Context, level 1, section 3.2. */
#include "dataplane/telemetry/record.h"

enum { HEADER = 55 };

static bool lower_hex(struct weir_str s, bool *all_zero)
{
    *all_zero = true;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        if (c != '0')
            *all_zero = false;
    }
    return true;
}

int weir_traceparent_parse(struct weir_str h, struct weir_traceparent *out)
{
    bool no_trace, no_span, zero;
    uint8_t version, flags;

    h = weir_str_trim(h);
    if (h.n < HEADER || h.p[2] != '-' || h.p[35] != '-' || h.p[52] != '-')
        return WEIR_EINVAL;
    if (!lower_hex((struct weir_str){h.p, 2}, &zero) ||
        weir_unhex((struct weir_str){h.p, 2}, &version, 1) != WEIR_OK || version == 0xff)
        return WEIR_EINVAL;
    /* A later version may only add fields behind a dash. */
    if (version == 0 ? h.n != HEADER : h.n > HEADER && h.p[HEADER] != '-')
        return WEIR_EINVAL;
    if (!lower_hex((struct weir_str){h.p + 3, 32}, &no_trace) ||
        !lower_hex((struct weir_str){h.p + 36, 16}, &no_span) || no_trace || no_span)
        return WEIR_EINVAL;
    if (!lower_hex((struct weir_str){h.p + 53, 2}, &zero) ||
        weir_unhex((struct weir_str){h.p + 53, 2}, &flags, 1) != WEIR_OK)
        return WEIR_EINVAL;
    memcpy(out->trace_id, h.p + 3, 32);
    out->trace_id[32] = '\0';
    memcpy(out->span_id, h.p + 36, 16);
    out->span_id[16] = '\0';
    out->flags = flags;
    return WEIR_OK;
}

void weir_traceparent_format(const struct weir_traceparent *t, char out[56])
{
    memcpy(out, "00-", 3);
    memcpy(out + 3, t->trace_id, 32);
    out[35] = '-';
    memcpy(out + 36, t->span_id, 16);
    out[52] = '-';
    weir_hex(&t->flags, 1, out + 53);
}
