/* What goes to the ledger. */
#include "dataplane/budget/holder_internal.h"
#include "weir/v1/ledger.pb-c.h"

enum { REPORTS_PER_MESSAGE = 256, GONE_MAX = 16 };

static void send_up(struct weir_holder *h, int64_t now_ms, Weir__V1__BudgetUp *up)
{
    if (!h->connected)
        return;
    up->incarnation = h->incarnation;
    h->last_tx_ms = now_ms;
    h->o.send(h->o.arg, up);
}

static void fill(Weir__V1__LeaseReport *out, struct weir_held_lease *lease, int64_t now_ms)
{
    struct weir_lease_report r = weir_lease_report_of(&lease->l);

    weir__v1__lease_report__init(out);
    out->lease = lease->id;
    out->has_returned = out->has_settled = out->has_held = out->has_final = true;
    out->returned = r.returned;
    out->settled = r.settled;
    out->held = r.held;
    out->final = r.final;
    lease->dirty = false;
    if (r.final)
        lease->reported_ms = now_ms;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* An ask whose answer was lost may have been lent on: it is repeated with its number, and what was
 * spent since comes after it. */
static void add_debt(struct weir_holder *h, struct weir_counter *c, Weir__V1__LeaseAsk *ask)
{
    if (c->debt <= 0)
        return;
    if (c->debt_id == 0) {
        c->debt_id = ++h->next_debt;
        c->debt_asked = c->debt;
    }
    ask->has_debt = ask->has_debtid = true;
    ask->debt = c->debt_asked;
    ask->debtid = c->debt_id;
}

void weir__ask(struct weir_holder *h, int64_t now_ms, struct weir_counter *c, int64_t need)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseAsk ask = WEIR__V1__LEASE_ASK__INIT, *asks[1] = {&ask};
    int64_t free_now = c->cur ? weir_lease_free(&c->cur->l) : 0;

    if (!h->connected || c->ask_seq != 0 || now_ms < c->ask_not_before_ms)
        return;
    c->ask_seq = ++h->next_seq;
    c->ask_need = need;
    c->ask_sent_ms = now_ms;
    ask.budget = c->budget;
    ask.scope = c->scope;
    ask.has_seq = ask.has_need = ask.has_want = ask.has_unit = true;
    ask.seq = c->ask_seq;
    ask.need = need;
    ask.has_waiting = true;
    ask.waiting = min64(max64(need, c->waiting_sum - max64(free_now, 0)), WEIR_AMOUNT_MAX);
    ask.want = max64(ask.waiting, max64(c->spend_rate - max64(free_now, 0), c->typical));
    ask.want = min64(ask.want, WEIR_AMOUNT_MAX);
    ask.unit = (int32_t)c->unit;
    ask.has_person = ask.person = c->asks_person && need > 0;
    add_debt(h, c, &ask);
    up.asks = asks;
    up.n_asks = 1;
    h->count.asks++;
    send_up(h, now_ms, &up);
}

void weir__report_now(struct weir_holder *h, int64_t now_ms, struct weir_held_lease *lease)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__LeaseReport report, *reports[1] = {&report};

    if (!h->connected)
        return;
    fill(&report, lease, now_ms);
    up.reports = reports;
    up.n_reports = 1;
    send_up(h, now_ms, &up);
}

static bool due(const struct weir_held_lease *lease, int64_t now_ms)
{
    if (lease->l.final)
        return now_ms - lease->reported_ms >= WEIR__FINAL_RESEND_MS;
    return lease->dirty && lease->counter;
}

static void send_hello(struct weir_holder *h, int64_t now_ms)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;
    Weir__V1__BudgetHello hello = WEIR__V1__BUDGET_HELLO__INIT;
    char *gone[GONE_MAX];
    size_t n = HASH_COUNT(h->leases), i = 0;
    Weir__V1__LeaseReport *reports = weir_alloc((n + 1) * sizeof *reports);
    Weir__V1__LeaseReport **list = weir_alloc((n + 1) * sizeof(void *));

    for (struct weir_held_lease *l = h->leases; l; l = l->hh.next, i++) {
        fill(&reports[i], l, now_ms);
        list[i] = &reports[i];
    }
    hello.node = h->node;
    hello.incarnation = h->incarnation;
    hello.reports = list;
    hello.n_reports = n;
    hello.gone = gone;
    while (h->journal && hello.n_gone < GONE_MAX &&
           weir_journal_gone(h->journal, (int)hello.n_gone)) {
        gone[hello.n_gone] = (char *)weir_journal_gone(h->journal, (int)hello.n_gone);
        hello.n_gone++;
    }
    up.hello = &hello;
    send_up(h, now_ms, &up);
    free(list);
    free(reports);
}

void weir__report_all(struct weir_holder *h, int64_t now_ms, bool hello)
{
    Weir__V1__LeaseReport reports[REPORTS_PER_MESSAGE], *list[REPORTS_PER_MESSAGE];
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;

    if (!h->connected)
        return;
    if (hello) {
        send_hello(h, now_ms);
        return;
    }
    up.reports = list;
    for (struct weir_held_lease *l = h->leases; l; l = l->hh.next) {
        if (!due(l, now_ms))
            continue;
        fill(&reports[up.n_reports], l, now_ms);
        list[up.n_reports] = &reports[up.n_reports];
        if (++up.n_reports < REPORTS_PER_MESSAGE)
            continue;
        send_up(h, now_ms, &up);
        up.n_reports = 0;
    }
    if (up.n_reports > 0)
        send_up(h, now_ms, &up);
}

void weir__heartbeat(struct weir_holder *h, int64_t now_ms)
{
    Weir__V1__BudgetUp up = WEIR__V1__BUDGET_UP__INIT;

    if (!h->connected || now_ms - h->last_tx_ms < WEIR__HEARTBEAT_MS)
        return;
    up.has_heartbeat = up.heartbeat = true;
    send_up(h, now_ms, &up);
}
