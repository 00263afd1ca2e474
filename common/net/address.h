/* address.h - an address as it stands on a command line: HOST:PORT, [IPV6]:PORT or unix:PATH. */
#ifndef WEIR_NET_ADDRESS_H
#define WEIR_NET_ADDRESS_H

#include "base/str.h"

struct weir_address {
    char host[256]; /* "" for every address */
    unsigned port;
    char unix_path[108]; /* "" unless it is a socket's path */
};

/* WEIR_EINVAL: none of the three, or too long. */
WEIR_NODISCARD int weir_address_parse(struct weir_str s, struct weir_address *out);

#endif
