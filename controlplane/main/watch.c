/* watch.c - what other replicas change in the shared store. A question twice a second in place of
 * LISTEN: it costs one indexed row, and a lost connection or a restarted server misses nothing. */
#include "base/mem.h"
#include "controlplane/main/control_internal.h"

enum { WATCH_MS = 500 };

struct weir_control_watch {
    struct weir_control *control;
    uv_timer_t timer;
    uv_work_t work;
    bool working, closing, timer_closed;
    int64_t keys_revision;
    bool policy_changed;
    int rc;
};

static void maybe_free(struct weir_control_watch *w)
{
    if (w->timer_closed && !w->working)
        free(w);
}

static void look(uv_work_t *work)
{
    struct weir_control_watch *w = work->data;

    w->rc = weir_keys_revision(w->control->keys, &w->keys_revision);
    w->policy_changed = false;
    (void)!weir_shared_policy_sync(w->control->shared_policy, &w->policy_changed);
}

static void on_looked(uv_work_t *work, int status)
{
    struct weir_control_watch *w = work->data;

    w->working = false;
    if (w->closing) {
        maybe_free(w);
        return;
    }
    if (status)
        return;
    if (w->rc == WEIR_OK && w->keys_revision != w->control->keys_revision)
        weir_control_reload_keys(w->control);
    if (w->policy_changed) /* also when the next file failed */
        weir_policy_source_poke(w->control->source);
}

static void on_tick(uv_timer_t *t)
{
    struct weir_control_watch *w = t->data;

    if (w->working) /* the server lets us wait */
        return;
    w->working = uv_queue_work(&w->control->loop, &w->work, look, on_looked) == 0;
}

struct weir_control_watch *weir_control_watch_start(struct weir_control *c)
{
    struct weir_control_watch *w;

    if (!c->dsn)
        return NULL;
    w = WEIR_NEW(struct weir_control_watch);
    w->control = c;
    w->work.data = w->timer.data = w;
    uv_timer_init(&c->loop, &w->timer);
    uv_timer_start(&w->timer, on_tick, WATCH_MS, WATCH_MS);
    return w;
}

static void on_closed(uv_handle_t *h)
{
    struct weir_control_watch *w = h->data;

    w->timer_closed = true;
    maybe_free(w);
}

void weir_control_watch_close(struct weir_control_watch *w)
{
    if (!w)
        return;
    w->closing = true;
    uv_close((uv_handle_t *)&w->timer, on_closed);
}
