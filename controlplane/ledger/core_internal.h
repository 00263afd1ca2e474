/* core_internal.h - what the files of the ledger's core share. */
#ifndef WEIR_LEDGER_CORE_INTERNAL_H
#define WEIR_LEDGER_CORE_INTERNAL_H

#include <uthash.h>

#include "base/arena.h"
#include "base/list.h"
#include "controlplane/ledger/calendar.h"
#include "controlplane/ledger/core.h"
#include "controlplane/store/store.h"
#include "weir/v1/ledger.pb-c.h"

enum {
    WEIR__LEDGER_NAME_MAX = 512,
    WEIR__LEASE_ID_BYTES = 32,
    WEIR__POLL_MS = 200,         /* how often replicas look for each other's recalls */
    WEIR__RECALL_FRESH_MS = 5000 /* an older one has found nobody */
};

struct weir__conn {
    char *node;
    weir_ledger_send_fn send;
    void *arg;
    struct weir__conn *prev, *next;
};

/* A worker of a proxy. Kept for a while after its stream is gone. */
struct weir__holder {
    char *incarnation;
    struct weir__conn *conn; /* NULL: not connected */
    int64_t seen_ms;         /* monotonic */
    UT_hash_handle hh;
};

struct weir__budget {
    char *id;
    struct weir_ledger_budget def;
    char *timezone;                   /* def's; NULL: UTC */
    struct weir_ledger_alert *alerts; /* def's */
    struct weir_zone *zone;
    int64_t gone_ms; /* monotonic; no longer in the policy, and last asked for then. 0: in it */
    bool counted, told_full;
    int64_t live, counted_ms; /* its counters, where they have a bound; monotonic */
    UT_hash_handle hh;
};

struct weir__budget_set {
    struct weir__budget *by_id;
    bool has_alerts;
};

struct weir__window {
    int64_t id; /* 0: not stored yet */
    int64_t start_ms, end_ms;
    int64_t length_ms; /* of a rolling one; else 0 */
    int64_t forgiven;  /* spent, but no longer counted */
    int64_t carried;   /* left in the window before */
    bool full; /* not there: its budget has as many counters as it may. The rest is not set */
    struct weir_ledger_window w; /* its limit has forgiven on top */
};

struct weir__lease {
    int64_t number; /* 0: not stored yet */
    int64_t window;
    struct weir_lease_row row;
    int64_t asked; /* the holder's last ask that was answered with it */
    int64_t debts; /* the number of the newest debt that was lent on it */
};

/* An ask that waits until other holders have given back what they don't use. */
struct weir__parked_ask {
    struct weir__parked_ask *next;
    char *incarnation;
    uint64_t seq;
    int64_t need, waiting, want, debt, debt_id;
    bool person;
};

struct weir__parked {
    char *key; /* budget '\n' scope */
    char *budget, *scope;
    struct weir__parked_ask *first, *last;
    int64_t *awaited; /* numbers of recalled leases that have not answered */
    size_t n_awaited;
    int64_t deadline_ms; /* monotonic */
    bool poked;          /* something came back: look again */
    UT_hash_handle hh;
};

/* An operator's increase of a limit. */
struct weir__raise {
    struct weir__raise *next;
    char *budget, *scope; /* scope NULL: every counter */
    int64_t amount, until_ms;
};

/* To be told after the commit. */
struct weir__crossing {
    struct weir__crossing *next;
    struct weir_ledger_crossing x;
};

struct weir__touched;
struct weir__known;

/* One message to be sent after the commit. */
struct weir__out {
    struct weir__out *next;
    const char *incarnation;
    Weir__V1__BudgetDown down;
};

/* An ask of the batch under way, for the answer when it can't be committed. */
struct weir__asked;

struct weir__core {
    struct weir_ledger_options o;
    struct weir_store *store;
    bool shared; /* with other replicas */
    char id[16]; /* of this ledger, the first part of its leases' ids */
    struct weir__conn *conns;
    struct weir__holder *holders;
    struct weir__budget_set *budgets;
    struct weir__budget_set *before; /* of an earlier start, until the policy's first set comes */
    bool budgets_changed;            /* since they were last committed */
    struct weir__parked *parked;
    struct weir__touched *touched;    /* windows, by this batch */
    struct weir__known *known;        /* alerts that have been looked up */
    struct weir__crossing *crossings; /* of this batch, in its arena */
    int64_t resumed_ms;               /* when those of before were looked for; monotonic */
    struct weir__raise *raises;       /* in force, and those that have just ended */
    bool raises_loaded;
    int64_t raises_ms;       /* when; monotonic */
    int64_t raises_ended_ms; /* ends up to here are done; wall clock */
    struct weir__core_time now;
    int64_t started_ms, swept_ms;
    int rc;                   /* of the batch under way: the first failure */
    struct weir_arena *arena; /* of the batch under way */
    struct weir__out *out_first, *out_last;
    struct weir__asked *asked;
    struct weir_ledger_counters count;
};

/* An ask as it came or was parked. */
struct weir__ask {
    const char *incarnation, *node, *budget, *scope;
    uint64_t seq;
    int64_t need, waiting, want, debt, debt_id;
    bool person; /* to be asked when it can't be lent */
    bool denied; /* who said no */
};

struct weir__asked {
    struct weir__asked *next;
    struct weir__ask ask;
};

/* out.c */
void weir__out_grant(struct weir__core *c, const char *incarnation, int64_t number,
                     const char *budget, const char *scope, uint64_t seq, int64_t granted,
                     int64_t ends_in_ms, const struct weir__window *w);
void weir__out_refusal(struct weir__core *c, const struct weir__ask *a,
                       const struct weir__window *w, bool retry, const char *reason);
void weir__out_recall(struct weir__core *c, const char *incarnation, int64_t number);
void weir__out_closed(struct weir__core *c, const char *incarnation, const char *lease);
void weir__out_heartbeat(struct weir__core *c, const char *incarnation);
void weir__out_send(struct weir__core *c);
struct weir__holder *weir__holder_find(struct weir__core *c, const char *incarnation);

/* set.c. WEIR_EINVAL: twice, out of range, or no such time zone. */
WEIR_NODISCARD int weir__budget_set_add(struct weir__budget_set *s,
                                        const struct weir_ledger_budget *def, int64_t gone_ms);
void weir__budget_free(struct weir__budget *b); /* taken out of its set already */

/* asks.c */
struct weir__budget *weir__budget_find(struct weir__core *c, const char *id);
/* For the answer when the batch can't be committed. */
void weir__ask_remember(struct weir__core *c, const struct weir__ask *a);
void weir__ask_in(struct weir__core *c, const struct weir__ask *a);
void weir__recall_answered(struct weir__core *c, int64_t number);
void weir__parked_poke(struct weir__core *c);
void weir__parked_free(struct weir__core *c);
void weir__recalls_take(struct weir__core *c); /* those that other replicas left for holders here */

#endif
