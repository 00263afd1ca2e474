/* attempt_request.c - the request that goes to a provider: the caller's, less what is ours or
 * belongs to its connection, with the provider's own credential and the edits of this target. */
#include "dataplane/llm/endpoint.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/worker.h"

static bool begins(struct weir_str name, struct weir_str prefix)
{
    return name.n >= prefix.n && weir_str_ieq((struct weir_str){name.p, prefix.n}, prefix);
}

/* Of the client's headers these stay behind: hop-by-hop (RFC 9110, 7.6.1), what the HTTP client
 * writes itself, credentials, cookies, and codings that accounting could not read. */
static bool stays_behind(struct weir_str name)
{
    static const struct weir_str names[] = {WEIR_STR_INIT("host"),
                                            WEIR_STR_INIT("content-length"),
                                            WEIR_STR_INIT("connection"),
                                            WEIR_STR_INIT("transfer-encoding"),
                                            WEIR_STR_INIT("keep-alive"),
                                            WEIR_STR_INIT("proxy-connection"),
                                            WEIR_STR_INIT("proxy-authorization"),
                                            WEIR_STR_INIT("te"),
                                            WEIR_STR_INIT("trailer"),
                                            WEIR_STR_INIT("upgrade"),
                                            WEIR_STR_INIT("expect"),
                                            WEIR_STR_INIT("accept-encoding"),
                                            WEIR_STR_INIT("content-encoding"),
                                            WEIR_STR_INIT("authorization"),
                                            WEIR_STR_INIT("x-api-key"),
                                            WEIR_STR_INIT("api-key"),
                                            WEIR_STR_INIT("x-goog-api-key"),
                                            WEIR_STR_INIT("cookie"),
                                            WEIR_STR_INIT("forwarded"),
                                            WEIR_STR_INIT("x-forwarded-for"),
                                            WEIR_STR_INIT("x-forwarded-host"),
                                            WEIR_STR_INIT("x-forwarded-proto"),
                                            WEIR_STR_INIT("x-real-ip"),
                                            WEIR_STR_INIT("content-type")};

    if (begins(name, WEIR_STR("x-weir-")))
        return true;
    /* AWS takes none of these that its signature doesn't cover, and the caller's is gone. */
    if (begins(name, WEIR_STR("x-amz-")))
        return true;
    return weir_str_iany(name, names, sizeof names / sizeof *names);
}

/* What the client's SDK tells its own vendor says nothing to another. */
static bool is_of_dialect(struct weir_str name)
{
    static const struct weir_str prefixes[] = {
        WEIR_STR_INIT("anthropic-"), WEIR_STR_INIT("openai-"),   WEIR_STR_INIT("x-stainless-"),
        WEIR_STR_INIT("x-codex-"),   WEIR_STR_INIT("x-openai-"), WEIR_STR_INIT("x-goog-"),
        WEIR_STR_INIT("x-amzn-"),    WEIR_STR_INIT("amz-sdk-")};

    if (weir_str_ieq(name, WEIR_STR("accept")))
        return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (begins(name, prefixes[i]))
            return true;
    return false;
}

static struct weir_http_header header(struct weir_str name, struct weir_str value)
{
    return (struct weir_http_header){name, value};
}

/* A caller's own credential goes on only where policy says so, and never the one that is Weir's. */
static size_t pass_credentials(const struct weir_exchange *x, struct weir_http_header *out)
{
    static const struct weir_str names[] = {
        {"authorization", 13}, {"x-api-key", 9}, {"x-goog-api-key", 14}};
    size_t n = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct weir_str value = weir_http_req_header(x->req, names[i]);

        if (value.p && !memmem(value.p, value.n, x->credential.p, x->credential.n))
            out[n++] = header(names[i], value);
    }
    return n;
}

/* Vertex AI's paths: a project's models take an access token, and no API key. */
static bool is_of_project(struct weir_str base_path)
{
    return base_path.n && memmem(base_path.p, base_path.n, "/projects/", 10);
}

