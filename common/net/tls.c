/* tls.c - contexts: trust, identity and the rules that sessions share. */
#include "net/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mbedtls/error.h>
#include <mbedtls/psa_util.h>
#include <psa/crypto.h>

#include "base/mem.h"
#include "net/tls_internal.h"

enum { TICKET_LIFETIME_S = 86400 };

/* The one thing kept for the whole process: the system's trust list costs milliseconds and about a
 * megabyte, is the same for everybody and is never changed once parsed. */
static struct {
    pthread_mutex_t lock;
    struct weir_tls_roots *roots;
} system_trust = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *const protocols[] = {"h2", "http/1.1", NULL};

static struct weir_tls_roots *roots_create(void)
{
    struct weir_tls_roots *r = WEIR_NEW(struct weir_tls_roots);

    atomic_init(&r->refs, 1);
    mbedtls_x509_crt_init(&r->chain);
    return r;
}

static void roots_unref(struct weir_tls_roots *r)
{
    if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
        return;
    mbedtls_x509_crt_free(&r->chain);
    free(r);
}

static struct weir_tls_roots *system_roots_load(void)
{
    static const char *const places[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    };
    struct weir_tls_roots *r = roots_create();
    const char *named = getenv("SSL_CERT_FILE"); /* as OpenSSL's users expect */

    /* A positive result counts entries that were skipped: one odd root must not cost all others. */
    if (named && *named) {
        if (mbedtls_x509_crt_parse_file(&r->chain, named) >= 0)
            return r;
    } else {
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            if (mbedtls_x509_crt_parse_file(&r->chain, places[i]) >= 0)
                return r;
    }
    roots_unref(r);
    return NULL;
}

static struct weir_tls_roots *system_roots(void)
{
    struct weir_tls_roots *r;

    pthread_mutex_lock(&system_trust.lock);
    if (!system_trust.roots)
        system_trust.roots = system_roots_load();
    r = system_trust.roots;
    if (r)
        atomic_fetch_add(&r->refs, 1);
    pthread_mutex_unlock(&system_trust.lock);
    return r;
}

static int refuse(char *why, size_t why_size, const char *what, int mbedtls_rc)
{
    char text[128] = "";

    if (mbedtls_rc)
        mbedtls_strerror(mbedtls_rc, text, sizeof text);
    if (why_size)
        snprintf(why, why_size, "%s%s%s", what, *text ? ": " : "", text);
    return WEIR_EINVAL;
}

/* mbedTLS wants PEM with its NUL counted. */
static int parse_certs(mbedtls_x509_crt *into, struct weir_str pem)
{
    char *z = weir_strdup(pem);
    int rc = mbedtls_x509_crt_parse(into, (unsigned char *)z, pem.n + 1);

    free(z);
    return rc > 0 ? MBEDTLS_ERR_X509_INVALID_FORMAT : rc;
}

static int parse_key(mbedtls_pk_context *into, struct weir_str pem)
{
    char *z = weir_strdup(pem);
    int rc = mbedtls_pk_parse_key(into, (unsigned char *)z, pem.n + 1, NULL, 0,
                                  mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);

    weir_wipe(z, pem.n);
    free(z);
    return rc;
}

static int set_identity(struct weir_tls_context *c, const struct weir_tls_conf *conf, char *why,
                        size_t why_size)
{
    int rc;

    if (!conf->cert.p && !conf->key.p && !conf->server)
        return WEIR_OK;
    if (!conf->cert.p || !conf->key.p)
        return refuse(why, why_size, "a certificate and its key must be given together", 0);
    rc = parse_certs(&c->cert, conf->cert);
    if (rc)
        return refuse(why, why_size, "the certificate cannot be read", rc);
    rc = parse_key(&c->key, conf->key);
    if (rc)
        return refuse(why, why_size, "the private key cannot be read", rc);
    rc = mbedtls_pk_check_pair(&c->cert.pk, &c->key, mbedtls_psa_get_random,
                               MBEDTLS_PSA_RANDOM_STATE);
    if (rc)
        return refuse(why, why_size, "the private key does not belong to the certificate", 0);
    mbedtls_ssl_conf_own_cert(&c->conf, &c->cert, &c->key);
    return WEIR_OK;
}

