/* journal.h - what a holder's leases stand at, in a file that outlives a killed process.
 *
 * It only limits what a crash strands: a lease that is not in it, or not readable, stays lent until
 * its window ends. Records are written into mapped memory, never synced: they survive the process,
 * not the machine, so a file from before the last boot, or a copy of one, is not believed. */
#ifndef WEIR_BUDGET_JOURNAL_H
#define WEIR_BUDGET_JOURNAL_H

#include "base/str.h"
#include "lease/lease.h"

struct weir_journal; /* one thread */

enum { WEIR_JOURNAL_LEASE_MAX = 32, WEIR_JOURNAL_SLOTS_MAX = 8192 };

/* A lease found in the file of an earlier start, with its slot there. */
typedef void (*weir_journal_found_fn)(void *arg, const char *lease, const struct weir_lease_held *l,
                                      int slot);

/* Opens or creates the file for this incarnation and locks it against other processes; calls found
 * for each readable lease, whose slot stays taken until it is dropped. Blocking. NULL, after a log
 * line: no journal can be kept there. What can't be believed is logged and forgotten. */
struct weir_journal *weir_journal_open(const char *path, const char *incarnation,
                                       weir_journal_found_fn found, void *arg);
void weir_journal_close(struct weir_journal *j); /* keeps the file; NULL is fine */

/* A slot for a lease; -1: none is free. May extend the file. */
int weir_journal_add(struct weir_journal *j, const char *lease, const struct weir_lease_held *l);
void weir_journal_write(struct weir_journal *j, int slot, const struct weir_lease_held *l);
void weir_journal_drop(struct weir_journal *j, int slot);

/* Earlier incarnations of which every lease that they took up was found, the latest first; NULL
 * past the last. A file with damaged records, or one that had no room once, vouches for none. */
const char *weir_journal_gone(const struct weir_journal *j, int i);

/* Reads slots from bytes as weir_journal_open does, without a file; the number of damaged ones.
 * For tests. */
size_t weir_journal_scan(const void *slots, size_t n_bytes, weir_journal_found_fn found, void *arg);
size_t weir_journal_slot_bytes(void);

#endif
