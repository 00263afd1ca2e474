/* What a grant takes at a constant rate: from when an ask was due until its answer, which comes
 * after the commit. One argument for each ledger: a path or a PostgreSQL's DSN. Prints JSON lines;
 * asserts nothing. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "controlplane/ledger/ledger.h"
#include "controlplane/store/store.h"
#include "weir/v1/ledger.pb-c.h"

enum { BUDGETS = 50, HOLDERS = 32, RATE = 1000, SECONDS = 10, WARM = RATE, ALL = RATE * SECONDS };

static char names[BUDGETS][32];
static char holders[HOLDERS][32];
static int64_t due_ns[ALL], took_ns[ALL];

struct answers {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int count;
};

static void on_down(void *arg, const Weir__V1__BudgetDown *down)
{
    struct answers *a = arg;
    int64_t now = weir_mono_ns();

    (void)pthread_mutex_lock(&a->mutex);
    for (size_t i = 0; i < down->n_grants; i++) {
        size_t at = (size_t)down->grants[i]->seq - 1;

        if (at < ALL && took_ns[at] == 0) {
            took_ns[at] = now - due_ns[at];
            a->count++;
        }
    }
    if (down->n_refusals > 0)
        (void)fprintf(stderr, "refused: %s\n", down->refusals[0]->reason);
    (void)pthread_cond_signal(&a->cond);
    (void)pthread_mutex_unlock(&a->mutex);
}

static void ask(struct weir_ledger_session *s, int i)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk a = WEIR__V1__LEASE_ASK__INIT, *list[] = {&a};

    up.incarnation = holders[i % HOLDERS];
    up.asks = list;
    up.n_asks = 1;
    a.budget = names[i / HOLDERS % BUDGETS];
    a.scope = (char *)"";
    a.has_seq = a.has_need = a.has_want = a.has_unit = true;
    a.seq = (uint64_t)i + 1;
    a.need = a.want = 1000;
    a.unit = WEIR_UNIT_NANO_USD;
    if (weir_ledger_receive(s, &up) != WEIR_OK)
        abort();
}

static void send_all(struct weir_ledger_session *sessions[])
{
    int64_t start = weir_mono_ns();

    for (int i = 0; i < ALL; i++) {
        int64_t left;

        due_ns[i] = start + (int64_t)i * (1000000000 / RATE);
        left = due_ns[i] - weir_mono_ns();
        if (left > 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = left}, NULL);
        ask(sessions[i % HOLDERS], i);
    }
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print(const char *engine)
{
    static const char *const percentiles[] = {"p50", "p99", "p99.9"};
    const int n = ALL - WARM, at[] = {n / 2, n / 100 * 99, n / 1000 * 999};

    qsort(took_ns + WARM, (size_t)n, sizeof *took_ns, by_value);
    for (size_t i = 0; i < 3; i++)
        (void)printf("{\"scenario\":\"grants\",\"subject\":\"%s\",\"metric\":\"grant %s at %d/s\","
                     "\"unit\":\"us\",\"value\":%lld}\n",
                     engine, percentiles[i], RATE, (long long)took_ns[WARM + at[i]] / 1000);
}

static int measure(const char *dsn)
{
    struct weir_ledger_budget budgets[BUDGETS];
    struct weir_ledger_session *sessions[HOLDERS];
    struct answers a = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct weir_ledger *l;

    for (int i = 0; i < BUDGETS; i++)
        budgets[i] = (struct weir_ledger_budget){.id = names[i],
                                                 .unit = WEIR_UNIT_NANO_USD,
                                                 .mode = WEIR_MODE_HARD,
                                                 .window = WEIR_WINDOW_MONTH,
                                                 .limit = INT64_C(1000000000000)};
    memset(took_ns, 0, sizeof took_ns);
    if (weir_ledger_create(&(struct weir_ledger_options){.path = dsn}, &l) != WEIR_OK ||
        weir_ledger_set_budgets(l, budgets, BUDGETS) != WEIR_OK)
        return 1;
    for (int i = 0; i < HOLDERS; i++)
        sessions[i] = weir_ledger_attach(l, holders[i], on_down, &a);
    send_all(sessions);
    (void)pthread_mutex_lock(&a.mutex);
    while (a.count < ALL)
        (void)pthread_cond_wait(&a.cond, &a.mutex);
    (void)pthread_mutex_unlock(&a.mutex);
    for (int i = 0; i < HOLDERS; i++)
        weir_ledger_detach(sessions[i]);
    weir_ledger_destroy(l);
    print(weir_store_is_server(dsn) ? "PostgreSQL" : "SQLite");
    return 0;
}

int main(int argc, char **argv)
{
    int rc = argc > 1 ? 0 : 2;

    for (int i = 0; i < BUDGETS; i++)
        (void)snprintf(names[i], sizeof names[i], "default/budget-%d", i);
    for (int i = 0; i < HOLDERS; i++)
        (void)snprintf(holders[i], sizeof holders[i], "holder-%d-%lld", i,
                       (long long)weir_wall_ms());
    for (int i = 1; i < argc && rc == 0; i++)
        rc = measure(argv[i]);
    return rc;
}
