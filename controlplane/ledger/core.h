/* core.h - the ledger without its thread: messages in, one transaction, messages out. The caller
 * gives the time. Internal to the ledger and its tests. */
#ifndef WEIR_LEDGER_CORE_H
#define WEIR_LEDGER_CORE_H

#include "controlplane/ledger/ledger.h"

struct weir__core; /* one thread */
struct weir__conn; /* one stream */

struct weir__core_time {
    int64_t wall_ms, mono_ms;
};

WEIR_NODISCARD int weir__core_create(const struct weir_ledger_options *o,
                                     struct weir__core_time now, struct weir__core **out);
void weir__core_destroy(struct weir__core *c);

struct weir__conn *weir__core_connect(struct weir__core *c, const char *node,
                                      weir_ledger_send_fn send, void *arg);
void weir__core_disconnect(struct weir__core *c, struct weir__conn *conn,
                           struct weir__core_time now);

/* Between begin and end everything belongs to one transaction; end commits, then sends. When the
 * commit fails nothing of it is sent: asks are answered with "ask again". */
void weir__core_begin(struct weir__core *c, struct weir__core_time now);
void weir__core_up(struct weir__core *c, struct weir__conn *conn,
                   const struct Weir__V1__BudgetUp *up);
struct weir__budget_set; /* validated copy of the policy's budgets */
int weir__budget_set_make(const struct weir_ledger_budget budgets[], size_t n,
                          struct weir__budget_set **out);
void weir__budget_set_free(struct weir__budget_set *s);
void weir__core_set_budgets(struct weir__core *c, struct weir__budget_set *s); /* takes it over */
int weir__core_release(struct weir__core *c, struct weir_str lease);
void weir__core_crossing_done(struct weir__core *c, int64_t id);
int weir__core_enter(struct weir__core *c, const struct weir_ledger_entry *e);
void weir__core_tick(struct weir__core *c);
int weir__core_end(struct weir__core *c);
/* The longest wait for the next batch: shorter while asks wait for recalls, and when other replicas
 * may recall what holders here have. */
int64_t weir__core_tick_ms(const struct weir__core *c);
/* Is there anything to do in a batch without messages? Not within one. */
bool weir__core_due(struct weir__core *c, struct weir__core_time now);

void weir__core_count(const struct weir__core *c, struct weir_ledger_counters *out);

#endif