static struct weir_str bearer(const struct weir_exchange *x, struct weir_str token)
{
    return weir_arena_join(x->arena, (struct weir_str[]){WEIR_STR("Bearer "), token}, 2);
}

static size_t add_credential(const struct weir_exchange *x, const struct weir_policy_provider *p,
                             struct weir_http_header *out)
{
    if (p->passthrough)
        return pass_credentials(x, out);
    if (p->signs || (!p->secret.p && !x->token))
        return 0;
    if (x->token)
        out[0] = header(WEIR_STR("authorization"), bearer(x, weir_cred_token_bearer(x->token)));
    else if (p->key_header)
        out[0] = header(WEIR_STR("api-key"), p->secret);
    else if (p->dialect == WEIR_DIALECT_ANTHROPIC_MESSAGES)
        out[0] = header(WEIR_STR("x-api-key"), p->secret);
    else if (p->dialect == WEIR_DIALECT_GEMINI && !is_of_project(p->base_path))
        out[0] = header(WEIR_STR("x-goog-api-key"), p->secret);
    else
        out[0] = header(WEIR_STR("authorization"), bearer(x, p->secret));
    return 1;
}

static bool is_named(struct weir_str name, const struct weir_policy_header *h, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (weir_str_ieq(h[i].name, name))
            return true;
    return false;
}

static bool is_removed(struct weir_str name, char **removed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (weir_str_ieq(weir_str_of(removed[i]), name))
            return true;
    return false;
}

/* Only what the request does not have by now, so that none takes the place of a credential. */
static size_t add_defaults(struct weir_http_header *h, size_t n,
                           const struct weir_policy_header *defaults, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < n && !weir_str_ieq(h[at].name, defaults[i].name))
            at++;
        if (at == n)
            h[n++] = header(defaults[i].name, defaults[i].value);
    }
    return n;
}

/* The provider continues the caller's trace below this call's span, which telemetry tells of. */
static struct weir_str continue_trace(struct weir_exchange *x, struct weir_str from)
{
    struct weir_traceparent t;
    uint64_t random;
    char *to;

    if (weir_traceparent_parse(from, &t) != WEIR_OK)
        return from;
    if (!x->span_id[0]) {
        random = weir_prng_next(&x->worker->prng);
        weir_hex(&random, sizeof random, x->span_id);
    }
    memcpy(t.span_id, x->span_id, sizeof t.span_id);
    to = weir_arena_alloc(x->arena, 56);
    weir_traceparent_format(&t, to);
    return weir_str_of(to);
}

/* What passes keeps its own, whatever it is. */
static size_t add_content_type(const struct weir_exchange *x, struct weir_http_header *out)
{
    struct weir_str own = weir_http_req_header(x->req, WEIR_STR("content-type"));

    if (x->endpoint.operation != WEIR_OP_PASS)
        own = WEIR_STR("application/json");
    if (own.p)
        out[0] = header(WEIR_STR("content-type"), own);
    return own.p != NULL;
}

static void build_headers(struct weir_exchange *x, const struct weir_candidate *c,
                          struct weir_http_call_spec *out)
{
    const struct weir_policy_provider *p = c->provider;
    size_t n = 0, client_count;
    const struct weir_http_header *client = weir_http_req_headers(x->req, &client_count);
    struct weir_http_hop hop = weir_http_hop_of(client, client_count);
    bool foreign = weir_exchange_is_translated(x);
    struct weir_http_header *h = weir_arena_alloc(
        x->arena, (client_count + p->header_count + x->route->header_count + p->default_count +
                   x->route->default_count + 6 + WEIR_ATTEMPT_SIGNATURE_HEADERS) *
                      sizeof *h);

