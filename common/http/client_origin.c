/* client_origin.c - where calls go: read once from configuration, then shared read-only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "http/client_internal.h"

enum {
    MAX_PEM = 4 << 20,
    DEFAULT_CONNECTIONS = 256,
    DEFAULT_WAITING = 1024,
    DEFAULT_IDLE_MS = 60000,
};

struct pems {
    struct weir_buf ca, cert, key;
};

static void add_part(struct weir_sha256 *h, struct weir_str s)
{
    uint64_t n = s.n;

    weir_sha256_add(h, &n, sizeof n);
    if (s.n)
        weir_sha256_add(h, s.p, s.n);
}

static void make_key(struct weir_origin *o, const struct pems *pems)
{
    uint64_t numbers[] = {
        o->tls,       o->port, o->max_connections, o->max_waiting, (uint64_t)o->idle_timeout_ms,
        o->proxy_port};
    struct weir_sha256 h;

    weir_sha256_init(&h);
    weir_sha256_add(&h, numbers, sizeof numbers);
    add_part(&h, weir_str_of(o->host));
    add_part(&h, weir_str_of(o->server_name));
    add_part(&h, weir_str_of(o->unix_path));
    add_part(&h, weir_str_of(o->proxy_host));
    add_part(&h, weir_str_of(o->proxy_request));
    add_part(&h, weir_buf_str(&pems->ca));
    add_part(&h, weir_buf_str(&pems->cert));
    add_part(&h, weir_buf_str(&pems->key));
    weir_sha256_end(&h, o->key);
}

static int read_pem(struct weir_str path, struct weir_buf *out, char *why, size_t why_size)
{
    char *z;
    int rc;

    if (path.n == 0)
        return WEIR_OK;
    z = weir_strdup(path);
    rc = weir_file_read(z, out);
    if (rc && why_size)
        snprintf(why, why_size, "%s cannot be read: %s", z, weir_rc_name(rc));
    free(z);
    return rc ? WEIR_EINVAL : WEIR_OK;
}

static int make_context(struct weir_origin *o, const struct weir_origin_conf *conf,
                        struct pems *pems, char *why, size_t why_size)
{
    struct weir_tls_conf tls = {.server = false};
    int rc;

    if (!conf->tls)
        return WEIR_OK;
    rc = read_pem(conf->ca_file, &pems->ca, why, why_size);
    if (rc == WEIR_OK)
        rc = read_pem(conf->cert_file, &pems->cert, why, why_size);
    if (rc == WEIR_OK)
        rc = read_pem(conf->key_file, &pems->key, why, why_size);
    if (rc)
        return rc;
    if (conf->ca_file.n)
        tls.ca = weir_buf_str(&pems->ca);
    if (conf->cert_file.n)
        tls.cert = weir_buf_str(&pems->cert);
    if (conf->key_file.n)
        tls.key = weir_buf_str(&pems->key);
    return weir_tls_context_create(&tls, why, why_size, &o->context);
}

static bool good_host(struct weir_str h)
{
    for (size_t i = 0; i < h.n; i++)
        if ((unsigned char)h.p[i] <= ' ' || (unsigned char)h.p[i] >= 127 || h.p[i] == '/' ||
            h.p[i] == '@')
            return false;
    return h.n > 0 && h.n <= 253;
}

static char *make_authority(const struct weir_origin *o)
{
    bool v6 = strchr(o->host, ':') != NULL;
    char text[300], port[8] = "";

    if (o->port != (o->tls ? 443 : 80))
        snprintf(port, sizeof port, ":%u", (unsigned)o->port);
    snprintf(text, sizeof text, "%s%s%s%s", v6 ? "[" : "", o->host, v6 ? "]" : "",
             o->unix_path ? "" : port);
    return weir_strdup(weir_str_of(text));
}

static int refuse(char *why, size_t why_size, const char *text)
{
    if (why_size)
        snprintf(why, why_size, "%s", text);
    return WEIR_EINVAL;
}

static int set_proxy(struct weir_origin *o, const struct weir_origin_conf *conf, char *why,
                     size_t why_size)
{
    if (!conf->proxy_host.n || o->unix_path)
        return WEIR_OK;
    o->proxy_host = weir_strdup(conf->proxy_host);
    o->proxy_port = conf->proxy_port ? conf->proxy_port : 80;
    o->proxy_request = weir__tunnel_request(weir_str_of(o->host), o->port, conf->proxy_user);
    return o->proxy_request
               ? WEIR_OK
               : refuse(why, why_size, "the proxy's user is longer than 1 KiB or has a line end");
}

int weir_origin_create(const struct weir_origin_conf *conf, char *why, size_t why_size,
                       struct weir_origin **out)
{
    struct weir_str host = conf->host.n ? conf->host : WEIR_STR("localhost");
    struct weir_origin *o;
    struct pems pems;
    int rc;

    if (conf->host.n == 0 && conf->unix_path.n == 0)
        return refuse(why, why_size, "a host or a socket path is needed");
    if (!good_host(host) || (conf->server_name.n && !good_host(conf->server_name)))
        return refuse(why, why_size, "not a host name");
    if (conf->unix_path.n > 107)
        return refuse(why, why_size, "the socket path is longer than 107 bytes");
    if (conf->proxy_host.n && !good_host(conf->proxy_host))
        return refuse(why, why_size, "the proxy's is not a host name");
    o = WEIR_NEW(struct weir_origin);
    atomic_init(&o->refs, 1);
    o->tls = conf->tls;
    o->port = conf->port ? conf->port : conf->tls ? 443 : 80;
    o->host = weir_strdup(host);
    o->server_name = weir_strdup(conf->server_name.n ? conf->server_name : host);
    o->unix_path = conf->unix_path.n ? weir_strdup(conf->unix_path) : NULL;
    o->authority = make_authority(o);
    o->max_connections = conf->max_connections ? conf->max_connections : DEFAULT_CONNECTIONS;
    o->max_waiting = conf->max_waiting ? conf->max_waiting : DEFAULT_WAITING;
    o->idle_timeout_ms = conf->idle_timeout_ms > 0 ? conf->idle_timeout_ms : DEFAULT_IDLE_MS;
    weir_buf_init(&pems.ca, MAX_PEM);
    weir_buf_init(&pems.cert, MAX_PEM);
    weir_buf_init(&pems.key, MAX_PEM);
    rc = set_proxy(o, conf, why, why_size);
    if (rc == WEIR_OK)
        rc = make_context(o, conf, &pems, why, why_size);
    if (rc == WEIR_OK)
        make_key(o, &pems);
    if (pems.key.p)
        weir_wipe(pems.key.p, pems.key.n);
    weir_buf_fini(&pems.ca);
    weir_buf_fini(&pems.cert);
    weir_buf_fini(&pems.key);
    if (rc) {
        weir_origin_unref(o);
        return rc;
    }
    *out = o;
    return WEIR_OK;
}

struct weir_origin *weir_origin_ref(struct weir_origin *o)
{
    atomic_fetch_add(&o->refs, 1);
    return o;
}

void weir_origin_unref(struct weir_origin *o)
{
    if (!o || atomic_fetch_sub(&o->refs, 1) != 1)
        return;
    free(o->host);
    free(o->server_name);
    free(o->unix_path);
    free(o->proxy_host);
    if (o->proxy_request)
        weir_wipe(o->proxy_request, strlen(o->proxy_request));
    free(o->proxy_request);
    free(o->authority);
    weir_tls_context_unref(o->context);
    free(o);
}

struct weir_str weir_origin_authority(const struct weir_origin *o)
{
    return weir_str_of(o->authority);
}
