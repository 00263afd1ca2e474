/* deliver.c - one try to tell: a POST to a webhook, or a program that gets the text. */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/alerts/internal.h"
#include "http/url.h"

/* ---- webhooks ---- */

static void http_over(struct weir__job *j, const char *why)
{
    j->call = NULL;
    weir_origin_unref(j->origin);
    j->origin = NULL;
    weir__job_tried(j, why);
}

static void on_head(void *arg, const struct weir_http_call_head *head)
{
    struct weir__job *j = arg;

    j->status = head->status;
}

static void on_body(void *arg, const char *p, size_t n)
{
    (void)arg; /* what it says is nothing to us */
    (void)p;
    (void)n;
}

static void on_end(void *arg, const struct weir_http_call_info *info)
{
    struct weir__job *j = arg;
    char why[64];

    (void)info;
    (void)snprintf(why, sizeof why, "it answered %d", j->status);
    http_over(j, j->status >= 200 && j->status < 300 ? NULL : why);
}

static void on_error(void *arg, int rc, const struct weir_http_call_info *info)
{
    (void)rc;
    http_over(arg, info->cause);
}

static void on_timer_fail(uv_timer_t *t)
{
    struct weir__job *j = t->data;

    http_over(j, "it can't be called, see the line before");
}

static int start_call(struct weir__job *j, const struct weir_url *url, const char *signature)
{
    static const struct weir_http_call_events events = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end, .on_error = on_error};
    struct weir_http_header headers[] = {{WEIR_STR("content-type"), WEIR_STR("application/json")},
                                         {WEIR_STR("x-weir-signature"), weir_str_of(signature)}};
    struct weir_http_call_spec spec = {.method = WEIR_STR("POST"),
                                       .headers = headers,
                                       .header_count = signature[0] ? 2 : 1,
                                       .body = &j->body,
                                       .body_count = 1,
                                       .has_body = true,
                                       .connect_timeout_ms = 5000,
                                       .total_timeout_ms = WEIR__ALERT_DEADLINE_MS};
    struct weir_buf path;
    int rc;

    weir_buf_init(&path, WEIR_URL_MAX_BYTES);
    rc = weir_url_join(url, WEIR_STR(""), &path);
    spec.path = path.n ? weir_buf_str(&path) : WEIR_STR("/");
    if (rc == WEIR_OK)
        rc = weir_http_call_start(j->a->client, j->origin, &spec, &events, j, &j->call);
    weir_buf_fini(&path);
    return rc;
}

/* NULL: under way. */
static const char *try_webhook(struct weir__job *j, char why[256])
{
    struct weir_origin_conf conf = {0};
    char signature[128] = "";
    const char *wrong;
    struct weir_url url;

    if (weir_url_parse(weir_str_of(j->webhook), &url, &wrong))
        return "its URL is not valid";
    j->body = weir_str_of(j->json);
    if (j->secret_file &&
        weir__alert_signature(j->secret_file, j->body, weir_wall_ms() / 1000, signature))
        return "its secretFile can't be read, or holds less than 16 bytes";
    conf.tls = url.tls;
    conf.host = url.host;
    conf.port = url.port;
    if (weir_origin_create(&conf, why, 256, &j->origin))
        return why;
    if (start_call(j, &url, signature)) {
        weir_origin_unref(j->origin);
        j->origin = NULL;
        return "its URL can't be called";
    }
    return NULL;
}

/* ---- commands ---- */

static void command_closed(struct weir__job *j)
{
    char why[64];

    (void)snprintf(why, sizeof why, "it ended with %lld", (long long)j->exit_status);
    weir__job_tried(j, j->exit_status == 0 ? NULL : why);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct weir__job *j = h->data;

    if (--j->open > 0)
        return;
    if (j->ended)
        weir__job_closed(j);
    else
        j->closed(j);
}

static void close_command(struct weir__job *j)
{
    uv_timer_stop(&j->timer);
    if (!uv_is_closing((uv_handle_t *)&j->in))
        uv_close((uv_handle_t *)&j->in, on_handle_closed);
    if (!uv_is_closing((uv_handle_t *)&j->process))
        uv_close((uv_handle_t *)&j->process, on_handle_closed);
    j->spawned = false;
}

static void on_exit_of(uv_process_t *p, int64_t status, int signal)
{
    struct weir__job *j = p->data;

    j->exit_status = signal ? 128 + signal : status;
    close_command(j);
}

static void on_written(uv_write_t *w, int status)
{
    struct weir__job *j = w->data;

    (void)status; /* a program need not read it */
    if (!uv_is_closing((uv_handle_t *)&j->in))
        uv_close((uv_handle_t *)&j->in, on_handle_closed);
}

static void on_too_long(uv_timer_t *t)
{
    struct weir__job *j = t->data;

    if (j->spawned)
        uv_process_kill(&j->process, SIGKILL);
}

static const char *try_command(struct weir__job *j)
{
    char *argv[] = {j->command, NULL}, *env[] = {(char *)"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&j->in},
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE}};
    uv_process_options_t o = {.file = j->command,
                              .args = argv,
                              .env = env,
                              .stdio = stdio,
                              .stdio_count = 3,
                              .exit_cb = on_exit_of};
    uv_buf_t text = uv_buf_init(j->text, (unsigned)strlen(j->text));

    (void)uv_pipe_init(&j->a->loop, &j->in, 0);
    j->in.data = j->write.data = j;
    j->open = 2;
    j->closed = command_closed;
    j->exit_status = 127;
    if (uv_spawn(&j->a->loop, &j->process, &o)) {
        j->process.data = j;
        close_command(j); /* told once both are closed */
        return NULL;
    }
    j->spawned = true;
    j->process.data = j;
    (void)uv_timer_start(&j->timer, on_too_long, WEIR__ALERT_DEADLINE_MS, 0);
    if (uv_write(&j->write, (uv_stream_t *)&j->in, &text, 1, on_written))
        uv_close((uv_handle_t *)&j->in, on_handle_closed);
    return NULL;
}

/* ---- both ---- */

void weir__job_try(struct weir__job *j)
{
    char why[256] = "", to[256];
    const char *failed;

    j->status = 0;
    failed = j->webhook ? try_webhook(j, why) : try_command(j);
    if (!failed)
        return;
    WEIR_LOG(WEIR_LOG_WARN, "alerts", "%s: %s", weir__job_to(j, to), failed);
    (void)uv_timer_start(&j->timer, on_timer_fail, 0, 0);
}

void weir__job_stop(struct weir__job *j)
{
    uv_timer_stop(&j->timer);
    if (j->call)
        weir_http_call_cancel(j->call);
    j->call = NULL;
    weir_origin_unref(j->origin);
    j->origin = NULL;
    if (!j->spawned)
        return;
    uv_process_kill(&j->process, SIGKILL);
    close_command(j);
}
