#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/rand.h"
#include "pricing/pricing.h"

enum { NOW_MS = 1000 };

#define USD(x) ((int64_t)((x)*1000000000LL))

static Weir__V1__Price price_of(const char *model, const char *provider, int64_t input,
                                int64_t output)
{
    Weir__V1__Price p = WEIR__V1__PRICE__INIT;

    p.model = (char *)(uintptr_t)model;
    p.provider = (char *)(uintptr_t)provider;
    p.has_input = p.has_output = 1;
    p.input = input;
    p.output = output;
    return p;
}

static void add_list(struct weir_prices *t, const char *name, bool builtin, Weir__V1__Price *prices,
                     size_t n)
{
    Weir__V1__PriceList list = WEIR__V1__PRICE_LIST__INIT;
    Weir__V1__PriceListSpec spec = WEIR__V1__PRICE_LIST_SPEC__INIT;
    Weir__V1__Metadata meta = WEIR__V1__METADATA__INIT;
    Weir__V1__Price *each[16];

    for (size_t i = 0; i < n; i++)
        each[i] = &prices[i];
    meta.name = (char *)(uintptr_t)name;
    spec.prices = each;
    spec.n_prices = n;
    spec.date = (char *)(uintptr_t) "2026-01-01";
    list.metadata = &meta;
    list.spec = &spec;
    weir_prices_add(t, &list, builtin);
}

static void add(struct weir_prices *t, const char *name, Weir__V1__Price *prices, size_t n)
{
    add_list(t, name, false, prices, n);
}

static int64_t input_rate(const struct weir_prices *t, const char *provider, const char *model)
{
    const struct weir_price *e =
        weir_prices_find(t, weir_str_of(provider), weir_str_of(model), NOW_MS);
    struct weir_usage u = WEIR_USAGE_NONE;
    struct weir_cost c;

    if (!e)
        return -1;
    u.input = 1000000;
    weir_price_cost(e, &u, &c);
    return c.nano_usd;
}

static void a_list_of_the_policy_may_be_called_as_the_built_in_one(void **state)
{
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price builtin[] = {price_of("gpt-4o", NULL, 1, 0)};
    Weir__V1__Price own[] = {price_of("gpt-*", NULL, 2, 0)};

    (void)state;
    add_list(t, "default", true, builtin, 1);
    add(t, "default", own, 1);
    weir_prices_seal(t);
    assert_int_equal(input_rate(t, "openai", "gpt-4o"), 2);
    assert_false(
        weir_price_builtin(weir_prices_find(t, WEIR_STR("openai"), WEIR_STR("gpt-4o"), NOW_MS)));
    weir_prices_destroy(t);
}

static void the_most_exact_entry_holds(void **state)
{
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price builtin[] = {price_of("gpt-4o", NULL, 1, 0), price_of("gpt-*", NULL, 2, 0),
                                 price_of("gpt-4o*", NULL, 3, 0), price_of("own", NULL, 4, 0)};
    Weir__V1__Price own[] = {price_of("own", NULL, 5, 0), price_of("own", "azure*", 6, 0),
                             price_of("claude-*", NULL, 7, 0)};

    (void)state;
    add_list(t, "default", true, builtin, 4);
    add(t, "mine", own, 3);
    weir_prices_seal(t);
    assert_int_equal(input_rate(t, "p", "gpt-4o"), 1);
    assert_int_equal(input_rate(t, "p", "gpt-4o-mini"), 3);
    assert_int_equal(input_rate(t, "p", "gpt-5"), 2);
    assert_int_equal(input_rate(t, "p", "own"), 5);
    assert_int_equal(input_rate(t, "azure-eu", "own"), 6);
    assert_int_equal(input_rate(t, "p", "claude-x"), 7);
    assert_int_equal(input_rate(t, "p", "nobody"), -1);
    weir_prices_destroy(t);
}

static void an_empty_table_knows_no_price(void **state)
{
    struct weir_prices *t = weir_prices_create();

    (void)state;
    weir_prices_seal(t);
    assert_int_equal(input_rate(t, "p", "m"), -1);
    weir_prices_destroy(t);
}

