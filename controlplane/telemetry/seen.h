/* seen.h - which sequences of an incarnation were taken: a few ranges in memory while its batch is
 * stored. Pure, no I/O. */
#ifndef WEIR_INGEST_SEEN_H
#define WEIR_INGEST_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WEIR__SEEN_MAX = 256 };

struct weir__range {
    uint64_t first, last;
};

/* Sorted, apart from each other by at least one sequence. */
struct weir__seen {
    struct weir__range ranges[WEIR__SEEN_MAX + 1];
    size_t count;
    bool changed;
};

bool weir__seen_has(const struct weir__seen *s, uint64_t sequence);

/* Past WEIR__SEEN_MAX ranges the oldest gap is closed: what is missing there is given up. */
void weir__seen_add(struct weir__seen *s, uint64_t sequence);

#endif
