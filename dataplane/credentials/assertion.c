/* assertion.c - a service account's signed claim to be itself (RFC 7515, 7519, 7523). */
#include "base/mem.h"
#include "common/pki/pki.h"
#include "data/json_write.h"
#include "dataplane/credentials/source_internal.h"

enum { LIFE_S = 3600, MAX_CLAIMS = 16384 };

static void add_header(struct weir_buf *b, const struct weir_cred_conf *c)
{
    struct weir_buf text;
    struct weir_jw w = {&text, false};

    weir_buf_init(&text, MAX_CLAIMS);
    weir_jw_object(&w, NULL);
    weir_jw_z(&w, "alg", "RS256");
    weir_jw_z(&w, "typ", "JWT");
    if (c->key_id.n)
        weir_jw_str(&w, "kid", c->key_id);
    weir_jw_end_object(&w);
    weir_buf_add_base64(b, weir_buf_str(&text), true);
    weir_buf_fini(&text);
}

static void add_claims(struct weir_buf *b, const struct weir_cred_conf *c, int64_t now_ms)
{
    struct weir_buf text;
    struct weir_jw w = {&text, false};

    weir_buf_init(&text, MAX_CLAIMS);
    weir_jw_object(&w, NULL);
    weir_jw_str(&w, "iss", c->client_id);
    weir_jw_str(&w, "scope", c->scope);
    weir_jw_str(&w, "aud", c->url);
    weir_jw_i64(&w, "iat", now_ms / 1000);
    weir_jw_i64(&w, "exp", now_ms / 1000 + LIFE_S);
    weir_jw_end_object(&w);
    weir_buf_add_base64(b, weir_buf_str(&text), true);
    weir_buf_fini(&text);
}

int weir__cred_assertion(const struct weir_cred_conf *c, int64_t now_ms, struct weir_arena *a,
                         struct weir_str *out)
{
    unsigned char signature[WEIR_PKI_SIGNATURE_BYTES];
    struct weir_buf b;
    size_t n;
    int rc;

    weir_buf_init(&b, 3 * MAX_CLAIMS);
    add_header(&b, c);
    weir_buf_addz(&b, ".");
    add_claims(&b, c, now_ms);
    rc = weir_pki_rs256(c->secret, weir_buf_str(&b), signature, &n);
    if (rc == WEIR_OK) {
        weir_buf_addz(&b, ".");
        weir_buf_add_base64(&b, (struct weir_str){(const char *)signature, n}, true);
        rc = b.full ? WEIR_EINVAL : WEIR_OK;
        *out = weir_arena_copy(a, weir_buf_str(&b));
    }
    weir_buf_fini(&b);
    return rc;
}
