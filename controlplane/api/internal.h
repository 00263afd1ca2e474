/* internal.h - what the files of the API share: one request's context, the routing table, replies.
 */
#ifndef WEIR_API_INTERNAL_H
#define WEIR_API_INTERNAL_H

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "controlplane/api/api.h"
#include "controlplane/api/auth.h"
#include "lease/lease.h"
#include "data/json_write.h"

enum {
    WEIR_API_MAX_PARAMS = 4,
    WEIR_API_MAX_REPLY_BYTES = 32 << 20,
    WEIR_API_MAX_BODY_BYTES = 4 << 20,
};

enum weir_api_flags {
    WEIR_API_POOL = 1,     /* the handler runs in the thread pool: it may block, and touches
                            * nothing that belongs to the loop */
    WEIR_API_BODY = 2,     /* a body is read first */
    WEIR_API_LOADS_UI = 4, /* answers a page or its parts: no JSON */
};

struct weir_api_ctx;
typedef void (*weir_api_handler_fn)(struct weir_api_ctx *c);

struct weir_api_route {
    const char *method;
    const char *path; /* "/api/v1/calls/{id}" */
    enum weir_role role;
    unsigned flags;
    weir_api_handler_fn handler;
    const char *query; /* its parameters, "" for none */
    const char *doc;
};

/* One request. Strings live in the arena. */
struct weir_api_ctx {
    struct weir_api *api;
    struct weir_arena *arena;
    const struct weir_api_route *route;
    struct weir_str method, path, query, body;
    struct weir_str params[WEIR_API_MAX_PARAMS];
    struct weir_auth_request auth;
    enum weir_role role;

    unsigned status;
    const char *content_type;
    const char *cookie; /* a Set-Cookie value, or NULL */
    const char *cache;  /* a Cache-Control value; NULL: no-store */
    const char *allow;  /* for 405 */
    int64_t retry_after_s;
    bool keys_changed, policy_changed; /* tell the backend, on the loop */
    const char *error_code;            /* of weir__api_error; NULL: none */
    const char *audit_object;          /* what was changed; NULL: the path's parameters say */
    struct weir_str audit_detail;      /* what the audit is to keep of it: a JSON object */
    struct weir_buf out;
    struct weir_jw json; /* writes to out */
};

struct weir_api {
    struct weir_api_backend backend;
    struct weir_auth *auth;
    int64_t started_ms;
    uv_mutex_t apply_lock; /* one writer of the policy folder at a time */
    void *server;          /* server.c's part */
};

extern const struct weir_api_route weir__api_routes[];
extern const size_t weir__api_route_count;

/* The route of method and path, with its params set in c. WEIR_ENOTFOUND; WEIR_ESTATE: the path
 * exists with other methods, which c->allow lists. */
WEIR_NODISCARD int weir__api_match(struct weir_api_ctx *c);

/* Checks the role and runs the handler; every way out leaves a whole reply in c. */
bool weir__api_admit(struct weir_api_ctx *c); /* false: refused, the reply is there */

/* The percent-decoded value of a query parameter; absent when it isn't there. */
struct weir_str weir__api_query(struct weir_api_ctx *c, const char *name);
/* A number within bounds, or what to take without one. False: refused, the reply is there. */
bool weir__api_query_i64(struct weir_api_ctx *c, const char *name, int64_t fallback, int64_t min,
                         int64_t max, int64_t *out);
/* "90s", "24h", "7d" as milliseconds, within 1 s and 400 d. False: refused, the reply is there. */
bool weir__api_query_span(struct weir_api_ctx *c, const char *name, int64_t fallback_ms,
                          int64_t *out);
bool weir__api_query_true(struct weir_api_ctx *c, const char *name);

/* {"error":{"code","message","fix"}}; replaces whatever was written. */
void weir__api_error(struct weir_api_ctx *c, unsigned status, const char *code, const char *fix,
                     const char *fmt, ...) WEIR_PRINTF(5, 6);
/* The error for a code of a lower layer. */
void weir__api_fail(struct weir_api_ctx *c, int rc, const char *what);
/* Starts a JSON reply with status 200. */
struct weir_jw *weir__api_ok(struct weir_api_ctx *c);

