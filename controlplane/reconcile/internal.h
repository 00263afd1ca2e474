/* internal.h - what the readers of exports share. */
#ifndef WEIR_RECONCILE_INTERNAL_H
#define WEIR_RECONCILE_INTERNAL_H

#include "base/buf.h"
#include "controlplane/reconcile/bill.h"

struct weir__bill {
    FILE *f;
    enum weir_bill_vendor vendor;
    bool usage;
    weir_bill_row_fn fn;
    void *arg;
    struct weir_bill_error *e;
    unsigned long line; /* of the next byte */
    int64_t rows, left_out;
    struct weir_buf record;
};

int weir__bill_next(struct weir__bill *b); /* a byte, or EOF; counts lines */
/* Says why; WEIR_EINVAL. line 0: the present one. */
int weir__bill_refuse(struct weir__bill *b, unsigned long line, const char *format, ...)
    WEIR_PRINTF(3, 4);
int weir__bill_row(struct weir__bill *b, const struct weir_bill_row *row);

int weir__bill_json(struct weir__bill *b);
int weir__bill_csv(struct weir__bill *b);
/* One result of a usage API's day; yyjson_val, numbers as raw texts. */
struct yyjson_val;
int weir__bill_usage(struct weir__bill *b, unsigned long line, int64_t day_ms,
                     struct yyjson_val *result);

/* The model of OpenAI's line item "gpt-4o-2024-08-06, input". */
struct weir_str weir__bill_line_item(struct weir_str item);
bool weir__bill_is_usd(struct weir_str currency); /* absent counts, too */

#endif
