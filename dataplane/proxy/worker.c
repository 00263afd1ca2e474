/* worker.c - see worker.h. Life: create -> start -> (messages) -> drain -> close -> ended. */
#include "dataplane/proxy/worker.h"
#include "dataplane/proxy/drain.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "common/http/client.h"
#include "common/net/tls.h"
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/exchange.h"
#include "dataplane/proxy/hub.h"
#include "dataplane/proxy/options.h"
#include "weir/v1/ledger.pb-c.h"

enum {
    TICK_MS = 200,
    TICKS_A_SECOND = 1000 / TICK_MS,
    MAILBOX_MAX = 65536,
    ARENA_CACHE_BLOCKS = 128,
    AUTH_FAILURES_A_SECOND = 50,
    LEASE_RETURN_MS = 2000, /* after the last call, for the ledger's confirmation */
    MAX_PACKED_BUDGET_UP = 1 << 20,
    CACHE_BYTES = 32 << 20,
};

/* ---- the server's handler ---- */

static void on_request(void *arg, struct weir_http_req *req)
{
    weir_exchange_begin(arg, req);
}

static void on_protocol_error(void *arg, struct weir_http_req *req, unsigned status,
                              const char *code, const char *detail, struct weir_buf *body,
                              struct weir_str *content_type)
{
    (void)arg;
    weir_answer_protocol_error(req, status, code, detail, body, content_type);
}

static const struct weir_http_handler handler = {.on_request = on_request,
                                                 .on_body = weir_exchange_on_body,
                                                 .on_abort = weir_exchange_on_abort,
                                                 .on_writable = weir_exchange_on_writable,
                                                 .on_done = weir_exchange_on_done,
                                                 .on_protocol_error = on_protocol_error};

/* ---- messages from the hub ---- */

struct message {
    struct weir_worker *worker;
    const struct weir_policy *policy;
    struct weir_tls_context *tls;
    struct weir_cred_token *token;
    bool flag;
    int64_t number;
    struct weir_str bytes; /* behind the message */
};

static void post(struct weir_worker *w, weir_post_fn fn, struct message m, struct weir_str bytes)
{
    struct message *copy = weir_alloc(sizeof *copy + bytes.n);

    *copy = m;
    copy->worker = w;
    if (bytes.n)
        memcpy(copy + 1, bytes.p, bytes.n);
    copy->bytes = (struct weir_str){(char *)(copy + 1), bytes.n};
    if (weir_mailbox_post(w->mailbox, fn, copy) == WEIR_OK)
        return;
    WEIR_LOG(WEIR_LOG_ERROR, "worker", "worker %u takes no messages; one is lost", w->index);
    weir_policy_unref(copy->policy);
    weir_tls_context_unref(copy->tls);
    weir_cred_token_unref(copy->token);
    free(copy);
}

/* Calls that are under way keep their policy, and their place in the old one's counters is theirs
 * no longer: the new counters start from the open exchanges. */
static void recount_agents(struct weir_worker *w)
{
    free(w->agent_calls);
    w->agent_count = weir_policy_agent_count(w->policy);
    w->agent_calls = weir_zalloc(w->agent_count * sizeof *w->agent_calls);
    WEIR_LIST_EACH (&w->exchanges, l, following) {
        struct weir_exchange *x = WEIR_CONTAINER(l, struct weir_exchange, link);

        x->entered = false;
        if (!x->agent || !weir_pipeline_is_open(x))
            continue;
        x->agent_slot = weir_policy_agent_slot(w->policy, x->agent);
        if (x->agent_slot < w->agent_count) {
            w->agent_calls[x->agent_slot]++;
            x->entered = true;
        }
    }
}

static void take_policy(void *arg)
{
    struct message *m = arg;
    struct weir_worker *w = m->worker;

    weir_policy_unref(w->policy);
    w->policy = m->policy;
    recount_agents(w);
    weir_tokens_prune(w->tokens, w->policy);
    atomic_fetch_add(&w->policies, 1);
    free(m);
}

