/* address.c - see address.h. */
#include "net/address.h"

static int copy(struct weir_str s, char *out, size_t size)
{
    if (s.n >= size)
        return WEIR_EINVAL;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return WEIR_OK;
}

int weir_address_parse(struct weir_str s, struct weir_address *out)
{
    struct weir_address a = {.port = 0};
    const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    struct weir_str host;
    int64_t port;

    if (weir_str_starts(s, WEIR_STR("unix:"))) {
        if (s.n == 5 || copy((struct weir_str){s.p + 5, s.n - 5}, a.unix_path, sizeof a.unix_path))
            return WEIR_EINVAL;
        *out = a;
        return WEIR_OK;
    }
    if (!colon ||
        weir_str_i64((struct weir_str){colon + 1, (size_t)(s.p + s.n - colon - 1)}, &port) ||
        port < 0 || port > 65535)
        return WEIR_EINVAL;
    host = (struct weir_str){s.p, (size_t)(colon - s.p)};
    if (host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct weir_str){host.p + 1, host.n - 2};
    if (copy(host, a.host, sizeof a.host))
        return WEIR_EINVAL;
    a.port = (unsigned)port;
    *out = a;
    return WEIR_OK;
}
