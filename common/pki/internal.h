/* internal.h - mbedTLS plumbing shared by the files of this module. */
#ifndef WEIR_PKI_INTERNAL_H
#define WEIR_PKI_INTERNAL_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "base/mem.h"
#include "pki/pki.h"

enum { WEIR__PKI_PEM_BYTES = 8192 };

/* mbedTLS's shape of a random source, fed by the kernel. */
int weir__pki_random(void *unused, unsigned char *out, size_t n);
WEIR_NODISCARD int weir__pki_new_key(mbedtls_pk_context *key);
WEIR_NODISCARD int weir__pki_key_pem(mbedtls_pk_context *key, char **out);
/* Reads a whole PEM text that ends with NUL. */
WEIR_NODISCARD int weir__pki_parse_cert(const char *pem, mbedtls_x509_crt *out);
WEIR_NODISCARD int weir__pki_parse_key(const char *pem, mbedtls_pk_context *out);

#endif
