#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "tests/unit/engines.h"

#define T "CREATE TABLE t(id {serial}, a {int}, b TEXT, c {bytes}) {strict};"

static const char *const V1[] = {T "CREATE UNIQUE INDEX t_a ON t(a)"};
static const char *const V2[] = {T "CREATE UNIQUE INDEX t_a ON t(a)",
                                 "ALTER TABLE t ADD COLUMN d {int} NOT NULL DEFAULT 7"};
static struct engine at;

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at);
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at);
}

static int end(void **state)
{
    (void)state;
    return engine_end(&at);
}

static struct weir_store *opened(unsigned flags)
{
    struct weir_store *s;

    assert_int_equal(weir_store_open(at.dsn, flags, &s), WEIR_OK);
    if (!(flags & WEIR_STORE_READ_ONLY))
        assert_int_equal(weir_store_migrate(s, "test", V1, 1), WEIR_OK);
    return s;
}

static int insert(struct weir_store *s, int64_t a, const char *b)
{
    struct weir_stmt *st;
    int rc = weir_store_stmt(s, "INSERT INTO t(a, b) VALUES(?1, ?2)", &st);

    if (rc != WEIR_OK)
        return rc;
    weir_stmt_bind_i64(st, 1, a);
    weir_stmt_bind_str(st, 2, weir_str_of(b));
    return weir_stmt_run(st);
}

static int64_t count(struct weir_store *s)
{
    struct weir_stmt *st;
    int64_t n;

    assert_int_equal(weir_store_stmt(s, "SELECT count(*) FROM t", &st), WEIR_OK);
    assert_int_equal(weir_stmt_run_i64(st, &n), WEIR_OK);
    return n;
}

static void rows_come_back_as_they_were(void **state)
{
    struct weir_store *s = opened(WEIR_STORE_FULL_SYNC);
    struct weir_stmt *st;

    (void)state;
    assert_int_equal(insert(s, INT64_MAX, ""), WEIR_OK);
    assert_int_equal(insert(s, -1, NULL), WEIR_OK);
    assert_int_equal(weir_store_stmt(s, "INSERT INTO t(a, b, c) VALUES(?1, ?2, ?3)", &st), WEIR_OK);
    weir_stmt_bind_i64(st, 1, INT64_MIN);
    weir_stmt_bind_str(st, 2, WEIR_STR("caf\xc3\xa9 ?1 {int}"));
    weir_stmt_bind_blob(st, 3, WEIR_STR("\0\xff'\\"));
    assert_int_equal(weir_stmt_run(st), WEIR_OK);
    assert_int_equal(weir_store_changes(s), 1);

    assert_int_equal(weir_store_stmt(s, "SELECT a, b, c FROM t ORDER BY a", &st), WEIR_OK);
    assert_int_equal(weir_stmt_step(st), 1);
    assert_true(weir_stmt_i64(st, 0) == INT64_MIN);
    assert_true(weir_str_is(weir_stmt_str(st, 1), "caf\xc3\xa9 ?1 {int}"));
    assert_true(weir_str_eq(weir_stmt_str(st, 2), WEIR_STR("\0\xff'\\")));
    assert_int_equal(weir_stmt_step(st), 1);
    assert_true(weir_stmt_i64(st, 0) == -1);
    assert_true(weir_stmt_is_null(st, 1));
    assert_null(weir_stmt_str(st, 1).p);
    assert_int_equal(weir_stmt_step(st), 1);
    assert_true(weir_stmt_i64(st, 0) == INT64_MAX);
    assert_non_null(weir_stmt_str(st, 1).p);
    assert_int_equal(weir_stmt_str(st, 1).n, 0);
    assert_int_equal(weir_stmt_step(st), 0);
    weir_store_close(s);
}

static void quoted_text_in_a_statement_is_left_alone(void **state)
{
    struct weir_store *s = opened(0);
    struct weir_stmt *st;

    (void)state;
    assert_int_equal(weir_store_stmt(s, "SELECT CAST('?1 {int}' AS TEXT)", &st), WEIR_OK);
    assert_int_equal(weir_stmt_step(st), 1);
    assert_true(weir_str_is(weir_stmt_str(st, 0), "?1 {int}"));
    weir_stmt_reset(st);
    assert_int_equal(weir_store_stmt(s, "SELECT {nonsense}", &st), WEIR_EINVAL);
    weir_store_close(s);
}

static bool matches(struct weir_store *s, const char *with_stars)
{
    struct weir_stmt *st;
    char pattern[64];
    int64_t n;

    assert_int_equal(weir_store_pattern(s, weir_str_of(with_stars), pattern, sizeof pattern),
                     WEIR_OK);
    assert_int_equal(weir_store_stmt(s, "SELECT count(*) FROM t WHERE b {like} ?1", &st), WEIR_OK);
    weir_stmt_bind_str(st, 1, weir_str_of(pattern));
    assert_int_equal(weir_stmt_run_i64(st, &n), WEIR_OK);
    return n == 1;
}

