/* Two replicas change policy: each fetches the other's files, and no name leads out of a folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"
#include "controlplane/main/shared_policy.h"
#include "tests/unit/engines.h"

static struct engine at;
static struct weir_shared_policy *a, *b;
static char folder[2][96], state[2][96];

static int open_one(int i, struct weir_shared_policy **out)
{
    return weir_shared_policy_open(at.dsn, folder[i], state[i], out);
}

static int begin(void)
{
    for (int i = 0; i < 2; i++) {
        (void)snprintf(folder[i], sizeof folder[i], "%s/policy%d", at.folder, i);
        (void)snprintf(state[i], sizeof state[i], "%s/state%d", at.folder, i);
        if (weir_file_mkdirs(state[i], 0700) != WEIR_OK)
            return -1;
    }
    return open_one(0, &a) == WEIR_OK && open_one(1, &b) == WEIR_OK ? 0 : -1;
}

static int sqlite(void **unused)
{
    (void)unused;
    return engine_begin_sqlite(&at) == 0 ? begin() : -1;
}

static int postgres(void **unused)
{
    (void)unused;
    return engine_begin_postgres(&at) == 0 ? begin() : -1;
}

static int end(void **unused)
{
    (void)unused;
    weir_shared_policy_close(a);
    weir_shared_policy_close(b);
    return engine_end(&at);
}

/* What apply.c does, without a plan. */
static void change(struct weir_shared_policy *p, const char *file, const char *text)
{
    const struct weir_policy_shared *s = weir_shared_policy_hooks(p);

    assert_int_equal(s->begin(s->arg), WEIR_OK);
    assert_int_equal(s->change(s->arg, file, weir_str_of(text)), WEIR_OK);
    assert_int_equal(s->commit(s->arg), WEIR_OK);
    s->end(s->arg, false); /* so that it is fetched here too */
}

static bool sync_of(struct weir_shared_policy *p)
{
    bool changed = false;

    assert_int_equal(weir_shared_policy_sync(p, &changed), WEIR_OK);
    return changed;
}

static void assert_text(int i, const char *name, const char *text)
{
    struct weir_buf buf;
    char path[160];

    (void)snprintf(path, sizeof path, "%s/%s", folder[i], name);
    weir_buf_init(&buf, 4096);
    assert_int_equal(weir_file_read(path, &buf), text ? WEIR_OK : WEIR_ENOTFOUND);
    if (text)
        assert_true(weir_str_is(weir_buf_str(&buf), text));
    weir_buf_fini(&buf);
}

static void a_change_reaches_every_folder_and_the_newest_text_stays(void **unused)
{
    (void)unused;
    change(a, "/somewhere/one.yaml", "first");
    assert_true(sync_of(b));
    assert_false(sync_of(b));
    assert_text(1, "one.yaml", "first");
    change(b, "one.yaml", "second");
    assert_true(sync_of(a));
    assert_text(0, "one.yaml", "second");
    change(a, "one.yaml", "");
    assert_true(sync_of(b));
    assert_text(1, "one.yaml", NULL);
}

static void what_is_taken_back_reaches_nobody(void **unused)
{
    const struct weir_policy_shared *s = weir_shared_policy_hooks(a);

    (void)unused;
    assert_int_equal(s->begin(s->arg), WEIR_OK);
    assert_int_equal(s->change(s->arg, "one.yaml", WEIR_STR("text")), WEIR_OK);
    s->end(s->arg, false);
    assert_false(sync_of(b));
    assert_text(1, "one.yaml", NULL);
}

static void a_replica_that_was_away_fetches_what_it_missed_and_no_more(void **unused)
{
    (void)unused;
    change(a, "one.yaml", "first");
    assert_true(sync_of(b));
    weir_shared_policy_close(b);
    change(a, "two.yaml", "second");
    assert_int_equal(open_one(1, &b), WEIR_OK);
    assert_text(1, "two.yaml", "second");
    assert_false(sync_of(b));
}

static void a_name_does_not_lead_out_of_the_folder(void **unused)
{
    struct weir_store *s;

    (void)unused;
    assert_int_equal(weir_store_open(at.dsn, 0, &s), WEIR_OK);
    assert_int_equal(
        weir_store_exec(s, "INSERT INTO policy_files(name, revision, text) VALUES"
                           " ('../out.yaml', 1, 'x'), ('.hidden', 1, 'x'), ('in.yaml', 1, 'x');"
                           "UPDATE policy_changed SET revision = 1"),
        WEIR_OK);
    weir_store_close(s);
    assert_true(sync_of(b));
    assert_text(1, "in.yaml", "x");
    assert_text(1, "../out.yaml", NULL);
    assert_text(1, ".hidden", NULL);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_change_reaches_every_folder_and_the_newest_text_stays),
        BOTH(what_is_taken_back_reaches_nobody),
        BOTH(a_replica_that_was_away_fetches_what_it_missed_and_no_more),
        BOTH(a_name_does_not_lead_out_of_the_folder),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
