/* Which targets can take a call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/proxy/fit.h"

enum { TARGETS = 3 };

static struct weir_policy_model models[TARGETS];
static struct weir_candidate candidates[TARGETS];
static struct weir_policy_route route;
static struct weir_exchange x;
static struct weir_err err;

static int setup(void **state)
{
    static const struct weir_exchange call_of_a_hundred = {
        .route = &route,
        .model = {"m", 1},
        .candidates = candidates,
        .candidate_count = TARGETS,
        .endpoint = {.operation = WEIR_OP_GENERATE},
        .call = {.input_estimate = 100, .max_output_tokens = 50}};

    (void)state;
    route = (struct weir_policy_route){.name = WEIR_STR("r")};
    x = call_of_a_hundred;
    x.arena = weir_arena_create(NULL);
    for (size_t i = 0; i < TARGETS; i++) {
        models[i] = (struct weir_policy_model){.name = WEIR_STR("m")};
        candidates[i] = (struct weir_candidate){.entry = &models[i], .group = i};
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_arena_destroy(x.arena);
    return 0;
}

static void a_call_has_what_it_counts(void **state)
{
    struct weir_llm_call call = {.max_output_tokens = -1};

    (void)state;
    assert_int_equal(weir_fit_features(&call), 0);
    call.tools = 3;
    call.stream = true;
    assert_int_equal(weir_fit_features(&call),
                     1u << WEIR__V1__FEATURE__tools | 1u << WEIR__V1__FEATURE__streams);
    call.images = call.files = 1;
    assert_int_equal(weir_fit_features(&call),
                     1u << WEIR__V1__FEATURE__tools | 1u << WEIR__V1__FEATURE__streams |
                         1u << WEIR__V1__FEATURE__images | 1u << WEIR__V1__FEATURE__files);
}

static void a_window_holds_input_and_the_calls_own_limit(void **state)
{
    struct weir_llm_call call = {.input_estimate = 100, .max_output_tokens = 50};

    (void)state;
    assert_true(weir_fit_window(&call, 0));
    assert_true(weir_fit_window(&call, 150));
    assert_false(weir_fit_window(&call, 149));
    call.max_output_tokens = -1;
    assert_true(weir_fit_window(&call, 100));
    assert_false(weir_fit_window(&call, 99));
    call.max_output_tokens = INT64_MAX;
    assert_false(weir_fit_window(&call, 1));
    call.files = 1;
    assert_true(weir_fit_window(&call, 1));
}

static void targets_that_lack_something_are_left_out_and_the_others_keep_their_order(void **state)
{
    (void)state;
    x.call.images = 1;
    models[1].without = 1u << WEIR__V1__FEATURE__images;
    models[2].without = 1u << WEIR__V1__FEATURE__tools;
    assert_int_equal(weir_fit_candidates(&x, &err), WEIR_OK);
    assert_int_equal(x.candidate_count, 2);
    assert_int_equal(candidates[0].group, 0);
    assert_int_equal(candidates[1].group, 2);
}

static void a_target_that_lists_no_models_takes_everything(void **state)
{
    (void)state;
    x.call.images = x.call.tools = 1;
    candidates[0].entry = NULL;
    models[1].without = models[2].without = 1u << WEIR__V1__FEATURE__images;
    assert_int_equal(weir_fit_candidates(&x, &err), WEIR_OK);
    assert_int_equal(x.candidate_count, 1);
    assert_null(candidates[0].entry);
}

static void where_none_takes_the_call_the_refusal_says_what_is_lacking(void **state)
{
    (void)state;
    x.call.images = x.call.tools = x.call.files = 1;
    models[0].without = 1u << WEIR__V1__FEATURE__images | 1u << WEIR__V1__FEATURE__streams;
    models[1].without = models[2].without = 1u << WEIR__V1__FEATURE__tools;
    assert_int_equal(weir_fit_candidates(&x, &err), WEIR_EINVAL);
    assert_int_equal(err.http_status, 400);
    assert_string_equal(err.code, "feature_not_served");
    assert_string_equal(err.detail, "No target of the route 'r' takes what this call to 'm' has: "
                                    "tools, images (Provider spec.models[].without).");
}

static void a_window_that_is_too_small_gives_way_to_others_only(void **state)
{
    (void)state;
    models[0].context_tokens = models[2].context_tokens = 149;
    models[1].context_tokens = 150;
    assert_int_equal(weir_fit_candidates(&x, &err), WEIR_OK);
    assert_int_equal(x.candidate_count, 1);
    assert_int_equal(candidates[0].group, 1);
}

static void a_call_that_fits_nowhere_goes_on_to_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < TARGETS; i++)
        models[i].context_tokens = 1;
    assert_int_equal(weir_fit_candidates(&x, &err), WEIR_OK);
    assert_int_equal(x.candidate_count, TARGETS);
}

static void counting_tokens_needs_no_window(void **state)
{
    (void)state;
    x.endpoint.operation = WEIR_OP_COUNT_TOKENS;
    models[0].context_tokens = 1;
    assert_int_equal(weir_fit_candidates(&x, &err), WEIR_OK);
    assert_int_equal(x.candidate_count, TARGETS);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_call_has_what_it_counts),
        T(a_window_holds_input_and_the_calls_own_limit),
        T(targets_that_lack_something_are_left_out_and_the_others_keep_their_order),
        T(a_target_that_lists_no_models_takes_everything),
        T(where_none_takes_the_call_the_refusal_says_what_is_lacking),
        T(a_window_that_is_too_small_gives_way_to_others_only),
        T(a_call_that_fits_nowhere_goes_on_to_all),
        T(counting_tokens_needs_no_window),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
