/* policy_provider.c - compiles a Provider: its origin, its names for models and its credential.
 * Runs on the hub thread, since it reads credential and certificate files. */
#include "dataplane/proxy/policy_internal.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/http/url.h"

enum {
    DEFAULT_CONNECTIONS = 8192, /* as many as a worker serves: no bound before its own */
    MAX_WAITING = 8192,
};

static void keep_secret(struct weir_policy_compile *c, struct weir_policy_provider *p,
                        struct weir_str raw)
{
    if (p->dialect == WEIR_DIALECT_BEDROCK) {
        weir__policy_aws(c, p, raw);
        return;
    }
    raw = weir_str_trim(raw);
    for (size_t i = 0; i < raw.n; i++) {
        if ((unsigned char)raw.p[i] < 0x20 || raw.p[i] == 0x7f) {
            weir__policy_bad(c, "spec.credential",
                             "the secret has a control character; it must be one line");
            return;
        }
    }
    if (raw.n == 0) {
        weir__policy_bad(c, "spec.credential", "the secret is empty");
        return;
    }
    p->secret = weir_arena_copy(c->p->arena, raw);
}

void weir__policy_watch(struct weir_policy_compile *c, struct weir_str path)
{
    const char *z = path.n ? weir_arena_strdup(c->p->arena, path) : NULL;

    if (z)
        c->p->files[c->p->file_count++] = (struct weir_policy_file){z, weir_file_state(z)};
}

bool weir__policy_read_file(struct weir_policy_compile *c, const char *file, const char *path,
                            struct weir_buf *out)
{
    int rc;

    weir__policy_watch(c, weir_str_of(file));
    rc = weir_file_read(file, out);
    if (rc)
        weir__policy_bad(c, path,
                         rc == WEIR_ENOTFOUND ? "no such file on this proxy"
                         : rc == WEIR_ELIMIT  ? "the file is larger than 16 KiB"
                                              : "the file can't be read by this proxy");
    return rc == WEIR_OK;
}

bool weir__policy_read_env(struct weir_policy_compile *c, const char *name, const char *path,
                           struct weir_buf *out)
{
    const char *value = getenv(name);

    if (!value || weir_buf_addz(out, value))
        weir__policy_bad(c, path,
                         value ? "the variable is longer than 16 KiB"
                               : "this variable isn't set in the proxy's environment");
    return value && !out->full;
}

static void local_secret(struct weir_policy_compile *c, struct weir_policy_provider *p,
                         const Weir__V1__Credential *cred)
{
    struct weir_buf content;

    weir_buf_init(&content, WEIR__POLICY_SECRET_BYTES);
    if (cred->env ? weir__policy_read_env(c, cred->env, "spec.credential.env", &content)
                  : weir__policy_read_file(c, cred->file, "spec.credential.file", &content))
        keep_secret(c, p, weir_buf_str(&content));
    if (content.p)
        weir_wipe(content.p, content.n);
    weir_buf_fini(&content);
}

/* A Secret is named after its provider; that of the second key ends with "#1". */
static struct weir_str secret_name(struct weir_policy_compile *c,
                                   const struct weir_policy_provider *p)
{
    if (p->key == 0)
        return p->id;
    return weir_str_of(weir_arena_printf(c->p->arena, "%.*s#%zu", WEIR_STR_ARG(p->id), p->key));
}

static void pushed_secret(struct weir_policy_compile *c, struct weir_policy_provider *p)
{
    struct weir_str name = secret_name(c, p);

    for (size_t i = 0; i < c->bytes->count; i++) {
        const struct weir_policy_resource *r = &c->bytes->resources[i], *was = c->now;
        Weir__V1__Secret *s;

        if (strcmp(r->type, "Secret") != 0 || !weir_str_is(name, r->name))
            continue;
        s = weir__policy_unpack(c, r, &weir__v1__secret__descriptor);
        c->now = was;
        if (!s)
            return;
        keep_secret(c, p, (struct weir_str){(const char *)s->value.data, s->value.len});
        weir_wipe(s->value.data, s->value.len);
        return;
    }
    /* The policy in the state folder never holds secrets: they come with the first connection. */
    if (!c->bytes->from_file)
        weir__policy_bad(c, "spec.credential.pushed", "the control plane did not send the secret");
}