static void in_a_pattern_only_the_star_is_special(void **state)
{
    struct weir_store *s = opened(0);
    char small[4];

    (void)state;
    assert_int_equal(insert(s, 1, "a%b_c[d]e?f\\g"), WEIR_OK);
    assert_true(matches(s, "a%b_c[d]e?f\\g"));
    assert_true(matches(s, "a*g"));
    assert_true(matches(s, "*[d]e?f\\*"));
    assert_true(matches(s, "*"));
    assert_false(matches(s, "A*")); /* case counts */
    assert_false(matches(s, "a_b*"));
    assert_false(matches(s, "a%g"));
    assert_false(matches(s, "a%b_c[d]e?f\\?"));
    assert_false(matches(s, "a"));
    assert_int_equal(weir_store_pattern(s, WEIR_STR("abcd"), small, sizeof small), WEIR_EINVAL);
    weir_store_close(s);
}

static void a_key_is_told_and_never_used_again(void **state)
{
    struct weir_store *s = opened(0);
    struct weir_stmt *st;
    int64_t first, second;

    (void)state;
    assert_int_equal(weir_store_stmt(s, "INSERT INTO t(a) VALUES(?1) RETURNING id", &st), WEIR_OK);
    weir_stmt_bind_i64(st, 1, 1);
    assert_int_equal(weir_stmt_run_i64(st, &first), WEIR_OK);
    assert_true(first > 0);
    assert_int_equal(weir_store_exec(s, "DELETE FROM t"), WEIR_OK);
    assert_int_equal(weir_store_stmt(s, "INSERT INTO t(a) VALUES(?1) RETURNING id", &st), WEIR_OK);
    weir_stmt_bind_i64(st, 1, 1);
    assert_int_equal(weir_stmt_run_i64(st, &second), WEIR_OK);
    assert_true(second > first);
    assert_int_equal(count(s), 1);
    weir_store_close(s);
}

static void a_rolled_back_transaction_leaves_nothing(void **state)
{
    struct weir_store *s = opened(0);

    (void)state;
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    weir_store_rollback(s);
    weir_store_rollback(s);
    assert_int_equal(count(s), 0);
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    assert_int_equal(weir_store_commit(s), WEIR_OK);
    assert_int_equal(count(s), 1);
    weir_store_close(s);
}

static void a_failed_statement_does_not_harm_what_comes_after(void **state)
{
    struct weir_store *s = opened(0);

    (void)state;
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    assert_int_equal(insert(s, 1, "twice"), WEIR_EIO);
    weir_store_rollback(s);
    assert_int_equal(count(s), 0);
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    assert_int_equal(count(s), 1);
    weir_store_close(s);
}

static void a_newer_version_migrates_what_an_older_one_wrote(void **state)
{
    struct weir_store *s = opened(0);

    (void)state;
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    weir_store_close(s);
    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, "test", V2, 2), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, "test", V2, 2), WEIR_OK);
    assert_int_equal(weir_store_exec(s, "UPDATE t SET d = 8"), WEIR_OK);
    assert_int_equal(weir_store_migrate(s, "test", V1, 1), WEIR_EUNSUPPORTED);
    weir_store_close(s);
}

static void a_reader_sees_commits_of_the_writer_and_can_not_write(void **state)
{
    struct weir_store *s = opened(0), *r = opened(WEIR_STORE_READ_ONLY);

    (void)state;
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    assert_int_equal(count(r), 1);
    assert_int_equal(weir_store_exec(r, "DELETE FROM t"), WEIR_EIO);
    assert_int_equal(count(s), 1);
    weir_store_close(r);
    weir_store_checkpoint(s);
    weir_store_close(s);
}

/* ---- of one engine only ---- */

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct weir_store *s;
    char text[16000];

    (void)state;
    memset(text, 'x', sizeof text); /* longer than a page */
    assert_int_equal(weir_file_replace(at.dsn, (struct weir_str){text, sizeof text}, 0600, false),
                     WEIR_OK);
    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_ECORRUPT);
}

static void a_reader_of_a_file_that_is_absent_is_told_so(void **state)
{
    struct weir_store *s;

    (void)state;
    assert_int_equal(weir_store_open(at.dsn, WEIR_STORE_READ_ONLY, &s), WEIR_ENOTFOUND);
}

static void a_server_that_is_absent_can_not_be_reached(void **state)
{
    struct weir_store *s;

    (void)state;
    assert_int_equal(weir_store_open("postgres:///t?host=/nowhere&user=weir", 0, &s),
                     WEIR_ECONNECT);
}

