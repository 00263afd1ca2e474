/* The acceptance cases of budgets that can be shown without HTTP: real holders, real ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

#define CALLS "default/calls"

static const struct weir_budget_conf CALLS_CONF = {
    .id = CALLS, .unit = WEIR_UNIT_REQUESTS, .mode = WEIR_MODE_HARD, .limit = 10};
static const int64_t ONE = 1;

static struct weir_ledger_budget def(const char *id, enum weir_unit unit,
                                     enum weir_window_kind window, int64_t limit)
{
    return (struct weir_ledger_budget){
        .id = id, .unit = unit, .mode = WEIR_MODE_HARD, .window = window, .limit = limit};
}

static struct weir_budget_conf conf(const char *id, enum weir_unit unit, int64_t limit)
{
    return (struct weir_budget_conf){
        .id = id, .unit = unit, .mode = WEIR_MODE_HARD, .limit = limit};
}

static struct world *world_of(int proxies, struct weir_ledger_budget b)
{
    struct world *w = world_create(1, proxies);

    world_budgets(w, &b, 1);
    world_run(w, 100);
    return w;
}

/* Starts n calls over all proxies at once; how many were admitted after everything was said. */
static int passed(struct world *w, int proxies, int n, const struct weir_budget_conf *c,
                  int64_t amount)
{
    int before = world_open_calls(w);

    for (int i = 0; i < n; i++)
        assert_non_null(world_call(w, i % proxies, c, &amount, 1));
    world_run(w, 3000);
    return world_open_calls(w) - before;
}

static void b_01_of_64_parallel_calls_exactly_as_many_pass_as_the_budget_admits(void **state)
{
    (void)state;
    for (int proxies = 1; proxies <= 3; proxies++)
        for (int k = 1; k <= 60; k += 7) {
            struct world *w =
                world_of(proxies, def(CALLS, WEIR_UNIT_REQUESTS, WEIR_WINDOW_TOTAL, k));
            struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_REQUESTS, k);

            world_faults(w, (struct world_faults){.delay_ms = 20});
            assert_int_equal(passed(w, proxies, 64, &c, 1), k);
            assert_null(world_check(w));
            world_destroy(w);
        }
}

static void b_13_two_proxies_share_one_cap(void **state)
{
    struct world *w = world_of(2, def("default/usd", WEIR_UNIT_NANO_USD, WEIR_WINDOW_TOTAL, 2000));
    struct weir_budget_conf c = conf("default/usd", WEIR_UNIT_NANO_USD, 2000);

    (void)state;
    assert_int_equal(passed(w, 1, 2, &c, 700), 2); /* both on the first proxy */
    assert_int_equal(passed(w, 2, 6, &c, 100), 6); /* 2000 now */
    assert_int_equal(passed(w, 2, 2, &c, 1), 0);
    assert_null(world_check(w));
    world_destroy(w);
}

static void idle_parts_move_to_the_proxy_that_needs_them(void **state)
{
    struct world *w = world_of(3, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 900));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 900);
    int64_t amount = 100, nothing = 0;

    (void)state;
    for (int proxy = 0; proxy < 2; proxy++) { /* these two hold slices that they don't use */
        struct world_call *call = world_call(w, proxy, &c, &amount, 1);

        world_run(w, 500);
        world_settle(call, &nothing);
    }
    world_run(w, 300);
    amount = 900;
    assert_non_null(world_call(w, 2, &c, &amount, 1));
    world_run(w, 1500);
    assert_int_equal(world_open_calls(w), 1);
    world_destroy(w);
}

static void b_02_after_a_kill_the_open_hold_is_charged_once_and_the_rest_comes_back(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 1000));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 1000);
    int64_t amount = 100, actual = 40;
    struct world_call *settled = world_call(w, 0, &c, &amount, 1);

    (void)state;
    (void)world_call(w, 0, &c, &amount, 1);
    world_run(w, 500);
    assert_int_equal(world_open_calls(w), 2);
    world_settle(settled, &actual);
    world_crash_proxy(w, 0, false);
    world_run(w, 500);
    assert_int_equal(world_ledger_sum(w, CALLS).closed_settled, 140);
    assert_int_equal(world_ledger_sum(w, CALLS).committed, 0);
    assert_int_equal(passed(w, 1, 1, &c, 860), 1); /* no phantom refusal */
    assert_null(world_check(w));
    world_destroy(w);
}

