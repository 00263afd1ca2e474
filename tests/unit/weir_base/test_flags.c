/* Command lines: both forms of a flag, and an error that names the flag for every mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/flags.h"
#include "base/str.h"

struct options {
    const char *name;
    int64_t count;
    bool loud;
};

static const struct weir_flag rows[] = {
    {"--name", "NAME", WEIR_FLAG_TEXT, offsetof(struct options, name), 0, 0, "who"},
    {"--count", "N", WEIR_FLAG_NUMBER, offsetof(struct options, count), 1, 10, "how many"},
    {"--loud", NULL, WEIR_FLAG_SWITCH, offsetof(struct options, loud), 0, 0, "shout"},
};

static struct options o;
static char error[256];

static int parse(const char *a, const char *b, const char *c)
{
    char prog[] = "prog",
         *argv[] = {prog, (char *)(uintptr_t)a, (char *)(uintptr_t)b, (char *)(uintptr_t)c, NULL};
    int argc = 1;

    while (argv[argc])
        argc++;
    o = (struct options){.name = "default", .count = 5};
    error[0] = '\0';
    return weir_flags_parse(rows, sizeof rows / sizeof *rows, argc, argv, &o, error, sizeof error);
}

static void both_forms_are_read_and_defaults_stay(void **state)
{
    (void)state;
    assert_int_equal(parse("--name", "x", "--loud"), WEIR_OK);
    assert_string_equal(o.name, "x");
    assert_true(o.loud);
    assert_true(o.count == 5);
    assert_int_equal(parse("--name=", "--count=10", NULL), WEIR_OK);
    assert_string_equal(o.name, "");
    assert_true(o.count == 10);
    assert_int_equal(parse(NULL, NULL, NULL), WEIR_OK);
    assert_string_equal(o.name, "default");
}

static void every_mistake_is_named(void **state)
{
    static const char *const cases[][3] = {
        {"--count", "11", "--count"},   {"--count=0", NULL, "--count"},
        {"--count=x", NULL, "--count"}, {"--count", NULL, "--count"},
        {"--nmae=x", NULL, "--nmae"},   {"stray", NULL, "stray"},
        {"--loud=1", NULL, "--loud"},   {"--count=1 ", NULL, "--count"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i][0], cases[i][1], NULL), WEIR_EINVAL);
        assert_non_null(strstr(error, cases[i][2]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_are_read_and_defaults_stay),
        cmocka_unit_test(every_mistake_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
