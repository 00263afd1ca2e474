#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int keep_errno_close(int fd, int rc)
{
    int saved = errno;

    close(fd);
    errno = saved;
    return rc;
}

static int parse_host(const char *host, unsigned port, struct sockaddr_storage *out, socklen_t *len)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (!host || port > 65535)
        return WEIR_EINVAL;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (host[0] == '\0')
        host = "::";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *len = sizeof *v4;
        return WEIR_OK;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *len = sizeof *v6;
        return WEIR_OK;
    }
    return WEIR_EINVAL;
}

static int bound_port(int fd, unsigned *out)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {0};

    socklen_t len = sizeof a;

    if (!out)
        return WEIR_OK;
    if (getsockname(fd, &a.any, &len) != 0)
        return WEIR_EIO;
    *out = ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
    return WEIR_OK;
}

int weir_net_bind_tcp(const struct weir_net_bind *o, int *out_fd, unsigned *out_port)
{
    struct sockaddr_storage a;
    socklen_t len = 0;
    const int on = 1, v6only = o->ipv6_only;
    int fd, rc = parse_host(o->host, o->port, &a, &len);

    if (rc)
        return rc;
    fd = socket(a.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && o->host[0] == '\0' && !o->ipv6_only) {
        struct weir_net_bind v4 = *o; /* a kernel without IPv6 */

        v4.host = "0.0.0.0";
        return weir_net_bind_tcp(&v4, out_fd, out_port);
    }
    if (fd < 0)
        return WEIR_EIO;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (o->reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        (a.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only) != 0) ||
        bind(fd, (struct sockaddr *)&a, len) != 0 || bound_port(fd, out_port) != WEIR_OK)
        return keep_errno_close(fd, WEIR_EIO);
    *out_fd = fd;
    return WEIR_OK;
}

/* WEIR_OK: the name is free now. */
static int clear_stale(const struct sockaddr_un *a)
{
    struct stat st;
    int fd, rc;

    if (lstat(a->sun_path, &st) != 0)
        return errno == ENOENT ? WEIR_OK : WEIR_EIO;
    if (!S_ISSOCK(st.st_mode))
        return WEIR_EEXIST;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return WEIR_EIO;
    rc = connect(fd, (const struct sockaddr *)a, sizeof *a);
    if (rc == 0 || errno != ECONNREFUSED)
        return keep_errno_close(fd, WEIR_EEXIST);
    close(fd);
    return unlink(a->sun_path) == 0 ? WEIR_OK : WEIR_EIO;
}

int weir_net_bind_unix(const char *path, unsigned mode, int *out_fd)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    int fd, rc;

    if (n == 0 || n >= sizeof a.sun_path)
        return WEIR_EINVAL;
    memcpy(a.sun_path, path, n);
    rc = clear_stale(&a);
    if (rc)
        return rc;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return WEIR_EIO;
    /* Linux applies the descriptor's mode at bind(), so nobody gets in before it is narrowed. */
    if (fchmod(fd, mode) != 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        chmod(path, mode) != 0)
        return keep_errno_close(fd, WEIR_EIO);
    *out_fd = fd;
    return WEIR_OK;
}
