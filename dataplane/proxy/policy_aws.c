/* policy_aws.c - the credential of a provider in AWS: an access key as the SDKs' files have it (an
 * INI profile, or JSON as credential processes write it), or an API key of one line. */
#include "data/json_scan.h"
#include "dataplane/proxy/policy_internal.h"

struct weir_str weir__policy_aws_region(struct weir_str host)
{
    struct weir_str label, rest = host;

    while (rest.p) {
        label = weir_str_cut(rest, '.', &rest);
        if (weir_str_is(label, "bedrock-runtime") || weir_str_is(label, "bedrock-runtime-fips"))
            return rest.p ? weir_str_cut(rest, '.', &rest) : WEIR_STR_NULL;
    }
    return WEIR_STR_NULL;
}

struct word {
    const char *name;
    struct weir_str *to;
};

static void keep_word(const struct word *words, size_t n, struct weir_str name,
                      struct weir_str value)
{
    for (size_t i = 0; i < n; i++)
        if (weir_str_ieq(name, weir_str_of(words[i].name)))
            *words[i].to = value;
}

/* The first profile; others in the file are none of ours. */
static void read_profile(struct weir_str text, struct weir_sigv4_keys *k)
{
    const struct word words[] = {{"aws_access_key_id", &k->id},
                                 {"aws_secret_access_key", &k->secret},
                                 {"aws_session_token", &k->token}};
    struct weir_str line, name, value;
    bool in_profile = false;

    while (text.n) {
        line = weir_str_trim(weir_str_cut(text, '\n', &text));
        if (line.n && line.p[0] == '[') {
            if (in_profile)
                return;
            in_profile = true;
            continue;
        }
        name = weir_str_cut(line, '=', &value);
        keep_word(words, 3, weir_str_trim(name), weir_str_trim(value));
    }
}

/* Unescaped where it lies, which never grows. */
static bool read_json(struct weir_str text, struct weir_sigv4_keys *k)
{
    const struct word words[] = {
        {"accessKeyId", &k->id}, {"secretAccessKey", &k->secret}, {"sessionToken", &k->token}};
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
        value.n = weir_json_unescape(value, (char *)value.p);
        keep_word(words, 3, key, value);
    }
    return true;
}

static bool is_line(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n > 0;
}

bool weir__policy_is_region(struct weir_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-')
            return false;
    return s.n > 0;
}

static const char *read_keys(struct weir_str text, struct weir_sigv4_keys *k)
{
    if (text.p[0] == '{') {
        if (!read_json(text, k))
            return "the secret begins like JSON and is none";
    } else {
        read_profile(text, k);
    }
    if (!is_line(k->id) || !is_line(k->secret) || (k->token.p && !is_line(k->token)))
        return "no AWS credential: neither one line (an API key), nor a profile with "
               "aws_access_key_id and aws_secret_access_key, nor JSON with accessKeyId and "
               "secretAccessKey";
    return NULL;
}

void weir__policy_aws(struct weir_policy_compile *c, struct weir_policy_provider *p,
                      struct weir_str raw)
{
    struct weir_sigv4_keys k = {.region = p->aws.region, .service = WEIR_STR("bedrock")};
    const char *why;

    raw = weir_str_trim(raw);
    if (raw.n == 0) {
        weir__policy_bad(c, "spec.credential", "the secret is empty");
        return;
    }
    p->secret = weir_arena_copy(c->p->arena, raw);
    if (raw.p[0] != '{' && is_line(raw))
        return;
    why = read_keys(p->secret, &k);
    if (why)
        weir__policy_bad(c, "spec.credential", why);
    else if (!weir__policy_is_region(k.region))
        weir__policy_bad(c, "spec.region",
                         "needed to sign requests: it is not given, nor in the endpoint's host");
    else
        p->aws = k;
    p->signs = p->aws.id.p != NULL;
}
