/* stage_relay.c - the answer on its way to the client.
 *
 *   begin -> body ... -> end            upstream's events; or the echo provider's, made here
 *
 * An event stream is passed on in whole events as they come. Until the first content has passed,
 * what came is held back, so that a provider that fails early can be replaced without a trace; from
 * then on a failure ends the stream with the dialect's error event. Any other answer up to 256 KiB
 * is sent in one piece when it is complete, with its cost in a header. The upstream is paused while
 * the client is slow or an extension of the holds is awaited. */
#include "dataplane/proxy/relay.h"

#include "base/clock.h"
#include "base/mem.h"
#include "dataplane/llm/gemini_array.h"
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/attempt.h"
#include "dataplane/proxy/charge.h"
#include "dataplane/proxy/drain.h"
#include "dataplane/proxy/judge.h"
#include "dataplane/proxy/options.h"
#include "dataplane/proxy/shortage.h"
#include "dataplane/proxy/worker.h"

/* A client that sees nothing for longer may take the gateway for dead. */
enum { LONGEST_HOLD_BACK_MS = 1000, MAX_TAIL_BYTES = 8 << 20, MAX_DOCUMENT_BYTES = 64 << 20 };

/* ---- to the client ---- */

static bool is_hop_by_hop(struct weir_str name)
{
    static const struct weir_str names[] = {WEIR_STR_INIT("connection"),
                                            WEIR_STR_INIT("transfer-encoding"),
                                            WEIR_STR_INIT("content-length"),
                                            WEIR_STR_INIT("keep-alive"),
                                            WEIR_STR_INIT("date"),
                                            WEIR_STR_INIT("trailer"),
                                            WEIR_STR_INIT("upgrade"),
                                            WEIR_STR_INIT("proxy-connection"),
                                            WEIR_STR_INIT("set-cookie"),
                                            WEIR_STR_INIT("te"),
                                            WEIR_STR_INIT("proxy-authenticate")};

    if (weir_str_iany(name, names, sizeof names / sizeof *names))
        return true;
    return name.n >= 7 && weir_str_ieq((struct weir_str){name.p, 7}, WEIR_STR("x-weir-"));
}

static struct weir_str kept_value(struct weir_exchange *x, const struct weir_http_header *h)
{
    if ((x->gathers || x->wants_array) && x->event_stream &&
        weir_str_ieq(h->name, WEIR_STR("content-type")))
        return WEIR_STR("application/json");
    return weir_arena_copy(x->arena, h->value);
}

static void keep_head(struct weir_exchange *x, const struct weir_http_call_head *head)
{
    struct weir_http_hop hop = weir_http_hop_of(head->headers, head->header_count);

    x->head =
        weir_arena_alloc(x->arena, (head->header_count + WEIR_ANSWER_HEADERS) * sizeof *x->head);
    x->head_count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        if (!is_hop_by_hop(head->headers[i].name) &&
            !weir_http_is_for_hop(hop, head->headers[i].name))
            x->head[x->head_count++] = (struct weir_http_header){
                weir_arena_copy(x->arena, head->headers[i].name), kept_value(x, &head->headers[i])};
}

static struct weir_http_header content_type(const struct weir_exchange *x)
{
    return (struct weir_http_header){WEIR_STR("content-type"),
                                     weir_exchange_streams(x) && !x->wants_array
                                         ? weir_dialect_stream_type(x->endpoint.dialect)
                                         : WEIR_STR("application/json")};
}

