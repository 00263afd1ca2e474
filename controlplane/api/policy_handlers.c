/* policy_handlers.c - the policy in force, its resources with their status, and changes to it. */
#include "controlplane/api/internal.h"

#include <stdlib.h>

#include "controlplane/config/apply.h"
#include "controlplane/stream/fleet.h"

enum { MAX_YAML_BYTES = 1 << 20 };

static bool have_source(struct weir_api_ctx *c)
{
    if (c->api->backend.source && c->api->backend.policy)
        return true;
    weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                    "No policy source is open.");
    return false;
}

static void write_error(struct weir_jw *w, const struct weir_data_error *e)
{
    struct weir_buf text;

    weir_buf_init(&text, 65536);
    weir_data_error_text(e, &text);
    weir_jw_object(w, NULL);
    weir_jw_z(w, "file", e->file);
    weir_jw_i64(w, "line", e->line);
    weir_jw_z(w, "kind", e->kind);
    weir_jw_z(w, "name", e->name);
    weir_jw_z(w, "path", e->path);
    weir_jw_z(w, "message", e->what);
    weir_jw_str(w, "text", weir_str_trim(weir_buf_str(&text)));
    weir_jw_end_object(w);
    weir_buf_fini(&text);
}

static void write_counts(struct weir_jw *w, const struct weir_policy_set *set)
{
    size_t n = set ? weir_policy_set_count(set) : 0;

    weir_jw_object(w, "counts");
    for (size_t i = 0; i < n;) { /* sorted by type */
        const char *type = weir_policy_set_at(set, i)->type;
        size_t first = i;

        while (i < n && strcmp(weir_policy_set_at(set, i)->type, type) == 0)
            i++;
        weir_jw_i64(w, type, (int64_t)(i - first));
    }
    weir_jw_end_object(w);
}

void weir__api_policy(struct weir_api_ctx *c)
{
    struct weir_policy_errors *errors;
    struct weir_policy_set *set;
    struct weir_jw *w;

    if (!have_source(c))
        return;
    set = weir_policy_source_set(c->api->backend.source);
    errors = weir_policy_source_errors(c->api->backend.source);
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_z(w, "revision", set ? weir_policy_set_revision(set) : "");
    weir_jw_z(w, "source", c->api->backend.policy->path);
    write_counts(w, set);
    weir_jw_array(w, "errors");
    for (size_t i = 0; i < weir_policy_errors_count(errors); i++)
        write_error(w, weir_policy_errors_at(errors, i));
    weir_jw_end_array(w);
    weir_jw_i64(w, "errorsDropped", (int64_t)weir_policy_errors_dropped(errors));
    weir_jw_end_object(w);
    weir_policy_errors_unref(errors);
    weir_policy_set_unref(set);
}

/* ---- resources ---- */

/* What a listing needs, and lets go of together. */
struct view {
    struct weir_policy_set *set;
    struct weir_policy_errors *errors;
    struct weir_fleet *fleet;
    const struct weir_fleet_resource **sorted; /* by type and name; in the request's arena */
    size_t connected;
};

static int compare_resources(const void *a, const void *b)
{
    const struct weir_fleet_resource *x = *(const struct weir_fleet_resource *const *)a;
    const struct weir_fleet_resource *y = *(const struct weir_fleet_resource *const *)b;
    int order = strcmp(x->type, y->type);

    return order ? order : strcmp(x->name, y->name);
}

static bool view_open(struct weir_api_ctx *c, struct view *v)
{
    const struct weir_api_backend *b = &c->api->backend;

    if (!have_source(c))
        return false;
    *v = (struct view){.set = weir_policy_source_set(b->source)};
    if (!v->set) {
        weir__api_error(c, 503, "no_policy", "GET /api/v1/policy has the errors.",
                        "No valid policy was read yet.");
        return false;
    }
    v->errors = weir_policy_source_errors(b->source);
    v->fleet = b->fleet ? b->fleet(b->arg) : NULL;
    if (!v->fleet)
        return true;
    v->sorted = weir_arena_alloc(c->arena, (v->fleet->resource_count + 1) * sizeof *v->sorted);
    for (size_t i = 0; i < v->fleet->resource_count; i++)
        v->sorted[i] = &v->fleet->resources[i];
    qsort(v->sorted, v->fleet->resource_count, sizeof *v->sorted, compare_resources);
    for (size_t i = 0; i < v->fleet->proxy_count; i++)
        v->connected += v->fleet->proxies[i].connected;
    return true;
}

