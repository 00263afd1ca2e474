/* Embeddings between dialects: any body as a client's request towards every provider, and as every
 * provider's answer to each client. What is written is well-formed JSON. */
#include <stdlib.h>

#include "data/json_scan.h"
#include "dataplane/llm/translate.h"

static const enum weir_dialect clients[] = {
    WEIR_DIALECT_OPENAI_EMBEDDINGS, WEIR_DIALECT_GEMINI_EMBED, WEIR_DIALECT_GEMINI_EMBED_BATCH};

static const enum weir_dialect providers[] = {
    WEIR_DIALECT_OPENAI_EMBEDDINGS, WEIR_DIALECT_GEMINI_EMBED_BATCH, WEIR_DIALECT_COHERE_EMBED,
    WEIR_DIALECT_BEDROCK_COHERE_EMBED, WEIR_DIALECT_TITAN_EMBED};

static void check_request(enum weir_dialect d, enum weir_dialect to, struct weir_str body)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_llm_endpoint client = {
        .dialect = d,
        .model = weir_dialect_family(d) == WEIR_DIALECT_GEMINI ? WEIR_STR("m") : WEIR_STR_NULL};
    struct weir_llm_translation t;
    struct weir_llm_pieces pieces;
    struct weir_llm_call call;
    struct weir_err err = {0};
    struct weir_buf b;

    weir_buf_init(&b, 1 << 24);
    if (weir_llm_decode(&client, body, a, &call, &err) == WEIR_OK) {
        if (weir_llm_translate(&call, body, to, body.n & 1, a, &t, &err) == WEIR_OK) {
            weir_llm_translated(&t, WEIR_STR("m\"x"), 0, false, a, &pieces);
            for (size_t i = 0; i < pieces.count; i++)
                weir_buf_adds(&b, pieces.piece[i]);
            WEIR_ASSERT(weir_json_check(weir_buf_str(&b), NULL) == WEIR_OK);
        } else {
            WEIR_ASSERT(err.http_status >= 400 && err.detail);
        }
        weir_buf_fini(&t.rest);
    }
    weir_buf_fini(&b);
    weir_arena_destroy(a);
}

static void collect(void *arg, const char *p, size_t n)
{
    weir_buf_add(arg, p, n);
}

static void check_answer(enum weir_dialect d, enum weir_dialect client, struct weir_str text)
{
    struct weir_llm_tap_conf conf = {
        .dialect = d, .client = client, .status = 200, .base64 = text.n & 1};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_llm_tap *t = weir_llm_tap_create(a, &conf);
    struct weir_buf sent;

    weir_buf_init(&sent, 1 << 24);
    if (weir_llm_tap_feed(t, text.p, text.n, collect, &sent) == WEIR_OK &&
        weir_llm_tap_end(t, collect, &sent) == WEIR_OK)
        WEIR_ASSERT(weir_json_check(weir_buf_str(&sent), NULL) == WEIR_OK);
    weir_buf_fini(&sent);
    weir_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct weir_str text = {(const char *)p, n};

    if (n == 0 || n > 1 << 14)
        return 0;
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
        for (size_t k = 0; k < sizeof providers / sizeof *providers; k++) {
            if (clients[i] == providers[k])
                continue;
            check_request(clients[i], providers[k], text);
            check_answer(providers[k], clients[i], text);
        }
    return 0;
}
