/* test_policy_source.c - credentials that end, as a policy states them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_yaml.h"

#define PROVIDER(dialect, credential)                                                              \
    "apiVersion: weir.dev/v1alpha1\nkind: Provider\nmetadata: {name: p}\nspec:\n"                  \
    "  dialect: " dialect "\n  credential: {" credential "}\n"
#define OAUTH(more) PROVIDER("openai", "oauth: {clientId: c, tokenUrl: 'https://t/x'" more "}")

static struct weir_arena *arena;
static char first[512];

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    (void)setenv("WEIR_UNIT_SECRET", " s3cret\n", 1);
    (void)setenv("WEIR_UNIT_NO_ACCOUNT", "{\"client_email\":\"e\",\"private_key\":\"x\"}", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_arena_destroy(arena);
    return 0;
}

static void a_source_has_what_its_endpoint_needs(void **state)
{
    const struct weir_policy *p =
        policy_of(arena, OAUTH(", scope: s, clientSecret: {env: WEIR_UNIT_SECRET}"), first);
    const struct weir_cred_conf *c;

    (void)state;
    assert_string_equal(first, "");
    c = weir_cred_source_conf(weir_policy_provider(p, 0)->source);
    assert_int_equal(c->kind, WEIR_CRED_OAUTH);
    assert_true(weir_str_is(c->path, "/x"));
    assert_true(weir_str_is(c->secret, "s3cret"));
    assert_false(weir_policy_provider(p, 0)->signs);
    weir_policy_unref(p);
    p = policy_of(arena, PROVIDER("bedrock", "aws: {source: instance}") "  region: eu-west-1\n",
                  first);
    assert_string_equal(first, "");
    assert_true(weir_policy_provider(p, 0)->signs);
    assert_true(weir_str_is(weir_policy_provider(p, 0)->aws.region, "eu-west-1"));
    weir_policy_unref(p);
    p = policy_of(arena, PROVIDER("openai", "google: {}"), first);
    assert_string_equal(first, "");
    c = weir_cred_source_conf(weir_policy_provider(p, 0)->source);
    assert_int_equal(c->kind, WEIR_CRED_GOOGLE_METADATA);
    assert_true(weir_str_is(weir_origin_authority(c->origin), "metadata.google.internal"));
    weir_policy_unref(p);
}

static void what_gives_no_token_is_said_with_its_place(void **state)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {OAUTH(""), "spec.credential.oauth: needs clientSecret or assertionFile"},
        {OAUTH(", assertionFile: /f, clientSecret: {env: X}"), "one of the two"},
        {OAUTH(", clientSecret: {env: WEIR_UNIT_NOWHERE}"),
         "clientSecret: this variable isn't set"},
        {OAUTH(", clientSecret: {file: /nowhere/x}"), "clientSecret: no such file"},
        {PROVIDER("openai", "oauth: {clientId: c, tokenUrl: 'http://t', assertionFile: /f}"),
         "tokenUrl: must be https"},
        {PROVIDER("openai", "google: {serviceAccount: {env: WEIR_UNIT_SECRET}}"),
         "not a service account's JSON"},
        {PROVIDER("openai", "google: {serviceAccount: {env: WEIR_UNIT_NO_ACCOUNT}}"),
         "its private_key is not an RSA key"},
        {PROVIDER("openai", "aws: {source: instance}"), "signs requests to Bedrock only"},
        {PROVIDER("bedrock", "aws: {source: webIdentity}") "  region: r-1\n",
         "needs roleArn and tokenFile"},
        {PROVIDER("bedrock",
                  "aws: {source: container, url: 'http://far.example/x'}") "  region: r-1\n",
         "must be https, or the container's own endpoint"},
        {PROVIDER("bedrock", "aws: {source: instance}") "  endpoint: https://gateway.internal\n",
         "spec.region: needed to sign"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(policy_of(arena, cases[i].yaml, first));
        if (!strstr(first, cases[i].says))
            fail_msg("%zu: %s", i, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_has_what_its_endpoint_needs),
        cmocka_unit_test(what_gives_no_token_is_said_with_its_place),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