static void view_close(struct weir_api_ctx *c, struct view *v)
{
    if (v->fleet && c->api->backend.fleet_free)
        c->api->backend.fleet_free(v->fleet);
    weir_policy_errors_unref(v->errors);
    weir_policy_set_unref(v->set);
}

static const struct weir_fleet_resource *programmed(const struct view *v,
                                                    const struct weir_policy_object *o)
{
    struct weir_fleet_resource key = {.type = o->sent_as, .name = o->full_name};
    const struct weir_fleet_resource *wanted = &key, **found;

    if (!v->fleet)
        return NULL;
    found =
        bsearch(&wanted, v->sorted, v->fleet->resource_count, sizeof *v->sorted, compare_resources);
    return found ? *found : NULL;
}

static void write_condition(struct weir_jw *w, const char *type, bool status, const char *reason,
                            const char *message)
{
    weir_jw_object(w, NULL);
    weir_jw_z(w, "type", type);
    weir_jw_z(w, "status", status ? "True" : "False");
    weir_jw_z(w, "reason", reason);
    weir_jw_z(w, "message", message);
    weir_jw_end_object(w);
}

static void write_accepted(struct weir_jw *w, const struct view *v,
                           const struct weir_policy_object *o)
{
    for (size_t i = 0; i < weir_policy_errors_count(v->errors); i++) {
        const struct weir_data_error *e = weir_policy_errors_at(v->errors, i);

        if (strcmp(e->kind, o->type) == 0 &&
            (strcmp(e->name, o->name) == 0 || strcmp(e->name, o->full_name) == 0)) {
            write_condition(w, "Accepted", false, "LastEditRefused", e->what);
            return;
        }
    }
    write_condition(w, "Accepted", true, "Valid", "The object is valid.");
}

static void write_programmed(struct weir_api_ctx *c, struct weir_jw *w, const struct view *v,
                             const struct weir_fleet_resource *r)
{
    uint32_t total = r ? r->programmed + r->nacked + r->pending : 0;
    const char *count;

    if (!total) {
        write_condition(w, "Programmed", false, "NoProxy",
                        v->connected ? "No proxy of its namespace is connected."
                                     : "No proxy is connected.");
        return;
    }
    count = weir_arena_printf(c->arena, "%u of %u proxies enforce it.", r->programmed, total);
    if (r->nacked)
        write_condition(w, "Programmed", false, "Refused",
                        r->reason && *r->reason ? weir_arena_printf(c->arena, "%s %u refused: %s",
                                                                    count, r->nacked, r->reason)
                                                : count);
    else
        write_condition(w, "Programmed", !r->pending, r->pending ? "Pending" : "Programmed", count);
}

static void write_status(struct weir_api_ctx *c, struct weir_jw *w, const struct view *v,
                         const struct weir_policy_object *o)
{
    const struct weir_fleet_resource *r = programmed(v, o);

    weir_jw_z(w, "origin",
              o->line ? weir_arena_printf(c->arena, "%s:%u", o->file, o->line) : o->file);
    weir_jw_bool(w, "builtIn", o->built_in);
    weir_jw_z(w, "version", o->version);
    weir_jw_object(w, "proxies");
    weir_jw_i64(w, "programmed", r ? r->programmed : 0);
    weir_jw_i64(w, "refused", r ? r->nacked : 0);
    weir_jw_i64(w, "total", r ? r->programmed + r->nacked + r->pending : 0);
    weir_jw_end_object(w);
    weir_jw_array(w, "conditions");
    write_accepted(w, v, o);
    write_programmed(c, w, v, r);
    weir_jw_end_array(w);
}

/* The object as its JSON, with a status member put in before the last brace. */
static int write_object(struct weir_api_ctx *c, struct weir_jw *w, const char *key,
                        const struct view *v, const struct weir_policy_object *o)
{
    struct weir_buf object;
    struct weir_jw inner = {.b = &object, .comma = true};
    int rc;

    weir_buf_init(&object, WEIR_DATA_MAX_BYTES);
    rc = weir_render_json(o->message, 0, &object);
    if (rc == WEIR_OK) {
        while (object.n && object.p[object.n - 1] != '}')
            object.n--;
        object.n -= object.n > 0;
        weir_jw_object(&inner, "status");
        write_status(c, &inner, v, o);
        weir_jw_end_object(&inner);
        weir_jw_end_object(&inner);
        weir_jw_raw(w, key, weir_buf_str(&object));
    }
    weir_buf_fini(&object);
    return rc;
}

