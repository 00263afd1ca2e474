/* policy_egress.c - by which way a provider and its token endpoint are reached: directly, or
 * through an HTTP proxy that the provider or the environment names. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/mem.h"
#include "common/http/percent.h"
#include "common/http/url.h"
#include "dataplane/proxy/policy_internal.h"

struct egress {
    struct weir_str host, user;
    uint16_t port;
};

static const char *either_env(const char *upper, const char *lower)
{
    const char *v = getenv(lower);

    return v && *v ? v : getenv(upper);
}

static int parse_address(struct weir_str s, unsigned char out[16])
{
    char text[INET6_ADDRSTRLEN];

    if (s.n >= sizeof text)
        return 0;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

/* "10.0.0.0/8" */
static bool is_in_network(struct weir_str host, struct weir_str network)
{
    unsigned char a[16], b[16];
    struct weir_str bits_text, net = weir_str_cut(network, '/', &bits_text);
    int n = parse_address(host, a);
    int64_t bits;

    if (n == 0 || parse_address(net, b) != n || weir_str_i64(bits_text, &bits) || bits < 0 ||
        bits > n * 8)
        return false;
    if (memcmp(a, b, (size_t)bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

static bool is_below(struct weir_str host, struct weir_str domain)
{
    struct weir_str tail = {host.p + host.n - domain.n, domain.n};

    return domain.n && host.n >= domain.n && weir_str_ieq(tail, domain) &&
           (host.n == domain.n || host.p[host.n - domain.n - 1] == '.');
}

/* An entry's "host:port" counts for this port only; an IPv6 address has no port here. */
static bool is_excepted(struct weir_str entry, struct weir_str host, uint16_t port)
{
    const char *colon = memchr(entry.p, ':', entry.n);
    int64_t of = 0;

    if (weir_str_is(entry, "*"))
        return true;
    if (memchr(entry.p, '/', entry.n))
        return is_in_network(host, entry);
    if (colon && !memchr(colon + 1, ':', (size_t)(entry.p + entry.n - colon - 1))) {
        struct weir_str number = {colon + 1, (size_t)(entry.p + entry.n - colon - 1)};

        if (weir_str_i64(number, &of) || of != port)
            return false;
        entry.n = (size_t)(colon - entry.p);
    }
    if (entry.n > 1 && entry.p[0] == '*' && entry.p[1] == '.')
        entry = (struct weir_str){entry.p + 1, entry.n - 1};
    if (entry.n && entry.p[0] == '.')
        entry = (struct weir_str){entry.p + 1, entry.n - 1};
    return is_below(host, entry);
}

bool weir__policy_no_proxy(struct weir_str list, struct weir_str host, uint16_t port)
{
    while (list.n) {
        struct weir_str entry = weir_str_trim(weir_str_cut(list, ',', &list));

        if (entry.n && is_excepted(entry, host, port))
            return true;
    }
    return false;
}

static bool is_this_machine(struct weir_str host)
{
    return weir_str_ieq(host, WEIR_STR("localhost")) || weir_str_is(host, "::1") ||
           weir_str_starts(host, WEIR_STR("127."));
}

/* "http://user:password@host:port", as the environment has it; the scheme may be missing. */
static bool read_env_proxy(struct weir_policy_compile *c, const char *text, struct egress *out)
{
    struct weir_str s = weir_str_trim(weir_str_of(text)), scheme = WEIR_STR("http://");
    const char *at, *why;
    struct weir_url url;

    if (s.n > scheme.n && weir_str_ieq((struct weir_str){s.p, scheme.n}, scheme))
        s = (struct weir_str){s.p + scheme.n, s.n - scheme.n};
    at = memrchr(s.p, '@', s.n);
    if (at && weir_percent_decode(c->p->arena, (struct weir_str){s.p, (size_t)(at - s.p)}, false,
                                  &out->user))
        return false;
    if (at)
        s = (struct weir_str){at + 1, (size_t)(s.p + s.n - at - 1)};
    s = weir_str_of(weir_arena_printf(c->p->arena, "http://%.*s", WEIR_STR_ARG(s)));
    if (weir_url_parse(s, &url, &why))
        return false;
    out->host = url.host;
    out->port = url.port;
    return true;
}

static void of_environment(struct weir_policy_compile *c, const struct weir_origin_conf *to,
                           struct egress *out)
{
    const char *text = to->tls ? either_env("HTTPS_PROXY", "https_proxy") : NULL;

    if (text && *text && !is_this_machine(to->host) && !read_env_proxy(c, text, out))
        weir__policy_bad(c, "spec.endpoint",
                         "the proxy that HTTPS_PROXY names in the environment is no http URL");
}

static void of_provider(struct weir_policy_compile *c, const Weir__V1__ProviderSpec *spec,
                        struct egress *out)
{
    const Weir__V1__LocalSecret *user = spec->egressproxyuser;
    struct weir_url url;
    struct weir_buf text;
    const char *why = "";

    if (weir_url_parse(weir_str_of(spec->egressproxy), &url, &why) || url.tls) {
        weir__policy_bad(c, "spec.egressProxy", *why ? why : "must be http: TLS goes through it");
        return;
    }
    out->host = url.host;
    out->port = url.port;
    if (!user)
        return;
    weir_buf_init(&text, WEIR__POLICY_SECRET_BYTES);
    if (user->env ? weir__policy_read_env(c, user->env, "spec.egressProxyUser", &text)
                  : weir__policy_read_file(c, user->file, "spec.egressProxyUser", &text)) {
        out->user = weir_arena_copy(c->p->arena, weir_str_trim(weir_buf_str(&text)));
        if (!memchr(out->user.p, ':', out->user.n))
            weir__policy_bad(c, "spec.egressProxyUser", "must be NAME:PASSWORD");
    }
    if (text.p)
        weir_wipe(text.p, text.n);
    weir_buf_fini(&text);
}

struct weir_origin *weir__policy_origin(struct weir_policy_compile *c,
                                        const Weir__V1__ProviderSpec *spec,
                                        struct weir_origin_conf *conf, const char *path)
{
    const char *except = either_env("NO_PROXY", "no_proxy");
    struct egress via = {0};
    struct weir_origin *o = NULL;
    char why[256];

    if (spec && !weir__policy_no_proxy(weir_str_of(except), conf->host, conf->port)) {
        if (spec->egressproxy)
            of_provider(c, spec, &via);
        else
            of_environment(c, conf, &via);
    }
    conf->proxy_host = via.host;
    conf->proxy_port = via.port;
    conf->proxy_user = via.user;
    weir__policy_watch(c, conf->ca_file);
    weir__policy_watch(c, conf->cert_file);
    weir__policy_watch(c, conf->key_file);
    if (weir_origin_create(conf, why, sizeof why, &o))
        weir__policy_bad(c, path, why);
    if (via.user.n)
        weir_wipe((char *)(uintptr_t)via.user.p, via.user.n);
    return o;
}
