/* Every history of a small world, checked: two holders, a limit of 2, two leases,
 * every message delivered late, never, or again, crashes at every step. The steps are those of
 * common/lease; each of the five known mistakes, put in on purpose, must break an invariant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "lease/lease.h"

enum { HOLDERS = 2, LEASES = 2, LIMIT = 2, MESSAGES = 2, GRANTED_MAX = 3, STATES_MAX = 1 << 22 };

enum mistake {
    NONE,
    RECLAIM_WITHOUT_FINAL,
    RESUME_ROLLED_BACK,
    SEND_BEFORE_DURABLE,
    REFUND_AFTER_CRASH,
    RETURN_OPEN_HOLDS,
};

/* Small numbers only, so that a state fits into few bytes. */
struct lease_state {
    int8_t owner;                                                             /* -1: not made yet */
    int8_t granted, returned, settled, closed;                                /* the ledger's row */
    int8_t known, l_granted, l_returned, l_settled, l_held, l_ended, l_final; /* its holder's */
    int8_t j_granted, j_returned, j_settled, j_held; /* a rolled-back journal */
    int8_t truth;
};

struct message {
    int8_t kind; /* 0: none, 1: grant, 2: report */
    int8_t lease, a, b, final;
};

struct world {
    struct lease_state lease[LEASES];
    int8_t closed_settled, committed;
    /* What a restart of the ledger comes back to; differs only when sending is not after writing.
     */
    int8_t d_granted[LEASES], d_owner[LEASES], d_committed;
    struct message messages[MESSAGES];
};

struct search {
    enum mistake mistake;
    struct world *states;
    uint32_t *table; /* index + 1 */
    uint32_t n;
    const char *problem;
};

/* ---- between the packed state and the rules ---- */

static struct weir_lease_held held_of(const struct lease_state *s)
{
    return (struct weir_lease_held){.granted = s->l_granted,
                                    .returned = s->l_returned,
                                    .settled = s->l_settled,
                                    .held = s->l_held,
                                    .ended = s->l_ended,
                                    .final = s->l_final};
}

static void put_held(struct lease_state *s, const struct weir_lease_held *l)
{
    s->l_granted = (int8_t)l->granted;
    s->l_returned = (int8_t)l->returned;
    s->l_settled = (int8_t)l->settled;
    s->l_held = (int8_t)l->held;
    s->l_ended = l->ended;
    s->l_final = l->final;
}

static struct weir_lease_row row_of(const struct lease_state *s)
{
    return (struct weir_lease_row){
        .granted = s->granted, .returned = s->returned, .settled = s->settled, .closed = s->closed};
}

static void put_row(struct world *w, struct lease_state *s, const struct weir_lease_row *r,
                    const struct weir_ledger_window *win)
{
    s->granted = (int8_t)r->granted;
    s->returned = (int8_t)r->returned;
    s->settled = (int8_t)r->settled;
    s->closed = r->closed;
    w->closed_settled = (int8_t)win->closed_settled;
    w->committed = (int8_t)win->committed;
}

static struct weir_ledger_window window_of(const struct world *w)
{
    return (struct weir_ledger_window){
        .limit = LIMIT, .closed_settled = w->closed_settled, .committed = w->committed};
}

static void durable(struct world *w)
{
    for (int i = 0; i < LEASES; i++) {
        w->d_granted[i] = w->lease[i].granted;
        w->d_owner[i] = w->lease[i].owner;
    }
    w->d_committed = w->committed;
}

static void post(struct world *w, struct message m)
{
    for (int i = 0; i < MESSAGES; i++)
        if (memcmp(&w->messages[i], &m, sizeof m) == 0)
            return; /* on its way already; delivery may repeat it */
    memmove(&w->messages[1], &w->messages[0], sizeof m * (MESSAGES - 1)); /* the oldest is lost */
    w->messages[0] = m;
}

static void post_report(struct world *w, int i)
{
    const struct lease_state *s = &w->lease[i];

    post(w, (struct message){.kind = 2,
                             .lease = (int8_t)i,
                             .a = s->l_returned,
                             .b = s->l_settled,
                             .final = s->l_final});
}

/* ---- invariants ---- */

static const char *check(const struct world *w)
{
    int used = 0, committed = 0;

    for (int i = 0; i < LEASES; i++) {
        const struct lease_state *s = &w->lease[i];
        struct weir_lease_row row = row_of(s);
        int open = s->known && !s->l_final ? s->l_held : 0;

        used += s->truth + open;
        committed += s->closed ? 0 : (int)weir_lease_commitment(&row);
        if (s->known && !s->l_final && s->l_settled + s->l_held > s->l_granted - s->l_returned)
            return "I2: more settled and held than granted";
        if (s->closed && s->settled < s->truth)
            return "I5: closed below its true usage";
    }
    if (used > LIMIT)
        return "I1: spent and held beyond the limit";
    if (w->closed_settled + w->committed > LIMIT || committed != w->committed)
        return "I3: the ledger lent beyond the limit";
    return NULL;
}