static void compile_credential(struct weir_policy_compile *c, struct weir_policy_provider *p,
                               const Weir__V1__ProviderSpec *spec, const Weir__V1__Credential *cred)
{
    if (!cred)
        return;
    if (cred->passthrough) {
        p->passthrough = true;
    } else if (cred->env || cred->file) {
        local_secret(c, p, cred);
    } else if (cred->oauth || cred->google || cred->aws) {
        weir__policy_source(c, p, spec, cred);
    } else if (cred->pushed) {
        pushed_secret(c, p);
        p->unavailable = p->secret.p == NULL;
    }
}

static struct weir_health_rules compile_health(const Weir__V1__Health *h)
{
    return (struct weir_health_rules){.failures = OR(h, failures, 5),
                                      .failure_percent = OR(h, failurepercent, 50),
                                      .window_ms = OR(h, window, 30000),
                                      .open_ms = OR(h, openfor, 5000),
                                      .max_cooldown_ms = OR(h, maxcooldown, 300000)};
}

static uint32_t features_of(const Weir__V1__Model *m)
{
    uint32_t some = 0;

    for (size_t i = 0; i < m->n_without; i++)
        if ((unsigned)m->without[i] < 32)
            some |= 1u << m->without[i];
    return some;
}

/* Without these a call is none, or has no bound that a budget could rely on. */
static bool is_needed(const char *field)
{
    static const char *const names[] = {"model",
                                        "messages",
                                        "input",
                                        "contents",
                                        "stream",
                                        "max_tokens",
                                        "max_completion_tokens",
                                        "max_output_tokens",
                                        "generationConfig",
                                        "inferenceConfig"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(field, names[i]) == 0)
            return true;
    return false;
}

static void compile_refuses(struct weir_policy_compile *c, const Weir__V1__Model *m,
                            struct weir_policy_model *out)
{
    struct weir_str *list = weir_arena_alloc(c->p->arena, m->n_refuses * sizeof *list);

    for (size_t i = 0; i < m->n_refuses; i++) {
        list[i] = weir_str_of(m->refuses[i]);
        if (is_needed(m->refuses[i]))
            weir__policy_bad(c, "spec.models.refuses",
                             "the model, the input, the limit and the stream can't be left out");
    }
    out->refuses = list;
    out->refuse_count = m->n_refuses;
}

static void compile_models(struct weir_policy_compile *c, struct weir_policy_provider *p,
                           const Weir__V1__ProviderSpec *spec)
{
    p->model_count = spec->n_models;
    p->models = weir_arena_zalloc(c->p->arena, spec->n_models * sizeof *p->models);
    for (size_t i = 0; i < spec->n_models; i++) {
        const Weir__V1__Model *m = spec->models[i];

        p->models[i] = (struct weir_policy_model){.name = weir_str_of(m->name ? m->name : ""),
                                                  .upstream = weir_str_of(m->upstream ? m->upstream
                                                                          : m->name   ? m->name
                                                                                      : ""),
                                                  .max_output_tokens = OR(m, maxoutputtokens, 0),
                                                  .shows_all = !OR(m, hiddenreasoning, true),
                                                  .context_tokens = OR(m, contexttokens, 0),
                                                  .without = features_of(m)};
        compile_refuses(c, m, &p->models[i]);
    }
}

