/* turns.h - calls that wait for a provider that takes so many at once, each agent in its turn.
 *
 * A place that becomes free goes to the next of the agents that wait; an agent's own calls come in
 * the order in which they began to wait. So an agent with a hundred calls delays another's one by
 * one call, not by a hundred. One worker's; it has no clock: who has waited too long leaves. */
#ifndef WEIR_PROXY_TURNS_H
#define WEIR_PROXY_TURNS_H

#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct weir_turns;
struct weir_turns_place;

enum { WEIR_TURNS_WAITING_MAX = 8192 }; /* for one provider */

/* A call's; zeroed at first. */
struct weir_turn {
    struct weir_link link;          /* among its agent's waiting calls */
    struct weir_turns_place *place; /* NULL: it neither waits nor has a place */
    uint64_t who;
    bool waits;
    void (*granted)(struct weir_turn *t);
};

struct weir_turns *weir_turns_create(void);
void weir_turns_destroy(struct weir_turns *t); /* when all turns have left; NULL is fine */

/* A place at `provider`, which has `limit` of them (at least 1), for the agent `who`; both are
 * hashes. WEIR_OK: it is the caller's. WEIR_EWAIT: granted() will say so, never before this
 * returns. WEIR_ELIMIT: WEIR_TURNS_WAITING_MAX wait already. The turn must not have a place. */
WEIR_NODISCARD int weir_turns_take(struct weir_turns *t, uint64_t provider, int64_t limit,
                                   uint64_t who, struct weir_turn *turn,
                                   void (*granted)(struct weir_turn *t));

/* Gives the place back, or waits no longer; nothing where neither is. Others may be granted theirs
 * before it returns. */
void weir_turns_leave(struct weir_turns *t, struct weir_turn *turn);

int64_t weir_turns_waiting(const struct weir_turns *t); /* for all providers */

#endif
