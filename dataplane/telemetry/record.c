#include "dataplane/telemetry/record.h"

#include "dataplane/telemetry/wire.h"

/* Room for every number, tag and length of the outermost message; of one nested message. */
enum { FIXED_BYTES = 1536, NESTED_BYTES = 160 };

void weir_record_init(struct weir_record *r)
{
    memset(r, 0, sizeof *r);
    r->usage = (struct weir_record_usage){-1, -1, -1, -1, -1, -1, false};
}

const char *weir_outcome_name(enum weir_outcome o)
{
    static const char *const names[] = {"ok", "refused", "failed", "aborted", "cut"};

    return (unsigned)o < WEIR_OUTCOME_COUNT ? names[o] : "failed";
}

static struct weir_str cut(struct weir_str s)
{
    if (s.n > WEIR_RECORD_MAX_STRING) {
        s.n = WEIR_RECORD_MAX_STRING;
        while (s.n > 0 && (s.p[s.n] & 0xc0) == 0x80)
            s.n--;
    }
    return s;
}

static char *put_str(char *p, unsigned field, struct weir_str s)
{
    s = cut(s);
    return s.n > 0 ? weir__wire_bytes(p, field, s.p, s.n) : p;
}

static char *put_z(char *p, unsigned field, const char *z)
{
    return put_str(p, field, weir_str_of(z));
}

static char *put_i64(char *p, unsigned field, int64_t v)
{
    return v != 0 ? weir__wire_u64(p, field, (uint64_t)v) : p;
}

static char *put_known(char *p, unsigned field, int64_t v)
{
    return v >= 0 ? weir__wire_u64(p, field, (uint64_t)v) : p;
}

static size_t len(struct weir_str s)
{
    return s.n < WEIR_RECORD_MAX_STRING ? s.n : WEIR_RECORD_MAX_STRING;
}

static size_t zlen(const char *z)
{
    return len(weir_str_of(z));
}

/* An upper bound, so that the writers below need no checks. */
static size_t bound(const struct weir_record *r, size_t holds, size_t attempts)
{
    size_t n = FIXED_BYTES + len(r->request_id) + len(r->trace_id) + len(r->span_id) +
               len(r->parent_span_id) + len(r->session) + len(r->ns) + len(r->agent) + len(r->key) +
               len(r->organization) + len(r->project) + len(r->team) + len(r->environment) +
               len(r->user_agent) + zlen(r->operation) + zlen(r->dialect) + len(r->route) +
               len(r->provider) + len(r->requested_model) + len(r->served_model) +
               len(r->error_code) + len(r->error_detail) + len(r->finish_reason) +
               zlen(r->price_source) + len(r->policy_revision);

    for (size_t i = 0; i < r->cost_part_count; i++)
        n += NESTED_BYTES + zlen(r->cost_parts[i].kind);
    for (size_t i = 0; i < holds; i++)
        n += NESTED_BYTES + len(r->holds[i].budget) + len(r->holds[i].scope) +
             len(r->holds[i].lease) + zlen(r->holds[i].unit);
    for (size_t i = 0; i < attempts; i++)
        n += NESTED_BYTES + len(r->attempts[i].provider) + len(r->attempts[i].model) +
             len(r->attempts[i].error);
    return n;
}

static char *put_caller(char *p, const struct weir_record *r)
{
    p = put_str(p, 2, r->request_id);
    p = put_str(p, 3, r->trace_id);
    p = put_str(p, 4, r->span_id);
    p = put_str(p, 5, r->parent_span_id);
    p = put_str(p, 6, r->session);
    p = put_i64(p, 7, r->started_ms);
    p = put_i64(p, 8, r->duration_us);
    p = put_i64(p, 9, r->first_byte_us);
    p = put_i64(p, 10, r->first_token_us);
    p = put_i64(p, 11, r->gateway_us);
    p = put_str(p, 20, r->ns);
    p = put_str(p, 21, r->agent);
    p = put_str(p, 22, r->key);
    p = put_str(p, 23, r->project);
    p = put_str(p, 24, r->team);
    p = put_str(p, 25, r->environment);
    p = put_str(p, 26, r->user_agent);
    return put_str(p, 27, r->organization);
}