static uint32_t methods_of(const Weir__V1__PassThrough *m)
{
    static const enum weir_http_method names[] = {
        [WEIR__V1__HTTP_METHOD__GET] = WEIR_HTTP_GET,
        [WEIR__V1__HTTP_METHOD__POST] = WEIR_HTTP_POST,
        [WEIR__V1__HTTP_METHOD__PUT] = WEIR_HTTP_PUT,
        [WEIR__V1__HTTP_METHOD__PATCH] = WEIR_HTTP_PATCH,
        [WEIR__V1__HTTP_METHOD__DELETE] = WEIR_HTTP_DELETE,
    };

    uint32_t all = 0, some = 0;

    for (size_t i = WEIR__V1__HTTP_METHOD__GET; i < sizeof names / sizeof *names; i++)
        all |= 1u << names[i];
    for (size_t i = 0; i < m->n_methods; i++)
        if ((size_t)m->methods[i] < sizeof names / sizeof *names &&
            m->methods[i] != WEIR__V1__HTTP_METHOD__HTTP_METHOD_UNSET)
            some |= 1u << names[m->methods[i]];
    return m->n_methods ? some : all;
}

static void compile_passes(struct weir_policy_compile *c, struct weir_policy_provider *p,
                           const Weir__V1__ProviderSpec *spec)
{
    p->passes = weir_arena_zalloc(c->p->arena, spec->n_passthrough * sizeof *p->passes);
    for (size_t i = 0; i < spec->n_passthrough; i++) {
        const Weir__V1__PassThrough *m = spec->passthrough[i];

        if (!m->path || m->path[0] != '/')
            continue;
        p->passes[p->pass_count++] =
            (struct weir_policy_pass){.path = weir_str_of(m->path),
                                      .methods = methods_of(m),
                                      .price_nano_usd = OR(m, pricepercall, -1)};
    }
}

static struct weir_str default_endpoint(struct weir_policy_compile *c,
                                        const Weir__V1__ProviderSpec *spec)
{
    if (spec->endpoint)
        return weir_str_of(spec->endpoint);
    switch ((int)spec->dialect) {
    case WEIR__V1__DIALECT__anthropic:
        return WEIR_STR("https://api.anthropic.com");
    case WEIR__V1__DIALECT__gemini:
        return WEIR_STR("https://generativelanguage.googleapis.com");
    case WEIR__V1__DIALECT__bedrock:
        return weir_str_of(weir_arena_printf(
            c->p->arena, "https://bedrock-runtime.%s.amazonaws.com", spec->region));
    case WEIR__V1__DIALECT__cohere:
        return WEIR_STR("https://api.cohere.com");
    default:
        return WEIR_STR("https://api.openai.com");
    }
}

static bool is_version(const char *s)
{
    return *s && s[strspn(s, "0123456789abcdefghijklmnopqrstuvwxyz-.")] == '\0';
}

/* The endpoint is a resource's, with or without the "/openai" and "/openai/v1" that SDKs put behind
 * it. */
static void compile_azure(struct weir_policy_compile *c, struct weir_policy_provider *p,
                          const Weir__V1__ProviderSpec *spec)
{
    static const struct weir_str tails[] = {WEIR_STR_INIT("/v1"), WEIR_STR_INIT("/openai")};

    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        if (weir_str_ends(p->base_path, tails[i]))
            p->base_path.n -= tails[i].n;
    p->vendor = true;
    p->key_header = true;
    p->deployment = spec->apiversion != NULL;
    p->base_path =
        weir_str_of(weir_arena_printf(c->p->arena, "%.*s/openai/%s", WEIR_STR_ARG(p->base_path),
                                      p->deployment ? "deployments" : "v1"));
    if (p->deployment && spec->n_alsospeaks)
        weir__policy_bad(c, "spec.apiVersion",
                         "its deployments speak Chat Completions only: the v1 paths, without it, "
                         "speak more");
    else if (p->deployment && !is_version(spec->apiversion))
        weir__policy_bad(c, "spec.apiVersion", "not a version such as 2024-10-21");
    else if (p->deployment)
        p->query = weir_str_of(weir_arena_printf(c->p->arena, "api-version=%s", spec->apiversion));
}

