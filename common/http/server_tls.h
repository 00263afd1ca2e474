/* server_tls.h - connections of clients with TLS: see server_tls.c. */
#ifndef WEIR_HTTP_SERVER_TLS_H
#define WEIR_HTTP_SERVER_TLS_H

#include "http/server_internal.h"
#include "net/tls.h"

extern const struct weir__http_transport weir__http_tls_transport;

/* For a new connection. WEIR_ETLS: it can't be served. */
WEIR_NODISCARD int weir__http_tls_create(struct weir_http_conn *c, struct weir_tls_context *ctx);
void weir__http_tls_destroy(struct weir_http_conn *c);      /* fine without TLS */
void weir__http_tls_handshakes(struct weir_http_server *s); /* some of those that are due */

#endif