static char *put_call(char *p, const struct weir_record *r)
{
    p = put_z(p, 30, r->operation);
    p = put_z(p, 31, r->dialect);
    p = put_str(p, 32, r->route);
    p = put_str(p, 33, r->provider);
    p = put_str(p, 34, r->requested_model);
    p = put_str(p, 35, r->served_model);
    p = put_i64(p, 36, r->stream);
    p = put_i64(p, 37, r->cached);
    p = put_i64(p, 40, r->status);
    p = put_str(p, 41, r->error_code);
    p = put_str(p, 42, r->error_detail);
    p = put_z(p, 43, weir_outcome_name(r->outcome));
    p = put_str(p, 44, r->finish_reason);
    p = put_i64(p, 60, r->request_bytes);
    p = put_i64(p, 61, r->response_bytes);
    p = put_i64(p, 62, r->chunks);
    return put_str(p, 63, r->policy_revision);
}

static char *put_usage(char *p, const struct weir_record_usage *u)
{
    char *mark;

    p = weir__wire_open(p, 50, &mark);
    p = put_known(p, 1, u->input_tokens);
    p = put_known(p, 2, u->output_tokens);
    p = put_known(p, 3, u->cache_read_tokens);
    p = put_known(p, 4, u->cache_write_tokens);
    p = put_known(p, 5, u->cache_write_1h_tokens);
    p = put_known(p, 6, u->reasoning_tokens);
    p = put_i64(p, 7, u->estimated);
    weir__wire_close(mark, p);
    return p;
}

static char *put_cost(char *p, const struct weir_record *r, size_t parts)
{
    char *mark;

    p = put_i64(p, 51, r->cost_nano_usd);
    for (size_t i = 0; i < parts; i++) {
        p = weir__wire_open(p, 52, &mark);
        p = put_z(p, 1, r->cost_parts[i].kind);
        p = put_i64(p, 2, r->cost_parts[i].tokens);
        p = put_i64(p, 3, r->cost_parts[i].price);
        weir__wire_close(mark, p);
    }
    return put_z(p, 53, r->price_source);
}

static char *put_hold(char *p, const struct weir_record_hold *h)
{
    char *mark;

    p = weir__wire_open(p, 54, &mark);
    p = put_str(p, 1, h->budget);
    p = put_str(p, 2, h->scope);
    p = put_str(p, 3, h->lease);
    p = put_i64(p, 4, h->held);
    p = put_i64(p, 5, h->settled);
    p = put_i64(p, 6, h->refused);
    p = put_z(p, 7, h->unit);
    weir__wire_close(mark, p);
    return p;
}

static char *put_attempt(char *p, const struct weir_record_attempt *a)
{
    char *mark;

    p = weir__wire_open(p, 55, &mark);
    p = put_str(p, 1, a->provider);
    p = put_str(p, 2, a->model);
    p = put_i64(p, 3, a->status);
    p = put_str(p, 4, a->error);
    p = put_i64(p, 5, a->duration_us);
    p = put_i64(p, 6, a->reused_connection);
    p = put_i64(p, 7, a->cost_nano_usd);
    weir__wire_close(mark, p);
    return p;
}

int weir_record_encode(const struct weir_record *r, struct weir_buf *out)
{
    size_t holds = r->hold_count < WEIR_RECORD_MAX_HOLDS ? r->hold_count : WEIR_RECORD_MAX_HOLDS;
    size_t attempts =
        r->attempt_count < WEIR_RECORD_MAX_ATTEMPTS ? r->attempt_count : WEIR_RECORD_MAX_ATTEMPTS;
    char *start, *p;

    WEIR_ASSERT(r->cost_part_count <= WEIR_RECORD_MAX_COST_PARTS);
    start = weir_buf_reserve(out, bound(r, holds, attempts));
    if (!start)
        return WEIR_ELIMIT;
    p = put_caller(start, r);
    p = put_call(p, r);
    p = put_usage(p, &r->usage);
    p = put_cost(p, r, r->cost_part_count);
    for (size_t i = 0; i < holds; i++)
        p = put_hold(p, &r->holds[i]);
    for (size_t i = 0; i < attempts; i++)
        p = put_attempt(p, &r->attempts[i]);
    weir_buf_grown(out, (size_t)(p - start));
    return WEIR_OK;
}
