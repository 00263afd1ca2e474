#include "controlplane/telemetry/jsonout.h"
#include "controlplane/telemetry/query_internal.h"
#include "weir/v1/telemetry.pb-c.h"

enum { CALLS_DEFAULT = 100 };

#define COLUMNS "calls.id, calls.node, calls.ns, record, request_id"

static const char sql_calls[] =
    "SELECT " COLUMNS " FROM calls WHERE (CAST(?1 AS {int}) = 0 OR id > ?1) AND (CAST(?2 AS {int}) "
    "= 0 OR id < ?2) AND"
    " (CAST(?3 AS {int}) = 0 OR started_ms >= ?3) AND (CAST(?4 AS {int}) = 0 OR started_ms < ?4) "
    "AND"
    " (CAST(?5 AS TEXT) IS NULL OR outcome = ?5) AND (CAST(?6 AS TEXT) IS NULL OR session = ?6) AND"
    " (CAST(?7 AS TEXT) IS NULL OR trace_id = ?7) AND (CAST(?8 AS TEXT) IS NULL OR request_id = "
    "?8)" WEIR__FILTER("?9", "?10", "?11", "?12", "?13", "?14",
                       "?15") " ORDER BY id DESC LIMIT ?16";
/* With an id of a client's, the latest call that had it. */
static const char sql_call_request[] =
    "SELECT " COLUMNS ", incarnations.incarnation FROM calls LEFT JOIN incarnations ON"
    " incarnations.id = calls.incarnation WHERE request_id = ?1 ORDER BY calls.id DESC LIMIT 1";
static const char sql_call_id[] =
    "SELECT " COLUMNS ", incarnations.incarnation FROM calls LEFT JOIN incarnations ON"
    " incarnations.id = calls.incarnation WHERE calls.id = ?1";

static void num(struct weir_buf *out, const char *key, protobuf_c_boolean has, int64_t v)
{
    if (has)
        weir__out_i64(out, key, v);
}

static void write_usage(struct weir_buf *out, const Weir__V1__Usage *u)
{
    weir__out_key(out, "usage");
    (void)weir_buf_addz(out, "{");
    if (u) {
        num(out, "inputTokens", u->has_inputtokens, u->inputtokens);
        num(out, "outputTokens", u->has_outputtokens, u->outputtokens);
        num(out, "cacheReadTokens", u->has_cachereadtokens, u->cachereadtokens);
        num(out, "cacheWriteTokens", u->has_cachewritetokens, u->cachewritetokens);
        num(out, "cacheWrite1hTokens", u->has_cachewrite1htokens, u->cachewrite1htokens);
        num(out, "reasoningTokens", u->has_reasoningtokens, u->reasoningtokens);
        if (u->estimated)
            weir__out_flag(out, "estimated", true);
    }
    (void)weir_buf_addz(out, "}");
}

static void write_ids(struct weir_buf *out, struct weir_stmt *st, const Weir__V1__CallRecord *r)
{
    int64_t cursor = weir_stmt_i64(st, 0);

    if (r->requestid && *r->requestid)
        weir__out_text(out, "id", r->requestid);
    else {
        weir__out_key(out, "id");
        (void)weir_buf_addf(out, "\"%lld\"", (long long)cursor);
    }
    weir__out_i64(out, "cursor", cursor);
    weir__out_str(out, "node", weir_stmt_str(st, 1));
    weir__out_str(out, "namespace", weir_stmt_str(st, 2));
    weir__out_text(out, "requestId", r->requestid);
    weir__out_text(out, "traceId", r->traceid);
    weir__out_text(out, "session", r->session);
}