void weir__api_resources(struct weir_api_ctx *c)
{
    struct weir_str kind = weir__api_query(c, "kind");
    const struct weir_schema_message *wanted = NULL;
    struct weir_jw *w;
    struct view v;
    int rc = WEIR_OK;

    if (kind.n && !weir_str_is(kind, "all") && !(wanted = weir_schema_kind_loose(kind))) {
        weir__api_error(c, 404, "no_such_kind", "weir explain lists the kinds.",
                        "There is no kind \"%.*s\".", WEIR_STR_ARG(kind));
        return;
    }
    if (!view_open(c, &v))
        return;
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_z(w, "revision", weir_policy_set_revision(v.set));
    weir_jw_z(w, "source", c->api->backend.policy->path);
    weir_jw_array(w, "items");
    for (size_t i = 0; rc == WEIR_OK && i < weir_policy_set_count(v.set); i++) {
        const struct weir_policy_object *o = weir_policy_set_at(v.set, i);

        if (!wanted || strcmp(o->type, wanted->name) == 0)
            rc = write_object(c, w, NULL, &v, o);
    }
    weir_jw_end_array(w);
    weir_jw_end_object(w);
    view_close(c, &v);
    if (rc != WEIR_OK)
        weir__api_fail(c, rc, "The list of resources");
}

static int write_one(struct weir_api_ctx *c, const struct view *v,
                     const struct weir_policy_object *o)
{
    struct weir_jw *w = weir__api_ok(c);
    struct weir_buf yaml;
    int rc;

    if (!weir__api_query_true(c, "yaml"))
        return write_object(c, w, NULL, v, o);
    weir_buf_init(&yaml, MAX_YAML_BYTES);
    rc = weir_render_yaml(o->message, &yaml);
    weir_jw_object(w, NULL);
    if (rc == WEIR_OK)
        rc = write_object(c, w, "resource", v, o);
    weir_jw_str(w, "yaml", weir_buf_str(&yaml));
    weir_jw_end_object(w);
    weir_buf_fini(&yaml);
    return rc;
}

void weir__api_resource(struct weir_api_ctx *c)
{
    const struct weir_schema_message *kind = weir_schema_kind_loose(c->params[0]);
    const struct weir_policy_object *o;
    struct view v;
    int rc = WEIR_ENOTFOUND;

    if (!view_open(c, &v))
        return;
    o = kind ? weir_policy_set_find(v.set, weir_str_of(kind->name), c->params[1], c->params[2])
             : NULL;
    if (o)
        rc = write_one(c, &v, o);
    view_close(c, &v);
    if (rc == WEIR_ENOTFOUND)
        weir__api_error(c, 404, "not_found", "weir get all lists what there is.",
                        "There is no %.*s \"%.*s\" in namespace %.*s.", WEIR_STR_ARG(c->params[0]),
                        WEIR_STR_ARG(c->params[2]), WEIR_STR_ARG(c->params[1]));
    else if (rc != WEIR_OK)
        weir__api_fail(c, rc, "This resource");
}

/* ---- changes ---- */

