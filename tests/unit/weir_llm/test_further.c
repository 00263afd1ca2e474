/* test_further.c - embeddings and legacy completions: what their requests ask for, how they are
 * edited, and what their answers are billed by. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/llm/endpoint.h"
#include "dataplane/llm/llm.h"

static struct weir_arena *arena;
static struct weir_llm_call call;
static struct weir_err err;
static struct weir_buf sent;

static int setup(void **state)
{
    (void)state;
    arena = weir_arena_create(NULL);
    weir_buf_init(&sent, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    weir_buf_fini(&sent);
    weir_arena_destroy(arena);
    return 0;
}

static int decode(enum weir_dialect d, const char *body)
{
    bool in_path = weir_dialect_family(d) == WEIR_DIALECT_GEMINI;

    return weir_llm_decode(
        &(struct weir_llm_endpoint){.dialect = d,
                                    .model = in_path ? WEIR_STR("gem") : WEIR_STR_NULL},
        weir_str_of(body), arena, &call, &err);
}

static const char *edited(const char *body, const struct weir_llm_edits *edits)
{
    struct weir_llm_pieces pieces;

    weir_llm_edit(&call, weir_str_of(body), edits, arena, &pieces);
    weir_buf_clear(&sent);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&sent, pieces.piece[i]);
    weir_buf_add(&sent, "", 1);
    return sent.p;
}

static void sink(void *arg, const char *p, size_t n)
{
    weir_buf_add(arg, p, n);
}

static struct weir_usage usage_of(enum weir_dialect d, const char *answer)
{
    struct weir_llm_tap *t = weir_llm_tap_create(
        arena, &(struct weir_llm_tap_conf){.dialect = d, .status = 200, .input_estimate = 9});
    struct weir_usage u;

    weir_buf_clear(&sent);
    assert_int_equal(weir_llm_tap_feed(t, answer, strlen(answer), sink, &sent), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(t, sink, &sent), WEIR_OK);
    assert_int_equal(sent.n, strlen(answer));
    weir_llm_tap_usage(t, &u);
    return u;
}

static void paths_are_found(void **state)
{
    static const struct {
        const char *path;
        enum weir_dialect dialect;
        const char *to;
    } cases[] = {
        {"/v1/embeddings", WEIR_DIALECT_OPENAI_EMBEDDINGS, "/v1/embeddings"},
        {"/openai/v1/completions", WEIR_DIALECT_OPENAI_COMPLETIONS, "/v1/completions"},
        {"/v1/models/g:embedContent", WEIR_DIALECT_GEMINI_EMBED, "/v1beta/models/g:embedContent"},
        {"/v1beta/models/g:batchEmbedContents", WEIR_DIALECT_GEMINI_EMBED_BATCH,
         "/v1beta/models/g:batchEmbedContents"},
    };
    struct weir_llm_endpoint e;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            weir_llm_endpoint_find(WEIR_HTTP_POST, weir_str_of(cases[i].path), arena, &e), WEIR_OK);
        assert_int_equal(e.dialect, cases[i].dialect);
        assert_true(weir_str_is(weir_llm_endpoint_path(&e, WEIR_STR(""), arena), cases[i].to));
    }
}

static void input_of_embeddings_is_bounded_and_has_no_output(void **state)
{
    const char *body = "{\"model\":\"e\",\"input\":[\"one\",\"two\",[1,2]],\"user\":\"u\"}";

    (void)state;
    assert_int_equal(decode(WEIR_DIALECT_OPENAI_EMBEDDINGS, body), WEIR_OK);
    assert_int_equal(call.messages, 3);
    assert_int_equal(call.max_output_tokens, 0);
    assert_true(call.input_bound >= (int64_t)strlen(body));
    assert_true(weir_str_is(call.user, "u"));
    assert_string_equal(edited(body, &(struct weir_llm_edits){.model = WEIR_STR("f"),
                                                              .ask_usage = true,
                                                              .max_output_tokens = 5}),
                        "{\"model\":\"f\",\"input\":[\"one\",\"two\",[1,2]],\"user\":\"u\"}");
    assert_int_equal(
        decode(WEIR_DIALECT_OPENAI_EMBEDDINGS, "{\"model\":\"e\",\"input\":[{\"image\":\"u\"}]}"),
        WEIR_OK);
    assert_int_equal(call.images, 1);
}

static void usage_of_embeddings_is_input_alone(void **state)
{
    struct weir_usage u;

    (void)state;
    u = usage_of(WEIR_DIALECT_OPENAI_EMBEDDINGS,
                 "{\"object\":\"list\",\"data\":[{\"embedding\":[0.5,0.25]}],"
                 "\"usage\":{\"prompt_tokens\":7,\"total_tokens\":7}}");
    assert_int_equal(u.input, 7);
    assert_int_equal(u.output, 0);
    assert_false(u.estimated);
    u = usage_of(WEIR_DIALECT_GEMINI_EMBED_BATCH, "{\"embeddings\":[{\"values\":[1]}]}");
    assert_int_equal(u.input, 9);
    assert_int_equal(u.output, 0);
    assert_true(u.estimated);
}

static void servers_tell_usage_in_their_own_ways(void **state)
{
    static const struct {
        const char *usage;
        int64_t input, output, cached, reasoning;
    } cases[] = {
        /* reasoning in the completion, and beside it */
        {"{\"prompt_tokens\":10,\"completion_tokens\":9,\"total_tokens\":19,"
         "\"completion_tokens_details\":{\"reasoning_tokens\":4}}",
         10, 9, -1, 4},
        {"{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":19,"
         "\"completion_tokens_details\":{\"reasoning_tokens\":4}}",
         10, 9, -1, 4},
        {"{\"completion_tokens_details\":{\"reasoning_tokens\":4},\"total_tokens\":19,"
         "\"completion_tokens\":5,\"prompt_tokens\":10}",
         10, 9, -1, 4},
        /* DeepSeek, Mistral */
        {"{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":8,"
         "\"prompt_cache_miss_tokens\":2}",
         10, 5, 8, -1},
        {"{\"prompt_tokens\":10,\"completion_tokens\":5,\"num_cached_tokens\":3}", 10, 5, 3, -1},
        {"{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_token_details\":{"
         "\"cached_tokens\":3}}",
         10, 5, 3, -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weir_usage u = usage_of(
            WEIR_DIALECT_OPENAI_CHAT,
            weir_arena_printf(arena, "{\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":%s}",
                              cases[i].usage));

        assert_int_equal(u.input, cases[i].input);
        assert_int_equal(u.output, cases[i].output);
        assert_int_equal(u.cache_read, cases[i].cached);
        assert_int_equal(u.reasoning, cases[i].reasoning);
    }
}

