/* holder.h - all budget leases of one worker: admission, holds, settlement, talk with the ledger.
 *
 * One holder belongs to one loop; nothing here locks, blocks or sleeps, and admission makes no
 * system call and no allocation once a counter is known. Time is passed in (monotonic
 * milliseconds, as uv_now). The caller moves messages: `send` gets what goes to the ledger,
 * weir_holder_on_down() what comes. */
#ifndef WEIR_BUDGET_HOLDER_H
#define WEIR_BUDGET_HOLDER_H

#include "base/str.h"
#include "lease/lease.h"

struct weir_holder;
struct weir_counter;
struct weir_held_lease;
struct Weir__V1__BudgetUp;
struct Weir__V1__BudgetDown;

enum {
    WEIR_ADMIT_PARTS_MAX = 12, /* budgets over one call */
    WEIR_LEASE_ID_MAX = 32     /* bytes with the NUL */
};

enum weir_on_partition { WEIR_PARTITION_DENY, WEIR_PARTITION_WITHIN, WEIR_PARTITION_ALLOW };

/* One budget of the policy. The holder copies what it keeps. */
struct weir_budget_conf {
    const char *id; /* "namespace/name" */
    enum weir_unit unit;
    enum weir_budget_mode mode;
    int64_t limit; /* for messages, and 0 blocks at once */
    enum weir_on_partition on_partition;
    int64_t within;     /* WEIR_PARTITION_WITHIN: so much without a lease */
    bool deny_no_lease; /* onNoLease: refuse at once instead of waiting for a lease */
    bool asks_person;   /* onExhausted: ask */
};

struct weir_admit_part {
    const struct weir_budget_conf *budget;
    struct weir_str scope; /* values of `per`, joined with '|'; "" */
    int64_t amount;        /* >= 0: worst case of the call */
};

enum weir_refusal {
    WEIR_REFUSED_EXHAUSTED, /* the budget is used up, or the call is larger than what is left */
    WEIR_REFUSED_NO_LEASE,  /* the control plane can't be asked, or did not answer in time */
    WEIR_REFUSED_DENIED,    /* it is used up, and the person who was asked said no */
    WEIR_REFUSED_COUNTERS,  /* the budget has as many live counters as it may, and not this one */
};

/* Why an admission failed, for the caller's error and the log. */
struct weir_admit_failure {
    unsigned part; /* index into the parts */
    enum weir_refusal why;
    int64_t limit, remaining;
    int64_t resets_in_ms; /* -1: never, or not known */
};

/* rc: WEIR_OK, WEIR_ELIMIT, or WEIR_ETIMEOUT (no answer in time). failure is NULL with WEIR_OK and
 * borrowed for the call otherwise. May settle, release, extend or cancel anything. */
typedef void (*weir_admit_fn)(void *arg, int rc, const struct weir_admit_failure *failure);

/* The caller's memory, zeroed before its first use; it must stay where it is from admission until
 * settled, released or cancelled. Read the public part; the rest belongs to the holder. */
struct weir_admission {
    unsigned n;

    struct weir_hold {
        uint64_t id;                   /* of the hold, unique within the incarnation */
        int64_t held;                  /* open now */
        int64_t settled;               /* after settling */
        char lease[WEIR_LEASE_ID_MAX]; /* for records; "" when held without one */
        /* private from here */
        struct weir_counter *counter;
        struct weir_held_lease *on; /* NULL: held without a lease */
        int64_t ask;
        bool open;
    } holds[WEIR_ADMIT_PARTS_MAX];

    /* private from here */
    unsigned state;
    unsigned waits_on;
    struct weir_counter *queue;
    int64_t queued;
    int64_t deadline_ms;
    weir_admit_fn resume;
    void *arg;
    struct weir_admission *prev, *next;
};

struct weir_holder_options {
    const char *node;         /* this proxy's name */
    const char *incarnation;  /* of this worker's start, random */
    const char *journal_path; /* in the state folder; NULL: none, a crash strands the leases */
    int64_t wait_ms;          /* longest wait for a lease; 0: 2000 */
    /* One message to the ledger; borrowed for the call. Only called while connected. It must not
     * call the holder. */
    void (*send)(void *arg, const struct Weir__V1__BudgetUp *up);
    void *arg;
};

