/* Changes to the policy folder. */
#include "config_mem.h"

#include "controlplane/config/apply.h"

struct at {
    char path[64];
    struct weir_policy_source_options o;
    struct weir_data_errors errors;
    struct weir_policy_plan plan;
};

static int setup(void **state)
{
    struct at *a = WEIR_NEW(struct at);

    folder_make(a->path);
    a->o.path = a->path;
    a->errors.arena = weir_arena_create(NULL);
    *state = a;
    return 0;
}

static int teardown(void **state)
{
    struct at *a = *state;

    folder_remove(a->path);
    weir_arena_destroy(a->errors.arena);
    free(a);
    return 0;
}

static int apply(struct at *a, const char *text)
{
    return weir_policy_apply(&a->o, WEIR_STR("req.yaml"), weir_str_of(text), a->errors.arena,
                             &a->errors, &a->plan);
}

static int delete_agent(struct at *a, const char *name)
{
    return weir_policy_delete(&a->o, WEIR_STR("Agent"), WEIR_STR("default"), weir_str_of(name),
                              a->errors.arena, &a->errors, &a->plan);
}

static void expect_file(struct at *a, const char *name, const char *text)
{
    char *is = file_get(a->path, name);

    assert_non_null(is);
    assert_string_equal(is, text);
    free(is);
}

#define PLAIN_AGENT(name, team)                                                                    \
    HEAD "kind: Agent\nmetadata:\n  name: " name "\nspec:\n  team: " team "\n"

static void a_new_object_gets_a_file_of_its_own(void **state)
{
    struct at *a = *state;

    assert_int_equal(apply(a, AGENT("x", "{team: t}")), WEIR_OK);
    assert_int_equal(a->plan.count, 1);
    assert_int_equal(a->plan.list[0].action, WEIR_POLICY_CREATED);
    expect_file(a, "agent-default-x.yaml", PLAIN_AGENT("x", "t"));
    assert_int_equal(apply(a, AGENT("x", "{team: t}")), WEIR_OK);
    assert_int_equal(a->plan.list[0].action, WEIR_POLICY_UNCHANGED);
}

static void a_change_leaves_the_rest_of_its_file_alone(void **state)
{
    struct at *a = *state;

    file_put(a->path, "all.yaml",
             "# first\n" AGENT("x", "{team: old}") "--- # two\n" AGENT("y", "{team:   odd}"));
    assert_int_equal(apply(a, AGENT("x", "{team: new}")), WEIR_OK);
    assert_int_equal(a->plan.list[0].action, WEIR_POLICY_CHANGED);
    assert_string_equal(a->plan.list[0].before, PLAIN_AGENT("x", "old"));
    expect_file(a, "all.yaml",
                "# first\n" PLAIN_AGENT("x", "new") "--- # two\n" AGENT("y", "{team:   odd}"));
}

static void a_plan_writes_nothing(void **state)
{
    struct at *a = *state;
    char *text;

    assert_int_equal(weir_policy_plan(&a->o, WEIR_STR("r.yaml"), WEIR_STR(AGENT("x", "{}")),
                                      a->errors.arena, &a->errors, &a->plan),
                     WEIR_OK);
    assert_int_equal(a->plan.list[0].action, WEIR_POLICY_CREATED);
    text = file_get(a->path, "agent-default-x.yaml");
    assert_null(text);
    a->o.path = NULL;
    assert_int_equal(weir_policy_plan(&a->o, WEIR_STR("r.yaml"), WEIR_STR(AGENT("x", "{}")),
                                      a->errors.arena, &a->errors, &a->plan),
                     WEIR_OK);
    assert_string_equal(a->plan.list[0].file, "agent-default-x.yaml");
}

static void a_change_that_breaks_the_set_is_refused_whole(void **state)
{
    struct at *a = *state;
    char *text;

    assert_int_equal(apply(a, AGENT("x", "{}") "---\n" ROUTE("r", TO("none"))), WEIR_EINVAL);
    assert_int_equal(a->errors.count, 1);
    text = file_get(a->path, "agent-default-x.yaml");
    assert_null(text);
}

static void json_files_are_written_anew(void **state)
{
    struct at *a = *state;
    char *text;

    file_put(
        a->path, "a.json",
        "{\"apiVersion\": \"weir.dev/v1alpha1\", \"kind\": \"Agent\", \"metadata\": {\"name\": "
        "\"x\"}, \"spec\": {\"team\": \"old\"}}");
    assert_int_equal(apply(a, AGENT("x", "{team: new}")), WEIR_OK);
    text = file_get(a->path, "a.json");
    assert_non_null(strstr(text, "\"team\": \"new\""));
    free(text);
    assert_int_equal(apply(a, AGENT("x", "{team: new}")), WEIR_OK);
    assert_int_equal(a->plan.list[0].action, WEIR_POLICY_UNCHANGED);
}

static void a_list_with_a_broken_item_is_not_rewritten(void **state)
{
    static const char text[] =
        "kind: List\nitems:\n- apiVersion: weir.dev/v1alpha1\n  kind: Agent\n  metadata: {name: "
        "x}\n  spec: {}\n- apiVersion: weir.dev/v1alpha1\n  kind: Agent\n  spec: {}\n";
    struct at *a = *state;

    file_put(a->path, "l.yaml", text);
    assert_int_equal(apply(a, AGENT("x", "{team: new}")), WEIR_EINVAL);
    expect_file(a, "l.yaml", text);
}

static void delete_removes_the_object_and_an_empty_file(void **state)
{
    struct at *a = *state;
    char *text;

    file_put(a->path, "all.yaml", AGENT("x", "{}") "---\n" AGENT("y", "{}"));
    assert_int_equal(delete_agent(a, "x"), WEIR_OK);
    expect_file(a, "all.yaml", "---\n" AGENT("y", "{}"));
    assert_int_equal(delete_agent(a, "x"), WEIR_ENOTFOUND);
    assert_int_equal(delete_agent(a, "y"), WEIR_OK);
    text = file_get(a->path, "all.yaml");
    assert_null(text);
}

static void what_others_need_cannot_be_deleted(void **state)
{
    struct at *a = *state;

    file_put(a->path, "all.yaml", PROVIDER("p", "{dialect: echo}") "---\n" ROUTE("r", TO("p")));
    assert_int_equal(weir_policy_delete(&a->o, WEIR_STR("Provider"), WEIR_STR("default"),
                                        WEIR_STR("p"), a->errors.arena, &a->errors, &a->plan),
                     WEIR_EINVAL);
    assert_int_equal(a->errors.count, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_new_object_gets_a_file_of_its_own),
        T(a_change_leaves_the_rest_of_its_file_alone),
        T(a_plan_writes_nothing),
        T(a_change_that_breaks_the_set_is_refused_whole),
        T(json_files_are_written_anew),
        T(a_list_with_a_broken_item_is_not_rewritten),
        T(delete_removes_the_object_and_an_empty_file),
        T(what_others_need_cannot_be_deleted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
