/* ledger.h - the durable account of every budget: lends slices to holders, takes their reports.
 *
 * A thread of its own owns ledger.db, or shares a PostgreSQL with other replicas. Messages come in
 * from any thread; whatever they lead to is committed to disk first and sent after. Queries: see
 * query.h. */
#ifndef WEIR_LEDGER_LEDGER_H
#define WEIR_LEDGER_LEDGER_H

#include "base/str.h"
#include "lease/lease.h"

struct weir_ledger;
struct weir_ledger_session; /* one Budget stream; several holders (workers) may share it */
struct Weir__V1__BudgetUp;
struct Weir__V1__BudgetDown;

/* Values are those of `Window` in config.proto. */
enum weir_window_kind {
    WEIR_WINDOW_MINUTE = 1,
    WEIR_WINDOW_HOUR = 2,
    WEIR_WINDOW_DAY = 3,
    WEIR_WINDOW_WEEK = 4, /* from Monday */
    WEIR_WINDOW_MONTH = 5,
    WEIR_WINDOW_TOTAL = 6,   /* never ends */
    WEIR_WINDOW_ROLLING = 7, /* the time up to now */
};

/* A rolling window is counted in so many steps: what was spent comes back step by step. */
enum { WEIR_ROLLING_STEPS = 60 };

enum weir_alert_kind {
    WEIR_ALERT_PERCENT = 1, /* of the limit is spent */
    WEIR_ALERT_BURN = 2,    /* the last hour against the mean of the window, in thousandths */
    WEIR_ALERT_ASKED = 3,   /* calls have begun to wait for a person; the threshold is 1 */
};

struct weir_ledger_alert {
    enum weir_alert_kind kind;
    int64_t threshold; /* above 0 */
};

/* A counter's spending has crossed what its budget wants to be told of. */
struct weir_ledger_crossing {
    int64_t id;
    enum weir_alert_kind kind;
    int64_t threshold;
    const char *budget, *scope;
    enum weir_unit unit;
    int64_t settled, limit;
    int64_t hour; /* spent in the last hour, for WEIR_ALERT_BURN; needed, for WEIR_ALERT_ASKED */
    int64_t window_start_ms, window_end_ms; /* as in query.h */
    int64_t at_ms;
};

/* Called on the ledger's thread, after the commit; x is borrowed. It must not block, and of
 * the ledger it may only call weir_ledger_crossing_done. The same crossing comes again, after a
 * restart, until it is said to be done. */
typedef void (*weir_ledger_crossing_fn)(void *arg, const struct weir_ledger_crossing *x);

/* One budget of the policy; everything is copied. */
struct weir_ledger_budget {
    const char *id; /* "namespace/name" */
    enum weir_unit unit;
    enum weir_budget_mode mode;
    enum weir_window_kind window;
    const char *timezone; /* IANA name; NULL: UTC */
    int64_t limit;        /* 0 blocks */
    int64_t length_ms;    /* of a rolling window; else 0 */
    int64_t max_counters; /* live at once, where callers name them; 0: no bound */
    const struct weir_ledger_alert *alerts;
    size_t n_alerts;
    int64_t carry_max; /* so much of what is left goes into the next window */
};

enum weir_entry_kind {
    WEIR_ENTRY_RAISE = 1,   /* a higher limit up to a moment */
    WEIR_ENTRY_RESET = 2,   /* what was spent so far in the present windows counts no more */
    WEIR_ENTRY_CORRECT = 3, /* more, or less, was spent in a counter's present window */
    WEIR_ENTRY_DENY = 4,    /* calls that wait for a person (onExhausted: ask) get no more */
};

/* What an operator does to a budget; it stays in the ledger. */
struct weir_ledger_entry {
    enum weir_entry_kind kind;
    const char *budget; /* "namespace/name" */
    const char *scope;  /* one counter; NULL: all of them, those to come too */
    int64_t amount;     /* of a raise or a correction, in the budget's unit */
    int64_t until_ms;   /* of a raise; wall clock */
    const char *actor;  /* who did it */
    const char *reason; /* of a correction */
};