/* Of a translated answer the provider's headers say nothing to the client but when to come back. */
static void make_head(struct weir_exchange *x, const struct weir_http_call_head *head)
{
    const char *error =
        x->status >= 400 ? weir_llm_error_type(x->endpoint.dialect, (uint16_t)x->status) : NULL;
    struct weir_str later = WEIR_STR_NULL;
    struct weir_http_header *h;

    for (size_t i = 0; i < head->header_count; i++)
        if (weir_str_ieq(head->headers[i].name, WEIR_STR("retry-after")))
            later = weir_arena_copy(x->arena, head->headers[i].value);
    h = x->head = weir_arena_alloc(x->arena, (3 + WEIR_ANSWER_HEADERS) * sizeof *x->head);
    *h++ = content_type(x);
    if (later.p)
        *h++ = (struct weir_http_header){WEIR_STR("retry-after"), later};
    if (error)
        *h++ = (struct weir_http_header){WEIR_STR("x-amzn-errortype"), weir_str_of(error)};
    x->head_count = (size_t)(h - x->head);
}

static void bytes_to_client(struct weir_exchange *x, struct weir_str bytes)
{
    if (bytes.n == 0)
        return;
    x->response_bytes += bytes.n;
    x->last_sent_ms = weir_worker_now_ms(x->worker);
    if (weir_http_write(x->req, bytes.p, bytes.n) == WEIR_EAGAIN && !x->slow_client) {
        x->slow_client = true;
        if (x->upstream)
            weir_http_call_pause(x->upstream);
    }
}

static void element_to_client(void *arg, const char *p, size_t n)
{
    bytes_to_client(arg, (struct weir_str){p, n});
}

/* What the client's dialect has as events; it may want them in another form. */
static void to_client(struct weir_exchange *x, struct weir_str events)
{
    if (!x->array)
        bytes_to_client(x, events);
    else if (weir_gemini_array_feed(x->array, events, element_to_client, x))
        weir_http_abort(x->req); /* cut, for no event that the tap lets pass is so long */
}

static void end_answer(struct weir_exchange *x)
{
    if (x->array)
        weir_gemini_array_end(x->array, element_to_client, x);
    weir_http_end(x->req);
}

/* Minutes may pass between two events, and somebody on the way takes silence for death. What is
 * sent are whole events, so this always stands between two of them. */
static void on_silence(struct weir_wheel_timer *t)
{
    struct weir_exchange *x = WEIR_CONTAINER(t, struct weir_exchange, timer);
    int64_t most = x->worker->options->keepalive_ms;
    int64_t silent = weir_worker_now_ms(x->worker) - x->last_sent_ms;

    if (silent >= most && !x->slow_client) {
        bytes_to_client(x, x->array ? WEIR_STR("\n") : weir_llm_keepalive(x->endpoint.dialect));
        silent = 0;
    }
    weir_wheel_arm(x->worker->wheel, t, (uint64_t)(silent < most ? most - silent : most));
}

static void watch_silence(struct weir_exchange *x)
{
    x->last_sent_ms = weir_worker_now_ms(x->worker);
    weir_wheel_timer_init(&x->timer, on_silence);
    weir_wheel_arm(x->worker->wheel, &x->timer, (uint64_t)x->worker->options->keepalive_ms);
}

/* The client gets its first byte: from here on no other target can take over. */
static void begin_answer(struct weir_exchange *x)
{
    if (!x->drains)
        weir_wheel_cancel(x->worker->wheel, &x->timer);
    x->answered = true;
    weir_exchange_drop_body(x);
    x->head_count += weir_answer_headers(x, false, x->head + x->head_count);
    weir_http_start(x->req, (unsigned)x->status, x->head, x->head_count, -1);
    if (weir_exchange_streams(x) && !x->drains)
        watch_silence(x);
    to_client(x, weir_buf_str(&x->held_back));
    weir_buf_fini(&x->held_back);
}

static void sink(void *arg, const char *p, size_t n)
{
    struct weir_exchange *x = arg;

    if (x->keeping)
        weir_buf_add(&x->kept, p, n);
    if (x->answered) {
        to_client(x, (struct weir_str){p, n});
        return;
    }
    if (weir_buf_add(&x->held_back, p, n) == WEIR_OK)
        return;
    begin_answer(x);
    to_client(x, (struct weir_str){p, n});
}

