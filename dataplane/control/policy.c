/* policy.c - see policy.h. */
#include "dataplane/control/policy.h"

#include "base/mem.h"

struct resource {
    unsigned refs;
    char *type, *name, *version, *body;
    size_t n;
};

struct weir__policy {
    struct weir_policy_bytes bytes;
    char *revision;
    struct resource **list; /* sorted by type and name */
    struct weir_policy_resource *views;
    size_t count;
};

struct change {
    struct resource *r;
    bool removed;
    size_t order; /* of two changes to one resource the later one holds */
};

struct weir__staging {
    uint64_t id;
    bool begun;
    char *revision;
    struct change *list;
    size_t count, cap, bytes;
    int rc;
};

bool weir__policy_is_secret(const char *type)
{
    return strcmp(type, "Secret") == 0;
}

static struct resource *ref(struct resource *r)
{
    r->refs++;
    return r;
}

static void unref(struct resource *r)
{
    if (--r->refs > 0)
        return;
    if (weir__policy_is_secret(r->type))
        weir_wipe(r->body, r->n);
    free(r->type);
    free(r->name);
    free(r->version);
    free(r->body);
    free(r);
}

static int compare(const struct resource *a, const struct resource *b)
{
    int order = strcmp(a->type, b->type);

    return order ? order : strcmp(a->name, b->name);
}

static void seal(struct weir__policy *p)
{
    p->views = weir_alloc((p->count + 1) * sizeof *p->views);
    for (size_t i = 0; i < p->count; i++) {
        const struct resource *r = p->list[i];

        p->views[i] = (struct weir_policy_resource){r->type, r->name, r->version, {r->body, r->n}};
    }
    p->bytes = (struct weir_policy_bytes){
        .revision = p->revision, .resources = p->views, .count = p->count};
}

struct weir__policy *weir__policy_empty(void)
{
    struct weir__policy *p = WEIR_NEW(struct weir__policy);

    p->revision = weir_strdup(WEIR_STR(""));
    seal(p);
    return p;
}

void weir__policy_free(struct weir__policy *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        unref(p->list[i]);
    free(p->list);
    free(p->views);
    free(p->revision);
    free(p);
}

const struct weir_policy_bytes *weir__policy_bytes(const struct weir__policy *p)
{
    return &p->bytes;
}

struct weir__staging *weir__staging_create(void)
{
    return WEIR_NEW(struct weir__staging);
}

void weir__staging_free(struct weir__staging *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        unref(s->list[i].r);
    free(s->list);
    free(s->revision);
    free(s);
}

uint64_t weir__staging_id(const struct weir__staging *s)
{
    return s->id;
}

const char *weir__staging_revision(const struct weir__staging *s)
{
    return s->revision ? s->revision : "";
}

static int stage(struct weir__staging *s, const char *type, const char *name, const char *version,
                 struct weir_str body, bool removed)
{
    struct resource *r;

    if (!type || !name || !version)
        return WEIR_EPROTO;
    s->bytes += body.n + strlen(type) + strlen(name) + strlen(version);
    if (s->count >= WEIR__POLICY_MAX_RESOURCES || s->bytes > WEIR__POLICY_MAX_BYTES)
        return WEIR_ELIMIT;
    if (s->count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->list = weir_realloc(s->list, s->cap * sizeof *s->list);
    }
    r = WEIR_NEW(struct resource);
    r->refs = 1;
    r->type = weir_strdup(weir_str_of(type));
    r->name = weir_strdup(weir_str_of(name));
    r->version = weir_strdup(weir_str_of(version));
    r->body = weir_strdup(body);
    r->n = body.n;
    s->list[s->count] = (struct change){r, removed, s->count};
    s->count++;
    return WEIR_OK;
}

int weir__staging_add(struct weir__staging *s, const Weir__V1__ConfigTxn *txn)
{
    if (s->rc != WEIR_OK)
        return s->rc;
    if (!s->begun) {
        s->begun = true;
        s->id = txn->id;
        s->revision = weir_strdup(weir_str_of(txn->revision));
    } else if (s->id != txn->id) {
        s->rc = WEIR_EPROTO;
    }
    for (size_t i = 0; i < txn->n_upserts && s->rc == WEIR_OK; i++) {
        const Weir__V1__Resource *r = txn->upserts[i];

        s->rc = stage(s, r->type, r->name, r->version,
                      (struct weir_str){(const char *)r->body.data, r->body.len}, false);
    }
    for (size_t i = 0; i < txn->n_removed && s->rc == WEIR_OK; i++)
        s->rc = stage(s, txn->removed[i]->type, txn->removed[i]->name, "", WEIR_STR(""), true);
    return s->rc;
}

static int by_name(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int order = compare(x->r, y->r);

    return order ? order : x->order < y->order ? -1 : 1;
}

static void append(struct weir__policy *p, struct resource *r, size_t *bytes)
{
    p->list[p->count++] = ref(r);
    *bytes += r->n;
}

/* Both lists sorted: one pass. The last change to a resource is the one that counts. */
static size_t merge(struct weir__policy *out, const struct weir__policy *p,
                    const struct change *changes, size_t n)
{
    size_t i = 0, j = 0, bytes = 0;

    while (i < p->count || j < n) {
        int order = i == p->count ? 1 : j == n ? -1 : compare(p->list[i], changes[j].r);

        if (order < 0) {
            append(out, p->list[i++], &bytes);
            continue;
        }
        if (j + 1 < n && compare(changes[j].r, changes[j + 1].r) == 0) {
            j++;
            continue;
        }
        if (!changes[j].removed)
            append(out, changes[j].r, &bytes);
        i += order == 0;
        j++;
    }
    return bytes;
}

int weir__policy_after(const struct weir__policy *p, const struct weir__staging *s,
                       struct weir__policy **out)
{
    struct weir__policy *next = WEIR_NEW(struct weir__policy);
    struct change *sorted = weir_alloc((s->count + 1) * sizeof *sorted);
    size_t bytes;

    if (s->count) {
        memcpy(sorted, s->list, s->count * sizeof *sorted);
        qsort(sorted, s->count, sizeof *sorted, by_name);
    }
    next->list = weir_alloc((p->count + s->count + 1) * sizeof(struct resource *));
    next->revision = weir_strdup(weir_str_of(weir__staging_revision(s)));
    bytes = merge(next, p, sorted, s->count);
    free(sorted);
    seal(next);
    if (bytes > WEIR__POLICY_MAX_BYTES || next->count > WEIR__POLICY_MAX_RESOURCES) {
        weir__policy_free(next);
        return WEIR_ELIMIT;
    }
    *out = next;
    return WEIR_OK;
}
