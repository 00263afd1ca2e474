/* The proxy's policy: staging, applying, and the last known good file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/control/policy.h"

struct step {
    const char *type, *name, *version, *body; /* version NULL: removed */
};

static struct weir__policy *after(struct weir__policy *p, const struct step *steps, size_t n,
                                  const char *revision)
{
    struct weir__staging *s = weir__staging_create();
    struct weir__policy *out = NULL;

    for (size_t i = 0; i < n; i++) { /* one message each */
        Weir__V1__ConfigTxn txn = WEIR__V1__CONFIG_TXN__INIT;
        Weir__V1__Resource r = WEIR__V1__RESOURCE__INIT, *rs[] = {&r};
        Weir__V1__ResourceVersion v = WEIR__V1__RESOURCE_VERSION__INIT, *vs[] = {&v};

        txn.id = 7;
        txn.revision = (char *)revision;
        if (steps[i].version) {
            r.type = (char *)steps[i].type;
            r.name = (char *)steps[i].name;
            r.version = (char *)steps[i].version;
            r.body.data = (uint8_t *)steps[i].body;
            r.body.len = strlen(steps[i].body);
            txn.n_upserts = 1;
            txn.upserts = rs;
        } else {
            v.type = (char *)steps[i].type;
            v.name = (char *)steps[i].name;
            txn.n_removed = 1;
            txn.removed = vs;
        }
        assert_int_equal(weir__staging_add(s, &txn), WEIR_OK);
    }
    assert_int_equal(weir__policy_after(p, s, &out), WEIR_OK);
    weir__staging_free(s);
    weir__policy_free(p);
    return out;
}

static const struct step first[] = {
    {"Route", "default/b", "1", "route b"},
    {"Agent", "default/a", "1", "agent a"},
    {"Secret", "default/key", "1", "sk-canary-1234567890"},
};

static void a_transaction_changes_adds_and_removes(void **state)
{
    static const struct step second[] = {
        {"Route", "default/b", NULL, NULL},      {"Agent", "default/a", "2", "agent a2"},
        {"Agent", "default/a", "3", "agent a3"}, {"Provider", "default/p", "1", "p"},
        {"Budget", "default/none", NULL, NULL},
    };
    struct weir__policy *p = after(weir__policy_empty(), first, 3, "r1");
    const struct weir_policy_bytes *b = weir__policy_bytes(p);

    (void)state;
    assert_int_equal(b->count, 3);
    assert_string_equal(b->resources[0].name, "default/a");
    p = after(p, second, 5, "r2");
    b = weir__policy_bytes(p);
    assert_string_equal(b->revision, "r2");
    assert_int_equal(b->count, 3);
    assert_string_equal(b->resources[0].type, "Agent");
    assert_string_equal(b->resources[0].version, "3");
    assert_memory_equal(b->resources[0].body.p, "agent a3", 8);
    assert_string_equal(b->resources[1].type, "Provider");
    assert_string_equal(b->resources[2].type, "Secret");
    weir__policy_free(p);
}

static void a_message_of_another_transaction_spoils_the_staging(void **state)
{
    struct weir__staging *s = weir__staging_create();
    Weir__V1__ConfigTxn txn = WEIR__V1__CONFIG_TXN__INIT;

    (void)state;
    txn.id = 1;
    assert_int_equal(weir__staging_add(s, &txn), WEIR_OK);
    txn.id = 2;
    assert_int_equal(weir__staging_add(s, &txn), WEIR_EPROTO);
    txn.id = 1;
    assert_int_equal(weir__staging_add(s, &txn), WEIR_EPROTO);
    weir__staging_free(s);
}

static void the_file_comes_back_without_secrets(void **state)
{
    struct weir__policy *p = after(weir__policy_empty(), first, 3, "r1"), *back = NULL;
    const struct weir_policy_bytes *b;
    struct weir_buf file;

    (void)state;
    weir_buf_init(&file, 1 << 20);
    weir__lkg_encode(p, &file);
    assert_null(memmem(file.p, file.n, "canary", 6));
    assert_int_equal(weir__lkg_decode(weir_buf_str(&file), &back), WEIR_OK);
    b = weir__policy_bytes(back);
    assert_string_equal(b->revision, "r1");
    assert_int_equal(b->count, 2);
    assert_memory_equal(b->resources[1].body.p, "route b", 7);
    weir__policy_free(back);
    weir__policy_free(p);
    weir_buf_fini(&file);
}

static void damage_to_any_byte_is_noticed(void **state)
{
    struct weir__policy *p = after(weir__policy_empty(), first, 3, "r1"), *back = NULL;
    struct weir_buf file;

    (void)state;
    weir_buf_init(&file, 1 << 20);
    weir__lkg_encode(p, &file);
    for (size_t i = 0; i < file.n; i++) {
        for (int bit = 0; bit < 8; bit++) {
            file.p[i] ^= (char)(1 << bit);
            assert_int_equal(weir__lkg_decode(weir_buf_str(&file), &back), WEIR_ECORRUPT);
            file.p[i] ^= (char)(1 << bit);
        }
        assert_int_equal(weir__lkg_decode((struct weir_str){file.p, i}, &back), WEIR_ECORRUPT);
    }
    assert_int_equal(weir_buf_add(&file, "x", 1), WEIR_OK);
    assert_int_equal(weir__lkg_decode(weir_buf_str(&file), &back), WEIR_ECORRUPT);
    weir__policy_free(p);
    weir_buf_fini(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transaction_changes_adds_and_removes),
        cmocka_unit_test(a_message_of_another_transaction_spoils_the_staging),
        cmocka_unit_test(the_file_comes_back_without_secrets),
        cmocka_unit_test(damage_to_any_byte_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