void weir_worker_set_policy(struct weir_worker *w, const struct weir_policy *p)
{
    post(w, take_policy, (struct message){.policy = weir_policy_ref(p)}, WEIR_STR(""));
}

static void take_tls(void *arg)
{
    struct message *m = arg;

    weir_http_server_set_tls(m->worker->server, m->tls);
    weir_tls_context_unref(m->tls);
    free(m);
}

void weir_worker_set_tls(struct weir_worker *w, struct weir_tls_context *c)
{
    post(w, take_tls, (struct message){.tls = weir_tls_context_ref(c)}, WEIR_STR(""));
}

static void take_token(void *arg)
{
    struct message *m = arg;
    struct weir_str key = m->bytes, problem = m->bytes;

    problem.p += WEIR_SHA256_BYTES;
    problem.n -= WEIR_SHA256_BYTES;
    weir_tokens_take(m->worker->tokens, (const unsigned char *)key.p, m->token, problem);
    free(m);
}

void weir_worker_set_token(struct weir_worker *w, const struct weir_cred_source *s,
                           struct weir_cred_token *token, const char *problem)
{
    struct message m = {.token = token ? weir_cred_token_ref(token) : NULL};
    struct weir_buf bytes;

    weir_buf_init(&bytes, 4096);
    weir_buf_add(&bytes, weir_cred_source_key(s), WEIR_SHA256_BYTES);
    weir_buf_addz(&bytes, problem ? problem : "");
    post(w, take_token, m, weir_buf_str(&bytes));
    weir_buf_fini(&bytes);
}

static void take_budget_down(void *arg)
{
    struct message *m = arg;
    Weir__V1__BudgetDown *down =
        weir__v1__budget_down__unpack(NULL, m->bytes.n, (const uint8_t *)m->bytes.p);

    if (down) {
        weir_holder_on_down(m->worker->holder, weir_worker_now_ms(m->worker), down);
        weir__v1__budget_down__free_unpacked(down, NULL);
    }
    free(m);
}

void weir_worker_budget_down(struct weir_worker *w, struct weir_str packed)
{
    post(w, take_budget_down, (struct message){0}, packed);
}

static void take_budget_state(void *arg)
{
    struct message *m = arg;
    struct weir_worker *w = m->worker;

    w->ledger_connected = m->flag;
    if (m->flag)
        weir_holder_on_connected(w->holder, weir_worker_now_ms(w));
    else
        weir_holder_on_disconnected(w->holder, weir_worker_now_ms(w));
    free(m);
}

void weir_worker_budget_state(struct weir_worker *w, bool connected)
{
    post(w, take_budget_state, (struct message){.flag = connected}, WEIR_STR(""));
}

static void on_server_drained(void *arg)
{
    struct weir_worker *w = arg;

    w->server_drained = true;
    w->drain_deadline_ms = weir_worker_now_ms(w) + LEASE_RETURN_MS;
}

static void take_drain(void *arg)
{
    struct message *m = arg;
    struct weir_worker *w = m->worker;

    w->draining = true;
    weir_http_server_drain(w->server, (uint32_t)m->number, on_server_drained, w);
    free(m);
}

void weir_worker_drain(struct weir_worker *w, int64_t for_ms)
{
    post(w, take_drain, (struct message){.number = for_ms}, WEIR_STR(""));
}

static void on_server_closed(void *arg)
{
    struct weir_worker *w = arg;

    weir_recorder_close(w->recorder);
    weir_http_client_destroy(w->client);
    weir_wheel_destroy(w->wheel);
    weir_holder_destroy(w->holder);
    w->holder = NULL;
    uv_close((uv_handle_t *)&w->tick, NULL);
    weir_mailbox_destroy(w->mailbox);
}

static void take_close(void *arg)
{
    struct message *m = arg;
    struct weir_worker *w = m->worker;

    free(m);
    w->closing = true;
    weir_drain_end_all(w);
    weir_http_server_close(w->server, on_server_closed, w);
}

void weir_worker_close(struct weir_worker *w)
{
    post(w, take_close, (struct message){0}, WEIR_STR(""));
}

