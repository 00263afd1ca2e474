/* check.h - does a ledger contradict itself? Reads only, also while control planes write: each
 * question is one statement, and so of one moment. */
#ifndef WEIR_LEDGER_CHECK_H
#define WEIR_LEDGER_CHECK_H

#include "base/err.h"

struct weir_ledger_check {
    int64_t windows, leases, open_leases, contradictions;
};

/* told gets a line for each contradiction, at most 1000; all are counted. path: as for the ledger.
 * Blocks. Errors as weir_store_open. */
WEIR_NODISCARD int weir_ledger_check(const char *path, void (*told)(void *arg, const char *line),
                                     void *arg, struct weir_ledger_check *out);

#endif
