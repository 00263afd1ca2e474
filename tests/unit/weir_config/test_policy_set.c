/* The whole policy: cross checks, revisions, what a namespace gets, local defaults. */
#include "config_mem.h"

#include "controlplane/config/local.h"
#include "controlplane/config/policy_set.h"
#include "weir/v1/config.pb-c.h"

static struct weir_policy_set *build(const char *a, const char *b, char **errors)
{
    struct weir_data_errors e = {.arena = weir_arena_create(NULL)};
    struct weir_policy_text texts[] = {{"a.yaml", weir_str_of(a), false},
                                       {"b.yaml", weir_str_of(b), false}};
    struct weir_policy_set *set = NULL;
    int rc = weir_policy_set_build(texts, 2, NULL, &e, &set);

    assert_int_equal(rc == WEIR_OK, e.count == 0);
    *errors = error_text(&e);
    weir_arena_destroy(e.arena);
    return set;
}

static void what_does_not_fit_together_gets_its_exact_sentence(void **state)
{
    static const struct {
        const char *a, *b, *errors;
    } cases[] = {
        {AGENT("x", "{}"), AGENT("x", "{project: p}"),
         "b.yaml:2: Agent/x: is already defined in a.yaml:2: remove one, or give it another "
         "name\n"},
        {PROVIDER("openai", "{dialect: openai}"), ROUTE("r", TO("opnai")),
         "b.yaml:4: Route/r: spec.groups[0].targets[0].provider: there is no Provider \"opnai\" in "
         "namespace default; did you mean openai?\n"},
        {"", ROUTE("r", TO("p")),
         "b.yaml:4: Route/r: spec.groups[0].targets[0].provider: there is no Provider \"p\" in "
         "namespace default: add it, or name another\n"},
        {HEAD "kind: Provider\nmetadata: {name: p, namespace: other}\nspec: {dialect: echo}\n",
         ROUTE("r", TO("p")),
         "b.yaml:4: Route/r: spec.groups[0].targets[0].provider: there is no Provider \"p\" in "
         "namespace default: add it, or name another\n"},
        {PROVIDER("p", "{dialect: opnai}"), ROUTE("r", TO("p")),
         "a.yaml:4: Provider/p: spec.dialect: must be one of openai, anthropic, echo, "
         "openaiResponses, gemini, bedrock, azure, cohere, not "
         "\"opnai\"; did you mean openai?\n"},
        {AGENT("x", "{keys: [{id: k, sha256: " K1 "}]}"),
         AGENT("y", "\n  keys:\n  - id: k\n    sha256: " K1),
         "b.yaml:7: Agent/y: spec.keys[0].sha256: is also a key of the Agent x (a.yaml:2): a key "
         "can belong to one agent only\n"},
        {PROVIDER("p", "{dialect: openai, models: [{name: a}]}"),
         ROUTE("r", "{groups: [{targets: [{provider: p, model: b}]}]}"),
         "b.yaml:4: Route/r: spec.groups[0].targets[0].model: the Provider p has no model \"b\": "
         "add it to its models, or name another\n"},
        {PROVIDER("p", "{dialect: openai}"),
         ROUTE("r", "{groups: [{targets: [{provider: p, weight: 0}]}]}"),
         "b.yaml:4: Route/r: spec.groups[0].targets: every weight is 0: give at least one target "
         "a higher one\n"},
        {PROVIDER("p", "{dialect: openai, alsoSpeaks: [openaiResponses, openai]}"),
         PROVIDER("e", "{dialect: echo, alsoSpeaks: [openai]}"),
         "b.yaml:4: Provider/e: spec.alsoSpeaks: the echo provider answers in every API: remove "
         "it\n"
         "a.yaml:4: Provider/p: spec.alsoSpeaks[1]: must be another API than `dialect`, and not "
         "echo: remove it\n"},
        {PROVIDER("p", "{dialect: openai, passThrough: [{path: /v1/files/}, {path: /v1/batches}, "
                       "{path: /v1/batches}]}"),
         PROVIDER("e", "{dialect: echo, passThrough: [{path: /v1/%66iles}]}"),
         "b.yaml:4: Provider/e: spec.passThrough: the echo provider has no further paths: remove "
         "it\n"
         "b.yaml:4: Provider/e: spec.passThrough[0].path: must be a plain path like /v1/files, "
         "without a slash at its end, wildcards, escapes or a query\n"
         "a.yaml:4: Provider/p: spec.passThrough[0].path: must be a plain path like /v1/files, "
         "without a slash at its end, wildcards, escapes or a query\n"
         "a.yaml:4: Provider/p: spec.passThrough[2].path: is listed twice: name all its methods in "
         "one\n"},
        {PROVIDER("p", "{dialect: openai, models: [{name: a}, {name: a}], tls: {certFile: /x}}"),
         PROVIDER("e", "{dialect: echo, endpoint: \"http://x\", credential: {passthrough: false}}"),
         "b.yaml:4: Provider/e: spec.credential.passthrough: must be true: without it, remove "
         "`credential`\n"
         "b.yaml:4: Provider/e: spec.endpoint: the echo provider has no endpoint: remove it\n"
         "a.yaml:4: Provider/p: spec.tls: needs certFile and keyFile together: add the other one\n"
         "a.yaml:4: Provider/p: spec.models[1].name: is listed twice: remove one\n"},
        {BUDGET("b", "{limit: {usd: 1}, window: day, per: [agent, agent], onPartition: {allow: "
                     "true, allowWithin: {tokens: 1}}, onUnknownPrice: {allow: true, assume: 1}}"),
         "",
         "a.yaml:4: Budget/b: spec.onPartition: allow and allowWithin exclude each other: remove "
         "one\n"
         "a.yaml:4: Budget/b: spec.onPartition.allowWithin: must be in the same unit as "
         "spec.limit\n"
         "a.yaml:4: Budget/b: spec.onUnknownPrice: allow and assume exclude each other: remove "
         "one\n"
         "a.yaml:4: Budget/b: spec.per[1]: is listed twice: remove one\n"},
        {BUDGET("b", "{limit: {requests: 1}, window: day, onExhausted: clamp, downgradeTo: x, "
                     "maxWait: 5s}"),
         "",
         "a.yaml:4: Budget/b: spec.downgradeTo: has no effect without onExhausted: downgrade\n"
         "a.yaml:4: Budget/b: spec.maxWait: has no effect without onExhausted: queue or ask\n"
         "a.yaml:4: Budget/b: spec.onExhausted: clamp needs a limit of money or tokens: calls have "
         "no size\n"},
        {BUDGET("b", "{limit: {usd: 1}, window: rolling, timezone: UTC}"), "",
         "a.yaml:4: Budget/b: spec.window: rolling needs length: say how far back it reaches, such "
         "as 24h\n"
         "a.yaml:4: Budget/b: spec.timezone: has no effect with window: rolling, which knows no "
         "days\n"},
        {BUDGET("b", "{limit: {usd: 1}, window: day, length: 24h, per: [key], maxCounters: 5}"), "",
         "a.yaml:4: Budget/b: spec.length: has no effect without window: rolling\n"
         "a.yaml:4: Budget/b: spec.maxCounters: has no effect without per: session, run or user\n"},
        {BUDGET("b", "{limit: {usd: 1}, window: total, carryOver: {max: {tokens: 5}}}"), "",
         "a.yaml:4: Budget/b: spec.carryOver: needs a window with an end: minute, hour, day, week "
         "or month\n"
         "a.yaml:4: Budget/b: spec.carryOver.max: must be in the same unit as spec.limit\n"},
        {BUDGET("b", "{limit: {usd: 1}, window: hour, alerts: [{webhook: ftp://x}, {percent: 5, "
                     "burnRate: 3x, command: a}, {burnRate: 1x, command: a}, {percent: 5, "
                     "command: a, secretFile: b, format: slack}]}"),
         "",
         "a.yaml:4: Budget/b: spec.alerts[0]: must have exactly one of percent, burnRate, asked\n"
         "a.yaml:4: Budget/b: spec.alerts[0]: has a webhook that must start with http:// "
         "or https://\n"
         "a.yaml:4: Budget/b: spec.alerts[1]: must have exactly one of percent, burnRate, asked\n"
         "a.yaml:4: Budget/b: spec.alerts: burnRate needs a window of at least 4 hours\n"
         "a.yaml:4: Budget/b: spec.alerts[2]: has a burnRate that is no multiple: write \"3x\" or "
         "\"1.5x\", at most 1000x\n"
         "a.yaml:4: Budget/b: spec.alerts: burnRate needs a window of at least 4 hours\n"
         "a.yaml:4: Budget/b: spec.alerts[3]: has format or secretFile, which have no effect "
         "without "
         "webhook\n"
         "a.yaml:4: Budget/b: spec.alerts[3]: has a secretFile that does not begin with /: name "
         "the "
         "whole path\n"},
        {BUDGET("b", "{limit: {usd: 1}, window: day, onExhausted: downgrade}"), "",
         "a.yaml:4: Budget/b: spec.onExhausted: downgrade needs downgradeTo: name the cheaper "
         "model\n"},
        {HEAD "kind: PriceList\nmetadata: {name: l}\nspec: {prices: [{model: m}]}\n", "",
         "a.yaml:4: PriceList/l: spec.prices[0]: has no amount: add input and output, 0 when it is "
         "free\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *errors;

        assert_null(build(cases[i].a, cases[i].b, &errors));
        assert_string_equal(errors, cases[i].errors);
        free(errors);
    }
}

static void the_same_objects_give_the_same_revision_from_any_files(void **state)
{
    char *errors;
    struct weir_policy_set *a = build(AGENT("x", "{}"), AGENT("y", "{team: t}"), &errors), *b, *c;

    (void)state;
    free(errors);
    b = build("", AGENT("y", "{team: t}") "---\n# words\n" AGENT("x", "{}"), &errors);
    free(errors);
    c = build("", AGENT("y", "{team: u}") "---\n" AGENT("x", "{}"), &errors);
    free(errors);
    assert_string_equal(weir_policy_set_revision(a), weir_policy_set_revision(b));
    assert_string_not_equal(weir_policy_set_revision(a), weir_policy_set_revision(c));
    assert_int_equal(weir_policy_set_count(a), 2);
    assert_string_equal(weir_policy_set_at(a, 1)->full_name, "default/y");
    assert_string_equal(
        weir_policy_set_find(a, WEIR_STR("Agent"), WEIR_STR("default"), WEIR_STR("x"))->version,
        weir_policy_set_at(c, 0)->version);
    weir_policy_set_unref(a);
    weir_policy_set_unref(b);
    weir_policy_set_unref(c);
}

static void gather(void *arg, const struct weir_policy_send *r)
{
    weir_buf_addf(arg, "%s %s%s\n", r->type, r->name, r->secret ? " secret" : "");
}

static void a_namespace_gets_its_own_objects_keys_and_needed_secrets(void **state)
{
    static const char ours[] = PROVIDER(
        "p",
        "{dialect: openai, credential: {pushed: {env: X}}, moreCredentials: [{env: "
        "Y}, {pushed: {env: Z}}]}") "---\n" PROVIDER("unused",
                                                     "{dialect: openai, credential: {pushed: {env: "
                                                     "X}}}") "---\n" ROUTE("r",
                                                                           TO("p")) "---\n" HEAD
                                                                                    "kind: "
                                                                                    "Agent\nmet"
                                                                                    "adata: "
                                                                                    "{name: z, "
                                                                                    "namespace:"
                                                                                    " other}"
                                                                                    "\nspec: "
                                                                                    "{}\n";
    static const char prices[] =
        HEAD "kind: PriceList\nmetadata: {name: default}\nspec: {prices: [{model: m, input: 1}]}\n";
    const struct weir_policy_text texts[] = {{"ours.yaml", weir_str_of(ours), false},
                                             {"prices", weir_str_of(prices), true}};
    const struct weir_policy_key keys[] = {{"default", "a", "k1", K1, 0},
                                           {"other", "z", "k2", K1, 5}};
    const struct weir_policy_secret secrets[] = {
        {"default", "p", 0, WEIR_STR("s")},      {"default", "p", 1, WEIR_STR("s")},
        {"default", "p", 2, WEIR_STR("s")},      {"default", "p", 3, WEIR_STR("s")},
        {"default", "unused", 0, WEIR_STR("s")}, {"default", "gone", 0, WEIR_STR("s")}};
    struct weir_data_errors e = {.arena = weir_arena_create(NULL)};
    struct weir_policy_set *set;
    struct weir_buf b;
    char *text;

    (void)state;
    assert_int_equal(weir_policy_set_build(texts, 2, NULL, &e, &set), WEIR_OK);
    assert_int_equal(weir_policy_set_namespaces(set), 2);
    assert_string_equal(weir_policy_set_namespace_at(set, 1), "other");
    weir_buf_init(&b, 4096);
    weir_policy_render(set, WEIR_STR("default"), keys, 2, secrets, 6, gather, &b);
    weir_buf_addz(&b, "--\n");
    weir_policy_render(set, WEIR_STR("other"), keys, 2, secrets, 6, gather, &b);
    text = weir_strdup(weir_buf_str(&b));
    assert_string_equal(
        text, "DefaultPriceList default/default\nProvider default/p\n"
              "Provider default/unused\nRoute default/r\nIssuedKey default/k1\n"
              "Secret default/p secret\nSecret default/p#2 secret\n"
              "--\nAgent other/z\nDefaultPriceList default/default\nIssuedKey other/k2\n");
    free(text);
    weir_buf_fini(&b);
    weir_policy_set_unref(set);
    weir_arena_destroy(e.arena);
}

static struct weir_policy_set *local(const char *text, const struct weir_local_env *env)
{
    struct weir_data_errors e = {.arena = weir_arena_create(NULL)};
    struct weir_policy_text t = {"a.yaml", weir_str_of(text), false};
    struct weir_policy_set *set = NULL;
    char *errors;

    (void)!weir_policy_set_build(&t, 1, env, &e, &set);
    errors = error_text(&e);
    assert_string_equal(errors, "");
    free(errors);
    weir_arena_destroy(e.arena);
    return set;
}

static const Weir__V1__ProviderSpec *provider_of(struct weir_policy_set *s, const char *name)
{
    const struct weir_policy_object *o =
        weir_policy_set_find(s, WEIR_STR("Provider"), WEIR_STR("default"), weir_str_of(name));

    return o ? ((const Weir__V1__Provider *)o->message)->spec : NULL;
}

static void without_a_provider_the_environment_makes_them(void **state)
{
    struct weir_local_env env = {
        .openai_key = true, .anthropic_key = true, .openai_base_url = "http://127.0.0.1:9/v1/"};
    struct weir_policy_set *s = local("", &env);

    (void)state;
    assert_string_equal(provider_of(s, "openai")->endpoint, "http://127.0.0.1:9");
    assert_string_equal(provider_of(s, "openai")->credential->env, "OPENAI_API_KEY");
    assert_string_equal(provider_of(s, "anthropic")->credential->env, "ANTHROPIC_API_KEY");
    assert_null(provider_of(s, "echo"));
    assert_int_equal(weir_policy_set_count(s), 5);
    weir_policy_set_unref(s);

    env = (struct weir_local_env){0};
    s = local(AGENT("mine", "{}"), &env);
    assert_int_equal(provider_of(s, "echo")->dialect, WEIR__V1__DIALECT__echo);
    assert_null(weir_policy_set_find(s, WEIR_STR("Agent"), WEIR_STR("default"), WEIR_STR("local")));
    weir_policy_set_unref(s);

    s = local(PROVIDER("own", "{dialect: openai}"), &env);
    assert_int_equal(weir_policy_set_count(s), 1);
    weir_policy_set_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_together_gets_its_exact_sentence),
        cmocka_unit_test(the_same_objects_give_the_same_revision_from_any_files),
        cmocka_unit_test(a_namespace_gets_its_own_objects_keys_and_needed_secrets),
        cmocka_unit_test(without_a_provider_the_environment_makes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
