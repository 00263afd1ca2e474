/* Every history of a small world, checked: two holders, a limit of 2, two leases,
 * every message delivered late, never, or again, crashes at every step. Three more worlds are like
 * it but for a limit that is lowered, a provider that bills past a hold, a window that ends. The
 * steps are those of common/lease; each mistake put in on purpose must break its invariant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "small.h"

enum { STATES_MAX = 1 << 23 };

/* What else happens, once. */
enum event { NOTHING, DECREASE, BREACH, ROLL_OVER };

enum mistake {
    NONE,
    RECLAIM_WITHOUT_FINAL,
    RESUME_ROLLED_BACK,
    SEND_BEFORE_DURABLE,
    REFUND_AFTER_CRASH,
    RETURN_OPEN_HOLDS,
    HOLD_IGNORES_SETTLED,
    RETURN_COUNTED_TWICE,
    SETTLED_UP_TO_THE_HOLD,
    ROLL_DROPS_LEASES,
    DECREASE_IGNORES_COMMITTED,
    LAST_WRITE_WINS,
    KEEPS_WHAT_IS_REFUSED,
};

struct search {
    enum event event;
    enum mistake mistake;
    struct small *states;
    uint32_t *table; /* index + 1 */
    uint32_t n;
    const char *problem;
};

static void visit(struct search *s, const struct small *w)
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
            s->problem = small_check(w);
            return;
        }
        if (memcmp(&s->states[s->table[at] - 1], w, sizeof *w) == 0)
            return;
    }
}

/* ---- the ledger's steps ---- */

static int lend(const struct search *s, struct weir_ledger_window *win, struct weir_lease_row *row)
{
    struct weir_ledger_window blind = *win;
    int rc;

    if (s->mistake != DECREASE_IGNORES_COMMITTED || win->limit == LIMIT)
        return weir_window_grant(win, row, 1, false);
    blind.committed = 0;
    rc = weir_window_grant(&blind, row, 1, false);
    win->committed += blind.committed;
    return rc;
}

static void ledger_grants(struct search *s, const struct small *from, int holder)
{
    for (int i = 0; i < LEASES; i++) {
        struct small w = *from;
        struct small_lease *l = &w.lease[i];
        struct weir_ledger_window win = small_window_of(&w, w.now);
        struct weir_lease_row row = small_row_of(l);

        if (l->owner == -1 && (i == 0 || w.lease[i - 1].owner != -1))
            l->window = w.now;
        else if (l->owner != holder || l->window != w.now)
            continue;
        /* A lease may be given back and lent again for ever: a few times are enough. */
        if (l->granted == GRANTED_MAX || lend(s, &win, &row) != WEIR_OK)
            continue;
        l->owner = (int8_t)holder;
        small_put_row(&w, l, &row, &win);
        if (s->mistake != SEND_BEFORE_DURABLE)
            small_durable(&w);
        small_post(&w, (struct small_message){.kind = 1, .lease = (int8_t)i, .a = l->granted});
        visit(s, &w);
    }
}

static void ledger_restarts(struct search *s, const struct small *from)
{
    struct small w = *from;

    for (int i = 0; i < LEASES; i++) {
        w.lease[i].granted = w.d_granted[i];
        w.lease[i].owner = w.d_owner[i];
    }
    memcpy(w.committed, w.d_committed, sizeof w.committed);
    visit(s, &w);
}

static void ledger_reclaims(struct search *s, const struct small *from, int i)
{
    struct small w = *from;
    struct weir_ledger_window win = small_window_of(&w, w.lease[i].window);
    struct weir_lease_row row = small_row_of(&w.lease[i]);

    weir_window_write_off(&win, &row);
    small_put_row(&w, &w.lease[i], &row, &win);
    small_durable(&w);
    visit(s, &w);
}

static void limit_decreases(struct search *s, const struct small *from)
{
    struct small w = *from;
    int out = w.closed_settled[w.now] + w.committed[w.now];

    w.happened = 1;
    w.limit--;
    w.cap[w.now] = (int8_t)(out > w.limit ? out : w.limit);
    small_durable(&w);
    visit(s, &w);
}

