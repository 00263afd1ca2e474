/* tls_cause.c - what a user can do about a failed handshake. */
#include <stdint.h>

#include <mbedtls/x509.h>

#include "net/tls_internal.h"

struct cause {
    int code;
    const char *text;
};

/* The order matters: an expired certificate is also "not trusted" on some paths. */
static const struct cause verify_causes[] = {
    {MBEDTLS_X509_BADCERT_EXPIRED,
     "the certificate has expired (or this machine's clock is wrong)"},
    {MBEDTLS_X509_BADCERT_FUTURE,
     "the certificate is not valid yet (or this machine's clock is wrong)"},
    {MBEDTLS_X509_BADCERT_REVOKED, "the certificate was revoked"},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED,
     "the certificate's issuer is not trusted: name its CA certificate in caFile"},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH,
     "the certificate is for another host name: check the endpoint, or set serverName"},
    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
     "the certificate uses a key or signature that is too weak"},
    {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
         MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
     "the certificate is not meant for this use"},
    {MBEDTLS_X509_BADCERT_MISSING, "the peer sent no certificate"},
};

static const struct cause codes[] = {
    {MBEDTLS_ERR_SSL_CONN_EOF, "the peer closed the connection during the handshake"},
    {MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, "the peer ended the session"},
    {MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE,
     "the peer refused the handshake by an alert (a client certificate it wants, or a protocol or "
     "name that it doesn't serve)"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, "the peer does not speak TLS on this port"},
    {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, "the peer offers neither TLS 1.2 nor 1.3"},
    {MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, "no common cipher or key exchange"},
    {MBEDTLS_ERR_SSL_NO_APPLICATION_PROTOCOL,
     "the peer speaks no version of HTTP that is known here"},
    {MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE, "the client sent no certificate"},
    {MBEDTLS_ERR_SSL_INVALID_MAC, "a record was damaged or forged"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, "the peer broke the TLS protocol"},
    {MBEDTLS_ERR_SSL_DECODE_ERROR, "the peer broke the TLS protocol"},
    {MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, "the peer broke the TLS protocol"},
};

const char *weir__tls_cause(int mbedtls_rc, uint32_t verify_flags, bool server)
{
    for (size_t i = 0; i < sizeof verify_causes / sizeof *verify_causes; i++)
        if (verify_flags & (uint32_t)verify_causes[i].code)
            return verify_causes[i].text;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (mbedtls_rc == codes[i].code)
            return codes[i].text;
    return server ? "the client's TLS handshake failed" : "the TLS handshake failed";
}
