/* test_keys.c - API keys: shown once, kept as digests, revoked for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/hash.h"
#include "controlplane/api/keys.h"
#include "tests/unit/engines.h"

static struct engine at;

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at);
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at);
}

static int end(void **state)
{
    (void)state;
    return engine_end(&at);
}

static void a_key_is_long_random_and_kept_as_its_digest(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    unsigned char digest[WEIR_SHA256_BYTES];
    char text[WEIR_KEY_TEXT_MAX], hex[65];
    struct weir_key key, *list;
    struct weir_keys *k;
    size_t n;

    (void)state;
    assert_int_equal(weir_keys_open(at.dsn, &k), WEIR_OK);
    assert_int_equal(weir_keys_create(k, WEIR_STR("default"), WEIR_STR("claude"), WEIR_STR(""), 0,
                                      1000, a, &key, text),
                     WEIR_OK);
    assert_memory_equal(text, "weir_sk_", 8);
    assert_int_equal(strlen(text), 8 + WEIR_KEY_DIGITS);
    weir_sha256(weir_str_of(text), digest);
    weir_hex(digest, sizeof digest, hex);
    assert_string_equal(key.sha256, hex);
    assert_memory_equal(key.id, "claude-", 7);
    assert_int_equal(weir_keys_list(k, a, &list, &n), WEIR_OK);
    assert_int_equal(n, 1);
    assert_string_equal(list[0].sha256, hex);
    assert_int_equal(list[0].created_ms, 1000);
    weir_keys_close(k);
    weir_arena_destroy(a);
}

static void an_id_is_taken_once_in_its_namespace_also_after_revoking(void **state)
{
    struct weir_arena *a = weir_arena_create(NULL);
    char text[WEIR_KEY_TEXT_MAX];
    struct weir_key key, *list;
    struct weir_keys *k;
    int64_t revision;
    size_t n;

    (void)state;
    assert_int_equal(weir_keys_open(at.dsn, &k), WEIR_OK);
    assert_int_equal(
        weir_keys_create(k, WEIR_STR("a"), WEIR_STR("x"), WEIR_STR("one"), 0, 1, a, &key, text),
        WEIR_OK);
    assert_int_equal(
        weir_keys_create(k, WEIR_STR("a"), WEIR_STR("x"), WEIR_STR("one"), 0, 1, a, &key, text),
        WEIR_EEXIST);
    assert_int_equal(
        weir_keys_create(k, WEIR_STR("b"), WEIR_STR("x"), WEIR_STR("one"), 0, 1, a, &key, text),
        WEIR_OK);
    assert_int_equal(weir_keys_revoke(k, WEIR_STR("a"), WEIR_STR("one"), 5), WEIR_OK);
    assert_int_equal(weir_keys_revoke(k, WEIR_STR("a"), WEIR_STR("one"), 6), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_keys_create(k, WEIR_STR("a"), WEIR_STR("x"), WEIR_STR("one"), 0, 1, a, &key, text),
        WEIR_EEXIST);
    assert_int_equal(weir_keys_list(k, a, &list, &n), WEIR_OK);
    assert_int_equal(n, 2);
    assert_int_equal(weir_keys_revision(k, &revision), WEIR_OK);
    assert_int_equal(revision, 4); /* two made and one revoked; what was refused is no change */
    assert_int_equal(list[0].revoked_ms, 5);
    assert_int_equal(list[1].revoked_ms, 0);
    weir_keys_close(k);
    weir_arena_destroy(a);
}

static void names_that_break_the_rules_are_refused(void **state)
{
    static const char *const bad[] = {"", "A", "a b", "-a", "a-", "a/b", "a_b", ".", "ä"};
    struct weir_arena *a = weir_arena_create(NULL);
    char text[WEIR_KEY_TEXT_MAX];
    struct weir_key key;
    struct weir_keys *k;

    (void)state;
    assert_int_equal(weir_keys_open(at.dsn, &k), WEIR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_keys_create(k, WEIR_STR("default"), weir_str_of(bad[i]), WEIR_STR(""),
                                          0, 1, a, &key, text),
                         WEIR_EINVAL);
    weir_keys_close(k);
    weir_arena_destroy(a);
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_key_is_long_random_and_kept_as_its_digest),
        BOTH(an_id_is_taken_once_in_its_namespace_also_after_revoking),
        BOTH(names_that_break_the_rules_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