static void refuse_manifests(struct weir_api_ctx *c, const struct weir_data_errors *errors)
{
    struct weir_jw *w = weir__api_ok(c);

    c->status = 422;
    weir_jw_object(w, NULL);
    weir_jw_object(w, "error");
    weir_jw_z(w, "code", "invalid_manifests");
    weir_jw_z(w, "message",
              weir_arena_printf(c->arena, "%zu %s; nothing was changed.",
                                errors->count + errors->dropped,
                                errors->count == 1 ? "error" : "errors"));
    weir_jw_z(w, "fix", "Each error says what to mend.");
    weir_jw_end_object(w);
    weir_jw_array(w, "errors");
    for (size_t i = 0; i < errors->count; i++)
        write_error(w, &errors->list[i]);
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

static void write_plan(struct weir_api_ctx *c, const struct weir_policy_plan *plan, bool applied)
{
    static const char *const actions[] = {"created", "changed", "unchanged", "deleted"};
    struct weir_jw *w = weir__api_ok(c);

    weir_jw_object(w, NULL);
    weir_jw_bool(w, "applied", applied);
    weir_jw_array(w, "changes");
    for (size_t i = 0; i < plan->count; i++) {
        const struct weir_policy_change *k = &plan->list[i];

        weir_jw_object(w, NULL);
        weir_jw_z(w, "action", actions[k->action]);
        weir_jw_z(w, "kind", k->type);
        weir_jw_z(w, "namespace", k->ns);
        weir_jw_z(w, "name", k->name);
        weir_jw_z(w, "file", k->file);
        weir_jw_z(w, "before", k->before);
        weir_jw_z(w, "after", k->after);
        weir_jw_end_object(w);
    }
    weir_jw_end_array(w);
    weir_jw_end_object(w);
    if (applied)
        weir__api_audit_plan(c, plan);
    c->policy_changed = applied;
}

static void answer_plan(struct weir_api_ctx *c, int rc, const struct weir_data_errors *errors,
                        const struct weir_policy_plan *plan, bool applied)
{
    if (rc == WEIR_EINVAL && errors->count)
        refuse_manifests(c, errors);
    else if (rc != WEIR_OK)
        weir__api_fail(c, rc, "The policy folder");
    else
        write_plan(c, plan, applied);
}

/* The name in errors; its end tells the syntax. */
static struct weir_str body_name(struct weir_api_ctx *c)
{
    struct weir_str name = weir__api_query(c, "file"), body = weir_str_trim(c->body);

    if (name.n)
        return name;
    return body.n && (body.p[0] == '{' || body.p[0] == '[') ? WEIR_STR("request.json")
                                                            : WEIR_STR("request.yaml");
}

static void change(struct weir_api_ctx *c, bool write)
{
    struct weir_data_errors errors = {.arena = c->arena};
    struct weir_policy_plan plan = {0};
    int rc;

    if (!have_source(c))
        return;
    if (write && !c->api->backend.policy->path) {
        weir__api_error(c, 409, "read_only", "Start weir-control with --policy DIR.",
                        "There is no policy folder to write to.");
        return;
    }
    uv_mutex_lock(&c->api->apply_lock);
    rc = (write ? weir_policy_apply : weir_policy_plan)(c->api->backend.policy, body_name(c),
                                                        c->body, c->arena, &errors, &plan);
    uv_mutex_unlock(&c->api->apply_lock);
    answer_plan(c, rc, &errors, &plan, write);
}

void weir__api_validate(struct weir_api_ctx *c)
{
    change(c, false);
}

void weir__api_diff(struct weir_api_ctx *c)
{
    change(c, false);
}

void weir__api_apply(struct weir_api_ctx *c)
{
    change(c, !weir__api_query_true(c, "dryRun"));
}

void weir__api_resource_delete(struct weir_api_ctx *c)
{
    const struct weir_schema_message *kind = weir_schema_kind_loose(c->params[0]);
    struct weir_data_errors errors = {.arena = c->arena};
    struct weir_policy_plan plan = {0};
    int rc = WEIR_ENOTFOUND;

    if (!have_source(c))
        return;
    uv_mutex_lock(&c->api->apply_lock);
    if (kind)
        rc = weir_policy_delete(c->api->backend.policy, weir_str_of(kind->name), c->params[1],
                                c->params[2], c->arena, &errors, &plan);
    uv_mutex_unlock(&c->api->apply_lock);
    if (rc == WEIR_ENOTFOUND)
        weir__api_error(c, 404, "not_found",
                        "weir get all lists what there is; built-in objects can't be deleted.",
                        "No manifest holds %.*s \"%.*s\" in namespace %.*s.",
                        WEIR_STR_ARG(c->params[0]), WEIR_STR_ARG(c->params[2]),
                        WEIR_STR_ARG(c->params[1]));
    else
        answer_plan(c, rc, &errors, &plan, true);
}

void weir__api_explain(struct weir_api_ctx *c)
{
    struct weir_buf text;
    struct weir_jw *w;
    int rc;

    weir_buf_init(&text, MAX_YAML_BYTES);
    rc = weir_schema_explain(c->params[0], &text);
    if (rc == WEIR_ENOTFOUND) {
        weir__api_error(c, 404, "not_found", "weir explain lists the kinds.", "%.*s",
                        WEIR_STR_ARG(weir_str_trim(weir_buf_str(&text))));
    } else {
        w = weir__api_ok(c);
        weir_jw_object(w, NULL);
        weir_jw_str(w, "path", c->params[0]);
        weir_jw_str(w, "text", weir_buf_str(&text));
        weir_jw_end_object(w);
    }
    weir_buf_fini(&text);
}
