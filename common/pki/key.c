/* key.c - keys, certificate requests, tokens and names. */
#include "pki/internal.h"

#include <stdio.h>
#include <time.h>

#include <mbedtls/ecp.h>
#include <mbedtls/x509_csr.h>

#include "base/rand.h"

enum { NAME_BYTES = 128, RANDOM_BYTES = 16 };

int weir__pki_random(void *unused, unsigned char *out, size_t n)
{
    (void)unused;
    weir_rand_bytes(out, n);
    return 0;
}

int weir__pki_new_key(mbedtls_pk_context *key)
{
    if (mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)) != 0)
        return WEIR_ETLS;
    return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key), weir__pki_random,
                               NULL) == 0
               ? WEIR_OK
               : WEIR_ETLS;
}

int weir__pki_key_pem(mbedtls_pk_context *key, char **out)
{
    unsigned char pem[WEIR__PKI_PEM_BYTES];
    int rc = mbedtls_pk_write_key_pem(key, pem, sizeof pem);

    if (rc == 0)
        *out = weir_strdup(weir_str_of((const char *)pem));
    weir_wipe(pem, sizeof pem);
    return rc == 0 ? WEIR_OK : WEIR_ETLS;
}

int weir__pki_parse_cert(const char *pem, mbedtls_x509_crt *out)
{
    return mbedtls_x509_crt_parse(out, (const unsigned char *)pem, strlen(pem) + 1) == 0
               ? WEIR_OK
               : WEIR_EINVAL;
}

int weir__pki_parse_key(const char *pem, mbedtls_pk_context *out)
{
    return mbedtls_pk_parse_key(out, (const unsigned char *)pem, strlen(pem) + 1, NULL, 0,
                                weir__pki_random, NULL) == 0
               ? WEIR_OK
               : WEIR_EINVAL;
}

int weir_pki_request(char **out_csr, char **out_key)
{
    mbedtls_pk_context key;
    mbedtls_x509write_csr csr;
    unsigned char pem[WEIR__PKI_PEM_BYTES];
    int rc;

    mbedtls_pk_init(&key);
    mbedtls_x509write_csr_init(&csr);
    rc = weir__pki_new_key(&key);
    if (rc == WEIR_OK) {
        mbedtls_x509write_csr_set_key(&csr, &key);
        mbedtls_x509write_csr_set_md_alg(&csr, MBEDTLS_MD_SHA256);
        if (mbedtls_x509write_csr_set_subject_name(&csr, "CN=weir proxy") != 0 ||
            mbedtls_x509write_csr_pem(&csr, pem, sizeof pem, weir__pki_random, NULL) != 0)
            rc = WEIR_ETLS;
    }
    if (rc == WEIR_OK)
        rc = weir__pki_key_pem(&key, out_key);
    if (rc == WEIR_OK)
        *out_csr = weir_strdup(weir_str_of((const char *)pem));
    mbedtls_x509write_csr_free(&csr);
    mbedtls_pk_free(&key);
    return rc;
}

static int64_t time_ms(const mbedtls_x509_time *t)
{
    struct tm tm = {.tm_year = t->year - 1900,
                    .tm_mon = t->mon - 1,
                    .tm_mday = t->day,
                    .tm_hour = t->hour,
                    .tm_min = t->min,
                    .tm_sec = t->sec};

    return (int64_t)timegm(&tm) * 1000;
}

int weir_pki_validity(const char *certificate, int64_t *out_from_ms, int64_t *out_to_ms)
{
    mbedtls_x509_crt crt;
    int rc;

    mbedtls_x509_crt_init(&crt);
    rc = weir__pki_parse_cert(certificate, &crt);
    if (rc == WEIR_OK) {
        *out_from_ms = time_ms(&crt.valid_from);
        *out_to_ms = time_ms(&crt.valid_to);
    }
    mbedtls_x509_crt_free(&crt);
    return rc;
}

int weir_pki_check(const char *certificate, const char *key, const char *ca)
{
    mbedtls_x509_crt crt, root;
    mbedtls_pk_context pk;
    uint32_t flags;
    int rc;

    mbedtls_x509_crt_init(&crt);
    mbedtls_x509_crt_init(&root);
    mbedtls_pk_init(&pk);
    rc = weir__pki_parse_cert(certificate, &crt);
    if (rc == WEIR_OK)
        rc = weir__pki_parse_cert(ca, &root);
    if (rc == WEIR_OK)
        rc = weir__pki_parse_key(key, &pk);
    if (rc == WEIR_OK &&
        (mbedtls_pk_check_pair(&crt.pk, &pk, weir__pki_random, NULL) != 0 ||
         mbedtls_x509_crt_verify(&crt, &root, NULL, NULL, &flags, NULL, NULL) != 0))
        rc = WEIR_EAUTH;
    mbedtls_pk_free(&pk);
    mbedtls_x509_crt_free(&root);
    mbedtls_x509_crt_free(&crt);
    return rc;
}

void weir_pki_free(char *pem)
{
    if (pem)
        weir_wipe(pem, strlen(pem));
    free(pem);
}

static bool is_name(struct weir_str s)
{
    if (s.n == 0 || s.n > NAME_BYTES || s.p[0] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return true;
}

int weir_pki_uri(struct weir_str ns, struct weir_str node, char out[WEIR_PKI_URI_BYTES])
{
    if (!is_name(ns) || !is_name(node))
        return WEIR_EINVAL;
    snprintf(out, WEIR_PKI_URI_BYTES, "spiffe://weir/ns/%.*s/proxy/%.*s", WEIR_STR_ARG(ns),
             WEIR_STR_ARG(node));
    return WEIR_OK;
}

int weir_pki_parse_uri(struct weir_str uri, struct weir_str *out_ns, struct weir_str *out_node)
{
    struct weir_str prefix = WEIR_STR("spiffe://weir/ns/");
    struct weir_str rest, word, ns, node;

    if (!weir_str_starts(uri, prefix))
        return WEIR_EINVAL;
    rest = (struct weir_str){uri.p + prefix.n, uri.n - prefix.n};
    ns = weir_str_cut(rest, '/', &rest);
    word = weir_str_cut(rest, '/', &node);
    if (!weir_str_is(word, "proxy") || !is_name(ns) || !is_name(node))
        return WEIR_EINVAL;
    *out_ns = ns;
    *out_node = node;
    return WEIR_OK;
}

void weir_pki_token(char out[WEIR_PKI_TOKEN_BYTES])
{
    unsigned char bytes[RANDOM_BYTES];
    char hex[2 * RANDOM_BYTES + 1];

    weir_rand_bytes(bytes, sizeof bytes);
    weir_hex(bytes, sizeof bytes, hex);
    snprintf(out, WEIR_PKI_TOKEN_BYTES, "weir-join-%s", hex);
    weir_wipe(bytes, sizeof bytes);
    weir_wipe(hex, sizeof hex);
}
