/* server.c - carries requests from the HTTP server to the handlers, on the loop or in the pool, and
 * their replies back.
 *
 * An exchange lives until its reply is handed over, and until its handler has come back from the
 * pool, whichever is later. Its memory is an arena of its own, since a handler in the pool must not
 * share the request's arena with the server. */
#include "controlplane/api/internal.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/server.h"

static const char csp[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

struct api_server {
    struct weir_api *api;
    struct weir_http_server *http;
    uv_loop_t *loop;
    unsigned port;
    size_t busy; /* handlers in the pool */
    bool closed;
    void (*on_closed)(void *arg);
    void *arg;
};

struct exchange {
    struct api_server *server;
    struct weir_http_req *req; /* NULL: the client is gone */
    uv_work_t work;
    bool in_pool;
    struct weir_api_ctx c;
};

static void exchange_destroy(struct exchange *x)
{
    struct weir_arena *arena = x->c.arena;

    if (x->c.out.p)
        weir_wipe(x->c.out.p, x->c.out.n); /* it may hold a key that is shown once */
    weir_buf_fini(&x->c.out);
    weir_arena_destroy(arena);
}

static void server_free(struct api_server *s)
{
    void (*on_closed)(void *) = s->on_closed;
    void *arg = s->arg;

    weir_auth_destroy(s->api->auth);
    uv_mutex_destroy(&s->api->apply_lock);
    free(s->api);
    free(s);
    if (on_closed)
        on_closed(arg);
}

static void add_header(struct weir_http_header *h, size_t *n, const char *name, const char *value)
{
    if (value)
        h[(*n)++] = (struct weir_http_header){weir_str_of(name), weir_str_of(value)};
}

static void reply(struct exchange *x)
{
    struct weir_api_ctx *c = &x->c;
    struct weir_http_header h[12];
    size_t n = 0;

    if (c->out.full)
        weir__api_error(c, 413, "too_large", "Ask for less at once.", "The answer is too large.");
    add_header(h, &n, "Content-Type", c->content_type);
    add_header(h, &n, "Cache-Control", c->cache ? c->cache : "no-store");
    add_header(h, &n, "X-Content-Type-Options", "nosniff");
    add_header(h, &n, "Referrer-Policy", "no-referrer");
    add_header(h, &n, "Cross-Origin-Resource-Policy", "same-origin");
    add_header(h, &n, "Content-Security-Policy",
               c->route && c->route->flags & WEIR_API_LOADS_UI ? csp : "default-src 'none'");
    add_header(h, &n, "Set-Cookie", c->cookie);
    if (c->status == 405)
        add_header(h, &n, "Allow", c->allow);
    if (c->status == 401)
        add_header(h, &n, "WWW-Authenticate", "Bearer realm=\"weir\"");
    if (c->retry_after_s)
        add_header(h, &n, "Retry-After",
                   weir_arena_printf(c->arena, "%lld", (long long)c->retry_after_s));
    weir_http_req_set_user(x->req, NULL);
    (void)weir_http_respond(x->req, c->status, h, n, weir_buf_str(&c->out));
}

static void finish(struct exchange *x)
{
    const struct weir_api_backend *b = &x->server->api->backend;

    if (x->c.keys_changed && b->on_keys_changed)
        b->on_keys_changed(b->arg);
    if (x->c.policy_changed && b->on_policy_changed)
        b->on_policy_changed(b->arg);
    if (x->req)
        reply(x);
    exchange_destroy(x);
}

static void on_work(uv_work_t *w)
{
    struct exchange *x = w->data;

    if (!(x->c.route->flags & WEIR_API_POOL))
        weir__api_audit_after(&x->c);
    else if (weir__api_is_audited(&x->c))
        weir__api_run_audited(&x->c);
    else
        x->c.route->handler(&x->c);
}

static void on_worked(uv_work_t *w, int status)
{
    struct exchange *x = w->data;
    struct api_server *s = x->server;

    (void)status;
    x->in_pool = false;
    s->busy--;
    finish(x);
    if (s->closed && !s->busy)
        server_free(s);
}

static void run(struct exchange *x)
{
    if (!(x->c.route->flags & WEIR_API_POOL)) {
        x->c.route->handler(&x->c);
        if (!weir__api_is_audited_after(&x->c)) {
            finish(x);
            return;
        }
    }
    x->work.data = x;
    x->in_pool = true;
    x->server->busy++;
    if (uv_queue_work(x->server->loop, &x->work, on_work, on_worked)) {
        x->in_pool = false;
        x->server->busy--;
        x->c.cookie = NULL;
        weir__api_error(&x->c, 503, "busy", "Try again.", "No thread is free.");
        finish(x);
    }
}

static struct weir_str header(struct exchange *x, const char *name)
{
    struct weir_str v = weir_http_req_header(x->req, weir_str_of(name));

    return v.p ? weir_arena_copy(x->c.arena, v) : WEIR_STR_NULL;
}

static struct exchange *exchange_create(struct api_server *s, struct weir_http_req *req)
{
    struct weir_arena *arena = weir_arena_create(NULL);
    struct exchange *x = WEIR_ARENA_NEW(arena, struct exchange);
    struct weir_http_req_info info;
    struct weir_api_ctx *c = &x->c;

    x->server = s;
    x->req = req;
    c->api = s->api;
    c->arena = arena;
    c->method = weir_arena_copy(arena, weir_http_req_method_name(req));
    c->path = weir_arena_copy(arena, weir_http_req_path(req));
    c->query = weir_http_req_query(req);
    if (c->query.p)
        c->query = weir_arena_copy(arena, c->query);
    weir_http_req_info(req, &info);
    c->auth = (struct weir_auth_request){
        .peer = weir_arena_copy(arena, info.peer),
        .host = weir_arena_copy(arena, weir_http_req_host(req)),
        .origin = header(x, "origin"),
        .authorization = header(x, "authorization"),
        .cookie = header(x, "cookie"),
        .marked = header(x, "x-weir-request").p != NULL,
        .changes = weir_http_req_method(req) != WEIR_HTTP_GET &&
                   weir_http_req_method(req) != WEIR_HTTP_HEAD,
    };
    weir_buf_init(&c->out, WEIR_API_MAX_REPLY_BYTES);
    weir_http_req_set_user(req, x);
    return x;
}

static void on_request(void *arg, struct weir_http_req *req)
{
    struct exchange *x = exchange_create(arg, req);

    if (!weir__api_admit(&x->c))
        finish(x);
    else if (x->c.route->flags & WEIR_API_BODY)
        weir_http_req_collect_body(req, WEIR_API_MAX_BODY_BYTES);
    else
        run(x);
}

static void on_body(struct weir_http_req *req, struct weir_str body)
{
    struct exchange *x = weir_http_req_user(req);

    x->c.body = weir_arena_copy(x->c.arena, body);
    run(x);
}

static void on_done(struct weir_http_req *req)
{
    struct exchange *x = weir_http_req_user(req);

    if (!x)
        return;
    x->req = NULL;
    if (!x->in_pool)
        exchange_destroy(x);
}

static void on_protocol_error(void *arg, struct weir_http_req *req, unsigned status,
                              const char *code, const char *detail, struct weir_buf *body,
                              struct weir_str *content_type)
{
    (void)arg, (void)req, (void)status;
    weir_buf_addz(body, "{\"error\":{\"code\":");
    weir_buf_add_json(body, weir_str_of(code));
    weir_buf_addz(body, ",\"message\":");
    weir_buf_add_json(body, weir_str_of(detail));
    weir_buf_addz(body, ",\"fix\":\"See docs/api.md.\"}}");
    *content_type = WEIR_STR("application/json");
}

static const struct weir_http_handler handler = {.on_request = on_request,
                                                 .on_body = on_body,
                                                 .on_done = on_done,
                                                 .on_protocol_error = on_protocol_error};

static int read_tokens(const struct weir_api_options *o, struct weir_arena *a,
                       struct weir_auth_options *auth)
{
    static const char *const files[] = {"admin.token", "viewer.token"};
    struct weir_str tokens[2];

    for (int i = 0; i < 2; i++) {
        const char *path = weir_arena_printf(a, "%s/%s", o->state, files[i]);
        int rc = weir_auth_token_file(path, a, &tokens[i]);

        if (rc != WEIR_OK) {
            WEIR_LOG(WEIR_LOG_ERROR, "api", "%s: %s", path,
                     rc == WEIR_EINVAL ? "holds no token of 16 characters or more; delete it for a "
                                         "new one"
                                       : "can't be read or written");
            return rc;
        }
    }
    auth->admin_token = tokens[0];
    auth->viewer_token = tokens[1];
    return WEIR_OK;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

static void on_http_closed(void *arg)
{
    struct api_server *s = arg;

    s->closed = true;
    if (!s->busy)
        server_free(s);
}

int weir_api_create(const struct weir_api_options *o, struct weir_api **out)
{
    struct weir_auth_options auth = {
        .hosts = o->hosts, .host_count = o->host_count, .port = o->port};
    struct weir_arena *a = weir_arena_create(NULL);
    struct api_server *s = WEIR_NEW(struct api_server);
    struct weir_api *api = WEIR_NEW(struct weir_api);
    struct weir_http_server_options http = {.loop = o->loop, .handler = &handler, .arg = s};
    int saved, rc = read_tokens(o, a, &auth);

    if (!is_loopback(o->host))
        WEIR_LOG(WEIR_LOG_WARN, "api",
                 "%s is not loopback and the API speaks plain HTTP: put TLS in front of it, or "
                 "tokens travel in clear",
                 o->host);
    http.limits.connections = 256;
    s->api = api;
    s->loop = o->loop;
    api->server = s;
    api->backend = o->backend;
    api->started_ms = weir_wall_ms();
    WEIR_ASSERT(uv_mutex_init(&api->apply_lock) == 0);
    if (rc == WEIR_OK)
        api->auth = weir_auth_create(&auth);
    weir_arena_destroy(a);
    if (rc == WEIR_OK)
        rc = weir_http_server_create(&http, &s->http);
    if (rc == WEIR_OK)
        rc = weir_http_listen(s->http, o->host, o->port, NULL, &s->port);
    if (rc != WEIR_OK)
        goto fail;
    *out = api;
    return WEIR_OK;
fail:
    saved = errno;
    if (s->http) {
        weir_http_server_close(s->http, on_http_closed, s);
    } else {
        server_free(s);
    }
    errno = saved;
    return rc;
}

unsigned weir_api_port(const struct weir_api *api)
{
    return ((const struct api_server *)api->server)->port;
}

static void on_drained(void *arg)
{
    struct api_server *s = arg;

    weir_http_server_close(s->http, on_http_closed, s);
}

void weir_api_close(struct weir_api *api, uint32_t deadline_ms, void (*on_closed)(void *arg),
                    void *arg)
{
    struct api_server *s = api->server;

    s->on_closed = on_closed;
    s->arg = arg;
    weir_http_server_drain(s->http, deadline_ms, on_drained, s);
}
