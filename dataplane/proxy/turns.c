/* turns.c - see turns.h. Only providers and agents with calls have an entry here. */
#include "dataplane/proxy/turns.h"

#include <stdlib.h>

struct waiting_agent {
    struct weir_link link; /* of the place's ring */
    struct weir_link calls;
    uint64_t who;
};

struct weir_turns_place {
    struct weir_link link;
    struct weir_link freed; /* of the turns' list, when there is something to hand out */
    struct weir_link agents;
    uint64_t provider;
    int64_t limit, taken;
    size_t waiting;
};

struct weir_turns {
    struct weir_link places, freed;
    bool handing_out;
};

struct weir_turns *weir_turns_create(void)
{
    struct weir_turns *t = WEIR_NEW(struct weir_turns);

    weir_list_init(&t->places);
    weir_list_init(&t->freed);
    return t;
}

void weir_turns_destroy(struct weir_turns *t)
{
    free(t);
}

static struct weir_turns_place *place_of(struct weir_turns *t, uint64_t provider)
{
    struct weir_turns_place *p;

    WEIR_LIST_EACH (&t->places, l, following) {
        p = WEIR_CONTAINER(l, struct weir_turns_place, link);
        if (p->provider == provider)
            return p;
    }
    p = WEIR_NEW(struct weir_turns_place);
    weir_list_init(&p->link);
    weir_list_init(&p->freed);
    weir_list_init(&p->agents);
    p->provider = provider;
    weir_list_push(&t->places, &p->link);
    return p;
}

static struct waiting_agent *agent_of(struct weir_turns_place *p, uint64_t who)
{
    struct waiting_agent *a;

    WEIR_LIST_EACH (&p->agents, l, following) {
        a = WEIR_CONTAINER(l, struct waiting_agent, link);
        if (a->who == who)
            return a;
    }
    a = WEIR_NEW(struct waiting_agent);
    weir_list_init(&a->link);
    weir_list_init(&a->calls);
    a->who = who;
    weir_list_push(&p->agents, &a->link);
    return a;
}

static void drop_agent(struct waiting_agent *a)
{
    weir_list_remove(&a->link);
    free(a);
}

int weir_turns_take(struct weir_turns *t, uint64_t provider, int64_t limit, uint64_t who,
                    struct weir_turn *turn, void (*granted)(struct weir_turn *t))
{
    struct weir_turns_place *p = place_of(t, provider);

    WEIR_ASSERT(!turn->place && limit > 0);
    if (p->waiting == WEIR_TURNS_WAITING_MAX)
        return WEIR_ELIMIT;
    p->limit = limit; /* a new policy may have changed it */
    turn->place = p;
    turn->who = who;
    turn->granted = granted;
    weir_list_init(&turn->link);
    if (p->taken < limit && p->waiting == 0) {
        turn->waits = false;
        p->taken++;
        return WEIR_OK;
    }
    turn->waits = true;
    p->waiting++;
    weir_list_push(&agent_of(p, who)->calls, &turn->link);
    return WEIR_EWAIT;
}

/* The next call of the next agent, which then goes to the end of the ring. */
static struct weir_turn *next_turn(struct weir_turns_place *p)
{
    struct waiting_agent *a = WEIR_CONTAINER(weir_list_pop(&p->agents), struct waiting_agent, link);
    struct weir_turn *turn = WEIR_CONTAINER(weir_list_pop(&a->calls), struct weir_turn, link);

    if (weir_list_empty(&a->calls))
        drop_agent(a);
    else
        weir_list_push(&p->agents, &a->link);
    return turn;
}

/* A call that is granted its place may fail at once and leave: it is handed on here, not there,
 * so that the stack doesn't grow with those who wait. */
static void hand_out(struct weir_turns *t)
{
    struct weir_link *l;

    if (t->handing_out)
        return;
    t->handing_out = true;
    while ((l = weir_list_pop(&t->freed))) {
        struct weir_turns_place *p = WEIR_CONTAINER(l, struct weir_turns_place, freed);

        while (p->waiting && p->taken < p->limit) {
            struct weir_turn *turn = next_turn(p);

            p->waiting--;
            p->taken++;
            turn->waits = false;
            turn->granted(turn);
        }
        if (p->taken == 0 && p->waiting == 0) {
            weir_list_remove(&p->freed);
            weir_list_remove(&p->link);
            free(p);
        }
    }
    t->handing_out = false;
}

void weir_turns_leave(struct weir_turns *t, struct weir_turn *turn)
{
    struct weir_turns_place *p = turn->place;

    if (!p)
        return;
    turn->place = NULL;
    if (turn->waits) {
        struct waiting_agent *a = agent_of(p, turn->who);

        weir_list_remove(&turn->link);
        if (weir_list_empty(&a->calls))
            drop_agent(a);
        p->waiting--;
    } else {
        p->taken--;
    }
    weir_list_remove(&p->freed);
    weir_list_push(&t->freed, &p->freed);
    hand_out(t);
}

int64_t weir_turns_waiting(const struct weir_turns *t)
{
    int64_t n = 0;

    WEIR_LIST_EACH (&t->places, l, following)
        n += (int64_t)WEIR_CONTAINER(l, struct weir_turns_place, link)->waiting;
    return n;
}
