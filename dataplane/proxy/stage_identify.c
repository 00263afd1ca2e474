/* stage_identify.c - whose call is it, and which API does it speak?
 *
 * Runs before the body is read, so that nobody without a key can make the proxy take one. */
#include "base/clock.h"
#include "dataplane/llm/endpoint.h"
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/exchange.h"
#include "dataplane/proxy/worker.h"

enum weir_dialect weir_dialect_of_request(const struct weir_http_req *req)
{
    enum weir_dialect of_path = weir_llm_endpoint_dialect(weir_http_req_path(req));

    if (weir_http_req_header(req, WEIR_STR("anthropic-version")).p)
        return WEIR_DIALECT_ANTHROPIC_MESSAGES;
    return of_path == WEIR_DIALECT_OPENAI_CHAT &&
                   weir_http_req_header(req, WEIR_STR("x-goog-api-key")).p
               ? WEIR_DIALECT_GEMINI
               : of_path;
}

/* A path that isn't served: does a provider's policy let it pass? */
static bool may_pass(const struct weir_exchange *x, struct weir_llm_endpoint *out)
{
    const struct weir_policy_provider *p;
    struct weir_llm_endpoint e;

    if (!x->policy || !weir_llm_endpoint_pass(weir_http_req_path(x->req), &e))
        return false;
    for (size_t i = 0; (p = weir_policy_provider(x->policy, i)); i++)
        if (weir_policy_passes(p, weir_http_req_method(x->req), e.stored)) {
            *out = e;
            return true;
        }
    return false;
}

/* WEIR_ENOTFOUND: no such path; WEIR_EINVAL: the path has another method. */
static int classify(struct weir_exchange *x)
{
    enum weir_http_method method = weir_http_req_method(x->req);
    struct weir_llm_endpoint *e = &x->endpoint;
    int rc = weir_llm_endpoint_find(method, weir_http_req_path(x->req), x->arena, e);

    if (rc && method != WEIR_HTTP_HEAD && may_pass(x, e))
        return WEIR_OK;
    if (rc || e->operation == WEIR_OP_MODELS)
        e->dialect = weir_dialect_of_request(x->req);
    if (method == WEIR_HTTP_HEAD) {
        /* Harnesses ask so whether anybody is there: neither a call nor an attack. */
        e->operation = WEIR_OP_HELLO;
        return WEIR_OK;
    }
    return rc;
}

/* AWS's SDKs sign what they send: the key's id names the caller, in the clear, and here it is all
 * of the key. What they sign is not looked at, for nobody here has the other half. */
static struct weir_str signing_key(struct weir_str fields)
{
    static const struct weir_str credential = WEIR_STR_INIT("Credential=");
    struct weir_str end;

    while (fields.n) {
        struct weir_str one = weir_str_trim(weir_str_cut(fields, ',', &fields));

        if (weir_str_starts(one, credential))
            return weir_str_cut((struct weir_str){one.p + credential.n, one.n - credential.n}, '/',
                                &end);
    }
    return WEIR_STR_NULL;
}

static struct weir_str presented_key(const struct weir_http_req *req, struct weir_str of_query)
{
    static const struct weir_str names[] = {
        {"x-api-key", 9}, {"api-key", 7}, {"x-goog-api-key", 14}};
    /* Weir's own header leaves the usual ones free for a credential that passes through. */
    struct weir_str key = weir_http_req_header(req, WEIR_STR("x-weir-key")), token, scheme;

    if (key.n)
        return key;
    key = weir_http_req_header(req, WEIR_STR("authorization"));
    scheme = weir_str_cut(key, ' ', &token);
    if (token.p && weir_str_ieq(scheme, WEIR_STR("bearer")) && weir_str_trim(token).n)
        return weir_str_trim(token);
    if (weir_str_ieq(scheme, WEIR_STR("AWS4-HMAC-SHA256")))
        return signing_key(token);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        key = weir_http_req_header(req, names[i]);
        if (key.n)
            return key;
    }
    return of_query;
}

static enum weir_verdict refuse_key(struct weir_exchange *x, const char *code, const char *detail)
{
    if (weir_worker_auth_failed(x->worker))
        return weir_answer_error(x, &(struct weir_err){.rc = WEIR_EAUTH,
                                                       .http_status = 429,
                                                       .code = "too_many_auth_failures",
                                                       .detail = "Too many calls with wrong keys; "
                                                                 "wait a second.",
                                                       .retry_after_s = 1});
    return weir_answer_error(
        x,
        &(struct weir_err){.rc = WEIR_EAUTH, .http_status = 401, .code = code, .detail = detail});
}