static void visit(struct search *s, const struct world *w)
{
    uint64_t h = weir_hash64((struct weir_str){(const char *)w, sizeof *w}, 7);

    if (s->problem)
        return;
    for (uint32_t at = (uint32_t)h % (STATES_MAX * 2);; at = (at + 1) % (STATES_MAX * 2)) {
        if (s->table[at] == 0) {
            if (s->n == STATES_MAX) {
                s->problem = "too many states";
                return;
            }
            s->states[s->n++] = *w;
            s->table[at] = s->n;
            s->problem = check(w);
            return;
        }
        if (memcmp(&s->states[s->table[at] - 1], w, sizeof *w) == 0)
            return;
    }
}

/* ---- the ledger's steps ---- */

static void ledger_grants(struct search *s, const struct world *from, int holder)
{
    for (int i = 0; i < LEASES; i++) {
        struct world w = *from;
        struct lease_state *l = &w.lease[i];
        struct weir_ledger_window win = window_of(&w);
        struct weir_lease_row row = row_of(l);

        if (l->owner != holder && !(l->owner == -1 && (i == 0 || w.lease[i - 1].owner != -1)))
            continue;
        /* A lease may be given back and lent again for ever: a few times are enough. */
        if (l->granted == GRANTED_MAX || weir_window_grant(&win, &row, 1, false) != WEIR_OK)
            continue;
        l->owner = (int8_t)holder;
        put_row(&w, l, &row, &win);
        if (s->mistake != SEND_BEFORE_DURABLE)
            durable(&w);
        post(&w, (struct message){.kind = 1, .lease = (int8_t)i, .a = l->granted});
        visit(s, &w);
    }
}

static void ledger_restarts(struct search *s, const struct world *from)
{
    struct world w = *from;

    for (int i = 0; i < LEASES; i++) {
        w.lease[i].granted = w.d_granted[i];
        w.lease[i].owner = w.d_owner[i];
    }
    w.committed = w.d_committed;
    visit(s, &w);
}

static void ledger_reclaims(struct search *s, const struct world *from, int i)
{
    struct world w = *from;
    struct weir_ledger_window win = window_of(&w);
    struct weir_lease_row row = row_of(&w.lease[i]);

    weir_window_write_off(&win, &row);
    put_row(&w, &w.lease[i], &row, &win);
    durable(&w);
    visit(s, &w);
}

/* ---- the holders' steps ---- */

static void holder_step(struct search *s, const struct world *from, int i)
{
    struct weir_lease_held l = held_of(&from->lease[i]);
    struct world w = *from;

    if (weir_lease_hold(&l, 1) == WEIR_OK) {
        put_held(&w.lease[i], &l);
        visit(s, &w);
    }
    for (int actual = 0; from->lease[i].l_held > 0 && actual <= 1; actual++) {
        w = *from;
        l = held_of(&w.lease[i]);
        (void)weir_lease_settle(&l, 1, actual);
        put_held(&w.lease[i], &l);
        w.lease[i].truth = (int8_t)(w.lease[i].truth + actual);
        visit(s, &w);
    }
    w = *from;
    l = held_of(&w.lease[i]);
    if (s->mistake == RETURN_OPEN_HOLDS)
        l.returned = l.granted - l.settled;
    else
        (void)weir_lease_return_idle(&l);
    put_held(&w.lease[i], &l);
    post_report(&w, i);
    visit(s, &w);
    w = *from;
    l = held_of(&w.lease[i]);
    (void)weir_lease_finalise(&l);
    put_held(&w.lease[i], &l);
    post_report(&w, i);
    visit(s, &w);
}

/* The journal as it is may turn out later to be what was last written of it. */
static void journal_sticks(struct search *s, const struct world *from, int i)
{
    struct world w = *from;
    struct lease_state *l = &w.lease[i];

    l->j_granted = l->l_granted;
    l->j_returned = l->l_returned;
    l->j_settled = l->l_settled;
    l->j_held = l->l_held;
    visit(s, &w);
}

