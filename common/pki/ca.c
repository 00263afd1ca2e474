/* ca.c - the authority: its two files, and the certificates that it signs. */
#include "pki/internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include <mbedtls/oid.h>
#include <mbedtls/x509_csr.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/rand.h"

enum {
    SERIAL_BYTES = 16,
    TIME_BYTES = 15, /* YYYYMMDDhhmmss */
    NAMES = 32,
    CSR_BYTES = 16384,
};

static const int64_t CA_MS = 3650LL * 86400000;
static const int64_t SKEW_MS = 300000; /* certificates begin a little earlier: clocks differ */
static const char CA_NAME[] = "CN=weir control plane";

struct weir_ca {
    mbedtls_x509_crt crt;
    mbedtls_pk_context key;
    char *pem;
};

static void time_text(int64_t ms, char out[TIME_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(out, TIME_BYTES, "%Y%m%d%H%M%S", &tm);
}

/* What all certificates share; the subject's key and the extensions are set by then. */
static int write_cert(mbedtls_x509write_cert *w, mbedtls_pk_context *issuer_key,
                      const char *subject, int64_t valid_ms, char **out)
{
    unsigned char serial[SERIAL_BYTES];
    unsigned char pem[WEIR__PKI_PEM_BYTES];
    char from[TIME_BYTES], to[TIME_BYTES];
    int64_t now = weir_wall_ms();
    int rc;

    weir_rand_bytes(serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, of full length (RFC 5280, 4.1.2.2) */
    time_text(now - SKEW_MS, from);
    time_text(now + valid_ms, to);
    mbedtls_x509write_crt_set_version(w, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(w, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_issuer_key(w, issuer_key);
    rc = mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof serial);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_validity(w, from, to);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_name(w, subject);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_issuer_name(w, CA_NAME);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_authority_key_identifier(w);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_key_identifier(w);
    if (rc == 0)
        rc = mbedtls_x509write_crt_pem(w, pem, sizeof pem, weir__pki_random, NULL);
    if (rc != 0)
        return WEIR_ETLS;
    *out = weir_strdup(weir_str_of((const char *)pem));
    return WEIR_OK;
}

int weir_ca_make(char **out_certificate, char **out_key)
{
    mbedtls_x509write_cert w;
    mbedtls_pk_context key;
    char *crt = NULL;
    int rc;

    mbedtls_pk_init(&key);
    mbedtls_x509write_crt_init(&w);
    rc = weir__pki_new_key(&key);
    mbedtls_x509write_crt_set_subject_key(&w, &key);
    if (rc == WEIR_OK && (mbedtls_x509write_crt_set_basic_constraints(&w, 1, 0) != 0 ||
                          mbedtls_x509write_crt_set_key_usage(
                              &w, MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN) != 0))
        rc = WEIR_ETLS;
    if (rc == WEIR_OK)
        rc = write_cert(&w, &key, CA_NAME, CA_MS, &crt);
    if (rc == WEIR_OK)
        rc = weir__pki_key_pem(&key, out_key);
    if (rc == WEIR_OK)
        *out_certificate = crt;
    else
        weir_pki_free(crt);
    mbedtls_x509write_crt_free(&w);
    mbedtls_pk_free(&key);
    return rc;
}

int weir_ca_parse(const char *certificate, const char *key, struct weir_ca **out)
{
    struct weir_ca *ca = WEIR_NEW(struct weir_ca);

    mbedtls_x509_crt_init(&ca->crt);
    mbedtls_pk_init(&ca->key);
    if (weir__pki_parse_cert(certificate, &ca->crt) != WEIR_OK ||
        weir__pki_parse_key(key, &ca->key) != WEIR_OK ||
        mbedtls_pk_check_pair(&ca->crt.pk, &ca->key, weir__pki_random, NULL) != 0) {
        weir_ca_close(ca);
        return WEIR_ECORRUPT;
    }
    ca->pem = weir_strdup(weir_str_of(certificate));
    *out = ca;
    return WEIR_OK;
}

/* The key is written first: a certificate without its key would be found and refused. */
static int make_files(const char *crt_path, const char *key_path, struct weir_ca **out)
{
    char *crt = NULL, *key = NULL;
    int rc = weir_ca_make(&crt, &key);

    if (rc == WEIR_OK)
        rc = weir_file_replace(key_path, weir_str_of(key), 0600, true);
    if (rc == WEIR_OK)
        rc = weir_file_replace(crt_path, weir_str_of(crt), 0644, true);
    if (rc == WEIR_OK)
        rc = weir_ca_parse(crt, key, out);
    weir_pki_free(crt);
    weir_pki_free(key);
    return rc;
}

static int load_files(struct weir_buf *crt, const char *key_path, struct weir_ca **out)
{
    struct weir_buf key;
    int rc = WEIR_ECORRUPT;

    weir_buf_init(&key, WEIR__PKI_PEM_BYTES);
    if (weir_file_read(key_path, &key) == WEIR_OK && weir_buf_add(crt, "", 1) == WEIR_OK &&
        weir_buf_add(&key, "", 1) == WEIR_OK)
        rc = weir_ca_parse(crt->p, key.p, out);
    weir_wipe(key.p, key.p ? key.n : 0);
    weir_buf_fini(&key);
    return rc;
}

int weir_ca_open(const char *folder, struct weir_ca **out)
{
    struct weir_buf crt;
    char crt_path[4096], key_path[4096];
    int rc = weir_file_mkdirs(folder, 0700);

    if (rc != WEIR_OK)
        return rc;
    snprintf(crt_path, sizeof crt_path, "%s/ca.crt", folder);
    snprintf(key_path, sizeof key_path, "%s/ca.key", folder);
    weir_buf_init(&crt, WEIR__PKI_PEM_BYTES);
    rc = weir_file_read(crt_path, &crt);
    if (rc == WEIR_ENOTFOUND)
        rc = make_files(crt_path, key_path, out);
    else if (rc == WEIR_OK)
        rc = load_files(&crt, key_path, out);
    weir_buf_fini(&crt);
    return rc;
}

void weir_ca_close(struct weir_ca *ca)
{
    if (!ca)
        return;
    mbedtls_x509_crt_free(&ca->crt);
    mbedtls_pk_free(&ca->key);
    free(ca->pem);
    free(ca);
}

const char *weir_ca_pem(const struct weir_ca *ca)
{
    return ca->pem;
}

static int sign(struct weir_ca *ca, mbedtls_pk_context *subject_key, const char *subject,
                const mbedtls_x509_san_list *names, bool server, int64_t valid_ms, char **out)
{
    mbedtls_asn1_sequence usage = {0};
    mbedtls_x509write_cert w;
    int rc;

    usage.buf.tag = MBEDTLS_ASN1_OID;
    usage.buf.p = (unsigned char *)(server ? MBEDTLS_OID_SERVER_AUTH : MBEDTLS_OID_CLIENT_AUTH);
    usage.buf.len = server ? MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH)
                           : MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH);
    mbedtls_x509write_crt_init(&w);
    mbedtls_x509write_crt_set_subject_key(&w, subject_key);
    rc = mbedtls_x509write_crt_set_basic_constraints(&w, 0, -1);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_key_usage(&w, MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_ext_key_usage(&w, &usage);
    if (rc == 0)
        rc = mbedtls_x509write_crt_set_subject_alternative_name(&w, names);
    rc = rc == 0 ? write_cert(&w, &ca->key, subject, valid_ms, out) : WEIR_ETLS;
    mbedtls_x509write_crt_free(&w);
    return rc;
}

int weir_ca_sign(struct weir_ca *ca, const char *csr, const char *uri, int64_t valid_ms,
                 char **out_certificate)
{
    mbedtls_x509_csr req;
    mbedtls_x509_san_list name = {0};
    size_t n = csr ? strnlen(csr, CSR_BYTES) : 0;
    int rc = WEIR_EINVAL;

    if (n == 0 || n == CSR_BYTES)
        return WEIR_EINVAL;
    name.node.type = MBEDTLS_X509_SAN_UNIFORM_RESOURCE_IDENTIFIER;
    name.node.san.unstructured_name.p = (unsigned char *)uri;
    name.node.san.unstructured_name.len = strlen(uri);
    mbedtls_x509_csr_init(&req);
    /* Parsing does not prove possession of the key; the first handshake does. */
    if (mbedtls_x509_csr_parse(&req, (const unsigned char *)csr, n + 1) == 0 &&
        mbedtls_pk_can_do(&req.pk, MBEDTLS_PK_ECKEY) && mbedtls_pk_get_bitlen(&req.pk) == 256)
        rc = sign(ca, &req.pk, "CN=weir proxy", &name, false, valid_ms, out_certificate);
    mbedtls_x509_csr_free(&req);
    return rc;
}

struct server_name {
    mbedtls_x509_san_list item;
    unsigned char ip[16];
};

static void set_name(struct server_name *n, const char *text)
{
    mbedtls_x509_buf *san = &n->item.node.san.unstructured_name;

    if (inet_pton(AF_INET, text, n->ip) == 1 || inet_pton(AF_INET6, text, n->ip) == 1) {
        n->item.node.type = MBEDTLS_X509_SAN_IP_ADDRESS;
        san->p = n->ip;
        san->len = strchr(text, ':') ? 16 : 4;
    } else {
        n->item.node.type = MBEDTLS_X509_SAN_DNS_NAME;
        san->p = (unsigned char *)text;
        san->len = strlen(text);
    }
}

int weir_ca_issue_server(struct weir_ca *ca, const char *const names[], size_t n, int64_t valid_ms,
                         char **out_certificate, char **out_key)
{
    struct server_name list[NAMES] = {0};
    mbedtls_pk_context key;
    char *crt = NULL;
    int rc;

    if (n == 0 || n > NAMES)
        return WEIR_EINVAL;
    for (size_t i = 0; i < n; i++) {
        set_name(&list[i], names[i]);
        list[i].item.next = i + 1 < n ? &list[i + 1].item : NULL;
    }
    mbedtls_pk_init(&key);
    rc = weir__pki_new_key(&key);
    if (rc == WEIR_OK)
        rc = sign(ca, &key, "CN=weir control", &list[0].item, true, valid_ms, &crt);
    if (rc == WEIR_OK)
        rc = weir__pki_key_pem(&key, out_key);
    if (rc == WEIR_OK)
        *out_certificate = crt;
    else
        free(crt);
    mbedtls_pk_free(&key);
    return rc;
}
