/* Requests of any dialect: what is read and edited is still a body of the same dialect that says
 * what the edits say. */
#include <stdlib.h>

#include "data/json_scan.h"
#include "dataplane/llm/llm.h"

/* Some bodies don't name the model, nor whether a stream is asked for: their paths do. */
static struct weir_llm_endpoint at(enum weir_dialect d, const char *model, bool stream)
{
    bool in_path = weir_dialect_family(d) == WEIR_DIALECT_GEMINI ||
                   weir_dialect_family(d) == WEIR_DIALECT_BEDROCK;

    return (struct weir_llm_endpoint){.dialect = d,
                                      .model = in_path ? weir_str_of(model) : WEIR_STR_NULL,
                                      .stream = d == WEIR_DIALECT_GEMINI && stream};
}

static void check(enum weir_dialect d, struct weir_str body)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_llm_edits edits = {
        .model = WEIR_STR("a\"b"), .ask_usage = true, .max_output_tokens = 17};
    struct weir_llm_call call, again;
    struct weir_llm_pieces pieces;
    struct weir_err err;
    struct weir_llm_endpoint from = at(d, "m", false), to = at(d, "a\"b", false);
    struct weir_buf b;

    if (weir_llm_decode(&from, body, a, &call, &err) != WEIR_OK) {
        WEIR_ASSERT(err.http_status == 400 && err.detail);
        weir_arena_destroy(a);
        return;
    }
    WEIR_ASSERT(weir_json_check(body, NULL) == WEIR_OK);
    WEIR_ASSERT(call.input_bound >= call.input_estimate / 2 && call.n >= 1);
    weir_llm_edit(&call, body, &edits, a, &pieces);
    weir_buf_init(&b, 2 * body.n + 1024);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    WEIR_ASSERT(b.n == pieces.bytes);
    WEIR_ASSERT(weir_llm_decode(&to, weir_buf_str(&b), a, &again, &err) == WEIR_OK);
    WEIR_ASSERT(call.model.p ? weir_str_is(again.model, "a\"b") : !again.model.p);
    WEIR_ASSERT(again.max_output_tokens >= 0 && again.max_output_tokens <= 17);
    WEIR_ASSERT(again.messages == call.messages && again.stream == call.stream);
    if (call.stream && d == WEIR_DIALECT_OPENAI_CHAT)
        WEIR_ASSERT(again.asks_usage);
    weir_buf_fini(&b);
    weir_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_ALL; d++)
        check(d, (struct weir_str){(const char *)p, n});
    return 0;
}
