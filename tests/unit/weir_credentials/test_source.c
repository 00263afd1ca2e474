/* test_source.c - what token endpoints are asked and what their answers mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/credentials/refresher.h"
#include "dataplane/credentials/source.h"

static struct weir_arena *arena;
static struct weir_origin *origin;
static const int64_t now = 1800000000000; /* 2027-01-15T08:00:00Z */

static int setup(void **state)
{
    const struct weir_origin_conf conf = {.host = WEIR_STR("localhost")};
    char why[64];

    (void)state;
    arena = weir_arena_create(NULL);
    return weir_origin_create(&conf, why, sizeof why, &origin);
}

static int teardown(void **state)
{
    (void)state;
    weir_origin_unref(origin);
    weir_arena_destroy(arena);
    return 0;
}

static struct weir_cred_source *source(struct weir_cred_conf conf)
{
    conf.origin = origin;
    conf.name = WEIR_STR("p");
    return weir_cred_source_create(&conf);
}

static struct weir_cred_ask asked(const struct weir_cred_source *s, struct weir_cred_steps *steps,
                                  struct weir_str file)
{
    struct weir_cred_ask ask;
    const char *why;

    assert_int_equal(weir_cred_ask(s, steps, file, now, arena, &ask, &why), WEIR_OK);
    return ask;
}

static void assert_str(struct weir_str s, const char *expected)
{
    assert_string_equal(weir_arena_strdup(arena, s), expected);
}

static void a_client_proves_itself_by_secret_or_by_a_projected_token(void **state)
{
    struct weir_cred_conf conf = {.kind = WEIR_CRED_OAUTH,
                                  .path = WEIR_STR("/t/oauth2/v2.0/token"),
                                  .client_id = WEIR_STR("app 1"),
                                  .secret = WEIR_STR("a+b&c"),
                                  .scope = WEIR_STR("https://x/.default")};
    struct weir_cred_steps steps = {0};
    struct weir_cred_source *s = source(conf);
    struct weir_cred_ask ask = asked(s, &steps, WEIR_STR_NULL);

    (void)state;
    assert_str(ask.method, "POST");
    assert_str(ask.path, "/t/oauth2/v2.0/token");
    assert_str(ask.body, "client_id=app%201&scope=https%3A%2F%2Fx%2F.default&"
                         "grant_type=client_credentials&client_secret=a%2Bb%26c");
    weir_cred_source_unref(s);
    conf.secret = WEIR_STR_NULL;
    conf.token_file = WEIR_STR("/f");
    s = source(conf);
    ask = asked(s, &steps, WEIR_STR(" eyJ.x.y\n"));
    assert_str(ask.body,
               "client_id=app%201&scope=https%3A%2F%2Fx%2F.default&grant_type=client_credentials&"
               "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3A"
               "jwt-bearer&client_assertion=eyJ.x.y");
    weir_cred_source_unref(s);
}

static void equal_sources_have_equal_keys(void **state)
{
    struct weir_cred_conf conf = {.kind = WEIR_CRED_OAUTH, .secret = WEIR_STR("one")};
    struct weir_cred_source *a = source(conf), *b = source(conf), *c;

    (void)state;
    conf.secret = WEIR_STR("two");
    c = source(conf);
    assert_memory_equal(weir_cred_source_key(a), weir_cred_source_key(b), WEIR_SHA256_BYTES);
    assert_memory_not_equal(weir_cred_source_key(a), weir_cred_source_key(c), WEIR_SHA256_BYTES);
    weir_cred_source_unref(a);
    weir_cred_source_unref(b);
    weir_cred_source_unref(c);
}

static void a_token_ends_when_its_endpoint_says(void **state)
{
    static const struct {
        int status;
        const char *body, *bearer, *why;
        int64_t life_ms;
    } cases[] = {
        {200, "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"abc\"}", "abc",
         NULL, 3599000},
        {200, "{\"access_token\":\"a\\u002eb\",\"expires_in\":\"60\"}", "a.b", NULL, 60000},
        {200, "{\"access_token\":\"abc\"}", "abc", NULL, 300000},
        {200, "{\"access_token\":\"abc\",\"expires_in\":99999999999}", "abc", NULL, 604800000},
        {200, "{\"access_token\":\"a c\",\"expires_in\":60}", NULL, "no access_token", 0},
        {200, "{\"access_token\":\"abc\",\"expires_in\":0}", NULL, "expires_in", 0},
        {200, "<html>", NULL, "no JSON object", 0},
        {401, "{\"error\":\"invalid_client\",\"error_description\":\"the secret x\"}", NULL,
         "it answered 401, invalid_client", 0},
        {400, "{\"error\":\"a secret: 1\"}", NULL, "it answered 400", 0},
        {503, "busy", NULL, "it answered 503", 0},
    };
    struct weir_cred_source *s = source((struct weir_cred_conf){.kind = WEIR_CRED_OAUTH});

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_cred_steps steps = {0};
        struct weir_cred_token *t;
        const char *why = NULL;
        int rc = weir_cred_answer(s, &steps, cases[i].status, weir_str_of(cases[i].body), now,
                                  arena, &t, &why);

        assert_int_equal(rc, cases[i].bearer ? WEIR_OK : WEIR_EAUTH);
        if (cases[i].bearer) {
            assert_str(weir_cred_token_bearer(t), cases[i].bearer);
            assert_int_equal(weir_cred_token_expires_ms(t), now + cases[i].life_ms);
        } else {
            assert_non_null(strstr(why, cases[i].why));
            assert_null(strstr(why, "secret"));
        }
        weir_cred_token_unref(t);
    }
    weir_cred_source_unref(s);
}

