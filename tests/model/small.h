/* small.h - the state of the exhaustive checker: two holders, two leases, few messages, packed into
 * bytes, and the invariants over it. */
#ifndef WEIR_TESTS_SMALL_H
#define WEIR_TESTS_SMALL_H

#include "lease/lease.h"

enum { HOLDERS = 2, LEASES = 2, LIMIT = 2, MESSAGES = 2, WINDOWS = 2, GRANTED_MAX = 3 };

/* Small numbers only, so that a state fits into few bytes. */
struct small_lease {
    int8_t owner;                                                             /* -1: not made yet */
    int8_t granted, returned, settled, closed;                                /* the ledger's row */
    int8_t known, l_granted, l_returned, l_settled, l_held, l_ended, l_final; /* its holder's */
    int8_t j_granted, j_returned, j_settled, j_held; /* a rolled-back journal */
    int8_t truth, window;
    int8_t book; /* usage records, and what crashes were charged */
    int8_t over; /* what the provider billed past the hold */
};

struct small_message {
    int8_t kind; /* 0: none, 1: grant, 2: report */
    int8_t lease, a, b, final;
};

struct small {
    struct small_lease lease[LEASES];
    int8_t now;             /* the window that lends */
    int8_t limit, happened; /* the event, once */
    int8_t cap[WINDOWS];    /* max(limit, what was out at the decrease) */
    int8_t closed_settled[WINDOWS], committed[WINDOWS];
    /* What a restart of the ledger comes back to; differs only when sending is not after writing.
     */
    int8_t d_granted[LEASES], d_owner[LEASES], d_committed[WINDOWS];
    struct small_message messages[MESSAGES];
};

struct weir_lease_held small_held_of(const struct small_lease *s);
void small_put_held(struct small_lease *s, const struct weir_lease_held *l);
struct weir_lease_row small_row_of(const struct small_lease *s);
void small_put_row(struct small *w, struct small_lease *s, const struct weir_lease_row *r,
                   const struct weir_ledger_window *win);
struct weir_ledger_window small_window_of(const struct small *w, int window);
void small_durable(struct small *w);
void small_post(struct small *w, struct small_message m);
void small_post_report(struct small *w, int i);
/* NULL: every invariant holds; else which one does not. */
const char *small_check(const struct small *w);

#endif
