/* dial.h - makes a connection: a name's addresses raced as RFC 8305 says (families in turn, the
 * next attempt after 250 ms or at once after a failure, first one wins), or a Unix socket. Its time
 * limit is the caller's: cancel it. One loop's thread. */
#ifndef WEIR_NET_DIAL_H
#define WEIR_NET_DIAL_H

#include "net/dns.h"
#include "net/tls_stream.h"

struct weir_dial; /* gone after its callback or its cancel */

enum { WEIR_DIAL_ATTEMPT_DELAY_MS = 250 };

/* rc WEIR_OK: the socket is the receiver's, connected, TCP_NODELAY. Else WEIR_ENOTFOUND or
 * WEIR_ECONNECT, and cause is a sentence without names ("connection refused"). Never from inside
 * start. */
typedef void (*weir_dial_fn)(void *arg, int rc, const char *cause, struct weir_socket *socket);

struct weir_dial *weir_dial_tcp(uv_loop_t *loop, struct weir_dns *dns, struct weir_str host,
                                uint16_t port, weir_dial_fn done, void *arg);
struct weir_dial *weir_dial_unix(uv_loop_t *loop, struct weir_str path, weir_dial_fn done,
                                 void *arg);
void weir_dial_cancel(struct weir_dial *d); /* closes its attempts at once; no callback */

#endif
