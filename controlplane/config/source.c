/* source.c - see source.h.
 *
 *   SRC_IDLE    -> SRC_QUIET    a file event, or a poke
 *   SRC_QUIET   -> SRC_READING  quiet_ms without another event, or quiet_max_ms after the first
 *   SRC_IDLE    -> SRC_READING  the poll: events can be lost, and some file systems have none
 *   SRC_READING -> SRC_IDLE     done; -> SRC_QUIET when events came meanwhile
 */
#include "controlplane/config/source.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "controlplane/config/errors.h"
#include "controlplane/config/folder.h"
#include "controlplane/config/local.h"
#include "controlplane/config/secrets.h"

enum source_state { SRC_IDLE, SRC_QUIET, SRC_READING };

/* One reading: the pool thread's own from start to end. */
struct job {
    uv_work_t work;
    struct weir_policy_source *source;
    char before[65];                           /* the fingerprint built last */
    struct weir_policy_set *old_set;           /* a reference; NULL: none */
    struct weir_policy_errors *old_build;      /* a reference */
    struct weir_policy_set *set;               /* a new one; NULL: none */
    struct weir_policy_errors *build, *errors; /* of the set; all */
    struct weir__config_secrets secrets;
    char fingerprint[65];
    uint64_t device, inode;
    bool vanished;
};

struct weir_policy_source {
    struct weir_policy_source_options o; /* its strings are copies */
    struct weir_arena *arena;
    enum source_state state;
    bool dirty; /* an event came while reading */
    bool closing, told, reading;
    unsigned handles;
    int64_t first_event_ms;
    uv_fs_event_t watch;
    bool watching;
    uint64_t device, inode; /* of what is watched */
    uv_timer_t quiet, poll;
    char fingerprint[65];
    struct weir_policy_errors *build; /* of the texts read last */
    struct weir__config_secrets secrets;
    void (*on_closed)(void *arg);
    void *on_closed_arg;

    pthread_mutex_t lock; /* the two below, for other threads */
    struct weir_policy_set *set;
    struct weir_policy_errors *errors;
};

static void start_reading(struct weir_policy_source *s);

/* ---- the pool thread ---- */

static void build(struct job *j, const struct weir__config_texts *texts,
                  struct weir_data_errors *load_errors)
{
    const struct weir_policy_source_options *o = &j->source->o;
    struct weir_local_env env = weir_local_env_read();
    struct weir_policy_set *set = NULL;
    int rc;

    j->build = weir__policy_errors_create();
    weir__policy_errors_append(j->build, load_errors);
    rc = weir_policy_set_build(texts->list, texts->n, o->local_defaults ? &env : NULL,
                               &j->build->list, &set);
    /* What can't be read must not pass for deleted; a path that never was is an empty policy. */
    if (rc == WEIR_OK && load_errors->count > 0 && !(texts->missing && !j->old_set)) {
        weir_policy_set_unref(set);
        set = NULL;
    }
    j->set = set;
}

static void on_work(uv_work_t *work)
{
    struct job *j = work->data;
    struct weir_arena *arena = weir_arena_create(NULL);
    struct weir_data_errors load_errors = {.arena = arena}, secret_errors = {.arena = arena};
    struct weir__config_texts texts;
    int rc = weir__config_load(&j->source->o, arena, &load_errors, &texts);

    memcpy(j->fingerprint, texts.fingerprint, sizeof j->fingerprint);
    j->device = texts.device;
    j->inode = texts.inode;
    j->vanished = texts.vanished;
    if (texts.vanished) {
        j->build = weir_policy_errors_ref(j->old_build);
        j->fingerprint[0] = 0;
    } else if (rc == WEIR_OK && strcmp(j->before, j->fingerprint) == 0) {
        j->build = weir_policy_errors_ref(j->old_build);
    } else {
        build(j, &texts, &load_errors);
        if (rc) /* look again, whatever the other files say */
            j->fingerprint[0] = 0;
    }
    weir__config_secrets_read(j->set ? j->set : j->old_set, &secret_errors, &j->secrets);
    j->errors = weir__policy_errors_create();
    weir__policy_errors_append(j->errors, &j->build->list);
    weir__policy_errors_append(j->errors, &secret_errors);
    weir_arena_destroy(arena);
}

/* ---- the loop ---- */

static void maybe_free(struct weir_policy_source *s)
{
    void (*fn)(void *) = s->on_closed;
    void *arg = s->on_closed_arg;

    if (!s->closing || s->handles > 0 || s->reading)
        return;
    weir_policy_set_unref(s->set);
    weir_policy_errors_unref(s->errors);
    weir_policy_errors_unref(s->build);
    weir__config_secrets_free(&s->secrets);
    pthread_mutex_destroy(&s->lock);
    weir_arena_destroy(s->arena);
    free(s);
    if (fn)
        fn(arg);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct weir_policy_source *s = h->data;

    s->handles--;
    maybe_free(s);
}

