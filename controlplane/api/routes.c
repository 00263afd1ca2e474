/* routes.c - every endpoint: method, path, role, handler and what the documentation says. */
#include "controlplane/api/internal.h"

#include "common/http/percent.h"

#define V1 "/api/v1"

/* clang-format off */
const struct weir_api_route weir__api_routes[] = {
    {"GET", "/healthz", WEIR_ROLE_NONE, 0, weir__api_healthz, "",
     "200 while the process serves."},
    {"GET", "/readyz", WEIR_ROLE_NONE, 0, weir__api_readyz, "",
     "200 when a policy is in force and the stores answer; else 503 with the reason."},
    {"GET", "/metrics", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_metrics, "",
     "Prometheus text of the control plane."},
    {"GET", "/", WEIR_ROLE_NONE, WEIR_API_LOADS_UI, weir__api_asset, "",
     "The dashboard; it signs in for its data."},
    {"GET", "/assets/{file}", WEIR_ROLE_NONE, WEIR_API_LOADS_UI, weir__api_asset, "",
     "The dashboard's scripts and styles."},

    {"GET", V1, WEIR_ROLE_NONE, 0, weir__api_index, "",
     "This list, as JSON."},
    {"GET", V1 "/version", WEIR_ROLE_NONE, 0, weir__api_version, "",
     "Version of the control plane and of the API."},
    {"GET", V1 "/session", WEIR_ROLE_VIEWER, 0, weir__api_session_get, "",
     "The caller's role."},
    {"POST", V1 "/session", WEIR_ROLE_NONE, WEIR_API_BODY, weir__api_session_start, "",
     "Signs a browser in. Body: `{\"token\": T}` or `{\"login\": CODE}`. Answers with a cookie (HttpOnly, SameSite=Strict)."},
    {"DELETE", V1 "/session", WEIR_ROLE_NONE, 0, weir__api_session_end, "",
     "Signs the browser out."},
    {"POST", V1 "/logins", WEIR_ROLE_ADMIN, 0, weir__api_login_create, "",
     "A login code that works once, within five minutes: open `/#login=CODE`."},
    {"POST", V1 "/join-tokens", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_join_token_create, "",
     "A token for one proxy's first certificate. Body: `{\"namespace\": NS, \"validMs\": N}` (both optional)."},

    {"GET", V1 "/fleet", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_fleet, "",
     "The proxies: policy revision, ACK or NACK with its errors, ages, load."},

    {"GET", V1 "/policy", WEIR_ROLE_VIEWER, 0, weir__api_policy, "",
     "The revision in force, and every error of an edit that was not taken."},
    {"GET", V1 "/resources", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_resources, "kind",
     "All resources with their status; `kind` picks one kind."},
    {"GET", V1 "/resources/{kind}/{namespace}/{name}", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_resource, "yaml",
     "One resource with its status; with `yaml=true` also its YAML."},
    {"DELETE", V1 "/resources/{kind}/{namespace}/{name}", WEIR_ROLE_ADMIN, WEIR_API_POOL, weir__api_resource_delete, "",
     "Takes a resource out of the policy folder. Refused when the rest would not be valid."},
    {"POST", V1 "/validate", WEIR_ROLE_VIEWER, WEIR_API_POOL | WEIR_API_BODY, weir__api_validate, "file",
     "Checks manifests (YAML or JSON) together with the policy in force; lists all errors, changes nothing."},
    {"POST", V1 "/diff", WEIR_ROLE_VIEWER, WEIR_API_POOL | WEIR_API_BODY, weir__api_diff, "file",
     "What applying these manifests would change."},
    {"POST", V1 "/apply", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_apply, "dryRun, file",
     "Writes manifests into the policy folder, all or none. 422 with every error when they are not valid."},
    {"PUT", V1 "/apply", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_apply, "dryRun, file",
     "As POST."},
    {"GET", V1 "/explain/{path}", WEIR_ROLE_VIEWER, 0, weir__api_explain, "",
     "What a kind or a field is for: `Budget.spec.limit`."},

    {"GET", V1 "/keys", WEIR_ROLE_ADMIN, WEIR_API_POOL, weir__api_keys_list, "",
     "The API keys made here (never the keys themselves)."},
    {"POST", V1 "/keys", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_keys_create, "",
     "Makes a key and shows it once. Body: `{\"agent\": A, \"namespace\": NS, \"id\": ID, \"expiresMs\": N}`; only `agent` is needed."},
    {"DELETE", V1 "/keys/{namespace}/{id}", WEIR_ROLE_ADMIN, WEIR_API_POOL, weir__api_keys_revoke, "",
     "Revokes a key; proxies refuse it within a second."},

    {"GET", V1 "/spend", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_spend, "by, since, from, until, step",
     "Cost, tokens and calls in groups (`by=agent,model`) over the last `since` (24h), or from a day up to another (`from=2026-11-01&until=2026-12-01`, UTC); with `step` also over time. Corrections are counted in; `correctedNano` is their part."},
    {"GET", V1 "/spend/corrections", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_corrections, "limit",
     "The corrections of what was spent, the newest first."},
    {"POST", V1 "/spend/corrections", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_correct, "",
     "Corrects what was spent on a day (UTC), as an entry of its own. Body: `{\"by\": \"-1.25\", \"day\": \"2026-11-20\", \"reason\": TEXT, \"labels\": {\"provider\": P, ...}, \"ref\": R}`: by in US dollars; the same `ref` is taken once. Budgets are not changed."},
    {"GET", V1 "/spend/focus", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_spend_focus, "month, from, until, format",
     "Cost and usage of a calendar month (UTC; this one), or from a day up to another, by day, agent, model and provider, as FOCUS 1.2 rows: `format=json` or `csv`. Each correction is a row of the charge class Correction."},
    {"GET", V1 "/spend/chargeback", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_chargeback, "by, month, from, until, format",
     "Who is charged how much: a row for each group of any labels (`by=team,project,agent`; `day` too), all groups, of a month or from a day up to another: `format=json` or `csv`."},
    {"GET", V1 "/prices", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_prices, "match, limit",
     "The entries of all price lists, those of Weir's own too, whose model has `match` in it; rates are nano-USD for a million tokens."},
    {"GET", V1 "/prices/cost", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_price_cost, "model, provider, namespace, input, output, cacheRead, cacheWrite, audioInput, audioOutput, webSearches",
     "What a call of so many tokens would cost (a million each): input is all of it, cached parts included. 404: the price is unknown."},
    {"GET", V1 "/top", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_top, "since, limit",
     "The dearest agents, models and providers of the last `since` (5m)."},
    {"GET", V1 "/calls", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_calls, "limit, since, before, after, agent, model, outcome",
     "Calls, the newest first. `after=CURSOR` gives what came since the answer that had this cursor."},
    {"GET", V1 "/calls/{id}", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_call, "",
     "One call: attempts, holds, cost by kind."},

    {"GET", V1 "/budgets", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_budgets, "budget",
     "Each counter of each budget: limit, settled, held, lent, remaining, when it resets, who holds leases. `forecast`: what is spent and held, over the time since the window began, drawn on to its end (`linear`), and when the limit is reached at that rate; null in the first fiftieth of a window and in one without an end."},
    {"GET", V1 "/budgets/{namespace}/{name}/history", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_budget_history, "scope, limit",
     "The windows of one counter, the newest first."},
    {"GET", V1 "/budgets/{namespace}/{name}/burn", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_budget_burn, "scope",
     "How the spending of a counter's present window came about: `points` with what was spent by a moment (`t`), in up to 60 steps of the window, days where it never ends."},
    {"GET", V1 "/budgets/{namespace}/{name}/entries", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_budget_entries, "limit",
     "What operators did to a budget, the newest first: increases (`inForce` while they hold), resets and corrections, with who did it."},
    {"POST", V1 "/budgets/{namespace}/{name}/raise", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_budget_raise, "",
     "Raises a limit for a time, at once. Body: `{\"by\": \"50\", \"untilMs\": N, \"scope\": S}`: by in US dollars, tokens or requests as the budget counts; without `scope` each of its counters."},
    {"POST", V1 "/budgets/{namespace}/{name}/reset", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_budget_reset, "",
     "What was reported as spent in the present window counts no more; what is held or lent does. Body: `{\"scope\": S}`, or `{}` for every counter."},
    {"POST", V1 "/budgets/{namespace}/{name}/correct", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_budget_correct, "",
     "Corrects what a counter has spent in the present window, as an entry of its own. Body: `{\"by\": \"-1.25\", \"reason\": TEXT, \"scope\": S}`: by in what the budget counts; scope is needed when there are several counters."},
    {"POST", V1 "/budgets/{namespace}/{name}/deny", WEIR_ROLE_ADMIN, WEIR_API_POOL | WEIR_API_BODY, weir__api_budget_deny, "",
     "Denies the calls that wait for a person (`onExhausted: ask`), and those of the next minute. Body: `{\"scope\": S}`, or `{}` for every counter. To allow them, raise the limit."},
    {"GET", V1 "/asks", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_asks, "",
     "Budgets for which calls wait for a person now (`onExhausted: ask`): what the largest of them needs, and since when."},
    {"POST", V1 "/leases/{id}/release", WEIR_ROLE_ADMIN, WEIR_API_POOL, weir__api_lease_release, "",
     "Writes off the lease of a proxy that is lost: what it settled and held is charged, the rest is free again."},

    {"GET", V1 "/audit", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_audit, "after, limit",
     "The audit chain: who changed what. The newest `limit` entries (100), or those after number `after`; `head` is the newest one's number and hash."},
    {"GET", V1 "/audit/export", WEIR_ROLE_VIEWER, WEIR_API_POOL, weir__api_audit_export, "after, limit",
     "The entries after number `after` as lines of JSON, exactly as they were hashed: the SHA-256 of a line without `,\"hash\":...` is its hash."},
};
/* clang-format on */

