/* drain.c - see drain.h. */
#include "dataplane/proxy/drain.h"

#include "dataplane/proxy/exchange.h"
#include "dataplane/proxy/relay.h"
#include "dataplane/proxy/worker.h"

static void stop(struct weir_exchange *x)
{
    weir_metrics_add(x->worker->metrics, WEIR_METRIC_DRAINS_CUT, 1);
    weir_exchange_stop_waiting(x);
    weir_pipeline_finish(x);
}

static void on_too_long(struct weir_wheel_timer *t)
{
    stop(WEIR_CONTAINER(t, struct weir_exchange, timer));
}

bool weir_drain_begin(struct weir_exchange *x)
{
    struct weir_worker *w = x->worker;

    if (!x->route || x->route->drain_ms == 0 || !x->upstream || !x->body_sent || w->closing ||
        x->endpoint.operation != WEIR_OP_GENERATE)
        return false;
    if (w->drains == WEIR_DRAINS_MAX) {
        weir_metrics_add(w->metrics, WEIR_METRIC_DRAINS_REFUSED, 1);
        return false;
    }
    w->drains++;
    weir_metrics_add(w->metrics, WEIR_METRIC_DRAINS, 1);
    x->drains = true;
    weir_http_req_hold(x->req);
    weir_wheel_cancel(w->wheel, &x->timer);
    weir_wheel_timer_init(&x->timer, on_too_long);
    weir_wheel_arm(w->wheel, &x->timer, (uint64_t)x->route->drain_ms);
    if (x->slow_client)
        weir_relay_writable(x);
    return true;
}

bool weir_drain_goes_on(struct weir_exchange *x, size_t n)
{
    x->drained_bytes += (int64_t)n;
    if (x->drained_bytes <= x->route->drain_bytes)
        return true;
    stop(x);
    return false;
}

static void let_go(struct weir_exchange *x)
{
    x->worker->drains--;
    weir_exchange_end(x);
    weir_http_req_release(x->req); /* the exchange's memory is in there */
}

static void on_over(struct weir_wheel_timer *t)
{
    let_go(WEIR_CONTAINER(t, struct weir_exchange, timer));
}

void weir_drain_over(struct weir_exchange *x)
{
    weir_wheel_timer_init(&x->timer, on_over);
    weir_wheel_arm(x->worker->wheel, &x->timer, 1);
}

void weir_drain_end_all(struct weir_worker *w)
{
    WEIR_LIST_EACH (&w->exchanges, l, following) {
        struct weir_exchange *x = WEIR_CONTAINER(l, struct weir_exchange, link);

        if (!x->drains)
            continue;
        if (weir_pipeline_is_open(x))
            stop(x);
        weir_wheel_cancel(w->wheel, &x->timer);
        let_go(x);
    }
}
