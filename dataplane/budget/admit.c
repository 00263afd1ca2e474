/* Admission: hold every part or none, wait in order for what is missing. */
#include "dataplane/budget/holder_internal.h"

enum verdict { TAKEN, MUST_WAIT, REFUSED };

/* What a hold was before this attempt, to put it back when another part fails. */
struct saved {
    struct weir_held_lease *on;
    int64_t held;
    bool open;
};

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void attach(struct weir_hold *p, struct weir_held_lease *on, int64_t held)
{
    p->on = on;
    p->held = held;
    p->open = true;
    p->counter->open++;
    if (on) {
        on->open++;
        on->l.held += held;
    } else
        p->counter->uncovered += held;
}

static void detach(struct weir_hold *p)
{
    if (!p->open)
        return;
    p->open = false;
    p->counter->open--;
    if (p->on) {
        p->on->open--;
        p->on->l.held -= p->held;
    } else
        p->counter->uncovered -= p->held;
}

static bool partitioned(const struct weir_holder *h, const struct weir_counter *c, int64_t now_ms)
{
    int64_t use_for = c->cur ? c->cur->use_for_ms : WEIR_LEASE_USE_FOR_MS;

    return !h->connected || now_ms - h->last_rx_ms >= use_for;
}

/* May the counter be held on without a lease? */
static bool without_lease(const struct weir_holder *h, const struct weir_counter *c, int64_t now_ms,
                          int64_t more)
{
    if (c->mode == WEIR_MODE_OBSERVE || more == 0)
        return true;
    if (!partitioned(h, c, now_ms))
        return false;
    return c->on_partition == WEIR_PARTITION_ALLOW ||
           (c->on_partition == WEIR_PARTITION_WITHIN && c->uncovered + c->debt <= c->within - more);
}

/* On the lease that takes new holds; a hold of an ended one moves there as a whole. */
static bool on_lease(struct weir_holder *h, struct weir_hold *p, int64_t now_ms)
{
    struct weir_counter *c = p->counter;
    int64_t total = p->held + p->ask;

    if (!weir__counter_usable(h, c, now_ms))
        return false;
    if (p->ask > weir_lease_free(&c->cur->l) - (p->on == c->cur ? 0 : p->held))
        return false;
    detach(p);
    attach(p, c->cur, total);
    return true;
}

static bool believed_used_up(const struct weir_counter *c, int64_t now_ms, int64_t lack)
{
    return c->refused && now_ms < c->refused_until_ms && lack > c->remaining;
}

static int64_t lack_of(const struct weir_counter *c, const struct weir_hold *p)
{
    int64_t total = p->ask + (c->cur && p->on == c->cur ? 0 : p->held);

    return total - (c->cur ? weir_lease_free(&c->cur->l) : 0);
}

static enum verdict take(struct weir_holder *h, struct weir_hold *p, int64_t now_ms, bool first)
{
    struct weir_counter *c = p->counter;

    if (p->open && p->ask == 0)
        return TAKEN;
    if (c->limit == 0 && c->mode != WEIR_MODE_OBSERVE)
        return REFUSED;
    if (first && on_lease(h, p, now_ms))
        return TAKEN;
    if (without_lease(h, c, now_ms, p->ask)) {
        int64_t total = p->held + p->ask;
        struct weir_held_lease *on = p->open && c->mode == WEIR_MODE_OBSERVE ? p->on : NULL;

        detach(p);
        attach(p, on, total);
        if (c->mode == WEIR_MODE_OBSERVE && !c->cur)
            weir__ask(h, now_ms, c, 0);
        return TAKEN;
    }
    if (believed_used_up(c, now_ms, lack_of(c, p)))
        return REFUSED;
    /* The ledger may know of an increase; without it nobody does. */
    if (c->limit > 0 && p->held + p->ask > c->limit && partitioned(h, c, now_ms))
        return REFUSED;
    return MUST_WAIT;
}

static void restore(struct weir_hold *p, const struct saved *was)
{
    detach(p);
    p->held = was->held;
    p->on = was->on;
    if (was->open)
        attach(p, was->on, was->held);
}

