/* dns.c - see dns.h. A query that is cancelled goes on in libuv's pool and only fills the cache. */
#include "net/dns.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"

enum { MAX_FAILED = 32, HOST_MAX = 253 };

struct name {
    struct weir_link link; /* most lately filled last */
    char host[HOST_MAX + 1];
    bool pinned;
    uint64_t until_ms;
    struct weir_dns_result found; /* port 0 */
};

struct failed {
    struct sockaddr_storage addr;
    uint64_t until_ms;
};

struct weir_dns {
    uv_loop_t *loop;
    struct weir_link names;
    size_t name_count;
    struct failed failed[MAX_FAILED];
    size_t next_failed;
    size_t queries;
    bool closing;
};

struct weir_dns_query {
    uv_getaddrinfo_t req;
    struct weir_dns *dns;
    uint16_t port;
    weir_dns_fn done; /* NULL: cancelled */
    void *arg;
    char host[HOST_MAX + 1];
};

struct weir_dns *weir_dns_create(uv_loop_t *loop)
{
    struct weir_dns *d = WEIR_NEW(struct weir_dns);

    d->loop = loop;
    weir_list_init(&d->names);
    return d;
}

static void drop_name(struct weir_dns *d, struct name *n)
{
    weir_list_remove(&n->link);
    d->name_count--;
    free(n);
}

static void free_when_idle(struct weir_dns *d)
{
    if (!d->closing || d->queries)
        return;
    WEIR_LIST_EACH (&d->names, l, next) {
        drop_name(d, WEIR_CONTAINER(l, struct name, link));
    }
    free(d);
}

void weir_dns_destroy(struct weir_dns *d)
{
    if (!d)
        return;
    d->closing = true;
    free_when_idle(d);
}

static bool same_address(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family)
        return false;
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *x = (const void *)a, *y = (const void *)b;

        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const void *)a, *y = (const void *)b;

        return x->sin6_port == y->sin6_port &&
               memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
    }
    return false;
}

static bool is_failed(const struct weir_dns *d, const struct sockaddr_storage *addr)
{
    uint64_t now = uv_now(d->loop);

    for (size_t i = 0; i < MAX_FAILED; i++)
        if (d->failed[i].until_ms > now &&
            same_address((const void *)&d->failed[i].addr, (const void *)addr))
            return true;
    return false;
}

static socklen_t size_of(const struct sockaddr *a)
{
    return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

void weir_dns_note(struct weir_dns *d, const struct sockaddr *addr, bool failed)
{
    struct failed *f = NULL;

    for (size_t i = 0; i < MAX_FAILED; i++)
        if (same_address((const void *)&d->failed[i].addr, addr))
            f = &d->failed[i];
    if (!f && !failed)
        return;
    if (!f) {
        f = &d->failed[d->next_failed];
        d->next_failed = (d->next_failed + 1) % MAX_FAILED;
        memcpy(&f->addr, addr, size_of(addr));
    }
    f->until_ms = failed ? uv_now(d->loop) + WEIR_DNS_FAILED_MS : 0;
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
    if (a->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)a)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)a)->sin_port = htons(port);
}

/* The resolver's order (RFC 6724) within a family; families in turn, starting with its first. */
static void interleave(struct weir_dns_result *r)
{
    struct weir_dns_result in = *r;
    bool used[WEIR_DNS_MAX_ADDRESSES] = {false};
    sa_family_t want = in.count ? in.addr[0].ss_family : AF_UNSPEC;

    for (size_t out = 0; out < in.count; out++) {
        size_t pick = in.count;

        for (size_t i = 0; i < in.count && pick == in.count; i++)
            if (!used[i] && in.addr[i].ss_family == want)
                pick = i;
        for (size_t i = 0; i < in.count && pick == in.count; i++)
            if (!used[i])
                pick = i;
        used[pick] = true;
        r->addr[out] = in.addr[pick];
        want = in.addr[pick].ss_family == AF_INET6 ? AF_INET : AF_INET6;
    }
}

static void prepare(const struct weir_dns *d, const struct weir_dns_result *found, uint16_t port,
                    struct weir_dns_result *out)
{
    struct weir_dns_result late = {.count = 0};

