/* Vocabularies as files, and names of models; tests/integration/tokenizer.test.mjs compares counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "tokenizer/tokenizer.h"

#define FOLDER WEIR_SOURCE_DIR "/build/vocabulary"

/* A tree that was set up before there were vocabularies has none until bootstrap.sh runs. */
static void need_vocabularies(void)
{
    if (access(FOLDER "/o200k_base.bpe", R_OK) != 0)
        skip();
}

static int64_t count(enum weir_vocabulary_kind kind, const char *text)
{
    struct weir_vocabulary *v;
    struct weir_token_count c;

    assert_int_equal(weir_vocabulary_open(FOLDER, kind, &v), WEIR_OK);
    c = weir_token_count(v, weir_str_of(text));
    weir_vocabulary_close(v);
    assert_true(c.exact);
    return c.tokens;
}

static void known_texts_have_their_counts(void **state)
{
    (void)state;
    need_vocabularies();
    assert_int_equal(count(WEIR_VOCABULARY_O200K, ""), 0);
    assert_int_equal(count(WEIR_VOCABULARY_O200K, "hello world"), 2);
    assert_int_equal(count(WEIR_VOCABULARY_CL100K, "hello world"), 2);
    assert_int_equal(count(WEIR_VOCABULARY_CL100K, "1234567"), 3);
}

static void without_a_vocabulary_bytes_bound_the_count(void **state)
{
    struct weir_token_count c = weir_token_count(NULL, WEIR_STR("hello"));

    (void)state;
    assert_int_equal(c.tokens, 5);
    assert_false(c.exact);
}

static void names_of_models_tell_their_vocabulary(void **state)
{
    (void)state;
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("gpt-4o-mini")), WEIR_VOCABULARY_O200K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("openai/gpt-4.1")), WEIR_VOCABULARY_O200K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("ft:gpt-4o:a:b")), WEIR_VOCABULARY_O200K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("o3-mini")), WEIR_VOCABULARY_O200K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("gpt-5.1-codex")), WEIR_VOCABULARY_O200K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("gpt-4-turbo")), WEIR_VOCABULARY_CL100K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("text-embedding-3-large")),
                     WEIR_VOCABULARY_CL100K);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("gpt-45")), WEIR_VOCABULARY_UNKNOWN);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("claude-opus-4")), WEIR_VOCABULARY_UNKNOWN);
    assert_int_equal(weir_vocabulary_of_model(WEIR_STR("")), WEIR_VOCABULARY_UNKNOWN);
}

static void a_damaged_or_absent_file_is_not_used(void **state)
{
    char folder[] = "/tmp/weir-vocabulary-XXXXXX", path[128];
    struct weir_vocabulary *v = NULL;
    struct weir_buf b;

    (void)state;
    need_vocabularies();
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/cl100k_base.bpe", folder);
    assert_int_equal(weir_vocabulary_open(folder, WEIR_VOCABULARY_CL100K, &v), WEIR_ENOTFOUND);
    weir_buf_init(&b, 16 << 20);
    assert_int_equal(weir_file_read(FOLDER "/cl100k_base.bpe", &b), WEIR_OK);
    b.p[b.n / 2] = (char)(b.p[b.n / 2] ^ 1);
    assert_int_equal(weir_file_replace(path, (struct weir_str){b.p, b.n}, 0600, false), WEIR_OK);
    assert_int_equal(weir_vocabulary_open(folder, WEIR_VOCABULARY_CL100K, &v), WEIR_ECORRUPT);
    assert_int_equal(weir_file_replace(path, (struct weir_str){b.p, 20}, 0600, false), WEIR_OK);
    assert_int_equal(weir_vocabulary_open(folder, WEIR_VOCABULARY_CL100K, &v), WEIR_ECORRUPT);
    weir_buf_fini(&b);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_counts),
        cmocka_unit_test(without_a_vocabulary_bytes_bound_the_count),
        cmocka_unit_test(names_of_models_tell_their_vocabulary),
        cmocka_unit_test(a_damaged_or_absent_file_is_not_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
