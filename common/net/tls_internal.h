/* tls_internal.h - what the files of the TLS part share. */
#ifndef WEIR_NET_TLS_INTERNAL_H
#define WEIR_NET_TLS_INTERNAL_H

#include <stdatomic.h>

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ticket.h>

#include "net/tls.h"

/* Trusted certificates, shared read-only by every context that uses them. */
struct weir_tls_roots {
    atomic_uint refs;
    mbedtls_x509_crt chain;
};

struct weir_tls_context {
    atomic_uint refs;
    bool server;
    mbedtls_ssl_config conf;
    mbedtls_x509_crt cert;
    mbedtls_pk_context key;
    mbedtls_ssl_ticket_context tickets; /* server */
    struct weir_tls_roots *roots;
};

struct weir_tls_ticket {
    mbedtls_ssl_session session;
};

/* A sentence part for an mbedTLS code and the verification flags gathered so far. */
const char *weir__tls_cause(int mbedtls_rc, uint32_t verify_flags, bool server);

#endif