static void on_held_long_enough(struct weir_wheel_timer *t)
{
    begin_answer(WEIR_CONTAINER(t, struct weir_exchange, timer));
}

/* ---- staying within the holds ---- */

static void resume_upstream(struct weir_exchange *x)
{
    if (x->upstream && !x->slow_client && !x->awaiting_hold)
        weir_http_call_resume(x->upstream);
}

static void send_whole(struct weir_exchange *x)
{
    x->answered = true;
    x->head_count += weir_answer_headers(x, true, x->head + x->head_count);
    x->response_bytes += x->held_back.n;
    weir_http_respond(x->req, (unsigned)x->status, x->head, x->head_count,
                      weir_buf_str(&x->held_back));
}

static void give_tail(struct weir_exchange *x, struct weir_str tail)
{
    if (!weir_exchange_streams(x)) {
        if (tail.n == 0) { /* nothing has begun that could be ended */
            weir_answer_shortage(x, &x->shortage);
            return;
        }
        sink(x, tail.p, tail.n);
        if (!x->answered) {
            send_whole(x);
            return;
        }
    } else {
        to_client(x, tail);
    }
    end_answer(x);
}

static void cut(struct weir_exchange *x)
{
    struct weir_buf tail;

    weir_buf_init(&tail, x->gathers ? MAX_DOCUMENT_BYTES : MAX_TAIL_BYTES);
    if (!x->answered && weir_exchange_streams(x))
        begin_answer(x);
    if (weir_llm_tap_cut(x->tap, weir_shortage_notice(x, &x->shortage), &tail))
        weir_buf_clear(&tail);
    if (x->upstream)
        weir_http_call_cancel(x->upstream);
    x->upstream = NULL;
    x->outcome = WEIR_OUTCOME_CUT;
    x->error_code = "budget_exceeded";
    weir_attempt_close(x, "cut", true);
    give_tail(x, weir_buf_str(&tail));
    weir_buf_fini(&tail);
    weir_pipeline_finish(x);
}

static void on_extended(void *arg, int rc, const struct weir_admit_failure *failure);
static void pump_echo(struct weir_exchange *x);

/* Asks for holds of `next` tokens of output in all. The amount is what the worst case grows by, so
 * that several tranches cost no more than one hold of the same size. */
static void extend(struct weir_exchange *x, int64_t next)
{
    int64_t more[WEIR_ADMIT_PARTS_MAX];
    struct weir_admit_failure failure = {.resets_in_ms = -1};
    int rc;

    for (size_t i = 0; i < x->charge_count; i++)
        more[i] = weir_charge_worst(x, i, next, true) -
                  weir_charge_worst(x, i, x->held_output_tokens, true);
    x->next_output_tokens = next;
    x->extending = true;
    rc = weir_holder_extend(x->worker->holder, weir_worker_now_ms(x->worker), &x->admission, more,
                            on_extended, x, &failure);
    if (rc != WEIR_EWAIT)
        on_extended(x, rc, &failure);
}

/* Every byte may be a token, so bytes bound what the provider has billed so far. */
static bool beyond_hold(const struct weir_exchange *x)
{
    return weir_llm_tap_seen(x->tap)->output_bytes >= x->held_output_tokens &&
           x->held_output_tokens < x->candidate->max_output_tokens; /* which the provider obeys */
}

static void watch_holds(struct weir_exchange *x)
{
    const struct weir_llm_seen *seen = weir_llm_tap_seen(x->tap);
    int64_t most = x->candidate->max_output_tokens;

    if (x->charge_count == 0 || !x->event_stream || !x->held || seen->complete)
        return;
    if (!x->extending && !x->extension_refused && x->held_output_tokens < most &&
        seen->output_bytes * 2 >= x->held_output_tokens)
        extend(x, x->held_output_tokens < most / 2 ? 2 * x->held_output_tokens : most);
    if (!beyond_hold(x))
        return;
    if (x->extension_refused) {
        cut(x);
    } else if (x->extending && !x->awaiting_hold) {
        x->awaiting_hold = true;
        if (x->upstream)
            weir_http_call_pause(x->upstream);
    }
}

