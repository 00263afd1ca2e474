/* alerts.c - the thread: from crossings to jobs, one for each target, and their tries. */
#include "controlplane/alerts/alerts.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "controlplane/alerts/internal.h"
#include "http/url.h"

enum { FIRST_PAUSE_MS = 1000, COMMANDS_MAX = 64 };

/* ---- jobs ---- */

static void job_free(struct weir__job *j)
{
    free(j->webhook);
    free(j->secret_file);
    free(j->command);
    free(j->text);
    free(j->json);
    free(j);
}

void weir__job_closed(struct weir__job *j)
{
    if (j->timer_closed && j->open == 0)
        job_free(j);
}

static void on_timer_closed(uv_handle_t *h)
{
    struct weir__job *j = h->data;

    j->timer_closed = true;
    weir__job_closed(j);
}

/* A webhook's path often is its secret. */
const char *weir__job_to(const struct weir__job *j, char out[256])
{
    struct weir_url url;
    const char *why;

    if (!j->webhook)
        (void)snprintf(out, 256, "%s", j->command);
    else if (weir_url_parse(weir_str_of(j->webhook), &url, &why))
        (void)snprintf(out, 256, "a webhook");
    else
        (void)snprintf(out, 256, "the webhook at %.*s", WEIR_STR_ARG(url.host));
    return out;
}

static void telling_unref(struct weir_alerts *a, struct weir__telling *t)
{
    if (--t->jobs > 0)
        return;
    if (!t->abandoned && a->o.done)
        a->o.done(a->o.arg, t->id);
    free(t);
}

static void job_end(struct weir__job *j)
{
    struct weir_alerts *a = j->a;

    weir_list_remove(&j->link);
    telling_unref(a, j->telling);
    (void)pthread_mutex_lock(&a->mutex);
    a->queued--;
    (void)pthread_mutex_unlock(&a->mutex);
    j->ended = true;
    uv_close((uv_handle_t *)&j->timer, on_timer_closed);
}

static void on_again(uv_timer_t *t)
{
    weir__job_try(t->data);
}

static void count(struct weir_alerts *a, bool delivered)
{
    (void)pthread_mutex_lock(&a->mutex);
    if (delivered)
        a->count.delivered++;
    else
        a->count.failed++;
    (void)pthread_mutex_unlock(&a->mutex);
}

void weir__job_tried(struct weir__job *j, const char *why)
{
    char to[256];
    int64_t first = j->a->o.first_pause_ms ? j->a->o.first_pause_ms : FIRST_PAUSE_MS, pause_ms;

    if (!why) {
        count(j->a, true);
        job_end(j);
        return;
    }
    if (++j->tries == WEIR__ALERT_TRIES) {
        WEIR_LOG(WEIR_LOG_ERROR, "alerts", "%s could not be told of alert %lld: %s; given up",
                 weir__job_to(j, to), (long long)j->telling->id, why);
        count(j->a, false);
        job_end(j);
        return;
    }
    pause_ms = first << (j->tries - 1);
    if (pause_ms > WEIR__ALERT_PAUSE_MAX_MS)
        pause_ms = WEIR__ALERT_PAUSE_MAX_MS;
    WEIR_LOG(WEIR_LOG_WARN, "alerts", "%s could not be told of alert %lld: %s; again in %lld ms",
             weir__job_to(j, to), (long long)j->telling->id, why, (long long)pause_ms);
    (void)uv_timer_start(&j->timer, on_again, (uint64_t)pause_ms, 0);
}

/* ---- the thread ---- */

static void on_nothing(uv_handle_t *h)
{
    (void)h;
}

static void stop_all(struct weir_alerts *a)
{
    WEIR_LIST_EACH (&a->jobs, at, next) {
        struct weir__job *j = WEIR_CONTAINER(at, struct weir__job, link);

        j->telling->abandoned = true;
        weir__job_stop(j);
        job_end(j);
    }
    weir_http_client_destroy(a->client);
    uv_close((uv_handle_t *)&a->wake, on_nothing);
}

static void on_wake(uv_async_t *wake)
{
    struct weir_alerts *a = wake->data;
    struct weir_link fresh, *link;
    bool stop;

    weir_list_init(&fresh);
    (void)pthread_mutex_lock(&a->mutex);
    while ((link = weir_list_pop(&a->fresh)))
        weir_list_push(&fresh, link);
    stop = a->stop;
    (void)pthread_mutex_unlock(&a->mutex);
    while ((link = weir_list_pop(&fresh))) {
        struct weir__job *j = WEIR_CONTAINER(link, struct weir__job, link);

        (void)uv_timer_init(&a->loop, &j->timer);
        j->timer.data = j;
        weir_list_push(&a->jobs, &j->link);
        if (!stop)
            weir__job_try(j);
    }
    if (stop && !uv_is_closing((uv_handle_t *)wake))
        stop_all(a);
}

