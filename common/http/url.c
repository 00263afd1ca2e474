#include "http/url.h"

#include <arpa/inet.h>
#include <string.h>

static int refuse(const char **out_why, const char *why)
{
    if (out_why)
        *out_why = why;
    return WEIR_EINVAL;
}

/* Visible ASCII only: everything else has to be percent-encoded (RFC 3986 2). */
static bool clean(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c >= 127 || strchr("\"<>\\^`{|}", c))
            return false;
    }
    return true;
}

static bool host_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_ipv6(struct weir_str s)
{
    char z[INET6_ADDRSTRLEN];
    struct in6_addr a;

    if (s.n == 0 || s.n >= sizeof z)
        return false;
    memcpy(z, s.p, s.n);
    z[s.n] = 0;
    return strlen(z) == s.n && inet_pton(AF_INET6, z, &a) == 1;
}

static int parse_port(struct weir_str s, struct weir_url *u, const char **out_why)
{
    uint32_t port = 0;

    if (s.n == 0 || s.n > 5)
        return refuse(out_why, "the port is not a number from 1 to 65535");
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return refuse(out_why, "the port is not a number from 1 to 65535");
        port = port * 10 + (uint32_t)(s.p[i] - '0');
    }
    if (port == 0 || port > 65535)
        return refuse(out_why, "the port is not a number from 1 to 65535");
    u->port = (uint16_t)port;
    u->port_given = true;
    return WEIR_OK;
}

static int parse_authority(struct weir_str a, struct weir_url *u, const char **out_why)
{
    struct weir_str port;

    if (a.n && memchr(a.p, '@', a.n))
        return refuse(out_why, "a user name or password is not allowed here");
    if (a.n && a.p[0] == '[') {
        const char *close = memchr(a.p, ']', a.n);

        if (!close)
            return refuse(out_why, "the IPv6 address has no closing bracket");
        u->ipv6 = true;
        u->host = (struct weir_str){a.p + 1, (size_t)(close - a.p) - 1};
        port = (struct weir_str){close + 1, a.n - (size_t)(close + 1 - a.p)};
        if (!is_ipv6(u->host))
            return refuse(out_why, "not an IPv6 address");
        if (port.n == 0)
            return WEIR_OK;
        if (*port.p != ':')
            return refuse(out_why, "only a port may follow the host");
        port.p++;
        port.n--;
        return parse_port(port, u, out_why);
    }
    u->host = weir_str_cut(a, ':', &port);
    if (u->host.n == 0 || u->host.n > WEIR_URL_MAX_HOST)
        return refuse(out_why, "the host is missing or too long");
    for (size_t i = 0; i < u->host.n; i++)
        if (!host_char((unsigned char)u->host.p[i]))
            return refuse(out_why, "the host has a character that is not allowed");
    return port.p ? parse_port(port, u, out_why) : WEIR_OK;
}

int weir_url_parse(struct weir_str text, struct weir_url *out, const char **out_why)
{
    struct weir_url u = {.port = 80, .path = WEIR_STR("")};
    struct weir_str rest = text, authority;
    size_t i = 0;
    int rc;

    if (text.n > WEIR_URL_MAX_BYTES)
        return refuse(out_why, "too long");
    if (text.n >= 8 && weir_str_ieq((struct weir_str){text.p, 8}, WEIR_STR("https://"))) {
        u.tls = true;
        u.port = 443;
        i = 8;
    } else if (text.n >= 7 && weir_str_ieq((struct weir_str){text.p, 7}, WEIR_STR("http://"))) {
        i = 7;
    } else {
        return refuse(out_why, "must start with http:// or https://");
    }
    rest.p += i;
    rest.n -= i;
    for (i = 0; i < rest.n && rest.p[i] != '/' && rest.p[i] != '?' && rest.p[i] != '#'; i++)
        ;
    authority = (struct weir_str){rest.p, i};
    rc = parse_authority(authority, &u, out_why);
    if (rc)
        return rc;
    rest.p += i;
    rest.n -= i;
    if (rest.n && memchr(rest.p, '#', rest.n))
        return refuse(out_why, "a fragment (#) is not allowed here");
    if (!clean(rest))
        return refuse(out_why, "has a character that must be percent-encoded");
    if (rest.n)
        u.path = weir_str_cut(rest, '?', &u.query);
    *out = u;
    return WEIR_OK;
}

int weir_url_join(const struct weir_url *base, struct weir_str path, struct weir_buf *out)
{
    struct weir_str query = WEIR_STR_NULL, head = base->path;
    size_t before = out->n;

    if (path.n)
        path = weir_str_cut(path, '?', &query);
    while (head.n && head.p[head.n - 1] == '/')
        head.n--;
    weir_buf_adds(out, head);
    if (path.n == 0) {
        /* A bare base keeps the slash that it was written with. */
        if (head.n == 0 || head.n < base->path.n)
            weir_buf_addz(out, "/");
    } else {
        if (path.p[0] != '/')
            weir_buf_addz(out, "/");
        weir_buf_adds(out, path);
    }
    if (base->query.n || query.n) {
        weir_buf_addz(out, "?");
        weir_buf_adds(out, base->query);
        if (base->query.n && query.n)
            weir_buf_addz(out, "&");
        weir_buf_adds(out, query);
    }
    if (!out->full)
        return WEIR_OK;
    out->n = before;
    return WEIR_ELIMIT;
}

int weir_url_authority(const struct weir_url *u, struct weir_buf *out)
{
    if (u->ipv6)
        weir_buf_addf(out, "[%.*s]", WEIR_STR_ARG(u->host));
    else
        weir_buf_adds(out, u->host);
    if (u->port != (u->tls ? 443 : 80))
        weir_buf_addf(out, ":%u", (unsigned)u->port);
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
