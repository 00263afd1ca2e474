/* call_handlers.c - what telemetry.db knows: spend, calls, one call. */
#include "controlplane/api/internal.h"

#include <time.h>

#include "base/clock.h"
#include "controlplane/telemetry/query.h"

static struct weir_query *open_query(struct weir_api_ctx *c)
{
    struct weir_query *q = NULL;
    int rc = c->api->backend.telemetry_path ? weir_query_open(c->api->backend.telemetry_path, &q)
                                            : WEIR_ENOTFOUND;

    if (rc == WEIR_OK)
        return q;
    weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                    "The telemetry store can't be read (%s).", weir_rc_name(rc));
    return NULL;
}

static struct weir_query_filter filter_of(struct weir_api_ctx *c)
{
    return (struct weir_query_filter){
        .ns = weir__api_query(c, "namespace"),
        .agent = weir__api_query(c, "agent"),
        .project = weir__api_query(c, "project"),
        .team = weir__api_query(c, "team"),
        .model = weir__api_query(c, "model"),
        .provider = weir__api_query(c, "provider"),
        .key = weir__api_query(c, "key"),
    };
}

/* "" means any, too: a search field that is empty. */
static void drop_empty(struct weir_query_filter *f)
{
    struct weir_str *all[] = {&f->ns,    &f->agent,    &f->project, &f->team,
                              &f->model, &f->provider, &f->key};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!all[i]->n)
            *all[i] = WEIR_STR_NULL;
}

static void answer(struct weir_api_ctx *c, int rc, const char *what)
{
    if (rc != WEIR_OK)
        weir__api_fail(c, rc, what);
}

void weir__api_spend(struct weir_api_ctx *c)
{
    struct weir_query_spend p = {.by = weir__api_query(c, "by"), .filter = filter_of(c)};
    struct weir_query *q;
    int64_t since_ms;
    int rc;

    drop_empty(&p.filter);
    if (!weir__api_query_span(c, "since", 86400000, &since_ms) ||
        !weir__api_query_span(c, "step", 0, &p.step_ms) ||
        !weir__api_query_i64(c, "limit", 0, 0, WEIR_QUERY_MAX_GROUPS, &p.limit) ||
        !(q = open_query(c)))
        return;
    p.to_ms = weir_wall_ms();
    p.from_ms = p.to_ms - since_ms;
    if (!weir__api_query_days(c, &p.from_ms, &p.to_ms)) {
        weir_query_close(q);
        return;
    }
    weir__api_ok(c);
    rc = weir_query_spend_json(q, &p, &c->out);
    weir_query_close(q);
    if (rc == WEIR_EINVAL)
        weir__api_error(c, 400, "bad_parameter",
                        "Use up to three of agent, project, team, model, provider, key, namespace, "
                        "environment.",
                        "by names something that spend is not kept for.");
    else
        answer(c, rc, "The spend");
}

