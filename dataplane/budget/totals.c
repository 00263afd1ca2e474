/* What a holder has been lent, by budget. */
#include "base/hash.h"
#include "dataplane/budget/holder_internal.h"

enum { SLOTS = 4 * WEIR_LEASE_TOTALS_MAX, UNITS = 3, NAMED_MAX = WEIR_LEASE_TOTALS_MAX - UNITS };

struct totals {
    uint16_t at[SLOTS]; /* open addressing: index into list plus one; 0: free */
    struct weir_lease_total *list;
    size_t n, named;
};

static struct weir_lease_total *add(struct totals *t, struct weir_str budget, enum weir_unit unit)
{
    t->list[t->n] = (struct weir_lease_total){.budget = budget, .unit = unit};
    return &t->list[t->n++];
}

static struct weir_lease_total *others(struct totals *t, enum weir_unit unit)
{
    for (size_t i = 0; i < t->n; i++)
        if (!t->list[i].budget.p && t->list[i].unit == unit)
            return &t->list[i];
    return add(t, WEIR_STR_NULL, unit);
}

static struct weir_lease_total *total_of(struct totals *t, const struct weir_counter *c)
{
    struct weir_str budget = weir_str_of(c->budget);
    size_t slot = weir_hash64(budget, (uint64_t)c->unit) % SLOTS;

    for (; t->at[slot]; slot = (slot + 1) % SLOTS) {
        struct weir_lease_total *seen = &t->list[t->at[slot] - 1];

        if (seen->unit == c->unit && weir_str_eq(seen->budget, budget))
            return seen;
    }
    if (t->named == NAMED_MAX)
        return others(t, c->unit);
    t->named++;
    t->at[slot] = (uint16_t)(t->n + 1);
    return add(t, budget, c->unit);
}

size_t weir_holder_totals(const struct weir_holder *h,
                          struct weir_lease_total out[WEIR_LEASE_TOTALS_MAX])
{
    struct totals t = {.list = out};

    for (const struct weir_held_lease *l = h->leases; l; l = l->hh.next) {
        struct weir_lease_total *of;

        if (!l->counter) /* of an earlier start: on its way back */
            continue;
        of = total_of(&t, l->counter);
        of->granted += l->l.granted - l->l.returned;
        of->settled += l->l.settled;
        of->held += l->l.held;
    }
    return t.n;
}
