/* listen.h - listening sockets made by hand, since libuv 1.44 has no SO_REUSEPORT. The caller owns
 * the descriptor: bound, non-blocking, close-on-exec, not yet listening. Blocking only in the sense
 * of a local system call. */
#ifndef WEIR_NET_LISTEN_H
#define WEIR_NET_LISTEN_H

#include "base/err.h"

struct weir_net_bind {
    const char *host; /* numeric address, "localhost" (127.0.0.1), or "" for all (IPv6 and IPv4) */
    unsigned port;    /* 0: any */
    bool reuseport;
    bool ipv6_only;
};

/* out_port may be NULL. WEIR_EINVAL: not an address. WEIR_EIO with errno set. */
WEIR_NODISCARD int weir_net_bind_tcp(const struct weir_net_bind *o, int *out_fd,
                                     unsigned *out_port);

/* Removes a socket file that nobody listens on; refuses any other file. WEIR_EINVAL: path empty or
 * too long. WEIR_EEXIST: in use or not a socket. WEIR_EIO with errno set. */
WEIR_NODISCARD int weir_net_bind_unix(const char *path, unsigned mode, int *out_fd);

#endif