/* The tap of a stream that has had these events. */
static struct weir_llm_tap *streamed(const char *events)
{
    struct weir_llm_tap *t =
        weir_llm_tap_create(arena, &(struct weir_llm_tap_conf){.dialect = WEIR_DIALECT_OPENAI_CHAT,
                                                               .status = 200,
                                                               .event_stream = true,
                                                               .hide_usage = true});

    weir_buf_clear(&sent);
    assert_int_equal(weir_llm_tap_feed(t, events, strlen(events), sink, &sent), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(t, sink, &sent), WEIR_OK);
    return t;
}

static void usage_of_groqs_streams_is_read_and_stays(void **state)
{
    const char *events = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],"
                         "\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":7,"
                         "\"completion_tokens\":3}}}\n\ndata: [DONE]\n\n";
    struct weir_usage u;

    (void)state;
    weir_llm_tap_usage(streamed(events), &u);
    assert_int_equal(u.input, 7);
    assert_int_equal(u.output, 3);
    assert_false(u.estimated);
    assert_int_equal(sent.n, strlen(events));
}

static void content_in_parts_counts_by_its_texts(void **state)
{
    (void)state;
    assert_int_equal(
        weir_llm_tap_seen(
            streamed("data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\","
                     "\"thinking\":[{\"type\":\"text\",\"text\":\"abc\"}]},{\"type\":"
                     "\"text\",\"text\":\"de\"}]}}]}\n\ndata: [DONE]\n\n"))
            ->output_bytes,
        5);
}

