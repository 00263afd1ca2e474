/* alerts.h - tells people that a budget's threshold was crossed: by webhook or by a command.
 *
 * A thread of its own with a loop; it blocks nobody. What can't be delivered is tried again with a
 * growing pause, and given up with a line in the log. */
#ifndef WEIR_ALERTS_ALERTS_H
#define WEIR_ALERTS_ALERTS_H

#include "controlplane/ledger/ledger.h"

struct weir_alerts;

/* One Alert of a Budget. Everything is copied. */
struct weir_alert_target {
    const char *budget; /* "namespace/name" */
    enum weir_alert_kind kind;
    int64_t threshold;
    const char *webhook;     /* a URL, or NULL */
    const char *secret_file; /* what signs the webhook's body, or NULL */
    const char *command;     /* a name of the allow-list, or NULL */
    bool slack;              /* the webhook takes Slack's JSON */
};

struct weir_alerts_options {
    const char *commands;   /* "NAME=PATH,NAME=PATH": all that may be run; NULL: nothing */
    int64_t first_pause_ms; /* 0: 1000; doubled at each try, up to five minutes */
    /* Each target of the crossing was told or given up. On the alerts' thread. */
    void (*done)(void *arg, int64_t id);
    void *arg;
};

struct weir_alerts_counters {
    uint64_t delivered, failed, dropped; /* given up; no room in the queue */
    int64_t waiting;
};

/* WEIR_EINVAL: `commands` is wrong; error says how. WEIR_EIO: no thread or loop. */
WEIR_NODISCARD int weir_alerts_create(const struct weir_alerts_options *o, char *error, size_t size,
                                      struct weir_alerts **out);
/* Ends the thread at once; what was not delivered is not done. What is told after it is not heard,
 * so that the ledger, which tells, can be destroyed between stop and free. NULL is fine. */
void weir_alerts_stop(struct weir_alerts *a);
void weir_alerts_free(struct weir_alerts *a);

/* Replaces all targets, as the policy has them now. Any thread. */
void weir_alerts_set_targets(struct weir_alerts *a, const struct weir_alert_target targets[],
                             size_t n);
/* May this command be named? For the policy's validation and its warnings. Any thread. */
bool weir_alerts_knows(const struct weir_alerts *a, const char *command);

/* As weir_ledger_crossing_fn; arg is the struct weir_alerts. Any thread; copies what it needs. */
void weir_alerts_tell(void *alerts, const struct weir_ledger_crossing *x);

void weir_alerts_count(struct weir_alerts *a, struct weir_alerts_counters *out);

#endif
