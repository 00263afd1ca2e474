/* budget_handlers.c - budgets as the ledger has them, and the write-off of a lost lease. */
#include "controlplane/api/internal.h"

#include "base/clock.h"
#include "controlplane/ledger/forecast.h"

enum { MAX_COUNTERS = 5000, MAX_LEASES = 20000, MAX_STEPS = 500 };

struct weir_ledger_reader *weir__api_ledger_reader(struct weir_api_ctx *c)
{
    struct weir_ledger_reader *r = NULL;
    int rc = c->api->backend.ledger_path ? weir_ledger_reader_open(c->api->backend.ledger_path, &r)
                                         : WEIR_ENOTFOUND;

    if (rc == WEIR_OK)
        return r;
    weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                    "The ledger can't be read (%s).", weir_rc_name(rc));
    return NULL;
}

const char *weir__api_unit_name(enum weir_unit unit)
{
    return unit == WEIR_UNIT_NANO_USD ? "usd" : unit == WEIR_UNIT_TOKENS ? "tokens" : "requests";
}

static void write_lease(struct weir_jw *w, const struct weir_ledger_lease *l)
{
    weir_jw_object(w, NULL);
    weir_jw_z(w, "id", l->id);
    weir_jw_z(w, "node", l->node);
    weir_jw_z(w, "incarnation", l->incarnation);
    weir_jw_i64(w, "granted", l->granted);
    weir_jw_i64(w, "returned", l->returned);
    weir_jw_i64(w, "settled", l->settled);
    weir_jw_i64(w, "held", l->held);
    weir_jw_i64(w, "openedMs", l->opened_ms);
    weir_jw_i64(w, "reportedMs", l->reported_ms);
    weir_jw_end_object(w);
}

static void write_forecast(struct weir_jw *w, const struct weir_ledger_counter *k)
{
    struct weir_forecast f;

    if (!weir_forecast(k, weir_wall_ms(), &f)) {
        weir_jw_null(w, "forecast");
        return;
    }
    weir_jw_object(w, "forecast");
    weir_jw_z(w, "method", "linear");
    weir_jw_i64(w, "atEnd", f.at_end);
    if (f.exhausted_ms >= 0)
        weir_jw_i64(w, "exhaustedMs", f.exhausted_ms);
    else
        weir_jw_null(w, "exhaustedMs");
    weir_jw_end_object(w);
}

static void write_counter(struct weir_jw *w, const struct weir_ledger_counter *k)
{
    /* What is neither spent, nor held, nor free, is lent and unused. */
    int64_t lent = k->limit - k->remaining - k->settled - k->held;

    weir_jw_z(w, "name", k->budget);
    weir_jw_z(w, "scope", k->scope);
    weir_jw_z(w, "unit", weir__api_unit_name(k->unit));
    weir_jw_i64(w, "limit", k->limit);
    weir_jw_i64(w, "settled", k->settled);
    weir_jw_i64(w, "held", k->held);
    weir_jw_i64(w, "lent", lent > 0 ? lent : 0);
    weir_jw_i64(w, "committed", k->committed);
    weir_jw_i64(w, "remaining", k->remaining);
    weir_jw_i64(w, "startedMs", k->window_start_ms);
    if (k->carried > 0)
        weir_jw_i64(w, "carried", k->carried);
    if (k->length_ms > 0)
        weir_jw_i64(w, "lengthMs", k->length_ms);
    if (k->window_end_ms < 0)
        weir_jw_null(w, "resetsMs");
    else
        weir_jw_i64(w, "resetsMs", k->window_end_ms);
}

static bool belongs(const struct weir_ledger_lease *l, const struct weir_ledger_counter *k)
{
    return l->window_start_ms == k->window_start_ms && strcmp(l->budget, k->budget) == 0 &&
           strcmp(l->scope, k->scope) == 0;
}

struct found {
    struct weir_ledger_counter *counters;
    struct weir_ledger_lease *leases;
    size_t n, lease_n;
};

