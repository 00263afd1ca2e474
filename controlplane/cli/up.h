/* up.h - the parts of `weir up`: what it found out, and what it prints of it. */
#ifndef WEIR_CLI_UP_H
#define WEIR_CLI_UP_H

#include "base/buf.h"

struct weir_up_facts {
    const char *gateway; /* "http://127.0.0.1:7070" */
    const char *key;
    const char *model; /* one that the gateway serves */
};

/* One line to copy for each known harness. */
void weir__up_harness_lines(const struct weir_up_facts *f, struct weir_buf *out);

#endif