    for (size_t i = 0; i < client_count; i++)
        if (!stays_behind(client[i].name) && !(foreign && is_of_dialect(client[i].name)) &&
            !weir_http_is_for_hop(hop, client[i].name) &&
            !is_removed(client[i].name, p->removed, p->removed_count) &&
            !is_removed(client[i].name, x->route->removed, x->route->removed_count) &&
            !is_named(client[i].name, p->headers, p->header_count) &&
            !is_named(client[i].name, x->route->headers, x->route->header_count))
            h[n++] = header(client[i].name, weir_str_ieq(client[i].name, WEIR_STR("traceparent"))
                                                ? continue_trace(x, client[i].value)
                                                : client[i].value);
    n += add_content_type(x, h + n);
    h[n++] = header(WEIR_STR("accept-encoding"), WEIR_STR("identity"));
    if (foreign && c->dialect == WEIR_DIALECT_ANTHROPIC_MESSAGES &&
        !is_named(WEIR_STR("anthropic-version"), p->headers, p->header_count) &&
        !is_named(WEIR_STR("anthropic-version"), x->route->headers, x->route->header_count))
        h[n++] = header(WEIR_STR("anthropic-version"), WEIR_STR("2023-06-01"));
    n += add_credential(x, p, h + n);
    for (size_t i = 0; i < p->header_count; i++)
        h[n++] = header(p->headers[i].name, p->headers[i].value);
    for (size_t i = 0; i < x->route->header_count; i++)
        h[n++] = header(x->route->headers[i].name, x->route->headers[i].value);
    if (p->signs)
        n += weir_attempt_sign(x, p, out, h + n);
    n = add_defaults(h, n, x->route->defaults, x->route->default_count);
    n = add_defaults(h, n, p->defaults, p->default_count);
    out->headers = h;
    out->header_count = n;
}

static struct weir_str stored_path(const struct weir_exchange *x,
                                   const struct weir_policy_provider *p)
{
    return x->endpoint.operation == WEIR_OP_PASS
               ? weir_policy_passed_path(p, weir_http_req_method(x->req), &x->endpoint)
               : x->endpoint.stored;
}

static struct weir_str build_path(const struct weir_exchange *x, const struct weir_candidate *c)
{
    const struct weir_policy_provider *p = c->provider;
    struct weir_llm_endpoint to = {.dialect = c->dialect,
                                   .operation = x->endpoint.operation,
                                   .model = c->model,
                                   .stored = stored_path(x, p),
                                   .stream = x->call.stream,
                                   .deployment = p->deployment};
    struct weir_str query =
        weir_exchange_is_translated(x) ? WEIR_STR_NULL : weir_http_req_query(x->req);
    struct weir_str path = weir_llm_endpoint_path(&to, p->base_path, x->arena);

    query = weir_llm_endpoint_query(&to, query, x->arena);
    if (p->query.n)
        query = p->query; /* a caller's would be another version of the API */
    if (!query.n)
        return path;
    return weir_arena_join(x->arena, (struct weir_str[]){path, WEIR_STR("?"), query}, 3);
}

static int64_t limit_of(int64_t of_route, int64_t of_provider)
{
    return of_route > 0 ? of_route : of_provider;
}

bool weir_attempt_limits(const struct weir_exchange *x)
{
    return x->clamps > 0 || (x->bounded && x->call.max_output_tokens < 0);
}

static bool knows_newer_limit(const struct weir_policy_provider *p)
{
    return p->vendor || (p->server && p->server->newer_limit);
}

static struct weir_str join_names(struct weir_exchange *x, const struct weir_server_fit *fit)
{
    struct weir_str *list = weir_arena_alloc(x->arena, 2 * WEIR_SERVER_DROPPED * sizeof *list);
    size_t n = 0;

    for (size_t i = 0; i < fit->dropped_count; i++) {
        if (i)
            list[n++] = WEIR_STR(", ");
        list[n++] = fit->dropped[i];
    }
    return n ? weir_arena_join(x->arena, list, n) : WEIR_STR_NULL;
}