static void run(void *arg)
{
    struct weir_alerts *a = arg;

    (void)uv_run(&a->loop, UV_RUN_DEFAULT);
}

/* ---- the allow-list ---- */

static int add_command(struct weir_alerts *a, struct weir_str one, char *error, size_t size)
{
    struct weir_str path, name = weir_str_cut(one, '=', &path);

    if (name.n == 0 || path.n < 2 || path.p[0] != '/' || a->n_commands == COMMANDS_MAX) {
        (void)snprintf(error, size,
                       "--alert-commands: write NAME=/PATH, up to 64 with commas between, not "
                       "\"%.*s\"",
                       WEIR_STR_ARG(one));
        return WEIR_EINVAL;
    }
    a->commands[a->n_commands].name = weir_strdup(name);
    a->commands[a->n_commands++].path = weir_strdup(path);
    return WEIR_OK;
}

static int read_commands(struct weir_alerts *a, char *error, size_t size)
{
    struct weir_str rest = weir_str_of(a->o.commands);
    int rc = WEIR_OK;

    a->commands = weir_zalloc(COMMANDS_MAX * sizeof *a->commands);
    while (rest.p && rc == WEIR_OK) {
        struct weir_str after, one = weir_str_cut(rest, ',', &after);

        rc = add_command(a, one, error, size);
        rest = after;
    }
    return rc;
}

static const char *command_path(const struct weir_alerts *a, const char *name)
{
    for (size_t i = 0; i < a->n_commands; i++)
        if (strcmp(a->commands[i].name, name) == 0)
            return a->commands[i].path;
    return NULL;
}

bool weir_alerts_knows(const struct weir_alerts *a, const char *command)
{
    return command_path(a, command) != NULL;
}

/* ---- life ---- */

static void targets_free(struct weir_alert_target *targets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)targets[i].budget);
        free((char *)targets[i].webhook);
        free((char *)targets[i].secret_file);
        free((char *)targets[i].command);
    }
    free(targets);
}

void weir_alerts_free(struct weir_alerts *a)
{
    if (!a)
        return;
    targets_free(a->targets, a->n_targets);
    for (size_t i = 0; i < a->n_commands; i++) {
        free(a->commands[i].name);
        free(a->commands[i].path);
    }
    free(a->commands);
    (void)pthread_mutex_destroy(&a->mutex);
    free(a);
}

int weir_alerts_create(const struct weir_alerts_options *o, char *error, size_t size,
                       struct weir_alerts **out)
{
    struct weir_alerts *a = WEIR_NEW(struct weir_alerts);
    int rc;

    a->o = *o;
    weir_list_init(&a->jobs);
    weir_list_init(&a->fresh);
    (void)pthread_mutex_init(&a->mutex, NULL);
    rc = read_commands(a, error, size);
    if (rc == WEIR_OK && uv_loop_init(&a->loop)) {
        (void)snprintf(error, size, "there is no loop for alerts");
        rc = WEIR_EIO;
    }
    if (rc != WEIR_OK) {
        weir_alerts_free(a);
        return rc;
    }
    (void)uv_async_init(&a->loop, &a->wake, on_wake);
    a->wake.data = a;
    a->client = weir_http_client_create(&a->loop);
    if (uv_thread_create(&a->thread, run, a)) {
        stop_all(a);
        run(a);
        (void)uv_loop_close(&a->loop);
        weir_alerts_free(a);
        (void)snprintf(error, size, "there is no thread for alerts");
        return WEIR_EIO;
    }
    *out = a;
    return WEIR_OK;
}

void weir_alerts_stop(struct weir_alerts *a)
{
    if (!a)
        return;
    (void)pthread_mutex_lock(&a->mutex);
    a->stop = true;
    (void)uv_async_send(&a->wake);
    (void)pthread_mutex_unlock(&a->mutex);
    (void)uv_thread_join(&a->thread);
    if (uv_loop_close(&a->loop))
        WEIR_LOG(WEIR_LOG_WARN, "alerts", "the loop left handles open");
}

/* ---- from outside ---- */

static char *copy(const char *z)
{
    return z ? weir_strdup(weir_str_of(z)) : NULL;
}