/* "2026-11" as the first moment of that month and of the next one. */
static bool read_month(struct weir_str s, int64_t *from_ms, int64_t *to_ms)
{
    struct weir_str month, year = weir_str_cut(s, '-', &month);
    struct tm tm = {.tm_mday = 1};
    int64_t y, m;

    if (year.n != 4 || month.n != 2 || weir_str_i64(year, &y) || weir_str_i64(month, &m) ||
        y < 1970 || m < 1 || m > 12)
        return false;
    tm.tm_year = (int)y - 1900;
    tm.tm_mon = (int)m - 1;
    *from_ms = (int64_t)timegm(&tm) * 1000;
    tm = (struct tm){.tm_mday = 1, .tm_year = (int)y - 1900, .tm_mon = (int)m};
    *to_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

static struct weir_str this_month(char text[8])
{
    time_t now = (time_t)(weir_wall_ms() / 1000);
    struct tm tm = {0};

    (void)gmtime_r(&now, &tm);
    (void)strftime(text, 8, "%Y-%m", &tm);
    return weir_str_of(text);
}

static bool read_format(struct weir_api_ctx *c, bool *csv)
{
    struct weir_str format = weir__api_query(c, "format");

    *csv = weir_str_is(format, "csv");
    if (!format.n || *csv || weir_str_is(format, "json"))
        return true;
    weir__api_error(c, 400, "bad_parameter", "Use csv or json.", "format is not known.");
    return false;
}

static bool read_period(struct weir_api_ctx *c, int64_t *from_ms, int64_t *to_ms)
{
    struct weir_str month = weir__api_query(c, "month");
    char now[8];

    if (read_month(month.n ? month : this_month(now), from_ms, to_ms))
        return weir__api_query_days(c, from_ms, to_ms);
    weir__api_error(c, 400, "bad_parameter", "Write it as 2026-11.", "month is no month.");
    return false;
}

void weir__api_spend_focus(struct weir_api_ctx *c)
{
    struct weir_query_focus p = {.csv = false};
    struct weir_query *q;
    int rc;

    if (!read_period(c, &p.from_ms, &p.to_ms) || !read_format(c, &p.csv) || !(q = open_query(c)))
        return;
    weir__api_ok(c);
    if (p.csv)
        c->content_type = "text/csv; charset=utf-8; header=present";
    rc = weir_query_focus(q, &p, &c->out);
    weir_query_close(q);
    if (rc == WEIR_ELIMIT)
        weir__api_error(c, 413, "too_large", "Read telemetry.db itself for so much.",
                        "The month has more than 32 MiB of rows.");
    else
        answer(c, rc, "The spend");
}

void weir__api_chargeback(struct weir_api_ctx *c)
{
    struct weir_query_chargeback p = {.by = weir__api_query(c, "by"), .filter = filter_of(c)};
    struct weir_query *q;
    int rc;

    drop_empty(&p.filter);
    if (!p.by.n)
        p.by = WEIR_STR("team,project,agent");
    if (!read_format(c, &p.csv) || !read_period(c, &p.from_ms, &p.to_ms) || !(q = open_query(c)))
        return;
    weir__api_ok(c);
    if (p.csv)
        c->content_type = "text/csv; charset=utf-8; header=present";
    rc = weir_query_chargeback(q, &p, &c->out);
    weir_query_close(q);
    if (rc == WEIR_EINVAL)
        weir__api_error(c, 400, "bad_parameter",
                        "Use agent, project, team, model, provider, key, namespace, environment "
                        "and day, each once.",
                        "by names something that spend is not kept for.");
    else if (rc == WEIR_ELIMIT)
        weir__api_error(c, 413, "too_large", "Take a shorter period or fewer labels.",
                        "The answer has more than 32 MiB.");
    else
        answer(c, rc, "The spend");
}

void weir__api_calls(struct weir_api_ctx *c)
{
    struct weir_query_calls p = {.filter = filter_of(c),
                                 .outcome = weir__api_query(c, "outcome"),
                                 .session = weir__api_query(c, "session"),
                                 .trace = weir__api_query(c, "trace")};
    struct weir_query *q;
    int64_t since_ms;
    int rc;

    drop_empty(&p.filter);
    if (!p.outcome.n)
        p.outcome = WEIR_STR_NULL;
    if (!weir__api_query_span(c, "since", 0, &since_ms) ||
        !weir__api_query_i64(c, "limit", 100, 1, WEIR_QUERY_MAX_CALLS, &p.limit) ||
        !weir__api_query_i64(c, "before", 0, 0, INT64_MAX, &p.before) ||
        !weir__api_query_i64(c, "after", 0, 0, INT64_MAX, &p.after) || !(q = open_query(c)))
        return;
    p.since_ms = since_ms ? weir_wall_ms() - since_ms : 0;
    weir__api_ok(c);
    rc = weir_query_calls_json(q, &p, &c->out);
    weir_query_close(q);
    answer(c, rc, "The list of calls");
}

void weir__api_call(struct weir_api_ctx *c)
{
    struct weir_query *q = open_query(c);
    int rc;

    if (!q)
        return;
    weir__api_ok(c);
    rc = weir_query_call_json(q, c->params[0], &c->out);
    weir_query_close(q);
    answer(c, rc, "A call with this id");
}

void weir__api_top(struct weir_api_ctx *c)
{
    struct weir_query *q;
    int64_t since_ms, limit, now_ms = weir_wall_ms();
    int rc;

    if (!weir__api_query_span(c, "since", 300000, &since_ms) ||
        !weir__api_query_i64(c, "limit", 10, 1, 100, &limit) || !(q = open_query(c)))
        return;
    weir__api_ok(c);
    rc = weir_query_top_json(q, now_ms - since_ms, now_ms, limit, &c->out);
    weir_query_close(q);
    answer(c, rc, "The busiest callers");
}