static void a_killed_proxy_without_a_journal_strands_its_slice_until_it_is_written_off(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 1000));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 1000);
    int64_t amount = 100;

    (void)state;
    (void)world_call(w, 0, &c, &amount, 1);
    world_run(w, 500);
    world_crash_proxy(w, 0, true);
    assert_int_equal(passed(w, 1, 1, &c, 1000), 0);
    world_release_some_lease(w);
    world_run(w, 300);
    assert_int_equal(passed(w, 1, 1, &c, 900), 1);
    world_destroy(w);
}

static void b_03_ten_thousand_mixed_finishes_add_up_exactly(void **state)
{
    struct world *w =
        world_of(3, def("default/usd", WEIR_UNIT_NANO_USD, WEIR_WINDOW_TOTAL, 1000000000));
    struct weir_budget_conf c = conf("default/usd", WEIR_UNIT_NANO_USD, 1000000000);
    int64_t spent = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        int64_t amount = 1 + (int64_t)world_random(w, 5000);
        struct world_call *call = world_call(w, i % 3, &c, &amount, 1);

        if (call->waiting)
            world_run(w, 50);
        assert_true(call->open);
        if (world_random(w, 10) == 0) {
            world_release(call);
            continue;
        }
        amount = (int64_t)world_random(w, (uint64_t)amount + 1);
        spent += amount;
        world_settle(call, &amount);
        if (i % 100 == 0)
            world_run(w, 100);
    }
    assert_null(world_finish(w));
    assert_int_equal(world_ledger_sum(w, "default/usd").closed_settled, spent);
    world_destroy(w);
}

static void b_05_after_a_crash_of_the_control_plane_committed_spend_is_the_truth(void **state)
{
    struct world *w = world_of(2, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 10000));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 10000);
    int64_t amount = 100, actual = 77;

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct world_call *call = world_call(w, i % 2, &c, &amount, 1);

        world_run(w, 50);
        world_settle(call, &actual);
        if (i % 5 == 0)
            world_crash_control(w);
    }
    assert_null(world_finish(w));
    assert_int_equal(world_ledger_sum(w, CALLS).closed_settled, 20 * 77);
    world_destroy(w);
}

static void b_07_first_concurrent_calls_of_an_unknown_user_share_one_counter(void **state)
{
    struct world *w = world_of(3, def(CALLS, WEIR_UNIT_REQUESTS, WEIR_WINDOW_DAY, 5));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_REQUESTS, 5);

    (void)state;
    assert_int_equal(passed(w, 3, 30, &c, 1), 5);
    world_destroy(w);
}

static void b_08_a_used_up_budget_refuses_and_says_what_is_left(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_REQUESTS, WEIR_WINDOW_MINUTE, 10));
    struct world_call *call;

    (void)state;
    assert_int_equal(passed(w, 1, 10, &CALLS_CONF, 1), 10);
    call = world_call(w, 0, &CALLS_CONF, &ONE, 1);
    world_run(w, 1500);
    assert_int_equal(call->rc, WEIR_ELIMIT);
    assert_int_equal(call->failure.why, WEIR_REFUSED_EXHAUSTED);
    assert_int_equal(call->failure.limit, 10);
    assert_int_equal(call->failure.remaining, 0);
    assert_in_range(call->failure.resets_in_ms, 1, 60000);
    assert_int_equal(call->resumed, 1);
    world_destroy(w);
}

static void a_new_window_starts_anew(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_REQUESTS, WEIR_WINDOW_MINUTE, 10));

    (void)state;
    assert_int_equal(passed(w, 1, 12, &CALLS_CONF, 1), 10);
    world_run(w, 60000);
    assert_int_equal(passed(w, 1, 12, &CALLS_CONF, 1), 10);
    world_destroy(w);
}

