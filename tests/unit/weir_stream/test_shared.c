/* What replicas share to enrol proxies: one CA, and tokens that are used once among all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "controlplane/stream/shared.h"
#include "tests/unit/engines.h"

static struct engine at;
static struct weir__shared *a, *b;
static char folder_a[96], folder_b[96];

static int begin(void)
{
    (void)snprintf(folder_a, sizeof folder_a, "%s/a", at.folder);
    (void)snprintf(folder_b, sizeof folder_b, "%s/b", at.folder);
    return weir__shared_open(at.dsn, &a) == WEIR_OK && weir__shared_open(at.dsn, &b) == WEIR_OK
               ? 0
               : -1;
}

static int sqlite(void **state)
{
    (void)state;
    return engine_begin_sqlite(&at) == 0 ? begin() : -1;
}

static int postgres(void **state)
{
    (void)state;
    return engine_begin_postgres(&at) == 0 ? begin() : -1;
}

static int end(void **state)
{
    (void)state;
    weir__shared_close(a);
    weir__shared_close(b);
    return engine_end(&at);
}

static void the_first_makes_the_ca_and_the_others_read_it(void **state)
{
    struct weir_ca *one, *other;
    char *cert, *key;

    (void)state;
    assert_int_equal(weir__shared_ca(a, folder_a, &one), WEIR_OK);
    assert_int_equal(weir__shared_ca(b, folder_b, &other), WEIR_OK);
    assert_string_equal(weir_ca_pem(one), weir_ca_pem(other));
    assert_int_equal(weir_ca_issue_server(other, (const char *const[]){"x"}, 1, 60000, &cert, &key),
                     WEIR_OK);
    assert_int_equal(weir_pki_check(cert, key, weir_ca_pem(one)), WEIR_OK);
    weir_pki_free(cert);
    weir_pki_free(key);
    weir_ca_close(one);
    weir_ca_close(other);
}

static void a_folder_brings_its_ca_along_and_another_one_is_refused(void **state)
{
    struct weir_ca *own, *shared, *other;

    (void)state;
    assert_int_equal(weir_ca_open(folder_a, &own), WEIR_OK);
    assert_int_equal(weir__shared_ca(a, folder_a, &shared), WEIR_OK);
    assert_string_equal(weir_ca_pem(own), weir_ca_pem(shared));
    weir_ca_close(own);
    weir_ca_close(shared);
    assert_int_equal(weir_ca_open(folder_b, &other), WEIR_OK);
    weir_ca_close(other);
    assert_int_equal(weir__shared_ca(b, folder_b, &shared), WEIR_ESTATE);
}

static void a_token_is_used_once_among_all(void **state)
{
    int64_t soon = weir_wall_ms() + 600000;
    char ns[WEIR__TOKENS_NS_BYTES];

    (void)state;
    assert_int_equal(weir__shared_token_add(a, WEIR_STR("d1"), "agents", soon), WEIR_OK);
    assert_int_equal(weir__shared_token_add(a, WEIR_STR("d2"), "agents", weir_wall_ms() - 1),
                     WEIR_OK);
    assert_int_equal(weir__shared_token_use(b, WEIR_STR("d1"), ns), WEIR_OK);
    assert_string_equal(ns, "agents");
    assert_int_equal(weir__shared_token_use(a, WEIR_STR("d1"), ns), WEIR_EAUTH);
    assert_int_equal(weir__shared_token_use(b, WEIR_STR("d1"), ns), WEIR_EAUTH);
    assert_int_equal(weir__shared_token_use(b, WEIR_STR("d2"), ns), WEIR_EAUTH); /* too old */
}

#define ON(engine, test)                                                                           \
    {                                                                                              \
#test " (" #engine ")", test, engine, end, NULL                                            \
    }
#define BOTH(test) ON(sqlite, test), ON(postgres, test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(the_first_makes_the_ca_and_the_others_read_it),
        BOTH(a_folder_brings_its_ca_along_and_another_one_is_refused),
        BOTH(a_token_is_used_once_among_all),
    };

    return cmocka_run_group_tests(tests, NULL, engines_stop);
}