/* Servers that imitate the vendors' API know its older fields only. */
static bool is_vendor(struct weir_str host)
{
    static const struct weir_str names[] = {
        WEIR_STR_INIT(".openai.com"), WEIR_STR_INIT(".openai.azure.com"),
        WEIR_STR_INIT(".services.ai.azure.com"), WEIR_STR_INIT(".anthropic.com")};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (weir_str_ends(host, names[i]))
            return true;
    return false;
}

/* By its field, or its host. */
static void compile_server(struct weir_policy_compile *c, struct weir_policy_provider *p,
                           const Weir__V1__ProviderSpec *spec, struct weir_str host)
{
    const ProtobufCEnumValue *v =
        protobuf_c_enum_descriptor_get_value(&weir__v1__server__descriptor, (int)spec->server);

    if (!spec->has_server) {
        p->server = spec->dialect == WEIR__V1__DIALECT__openai ? weir_server_of_host(host) : NULL;
        return;
    }
    p->server = v ? weir_server_named(weir_str_of(v->name)) : NULL;
    if (spec->dialect != WEIR__V1__DIALECT__openai)
        weir__policy_bad(c, "spec.server", "of dialect openai only: remove it");
    else if (!p->server)
        weir__policy_bad(c, "spec.server", "not known to this proxy");
}

static void compile_origin(struct weir_policy_compile *c, struct weir_policy_provider *p,
                           const Weir__V1__ProviderSpec *spec)
{
    const Weir__V1__TlsSettings *tls = spec->tls;
    struct weir_origin_conf conf = {0};
    struct weir_url url;
    const char *why;

    if (spec->dialect == WEIR__V1__DIALECT__bedrock && !spec->endpoint && !spec->region) {
        weir__policy_bad(c, "spec.region", "Bedrock needs it, or an endpoint");
        return;
    }
    if (spec->dialect == WEIR__V1__DIALECT__azure && !spec->endpoint) {
        weir__policy_bad(c, "spec.endpoint", "Azure needs it: each resource has its own");
        return;
    }
    if (weir_url_parse(default_endpoint(c, spec), &url, &why)) {
        weir__policy_bad(c, "spec.endpoint", why);
        return;
    }
    p->max_connections = OR(spec, maxconnections, DEFAULT_CONNECTIONS);
    conf.max_connections = (uint32_t)p->max_connections;
    conf.max_waiting = MAX_WAITING;
    conf.tls = url.tls;
    conf.host = url.host;
    conf.port = url.port;
    if (tls) {
        conf.ca_file = weir_str_of(tls->cafile);
        conf.server_name = weir_str_of(tls->servername);
        conf.cert_file = weir_str_of(tls->certfile);
        conf.key_file = weir_str_of(tls->keyfile);
    }
    p->origin = weir__policy_origin(c, spec, &conf, "spec.tls");
    if (!p->origin)
        return;
    p->vendor = is_vendor(url.host);
    compile_server(c, p, spec, url.host);
    if (weir_str_ends(url.host, WEIR_STR(".openai.com")))
        p->speaks |= 1u << WEIR_DIALECT_OPENAI_CHAT | 1u << WEIR_DIALECT_OPENAI_RESPONSES;
    if (p->dialect == WEIR_DIALECT_BEDROCK)
        p->aws.region = spec->region
                            ? weir_str_of(spec->region)
                            : weir_arena_copy(c->p->arena, weir__policy_aws_region(url.host));
    p->base_path = weir_arena_copy(c->p->arena, url.path);
    while (p->base_path.n && p->base_path.p[p->base_path.n - 1] == '/')
        p->base_path.n--;
    if (spec->dialect == WEIR__V1__DIALECT__azure)
        compile_azure(c, p, spec);
    else if (spec->apiversion)
        weir__policy_bad(c, "spec.apiVersion", "of Azure's paths only: remove it");
}