static void sts_is_asked_in_its_query_protocol_and_answers_in_xml(void **state)
{
    static const char good[] =
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"
        "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>"
        "<SecretAccessKey>s/1+=</SecretAccessKey><SessionToken>t/1==</SessionToken>"
        "<Expiration>2027-01-15T09:00:00Z</Expiration></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";
    struct weir_cred_source *s =
        source((struct weir_cred_conf){.kind = WEIR_CRED_AWS_WEB_IDENTITY,
                                       .client_id = WEIR_STR("arn:aws:iam::1:role/r"),
                                       .session = WEIR_STR("weir"),
                                       .token_file = WEIR_STR("/f")});
    struct weir_cred_steps steps = {0};
    struct weir_cred_token *t;
    const char *why;

    (void)state;
    assert_str(asked(s, &steps, WEIR_STR("e.y.J")).body,
               "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
               "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr&RoleSessionName=weir&"
               "WebIdentityToken=e.y.J");
    assert_int_equal(weir_cred_answer(s, &steps, 200, WEIR_STR(good), now, arena, &t, &why),
                     WEIR_OK);
    assert_str(weir_cred_token_keys(t)->id, "ASIA1");
    assert_str(weir_cred_token_keys(t)->secret, "s/1+=");
    assert_str(weir_cred_token_keys(t)->token, "t/1==");
    assert_int_equal(weir_cred_token_expires_ms(t), now + 3600000);
    weir_cred_token_unref(t);
    assert_int_equal(weir_cred_answer(s, &steps, 403,
                                      WEIR_STR("<ErrorResponse><Error><Code>AccessDenied</Code>"
                                               "</Error></ErrorResponse>"),
                                      now, arena, &t, &why),
                     WEIR_EAUTH);
    assert_string_equal(why, "it answered 403, AccessDenied");
    assert_int_equal(
        weir_cred_answer(s, &steps, 200, WEIR_STR(good), now + 3600000, arena, &t, &why),
        WEIR_EAUTH);
    weir_cred_source_unref(s);
}

static void a_machine_is_asked_for_a_session_then_a_role_then_its_keys(void **state)
{
    struct weir_cred_source *s = source((struct weir_cred_conf){.kind = WEIR_CRED_AWS_INSTANCE});
    struct weir_cred_steps steps = {0};
    struct weir_cred_ask ask = asked(s, &steps, WEIR_STR_NULL);
    struct weir_cred_token *t;
    const char *why;

    (void)state;
    assert_str(ask.method, "PUT");
    assert_str(ask.path, "/latest/api/token");
    assert_int_equal(weir_cred_answer(s, &steps, 200, WEIR_STR("ses/sion=="), now, arena, &t, &why),
                     WEIR_EWAIT);
    ask = asked(s, &steps, WEIR_STR_NULL);
    assert_str(ask.path, "/latest/meta-data/iam/security-credentials/");
    assert_str(ask.headers[0].value, "ses/sion==");
    assert_int_equal(weir_cred_answer(s, &steps, 200, WEIR_STR("my-role\n"), now, arena, &t, &why),
                     WEIR_EWAIT);
    assert_str(asked(s, &steps, WEIR_STR_NULL).path,
               "/latest/meta-data/iam/security-credentials/my-role");
    assert_int_equal(
        weir_cred_answer(s, &steps, 200,
                         WEIR_STR("{\"Code\":\"Success\",\"AccessKeyId\":\"A\",\"SecretAccessKey\":"
                                  "\"S\",\"Token\":\"T\",\"Expiration\":\"2027-01-15T14:00:00Z\"}"),
                         now, arena, &t, &why),
        WEIR_OK);
    assert_str(weir_cred_token_keys(t)->token, "T");
    weir_cred_token_unref(t);
    memset(&steps, 0, sizeof steps);
    steps.done = 1;
    assert_int_equal(weir_cred_answer(s, &steps, 200, WEIR_STR("../x"), now, arena, &t, &why),
                     WEIR_EAUTH);
    weir_cred_source_unref(s);
}

static void a_token_is_renewed_in_its_last_quarter(void **state)
{
    (void)state;
    for (uint64_t r = 0; r < 1000; r++) {
        int64_t due = weir_refresher_due_ms(now, now + 3600000, r * 7919);

        assert_in_range(due, now + 2700000, now + 3060000);
    }
    assert_int_equal(weir_refresher_due_ms(now, now - 5, 3), now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_proves_itself_by_secret_or_by_a_projected_token),
        cmocka_unit_test(equal_sources_have_equal_keys),
        cmocka_unit_test(a_token_ends_when_its_endpoint_says),
        cmocka_unit_test(sts_is_asked_in_its_query_protocol_and_answers_in_xml),
        cmocka_unit_test(a_machine_is_asked_for_a_session_then_a_role_then_its_keys),
        cmocka_unit_test(a_token_is_renewed_in_its_last_quarter),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
