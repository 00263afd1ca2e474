/* The command line of weir-proxy: its defaults, what it requires, and what contradicts itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dataplane/proxy/options.h"

static struct weir_proxy_options o;
static char error[256];

static int parse(const char *a, const char *b)
{
    char prog[] = "weir-proxy";
    char *argv[] = {prog, (char *)(uintptr_t)a, (char *)(uintptr_t)b, NULL};
    int argc = 1;

    while (argv[argc])
        argc++;
    o = (struct weir_proxy_options){.workers = 77};
    error[0] = '\0';
    return weir_proxy_options_parse(argc, argv, &o, error, sizeof error);
}

static void a_state_folder_is_enough(void **state)
{
    (void)state;
    assert_int_equal(parse("--state", "/s"), WEIR_OK);
    assert_string_equal(o.state, "/s");
    assert_string_equal(o.listen, "127.0.0.1:7070"); /* never beyond this machine unasked */
    assert_string_equal(o.admin, "127.0.0.1:7071");
    assert_string_equal(o.namespace_, "default");
    assert_null(o.control);
    assert_null(o.access_log);
    assert_null(o.listen_tls);
    assert_true(o.workers == 1);
}

static void help_and_version_need_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(parse("--help", NULL), WEIR_OK);
    assert_true(o.help);
    assert_int_equal(parse("--version", NULL), WEIR_OK);
    assert_true(o.version);
}

static void a_mistake_is_named_and_nothing_is_set(void **state)
{
    static const char *const cases[][3] = {
        {NULL, NULL, "--state DIR is required"},
        {"--workers=1", NULL, "--state DIR is required"},
        {"--state=/s", "--workers=0", "--workers"},
        {"--state=/s", "--workers=65", "--workers"},
        {"--state=/s", "--max-connections=0", "--max-connections"},
        {"--state=/s", "--drain-ms=-1", "--drain-ms"},
        {"--state=/s", "--max-body-memory=1024", "more than --max-body-bytes"},
        {"--state=/s", "--max-body-bytes=268435456", "more than --max-body-bytes"},
        {"--state=/s", "--prots=1", "--prots"},
        {"--state=/s", "--listen-tls=:7443", "must be given together"},
        {"--state=/s", "--tls-key=/k", "must be given together"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse(cases[i][0], cases[i][1]), WEIR_EINVAL);
        assert_non_null(strstr(error, cases[i][2]));
        assert_true(o.workers == 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_folder_is_enough),
        cmocka_unit_test(help_and_version_need_nothing_else),
        cmocka_unit_test(a_mistake_is_named_and_nothing_is_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
