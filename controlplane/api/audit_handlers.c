/* audit_handlers.c - the audit chain: which changes are written down, and reading it. */
#include <stdio.h>
#include <yyjson.h>

#include "base/hash.h"
#include "controlplane/api/internal.h"
#include "controlplane/audit/audit.h"
#include "controlplane/config/apply.h"

enum { MAX_CHANGES = 40, MAX_NAME = 64 }; /* of one apply; the sum is told */

enum audited_flags {
    BODY = 1,  /* the request's body holds no secret: it is kept */
    REPLY = 2, /* likewise the answer's */
    AFTER = 4, /* nothing changes that lasts: one entry, when it was done */
};

/* Everything that changes something. */
static const struct audited {
    weir_api_handler_fn handler;
    const char *action;
    unsigned flags;
} audited[] = {
    {weir__api_session_start, "session.start", AFTER},
    {weir__api_login_create, "login.create", AFTER},
    {weir__api_join_token_create, "join-token.create", BODY},
    {weir__api_apply, "policy.apply", 0},
    {weir__api_resource_delete, "policy.delete", 0},
    {weir__api_keys_create, "key.create", BODY},
    {weir__api_keys_revoke, "key.revoke", 0},
    {weir__api_budget_raise, "budget.raise", BODY | REPLY},
    {weir__api_budget_reset, "budget.reset", BODY | REPLY},
    {weir__api_budget_correct, "budget.correct", BODY | REPLY},
    {weir__api_budget_deny, "budget.deny", BODY | REPLY},
    {weir__api_correct, "spend.correct", BODY | REPLY},
    {weir__api_lease_release, "lease.release", REPLY},
};

static const struct audited *find(const struct weir_api_ctx *c)
{
    if (!c->api->backend.audit || (c->route->handler == weir__api_apply &&
                                   weir__api_query_true((struct weir_api_ctx *)c, "dryRun")))
        return NULL;
    for (size_t i = 0; i < sizeof audited / sizeof *audited; i++)
        if (audited[i].handler == c->route->handler)
            return &audited[i];
    return NULL;
}

static const char *object_of(struct weir_api_ctx *c)
{
    const char *text = NULL;

    if (c->audit_object)
        return c->audit_object;
    for (size_t i = 0; i < WEIR_API_MAX_PARAMS && c->params[i].p; i++)
        text = text ? weir_arena_printf(c->arena, "%s/%.*s", text, WEIR_STR_ARG(c->params[i]))
                    : weir_arena_strdup(c->arena, c->params[i]);
    return text;
}

static struct weir_audit_entry entry_of(struct weir_api_ctx *c, const struct audited *a,
                                        const char *outcome)
{
    return (struct weir_audit_entry){
        .actor = weir_role_name(c->role),
        .from = c->auth.peer.p ? weir_arena_strdup(c->arena, c->auth.peer) : NULL,
        .action = a->action,
        .object = object_of(c),
        .outcome = outcome};
}

/* What was sent: itself where that is allowed, else which bytes it was. */
static struct weir_str asked_detail(struct weir_api_ctx *c, const struct audited *a)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    char hex[2 * WEIR_SHA256_BYTES + 1];

    if (!c->body.n)
        return WEIR_STR_NULL;
    if (a->flags & BODY)
        return c->body;
    weir_sha256(c->body, digest);
    weir_hex(digest, sizeof digest, hex);
    return weir_str_of(
        weir_arena_printf(c->arena, "{\"bytes\":%zu,\"sha256\":\"%s\"}", c->body.n, hex));
}

static struct weir_str done_detail(struct weir_api_ctx *c, const struct audited *a)
{
    if (c->status / 100 != 2)
        return weir_str_of(weir_arena_printf(c->arena, "{\"status\":%u,\"code\":\"%s\"}", c->status,
                                             c->error_code ? c->error_code : ""));
    if (c->audit_detail.p)
        return c->audit_detail;
    return a->flags & REPLY ? weir_buf_str(&c->out) : WEIR_STR_NULL;
}

static void refuse(struct weir_api_ctx *c, int rc)
{
    c->cookie = NULL;
    weir__api_error(c, 503, "audit_unavailable",
                    "See the control plane's log; nothing was changed.",
                    "The audit log can't be written (%s), and without it nothing is changed.",
                    weir_rc_name(rc));
}

bool weir__api_is_audited(const struct weir_api_ctx *c)
{
    return find(c) != NULL;
}

void weir__api_run_audited(struct weir_api_ctx *c)
{
    const struct audited *a = find(c);
    struct weir_audit_entry asked = entry_of(c, a, "asked"), done;
    int64_t seq = 0;
    int rc;

    asked.detail = asked_detail(c, a);
    rc = weir_audit_append(c->api->backend.audit, &asked, &seq);
    if (rc != WEIR_OK) {
        refuse(c, rc);
        return;
    }
    c->route->handler(c);
    done = entry_of(c, a, c->status / 100 == 2 ? "done" : "refused");
    done.of = seq;
    done.detail = done_detail(c, a);
    /* It is done already: what is left is to say so later. */
    if (weir_audit_append(c->api->backend.audit, &done, NULL) != WEIR_OK)
        (void)weir_audit_post(c->api->backend.audit, &done);
}