/* Values since the start, for metrics; the last ones are gauges. */
struct weir_holder_counters {
    uint64_t admitted, refused, timeouts, asks, waited, breaches, denied_partition, journal_errors;
    int64_t open_holds, waiting, leases, decision_age_ms; /* since the ledger was last heard */
};

/* The open leases of one budget, all scopes together. */
struct weir_lease_total {
    struct weir_str budget; /* "namespace/name"; absent: of all budgets past the bound */
    enum weir_unit unit;
    int64_t granted, settled, held; /* granted less what was given back */
};

/* Reads the journal of an earlier start, if there is one (blocking file I/O: call it at start).
 * A journal that can't be used is a log line, never a failure. */
struct weir_holder *weir_holder_create(const struct weir_holder_options *o, int64_t now_ms);
/* Keeps the journal: what is still open is charged by the next start. Waiting admissions are
 * forgotten without a callback. NULL is fine. */
void weir_holder_destroy(struct weir_holder *h);

/* Takes over the journal of a worker that no longer runs (there were more workers before) and
 * removes the file. Blocking; at start. */
void weir_holder_inherit(struct weir_holder *h, const char *journal_path);

void weir_holder_on_connected(struct weir_holder *h, int64_t now_ms);
void weir_holder_on_disconnected(struct weir_holder *h, int64_t now_ms);
void weir_holder_on_down(struct weir_holder *h, int64_t now_ms,
                         const struct Weir__V1__BudgetDown *down);
void weir_holder_tick(struct weir_holder *h, int64_t now_ms); /* about every 200 ms */

/* Gives every lease back as its holds end, for a graceful stop. True: the ledger has confirmed
 * everything; until then keep ticking (bounded by the caller). */
bool weir_holder_drain(struct weir_holder *h, int64_t now_ms);

/* Holds every part or none. WEIR_OK; WEIR_ELIMIT with *failure set; WEIR_EWAIT: resume is called
 * later, exactly once, unless cancelled; WEIR_EINVAL: too many parts or an amount out of range.
 * n 0 is WEIR_OK: no budget never blocks. */
WEIR_NODISCARD int weir_holder_admit(struct weir_holder *h, int64_t now_ms,
                                     const struct weir_admit_part parts[], unsigned n,
                                     weir_admit_fn resume, void *arg, struct weir_admission *out,
                                     struct weir_admit_failure *failure);

/* Holds more[i] more for each part, all or none, as admit does. After a refusal the admission is
 * as it was before. A hold whose window is over moves to the new window's lease. */
WEIR_NODISCARD int weir_holder_extend(struct weir_holder *h, int64_t now_ms,
                                      struct weir_admission *a, const int64_t more[],
                                      weir_admit_fn resume, void *arg,
                                      struct weir_admit_failure *failure);

/* Ends every hold with its true cost, which may be more than was held. Exactly once: a second call
 * does nothing, and neither does release after it. A wait for an extension is given up. */
void weir_holder_settle(struct weir_holder *h, int64_t now_ms, struct weir_admission *a,
                        const int64_t actual[]);
/* Only when nothing left the proxy. */
void weir_holder_release(struct weir_holder *h, int64_t now_ms, struct weir_admission *a);
/* Gives up a wait without a callback; holds that are open stay open. */
void weir_holder_cancel(struct weir_holder *h, struct weir_admission *a);

/* What is left of a counter as far as is known here, for clamping max_tokens. -1: not known. */
int64_t weir_holder_remaining(struct weir_holder *h, struct weir_str budget, struct weir_str scope);

void weir_holder_count(const struct weir_holder *h, int64_t now_ms,
                       struct weir_holder_counters *out);

enum { WEIR_LEASE_TOTALS_MAX = 256 };

/* Sums the leases held here by budget and unit, for metrics. Budgets past the bound are one entry
 * per unit. The names are the holder's, until its next call. */
size_t weir_holder_totals(const struct weir_holder *h,
                          struct weir_lease_total out[WEIR_LEASE_TOTALS_MAX]);

#endif
