/* Digests against the published vectors: FIPS 180-4 examples, RFC 3720 appendix B.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/hash.h"
#include "base/rand.h"

static void sha256_gives_the_published_digests_however_it_is_fed(void **state)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    unsigned char out[WEIR_SHA256_BYTES];
    char text[2 * WEIR_SHA256_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = strlen(cases[i].text);

        weir_sha256(weir_str_of(cases[i].text), out);
        weir_hex(out, sizeof out, text);
        assert_string_equal(text, cases[i].digest);
        for (size_t cut = 0; cut <= n; cut++) {
            struct weir_sha256 s;

            weir_sha256_init(&s);
            weir_sha256_add(&s, cases[i].text, cut);
            weir_sha256_add(&s, cases[i].text + cut, n - cut);
            weir_sha256_end(&s, out);
            weir_hex(out, sizeof out, text);
            assert_string_equal(text, cases[i].digest);
        }
    }
}

/* RFC 4231, cases 1, 2 and 6. */
static void hmac_gives_the_published_codes(void **state)
{
    char first[20], large[131];

    const struct {
        struct weir_str key, text;
        const char *code;
    } cases[] = {
        {{first, sizeof first},
         WEIR_STR("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {WEIR_STR("Jefe"), WEIR_STR("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{large, sizeof large},
         WEIR_STR("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };

    unsigned char out[WEIR_SHA256_BYTES];
    char text[2 * WEIR_SHA256_BYTES + 1];

    (void)state;
    memset(first, 0x0b, sizeof first);
    memset(large, 0xaa, sizeof large);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weir_hmac_sha256(cases[i].key, cases[i].text, out);
        weir_hex(out, sizeof out, text);
        assert_string_equal(text, cases[i].code);
    }
}

static void crc32c_gives_the_published_sums(void **state)
{
    unsigned char b[32];

    (void)state;
    memset(b, 0, sizeof b);
    assert_int_equal(weir_crc32c(b, sizeof b), 0x8a9136aa);
    memset(b, 0xff, sizeof b);
    assert_int_equal(weir_crc32c(b, sizeof b), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof b; i++)
        b[i] = (unsigned char)i;
    assert_int_equal(weir_crc32c(b, sizeof b), 0x46dd794e);
    assert_int_equal(weir_crc32c("123456789", 9), 0xe3069283);
}

static void the_table_hash_depends_on_its_key(void **state)
{
    (void)state;
    assert_true(weir_hash64(WEIR_STR("a"), 1) == weir_hash64(WEIR_STR("a"), 1));
    assert_true(weir_hash64(WEIR_STR("a"), 1) != weir_hash64(WEIR_STR("a"), 2));
    assert_true(weir_hash64(WEIR_STR("a"), 1) != weir_hash64(WEIR_STR("b"), 1));
}

static void a_drawn_number_is_below_its_bound_and_every_one_is_drawn(void **state)
{
    struct weir_prng r;
    unsigned seen[5] = {0};

    (void)state;
    weir_prng_seed(&r);
    for (int i = 0; i < 5000; i++) {
        uint64_t v = weir_prng_below(&r, 5);

        assert_true(v < 5);
        seen[v]++;
    }
    for (int i = 0; i < 5; i++)
        assert_true(seen[i] > 0);
    assert_int_equal(weir_prng_below(&r, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests_however_it_is_fed),
        cmocka_unit_test(hmac_gives_the_published_codes),
        cmocka_unit_test(crc32c_gives_the_published_sums),
        cmocka_unit_test(the_table_hash_depends_on_its_key),
        cmocka_unit_test(a_drawn_number_is_below_its_bound_and_every_one_is_drawn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
