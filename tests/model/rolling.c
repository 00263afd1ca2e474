/* Rolling windows: whatever happens between proxies and ledger, no stretch of time as long as the
 * window holds more true spending than the limit, and what has left it can be spent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "world.h"

#define ID "default/rolling"

enum { LIMIT = 300, LENGTH_MS = 60000, EVENTS_MAX = 4096 };

static const struct weir_ledger_budget BUDGET = {.id = ID,
                                                 .unit = WEIR_UNIT_TOKENS,
                                                 .mode = WEIR_MODE_HARD,
                                                 .window = WEIR_WINDOW_ROLLING,
                                                 .length_ms = LENGTH_MS,
                                                 .limit = LIMIT};
static const struct weir_budget_conf CONF = {
    .id = ID, .unit = WEIR_UNIT_TOKENS, .mode = WEIR_MODE_HARD, .limit = LIMIT};

/* What was truly spent, and when: apart from holders and ledger. */
struct truths {
    size_t n;
    int64_t known;

    struct {
        int64_t at_ms, amount;
    } events[EVENTS_MAX];
};

static void note(struct world *w, struct truths *t)
{
    int64_t all = world_truth(w);

    if (all == t->known)
        return;
    assert_true(t->n < EVENTS_MAX);
    t->events[t->n].at_ms = world_now(w);
    t->events[t->n++].amount = all - t->known;
    t->known = all;
}

/* The most that lies in any stretch of the window's length. */
static int64_t most_in_a_window(const struct truths *t)
{
    int64_t sum = 0, most = 0;

    for (size_t last = 0, first = 0; last < t->n; last++) {
        sum += t->events[last].amount;
        while (t->events[first].at_ms <= t->events[last].at_ms - LENGTH_MS)
            sum -= t->events[first++].amount;
        if (sum > most)
            most = sum;
    }
    return most;
}

static void settle_one(struct world *w)
{
    struct world_call *c = world_any_open(w);
    int64_t actual;

    if (!c)
        return;
    actual = (int64_t)world_random(w, (uint64_t)c->adm.holds[0].held + 1);
    world_settle(c, &actual);
}

static void disturb(struct world *w, int proxies)
{
    int proxy = (int)world_random(w, (uint64_t)proxies);

    switch (world_random(w, 6)) {
    case 0:
        world_crash_proxy(w, proxy, false);
        break;
    case 1:
        world_crash_control(w);
        break;
    case 2:
        world_disconnect(w, proxy);
        break;
    default:
        world_connect(w, proxy);
    }
}

static void one_history(uint64_t seed, bool faults)
{
    static struct truths t;
    int proxies = 1 + (int)(seed % 3);
    struct world *w = world_create(seed, proxies);
    const char *bad = NULL;

    t = (struct truths){0};
    world_budgets(w, &BUDGET, 1);
    world_run(w, 100);
    if (faults)
        world_faults(w, (struct world_faults){.lose = 50, .repeat = 50, .delay_ms = 300});
    for (int step = 0; step < 600 && !bad; step++) {
        uint64_t dice = world_random(w, 100);
        int64_t amount = 1 + (int64_t)world_random(w, 40);

        if (dice < 50)
            (void)world_call(w, (int)world_random(w, (uint64_t)proxies), &CONF, &amount, 1);
        else if (dice < 85)
            settle_one(w);
        else if (faults && dice < 90)
            disturb(w, proxies);
        note(w, &t);
        world_run(w, (int64_t)world_random(w, dice < 97 ? 300 : 15000));
        note(w, &t);
        bad = world_check(w);
    }
    if (!bad)
        bad = world_finish(w);
    if (bad)
        fail_msg("seed %llu: %s", (unsigned long long)seed, bad);
    if (most_in_a_window(&t) > LIMIT)
        fail_msg("seed %llu: %lld in one window", (unsigned long long)seed,
                 (long long)most_in_a_window(&t));
    assert_true(t.known > LIMIT); /* it came back, or this shows nothing */
    world_destroy(w);
}

static void no_stretch_of_the_windows_length_is_overspent(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        one_history(seed, false);
}

static void nor_with_crashes_partitions_and_lost_messages(void **state)
{
    (void)state;
    for (uint64_t seed = 101; seed <= 130; seed++)
        one_history(seed, true);
}

static bool admits(struct world *w, int64_t amount)
{
    struct world_call *c = world_call(w, 0, &CONF, &amount, 1);

    world_run(w, 3000);
    if (!c || !c->open)
        return false;
    world_settle(c, &amount);
    world_run(w, 1000);
    return true;
}

static void what_was_spent_comes_back_step_by_step_not_all_at_once(void **state)
{
    struct world *w = world_create(1, 1);

    (void)state;
    world_budgets(w, &BUDGET, 1);
    world_run(w, 100);
    assert_true(admits(w, 200));
    world_run(w, LENGTH_MS / 2);
    assert_true(admits(w, 100));
    assert_false(admits(w, 1));
    world_run(w, LENGTH_MS / 2 + LENGTH_MS / WEIR_ROLLING_STEPS - 4000);
    assert_true(admits(w, 200)); /* the first has left, the second has not */
    assert_false(admits(w, 1));
    assert_null(world_check(w));
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stretch_of_the_windows_length_is_overspent),
        cmocka_unit_test(nor_with_crashes_partitions_and_lost_messages),
        cmocka_unit_test(what_was_spent_comes_back_step_by_step_not_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
