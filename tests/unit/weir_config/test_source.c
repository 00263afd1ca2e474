/* The watched folder, on a real loop and a real folder. Each step waits for the callback that it
 * causes; a timer ends a test that waits in vain. */
#include "config_mem.h"

#include <stdlib.h>

#include "controlplane/config/source.h"

struct watch {
    char path[64];
    uv_loop_t loop;
    uv_timer_t guard;
    struct weir_policy_source *source;
    unsigned changes, secrets;
    size_t objects, errors;
    char revision[64], first_error[512];
    bool late;
};

static void on_change(void *arg, struct weir_policy_set *set, struct weir_policy_errors *errors)
{
    struct watch *w = arg;
    struct weir_buf b;

    w->changes++;
    w->objects = set ? weir_policy_set_count(set) : 0;
    (void)snprintf(w->revision, sizeof w->revision, "%s",
                   set ? weir_policy_set_revision(set) : "none");
    w->errors = weir_policy_errors_count(errors);
    w->first_error[0] = 0;
    if (w->errors) {
        weir_buf_init(&b, 512);
        weir_data_error_text(weir_policy_errors_at(errors, 0), &b);
        (void)snprintf(w->first_error, sizeof w->first_error, "%.*s",
                       WEIR_STR_ARG(weir_buf_str(&b)));
        weir_buf_fini(&b);
    }
    uv_stop(&w->loop);
}

static void on_secrets(void *arg)
{
    ((struct watch *)arg)->secrets++;
}

static void on_guard(uv_timer_t *t)
{
    struct watch *w = t->data;

    w->late = true;
    uv_stop(&w->loop);
}

/* Until the next on_change. */
static void next_change(struct watch *w)
{
    unsigned before = w->changes;

    uv_timer_start(&w->guard, on_guard, 20000, 0);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_false(w->late);
    assert_int_equal(w->changes, before + 1);
}

static int setup(void **state)
{
    struct watch *w = WEIR_NEW(struct watch);

    folder_make(w->path);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    uv_timer_init(&w->loop, &w->guard);
    w->guard.data = w;
    *state = w;
    return 0;
}

static void on_closed(void *arg)
{
    ((struct watch *)arg)->source = NULL;
}

