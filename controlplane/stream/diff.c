/* diff.c - see diff.h. */
#include "controlplane/stream/diff.h"

#include "base/mem.h"
#include "grpc/rpc.h"
#include "weir/v1/control.pb-c.h"

enum { ENTRIES = 64, REVISION_BYTES = 72 };

struct entry {
    char from[REVISION_BYTES], to[REVISION_BYTES];
    struct weir__diff diff;
    uint64_t used;
};

struct weir__diff_cache {
    struct entry entries[ENTRIES];
    uint64_t clock;
};

/* The message under construction. */
struct builder {
    struct weir__diff *diff;
    const struct weir_rendered *to;
    Weir__V1__Resource *upserts;
    Weir__V1__ResourceVersion *removed;
    Weir__V1__Resource **upsert_list;
    Weir__V1__ResourceVersion **removed_list;
    size_t n_upserts, n_removed, bytes;
};

static void flush(struct builder *b, bool last)
{
    Weir__V1__ConfigTxn txn = WEIR__V1__CONFIG_TXN__INIT;
    Weir__V1__ConfigDown down = WEIR__V1__CONFIG_DOWN__INIT;
    struct weir__diff *d = b->diff;

    for (size_t i = 0; i < b->n_upserts; i++)
        b->upsert_list[i] = &b->upserts[i];
    for (size_t i = 0; i < b->n_removed; i++)
        b->removed_list[i] = &b->removed[i];
    txn.has_id = true;
    txn.id = d->id;
    txn.revision = (char *)weir_rendered_revision(b->to);
    txn.n_upserts = b->n_upserts;
    txn.upserts = b->upsert_list;
    txn.n_removed = b->n_removed;
    txn.removed = b->removed_list;
    txn.has_last = true;
    txn.last = last;
    down.txn = &txn;
    d->messages = weir_realloc(d->messages, (d->count + 1) * sizeof *d->messages);
    d->messages[d->count] = weir_grpc_msg_pack(&down.base);
    d->bytes += weir_grpc_msg_bytes(d->messages[d->count++]);
    b->n_upserts = b->n_removed = b->bytes = 0;
}

static void upsert(struct builder *b, const struct weir_rendered_resource *r)
{
    Weir__V1__Resource *u = &b->upserts[b->n_upserts];

    if (b->bytes > 0 && b->bytes + r->body.n > WEIR__DIFF_MESSAGE_BYTES) {
        flush(b, false);
        u = &b->upserts[0];
    }
    weir__v1__resource__init(u);
    u->type = (char *)r->type;
    u->name = (char *)r->name;
    u->version = (char *)r->version;
    u->has_body = true;
    u->body.data = (uint8_t *)r->body.p;
    u->body.len = r->body.n;
    b->n_upserts++;
    b->bytes += r->body.n + strlen(r->type) + strlen(r->name) + strlen(r->version);
}

static void removed(struct builder *b, const struct weir_rendered_resource *r)
{
    Weir__V1__ResourceVersion *v = &b->removed[b->n_removed];

    if (b->bytes > WEIR__DIFF_MESSAGE_BYTES) {
        flush(b, false);
        v = &b->removed[0];
    }
    weir__v1__resource_version__init(v);
    v->type = (char *)r->type;
    v->name = (char *)r->name;
    b->n_removed++;
    b->bytes += strlen(r->type) + strlen(r->name);
}

static int compare(const struct weir_rendered_resource *a, const struct weir_rendered_resource *b)
{
    int order;

    if (!a || !b)
        return a ? -1 : 1;
    order = strcmp(a->type, b->type);
    return order ? order : strcmp(a->name, b->name);
}

static void build(struct weir__diff *d, const struct weir_rendered *from,
                  const struct weir_rendered *to)
{
    struct builder b = {.diff = d, .to = to};
    size_t i = 0, j = 0, n = weir_rendered_count(to), m = weir_rendered_count(from);

    b.upserts = weir_zalloc((n + 1) * sizeof *b.upserts);
    b.upsert_list = weir_zalloc((n + 1) * sizeof *b.upsert_list);
    b.removed = weir_zalloc((m + 1) * sizeof *b.removed);
    b.removed_list = weir_zalloc((m + 1) * sizeof *b.removed_list);
    while (i < n || j < m) {
        const struct weir_rendered_resource *new = weir_rendered_at(to, i);
        const struct weir_rendered_resource *old = weir_rendered_at(from, j);
        int order = compare(new, old);

        if (order < 0 || (order == 0 && strcmp(new->version, old->version) != 0))
            upsert(&b, new);
        else if (order > 0)
            removed(&b, old);
        i += order <= 0;
        j += order >= 0;
    }
    flush(&b, true);
    free(b.upserts);
    free(b.upsert_list);
    free(b.removed);
    free(b.removed_list);
}

static void clear(struct entry *e)
{
    for (size_t i = 0; i < e->diff.count; i++)
        weir_grpc_msg_unref(e->diff.messages[i]);
    free(e->diff.messages);
    memset(e, 0, sizeof *e);
}

struct weir__diff_cache *weir__diff_cache_create(void)
{
    return WEIR_NEW(struct weir__diff_cache);
}

void weir__diff_cache_destroy(struct weir__diff_cache *c)
{
    for (size_t i = 0; c && i < ENTRIES; i++)
        clear(&c->entries[i]);
    free(c);
}

const struct weir__diff *weir__diff_get(struct weir__diff_cache *c,
                                        const struct weir_rendered *from,
                                        const struct weir_rendered *to, uint64_t *next_id)
{
    struct weir_str a = weir_str_of(weir_rendered_revision(from));
    struct weir_str b = weir_str_of(weir_rendered_revision(to));
    struct entry *oldest = &c->entries[0];

    for (size_t i = 0; i < ENTRIES; i++) {
        struct entry *e = &c->entries[i];

        if (e->used && weir_str_is(a, e->from) && weir_str_is(b, e->to)) {
            e->used = ++c->clock;
            return &e->diff;
        }
        if (e->used < oldest->used)
            oldest = e;
    }
    clear(oldest);
    oldest->used = ++c->clock;
    memcpy(oldest->from, a.p, a.n + 1);
    memcpy(oldest->to, b.p, b.n + 1);
    oldest->diff.id = (*next_id)++;
    build(&oldest->diff, from, to);
    return &oldest->diff;
}
