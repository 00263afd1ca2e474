/* holder_internal.h - what the files of the holder share. */
#ifndef WEIR_BUDGET_HOLDER_INTERNAL_H
#define WEIR_BUDGET_HOLDER_INTERNAL_H

#include <uthash.h>

#include "base/list.h"
#include "dataplane/budget/holder.h"
#include "dataplane/budget/journal.h"

struct Weir__V1__LeaseGrant;

enum {
    WEIR__ASK_TIMEOUT_MS = 1500,    /* an ask is taken for lost after this */
    WEIR__RETRY_MS = 200,           /* after "ask again", and how long "used up" is believed */
    WEIR__RECALL_PAUSE_MS = 20,     /* after a recall took what a waiting call may have wanted */
    WEIR__PREFETCH_PAUSE_MS = 1000, /* after a prefetch was refused */
    WEIR__HEARTBEAT_MS = 10000,     /* something is sent at least so often */
    WEIR__FINAL_RESEND_MS = 5000,   /* a final report is repeated until it is confirmed */
    WEIR__COUNTER_IDLE_MS = 600000, /* an unused counter is forgotten after this */
    WEIR__COUNTER_FULL_MS = 10000   /* and one that the ledger did not open */
};

/* ACTIVE -> ENDED (no new holds) -> FINAL (reported until confirmed) -> freed: see lease.h. */
struct weir_held_lease {
    char id[WEIR_LEASE_ID_MAX];
    struct weir_lease_held l;
    struct weir_counter *counter; /* NULL: of an earlier start */
    int64_t window_end_ms;        /* INT64_MAX: never */
    int64_t use_for_ms;
    int64_t last_used_ms;
    int64_t reported_ms; /* final ones: when last sent */
    int64_t target;      /* free right after the last grant, for prefetch */
    int64_t open;        /* holds, those of amount 0 too */
    int slot;            /* in the journal; -1: none */
    bool dirty;          /* counters changed since the last report */
    UT_hash_handle hh;
};

/* One counter of a budget: (budget, scope). */
struct weir_counter {
    char *budget, *scope;
    uint64_t hash;
    struct weir_counter *next_in_bucket;
    enum weir_unit unit;
    enum weir_budget_mode mode;
    enum weir_on_partition on_partition;
    int64_t limit, within;
    bool asks_person;
    int64_t told_limit; /* the ledger's, with increases and what was carried over; 0: not told */
    bool deny_no_lease;

    struct weir_held_lease *cur; /* NULL or one that takes new holds */
    int64_t debt;                /* spent without a lease; goes onto the next one */
    int64_t debt_asked;          /* of it, what an ask has named by debt_id: repeated unchanged */
    uint64_t debt_id;            /* 0: none was named */
    int64_t uncovered;           /* held without a lease */
    int64_t open;                /* holds, leased or not */
    size_t leases;               /* that name it */

    struct weir_admission *first, *last; /* waiting, in order */
    int64_t waiting_sum;
    bool serving;

    uint64_t ask_seq; /* 0: no answer is awaited */
    int64_t ask_need, ask_sent_ms, ask_not_before_ms, prefetch_not_before_ms;

    bool refused; /* the ledger's last word was "used up"; believed until refused_until_ms */
    int64_t refused_until_ms, remaining, resets_at_ms;
    bool denied; /* by the person who was asked */
    bool full;   /* it was refused since the ledger opens no more counters of the budget */

    int64_t typical;    /* a hold's usual amount */
    int64_t spent;      /* since the rate was last worked out */
    int64_t spend_rate; /* in WEIR_LEASE_SPEND_WINDOW_MS */
    int64_t last_used_ms;
};

struct weir_holder {
    struct weir_holder_options o;
    char *node, *incarnation;
    struct weir_journal *journal;
    struct weir_held_lease *leases; /* hash by id */
    struct weir_counter **buckets;
    size_t n_buckets, n_counters;
    uint64_t seed, next_hold, next_seq, next_debt;
    char ledger[WEIR_LEASE_ID_MAX]; /* whose numbers `floor` is about */
    uint64_t floor;                 /* no lease with a number up to this is taken up any more */
    bool connected;
    int64_t last_rx_ms, last_tx_ms, rate_at_ms;
    struct weir_holder_counters count;
};

enum weir__admission_state { WEIR__ADM_NONE, WEIR__ADM_WAITING, WEIR__ADM_HELD, WEIR__ADM_DONE };

/* counters.c */
struct weir_counter *weir__counter_find(struct weir_holder *h, struct weir_str budget,
                                        struct weir_str scope);
struct weir_counter *weir__counter_get(struct weir_holder *h, int64_t now_ms,
                                       const struct weir_budget_conf *conf, struct weir_str scope);
void weir__counters_evict(struct weir_holder *h, int64_t now_ms);
void weir__counters_free(struct weir_holder *h);
bool weir__counter_usable(const struct weir_holder *h, const struct weir_counter *c,
                          int64_t now_ms);

/* leases.c */
struct weir_held_lease *weir__lease_add(struct weir_holder *h, const char *id, int64_t now_ms);
void weir__lease_forget(struct weir_holder *h, struct weir_held_lease *lease);
void weir__lease_changed(struct weir_holder *h, struct weir_held_lease *lease); /* journal, dirty */
/* No new holds; final at once when none is open. */
void weir__lease_retire(struct weir_holder *h, struct weir_held_lease *lease);
/* The ledger's grant, applied; false: it is not for taking up. */
void weir__lease_on_grant(struct weir_holder *h, int64_t now_ms,
                          const struct Weir__V1__LeaseGrant *g);
void weir__lease_hold_ended(struct weir_holder *h, struct weir_held_lease *lease);
void weir__leases_tick(struct weir_holder *h, int64_t now_ms);

/* wire.c */
void weir__ask(struct weir_holder *h, int64_t now_ms, struct weir_counter *c, int64_t need);
void weir__report_now(struct weir_holder *h, int64_t now_ms, struct weir_held_lease *lease);
void weir__report_all(struct weir_holder *h, int64_t now_ms, bool hello);
void weir__heartbeat(struct weir_holder *h, int64_t now_ms);

/* admit.c */
void weir__serve(struct weir_holder *h, int64_t now_ms, struct weir_counter *c);
void weir__expire_waits(struct weir_holder *h, int64_t now_ms, struct weir_counter *c);

#endif
