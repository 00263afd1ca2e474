/* ask.c - the requests for tokens, kind by kind. Field names as the vendors' own clients write
 * them. */
#include "common/http/percent.h"
#include "dataplane/credentials/source_internal.h"

#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define JWT_GRANT "urn:ietf:params:oauth:grant-type:jwt-bearer"

static struct weir_http_header header(const char *name, struct weir_str value)
{
    return (struct weir_http_header){weir_str_of(name), value};
}

static void add_header(struct weir_cred_ask *ask, const char *name, struct weir_str value)
{
    ask->headers[ask->header_count++] = header(name, value);
}

/* "name=value&..." of the pairs that have a value. */
static struct weir_str form(struct weir_arena *a, const struct weir_http_header *pairs, size_t n)
{
    struct weir_str out = WEIR_STR("");

    for (size_t i = 0; i < n; i++)
        if (pairs[i].value.p)
            out = weir_str_of(weir_arena_printf(
                a, "%.*s%s%.*s=%.*s", WEIR_STR_ARG(out), out.n ? "&" : "",
                WEIR_STR_ARG(pairs[i].name), WEIR_STR_ARG(weir_percent_encode(a, pairs[i].value))));
    return out;
}

static void post_form(struct weir_cred_ask *ask, struct weir_str body)
{
    ask->method = WEIR_STR("POST");
    ask->body = body;
    ask->has_body = true;
    add_header(ask, "content-type", WEIR_STR("application/x-www-form-urlencoded;charset=utf-8"));
    add_header(ask, "accept", WEIR_STR("application/json"));
}

static void ask_oauth(const struct weir_cred_conf *c, struct weir_str file, struct weir_arena *a,
                      struct weir_cred_ask *out)
{
    struct weir_http_header pairs[] = {
        header("client_id", c->client_id),
        header("scope", c->scope),
        header("grant_type", WEIR_STR("client_credentials")),
        header("client_secret", file.p ? WEIR_STR_NULL : c->secret),
        header("client_assertion_type", file.p ? WEIR_STR(ASSERTION_TYPE) : WEIR_STR_NULL),
        header("client_assertion", file)};

    post_form(out, form(a, pairs, sizeof pairs / sizeof *pairs));
}

static int ask_google(const struct weir_cred_conf *c, int64_t now_ms, struct weir_arena *a,
                      struct weir_cred_ask *out, const char **why)
{
    struct weir_http_header pairs[] = {header("grant_type", WEIR_STR(JWT_GRANT)),
                                       header("assertion", WEIR_STR_NULL)};

    if (weir__cred_assertion(c, now_ms, a, &pairs[1].value)) {
        *why = "the service account's private_key can't sign";
        return WEIR_EINVAL;
    }
    post_form(out, form(a, pairs, 2));
    return WEIR_OK;
}

static void ask_google_metadata(const struct weir_cred_conf *c, struct weir_arena *a,
                                struct weir_cred_ask *out)
{
    struct weir_str scope = c->scope.p ? weir_percent_encode(a, c->scope) : WEIR_STR("");

    out->method = WEIR_STR("GET");
    out->path = weir_str_of(
        weir_arena_printf(a, "/computeMetadata/v1/instance/service-accounts/default/token%s%.*s",
                          scope.n ? "?scopes=" : "", WEIR_STR_ARG(scope)));
    add_header(out, "metadata-flavor", WEIR_STR("Google"));
}

static void ask_web_identity(const struct weir_cred_conf *c, struct weir_str file,
                             struct weir_arena *a, struct weir_cred_ask *out)
{
    struct weir_http_header pairs[] = {
        header("Action", WEIR_STR("AssumeRoleWithWebIdentity")),
        header("Version", WEIR_STR("2011-06-15")), header("RoleArn", c->client_id),
        header("RoleSessionName", c->session), header("WebIdentityToken", file)};

    post_form(out, form(a, pairs, sizeof pairs / sizeof *pairs));
    out->header_count = 1; /* STS answers in XML, as its query protocol says */
}

#define INSTANCE_ROLES "/latest/meta-data/iam/security-credentials/"

static void ask_instance(const struct weir_cred_steps *steps, struct weir_arena *a,
                         struct weir_cred_ask *out)
{
    if (steps->done == 0) {
        out->method = WEIR_STR("PUT");
        out->path = WEIR_STR("/latest/api/token");
        out->has_body = true;
        add_header(out, "x-aws-ec2-metadata-token-ttl-seconds", WEIR_STR("21600"));
        return;
    }
    out->method = WEIR_STR("GET");
    out->path = steps->done == 1
                    ? WEIR_STR(INSTANCE_ROLES)
                    : weir_str_of(weir_arena_printf(a, INSTANCE_ROLES "%s", steps->role));
    add_header(out, "x-aws-ec2-metadata-token", weir_str_of(steps->session));
}

static bool is_line(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n > 0;
}

int weir_cred_ask(const struct weir_cred_source *s, const struct weir_cred_steps *steps,
                  struct weir_str file, int64_t now_ms, struct weir_arena *a,
                  struct weir_cred_ask *out, const char **why)
{
    const struct weir_cred_conf *c = weir_cred_source_conf(s);
    int rc = WEIR_OK;

    *out = (struct weir_cred_ask){.path = c->path.n ? c->path : WEIR_STR("/")};
    if (file.p) {
        file = weir_str_trim(file);
        if (!is_line(file)) {
            *why = "the token file is empty or not one line";
            return WEIR_EINVAL;
        }
    }
    switch (c->kind) {
    case WEIR_CRED_OAUTH:
        ask_oauth(c, file, a, out);
        break;
    case WEIR_CRED_GOOGLE_KEY:
        rc = ask_google(c, now_ms, a, out, why);
        break;
    case WEIR_CRED_GOOGLE_METADATA:
        ask_google_metadata(c, a, out);
        break;
    case WEIR_CRED_AWS_WEB_IDENTITY:
        ask_web_identity(c, file, a, out);
        break;
    case WEIR_CRED_AWS_CONTAINER:
        out->method = WEIR_STR("GET");
        if (file.p)
            add_header(out, "authorization", weir_arena_copy(a, file));
        break;
    case WEIR_CRED_AWS_INSTANCE:
        ask_instance(steps, a, out);
        break;
    }
    return rc;
}
