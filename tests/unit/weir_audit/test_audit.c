/* test_audit.c - the audit chain on both engines: what was changed, removed or put elsewhere is
 * found, and replicas write one chain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/mem.h"
#include "controlplane/audit/audit.h"
#include "tests/unit/engines.h"

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

struct lines {
    char *list[2000];
    size_t n;
};

static void keep(void *arg, struct weir_str line)
{
    struct lines *l = arg;

    l->list[l->n++] = weir_strdup(line);
}

static void forget(struct lines *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->list[i]);
    l->n = 0;
}

static struct weir_audit *open_audit(void)
{
    struct weir_audit *a;

    assert_int_equal(weir_audit_open(at.dsn, &a), WEIR_OK);
    return a;
}

static void add(struct weir_audit *a, const char *object)
{
    struct weir_audit_entry e = {.actor = "admin",
                                 .from = "127.0.0.1",
                                 .action = "budget.raise",
                                 .object = object,
                                 .outcome = "done",
                                 .detail =
                                     WEIR_STR("{ \"by\": \"50\",\n \"scope\": \"\xc3\xa9\" }")};

    assert_int_equal(weir_audit_append(a, &e, NULL), WEIR_OK);
}

static struct lines export_all(struct weir_audit *a, struct weir_audit_head *head)
{
    struct lines l = {.n = 0};

    assert_int_equal(weir_audit_read(a, 0, 1000, keep, &l, head), WEIR_OK);
    return l;
}

static int walk(const struct lines *l, struct weir_audit_walk *w)
{
    int rc = WEIR_OK;

    *w = (struct weir_audit_walk){.lines = 0};
    for (size_t i = 0; rc == WEIR_OK && i < l->n; i++)
        rc = weir_audit_walk(w, weir_str_of(l->list[i]));
    return rc;
}

/* A chain of five, then what somebody does to the table behind Weir's back. */
static void tamper(const char *sql, const char *why)
{
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct weir_store *s;
    struct lines l;

    for (int i = 0; i < 5; i++)
        add(a, "default/daily");
    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(weir_store_exec(s, sql), WEIR_OK);
    weir_store_close(s);
    l = export_all(a, &head);
    if (why) {
        assert_int_equal(walk(&l, &w), WEIR_ECORRUPT);
        assert_string_equal(w.why, why);
    } else {
        assert_int_equal(walk(&l, &w), WEIR_OK);
    }
    forget(&l);
    weir_audit_close(a);
}

static void an_untouched_chain_is_whole_and_ends_at_its_head(void **state)
{
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct lines l;

    (void)state;
    l = export_all(a, &head);
    assert_int_equal(head.seq, 0);
    assert_int_equal(l.n, 0);
    for (int i = 0; i < 3; i++)
        add(a, "default/daily");
    weir_audit_close(a);
    a = open_audit(); /* and it goes on after a restart */
    add(a, "default/\"quoted\"\n");
    l = export_all(a, &head);
    assert_int_equal(l.n, 4);
    assert_int_equal(walk(&l, &w), WEIR_OK);
    assert_int_equal(w.first, 1);
    assert_int_equal(w.last, 4);
    assert_int_equal(head.seq, 4);
    assert_string_equal(head.hash, w.hash);
    assert_non_null(strstr(l.list[0], "\"detail\":{\"by\":\"50\",\"scope\":\"\xc3\xa9\"}"));
    forget(&l);
    weir_audit_close(a);
}

static void a_changed_entry_is_named(void **state)
{
    (void)state;
    tamper("UPDATE audit SET entry = replace(entry, '\"50\"', '\"5\"') WHERE seq = 3",
           "entry 3 was changed: its hash does not fit it");
}

static void a_changed_hash_is_named(void **state)
{
    (void)state;
    tamper("UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 1) WHERE seq = 4",
           "entry 4 was changed: its hash does not fit it");
}

static void removed_entries_are_named(void **state)
{
    (void)state;
    tamper("DELETE FROM audit WHERE seq IN (2, 3)", "entries 2 to 3 are missing");
}

static void a_removed_entry_whose_followers_moved_up_is_found(void **state)
{
    (void)state;
    tamper("DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 4",
           "entry 3 is missing");
}

static void exchanged_entries_are_found(void **state)
{
    (void)state;
    tamper("UPDATE audit SET seq = 99 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;"
           "UPDATE audit SET seq = 3 WHERE seq = 99",
           "entry 2 is missing");
}

static void what_is_no_entry_is_said(void **state)
{
    (void)state;
    tamper("UPDATE audit SET entry = 'x' WHERE seq = 2",
           "line 2, after entry 1, is no entry of an audit export");
}

/* What only a head that was kept elsewhere shows. */
static void a_chain_that_is_cut_off_is_whole_up_to_there(void **state)
{
    (void)state;
    tamper("DELETE FROM audit WHERE seq > 3", NULL);
}

static void an_entry_that_was_replaced_with_a_fitting_hash_breaks_the_next_one(void **state)
{
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct lines one, other;
    char *kept;

    (void)state;
    for (int i = 0; i < 3; i++)
        add(a, "default/daily");
    one = export_all(a, &head);
    weir_audit_close(a);
    engine_end(&at);
    assert_int_equal(strncmp(at.dsn, "postgres", 8) == 0 ? engine_begin_postgres(&at)
                                                         : engine_begin_sqlite(&at),
                     0);
    a = open_audit();
    for (int i = 0; i < 3; i++)
        add(a, "default/weekly");
    other = export_all(a, &head);
    kept = one.list[0];
    one.list[0] = other.list[0];
    assert_int_equal(walk(&one, &w), WEIR_ECORRUPT);
    assert_string_equal(w.why, "entry 1 is another than the one that entry 2 was chained to");
    one.list[0] = kept;
    forget(&one);
    forget(&other);
    weir_audit_close(a);
}

