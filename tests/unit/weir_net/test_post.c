#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "net/post.h"

enum { SENDERS = 4, EACH = 5000 };

static uv_loop_t loop;
static struct weir_mailbox *box;
static unsigned long got, last[SENDERS];

struct note {
    unsigned sender;
    unsigned long number;
};

static struct note notes[SENDERS][EACH];

static void take(void *arg)
{
    struct note *n = arg;

    assert_int_equal(n->number, last[n->sender] + 1);
    last[n->sender] = n->number;
    got++;
}

static void *send_all(void *arg)
{
    struct note *mine = arg;

    for (unsigned long i = 0; i < EACH; i++) {
        while (weir_mailbox_post(box, take, &mine[i]) == WEIR_ELIMIT)
            sched_yield();
    }
    return NULL;
}

static void do_nothing(uv_idle_t *idle)
{
    if (got == SENDERS * EACH)
        uv_close((uv_handle_t *)idle, NULL);
}

static void many_threads_post_and_each_keeps_its_order(void **state)
{
    pthread_t threads[SENDERS];
    uv_idle_t idle;

    (void)state;
    uv_loop_init(&loop);
    box = weir_mailbox_create(&loop, 100);
    uv_idle_init(&loop, &idle);
    uv_idle_start(&idle, do_nothing);
    for (unsigned s = 0; s < SENDERS; s++) {
        for (unsigned long i = 0; i < EACH; i++)
            notes[s][i] = (struct note){s, i + 1};
        assert_int_equal(pthread_create(&threads[s], NULL, send_all, notes[s]), 0);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    for (unsigned s = 0; s < SENDERS; s++)
        pthread_join(threads[s], NULL);
    assert_int_equal(got, SENDERS * EACH);
    weir_mailbox_destroy(box);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void turn(uv_idle_t *idle)
{
    (void)idle;
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

static void post_again(void *arg)
{
    count(arg);
    assert_int_equal(weir_mailbox_post(box, count, arg), WEIR_OK);
}

static void a_full_box_refuses_and_a_closing_one_runs_what_it_has(void **state)
{
    unsigned n = 0;
    uv_idle_t idle; /* a mailbox alone doesn't keep the loop alive */

    (void)state;
    uv_loop_init(&loop);
    uv_idle_init(&loop, &idle);
    uv_idle_start(&idle, turn);
    box = weir_mailbox_create(&loop, 2);
    assert_int_equal(weir_mailbox_post(box, post_again, &n), WEIR_OK);
    assert_int_equal(weir_mailbox_post(box, count, &n), WEIR_OK);
    assert_int_equal(weir_mailbox_post(box, count, &n), WEIR_ELIMIT);
    for (int i = 0; i < 100 && n < 3; i++)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(n, 3);
    uv_close((uv_handle_t *)&idle, NULL);
    assert_int_equal(weir_mailbox_post(box, count, &n), WEIR_OK);
    weir_mailbox_destroy(box);
    assert_int_equal(n, 4);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_post_and_each_keeps_its_order),
        cmocka_unit_test(a_full_box_refuses_and_a_closing_one_runs_what_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
