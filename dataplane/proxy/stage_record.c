/* stage_record.c - one record of the call, whatever came of it: for the ledger's reader, the access
 * log, the metrics and the trace. Then the exchange lets go of what it held on to. */
#include "base/clock.h"
#include "dataplane/llm/endpoint.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/exchange.h"
#include "dataplane/proxy/worker.h"

static const char *operation_name(const struct weir_exchange *x)
{
    switch (x->endpoint.operation) {
    case WEIR_OP_GENERATE:
        return weir_dialect_call(x->endpoint.dialect);
    case WEIR_OP_COUNT_TOKENS:
        return "count_tokens";
    case WEIR_OP_MODELS:
        return "models";
    case WEIR_OP_STORED:
        return "stored_answer";
    case WEIR_OP_PASS:
        return weir_llm_endpoint_passed_name(x->endpoint.stored);
    case WEIR_OP_HELLO:
    case WEIR_OP_UNKNOWN:
        break;
    }
    return "other";
}

static int64_t since(const struct weir_exchange *x, int64_t us)
{
    return us ? us - x->started_us : 0;
}

static void fill_caller(const struct weir_exchange *x, struct weir_record *r)
{
    r->user_agent = weir_http_req_header(x->req, WEIR_STR("user-agent"));
    r->session = weir_caller_session(x);
    if (!x->agent)
        return;
    r->ns = x->agent->ns;
    r->agent = x->agent->name;
    r->key = x->key->id;
    r->organization = x->agent->organization;
    r->project = x->agent->project;
    r->team = x->agent->team;
    r->environment = x->agent->environment;
}

static void fill_attempts(const struct weir_exchange *x, struct weir_record *r,
                          struct weir_record_attempt *out)
{
    for (size_t i = 0; i < x->attempt_count; i++) {
        const struct weir_attempt *a = &x->attempts[i];

        out[i] = (struct weir_record_attempt){.provider = a->candidate->provider->name,
                                              .model = a->candidate->model,
                                              .error = weir_str_of(a->error),
                                              .status = a->status,
                                              .reused_connection = a->reused_connection,
                                              .duration_us = a->ended_us - a->started_us,
                                              .cost_nano_usd = a->cost_nano_usd};
    }
    r->attempts = out;
    r->attempt_count = x->attempt_count;
}

static void fill_holds(const struct weir_exchange *x, struct weir_record *r,
                       struct weir_record_hold *out)
{
    for (size_t i = 0; i < x->charge_count; i++) {
        const struct weir_charge *c = &x->charges[i];
        const struct weir_hold *h = &x->admission.holds[i];

        out[i] = (struct weir_record_hold){
            .budget = weir_str_of(c->budget->conf.id),
            .scope = c->scope,
            .lease = x->held ? weir_str_of(h->lease) : WEIR_STR_NULL,
            .unit = c->budget->conf.unit == WEIR_UNIT_TOKENS     ? "tokens"
                    : c->budget->conf.unit == WEIR_UNIT_REQUESTS ? "requests"
                                                                 : NULL,
            .held = c->held,
            .settled = x->held ? h->settled : 0,
            .refused = x->refused == c};
    }
    r->holds = out;
    r->hold_count = x->charge_count;
}

static void add_tokens(int64_t *sum, int64_t n)
{
    if (n >= 0)
        *sum = (*sum > 0 ? *sum : 0) + n;
}

static void add_usage(struct weir_record_usage *sum, const struct weir_usage *u)
{
    add_tokens(&sum->input_tokens, u->input);
    add_tokens(&sum->output_tokens, u->output);
    add_tokens(&sum->cache_read_tokens, u->cache_read);
    add_tokens(&sum->cache_write_tokens, u->cache_write);
    add_tokens(&sum->cache_write_1h_tokens, u->cache_write_1h);
    add_tokens(&sum->reasoning_tokens, u->reasoning);
    sum->estimated = sum->estimated || u->estimated;
}

static void add_cost_part(struct weir_record *r, const struct weir_cost_part *p)
{
    for (size_t i = 0; i < r->cost_part_count; i++) {
        struct weir_record_cost_part *have = &r->cost_parts[i];

        if (have->price == p->rate && strcmp(have->kind, p->kind) == 0) {
            have->tokens += p->tokens;
            return;
        }
    }
    if (r->cost_part_count < WEIR_RECORD_MAX_COST_PARTS)
        r->cost_parts[r->cost_part_count++] =
            (struct weir_record_cost_part){p->kind, p->tokens, p->rate};
}

/* What passed is priced by the call; else by the usage that an answer told. */
static bool is_flat(const struct weir_exchange *x)
{
    return x->endpoint.operation == WEIR_OP_PASS && x->candidate &&
           x->candidate->flat_nano_usd >= 0;
}

