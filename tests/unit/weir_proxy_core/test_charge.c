/* What a call is charged to, at the worst and in the end, and how a refusal tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/exchange.h"
#include "dataplane/proxy/shortage.h"
#include "policy_yaml.h"

#define HEAD(kind, name)                                                                           \
    "apiVersion: weir.dev/v1alpha1\nkind: " kind "\nmetadata: {name: " name "}\nspec:\n"
#define PROVIDER(name) HEAD("Provider", name) "  dialect: openai\n  endpoint: http://127.0.0.1:1\n"
#define BUDGET(name, rules) "---\n" HEAD("Budget", name) rules
#define PRICED "---\n" HEAD("PriceList", "l") "  prices: [{model: m, input: 1, output: 4}]\n"

static const struct weir_policy_agent agent = {
    .name = {"coder", 5}, .team = {"tools", 5}, .project = {"p", 1}};
static const struct weir_policy_key key = {.id = {"k1", 2}};
static struct weir_arena *arena;
static const struct weir_policy *policy;
static struct weir_exchange *x;
static struct weir_err err;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    err = (struct weir_err){.rc = WEIR_OK};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_policy_unref(policy);
    policy = NULL;
    weir_arena_destroy(arena);
    return 0;
}

/* A call of 100 tokens for the model m, which may go to the providers a and b and get at most 1000
 * tokens there. */
static int collect(const char *rules)
{
    char first[512];

    policy = policy_of(
        arena, weir_arena_printf(arena, "%s---\n%s%s", PROVIDER("a"), PROVIDER("b"), rules), first);
    assert_string_equal(first, "");
    x = weir_arena_zalloc(arena, sizeof *x);
    x->arena = arena;
    x->policy = policy;
    x->agent = &agent;
    x->key = &key;
    x->model = WEIR_STR("m");
    x->call.input_bound = 100;
    x->held_output_tokens = 50;
    x->candidates = weir_arena_zalloc(arena, 2 * sizeof *x->candidates);
    x->candidate_count = 2;
    for (size_t i = 0; i < 2; i++) {
        const struct weir_policy_provider *p = weir_policy_provider(policy, i);

        x->candidates[i] = (struct weir_candidate){
            .provider = p,
            .model = WEIR_STR("m"),
            .price = weir_prices_find(weir_policy_prices(policy), p->name, WEIR_STR("m"), 0),
            .max_output_tokens = 1000};
    }
    return weir_charges_collect(x, &err);
}

static struct weir_attempt used(size_t candidate, int64_t input, int64_t output, int64_t cost)
{
    return (struct weir_attempt){.candidate = &x->candidates[candidate],
                                 .usage = {.input = input, .output = output},
                                 .cost_nano_usd = cost,
                                 .billed = true};
}

static void a_counter_is_charged_once_however_many_targets_reach_it(void **state)
{
    (void)state;
    assert_int_equal(
        collect(BUDGET("b", "  limit: {tokens: 9}\n  window: day\n  per: [team, key]\n")), WEIR_OK);
    assert_int_equal(x->charge_count, 1);
    assert_true(weir_str_is(x->charges[0].scope, "tools|k1"));
}

static void what_callers_name_has_a_counter_of_its_own(void **state)
{
    const char *rules =
        BUDGET("b", "  limit: {tokens: 9}\n  window: day\n  per: [user, agent, session, run]\n");
    struct weir_caller none = {WEIR_STR(""), WEIR_STR(""), WEIR_STR("")};

    (void)state;
    assert_int_equal(collect(rules), WEIR_OK);
    x->caller = none;
    assert_int_equal(weir_charges_collect(x, &err), WEIR_OK);
    assert_true(weir_str_is(x->charges[0].scope, "|coder||"));
    x->caller = (struct weir_caller){WEIR_STR("s1"), WEIR_STR("r1"), WEIR_STR("u1")};
    assert_int_equal(weir_charges_collect(x, &err), WEIR_OK);
    assert_true(weir_str_is(x->charges[0].scope, "u1|coder|s1|r1"));
}