static void on_extended(void *arg, int rc, const struct weir_admit_failure *failure)
{
    struct weir_exchange *x = arg;
    bool waited = x->awaiting_hold;

    x->extending = false;
    x->awaiting_hold = false;
    if (rc == WEIR_OK) {
        x->held_output_tokens = x->next_output_tokens;
    } else {
        x->extension_refused = true;
        x->shortage = *failure;
    }
    if (!waited)
        return;
    if (rc)
        cut(x);
    else if (x->echo)
        pump_echo(x);
    else
        resume_upstream(x);
}

/* A document in place of the stream that was asked for was generated, and is billed, before its
 * first byte comes: it can't be cut any more. It is held as soon as that is known, so that other
 * calls don't spend the same; if there is not enough, usage tells by how much. */
static void hold_document(struct weir_exchange *x)
{
    int64_t most = x->candidate->max_output_tokens;

    if (x->held && x->call.stream && !x->event_stream && x->status < 300 &&
        x->held_output_tokens < most)
        extend(x, most);
}

/* ---- upstream's events ---- */

static void tell_time(struct weir_exchange *x)
{
    weir_llm_tap_elapsed(x->tap, (weir_mono_us() - x->started_us) / 1000);
}

/* The next target, if there is one; else the provider's own words are told. */
static void fail_as_told(struct weir_exchange *x, const char *what, bool billable)
{
    struct weir_str message = weir_llm_tap_seen(x->tap)->error_message;

    weir_attempt_failed(
        x, "http",
        message.n ? weir_arena_printf(x->arena, "%s, \"%.*s\"", what, WEIR_STR_ARG(message)) : what,
        billable);
}

void weir_relay_body(struct weir_exchange *x, const char *p, size_t n)
{
    const struct weir_llm_seen *seen = weir_llm_tap_seen(x->tap);
    int rc;

    if (x->drains && !weir_drain_goes_on(x, n))
        return;
    tell_time(x);
    rc = weir_llm_tap_feed(x->tap, p, n, sink, x);
    if (rc) {
        weir_relay_error(x, rc,
                         rc == WEIR_EPROTO ? "an event of its stream is damaged"
                                           : "an event of its stream is too large");
        return;
    }
    if (!x->event_stream)
        return;
    if (seen->error && !x->answered) {
        /* Overloaded, and said so inside the stream: as good as a status. */
        fail_as_told(
            x, seen->content ? "an error event in its stream" : "an error event before any content",
            seen->content);
        return;
    }
    if (seen->content && x->first_token_us == 0) {
        x->first_token_us = weir_mono_us();
        weir_judge_content(x, &x->attempts[x->attempt_count - 1]);
    }
    if (!x->answered && weir_exchange_streams(x) && (seen->content || seen->complete))
        begin_answer(x);
    watch_holds(x);
}

void weir_relay_forget(struct weir_exchange *x)
{
    if (x->extending)
        weir_holder_cancel(x->worker->holder, &x->admission);
    x->extending = x->awaiting_hold = x->extension_refused = false;
    x->tap = NULL;
    x->relaying = false;
    weir_buf_fini(&x->held_back);
    weir_buf_clear(&x->kept);
}

/* A failure that has no status, for its server or one behind it had begun to answer: as good as
 * one. What passes may have such a field. */
static bool is_failure(const struct weir_exchange *x)
{
    return !x->answered && !x->event_stream && x->status < 300 &&
           x->endpoint.operation == WEIR_OP_GENERATE && weir_llm_tap_seen(x->tap)->error;
}

