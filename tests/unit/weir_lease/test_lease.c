#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lease/lease.h"

static void a_hold_fits_exactly_into_what_is_free(void **state)
{
    struct weir_lease_held l = {.granted = 100, .returned = 10, .settled = 20, .held = 30};

    (void)state;
    assert_int_equal(weir_lease_free(&l), 40);
    assert_int_equal(weir_lease_hold(&l, 41), WEIR_ELIMIT);
    assert_int_equal(l.held, 30);
    assert_int_equal(weir_lease_hold(&l, 40), WEIR_OK);
    assert_int_equal(weir_lease_hold(&l, 1), WEIR_ELIMIT);
    assert_int_equal(weir_lease_hold(&l, 0), WEIR_OK);
    assert_int_equal(weir_lease_hold(&l, -1), WEIR_ELIMIT);
}

static void settling_below_the_hold_frees_the_rest(void **state)
{
    struct weir_lease_held l = {.granted = 100};

    (void)state;
    assert_int_equal(weir_lease_hold(&l, 60), WEIR_OK);
    assert_false(weir_lease_settle(&l, 60, 25));
    assert_int_equal(weir_lease_free(&l), 75);
    assert_int_equal(l.settled, 25);
}

static void money_spent_past_the_hold_always_counts_and_is_a_breach(void **state)
{
    struct weir_lease_held l = {.granted = 100};

    (void)state;
    assert_int_equal(weir_lease_hold(&l, 100), WEIR_OK);
    assert_true(weir_lease_settle(&l, 100, 130));
    assert_int_equal(weir_lease_free(&l), -30);
    assert_int_equal(weir_lease_hold(&l, 1), WEIR_ELIMIT);
}

static void only_what_is_neither_held_nor_settled_is_returned(void **state)
{
    struct weir_lease_held l = {.granted = 100, .settled = 20, .held = 30};

    (void)state;
    assert_int_equal(weir_lease_return_idle(&l), 50);
    assert_int_equal(l.returned, 50);
    assert_int_equal(weir_lease_return_idle(&l), 0);
    l.settled = 200;
    assert_int_equal(weir_lease_return_idle(&l), 0);
}

static void a_final_lease_never_changes(void **state)
{
    struct weir_lease_held l = {.granted = 100, .held = 1};

    (void)state;
    assert_false(weir_lease_finalise(&l));
    assert_int_equal(weir_lease_hold(&l, 1), WEIR_ELIMIT);
    (void)weir_lease_settle(&l, 1, 1);
    assert_true(weir_lease_finalise(&l));
    weir_lease_grant(&l, 500);
    assert_int_equal(l.granted, 100);
    assert_int_equal(weir_lease_return_idle(&l), 0);
}

static void after_a_crash_open_holds_are_charged_in_full(void **state)
{
    struct weir_lease_held l = {.granted = 100, .settled = 10, .held = 30};
    struct weir_lease_report r;

    (void)state;
    weir_lease_finalise_crashed(&l);
    r = weir_lease_report_of(&l);
    assert_int_equal(r.settled, 40);
    assert_int_equal(r.held, 0);
    assert_true(r.final);
}

static void an_older_grant_changes_nothing(void **state)
{
    struct weir_lease_held l = {.granted = 100};

    (void)state;
    weir_lease_grant(&l, 60);
    assert_int_equal(l.granted, 100);
    weir_lease_grant(&l, 160);
    assert_int_equal(l.granted, 160);
}

static void the_ledger_never_lends_beyond_the_limit(void **state)
{
    struct weir_ledger_window w = {.limit = 100, .closed_settled = 30};
    struct weir_lease_row a = {0}, b = {0};

    (void)state;
    assert_int_equal(weir_window_grant(&w, &a, 50, false), WEIR_OK);
    assert_int_equal(weir_window_grant(&w, &b, 21, false), WEIR_ELIMIT);
    assert_int_equal(b.granted, 0);
    assert_int_equal(weir_window_grant(&w, &b, 20, false), WEIR_OK);
    assert_int_equal(weir_window_remaining(&w), 0);
    assert_int_equal(weir_window_grant(&w, &b, 1, false), WEIR_ELIMIT);
    assert_int_equal(weir_window_grant(&w, &b, 1, true), WEIR_OK);
    assert_int_equal(weir_window_grant(&w, &b, 0, false), WEIR_ELIMIT);
    assert_int_equal(weir_window_grant(&w, &b, INT64_MAX, true), WEIR_ELIMIT);
}

static void reports_merge_by_maximum_so_that_order_and_repetition_do_not_matter(void **state)
{
    static const struct weir_lease_report reports[] = {
        {.returned = 0, .settled = 10, .held = 5},
        {.returned = 20, .settled = 15, .held = 0},
        {.returned = 20, .settled = 30, .held = 0, .final = true},
    };
    static const int orders[][5] = {{0, 1, 2, 2, 0}, {2, 0, 1, 0, 2}, {1, 0, 2, 1, 0}};

    (void)state;
    for (size_t o = 0; o < 3; o++) {
        struct weir_ledger_window w = {.limit = 100};
        struct weir_lease_row row = {0};

        assert_int_equal(weir_window_grant(&w, &row, 60, false), WEIR_OK);
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(weir_window_report(&w, &row, &reports[orders[o][i]]), WEIR_OK);
        assert_true(row.closed);
        assert_int_equal(w.closed_settled, 30);
        assert_int_equal(w.committed, 0);
    }
}