static void write_call(struct weir_buf *out, struct weir_stmt *st, const Weir__V1__CallRecord *r)
{
    write_ids(out, st, r);
    weir__out_i64(out, "startedMs", r->startedms);
    weir__out_i64(out, "durationUs", r->durationus);
    num(out, "firstByteUs", r->has_firstbyteus, r->firstbyteus);
    num(out, "firstTokenUs", r->has_firsttokenus, r->firsttokenus);
    num(out, "gatewayUs", r->has_gatewayus, r->gatewayus);
    weir__out_text(out, "agent", r->agent);
    weir__out_text(out, "key", r->key);
    weir__out_text(out, "organization", r->organization);
    weir__out_text(out, "project", r->project);
    weir__out_text(out, "team", r->team);
    weir__out_text(out, "environment", r->environment);
    weir__out_text(out, "operation", r->operation);
    weir__out_text(out, "dialect", r->dialect);
    weir__out_text(out, "route", r->route);
    weir__out_text(out, "provider", r->provider);
    weir__out_text(out, "requestedModel", r->requestedmodel);
    weir__out_text(out, "servedModel", r->servedmodel);
    weir__out_flag(out, "stream", r->stream);
    weir__out_flag(out, "cached", r->cached);
    weir__out_i64(out, "status", r->status);
    weir__out_text(out, "errorCode", r->errorcode);
    weir__out_text(out, "errorDetail", r->errordetail);
    weir__out_text(out, "outcome", r->outcome);
    weir__out_text(out, "finishReason", r->finishreason);
    write_usage(out, r->usage);
    weir__out_i64(out, "costNano", r->cost);
    weir__out_text(out, "priceSource", r->pricesource);
}

static void write_parts(struct weir_buf *out, const Weir__V1__CallRecord *r)
{
    weir__out_key(out, "costParts");
    (void)weir_buf_addz(out, "[");
    for (size_t i = 0; i < r->n_costparts; i++) {
        weir__out_comma(out);
        (void)weir_buf_addz(out, "{");
        weir__out_str(out, "kind", weir_str_of(r->costparts[i]->kind));
        weir__out_i64(out, "tokens", r->costparts[i]->tokens);
        weir__out_i64(out, "price", r->costparts[i]->price);
        (void)weir_buf_addz(out, "}");
    }
    (void)weir_buf_addz(out, "]");
}

static void write_holds(struct weir_buf *out, const Weir__V1__CallRecord *r)
{
    weir__out_key(out, "holds");
    (void)weir_buf_addz(out, "[");
    for (size_t i = 0; i < r->n_holds; i++) {
        const Weir__V1__Hold *h = r->holds[i];

        weir__out_comma(out);
        (void)weir_buf_addz(out, "{");
        weir__out_str(out, "budget", weir_str_of(h->budget));
        weir__out_str(out, "scope", weir_str_of(h->scope));
        weir__out_text(out, "lease", h->lease);
        weir__out_text(out, "unit", h->unit && *h->unit ? h->unit : "usd");
        weir__out_i64(out, "held", h->held);
        weir__out_i64(out, "settled", h->settled);
        weir__out_flag(out, "refused", h->refused);
        (void)weir_buf_addz(out, "}");
    }
    (void)weir_buf_addz(out, "]");
}

static void write_attempts(struct weir_buf *out, const Weir__V1__CallRecord *r)
{
    weir__out_key(out, "attempts");
    (void)weir_buf_addz(out, "[");
    for (size_t i = 0; i < r->n_attempts; i++) {
        const Weir__V1__Attempt *a = r->attempts[i];

        weir__out_comma(out);
        (void)weir_buf_addz(out, "{");
        weir__out_str(out, "provider", weir_str_of(a->provider));
        weir__out_str(out, "model", weir_str_of(a->model));
        weir__out_i64(out, "status", a->status);
        weir__out_str(out, "error", weir_str_of(a->error));
        weir__out_i64(out, "durationUs", a->durationus);
        weir__out_flag(out, "reusedConnection", a->reusedconnection);
        weir__out_i64(out, "costNano", a->cost);
        (void)weir_buf_addz(out, "}");
    }
    (void)weir_buf_addz(out, "]");
}

static void write_details(struct weir_buf *out, struct weir_stmt *st, const Weir__V1__CallRecord *r)
{
    weir__out_text(out, "spanId", r->spanid);
    weir__out_text(out, "parentSpanId", r->parentspanid);
    weir__out_text(out, "userAgent", r->useragent);
    weir__out_str(out, "incarnation", weir_stmt_str(st, 5));
    weir__out_i64(out, "sequence", (int64_t)r->sequence);
    weir__out_i64(out, "requestBytes", r->requestbytes);
    weir__out_i64(out, "responseBytes", r->responsebytes);
    weir__out_i64(out, "chunks", r->chunks);
    weir__out_text(out, "policyRevision", r->policyrevision);
    write_parts(out, r);
    write_holds(out, r);
    write_attempts(out, r);
}

