/* Any body towards every server that imitates OpenAI's: what is made of a well-formed one is
 * well-formed, is taken as it is the second time, and names only what a header can hold. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/err.h"
#include "data/json_scan.h"
#include "dataplane/llm/servers.h"

static void check_name(struct weir_str name)
{
    for (size_t i = 0; i < name.n; i++)
        WEIR_ASSERT(name.p[i] > 0x20 && name.p[i] < 0x7f);
}

static void check(const struct weir_server *s, struct weir_str body)
{
    static const struct weir_str refuses[] = {WEIR_STR_INIT("stop")};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_server_fit fit, again;

    if (weir_server_fit(s, refuses, 1, body, a, &fit)) {
        if (weir_json_check(body, NULL) == WEIR_OK)
            WEIR_ASSERT(weir_json_check(fit.body, NULL) == WEIR_OK);
        WEIR_ASSERT(!weir_server_fit(s, refuses, 1, fit.body, a, &again));
        for (size_t i = 0; i < fit.dropped_count; i++)
            check_name(fit.dropped[i]);
    }
    weir_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0 || n > 1 << 14)
        return 0;
    for (size_t i = 0; weir_server_at(i); i++)
        check(weir_server_at(i), (struct weir_str){(const char *)p, n});
    check(NULL, (struct weir_str){(const char *)p, n});
    return 0;
}