/* Open holds cost all or nothing; the next start knows the journal, or has lost it. */
static void holder_crashes(struct search *s, const struct world *from, int holder)
{
    for (int costs = 0; costs <= 1; costs++)
        for (int with_journal = 0; with_journal <= 1; with_journal++) {
            struct world w = *from;

            for (int i = 0; i < LEASES; i++) {
                struct lease_state *l = &w.lease[i];
                struct weir_lease_held was = held_of(l);

                if (l->owner != holder || !l->known || l->l_final)
                    continue;
                l->truth = (int8_t)(l->truth + (costs ? l->l_held : 0));
                if (s->mistake == RESUME_ROLLED_BACK) {
                    was = (struct weir_lease_held){.granted = l->j_granted,
                                                   .returned = l->j_returned,
                                                   .settled = l->j_settled};
                } else if (s->mistake == REFUND_AFTER_CRASH) {
                    was.held = 0;
                    (void)weir_lease_finalise(&was);
                } else
                    weir_lease_finalise_crashed(&was);
                put_held(l, &was);
                if (with_journal && l->l_final)
                    post_report(&w, i);
                if (!with_journal) /* stranded: nothing is ever said of it again */
                    l->l_final = l->l_ended = 1;
            }
            visit(s, &w);
        }
}

static void deliver(struct search *s, const struct world *from, int m, bool again)
{
    struct world w = *from;
    struct message msg = w.messages[m];
    struct lease_state *l = &w.lease[msg.lease];

    if (msg.kind == 0)
        return;
    if (!again) {
        memmove(&w.messages[m], &w.messages[m + 1], sizeof msg * (size_t)(MESSAGES - 1 - m));
        memset(&w.messages[MESSAGES - 1], 0, sizeof msg);
    }
    if (msg.kind == 1) {
        struct weir_lease_held held = held_of(l);

        weir_lease_grant(&held, msg.a);
        l->known = 1;
        put_held(l, &held);
    } else {
        struct weir_ledger_window win = window_of(&w);
        struct weir_lease_row row = row_of(l);
        struct weir_lease_report r = {.returned = msg.a, .settled = msg.b, .final = msg.final};

        if (weir_window_report(&win, &row, &r) != WEIR_OK)
            return;
        put_row(&w, l, &row, &win);
        durable(&w);
    }
    visit(s, &w);
}

static void expand(struct search *s, const struct world *w)
{
    for (int h = 0; h < HOLDERS; h++) {
        ledger_grants(s, w, h);
        holder_crashes(s, w, h);
    }
    for (int i = 0; i < LEASES; i++) {
        if (w->lease[i].known && !w->lease[i].l_final)
            holder_step(s, w, i);
        if (s->mistake == RESUME_ROLLED_BACK && w->lease[i].known)
            journal_sticks(s, w, i);
        if (s->mistake == RECLAIM_WITHOUT_FINAL && w->lease[i].owner >= 0)
            ledger_reclaims(s, w, i);
    }
    if (s->mistake == SEND_BEFORE_DURABLE)
        ledger_restarts(s, w);
    for (int m = 0; m < MESSAGES; m++)
        for (int again = 0; again <= 1; again++)
            deliver(s, w, m, again);
}

/* NULL: every reachable state is sound. */
static const char *explore(enum mistake mistake)
{
    struct search s = {.mistake = mistake};
    struct world start;
    const char *problem;

    memset(&start, 0, sizeof start);
    for (int i = 0; i < LEASES; i++)
        start.lease[i].owner = start.d_owner[i] = -1;
    s.states = weir_alloc(STATES_MAX * sizeof *s.states);
    s.table = weir_zalloc((size_t)STATES_MAX * 2 * sizeof *s.table);
    visit(&s, &start);
    for (uint32_t i = 0; i < s.n && !s.problem; i++) {
        struct world w = s.states[i];

        expand(&s, &w);
    }
    (void)printf("%u states: %s\n", s.n, s.problem ? s.problem : "sound");
    problem = s.problem;
    free(s.states);
    free(s.table);
    return problem;
}

static void the_rules_are_sound_in_every_reachable_state(void **state)
{
    (void)state;
    assert_null(explore(NONE));
}

static void reclaiming_without_a_final_report_is_found(void **state)
{
    (void)state;
    assert_non_null(explore(RECLAIM_WITHOUT_FINAL));
}

static void resuming_from_a_rolled_back_journal_is_found(void **state)
{
    (void)state;
    assert_non_null(explore(RESUME_ROLLED_BACK));
}

static void sending_before_it_is_durable_is_found(void **state)
{
    (void)state;
    assert_non_null(explore(SEND_BEFORE_DURABLE));
}

static void refunding_open_holds_after_a_crash_is_found(void **state)
{
    (void)state;
    assert_non_null(explore(REFUND_AFTER_CRASH));
}

static void returning_without_counting_open_holds_is_found(void **state)
{
    (void)state;
    assert_non_null(explore(RETURN_OPEN_HOLDS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_are_sound_in_every_reachable_state),
        cmocka_unit_test(reclaiming_without_a_final_report_is_found),
        cmocka_unit_test(resuming_from_a_rolled_back_journal_is_found),
        cmocka_unit_test(sending_before_it_is_durable_is_found),
        cmocka_unit_test(refunding_open_holds_after_a_crash_is_found),
        cmocka_unit_test(returning_without_counting_open_holds_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