static void what_was_in_another_transactions_way_is_to_be_done_again(void **state)
{
    struct weir_store *a = opened(0), *b = opened(0);

    (void)state;
    assert_int_equal(insert(a, 1, "x"), WEIR_OK);
    assert_int_equal(weir_store_begin(a), WEIR_OK);
    assert_int_equal(weir_store_exec(a, "SELECT a FROM t {for update}"), WEIR_OK);
    assert_int_equal(weir_store_begin(b), WEIR_OK);
    assert_int_equal(weir_store_exec(b, "SET LOCAL lock_timeout = '50ms'"), WEIR_OK);
    assert_int_equal(weir_store_exec(b, "SELECT a FROM t {for update}"), WEIR_ERETRY);
    weir_store_rollback(b);
    assert_int_equal(weir_store_commit(a), WEIR_OK);

    assert_int_equal(weir_store_begin(a), WEIR_OK);
    assert_int_equal(
        weir_store_exec(a, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT sum(a) FROM t"),
        WEIR_OK);
    assert_int_equal(weir_store_exec(b, "UPDATE t SET a = a + 1"), WEIR_OK);
    assert_int_equal(weir_store_exec(a, "UPDATE t SET a = a + 1"), WEIR_ERETRY);
    weir_store_rollback(a);
    weir_store_close(a);
    weir_store_close(b);
}

/* Ends the other's connection as a network or a server that fails would. */
static void cut(struct weir_store *by)
{
    assert_int_equal(
        weir_store_exec(by, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                            " WHERE datname = current_database() AND pid <> pg_backend_pid()"),
        WEIR_OK);
}

static void a_connection_lost_in_a_transaction_loses_all_of_it_and_no_more(void **state)
{
    struct weir_store *s = opened(0), *other = opened(0);

    (void)state;
    assert_int_equal(insert(s, 1, "kept"), WEIR_OK);
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    assert_int_equal(insert(s, 2, "lost"), WEIR_OK);
    cut(other);
    assert_int_equal(insert(s, 3, "lost"), WEIR_ERETRY);
    /* Not on a new connection, outside the transaction. */
    assert_int_equal(insert(s, 4, "lost"), WEIR_ERETRY);
    assert_int_equal(weir_store_commit(s), WEIR_ERETRY);
    weir_store_rollback(s);
    assert_int_equal(count(s), 1);
    assert_int_equal(insert(s, 5, "kept"), WEIR_OK);

    cut(other); /* between transactions nothing is lost */
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    assert_int_equal(insert(s, 6, "kept"), WEIR_OK);
    assert_int_equal(weir_store_commit(s), WEIR_OK);
    assert_int_equal(count(s), 3);
    weir_store_close(s);
    weir_store_close(other);
}

static void a_connection_lost_in_the_commit_leaves_it_unsure(void **state)
{
    struct weir_store *s = opened(WEIR_STORE_FULL_SYNC), *other = opened(0);

    (void)state;
    assert_int_equal(weir_store_begin(s), WEIR_OK);
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    cut(other);
    assert_int_equal(weir_store_commit(s), WEIR_EUNSURE);
    weir_store_rollback(s);
    assert_int_equal(count(s), 0);
    weir_store_close(s);
    weir_store_close(other);
}

static void a_server_that_comes_back_is_used_again(void **state)
{
    struct weir_store *s = opened(0);
    int rc;

    (void)state;
    assert_int_equal(insert(s, 1, "x"), WEIR_OK);
    engine_stop_server(SIGINT);
    assert_int_equal(weir_store_begin(s), WEIR_ECONNECT);
    assert_int_equal(weir_store_begin(s), WEIR_ECONNECT); /* at once: no attempt yet */
    engine_run_server();
    assert_int_equal(engine_await_server(), 0);
    while ((rc = weir_store_begin(s)) == WEIR_ECONNECT)
        (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(rc, WEIR_OK);
    assert_int_equal(insert(s, 2, "x"), WEIR_OK);
    assert_int_equal(weir_store_commit(s), WEIR_OK);
    assert_int_equal(count(s), 2);
    weir_store_close(s);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(rows_come_back_as_they_were),
        BOTH(quoted_text_in_a_statement_is_left_alone),
        BOTH(in_a_pattern_only_the_star_is_special),
        BOTH(a_key_is_told_and_never_used_again),
        BOTH(a_rolled_back_transaction_leaves_nothing),
        BOTH(a_failed_statement_does_not_harm_what_comes_after),
        BOTH(a_newer_version_migrates_what_an_older_one_wrote),
        BOTH(a_reader_sees_commits_of_the_writer_and_can_not_write),
        ON(sqlite, a_file_that_is_no_database_is_refused),
        ON(sqlite, a_reader_of_a_file_that_is_absent_is_told_so),
        ON(postgres, a_server_that_is_absent_can_not_be_reached),
        ON(postgres, what_was_in_another_transactions_way_is_to_be_done_again),
        ON(postgres, a_connection_lost_in_a_transaction_loses_all_of_it_and_no_more),
        ON(postgres, a_connection_lost_in_the_commit_leaves_it_unsure),
        ON(postgres, a_server_that_comes_back_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