static void only_a_price_without_rates_is_the_price_of_a_call(void **state)
{
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price p[] = {price_of("flat", NULL, 0, 0), price_of("both", NULL, 1, 0),
                           price_of("none", NULL, 0, 0)};

    (void)state;
    p[0].has_request = p[1].has_request = 1;
    p[0].request = p[1].request = 7;
    add(t, "a", p, 3);
    weir_prices_seal(t);
    assert_int_equal(weir_price_flat(weir_prices_find(t, WEIR_STR("x"), WEIR_STR("flat"), NOW_MS)),
                     7);
    assert_int_equal(weir_price_flat(weir_prices_find(t, WEIR_STR("x"), WEIR_STR("both"), NOW_MS)),
                     -1);
    assert_int_equal(weir_price_flat(weir_prices_find(t, WEIR_STR("x"), WEIR_STR("none"), NOW_MS)),
                     -1);
    weir_prices_destroy(t);
}

static void cached_and_reasoning_tokens_are_charged_once(void **state)
{
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price p = price_of("m", NULL, USD(3), USD(15));
    struct weir_usage u = {1000, 100, 600, 200, 100, 40, 0, 0, 0, false};
    struct weir_cost c;

    (void)state;
    p.has_cacheread = p.has_cachewrite = p.has_cachewrite1h = p.has_reasoning = p.has_request = 1;
    p.cacheread = USD(3) / 10;
    p.cachewrite = USD(15) / 4;
    p.cachewrite1h = USD(6);
    p.reasoning = USD(20);
    p.request = 7;
    add(t, "l", &p, 1);
    weir_prices_seal(t);
    weir_price_cost(weir_prices_find(t, WEIR_STR("x"), WEIR_STR("m"), NOW_MS), &u, &c);
    assert_int_equal(c.nano_usd, 100 * 3000 + 600 * 300 + 200 * 3750 + 100 * 6000 + 60 * 15000 +
                                     40 * 20000 + 7);
    assert_int_equal(c.part_count, 7);
    weir_prices_destroy(t);
}

static void a_tier_holds_for_the_whole_call_and_costs_round_up(void **state)
{
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price p = price_of("m", NULL, 1, 1);
    Weir__V1__PriceTier tier = WEIR__V1__PRICE_TIER__INIT, *tiers[] = {&tier};
    struct weir_usage u = WEIR_USAGE_NONE;
    const struct weir_price *e;
    struct weir_cost c;

    (void)state;
    tier.has_aboveinputtokens = tier.has_input = 1;
    tier.aboveinputtokens = 200;
    tier.input = 2000000;
    p.tiers = tiers;
    p.n_tiers = 1;
    add(t, "l", &p, 1);
    weir_prices_seal(t);
    e = weir_prices_find(t, WEIR_STR("x"), WEIR_STR("m"), NOW_MS);
    u.input = 200;
    weir_price_cost(e, &u, &c);
    assert_int_equal(c.nano_usd, 1);
    u.input = 201;
    weir_price_cost(e, &u, &c);
    assert_int_equal(c.nano_usd, 402);
    assert_int_equal(weir_price_worst(e, 200, 0, true), 1);
    assert_int_equal(weir_price_worst(e, 201, 0, true), 402);
    weir_prices_destroy(t);
}

static int64_t below(struct weir_prng *r, int64_t n)
{
    return n > 0 ? (int64_t)weir_prng_below(r, (uint64_t)n) : 0;
}

static void random_price(struct weir_prng *r, Weir__V1__Price *p, Weir__V1__PriceTier *tiers,
                         Weir__V1__PriceTier **list)
{
    int64_t top = (int64_t)1 << below(r, 62);

    *p = price_of("m", NULL, below(r, top), below(r, top));
    p->has_cacheread = (int)below(r, 2);
    p->cacheread = below(r, top);
    p->has_cachewrite = (int)below(r, 2);
    p->cachewrite = below(r, top);
    p->has_cachewrite1h = (int)below(r, 2);
    p->cachewrite1h = below(r, top);
    p->has_reasoning = (int)below(r, 2);
    p->reasoning = below(r, top);
    p->has_audioinput = (int)below(r, 2);
    p->audioinput = below(r, top);
    p->has_audiooutput = (int)below(r, 2);
    p->audiooutput = below(r, top);
    p->has_websearch = (int)below(r, 2);
    p->websearch = below(r, top);
    p->has_request = (int)below(r, 2);
    p->request = below(r, top);
    p->n_tiers = (size_t)below(r, 4);
    p->tiers = list;
    for (size_t i = 0; i < p->n_tiers; i++) {
        weir__v1__price_tier__init(&tiers[i]);
        tiers[i].has_aboveinputtokens = 1;
        tiers[i].aboveinputtokens = below(r, 400000);
        tiers[i].has_input = (int)below(r, 2);
        tiers[i].input = below(r, top);
        tiers[i].has_output = (int)below(r, 2);
        tiers[i].output = below(r, top);
        list[i] = &tiers[i];
    }
}

