/* A transaction's resources as one compiled policy: what is looked up in it, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy_yaml.h"

#define HEAD(kind, name)                                                                           \
    "apiVersion: weir.dev/v1alpha1\nkind: " kind "\nmetadata: {name: " name "}\nspec:\n"
#define DIGEST "ed655ab16143ea6ada1fb8fae4cf8f219c51ce22e48f60993a6bd297b06abc5b"
#define AGENT                                                                                      \
    HEAD("Agent", "coder")                                                                         \
    "  team: tools\n  models: [gpt-*]\n  keys: [{id: k1, sha256: " DIGEST "}]\n---\n"
#define PROVIDER                                                                                   \
    HEAD("Provider", "oa")                                                                         \
    "  dialect: openai\n  endpoint: https://models.example:8443/base/\n"                           \
    "  models: [{name: small, upstream: gpt-4o-mini, maxOutputTokens: 500, hiddenReasoning: "      \
    "false}, {name: big}]\n---\n"

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

static void a_provider_keeps_its_models_and_endpoint(void **state)
{
    const struct weir_policy *p = policy_of(arena, PROVIDER, first);
    const struct weir_policy_provider *oa;
    const struct weir_policy_model *m;

    (void)state;
    assert_string_equal(first, "");
    oa = weir_policy_provider(p, 0);
    assert_true(weir_str_is(oa->name, "oa"));
    assert_true(weir_str_is(oa->base_path, "/base"));
    assert_false(oa->vendor);
    m = weir_policy_model(oa, WEIR_STR("small"));
    assert_true(weir_str_is(m->upstream, "gpt-4o-mini"));
    assert_true(m->max_output_tokens == 500);
    assert_true(m->shows_all);
    m = weir_policy_model(oa, WEIR_STR("big"));
    assert_true(weir_str_is(m->upstream, "big"));
    assert_false(m->shows_all);
    assert_null(weir_policy_model(oa, WEIR_STR("gpt-4o-mini"))); /* callers name it otherwise */
    assert_null(weir_policy_provider(p, 1));
    weir_policy_unref(p);
}

