/* admin.c - the admin port: is the proxy alive, may it get calls, what are its numbers. Read-only,
 * and without secrets. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "dataplane/proxy/hub_internal.h"

enum { MAX_BODY_BYTES = 8 << 20 };

static const struct weir_http_header json = {{"content-type", 12}, {"application/json", 16}};
static const struct weir_http_header text = {{"content-type", 12},
                                             {"text/plain; version=0.0.4; charset=utf-8", 40}};

static const char *readiness(const struct weir_hub *h)
{
    if (h->stopping)
        return "stopping";
    if (!h->policy)
        return h->policies_rejected   ? "no policy: the one that came was refused"
               : h->control_connected ? "no policy: waiting for the control plane to send one"
                                      : "no policy: the control plane is not connected";
    return weir_hub_is_ready(h) ? "ready" : "workers are taking the policy";
}

static void add_state(const struct weir_hub *h, struct weir_buf *b)
{
    const char *problem = h->refusal[0]               ? h->refusal
                          : h->credentials.problem[0] ? h->credentials.problem
                                                      : h->tls.problem;

    weir_buf_addz(b, "{\"status\":");
    weir_buf_add_json(b, weir_str_of(readiness(h)));
    weir_buf_addz(b, ",\"node\":");
    weir_buf_add_json(b, weir_str_of(h->options->node));
    weir_buf_addz(b, ",\"policy\":{\"revision\":");
    if (h->policy)
        weir_buf_add_json(b, weir_policy_revision(h->policy));
    else
        weir_buf_addz(b, "null");
    weir_buf_addf(b, ",\"rejected\":%llu},\"control\":{\"connected\":%s}",
                  (unsigned long long)h->policies_rejected,
                  h->control_connected ? "true" : "false");
    if (*problem) {
        weir_buf_addz(b, ",\"problem\":");
        weir_buf_add_json(b, weir_str_of(problem));
    }
    weir_buf_addz(b, "}\n");
}

static void answer_metrics(struct weir_hub *h, struct weir_http_req *req, struct weir_buf *b)
{
    struct weir_metrics *metrics[WEIR_HUB_MAX_WORKERS];

    for (unsigned i = 0; i < h->worker_count; i++)
        metrics[i] = h->workers[i]->metrics;
    weir_metrics_write(metrics, h->worker_count, b);
    weir_hub_write_numbers(h, b);
    weir_http_respond(req, 200, &text, 1, weir_buf_str(b));
}

static void on_request(void *arg, struct weir_http_req *req)
{
    struct weir_hub *h = arg;
    struct weir_str path = weir_http_req_path(req);
    enum weir_http_method method = weir_http_req_method(req);
    struct weir_buf b;

    weir_buf_init(&b, MAX_BODY_BYTES);
    if (method != WEIR_HTTP_GET && method != WEIR_HTTP_HEAD) {
        weir_http_respond(req, 405, &json, 1,
                          WEIR_STR("{\"error\":\"only GET is served here\"}\n"));
    } else if (weir_str_is(path, "/healthz")) {
        weir_http_respond(req, 200, &json, 1, WEIR_STR("{\"status\":\"alive\"}\n"));
    } else if (weir_str_is(path, "/readyz")) {
        add_state(h, &b);
        weir_http_respond(req, weir_hub_is_ready(h) ? 200 : 503, &json, 1, weir_buf_str(&b));
    } else if (weir_str_is(path, "/metrics")) {
        answer_metrics(h, req, &b);
    } else {
        weir_http_respond(req, 404, &json, 1,
                          WEIR_STR("{\"error\":\"/healthz, /readyz and /metrics are here\"}\n"));
    }
    weir_buf_fini(&b);
}

static void on_body(struct weir_http_req *req, struct weir_str body)
{
    (void)req;
    (void)body;
}

static void on_done(struct weir_http_req *req)
{
    (void)req;
}

int weir_admin_start(struct weir_hub *h)
{
    static const struct weir_http_handler handler = {
        .on_request = on_request, .on_body = on_body, .on_done = on_done};
    struct weir_http_server_options o = {.loop = &h->loop,
                                         .handler = &handler,
                                         .arg = h,
                                         .limits = {.connections = 64, .body_bytes = 4096}};
    struct weir_address a;
    int rc = weir_address_parse(weir_str_of(h->options->admin), &a);

    if (rc == WEIR_OK)
        rc = weir_http_server_create(&o, &h->admin);
    if (rc == WEIR_OK)
        rc = a.unix_path[0] ? weir_http_listen_unix(h->admin, a.unix_path, NULL)
                            : weir_http_listen(h->admin, a.host, a.port, NULL, NULL);
    if (rc)
        WEIR_LOG(WEIR_LOG_ERROR, "proxy", "can't listen on %s: %s; --admin changes the address",
                 h->options->admin, rc == WEIR_EIO ? strerror(errno) : weir_rc_name(rc));
    return rc;
}