/* handlers, by file */
void weir__api_index(struct weir_api_ctx *c);
void weir__api_healthz(struct weir_api_ctx *c);
void weir__api_readyz(struct weir_api_ctx *c);
void weir__api_version(struct weir_api_ctx *c);
void weir__api_metrics(struct weir_api_ctx *c);
void weir__api_explain(struct weir_api_ctx *c);
void weir__api_asset(struct weir_api_ctx *c);

void weir__api_session_get(struct weir_api_ctx *c);
void weir__api_session_start(struct weir_api_ctx *c);
void weir__api_session_end(struct weir_api_ctx *c);
void weir__api_login_create(struct weir_api_ctx *c);
void weir__api_join_token_create(struct weir_api_ctx *c);

void weir__api_fleet(struct weir_api_ctx *c);

void weir__api_policy(struct weir_api_ctx *c);
void weir__api_resources(struct weir_api_ctx *c);
void weir__api_resource(struct weir_api_ctx *c);
void weir__api_resource_delete(struct weir_api_ctx *c);
void weir__api_validate(struct weir_api_ctx *c);
void weir__api_diff(struct weir_api_ctx *c);
void weir__api_apply(struct weir_api_ctx *c);

void weir__api_keys_list(struct weir_api_ctx *c);
void weir__api_keys_create(struct weir_api_ctx *c);
void weir__api_keys_revoke(struct weir_api_ctx *c);

void weir__api_spend(struct weir_api_ctx *c);
void weir__api_spend_focus(struct weir_api_ctx *c);
void weir__api_chargeback(struct weir_api_ctx *c);
void weir__api_correct(struct weir_api_ctx *c);
void weir__api_corrections(struct weir_api_ctx *c);
/* "2026-11-20" as the moment when it begins, UTC. */
bool weir__api_day(struct weir_str text, int64_t *out_ms);
/* The parameters from and until, each left as it is without one. False: the reply is there. */
bool weir__api_query_days(struct weir_api_ctx *c, int64_t *from_ms, int64_t *until_ms);
void weir__api_calls(struct weir_api_ctx *c);
void weir__api_call(struct weir_api_ctx *c);
void weir__api_prices(struct weir_api_ctx *c);
void weir__api_price_cost(struct weir_api_ctx *c);
void weir__api_top(struct weir_api_ctx *c);

void weir__api_budgets(struct weir_api_ctx *c);
/* Appends mode and window of that budget, as the policy has them now. */
void weir__api_budget_policy(struct weir_api_ctx *c, struct weir_jw *w, const char *budget);
/* Appends the policy's budgets that the ledger doesn't count yet; only absent: all. */
void weir__api_budgets_unused(struct weir_api_ctx *c, struct weir_jw *w, struct weir_str only,
                              bool (*has_counter)(void *arg, const char *budget), void *arg);
void weir__api_budget_history(struct weir_api_ctx *c);
void weir__api_budget_burn(struct weir_api_ctx *c);
void weir__api_asks(struct weir_api_ctx *c);
void weir__api_budget_deny(struct weir_api_ctx *c);
/* Every budget's numbers for /metrics, its scopes summed; nothing when the ledger can't be read. */
void weir__api_budget_metrics(struct weir_api_ctx *c, struct weir_buf *out);
void weir__api_lease_release(struct weir_api_ctx *c);
/* NULL: the reply is there. The caller closes it. */
struct weir_ledger_reader;
struct weir_ledger_reader *weir__api_ledger_reader(struct weir_api_ctx *c);
/* "usd", "tokens", "requests". */
const char *weir__api_unit_name(enum weir_unit unit);

void weir__api_budget_entries(struct weir_api_ctx *c);
void weir__api_budget_raise(struct weir_api_ctx *c);
void weir__api_budget_reset(struct weir_api_ctx *c);
void weir__api_budget_correct(struct weir_api_ctx *c);

/* audit_handlers.c. In the pool: the handler with an entry before it, without which it doesn't run,
 * and one after it. */
bool weir__api_is_audited(const struct weir_api_ctx *c);
void weir__api_run_audited(struct weir_api_ctx *c);
/* For handlers on the loop: the entry is written in the pool before the reply goes out. */
bool weir__api_is_audited_after(const struct weir_api_ctx *c);
void weir__api_audit_after(struct weir_api_ctx *c);
struct weir_policy_plan;
void weir__api_audit_plan(struct weir_api_ctx *c, const struct weir_policy_plan *plan);
void weir__api_audit(struct weir_api_ctx *c);
void weir__api_audit_export(struct weir_api_ctx *c);

#endif