static void b_11_without_a_budget_nothing_is_ever_refused(void **state)
{
    struct world *w = world_create(1, 1);
    struct world_call *call = world_call(w, 0, NULL, NULL, 0);

    (void)state;
    assert_true(call->open);
    world_settle(call, NULL);
    world_destroy(w);
}

static void b_20_and_b_27_tokens_are_reserved_before_and_counted_as_they_are(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_MINUTE, 1000));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 1000);
    int64_t actual = 150;
    struct world_call *call;

    (void)state;
    assert_int_equal(passed(w, 1, 5, &c, 400), 2); /* five parallel calls of 400: two fit */
    while ((call = world_any_open(w)))
        world_settle(call, &actual);
    world_run(w, 500);
    assert_int_equal(world_ledger_sum(w, CALLS).settled, 300);
    world_destroy(w);
}

static void b_26_a_limit_of_0_blocks(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_REQUESTS, WEIR_WINDOW_TOTAL, 0));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_REQUESTS, 0);
    struct world_call *call = world_call(w, 0, &c, &ONE, 1);

    (void)state;
    assert_int_equal(call->rc, WEIR_ELIMIT);
    assert_int_equal(call->failure.remaining, 0);
    world_destroy(w);
}

static void several_budgets_admit_together_or_none_does(void **state)
{
    struct world *w = world_create(1, 1);
    struct weir_ledger_budget defs[] = {def("default/a", WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 100),
                                        def("default/b", WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 50)};
    struct weir_budget_conf confs[] = {conf("default/a", WEIR_UNIT_TOKENS, 100),
                                       conf("default/b", WEIR_UNIT_TOKENS, 50)};
    int64_t amounts[] = {40, 40};
    struct world_call *refused;

    (void)state;
    world_budgets(w, defs, 2);
    (void)world_call(w, 0, confs, amounts, 2);
    world_run(w, 500);
    assert_int_equal(world_open_calls(w), 1);
    refused = world_call(w, 0, confs, amounts, 2);
    world_run(w, 1500);
    assert_int_equal(refused->rc, WEIR_ELIMIT);
    assert_int_equal(refused->failure.part, 1);
    amounts[0] = 60; /* nothing of the first one was kept back */
    (void)world_call(w, 0, confs, amounts, 1);
    world_run(w, 1500);
    assert_int_equal(world_open_calls(w), 2);
    world_destroy(w);
}

static void a_lowered_limit_holds_at_once_and_recalls_idle_parts(void **state)
{
    struct world *w = world_of(2, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 1000));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 1000);
    struct weir_ledger_budget lower = def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 150);

    (void)state;
    assert_int_equal(passed(w, 1, 1, &c, 100), 1);
    world_budgets(w, &lower, 1);
    world_run(w, 300);
    c.limit = 150;
    assert_int_equal(passed(w, 2, 4, &c, 50), 1);
    assert_null(world_check(w));
    world_destroy(w);
}

static void a_budget_that_only_observes_never_refuses_but_counts(void **state)
{
    struct weir_ledger_budget b = def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 100);
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 100);
    struct world *w;
    struct world_call *call;
    int64_t actual = 90;

    (void)state;
    b.mode = WEIR_MODE_OBSERVE;
    c.mode = WEIR_MODE_OBSERVE;
    w = world_of(1, b);
    for (int i = 0; i < 5; i++) {
        call = world_call(w, 0, &c, &actual, 1);
        assert_true(call->open);
        world_settle(call, &actual);
    }
    world_run(w, 3000);
    assert_int_equal(world_ledger_sum(w, CALLS).settled, 450);
    world_destroy(w);
}

