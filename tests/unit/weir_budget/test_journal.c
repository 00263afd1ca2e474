#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "dataplane/budget/journal.h"

struct seen {
    int n;
    char lease[8][WEIR_JOURNAL_LEASE_MAX];
    struct weir_lease_held l[8];
};

static char path[] = "/tmp/weir-journal-XXXXXX";

static int setup(void **state)
{
    int fd;

    (void)state;
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static void on_found(void *arg, const char *lease, const struct weir_lease_held *l, int slot)
{
    struct seen *s = arg;

    (void)slot;
    assert_true(s->n < 8);
    memcpy(s->lease[s->n], lease, WEIR_JOURNAL_LEASE_MAX);
    s->l[s->n++] = *l;
}

static struct weir_journal *start(const char *incarnation, struct seen *seen)
{
    memset(seen, 0, sizeof *seen);
    return weir_journal_open(path, incarnation, on_found, seen);
}

static void what_was_written_is_found_by_the_next_start(void **state)
{
    struct weir_lease_held l = {.granted = 100, .returned = 5, .settled = 20, .held = 30};
    struct seen seen;
    struct weir_journal *j = start("one", &seen);
    int a = weir_journal_add(j, "led-1", &l), b = weir_journal_add(j, "led-2", &l);

    (void)state;
    assert_int_equal(seen.n, 0);
    assert_null(weir_journal_gone(j, 0));
    l.settled = 50;
    weir_journal_write(j, b, &l);
    weir_journal_drop(j, a);
    weir_journal_close(j);
    j = start("two", &seen);
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.lease[0], "led-2");
    assert_int_equal(seen.l[0].settled, 50);
    assert_int_equal(seen.l[0].held, 30);
    assert_string_equal(weir_journal_gone(j, 0), "one");
    assert_null(weir_journal_gone(j, 1));
    weir_journal_close(j);
}

static void two_processes_never_share_a_journal(void **state)
{
    struct seen seen;
    struct weir_journal *j = start("one", &seen);

    (void)state;
    assert_non_null(j);
    assert_null(start("two", &seen));
    weir_journal_close(j);
}

static void overwrite(long at, const void *bytes, size_t n)
{
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, at), n);
    (void)close(fd);
}

static void a_damaged_header_means_that_nothing_is_believed(void **state)
{
    struct weir_lease_held l = {.granted = 100};
    struct seen seen;

    (void)state;
    for (long at = 0; at < 64; at += 7) {
        struct weir_journal *j = start("one", &seen);

        (void)weir_journal_add(j, "led-1", &l);
        weir_journal_close(j);
        overwrite(at, "\xff", 1);
        j = start("two", &seen);
        assert_non_null(j);
        assert_int_equal(seen.n, 0);
        assert_null(weir_journal_gone(j, 0)); /* it vouches for nobody */
        weir_journal_close(j);
    }
}

static void a_torn_record_falls_back_to_the_one_before(void **state)
{
    struct weir_lease_held l = {.granted = 100, .held = 10};
    struct seen seen;
    struct weir_journal *j = start("one", &seen);
    int slot = weir_journal_add(j, "led-1", &l);
    long states = 4096 + WEIR_JOURNAL_LEASE_MAX + 8;

    (void)state;
    weir_journal_write(j, slot, &l); /* versions 2 and 3: the newer one is the second */
    l.held = 20;
    weir_journal_write(j, slot, &l); /* version 4 is the first */
    weir_journal_close(j);
    overwrite(states + 8, "\x01\x02\x03", 3);
    j = start("two", &seen);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.l[0].held, 10);
    weir_journal_close(j);
}

static void a_copy_is_not_believed(void **state)
{
    struct weir_lease_held l = {.granted = 100};
    struct seen seen;
    struct weir_journal *j = start("one", &seen);
    char command[128], copy[64];

    (void)state;
    (void)weir_journal_add(j, "led-1", &l);
    weir_journal_close(j);
    (void)snprintf(copy, sizeof copy, "%s.copy", path);
    (void)snprintf(command, sizeof command, "cp %s %s", path, copy);
    assert_int_equal(system(command), 0);
    memset(&seen, 0, sizeof seen);
    j = weir_journal_open(copy, "two", on_found, &seen);
    assert_int_equal(seen.n, 0);
    weir_journal_close(j);
    (void)unlink(copy);
}

static void a_file_of_something_else_is_not_believed(void **state)
{
    struct seen seen;
    struct weir_journal *j;

    (void)state;
    overwrite(0, "hello", 5);
    j = start("one", &seen);
    assert_non_null(j);
    assert_int_equal(seen.n, 0);
    weir_journal_close(j);
}

static void a_full_journal_refuses_and_then_vouches_for_nobody(void **state)
{
    struct weir_lease_held l = {.granted = 1};
    struct seen seen;
    struct weir_journal *j = start("one", &seen);
    char id[WEIR_JOURNAL_LEASE_MAX];

    (void)state;
    for (int i = 0; i < WEIR_JOURNAL_SLOTS_MAX; i++) {
        (void)snprintf(id, sizeof id, "led-%d", i + 1);
        assert_true(weir_journal_add(j, id, &l) >= 0);
    }
    assert_int_equal(weir_journal_add(j, "led-9999", &l), -1);
    for (int i = 0; i < WEIR_JOURNAL_SLOTS_MAX; i++)
        weir_journal_drop(j, i);
    assert_true(weir_journal_add(j, "led-10000", &l) >= 0);
    weir_journal_close(j);
    j = start("two", &seen);
    assert_int_equal(seen.n, 1);
    assert_null(weir_journal_gone(j, 0));
    weir_journal_close(j);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_was_written_is_found_by_the_next_start),
        CASE(two_processes_never_share_a_journal),
        CASE(a_damaged_header_means_that_nothing_is_believed),
        CASE(a_torn_record_falls_back_to_the_one_before),
        CASE(a_copy_is_not_believed),
        CASE(a_file_of_something_else_is_not_believed),
        CASE(a_full_journal_refuses_and_then_vouches_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
