/* source.c - sources and tokens as objects: copied, counted, wiped. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dataplane/credentials/source_internal.h"

struct weir_cred_source {
    atomic_uint refs;
    struct weir_arena *arena;
    struct weir_cred_conf conf;
    unsigned char key[WEIR_SHA256_BYTES];
};

struct weir_cred_token {
    atomic_uint refs;
    int64_t expires_ms;
    struct weir_str bearer;
    struct weir_sigv4_keys keys;
    size_t n;
    char bytes[]; /* of all texts */
};

static void add(struct weir_sha256 *h, struct weir_str s)
{
    uint64_t n = s.n;

    weir_sha256_add(h, &n, sizeof n);
    weir_sha256_add(h, s.p ? s.p : "", s.n);
}

static void make_key(struct weir_cred_source *s)
{
    const struct weir_cred_conf *c = &s->conf;
    uint64_t numbers[] = {(uint64_t)c->kind, c->trust};
    struct weir_sha256 h;

    weir_sha256_init(&h);
    weir_sha256_add(&h, numbers, sizeof numbers);
    add(&h, c->path);
    add(&h, c->url);
    add(&h, c->client_id);
    add(&h, c->secret);
    add(&h, c->key_id);
    add(&h, c->scope);
    add(&h, c->session);
    add(&h, c->token_file);
    weir_sha256_end(&h, s->key);
}

static struct weir_str copy(struct weir_arena *a, struct weir_str s)
{
    return s.p ? weir_str_of(weir_arena_strdup(a, s)) : WEIR_STR_NULL;
}

struct weir_cred_source *weir_cred_source_create(const struct weir_cred_conf *conf)
{
    struct weir_cred_source *s = WEIR_NEW(struct weir_cred_source);
    struct weir_arena *a = weir_arena_create(NULL);

    atomic_init(&s->refs, 1);
    s->arena = a;
    s->conf = (struct weir_cred_conf){.kind = conf->kind,
                                      .trust = conf->trust,
                                      .origin = weir_origin_ref(conf->origin),
                                      .name = copy(a, conf->name),
                                      .path = copy(a, conf->path),
                                      .url = copy(a, conf->url),
                                      .client_id = copy(a, conf->client_id),
                                      .secret = copy(a, conf->secret),
                                      .key_id = copy(a, conf->key_id),
                                      .scope = copy(a, conf->scope),
                                      .session = copy(a, conf->session),
                                      .token_file = copy(a, conf->token_file)};
    make_key(s);
    return s;
}

struct weir_cred_source *weir_cred_source_ref(struct weir_cred_source *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void weir_cred_source_unref(struct weir_cred_source *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    if (s->conf.secret.n)
        weir_wipe((char *)(uintptr_t)s->conf.secret.p, s->conf.secret.n);
    weir_origin_unref(s->conf.origin);
    weir_arena_destroy(s->arena);
    free(s);
}

const struct weir_cred_conf *weir_cred_source_conf(const struct weir_cred_source *s)
{
    return &s->conf;
}

const unsigned char *weir_cred_source_key(const struct weir_cred_source *s)
{
    return s->key;
}

/* ---- tokens ---- */

static struct weir_cred_token *make_token(size_t n, int64_t expires_ms)
{
    struct weir_cred_token *t = weir_zalloc(sizeof *t + n);

    atomic_init(&t->refs, 1);
    t->n = n;
    t->expires_ms = expires_ms;
    return t;
}

static struct weir_str put(char **at, struct weir_str s)
{
    struct weir_str to = {*at, s.n};

    if (!s.p)
        return WEIR_STR_NULL;
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return to;
}

struct weir_cred_token *weir__cred_token_bearer(struct weir_str bearer, int64_t expires_ms)
{
    struct weir_cred_token *t = make_token(bearer.n, expires_ms);
    char *at = t->bytes;

    t->bearer = put(&at, bearer);
    return t;
}

struct weir_cred_token *weir__cred_token_aws(const struct weir_sigv4_keys *k, int64_t expires_ms)
{
    struct weir_cred_token *t = make_token(k->id.n + k->secret.n + k->token.n, expires_ms);
    char *at = t->bytes;

    t->keys.id = put(&at, k->id);
    t->keys.secret = put(&at, k->secret);
    t->keys.token = put(&at, k->token);
    return t;
}

struct weir_cred_token *weir_cred_token_ref(struct weir_cred_token *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

void weir_cred_token_unref(struct weir_cred_token *t)
{
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    weir_wipe(t->bytes, t->n);
    free(t);
}

struct weir_str weir_cred_token_bearer(const struct weir_cred_token *t)
{
    return t->bearer;
}

const struct weir_sigv4_keys *weir_cred_token_keys(const struct weir_cred_token *t)
{
    return &t->keys;
}

int64_t weir_cred_token_expires_ms(const struct weir_cred_token *t)
{
    return t->expires_ms;
}