static void window_ends(struct search *s, const struct small *from)
{
    struct small w = *from;

    for (int i = 0; s->mistake == ROLL_DROPS_LEASES && i < LEASES; i++) {
        struct weir_ledger_window win = small_window_of(&w, w.now);
        struct weir_lease_row row = small_row_of(&w.lease[i]);

        if (w.lease[i].owner < 0)
            continue;
        weir_window_write_off(&win, &row);
        small_put_row(&w, &w.lease[i], &row, &win);
    }
    w.happened = 1;
    w.now++;
    w.cap[w.now] = w.limit;
    small_durable(&w);
    visit(s, &w);
}

/* ---- the holders' steps ---- */

static void holder_holds(struct search *s, const struct small *from, int i)
{
    struct weir_lease_held l = small_held_of(&from->lease[i]);
    struct small w = *from;
    int64_t settled = l.settled;
    int rc;

    if (s->mistake == HOLD_IGNORES_SETTLED)
        l.settled = 0;
    rc = weir_lease_hold(&l, 1);
    if (rc != WEIR_OK && s->mistake == KEEPS_WHAT_IS_REFUSED)
        l.held++;
    l.settled = settled;
    small_put_held(&w.lease[i], &l);
    if (rc != WEIR_OK) {
        if (memcmp(&w, from, sizeof w) != 0)
            s->problem = "I8: a refused hold left something behind";
        return;
    }
    visit(s, &w);
}

static void holder_settles(struct search *s, const struct small *from, int i, int8_t actual)
{
    struct small w = *from;
    struct small_lease *state = &w.lease[i];
    struct weir_lease_held l = small_held_of(state);

    (void)weir_lease_settle(&l, 1, s->mistake == SETTLED_UP_TO_THE_HOLD && actual > 1 ? 1 : actual);
    small_put_held(state, &l);
    state->truth = (int8_t)(state->truth + actual);
    state->book = (int8_t)(state->book + actual);
    if (actual > 1) {
        state->over++;
        w.happened = 1;
    }
    visit(s, &w);
}

static void holder_step(struct search *s, const struct small *from, int i)
{
    struct weir_lease_held l;
    struct small w = *from;

    holder_holds(s, from, i);
    if (from->lease[i].l_held > 0) {
        holder_settles(s, from, i, 0);
        holder_settles(s, from, i, 1);
        if (s->event == BREACH && !from->happened)
            holder_settles(s, from, i, 2);
    }
    l = small_held_of(&w.lease[i]);
    if (s->mistake == RETURN_OPEN_HOLDS)
        l.returned = l.granted - l.settled;
    else
        (void)weir_lease_return_idle(&l);
    small_put_held(&w.lease[i], &l);
    small_post_report(&w, i);
    visit(s, &w);
    w = *from;
    l = small_held_of(&w.lease[i]);
    (void)weir_lease_finalise(&l);
    small_put_held(&w.lease[i], &l);
    small_post_report(&w, i);
    visit(s, &w);
}

/* The journal as it is may turn out later to be what was last written of it. */
static void journal_sticks(struct search *s, const struct small *from, int i)
{
    struct small w = *from;
    struct small_lease *l = &w.lease[i];

    l->j_granted = l->l_granted;
    l->j_returned = l->l_returned;
    l->j_settled = l->l_settled;
    l->j_held = l->l_held;
    visit(s, &w);
}

/* Open holds cost all or nothing; the next start knows the journal, or has lost it. */
static void holder_crashes(struct search *s, const struct small *from, int holder)
{
    for (int costs = 0; costs <= 1; costs++)
        for (int with_journal = 0; with_journal <= 1; with_journal++) {
            struct small w = *from;

            for (int i = 0; i < LEASES; i++) {
                struct small_lease *l = &w.lease[i];
                struct weir_lease_held was = small_held_of(l);

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
                small_put_held(l, &was);
                l->book = l->l_settled;
                if (with_journal && l->l_final)
                    small_post_report(&w, i);
                if (!with_journal) /* stranded: nothing is ever said of it again */
                    l->l_final = l->l_ended = 1;
            }
            visit(s, &w);
        }
}

