/* In which order the targets of a group are tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/proxy/strategy.h"

enum { TARGETS = 4, DRAWS = 20000 };

static struct weir_prng prng = {{1, 2}};

static size_t first_of(const int64_t weights[TARGETS], const int64_t measures[TARGETS])
{
    struct weir_rank r[TARGETS];

    for (size_t i = 0; i < TARGETS; i++)
        r[i] = (struct weir_rank){i, weights[i], measures[i]};
    weir_rank_order(&prng, r, TARGETS);
    return r[0].index;
}

/* Within a tenth of what is expected; the seeds are fixed. */
static void assert_share(size_t seen, size_t all, int64_t weight, int64_t total)
{
    assert_in_range(seen * (uint64_t)total * 10, all * (uint64_t)weight * 9,
                    all * (uint64_t)weight * 11);
}

static void weights_are_shares(void **state)
{
    static const int64_t weights[TARGETS] = {1, 2, 0, 5}, even[TARGETS] = {0};
    size_t seen[TARGETS] = {0};

    (void)state;
    for (size_t i = 0; i < DRAWS; i++)
        seen[first_of(weights, even)]++;
    assert_int_equal(seen[2], 0);
    assert_share(seen[0], DRAWS, 1, 8);
    assert_share(seen[1], DRAWS, 2, 8);
    assert_share(seen[3], DRAWS, 5, 8);
}

static void the_least_comes_first_and_weights_decide_among_equals(void **state)
{
    static const int64_t weights[TARGETS] = {1, 3, 1000, 0}, measures[TARGETS] = {5, 5, 6, 1};
    size_t seen[TARGETS] = {0};

    (void)state;
    for (size_t i = 0; i < DRAWS; i++)
        seen[first_of(weights, measures)]++;
    assert_int_equal(seen[2] + seen[3], 0);
    assert_share(seen[0], DRAWS, 1, 4);
}

static void all_without_a_weight_keep_their_order(void **state)
{
    static const int64_t weights[TARGETS] = {0}, measures[TARGETS] = {0};

    (void)state;
    assert_int_equal(first_of(weights, measures), 0);
}

static const int64_t shares[TARGETS] = {1, 2, 4, 1};

/* Target `gone` is no longer there. */
static size_t home_of(uint64_t session, size_t gone)
{
    int64_t best = INT64_MAX, measure;
    size_t home = TARGETS;

    for (size_t i = 0; i < TARGETS; i++) {
        measure = weir_rank_of_session(session, 1000 + i, shares[i]);
        if (i != gone && measure < best) {
            best = measure;
            home = i;
        }
    }
    return home;
}

static void sessions_are_spread_by_weight(void **state)
{
    size_t seen[TARGETS] = {0};

    (void)state;
    for (uint64_t s = 0; s < DRAWS; s++)
        seen[home_of(s, TARGETS)]++;
    for (size_t i = 0; i < TARGETS; i++)
        assert_share(seen[i], DRAWS, shares[i], 8);
}

static void a_target_that_goes_moves_no_session_but_its_own(void **state)
{
    (void)state;
    for (uint64_t s = 0; s < DRAWS; s++) {
        size_t home = home_of(s, TARGETS);

        assert_true(home == 2 || home_of(s, 2) == home);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_shares),
        cmocka_unit_test(the_least_comes_first_and_weights_decide_among_equals),
        cmocka_unit_test(all_without_a_weight_keep_their_order),
        cmocka_unit_test(sessions_are_spread_by_weight),
        cmocka_unit_test(a_target_that_goes_moves_no_session_but_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
