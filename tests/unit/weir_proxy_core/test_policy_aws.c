/* test_policy_aws.c - the credentials and regions of providers in AWS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_yaml.h"

#define PROVIDER(more)                                                                             \
    "apiVersion: weir.dev/v1alpha1\nkind: Provider\nmetadata: {name: p}\nspec:\n"                  \
    "  dialect: bedrock\n  credential: {env: WEIR_UNIT_AWS}\n" more
#define HOST(h) "  endpoint: https://" h "\n"

static struct weir_arena *arena;
static char first[512];

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_arena_destroy(arena);
    return 0;
}

static const struct weir_policy *compile(const char *secret, const char *yaml)
{
    assert_int_equal(setenv("WEIR_UNIT_AWS", secret, 1), 0);
    return policy_of(arena, yaml, first);
}

static void an_access_key_is_read_from_a_profile_or_from_json(void **state)
{
    static const char *const forms[] = {
        "[work]\r\naws_access_key_id = AKID\r\naws_secret_access_key = a/b+c=\r\n"
        "aws_session_token=t==\n[other]\naws_access_key_id = NOT\n",
        "{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"a\\/b+c=\","
        "\"SessionToken\":\"t==\"}",
        "{\"accessKeyId\":\"AKID\",\"secretAccessKey\":\"a/b+c=\",\"sessionToken\":\"t==\"}"};

    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const struct weir_policy *p =
            compile(forms[i], PROVIDER(HOST("bedrock-runtime.eu-west-3.amazonaws.com")));
        const struct weir_sigv4_keys *k;

        assert_string_equal(first, "");
        k = &weir_policy_provider(p, 0)->aws;
        assert_true(weir_str_is(k->id, "AKID"));
        assert_true(weir_str_is(k->secret, "a/b+c="));
        assert_true(weir_str_is(k->token, "t=="));
        assert_true(weir_str_is(k->region, "eu-west-3"));
        weir_policy_unref(p);
    }
}

static void one_line_is_an_api_key(void **state)
{
    const struct weir_policy *p = compile("bedrock-key\n", PROVIDER("  region: us-west-2\n"));

    (void)state;
    assert_string_equal(first, "");
    assert_true(weir_str_is(weir_policy_provider(p, 0)->secret, "bedrock-key"));
    assert_null(weir_policy_provider(p, 0)->aws.id.p);
    weir_policy_unref(p);
}

static void what_cannot_be_signed_with_is_said(void **state)
{
    static const char json[] = "{\"accessKeyId\":\"A\",\"secretAccessKey\":\"B\"}";

    static const struct {
        const char *secret, *yaml, *says;
    } cases[] = {
        {json, PROVIDER(HOST("gateway.internal")), "spec.region: needed to sign requests"},
        {json, PROVIDER("  region: EU West\n"), "spec."},
        {json, PROVIDER(""), "spec.region: Bedrock needs it"},
        {"{\"accessKeyId\":\"A\"}", PROVIDER("  region: r-1\n"), "no AWS credential"},
        {"{\"accessKeyId\":", PROVIDER("  region: r-1\n"), "begins like JSON and is none"},
        {"[p]\nregion = x\n", PROVIDER("  region: r-1\n"), "no AWS credential"},
        {" \n", PROVIDER("  region: r-1\n"), "the secret is empty"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(compile(cases[i].secret, cases[i].yaml));
        if (!strstr(first, cases[i].says))
            fail_msg("%zu: %s", i, first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_access_key_is_read_from_a_profile_or_from_json),
        cmocka_unit_test(one_line_is_an_api_key),
        cmocka_unit_test(what_cannot_be_signed_with_is_said),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
