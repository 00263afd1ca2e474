/* policy_source.c - compiles a credential that ends into its source: whom the hub asks for tokens,
 * and with what. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "common/http/url.h"
#include "common/pki/pki.h"
#include "data/json_scan.h"
#include "dataplane/proxy/policy_internal.h"

#define OAUTH "spec.credential.oauth"
#define GOOGLE "spec.credential.google"
#define AWS "spec.credential.aws"

/* The provider whose credential is compiled. */
struct provider {
    struct weir_policy_compile *c;
    struct weir_policy_provider *p;
    const Weir__V1__ProviderSpec *spec;
};

static struct weir_str zero_ended(struct weir_policy_compile *c, struct weir_str s)
{
    return weir_str_of(weir_arena_strdup(c->p->arena, s));
}

/* The origin of conf->url, and the path there. False: noted. */
static bool find_origin(struct weir_policy_compile *c, const Weir__V1__ProviderSpec *spec,
                        struct weir_cred_conf *conf, const char *ca_file, const char *path)
{
    struct weir_origin_conf o = {.max_connections = 2, .ca_file = weir_str_of(ca_file)};
    struct weir_url url;
    const char *why;

    if (weir_url_parse(conf->url, &url, &why)) {
        weir__policy_bad(c, path, why);
        return false;
    }
    o.tls = url.tls;
    o.host = url.host;
    o.port = url.port;
    if (ca_file)
        conf->trust = weir_file_state(ca_file);
    conf->path = url.path;
    if (url.query.p)
        conf->path = weir_str_of(weir_arena_printf(c->p->arena, "%.*s?%.*s", WEIR_STR_ARG(url.path),
                                                   WEIR_STR_ARG(url.query)));
    /* What a machine or a container tells about itself is told to it alone. */
    conf->origin = weir__policy_origin(
        c,
        conf->kind == WEIR_CRED_GOOGLE_METADATA || conf->kind >= WEIR_CRED_AWS_CONTAINER ? NULL
                                                                                         : spec,
        &o, path);
    return conf->origin != NULL;
}

static bool is_https(struct weir_str url)
{
    return url.n > 8 && weir_str_ieq((struct weir_str){url.p, 8}, WEIR_STR("https://"));
}

static void make(struct provider *v, struct weir_cred_conf *conf, const char *ca_file,
                 const char *path)
{
    conf->name = v->p->name;
    if (!find_origin(v->c, v->spec, conf, ca_file, path))
        return;
    v->p->source = weir_cred_source_create(conf);
    weir_origin_unref(conf->origin);
}

static bool read_secret(struct weir_policy_compile *c, const Weir__V1__LocalSecret *s,
                        const char *path, struct weir_buf *out)
{
    return s->env ? weir__policy_read_env(c, s->env, path, out)
                  : weir__policy_read_file(c, s->file, path, out);
}

static void compile_oauth(struct provider *v, const Weir__V1__OAuthCredential *m)
{
    struct weir_policy_compile *c = v->c;
    struct weir_cred_conf conf = {.kind = WEIR_CRED_OAUTH,
                                  .url = weir_str_of(m->tokenurl),
                                  .client_id = weir_str_of(m->clientid),
                                  .scope = weir_str_of(m->scope),
                                  .token_file = weir_str_of(m->assertionfile)};
    struct weir_buf secret;

    if (!m->clientsecret == !m->assertionfile) {
        weir__policy_bad(c, OAUTH, "needs clientSecret or assertionFile, one of the two");
        return;
    }
    if (!is_https(conf.url)) {
        weir__policy_bad(c, OAUTH ".tokenUrl", "must be https: a secret is sent there");
        return;
    }
    weir_buf_init(&secret, WEIR__POLICY_SECRET_BYTES);
    if (!m->clientsecret || read_secret(c, m->clientsecret, OAUTH ".clientSecret", &secret)) {
        conf.secret = weir_str_trim(weir_buf_str(&secret));
        if (m->clientsecret && conf.secret.n == 0)
            weir__policy_bad(c, OAUTH ".clientSecret", "the secret is empty");
        else
            make(v, &conf, m->cafile, OAUTH ".tokenUrl");
    }
    if (secret.p)
        weir_wipe(secret.p, secret.n);
    weir_buf_fini(&secret);
}

