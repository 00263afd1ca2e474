/* world.h - a small world for budget tests: real holders, the real ledger on SQLite, a network that
 * loses, repeats and reorders, a clock that only the test moves. What calls truly cost is counted
 * apart from both, and the invariants of the budget rules are checked against it. */
#ifndef WEIR_TESTS_WORLD_H
#define WEIR_TESTS_WORLD_H

#include "controlplane/ledger/core.h"
#include "dataplane/budget/holder.h"

enum { WORLD_CALLS_MIN = 64 /* at once; four for each proxy when that is more */ };

struct world_faults { /* chances in 1000 for each message */
    unsigned lose, repeat;
    int64_t delay_ms; /* each message takes up to this long: so they overtake one another */
};

struct world;

struct world_call {
    struct world *w;
    int proxy;
    bool used, waiting, open;
    int rc; /* of the last admission or extension */
    int resumed;
    int64_t since_ms; /* started, or admitted */
    int64_t amount[WEIR_ADMIT_PARTS_MAX];
    struct weir_admission adm;
    struct weir_admit_failure failure;
};

struct world *world_create(uint64_t seed, int proxies);
void world_destroy(struct world *w);
void world_faults(struct world *w, struct world_faults f);
uint64_t world_random(struct world *w, uint64_t below);
int64_t world_now(const struct world *w);
struct weir__core *world_core(struct world *w);
struct weir_holder *world_holder(struct world *w, int proxy);

void world_budgets(struct world *w, const struct weir_ledger_budget budgets[], size_t n);
void world_run(struct world *w, int64_t ms);       /* delivers, ticks; the clock goes on */
void world_step_wall(struct world *w, int64_t ms); /* the wall clock alone */

void world_connect(struct world *w, int i);
void world_disconnect(struct world *w, int i);
void world_crash_proxy(struct world *w, int i, bool lose_journal); /* and starts it again */
void world_crash_control(struct world *w);
/* Control plane crashes and its last commit is lost although its messages went out: mistake. */
void world_lose_commit(struct world *w);
void world_checkpoint(struct world *w); /* what world_lose_commit goes back to */

/* A slot for a call, NULL when all are in use; admitted with one amount for each budget. */
struct world_call *world_call(struct world *w, int proxy, const struct weir_budget_conf *confs,
                              const int64_t amounts[], unsigned n);
int world_extend(struct world_call *c, const int64_t more[]);
void world_settle(struct world_call *c, const int64_t actual[]);
void world_release(struct world_call *c);
/* Every slot, used or not. */
struct world_call *world_calls(struct world *w, int *n);
/* Called for each call that was not admitted; it must not start calls. */
typedef void (*world_refused_fn)(void *arg, const struct world_call *c);
void world_on_refused(struct world *w, world_refused_fn fn, void *arg);
struct world_call *world_any_open(struct world *w); /* NULL: none */
int world_open_calls(struct world *w);

/* NULL: all invariants hold; else which one does not. */
const char *world_check(struct world *w);
/* Settles every call, heals the network, drains; then committed must be 0 everywhere. */
const char *world_finish(struct world *w);
int64_t world_truth(struct world *w); /* all that calls cost */

struct world_sum {
    int64_t settled, committed, closed_settled, limit;
};
struct world_sum world_ledger_sum(struct world *w, const char *budget); /* of the newest window */
void world_release_some_lease(struct world *w);                         /* as an operator would */

#endif
