/* test_reference.c - docs/reference.md is what the schema says today. WEIR_UPDATE_DOCS=1 rewrites
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/file.h"
#include "data/schema.h"

enum { MAX_PAGE_BYTES = 1 << 20 };

static void the_reference_page_is_up_to_date(void **state)
{
    const char *path = WEIR_SOURCE_DIR "/docs/reference.md";
    struct weir_buf made, kept;

    (void)state;
    weir_buf_init(&made, MAX_PAGE_BYTES);
    weir_buf_init(&kept, MAX_PAGE_BYTES);
    weir_schema_reference(&made);
    assert_true(made.n > 0);
    if (getenv("WEIR_UPDATE_DOCS"))
        assert_int_equal(weir_file_replace(path, weir_buf_str(&made), 0644, false), WEIR_OK);
    assert_int_equal(weir_file_read(path, &kept), WEIR_OK);
    assert_true(weir_str_eq(weir_buf_str(&made), weir_buf_str(&kept)));
    weir_buf_fini(&made);
    weir_buf_fini(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_reference_page_is_up_to_date)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