/* ---- Google ---- */

struct service_account {
    struct weir_str email, key, key_id, token_uri;
};

/* Unescaped where it lies, which never grows. */
static bool read_account(struct weir_str text, struct service_account *out)
{
    const struct {
        const char *name;
        struct weir_str *to;
    } names[] = {{"client_email", &out->email},
                 {"private_key", &out->key},
                 {"private_key_id", &out->key_id},
                 {"token_uri", &out->token_uri}};
    struct weir_str key, value;
    struct weir_json j;

    if (weir_json_check(text, NULL))
        return false;
    weir_json_init(&j, text);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return false;
    while (weir_json_member(&j, &key)) {
        if (weir_json_peek(&j) != WEIR_JSON_STRING) {
            weir_json_skip(&j, NULL);
            continue;
        }
        weir_json_string(&j, &value);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (weir_json_is(key, names[i].name)) {
                value.n = weir_json_unescape(value, (char *)(uintptr_t)value.p);
                *names[i].to = value;
            }
    }
    return out->email.n && out->key.n;
}

static void compile_account(struct provider *v, struct weir_cred_conf *conf, struct weir_str text,
                            const char *ca_file)
{
    static const char path[] = GOOGLE ".serviceAccount";
    struct weir_policy_compile *c = v->c;
    unsigned char probe[WEIR_PKI_SIGNATURE_BYTES];
    struct service_account account = {.token_uri = WEIR_STR("https://oauth2.googleapis.com/token")};
    size_t n;

    if (!read_account(text, &account)) {
        weir__policy_bad(c, path, "not a service account's JSON with client_email and private_key");
        return;
    }
    conf->client_id = account.email;
    conf->secret = account.key;
    conf->key_id = account.key_id;
    conf->url = zero_ended(c, account.token_uri);
    if (weir_pki_rs256(account.key, WEIR_STR("probe"), probe, &n))
        weir__policy_bad(c, path, "its private_key is not an RSA key in PEM of 2048 bits or more");
    else if (!is_https(conf->url))
        weir__policy_bad(c, path, "its token_uri is not https");
    else
        make(v, conf, ca_file, path);
}

static void compile_google(struct provider *v, const Weir__V1__GoogleCredential *m)
{
    struct weir_policy_compile *c = v->c;
    struct weir_cred_conf conf = {
        .kind = WEIR_CRED_GOOGLE_METADATA,
        .url = weir_str_of(m->metadataurl ? m->metadataurl : "http://metadata.google.internal"),
        .scope =
            weir_str_of(m->scope ? m->scope : "https://www.googleapis.com/auth/cloud-platform")};
    struct weir_buf text;

    if (!m->serviceaccount) {
        make(v, &conf, m->cafile, GOOGLE ".metadataUrl");
        return;
    }
    conf.kind = WEIR_CRED_GOOGLE_KEY;
    weir_buf_init(&text, WEIR__POLICY_SECRET_BYTES);
    if (read_secret(c, m->serviceaccount, GOOGLE ".serviceAccount", &text))
        compile_account(v, &conf, weir_buf_str(&text), m->cafile);
    if (text.p)
        weir_wipe(text.p, text.n);
    weir_buf_fini(&text);
}

/* ---- AWS ---- */

static struct weir_str or_env(const char *given, const char *name)
{
    return weir_str_of(given ? given : getenv(name));
}

