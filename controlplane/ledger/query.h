/* query.h - reads the ledger for the API: counters, leases, history. A reader is a read-only
 * connection beside the ledger's own; create and use it on any one thread, for example of the
 * thread pool. Results live in the caller's arena. */
#ifndef WEIR_LEDGER_QUERY_H
#define WEIR_LEDGER_QUERY_H

#include "base/arena.h"
#include "controlplane/ledger/ledger.h"

struct weir_ledger_reader;

/* WEIR_ENOTFOUND: no ledger there yet; else as store.h. */
WEIR_NODISCARD int weir_ledger_reader_open(const char *path, struct weir_ledger_reader **out);
void weir_ledger_reader_close(struct weir_ledger_reader *r); /* NULL is fine */

/* One counter of a budget (a budget without `per` has one, with scope "") in one window. */
struct weir_ledger_counter {
    const char *budget, *scope;
    enum weir_unit unit;
    int64_t limit;
    int64_t window_start_ms;
    int64_t window_end_ms; /* -1: never */
    int64_t settled;       /* spent, open leases included */
    int64_t held;          /* in open calls, as last reported */
    int64_t committed;     /* lent and not given back */
    int64_t remaining;     /* limit - closed_settled - committed */
    int64_t open_leases;
    int64_t length_ms; /* of a rolling window, which has no end; else 0 */
    int64_t carried;   /* of the limit: what the window before had left */
};

struct weir_ledger_lease {
    const char *id, *budget, *scope, *node, *incarnation;
    int64_t granted, returned, settled, held;
    int64_t window_start_ms, opened_ms, reported_ms;
};

/* What an operator did; see ledger.h. */
struct weir_ledger_noted {
    enum weir_entry_kind kind;
    const char *scope; /* NULL: all counters */
    const char *actor;
    const char *reason; /* of a correction; else NULL */
    int64_t amount;     /* raised by, corrected by, or forgiven by a reset */
    int64_t at_ms, until_ms;
};

/* Windows that are not over at now_ms (wall clock). budget absent: all. At most max rows. */
WEIR_NODISCARD int weir_ledger_read_counters(struct weir_ledger_reader *r, int64_t now_ms,
                                             struct weir_str budget, size_t max,
                                             struct weir_arena *arena,
                                             struct weir_ledger_counter **out, size_t *out_n);
/* Windows of one budget, the newest first, the present one included. */
WEIR_NODISCARD int weir_ledger_read_history(struct weir_ledger_reader *r, int64_t now_ms,
                                            struct weir_str budget, struct weir_str scope,
                                            size_t max, struct weir_arena *arena,
                                            struct weir_ledger_counter **out, size_t *out_n);

/* A counter for which calls wait for a person. */
struct weir_ledger_petition {
    const char *budget, *scope;
    enum weir_unit unit;
    int64_t need; /* of the largest call, in the budget's unit */
    int64_t since_ms, last_ms;
    bool denied;
};

/* Asked for within the last seconds, so that somebody still waits; who waited longest first. */
WEIR_NODISCARD int weir_ledger_read_petitions(struct weir_ledger_reader *r, int64_t now_ms,
                                              size_t max, struct weir_arena *arena,
                                              struct weir_ledger_petition **out, size_t *out_n);

/* A step of a window's spending. */
struct weir_ledger_burn {
    int64_t end_ms; /* of the step */
    int64_t amount; /* reported in it; negative after a correction or a reset */
};

/* The steps of a counter's newest window, in the order of time; a step without spending has none.
 */
WEIR_NODISCARD int weir_ledger_read_burn(struct weir_ledger_reader *r, struct weir_str budget,
                                         struct weir_str scope, size_t max,
                                         struct weir_arena *arena, struct weir_ledger_burn **out,
                                         size_t *out_n);
/* Open leases. budget absent: all. */
WEIR_NODISCARD int weir_ledger_read_leases(struct weir_ledger_reader *r, struct weir_str budget,
                                           size_t max, struct weir_arena *arena,
                                           struct weir_ledger_lease **out, size_t *out_n);
/* The entries of one budget, the newest first. */
WEIR_NODISCARD int weir_ledger_read_entries(struct weir_ledger_reader *r, struct weir_str budget,
                                            size_t max, struct weir_arena *arena,
                                            struct weir_ledger_noted **out, size_t *out_n);

#endif
