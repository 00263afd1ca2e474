/* rows_out.h - a table as CSV (RFC 4180) or as a JSON array of objects: the same code writes the
 * line of names, the rows and the objects. Private to the telemetry module. */
#ifndef WEIR_INGEST_ROWS_OUT_H
#define WEIR_INGEST_ROWS_OUT_H

#include "base/buf.h"

struct weir__rows {
    enum { WEIR__ROWS_NAMES, WEIR__ROWS_CSV, WEIR__ROWS_JSON } form;

    bool first; /* column of a row */
    struct weir_buf *b;
};

void weir__rows_begin(struct weir__rows *o);
void weir__rows_end(struct weir__rows *o);

/* Begins a column. True: its value is to be written to o->b. */
bool weir__rows_column(struct weir__rows *o, const char *name);
void weir__rows_text(struct weir__rows *o, const char *name, struct weir_str s);
void weir__rows_number(struct weir__rows *o, const char *name, int64_t n);
void weir__rows_money(struct weir__rows *o, const char *name, int64_t nano); /* exact */
void weir__rows_instant(struct weir__rows *o, const char *name, int64_t ms); /* RFC 3339, UTC */
void weir__rows_csv_text(struct weir_buf *b, struct weir_str s);

#endif
