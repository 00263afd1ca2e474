/* test_child.c - a supervised program: its states, the pause before a restart, the end by force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "controlplane/cli/child.h"

static struct weir_child shell(const char *script, const char *log)
{
    return (struct weir_child){
        .name = "sh", .path = "/bin/sh", .argv = {"sh", "-c", script}, .log_path = log};
}

static void its_output_goes_to_its_log_and_its_status_is_kept(void **state)
{
    char dir[] = "/tmp/weir-child-XXXXXX", log[64] = "";
    struct weir_child c = shell("echo out; echo err >&2; exit 3", log);
    struct weir_buf b;
    int status;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(log, sizeof log, "%s/log", dir);
    assert_int_equal(weir__child_start(&c, 1000), WEIR_OK);
    assert_int_equal(c.state, WEIR_CHILD_RUNNING);
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
    weir__child_exited(&c, status, 1500);
    assert_int_equal(c.state, WEIR_CHILD_WAITING);
    assert_int_equal(WEXITSTATUS(c.last_status), 3);
    weir_buf_init(&b, 4096);
    assert_int_equal(weir_file_read(log, &b), WEIR_OK);
    assert_true(weir_str_is(weir_buf_str(&b), "out\nerr\n"));
    weir_buf_fini(&b);
    unlink(log);
    rmdir(dir);
}

static void the_pause_grows_and_is_short_again_after_a_steady_minute(void **state)
{
    static const int64_t pauses_ms[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
    struct weir_child c = {.state = WEIR_CHILD_RUNNING, .started_ms = 1000};

    (void)state;
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        c.state = WEIR_CHILD_RUNNING;
        weir__child_exited(&c, 0, 2000);
        assert_int_equal(c.pause_ms, pauses_ms[i]);
        assert_false(weir__child_tick(&c, 2000 + pauses_ms[i] - 1));
        assert_true(weir__child_tick(&c, 2000 + pauses_ms[i]));
    }
    c.state = WEIR_CHILD_RUNNING;
    weir__child_exited(&c, 0, 1000 + 60001);
    assert_int_equal(c.pause_ms, 500);
}

static void one_that_will_not_end_is_killed_after_its_grace(void **state)
{
    char byte, path[32] = "";
    struct weir_child c = shell("trap '' TERM; echo ready; while :; do sleep 1000; done", path);
    int fds[2], status;
    pid_t pid;

    (void)state;
    /* The log is a pipe here: its first byte says that the trap is set. */
    assert_int_equal(pipe(fds), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[1]);
    assert_int_equal(weir__child_start(&c, 1000), WEIR_OK);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    weir__child_stop(&c, 500, 2000);
    assert_int_equal(c.state, WEIR_CHILD_STOPPING);
    assert_false(weir__child_tick(&c, 2499));
    assert_int_equal(waitpid(c.pid, &status, WNOHANG), 0);
    pid = c.pid;
    assert_false(weir__child_tick(&c, 2500));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    weir__child_exited(&c, status, 2501);
    assert_int_equal(c.state, WEIR_CHILD_STOPPED);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    kill(-pid, SIGKILL); /* what it had started */
    close(fds[0]);
    close(fds[1]);
}

static void stopping_one_that_waits_needs_no_process(void **state)
{
    struct weir_child c = {.state = WEIR_CHILD_WAITING, .restart_ms = 10};

    (void)state;
    weir__child_stop(&c, 100, 0);
    assert_int_equal(c.state, WEIR_CHILD_STOPPED);
    assert_false(weir__child_tick(&c, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_output_goes_to_its_log_and_its_status_is_kept),
        cmocka_unit_test(the_pause_grows_and_is_short_again_after_a_steady_minute),
        cmocka_unit_test(one_that_will_not_end_is_killed_after_its_grace),
        cmocka_unit_test(stopping_one_that_waits_needs_no_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
