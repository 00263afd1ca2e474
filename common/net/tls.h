/* tls.h - TLS 1.2 and 1.3 by mbedTLS: what a side of a connection is willing to do (a context), and
 * one connection's session, which does no I/O of its own.
 *
 * Contexts are reference counted and immutable: any thread. A session belongs to one thread. */
#ifndef WEIR_NET_TLS_H
#define WEIR_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct weir_tls_context;
struct weir_tls_ticket; /* what resumes a session; belongs to the thread that uses it */
struct weir_tls;

enum { WEIR_TLS_RECORD_BYTES = 16384 };

/* PEM texts, or absent. Copied or parsed before return. */
struct weir_tls_conf {
    bool server;
    struct weir_str ca;        /* client: trusted in place of the system's; server: asks for, and
                                * verifies, client certificates */
    struct weir_str cert, key; /* a server's own; optional for a client */
    bool no_alpn;              /* otherwise "http/1.1" is offered, or chosen */
    bool http2;                /* with ALPN: "h2" is, before it */
};

/* The system's bundle is parsed once per process, with the first client context that needs it: some
 * milliseconds. WEIR_EINVAL (bad PEM, key that doesn't fit) or WEIR_ETLS, with a sentence in why.
 */
WEIR_NODISCARD int weir_tls_context_create(const struct weir_tls_conf *conf, char *why,
                                           size_t why_size, struct weir_tls_context **out);
/* The first and last second (Unix time) of the context's own certificate; 0 and 0: it has none. */
void weir_tls_context_validity(const struct weir_tls_context *c, int64_t *from_s, int64_t *until_s);
struct weir_tls_context *weir_tls_context_ref(struct weir_tls_context *c);
void weir_tls_context_unref(struct weir_tls_context *c); /* NULL is fine */

/* How a session talks to its owner. None may destroy the session, except that on_plain may. */
struct weir_tls_io {
    /* Takes ciphertext: the bytes taken (> 0), WEIR_EAGAIN, or another code, which ends it. */
    int (*send)(void *arg, const void *p, size_t n);
    void (*on_plain)(void *arg, const char *p, size_t n);
    void (*on_ticket)(void *arg, struct weir_tls_ticket *ticket); /* client; receiver owns it; may
                                                                   * be NULL */
};

/* host: the name to ask for and verify (a client must give it; an address is matched with the
 * certificate's addresses). ticket may be NULL and stays the caller's. */
WEIR_NODISCARD int weir_tls_create(struct weir_tls_context *ctx, struct weir_str host,
                                   const struct weir_tls_ticket *ticket,
                                   const struct weir_tls_io *io, void *arg, struct weir_tls **out);
void weir_tls_destroy(struct weir_tls *t); /* NULL is fine */

/* Goes on with the handshake; call first with no bytes to start it. WEIR_OK: done; WEIR_EAGAIN:
 * more bytes are needed (or room, when send said so). Else weir_tls_cause() says why. */
int weir_tls_handshake(struct weir_tls *t, const void *p, size_t n);

/* Takes ciphertext after the handshake, all of it, and hands out what it holds. WEIR_OK;
 * WEIR_ECLOSED: the peer said goodbye; WEIR_ECANCELED: on_plain destroyed the session; other: the
 * connection is broken. Bytes that came behind the handshake's end are handed out by a call with
 * n 0. */
int weir_tls_feed(struct weir_tls *t, const void *p, size_t n);

/* Encrypts up to n bytes; *out_taken says how many. WEIR_EAGAIN: call again with the same bytes
 * once send has room. */
int weir_tls_write(struct weir_tls *t, const void *p, size_t n, size_t *out_taken);
void weir_tls_goodbye(struct weir_tls *t); /* close_notify, if it can be sent at once */

bool weir_tls_resumed(const struct weir_tls *t);
const char *weir_tls_version(const struct weir_tls *t);  /* "TLSv1.3" */
const char *weir_tls_protocol(const struct weir_tls *t); /* agreed by ALPN: "h2"; "": none */
const char *weir_tls_cause(const struct weir_tls *t);    /* what a user can act on; never NULL */

void weir_tls_ticket_destroy(struct weir_tls_ticket *ticket); /* NULL is fine */

#endif