static void on_quiet(uv_timer_t *t)
{
    struct weir_policy_source *s = t->data;

    if (s->state == SRC_QUIET)
        start_reading(s);
}

static void enter_quiet(struct weir_policy_source *s)
{
    int64_t now = weir_mono_ms(), wait;

    if (s->closing)
        return;
    if (s->state == SRC_READING) {
        s->dirty = true;
        return;
    }
    if (s->state == SRC_IDLE)
        s->first_event_ms = now;
    s->state = SRC_QUIET;
    wait = s->first_event_ms + s->o.quiet_max_ms - now;
    if (wait > s->o.quiet_ms)
        wait = s->o.quiet_ms;
    (void)uv_timer_start(&s->quiet, on_quiet, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_event(uv_fs_event_t *h, const char *name, int events, int status)
{
    (void)name;
    (void)events;
    (void)status;
    enter_quiet(h->data);
}

static void on_poll(uv_timer_t *t)
{
    struct weir_policy_source *s = t->data;

    if (s->state == SRC_IDLE)
        start_reading(s);
}

/* The watch is on an inode: a folder that was replaced needs a new one. True: it is new. */
static bool watch_again(struct weir_policy_source *s, uint64_t device, uint64_t inode)
{
    struct weir_arena *arena;
    bool was = s->watching;

    if (!s->o.path || (s->watching && device == s->device && inode == s->inode))
        return false;
    (void)uv_fs_event_stop(&s->watch);
    s->watching = false;
    s->device = device;
    s->inode = inode;
    if (inode == 0)
        return false;
    arena = weir_arena_create(NULL);
    s->watching =
        uv_fs_event_start(&s->watch, on_event, weir__config_watch_path(s->o.path, arena), 0) == 0;
    weir_arena_destroy(arena);
    return s->watching && !was;
}

static void log_change(struct weir_policy_source *s, bool new_set)
{
    if (new_set)
        WEIR_LOG(WEIR_LOG_INFO, "config", "policy %s is in force: %zu objects",
                 weir_policy_set_revision(s->set), weir_policy_set_count(s->set));
    for (size_t i = 0; i < s->errors->list.count; i++) {
        struct weir_buf b;

        weir_buf_init(&b, 4096);
        weir_data_error_text(&s->errors->list.list[i], &b);
        WEIR_LOG(WEIR_LOG_WARN, "config", "%.*s", WEIR_STR_ARG(weir_buf_str(&b)));
        weir_buf_fini(&b);
    }
}

/* Puts what a reading found in force. */
static void adopt(struct weir_policy_source *s, struct job *j)
{
    bool new_set = j->set && (!s->set || strcmp(weir_policy_set_revision(j->set),
                                                weir_policy_set_revision(s->set)) != 0);
    bool new_errors = !weir__policy_errors_equal(j->errors, s->errors);
    bool new_secrets = !weir__config_secrets_equal(&j->secrets, &s->secrets);
    struct weir_policy_set *old_set = NULL;
    struct weir_policy_errors *old_errors = NULL;
    struct weir__config_secrets old_secrets = s->secrets;

    memcpy(s->fingerprint, j->fingerprint, sizeof s->fingerprint);
    weir_policy_errors_unref(s->build);
    s->build = weir_policy_errors_ref(j->build);
    pthread_mutex_lock(&s->lock);
    if (j->set) { /* also the same revision: files and lines may have moved */
        old_set = s->set;
        s->set = weir_policy_set_ref(j->set);
    }
    if (new_errors) {
        old_errors = s->errors;
        s->errors = weir_policy_errors_ref(j->errors);
    }
    pthread_mutex_unlock(&s->lock);
    weir_policy_set_unref(old_set);
    weir_policy_errors_unref(old_errors);
    s->secrets = j->secrets;
    j->secrets = (struct weir__config_secrets){0};
    weir__config_secrets_free(&old_secrets);
    if (new_set || new_errors)
        log_change(s, new_set);
    if (new_secrets && s->o.on_secrets)
        s->o.on_secrets(s->o.arg);
    if ((new_set || new_errors || !s->told) && !s->closing) {
        s->told = true;
        s->o.on_change(s->o.arg, s->set, s->errors);
    }
}

static void free_job(struct job *j)
{
    weir_policy_set_unref(j->old_set);
    weir_policy_set_unref(j->set);
    weir_policy_errors_unref(j->old_build);
    weir_policy_errors_unref(j->build);
    weir_policy_errors_unref(j->errors);
    weir__config_secrets_free(&j->secrets);
    free(j);
}

static void on_worked(uv_work_t *work, int status)
{
    struct job *j = work->data;
    struct weir_policy_source *s = j->source;
    bool again;

    s->reading = false;
    if (s->closing) {
        free_job(j);
        maybe_free(s);
        return;
    }
    s->state = SRC_IDLE;
    /* What changed between the reading and the new watch had no event. */
    again = watch_again(s, j->device, j->inode) || s->dirty || j->vanished || status != 0;
    if (status == 0 && !j->vanished)
        adopt(s, j);
    free_job(j);
    s->dirty = false;
    if (again)
        enter_quiet(s);
}

static void start_reading(struct weir_policy_source *s)
{
    struct job *j = WEIR_NEW(struct job);

    j->work.data = j;
    j->source = s;
    memcpy(j->before, s->fingerprint, sizeof j->before);
    j->old_set = s->set ? weir_policy_set_ref(s->set) : NULL;
    j->old_build = weir_policy_errors_ref(s->build);
    (void)uv_timer_stop(&s->quiet);
    s->state = SRC_READING;
    s->reading = true;
    if (uv_queue_work(s->o.loop, &j->work, on_work, on_worked)) { /* only for a NULL callback */
        s->reading = false;
        s->state = SRC_IDLE;
        free_job(j);
    }
}

static const char *keep(struct weir_policy_source *s, const char *z)
{
    return z ? weir_arena_strdup(s->arena, weir_str_of(z)) : NULL;
}

int weir_policy_source_start(const struct weir_policy_source_options *o,
                             struct weir_policy_source **out)
{
    struct weir_policy_source *s = WEIR_NEW(struct weir_policy_source);

    s->arena = weir_arena_create(NULL);
    s->o = *o;
    s->o.path = keep(s, o->path);
    s->o.price_path = keep(s, o->price_path);
    s->o.price_text = keep(s, o->price_text);
    s->o.quiet_ms = o->quiet_ms > 0 ? o->quiet_ms : 100;
    s->o.quiet_max_ms = o->quiet_max_ms > 0 ? o->quiet_max_ms : 2000;
    s->o.poll_ms = o->poll_ms > 0 ? o->poll_ms : 1000;
    s->build = weir__policy_errors_create();
    s->errors = weir__policy_errors_create();
    pthread_mutex_init(&s->lock, NULL);
    if (uv_fs_event_init(o->loop, &s->watch))
        goto fail;
    (void)uv_timer_init(o->loop, &s->quiet);
    (void)uv_timer_init(o->loop, &s->poll);
    s->handles = 3;
    s->watch.data = s->quiet.data = s->poll.data = s;
    (void)uv_timer_start(&s->poll, on_poll, (uint64_t)s->o.poll_ms, (uint64_t)s->o.poll_ms);
    start_reading(s);
    *out = s;
    return WEIR_OK;
fail:
    weir_policy_errors_unref(s->build);
    weir_policy_errors_unref(s->errors);
    pthread_mutex_destroy(&s->lock);
    weir_arena_destroy(s->arena);
    free(s);
    return WEIR_EIO;
}

void weir_policy_source_close(struct weir_policy_source *s, void (*on_closed)(void *arg), void *arg)
{
    WEIR_ASSERT(!s->closing);
    s->closing = true;
    s->on_closed = on_closed;
    s->on_closed_arg = arg;
    uv_close((uv_handle_t *)&s->watch, on_handle_closed);
    uv_close((uv_handle_t *)&s->quiet, on_handle_closed);
    uv_close((uv_handle_t *)&s->poll, on_handle_closed);
}

void weir_policy_source_poke(struct weir_policy_source *s)
{
    if (s->closing)
        return;
    if (s->state == SRC_READING)
        s->dirty = true;
    else
        start_reading(s);
}

const struct weir_policy_source_options *
weir_policy_source_config(const struct weir_policy_source *s)
{
    return &s->o;
}

struct weir_policy_set *weir_policy_source_set(struct weir_policy_source *s)
{
    struct weir_policy_set *set;

    pthread_mutex_lock(&s->lock);
    set = s->set ? weir_policy_set_ref(s->set) : NULL;
    pthread_mutex_unlock(&s->lock);
    return set;
}

struct weir_policy_errors *weir_policy_source_errors(struct weir_policy_source *s)
{
    struct weir_policy_errors *e;

    pthread_mutex_lock(&s->lock);
    e = weir_policy_errors_ref(s->errors);
    pthread_mutex_unlock(&s->lock);
    return e;
}

const struct weir_policy_secret *weir_policy_source_secrets(struct weir_policy_source *s,
                                                            size_t *out_n)
{
    *out_n = s->secrets.n;
    return s->secrets.list;
}
