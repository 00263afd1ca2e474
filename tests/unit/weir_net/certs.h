/* certs.h - a certificate authority and what it signs, made in memory for one test. */
#ifndef WEIR_TESTS_CERTS_H
#define WEIR_TESTS_CERTS_H

#include <string.h>

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/psa_util.h>
#include <mbedtls/x509_crt.h>
#include <psa/crypto.h>

#include "base/err.h"
#include "base/str.h"

struct test_cert {
    mbedtls_pk_context key;
    char cert_pem[4096], key_pem[1024];
};

struct test_cert_spec {
    const char *name;    /* CN and DNS name; NULL for none */
    const char *address; /* 4 bytes, IPv4; NULL for none */
    const char *from, *to;
    bool ca;
};

#define TEST_ALWAYS "20200101000000", "20991231235959"

static inline void test_cert_make(struct test_cert *out, const struct test_cert_spec *spec,
                                  struct test_cert *issuer)
{
    mbedtls_x509write_cert w;
    mbedtls_x509_san_list dns = {0}, ip = {0};
    unsigned char serial = 7;
    char subject[300];

    WEIR_ASSERT(psa_crypto_init() == PSA_SUCCESS);
    mbedtls_pk_init(&out->key);
    WEIR_ASSERT(!mbedtls_pk_setup(&out->key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)));
    WEIR_ASSERT(!mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(out->key),
                                     mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE));
    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&w, &out->key);
    mbedtls_x509write_crt_set_issuer_key(&w, issuer ? &issuer->key : &out->key);
    snprintf(subject, sizeof subject, "CN=%s", spec->name ? spec->name : "somebody");
    WEIR_ASSERT(!mbedtls_x509write_crt_set_subject_name(&w, subject));
    WEIR_ASSERT(!mbedtls_x509write_crt_set_issuer_name(&w, issuer ? "CN=Test CA" : subject));
    WEIR_ASSERT(!mbedtls_x509write_crt_set_serial_raw(&w, &serial, 1));
    WEIR_ASSERT(!mbedtls_x509write_crt_set_validity(&w, spec->from, spec->to));
    WEIR_ASSERT(!mbedtls_x509write_crt_set_basic_constraints(&w, spec->ca, spec->ca ? 0 : -1));
    dns.node.type = MBEDTLS_X509_SAN_DNS_NAME;
    ip.node.type = MBEDTLS_X509_SAN_IP_ADDRESS;
    if (spec->address) {
        ip.node.san.unstructured_name.p = (unsigned char *)(uintptr_t)spec->address;
        ip.node.san.unstructured_name.len = 4;
    }
    if (spec->name) {
        dns.node.san.unstructured_name.p = (unsigned char *)(uintptr_t)spec->name;
        dns.node.san.unstructured_name.len = strlen(spec->name);
        dns.next = spec->address ? &ip : NULL;
    }
    if (!spec->ca)
        WEIR_ASSERT(
            !mbedtls_x509write_crt_set_subject_alternative_name(&w, spec->name ? &dns : &ip));
    WEIR_ASSERT(!mbedtls_x509write_crt_pem(&w, (unsigned char *)out->cert_pem, sizeof out->cert_pem,
                                           mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE));
    WEIR_ASSERT(
        !mbedtls_pk_write_key_pem(&out->key, (unsigned char *)out->key_pem, sizeof out->key_pem));
    mbedtls_x509write_crt_free(&w);
}

static inline void test_ca_make(struct test_cert *out)
{
    struct test_cert_spec spec = {"Test CA", NULL, TEST_ALWAYS, true};

    test_cert_make(out, &spec, NULL);
}

static inline void test_cert_free(struct test_cert *c)
{
    mbedtls_pk_free(&c->key);
}

#endif
