/* rendered.c - a sealed, shared set of resources. */
#include "controlplane/stream/rendered.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "base/mem.h"

struct weir_rendered {
    atomic_uint refs;
    bool sealed;
    char revision[2 * WEIR_SHA256_BYTES + 1];
    struct weir_rendered_resource *list;
    size_t count, cap;
};

struct weir_rendered *weir_rendered_create(void)
{
    struct weir_rendered *r = WEIR_NEW(struct weir_rendered);

    atomic_init(&r->refs, 1);
    return r;
}

void weir_rendered_add(struct weir_rendered *r, const struct weir_rendered_resource *res)
{
    struct weir_rendered_resource *to;

    WEIR_ASSERT(!r->sealed);
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 32;
        r->list = weir_realloc(r->list, r->cap * sizeof *r->list);
    }
    to = &r->list[r->count++];
    to->type = weir_strdup(weir_str_of(res->type));
    to->name = weir_strdup(weir_str_of(res->name));
    to->version = weir_strdup(weir_str_of(res->version));
    to->body = (struct weir_str){weir_strdup(res->body), res->body.n};
    to->secret = res->secret;
}

static int by_name(const void *a, const void *b)
{
    const struct weir_rendered_resource *x = a, *y = b;
    int order = strcmp(x->type, y->type);

    return order ? order : strcmp(x->name, y->name);
}

void weir_rendered_seal(struct weir_rendered *r)
{
    struct weir_sha256 sum;
    unsigned char digest[WEIR_SHA256_BYTES];

    if (r->count > 1)
        qsort(r->list, r->count, sizeof *r->list, by_name);
    weir_sha256_init(&sum);
    for (size_t i = 0; i < r->count; i++) {
        const struct weir_rendered_resource *res = &r->list[i];

        weir_sha256_add(&sum, res->type, strlen(res->type) + 1);
        weir_sha256_add(&sum, res->name, strlen(res->name) + 1);
        weir_sha256_add(&sum, res->version, strlen(res->version) + 1);
    }
    weir_sha256_end(&sum, digest);
    weir_hex(digest, sizeof digest, r->revision);
    r->sealed = true;
}

struct weir_rendered *weir_rendered_ref(struct weir_rendered *r)
{
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void weir_rendered_unref(struct weir_rendered *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    for (size_t i = 0; i < r->count; i++) {
        struct weir_rendered_resource *res = &r->list[i];

        if (res->secret)
            weir_wipe((char *)res->body.p, res->body.n);
        free((char *)res->type);
        free((char *)res->name);
        free((char *)res->version);
        free((char *)res->body.p);
    }
    free(r->list);
    free(r);
}

const char *weir_rendered_revision(const struct weir_rendered *r)
{
    return r->revision;
}

size_t weir_rendered_count(const struct weir_rendered *r)
{
    return r->count;
}

const struct weir_rendered_resource *weir_rendered_at(const struct weir_rendered *r, size_t i)
{
    return i < r->count ? &r->list[i] : NULL;
}
