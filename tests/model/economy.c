/* How much of one hard budget can be used before anyone is refused although enough is left, by the
 * number of proxies that share it; and what that costs in grants. Real holders, the real ledger, a
 * virtual clock. Half of the calls are made by a tenth of the proxies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

enum {
    STEP_MS = 10,
    CALL_MS = 1000,
    HOLD = 100, /* worst case of a call; it costs 1 to 100 */
    RATE = 1,   /* calls of a proxy in a second */
    GIVE_UP_MS = 120000
};

struct setting {
    int proxies;
    int seconds; /* so long the budget lasts, about */
    int64_t delay_ms;
    int lost; /* proxies that the ledger never hears of again when half of it is used */
};

struct economy {
    struct world *w;
    const struct setting *s;
    struct weir_budget_conf conf;
    int64_t limit;
    int here; /* proxies that are not lost */
    uint64_t started;
    bool unnecessary;
    double used; /* percent when someone was first refused although enough was left */
};

static int64_t held_now(struct world *w)
{
    int n;
    const struct world_call *calls = world_calls(w, &n);
    int64_t sum = 0;

    for (int i = 0; i < n; i++)
        if (calls[i].used && calls[i].open)
            sum += calls[i].adm.holds[0].held;
    return sum;
}

static void on_refused(void *arg, const struct world_call *c)
{
    struct economy *e = arg;
    int64_t used = world_truth(e->w) + held_now(e->w);

    if (e->unnecessary || c->proxy >= e->here || e->limit - used < c->amount[0])
        return;
    e->unnecessary = true;
    e->used = 100.0 * (double)used / (double)e->limit;
}

static void settle_due(struct economy *e)
{
    int n;
    struct world_call *calls = world_calls(e->w, &n);

    for (int i = 0; i < n; i++) {
        int64_t actual;

        if (!calls[i].used || !calls[i].open || world_now(e->w) - calls[i].since_ms < CALL_MS)
            continue;
        actual = 1 + (int64_t)world_random(e->w, HOLD);
        world_settle(&calls[i], &actual);
    }
}

static void start_due(struct economy *e, int64_t elapsed_ms)
{
    uint64_t due = (uint64_t)(elapsed_ms * e->s->proxies * RATE / 1000);
    const int64_t amount = HOLD;

    for (; e->started < due; e->started++) {
        int busy = e->here >= 10 && world_random(e->w, 2) ? e->here / 10 : e->here;

        (void)world_call(e->w, (int)world_random(e->w, (uint64_t)busy), &e->conf, &amount, 1);
    }
}

/* Until someone is refused who need not be, or the budget is used up. */
static void run(struct economy *e)
{
    int64_t from = world_now(e->w);

    while (world_now(e->w) - from < GIVE_UP_MS && !e->unnecessary &&
           e->limit - world_truth(e->w) >= HOLD / 10) {
        while (e->here > e->s->proxies - e->s->lost && world_truth(e->w) > e->limit / 2)
            world_disconnect(e->w, --e->here);
        start_due(e, world_now(e->w) - from);
        world_run(e->w, STEP_MS);
        settle_due(e);
    }
    if (!e->unnecessary)
        e->used = 100.0 * (double)world_truth(e->w) / (double)e->limit;
}

static double measure(const struct setting *s)
{
    struct economy e = {.w = world_create(7, s->proxies),
                        .s = s,
                        .limit = (int64_t)s->proxies * RATE * s->seconds * HOLD / 2,
                        .here = s->proxies};
    struct weir_ledger_budget b = {.id = "default/shared",
                                   .unit = WEIR_UNIT_TOKENS,
                                   .mode = WEIR_MODE_HARD,
                                   .window = WEIR_WINDOW_TOTAL,
                                   .limit = e.limit};
    struct weir_ledger_counters count;
    int64_t from;

    e.conf = (struct weir_budget_conf){
        .id = b.id, .unit = b.unit, .mode = WEIR_MODE_HARD, .limit = e.limit};
    world_budgets(e.w, &b, 1);
    world_faults(e.w, (struct world_faults){.delay_ms = s->delay_ms});
    world_on_refused(e.w, on_refused, &e);
    world_run(e.w, 100 + s->delay_ms);
    from = world_now(e.w);
    run(&e);
    weir__core_count(world_core(e.w), &count);
    (void)printf("%7d %5d %7lld %7d %8.2f %10.1f %8llu %8llu\n", s->proxies, s->lost,
                 (long long)s->delay_ms, s->seconds, e.used,
                 (double)count.grants * 1000 / (double)(world_now(e.w) - from),
                 (unsigned long long)count.recalls, (unsigned long long)count.reports);
    assert_null(world_check(e.w));
    world_destroy(e.w);
    return e.used;
}

static void a_thousand_proxies_use_95_percent_before_anyone_is_refused_unnecessarily(void **state)
{
    static const struct setting settings[] = {
        {.proxies = 1, .seconds = 40, .delay_ms = 20},
        {.proxies = 10, .seconds = 40, .delay_ms = 20},
        {.proxies = 100, .seconds = 40, .delay_ms = 20},
        {.proxies = 1000, .seconds = 40, .delay_ms = 20},
        {.proxies = 1000, .seconds = 40, .delay_ms = 200},
        {.proxies = 1000, .seconds = 4, .delay_ms = 20},
        {.proxies = 1000, .seconds = 40, .delay_ms = 20, .lost = 100},
    };
    double used[sizeof settings / sizeof settings[0]];

    (void)state;
    (void)printf("proxies  lost  delay/ms  lasts/s   used %%   grants/s  recalls  reports\n");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        used[i] = measure(&settings[i]);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        assert_true(used[i] >= 95);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_proxies_use_95_percent_before_anyone_is_refused_unnecessarily),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
