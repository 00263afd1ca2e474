/* world_internal.h - what world.c and world_check.c share. */
#ifndef WEIR_TESTS_WORLD_INTERNAL_H
#define WEIR_TESTS_WORLD_INTERNAL_H

#include "world.h"

enum {
    TICK_MS = 100,
    TRUTHS_MAX = 65536,
    WINDOWS_MAX = 4096,
    /* Few proxies: each message is a transaction of its own, for more histories. */
    BATCH_FROM_PROXIES = 8
};

struct packet {
    struct packet *next;
    bool up;
    int proxy;
    unsigned stream; /* only a packet of the present stream arrives */
    int64_t at_ms;
    size_t n;
    uint8_t bytes[];
};

struct proxy {
    struct world *w;
    int index;
    struct weir_holder *holder;
    struct weir__conn *conn;
    unsigned stream;
    int starts;
    char incarnation[32], journal[128];
};

/* What was truly spent under a lease, and what is held open there. */
struct truth {
    char lease[WEIR_LEASE_ID_MAX];
    int64_t spent, open;
    int64_t returned, settled; /* as the ledger last had them */
};

struct world {
    uint64_t rng;
    int64_t mono_ms, wall_ms, ticked_ms;
    struct world_faults faults;
    char dir[64], db[96], db_copy[96];
    struct weir__core *core;
    struct weir_store *reader;
    int n_proxies;
    struct proxy *proxies;
    struct packet *packets;
    struct world_call *calls;
    int n_calls;
    world_refused_fn on_refused;
    void *refused_arg;
    struct truth *truths;
    size_t n_truths;
    int64_t spent;
    int64_t caps[WINDOWS_MAX]; /* by window: what was out when the limit changed */
    int crashes;               /* of proxies */
    bool in_batch;             /* a transaction of the ledger is open */
    struct weir_ledger_budget budgets[4];
    size_t n_budgets;
    char problem[256];
};

static inline struct weir__core_time now_of(const struct world *w)
{
    return (struct weir__core_time){.wall_ms = w->wall_ms, .mono_ms = w->mono_ms};
}

void world__start_core(struct world *w);
struct truth *world__truth_of(struct world *w, const char *lease);
void world__note_caps(struct world *w); /* after limits may have changed */

#endif
