/* client_tunnel.c - a tunnel through an HTTP proxy (RFC 9110, 9.3.6): asked for on a fresh
 * connection, before anything that is meant for the upstream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/client_internal.h"

enum { MAX_USER = 1024, MAX_REQUEST = 4096 };

static bool is_text(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n <= MAX_USER;
}

char *weir__tunnel_request(struct weir_str host, uint16_t port, struct weir_str user)
{
    bool v6 = memchr(host.p, ':', host.n) != NULL;
    char authority[300];
    struct weir_buf b;
    char *text;

    if (!is_text(user))
        return NULL;
    /* The port is always told: a tunnel has no scheme that would imply one. */
    (void)snprintf(authority, sizeof authority, "%s%.*s%s:%u", v6 ? "[" : "", WEIR_STR_ARG(host),
                   v6 ? "]" : "", (unsigned)port);
    weir_buf_init(&b, MAX_REQUEST);
    weir_buf_addf(&b, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority, authority);
    if (user.n) {
        weir_buf_addz(&b, "Proxy-Authorization: Basic ");
        weir_buf_add_base64(&b, user, false);
        weir_buf_addz(&b, "\r\n");
    }
    weir_buf_addz(&b, "\r\n");
    text = weir_strdup(weir_buf_str(&b));
    weir_wipe(b.p, b.n);
    weir_buf_fini(&b);
    return text;
}

int weir__tunnel_begin(struct weir__conn *conn)
{
    char *request = conn->pool->origin->proxy_request;
    struct weir__tunnel *t = WEIR_NEW(struct weir__tunnel);

    conn->tunnel = t;
    t->request = uv_buf_init(request, (unsigned)strlen(request));
    /* A fresh connection takes so little at once; one that doesn't is of no use. */
    if (weir_tls_stream_read_start(conn->stream) ||
        weir_tls_stream_send(conn->stream, &t->request, 1) != WEIR_OK)
        return WEIR_ECLOSED;
    return WEIR_OK;
}

static const char *refusal(const struct weir__tunnel *t)
{
    if (t->n < 13 || memcmp(t->head, "HTTP/1.", 7) != 0 || t->head[8] != ' ')
        return "the egress proxy doesn't speak HTTP";
    if (t->head[9] == '2')
        return NULL;
    if (memcmp(t->head + 9, "407", 3) == 0)
        return "the egress proxy wants another user or password (407)";
    if (memcmp(t->head + 9, "403", 3) == 0)
        return "the egress proxy doesn't allow this upstream (403)";
    return t->head[9] == '5' ? "the egress proxy can't reach the upstream (5xx)"
                             : "the egress proxy refuses the tunnel";
}

int weir__tunnel_bytes(struct weir__conn *conn, const char *p, size_t n, const char **cause)
{
    struct weir__tunnel *t = conn->tunnel;
    const char *end;

    if (n > sizeof t->head - t->n) {
        *cause = "the egress proxy's answer is too large";
        return WEIR_ECONNECT;
    }
    memcpy(t->head + t->n, p, n);
    t->n += n;
    end = memmem(t->head, t->n, "\r\n\r\n", 4);
    if (!end)
        return WEIR_EAGAIN;
    *cause = refusal(t);
    /* The upstream speaks only when it is spoken to: what comes now is not from it. */
    if (!*cause && end + 4 != t->head + t->n)
        *cause = "the egress proxy sent more than its answer";
    return *cause ? WEIR_ECONNECT : WEIR_OK;
}

void weir__tunnel_end(struct weir__conn *conn)
{
    free(conn->tunnel);
    conn->tunnel = NULL;
}
