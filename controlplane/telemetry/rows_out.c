/* rows_out.c - see rows_out.h. */
#include "controlplane/telemetry/rows_out.h"

#include <time.h>

#include "controlplane/telemetry/jsonout.h"

void weir__rows_begin(struct weir__rows *o)
{
    o->first = true;
    if (o->form != WEIR__ROWS_JSON)
        return;
    weir__out_comma(o->b);
    (void)weir_buf_addz(o->b, "{");
}

void weir__rows_end(struct weir__rows *o)
{
    (void)weir_buf_addz(o->b, o->form == WEIR__ROWS_JSON ? "}" : "\r\n");
}

/* Quoted as RFC 4180 has it where needed. A text that a spreadsheet would run as a formula is told
 * apart by a quote before it: model names are the callers' own. */
void weir__rows_csv_text(struct weir_buf *b, struct weir_str s)
{
    bool formula = s.n && memchr("=+-@\t\r", s.p[0], 6);
    bool quote = formula;

    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] == ',' || s.p[i] == '"' || s.p[i] == '\n' || s.p[i] == '\r';
    if (!quote) {
        (void)weir_buf_adds(b, s);
        return;
    }
    (void)weir_buf_addz(b, formula ? "\"'" : "\"");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"')
            (void)weir_buf_addz(b, "\"");
        (void)weir_buf_add(b, s.p + i, 1);
    }
    (void)weir_buf_addz(b, "\"");
}

bool weir__rows_column(struct weir__rows *o, const char *name)
{
    if (o->form == WEIR__ROWS_JSON) {
        weir__out_key(o->b, name);
        return true;
    }
    if (!o->first)
        (void)weir_buf_addz(o->b, ",");
    o->first = false;
    if (o->form == WEIR__ROWS_NAMES)
        (void)weir_buf_addz(o->b, name);
    return o->form == WEIR__ROWS_CSV;
}

void weir__rows_text(struct weir__rows *o, const char *name, struct weir_str s)
{
    if (!weir__rows_column(o, name))
        return;
    if (o->form == WEIR__ROWS_CSV)
        weir__rows_csv_text(o->b, s);
    else if (s.n)
        (void)weir_buf_add_json(o->b, s);
    else
        (void)weir_buf_addz(o->b, "null");
}

void weir__rows_number(struct weir__rows *o, const char *name, int64_t n)
{
    if (weir__rows_column(o, name))
        (void)weir_buf_addi(o->b, n);
}

void weir__rows_money(struct weir__rows *o, const char *name, int64_t nano)
{
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;

    if (weir__rows_column(o, name))
        (void)weir_buf_addf(o->b, "%s%llu.%09llu", nano < 0 ? "-" : "",
                            (unsigned long long)(size / 1000000000),
                            (unsigned long long)(size % 1000000000));
}

void weir__rows_instant(struct weir__rows *o, const char *name, int64_t ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm = {0};
    char z[32];

    (void)gmtime_r(&s, &tm);
    (void)strftime(z, sizeof z, "%Y-%m-%dT%H:%M:%SZ", &tm);
    weir__rows_text(o, name, weir_str_of(z));
}
