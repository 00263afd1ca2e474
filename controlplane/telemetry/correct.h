/* correct.h - corrections of what was spent: rows of their own beside the sums of the calls, which
 * stay as they are. Every query of spending and every export counts them in.
 *
 * Each call opens a connection of its own and blocks: never on a loop. */
#ifndef WEIR_INGEST_CORRECT_H
#define WEIR_INGEST_CORRECT_H

#include "base/arena.h"
#include "base/str.h"

enum {
    WEIR_CORRECTION_LABELS =
        8, /* namespace, agent, project, team, model, provider, key, environment */
    WEIR_CORRECTION_MAX_TEXT = 512,
};

struct weir_correction {
    int64_t id, at_ms; /* given when it is added */
    int64_t for_ms;    /* the moment whose spending it corrects; wall clock */
    int64_t nano_usd;  /* added to the cost; below 0: less was spent. Not 0 */
    struct weir_str labels[WEIR_CORRECTION_LABELS]; /* in that order; empty: belongs to nobody */
    struct weir_str reason, actor;
    struct weir_str ref; /* the same one never counts twice; absent: none */
};

/* The place of a label, -1 when there is no such one. */
int weir_correction_label(struct weir_str name);

/* Durable when it returns. path as weir_query_open. WEIR_EINVAL: an amount of 0 or beyond a million
 * US dollars, a text that is too long or no UTF-8, a moment before 1970. WEIR_EEXIST: one with this
 * ref is there. Else as store.h. */
WEIR_NODISCARD int weir_correction_add(const char *path, const struct weir_correction *k,
                                       int64_t *out_id);
/* The newest first, at most max. */
WEIR_NODISCARD int weir_correction_list(const char *path, int64_t max, struct weir_arena *arena,
                                        struct weir_correction **out, size_t *out_n);

#endif