static void each_provider_has_a_counter_where_the_budget_says_so(void **state)
{
    struct weir_attempt a;

    (void)state;
    assert_int_equal(
        collect(BUDGET("b", "  limit: {tokens: 9}\n  window: day\n  per: [provider]\n")), WEIR_OK);
    assert_int_equal(x->charge_count, 2);
    assert_true(weir_str_is(x->charges[0].scope, "a"));
    assert_true(weir_str_is(x->charges[1].scope, "b"));
    a = used(1, 10, 5, 0);
    weir_charges_spend(x, &a);
    assert_true(x->charges[0].spent == 0);
    assert_true(x->charges[1].spent == 15);
}

static void a_budget_of_others_is_not_charged(void **state)
{
    (void)state;
    assert_int_equal(collect(BUDGET("b", "  limit: {tokens: 9}\n  window: day\n"
                                         "  selector: {agents: [someone]}\n")),
                     WEIR_OK);
    assert_int_equal(x->charge_count, 0);
    assert_false(weir_charges_bound(x));
}

static void a_hard_budget_of_money_refuses_what_has_no_price(void **state)
{
    (void)state;
    assert_int_equal(collect(BUDGET("b", "  limit: {usd: 1}\n  window: day\n")), WEIR_ELIMIT);
    assert_string_equal(err.code, "price_unknown");
    assert_int_equal(err.http_status, 402);
    assert_non_null(strstr(err.detail, "'default/b'"));
    assert_non_null(strstr(err.detail, "'m' at 'a'"));
}

static void an_assumed_price_counts_every_token_and_rounds_up(void **state)
{
    (void)state;
    assert_int_equal(collect(BUDGET("b", "  limit: {usd: 1}\n  window: day\n"
                                         "  onUnknownPrice: {assume: 0.0000101}\n")),
                     WEIR_OK);
    /* 150 tokens at 10,100 nano-USD a million are 1.515. */
    assert_true(weir_charge_worst(x, 0, 50, true) == 2);
}

static void too_many_counters_are_refused(void **state)
{
    const char *rules = "";

    (void)state;
    for (int i = 0; i <= WEIR_ADMIT_PARTS_MAX; i++)
        rules = weir_arena_printf(
            arena, "%s" BUDGET("b%d", "  limit: {tokens: 9}\n  window: day\n"), rules, i);
    assert_int_equal(collect(rules), WEIR_EINVAL);
    assert_string_equal(err.code, "too_many_budgets");
    assert_int_equal(x->charge_count, WEIR_ADMIT_PARTS_MAX);
}

static void the_worst_case_is_the_dearest_target_with_what_it_can_answer(void **state)
{
    (void)state;
    assert_int_equal(collect(BUDGET("c", "  limit: {requests: 9}\n  window: day\n")
                                 BUDGET("t", "  limit: {tokens: 9}\n  window: day\n")
                                     BUDGET("u", "  limit: {usd: 1}\n  window: day\n") PRICED),
                     WEIR_OK);
    assert_int_equal(x->charge_count, 3);
    x->candidates[1].max_output_tokens = 10;
    assert_true(weir_charge_worst(x, 0, 50, true) == 1);
    assert_true(weir_charge_worst(x, 0, 50, false) == 0);
    assert_true(weir_charge_worst(x, 1, 50, true) == 150);
    assert_true(weir_charge_worst(x, 1, 5000, false) == 1000);
    assert_true(weir_charge_worst(x, 2, 50, true) == 100 * 1000 + 50 * 4000);
    x->call.input_bound = INT64_MAX;
    assert_true(weir_charge_worst(x, 1, 50, true) == WEIR_AMOUNT_MAX);
    assert_true(weir_charge_worst(x, 2, 50, true) == WEIR_AMOUNT_MAX);
    assert_true(weir_charges_bound(x));
}