    out->count = 0;
    for (size_t i = 0; i < found->count; i++) {
        struct sockaddr_storage a = found->addr[i];
        struct weir_dns_result *to;

        set_port(&a, port);
        to = is_failed(d, &a) ? &late : out;
        to->addr[to->count++] = a;
    }
    for (size_t i = 0; i < late.count; i++)
        out->addr[out->count++] = late.addr[i];
}

static struct name *find(struct weir_dns *d, const char *host)
{
    WEIR_LIST_EACH (&d->names, l, next) {
        struct name *n = WEIR_CONTAINER(l, struct name, link);

        if (strcasecmp(n->host, host) == 0)
            return n;
    }
    return NULL;
}

static struct name *remember(struct weir_dns *d, const char *host,
                             const struct weir_dns_result *found)
{
    struct name *n = find(d, host);

    if (!n) {
        if (d->name_count >= WEIR_DNS_MAX_NAMES)
            drop_name(d, WEIR_CONTAINER(d->names.next, struct name, link));
        n = WEIR_NEW(struct name);
        memcpy(n->host, host, strlen(host) + 1);
        weir_list_init(&n->link);
        d->name_count++;
    }
    weir_list_remove(&n->link);
    weir_list_push(&d->names, &n->link);
    n->found = *found;
    n->until_ms = uv_now(d->loop) + WEIR_DNS_TTL_MS;
    return n;
}

void weir_dns_pin(struct weir_dns *d, struct weir_str host, const struct sockaddr_storage *addrs,
                  size_t count)
{
    struct weir_dns_result r = {.count = count};
    char name[HOST_MAX + 1];

    WEIR_ASSERT(host.n <= HOST_MAX && count <= WEIR_DNS_MAX_ADDRESSES);
    memcpy(name, host.p, host.n);
    name[host.n] = 0;
    memcpy(r.addr, addrs, count * sizeof *addrs);
    interleave(&r);
    remember(d, name, &r)->pinned = true;
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct weir_dns_query *q = WEIR_CONTAINER(req, struct weir_dns_query, req);
    struct weir_dns *d = q->dns;
    struct weir_dns_result found = {.count = 0}, result = {.count = 0};

    d->queries--;
    for (struct addrinfo *a = list; a && found.count < WEIR_DNS_MAX_ADDRESSES; a = a->ai_next)
        if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
            memcpy(&found.addr[found.count++], a->ai_addr, a->ai_addrlen);
    uv_freeaddrinfo(list);
    if (found.count && !d->closing) {
        interleave(&found);
        remember(d, q->host, &found);
        prepare(d, &found, q->port, &result);
    }
    if (q->done && !d->closing)
        q->done(q->arg,
                result.count                                                    ? WEIR_OK
                : status == UV_EAI_NONAME || status == UV_EAI_NODATA || !status ? WEIR_ENOTFOUND
                                                                                : WEIR_EIO,
                &result);
    free(q);
    free_when_idle(d);
}

static bool literal(const char *host, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    return uv_ip4_addr(host, 0, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(host, 0, (struct sockaddr_in6 *)out) == 0;
}

int weir_dns_resolve(struct weir_dns *d, struct weir_str host, uint16_t port, weir_dns_fn done,
                     void *arg, struct weir_dns_result *out_now, struct weir_dns_query **out_query)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct weir_dns_result one = {.count = 1};
    struct weir_dns_query *q;
    struct name *n;

    if (host.n == 0 || host.n > HOST_MAX || memchr(host.p, 0, host.n))
        return WEIR_EINVAL;
    q = WEIR_NEW(struct weir_dns_query);
    memcpy(q->host, host.p, host.n);
    n = find(d, q->host);
    if (literal(q->host, &one.addr[0]) || (n && (n->pinned || n->until_ms > uv_now(d->loop)))) {
        prepare(d, n ? &n->found : &one, port, out_now);
        free(q);
        return WEIR_OK;
    }
    q->dns = d;
    q->port = port;
    q->done = done;
    q->arg = arg;
    if (uv_getaddrinfo(d->loop, &q->req, on_resolved, q->host, NULL, &hints)) {
        free(q);
        return WEIR_EIO;
    }
    d->queries++;
    *out_query = q;
    return WEIR_EWAIT;
}

void weir_dns_cancel(struct weir_dns_query *q)
{
    q->done = NULL;
    uv_cancel((uv_req_t *)&q->req); /* fails when a thread has it already: then it just ends */
}
