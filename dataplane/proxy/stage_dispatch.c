/* stage_dispatch.c - attempt, retry, next target.
 *
 *   next -> started -> answered with a head that counts -> relay
 *     ^        |
 *     +--------+ failed, or a status worth another try, while the client has had nothing
 *
 * Another target is tried at once; the same one again after a pause, doubled each time, with
 * jitter; one that asked for a pause when that is over, if it is short. When nothing is left, the
 * last provider's own answer passes unchanged, or a 502 names the cause. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/hash.h"
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/choice.h"
#include "dataplane/proxy/judge.h"
#include "dataplane/proxy/options.h"
#include "dataplane/proxy/relay.h"
#include "dataplane/proxy/shortage.h"
#include "dataplane/proxy/worker.h"

enum { LONGEST_PAUSE_MS = 10000 };

int64_t weir_mono_us(void)
{
    return weir_mono_ns() / 1000;
}

/* Who has kept an answer is found by asking one after the other. */
static size_t most_attempts(const struct weir_exchange *x)
{
    size_t most = (size_t)(x->route->attempts > 0 ? x->route->attempts : 1);

    return x->endpoint.operation == WEIR_OP_STORED && most < x->candidate_count ? x->candidate_count
                                                                                : most;
}

static bool may_try_again(const struct weir_exchange *x)
{
    size_t counted = x->attempt_count - x->stale_count;

    return x->attempt_count < WEIR_MAX_ATTEMPTS && counted < most_attempts(x) && !x->client_gone &&
           (counted == 0 || weir_choice_may_fall_back(x));
}

static void send_now(struct weir_exchange *x);

static void on_no_token(struct weir_wheel_timer *t)
{
    struct weir_exchange *x = WEIR_CONTAINER(t, struct weir_exchange, timer);

    weir_list_remove(&x->awaits_token.link);
    weir_attempt_open(x);
    weir_attempt_failed(x, "credential", x->token_problem, false);
}

static void on_token(struct weir_tokens_waiter *w)
{
    struct weir_exchange *x = WEIR_CONTAINER(w, struct weir_exchange, awaits_token);

    weir_wheel_cancel(x->worker->wheel, &x->timer);
    send_now(x);
}

/* A target whose credential is not there fails like one that can't be reached, never from inside
 * the stage that started it. False: the call waits. */
static bool has_token(struct weir_exchange *x)
{
    const struct weir_policy_provider *p = x->candidate->provider;
    int64_t bound_ms =
        x->route->timeouts.connect_ms > 0 ? x->route->timeouts.connect_ms : p->timeouts.connect_ms;
    const char *why;
    int rc;

    x->token = NULL;
    if (!p->source)
        return true;
    weir_list_init(&x->awaits_token.link);
    x->awaits_token.fn = on_token;
    rc = weir_tokens_get(x->worker->tokens, p->source, weir_wall_ms(), &x->awaits_token, &x->token,
                         &why);
    if (rc == WEIR_OK)
        return true;
    x->token_problem = rc == WEIR_EWAIT ? "its credential has not come in time"
                                        : weir_arena_strdup(x->arena, weir_str_of(why));
    weir_wheel_timer_init(&x->timer, on_no_token);
    weir_wheel_arm(x->worker->wheel, &x->timer, rc == WEIR_EWAIT ? (uint64_t)bound_ms : 1);
    return false;
}

static void send_now(struct weir_exchange *x)
{
    struct weir_http_call_spec spec;
    int rc;

    if (!has_token(x))
        return;
    weir_attempt_open(x);
    x->body_sent = false;
    if (x->candidate->provider->echo) {
        weir_pipeline_resume(x);
        return;
    }
    weir_attempt_request(x, x->candidate, &spec);
    rc = weir_http_call_start(x->worker->client, x->candidate->provider->origin, &spec,
                              &weir_attempt_events, x, &x->upstream);
    x->token = NULL;
    if (rc == WEIR_OK)
        return;
    x->upstream = NULL;
    weir_attempt_close(x, "invalid", false);
    weir_answer_error(x,
                      &(struct weir_err){.rc = rc,
                                         .http_status = 400,
                                         .code = "invalid_request",
                                         .detail = "A header of this request can't be sent on."});
    weir_pipeline_finish(x);
}

