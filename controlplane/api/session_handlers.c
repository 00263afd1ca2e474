/* session_handlers.c - sign-in, login codes and join tokens. */
#include "controlplane/api/internal.h"

#include <yyjson.h>

#include "base/clock.h"
#include "base/mem.h"

static struct weir_str member(yyjson_val *root, const char *name)
{
    yyjson_val *v = yyjson_obj_get(root, name);

    return yyjson_is_str(v) ? (struct weir_str){yyjson_get_str(v), yyjson_get_len(v)}
                            : WEIR_STR_NULL;
}

void weir__api_session_get(struct weir_api_ctx *c)
{
    struct weir_jw *w = weir__api_ok(c);

    weir_jw_object(w, NULL);
    weir_jw_z(w, "role", weir_role_name(c->role));
    weir_jw_z(w, "version", c->api->backend.version);
    weir_jw_end_object(w);
}

static void sign_in(struct weir_api_ctx *c, yyjson_val *root)
{
    int rc = weir_auth_sign_in(c->api->auth, c->arena, c->auth.peer, member(root, "token"),
                               member(root, "login"), weir_mono_ms(), &c->role, &c->cookie);

    if (rc == WEIR_OK) {
        weir__api_session_get(c);
    } else if (rc == WEIR_ELIMIT) {
        c->retry_after_s = 60;
        weir__api_error(c, 429, "too_many_failures", "Wait a minute.",
                        "Too many wrong tokens came from this address.");
    } else {
        weir__api_error(c, 401, "wrong_token",
                        "A login link works once and for five minutes. The admin token is in "
                        "admin.token in the state folder.",
                        "This token or login code is not valid.");
    }
}

void weir__api_session_start(struct weir_api_ctx *c)
{
    yyjson_doc *doc;

    /* A foreign page must not sign a browser in to an account of its choice. */
    if (!c->auth.marked) {
        weir__api_error(c, 403, "foreign_origin", "Send the header x-weir-request.",
                        "Only the dashboard may sign in here.");
        return;
    }
    doc = yyjson_read(c->body.p, c->body.n, 0);
    sign_in(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

void weir__api_session_end(struct weir_api_ctx *c)
{
    struct weir_jw *w;

    if (!c->auth.marked) {
        weir__api_error(c, 403, "foreign_origin", "Send the header x-weir-request.",
                        "Only the dashboard may sign out here.");
        return;
    }
    w = weir__api_ok(c);
    c->cookie = weir_auth_sign_out(c->api->auth, c->arena, &c->auth);
    weir_jw_object(w, NULL);
    weir_jw_end_object(w);
}

void weir__api_login_create(struct weir_api_ctx *c)
{
    struct weir_jw *w = weir__api_ok(c);

    c->status = 201;
    weir_jw_object(w, NULL);
    weir_jw_z(w, "login",
              weir_auth_login_code(c->api->auth, c->arena, WEIR_ROLE_ADMIN, weir_mono_ms()));
    weir_jw_i64(w, "expiresInMs", WEIR_AUTH_LOGIN_MS);
    weir_jw_end_object(w);
}

static void refuse_join(struct weir_api_ctx *c)
{
    weir__api_error(c, 503, "no_tls", "Start weir-control with --grpc HOST:PORT.",
                    "This control plane takes proxies on its Unix socket only.");
}

static void join_token(struct weir_api_ctx *c, yyjson_val *root)
{
    struct weir_str ns = member(root, "namespace");
    yyjson_val *valid = yyjson_obj_get(root, "validMs");
    int64_t valid_ms = yyjson_is_int(valid) ? yyjson_get_sint(valid) : 3600 * 1000;
    char token[256];
    struct weir_jw *w;
    int rc;

    if (valid_ms < 1000 || valid_ms > 30ll * 86400 * 1000) {
        weir__api_error(c, 400, "invalid", "Leave it out for one hour.",
                        "validMs must be from 1000 to 2592000000 (30 days).");
        return;
    }
    rc = c->api->backend.new_join_token(c->api->backend.arg,
                                        ns.n ? weir_arena_strdup(c->arena, ns) : "default",
                                        valid_ms, token, sizeof token);
    if (rc == WEIR_ESTATE) {
        refuse_join(c);
        return;
    }
    if (rc != WEIR_OK) {
        weir__api_fail(c, rc, "The join token");
        return;
    }
    c->audit_object = ns.n ? weir_arena_strdup(c->arena, ns) : "default";
    w = weir__api_ok(c);
    c->status = 201;
    weir_jw_object(w, NULL);
    weir_jw_z(w, "token", token);
    weir_jw_z(w, "namespace", ns.n ? weir_arena_strdup(c->arena, ns) : "default");
    weir_jw_i64(w, "expiresMs", weir_wall_ms() + valid_ms);
    weir_jw_end_object(w);
    weir_wipe(token, sizeof token);
}

void weir__api_join_token_create(struct weir_api_ctx *c)
{
    yyjson_doc *doc;

    if (!c->api->backend.new_join_token) {
        refuse_join(c);
        return;
    }
    doc = c->body.n ? yyjson_read(c->body.p, c->body.n, 0) : NULL;
    if (c->body.n && !yyjson_is_obj(yyjson_doc_get_root(doc)))
        weir__api_error(c, 400, "invalid_json", "Send {} or nothing.",
                        "The body is not a JSON object.");
    else
        join_token(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}