/* The rule for reports, or the mistake made of it. */
static int take_report(const struct search *s, struct weir_ledger_window *win,
                       struct weir_lease_row *row, const struct weir_lease_report *r)
{
    int64_t committed = win->committed, before;
    int rc = weir_window_report(win, row, r);

    if (rc != WEIR_OK || row->closed)
        return rc;
    if (s->mistake == RETURN_COUNTED_TWICE && r->returned > 0 && r->returned <= committed)
        win->committed = committed - r->returned;
    if (s->mistake == LAST_WRITE_WINS) {
        before = weir_lease_commitment(row);
        row->returned = r->returned;
        row->settled = r->settled;
        win->committed += weir_lease_commitment(row) - before;
    }
    return WEIR_OK;
}

static bool same(const struct weir_ledger_window *a, const struct weir_lease_row *ra,
                 const struct weir_ledger_window *b, const struct weir_lease_row *rb)
{
    return a->closed_settled == b->closed_settled && a->committed == b->committed &&
           ra->returned == rb->returned && ra->settled == rb->settled && ra->closed == rb->closed;
}

static void deliver_report(struct search *s, struct small *w, const struct small_message *msg)
{
    struct small_lease *l = &w->lease[msg->lease];
    struct weir_ledger_window win = small_window_of(w, l->window), win_twice;
    struct weir_lease_row row = small_row_of(l), was = row, row_twice;
    struct weir_lease_report r = {.returned = msg->a, .settled = msg->b, .final = msg->final};

    if (take_report(s, &win, &row, &r) != WEIR_OK)
        return;
    win_twice = win;
    row_twice = row;
    if (row.returned < was.returned || row.settled < was.settled)
        s->problem = "I4: a counter went back";
    else if (take_report(s, &win_twice, &row_twice, &r) != WEIR_OK ||
             !same(&win, &row, &win_twice, &row_twice))
        s->problem = "I4: a report that came twice counted twice";
    small_put_row(w, l, &row, &win);
    small_durable(w);
    visit(s, w);
}

static void deliver(struct search *s, const struct small *from, int m, bool again)
{
    struct small w = *from;
    struct small_message msg = w.messages[m];
    struct small_lease *l = &w.lease[msg.lease];
    struct weir_lease_held held;

    if (msg.kind == 0)
        return;
    if (!again) {
        memmove(&w.messages[m], &w.messages[m + 1], sizeof msg * (size_t)(MESSAGES - 1 - m));
        memset(&w.messages[MESSAGES - 1], 0, sizeof msg);
    }
    if (msg.kind == 2) {
        deliver_report(s, &w, &msg);
        return;
    }
    held = small_held_of(l);
    weir_lease_grant(&held, msg.a);
    l->known = 1;
    small_put_held(l, &held);
    visit(s, &w);
}

static void expand(struct search *s, const struct small *w)
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
    if (s->event == DECREASE && !w->happened)
        limit_decreases(s, w);
    if (s->event == ROLL_OVER && !w->happened)
        window_ends(s, w);
    for (int m = 0; m < MESSAGES; m++)
        for (int again = 0; again <= 1; again++)
            deliver(s, w, m, again);
}

/* NULL: every reachable state is sound. */
static const char *explore(enum event event, enum mistake mistake)
{
    struct search s = {.event = event, .mistake = mistake};
    struct small start;
    const char *problem;

    memset(&start, 0, sizeof start);
    for (int i = 0; i < LEASES; i++)
        start.lease[i].owner = start.d_owner[i] = -1;
    /* Two windows of 1 have as many histories as one of 2. */
    start.limit = start.cap[0] = event == ROLL_OVER ? 1 : LIMIT;
    s.states = weir_alloc(STATES_MAX * sizeof *s.states);
    s.table = weir_zalloc((size_t)STATES_MAX * 2 * sizeof *s.table);
    visit(&s, &start);
    for (uint32_t i = 0; i < s.n && !s.problem; i++) {
        struct small w = s.states[i];

        expand(&s, &w);
    }
    (void)printf("%u states: %s\n", s.n, s.problem ? s.problem : "sound");
    problem = s.problem;
    free(s.states);
    free(s.table);
    return problem;
}

