/* Requests and answers between dialects: what is translated is well-formed JSON that the target's
 * own reader takes; a stream is translated alike however it is cut, and a cut one ends properly. */
#include <stdlib.h>

#include "data/json_scan.h"
#include "dataplane/llm/translate.h"

/* Some bodies don't name the model, nor whether a stream is asked for: their paths do. */
static struct weir_llm_endpoint at(enum weir_dialect d, const char *model, bool stream)
{
    bool in_path = d == WEIR_DIALECT_GEMINI || d == WEIR_DIALECT_BEDROCK;

    return (struct weir_llm_endpoint){.dialect = d,
                                      .model = in_path ? weir_str_of(model) : WEIR_STR_NULL,
                                      .stream = in_path && stream};
}

static void check_names(struct weir_str dropped)
{
    for (size_t i = 0; i < dropped.n; i++)
        WEIR_ASSERT(dropped.p[i] >= 0x20 && dropped.p[i] < 0x7f);
}

/* What a provider gets must be a call of its own dialect. */
static void check_translated(enum weir_dialect to, bool stream, struct weir_str body,
                             struct weir_arena *a)
{
    struct weir_llm_endpoint provider = at(to, "m", stream);
    struct weir_llm_call call;
    struct weir_err err = {0};

    WEIR_ASSERT(weir_json_check(body, NULL) == WEIR_OK);
    WEIR_ASSERT(weir_llm_decode(&provider, body, a, &call, &err) == WEIR_OK);
    WEIR_ASSERT(call.max_output_tokens == 7 && call.stream == stream);
}