static void attempts_add_up_but_are_one_request(void **state)
{
    struct weir_attempt a, b;
    int64_t more[WEIR_ADMIT_PARTS_MAX];

    (void)state;
    assert_int_equal(collect(BUDGET("c", "  limit: {requests: 9}\n  window: day\n")
                                 BUDGET("t", "  limit: {tokens: 9}\n  window: day\n")
                                     BUDGET("u", "  limit: {usd: 1}\n  window: day\n") PRICED),
                     WEIR_OK);
    a = used(0, 10, 5, 30000);
    b = used(1, -1, 7, 28000); /* the provider did not tell its input */
    weir_charges_spend(x, &a);
    weir_charges_spend(x, &b);
    assert_true(x->charges[0].spent == 1);
    assert_true(x->charges[1].spent == 22);
    assert_true(x->charges[2].spent == 58000);

    x->admission.holds[0].held = 1;
    x->admission.holds[1].held = 150;
    x->admission.holds[2].held = 358000;
    assert_true(weir_charges_lack(x, more));
    assert_true(more[0] == 0 && more[1] == 22 && more[2] == 0);
    x->admission.holds[1].held = 172;
    assert_false(weir_charges_lack(x, more));
}

static void untold_usage_takes_the_whole_hold_where_the_budget_wants_it(void **state)
{
    struct weir_attempt a;

    (void)state;
    assert_int_equal(
        collect(BUDGET("t", "  limit: {tokens: 9}\n  window: day\n  onUsageMissing: chargeHold\n")
                    BUDGET("u", "  limit: {tokens: 9}\n  window: day\n")),
        WEIR_OK);
    a = used(0, 10, 5, 0);
    a.usage.estimated = true;
    a.billed = false;
    weir_charges_spend(x, &a);
    assert_true(x->charges[0].spent == 15);
    a.billed = true;
    weir_charges_spend(x, &a);
    assert_true(x->charges[0].spent == 15 + 150);
    assert_true(x->charges[1].spent == 30);
}

static const char *notice(int64_t limit, int64_t resets_in_ms)
{
    struct weir_admit_failure f = {.limit = limit, .resets_in_ms = resets_in_ms};

    return weir_arena_printf(arena, "%.*s", WEIR_STR_ARG(weir_shortage_notice(x, &f)));
}

static void money_is_told_to_the_last_digit_that_counts(void **state)
{
    static const struct {
        int64_t nano;
        const char *said;
    } cases[] = {
        {0, "$0.00"},
        {1, "$0.000000001"},
        {4950, "$0.00000495"},
        {10000000, "$0.01"},
        {100000000, "$0.10"},
        {1000000000, "$1.00"},
        {12345000000, "$12.345"},
        {INT64_MAX, "$9223372036.854775807"},
    };

    (void)state;
    assert_int_equal(collect(BUDGET("b", "  limit: {usd: 1}\n  window: day\n") PRICED), WEIR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(
            notice(cases[i].nano, -1),
            weir_arena_printf(arena,
                              "\n\n[Cut by Weir: the budget 'default/b' is used up (limit %s).]",
                              cases[i].said));
}

static void the_time_of_a_reset_is_told_in_fitting_units(void **state)
{
    static const struct {
        int64_t ms;
        const char *said;
    } cases[] = {
        {-1, ".]"},
        {0, "It resets in 0 s.]"},
        {1, "It resets in 1 s.]"},
        {119000, "It resets in 119 s.]"},
        {120000, "It resets in 2 min.]"},
        {7200000, "It resets in 2 h 0 min.]"},
        {INT64_MAX - 1000, "min.]"},
    };

    (void)state;
    assert_int_equal(collect(BUDGET("b", "  limit: {tokens: 9}\n  window: day\n")), WEIR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = notice(9, cases[i].ms);

        assert_non_null(strstr(text, "limit 9 tokens)"));
        assert_string_equal(text + strlen(text) - strlen(cases[i].said), cases[i].said);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_counter_is_charged_once_however_many_targets_reach_it),
        CASE(what_callers_name_has_a_counter_of_its_own),
        CASE(each_provider_has_a_counter_where_the_budget_says_so),
        CASE(a_budget_of_others_is_not_charged),
        CASE(a_hard_budget_of_money_refuses_what_has_no_price),
        CASE(an_assumed_price_counts_every_token_and_rounds_up),
        CASE(too_many_counters_are_refused),
        CASE(the_worst_case_is_the_dearest_target_with_what_it_can_answer),
        CASE(attempts_add_up_but_are_one_request),
        CASE(untold_usage_takes_the_whole_hold_where_the_budget_wants_it),
        CASE(money_is_told_to_the_last_digit_that_counts),
        CASE(the_time_of_a_reset_is_told_in_fitting_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
