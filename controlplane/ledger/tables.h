/* tables.h - what the ledger's core reads and writes. */
#ifndef WEIR_LEDGER_TABLES_H
#define WEIR_LEDGER_TABLES_H

#include "controlplane/ledger/core_internal.h"

/* rows.c: all of them set c->rc when the store fails, and then return false or nothing. */
/* spent: something is spent there already, so that it is opened past maxCounters, too. */
bool weir__window_now(struct weir__core *c, struct weir__budget *b, const char *scope, bool spent,
                      struct weir__window *out); /* stored if it is new */
void weir__window_save(struct weir__core *c, const struct weir__window *w);
bool weir__window_by_id(struct weir__core *c, int64_t id, struct weir__window *out);
/* Of a window's spending what a report on this lease can change: the difference is what it spent.
 */
int64_t weir__spent(const struct weir__window *w, const struct weir__lease *l);
bool weir__lease_open(struct weir__core *c, int64_t window, const char *node,
                      const char *incarnation,
                      struct weir__lease *out); /* zeroed when there is none */
void weir__lease_save(struct weir__core *c, struct weir__lease *l, const char *node,
                      const char *incarnation);
/* The newest debt of a holder that was lent in any window of a counter; 0: none. */
int64_t weir__debts_lent(struct weir__core *c, const struct weir__ask *a);
/* 1 found, 0 not. node must match unless it is NULL. */
int weir__lease_by_number(struct weir__core *c, int64_t number, const char *node,
                          struct weir__lease *out);

/* Is the lease's window the one in which its budget lends now? */
struct weir__lease_ref {
    struct weir__lease lease;
    const char *incarnation, *node, *budget, *scope; /* in the batch's arena */
    int64_t unit, kind, end_ms, reported_ms, seen_ms;
};

typedef void (*weir__lease_fn)(struct weir__core *c, const struct weir__lease_ref *ref, void *arg);
void weir__each_open_of_holder(struct weir__core *c, const char *incarnation, weir__lease_fn fn,
                               void *arg);
void weir__each_open_of_window(struct weir__core *c, int64_t window, weir__lease_fn fn, void *arg);
int64_t weir__count_open_of_window(struct weir__core *c, int64_t window);
void weir__each_open(struct weir__core *c, weir__lease_fn fn, void *arg);
/* Between replicas on one database. */
void weir__take_turn(struct weir__core *c);
void weir__recall_remote(struct weir__core *c, int64_t number); /* its holder is elsewhere */
void weir__recall_taken(struct weir__core *c, int64_t number);
int weir__count_recalled(struct weir__core *c, int64_t *n); /* outside a transaction */
void weir__each_recalled(struct weir__core *c, weir__lease_fn fn, void *arg);
void weir__holder_lives(struct weir__core *c, const char *incarnation);
void weir__fail(struct weir__core *c, int rc);
/* For the tables' other files; NULL and nothing once the batch has failed. */
struct weir_stmt *weir__stmt(struct weir__core *c, const char *sql);
bool weir__row(struct weir__core *c, struct weir_stmt *st);
void weir__run(struct weir__core *c, struct weir_stmt *st);
void weir__run_i64(struct weir__core *c, struct weir_stmt *st, int64_t *out);

/* lending.c */
void weir__budgets_save(struct weir__core *c);
void weir__budget_forget(struct weir__core *c, const char *id);
int weir__budgets_load(struct weir__core *c,
                       struct weir__budget_set **out); /* *out is set anyway */
/* May the budget have one more live counter? Takes its place if so. */
bool weir__counter_fits(struct weir__core *c, struct weir__budget *b);

void weir__prune(struct weir__core *c); /* prune.c */

/* petitions.c: a call waits for a person. True: who said no. */
bool weir__petition(struct weir__core *c, const struct weir__ask *a, int64_t window);
void weir__petitions_granted(struct weir__core *c, const char *budget, const char *scope);
/* WEIR_EEXIST: nobody waits there. */
int weir__petitions_deny(struct weir__core *c, const char *budget, const char *scope);
void weir__petitions_prune(struct weir__core *c);

/* burn.c: spent more, or less by a correction or a reset. */
void weir__burn_add(struct weir__core *c, const struct weir__window *w, int64_t spent);

/* asks.c: asks the holder of a lease, here or at another replica, to give back what lies idle.
 * False: nothing does, or it can't be asked. */
bool weir__recall(struct weir__core *c, const struct weir__lease_ref *r);

/* core.c: what a report has added to a window, for those who count it by time. */
void weir__count_spent(struct weir__core *c, const struct weir__window *w, int64_t spent);

/* crossings.c */
void weir__touch(struct weir__core *c, int64_t window, int64_t spent);
void weir__crossing_asked(struct weir__core *c, int64_t window, int64_t need);
void weir__crossings_look(struct weir__core *c); /* at the end of the batch */
void weir__crossings_tell(struct weir__core *c); /* after its commit */
void weir__crossings_tick(struct weir__core *c);
void weir__crossings_forget(struct weir__core *c); /* what is kept in memory */

/* entries.c */
void weir__window_limit(struct weir__core *c, const struct weir__budget *b, const char *scope,
                        struct weir__window *w); /* sets the one that holds now */
void weir__raises_begin(struct weir__core *c);   /* reads them when that is due */
void weir__raises_tick(struct weir__core *c);    /* ends those whose time is over */
bool weir__raise_ended(const struct weir__core *c, int64_t wall_ms);
void weir__raises_free(struct weir__core *c);

/* rolling.c. What was spent in a rolling window, in steps. */
void weir__steps_leave(struct weir__core *c, struct weir__window *w); /* saves w */
void weir__steps_add(struct weir__core *c, const struct weir__window *w, int64_t spent);
/* How long until so much is left, if nothing else is lent meanwhile; -1: never. */
int64_t weir__steps_wait_ms(struct weir__core *c, const struct weir__window *w, int64_t need);
void weir__steps_sweep(struct weir__core *c); /* those of windows that nobody asks for */

#endif
