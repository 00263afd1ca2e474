/* rs256.c - signatures with a key that others made. */
#include "pki/internal.h"

#include <mbedtls/md.h>

#include "base/hash.h"

int weir_pki_rs256(struct weir_str key_pem, struct weir_str text,
                   unsigned char out[WEIR_PKI_SIGNATURE_BYTES], size_t *out_n)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    mbedtls_pk_context key;
    char *pem = weir_strdup(key_pem);
    int rc;

    mbedtls_pk_init(&key);
    rc = weir__pki_parse_key(pem, &key);
    if (rc == WEIR_OK &&
        (!mbedtls_pk_can_do(&key, MBEDTLS_PK_RSA) ||
         mbedtls_pk_get_len(&key) > WEIR_PKI_SIGNATURE_BYTES || mbedtls_pk_get_bitlen(&key) < 2048))
        rc = WEIR_EINVAL;
    weir_sha256(text, digest);
    if (rc == WEIR_OK &&
        mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, digest, sizeof digest, out,
                        WEIR_PKI_SIGNATURE_BYTES, out_n, weir__pki_random, NULL) != 0)
        rc = WEIR_EINVAL;
    mbedtls_pk_free(&key);
    weir_pki_free(pem);
    return rc;
}
