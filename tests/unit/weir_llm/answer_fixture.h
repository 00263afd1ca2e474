/* answer_fixture.h - for the tests of answers: an arena, and what was sent to the client. */
#ifndef WEIR_TESTS_LLM_ANSWER_FIXTURE_H
#define WEIR_TESTS_LLM_ANSWER_FIXTURE_H

#include "base/arena.h"
#include "base/buf.h"

static struct weir_arena *arena;
static struct weir_buf sent;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    weir_buf_init(&sent, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_buf_fini(&sent);
    weir_arena_destroy(arena);
    return 0;
}

static void sink(void *arg, const char *p, size_t n)
{
    (void)arg;
    assert_int_equal(weir_buf_add(&sent, p, n), WEIR_OK);
}

#endif