/* Usage and cost of all attempts that somebody bills. */
static void fill_cost(const struct weir_exchange *x, struct weir_record *r)
{
    const struct weir_price *price = x->candidate ? x->candidate->price : NULL;
    struct weir_cost cost;

    r->cost_nano_usd = x->cost_nano_usd;
    if (!x->sent ||
        (x->endpoint.operation != WEIR_OP_GENERATE && x->endpoint.operation != WEIR_OP_PASS))
        return;
    add_usage(&r->usage, &(struct weir_usage){0, 0, -1, -1, -1, -1, -1, -1, -1, false});
    for (size_t i = 0; i < x->attempt_count; i++) {
        const struct weir_attempt *a = &x->attempts[i];

        if (!a->billed)
            continue;
        add_usage(&r->usage, &a->usage);
        if (is_flat(x))
            add_cost_part(r, &(struct weir_cost_part){"request", 1, a->cost_nano_usd});
        if (is_flat(x) || !a->candidate->price)
            continue;
        price = a->candidate->price;
        weir_price_cost(price, &a->usage, &cost);
        for (size_t k = 0; k < cost.part_count; k++)
            add_cost_part(r, &cost.parts[k]);
    }
    r->price_source = is_flat(x) && !price        ? "policy"
                      : !price                    ? "unknown"
                      : weir_price_builtin(price) ? "builtin"
                                                  : "policy";
}

/* A run's calls are one trace even when the harness passes no context: then the call is its own. */
static void fill_trace(struct weir_exchange *x, struct weir_record *r)
{
    struct weir_traceparent *t = WEIR_ARENA_NEW(x->arena, struct weir_traceparent);
    char *span = weir_arena_alloc(x->arena, 17);
    uint64_t random[2] = {weir_prng_next(&x->worker->prng), weir_prng_next(&x->worker->prng)};

    if (weir_traceparent_parse(weir_http_req_header(x->req, WEIR_STR("traceparent")), t) == WEIR_OK)
        r->parent_span_id = weir_str_of(t->span_id);
    else
        weir_hex(random, sizeof random, t->trace_id);
    if (x->span_id[0]) {
        memcpy(span, x->span_id, sizeof x->span_id);
    } else {
        random[0] = weir_prng_next(&x->worker->prng);
        weir_hex(random, 8, span);
    }
    r->trace_id = weir_str_of(t->trace_id);
    r->span_id = (struct weir_str){span, 16};
}

static void fill_answer(const struct weir_exchange *x, struct weir_record *r)
{
    const struct weir_llm_seen *seen = x->tap ? weir_llm_tap_seen(x->tap) : NULL;

    r->status = x->status;
    r->outcome = x->outcome;
    r->error_code = weir_str_of(x->error_code);
    r->error_detail = weir_str_of(x->error_detail);
    r->response_bytes = (int64_t)x->response_bytes;
    if (!seen)
        return;
    r->served_model = seen->model;
    r->finish_reason = seen->finish;
    r->chunks = (int64_t)seen->events;
    if (!r->error_detail.n && seen->error)
        r->error_detail = seen->error_type;
}

static void fill_call(const struct weir_exchange *x, struct weir_record *r)
{
    int64_t now = weir_mono_us();

    r->request_id = weir_str_of(x->id);
    r->started_ms = x->started_wall_ms;
    r->duration_us = now - x->started_us;
    r->first_byte_us = since(x, x->first_byte_us);
    r->first_token_us = since(x, x->first_token_us);
    r->gateway_us = r->duration_us;
    if (x->attempt_count) /* before the first attempt and after the last one */
        r->gateway_us -= x->attempts[x->attempt_count - 1].ended_us - x->attempts[0].started_us;
    r->operation = operation_name(x);
    r->dialect = weir_dialect_name(x->endpoint.dialect);
    r->requested_model = x->call.model;
    r->stream = x->call.stream && !x->gathers;
    r->cached = x->from_cache;
    r->request_bytes = x->request_bytes;
    if (x->route)
        r->route = x->route->name;
    if (x->candidate)
        r->provider = x->candidate->provider->name;
    if (x->from_cache)
        r->provider = x->cached_from;
    if (x->policy)
        r->policy_revision = weir_policy_revision(x->policy);
}

/* Asking who is there, or for the list of models, is no call; being refused is worth a record. */
static bool is_call(const struct weir_exchange *x)
{
    return x->outcome != WEIR_OUTCOME_OK ||
           (x->endpoint.operation != WEIR_OP_HELLO && x->endpoint.operation != WEIR_OP_MODELS);
}

enum weir_verdict weir_stage_record(struct weir_exchange *x)
{
    struct weir_record_attempt attempts[WEIR_MAX_ATTEMPTS];
    struct weir_record_hold holds[WEIR_ADMIT_PARTS_MAX];
    struct weir_record r;

    if (is_call(x)) {
        weir_record_init(&r);
        fill_call(x, &r);
        fill_caller(x, &r);
        fill_trace(x, &r);
        fill_answer(x, &r);
        fill_cost(x, &r);
        fill_attempts(x, &r, attempts);
        fill_holds(x, &r, holds);
        weir_recorder_add(x->worker->recorder, &r);
        weir_worker_observe(x->worker, x, &r);
    }
    weir_worker_leave(x->worker, x);
    weir_buf_fini(&x->held_back);
    weir_buf_fini(&x->kept);
    weir_policy_unref(x->policy);
    x->policy = NULL;
    return WEIR_V_CONTINUE;
}