static void web_identity(struct provider *v, const Weir__V1__AwsCredential *m)
{
    struct weir_policy_compile *c = v->c;
    struct weir_cred_conf conf = {.kind = WEIR_CRED_AWS_WEB_IDENTITY,
                                  .client_id = or_env(m->rolearn, "AWS_ROLE_ARN"),
                                  .token_file = or_env(m->tokenfile, "AWS_WEB_IDENTITY_TOKEN_FILE"),
                                  .session = weir_str_of(m->sessionname ? m->sessionname : "weir")};

    if (!conf.client_id.n || !conf.token_file.n) {
        weir__policy_bad(c, AWS,
                         "needs roleArn and tokenFile, or AWS_ROLE_ARN and "
                         "AWS_WEB_IDENTITY_TOKEN_FILE in the proxy's environment");
        return;
    }
    conf.url = m->url ? weir_str_of(m->url)
                      : weir_str_of(weir_arena_printf(c->p->arena, "https://sts.%.*s.amazonaws.com",
                                                      WEIR_STR_ARG(v->p->aws.region)));
    if (is_https(conf.url))
        make(v, &conf, m->cafile, AWS ".url");
    else
        weir__policy_bad(c, AWS ".url", "must be https: a token is sent there");
}

/* Plain text is for those hosts only that no other machine answers for. */
static bool is_near(struct weir_str text)
{
    static const struct weir_str hosts[] = {WEIR_STR_INIT("localhost"),
                                            WEIR_STR_INIT("127.0.0.1"),
                                            WEIR_STR_INIT("::1"),
                                            WEIR_STR_INIT("169.254.170.2"),
                                            WEIR_STR_INIT("169.254.170.23"),
                                            WEIR_STR_INIT("fd00:ec2::23")};
    struct weir_url url;
    const char *why;

    return weir_url_parse(text, &url, &why) == WEIR_OK &&
           (url.tls || weir_str_iany(url.host, hosts, sizeof hosts / sizeof *hosts));
}

static void container(struct provider *v, const Weir__V1__AwsCredential *m)
{
    struct weir_policy_compile *c = v->c;
    struct weir_cred_conf conf = {
        .kind = WEIR_CRED_AWS_CONTAINER,
        .token_file = or_env(m->tokenfile, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        .url = or_env(m->url, "AWS_CONTAINER_CREDENTIALS_FULL_URI")};
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");

    if (!conf.url.n && relative)
        conf.url = weir_str_of(weir_arena_printf(c->p->arena, "http://169.254.170.2%s", relative));
    if (!conf.url.n)
        weir__policy_bad(c, AWS,
                         "needs url, or AWS_CONTAINER_CREDENTIALS_FULL_URI in the proxy's "
                         "environment");
    else if (!is_near(conf.url))
        weir__policy_bad(c, AWS ".url", "must be https, or the container's own endpoint");
    else
        make(v, &conf, m->cafile, AWS ".url");
}

static void compile_aws(struct provider *v, const Weir__V1__AwsCredential *m)
{
    struct weir_policy_compile *c = v->c;
    struct weir_cred_conf instance = {.kind = WEIR_CRED_AWS_INSTANCE,
                                      .url =
                                          weir_str_of(m->url ? m->url : "http://169.254.169.254")};

    if (v->p->dialect != WEIR_DIALECT_BEDROCK) {
        weir__policy_bad(c, AWS, "signs requests to Bedrock only");
        return;
    }
    if (!weir__policy_is_region(v->p->aws.region)) {
        weir__policy_bad(c, "spec.region",
                         "needed to sign requests: it is not given, nor in the endpoint's host");
        return;
    }
    v->p->aws.service = WEIR_STR("bedrock");
    v->p->signs = true;
    switch ((int)m->source) {
    case WEIR__V1__AWS_SOURCE__webIdentity:
        web_identity(v, m);
        break;
    case WEIR__V1__AWS_SOURCE__container:
        container(v, m);
        break;
    default:
        make(v, &instance, m->cafile, AWS ".url");
        break;
    }
}

void weir__policy_source(struct weir_policy_compile *c, struct weir_policy_provider *p,
                         const Weir__V1__ProviderSpec *spec, const Weir__V1__Credential *cred)
{
    struct provider v = {c, p, spec};

    if (cred->oauth)
        compile_oauth(&v, cred->oauth);
    else if (cred->google)
        compile_google(&v, cred->google);
    else
        compile_aws(&v, cred->aws);
}