static void explain(struct weir_admission *a, unsigned part, enum weir_refusal why, int64_t now_ms,
                    struct weir_admit_failure *out)
{
    const struct weir_counter *c = a->holds[part].counter;
    int64_t here = c->cur ? max64(weir_lease_free(&c->cur->l), 0) : 0;
    int64_t limit = c->told_limit > 0 ? c->told_limit : c->limit;
    int64_t rest = c->remaining < 0 ? limit : c->remaining; /* nobody has said otherwise yet */

    *out = (struct weir_admit_failure){
        .part = part,
        .why = why != WEIR_REFUSED_EXHAUSTED || !c->refused ? why
               : c->full                                    ? WEIR_REFUSED_COUNTERS
               : c->denied                                  ? WEIR_REFUSED_DENIED
                                                            : why,
        .limit = limit,
        .remaining = c->limit == 0 ? 0 : rest + here,
        .resets_in_ms = c->resets_at_ms < 0 ? -1 : max64(c->resets_at_ms - now_ms, 0)};
}

static void taken(struct weir_holder *h, struct weir_admission *a, int64_t now_ms, bool extending,
                  const struct saved was[])
{
    for (unsigned i = 0; i < a->n; i++) {
        struct weir_hold *p = &a->holds[i];

        p->counter->typical = max64(p->ask, p->counter->typical - p->counter->typical / 16);
        p->ask = 0;
        if (p->on) {
            p->on->last_used_ms = now_ms;
            memcpy(p->lease, p->on->id, sizeof p->lease);
            weir__lease_changed(h, p->on);
        } else
            p->lease[0] = '\0';
        /* After the lease it moved to: a kill in between charges it twice, never not at all. */
        if (was[i].on && was[i].on != p->on)
            weir__lease_hold_ended(h, was[i].on);
    }
    if (!extending) {
        h->count.admitted++;
        h->count.open_holds += a->n;
    }
    a->state = WEIR__ADM_HELD;
}

/* WEIR_OK, WEIR_ELIMIT with *failure, or WEIR_EWAIT with a->waits_on set. from: the counter in
 * whose queue it is first, if any. */
static int try_all(struct weir_holder *h, int64_t now_ms, struct weir_admission *a, bool extending,
                   const struct weir_counter *from, struct weir_admit_failure *failure)
{
    struct saved was[WEIR_ADMIT_PARTS_MAX];
    enum verdict v = TAKEN, worst = TAKEN;
    unsigned i, failed = 0;

    for (i = 0; i < a->n; i++) {
        struct weir_hold *p = &a->holds[i];
        struct weir_counter *c = p->counter;

        was[i] = (struct saved){.on = p->on, .held = p->held, .open = p->open};
        v = take(h, p, now_ms, extending || c == from || !c->first);
        if (v > worst) {
            worst = v;
            failed = i;
        }
    }
    if (worst == TAKEN) {
        taken(h, a, now_ms, extending, was);
        return WEIR_OK;
    }
    while (i-- > 0)
        restore(&a->holds[i], &was[i]);
    if (worst == REFUSED) {
        explain(a, failed, WEIR_REFUSED_EXHAUSTED, now_ms, failure);
        return WEIR_ELIMIT;
    }
    for (i = failed; i < a->n; i++) { /* ask for everything that is missing at once */
        const struct weir_hold *p = &a->holds[i];
        int64_t lack = lack_of(p->counter, p);

        if (p->ask > 0 && (lack > 0 || !weir__counter_usable(h, p->counter, now_ms)))
            weir__ask(h, now_ms, p->counter, max64(lack, 1));
    }
    a->waits_on = failed;
    return WEIR_EWAIT;
}

static void count_partition(struct weir_holder *h, const struct weir_admission *a,
                            const struct weir_admit_failure *f, int64_t now_ms)
{
    if (f->why == WEIR_REFUSED_NO_LEASE && partitioned(h, a->holds[f->part].counter, now_ms))
        h->count.denied_partition++;
}