static void content_in_parts_is_translated_as_reasoning_and_text(void **state)
{
    const char *answer =
        "{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
        "\"assistant\","
        "\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"abc\"}]},"
        "{\"type\":\"text\",\"text\":\"de\"}]},\"finish_reason\":\"stop\"}],\"usage\":{"
        "\"prompt_tokens\":7,\"completion_tokens\":3}}";
    struct weir_llm_tap *t = weir_llm_tap_create(
        arena, &(struct weir_llm_tap_conf){.dialect = WEIR_DIALECT_OPENAI_CHAT,
                                           .client = WEIR_DIALECT_ANTHROPIC_MESSAGES,
                                           .status = 200});

    (void)state;
    assert_int_equal(weir_llm_tap_feed(t, answer, strlen(answer), sink, &sent), WEIR_OK);
    assert_int_equal(weir_llm_tap_end(t, sink, &sent), WEIR_OK);
    weir_buf_add(&sent, "", 1);
    assert_non_null(strstr(sent.p, "\"thinking\":\"abc\""));
    assert_non_null(strstr(sent.p, "\"type\":\"text\",\"text\":\"de\""));
}

static void a_batch_has_its_model_replaced_in_every_part(void **state)
{
    const char *body = "{\"requests\":[{\"model\":\"models/gem\",\"content\":{\"parts\":[{\"text\":"
                       "\"a\"}]}},{\"content\":{}},{\"content\":{},\"model\":\"models/gem\"},"
                       "{\"model\":\"gem\"}]}";

    (void)state;
    assert_int_equal(decode(WEIR_DIALECT_GEMINI_EMBED_BATCH, body), WEIR_OK);
    assert_int_equal(call.messages, 3);
    assert_string_equal(edited(body, &(struct weir_llm_edits){.model = WEIR_STR("x")}),
                        "{\"requests\":[{\"model\":\"models/x\",\"content\":{\"parts\":[{\"text\":"
                        "\"a\"}]}},{\"content\":{}},{\"content\":{},\"model\":\"models/x\"},"
                        "{\"model\":\"models/x\"}]}");
}

static void a_batch_with_another_model_or_two_is_refused(void **state)
{
    (void)state;
    assert_int_equal(
        decode(WEIR_DIALECT_GEMINI_EMBED_BATCH, "{\"requests\":[{\"model\":\"models/dear\"}]}"),
        WEIR_EINVAL);
    assert_int_equal(decode(WEIR_DIALECT_GEMINI_EMBED_BATCH,
                            "{\"requests\":[{\"model\":\"gem\",\"model\":\"gem\"}]}"),
                     WEIR_EINVAL);
    assert_int_equal(decode(WEIR_DIALECT_GEMINI_EMBED, "{\"model\":\"dear\"}"), WEIR_EINVAL);
}

static void every_answer_of_a_completion_counts(void **state)
{
    static const struct {
        const char *body;
        int64_t n;
    } cases[] = {
        {"{\"model\":\"c\",\"prompt\":\"p\"}", 1},
        {"{\"model\":\"c\",\"prompt\":[1,2,3]}", 1},
        {"{\"model\":\"c\",\"prompt\":[\"p\",\"q\"],\"n\":3}", 6},
        {"{\"model\":\"c\",\"prompt\":[[1],[2]],\"n\":3,\"best_of\":5}", 10},
        {"{\"model\":\"c\",\"prompt\":\"p\",\"n\":3,\"best_of\":null}", 3},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(decode(WEIR_DIALECT_OPENAI_COMPLETIONS, cases[i].body), WEIR_OK);
        assert_int_equal(call.n, cases[i].n);
        assert_int_equal(call.max_output_tokens, -1);
    }
    assert_int_equal(weir_dialect_default_output(WEIR_DIALECT_OPENAI_COMPLETIONS), 16);
}

