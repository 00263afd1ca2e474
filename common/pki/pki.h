/* pki.h - the control plane's own certificate authority, and what a proxy needs to be enrolled.
 *
 * ECDSA P-256 throughout; X.509 v3 (RFC 5280). PEM texts are NUL-terminated and belong to the
 * caller: weir_pki_free() wipes them. Each call takes milliseconds: never on a loop. Any thread,
 * one at a time for each CA. */
#ifndef WEIR_PKI_PKI_H
#define WEIR_PKI_PKI_H

#include "base/err.h"
#include "base/str.h"

enum {
    WEIR_PKI_URI_BYTES = 320,
    WEIR_PKI_TOKEN_BYTES = 48, /* a token's text with its NUL */
    WEIR_PKI_SIGNATURE_BYTES = 1024,
};

struct weir_ca;

/* Opens folder/ca.crt and folder/ca.key (0600), or makes them. WEIR_EIO; WEIR_ECORRUPT: they don't
 * parse or don't belong together. */
WEIR_NODISCARD int weir_ca_open(const char *folder, struct weir_ca **out);
/* A new authority's certificate and key, kept nowhere yet. */
WEIR_NODISCARD int weir_ca_make(char **out_certificate, char **out_key);
/* WEIR_ECORRUPT: they don't parse or don't belong together. Both texts are copied. */
WEIR_NODISCARD int weir_ca_parse(const char *certificate, const char *key, struct weir_ca **out);
void weir_ca_close(struct weir_ca *ca); /* NULL is fine */
const char *weir_ca_pem(const struct weir_ca *ca);

/* A certificate for the key of csr, for a client with this URI name and nothing of what the request
 * asks for. WEIR_EINVAL: no valid request, or not a P-256 key. */
WEIR_NODISCARD int weir_ca_sign(struct weir_ca *ca, const char *csr, const char *uri,
                                int64_t valid_ms, char **out_certificate);

/* A key and a certificate for a server under names (DNS names or IP addresses). */
WEIR_NODISCARD int weir_ca_issue_server(struct weir_ca *ca, const char *const names[], size_t n,
                                        int64_t valid_ms, char **out_certificate, char **out_key);

/* A new key and a request for it. */
WEIR_NODISCARD int weir_pki_request(char **out_csr, char **out_key);

/* Validity of the first certificate of a PEM text, in wall-clock milliseconds. WEIR_EINVAL. */
WEIR_NODISCARD int weir_pki_validity(const char *certificate, int64_t *out_from_ms,
                                     int64_t *out_to_ms);
/* WEIR_EAUTH: the key is not the certificate's, or ca has not signed it. WEIR_EINVAL: no PEM. */
WEIR_NODISCARD int weir_pki_check(const char *certificate, const char *key, const char *ca);

/* The signature RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3) of a text by an RSA key in PEM, of
 * 2048 bits or more. WEIR_EINVAL: no such key. */
WEIR_NODISCARD int weir_pki_rs256(struct weir_str key_pem, struct weir_str text,
                                  unsigned char out[WEIR_PKI_SIGNATURE_BYTES], size_t *out_n);

void weir_pki_free(char *pem); /* wipes; NULL is fine */

/* "spiffe://weir/ns/NAMESPACE/proxy/NODE". WEIR_EINVAL: a name with other than [a-z0-9.-], empty or
 * longer than 128. */
WEIR_NODISCARD int weir_pki_uri(struct weir_str ns, struct weir_str node,
                                char out[WEIR_PKI_URI_BYTES]);
WEIR_NODISCARD int weir_pki_parse_uri(struct weir_str uri, struct weir_str *out_ns,
                                      struct weir_str *out_node);

/* A random join token ("weir-join-..."); only its SHA-256 is ever stored. */
void weir_pki_token(char out[WEIR_PKI_TOKEN_BYTES]);

#endif