/* What the server or the model is known to refuse. */
static void fit_body(struct weir_exchange *x, const struct weir_candidate *c,
                     struct weir_llm_pieces *body)
{
    const struct weir_policy_model *m = c->entry;
    struct weir_server_fit fit;
    struct weir_buf whole;

    x->left_out = WEIR_STR_NULL;
    if (!weir_exchange_is_fitted(x, c))
        return;
    weir_buf_init(&whole, body->bytes + 1);
    for (size_t i = 0; i < body->count; i++)
        weir_buf_adds(&whole, body->piece[i]);
    if (weir_server_fit(weir_exchange_server(x, c), m ? m->refuses : NULL, m ? m->refuse_count : 0,
                        weir_buf_str(&whole), x->arena, &fit)) {
        *body = (struct weir_llm_pieces){.piece = {fit.body}, .count = 1, .bytes = fit.body.n};
        x->left_out = join_names(x, &fit);
    }
    weir_buf_fini(&whole);
}

static void write_body(struct weir_exchange *x, const struct weir_candidate *c,
                       struct weir_llm_pieces *out)
{
    const struct weir_server *s = weir_exchange_server(x, c);
    struct weir_llm_edits edits = {.ask_usage = x->endpoint.operation == WEIR_OP_GENERATE &&
                                                (!s || s->stream_options),
                                   .ask_stream = x->gathers};
    bool told = x->call.max_output_tokens >= 0 || weir_attempt_limits(x);

    if (weir_exchange_is_translated(x)) {
        const struct weir_llm_translation *t = &x->translations[c->dialect];

        weir_llm_translated(t, c->model, told || t->needs_limit ? c->choice_limit : 0,
                            !knows_newer_limit(c->provider), x->arena, out);
        return;
    }
    if (!weir_str_eq(c->model, x->call.model))
        edits.model = c->model;
    if (x->endpoint.operation == WEIR_OP_GENERATE && weir_attempt_limits(x)) {
        edits.max_output_tokens = c->choice_limit;
        edits.older_limit = !knows_newer_limit(c->provider);
    }
    weir_llm_edit(&x->call, x->body, &edits, x->arena, out);
}

static bool has_body(const struct weir_exchange *x)
{
    switch ((int)weir_http_req_method(x->req)) {
    case WEIR_HTTP_POST:
    case WEIR_HTTP_PUT:
    case WEIR_HTTP_PATCH:
        return true;
    default:
        return x->body.n > 0;
    }
}

void weir_attempt_request(struct weir_exchange *x, const struct weir_candidate *c,
                          struct weir_http_call_spec *out)
{
    const struct weir_policy_timeouts *r = &x->route->timeouts, *p = &c->provider->timeouts;
    struct weir_llm_pieces *pieces = WEIR_ARENA_NEW(x->arena, struct weir_llm_pieces);
    int64_t elapsed_ms = (weir_mono_us() - x->started_us) / 1000;

    if (x->endpoint.operation != WEIR_OP_STORED)
        write_body(x, c, pieces);
    if (x->endpoint.operation == WEIR_OP_GENERATE)
        fit_body(x, c, pieces);
    *out = (struct weir_http_call_spec){
        .method = weir_http_req_method_name(x->req),
        .path = build_path(x, c),
        .body = pieces->piece,
        .body_count = pieces->count,
        .has_body = has_body(x),
        .connect_timeout_ms = limit_of(r->connect_ms, p->connect_ms),
        .first_byte_timeout_ms = limit_of(r->first_byte_ms, p->first_byte_ms),
        .idle_timeout_ms = limit_of(r->idle_ms, p->idle_ms),
        .total_timeout_ms = limit_of(r->total_ms, p->total_ms) - elapsed_ms};
    if (out->total_timeout_ms < 1)
        out->total_timeout_ms = 1;
    build_headers(x, c, out);
}
