/* url.h - absolute http and https URLs as configuration has them: strict, without user info. All
 * parts are views into the parsed text. */
#ifndef WEIR_HTTP_URL_H
#define WEIR_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { WEIR_URL_MAX_BYTES = 8192, WEIR_URL_MAX_HOST = 253 };

struct weir_url {
    bool tls;              /* https */
    bool ipv6;             /* host is an address literal, here without its brackets */
    uint16_t port;         /* the scheme's own when the text names none */
    bool port_given;       /* the text names one */
    struct weir_str host;  /* never empty */
    struct weir_str path;  /* starts with '/', or is empty */
    struct weir_str query; /* without '?'; p is NULL when there is none */
};

/* WEIR_EINVAL: not an absolute http(s) URL, user info, a fragment, a bad host, port or character;
 * *out_why then says what, in a few words. */
WEIR_NODISCARD int weir_url_parse(struct weir_str text, struct weir_url *out, const char **out_why);

/* Writes a request target: the base's path and `path` with exactly one '/' between them, then the
 * base's query and that of `path`, joined by '&'. `path` is "/v1/messages?beta=true" or empty. */
int weir_url_join(const struct weir_url *base, struct weir_str path, struct weir_buf *out);

/* Writes host[:port] as a Host header has it: the port only when it isn't the scheme's own. */
int weir_url_authority(const struct weir_url *u, struct weir_buf *out);

#endif