static void count_refusal(struct weir_holder *h, const struct weir_admission *a,
                          const struct weir_admit_failure *f, int64_t now_ms)
{
    h->count.refused++;
    count_partition(h, a, f, now_ms);
}

static void enqueue(struct weir_holder *h, struct weir_admission *a, bool in_front)
{
    struct weir_counter *c = a->holds[a->waits_on].counter;
    struct weir_admission *prev = in_front ? NULL : c->last;
    struct weir_admission *next = in_front ? c->first : NULL;

    a->queue = c;
    a->queued = a->holds[a->waits_on].ask;
    a->prev = prev;
    a->next = next;
    *(prev ? &prev->next : &c->first) = a;
    *(next ? &next->prev : &c->last) = a;
    c->waiting_sum += a->queued;
    h->count.waiting++;
    h->count.waited++;
}

static void dequeue(struct weir_holder *h, struct weir_admission *a)
{
    struct weir_counter *c = a->queue;

    WEIR_ASSERT(c);
    *(a->prev ? &a->prev->next : &c->first) = a->next;
    *(a->next ? &a->next->prev : &c->last) = a->prev;
    a->prev = a->next = NULL;
    a->queue = NULL;
    c->waiting_sum -= a->queued;
    h->count.waiting--;
}

static bool is_extending(const struct weir_admission *a)
{
    return a->n > 0 && a->holds[0].open;
}

static void resume(struct weir_admission *a, int rc, const struct weir_admit_failure *failure)
{
    weir_admit_fn fn = a->resume;

    a->state = is_extending(a) ? WEIR__ADM_HELD : WEIR__ADM_DONE;
    fn(a->arg, rc, rc == WEIR_OK ? NULL : failure);
}

static int start(struct weir_holder *h, int64_t now_ms, struct weir_admission *a, bool extending,
                 struct weir_admit_failure *failure)
{
    int rc = try_all(h, now_ms, a, extending, NULL, failure);

    if (rc == WEIR_EWAIT) {
        const struct weir_counter *c = a->holds[a->waits_on].counter;

        if (c->deny_no_lease && !weir__counter_usable(h, c, now_ms)) {
            explain(a, a->waits_on, WEIR_REFUSED_NO_LEASE, now_ms, failure);
            rc = WEIR_ELIMIT;
        }
    }
    if (rc == WEIR_ELIMIT) {
        count_refusal(h, a, failure, now_ms);
        a->state = extending ? WEIR__ADM_HELD : WEIR__ADM_DONE;
    } else if (rc == WEIR_EWAIT) {
        a->state = WEIR__ADM_WAITING;
        a->deadline_ms = now_ms + h->o.wait_ms;
        enqueue(h, a, extending);
    }
    return rc;
}

int weir_holder_admit(struct weir_holder *h, int64_t now_ms, const struct weir_admit_part parts[],
                      unsigned n, weir_admit_fn fn, void *arg, struct weir_admission *out,
                      struct weir_admit_failure *failure)
{
    WEIR_ASSERT(out->state == WEIR__ADM_NONE || out->state == WEIR__ADM_DONE);
    if (n > WEIR_ADMIT_PARTS_MAX)
        return WEIR_EINVAL;
    for (unsigned i = 0; i < n; i++)
        if (parts[i].amount < 0 || parts[i].amount > WEIR_AMOUNT_MAX)
            return WEIR_EINVAL;
    out->n = n;
    out->resume = fn;
    out->arg = arg;
    out->prev = out->next = NULL;
    out->state = WEIR__ADM_NONE;
    for (unsigned i = 0; i < n; i++) {
        struct weir_hold *p = &out->holds[i];

        *p = (struct weir_hold){.id = ++h->next_hold,
                                .counter =
                                    weir__counter_get(h, now_ms, parts[i].budget, parts[i].scope),
                                .ask = parts[i].amount};
        if (!p->counter)
            return WEIR_EINVAL;
    }
    return start(h, now_ms, out, false, failure);
}