static void the_vendors_own_hosts_are_known(void **state)
{
    static const struct {
        const char *endpoint;
        bool vendor;
    } cases[] = {
        {"https://api.openai.com/v1", true}, {"https://x.openai.azure.com", true},
        {"https://api.anthropic.com", true}, {"https://openai.com.example", false},
        {"https://notopenai.com", false},    {"http://127.0.0.1:8000", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *yaml = weir_arena_printf(
            arena, HEAD("Provider", "p") "  dialect: openai\n  endpoint: %s\n", cases[i].endpoint);
        const struct weir_policy *p = policy_of(arena, yaml, first);

        assert_string_equal(first, "");
        assert_int_equal(weir_policy_provider(p, 0)->vendor, cases[i].vendor);
        weir_policy_unref(p);
    }
}

static void a_provider_speaks_what_is_known_or_said_of_it(void **state)
{
    static const struct {
        const char *spec;
        enum weir_dialect dialect;
        bool chat, responses;
    } cases[] = {
        {"dialect: openai", WEIR_DIALECT_OPENAI_CHAT, true, true}, /* the vendor itself */
        {"dialect: openai\n  endpoint: http://x", WEIR_DIALECT_OPENAI_CHAT, true, false},
        {"dialect: openai\n  alsoSpeaks: [openaiResponses]\n  endpoint: http://x",
         WEIR_DIALECT_OPENAI_CHAT, true, true},
        {"dialect: openaiResponses\n  endpoint: http://x", WEIR_DIALECT_OPENAI_RESPONSES, false,
         true},
        {"dialect: anthropic", WEIR_DIALECT_ANTHROPIC_MESSAGES, false, false},
        {"dialect: echo", WEIR_DIALECT_NONE, true, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *yaml = weir_arena_printf(arena, HEAD("Provider", "p") "  %s\n", cases[i].spec);
        const struct weir_policy *p = policy_of(arena, yaml, first);
        const struct weir_policy_provider *it;

        assert_string_equal(first, "");
        it = weir_policy_provider(p, 0);
        assert_int_equal(it->dialect, cases[i].dialect);
        assert_int_equal(weir_policy_speaks(it, WEIR_DIALECT_OPENAI_CHAT), cases[i].chat);
        assert_int_equal(weir_policy_speaks(it, WEIR_DIALECT_OPENAI_RESPONSES), cases[i].responses);
        weir_policy_unref(p);
    }
}

static void a_key_finds_its_agent_by_its_digest(void **state)
{
    const struct weir_policy *p = policy_of(arena, AGENT, first);
    const struct weir_policy_key *k;

    (void)state;
    assert_string_equal(first, "");
    k = weir_policy_find_key(p, WEIR_STR("weir_sk_unit"));
    assert_non_null(k);
    assert_true(weir_str_is(k->id, "k1"));
    assert_true(weir_str_is(k->agent->team, "tools"));
    assert_true(weir_policy_agent_may(k->agent, WEIR_STR("gpt-4o")));
    assert_false(weir_policy_agent_may(k->agent, WEIR_STR("claude")));
    assert_null(weir_policy_find_key(p, WEIR_STR("weir_sk_unit2")));
    assert_null(weir_policy_find_key(p, WEIR_STR("")));
    weir_policy_unref(p);
}

static void a_selector_picks_by_every_list_that_is_not_empty(void **state)
{
    struct weir_llm_offer search = {.name = WEIR_STR_INIT("web_search")},
                          shell = {.name = WEIR_STR_INIT("shell"), .next = &search};
    const struct weir_llm_call call = {.offers = &shell};

    static const struct {
        const char *selector, *model;
        bool picked;
    } cases[] = {
        {"{}", "gpt-4o", true},
        {"{agents: [co*]}", "gpt-4o", true},
        {"{agents: [other]}", "gpt-4o", false},
        {"{teams: [tools], models: [gpt-*]}", "gpt-4o", true},
        {"{teams: [tools], models: [gpt-*]}", "o3", false},
        {"{providers: [oa]}", "gpt-4o", true},
        {"{providers: [an]}", "gpt-4o", false},
        {"{tools: [web_*]}", "gpt-4o", true},
        {"{tools: [rm, shell]}", "gpt-4o", true},
        {"{tools: [rm]}", "gpt-4o", false},
        {"{projects: [x]}", "gpt-4o", false},
        {"{labels: {tier: gold}}", "gpt-4o", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *yaml = weir_arena_printf(
            arena,
            AGENT PROVIDER HEAD("Budget",
                                "b") "  limit: {usd: 1}\n  window: total\n  selector: %s\n",
            cases[i].selector);
        const struct weir_policy *p = policy_of(arena, yaml, first);
        const struct weir_policy_key *k;

        assert_string_equal(first, "");
        k = weir_policy_find_key(p, WEIR_STR("weir_sk_unit"));
        assert_int_equal(weir_policy_selects(weir_policy_budget(p, 0)->spec->selector, k->agent,
                                             weir_str_of(cases[i].model),
                                             weir_policy_provider(p, 0), &call),
                         cases[i].picked);
        weir_policy_unref(p);
    }
}

static void a_budget_keeps_its_rules(void **state)
{
    const struct weir_policy *p = policy_of(
        arena,
        HEAD("Budget",
             "money") "  limit: {usd: 2.5}\n  window: minute\n  onUsageMissing: chargeHold\n"
                      "  onUnknownPrice: {assume: 3}\n---\n" HEAD(
                          "Budget",
                          "tokens") "  limit: {tokens: 10}\n  window: day\n  mode: soft\n",
        first);
    const struct weir_policy_budget *money, *tokens;

    (void)state;
    assert_string_equal(first, "");
    money = weir_policy_budget(p, 0);
    tokens = weir_policy_budget(p, 1);
    assert_string_equal(money->conf.id, "default/money");
    assert_true(money->conf.limit == 2500000000);
    assert_int_equal(money->conf.mode, WEIR_MODE_HARD);
    assert_true(money->rate);
    assert_true(money->charge_hold);
    assert_true(money->unknown_price_assumed == 3000000000);
    assert_int_equal(tokens->conf.unit, WEIR_UNIT_TOKENS);
    assert_int_equal(tokens->conf.mode, WEIR_MODE_SOFT);
    assert_false(tokens->rate);
    assert_false(tokens->charge_hold);
    assert_true(tokens->unknown_price_assumed == -1);
    weir_policy_unref(p);
}

static void routes_stand_by_priority(void **state)
{
    const struct weir_policy *p = policy_of(
        arena,
        PROVIDER HEAD("Route", "a") "  groups: [{targets: [{provider: oa}]}]\n---\n" HEAD(
            "Route", "b") "  priority: 10\n  retry: {attempts: 4}\n"
                          "  groups: [{targets: [{provider: oa, model: gpt-4o, weight: 3}]}]\n",
        first);
    const struct weir_policy_route *r;

    (void)state;
    assert_string_equal(first, "");
    r = weir_policy_route(p, 0);
    assert_true(weir_str_is(r->name, "b"));
    assert_true(r->attempts == 4);
    assert_true(r->groups[0].targets[0].weight == 3);
    assert_true(weir_str_is(r->groups[0].targets[0].model, "gpt-4o"));
    assert_true(weir_str_is(weir_policy_route(p, 1)->name, "a"));
    assert_null(weir_policy_route(p, 2));
    weir_policy_unref(p);
}

static void what_only_this_proxy_can_see_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *yaml, *said;
    } cases[] = {
        {HEAD("Provider", "p") "  dialect: openai\n  credential: {file: /nowhere/key}\n",
         "Provider default/p: spec.credential.file: no such file"},
        {HEAD("Provider", "p") "  dialect: openai\n  credential: {env: WEIR_UNIT_NONE}\n",
         "Provider default/p: spec.credential.env: this variable isn't set"},
        {HEAD("Provider", "p") "  dialect: openai\n  tls: {caFile: /nowhere/ca.pem}\n",
         "Provider default/p: spec.tls"},
        {HEAD("Provider", "p") "  dialect: azure\n",
         "Provider default/p: spec.endpoint: Azure needs it"},
        {HEAD("Provider", "p") "  dialect: azure\n  endpoint: https://r\n  apiVersion: 'a&b'\n",
         "Provider default/p: spec.apiVersion: not a version"},
        {HEAD("Provider", "p") "  dialect: openai\n  apiVersion: '1'\n",
         "Provider default/p: spec.apiVersion: of Azure's paths only"},
        {HEAD("Route", "r") "  groups: [{targets: [{provider: none}]}]\n", "Route default/r: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(policy_of(arena, cases[i].yaml, first));
        assert_memory_equal(first, cases[i].said, strlen(cases[i].said));
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_provider_keeps_its_models_and_endpoint),
        CASE(the_vendors_own_hosts_are_known),
        CASE(a_provider_speaks_what_is_known_or_said_of_it),
        CASE(a_key_finds_its_agent_by_its_digest),
        CASE(a_selector_picks_by_every_list_that_is_not_empty),
        CASE(a_budget_keeps_its_rules),
        CASE(routes_stand_by_priority),
        CASE(what_only_this_proxy_can_see_is_refused_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