static enum weir_dialect dialect_of(Weir__V1__Dialect d)
{
    switch ((int)d) {
    case WEIR__V1__DIALECT__openai:
    case WEIR__V1__DIALECT__azure:
        return WEIR_DIALECT_OPENAI_CHAT;
    case WEIR__V1__DIALECT__openaiResponses:
        return WEIR_DIALECT_OPENAI_RESPONSES;
    case WEIR__V1__DIALECT__anthropic:
        return WEIR_DIALECT_ANTHROPIC_MESSAGES;
    case WEIR__V1__DIALECT__gemini:
        return WEIR_DIALECT_GEMINI;
    case WEIR__V1__DIALECT__bedrock:
        return WEIR_DIALECT_BEDROCK;
    case WEIR__V1__DIALECT__cohere:
        return WEIR_DIALECT_COHERE;
    default:
        return WEIR_DIALECT_NONE;
    }
}

static void compile_dialect(struct weir_policy_compile *c, struct weir_policy_provider *p,
                            const Weir__V1__ProviderSpec *spec)
{
    p->echo = spec->dialect == WEIR__V1__DIALECT__echo;
    if (p->echo)
        return;
    p->dialect = dialect_of(spec->dialect);
    p->speaks = 1u << p->dialect;
    for (size_t i = 0; i < spec->n_alsospeaks; i++)
        p->speaks |= 1u << dialect_of(spec->alsospeaks[i]);
    if (p->speaks & 1u << WEIR_DIALECT_NONE) {
        weir__policy_bad(c, "spec.dialect", "not supported by this proxy yet");
        return;
    }
    compile_origin(c, p, spec);
}

bool weir_policy_speaks(const struct weir_policy_provider *p, enum weir_dialect d)
{
    return p->echo || p->speaks & 1u << weir_dialect_family(d);
}

static void compile_others(struct weir_policy_compile *c, struct weir_policy_provider *p,
                           const Weir__V1__ProviderSpec *spec)
{
    if (spec->n_morecredentials >= WEIR_POLICY_MAX_KEYS) {
        weir__policy_bad(c, "spec.moreCredentials", "are more than 15");
        return;
    }
    p->key_count = 1 + spec->n_morecredentials;
    p->others = weir_arena_zalloc(c->p->arena, spec->n_morecredentials * sizeof *p->others);
    for (size_t i = 0; i < spec->n_morecredentials; i++) {
        struct weir_policy_provider *other = &p->others[i];

        *other = *p;
        other->key = i + 1;
        other->secret = WEIR_STR_NULL;
        other->source = NULL;
        other->signs = false;
        other->aws = (struct weir_sigv4_keys){.region = p->aws.region};
        other->unavailable = false;
        compile_credential(c, other, spec, spec->morecredentials[i]);
    }
}

void weir__policy_provider(struct weir_policy_compile *c, const struct weir_policy_resource *r)
{
    Weir__V1__Provider *m = weir__policy_unpack(c, r, &weir__v1__provider__descriptor);
    const Weir__V1__ProviderSpec *spec = m ? m->spec : NULL;
    struct weir_policy_provider *p = &c->p->providers[c->p->provider_count];

    if (!spec)
        return;
    *p = (struct weir_policy_provider){.id = weir_str_of(r->name),
                                       .name = weir__policy_local_name(weir_str_of(r->name)),
                                       .timeouts = weir__policy_timeouts(spec->timeouts, true),
                                       .health = compile_health(spec->health),
                                       .header_count = spec->n_headers,
                                       .default_count = spec->n_defaultheaders,
                                       .removed = spec->removeheaders,
                                       .removed_count = spec->n_removeheaders,
                                       .max_concurrency = OR(spec, maxconcurrency, 0),
                                       .key_count = 1};
    c->p->provider_count++;
    p->headers = weir__policy_headers(c, spec->headers, spec->n_headers);
    p->defaults = weir__policy_headers(c, spec->defaultheaders, spec->n_defaultheaders);
    compile_dialect(c, p, spec);
    compile_models(c, p, spec);
    compile_passes(c, p, spec);
    compile_credential(c, p, spec, spec->credential);
    compile_others(c, p, spec);
}