static enum weir_verdict find_caller(struct weir_exchange *x, struct weir_str key_of_query)
{
    struct weir_str presented = presented_key(x->req, key_of_query);

    if (!presented.n)
        return refuse_key(
            x, "missing_api_key",
            "No API key was sent. Set the key that Weir gave to this agent (`weir keys "
            "create --agent NAME` makes one) as Authorization: Bearer or x-api-key.");
    x->credential = presented;
    x->key = weir_policy_find_key(x->policy, presented);
    if (!x->key)
        return refuse_key(
            x, "invalid_api_key",
            "Weir does not know this API key. It may be mistyped or revoked; provider "
            "keys are not accepted here.");
    if (x->key->expires_ms && x->key->expires_ms <= weir_wall_ms())
        return refuse_key(x, "expired_api_key",
                          "This API key has expired; `weir keys create` makes a new one.");
    x->agent = x->key->agent;
    if (x->agent->disabled)
        return weir_answer_error(x, &(struct weir_err){.rc = WEIR_EAUTH,
                                                       .http_status = 403,
                                                       .code = "agent_disabled",
                                                       .detail = "This agent is disabled by policy "
                                                                 "(Agent spec.disabled)."});
    if (!weir_worker_enter(x->worker, x))
        return weir_answer_error(
            x, &(struct weir_err){.rc = WEIR_ELIMIT,
                                  .http_status = 429,
                                  .code = "too_many_concurrent_calls",
                                  .detail = "This agent has as many calls under way as its policy "
                                            "allows (Agent spec.maxConcurrency).",
                                  .retry_after_s = 1});
    return WEIR_V_CONTINUE;
}

enum weir_verdict weir_stage_identify(struct weir_exchange *x)
{
    struct weir_str key = WEIR_STR_NULL;
    int rc = classify(x);

    if (rc == WEIR_OK)
        rc = weir_llm_endpoint_read_query(&x->endpoint, weir_http_req_query(x->req), x->arena, &key,
                                          &x->wants_array);

    /* Any other offer (h2c) may be ignored: RFC 9110, 7.8. */
    if (weir_str_ieq(weir_http_req_header(x->req, WEIR_STR("upgrade")), WEIR_STR("websocket")))
        return weir_answer_error(
            x, &(struct weir_err){.rc = WEIR_EUNSUPPORTED,
                                  .http_status = 426,
                                  .code = "upgrade_not_supported",
                                  .detail = "WebSocket is not served here yet; use plain HTTP."});
    if (rc == WEIR_OK && x->endpoint.operation == WEIR_OP_HELLO)
        return weir_answer_hello(x);
    if (!x->policy)
        return weir_answer_error(
            x, &(struct weir_err){.rc = WEIR_ESTATE,
                                  .http_status = 503,
                                  .code = "no_policy",
                                  .detail = "This proxy has no policy yet, so nothing may pass. Is "
                                            "weir-control running, and does it accept the policy?",
                                  .retry_after_s = 1});
    if (rc == WEIR_EINVAL)
        return weir_answer_error(x, &(struct weir_err){.rc = rc,
                                                       .http_status = 405,
                                                       .code = "method_not_allowed",
                                                       .detail = "This path has another method."});
    if (rc == WEIR_EUNSUPPORTED)
        return weir_answer_error(
            x, &(struct weir_err){.rc = rc,
                                  .http_status = 400,
                                  .code = "stream_form_not_supported",
                                  .detail = "A stream is served as server-sent events (alt=sse) "
                                            "or as a JSON array (alt=json, or without alt)."});
    if (rc)
        return weir_answer_error(
            x, &(struct weir_err){.rc = rc,
                                  .http_status = 404,
                                  .code = "unknown_path",
                                  .detail =
                                      "Weir serves /v1/chat/completions, /v1/messages, "
                                      "/v1/messages/count_tokens, /v1/responses, /v1/completions, "
                                      "/v1/embeddings, /v1beta/models/MODEL:generateContent, "
                                      "/model/MODEL/converse and /v1/models."});
    return find_caller(x, key);
}
