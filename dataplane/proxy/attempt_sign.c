/* attempt_sign.c - the signature of a request that goes to AWS. */
#include "base/clock.h"
#include "common/http/sigv4.h"
#include "dataplane/proxy/attempt.h"

size_t weir_attempt_sign(const struct weir_exchange *x, const struct weir_policy_provider *p,
                         const struct weir_http_call_spec *spec, struct weir_http_header *out)
{
    struct weir_sigv4_keys keys = x->token ? *weir_cred_token_keys(x->token) : p->aws;
    char *date = weir_arena_alloc(x->arena, WEIR_SIGV4_DATE_BYTES);
    struct weir_http_header headers[] = {{WEIR_STR("content-type"), WEIR_STR("application/json")},
                                         {WEIR_STR("host"), weir_origin_authority(p->origin)},
                                         {WEIR_STR("x-amz-date"), WEIR_STR_NULL},
                                         {WEIR_STR("x-amz-security-token"), keys.token}};
    struct weir_sigv4_request r = {.method = spec->method,
                                   .target = spec->path,
                                   .headers = headers,
                                   .header_count = keys.token.p ? 4 : 3,
                                   .body = spec->body,
                                   .body_count = spec->body_count};
    struct weir_str authorization;
    size_t n = 0;

    keys.region = p->aws.region;
    keys.service = p->aws.service;
    weir_sigv4_date(weir_wall_ms() / 1000, date);
    headers[2].value = weir_str_of(date);
    if (weir_sigv4_sign(&keys, &r, date, x->arena, &authorization))
        return 0; /* the provider says what it misses */
    out[n++] = headers[2];
    if (keys.token.p)
        out[n++] = headers[3];
    out[n++] = (struct weir_http_header){WEIR_STR("authorization"), authorization};
    return n;
}