static void a_final_report_that_knows_less_than_an_earlier_one_is_not_believed(void **state)
{
    struct weir_ledger_window w = {.limit = 100};
    struct weir_lease_row row = {0};
    struct weir_lease_report live = {.settled = 40, .held = 10};
    struct weir_lease_report rolled_back = {.settled = 5, .final = true};

    (void)state;
    assert_int_equal(weir_window_grant(&w, &row, 60, false), WEIR_OK);
    assert_int_equal(weir_window_report(&w, &row, &live), WEIR_OK);
    assert_int_equal(weir_window_report(&w, &row, &rolled_back), WEIR_OK);
    assert_false(row.closed);
    assert_int_equal(w.committed, 60);
    assert_int_equal(row.settled, 40);
}

static void absurd_reports_are_refused(void **state)
{
    static const struct weir_lease_report bad[] = {{.returned = -1},       {.returned = 61},
                                                   {.settled = -1},        {.held = -1},
                                                   {.settled = INT64_MAX}, {.held = INT64_MAX}};
    struct weir_ledger_window w = {.limit = 100};
    struct weir_lease_row row = {0};

    (void)state;
    assert_int_equal(weir_window_grant(&w, &row, 60, false), WEIR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(weir_window_report(&w, &row, &bad[i]), WEIR_EINVAL);
    assert_int_equal(w.committed, 60);
}

static void overspending_counts_against_the_window_and_the_next_grant(void **state)
{
    struct weir_ledger_window w = {.limit = 100};
    struct weir_lease_row row = {0};
    struct weir_lease_report over = {.settled = 80};

    (void)state;
    assert_int_equal(weir_window_grant(&w, &row, 60, false), WEIR_OK);
    assert_int_equal(weir_window_report(&w, &row, &over), WEIR_OK);
    assert_int_equal(weir_window_remaining(&w), 20);
    /* The holder needs 20 more for its debt and 20 for a call: lending 40 takes the last 20. */
    assert_int_equal(
        weir_window_size(&w, &row, &(struct weir_lease_demand){.need = 40, .want = 40}, 1), 40);
    assert_int_equal(weir_window_grant(&w, &row, 41, false), WEIR_ELIMIT);
    assert_int_equal(weir_window_grant(&w, &row, 40, false), WEIR_OK);
    assert_int_equal(weir_window_remaining(&w), 0);
}

static void a_written_off_lease_charges_holds_and_still_counts_later_spending(void **state)
{
    struct weir_ledger_window w = {.limit = 100};
    struct weir_lease_row row = {0};
    struct weir_lease_report live = {.settled = 10, .held = 20};
    struct weir_lease_report later = {.settled = 45, .final = true};

    (void)state;
    assert_int_equal(weir_window_grant(&w, &row, 60, false), WEIR_OK);
    assert_int_equal(weir_window_report(&w, &row, &live), WEIR_OK);
    weir_window_write_off(&w, &row);
    assert_int_equal(w.closed_settled, 30);
    assert_int_equal(w.committed, 0);
    assert_int_equal(weir_window_report(&w, &row, &later), WEIR_OK);
    assert_int_equal(w.closed_settled, 45);
}

static void slices_shrink_with_what_is_left_and_with_the_number_of_holders(void **state)
{
    static const struct {
        int64_t limit, need, waiting, want, holders, expect;
    } cases[] = {
        {1000, 10, 10, 50, 1, 50},      /* wanted, and less than half */
        {1000, 10, 10, 5000, 1, 500},   /* half of what is left */
        {1000, 10, 10, 5000, 5, 100},   /* shared */
        {100, 60, 60, 5000, 1, 60},     /* near the limit: the need alone */
        {100, 100, 100, 5000, 9, 100},  /* all of it */
        {100, 101, 101, 5000, 1, 0},    /* too much */
        {1000, 10, 90, 5000, 100, 90},  /* calls that wait get more than a share */
        {100, 10, 900, 5000, 100, 100}, /* as far as it is there */
        {100, 101, 900, 900, 9, 0},     /* but not when the first gets nothing of it */
        {100, 0, 0, 40, 1, 40},         /* prefetches */
        {1, 0, 0, 40, 1, 0},
        {0, 0, 0, 1, 1, 0},
        {0, 1, 1, 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct weir_ledger_window w = {.limit = cases[i].limit};
        struct weir_lease_row row = {0};
        struct weir_lease_demand d = {
            .need = cases[i].need, .waiting = cases[i].waiting, .want = cases[i].want};

        assert_int_equal(weir_window_size(&w, &row, &d, cases[i].holders), cases[i].expect);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_fits_exactly_into_what_is_free),
        cmocka_unit_test(settling_below_the_hold_frees_the_rest),
        cmocka_unit_test(money_spent_past_the_hold_always_counts_and_is_a_breach),
        cmocka_unit_test(only_what_is_neither_held_nor_settled_is_returned),
        cmocka_unit_test(a_final_lease_never_changes),
        cmocka_unit_test(after_a_crash_open_holds_are_charged_in_full),
        cmocka_unit_test(an_older_grant_changes_nothing),
        cmocka_unit_test(the_ledger_never_lends_beyond_the_limit),
        cmocka_unit_test(reports_merge_by_maximum_so_that_order_and_repetition_do_not_matter),
        cmocka_unit_test(a_final_report_that_knows_less_than_an_earlier_one_is_not_believed),
        cmocka_unit_test(absurd_reports_are_refused),
        cmocka_unit_test(overspending_counts_against_the_window_and_the_next_grant),
        cmocka_unit_test(a_written_off_lease_charges_holds_and_still_counts_later_spending),
        cmocka_unit_test(slices_shrink_with_what_is_left_and_with_the_number_of_holders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
