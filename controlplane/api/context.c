/* context.c - one request's admission, parameters and reply. */
#include "controlplane/api/internal.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "common/http/percent.h"

struct weir_jw *weir__api_ok(struct weir_api_ctx *c)
{
    weir_buf_clear(&c->out);
    c->out.full = false;
    c->status = 200;
    c->content_type = "application/json";
    c->json = (struct weir_jw){.b = &c->out};
    return &c->json;
}

void weir__api_error(struct weir_api_ctx *c, unsigned status, const char *code, const char *fix,
                     const char *fmt, ...)
{
    struct weir_jw *w = weir__api_ok(c);
    char message[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    c->status = status;
    c->error_code = code;
    weir_jw_object(w, NULL);
    weir_jw_object(w, "error");
    weir_jw_z(w, "code", code);
    weir_jw_z(w, "message", message);
    weir_jw_z(w, "fix", fix);
    weir_jw_end_object(w);
    weir_jw_end_object(w);
}

void weir__api_fail(struct weir_api_ctx *c, int rc, const char *what)
{
    switch (rc) {
    case WEIR_ENOTFOUND:
        weir__api_error(c, 404, "not_found", "List what there is first.", "%s does not exist.",
                        what);
        break;
    case WEIR_EEXIST:
        weir__api_error(c, 409, "exists", "Choose another name.", "%s exists already.", what);
        break;
    case WEIR_EINVAL:
        weir__api_error(c, 400, "invalid", "See docs/api.md for what it may be.",
                        "%s is not valid.", what);
        break;
    case WEIR_ELIMIT:
        weir__api_error(c, 413, "too_large", "Ask for less at once.", "%s is too large.", what);
        break;
    default:
        weir__api_error(c, 500, "internal", "The control plane's log says more.",
                        "%s could not be read or written (%s).", what, weir_rc_name(rc));
    }
}

static bool refuse_role(struct weir_api_ctx *c)
{
    if (c->role == WEIR_ROLE_NONE)
        weir__api_error(c, 401, "unauthorized",
                        "Send the admin or viewer token as \"Authorization: Bearer TOKEN\"; it is "
                        "in admin.token in the state folder.",
                        "This needs a token.");
    else
        weir__api_error(c, 403, "forbidden", "Use the admin token.", "The role %s may only read.",
                        weir_role_name(c->role));
    return false;
}

bool weir__api_admit(struct weir_api_ctx *c)
{
    int rc = weir__api_match(c);

    if (weir_auth_check_origin(c->api->auth, &c->auth) != WEIR_OK) {
        weir__api_error(c, 403, "foreign_origin", "Use its address, 127.0.0.1 or localhost.",
                        "The request's Host or Origin is not this control plane.");
        return false;
    }
    if (rc == WEIR_ESTATE) {
        weir__api_error(c, 405, "method_not_allowed", "GET /api/v1 lists the endpoints.",
                        "This path takes %s.", c->allow);
        return false;
    }
    if (rc != WEIR_OK) {
        weir__api_error(c, 404, "no_such_endpoint", "GET /api/v1 lists the endpoints.",
                        "There is nothing at this path.");
        return false;
    }
    if (c->route->role == WEIR_ROLE_NONE)
        return true;
    rc = weir_auth_role(c->api->auth, &c->auth, weir_mono_ms(), &c->role);
    if (rc == WEIR_ELIMIT) {
        c->retry_after_s = 60;
        weir__api_error(c, 429, "too_many_failures", "Wait a minute.",
                        "Too many wrong tokens came from this address.");
        return false;
    }
    return c->role >= c->route->role ? true : refuse_role(c);
}

struct weir_str weir__api_query(struct weir_api_ctx *c, const char *name)
{
    struct weir_str rest = c->query;

    for (int i = 0; i < 64 && rest.p; i++) {
        struct weir_str value, pair = weir_str_cut(rest, '&', &rest);
        struct weir_str key = weir_str_cut(pair, '=', &value);

        if (!weir_str_is(key, name))
            continue;
        if (!value.p)
            return WEIR_STR("");
        if (weir_percent_decode(c->arena, value, true, &value) == WEIR_OK)
            return value;
    }
    return WEIR_STR_NULL;
}

bool weir__api_query_i64(struct weir_api_ctx *c, const char *name, int64_t fallback, int64_t min,
                         int64_t max, int64_t *out)
{
    struct weir_str text = weir__api_query(c, name);
    int64_t v = fallback;

    if (text.n && (weir_str_i64(text, &v) || v < min || v > max)) {
        weir__api_error(c, 400, "bad_parameter", "Leave it out for the default.",
                        "%s must be a number from %lld to %lld.", name, (long long)min,
                        (long long)max);
        return false;
    }
    *out = v;
    return true;
}

bool weir__api_query_span(struct weir_api_ctx *c, const char *name, int64_t fallback_ms,
                          int64_t *out)
{
    struct weir_str text = weir__api_query(c, name);
    int64_t unit_ms = 0, v = 0;

    if (!text.n) {
        *out = fallback_ms;
        return true;
    }
    switch (text.p[text.n - 1]) {
    case 's':
        unit_ms = 1000;
        break;
    case 'm':
        unit_ms = 60 * 1000;
        break;
    case 'h':
        unit_ms = 3600 * 1000;
        break;
    case 'd':
        unit_ms = 86400 * 1000;
        break;
    }
    if (!unit_ms || weir_str_i64((struct weir_str){text.p, text.n - 1}, &v) || v < 1 ||
        v > 400ll * 86400 * 1000 / unit_ms) {
        weir__api_error(c, 400, "bad_parameter", "Write 90s, 30m, 24h or 7d.",
                        "%s must be a time of at most 400 days.", name);
        return false;
    }
    *out = v * unit_ms;
    return true;
}

bool weir__api_query_true(struct weir_api_ctx *c, const char *name)
{
    struct weir_str v = weir__api_query(c, name);

    return v.p && !weir_str_is(v, "false") && !weir_str_is(v, "0");
}