static int write_row(struct weir_buf *out, struct weir_stmt *st, bool details)
{
    struct weir_str packed = weir_stmt_str(st, 3);
    Weir__V1__CallRecord *r =
        weir__v1__call_record__unpack(NULL, packed.n, (const uint8_t *)packed.p);

    if (!r)
        return WEIR_ECORRUPT;
    weir__out_comma(out);
    (void)weir_buf_addz(out, "{");
    write_call(out, st, r);
    if (details)
        write_details(out, st, r);
    (void)weir_buf_addz(out, "}");
    weir__v1__call_record__free_unpacked(r, NULL);
    return WEIR_OK;
}

static int bind_calls(const struct weir_query *q, struct weir_stmt *st,
                      const struct weir_query_calls *p, int64_t limit,
                      struct weir__patterns *patterns)
{
    weir_stmt_bind_i64(st, 1, p->after);
    weir_stmt_bind_i64(st, 2, p->before);
    weir_stmt_bind_i64(st, 3, p->since_ms);
    weir_stmt_bind_i64(st, 4, p->until_ms);
    weir_stmt_bind_str(st, 5, p->outcome);
    weir_stmt_bind_str(st, 6, p->session);
    weir_stmt_bind_str(st, 7, p->trace);
    weir_stmt_bind_str(st, 8, p->request);
    weir_stmt_bind_i64(st, 16, limit);
    return weir__filter_bind(q, st, 9, &p->filter, patterns);
}

int weir_query_calls_json(struct weir_query *q, const struct weir_query_calls *p,
                          struct weir_buf *out)
{
    int64_t limit = p->limit <= 0 ? CALLS_DEFAULT : p->limit, newest = p->after, oldest = 0, n = 0;
    struct weir__patterns patterns;
    struct weir_stmt *st;
    int rc = weir_store_stmt(q->store, sql_calls, &st);

    if (limit > WEIR_QUERY_MAX_CALLS)
        limit = WEIR_QUERY_MAX_CALLS;
    if (rc == WEIR_OK)
        rc = bind_calls(q, st, p, limit, &patterns);
    if (rc != WEIR_OK)
        return rc;
    (void)weir_buf_addz(out, "{\"items\":[");
    while ((rc = weir_stmt_step(st)) == 1) {
        oldest = weir_stmt_i64(st, 0);
        newest = n++ == 0 ? oldest : newest;
        (void)write_row(out, st, false); /* a row that can't be read is left out */
    }
    weir_stmt_reset(st);
    (void)weir_buf_addz(out, "]");
    if (n == limit)
        weir__out_i64(out, "next", oldest);
    else
        (void)weir_buf_addz(out, ",\"next\":null");
    weir__out_i64(out, "newest", newest);
    (void)weir_buf_addz(out, "}");
    return rc < 0 ? rc : out->full ? WEIR_ELIMIT : WEIR_OK;
}

/* WEIR_ENOTFOUND: no such row. */
static int one_call(struct weir_stmt *st, struct weir_buf *out)
{
    int rc = weir_stmt_step(st);

    if (rc == 1)
        rc = write_row(out, st, true);
    else if (rc == 0)
        rc = WEIR_ENOTFOUND;
    weir_stmt_reset(st);
    return rc;
}

int weir_query_call_json(struct weir_query *q, struct weir_str id, struct weir_buf *out)
{
    struct weir_stmt *st;
    int64_t number;
    int rc = weir_store_stmt(q->store, sql_call_request, &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_str(st, 1, id);
    rc = one_call(st, out);
    if (rc == WEIR_ENOTFOUND && weir_str_i64(id, &number) == WEIR_OK) {
        rc = weir_store_stmt(q->store, sql_call_id, &st);
        if (rc != WEIR_OK)
            return rc;
        weir_stmt_bind_i64(st, 1, number);
        rc = one_call(st, out);
    }
    return rc == WEIR_OK && out->full ? WEIR_ELIMIT : rc;
}
