/* test_auth.c - tokens, sessions, login codes, foreign pages, throttling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controlplane/api/auth.h"

#define ADMIN "admin-token-0123456789"
#define VIEWER "viewer-token-0123456789"

struct fixture {
    struct weir_arena *arena;
    struct weir_auth *auth;
};

static int set_up(void **state)
{
    static struct fixture f;
    static const char *const hosts[] = {"weir.example"};
    struct weir_auth_options o = {.admin_token = WEIR_STR(ADMIN),
                                  .viewer_token = WEIR_STR(VIEWER),
                                  .hosts = hosts,
                                  .host_count = 1,
                                  .port = 7081};

    f.arena = weir_arena_create(NULL);
    f.auth = weir_auth_create(&o);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    weir_auth_destroy(f->auth);
    weir_arena_destroy(f->arena);
    return 0;
}

static enum weir_role role_of(struct fixture *f, struct weir_auth_request r)
{
    enum weir_role role = WEIR_ROLE_NONE;

    r.peer = WEIR_STR("127.0.0.1");
    assert_int_equal(weir_auth_role(f->auth, &r, 1000, &role), WEIR_OK);
    return role;
}

static struct weir_auth_request bearer(const char *text)
{
    return (struct weir_auth_request){.authorization = weir_str_of(text)};
}

static void each_token_gives_its_role_and_nothing_else_gives_any(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(role_of(f, bearer("Bearer " ADMIN)), WEIR_ROLE_ADMIN);
    assert_int_equal(role_of(f, bearer("bearer " VIEWER)), WEIR_ROLE_VIEWER);
    assert_int_equal(role_of(f, bearer("Basic " ADMIN)), WEIR_ROLE_NONE);
    assert_int_equal(role_of(f, bearer("Bearer")), WEIR_ROLE_NONE);
    assert_int_equal(role_of(f, bearer("Bearer ")), WEIR_ROLE_NONE);
    assert_int_equal(role_of(f, bearer("Bearer " ADMIN "x")), WEIR_ROLE_NONE);
    assert_int_equal(role_of(f, (struct weir_auth_request){0}), WEIR_ROLE_NONE);
}

static const char *sign_in(struct fixture *f, const char *token, const char *login)
{
    const char *cookie = NULL;
    enum weir_role role;
    int rc = weir_auth_sign_in(f->auth, f->arena, WEIR_STR("127.0.0.1"), weir_str_of(token),
                               weir_str_of(login), 1000, &role, &cookie);

    return rc == WEIR_OK ? cookie : NULL;
}

static void a_session_reads_freely_but_changes_only_from_our_page(void **state)
{
    struct fixture *f = *state;
    const char *cookie = sign_in(f, ADMIN, NULL);
    struct weir_auth_request r;

    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "HttpOnly; SameSite=Strict"));
    r = (struct weir_auth_request){.cookie = weir_str_of(cookie)};
    assert_int_equal(role_of(f, r), WEIR_ROLE_ADMIN);
    r.changes = true;
    assert_int_equal(role_of(f, r), WEIR_ROLE_NONE);
    r.marked = true;
    assert_int_equal(role_of(f, r), WEIR_ROLE_ADMIN);
    (void)weir_auth_sign_out(f->auth, f->arena, &r);
    assert_int_equal(role_of(f, r), WEIR_ROLE_NONE);
}

static void a_session_ends_after_hours_without_use(void **state)
{
    struct fixture *f = *state;
    struct weir_auth_request r = {.peer = WEIR_STR("127.0.0.1"),
                                  .cookie = weir_str_of(sign_in(f, VIEWER, NULL))};
    enum weir_role role;

    assert_int_equal(weir_auth_role(f->auth, &r, 1000 + WEIR_AUTH_SESSION_MS, &role), WEIR_OK);
    assert_int_equal(role, WEIR_ROLE_NONE);
}

static void a_login_code_works_once(void **state)
{
    struct fixture *f = *state;
    const char *code = weir_auth_login_code(f->auth, f->arena, WEIR_ROLE_VIEWER, 1000);

    assert_non_null(sign_in(f, NULL, code));
    assert_null(sign_in(f, NULL, code));
    assert_null(sign_in(f, NULL, ""));
    assert_null(sign_in(f, NULL, NULL));
    code = weir_auth_login_code(f->auth, f->arena, WEIR_ROLE_VIEWER, 1000 - WEIR_AUTH_LOGIN_MS);
    assert_null(sign_in(f, NULL, code));
}

static void many_wrong_tokens_close_the_door_for_a_minute(void **state)
{
    struct fixture *f = *state;
    struct weir_auth_request r = bearer("Bearer wrong"), good = bearer("Bearer " ADMIN);
    enum weir_role role;

    r.peer = good.peer = WEIR_STR("10.0.0.9");
    for (int i = 0; i < 20; i++)
        assert_int_equal(weir_auth_role(f->auth, &r, 5000 + i, &role), WEIR_OK);
    assert_int_equal(weir_auth_role(f->auth, &r, 6000, &role), WEIR_ELIMIT);
    assert_int_equal(weir_auth_role(f->auth, &good, 6000, &role), WEIR_ELIMIT);
    good.peer = WEIR_STR("10.0.0.10");
    assert_int_equal(weir_auth_role(f->auth, &good, 6000, &role), WEIR_OK);
    good.peer = WEIR_STR("10.0.0.9");
    assert_int_equal(weir_auth_role(f->auth, &good, 66000, &role), WEIR_OK);
    assert_int_equal(role, WEIR_ROLE_ADMIN);
}

static void foreign_hosts_and_origins_are_refused(void **state)
{
    static const struct {
        const char *host, *origin;
        int rc;
    } rows[] = {
        {"127.0.0.1:7081", NULL, WEIR_OK},
        {"localhost:7081", "http://localhost:7081", WEIR_OK},
        {"[::1]:7081", "http://[::1]:7081", WEIR_OK},
        {"weir.example", "https://weir.example", WEIR_OK},
        {"evil.example:7081", NULL, WEIR_EAUTH},
        {"evil.example:7081", "http://evil.example:7081", WEIR_EAUTH},
        {"127.0.0.1:7081", "http://evil.example", WEIR_EAUTH},
        {"127.0.0.1:7081", "http://127.0.0.1:9000", WEIR_EAUTH},
        {"127.0.0.1:7081", "null", WEIR_EAUTH},
        {"127.0.0.1.evil.example", NULL, WEIR_EAUTH},
        {"", NULL, WEIR_EAUTH},
        {"dead.beef", NULL, WEIR_EAUTH},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weir_auth_request r = {.host = weir_str_of(rows[i].host),
                                      .origin = weir_str_of(rows[i].origin)};

        assert_int_equal(weir_auth_check_origin(f->auth, &r), rows[i].rc);
    }
}

static void a_token_file_is_made_once_for_its_owner_only(void **state)
{
    struct fixture *f = *state;
    char dir[] = "/tmp/weir-auth-XXXXXX", path[64];
    struct weir_str first, second;
    struct stat st;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/admin.token", dir);
    assert_int_equal(weir_auth_token_file(path, f->arena, &first), WEIR_OK);
    assert_int_equal(first.n, 64);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(weir_auth_token_file(path, f->arena, &second), WEIR_OK);
    assert_true(weir_str_eq(first, second));
    assert_int_equal(truncate(path, 3), 0);
    assert_int_equal(weir_auth_token_file(path, f->arena, &second), WEIR_EINVAL);
    unlink(path);
    rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_token_gives_its_role_and_nothing_else_gives_any),
        TEST(a_session_reads_freely_but_changes_only_from_our_page),
        TEST(a_session_ends_after_hours_without_use),
        TEST(a_login_code_works_once),
        TEST(many_wrong_tokens_close_the_door_for_a_minute),
        TEST(foreign_hosts_and_origins_are_refused),
        TEST(a_token_file_is_made_once_for_its_owner_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
