/* cache.c - see cache.h. A hash table with chains; a list keeps the order of the last uses. */
#include "dataplane/proxy/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

enum { BUCKETS = 1024, LARGEST_SHARE = 8 };

struct entry {
    struct entry *next;    /* of the bucket */
    struct weir_link used; /* the last one that was used is at the end */
    struct weir_cache_key key;
    int64_t until_ms;
    bool event_stream;
    size_t n, provider_n;
    char bytes[]; /* the body, then the provider's name */
};

struct weir_cache {
    size_t bytes, max_bytes;
    struct weir_link used;
    struct entry *buckets[BUCKETS];
};

struct weir_cache *weir_cache_create(size_t max_bytes)
{
    struct weir_cache *c = WEIR_NEW(struct weir_cache);

    c->max_bytes = max_bytes;
    weir_list_init(&c->used);
    return c;
}

void weir_cache_destroy(struct weir_cache *c)
{
    if (!c)
        return;
    WEIR_LIST_EACH (&c->used, l, following)
        free(WEIR_CONTAINER(l, struct entry, used));
    free(c);
}

static struct entry **bucket_of(struct weir_cache *c, const struct weir_cache_key *key)
{
    uint64_t h;

    memcpy(&h, key->bytes, sizeof h);
    return &c->buckets[h % BUCKETS];
}

static struct entry *find(struct weir_cache *c, const struct weir_cache_key *key)
{
    struct entry *e = *bucket_of(c, key);

    while (e && memcmp(e->key.bytes, key->bytes, sizeof key->bytes) != 0)
        e = e->next;
    return e;
}

static void drop(struct weir_cache *c, struct entry *old)
{
    struct entry **at = bucket_of(c, &old->key);

    while (*at && *at != old)
        at = &(*at)->next;
    if (*at)
        *at = old->next;
    weir_list_remove(&old->used);
    c->bytes -= sizeof *old + old->n + old->provider_n;
    free(old);
}

bool weir_cache_find(struct weir_cache *c, const struct weir_cache_key *key, int64_t now_ms,
                     struct weir_cached *out)
{
    struct entry *e = find(c, key);

    if (!e)
        return false;
    if (now_ms >= e->until_ms) {
        drop(c, e);
        return false;
    }
    weir_list_remove(&e->used);
    weir_list_push(&c->used, &e->used);
    *out =
        (struct weir_cached){e->event_stream, {e->bytes + e->n, e->provider_n}, {e->bytes, e->n}};
    return true;
}

void weir_cache_keep(struct weir_cache *c, const struct weir_cache_key *key,
                     const struct weir_cached *what, int64_t until_ms)
{
    size_t size = sizeof(struct entry) + what->body.n + what->provider.n;
    struct entry *e = find(c, key), **bucket = bucket_of(c, key);

    if (e)
        drop(c, e);
    if (size > c->max_bytes / LARGEST_SHARE)
        return;
    while (c->bytes + size > c->max_bytes)
        drop(c, WEIR_CONTAINER(c->used.next, struct entry, used));
    e = weir_alloc(size);
    e->key = *key;
    e->until_ms = until_ms;
    e->event_stream = what->event_stream;
    e->n = what->body.n;
    e->provider_n = what->provider.n;
    if (e->n)
        memcpy(e->bytes, what->body.p, e->n);
    if (e->provider_n)
        memcpy(e->bytes + e->n, what->provider.p, e->provider_n);
    e->next = *bucket;
    *bucket = e;
    weir_list_init(&e->used);
    weir_list_push(&c->used, &e->used);
    c->bytes += size;
}

size_t weir_cache_bytes(const struct weir_cache *c)
{
    return c->bytes;
}