bool weir__api_is_audited_after(const struct weir_api_ctx *c)
{
    const struct audited *a = find(c);

    return a && a->flags & AFTER;
}

void weir__api_audit_after(struct weir_api_ctx *c)
{
    const struct audited *a = find(c);
    struct weir_audit_entry done = entry_of(c, a, "done");
    int rc = c->status / 100 == 2 ? weir_audit_append(c->api->backend.audit, &done, NULL) : WEIR_OK;

    if (rc != WEIR_OK)
        refuse(c, rc);
}

static void digest_member(struct weir_jw *w, const char *key, const char *text)
{
    unsigned char digest[WEIR_SHA256_BYTES];
    char hex[2 * WEIR_SHA256_BYTES + 1];

    if (!*text)
        return;
    weir_sha256(weir_str_of(text), digest);
    weir_hex(digest, sizeof digest, hex);
    weir_jw_z(w, key, hex);
}

/* Digests, not texts: a manifest may hold what is not for everyone who may read the audit. */
void weir__api_audit_plan(struct weir_api_ctx *c, const struct weir_policy_plan *plan)
{
    static const char *const actions[] = {"created", "changed", "unchanged", "deleted"};
    struct weir_buf text;
    struct weir_jw w = {.b = &text};
    size_t n = 0;

    weir_buf_init(&text, WEIR_AUDIT_MAX_DETAIL);
    weir_jw_object(&w, NULL);
    weir_jw_i64(&w, "objects", (int64_t)plan->count);
    weir_jw_array(&w, "changes");
    for (size_t i = 0; i < plan->count && n < MAX_CHANGES; i++) {
        const struct weir_policy_change *k = &plan->list[i];

        if (k->action == WEIR_POLICY_UNCHANGED)
            continue;
        n++;
        weir_jw_object(&w, NULL);
        weir_jw_z(&w, "action", actions[k->action]);
        weir_jw_z(&w, "kind", k->type);
        weir_jw_str(&w, "namespace", (struct weir_str){k->ns, strnlen(k->ns, MAX_NAME)});
        weir_jw_str(&w, "name", (struct weir_str){k->name, strnlen(k->name, MAX_NAME)});
        digest_member(&w, "before", k->before);
        digest_member(&w, "after", k->after);
        weir_jw_end_object(&w);
    }
    weir_jw_end_array(&w);
    weir_jw_end_object(&w);
    c->audit_detail = weir_arena_copy(c->arena, weir_buf_str(&text));
    weir_buf_fini(&text);
}

/* ---- reading ---- */

struct reading {
    struct weir_buf *out;
    struct weir_jw *w; /* NULL: lines */
};

static void add_line(void *arg, struct weir_str line)
{
    struct reading *r = arg;

    if (r->w) {
        weir_jw_raw(r->w, NULL, line);
        return;
    }
    (void)weir_buf_adds(r->out, line);
    (void)weir_buf_addz(r->out, "\n");
}

static bool parameters(struct weir_api_ctx *c, int64_t *after, int64_t *limit)
{
    if (!c->api->backend.audit) {
        weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                        "The audit log is not open.");
        return false;
    }
    return weir__api_query_i64(c, "after", 0, 0, INT64_MAX, after) &&
           weir__api_query_i64(c, "limit", 100, 1, WEIR_AUDIT_MAX_READ, limit);
}

void weir__api_audit_export(struct weir_api_ctx *c)
{
    struct reading r = {.out = &c->out};
    struct weir_audit_head head;
    int64_t after, limit;
    int rc;

    if (!parameters(c, &after, &limit))
        return;
    (void)weir__api_ok(c);
    c->content_type = "application/x-ndjson";
    rc = weir_audit_read(c->api->backend.audit, after, limit, add_line, &r, &head);
    if (rc != WEIR_OK)
        weir__api_fail(c, rc, "The audit log");
}

static void write_head(struct weir_jw *w, const struct weir_audit_head *head)
{
    weir_jw_object(w, "head");
    weir_jw_i64(w, "seq", head->seq);
    weir_jw_z(w, "hash", head->hash);
    weir_jw_end_object(w);
}

void weir__api_audit(struct weir_api_ctx *c)
{
    struct weir_buf items;
    struct weir_jw list = {.b = &items}, *w;
    struct reading r = {.w = &list};
    struct weir_audit_head head;
    int64_t after, limit;
    bool newest = !weir__api_query(c, "after").n;
    int rc;

    if (!parameters(c, &after, &limit))
        return;
    weir_buf_init(&items, WEIR_API_MAX_REPLY_BYTES - 4096);
    rc = newest ? weir_audit_read(c->api->backend.audit, INT64_MAX, 1, add_line, &r, &head)
                : WEIR_OK;
    if (rc == WEIR_OK && newest)
        after = head.seq > limit ? head.seq - limit : 0;
    if (rc == WEIR_OK)
        rc = weir_audit_read(c->api->backend.audit, after, limit, add_line, &r, &head);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "The audit log");
    } else {
        w = weir__api_ok(c);
        weir_jw_object(w, NULL);
        weir_jw_raw(
            w, "items",
            weir_str_of(weir_arena_printf(c->arena, "[%.*s]", WEIR_STR_ARG(weir_buf_str(&items)))));
        write_head(w, &head);
        weir_jw_end_object(w);
    }
    weir_buf_fini(&items);
}
