/* bill.h - a vendor's export as rows of day, model and money (JSON of their cost APIs, CSV) or
 * tokens (JSON of their usage APIs).
 *
 * Files are read as they come: memory is bounded by one record (see the limits), whatever the
 * file's size. One thread; blocks on the file. */
#ifndef WEIR_RECONCILE_BILL_H
#define WEIR_RECONCILE_BILL_H

#include <stdio.h>

#include "base/str.h"

enum weir_bill_vendor { WEIR_BILL_OPENAI, WEIR_BILL_ANTHROPIC, WEIR_BILL_AWS };

enum {
    WEIR_BILL_MAX_RECORD = 8 << 20, /* bytes of a CSV record or of a day's JSON */
    WEIR_BILL_MAX_COLUMNS = 1024,
};

enum weir_bill_kind {
    WEIR_BILL_INPUT, /* all of it, with its cached parts */
    WEIR_BILL_CACHE_READ,
    WEIR_BILL_CACHE_WRITE,
    WEIR_BILL_OUTPUT,
    WEIR_BILL_KINDS,
};

struct weir_bill_row {
    int64_t day_ms;        /* the day's beginning, UTC */
    struct weir_str model; /* absent: the export doesn't say; borrowed */
    int64_t nano_usd;
    int64_t tokens[WEIR_BILL_KINDS]; /* of a usage export */
};

struct weir_bill_error {
    unsigned long line;
    char text[256];
};

/* Anything but WEIR_OK ends the reading with that code. */
typedef int (*weir_bill_row_fn)(void *arg, const struct weir_bill_row *row);

/* "openai", "anthropic", "aws". WEIR_ENOTFOUND. */
WEIR_NODISCARD int weir_bill_vendor(const char *name, enum weir_bill_vendor *out);

/* usage: it tells tokens, not money. WEIR_EINVAL: the file is no such export: e says where and why.
 * WEIR_EIO: it can't be read. *left_out: rows of other services than models. */
WEIR_NODISCARD int weir_bill_read(FILE *f, enum weir_bill_vendor vendor, bool usage,
                                  weir_bill_row_fn fn, void *arg, int64_t *left_out,
                                  struct weir_bill_error *e);

/* A decimal number ("0.06", "1.2e-05", "-3") times 10^shift, rounded half away from zero, in units
 * of 10^-9. WEIR_EINVAL: none, or beyond nine thousand million. */
WEIR_NODISCARD int weir_bill_nano(struct weir_str text, int shift, int64_t *out);

/* "2026-11-20", also with a time of day, which must be UTC, or seconds since 1970. */
WEIR_NODISCARD int weir_bill_day(struct weir_str text, int64_t *out_ms);

#endif
