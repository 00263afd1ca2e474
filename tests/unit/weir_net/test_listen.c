#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/listen.h"

static void two_sockets_share_a_port_only_if_both_say_so(void **state)
{
    struct weir_net_bind o = {.host = "127.0.0.1", .reuseport = true};
    int a, b, c;

    (void)state;
    assert_int_equal(weir_net_bind_tcp(&o, &a, &o.port), WEIR_OK);
    assert_true(o.port > 0);
    assert_int_equal(weir_net_bind_tcp(&o, &b, NULL), WEIR_OK);
    assert_int_equal(listen(a, 1), 0);
    o.reuseport = false;
    assert_int_equal(weir_net_bind_tcp(&o, &c, NULL), WEIR_EIO);
    close(a);
    close(b);
}

static void names_and_nonsense_are_no_addresses(void **state)
{
    static const char *const bad[] = {"example.org", "1.2.3", "::1%lo", "127.0.0.1:80", "*"};
    struct weir_net_bind o = {.host = "localhost"};
    int fd = -7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct weir_net_bind x = {.host = bad[i]};

        assert_int_equal(weir_net_bind_tcp(&x, &fd, NULL), WEIR_EINVAL);
        assert_int_equal(fd, -7);
    }
    assert_int_equal(weir_net_bind_tcp(&o, &fd, NULL), WEIR_OK);
    close(fd);
    o.port = 65536;
    assert_int_equal(weir_net_bind_tcp(&o, &fd, NULL), WEIR_EINVAL);
}

static void a_stale_unix_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    static const char path[] = "test_listen.sock";
    struct stat st;
    int first, second;

    (void)state;
    unlink(path);
    assert_int_equal(weir_net_bind_unix(path, 0600, &first), WEIR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(listen(first, 1), 0);
    assert_int_equal(weir_net_bind_unix(path, 0600, &second), WEIR_EEXIST);
    close(first);
    assert_int_equal(weir_net_bind_unix(path, 0660, &second), WEIR_OK);
    close(second);
    unlink(path);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    static const char path[] = "test_listen.file";
    int fd = open(path, O_CREAT | O_WRONLY, 0600), out;
    char longer[200];

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(weir_net_bind_unix(path, 0600, &out), WEIR_EEXIST);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(weir_net_bind_unix(longer, 0600, &out), WEIR_EINVAL);
    assert_int_equal(weir_net_bind_unix("", 0600, &out), WEIR_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_sockets_share_a_port_only_if_both_say_so),
        cmocka_unit_test(names_and_nonsense_are_no_addresses),
        cmocka_unit_test(a_stale_unix_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