static void a_completion_is_edited(void **state)
{
    const char *body = "{\"model\":\"c\",\"prompt\":\"p\",\"stream\":true}";

    (void)state;
    assert_int_equal(decode(WEIR_DIALECT_OPENAI_COMPLETIONS, body), WEIR_OK);
    assert_string_equal(
        edited(body, &(struct weir_llm_edits){.ask_usage = true, .max_output_tokens = 16}),
        "{\"stream_options\":{\"include_usage\":true},\"max_tokens\":16,"
        "\"model\":\"c\",\"prompt\":\"p\",\"stream\":true}");
}

static void a_completion_that_is_cut_ends_every_choice(void **state)
{
    const char *begun =
        "data: {\"id\":\"c1\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":"
        "0,\"text\":\"ab\"},{\"index\":1,\"text\":\"c\"}]}\n\n";
    struct weir_llm_tap *t = weir_llm_tap_create(
        arena, &(struct weir_llm_tap_conf){.dialect = WEIR_DIALECT_OPENAI_COMPLETIONS,
                                           .status = 200,
                                           .event_stream = true,
                                           .input_estimate = 9,
                                           .client_usage = true});

    (void)state;
    assert_int_equal(weir_llm_tap_feed(t, begun, strlen(begun), sink, &sent), WEIR_OK);
    assert_int_equal(weir_llm_tap_seen(t)->output_bytes, 3);
    weir_buf_clear(&sent);
    assert_int_equal(weir_llm_tap_cut(t, WEIR_STR("Over."), &sent), WEIR_OK);
    weir_buf_add(&sent, "", 1);
    assert_string_equal(
        sent.p, "data: {\"id\":\"c1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"m\","
                "\"choices\":[{\"index\":0,\"logprobs\":null,\"text\":\"Over.\",\"finish_reason\":"
                "\"length\"}]}\n\n"
                "data: {\"id\":\"c1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"m\","
                "\"choices\":[{\"index\":1,\"logprobs\":null,\"text\":\"\",\"finish_reason\":"
                "\"length\"}]}\n\n"
                "data: {\"id\":\"c1\",\"object\":\"text_completion\",\"created\":7,\"model\":\"m\","
                "\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1,"
                "\"total_tokens\":10}}\n\n"
                "data: [DONE]\n\n");
}

static void only_clients_embeddings_are_translated_and_nothing_is_echoed(void **state)
{
    (void)state;
    for (enum weir_dialect d = WEIR_DIALECT_COUNT; d < WEIR_DIALECT_ALL; d++) {
        assert_int_equal(weir_dialect_translates(d), d == WEIR_DIALECT_OPENAI_EMBEDDINGS ||
                                                         d == WEIR_DIALECT_GEMINI_EMBED ||
                                                         d == WEIR_DIALECT_GEMINI_EMBED_BATCH);
        assert_false(weir_dialect_echoes(d));
        assert_true(weir_dialect_family(d) < WEIR_DIALECT_COUNT);
    }
    assert_true(weir_dialect_translates(WEIR_DIALECT_OPENAI_CHAT));
    assert_true(weir_dialect_echoes(WEIR_DIALECT_GEMINI));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(paths_are_found),
        TEST(input_of_embeddings_is_bounded_and_has_no_output),
        TEST(usage_of_embeddings_is_input_alone),
        TEST(servers_tell_usage_in_their_own_ways),
        TEST(usage_of_groqs_streams_is_read_and_stays),
        TEST(content_in_parts_counts_by_its_texts),
        TEST(content_in_parts_is_translated_as_reasoning_and_text),
        TEST(a_batch_has_its_model_replaced_in_every_part),
        TEST(a_batch_with_another_model_or_two_is_refused),
        TEST(every_answer_of_a_completion_counts),
        TEST(a_completion_is_edited),
        TEST(a_completion_that_is_cut_ends_every_choice),
        TEST(only_clients_embeddings_are_translated_and_nothing_is_echoed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
