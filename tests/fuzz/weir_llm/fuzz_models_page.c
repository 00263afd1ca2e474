/* fuzz_models_page.c - the query of a list of models, of any content: a page lies in the list, or
 * the query is refused with a reason. The first byte picks the API. */
#include <stdint.h>

#include "dataplane/llm/models_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum weir_dialect d, struct weir_str query, struct weir_arena *a)
{
    static const struct weir_llm_model models[] = {{WEIR_STR_INIT("a"), WEIR_STR_INIT("p"), 0},
                                                   {WEIR_STR_INIT("b/1"), WEIR_STR_INIT("p"), 0},
                                                   {WEIR_STR_INIT("c"), WEIR_STR_INIT("p"), 0}};
    static const size_t n = sizeof models / sizeof *models;
    struct weir_llm_models_page page;
    struct weir_err err = {.rc = WEIR_OK};

    if (weir_llm_models_page(d, query, models, n, a, &page, &err)) {
        WEIR_ASSERT(err.http_status == 400 && err.detail);
        return;
    }
    WEIR_ASSERT(page.first <= n && page.n <= n - page.first);
    WEIR_ASSERT(!page.more || page.n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_arena *a = weir_arena_create(NULL);

    if (size > 0)
        check((enum weir_dialect)(WEIR_DIALECT_OPENAI_CHAT +
                                  data[0] % (WEIR_DIALECT_CLIENTS - WEIR_DIALECT_OPENAI_CHAT)),
              (struct weir_str){(const char *)data + 1, size - 1}, a);
    weir_arena_destroy(a);
    return 0;
}
