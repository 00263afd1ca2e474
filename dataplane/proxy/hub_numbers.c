/* hub_numbers.c - the hub's part of /metrics: build, policy, spool, and what the workers said of
 * their leases. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "dataplane/proxy/hub_internal.h"

struct weir_hub_leases {
    struct weir_hub *hub;
    unsigned worker;
    size_t n;
    struct weir_lease_total totals[]; /* names behind them */
};

/* ---- leases, as workers tell them ---- */

static void take_leases(void *arg)
{
    struct weir_hub_leases *m = arg;
    struct weir_hub_leases **at = &m->hub->leases[m->worker];

    free(*at);
    *at = m->n ? m : NULL;
    if (!m->n)
        free(m);
}

void weir_hub_lease_totals(struct weir_hub *h, struct weir_worker *w,
                           const struct weir_lease_total *totals, size_t n)
{
    struct weir_hub_leases *m;
    size_t names = 0;
    char *name;

    for (size_t i = 0; i < n; i++)
        names += totals[i].budget.n;
    m = weir_alloc(sizeof *m + n * sizeof *totals + names);
    *m = (struct weir_hub_leases){.hub = h, .worker = w->index, .n = n};
    name = (char *)&m->totals[n];
    for (size_t i = 0; i < n; i++) {
        m->totals[i] = totals[i];
        if (!totals[i].budget.p)
            continue;
        memcpy(name, totals[i].budget.p, totals[i].budget.n);
        m->totals[i].budget.p = name;
        name += totals[i].budget.n;
    }
    /* A message that is lost is made good by the next second's. */
    if (weir_mailbox_post(h->mailbox, take_leases, m))
        free(m);
}

void weir_hub_forget_leases(struct weir_hub *h)
{
    for (unsigned i = 0; i < WEIR_HUB_MAX_WORKERS; i++) {
        free(h->leases[i]);
        h->leases[i] = NULL;
    }
}

static int by_budget(const void *a, const void *b)
{
    const struct weir_lease_total *x = a, *y = b;
    size_t n = x->budget.n < y->budget.n ? x->budget.n : y->budget.n;
    int c = n ? memcmp(x->budget.p, y->budget.p, n) : 0;

    if (c == 0)
        c = (x->budget.n > y->budget.n) - (x->budget.n < y->budget.n);
    return c ? c : (x->unit > y->unit) - (x->unit < y->unit);
}

/* All workers' totals as one list, each budget and unit once. The caller frees it. */
static struct weir_lease_total *join_leases(const struct weir_hub *h, size_t *out_n)
{
    struct weir_lease_total *all;
    size_t most = 0, n = 0, kept = 0;

    for (unsigned i = 0; i < WEIR_HUB_MAX_WORKERS; i++)
        most += h->leases[i] ? h->leases[i]->n : 0;
    all = weir_alloc(most * sizeof *all);
    for (unsigned i = 0; i < WEIR_HUB_MAX_WORKERS; i++)
        for (size_t k = 0; h->leases[i] && k < h->leases[i]->n; k++)
            all[n++] = h->leases[i]->totals[k];
    qsort(all, n, sizeof *all, by_budget);
    for (size_t i = 0; i < n; i++) {
        if (kept && by_budget(&all[kept - 1], &all[i]) == 0) {
            all[kept - 1].granted += all[i].granted;
            all[kept - 1].settled += all[i].settled;
            all[kept - 1].held += all[i].held;
        } else {
            all[kept++] = all[i];
        }
    }
    *out_n = kept;
    return all;
}

static int64_t number_of(const struct weir_lease_total *t, enum weir_hub_metric id)
{
    return id == WEIR_HUB_LEASE_GRANTED   ? t->granted
           : id == WEIR_HUB_LEASE_SETTLED ? t->settled
                                          : t->held;
}

static void write_leases(const struct weir_hub *h, struct weir_buf *b)
{
    static const enum weir_hub_metric ids[] = {WEIR_HUB_LEASE_GRANTED, WEIR_HUB_LEASE_SETTLED,
                                               WEIR_HUB_LEASE_HELD};

    static const char *const units[] = {[WEIR_UNIT_NANO_USD] = "nano_usd",
                                        [WEIR_UNIT_TOKENS] = "tokens",
                                        [WEIR_UNIT_REQUESTS] = "requests"};
    size_t n;
    struct weir_lease_total *all = join_leases(h, &n);

    for (size_t m = 0; m < sizeof ids / sizeof ids[0]; m++) {
        weir_metrics_hub_family(b, ids[m]);
        for (size_t i = 0; i < n; i++) {
            struct weir_metric_label labels[] = {
                {"budget", all[i].budget.p ? all[i].budget : WEIR_STR("other")},
                {"unit", weir_str_of(units[all[i].unit])}};

            weir_metrics_hub_sample(b, ids[m], labels, 2, number_of(&all[i], ids[m]));
        }
    }
    free(all);
}

/* ---- build, policy, spool ---- */

static void write_build(struct weir_buf *b)
{
    struct weir_metric_label version = {"version", WEIR_STR(WEIR_VERSION)};

    weir_metrics_hub_family(b, WEIR_HUB_BUILD);
    weir_metrics_hub_sample(b, WEIR_HUB_BUILD, &version, 1, 1);
}

static void write_policy(const struct weir_hub *h, struct weir_buf *b)
{
    struct weir_metric_label revision = {"revision", WEIR_STR("")};

    if (h->policy) {
        revision.value = weir_policy_revision(h->policy);
        weir_metrics_hub_family(b, WEIR_HUB_POLICY);
        weir_metrics_hub_sample(b, WEIR_HUB_POLICY, &revision, 1, 1);
        weir_metrics_hub_value(b, WEIR_HUB_POLICY_AGE,
                               (weir_mono_ms() - weir_policy_compiled_ms(h->policy)) / 1000);
    }
    weir_metrics_hub_value(b, WEIR_HUB_POLICY_REFUSED, (int64_t)h->policies_rejected);
    weir_metrics_hub_value(b, WEIR_HUB_CONTROL_UP, h->control_connected);
}

static void write_spool(const struct weir_hub *h, struct weir_buf *b)
{
    struct weir_spool_stats spool;
    struct weir_sink_stats sink;

    weir_spool_get_stats(h->spool, &spool);
    weir_sink_get_stats(h->sink, &sink);
    weir_metrics_hub_value(b, WEIR_HUB_SPOOL_BYTES, spool.bytes);
    weir_metrics_hub_value(b, WEIR_HUB_SPOOL_RECORDS, (int64_t)spool.appended);
    weir_metrics_hub_value(b, WEIR_HUB_SPOOL_ACKED, (int64_t)spool.acknowledged);
    weir_metrics_hub_value(b, WEIR_HUB_SPOOL_REFUSED, (int64_t)spool.refused);
    weir_metrics_hub_value(b, WEIR_HUB_SPOOL_DAMAGED, (int64_t)spool.damaged);
    weir_metrics_hub_value(b, WEIR_HUB_LOG_DROPPED, (int64_t)sink.log_dropped);
    weir_metrics_hub_value(b, WEIR_HUB_SPANS_SENT, (int64_t)sink.spans_sent);
    weir_metrics_hub_value(b, WEIR_HUB_SPANS_DROPPED, (int64_t)sink.spans_dropped);
}

void weir_hub_write_numbers(struct weir_hub *h, struct weir_buf *b)
{
    write_build(b);
    write_leases(h, b);
    write_policy(h, b);
    if (h->spool)
        write_spool(h, b);
}
