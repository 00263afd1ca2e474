/* flags.h - a program's command line as a table: parsing, ranges and help come from the same rows.
 */
#ifndef WEIR_BASE_FLAGS_H
#define WEIR_BASE_FLAGS_H

#include <stddef.h>

#include "base/err.h"

enum weir_flag_kind {
    WEIR_FLAG_TEXT,   /* const char *, borrowed from argv */
    WEIR_FLAG_NUMBER, /* int64_t within min and max */
    WEIR_FLAG_SWITCH, /* bool, set by its presence */
};

struct weir_flag {
    const char *name;  /* "--listen" */
    const char *value; /* what stands for the value in the help: "ADDR"; NULL for a switch */
    enum weir_flag_kind kind;
    size_t offset; /* of the field in the options struct */
    int64_t min, max;
    const char *help;
};

/* Reads "--flag value" and "--flag=value" into out, which holds the defaults. WEIR_EINVAL: error
 * (size bytes) says which flag is wrong and how to mend it. */
WEIR_NODISCARD int weir_flags_parse(const struct weir_flag *rows, size_t n, int argc, char **argv,
                                    void *out, char *error, size_t size);
void weir_flags_help(const struct weir_flag *rows, size_t n); /* to standard output */

#endif
