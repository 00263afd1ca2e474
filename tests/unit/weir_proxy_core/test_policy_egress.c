/* test_policy_egress.c - which hosts NO_PROXY excepts, and what a proxy's setting must be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/proxy/policy_internal.h"
#include "policy_yaml.h"

static void hosts_are_excepted_by_name_domain_address_network_and_port(void **state)
{
    static const struct {
        const char *list, *host;
        uint16_t port;
        bool excepted;
    } cases[] = {
        {"", "a.example", 443, false},
        {"*", "a.example", 443, true},
        {"b.example, a.example", "a.example", 443, true},
        {"A.Example", "a.example", 443, true},
        {"example", "a.example", 443, true},
        {".example", "a.example", 443, true},
        {"*.example", "a.example", 443, true},
        {"ample", "a.example", 443, false},
        {"x.a.example", "a.example", 443, false},
        {"a.example:8443", "a.example", 443, false},
        {"a.example:8443", "a.example", 8443, true},
        {"10.0.0.0/8", "10.20.30.40", 443, true},
        {"10.0.0.0/8", "11.0.0.1", 443, false},
        {"10.0.0.0/33", "10.0.0.1", 443, false},
        {"10.0.0.0/8", "ten.example", 443, false},
        {"192.0.2.128/25", "192.0.2.127", 443, false},
        {"192.0.2.128/25", "192.0.2.200", 443, true},
        {"10.1.2.3", "10.1.2.3", 443, true},
        {"fd00::/8", "fd12::1", 443, true},
        {"::1", "::1", 443, true},
        {",, ,", "a.example", 443, false},
        {".", "a.example", 443, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (weir__policy_no_proxy(weir_str_of(cases[i].list), weir_str_of(cases[i].host),
                                  cases[i].port) != cases[i].excepted)
            fail_msg("%s for %s:%u", cases[i].list, cases[i].host, cases[i].port);
}

#define PROVIDER                                                                                   \
    "apiVersion: weir.dev/v1alpha1\nkind: Provider\nmetadata: {name: p}\nspec:\n  dialect: "       \
    "openai\n"

static void a_proxy_that_cannot_be_used_is_said(void **state)
{
    static const struct {
        const char *yaml, *says;
    } cases[] = {
        {PROVIDER "  egressProxy: https://p\n", "spec.egressProxy: must be http"},
        {PROVIDER "  egressProxy: http://p\n  egressProxyUser: {env: WEIR_UNIT_USER}\n",
         "spec.egressProxyUser: must be NAME:PASSWORD"},
        {PROVIDER "  egressProxy: http://p\n  egressProxyUser: {env: WEIR_UNIT_NOWHERE}\n",
         "spec.egressProxyUser: this variable isn't set"},
    };
    struct weir_arena *arena = weir_arena_create(NULL);
    char first[512];

    (void)state;
    (void)setenv("WEIR_UNIT_USER", "only-a-name", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(policy_of(arena, cases[i].yaml, first));
        if (!strstr(first, cases[i].says))
            fail_msg("%zu: %s", i, first);
    }
    weir_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_excepted_by_name_domain_address_network_and_port),
        cmocka_unit_test(a_proxy_that_cannot_be_used_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