static void during_a_partition_the_slice_is_spent_and_then_the_policy_decides(void **state)
{
    static const struct {
        enum weir_on_partition rule;
        int64_t within;
        int rc;
    } cases[] = {{WEIR_PARTITION_DENY, 0, WEIR_ETIMEOUT},
                 {WEIR_PARTITION_WITHIN, 500, WEIR_OK},
                 {WEIR_PARTITION_WITHIN, 499, WEIR_ETIMEOUT},
                 {WEIR_PARTITION_ALLOW, 0, WEIR_OK}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world *w = world_of(1, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 1000));
        struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 1000);
        int64_t amount = 100, big = 500;
        struct world_call *call;

        c.on_partition = cases[i].rule;
        c.within = cases[i].within;
        assert_int_equal(passed(w, 1, 1, &c, amount), 1);
        world_disconnect(w, 0);
        call = world_call(w, 0, &c, &big, 1);
        world_run(w, 2500);
        assert_int_equal(call->rc, cases[i].rc);
        if (call->open) {
            world_settle(call, &big);
            world_connect(w, 0);
            world_run(w, 2000);
            assert_int_equal(world_ledger_sum(w, CALLS).settled, 500); /* told afterwards */
        }
        world_destroy(w);
    }
}

static void a_stream_is_extended_until_the_budget_ends_and_keeps_what_it_has(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 100));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 100);
    int64_t piece = 30, actual = 85;
    struct world_call *call = world_call(w, 0, &c, &piece, 1);
    int pieces = 1;

    (void)state;
    world_run(w, 300);
    assert_true(call->open);
    for (;;) {
        if (world_extend(call, &piece) == WEIR_EWAIT)
            world_run(w, 1500);
        if (call->rc != WEIR_OK)
            break;
        pieces++;
    }
    assert_int_equal(pieces, 3);
    assert_int_equal(call->rc, WEIR_ELIMIT);
    assert_int_equal(call->adm.holds[0].held, 90);
    world_settle(call, &actual);
    world_run(w, 300);
    assert_int_equal(world_ledger_sum(w, CALLS).settled, 85);
    world_destroy(w);
}

static void a_lease_that_is_not_used_goes_back_after_a_minute(void **state)
{
    struct world *w = world_of(1, def(CALLS, WEIR_UNIT_TOKENS, WEIR_WINDOW_TOTAL, 1000));
    struct weir_budget_conf c = conf(CALLS, WEIR_UNIT_TOKENS, 1000);
    int64_t amount = 100;
    struct world_call *call = world_call(w, 0, &c, &amount, 1);

    (void)state;
    world_run(w, 300);
    world_settle(call, &amount);
    world_run(w, 61000);
    assert_int_equal(world_ledger_sum(w, CALLS).committed, 0);
    assert_int_equal(world_ledger_sum(w, CALLS).closed_settled, 100);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b_01_of_64_parallel_calls_exactly_as_many_pass_as_the_budget_admits),
        cmocka_unit_test(b_02_after_a_kill_the_open_hold_is_charged_once_and_the_rest_comes_back),
        cmocka_unit_test(b_03_ten_thousand_mixed_finishes_add_up_exactly),
        cmocka_unit_test(b_05_after_a_crash_of_the_control_plane_committed_spend_is_the_truth),
        cmocka_unit_test(b_07_first_concurrent_calls_of_an_unknown_user_share_one_counter),
        cmocka_unit_test(b_08_a_used_up_budget_refuses_and_says_what_is_left),
        cmocka_unit_test(b_11_without_a_budget_nothing_is_ever_refused),
        cmocka_unit_test(b_13_two_proxies_share_one_cap),
        cmocka_unit_test(b_20_and_b_27_tokens_are_reserved_before_and_counted_as_they_are),
        cmocka_unit_test(b_26_a_limit_of_0_blocks),
        cmocka_unit_test(idle_parts_move_to_the_proxy_that_needs_them),
        cmocka_unit_test(
            a_killed_proxy_without_a_journal_strands_its_slice_until_it_is_written_off),
        cmocka_unit_test(a_new_window_starts_anew),
        cmocka_unit_test(several_budgets_admit_together_or_none_does),
        cmocka_unit_test(a_lowered_limit_holds_at_once_and_recalls_idle_parts),
        cmocka_unit_test(a_budget_that_only_observes_never_refuses_but_counts),
        cmocka_unit_test(during_a_partition_the_slice_is_spent_and_then_the_policy_decides),
        cmocka_unit_test(a_stream_is_extended_until_the_budget_ends_and_keeps_what_it_has),
        cmocka_unit_test(a_lease_that_is_not_used_goes_back_after_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