const size_t weir__api_route_count = sizeof weir__api_routes / sizeof *weir__api_routes;

static struct weir_str next_segment(struct weir_str *path)
{
    struct weir_str rest, segment = weir_str_cut(*path, '/', &rest);

    *path = rest;
    return segment;
}

/* Does the path fit the pattern? Its variable parts go to params, still escaped. */
static bool fits(const char *pattern, struct weir_str path, struct weir_str *params)
{
    struct weir_str want = weir_str_of(pattern);
    size_t n = 0;

    while (want.p && path.p) {
        struct weir_str w = next_segment(&want), p = next_segment(&path);

        if (w.n && w.p[0] == '{') {
            if (!p.n || n == WEIR_API_MAX_PARAMS)
                return false;
            params[n++] = p;
        } else if (!weir_str_eq(w, p)) {
            return false;
        }
    }
    return !want.p && !path.p;
}

static int set_params(struct weir_api_ctx *c, const struct weir_str *params)
{
    for (size_t i = 0; i < WEIR_API_MAX_PARAMS; i++)
        if (params[i].p && weir_percent_decode(c->arena, params[i], false, &c->params[i]))
            return WEIR_ENOTFOUND;
    return WEIR_OK;
}

int weir__api_match(struct weir_api_ctx *c)
{
    struct weir_str method = weir_str_is(c->method, "HEAD") ? WEIR_STR("GET") : c->method;
    const char *allow = NULL;

    for (size_t i = 0; i < weir__api_route_count; i++) {
        const struct weir_api_route *r = &weir__api_routes[i];
        struct weir_str params[WEIR_API_MAX_PARAMS] = {{0}};

        if (!fits(r->path, c->path, params))
            continue;
        if (weir_str_is(method, r->method)) {
            c->route = r;
            return set_params(c, params);
        }
        allow = allow ? weir_arena_printf(c->arena, "%s, %s", allow, r->method) : r->method;
    }
    c->allow = allow;
    return allow ? WEIR_ESTATE : WEIR_ENOTFOUND;
}