/* ---- the loop ---- */

static void send_budget_up(void *arg, const struct Weir__V1__BudgetUp *up)
{
    struct weir_worker *w = arg;
    size_t n = weir__v1__budget_up__get_packed_size(up);
    char *packed;

    if (n > MAX_PACKED_BUDGET_UP) {
        WEIR_LOG(WEIR_LOG_ERROR, "worker", "a budget message of %zu bytes is not sent", n);
        return;
    }
    packed = weir_alloc(n);
    weir__v1__budget_up__pack(up, (uint8_t *)packed);
    /* A lost message is made good by the next report: counters are absolute. */
    if (weir_hub_budget_up(w->hub, (struct weir_str){packed, n}))
        WEIR_LOG(WEIR_LOG_WARN, "worker", "the hub is behind; a budget message is dropped");
    free(packed);
}

static void update_gauges(struct weir_worker *w)
{
    const struct weir_http_metrics *server = weir_http_server_metrics(w->server);
    struct weir_http_client_stats client;

    weir_http_client_get_stats(w->client, &client);
    weir_metrics_set(w->metrics, WEIR_METRIC_REQUESTS, (int64_t)server->requests);
    weir_metrics_set(w->metrics, WEIR_METRIC_IN_FLIGHT, (int64_t)atomic_load(&w->in_flight));
    weir_metrics_set(w->metrics, WEIR_METRIC_CONNECTIONS,
                     (int64_t)(server->accepted - server->closed));
    weir_metrics_set(w->metrics, WEIR_METRIC_BODY_BYTES,
                     (int64_t)weir_http_server_body_bytes(w->server));
    weir_metrics_set(w->metrics, WEIR_METRIC_BODIES_REFUSED, (int64_t)server->bodies_refused);
    weir_metrics_set(w->metrics, WEIR_METRIC_SESSIONS, (int64_t)server->sessions);
    weir_metrics_set(w->metrics, WEIR_METRIC_TLS_FAILED, (int64_t)server->tls_failed);
    weir_metrics_set(w->metrics, WEIR_METRIC_UPSTREAM_OPEN, client.open_connections);
    weir_metrics_set(w->metrics, WEIR_METRIC_UPSTREAM_IDLE, client.idle_connections);
    weir_metrics_set(w->metrics, WEIR_METRIC_UPSTREAM_WAITING, client.waiting_calls);
    weir_metrics_set(w->metrics, WEIR_METRIC_UPSTREAM_CONNECTS, (int64_t)client.connects);
    weir_metrics_set(w->metrics, WEIR_METRIC_UPSTREAM_FAILURES, (int64_t)client.connect_failures);
}

static void update_budget_gauges(struct weir_worker *w, int64_t now)
{
    struct weir_holder_counters c;

    weir_holder_count(w->holder, now, &c);
    weir_metrics_set(w->metrics, WEIR_METRIC_HOLDS_OPEN, c.open_holds);
    weir_metrics_set(w->metrics, WEIR_METRIC_HOLDS_WAITING, c.waiting);
    weir_metrics_set(w->metrics, WEIR_METRIC_LEASES, c.leases);
    weir_metrics_set(w->metrics, WEIR_METRIC_DECISION_AGE, c.decision_age_ms);
    weir_metrics_set(w->metrics, WEIR_METRIC_BREACHES, (int64_t)c.breaches);
    weir_metrics_set(w->metrics, WEIR_METRIC_HOLDS_TIMED_OUT, (int64_t)c.timeouts);
    weir_metrics_set(w->metrics, WEIR_METRIC_DENIED_PARTITION, (int64_t)c.denied_partition);
    weir_metrics_set(w->metrics, WEIR_METRIC_HOLDS_WAITED, (int64_t)c.waited);
}

