/* Small files: the bound, atomic replacement, and what is said when it fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/weir-file-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void a_file_is_replaced_whole_with_the_mode_asked_for(void **state)
{
    struct weir_buf b;
    struct stat st;

    (void)state;
    assert_int_equal(weir_file_replace(in_folder("x"), WEIR_STR("old and long"), 0600, false),
                     WEIR_OK);
    assert_int_equal(weir_file_replace(in_folder("x"), WEIR_STR("new"), 0640, true), WEIR_OK);
    weir_buf_init(&b, 100);
    assert_int_equal(weir_file_read(in_folder("x"), &b), WEIR_OK);
    assert_true(weir_str_is(weir_buf_str(&b), "new"));
    assert_int_equal(stat(in_folder("x"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    weir_buf_fini(&b);
}

static void a_file_larger_than_its_room_is_refused(void **state)
{
    struct weir_buf b;

    (void)state;
    assert_int_equal(weir_file_replace(in_folder("x"), WEIR_STR("0123456789"), 0600, false),
                     WEIR_OK);
    weir_buf_init(&b, 9);
    assert_int_equal(weir_file_read(in_folder("x"), &b), WEIR_ELIMIT);
    weir_buf_fini(&b);
    weir_buf_init(&b, 10);
    assert_int_equal(weir_file_read(in_folder("x"), &b), WEIR_OK);
    weir_buf_fini(&b);
}

static void what_is_not_there_is_told_from_what_cannot_be_read(void **state)
{
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 100);
    assert_int_equal(weir_file_read(in_folder("none"), &b), WEIR_ENOTFOUND);
    assert_int_equal(weir_file_read(folder, &b), WEIR_EIO);
    assert_int_equal(weir_file_replace(in_folder("none/x"), WEIR_STR("y"), 0600, false), WEIR_EIO);
    assert_int_equal(errno, ENOENT);
    weir_buf_fini(&b);
}

static void folders_are_made_with_their_parents_once_or_again(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(weir_file_mkdirs(in_folder("a/b/c"), 0700), WEIR_OK);
    assert_int_equal(weir_file_mkdirs(in_folder("a/b/c"), 0700), WEIR_OK);
    assert_int_equal(stat(in_folder("a/b/c"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(weir_file_replace(in_folder("f"), WEIR_STR(""), 0600, false), WEIR_OK);
    assert_int_equal(weir_file_mkdirs(in_folder("f/g"), 0700), WEIR_EIO);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_file_is_replaced_whole_with_the_mode_asked_for),
        CASE(a_file_larger_than_its_room_is_refused),
        CASE(what_is_not_there_is_told_from_what_cannot_be_read),
        CASE(folders_are_made_with_their_parents_once_or_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
