/* throttle.c - see throttle.h. */
#include "controlplane/stream/throttle.h"

#include <string.h>

#include "base/hash.h"

static uint64_t address_hash(struct weir_str peer)
{
    const char *colon = peer.n ? memrchr(peer.p, ':', peer.n) : NULL;

    if (colon)
        peer.n = (size_t)(colon - peer.p);
    return weir_hash64(peer, 1);
}

static struct weir__throttle_peer *find(struct weir__throttle *t, uint64_t hash, int64_t now_ms)
{
    for (size_t i = 0; i < WEIR__THROTTLE_PEERS; i++)
        if (t->peers[i].wrong && t->peers[i].hash == hash &&
            now_ms - t->peers[i].since_ms < WEIR__THROTTLE_MS)
            return &t->peers[i];
    return NULL;
}

int64_t weir__throttle_wait_ms(struct weir__throttle *t, struct weir_str peer, int64_t now_ms)
{
    struct weir__throttle_peer *p = find(t, address_hash(peer), now_ms);

    return p && p->wrong >= WEIR__THROTTLE_WRONG ? p->since_ms + WEIR__THROTTLE_MS - now_ms : 0;
}

static struct weir__throttle_peer *oldest(struct weir__throttle *t)
{
    struct weir__throttle_peer *p = &t->peers[0];

    for (size_t i = 0; i < WEIR__THROTTLE_PEERS && p->wrong; i++)
        if (!t->peers[i].wrong || t->peers[i].since_ms < p->since_ms)
            p = &t->peers[i];
    return p;
}

bool weir__throttle_wrong(struct weir__throttle *t, struct weir_str peer, int64_t now_ms)
{
    uint64_t hash = address_hash(peer);
    struct weir__throttle_peer *p = find(t, hash, now_ms);

    if (!p) {
        p = oldest(t);
        *p = (struct weir__throttle_peer){.hash = hash, .since_ms = now_ms};
    }
    return ++p->wrong == WEIR__THROTTLE_WRONG;
}