static void update_target_gauges(struct weir_worker *w, int64_t now)
{
    struct weir_targets_count n = weir_targets_count(w->targets, now);

    weir_metrics_set(w->metrics, WEIR_METRIC_TARGETS_COOLING, n.cooling);
    weir_metrics_set(w->metrics, WEIR_METRIC_TARGETS_OPEN, n.open);
    weir_metrics_set(w->metrics, WEIR_METRIC_TURNS_WAITING, weir_turns_waiting(w->turns));
    weir_metrics_set(w->metrics, WEIR_METRIC_CACHE_BYTES, (int64_t)weir_cache_bytes(w->cache));
}

static void tell_leases(struct weir_worker *w)
{
    struct weir_lease_total totals[WEIR_LEASE_TOTALS_MAX];
    size_t n = weir_holder_totals(w->holder, totals);

    if (n || w->told_leases)
        weir_hub_lease_totals(w->hub, w, totals, n);
    w->told_leases = n > 0;
}

static void on_tick(uv_timer_t *t)
{
    struct weir_worker *w = t->data;
    int64_t now = weir_worker_now_ms(w);

    if (w->closing)
        return;
    weir_holder_tick(w->holder, now);
    update_gauges(w);
    update_budget_gauges(w, now);
    update_target_gauges(w, now);
    if (++w->ticks % TICKS_A_SECOND == 0)
        tell_leases(w);
    if (!w->server_drained || w->told_drained)
        return;
    /* Without a ledger to confirm, the journal tells the next start what is open. */
    if (weir_holder_drain(w->holder, now) || !w->ledger_connected || now >= w->drain_deadline_ms) {
        w->told_drained = true;
        weir_hub_worker_drained(w->hub, w);
    }
}

static void run(void *arg)
{
    struct weir_worker *w = arg;

    uv_run(&w->loop, UV_RUN_DEFAULT);
    weir_hub_worker_ended(w->hub, w);
}

/* ---- life ---- */

static void make_holder(struct weir_worker *w)
{
    unsigned char random[16];
    char journal[4096];

    weir_rand_bytes(random, sizeof random);
    weir_hex(random, sizeof random, w->incarnation);
    snprintf(journal, sizeof journal, "%s/journal.%u", w->options->state, w->index);
    w->holder = weir_holder_create(&(struct weir_holder_options){.node = w->options->node,
                                                                 .incarnation = w->incarnation,
                                                                 .journal_path = journal,
                                                                 .send = send_budget_up,
                                                                 .arg = w},
                                   weir_worker_now_ms(w));
}

static int listen_on(struct weir_worker *w, const char *flag, const char *address, bool tls)
{
    struct weir_http_listen_options o = {.reuseport = w->options->workers > 1, .tls = tls};
    struct weir_address a;
    int rc = weir_address_parse(weir_str_of(address), &a);

    if (rc || a.unix_path[0]) {
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "%s %s: give HOST:PORT", flag, address);
        return WEIR_EINVAL;
    }
    rc = weir_http_listen(w->server, a.host, a.port, &o, NULL);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "proxy",
                 "can't listen on %s: %s; is another program there? %s changes the address",
                 address, rc == WEIR_EIO ? strerror(errno) : weir_rc_name(rc), flag);
    return rc;
}

static int make_server(struct weir_worker *w)
{
    struct weir_http_server_options o = {
        .loop = &w->loop,
        .handler = &handler,
        .arg = w,
        .limits = {.connections = (uint32_t)w->options->max_connections,
                   .body_bytes = (uint64_t)w->options->max_body_bytes,
                   .bodies_bytes = (uint64_t)w->options->max_body_memory},
        .http2 = true,
        .wheel = w->wheel,
        .arenas = w->arenas};
    int rc = weir_http_server_create(&o, &w->server);

    if (rc == WEIR_OK)
        rc = listen_on(w, "--listen", w->options->listen, false);
    if (rc == WEIR_OK && w->options->listen_tls) {
        weir_http_server_set_tls(w->server, weir_hub_tls(w->hub));
        rc = listen_on(w, "--listen-tls", w->options->listen_tls, true);
    }
    return rc;
}

int weir_worker_create(struct weir_hub *hub, const struct weir_proxy_options *o, unsigned index,
                       struct weir_worker **out)
{
    struct weir_worker *w = WEIR_NEW(struct weir_worker);
    int rc = WEIR_EIO;

