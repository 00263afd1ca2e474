/* client_probe.h - a client, a scripted upstream and calls that remember what came of them. */
#ifndef WEIR_TESTS_CLIENT_PROBE_H
#define WEIR_TESTS_CLIENT_PROBE_H

#include <signal.h>

#include "http/client.h"
#include "tests/unit/weir_http/scripted_server.h"

struct world {
    uv_loop_t loop;
    struct server server;
    struct weir_http_client *client;
    struct weir_origin *origin;
};

/* One call and what came of it. */
struct probe {
    struct world *w;
    struct weir_http_call *call;
    struct weir_buf body, headers;
    struct weir_http_call_info info;
    int status, rc;
    int64_t content_length;
    unsigned heads, ends, errors, sents, batches;
    bool in_start, cancel_in_head, cancel_in_body, pause_in_head;
    struct probe *then; /* started from on_end */
};

static inline void get(struct probe *p);

static inline void on_head(void *arg, const struct weir_http_call_head *h)
{
    struct probe *p = arg;

    p->heads++;
    p->status = h->status;
    p->content_length = h->content_length;
    for (size_t i = 0; i < h->header_count; i++)
        weir_buf_addf(&p->headers, "%.*s=%.*s\n", WEIR_STR_ARG(h->headers[i].name),
                      WEIR_STR_ARG(h->headers[i].value));
    if (p->cancel_in_head)
        weir_http_call_cancel(p->call);
    else if (p->pause_in_head)
        weir_http_call_pause(p->call);
}

static inline void on_body(void *arg, const char *bytes, size_t n)
{
    struct probe *p = arg;

    weir_buf_add(&p->body, bytes, n);
    if (p->cancel_in_body)
        weir_http_call_cancel(p->call);
}

static inline void on_end(void *arg, const struct weir_http_call_info *info)
{
    struct probe *p = arg;

    assert_false(p->in_start);
    p->ends++;
    p->info = *info;
    if (p->then)
        get(p->then);
}

static inline void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    struct probe *p = arg;

    assert_false(p->in_start);
    p->errors++;
    p->rc = rc;
    p->info = *info;
}

static inline void on_sent(void *arg)
{
    ((struct probe *)arg)->sents++;
}

static inline void on_batch(void *arg)
{
    ((struct probe *)arg)->batches++;
}

static const struct weir_http_call_events events = {on_head,  on_body, on_end,
                                                    on_error, on_sent, on_batch};

static inline void start(struct probe *p, const struct weir_http_call_spec *spec)
{
    p->in_start = true;
    assert_int_equal(weir_http_call_start(p->w->client, p->w->origin, spec, &events, p, &p->call),
                     WEIR_OK);
    p->in_start = false;
}

static inline void get(struct probe *p)
{
    struct weir_http_call_spec spec = {.method = WEIR_STR("GET"), .path = WEIR_STR("/x")};

    start(p, &spec);
}

static inline struct probe probe_of(struct world *w)
{
    struct probe p = {.w = w};

    weir_buf_init(&p.body, 64 << 20);
    weir_buf_init(&p.headers, 1 << 20);
    return p;
}

static inline void probe_fini(struct probe *p)
{
    weir_buf_fini(&p->body);
    weir_buf_fini(&p->headers);
}

static inline void finish(struct probe *p)
{
    while (p->ends + p->errors == 0)
        assert_int_not_equal(uv_run(&p->w->loop, UV_RUN_ONCE), 0);
    assert_int_equal(p->ends + p->errors, 1);
}

static inline void turn_until(struct world *w, const size_t *counter, size_t value)
{
    while (*counter < value)
        assert_int_not_equal(uv_run(&w->loop, UV_RUN_ONCE), 0);
}

static inline void make_origin(struct world *w, struct weir_origin_conf conf)
{
    char why[200];

    conf.host = WEIR_STR("127.0.0.1");
    conf.port = (uint16_t)w->server.port;
    weir_origin_unref(w->origin);
    w->origin = NULL;
    assert_int_equal(weir_origin_create(&conf, why, sizeof why, &w->origin), WEIR_OK);
}

static inline int setup(void **state)
{
    struct world *w = WEIR_NEW(struct world);

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    server_init(&w->server, &w->loop);
    server_listen(&w->server);
    w->client = weir_http_client_create(&w->loop);
    make_origin(w, (struct weir_origin_conf){0});
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;

    weir_http_client_destroy(w->client);
    weir_origin_unref(w->origin);
    server_close(&w->server);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
    return 0;
}

static inline void serve(struct world *w, const struct script *scripts, size_t n)
{
    w->server.scripts = scripts;
    w->server.script_count = n;
    w->server.requests = 0;
}

static inline void serve_text(struct world *w, struct script *s, const char *text)
{
    *s = (struct script){.reply = weir_str_of(text)};
    serve(w, s, 1);
}

#endif
