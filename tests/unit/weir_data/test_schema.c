/* The generated tables and the texts made from them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "data/decode.h"
#include "data/schema_table.h"

static void the_tables_match_the_descriptors_name_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir__schema_message_count; i++) {
        const struct weir_schema_message *m = &weir__schema_messages[i];

        assert_string_equal(m->name, m->descriptor->short_name);
        for (unsigned k = 0; k < m->descriptor->n_fields; k++)
            assert_string_equal(m->fields[k].name, m->descriptor->fields[k].name);
    }
    for (size_t i = 0; i < weir__schema_enum_count; i++) {
        const struct weir_schema_enum *e = &weir__schema_enums[i];

        for (unsigned k = 0; k < e->descriptor->n_values; k++)
            assert_string_equal(e->values[k].name, e->descriptor->values[k].name);
    }
}

static void every_reference_and_default_in_the_schema_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < weir__schema_message_count; i++) {
        const struct weir_schema_message *m = &weir__schema_messages[i];

        for (unsigned k = 0; k < m->descriptor->n_fields; k++) {
            const struct weir_schema_field *f = &m->fields[k];
            int64_t v;

            if (f->ref)
                assert_non_null(weir_schema_kind(weir_str_of(f->ref)));
            if (f->dflt && m->descriptor->fields[k].type != PROTOBUF_C_TYPE_STRING)
                assert_int_equal(weir_data_default_i64(m->descriptor, f->name, &v), WEIR_OK);
        }
    }
}

static void every_kind_and_every_supported_spec_field_is_documented(void **state)
{
    const struct weir_schema_message *m;

    (void)state;
    for (size_t i = 0; (m = weir_schema_kind_at(i)); i++) {
        assert_true(m->doc[0] != 0);
        assert_ptr_equal(weir_schema_kind_loose(weir_str_of(m->name)), m);
    }
    assert_non_null(weir_schema_kind_loose(WEIR_STR("budgets")));
    assert_null(weir_schema_kind(WEIR_STR("Secret")));
}

static char *explain(const char *path, int rc)
{
    struct weir_buf b;
    char *s;

    weir_buf_init(&b, 1 << 16);
    assert_int_equal(weir_schema_explain(weir_str_of(path), &b), rc);
    s = weir_strdup(weir_buf_str(&b));
    weir_buf_fini(&b);
    return s;
}

static void explain_tells_type_rules_and_words(void **state)
{
    char *s = explain("budget.spec.limit.usd", WEIR_OK);

    (void)state;
    assert_string_equal(s, "Budget.spec.limit.usd  <US dollars, at least 0>\n\nUS dollars.\n");
    free(s);
    s = explain("Budget.spec.mode", WEIR_OK);
    assert_non_null(strstr(s, "default hard"));
    assert_non_null(strstr(s, "observe: Counted, never refused."));
    free(s);
    s = explain("", WEIR_OK);
    assert_non_null(strstr(s, "Guardrail"));
    free(s);
    s = explain("Budgt", WEIR_ENOTFOUND);
    assert_string_equal(s, "There is no kind \"Budgt\"; did you mean Budget?\n");
    free(s);
    s = explain("Budget.spec.limits", WEIR_ENOTFOUND);
    assert_non_null(strstr(s, "There is no field \"limits\"; did you mean limit?"));
    free(s);
    free(explain("Provider.metadata.labels.x.y", WEIR_ENOTFOUND));
}

static void the_reference_page_has_every_kind(void **state)
{
    struct weir_buf b;
    const struct weir_schema_message *m;
    char *s;

    (void)state;
    weir_buf_init(&b, 1 << 20);
    weir_schema_reference(&b);
    assert_false(b.full);
    s = weir_strdup(weir_buf_str(&b));
    for (size_t i = 0; (m = weir_schema_kind_at(i)); i++)
        assert_non_null(strstr(s, m->name));
    assert_null(strstr(s, "_UNSET"));
    free(s);
    weir_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_match_the_descriptors_name_by_name),
        cmocka_unit_test(every_reference_and_default_in_the_schema_holds),
        cmocka_unit_test(every_kind_and_every_supported_spec_field_is_documented),
        cmocka_unit_test(explain_tells_type_rules_and_words),
        cmocka_unit_test(the_reference_page_has_every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