    w->hub = hub;
    w->options = o;
    w->index = index;
    weir_list_init(&w->exchanges);
    weir_prng_seed(&w->prng);
    w->targets = weir_targets_create(weir_prng_next(&w->prng));
    w->turns = weir_turns_create();
    w->cache = weir_cache_create(CACHE_BYTES);
    if (uv_loop_init(&w->loop))
        goto fail;
    w->mailbox = weir_mailbox_create(&w->loop, MAILBOX_MAX);
    w->wheel = weir_wheel_create(&w->loop);
    w->arenas = weir_arena_cache_create(ARENA_CACHE_BLOCKS);
    w->tokens = weir_tokens_create();
    w->metrics = weir_metrics_create();
    w->client = weir_http_client_create(&w->loop);
    if (!w->mailbox || !w->wheel || !w->client)
        goto fail;
    rc = make_server(w);
    if (rc)
        goto fail;
    make_holder(w);
    w->recorder = weir_recorder_create(&w->loop, weir_hub_sink(hub), w->metrics);
    uv_timer_init(&w->loop, &w->tick);
    w->tick.data = w;
    uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
    *out = w;
    return WEIR_OK;
fail:
    /* The program ends with the message that was logged; its loops go with the process. */
    return rc;
}

int weir_worker_start(struct weir_worker *w)
{
    return uv_thread_create(&w->thread, run, w) ? WEIR_EIO : WEIR_OK;
}

void weir_worker_join_and_destroy(struct weir_worker *w)
{
    uv_thread_join(&w->thread);
    if (uv_loop_close(&w->loop))
        WEIR_LOG(WEIR_LOG_WARN, "worker", "worker %u left handles open", w->index);
    weir_policy_unref(w->policy);
    weir_metrics_destroy(w->metrics);
    weir_targets_destroy(w->targets);
    weir_turns_destroy(w->turns);
    weir_cache_destroy(w->cache);
    weir_arena_cache_destroy(w->arenas);
    weir_tokens_destroy(w->tokens);
    free(w->agent_calls);
    free(w);
}

/* ---- for the stages ---- */

bool weir_worker_auth_failed(struct weir_worker *w)
{
    int64_t second = weir_worker_now_ms(w) / 1000;

    if (second != w->auth_second) {
        w->auth_second = second;
        w->auth_failures = 0;
    }
    return ++w->auth_failures > AUTH_FAILURES_A_SECOND;
}

bool weir_worker_enter(struct weir_worker *w, struct weir_exchange *x)
{
    size_t slot = x->agent->index;

    if (x->agent->max_concurrency >= 0 && slot < w->agent_count &&
        w->agent_calls[slot] >= x->agent->max_concurrency)
        return false;
    if (slot < w->agent_count) {
        w->agent_calls[slot]++;
        x->agent_slot = slot;
        x->entered = true;
    }
    return true;
}

void weir_worker_leave(struct weir_worker *w, struct weir_exchange *x)
{
    if (x->entered)
        w->agent_calls[x->agent_slot]--;
    x->entered = false;
}

void weir_worker_observe(struct weir_worker *w, const struct weir_exchange *x,
                         struct weir_record *r)
{
    struct weir_admission const *a = &x->admission;

    /* A price or a provider's list names it, so the set is bounded by policy. */
    if (!x->candidate ||
        (!x->candidate->price && !weir_policy_model(x->candidate->provider, x->call.model)))
        r->requested_model = r->requested_model.n ? WEIR_STR("other") : r->requested_model;
    weir_metrics_observe(w->metrics, r);
    if (x->charge_count && x->held && a->n)
        weir_metrics_add(w->metrics, WEIR_METRIC_HOLDS, 1);
    if (x->refused)
        weir_metrics_add(w->metrics, WEIR_METRIC_HOLDS_REFUSED, 1);
    if (x->outcome == WEIR_OUTCOME_CUT)
        weir_metrics_add(w->metrics, WEIR_METRIC_CUTS, 1);
}
