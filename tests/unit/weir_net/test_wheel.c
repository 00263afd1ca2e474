#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "net/wheel.h"

struct rig {
    uv_loop_t loop;
    struct weir_wheel *wheel;
    uint64_t now;
};

struct probe {
    struct weir_wheel_timer timer;
    unsigned fired;
};

static void on_probe(struct weir_wheel_timer *t)
{
    WEIR_CONTAINER(t, struct probe, timer)->fired++;
}

static int setup(void **state)
{
    static struct rig r;

    assert_int_equal(uv_loop_init(&r.loop), 0);
    r.wheel = weir_wheel_create(&r.loop);
    r.now = uv_now(&r.loop);
    assert_non_null(r.wheel);
    *state = &r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    weir_wheel_destroy(r->wheel);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    return uv_loop_close(&r->loop);
}

static void a_timer_fires_once_never_early_and_at_most_two_ticks_late(void **state)
{
    static const uint64_t delays[] = {0, 1, 49, 50, 51, 1000, 25599, 25600, 25601, 100000};
    struct rig *r = *state;

    for (size_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        struct probe p = {.fired = 0};
        uint64_t at;

        weir_wheel_timer_init(&p.timer, on_probe);
        weir_wheel_arm(r->wheel, &p.timer, delays[i]);
        assert_true(weir_wheel_armed(&p.timer));
        at = r->now + delays[i];
        for (uint64_t t = r->now; t < at; t += 10) {
            weir_wheel_advance(r->wheel, t);
            assert_int_equal(p.fired, 0);
        }
        weir_wheel_advance(r->wheel, at + 2 * WEIR_WHEEL_TICK_MS);
        assert_int_equal(p.fired, 1);
        assert_false(weir_wheel_armed(&p.timer));
        weir_wheel_advance(r->wheel, at + 200000);
        assert_int_equal(p.fired, 1);
        weir_wheel_destroy(r->wheel); /* its clock is ahead of the loop's now */
        r->wheel = weir_wheel_create(&r->loop);
    }
}

static void a_cancelled_timer_does_not_fire(void **state)
{
    struct rig *r = *state;
    struct probe a = {.fired = 0}, b = {.fired = 0};

    weir_wheel_timer_init(&a.timer, on_probe);
    weir_wheel_timer_init(&b.timer, on_probe);
    weir_wheel_arm(r->wheel, &a.timer, 100);
    weir_wheel_arm(r->wheel, &b.timer, 100);
    weir_wheel_cancel(r->wheel, &a.timer);
    weir_wheel_cancel(r->wheel, &a.timer);
    weir_wheel_advance(r->wheel, r->now + 1000);
    assert_int_equal(a.fired, 0);
    assert_int_equal(b.fired, 1);
}

static struct weir_wheel *the_wheel;
static struct probe other;

static void cancel_other(struct weir_wheel_timer *t)
{
    WEIR_CONTAINER(t, struct probe, timer)->fired++;
    weir_wheel_cancel(the_wheel, &other.timer);
    weir_wheel_arm(the_wheel, t, 0);
}

static void a_callback_may_cancel_its_neighbour_and_arm_itself(void **state)
{
    struct rig *r = *state;
    struct probe p = {.fired = 0};

    the_wheel = r->wheel;
    weir_wheel_timer_init(&p.timer, cancel_other);
    weir_wheel_timer_init(&other.timer, on_probe);
    weir_wheel_arm(r->wheel, &p.timer, 100);
    weir_wheel_arm(r->wheel, &other.timer, 100);
    weir_wheel_advance(r->wheel, r->now + 200);
    assert_true(p.fired >= 1);
    assert_int_equal(other.fired, 0);
    weir_wheel_cancel(r->wheel, &p.timer);
}

static void a_loop_that_slept_for_long_catches_up(void **state)
{
    struct rig *r = *state;
    struct probe p[100];

    for (size_t i = 0; i < 100; i++) {
        p[i].fired = 0;
        weir_wheel_timer_init(&p[i].timer, on_probe);
        weir_wheel_arm(r->wheel, &p[i].timer, i * 997);
    }
    weir_wheel_advance(r->wheel, r->now + 10000000);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(p[i].fired, 1);
}

struct live {
    struct probe probe;
    uv_idle_t busy; /* keeps the loop turning: a wheel alone doesn't */
};

static void on_live(struct weir_wheel_timer *t)
{
    struct live *l = WEIR_CONTAINER(t, struct live, probe.timer);

    l->probe.fired++;
    uv_close((uv_handle_t *)&l->busy, NULL);
}

static void do_nothing(uv_idle_t *idle)
{
    (void)idle;
}

static void the_loop_drives_it(void **state)
{
    struct rig *r = *state;
    struct live l = {.probe.fired = 0};

    uv_idle_init(&r->loop, &l.busy);
    uv_idle_start(&l.busy, do_nothing);
    weir_wheel_timer_init(&l.probe.timer, on_live);
    weir_wheel_arm(r->wheel, &l.probe.timer, 10);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(l.probe.fired, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_timer_fires_once_never_early_and_at_most_two_ticks_late,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_timer_does_not_fire, setup, teardown),
        cmocka_unit_test_setup_teardown(a_callback_may_cancel_its_neighbour_and_arm_itself, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_loop_that_slept_for_long_catches_up, setup, teardown),
        cmocka_unit_test_setup_teardown(the_loop_drives_it, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
