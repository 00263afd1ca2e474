/* In which order a holder writes its journal: a kill between any two writes must never leave less
 * behind than is held. The linker hands every write to this file first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "dataplane/budget/holder.h"
#include "dataplane/budget/journal.h"
#include "weir/v1/ledger.pb-c.h"

#define TEAM "default/team"

static struct {
    int64_t charged[WEIR_JOURNAL_SLOTS_MAX]; /* what the next start would charge */
    int64_t least;
    unsigned writes;
} seen;

void __real_weir_journal_write(struct weir_journal *j, int slot, const struct weir_lease_held *l);
void __wrap_weir_journal_write(struct weir_journal *j, int slot, const struct weir_lease_held *l);

void __wrap_weir_journal_write(struct weir_journal *j, int slot, const struct weir_lease_held *l)
{
    int64_t sum = 0;

    __real_weir_journal_write(j, slot, l);
    seen.charged[slot] = l->settled + l->held;
    for (int i = 0; i < WEIR_JOURNAL_SLOTS_MAX; i++)
        sum += seen.charged[i];
    if (sum < seen.least)
        seen.least = sum;
    seen.writes++;
}

static void on_up(void *arg, const Weir__V1__BudgetUp *up)
{
    uint64_t *seq = arg;

    if (up->n_asks > 0)
        *seq = up->asks[0]->seq;
}

static void on_answer(void *arg, int rc, const struct weir_admit_failure *failure)
{
    (void)failure;
    *(int *)arg = rc;
}

static void grant(struct weir_holder *h, uint64_t seq, const char *lease, int64_t ends_in_ms)
{
    Weir__V1__BudgetDown down = WEIR__V1__BUDGET_DOWN__INIT;
    Weir__V1__LeaseGrant g = WEIR__V1__LEASE_GRANT__INIT, *list[] = {&g};

    g.lease = (char *)lease;
    g.budget = (char *)TEAM;
    g.scope = (char *)"";
    g.has_seq = g.has_granted = g.has_windowendsinms = true;
    g.seq = seq;
    g.granted = 500;
    g.windowendsinms = ends_in_ms;
    down.grants = list;
    down.n_grants = 1;
    weir_holder_on_down(h, 1000, &down);
}

static void a_hold_that_moves_to_a_new_window_is_never_missing_from_the_journal(void **state)
{
    struct weir_budget_conf conf = {
        .id = TEAM, .unit = WEIR_UNIT_TOKENS, .mode = WEIR_MODE_HARD, .limit = 1000};
    struct weir_admit_part part = {.budget = &conf, .scope = WEIR_STR(""), .amount = 100};
    char path[] = "/tmp/weir-journal-XXXXXX";
    uint64_t seq = 0;
    struct weir_holder_options o = {
        .node = "node", .incarnation = "i1", .journal_path = path, .send = on_up, .arg = &seq};
    struct weir_admission adm = {0};
    struct weir_admit_failure failure;
    struct weir_holder *h;
    int64_t more = 50;
    int fd = mkstemp(path), rc;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    h = weir_holder_create(&o, 1000);
    weir_holder_on_connected(h, 1000);
    rc = weir_holder_admit(h, 1000, &part, 1, on_answer, &rc, &adm, &failure);
    assert_int_equal(rc, WEIR_EWAIT);
    grant(h, seq, "led-1", 100);
    assert_int_equal(rc, WEIR_OK);
    grant(h, 0, "led-2", 60000);
    seen.least = INT64_MAX;
    seen.writes = 0;
    rc = weir_holder_extend(h, 1000, &adm, &more, on_answer, &rc, &failure);
    assert_int_equal(rc, WEIR_OK);
    assert_string_equal(adm.holds[0].lease, "led-2");
    assert_int_equal(seen.writes, 2);
    assert_in_range(seen.least, 100, INT64_MAX);
    weir_holder_destroy(h);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_that_moves_to_a_new_window_is_never_missing_from_the_journal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