void weir_relay_end(struct weir_exchange *x)
{
    bool failed;
    int rc;

    tell_time(x);
    rc = weir_llm_tap_end(x->tap, sink, x);
    if (rc && (x->event_stream || weir_exchange_is_translated(x))) {
        weir_relay_error(x, WEIR_ECLOSED,
                         x->event_stream ? "its stream ended before it was complete"
                                         : "it is no whole answer of the provider's API");
        return;
    }
    if (is_failure(x)) {
        fail_as_told(x, "an error in place of its answer", true);
        return;
    }
    failed =
        x->status >= 400 || (x->endpoint.operation != WEIR_OP_PASS && /* may have it as a field */
                             weir_llm_tap_seen(x->tap)->error);
    weir_attempt_close(x, failed ? "http" : NULL, true);
    x->outcome = failed ? WEIR_OUTCOME_FAILED : WEIR_OUTCOME_OK;
    if (failed)
        x->error_code = "provider_error";
    else if (!rc)
        weir_cache_answered(x);
    if (!x->answered && !weir_exchange_streams(x)) {
        send_whole(x);
    } else {
        if (!x->answered)
            begin_answer(x);
        end_answer(x);
    }
    weir_pipeline_finish(x);
}

void weir_relay_error(struct weir_exchange *x, int rc, const char *cause)
{
    struct weir_buf tail;
    struct weir_err err = {
        .rc = rc,
        .http_status = 502,
        .code = "provider_failed",
        .detail = weir_arena_printf(x->arena, "The provider's answer broke off: %s.", cause)};

    if (!x->answered) {
        weir_attempt_failed(x, weir_rc_name(rc), cause, true);
        return;
    }
    if (x->upstream)
        weir_http_call_cancel(x->upstream);
    x->upstream = NULL;
    weir_attempt_close(x, weir_rc_name(rc), true);
    x->outcome = WEIR_OUTCOME_FAILED;
    x->error_code = err.code;
    x->error_detail = err.detail;
    if (!weir_exchange_streams(x)) {
        weir_http_abort(x->req); /* half a document must not look like a whole one */
        weir_pipeline_finish(x);
        return;
    }
    weir_buf_init(&tail, 16384);
    weir_llm_stream_fail(x->endpoint.dialect, &err, weir_str_of(x->id), &tail);
    to_client(x, weir_buf_str(&tail));
    weir_buf_fini(&tail);
    end_answer(x);
    weir_pipeline_finish(x);
}

/* ---- the built-in provider ---- */

static void pump_echo(struct weir_exchange *x)
{
    struct weir_buf event;

    weir_buf_init(&event, 64 << 20);
    while (!x->slow_client && !x->awaiting_hold && weir_pipeline_is_open(x)) {
        weir_buf_clear(&event);
        if (weir_llm_echo_next(x->echo, &event) != WEIR_OK) {
            weir_relay_end(x);
            break;
        }
        weir_relay_body(x, event.p, event.n);
    }
    weir_buf_fini(&event);
}

static void begin_echo(struct weir_exchange *x)
{
    struct weir_llm_echo_conf conf = {.call = &x->call,
                                      .body = x->body,
                                      .id = weir_prng_next(&x->worker->prng),
                                      .created_s = x->started_wall_ms / 1000};

    x->status = 200;
    x->event_stream = x->call.stream;
    if (weir_attempt_limits(x))
        x->call.max_output_tokens = x->candidate->choice_limit;
    x->head = weir_arena_alloc(x->arena, (1 + WEIR_ANSWER_HEADERS) * sizeof *x->head);
    x->head[0] = content_type(x);
    x->head_count = 1;
    x->echo = weir_llm_echo_create(x->arena, &conf);
}

static void answer_echo(struct weir_exchange *x)
{
    struct weir_buf body;

    if (x->event_stream) {
        pump_echo(x);
        return;
    }
    weir_buf_init(&body, 64 << 20);
    weir_llm_echo_body(x->echo, &body);
    weir_relay_body(x, body.p, body.n);
    weir_buf_fini(&body);
    weir_relay_end(x);
}

