/* fuzz_endpoint.c - a client's path of any content: what is found can be sent on, and the path of a
 * provider is found again with the same meaning. The first byte picks the method. */
#include <stdint.h>

#include "dataplane/llm/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(enum weir_http_method method, struct weir_str path, struct weir_arena *a)
{
    struct weir_llm_endpoint found, again;
    struct weir_str to;
    int rc = weir_llm_endpoint_find(method, path, a, &found);

    WEIR_ASSERT(found.dialect > WEIR_DIALECT_NONE && found.dialect < WEIR_DIALECT_ALL);
    if (rc) {
        WEIR_ASSERT(rc == WEIR_ENOTFOUND || rc == WEIR_EINVAL);
        return;
    }
    WEIR_ASSERT(found.operation != WEIR_OP_UNKNOWN);
    if (found.operation == WEIR_OP_MODELS) /* no provider is asked */
        return;
    to = weir_llm_endpoint_path(&found, WEIR_STR(""), a);
    if (!to.p)
        return;
    WEIR_ASSERT(weir_llm_endpoint_find(method, to, a, &again) == WEIR_OK);
    WEIR_ASSERT(again.dialect == found.dialect && again.operation == found.operation);
    WEIR_ASSERT(again.stream == found.stream && weir_str_eq(again.model, found.model));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weir_arena *a = weir_arena_create(NULL);

    if (size > 0)
        check(data[0] % 2 ? WEIR_HTTP_POST : WEIR_HTTP_GET,
              (struct weir_str){(const char *)data + 1, size - 1}, a);
    weir_arena_destroy(a);
    return 0;
}