static bool has_counter(void *arg, const char *budget)
{
    const struct found *f = arg;

    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->counters[i].budget, budget) == 0)
            return true;
    return false;
}

/* Few enough counters and leases that comparing each with each is cheap. */
static void write_budgets(struct weir_api_ctx *c, struct weir_str only, struct found *f)
{
    struct weir_jw *w = weir__api_ok(c);

    weir_jw_object(w, NULL);
    weir_jw_i64(w, "nowMs", weir_wall_ms());
    weir_jw_array(w, "items");
    for (size_t i = 0; i < f->n; i++) {
        weir_jw_object(w, NULL);
        write_counter(w, &f->counters[i]);
        write_forecast(w, &f->counters[i]);
        weir__api_budget_policy(c, w, f->counters[i].budget);
        weir_jw_array(w, "holders");
        for (size_t k = 0; k < f->lease_n; k++)
            if (belongs(&f->leases[k], &f->counters[i]))
                write_lease(w, &f->leases[k]);
        weir_jw_end_array(w);
        weir_jw_end_object(w);
    }
    weir__api_budgets_unused(c, w, only, has_counter, f);
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

void weir__api_budgets(struct weir_api_ctx *c)
{
    struct weir_ledger_reader *r = weir__api_ledger_reader(c);
    struct weir_str budget = weir__api_query(c, "budget");
    struct found f;
    int rc;

    if (!r)
        return;
    if (!budget.n)
        budget = WEIR_STR_NULL;
    rc = weir_ledger_read_counters(r, weir_wall_ms(), budget, MAX_COUNTERS, c->arena, &f.counters,
                                   &f.n);
    if (rc == WEIR_OK)
        rc = weir_ledger_read_leases(r, budget, MAX_LEASES, c->arena, &f.leases, &f.lease_n);
    weir_ledger_reader_close(r);
    if (rc != WEIR_OK)
        weir__api_fail(c, rc, "The ledger");
    else
        write_budgets(c, budget, &f);
}

void weir__api_budget_history(struct weir_api_ctx *c)
{
    const char *budget = weir_arena_printf(c->arena, "%.*s/%.*s", WEIR_STR_ARG(c->params[0]),
                                           WEIR_STR_ARG(c->params[1]));
    struct weir_str scope = weir__api_query(c, "scope");
    struct weir_ledger_counter *counters;
    struct weir_ledger_reader *r;
    struct weir_jw *w;
    int64_t limit;
    size_t n;
    int rc;

    if (!weir__api_query_i64(c, "limit", 30, 1, 1000, &limit) || !(r = weir__api_ledger_reader(c)))
        return;
    rc = weir_ledger_read_history(r, weir_wall_ms(), weir_str_of(budget),
                                  scope.p ? scope : WEIR_STR(""), (size_t)limit, c->arena,
                                  &counters, &n);
    weir_ledger_reader_close(r);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "This budget's history");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_array(w, "items");
    for (size_t i = 0; i < n; i++) {
        weir_jw_object(w, NULL);
        write_counter(w, &counters[i]);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

/* What is spent by the end of each step. What was spent before steps were kept stands before them.
 */
static void write_points(struct weir_jw *w, const struct weir_ledger_counter *k,
                         const struct weir_ledger_burn *steps, size_t n)
{
    int64_t sum = k->settled;

    for (size_t i = 0; i < n; i++)
        sum -= steps[i].amount;
    weir_jw_array(w, "points");
    for (size_t i = 0; i < n; i++) {
        sum += steps[i].amount;
        weir_jw_object(w, NULL);
        weir_jw_i64(w, "t", steps[i].end_ms);
        weir_jw_i64(w, "settled", sum > 0 ? sum : 0);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
}

void weir__api_budget_burn(struct weir_api_ctx *c)
{
    struct weir_str budget = weir_str_of(weir_arena_printf(
        c->arena, "%.*s/%.*s", WEIR_STR_ARG(c->params[0]), WEIR_STR_ARG(c->params[1])));
    struct weir_str scope = weir__api_query(c, "scope");
    struct weir_ledger_reader *r = weir__api_ledger_reader(c);
    struct weir_ledger_counter *counter;
    struct weir_ledger_burn *steps;
    struct weir_jw *w;
    size_t n, step_n = 0;
    int rc;

    if (!r)
        return;
    scope = scope.p ? scope : WEIR_STR("");
    rc = weir_ledger_read_history(r, weir_wall_ms(), budget, scope, 1, c->arena, &counter, &n);
    if (rc == WEIR_OK)
        rc = n ? weir_ledger_read_burn(r, budget, scope, MAX_STEPS, c->arena, &steps, &step_n)
               : WEIR_ENOTFOUND;
    weir_ledger_reader_close(r);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "A counter of this budget with this scope");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    write_counter(w, counter);
    write_forecast(w, counter);
    write_points(w, counter, steps, step_n);
    weir_jw_end_object(w);
}

enum { MAX_BUDGET_SERIES = 500 };

/* One sample for each budget: counters come sorted by budget, so its scopes stand together. */
static void write_family(struct weir_buf *out, const struct found *f, const char *name,
                         const char *help, size_t member)
{
    size_t series = 0;

    weir_buf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    for (size_t i = 0; i < f->n && series < MAX_BUDGET_SERIES; series++) {
        const struct weir_ledger_counter *first = &f->counters[i];
        int64_t sum = 0;

        for (; i < f->n && strcmp(f->counters[i].budget, first->budget) == 0; i++)
            sum += *(const int64_t *)((const char *)&f->counters[i] + member);
        weir_buf_addf(out, "%s{budget=\"%s\",unit=\"%s\"} %lld\n", name, first->budget,
                      first->unit == WEIR_UNIT_NANO_USD ? "nano_usd"
                                                        : weir__api_unit_name(first->unit),
                      (long long)sum);
    }
}

void weir__api_budget_metrics(struct weir_api_ctx *c, struct weir_buf *out)
{
    const char *path = c->api->backend.ledger_path;
    struct weir_ledger_reader *r = NULL;
    struct found f = {0};

    if (!path || weir_ledger_reader_open(path, &r))
        return;
    if (weir_ledger_read_counters(r, weir_wall_ms(), WEIR_STR_NULL, MAX_COUNTERS, c->arena,
                                  &f.counters, &f.n) == WEIR_OK) {
        write_family(out, &f, "weir_budget_limit", "Limit of a budget, all its counters together.",
                     offsetof(struct weir_ledger_counter, limit));
        write_family(out, &f, "weir_budget_settled", "Spent in the present window.",
                     offsetof(struct weir_ledger_counter, settled));
        write_family(out, &f, "weir_budget_committed", "Lent to proxies and not given back.",
                     offsetof(struct weir_ledger_counter, committed));
    }
    weir_ledger_reader_close(r);
}

struct release {
    uv_sem_t done;
    int rc;
};

static void on_released(void *arg, int rc)
{
    struct release *r = arg;

    r->rc = rc;
    uv_sem_post(&r->done);
}

/* In the pool: waiting here for the ledger's thread blocks no loop, and the ledger always answers.
 */
void weir__api_lease_release(struct weir_api_ctx *c)
{
    struct release r = {.rc = WEIR_EIO};
    struct weir_jw *w;

    if (!c->api->backend.ledger || uv_sem_init(&r.done, 0)) {
        weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                        "The ledger is not open.");
        return;
    }
    weir_ledger_release(c->api->backend.ledger, c->params[0], on_released, &r);
    uv_sem_wait(&r.done);
    uv_sem_destroy(&r.done);
    if (r.rc != WEIR_OK) {
        weir__api_fail(c, r.rc, "An open lease with this id");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_str(w, "released", c->params[0]);
    weir_jw_end_object(w);
}
