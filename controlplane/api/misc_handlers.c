/* misc_handlers.c - health, the index, metrics, and the dashboard's files. */
#include "controlplane/api/internal.h"

#include "base/clock.h"
#include "controlplane/api/assets.h"

void weir__api_healthz(struct weir_api_ctx *c)
{
    struct weir_jw *w = weir__api_ok(c);

    weir_jw_object(w, NULL);
    weir_jw_z(w, "status", "ok");
    weir_jw_end_object(w);
}

void weir__api_readyz(struct weir_api_ctx *c)
{
    const struct weir_api_backend *b = &c->api->backend;
    const char *why = b->not_ready ? b->not_ready(b->arg) : NULL;

    if (why)
        weir__api_error(c, 503, "not_ready", "Wait, or see the control plane's log.", "%s", why);
    else
        weir__api_healthz(c);
}

void weir__api_version(struct weir_api_ctx *c)
{
    struct weir_jw *w = weir__api_ok(c);

    weir_jw_object(w, NULL);
    weir_jw_z(w, "version", c->api->backend.version);
    weir_jw_z(w, "api", "v1");
    weir_jw_i64(w, "startedMs", c->api->started_ms);
    weir_jw_end_object(w);
}

void weir__api_index(struct weir_api_ctx *c)
{
    struct weir_jw *w = weir__api_ok(c);

    weir_jw_object(w, NULL);
    weir_jw_array(w, "endpoints");
    for (size_t i = 0; i < weir__api_route_count; i++) {
        const struct weir_api_route *r = &weir__api_routes[i];

        weir_jw_object(w, NULL);
        weir_jw_z(w, "method", r->method);
        weir_jw_z(w, "path", r->path);
        weir_jw_z(w, "role", weir_role_name(r->role));
        weir_jw_z(w, "query", r->query);
        weir_jw_z(w, "doc", r->doc);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

void weir__api_metrics(struct weir_api_ctx *c)
{
    const struct weir_api_backend *b = &c->api->backend;

    weir__api_ok(c);
    c->content_type = "text/plain; version=0.0.4; charset=utf-8";
    weir_buf_addf(&c->out,
                  "# HELP weir_build_info 1, with the version as a label.\n"
                  "# TYPE weir_build_info gauge\nweir_build_info{version=\"%s\"} 1\n"
                  "# HELP weir_control_start_time_seconds When the control plane started.\n"
                  "# TYPE weir_control_start_time_seconds gauge\n"
                  "weir_control_start_time_seconds %lld.%03lld\n",
                  b->version, (long long)(c->api->started_ms / 1000),
                  (long long)(c->api->started_ms % 1000));
    if (b->metrics)
        b->metrics(b->arg, &c->out);
    weir__api_budget_metrics(c, &c->out);
}

void weir__api_asset(struct weir_api_ctx *c)
{
    struct weir_str name = c->params[0].p ? c->params[0] : WEIR_STR("index.html");

    for (size_t i = 0; i < weir_asset_count; i++) {
        if (!weir_str_is(name, weir_assets[i].name))
            continue;
        weir__api_ok(c);
        c->content_type = weir_assets[i].type;
        c->cache = "no-cache";
        weir_buf_add(&c->out, weir_assets[i].bytes, weir_assets[i].n);
        return;
    }
    weir__api_error(c, 404, "not_found", "Open / for the dashboard.", "There is no such file.");
}

void weir_api_write_docs(struct weir_buf *out)
{
    weir_buf_addz(
        out,
        "# HTTP API of weir-control\n\n"
        "Made from the routing table (`controlplane/api/routes.c`); `GET /api/v1` gives the same "
        "as JSON.\n\n"
        "- Address: `127.0.0.1:7081` unless `--api` says otherwise.\n"
        "- Send `Authorization: Bearer TOKEN`. The tokens are in the state folder, readable by "
        "their owner only:\n"
        "  `admin.token` may do everything, `viewer.token` may read. A browser signs in for a "
        "cookie; changes by cookie\n"
        "  also need the header `x-weir-request`.\n"
        "- `Host` must be an address, `localhost` or a configured name, and `Origin`, when sent, "
        "the same.\n"
        "- Twenty wrong tokens from one address within a minute: 429 until the minute is over.\n"
        "- Bodies are JSON; manifests are YAML or JSON. Times are milliseconds since 1970, "
        "durations microseconds (`…Us`) or\n"
        "  milliseconds (`…Ms`), money integers of nano-USD (`…Nano`; in budgets of unit `usd` "
        "also `limit`, `settled`, …).\n"
        "- Every error is `{\"error\": {\"code\", \"message\", \"fix\"}}`: a stable code, what is "
        "wrong, how to mend it. Errors of\n"
        "  manifests have `errors` besides: `file`, `line`, `kind`, `name`, `path`, `message` and "
        "all of it as `text`.\n\n"
        "| Method | Path | Role | Query | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < weir__api_route_count; i++) {
        const struct weir_api_route *r = &weir__api_routes[i];

        weir_buf_addf(out, "| %s | `%s` | %s | %s | %s |\n", r->method, r->path,
                      weir_role_name(r->role), r->query, r->doc);
    }
}