/* ---- a place at a provider that takes so many calls at once ---- */

/* Its places are shared out among the workers. */
static int64_t places_here(const struct weir_exchange *x)
{
    int64_t all = x->candidate->provider->max_concurrency;
    int64_t workers = x->worker->options->workers;
    int64_t mine = all / workers + (x->worker->index < all % workers);

    return mine > 0 ? mine : 1;
}

static void give_up_waiting(struct weir_exchange *x, const char *cause)
{
    weir_turns_leave(x->worker->turns, &x->turn);
    weir_attempt_open(x);
    weir_attempt_failed(x, WEIR_PROVIDER_BUSY, cause, false);
}

static void on_waited_too_long(struct weir_wheel_timer *t)
{
    struct weir_exchange *x = WEIR_CONTAINER(t, struct weir_exchange, timer);

    give_up_waiting(x, weir_arena_printf(x->arena,
                                         "all %" PRId64 " places there (spec.maxConcurrency) are "
                                         "taken and none became free in %" PRId64 " ms",
                                         x->candidate->provider->max_concurrency,
                                         x->candidate->provider->timeouts.connect_ms));
}

static void on_turn(struct weir_turn *turn)
{
    struct weir_exchange *x = WEIR_CONTAINER(turn, struct weir_exchange, turn);

    weir_wheel_cancel(x->worker->wheel, &x->timer);
    send_now(x);
}

static void send_attempt(struct weir_exchange *x)
{
    const struct weir_policy_provider *p = x->candidate->provider;
    int rc = p->max_concurrency == 0
                 ? WEIR_OK
                 : weir_turns_take(x->worker->turns, weir_hash64(p->id, 0), places_here(x),
                                   weir_hash64(x->agent->name, weir_hash64(x->agent->ns, 0)),
                                   &x->turn, on_turn);

    if (rc == WEIR_OK) {
        send_now(x);
    } else if (rc == WEIR_EWAIT) {
        weir_wheel_timer_init(&x->timer, on_waited_too_long);
        weir_wheel_arm(x->worker->wheel, &x->timer, (uint64_t)p->timeouts.connect_ms);
    } else {
        give_up_waiting(x, "too many calls wait for a place there");
    }
}

/* ---- beginning an attempt ---- */

static void on_held_again(void *arg, int rc, const struct weir_admit_failure *failure)
{
    struct weir_exchange *x = arg;

    if (rc == WEIR_OK) {
        send_attempt(x);
        return;
    }
    weir_answer_shortage(x, failure);
    weir_pipeline_finish(x);
}

/* Every attempt is held in full beside what the ones before it may have cost. */
static void start(struct weir_exchange *x)
{
    int64_t more[WEIR_ADMIT_PARTS_MAX];
    struct weir_admit_failure failure;
    int rc;

    if (!x->held || !weir_charges_lack(x, more)) {
        send_attempt(x);
        return;
    }
    rc = weir_holder_extend(x->worker->holder, weir_worker_now_ms(x->worker), &x->admission, more,
                            on_held_again, x, &failure);
    if (rc == WEIR_EINVAL)
        failure = (struct weir_admit_failure){.why = WEIR_REFUSED_EXHAUSTED, .resets_in_ms = -1};
    if (rc != WEIR_EWAIT)
        on_held_again(x, rc, &failure);
}

static void on_pause_over(struct weir_wheel_timer *t)
{
    start(WEIR_CONTAINER(t, struct weir_exchange, timer));
}

static uint64_t pause_ms(struct weir_exchange *x)
{
    unsigned again = x->candidate->tries;
    int64_t most = x->route->backoff_ms;

    for (unsigned i = 1; i < again && most < LONGEST_PAUSE_MS; i++)
        most *= 2;
    if (again == 0 || most <= 0)
        return 0;
    if (most > LONGEST_PAUSE_MS)
        most = LONGEST_PAUSE_MS;
    return (uint64_t)most / 2 + weir_prng_below(&x->worker->prng, (uint64_t)most / 2 + 1);
}

