#include "small.h"

#include <string.h>

/* ---- between the packed state and the rules ---- */

struct weir_lease_held small_held_of(const struct small_lease *s)
{
    return (struct weir_lease_held){.granted = s->l_granted,
                                    .returned = s->l_returned,
                                    .settled = s->l_settled,
                                    .held = s->l_held,
                                    .ended = s->l_ended,
                                    .final = s->l_final};
}

void small_put_held(struct small_lease *s, const struct weir_lease_held *l)
{
    s->l_granted = (int8_t)l->granted;
    s->l_returned = (int8_t)l->returned;
    s->l_settled = (int8_t)l->settled;
    s->l_held = (int8_t)l->held;
    s->l_ended = l->ended;
    s->l_final = l->final;
}

struct weir_lease_row small_row_of(const struct small_lease *s)
{
    return (struct weir_lease_row){
        .granted = s->granted, .returned = s->returned, .settled = s->settled, .closed = s->closed};
}

void small_put_row(struct small *w, struct small_lease *s, const struct weir_lease_row *r,
                   const struct weir_ledger_window *win)
{
    s->granted = (int8_t)r->granted;
    s->returned = (int8_t)r->returned;
    s->settled = (int8_t)r->settled;
    s->closed = r->closed;
    w->closed_settled[s->window] = (int8_t)win->closed_settled;
    w->committed[s->window] = (int8_t)win->committed;
}

struct weir_ledger_window small_window_of(const struct small *w, int window)
{
    return (struct weir_ledger_window){.limit = w->limit,
                                       .closed_settled = w->closed_settled[window],
                                       .committed = w->committed[window]};
}

void small_durable(struct small *w)
{
    for (int i = 0; i < LEASES; i++) {
        w->d_granted[i] = w->lease[i].granted;
        w->d_owner[i] = w->lease[i].owner;
    }
    memcpy(w->d_committed, w->committed, sizeof w->committed);
}

void small_post(struct small *w, struct small_message m)
{
    for (int i = 0; i < MESSAGES; i++)
        if (memcmp(&w->messages[i], &m, sizeof m) == 0)
            return; /* on its way already; delivery may repeat it */
    memmove(&w->messages[1], &w->messages[0], sizeof m * (MESSAGES - 1)); /* the oldest is lost */
    w->messages[0] = m;
}

void small_post_report(struct small *w, int i)
{
    const struct small_lease *s = &w->lease[i];

    small_post(w, (struct small_message){.kind = 2,
                                         .lease = (int8_t)i,
                                         .a = s->l_returned,
                                         .b = s->l_settled,
                                         .final = s->l_final});
}

/* ---- invariants ---- */

static const char *check_lease(const struct small_lease *s)
{
    bool alive = s->known && !s->l_final;

    if (alive && s->l_settled + s->l_held > s->l_granted - s->l_returned + s->over)
        return "I2: more settled and held than granted";
    if (s->closed && s->settled < s->truth)
        return "I5: closed below its true usage";
    if (alive && s->l_settled != s->book)
        return "I6: settled is not what was recorded";
    return NULL;
}

static const char *check_window(const struct small *w, int window)
{
    int used = 0, committed = 0, over = 0;

    for (int i = 0; i < LEASES; i++) {
        const struct small_lease *s = &w->lease[i];
        struct weir_lease_row row = small_row_of(s);

        if (s->window != window)
            continue;
        used += s->truth + (s->known && !s->l_final ? s->l_held : 0);
        committed += s->closed ? 0 : (int)weir_lease_commitment(&row);
        over += s->over;
    }
    if (used > w->cap[window] + over)
        return "I1: spent and held beyond the limit";
    if (w->closed_settled[window] + w->committed[window] > w->cap[window] + over ||
        committed != w->committed[window])
        return "I3: the ledger lent beyond the limit";
    return NULL;
}

const char *small_check(const struct small *w)
{
    const char *problem = NULL;

    for (int i = 0; i < LEASES && !problem; i++)
        problem = check_lease(&w->lease[i]);
    for (int i = 0; i < WINDOWS && !problem; i++)
        problem = check_window(w, i);
    return problem;
}
