/* budget_entries.c - what operators do to budgets: increases with an end, resets, corrections,
 * denials of what calls wait for, and their list. */
#include <yyjson.h>

#include "base/clock.h"
#include "controlplane/api/internal.h"
#include "controlplane/config/source.h"
#include "controlplane/ledger/query.h"
#include "data/decode.h"
#include "weir/v1/config.pb-c.h"

enum { MAX_ASKS = 1000 };

static const char *budget_of(struct weir_api_ctx *c)
{
    return weir_arena_printf(c->arena, "%.*s/%.*s", WEIR_STR_ARG(c->params[0]),
                             WEIR_STR_ARG(c->params[1]));
}

static void write_entry(struct weir_jw *w, const struct weir_ledger_noted *e, int64_t now_ms)
{
    static const char *const names[] = {"", "raise", "reset", "correct", "deny"};
    bool raise = e->kind == WEIR_ENTRY_RAISE;

    weir_jw_object(w, NULL);
    weir_jw_z(w, "what", e->kind <= WEIR_ENTRY_DENY ? names[e->kind] : "");
    weir_jw_z(w, "scope", e->scope);
    weir_jw_i64(w, "amount", e->amount);
    weir_jw_i64(w, "atMs", e->at_ms);
    if (raise) {
        weir_jw_i64(w, "untilMs", e->until_ms);
        weir_jw_bool(w, "inForce", e->until_ms > now_ms);
    }
    if (e->reason)
        weir_jw_z(w, "reason", e->reason);
    weir_jw_z(w, "actor", e->actor);
    weir_jw_end_object(w);
}

void weir__api_budget_entries(struct weir_api_ctx *c)
{
    struct weir_ledger_noted *entries;
    struct weir_ledger_reader *r;
    struct weir_jw *w;
    int64_t limit;
    size_t n;
    int rc;

    if (!weir__api_query_i64(c, "limit", 50, 1, 1000, &limit) || !(r = weir__api_ledger_reader(c)))
        return;
    rc = weir_ledger_read_entries(r, weir_str_of(budget_of(c)), (size_t)limit, c->arena, &entries,
                                  &n);
    weir_ledger_reader_close(r);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "This budget's entries");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_array(w, "items");
    for (size_t i = 0; i < n; i++)
        write_entry(w, &entries[i], weir_wall_ms());
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

/* ---- entering ---- */

struct entering {
    uv_sem_t done;
    int rc;
};

static void on_entered(void *arg, int rc)
{
    struct entering *e = arg;

    e->rc = rc;
    uv_sem_post(&e->done);
}

/* In the pool, as a lease's release. False: refused, the reply is there. */
static bool enter(struct weir_api_ctx *c, const struct weir_ledger_entry *entry)
{
    struct entering e = {.rc = WEIR_EIO};

    if (!c->api->backend.ledger || uv_sem_init(&e.done, 0)) {
        weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                        "The ledger is not open.");
        return false;
    }
    weir_ledger_enter(c->api->backend.ledger, entry, on_entered, &e);
    uv_sem_wait(&e.done);
    uv_sem_destroy(&e.done);
    if (e.rc == WEIR_EINVAL)
        weir__api_error(c, 400, "invalid", "Give more than 0, and a time to come.",
                        "The amount or the time can't be.");
    else if (e.rc == WEIR_EEXIST && entry->kind == WEIR_ENTRY_DENY)
        weir__api_error(c, 409, "nobody_asks", "weir budget asks lists who waits.",
                        "No call waits for more of this budget, or it was denied already.");
    else if (e.rc == WEIR_EEXIST)
        weir__api_error(c, 409, "which_counter",
                        "weir budgets lists its counters: name one with --scope, or `scope`.",
                        "The budget has several counters, or none was used in the present window.");
    else if (e.rc == WEIR_ESTATE && entry->kind == WEIR_ENTRY_CORRECT)
        weir__api_error(c, 409, "too_little_spent",
                        "Take back at most what is spent; a rolling window forgets by itself.",
                        "So much can't be taken back from the present window.");
    else if (e.rc == WEIR_ESTATE)
        weir__api_error(c, 409, "blocks", "Change its limit in the policy.",
                        "A budget with the limit 0 blocks: it is not raised.");
    else if (e.rc != WEIR_OK)
        weir__api_fail(c, e.rc, "A budget with this name");
    return e.rc == WEIR_OK;
}

/* NULL: refused, the reply is there. */
static yyjson_doc *body_of(struct weir_api_ctx *c, const char *example)
{
    yyjson_doc *doc = yyjson_read(c->body.p, c->body.n, 0);

    if (yyjson_is_obj(yyjson_doc_get_root(doc)))
        return doc;
    weir__api_error(c, 400, "invalid_json", example, "The body is not a JSON object.");
    yyjson_doc_free(doc);
    return NULL;
}

static const char *scope_of(struct weir_api_ctx *c, yyjson_val *root)
{
    yyjson_val *v = yyjson_obj_get(root, "scope");

    return yyjson_is_str(v) ? weir_arena_strdup(
                                  c->arena, (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)})
                            : NULL;
}

/* Of the budget's unit. WEIR_ENOTFOUND: no such budget. */
static int amount_of(struct weir_api_ctx *c, struct weir_str text, int64_t *out)
{
    struct weir_policy_source *source = c->api->backend.source;
    struct weir_policy_set *set = source ? weir_policy_source_set(source) : NULL;
    const struct weir_policy_object *o =
        set ? weir_policy_set_find(set, WEIR_STR("Budget"), c->params[0], c->params[1]) : NULL;
    const Weir__V1__Limit *limit =
        o ? ((const Weir__V1__Budget *)(const void *)o->message)->spec->limit : NULL;
    int rc = WEIR_ENOTFOUND;

    if (text.n && text.p[0] == '$')
        text = (struct weir_str){text.p + 1, text.n - 1};
    if (limit)
        rc = limit->has_usd ? weir_data_usd(text, out) : weir_str_i64(text, out);
    weir_policy_set_unref(set);
    return rc;
}

