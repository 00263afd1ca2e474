/* What a budget costs a call: admission over three budgets and settlement, in nanoseconds, with the
 * journal on. Prints JSON lines; asserts nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "dataplane/budget/holder.h"
#include "weir/v1/ledger.pb-c.h"

enum { BUDGETS = 3, ROUNDS = 500000, SCOPES = 1000 };

static struct weir_budget_conf confs[BUDGETS];
static char scopes[SCOPES][16];
static int64_t admit_ns[ROUNDS], settle_ns[ROUNDS];

static void on_up(void *arg, const Weir__V1__BudgetUp *up)
{
    (void)arg;
    (void)up;
}

static void on_answer(void *arg, int rc, const struct weir_admit_failure *failure)
{
    (void)arg;
    (void)rc;
    (void)failure;
}

static void lend(struct weir_holder *h, const char *budget, const char *scope, int number)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseGrant g = WEIR__V1__LEASE_GRANT__INIT, *list[] = {&g};
    char id[32];

    (void)snprintf(id, sizeof id, "bench-%d", number);
    g.lease = id;
    g.budget = (char *)budget;
    g.scope = (char *)scope;
    g.has_granted = true;
    g.granted = WEIR_AMOUNT_MAX;
    down.grants = list;
    down.n_grants = 1;
    weir_holder_on_down(h, 1000, &down);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print(const char *what, int64_t ns[])
{
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"p50", "p99", "p99.9"};
        static const int at[] = {ROUNDS / 2, ROUNDS / 100 * 99, ROUNDS / 1000 * 999};

        (void)printf("{\"scenario\":\"admission\",\"subject\":\"weir\",\"metric\":\"%s %s, %d "
                     "budgets\",\"unit\":\"ns\",\"value\":%lld}\n",
                     what, names[i], BUDGETS, (long long)ns[at[i]]);
    }
}

static void parts_of(int round, struct weir_admit_part parts[BUDGETS])
{
    for (int b = 0; b < BUDGETS; b++)
        parts[b] = (struct weir_admit_part){
            .budget = &confs[b], .scope = weir_str_of(scopes[round * 7 % SCOPES]), .amount = 10};
}

int main(void)
{
    static const int64_t actual[BUDGETS] = {7, 7, 7};
    char journal[] = "/tmp/weir-bench-journal-XXXXXX";
    int fd = mkstemp(journal);
    struct weir_holder_options o = {
        .node = "bench", .incarnation = "bench-1", .journal_path = journal, .send = on_up};
    struct weir_holder *h = weir_holder_create(&o, 1000);
    struct weir_admit_part parts[BUDGETS];
    struct weir_admit_failure failure;

    for (int b = 0; b < BUDGETS; b++)
        confs[b] = (struct weir_budget_conf){
            .id = (const char *const[]){"default/team", "default/agent", "default/rate"}[b],
            .unit = WEIR_UNIT_TOKENS,
            .mode = WEIR_MODE_HARD,
            .limit = WEIR_AMOUNT_MAX};
    weir_holder_on_connected(h, 1000);
    for (int s = 0; s < SCOPES; s++) {
        struct weir_admission a = {0};

        (void)snprintf(scopes[s], sizeof scopes[s], "agent-%d", s);
        for (int b = 0; b < BUDGETS; b++)
            parts[b] = (struct weir_admit_part){
                .budget = &confs[b], .scope = weir_str_of(scopes[s]), .amount = 10};
        if (weir_holder_admit(h, 1000, parts, BUDGETS, on_answer, NULL, &a, &failure) == WEIR_EWAIT)
            weir_holder_cancel(h, &a);
        for (int b = 0; b < BUDGETS; b++)
            lend(h, confs[b].id, scopes[s], s * BUDGETS + b + 1);
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct weir_admission a;
        int64_t t0, t1;

        a.state = 0;
        parts_of(i, parts);
        t0 = weir_mono_ns();
        if (weir_holder_admit(h, 1000, parts, BUDGETS, on_answer, NULL, &a, &failure) != WEIR_OK)
            abort();
        t1 = weir_mono_ns();
        weir_holder_settle(h, 1000, &a, actual);
        settle_ns[i] = weir_mono_ns() - t1;
        admit_ns[i] = t1 - t0;
    }
    print("admit", admit_ns);
    print("settle", settle_ns);
    weir_holder_destroy(h);
    (void)close(fd);
    return unlink(journal);
}
