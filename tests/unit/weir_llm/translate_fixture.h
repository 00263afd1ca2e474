/* translate_fixture.h - for the tests of translated requests: an arena, and what was made. */
#ifndef WEIR_TESTS_LLM_TRANSLATE_FIXTURE_H
#define WEIR_TESTS_LLM_TRANSLATE_FIXTURE_H

#include "base/arena.h"
#include "dataplane/llm/translate.h"

static struct weir_arena *arena;
static struct weir_llm_translation made;
static struct weir_err err;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    weir_buf_init(&made.rest, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_buf_fini(&made.rest);
    weir_arena_destroy(arena);
    return 0;
}

#endif