static int set_trust(struct weir_tls_context *c, const struct weir_tls_conf *conf, char *why,
                     size_t why_size)
{
    int rc;

    mbedtls_ssl_conf_authmode(&c->conf, conf->server && !conf->ca.p ? MBEDTLS_SSL_VERIFY_NONE
                                                                    : MBEDTLS_SSL_VERIFY_REQUIRED);
    if (conf->ca.p) {
        c->roots = roots_create();
        rc = parse_certs(&c->roots->chain, conf->ca);
        if (rc)
            return refuse(why, why_size, "the CA certificates cannot be read", rc);
    } else if (!conf->server) {
        c->roots = system_roots();
        if (!c->roots) {
            refuse(why, why_size,
                   "this system has no bundle of CA certificates: install ca-certificates, or name "
                   "a caFile",
                   0);
            return WEIR_ETLS;
        }
    }
    if (c->roots)
        mbedtls_ssl_conf_ca_chain(&c->conf, &c->roots->chain, NULL);
    return WEIR_OK;
}

static int set_resumption(struct weir_tls_context *c)
{
    int rc;

    if (!c->server) {
        mbedtls_ssl_conf_session_tickets(&c->conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
        /* Without it, TLS 1.3 tickets are read and dropped. */
        mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
            &c->conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
        return 0;
    }
    rc = mbedtls_ssl_ticket_setup(&c->tickets, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE,
                                  MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S);
    if (rc == 0)
        mbedtls_ssl_conf_session_tickets_cb(&c->conf, mbedtls_ssl_ticket_write,
                                            mbedtls_ssl_ticket_parse, &c->tickets);
    return rc;
}

static int set_rules(struct weir_tls_context *c, const struct weir_tls_conf *conf)
{
    int rc = mbedtls_ssl_config_defaults(
        &c->conf, conf->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
        MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

    if (rc)
        return rc;
    mbedtls_ssl_conf_rng(&c->conf, mbedtls_psa_get_random, MBEDTLS_PSA_RANDOM_STATE);
    mbedtls_ssl_conf_min_tls_version(&c->conf, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_renegotiation(&c->conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
    if (!conf->no_alpn) {
        /* The cast: mbedTLS takes a non-const array and never writes to it. */
        rc = mbedtls_ssl_conf_alpn_protocols(
            &c->conf, (const char **)(uintptr_t)(protocols + (conf->http2 ? 0 : 1)));
        if (rc)
            return rc;
    }
    return set_resumption(c);
}

int weir_tls_context_create(const struct weir_tls_conf *conf, char *why, size_t why_size,
                            struct weir_tls_context **out)
{
    struct weir_tls_context *c;
    int rc;

    if (psa_crypto_init() != PSA_SUCCESS) {
        refuse(why, why_size, "no source of random numbers", 0);
        return WEIR_ETLS;
    }
    c = WEIR_NEW(struct weir_tls_context);
    atomic_init(&c->refs, 1);
    c->server = conf->server;
    mbedtls_ssl_config_init(&c->conf);
    mbedtls_x509_crt_init(&c->cert);
    mbedtls_pk_init(&c->key);
    mbedtls_ssl_ticket_init(&c->tickets);
    rc = set_rules(c, conf);
    if (rc) {
        refuse(why, why_size, "TLS cannot be set up", rc);
        rc = WEIR_ETLS;
        goto fail;
    }
    rc = set_identity(c, conf, why, why_size);
    if (rc == WEIR_OK)
        rc = set_trust(c, conf, why, why_size);
    if (rc)
        goto fail;
    *out = c;
    return WEIR_OK;
fail:
    weir_tls_context_unref(c);
    return rc;
}

static int64_t unix_time(const mbedtls_x509_time *t)
{
    struct tm tm = {.tm_year = t->year - 1900,
                    .tm_mon = t->mon - 1,
                    .tm_mday = t->day,
                    .tm_hour = t->hour,
                    .tm_min = t->min,
                    .tm_sec = t->sec};

    return timegm(&tm);
}

void weir_tls_context_validity(const struct weir_tls_context *c, int64_t *from_s, int64_t *until_s)
{
    bool any = c->cert.version != 0;

    *from_s = any ? unix_time(&c->cert.valid_from) : 0;
    *until_s = any ? unix_time(&c->cert.valid_to) : 0;
}

struct weir_tls_context *weir_tls_context_ref(struct weir_tls_context *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void weir_tls_context_unref(struct weir_tls_context *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    mbedtls_ssl_config_free(&c->conf);
    mbedtls_x509_crt_free(&c->cert);
    mbedtls_pk_free(&c->key);
    mbedtls_ssl_ticket_free(&c->tickets);
    roots_unref(c->roots);
    free(c);
}