/* Calls that wait for the same target must not all come back at once. */
static uint64_t cooling_ms(struct weir_exchange *x, int64_t wait)
{
    return wait > 0 ? (uint64_t)wait + weir_prng_below(&x->worker->prng, (uint64_t)wait / 8 + 1)
                    : 0;
}

int weir_attempt_next(struct weir_exchange *x)
{
    struct weir_candidate *next;
    uint64_t pause, cooling;
    int64_t wait;

    if (!may_try_again(x))
        return WEIR_ENOTFOUND;
    next = weir_choice_next(x, &wait);
    if (!next)
        return WEIR_ENOTFOUND;
    x->candidate = next;
    pause = pause_ms(x);
    cooling = cooling_ms(x, wait);
    if (pause < cooling)
        pause = cooling;
    if (pause) {
        weir_wheel_timer_init(&x->timer, on_pause_over);
        weir_wheel_arm(x->worker->wheel, &x->timer, pause);
    } else {
        start(x);
    }
    return WEIR_EWAIT;
}

static void answer_failure(struct weir_exchange *x, const char *error, const char *cause)
{
    bool late = strcmp(error, "timeout") == 0, busy = strcmp(error, WEIR_PROVIDER_BUSY) == 0;
    bool full = busy || strcmp(error, WEIR_CONNECTIONS_FULL) == 0;
    const char *detail =
        weir_arena_printf(x->arena, "No provider answered: %.*s: %s (%zu %s).",
                          WEIR_STR_ARG(x->candidate->provider->name), cause, x->attempt_count,
                          x->attempt_count == 1 ? "attempt" : "attempts");

    x->outcome = WEIR_OUTCOME_FAILED;
    weir_answer_error(x, &(struct weir_err){.rc = WEIR_ECONNECT,
                                            .http_status = full   ? 503
                                                           : late ? 504
                                                                  : 502,
                                            .code = full   ? error
                                                    : late ? "provider_timeout"
                                                           : "provider_failed",
                                            .detail = detail});
}

void weir_attempt_failed(struct weir_exchange *x, const char *error, const char *cause,
                         bool billable)
{
    if (x->upstream) {
        weir_http_call_cancel(x->upstream);
        x->upstream = NULL;
    }
    weir_wheel_cancel(x->worker->wheel, &x->timer);
    weir_attempt_close(x, error, billable);
    weir_relay_forget(x);
    weir_pipeline_back_to_dispatch(x);
    if (weir_attempt_next(x) == WEIR_EWAIT)
        return;
    answer_failure(x, error, cause);
    weir_pipeline_finish(x);
}

/* ---- events of the upstream call, in the order in which they come ---- */

static bool worth_another_try(struct weir_exchange *x, int status)
{
    if (status == 404 && x->endpoint.operation == WEIR_OP_STORED) {
        const struct weir_candidate *other = weir_choice_next(x, &(int64_t){0});

        return other && other->tries == 0; /* another provider may know the answer */
    }
    return status == 408 || status == 429 || status >= 500 ||
           weir_judge_is_key_refused(x->candidate, status);
}

static bool is_encoded(const struct weir_http_call_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (weir_str_ieq(head->headers[i].name, WEIR_STR("content-encoding")) &&
            head->headers[i].value.n && !weir_str_ieq(head->headers[i].value, WEIR_STR("identity")))
            return true;
    return false;
}

static void on_sent(void *arg)
{
    struct weir_exchange *x = arg;

    x->body_sent = true;
    weir_exchange_drop_body(x); /* an answer may begin before its request has ended */
}

