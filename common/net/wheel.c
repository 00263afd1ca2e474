/* wheel.c - one ring of lists; a timer further away than the ring is long stays in its slot until
 * its round comes. */
#include "net/wheel.h"

#include "base/mem.h"

struct weir_wheel {
    uv_timer_t timer;
    uint64_t tick; /* the last one that was run */
    size_t armed;
    bool running;
    struct weir_link slots[WEIR_WHEEL_SLOTS];
};

static void on_timer(uv_timer_t *t)
{
    weir_wheel_advance(t->data, uv_now(t->loop));
}

struct weir_wheel *weir_wheel_create(uv_loop_t *loop)
{
    struct weir_wheel *w = WEIR_NEW(struct weir_wheel);

    if (uv_timer_init(loop, &w->timer) != 0) {
        free(w);
        return NULL;
    }
    w->timer.data = w;
    uv_unref((uv_handle_t *)&w->timer);
    w->tick = uv_now(loop) / WEIR_WHEEL_TICK_MS;
    for (size_t i = 0; i < WEIR_WHEEL_SLOTS; i++)
        weir_list_init(&w->slots[i]);
    return w;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void weir_wheel_destroy(struct weir_wheel *w)
{
    if (!w)
        return;
    WEIR_ASSERT(w->armed == 0);
    uv_close((uv_handle_t *)&w->timer, on_closed);
}

void weir_wheel_timer_init(struct weir_wheel_timer *t, void (*fn)(struct weir_wheel_timer *t))
{
    weir_list_init(&t->link);
    t->tick = 0;
    t->fn = fn;
}

void weir_wheel_arm(struct weir_wheel *w, struct weir_wheel_timer *t, uint64_t delay_ms)
{
    uint64_t now = uv_now(w->timer.loop);

    weir_wheel_cancel(w, t);
    if (!w->running) {
        w->running = true;
        if (w->tick < now / WEIR_WHEEL_TICK_MS)
            w->tick = now / WEIR_WHEEL_TICK_MS;
        uv_timer_start(&w->timer, on_timer, WEIR_WHEEL_TICK_MS, WEIR_WHEEL_TICK_MS);
    }
    t->tick = (now + delay_ms) / WEIR_WHEEL_TICK_MS + 1;
    if (t->tick <= w->tick) /* a test's clock ran ahead of the loop's */
        t->tick = w->tick + 1;
    weir_list_push(&w->slots[t->tick % WEIR_WHEEL_SLOTS], &t->link);
    w->armed++;
}

void weir_wheel_cancel(struct weir_wheel *w, struct weir_wheel_timer *t)
{
    if (weir_list_empty(&t->link))
        return;
    weir_list_remove(&t->link);
    w->armed--;
}

/* The due ones move to a list of their own first: fn may arm and cancel any timer, its neighbours
 * included. */
static void run_slot(struct weir_wheel *w, struct weir_link *slot)
{
    struct weir_link due, *l;

    weir_list_init(&due);
    WEIR_LIST_EACH (slot, each, following) {
        struct weir_wheel_timer *t = WEIR_CONTAINER(each, struct weir_wheel_timer, link);

        if (t->tick > w->tick)
            continue;
        weir_list_remove(each);
        weir_list_push(&due, each);
    }
    while ((l = weir_list_pop(&due))) {
        struct weir_wheel_timer *t = WEIR_CONTAINER(l, struct weir_wheel_timer, link);

        w->armed--;
        t->fn(t);
    }
}

void weir_wheel_advance(struct weir_wheel *w, uint64_t now_ms)
{
    uint64_t until = now_ms / WEIR_WHEEL_TICK_MS, steps = 0;

    /* After a long stop of the loop one round visits every slot: no need to run each missed tick.
     */
    if (until > w->tick + WEIR_WHEEL_SLOTS)
        w->tick = until - WEIR_WHEEL_SLOTS;
    while (w->tick < until && steps++ <= WEIR_WHEEL_SLOTS) {
        w->tick++;
        run_slot(w, &w->slots[w->tick % WEIR_WHEEL_SLOTS]);
    }
    if (w->armed == 0 && w->running) {
        w->running = false;
        uv_timer_stop(&w->timer);
    }
}