static void an_entry_of_another_place_in_an_export_is_found(void **state)
{
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct lines l, twisted;

    (void)state;
    for (int i = 0; i < 4; i++)
        add(a, "default/daily");
    l = twisted = export_all(a, &head);
    twisted.list[1] = l.list[3];
    assert_int_equal(walk(&twisted, &w), WEIR_ECORRUPT);
    assert_string_equal(w.why, "entries 2 to 3 are missing");
    twisted.list[1] = l.list[0];
    assert_int_equal(walk(&twisted, &w), WEIR_ECORRUPT);
    assert_string_equal(w.why, "entry 1 stands after entry 1: the order was changed");
    forget(&l);
    weir_audit_close(a);
}

static void an_export_may_begin_later(void **state)
{
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct lines l = {.n = 0};

    (void)state;
    for (int i = 0; i < 4; i++)
        add(a, "default/daily");
    assert_int_equal(weir_audit_read(a, 2, 1000, keep, &l, &head), WEIR_OK);
    assert_int_equal(walk(&l, &w), WEIR_OK);
    assert_int_equal(w.first, 3);
    assert_int_equal(w.last, 4);
    forget(&l);
    weir_audit_close(a);
}

static void long_texts_are_cut_and_long_details_left_out(void **state)
{
    static char text[20000];
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct lines l;

    (void)state;
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(weir_audit_append(a,
                                       &(struct weir_audit_entry){.actor = "admin",
                                                                  .action = "budget.reset",
                                                                  .object = text,
                                                                  .detail = weir_str_of(text)},
                                       NULL),
                     WEIR_OK);
    l = export_all(a, &head);
    assert_true(strlen(l.list[0]) < 2000);
    assert_non_null(strstr(l.list[0], "\"detailBytes\":19999"));
    assert_int_equal(walk(&l, &w), WEIR_OK);
    forget(&l);
    weir_audit_close(a);
}

static void a_policy_is_noted_once_by_all_replicas(void **state)
{
    struct weir_audit *a = open_audit(), *b = open_audit();
    struct weir_audit_entry e = {
        .actor = "weir-control", .action = "policy.taken", .after = "aa", .once = true};
    int64_t seq;

    (void)state;
    assert_int_equal(weir_audit_append(a, &e, &seq), WEIR_OK);
    assert_int_equal(seq, 1);
    add(a, "default/daily");
    assert_int_equal(weir_audit_append(b, &e, &seq), WEIR_OK);
    assert_int_equal(seq, 0);
    e.after = "bb";
    assert_int_equal(weir_audit_append(b, &e, &seq), WEIR_OK);
    assert_int_equal(seq, 3);
    e.after = "aa";
    assert_int_equal(weir_audit_append(a, &e, &seq), WEIR_OK);
    assert_int_equal(seq, 4);
    weir_audit_close(a);
    weir_audit_close(b);
}

enum { WRITERS = 6, EACH = 40 };

static void *write_many(void *arg)
{
    struct weir_audit *a;
    int rc = weir_audit_open(at.dsn, &a);

    (void)arg;
    for (int i = 0; rc == WEIR_OK && i < EACH; i++) {
        const struct weir_audit_entry e = {.actor = "admin", .action = "key.create"};

        if (i % 4 == 0)
            rc = weir_audit_post(a, &e) ? WEIR_OK : WEIR_ELIMIT;
        else
            rc = weir_audit_append(a, &e, NULL);
    }
    if (rc == WEIR_OK)
        weir_audit_close(a);
    return rc == WEIR_OK ? NULL : (void *)at.dsn;
}

static void replicas_that_append_at_once_write_one_chain(void **state)
{
    pthread_t threads[WRITERS];
    struct weir_audit *a = open_audit();
    struct weir_audit_head head;
    struct weir_audit_walk w;
    struct lines l;

    (void)state;
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, NULL), 0);
    for (int i = 0; i < WRITERS; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    l = export_all(a, &head);
    assert_int_equal(l.n, WRITERS * EACH);
    assert_int_equal(walk(&l, &w), WEIR_OK);
    assert_int_equal(w.last, WRITERS * EACH);
    forget(&l);
    weir_audit_close(a);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(an_untouched_chain_is_whole_and_ends_at_its_head),
        BOTH(a_changed_entry_is_named),
        BOTH(a_changed_hash_is_named),
        BOTH(removed_entries_are_named),
        BOTH(a_removed_entry_whose_followers_moved_up_is_found),
        BOTH(exchanged_entries_are_found),
        BOTH(what_is_no_entry_is_said),
        BOTH(a_chain_that_is_cut_off_is_whole_up_to_there),
        BOTH(an_entry_that_was_replaced_with_a_fitting_hash_breaks_the_next_one),
        BOTH(an_entry_of_another_place_in_an_export_is_found),
        BOTH(an_export_may_begin_later),
        BOTH(long_texts_are_cut_and_long_details_left_out),
        BOTH(a_policy_is_noted_once_by_all_replicas),
        BOTH(replicas_that_append_at_once_write_one_chain),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
