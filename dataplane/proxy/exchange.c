/* exchange.c - the life of an exchange outside of its stages: begin, abort, end. */
#include "dataplane/proxy/exchange.h"

#include <stdio.h>

#include "base/clock.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/drain.h"
#include "dataplane/proxy/relay.h"
#include "dataplane/proxy/worker.h"

void weir_exchange_begin(struct weir_worker *w, struct weir_http_req *req)
{
    struct weir_exchange *x = WEIR_ARENA_NEW(weir_http_req_arena(req), struct weir_exchange);
    uint64_t id[2] = {weir_prng_next(&w->prng), weir_prng_next(&w->prng)};

    x->worker = w;
    x->req = req;
    x->arena = weir_http_req_arena(req);
    x->started_us = weir_mono_us();
    x->started_wall_ms = weir_wall_ms();
    x->policy = w->policy ? weir_policy_ref(w->policy) : NULL;
    x->outcome = WEIR_OUTCOME_OK;
    memcpy(x->id, "req_", 4);
    weir_hex(id, sizeof id, x->id + 4);
    weir_wheel_timer_init(&x->timer, NULL);
    weir_list_init(&x->awaits_token.link);
    weir_list_push(&w->exchanges, &x->link);
    atomic_fetch_add_explicit(&w->in_flight, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->calls, 1, memory_order_relaxed);
    weir_http_req_set_user(req, x);
    weir_pipeline_run(x);
}

void weir_exchange_stop_waiting(struct weir_exchange *x)
{
    struct weir_http_call_info info;

    if (x->upstream) {
        weir_http_call_get_info(x->upstream, &info);
        x->unsent = !info.request_bytes_sent;
        /* Closed at once: a provider must not go on generating for nobody. */
        weir_http_call_cancel(x->upstream);
        x->upstream = NULL;
    }
    weir_wheel_cancel(x->worker->wheel, &x->timer);
    weir_list_remove(&x->awaits_token.link);
    weir_holder_cancel(x->worker->holder, &x->admission);
}

void weir_exchange_on_abort(struct weir_http_req *req, int rc)
{
    struct weir_exchange *x = weir_http_req_user(req);

    if (!x || x->client_gone)
        return;
    x->client_gone = true;
    if (!weir_pipeline_is_open(x))
        return;
    x->outcome = WEIR_OUTCOME_ABORTED;
    if (!x->error_code) {
        x->error_code = rc == WEIR_ECLOSED ? "client_closed" : "client_failed";
        x->error_detail = weir_rc_name(rc);
    }
    if (x->status == 0)
        x->status = 499; /* as proxies log a client that left before its answer */
    if (weir_drain_begin(x))
        return;
    weir_exchange_stop_waiting(x);
    weir_pipeline_finish(x);
}

bool weir_exchange_streams(const struct weir_exchange *x)
{
    return x->event_stream && !x->gathers;
}

const struct weir_server *weir_exchange_server(const struct weir_exchange *x,
                                               const struct weir_candidate *c)
{
    return x->endpoint.operation == WEIR_OP_GENERATE && c->dialect == WEIR_DIALECT_OPENAI_CHAT
               ? c->provider->server
               : NULL;
}

bool weir_exchange_is_fitted(const struct weir_exchange *x, const struct weir_candidate *c)
{
    struct weir_str own = c->dialect == x->endpoint.dialect ? x->body : WEIR_STR_NULL;

    return (c->entry && c->entry->refuse_count) ||
           weir_server_has_rules(weir_exchange_server(x, c), own);
}

bool weir_exchange_is_translated(const struct weir_exchange *x)
{
    return x->candidate && x->candidate->dialect != x->endpoint.dialect;
}

void weir_exchange_drop_body(struct weir_exchange *x)
{
    if (!x->answered || !x->body_sent)
        return;
    x->body = WEIR_STR_NULL;
    for (size_t d = 0; d < WEIR_DIALECT_ALL; d++)
        weir_buf_fini(&x->translations[d].rest);
    weir_http_req_drop_body(x->req);
}

void weir_exchange_on_writable(struct weir_http_req *req)
{
    struct weir_exchange *x = weir_http_req_user(req);

    if (x && weir_pipeline_is_open(x))
        weir_relay_writable(x);
}

void weir_exchange_on_done(struct weir_http_req *req)
{
    struct weir_exchange *x = weir_http_req_user(req);

    if (!x)
        return;
    weir_http_req_set_user(req, NULL);
    x->done = true;
    if (x->drains)
        return; /* it ends when the drain does */
    /* Every answer of ours is recorded before it is flushed; an abort was told before this. */
    WEIR_ASSERT(!weir_pipeline_is_open(x));
    weir_exchange_end(x);
}

void weir_exchange_end(struct weir_exchange *x)
{
    weir_list_remove(&x->link);
    atomic_fetch_sub_explicit(&x->worker->in_flight, 1, memory_order_relaxed);
}