static void raise_by(struct weir_api_ctx *c, yyjson_val *root)
{
    yyjson_val *by = yyjson_obj_get(root, "by");
    struct weir_ledger_entry e = {.kind = WEIR_ENTRY_RAISE,
                                  .budget = budget_of(c),
                                  .scope = scope_of(c, root),
                                  .until_ms = yyjson_get_sint(yyjson_obj_get(root, "untilMs")),
                                  .actor = weir_role_name(c->role)};
    struct weir_jw *w;
    int rc = amount_of(c, (struct weir_str){yyjson_get_str(by), yyjson_get_len(by)}, &e.amount);

    if (rc == WEIR_ENOTFOUND) {
        weir__api_fail(c, rc, "A budget with this name");
        return;
    }
    if (rc != WEIR_OK) {
        weir__api_error(c, 400, "invalid",
                        "Give `by` as a text: \"50\" or \"12.50\" US dollars, or a whole number of "
                        "tokens or requests.",
                        "`by` is no amount of what the budget counts.");
        return;
    }
    if (!enter(c, &e))
        return;
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_z(w, "raised", e.budget);
    weir_jw_z(w, "scope", e.scope);
    weir_jw_i64(w, "by", e.amount);
    weir_jw_i64(w, "untilMs", e.until_ms);
    weir_jw_end_object(w);
}

void weir__api_budget_raise(struct weir_api_ctx *c)
{
    yyjson_doc *doc = body_of(c, "Send {\"by\": \"50\", \"untilMs\": MILLISECONDS}.");

    if (doc)
        raise_by(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

/* A reset, or a denial: of one counter or all. */
static void enter_for(struct weir_api_ctx *c, enum weir_entry_kind kind, const char *done)
{
    yyjson_doc *doc = body_of(c, "Send {} or {\"scope\": S}.");
    struct weir_ledger_entry e = {
        .kind = kind, .budget = budget_of(c), .actor = weir_role_name(c->role)};
    struct weir_jw *w;

    if (!doc)
        return;
    e.scope = scope_of(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    if (!enter(c, &e))
        return;
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_z(w, done, e.budget);
    weir_jw_z(w, "scope", e.scope);
    weir_jw_end_object(w);
}

void weir__api_budget_reset(struct weir_api_ctx *c)
{
    enter_for(c, WEIR_ENTRY_RESET, "reset");
}

void weir__api_budget_deny(struct weir_api_ctx *c)
{
    enter_for(c, WEIR_ENTRY_DENY, "denied");
}

void weir__api_asks(struct weir_api_ctx *c)
{
    struct weir_ledger_reader *r = weir__api_ledger_reader(c);
    struct weir_ledger_petition *list;
    struct weir_jw *w;
    size_t n;
    int rc;

    if (!r)
        return;
    rc = weir_ledger_read_petitions(r, weir_wall_ms(), MAX_ASKS, c->arena, &list, &n);
    weir_ledger_reader_close(r);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "What calls wait for");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_array(w, "items");
    for (size_t i = 0; i < n; i++) {
        weir_jw_object(w, NULL);
        weir_jw_z(w, "name", list[i].budget);
        weir_jw_z(w, "scope", list[i].scope);
        weir_jw_z(w, "unit", weir__api_unit_name(list[i].unit));
        weir_jw_i64(w, "need", list[i].need);
        weir_jw_i64(w, "sinceMs", list[i].since_ms);
        weir_jw_bool(w, "denied", list[i].denied);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

static void correct_by(struct weir_api_ctx *c, yyjson_val *root)
{
    yyjson_val *by = yyjson_obj_get(root, "by"), *why = yyjson_obj_get(root, "reason");
    struct weir_str text = {yyjson_get_str(by), yyjson_get_len(by)};
    bool minus = text.n && text.p[0] == '-';
    struct weir_ledger_entry e = {.kind = WEIR_ENTRY_CORRECT,
                                  .budget = budget_of(c),
                                  .scope = scope_of(c, root),
                                  .reason = yyjson_get_str(why),
                                  .actor = weir_role_name(c->role)};
    struct weir_jw *w;
    int rc;

    if (minus)
        text = (struct weir_str){text.p + 1, text.n - 1};
    rc = amount_of(c, text, &e.amount);
    if (rc == WEIR_ENOTFOUND) {
        weir__api_fail(c, rc, "A budget with this name");
        return;
    }
    if (rc != WEIR_OK || e.amount <= 0 || !e.reason || !yyjson_get_len(why)) {
        weir__api_error(c, 400, "invalid",
                        "Send {\"by\": \"-1.25\", \"reason\": TEXT}, by in what the budget counts.",
                        "`by` is no amount of what the budget counts, or there is no reason.");
        return;
    }
    e.amount = minus ? -e.amount : e.amount;
    if (!enter(c, &e))
        return;
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_z(w, "corrected", e.budget);
    weir_jw_z(w, "scope", e.scope);
    weir_jw_i64(w, "by", e.amount);
    weir_jw_end_object(w);
}

void weir__api_budget_correct(struct weir_api_ctx *c)
{
    yyjson_doc *doc = body_of(c, "Send {\"by\": \"-1.25\", \"reason\": TEXT}.");

    if (doc)
        correct_by(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}
