/* What passes: a model that was read is still the one that is read after it was replaced, and
 * nothing else changed. */
#include <stdlib.h>

#include "dataplane/llm/llm.h"

static void check(const char *type, struct weir_str body)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_llm_call call, again;
    struct weir_llm_pieces pieces;
    struct weir_err err;
    struct weir_buf b;

    if (weir_llm_read_passed(weir_str_of(type), body, a, &call, &err) != WEIR_OK) {
        WEIR_ASSERT(err.http_status == 400 && err.detail);
        weir_arena_destroy(a);
        return;
    }
    WEIR_ASSERT(call.n >= 1 && call.n <= 128);
    weir_buf_init(&b, body.n + 64);
    weir_llm_edit(&call, body, &(struct weir_llm_edits){.model = WEIR_STR("other")}, a, &pieces);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    WEIR_ASSERT(b.n == pieces.bytes);
    if (!call.model.p)
        WEIR_ASSERT(weir_str_eq(weir_buf_str(&b), body));
    WEIR_ASSERT(weir_llm_read_passed(weir_str_of(type), weir_buf_str(&b), a, &again, &err) ==
                WEIR_OK);
    WEIR_ASSERT(call.model.p ? weir_str_is(again.model, "other") : !again.model.p);
    WEIR_ASSERT(again.n == call.n);
    weir_buf_fini(&b);
    weir_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    check("multipart/form-data; boundary=\"X\"", (struct weir_str){(const char *)p, n});
    check("application/octet-stream", (struct weir_str){(const char *)p, n});
    return 0;
}