void weir_relay_writable(struct weir_exchange *x)
{
    x->slow_client = false;
    if (x->echo)
        pump_echo(x);
    else
        resume_upstream(x);
}

/* ---- the stage ---- */

static bool is_type(struct weir_str value, struct weir_str type)
{
    return value.n >= type.n && weir_str_ieq((struct weir_str){value.p, type.n}, type);
}

static bool is_event_stream(const struct weir_http_call_head *head, enum weir_dialect d)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (weir_str_ieq(head->headers[i].name, WEIR_STR("content-type")))
            return is_type(head->headers[i].value, weir_dialect_stream_type(d));
    return false;
}

static bool is_json(const struct weir_http_call_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (weir_str_ieq(head->headers[i].name, WEIR_STR("content-type")))
            return is_type(head->headers[i].value, WEIR_STR("application/json"));
    return false;
}

/* Bedrock tells so of models whose body doesn't. */
static int64_t told_input(const struct weir_http_call_head *head)
{
    int64_t tokens = 0;

    for (size_t i = 0; head && i < head->header_count; i++)
        if (weir_str_ieq(head->headers[i].name, WEIR_STR("x-amzn-bedrock-input-token-count")) &&
            weir_str_i64(weir_str_trim(head->headers[i].value), &tokens))
            tokens = 0;
    return tokens;
}

static void free_array(void *array)
{
    weir_gemini_array_fini(array);
}

/* Of an attempt before this one nothing has passed. */
static void make_array(struct weir_exchange *x)
{
    if (!x->array) {
        x->array = WEIR_ARENA_NEW(x->arena, struct weir_gemini_array);
        weir_arena_on_destroy(x->arena, free_array, x->array);
    } else {
        weir_gemini_array_fini(x->array);
    }
    weir_gemini_array_init(x->array);
}

enum weir_verdict weir_stage_relay(struct weir_exchange *x)
{
    const struct weir_llm_translation *translation = &x->translations[x->candidate->dialect];

    x->relaying = true;
    weir_buf_init(&x->held_back, WEIR_MAX_WHOLE_BYTES);
    if (x->candidate->provider->echo) {
        begin_echo(x);
    } else {
        x->status = x->response->status;
        x->event_stream = is_event_stream(x->response, x->candidate->dialect) && x->status < 300 &&
                          x->endpoint.operation != WEIR_OP_PASS;
        if (weir_exchange_is_translated(x))
            make_head(x, x->response);
        else
            keep_head(x, x->response);
    }
    x->tap = weir_llm_tap_create(
        x->arena, &(struct weir_llm_tap_conf){.dialect = x->candidate->dialect,
                                              .tools = translation->tools,
                                              .tool_count = translation->tool_count,
                                              .client = x->endpoint.dialect,
                                              .status = (uint16_t)x->status,
                                              .created_s = x->started_wall_ms / 1000,
                                              .request_id = weir_str_of(x->id),
                                              .asked_model = x->candidate->model,
                                              .base64 = x->call.base64,
                                              .told_input = told_input(x->response),
                                              .event_stream = x->event_stream,
                                              .gathers = x->gathers,
                                              .hide_usage = !x->call.asks_usage,
                                              .client_usage = x->call.asks_usage,
                                              .input_estimate = x->call.input_estimate});
    hold_document(x);
    if (weir_exchange_streams(x) && x->wants_array)
        make_array(x);
    if (weir_exchange_streams(x) && !x->drains) {
        weir_wheel_timer_init(&x->timer, on_held_long_enough);
        weir_wheel_arm(x->worker->wheel, &x->timer, LONGEST_HOLD_BACK_MS);
    }
    /* Nobody waits for what may be a stream of something: only a document is worth its cost ahead.
     */
    if (x->endpoint.operation == WEIR_OP_PASS && !is_json(x->response))
        begin_answer(x);
    if (x->echo)
        answer_echo(x);
    return WEIR_V_WAIT;
}
