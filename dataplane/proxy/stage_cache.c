/* stage_cache.c - has the same call been answered before? (Route spec.cache.)
 *
 * An answer is kept by the hash of all that it depends on: the policy, whose call it is, its route,
 * its API, the model, the headers that change an answer, and every byte of the body. So nothing is
 * shared but by equal calls of one agent. A call that relies on what its provider has kept, or that
 * is to be kept there, is never answered from here, nor is one whose credential is the caller's
 * own. A hit costs nothing and so counts against no budget. */
#include "dataplane/proxy/answer.h"
#include "dataplane/proxy/worker.h"

enum { LARGEST_ANSWER = 4 << 20 };

static void add(struct weir_sha256 *s, struct weir_str part)
{
    uint64_t n = part.n; /* so that no two lists of parts look alike */

    weir_sha256_add(s, &n, sizeof n);
    weir_sha256_add(s, part.p, part.n);
}

static struct weir_cache_key key_of(const struct weir_exchange *x)
{
    static const struct weir_str headers[] = {
        WEIR_STR_INIT("anthropic-version"), WEIR_STR_INIT("anthropic-beta"),
        WEIR_STR_INIT("openai-beta"), WEIR_STR_INIT("openai-organization"),
        WEIR_STR_INIT("openai-project")};
    const unsigned char form[] = {(unsigned char)x->endpoint.dialect,
                                  x->call.stream && !x->gathers};
    struct weir_cache_key key;
    struct weir_sha256 s;

    weir_sha256_init(&s);
    add(&s, weir_policy_revision(x->policy));
    add(&s, x->agent->ns);
    add(&s, x->agent->name);
    add(&s, x->route->name);
    add(&s, (struct weir_str){(const char *)form, sizeof form});
    add(&s, x->routed_model);
    add(&s, weir_http_req_query(x->req));
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        add(&s, weir_http_req_header(x->req, headers[i]));
    add(&s, x->body);
    weir_sha256_end(&s, key.bytes);
    return key;
}

static bool has_word(struct weir_str value, const char *word)
{
    while (value.n)
        if (weir_str_ieq(weir_str_trim(weir_str_cut(value, ',', &value)), weir_str_of(word)))
            return true;
    return false;
}

static bool is_cacheable(const struct weir_exchange *x)
{
    if (x->route->cache_ms == 0 || x->wants_array || x->endpoint.operation != WEIR_OP_GENERATE ||
        x->call.stateful)
        return false;
    for (size_t i = 0; i < x->candidate_count; i++)
        if (x->candidates[i].provider->passthrough)
            return false;
    return !has_word(weir_http_req_header(x->req, WEIR_STR("cache-control")), "no-store");
}

static enum weir_verdict answer(struct weir_exchange *x, const struct weir_cached *found)
{
    struct weir_http_header h[WEIR_ANSWER_HEADERS + 2];
    size_t n = 0;

    h[n++] = (struct weir_http_header){WEIR_STR("content-type"),
                                       found->event_stream
                                           ? weir_dialect_stream_type(x->endpoint.dialect)
                                           : WEIR_STR("application/json")};
    h[n++] = (struct weir_http_header){WEIR_STR("x-weir-cache"), WEIR_STR("hit")};
    n += weir_answer_headers(x, false, h + n);
    weir_caller_read(x); /* for the record: hold would have */
    x->status = 200;
    x->outcome = WEIR_OUTCOME_OK;
    x->answered = true;
    x->from_cache = true;
    x->cached_from = weir_arena_copy(x->arena, found->provider);
    x->response_bytes = found->body.n;
    weir_http_respond(x->req, 200, h, n, found->body);
    weir_metrics_add(x->worker->metrics, WEIR_METRIC_CACHE_HITS, 1);
    return WEIR_V_DONE;
}

enum weir_verdict weir_stage_cache(struct weir_exchange *x)
{
    struct weir_cached found;

    x->keeping = is_cacheable(x);
    if (!x->keeping)
        return WEIR_V_CONTINUE;
    x->cache_key = key_of(x);
    weir_buf_fini(&x->kept);
    weir_buf_init(&x->kept, LARGEST_ANSWER);
    if (!has_word(weir_http_req_header(x->req, WEIR_STR("cache-control")), "no-cache") &&
        weir_cache_find(x->worker->cache, &x->cache_key, weir_worker_now_ms(x->worker), &found))
        return answer(x, &found);
    weir_metrics_add(x->worker->metrics, WEIR_METRIC_CACHE_MISSES, 1);
    return WEIR_V_CONTINUE;
}

void weir_cache_answered(struct weir_exchange *x)
{
    struct weir_cached what = {weir_exchange_streams(x), x->candidate->provider->name,
                               weir_buf_str(&x->kept)};

    if (x->keeping && x->status == 200 && !x->kept.full && what.body.n)
        weir_cache_keep(x->worker->cache, &x->cache_key, &what,
                        weir_worker_now_ms(x->worker) + x->route->cache_ms);
}
