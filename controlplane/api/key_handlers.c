/* key_handlers.c - API keys: made, listed, revoked. */
#include "controlplane/api/internal.h"

#include <yyjson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "controlplane/config/source.h"

static bool have_keys(struct weir_api_ctx *c)
{
    if (c->api->backend.keys)
        return true;
    weir__api_error(c, 503, "unavailable", "See the control plane's log.",
                    "The store of keys is not open.");
    return false;
}

static void write_key(struct weir_jw *w, const struct weir_key *k, const char *text, int64_t now_ms)
{
    bool expired = k->expires_ms && k->expires_ms <= now_ms;

    weir_jw_object(w, NULL);
    weir_jw_z(w, "namespace", k->ns);
    weir_jw_z(w, "id", k->id);
    weir_jw_z(w, "agent", k->agent);
    weir_jw_str(w, "sha256", (struct weir_str){k->sha256, 12});
    weir_jw_i64(w, "createdMs", k->created_ms);
    weir_jw_i64(w, "expiresMs", k->expires_ms);
    weir_jw_i64(w, "revokedMs", k->revoked_ms);
    weir_jw_z(w, "state", k->revoked_ms ? "revoked" : expired ? "expired" : "active");
    if (text)
        weir_jw_z(w, "key", text);
    weir_jw_end_object(w);
}

void weir__api_keys_list(struct weir_api_ctx *c)
{
    struct weir_key *keys;
    struct weir_jw *w;
    int64_t now_ms = weir_wall_ms();
    size_t n;
    int rc;

    if (!have_keys(c))
        return;
    rc = weir_keys_list(c->api->backend.keys, c->arena, &keys, &n);
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "The list of keys");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_array(w, "items");
    for (size_t i = 0; i < n; i++)
        write_key(w, &keys[i], NULL, now_ms);
    weir_jw_end_array(w);
    weir_jw_end_object(w);
}

static struct weir_str member(yyjson_val *root, const char *name, struct weir_str fallback)
{
    yyjson_val *v = yyjson_obj_get(root, name);

    return yyjson_is_str(v) ? (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)} : fallback;
}

/* As far as is known: without a valid policy any agent may be meant. */
static bool agent_exists(struct weir_api_ctx *c, struct weir_str ns, struct weir_str agent)
{
    struct weir_policy_source *source = c->api->backend.source;
    struct weir_policy_set *set = source ? weir_policy_source_set(source) : NULL;
    bool exists = !set || !agent.n || weir_policy_set_find(set, WEIR_STR("Agent"), ns, agent);

    weir_policy_set_unref(set);
    return exists;
}

static void create(struct weir_api_ctx *c, yyjson_val *root)
{
    yyjson_val *expires = yyjson_obj_get(root, "expiresMs");
    int64_t now_ms = weir_wall_ms();
    struct weir_str agent = member(root, "agent", WEIR_STR_NULL);
    struct weir_str ns = member(root, "namespace", WEIR_STR("default"));
    struct weir_key key;
    char text[WEIR_KEY_TEXT_MAX];
    int64_t expires_ms = yyjson_is_int(expires) ? yyjson_get_sint(expires) : 0;
    int rc;

    if (expires_ms && expires_ms <= now_ms) {
        weir__api_error(c, 400, "invalid", "Give milliseconds since 1970, or leave it out.",
                        "expiresMs is in the past.");
        return;
    }
    if (!agent_exists(c, ns, agent)) {
        weir__api_error(c, 404, "no_such_agent", "weir get agents lists them.",
                        "There is no agent \"%.*s\" in namespace %.*s.", WEIR_STR_ARG(agent),
                        WEIR_STR_ARG(ns));
        return;
    }
    rc = weir_keys_create(c->api->backend.keys, ns, agent, member(root, "id", WEIR_STR("")),
                          expires_ms, now_ms, c->arena, &key, text);
    if (rc == WEIR_EINVAL) {
        weir__api_error(c, 400, "invalid",
                        "Use lower-case letters, digits, '-' and '.', for example \"claude\".",
                        "The key needs the name of an agent; agent, namespace and id must be "
                        "names.");
        return;
    }
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "A key with this id");
        return;
    }
    c->audit_object = weir_arena_printf(c->arena, "%s/%s", key.ns, key.id);
    write_key(weir__api_ok(c), &key, text, now_ms);
    weir_wipe(text, sizeof text);
    c->status = 201;
    c->keys_changed = true;
}

void weir__api_keys_create(struct weir_api_ctx *c)
{
    yyjson_doc *doc;

    if (!have_keys(c))
        return;
    doc = yyjson_read(c->body.p, c->body.n, 0);
    if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
        weir__api_error(c, 400, "invalid_json", "Send {\"agent\": \"NAME\"}.",
                        "The body is not a JSON object.");
    else
        create(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

void weir__api_keys_revoke(struct weir_api_ctx *c)
{
    struct weir_jw *w;
    int rc;

    if (!have_keys(c))
        return;
    rc = weir_keys_revoke(c->api->backend.keys, c->params[0], c->params[1], weir_wall_ms());
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "A key in force with this id");
        return;
    }
    w = weir__api_ok(c);
    weir_jw_object(w, NULL);
    weir_jw_str(w, "revoked", c->params[1]);
    weir_jw_end_object(w);
    c->keys_changed = true;
}