struct weir_ledger_options {
    const char *path;        /* ledger.db, or a PostgreSQL's DSN (store.h) */
    int64_t soft_reclaim_ms; /* a soft budget takes back a silent holder's lease; 0: 600000 */
    weir_ledger_crossing_fn on_crossing; /* NULL: nobody is told */
    void *crossing_arg;
    int64_t recall_wait_ms; /* longest wait for idle parts before a refusal; 0: 1000 */
};

/* Brings a ledger's schema up to date; as weir_store_migrate. For `weir migrate`. */
struct weir_store;
WEIR_NODISCARD int weir_ledger_migrate(struct weir_store *s);

/* Opens, migrates and starts the thread. WEIR_EIO, WEIR_ECORRUPT, WEIR_EUNSUPPORTED as store.h. */
WEIR_NODISCARD int weir_ledger_create(const struct weir_ledger_options *o,
                                      struct weir_ledger **out);
/* Finishes what was received, then stops the thread. Detach the sessions first. NULL is fine. */
void weir_ledger_destroy(struct weir_ledger *l);

/* Replaces the whole set, as the policy has it now. Limits hold at once: lowering one recalls
 * idle parts; a budget that is gone or counts something else ends its leases. Any thread.
 * WEIR_EINVAL: a time zone is unknown or a number is out of range; the old set stays. */
WEIR_NODISCARD int weir_ledger_set_budgets(struct weir_ledger *l,
                                           const struct weir_ledger_budget budgets[], size_t n);

/* Is the name a time zone that this machine knows? For the policy's validation. Any thread. */
bool weir_ledger_knows_timezone(struct weir_str name);

/* Called on the ledger's thread, after the commit; down is borrowed. It must not block and must
 * not call the ledger: pack and hand over. down->incarnation names the holder it is for. */
typedef void (*weir_ledger_send_fn)(void *arg, const struct Weir__V1__BudgetDown *down);

/* node: the peer's authenticated name; reports of a lease count only from its own node. */
struct weir_ledger_session *weir_ledger_attach(struct weir_ledger *l, const char *node,
                                               weir_ledger_send_fn send, void *arg);
/* Copies what it needs. WEIR_EPROTO: a message out of bounds or not UTF-8 (close the stream).
 * WEIR_EAGAIN: the queue is full (more than 65536 messages wait; close the stream). */
WEIR_NODISCARD int weir_ledger_receive(struct weir_ledger_session *s,
                                       const struct Weir__V1__BudgetUp *up);
/* After it returns, send is not called any more. The session is gone. */
void weir_ledger_detach(struct weir_ledger_session *s);

/* An operator writes a lease off (its holder is lost): what was settled and held is charged, the
 * rest is free again. done is called on the ledger's thread: WEIR_OK, WEIR_ENOTFOUND (no such open
 * lease), WEIR_EIO. */
void weir_ledger_release(struct weir_ledger *l, struct weir_str lease,
                         void (*done)(void *arg, int rc), void *arg);

/* Does it and writes it down, in one transaction; it holds from the next grant on. Copies what it
 * needs. done is called on the ledger's thread: WEIR_OK, WEIR_ENOTFOUND (no such budget),
 * WEIR_EINVAL (an amount or time that can't be), WEIR_ESTATE (a budget of 0 blocks and isn't
 * raised; a correction that would leave less than nothing spent, or takes spending back from a
 * rolling window, which forgets by itself), WEIR_EEXIST (there are several counters: name one; or
 * none has a window), WEIR_EIO. */
void weir_ledger_enter(struct weir_ledger *l, const struct weir_ledger_entry *entry,
                       void (*done)(void *arg, int rc), void *arg);

/* Whoever it concerns was told, or can't be. Any thread. */
void weir_ledger_crossing_done(struct weir_ledger *l, int64_t id);

/* Since the start, for metrics; any thread. */
struct weir_ledger_counters {
    uint64_t grants, refusals, recalls, closed, reports, commits, errors;
    int64_t holders; /* connected now */
};

void weir_ledger_count(struct weir_ledger *l, struct weir_ledger_counters *out);

#endif
