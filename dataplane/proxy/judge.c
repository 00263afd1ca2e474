/* judge.c - see judge.h. */
#include "dataplane/proxy/judge.h"

#include "base/clock.h"
#include "base/log.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/pushback.h"
#include "dataplane/proxy/worker.h"

/* After a 429 that doesn't say for how long. */
enum { UNTOLD_PAUSE_MS = 1000 };

uint64_t weir_judge_key(const struct weir_exchange *x, const struct weir_candidate *c)
{
    struct weir_str credential = c->provider->secret;

    if (c->provider->passthrough) {
        credential = weir_http_req_header(x->req, WEIR_STR("authorization"));
        if (!credential.n || weir_str_ends(credential, x->credential))
            credential = weir_http_req_header(x->req, WEIR_STR("x-api-key"));
    }
    return weir_targets_key(x->worker->targets, c->provider->id, c->model, credential);
}

const struct weir_health *weir_judge_health(const struct weir_exchange *x,
                                            const struct weir_candidate *c)
{
    return weir_targets_find(x->worker->targets, c->health_key);
}

void weir_judge_begin(struct weir_exchange *x, struct weir_attempt *a)
{
    if (a->candidate->provider->echo)
        return;
    a->health = weir_targets_get(x->worker->targets, a->candidate->health_key);
    a->probe = weir_health_begin(a->health, weir_worker_now_ms(x->worker));
}

static void tell(const struct weir_attempt *a, enum weir_log_level level, const char *what)
{
    WEIR_LOG(level, "routing", "%.*s %s (model %.*s)", WEIR_STR_ARG(a->candidate->provider->id),
             what, WEIR_STR_ARG(a->candidate->model));
}

static void cool(struct weir_exchange *x, struct weir_attempt *a, int64_t for_ms, int64_t now)
{
    if (!weir_health_cool(a->health, &a->candidate->provider->health, for_ms, now))
        return;
    weir_metrics_add(x->worker->metrics, WEIR_METRIC_COOLDOWNS, 1);
    tell(a, WEIR_LOG_INFO, "asked not to be called for a while");
}

static void answered(struct weir_exchange *x, struct weir_attempt *a, int64_t now)
{
    if (a->judged)
        return;
    a->judged = true;
    if (weir_health_answered(a->health, &a->candidate->provider->health, now))
        tell(a, WEIR_LOG_INFO, "answers again; its circuit is closed");
    if (a->status < 300)
        weir_health_first_byte(a->health, x->call.stream, weir_mono_us() - a->started_us, now);
}

static void failed(struct weir_exchange *x, struct weir_attempt *a, int64_t now)
{
    if (!weir_health_failed(a->health, &a->candidate->provider->health, now))
        return;
    weir_metrics_add(x->worker->metrics, WEIR_METRIC_CIRCUITS_OPENED, 1);
    tell(a, WEIR_LOG_WARN, "fails; its circuit is open");
}

bool weir_judge_is_key_refused(const struct weir_candidate *c, int status)
{
    return c->provider->key_count > 1 && (status == 401 || status == 403);
}

static bool is_of_target(const struct weir_candidate *c, int status)
{
    return (status >= 500 && status != 501 && status != 505) ||
           weir_judge_is_key_refused(c, status);
}

void weir_judge_head(struct weir_exchange *x, struct weir_attempt *a,
                     const struct weir_http_call_head *head)
{
    const struct weir_health_rules *rules = &a->candidate->provider->health;
    int64_t now = weir_worker_now_ms(x->worker), pause;
    struct weir_pushback said;

    if (!a->health)
        return;
    said = weir_pushback_read(head->headers, head->header_count, weir_wall_ms());
    if (said.spent_ms >= 0)
        weir_health_spend(a->health, rules, said.spent_ms, now);
    if (head->status == 429) {
        pause = said.retry_ms >= 0 ? said.retry_ms
                : said.spent_ms    ? said.spent_ms
                                   : UNTOLD_PAUSE_MS;
        cool(x, a, pause, now);
    } else if (is_of_target(a->candidate, head->status) && said.retry_ms > 0) {
        cool(x, a, said.retry_ms, now);
    }
    /* A stream's head may come from a server that can't generate: its content decides. */
    if (!is_of_target(a->candidate, head->status) && !(head->status < 300 && x->call.stream))
        answered(x, a, now);
}

void weir_judge_content(struct weir_exchange *x, struct weir_attempt *a)
{
    if (a->health)
        answered(x, a, weir_worker_now_ms(x->worker));
}

/* Errors that are not the target's: the names are those of weir_attempt_close's callers. */
static bool is_own(const struct weir_attempt *a)
{
    static const struct weir_str own[] = {WEIR_STR_INIT("cancelled"),
                                          WEIR_STR_INIT("cut"),
                                          WEIR_STR_INIT("invalid"),
                                          WEIR_STR_INIT("encoded"),
                                          WEIR_STR_INIT(WEIR_CONNECTIONS_FULL),
                                          WEIR_STR_INIT(WEIR_PROVIDER_BUSY)};

    return a->stale || weir_str_iany(weir_str_of(a->error), own, sizeof own / sizeof *own);
}

void weir_judge_end(struct weir_exchange *x, struct weir_attempt *a)
{
    int64_t now = weir_worker_now_ms(x->worker);

    if (!a->health)
        return;
    if (!a->error)
        answered(x, a, now);
    else if (!is_own(a) && (a->status < 300 || is_of_target(a->candidate, a->status)))
        failed(x, a, now);
    weir_health_end(a->health, a->probe);
    a->health = NULL;
}