int weir_holder_extend(struct weir_holder *h, int64_t now_ms, struct weir_admission *a,
                       const int64_t more[], weir_admit_fn fn, void *arg,
                       struct weir_admit_failure *failure)
{
    if (a->state != WEIR__ADM_HELD)
        return WEIR_ESTATE;
    for (unsigned i = 0; i < a->n; i++)
        if (more[i] < 0 || more[i] > WEIR_AMOUNT_MAX - a->holds[i].held)
            return WEIR_EINVAL;
    a->resume = fn;
    a->arg = arg;
    for (unsigned i = 0; i < a->n; i++)
        a->holds[i].ask = more[i];
    return start(h, now_ms, a, true, failure);
}

void weir_holder_cancel(struct weir_holder *h, struct weir_admission *a)
{
    if (a->state != WEIR__ADM_WAITING)
        return;
    dequeue(h, a);
    a->state = is_extending(a) ? WEIR__ADM_HELD : WEIR__ADM_DONE;
}

static void end_hold(struct weir_holder *h, struct weir_hold *p, int64_t actual)
{
    struct weir_counter *c = p->counter;
    struct weir_held_lease *on = p->on;
    int64_t held = p->held;

    p->open = false;
    p->held = 0;
    p->settled = actual;
    p->on = NULL;
    c->open--;
    c->spent += actual;
    h->count.open_holds--;
    if (!on) {
        c->uncovered -= held;
        on = c->cur;
        if (!on) {
            c->debt += actual;
            return;
        }
        (void)weir_lease_settle(&on->l, 0, actual);
    } else {
        on->open--;
        if (weir_lease_settle(&on->l, held, actual))
            h->count.breaches++;
    }
    weir__lease_hold_ended(h, on);
}

void weir_holder_settle(struct weir_holder *h, int64_t now_ms, struct weir_admission *a,
                        const int64_t actual[])
{
    weir_holder_cancel(h, a);
    if (a->state != WEIR__ADM_HELD)
        return;
    a->state = WEIR__ADM_DONE;
    for (unsigned i = 0; i < a->n; i++) {
        int64_t amount = actual ? actual[i] : 0;

        WEIR_ASSERT(amount >= 0);
        end_hold(h, &a->holds[i], amount < WEIR_AMOUNT_MAX ? amount : WEIR_AMOUNT_MAX);
    }
    for (unsigned i = 0; i < a->n; i++)
        if (a->holds[i].counter->first)
            weir__serve(h, now_ms, a->holds[i].counter);
}

void weir_holder_release(struct weir_holder *h, int64_t now_ms, struct weir_admission *a)
{
    weir_holder_settle(h, now_ms, a, NULL);
}

void weir__serve(struct weir_holder *h, int64_t now_ms, struct weir_counter *c)
{
    /* A callback may come back here through settle; the loop outside then does the work. */
    if (c->serving)
        return;
    c->serving = true;
    while (c->first) {
        struct weir_admission *a = c->first;
        struct weir_admit_failure failure;
        bool extending = is_extending(a);
        int rc = try_all(h, now_ms, a, extending, c, &failure);

        if (rc == WEIR_EWAIT && a->holds[a->waits_on].counter == c)
            break;
        dequeue(h, a);
        if (rc == WEIR_EWAIT) { /* now for another budget */
            enqueue(h, a, extending);
            continue;
        }
        if (rc == WEIR_ELIMIT)
            count_refusal(h, a, &failure, now_ms);
        resume(a, rc, &failure);
    }
    c->serving = false;
}

void weir__expire_waits(struct weir_holder *h, int64_t now_ms, struct weir_counter *c)
{
    for (struct weir_admission *a = c->first, *next; a; a = next) {
        struct weir_admit_failure failure;

        next = a->next;
        if (now_ms < a->deadline_ms)
            continue;
        explain(a, a->waits_on, WEIR_REFUSED_NO_LEASE, now_ms, &failure);
        dequeue(h, a);
        h->count.timeouts++;
        count_partition(h, a, &failure, now_ms);
        resume(a, WEIR_ETIMEOUT, &failure);
        next = c->first; /* the callback may have changed the queue */
    }
    if (c->first)
        weir__serve(h, now_ms, c);
}
