/* tokens.c - see tokens.h. The file has one line for each token: digest, expiry, namespace. */
#include "controlplane/stream/shared.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

enum { FILE_BYTES = 4 << 20 };

struct token {
    unsigned char digest[WEIR_SHA256_BYTES];
    char ns[WEIR__TOKENS_NS_BYTES];
    int64_t expires_ms; /* 0: a configured one: never used up, not in the file */
};

struct weir__tokens {
    pthread_mutex_t lock;
    char *path;
    struct token *list;
    size_t count;
    struct weir__shared *shared; /* borrowed; NULL: none */
};

static struct token *append(struct weir__tokens *t)
{
    t->list = weir_realloc(t->list, (t->count + 1) * sizeof *t->list);
    memset(&t->list[t->count], 0, sizeof *t->list);
    return &t->list[t->count++];
}

static int parse_line(struct weir__tokens *t, struct weir_str line)
{
    struct weir_str rest, digest, expires;
    struct token *k;

    if (line.n == 0)
        return WEIR_OK;
    if (t->count >= WEIR__TOKENS_MAX)
        return WEIR_ECORRUPT;
    digest = weir_str_cut(line, ' ', &rest);
    expires = weir_str_cut(rest, ' ', &rest);
    k = append(t);
    if (weir_unhex(digest, k->digest, sizeof k->digest) != WEIR_OK ||
        weir_str_i64(expires, &k->expires_ms) != WEIR_OK || k->expires_ms <= 0 || rest.n == 0 ||
        rest.n >= sizeof k->ns)
        return WEIR_ECORRUPT;
    memcpy(k->ns, rest.p, rest.n);
    return WEIR_OK;
}

static int load(struct weir__tokens *t)
{
    struct weir_buf b;
    struct weir_str rest;
    int rc;

    weir_buf_init(&b, FILE_BYTES);
    rc = weir_file_read(t->path, &b);
    rest = weir_buf_str(&b);
    while (rc == WEIR_OK && rest.n > 0)
        rc = parse_line(t, weir_str_cut(rest, '\n', &rest));
    weir_buf_fini(&b);
    return rc == WEIR_ENOTFOUND ? WEIR_OK : rc;
}

/* With the lock held. Drops what is too old. */
static int save(struct weir__tokens *t)
{
    struct weir_buf b;
    int64_t now = weir_wall_ms();
    size_t kept = 0;
    int rc;

    weir_buf_init(&b, FILE_BYTES);
    for (size_t i = 0; i < t->count; i++) {
        struct token k = t->list[i];
        char hex[2 * WEIR_SHA256_BYTES + 1];

        if (k.expires_ms && k.expires_ms <= now)
            continue;
        t->list[kept++] = k;
        if (!k.expires_ms)
            continue;
        weir_hex(k.digest, sizeof k.digest, hex);
        weir_buf_addf(&b, "%s %lld %s\n", hex, (long long)k.expires_ms, k.ns);
    }
    t->count = kept;
    rc = weir_file_replace(t->path, weir_buf_str(&b), 0600, true);
    weir_buf_fini(&b);
    return rc;
}

int weir__tokens_open(const char *folder, struct weir__tokens **out)
{
    struct weir__tokens *t = WEIR_NEW(struct weir__tokens);
    size_t n = strlen(folder) + sizeof "/tokens";
    int rc;

    pthread_mutex_init(&t->lock, NULL);
    t->path = weir_alloc(n);
    snprintf(t->path, n, "%s/tokens", folder);
    rc = load(t);
    if (rc != WEIR_OK)
        weir__tokens_close(t);
    else
        *out = t;
    return rc;
}

void weir__tokens_close(struct weir__tokens *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t->path);
    free(t->list);
    free(t);
}

void weir__tokens_share(struct weir__tokens *t, struct weir__shared *s)
{
    t->shared = s;
}

static void digest_hex(struct weir_str token, char out[2 * WEIR_SHA256_BYTES + 1])
{
    unsigned char digest[WEIR_SHA256_BYTES];

    weir_sha256(token, digest);
    weir_hex(digest, sizeof digest, out);
}

static void set(struct token *k, struct weir_str token, const char *ns, int64_t expires_ms)
{
    weir_sha256(token, k->digest);
    snprintf(k->ns, sizeof k->ns, "%s", ns);
    k->expires_ms = expires_ms;
}

void weir__tokens_configure(struct weir__tokens *t, struct weir_str token, const char *ns)
{
    pthread_mutex_lock(&t->lock);
    set(append(t), token, ns, 0);
    pthread_mutex_unlock(&t->lock);
}

int weir__tokens_add(struct weir__tokens *t, struct weir_str token, const char *ns,
                     int64_t expires_ms)
{
    int rc;

    if (t->shared) {
        char hex[2 * WEIR_SHA256_BYTES + 1];

        digest_hex(token, hex);
        return weir__shared_token_add(t->shared, weir_str_of(hex), ns, expires_ms);
    }
    pthread_mutex_lock(&t->lock);
    if (t->count >= WEIR__TOKENS_MAX) {
        rc = WEIR_ELIMIT;
    } else {
        set(append(t), token, ns, expires_ms);
        rc = save(t);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

static int use_own(struct weir__tokens *t, struct weir_str token,
                   char out_ns[WEIR__TOKENS_NS_BYTES])
{
    unsigned char digest[WEIR_SHA256_BYTES];
    struct token found = {0};
    int64_t now = weir_wall_ms();
    size_t at = 0;
    bool hit = false;
    int rc = WEIR_EAUTH;

    weir_sha256(token, digest);
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->count; i++) {
        struct token *k = &t->list[i];

        if (weir_str_eq_secret((struct weir_str){(char *)k->digest, sizeof k->digest},
                               (struct weir_str){(char *)digest, sizeof digest}) &&
            (!k->expires_ms || k->expires_ms > now)) {
            found = *k;
            at = i;
            hit = true;
        }
    }
    if (hit) {
        rc = WEIR_OK;
        if (found.expires_ms) {
            t->list[at] = t->list[--t->count];
            rc = save(t);
        }
        memcpy(out_ns, found.ns, sizeof found.ns);
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int weir__tokens_use(struct weir__tokens *t, struct weir_str token,
                     char out_ns[WEIR__TOKENS_NS_BYTES])
{
    char hex[2 * WEIR_SHA256_BYTES + 1];
    int rc = use_own(t, token, out_ns);

    if (rc != WEIR_EAUTH || !t->shared)
        return rc;
    digest_hex(token, hex);
    return weir__shared_token_use(t->shared, weir_str_of(hex), out_ns);
}
