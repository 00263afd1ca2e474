/* test_print.c - tables, YAML, numbers and differences, as they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "controlplane/cli/manifests.h"
#include "controlplane/cli/print.h"
#include "controlplane/cli/up.h"

struct page {
    struct weir_cli cli;
    char *out;
    size_t n;
};

static int set_up(void **state)
{
    struct page *p = calloc(1, sizeof *p);

    p->cli.arena = weir_arena_create(NULL);
    p->cli.out = p->cli.err = open_memstream(&p->out, &p->n);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct page *p = *state;

    fclose(p->cli.out);
    free(p->out);
    weir_arena_destroy(p->cli.arena);
    free(p);
    return 0;
}

static const char *printed(struct page *p)
{
    fflush(p->cli.out);
    return p->out;
}

static void money_is_never_rounded_to_a_false_zero(void **state)
{
    static const struct {
        int64_t nano_usd;
        const char *text;
    } rows[] = {
        {0, "$0.00"},
        {1, "$0.000000001"},
        {12, "$0.000000012"},
        {1234, "$0.0000012"},
        {1234567, "$0.0012"},
        {12345678, "$0.0123"},
        {999999999, "$1.0000"},
        {1000000000, "$1.00"},
        {1234567890123, "$1,234.57"},
        {-2500000000, "-$2.50"},
    };
    struct page *p = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(weir__cli_usd(&p->cli, rows[i].nano_usd), rows[i].text);
}

static void counts_and_times_are_short(void **state)
{
    struct page *p = *state;

    assert_string_equal(weir__cli_short(&p->cli, 9999), "9999");
    assert_string_equal(weir__cli_short(&p->cli, 12345), "12.3 k");
    assert_string_equal(weir__cli_short(&p->cli, 123456789), "123 M");
    assert_string_equal(weir__cli_micros(&p->cli, 38), "38 µs");
    assert_string_equal(weir__cli_micros(&p->cli, 2345000), "2.35 s");
    assert_string_equal(weir__cli_span(&p->cli, 9000000), "2 h 30 min");
}

static void a_table_is_aligned_by_what_is_seen(void **state)
{
    static const char *const names[] = {"NAME", ">COST", "NOTE"};
    struct page *p = *state;
    struct weir_cli_table t;

    weir__cli_table_init(&t, &p->cli, names, 3);
    weir__cli_table_add(&t, (struct weir_cli_cell[]){{"µ-agent", 0}, {"$1.00", 0}, {"x", 0}});
    weir__cli_table_add(&t, (struct weir_cli_cell[]){{"b", 0}, {"$10.00", WEIR_TONE_BAD}, {"", 0}});
    weir__cli_table_print(&t);
    assert_string_equal(printed(p), "NAME       COST  NOTE\n"
                                    "µ-agent   $1.00  x\n"
                                    "b        $10.00  \n");
}

static void an_empty_table_says_so(void **state)
{
    static const char *const names[] = {"NAME"};
    struct page *p = *state;
    struct weir_cli_table t;

    weir__cli_table_init(&t, &p->cli, names, 1);
    weir__cli_table_print(&t);
    assert_string_equal(printed(p), "NAME\n(nothing)\n");
}

static void json_becomes_yaml_that_reads_back_as_the_same(void **state)
{
    static const char json[] = "{\"name\":\"daily\",\"n\":20,\"yes\":\"no\",\"port\":\"80\","
                               "\"empty\":[],\"list\":[\"a b\",{\"k\":true,\"m\":{\"x\":1}},[1,2]],"
                               "\"text\":\"a: b\",\"none\":null}";
    struct page *p = *state;
    yyjson_doc *doc = yyjson_read(json, sizeof json - 1, 0);

    weir__cli_print_yaml(&p->cli, yyjson_doc_get_root(doc));
    assert_string_equal(printed(p),
                        "name: daily\n\"n\": 20\n\"yes\": \"no\"\nport: \"80\"\nempty: []\n"
                        "list:\n  - a b\n  - k: true\n    m:\n      x: 1\n  - - 1\n"
                        "    - 2\ntext: \"a: b\"\nnone: null\n");
    yyjson_doc_free(doc);
}

static void a_difference_shows_what_is_around_it(void **state)
{
    struct page *p = *state;

    weir__cli_print_diff(&p->cli, "1\n2\n3\n4\n5\n6\nold\n8\n", "1\n2\n3\n4\n5\n6\nnew\nmore\n8\n");
    assert_string_equal(printed(p), "  ...\n  4\n  5\n  6\n- old\n+ new\n+ more\n  8\n");
}

static void the_lines_for_harnesses_are_whole(void **state)
{
    struct weir_up_facts f = {.gateway = "http://127.0.0.1:7070", .key = "weir_sk_x", .model = "m"};
    struct weir_buf b;

    (void)state;
    weir_buf_init(&b, 65536);
    weir__up_harness_lines(&f, &b);
    weir_buf_add(&b, "", 1);
    assert_null(strstr(b.p, "{G}"));
    assert_null(strstr(b.p, "{K}"));
    assert_null(strstr(b.p, "{M}"));
    assert_non_null(strstr(b.p, "ANTHROPIC_BASE_URL=http://127.0.0.1:7070 "
                                "ANTHROPIC_AUTH_TOKEN=weir_sk_x "));
    weir_buf_fini(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(money_is_never_rounded_to_a_false_zero),
        TEST(counts_and_times_are_short),
        TEST(a_table_is_aligned_by_what_is_seen),
        TEST(an_empty_table_says_so),
        TEST(json_becomes_yaml_that_reads_back_as_the_same),
        TEST(a_difference_shows_what_is_around_it),
        TEST(the_lines_for_harnesses_are_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
