/* The authority, certificates, names and tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pki/pki.h"

static char folder[64];

static int setup(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/weir-pki-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return weir_ca_open(folder, (struct weir_ca **)state);
}

static int teardown(void **state)
{
    char command[96];

    weir_ca_close(*state);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void the_authority_is_the_same_after_a_restart(void **state)
{
    struct weir_ca *again;
    struct stat st;
    char path[96];

    assert_int_equal(weir_ca_open(folder, &again), WEIR_OK);
    assert_string_equal(weir_ca_pem(again), weir_ca_pem(*state));
    weir_ca_close(again);
    snprintf(path, sizeof path, "%s/ca.key", folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(remove(path), 0);
    assert_int_equal(weir_ca_open(folder, &again), WEIR_ECORRUPT);
}

static void a_request_is_signed_for_the_name_that_we_give(void **state)
{
    char *csr = NULL, *key = NULL, *crt = NULL, *other_csr = NULL, *other_key = NULL;
    char uri[WEIR_PKI_URI_BYTES];
    int64_t from, to;

    assert_int_equal(weir_pki_request(&csr, &key), WEIR_OK);
    assert_int_equal(weir_pki_uri(WEIR_STR("team-a"), WEIR_STR("pod-1"), uri), WEIR_OK);
    assert_string_equal(uri, "spiffe://weir/ns/team-a/proxy/pod-1");
    assert_int_equal(weir_ca_sign(*state, csr, uri, 3600000, &crt), WEIR_OK);
    assert_int_equal(weir_pki_check(crt, key, weir_ca_pem(*state)), WEIR_OK);
    assert_int_equal(weir_pki_validity(crt, &from, &to), WEIR_OK);
    assert_in_range(to - weir_wall_ms(), 3590000, 3600000);
    assert_true(from < weir_wall_ms());
    assert_int_equal(weir_pki_request(&other_csr, &other_key), WEIR_OK);
    assert_int_equal(weir_pki_check(crt, other_key, weir_ca_pem(*state)), WEIR_EAUTH);
    weir_pki_free(csr);
    weir_pki_free(key);
    weir_pki_free(crt);
    weir_pki_free(other_csr);
    weir_pki_free(other_key);
}

static void nonsense_is_not_signed(void **state)
{
    static const char *const bad[] = {"", "x", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"};
    char *crt = NULL;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_ca_sign(*state, bad[i], "spiffe://weir/ns/a/proxy/b", 1000, &crt),
                         WEIR_EINVAL);
    assert_null(crt);
}

static void a_server_gets_names_and_addresses(void **state)
{
    static const char *const names[] = {"weir-control", "127.0.0.1", "::1"};
    char *crt = NULL, *key = NULL;

    assert_int_equal(weir_ca_issue_server(*state, names, 3, 3600000, &crt, &key), WEIR_OK);
    assert_int_equal(weir_pki_check(crt, key, weir_ca_pem(*state)), WEIR_OK);
    weir_pki_free(crt);
    weir_pki_free(key);
}

static void only_well_formed_names_pass(void **state)
{
    static const char *const bad[] = {"",
                                      "spiffe://weir/ns/a/proxy/",
                                      "x",
                                      "spiffe://weir/ns//proxy/b",
                                      "spiffe://weir/ns/a/proxy/b/c",
                                      "spiffe://weir/ns/A/proxy/b",
                                      "spiffe://weir/ns/a/agent/b",
                                      "spiffe://other/ns/a/proxy/b"};
    struct weir_str ns, node;
    char uri[WEIR_PKI_URI_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(weir_pki_parse_uri(weir_str_of(bad[i]), &ns, &node), WEIR_EINVAL);
    assert_int_equal(weir_pki_parse_uri(WEIR_STR("spiffe://weir/ns/a/proxy/b.c-1"), &ns, &node),
                     WEIR_OK);
    assert_true(weir_str_is(ns, "a"));
    assert_true(weir_str_is(node, "b.c-1"));
    assert_int_equal(weir_pki_uri(WEIR_STR("a/b"), WEIR_STR("c"), uri), WEIR_EINVAL);
    assert_int_equal(weir_pki_uri(WEIR_STR("a"), WEIR_STR("../c"), uri), WEIR_EINVAL);
}

static void tokens_differ(void **state)
{
    char a[WEIR_PKI_TOKEN_BYTES], b[WEIR_PKI_TOKEN_BYTES];

    (void)state;
    weir_pki_token(a);
    weir_pki_token(b);
    assert_int_equal(strlen(a), 42);
    assert_string_not_equal(a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_authority_is_the_same_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_request_is_signed_for_the_name_that_we_give, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nonsense_is_not_signed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_gets_names_and_addresses, setup, teardown),
        cmocka_unit_test(only_well_formed_names_pass),
        cmocka_unit_test(tokens_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
