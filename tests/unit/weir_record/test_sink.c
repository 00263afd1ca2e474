#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "dataplane/telemetry/metrics.h"
#include "dataplane/telemetry/sink.h"
#include "net/post.h"

static char dir[64], log_path[96], moved_path[96];

struct rig {
    uv_loop_t loop;
    struct weir_mailbox *hub;
    struct weir_spool *spool;
    struct weir_sink *sink;
    struct weir_recorder *recorder;
    struct weir_metrics *metrics;
    uv_timer_t alive; /* stands for a worker's listener */
    int spooled, closed;
    int until; /* records spooled before the loop stops */
};

static void on_spooled(void *arg)
{
    struct rig *r = arg;
    struct weir_spool_stats st;

    r->spooled++;
    weir_spool_get_stats(r->spool, &st);
    if ((int)st.appended >= r->until)
        uv_stop(&r->loop);
}

static void on_closed(void *arg)
{
    ((struct rig *)arg)->closed++;
}

static void on_alive(uv_timer_t *t)
{
    (void)t;
}

static int setup(void **state)
{
    struct rig *r = WEIR_NEW(struct rig);
    struct weir_spool_options so = {.dir = dir};
    struct weir_sink_options o;
    char why[128];

    snprintf(dir, sizeof dir, "/tmp/weir-sink-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(log_path, sizeof log_path, "%s/access.log", dir);
    snprintf(moved_path, sizeof moved_path, "%s/access.log.1", dir);
    uv_loop_init(&r->loop);
    uv_timer_init(&r->loop, &r->alive);
    uv_timer_start(&r->alive, on_alive, 1, 1);
    r->hub = weir_mailbox_create(&r->loop, 1024);
    r->metrics = weir_metrics_create();
    assert_int_equal(weir_spool_open(&so, &r->spool), WEIR_OK);
    o = (struct weir_sink_options){.loop = &r->loop,
                                   .hub = r->hub,
                                   .spool = r->spool,
                                   .access_log = log_path,
                                   .on_spooled = on_spooled,
                                   .arg = r};
    assert_int_equal(weir_sink_create(&o, why, sizeof why, &r->sink), WEIR_OK);
    r->recorder = weir_recorder_create(&r->loop, r->sink, r->metrics);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    char path[400];
    const struct dirent *e;
    DIR *d;

    weir_spool_close(r->spool);
    weir_metrics_destroy(r->metrics);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    free(r);
    d = opendir(dir);
    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
            (void)unlink(path);
        }
    if (d)
        closedir(d);
    return rmdir(dir);
}

static void finish(struct rig *r)
{
    weir_recorder_close(r->recorder);
    uv_run(&r->loop, UV_RUN_NOWAIT); /* takes what was handed over */
    weir_sink_close(r->sink, on_closed, r);
    weir_mailbox_destroy(r->hub);
    uv_close((uv_handle_t *)&r->alive, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(r->closed, 1);
}

static void add(struct rig *r, int n)
{
    struct weir_record rec;
    char id[32];

    weir_record_init(&rec);
    snprintf(id, sizeof id, "req-%d", n);
    rec.request_id = weir_str_of(id);
    rec.agent = WEIR_STR("coder");
    weir_recorder_add(r->recorder, &rec);
}

/* The timer of a recorder and the mailbox don't keep a loop alive; a worker's other handles do. */
static void run_until(struct rig *r, int records)
{
    struct weir_spool_stats st;

    r->until = records;
    for (;;) {
        weir_spool_get_stats(r->spool, &st);
        if ((int)st.appended >= records)
            break;
        uv_run(&r->loop, UV_RUN_ONCE);
    }
}

static size_t lines_of(const char *path)
{
    struct weir_buf b;
    size_t n = 0;

    weir_buf_init(&b, 64 << 20);
    assert_int_equal(weir_file_read(path, &b), WEIR_OK);
    for (size_t i = 0; i < b.n; i++)
        n += b.p[i] == '\n';
    weir_buf_fini(&b);
    return n;
}

static void every_record_reaches_the_spool_and_the_log(void **state)
{
    struct rig *r = *state;
    struct weir_spool_batch b;
    struct weir_sink_stats st;

    for (int i = 0; i < 5000; i++)
        add(r, i);
    run_until(r, 5000);
    weir_sink_get_stats(r->sink, &st);
    assert_int_equal(st.records, 5000);
    assert_int_equal(st.unspooled, 0);
    assert_int_equal(st.log_lines, 5000);
    assert_true(r->spooled < 20); /* whole buffers, not records */
    finish(r);
    assert_int_equal(lines_of(log_path), 5000);
    assert_int_equal(weir_spool_next_batch(r->spool, &b), WEIR_OK);
    assert_int_equal(b.first_sequence, 1);
}

static void a_renamed_log_is_opened_again(void **state)
{
    struct rig *r = *state;

    add(r, 1);
    run_until(r, 1);
    while (lines_of(log_path) < 1)
        uv_run(&r->loop, UV_RUN_ONCE);
    assert_int_equal(rename(log_path, moved_path), 0);
    weir_sink_reopen_log(r->sink);
    add(r, 2);
    run_until(r, 2);
    finish(r);
    assert_int_equal(lines_of(moved_path), 1);
    assert_int_equal(lines_of(log_path), 1);
}

static void records_handed_over_at_the_end_are_kept(void **state)
{
    struct rig *r = *state;
    struct weir_spool_stats st;

    add(r, 1);
    finish(r); /* without its timer having run */
    weir_spool_get_stats(r->spool, &st);
    assert_int_equal(st.appended, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(every_record_reaches_the_spool_and_the_log),
        T(a_renamed_log_is_opened_again),
        T(records_handed_over_at_the_end_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