void weir_alerts_set_targets(struct weir_alerts *a, const struct weir_alert_target targets[],
                             size_t n)
{
    struct weir_alert_target *fresh = weir_zalloc((n + 1) * sizeof *fresh), *old;
    size_t old_n;

    for (size_t i = 0; i < n; i++) {
        fresh[i] = targets[i];
        fresh[i].budget = copy(targets[i].budget);
        fresh[i].webhook = copy(targets[i].webhook);
        fresh[i].secret_file = copy(targets[i].secret_file);
        fresh[i].command = copy(targets[i].command);
    }
    (void)pthread_mutex_lock(&a->mutex);
    old = a->targets;
    old_n = a->n_targets;
    a->targets = fresh;
    a->n_targets = n;
    (void)pthread_mutex_unlock(&a->mutex);
    targets_free(old, old_n);
}

static char *text_of(const struct weir_ledger_crossing *x, bool json, bool slack)
{
    struct weir_buf b;
    char *text;

    weir_buf_init(&b, WEIR__ALERT_TEXT_MAX);
    if (json)
        weir__alert_json(x, slack, &b);
    else
        weir__alert_text(x, &b);
    text = weir_strdup(weir_buf_str(&b));
    weir_buf_fini(&b);
    return text;
}

/* With the mutex. */
static void add_job(struct weir_alerts *a, struct weir__telling *telling,
                    const struct weir_alert_target *t, const struct weir_ledger_crossing *x,
                    const char *path)
{
    struct weir__job *j = WEIR_NEW(struct weir__job);

    j->a = a;
    j->telling = telling;
    j->webhook = path ? NULL : copy(t->webhook);
    j->secret_file = path ? NULL : copy(t->secret_file);
    j->command = copy(path);
    j->json = path ? NULL : text_of(x, true, t->slack);
    j->text = path ? text_of(x, false, false) : NULL;
    telling->jobs++;
    a->queued++;
    weir_list_push(&a->fresh, &j->link);
}

static void add_target(struct weir_alerts *a, struct weir__telling *telling,
                       const struct weir_alert_target *t, const struct weir_ledger_crossing *x)
{
    const char *path = t->command ? command_path(a, t->command) : NULL;

    if (t->command && !path)
        WEIR_LOG(WEIR_LOG_ERROR, "alerts",
                 "budget %s names the command \"%s\", which --alert-commands doesn't", t->budget,
                 t->command);
    if (a->queued + 2 > WEIR__ALERTS_QUEUE) {
        a->count.dropped++;
        WEIR_LOG(WEIR_LOG_ERROR, "alerts", "alert %lld of budget %s is dropped: too many wait",
                 (long long)x->id, t->budget);
        return;
    }
    if (t->webhook)
        add_job(a, telling, t, x, NULL);
    if (path)
        add_job(a, telling, t, x, path);
}

void weir_alerts_tell(void *alerts, const struct weir_ledger_crossing *x)
{
    struct weir_alerts *a = alerts;
    struct weir__telling *telling = WEIR_NEW(struct weir__telling);
    bool told;

    telling->id = x->id;
    if (x->kind == WEIR_ALERT_ASKED)
        WEIR_LOG(WEIR_LOG_WARN, "alerts", "budget %s \"%s\" has calls that wait for a person",
                 x->budget, x->scope);
    else
        WEIR_LOG(WEIR_LOG_WARN, "alerts", "budget %s \"%s\" has crossed %lld%s", x->budget,
                 x->scope, (long long)x->threshold,
                 x->kind == WEIR_ALERT_PERCENT ? " %" : "/1000 of its mean");
    (void)pthread_mutex_lock(&a->mutex);
    for (size_t i = 0; i < a->n_targets && !a->stop; i++) {
        const struct weir_alert_target *t = &a->targets[i];

        if (t->kind == x->kind && t->threshold == x->threshold && strcmp(t->budget, x->budget) == 0)
            add_target(a, telling, t, x);
    }
    told = telling->jobs > 0 || a->stop;
    if (telling->jobs > 0)
        (void)uv_async_send(&a->wake);
    else
        free(telling);
    (void)pthread_mutex_unlock(&a->mutex);
    if (!told && a->o.done)
        a->o.done(a->o.arg, x->id);
}

void weir_alerts_count(struct weir_alerts *a, struct weir_alerts_counters *out)
{
    (void)pthread_mutex_lock(&a->mutex);
    *out = a->count;
    out->waiting = (int64_t)a->queued;
    (void)pthread_mutex_unlock(&a->mutex);
}
