/* wheel.h - coarse deadlines by the thousand: a timing wheel of WEIR_WHEEL_TICK_MS over one
 * uv_timer, with O(1) arm and cancel and no allocation. One loop's thread only.
 *
 * A timer lives inside its owner and never fires early; it may fire up to two ticks late. */
#ifndef WEIR_NET_WHEEL_H
#define WEIR_NET_WHEEL_H

#include <uv.h>

#include "base/list.h"

enum { WEIR_WHEEL_TICK_MS = 50, WEIR_WHEEL_SLOTS = 512 };

struct weir_wheel; /* opaque; the caller owns it */

struct weir_wheel_timer {
    struct weir_link link;
    uint64_t tick; /* when it is due */
    void (*fn)(struct weir_wheel_timer *t);
};

/* NULL: the loop refused a timer. The timer is unreferenced: it alone doesn't keep the loop alive.
 */
struct weir_wheel *weir_wheel_create(uv_loop_t *loop);
/* After all timers are cancelled. Frees itself in a later iteration of the loop. NULL is fine. */
void weir_wheel_destroy(struct weir_wheel *w);

void weir_wheel_timer_init(struct weir_wheel_timer *t, void (*fn)(struct weir_wheel_timer *t));

/* Arms, or arms anew. When it fires it is disarmed first, so fn may arm it again or free its owner.
 */
void weir_wheel_arm(struct weir_wheel *w, struct weir_wheel_timer *t, uint64_t delay_ms);
void weir_wheel_cancel(struct weir_wheel *w, struct weir_wheel_timer *t); /* fine if not armed */

static inline bool weir_wheel_armed(const struct weir_wheel_timer *t)
{
    return !weir_list_empty(&t->link);
}

/* What the uv_timer calls; for tests with a clock of their own. now_ms may not go back. */
void weir_wheel_advance(struct weir_wheel *w, uint64_t now_ms);

#endif
