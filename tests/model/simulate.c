/* Random histories of real holders and the real ledger, each from a seed: loss, repetition,
 * reordering, partitions, crashes of both sides, window changes, clock steps. After each step the
 * invariants hold; at the end, healed and drained, nothing is committed. A mistake put in on
 * purpose must be found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

enum mistake { NONE, RECLAIM_WITHOUT_FINAL, GRANT_BEFORE_DURABLE };

struct plan {
    uint64_t seeds, first_seed;
    int steps;
    struct world_faults faults;
    bool crashes, partitions, clock_steps, lose_journals, limit_changes;
    enum weir_window_kind window;
    enum mistake mistake;
};

static const struct weir_ledger_budget BUDGETS[] = {
    {.id = "default/a", .unit = WEIR_UNIT_NANO_USD, .mode = WEIR_MODE_HARD, .limit = 300},
    {.id = "default/b", .unit = WEIR_UNIT_TOKENS, .mode = WEIR_MODE_HARD, .limit = 500},
};
static const struct weir_budget_conf CONFS[] = {
    {.id = "default/a", .unit = WEIR_UNIT_NANO_USD, .mode = WEIR_MODE_HARD, .limit = 300},
    {.id = "default/b", .unit = WEIR_UNIT_TOKENS, .mode = WEIR_MODE_HARD, .limit = 500},
};

static void settle_some(struct world *w)
{
    struct world_call *c = world_any_open(w);
    int64_t actual[2];

    if (!c)
        return;
    for (unsigned i = 0; i < c->adm.n; i++) {
        int64_t held = c->adm.holds[i].held;

        actual[i] = world_random(w, 2) ? held : (int64_t)world_random(w, (uint64_t)held + 1);
    }
    world_settle(c, actual);
}

static void extend_some(struct world *w)
{
    struct world_call *c = world_any_open(w);
    int64_t more[2] = {(int64_t)world_random(w, 10), (int64_t)world_random(w, 10)};

    if (c)
        (void)world_extend(c, more);
}

static void start_some(struct world *w, int proxies)
{
    unsigned first = (unsigned)world_random(w, 2);
    int64_t amounts[2] = {1 + (int64_t)world_random(w, 20), 1 + (int64_t)world_random(w, 20)};

    (void)world_call(w, (int)world_random(w, (uint64_t)proxies), CONFS + first, amounts + first,
                     first == 0 ? 1 + (unsigned)world_random(w, 2) : 1);
}

static void change_limits(struct world *w, const struct plan *p)
{
    struct weir_ledger_budget budgets[2];

    memcpy(budgets, BUDGETS, sizeof budgets);
    for (int i = 0; i < 2; i++) {
        budgets[i].window = p->window;
        budgets[i].limit = (int64_t)world_random(w, (uint64_t)BUDGETS[i].limit * 2);
    }
    world_budgets(w, budgets, 2);
}

static void disturb(struct world *w, const struct plan *p, int proxies)
{
    int proxy = (int)world_random(w, (uint64_t)proxies);

    switch (world_random(w, 12)) {
    case 0:
        if (p->crashes)
            world_crash_proxy(w, proxy, p->lose_journals && world_random(w, 2));
        break;
    case 1:
        if (p->crashes)
            world_crash_control(w);
        break;
    case 2:
    case 3:
        if (p->partitions)
            world_disconnect(w, proxy);
        break;
    case 4:
        if (p->clock_steps)
            world_step_wall(w, (int64_t)world_random(w, 240000) - 120000);
        break;
    case 5:
        if (p->mistake == RECLAIM_WITHOUT_FINAL)
            world_release_some_lease(w);
        else if (p->mistake == GRANT_BEFORE_DURABLE)
            world_lose_commit(w);
        break;
    case 6:
        if (p->mistake == GRANT_BEFORE_DURABLE)
            world_checkpoint(w);
        break;
    case 7:
    case 8:
        if (p->limit_changes)
            change_limits(w, p);
        else
            world_connect(w, proxy);
        break;
    default:
        world_connect(w, proxy);
        break;
    }
}

static const char *one_history(const struct plan *p, uint64_t seed)
{
    static char problem[400];
    int proxies = 1 + (int)(seed % 3);
    struct world *w = world_create(seed, proxies);
    struct weir_ledger_budget budgets[2];
    const char *bad = NULL;
    int step = 0;

    memcpy(budgets, BUDGETS, sizeof budgets);
    budgets[0].window = budgets[1].window = p->window;
    world_budgets(w, budgets, 2);
    if (p->mistake == GRANT_BEFORE_DURABLE)
        world_checkpoint(w);
    world_faults(w, p->faults);
    for (; step < p->steps && !bad; step++) {
        uint64_t dice = world_random(w, 100);

        if (dice < 40)
            start_some(w, proxies);
        else if (dice < 60)
            settle_some(w);
        else if (dice < 70)
            extend_some(w);
        else if (dice < 80)
            disturb(w, p, proxies);
        world_run(w, dice < 95 ? (int64_t)world_random(w, 50) : (int64_t)world_random(w, 5000));
        bad = world_check(w);
    }
    if (!bad && p->mistake == NONE && !p->lose_journals)
        bad = world_finish(w);
    if (bad) {
        (void)snprintf(problem, sizeof problem, "seed %llu, step %d: %s", (unsigned long long)seed,
                       step, bad);
        bad = problem;
    }
    world_destroy(w);
    return bad;
}

static const char *histories(const struct plan *p)
{
    const char *bad = NULL;

    for (uint64_t i = 0; i < p->seeds && !bad; i++)
        bad = one_history(p, p->first_seed + i);
    return bad;
}

static void expect_sound(const struct plan *p)
{
    const char *bad = histories(p);

    if (bad)
        fail_msg("%s", bad);
}

static void a_quiet_network_keeps_every_invariant(void **state)
{
    (void)state;
    expect_sound(
        &(struct plan){.seeds = 30, .first_seed = 1, .steps = 200, .window = WEIR_WINDOW_TOTAL});
}

static void loss_repetition_and_reordering_change_nothing(void **state)
{
    (void)state;
    expect_sound(&(struct plan){.seeds = 60,
                                .first_seed = 1000,
                                .steps = 200,
                                .faults = {.lose = 100, .repeat = 200, .delay_ms = 800},
                                .partitions = true,
                                .window = WEIR_WINDOW_TOTAL});
}

static void crashes_of_either_side_never_overspend(void **state)
{
    (void)state;
    expect_sound(&(struct plan){.seeds = 60,
                                .first_seed = 2000,
                                .steps = 200,
                                .faults = {.lose = 50, .repeat = 100, .delay_ms = 300},
                                .partitions = true,
                                .crashes = true,
                                .window = WEIR_WINDOW_TOTAL});
}

static void a_lost_journal_strands_but_never_overspends(void **state)
{
    (void)state;
    expect_sound(&(struct plan){.seeds = 30,
                                .first_seed = 3000,
                                .steps = 200,
                                .faults = {.lose = 50, .repeat = 100, .delay_ms = 300},
                                .partitions = true,
                                .crashes = true,
                                .lose_journals = true,
                                .window = WEIR_WINDOW_TOTAL});
}

static void windows_roll_over_and_clocks_step_without_overspending(void **state)
{
    (void)state;
    expect_sound(&(struct plan){.seeds = 40,
                                .first_seed = 4000,
                                .steps = 300,
                                .faults = {.lose = 20, .repeat = 50, .delay_ms = 200},
                                .partitions = true,
                                .crashes = true,
                                .clock_steps = true,
                                .window = WEIR_WINDOW_MINUTE});
}

static void changing_limits_never_lend_more_than_the_limit_or_what_was_out(void **state)
{
    (void)state;
    expect_sound(&(struct plan){.seeds = 60,
                                .first_seed = 5000,
                                .steps = 300,
                                .faults = {.lose = 20, .repeat = 50, .delay_ms = 200},
                                .partitions = true,
                                .crashes = true,
                                .limit_changes = true,
                                .window = WEIR_WINDOW_MINUTE});
}

static void reclaiming_without_a_final_report_is_found(void **state)
{
    (void)state;
    assert_non_null(histories(&(struct plan){.seeds = 20,
                                             .first_seed = 1,
                                             .steps = 200,
                                             .mistake = RECLAIM_WITHOUT_FINAL,
                                             .window = WEIR_WINDOW_TOTAL}));
}

static void sending_a_grant_before_it_is_durable_is_found(void **state)
{
    (void)state;
    assert_non_null(histories(&(struct plan){.seeds = 20,
                                             .first_seed = 1,
                                             .steps = 200,
                                             .mistake = GRANT_BEFORE_DURABLE,
                                             .window = WEIR_WINDOW_TOTAL}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_network_keeps_every_invariant),
        cmocka_unit_test(loss_repetition_and_reordering_change_nothing),
        cmocka_unit_test(crashes_of_either_side_never_overspend),
        cmocka_unit_test(a_lost_journal_strands_but_never_overspends),
        cmocka_unit_test(windows_roll_over_and_clocks_step_without_overspending),
        cmocka_unit_test(changing_limits_never_lend_more_than_the_limit_or_what_was_out),
        cmocka_unit_test(reclaiming_without_a_final_report_is_found),
        cmocka_unit_test(sending_a_grant_before_it_is_durable_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
