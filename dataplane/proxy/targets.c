/* targets.c - see targets.h. A hash table with chains; a list keeps the order of the last calls. */
#include "dataplane/proxy/targets.h"

#include "base/hash.h"
#include "base/list.h"

enum { BUCKETS = 256 };

struct target {
    struct target *next;   /* of the bucket */
    struct weir_link used; /* the one that was called last is at the end */
    uint64_t key;
    struct weir_health health;
};

struct weir_targets {
    uint64_t seed;
    size_t count;
    struct weir_link used;
    struct target *buckets[BUCKETS];
};

struct weir_targets *weir_targets_create(uint64_t seed)
{
    struct weir_targets *t = WEIR_NEW(struct weir_targets);

    t->seed = seed;
    weir_list_init(&t->used);
    return t;
}

void weir_targets_destroy(struct weir_targets *t)
{
    if (!t)
        return;
    WEIR_LIST_EACH (&t->used, l, following)
        free(WEIR_CONTAINER(l, struct target, used));
    free(t);
}

uint64_t weir_targets_key(const struct weir_targets *t, struct weir_str provider,
                          struct weir_str model, struct weir_str credential)
{
    return weir_hash64(credential, weir_hash64(model, weir_hash64(provider, t->seed)));
}

static struct target **place_of(const struct weir_targets *t, uint64_t key)
{
    struct target **at = (struct target **)&t->buckets[key % BUCKETS];

    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

const struct weir_health *weir_targets_find(const struct weir_targets *t, uint64_t key)
{
    const struct target *found = *place_of(t, key);

    return found ? &found->health : NULL;
}

static void make_room(struct weir_targets *t)
{
    if (t->count < WEIR_TARGETS_MAX)
        return;
    /* When all of them have calls under way, there is one more: calls are bounded too. */
    WEIR_LIST_EACH (&t->used, l, following) {
        struct target *old = WEIR_CONTAINER(l, struct target, used), **at;

        if (weir_health_in_flight(&old->health))
            continue;
        at = place_of(t, old->key);
        *at = old->next;
        weir_list_remove(&old->used);
        free(old);
        t->count--;
        return;
    }
}

struct weir_health *weir_targets_get(struct weir_targets *t, uint64_t key)
{
    struct target *found = *place_of(t, key), **at;

    if (found) {
        weir_list_remove(&found->used);
    } else {
        make_room(t);
        at = place_of(t, key);
        found = *at = WEIR_NEW(struct target);
        weir_list_init(&found->used);
        found->key = key;
        t->count++;
    }
    weir_list_push(&t->used, &found->used);
    return &found->health;
}

struct weir_targets_count weir_targets_count(const struct weir_targets *t, int64_t now_ms)
{
    struct weir_targets_count n = {0};

    WEIR_LIST_EACH (&t->used, l, following) {
        const struct weir_health *h = &WEIR_CONTAINER(l, struct target, used)->health;

        n.cooling += weir_health_cooling_ms(h, now_ms) > 0;
        n.open += h->circuit != WEIR_CIRCUIT_CLOSED;
    }
    return n;
}
