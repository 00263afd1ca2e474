#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/log.h"
#include "controlplane/store/store.h"

static const char *const V1[] = {"CREATE TABLE t(a INTEGER, b TEXT)"};
static const char *const V2[] = {"CREATE TABLE t(a INTEGER, b TEXT)",
                                 "ALTER TABLE t ADD COLUMN c INTEGER NOT NULL DEFAULT 7"};
static char dir[] = "/tmp/weir-store-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/a.db", dir);
    return 0;
}

static int teardown(void **state)
{
    char side[80];

    (void)state;
    (void)unlink(path);
    (void)snprintf(side, sizeof side, "%s-wal", path);
    (void)unlink(side);
    (void)snprintf(side, sizeof side, "%s-shm", path);
    (void)unlink(side);
    return rmdir(dir);
}

static void insert(struct weir_store *s, int64_t a, const char *b)
{
    struct weir_stmt *st;

    assert_int_equal(weir_store_stmt(s, "INSERT INTO t(a, b) VALUES(?1, ?2)", &st), WEIR_OK);
    weir_stmt_bind_i64(st, 1, a);
    weir_stmt_bind_str(st, 2, weir_str_of(b));
    assert_int_equal(weir_stmt_run(st), WEIR_OK);
}

static int64_t count(struct weir_store *s)
{
    struct weir_stmt *st;
    int64_t n;

    assert_int_equal(weir_store_stmt(s, "SELECT count(*) FROM t", &st), WEIR_OK);
    assert_int_equal(weir_stmt_step(st), 1);
    n = weir_stmt_i64(st, 0);
    weir_stmt_reset(st);
    return n;
}

static void rows_come_back_as_they_were(void **state)
{
    struct weir_store *s;
    struct weir_stmt *st;

    (void)state;
    assert_int_equal(weir_store_open(path, WEIR_STORE_FULL_SYNC, &s), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V1, 1), WEIR_OK);
    insert(s, INT64_MAX, "");
    insert(s, -1, NULL);
    assert_int_equal(weir_store_stmt(s, "SELECT a, b FROM t ORDER BY a", &st), WEIR_OK);
    assert_int_equal(weir_stmt_step(st), 1);
    assert_true(weir_stmt_is_null(st, 1));
    assert_null(weir_stmt_str(st, 1).p);
    assert_int_equal(weir_stmt_step(st), 1);
    assert_true(weir_stmt_i64(st, 0) == INT64_MAX);
    assert_non_null(weir_stmt_str(st, 1).p);
    assert_int_equal(weir_stmt_step(st), 0);
    weir_store_close(s);
}

static void a_rolled_back_transaction_leaves_nothing(void **state)
{
    struct weir_store *s;

    (void)state;
    assert_int_equal(weir_store_open(path, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V1, 1), WEIR_OK);
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    insert(s, 1, "x");
    weir_store_rollback(s);
    weir_store_rollback(s);
    assert_int_equal(count(s), 0);
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    insert(s, 1, "x");
    assert_int_equal(weir_store_commit(s), WEIR_OK);
    assert_int_equal(count(s), 1);
    weir_store_close(s);
}

static void a_newer_version_migrates_what_an_older_one_wrote(void **state)
{
    struct weir_store *s;

    (void)state;
    assert_int_equal(weir_store_open(path, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V1, 1), WEIR_OK);
    insert(s, 1, "x");
    weir_store_close(s);
    assert_int_equal(weir_store_open(path, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V2, 2), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V2, 2), WEIR_OK);
    assert_int_equal(weir_store_exec(s, "UPDATE t SET c = 8"), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V1, 1), WEIR_EUNSUPPORTED);
    weir_store_close(s);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct weir_store *s;
    FILE *f = fopen(path, "w");

    (void)state;
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        (void)fputs("not a database ", f);
    (void)fclose(f);
    assert_int_equal(weir_store_open(path, 0, &s), WEIR_ECORRUPT);
}

static void a_reader_sees_commits_of_the_writer_and_can_not_write(void **state)
{
    struct weir_store *s, *r;

    (void)state;
    assert_int_equal(weir_store_open(path, WEIR_STORE_READ_ONLY, &r), WEIR_ENOTFOUND);
    assert_int_equal(weir_store_open(path, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, V1, 1), WEIR_OK);
    assert_int_equal(weir_store_open(path, WEIR_STORE_READ_ONLY, &r), WEIR_OK);
    insert(s, 1, "x");
    assert_int_equal(count(r), 1);
    assert_int_equal(weir_store_exec(r, "DELETE FROM t"), WEIR_EIO);
    weir_store_close(r);
    weir_store_checkpoint(s);
    weir_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_back_as_they_were, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rolled_back_transaction_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_newer_version_migrates_what_an_older_one_wrote, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_sees_commits_of_the_writer_and_can_not_write,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
