/* What is sent from one policy to the next, and join tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "controlplane/stream/diff.h"
#include "controlplane/stream/tokens.h"

static struct weir_rendered *set(const char *const names[], size_t n, size_t body_bytes)
{
    struct weir_rendered *r = weir_rendered_create();
    char *body = weir_zalloc(body_bytes + 1);

    for (size_t i = 0; i < n; i++) { /* "name=version" */
        struct weir_str version;
        struct weir_str name = weir_str_cut(weir_str_of(names[i]), '=', &version);
        char *z = weir_strdup(name);

        weir_rendered_add(
            r, &(struct weir_rendered_resource){
                   .type = "Agent", .name = z, .version = version.p, .body = {body, body_bytes}});
        free(z);
    }
    weir_rendered_seal(r);
    free(body);
    return r;
}

static void the_revision_depends_on_content_and_not_on_order(void **state)
{
    static const char *const a[] = {"x=1", "y=2"}, *const b[] = {"y=2", "x=1"},
                             *const c[] = {"x=1", "y=3"};
    struct weir_rendered *ra = set(a, 2, 1), *rb = set(b, 2, 1), *rc = set(c, 2, 1);

    (void)state;
    assert_string_equal(weir_rendered_revision(ra), weir_rendered_revision(rb));
    assert_string_not_equal(weir_rendered_revision(ra), weir_rendered_revision(rc));
    weir_rendered_unref(ra);
    weir_rendered_unref(rb);
    weir_rendered_unref(rc);
}

static void the_same_difference_is_packed_once(void **state)
{
    static const char *const a[] = {"x=1", "y=2"}, *const b[] = {"x=1", "y=3"};
    struct weir_rendered *ra = set(a, 2, 1), *rb = set(b, 2, 1);
    struct weir__diff_cache *cache = weir__diff_cache_create();
    uint64_t next = 5;
    const struct weir__diff *d = weir__diff_get(cache, ra, rb, &next);

    (void)state;
    assert_int_equal(d->id, 5);
    assert_int_equal(d->count, 1);
    assert_ptr_equal(weir__diff_get(cache, ra, rb, &next), d);
    assert_int_equal(next, 6);
    assert_int_equal(weir__diff_get(cache, rb, ra, &next)->id, 6);
    weir__diff_cache_destroy(cache);
    weir_rendered_unref(ra);
    weir_rendered_unref(rb);
}

static void a_large_difference_is_split(void **state)
{
    static const char *const a[] = {"a=1", "b=1", "c=1", "d=1", "e=1"};
    struct weir_rendered *none = set(a, 0, 0), *all = set(a, 5, 400000);
    struct weir__diff_cache *cache = weir__diff_cache_create();
    uint64_t next = 1;
    const struct weir__diff *d = weir__diff_get(cache, none, all, &next);

    (void)state;
    assert_int_equal(d->count, 3); /* two, two and one of 400 kB */
    weir__diff_cache_destroy(cache);
    weir_rendered_unref(none);
    weir_rendered_unref(all);
}

static void old_differences_make_room_for_new_ones(void **state)
{
    struct weir_rendered *none = set(NULL, 0, 0);
    struct weir__diff_cache *cache = weir__diff_cache_create();
    uint64_t next = 1;

    (void)state;
    for (int i = 0; i < 300; i++) {
        char text[16];
        const char *const names[] = {text};
        struct weir_rendered *r;

        snprintf(text, sizeof text, "x=%d", i);
        r = set(names, 1, 1);
        assert_int_equal(weir__diff_get(cache, none, r, &next)->id, i + 1);
        weir_rendered_unref(r);
    }
    weir__diff_cache_destroy(cache);
    weir_rendered_unref(none);
}

static void a_one_time_token_works_once_also_after_a_restart(void **state)
{
    char folder[] = "/tmp/weir-tokens-XXXXXX", path[64], ns[WEIR__TOKENS_NS_BYTES];
    struct weir__tokens *t;
    struct weir_buf b;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/tokens", folder);
    assert_int_equal(weir__tokens_open(folder, &t), WEIR_OK);
    assert_int_equal(weir__tokens_add(t, WEIR_STR("secret-1"), "a", weir_wall_ms() + 60000), 0);
    assert_int_equal(weir__tokens_add(t, WEIR_STR("secret-2"), "b", weir_wall_ms() - 1), 0);
    weir__tokens_configure(t, WEIR_STR("shared"), "c");
    assert_int_equal(weir__tokens_use(t, WEIR_STR("shared"), ns), WEIR_OK);
    assert_int_equal(weir__tokens_use(t, WEIR_STR("shared"), ns), WEIR_OK);
    assert_string_equal(ns, "c");
    weir__tokens_close(t);
    weir_buf_init(&b, 4096);
    assert_int_equal(weir_file_read(path, &b), WEIR_OK);
    assert_null(memmem(b.p, b.n, "secret", 6));
    weir_buf_fini(&b);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(weir__tokens_open(folder, &t), WEIR_OK);
    assert_int_equal(weir__tokens_use(t, WEIR_STR("secret-2"), ns), WEIR_EAUTH);
    assert_int_equal(weir__tokens_use(t, WEIR_STR("shared"), ns), WEIR_EAUTH);
    assert_int_equal(weir__tokens_use(t, WEIR_STR(""), ns), WEIR_EAUTH);
    assert_int_equal(weir__tokens_use(t, WEIR_STR("secret-1"), ns), WEIR_OK);
    assert_string_equal(ns, "a");
    weir__tokens_close(t);
    assert_int_equal(weir__tokens_open(folder, &t), WEIR_OK);
    assert_int_equal(weir__tokens_use(t, WEIR_STR("secret-1"), ns), WEIR_EAUTH);
    weir__tokens_close(t);
    assert_int_equal(weir_file_replace(path, WEIR_STR("nonsense\n"), 0600, false), WEIR_OK);
    assert_int_equal(weir__tokens_open(folder, &t), WEIR_ECORRUPT);
    remove(path);
    remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_revision_depends_on_content_and_not_on_order),
        cmocka_unit_test(the_same_difference_is_packed_once),
        cmocka_unit_test(a_large_difference_is_split),
        cmocka_unit_test(old_differences_make_room_for_new_ones),
        cmocka_unit_test(a_one_time_token_works_once_also_after_a_restart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
