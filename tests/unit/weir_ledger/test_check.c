/* The check of a ledger finds nothing in a sound one, and whatever is changed behind its back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>

#include "base/clock.h"
#include "controlplane/ledger/check.h"
#include "controlplane/ledger/core.h"
#include "controlplane/ledger/ledger.h"
#include "tests/unit/engines.h"
#include "weir/v1/ledger.pb-c.h"

static struct engine at;
static char said[4096];

struct peer {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int answers;
    char lease[64];
};

static void on_down(void *arg, const Weir__V1__BudgetDown *down)
{
    struct peer *p = arg;

    (void)pthread_mutex_lock(&p->mutex);
    if (down->n_grants)
        (void)snprintf(p->lease, sizeof p->lease, "%s", down->grants[0]->lease);
    p->answers += (int)(down->n_grants + down->n_closed);
    (void)pthread_cond_signal(&p->cond);
    (void)pthread_mutex_unlock(&p->mutex);
}

static void await(struct peer *p, int answers)
{
    (void)pthread_mutex_lock(&p->mutex);
    while (p->answers < answers)
        (void)pthread_cond_wait(&p->cond, &p->mutex);
    (void)pthread_mutex_unlock(&p->mutex);
}

static void ask(struct weir_ledger_session *s, const char *holder)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *list[] = {&a};

    up.incarnation = (char *)holder;
    up.asks = list;
    up.n_asks = 1;
    a.budget = (char *)"default/team";
    a.has_seq = a.has_need = true;
    a.seq = 1;
    a.need = 100;
    assert_int_equal(weir_ledger_receive(s, &up), WEIR_OK);
}

static void report(struct weir_ledger_session *s, char *holder, char *lease)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseReport r = WEIR__V1__LEASE_REPORT__INIT, *list[] = {&r};

    up.incarnation = holder;
    up.reports = list;
    up.n_reports = 1;
    r.lease = lease;
    r.has_settled = r.has_final = true;
    r.settled = 70;
    r.final = true;
    assert_int_equal(weir_ledger_receive(s, &up), WEIR_OK);
}

/* One lease closed with 70 spent, one open with 100 lent. */
static void fill(void)
{
    static const struct weir_ledger_budget budget = {.id = "default/team",
                                                     .unit = WEIR_UNIT_TOKENS,
                                                     .mode = WEIR_MODE_HARD,
                                                     .window = WEIR_WINDOW_TOTAL,
                                                     .limit = 1000};
    struct peer p = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct weir_ledger_session *s;
    struct weir_ledger *l;

    assert_int_equal(weir_ledger_create(&(struct weir_ledger_options){.path = at.dsn}, &l),
                     WEIR_OK);
    assert_int_equal(weir_ledger_set_budgets(l, &budget, 1), WEIR_OK);
    s = weir_ledger_attach(l, "node-1", on_down, &p);
    ask(s, "worker-1");
    await(&p, 1);
    report(s, (char *)"worker-1", p.lease);
    await(&p, 2);
    ask(s, "worker-2");
    await(&p, 3);
    weir_ledger_detach(s);
    weir_ledger_destroy(l);
}

static void on_line(void *arg, const char *line)
{
    (void)arg;
    (void)snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

static int64_t contradictions(void)
{
    struct weir_ledger_check found;

    said[0] = '\0';
    assert_int_equal(weir_ledger_check(at.dsn, on_line, NULL, &found), WEIR_OK);
    assert_int_equal(found.windows, 1);
    return found.contradictions;
}

static void change(const char *sql)
{
    struct weir_store *s;

    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_exec(s, sql), WEIR_OK);
    weir_store_close(s);
}

static void each_contradiction_is_told(void **state)
{
    (void)state;
    fill();
    assert_int_equal(contradictions(), 0);
    change("UPDATE windows SET committed = committed + 1");
    assert_int_equal(contradictions(), 1);
    assert_non_null(strstr(said, "101 is committed, its open leases add up to 100"));
    change("UPDATE windows SET committed = committed - 1, closed_settled = closed_settled - 1");
    assert_int_equal(contradictions(), 1);
    assert_non_null(strstr(said, "69 is settled, its closed leases add up to 70"));
    change("UPDATE windows SET closed_settled = closed_settled + 1");
    change("UPDATE leases SET held = 5 WHERE closed = 1");
    assert_int_equal(contradictions(), 1);
    assert_non_null(strstr(said, "is closed, and something is held in it"));
    change("UPDATE leases SET held = 0");
    change("UPDATE leases SET returned = 101 WHERE closed = 0");
    assert_int_equal(contradictions(), 2); /* and what it leaves to spend isn't what is committed */
    assert_non_null(strstr(said, "an amount is out of range"));
}

static void sweep(void)
{
    struct weir__core_time now = {.wall_ms = weir_wall_ms(), .mono_ms = weir_mono_ms()};
    struct weir__core *core;

    assert_int_equal(weir__core_create(&(struct weir_ledger_options){.path = at.dsn}, now, &core),
                     WEIR_OK);
    now.mono_ms += 60000;
    weir__core_begin(core, now);
    weir__core_tick(core);
    assert_int_equal(weir__core_end(core), WEIR_OK);
    weir__core_destroy(core);
}

/* Its counters are named by callers and never end, so what is old is forgotten. */
static void what_is_forgotten_of_a_counter_contradicts_nothing(void **state)
{
    struct weir_ledger_check found;

    (void)state;
    fill();
    change("UPDATE budgets SET max_counters = 2");
    change("UPDATE leases SET reported_ms = 0 WHERE closed = 1");
    sweep();
    assert_int_equal(contradictions(), 0);
    change("UPDATE leases SET reported_ms = 0, closed = 1, held = 0");
    sweep();
    assert_int_equal(weir_ledger_check(at.dsn, on_line, NULL, &found), WEIR_OK);
    assert_int_equal(found.windows, 0);
    assert_int_equal(found.leases, 0);
}

static void a_path_without_a_ledger_is_told_from_a_sound_one(void **state)
{
    struct weir_ledger_check found;

    (void)state;
    assert_int_equal(weir_ledger_check("/nowhere/ledger.db", on_line, NULL, &found),
                     WEIR_ENOTFOUND);
}

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at);
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at);
}

static int end(void **state)
{
    (void)state;
    return engine_end(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"each_contradiction_is_told (sqlite)", each_contradiction_is_told, sqlite, end, NULL},
        {"each_contradiction_is_told (postgres)", each_contradiction_is_told, postgres, end, NULL},
        {"what_is_forgotten_of_a_counter_contradicts_nothing (sqlite)",
         what_is_forgotten_of_a_counter_contradicts_nothing, sqlite, end, NULL},
        {"what_is_forgotten_of_a_counter_contradicts_nothing (postgres)",
         what_is_forgotten_of_a_counter_contradicts_nothing, postgres, end, NULL},
        cmocka_unit_test(a_path_without_a_ledger_is_told_from_a_sound_one),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