static void expect_found(enum event event, enum mistake mistake, const char *invariant)
{
    const char *problem = explore(event, mistake);

    assert_non_null(problem);
    assert_memory_equal(problem, invariant, 2);
}

static void the_rules_are_sound_in_every_reachable_state(void **state)
{
    (void)state;
    assert_null(explore(NOTHING, NONE));
}

static void they_are_sound_when_the_limit_is_lowered(void **state)
{
    (void)state;
    assert_null(explore(DECREASE, NONE));
}

static void they_are_sound_when_a_provider_bills_past_a_hold(void **state)
{
    (void)state;
    assert_null(explore(BREACH, NONE));
}

static void they_are_sound_when_the_window_ends(void **state)
{
    (void)state;
    assert_null(explore(ROLL_OVER, NONE));
}

static void reclaiming_without_a_final_report_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, RECLAIM_WITHOUT_FINAL, "I5");
}

static void resuming_from_a_rolled_back_journal_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, RESUME_ROLLED_BACK, "I5");
}

static void sending_before_it_is_durable_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, SEND_BEFORE_DURABLE, "I3");
}

static void refunding_open_holds_after_a_crash_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, REFUND_AFTER_CRASH, "I5");
}

static void returning_without_counting_open_holds_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, RETURN_OPEN_HOLDS, "I2");
}

static void holding_without_counting_what_is_settled_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, HOLD_IGNORES_SETTLED, "I2");
}

static void subtracting_a_repeated_return_again_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, RETURN_COUNTED_TWICE, "I4");
}

static void forgetting_cost_above_the_hold_is_found(void **state)
{
    (void)state;
    expect_found(BREACH, SETTLED_UP_TO_THE_HOLD, "I6");
}

static void dropping_open_leases_when_the_window_ends_is_found(void **state)
{
    (void)state;
    expect_found(ROLL_OVER, ROLL_DROPS_LEASES, "I5");
}

static void ignoring_what_is_lent_after_a_decrease_is_found(void **state)
{
    (void)state;
    expect_found(DECREASE, DECREASE_IGNORES_COMMITTED, "I3");
}

static void taking_the_last_report_instead_of_the_maximum_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, LAST_WRITE_WINS, "I4");
}

static void keeping_what_was_refused_is_found(void **state)
{
    (void)state;
    expect_found(NOTHING, KEEPS_WHAT_IS_REFUSED, "I8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rules_are_sound_in_every_reachable_state),
        cmocka_unit_test(they_are_sound_when_the_limit_is_lowered),
        cmocka_unit_test(they_are_sound_when_a_provider_bills_past_a_hold),
        cmocka_unit_test(they_are_sound_when_the_window_ends),
        cmocka_unit_test(reclaiming_without_a_final_report_is_found),
        cmocka_unit_test(resuming_from_a_rolled_back_journal_is_found),
        cmocka_unit_test(sending_before_it_is_durable_is_found),
        cmocka_unit_test(refunding_open_holds_after_a_crash_is_found),
        cmocka_unit_test(returning_without_counting_open_holds_is_found),
        cmocka_unit_test(holding_without_counting_what_is_settled_is_found),
        cmocka_unit_test(subtracting_a_repeated_return_again_is_found),
        cmocka_unit_test(forgetting_cost_above_the_hold_is_found),
        cmocka_unit_test(dropping_open_leases_when_the_window_ends_is_found),
        cmocka_unit_test(ignoring_what_is_lent_after_a_decrease_is_found),
        cmocka_unit_test(taking_the_last_report_instead_of_the_maximum_is_found),
        cmocka_unit_test(keeping_what_was_refused_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