static void on_head(void *arg, const struct weir_http_call_head *head)
{
    struct weir_exchange *x = arg;
    struct weir_attempt *a = &x->attempts[x->attempt_count - 1];
    struct weir_http_call_info info;
    int64_t now = weir_mono_us(), wait;

    weir_http_call_get_info(x->upstream, &info);
    a->status = head->status;
    a->reused_connection = info.reused_connection;
    if (x->first_byte_us == 0)
        x->first_byte_us = now;
    weir_judge_head(x, a, head);
    if (worth_another_try(x, head->status) && may_try_again(x) && weir_choice_next(x, &wait)) {
        weir_attempt_failed(x, "http", weir_arena_printf(x->arena, "status %d", head->status),
                            false);
        return;
    }
    if (x->endpoint.operation == WEIR_OP_GENERATE && head->status < 300 && is_encoded(head)) {
        /* Nobody asked for it (see attempt_request.c), and what can't be read can't be counted. */
        weir_attempt_failed(x, "encoded", "it compressed its answer, unasked", true);
        return;
    }
    x->response = head;
    weir_pipeline_resume(x);
    x->response = NULL;
}

static void on_body(void *arg, const char *p, size_t n)
{
    weir_relay_body(arg, p, n);
}

static void on_end(void *arg, const struct weir_http_call_info *info)
{
    struct weir_exchange *x = arg;

    (void)info;
    x->upstream = NULL;
    weir_relay_end(x);
}

static void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    struct weir_exchange *x = arg;
    struct weir_attempt *a = &x->attempts[x->attempt_count - 1];
    bool stale;

    x->upstream = NULL;
    a->reused_connection = info->reused_connection;
    if (x->relaying) {
        weir_relay_error(x, rc, info->cause);
        return;
    }
    if (info->phase == WEIR_HTTP_PHASE_QUEUE) {
        weir_attempt_failed(
            x, WEIR_CONNECTIONS_FULL,
            weir_arena_printf(x->arena,
                              "all %lld connections to it are in use and none became free in "
                              "time; its spec.maxConnections raises that",
                              (long long)x->candidate->provider->max_connections),
            false);
        return;
    }
    stale = rc == WEIR_ECLOSED && info->reused_connection && !info->any_response_byte;
    if (stale) {
        /* The provider closed a kept connection as it was used: others may be as old. The same
         * target is tried again at once. */
        weir_http_client_drop_idle(x->worker->client);
        x->candidate->tries--;
        x->stale_count++;
        a->stale = true;
    }
    /* What never left can't be billed; what did may be, and a hard budget must not guess low. */
    weir_attempt_failed(x, weir_rc_name(rc), info->cause,
                        info->phase >= WEIR_HTTP_PHASE_FIRST_BYTE && !stale);
}

const struct weir_http_call_events weir_attempt_events = {.on_sent = on_sent,
                                                          .on_head = on_head,
                                                          .on_body = on_body,
                                                          .on_end = on_end,
                                                          .on_error = on_error};

/* All of them asked to be left alone for longer than a call should wait. */
static enum weir_verdict answer_cooling(struct weir_exchange *x)
{
    int64_t s = (weir_choice_nearest_ms(x) + 999) / 1000;

    weir_metrics_add(x->worker->metrics, WEIR_METRIC_COOLING_REFUSED, 1);
    return weir_answer_error(
        x, &(struct weir_err){
               .rc = WEIR_EAGAIN,
               .http_status = 429,
               .retryable = true,
               .code = "provider_rate_limited",
               .retry_after_s = s,
               .detail = weir_arena_printf(
                   x->arena,
                   "Every provider that may serve this call has asked for a pause, the first until "
                   "%lld s from now.",
                   (long long)s)});
}

enum weir_verdict weir_stage_dispatch(struct weir_exchange *x)
{
    int64_t wait;
    struct weir_candidate *first = weir_choice_next(x, &wait);

    if (!first)
        return answer_cooling(x);
    x->candidate = first;
    if (first->provider->echo) {
        weir_attempt_open(x);
        return WEIR_V_CONTINUE;
    }
    if (weir_attempt_next(x) == WEIR_EWAIT)
        return WEIR_V_WAIT;
    answer_failure(x, "attempts", "no attempt is allowed");
    return WEIR_V_DONE;
}