static void check_request(enum weir_dialect d, enum weir_dialect to, struct weir_str body)
{
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_llm_translation t;
    struct weir_llm_pieces pieces;
    struct weir_llm_call call;
    struct weir_llm_endpoint client = at(d, "m", body.n & 1);
    struct weir_err err = {0};
    struct weir_buf b;

    weir_buf_init(&b, 1 << 24);
    if (weir_llm_decode(&client, body, a, &call, &err) == WEIR_OK) {
        if (weir_llm_translate(&call, body, to, false, a, &t, &err) == WEIR_OK) {
            weir_llm_translated(&t, WEIR_STR("m"), 7, false, a, &pieces);
            for (size_t i = 0; i < pieces.count; i++)
                weir_buf_adds(&b, pieces.piece[i]);
            WEIR_ASSERT(b.n == pieces.bytes);
            check_names(t.dropped);
            check_translated(to, call.stream, weir_buf_str(&b), a);
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

static struct weir_llm_tap *run(struct weir_arena *a, const struct weir_llm_tap_conf *conf,
                                struct weir_str text, size_t step, struct weir_buf *sent)
{
    struct weir_llm_tap *tap = weir_llm_tap_create(a, conf);
    int rc = WEIR_OK;

    weir_buf_init(sent, 1 << 24);
    for (size_t at = 0; at < text.n && rc == WEIR_OK; at += step)
        rc = weir_llm_tap_feed(tap, text.p + at, text.n - at < step ? text.n - at : step, collect,
                               sent);
    return tap;
}

/* What a client of another dialect gets must be complete to its own reader. */
static void check_cut(struct weir_arena *a, struct weir_llm_tap *tap, enum weir_dialect client,
                      struct weir_buf *sent)
{
    struct weir_llm_tap_conf conf = {.dialect = client, .event_stream = true};
    struct weir_buf rest, again;

    weir_buf_init(&rest, 1 << 24);
    if (weir_llm_tap_cut(tap, WEIR_STR("The budget is used up."), &rest) == WEIR_OK) {
        weir_buf_adds(sent, weir_buf_str(&rest));
        tap = run(a, &conf, weir_buf_str(sent), sent->n, &again);
        WEIR_ASSERT(weir_llm_tap_end(tap, collect, &again) == WEIR_OK);
        WEIR_ASSERT(weir_llm_tap_seen(tap)->complete);
        weir_buf_fini(&again);
    }
    weir_buf_fini(&rest);
}

static void check_answer(enum weir_dialect d, enum weir_dialect client, bool stream,
                         struct weir_str text)
{
    static const struct weir_llm_tool_name tools[] = {
        {WEIR_STR_INIT("f"), WEIR_STR_INIT("exec"), WEIR_STR_INIT("s"), true},
        {WEIR_STR_INIT("n"), WEIR_STR_INIT("m"), WEIR_STR_INIT("s"), false}};
    struct weir_llm_tap_conf conf = {.dialect = d,
                                     .client = client,
                                     .tools = tools,
                                     .tool_count = 2,
                                     .event_stream = stream,
                                     .client_usage = text.n & 1,
                                     .status = text.n % 3 || stream ? 200 : 422,
                                     .max_event_bytes = 1 << 16};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_llm_tap *x, *y;
    struct weir_buf whole, split;

    x = run(a, &conf, text, text.n, &whole);
    y = run(a, &conf, text, 1, &split);
    if (weir_llm_tap_end(x, collect, &whole) == weir_llm_tap_end(y, collect, &split))
        WEIR_ASSERT(weir_str_eq(weir_buf_str(&whole), weir_buf_str(&split)));
    if (!stream && whole.n)
        WEIR_ASSERT(weir_json_check(weir_buf_str(&whole), NULL) == WEIR_OK);
    if (stream)
        check_cut(a, y, client, &split);
    weir_buf_fini(&whole);
    weir_buf_fini(&split);
    weir_arena_destroy(a);
}

/* A stream that is given as a document, ended or cut, is one document of the client's, or nothing.
 */
static void check_gathered(enum weir_dialect d, enum weir_dialect client, struct weir_str text)
{
    struct weir_llm_tap_conf conf = {.dialect = d,
                                     .client = client,
                                     .event_stream = true,
                                     .gathers = true,
                                     .status = 200,
                                     .max_event_bytes = 1 << 16};
    struct weir_arena *a = weir_arena_create(NULL);
    struct weir_buf whole, part;
    struct weir_llm_tap *x = run(a, &conf, text, text.n, &whole);
    int ended = weir_llm_tap_end(x, collect, &whole);

    if (whole.n && !weir_llm_tap_seen(x)->error) {
        WEIR_ASSERT(ended == WEIR_OK || weir_llm_tap_seen(x)->complete);
        WEIR_ASSERT(weir_json_check(weir_buf_str(&whole), NULL) == WEIR_OK);
    }
    weir_buf_fini(&whole);
    x = run(a, &conf, (struct weir_str){text.p, text.n / 2}, text.n, &part);
    weir_buf_init(&whole, 1 << 24);
    if (weir_llm_tap_cut(x, WEIR_STR("The budget is used up."), &whole) == WEIR_OK) {
        WEIR_ASSERT(part.n == 0);
        WEIR_ASSERT(weir_json_check(weir_buf_str(&whole), NULL) == WEIR_OK);
    }
    weir_buf_fini(&whole);
    weir_buf_fini(&part);
    weir_arena_destroy(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct weir_str text = {(const char *)p, n};

    if (n == 0 || n > 1 << 14)
        return 0;
    for (enum weir_dialect d = WEIR_DIALECT_OPENAI_CHAT; d < WEIR_DIALECT_COUNT; d++)
        for (enum weir_dialect to = WEIR_DIALECT_OPENAI_CHAT; to < WEIR_DIALECT_COUNT; to++) {
            if (to != d && d < WEIR_DIALECT_CLIENTS)
                check_request(d, to, text);
            if (to >= WEIR_DIALECT_CLIENTS)
                continue;
            check_gathered(d, to, text);
            if (to == d)
                continue;
            check_answer(d, to, true, text);
            check_answer(d, to, false, text);
        }
    return 0;
}