static void no_usage_within_the_bounds_costs_more_than_the_hold(void **state)
{
    struct weir_prng r = {{1, 2}};

    (void)state;
    for (int round = 0; round < 20000; round++) {
        Weir__V1__PriceTier tiers[4], *list[4];
        Weir__V1__Price p;
        struct weir_prices *t = weir_prices_create();
        struct weir_usage u = {0};
        int64_t in = below(&r, 500000), out = below(&r, 200000);
        const struct weir_price *e;
        struct weir_cost c;

        random_price(&r, &p, tiers, list);
        add(t, "l", &p, 1);
        weir_prices_seal(t);
        e = weir_prices_find(t, WEIR_STR("x"), WEIR_STR("m"), NOW_MS);
        u.input = below(&r, in + 1);
        u.output = below(&r, out + 1);
        u.cache_read = below(&r, u.input + 1) - 1;
        u.cache_write = below(&r, u.input - (u.cache_read > 0 ? u.cache_read : 0) + 1);
        u.reasoning = below(&r, out + 1) - 1;
        u.audio_input = below(&r, in + 1) - 1;
        u.audio_output = below(&r, out + 1) - 1;
        weir_price_cost(e, &u, &c);
        assert_true(c.nano_usd >= 0);
        assert_true(weir_price_worst(e, in, out, true) >= c.nano_usd);
        weir_prices_destroy(t);
    }
}

static void the_last_entry_that_has_begun_holds(void **state)
{
    enum { DAY_MS = 86400000 };
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price p[] = {price_of("m", NULL, 1, 0), price_of("m", NULL, 2, 0),
                           price_of("m", NULL, 3, 0)};

    static const struct {
        int64_t now_ms, rate;
    } cases[] = {{0, 1}, {DAY_MS - 1, 1}, {DAY_MS, 2}, {2 * DAY_MS - 1, 2}, {2 * DAY_MS, 3}};

    (void)state;
    p[1].from = (char *)(uintptr_t) "1970-01-02";
    p[2].from = (char *)(uintptr_t) "1970-01-03";
    add(t, "l", p, 3);
    weir_prices_seal(t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_usage u = {.input = 1000000};
        struct weir_cost c;

        weir_price_cost(weir_prices_find(t, WEIR_STR("x"), WEIR_STR("m"), cases[i].now_ms), &u, &c);
        assert_int_equal(c.nano_usd, cases[i].rate);
    }
    weir_prices_destroy(t);
}

static void audio_and_searches_have_prices_of_their_own(void **state)
{
    struct weir_prices *t = weir_prices_create();
    Weir__V1__Price p = price_of("m", NULL, 1000000, 2000000);
    struct weir_usage u = {.input = 100, .output = 50, .cache_read = 20, .audio_input = 30};
    const struct weir_price *e;
    struct weir_cost c;

    (void)state;
    p.has_audioinput = p.has_audiooutput = p.has_websearch = p.has_cacheread = 1;
    p.audioinput = 40000000;
    p.audiooutput = 80000000;
    p.websearch = 10000000;
    add(t, "l", &p, 1);
    weir_prices_seal(t);
    e = weir_prices_find(t, WEIR_STR("x"), WEIR_STR("m"), NOW_MS);
    u.audio_output = 40;
    u.reasoning = 5;
    u.web_searches = 3;
    weir_price_cost(e, &u, &c);
    /* 50 + 30 of audio + 20 from the cache for nothing; 5 + 5 + 40 of audio; 3 searches. */
    assert_int_equal(c.nano_usd, 50 + 30 * 40 + 10 * 2 + 40 * 80 + 3 * 10000000);
    assert_int_equal(c.part_count, 7);
    assert_int_equal(weir_price_searches(e, 0), 0);
    assert_int_equal(weir_price_searches(e, 4), 4 * 10000000);
    assert_int_equal(weir_price_searches(e, -1), 10 * 10000000);
    weir_prices_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_the_policy_may_be_called_as_the_built_in_one),
        cmocka_unit_test(the_most_exact_entry_holds),
        cmocka_unit_test(an_empty_table_knows_no_price),
        cmocka_unit_test(only_a_price_without_rates_is_the_price_of_a_call),
        cmocka_unit_test(cached_and_reasoning_tokens_are_charged_once),
        cmocka_unit_test(a_tier_holds_for_the_whole_call_and_costs_round_up),
        cmocka_unit_test(the_last_entry_that_has_begun_holds),
        cmocka_unit_test(audio_and_searches_have_prices_of_their_own),
        cmocka_unit_test(no_usage_within_the_bounds_costs_more_than_the_hold),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