static int teardown(void **state)
{
    struct watch *w = *state;

    if (w->source)
        weir_policy_source_close(w->source, on_closed, w);
    uv_close((uv_handle_t *)&w->guard, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_null(w->source);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    folder_remove(w->path);
    free(w);
    return 0;
}

static void start(struct watch *w, const char *path, int64_t poll_ms)
{
    struct weir_policy_source_options o = {.loop = &w->loop,
                                           .path = path,
                                           .quiet_ms = 20,
                                           .quiet_max_ms = 100,
                                           .poll_ms = poll_ms,
                                           .arg = w,
                                           .on_change = on_change,
                                           .on_secrets = on_secrets};

    assert_int_equal(weir_policy_source_start(&o, &w->source), WEIR_OK);
    next_change(w);
}

enum { NEVER_POLL = 3600000 };

static void a_bad_edit_leaves_the_last_good_set_in_force(void **state)
{
    struct watch *w = *state;
    char good[64];

    file_put(w->path, "a.yaml", AGENT("x", "{}"));
    start(w, w->path, 50);
    assert_int_equal(w->objects, 1);
    assert_int_equal(w->errors, 0);
    (void)snprintf(good, sizeof good, "%s", w->revision);
    file_put(w->path, "a.yaml", AGENT("x", "{temas: y}"));
    next_change(w);
    assert_string_equal(w->revision, good);
    assert_int_equal(w->errors, 1);
    assert_non_null(strstr(w->first_error, "/a.yaml:4: Agent/x: spec.temas: unknown field"));
    file_put(w->path, "a.yaml", AGENT("x", "{team: y}"));
    next_change(w);
    assert_string_not_equal(w->revision, good);
    assert_int_equal(w->errors, 0);
}

static void events_alone_bring_a_change(void **state)
{
    struct watch *w = *state;

    start(w, w->path, NEVER_POLL);
    /* The first reading starts the watch, and a second one covers what came in between. */
    file_put(w->path, "b.yaml", AGENT("y", "{}"));
    next_change(w);
    assert_int_equal(w->objects, 1);
    file_put(w->path, "c.yaml", AGENT("z", "{}"));
    next_change(w);
    assert_int_equal(w->objects, 2);
}

static void what_editors_leave_behind_is_passed_over(void **state)
{
    struct watch *w = *state;

    file_put(w->path, ".a.yaml.swp", "{");
    file_put(w->path, ".b.yaml", "{");
    file_put(w->path, "a.yaml~", "{");
    file_put(w->path, "#a.yaml", "{");
    file_put(w->path, "notes.txt", "{");
    file_put(w->path, "a.yml", AGENT("x", "{}"));
    start(w, w->path, NEVER_POLL);
    assert_int_equal(w->objects, 1);
    assert_int_equal(w->errors, 0);
}

/* ConfigMaps: files are links through "..data", which is renamed over. */
static void a_symlink_swap_is_seen(void **state)
{
    struct watch *w = *state;
    char one[128], two[128], link_path[128], tmp[128], file[128];

    (void)snprintf(one, sizeof one, "%s/..one", w->path);
    (void)snprintf(two, sizeof two, "%s/..two", w->path);
    (void)snprintf(link_path, sizeof link_path, "%s/..data", w->path);
    (void)snprintf(tmp, sizeof tmp, "%s/..tmp", w->path);
    (void)snprintf(file, sizeof file, "%s/a.yaml", w->path);
    assert_int_equal(mkdir(one, 0755) | mkdir(two, 0755), 0);
    file_put(one, "a.yaml", AGENT("x", "{}"));
    file_put(two, "a.yaml", AGENT("x", "{team: t}") "---\n" AGENT("y", "{}"));
    assert_int_equal(symlink("..one", link_path) | symlink("..data/a.yaml", file), 0);
    start(w, w->path, 50);
    assert_int_equal(w->objects, 1);
    assert_int_equal(symlink("..two", tmp) | rename(tmp, link_path), 0);
    next_change(w);
    assert_int_equal(w->objects, 2);
    assert_int_equal(unlink(link_path), 0);
}

static void a_folder_that_goes_and_comes_back_is_watched_again(void **state)
{
    struct watch *w = *state;
    char sub[128];

    (void)snprintf(sub, sizeof sub, "%s/policy", w->path);
    assert_int_equal(mkdir(sub, 0755), 0);
    file_put(sub, "a.yaml", AGENT("x", "{}"));
    start(w, sub, 50);
    folder_remove(sub);
    do
        next_change(w); /* the file goes before the folder does: either may be seen first */
    while (w->errors == 0);
    assert_non_null(strstr(w->first_error, "is not there: create it"));
    assert_int_equal(mkdir(sub, 0755), 0);
    file_put(sub, "a.yaml", AGENT("x", "{}") "---\n" AGENT("y", "{}"));
    do
        next_change(w);
    while (w->errors > 0 || w->objects != 2);
}

static void a_single_file_is_watched_through_atomic_renames(void **state)
{
    struct watch *w = *state;
    char file[128];

    (void)snprintf(file, sizeof file, "%s/policy.yaml", w->path);
    file_put(w->path, "policy.yaml", AGENT("x", "{}"));
    file_put(w->path, "other.yaml", "{");
    start(w, file, NEVER_POLL);
    assert_int_equal(w->objects, 1);
    file_put(w->path, "policy.yaml", AGENT("x", "{}") "---\n" AGENT("y", "{}"));
    next_change(w);
    assert_int_equal(w->objects, 2);
}

static void a_missing_folder_is_an_empty_policy_and_an_error(void **state)
{
    struct watch *w = *state;
    char sub[128];

    (void)snprintf(sub, sizeof sub, "%s/none", w->path);
    start(w, sub, 50);
    assert_int_equal(w->objects, 0);
    assert_string_not_equal(w->revision, "none");
    assert_int_equal(w->errors, 1);
}

static void a_pushed_secret_is_read_again_when_its_file_changes(void **state)
{
    struct watch *w = *state;
    const struct weir_policy_secret *s;
    char text[512];
    size_t n;

    (void)snprintf(text, sizeof text,
                   PROVIDER("p", "{dialect: openai, credential: {pushed: {file: %s/key}}}"),
                   w->path);
    file_put(w->path, "a.yaml", text);
    start(w, w->path, 50);
    assert_int_equal(w->errors, 1);
    assert_non_null(strstr(w->first_error, "Provider/p: spec.credential.pushed.file: the control "
                                           "plane finds no such file: create it"));
    assert_int_equal(w->objects, 1);
    file_put(w->path, "key", "canary-1\n");
    next_change(w);
    assert_int_equal(w->errors, 0);
    s = weir_policy_source_secrets(w->source, &n);
    assert_int_equal(n, 1);
    assert_true(weir_str_is(s->value, "canary-1"));
    assert_int_equal(w->secrets, 1);
    assert_string_equal(s->provider, "p");
}

static void close_while_reading_is_clean(void **state)
{
    struct watch *w = *state;
    struct weir_policy_source_options o = {
        .loop = &w->loop, .path = w->path, .arg = w, .on_change = on_change};

    assert_int_equal(weir_policy_source_start(&o, &w->source), WEIR_OK);
    weir_policy_source_close(w->source, on_closed, w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_null(w->source);
    assert_int_equal(w->changes, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_bad_edit_leaves_the_last_good_set_in_force),
        T(events_alone_bring_a_change),
        T(what_editors_leave_behind_is_passed_over),
        T(a_symlink_swap_is_seen),
        T(a_folder_that_goes_and_comes_back_is_watched_again),
        T(a_single_file_is_watched_through_atomic_renames),
        T(a_missing_folder_is_an_empty_policy_and_an_error),
        T(a_pushed_secret_is_read_again_when_its_file_changes),
        T(close_while_reading_is_clean),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
