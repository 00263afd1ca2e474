/* test_gemini_translate.c - requests between Gemini and the other dialects, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/json_scan.h"
#include "dataplane/llm/translate.h"
#include "tests/unit/weir_llm/translate_fixture.h"

#define CHAT WEIR_DIALECT_OPENAI_CHAT
#define MESSAGES WEIR_DIALECT_ANTHROPIC_MESSAGES
#define GEMINI WEIR_DIALECT_GEMINI

static int translate(enum weir_dialect from, enum weir_dialect to, const char *body)
{
    struct weir_llm_endpoint at = {.dialect = from};
    struct weir_llm_call call;

    if (from == GEMINI)
        at.model = WEIR_STR("m");
    weir_buf_fini(&made.rest);
    assert_int_equal(weir_llm_decode(&at, weir_str_of(body), arena, &call, &err), WEIR_OK);
    return weir_llm_translate(&call, weir_str_of(body), to, false, arena, &made, &err);
}

/* The body with a limit of 7, without its model, and what was dropped; NULL: nothing. */
static void becomes(enum weir_dialect from, enum weir_dialect to, const char *body,
                    const char *expected, const char *dropped)
{
    struct weir_llm_pieces pieces;
    struct weir_buf b;

    assert_int_equal(translate(from, to, body), WEIR_OK);
    weir_llm_translated(&made, WEIR_STR("m"), 7, false, arena, &pieces);
    weir_buf_init(&b, 1 << 16);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    assert_int_equal(weir_json_check(weir_buf_str(&b), NULL), WEIR_OK);
    assert_string_equal(weir_arena_strdup(arena, weir_buf_str(&b)), expected);
    weir_buf_fini(&b);
    if (dropped)
        assert_string_equal(weir_arena_strdup(arena, made.dropped), dropped);
    else
        assert_null(made.dropped.p);
}

static void calls_and_responses_without_ids_are_paired_by_name(void **state)
{
    (void)state;
    becomes(GEMINI, CHAT,
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"u\"}]},{\"role\":\"model\","
            "\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"x\":1}}},{\"functionCall\":"
            "{\"name\":\"g\"}},{\"functionCall\":{\"name\":\"f\"}}]},{\"role\":\"user\",\"parts\":"
            "[{\"functionResponse\":{\"name\":\"g\",\"response\":{\"a\":\"\xc3\xa9\"}}},"
            "{\"functionResponse\":{\"name\":\"f\",\"response\":{\"output\":\"1\"}}},"
            "{\"functionResponse\":{\"name\":\"f\",\"response\":{\"error\":\"2\"}}}]}]}",
            "{\"model\":\"m\",\"max_completion_tokens\":7,\"messages\":[{\"role\":\"user\","
            "\"content\":\"u\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
            "\"call_2\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":"
            "\"{\\\"x\\\":1}\"}},{\"id\":\"call_3\",\"type\":\"function\",\"function\":{\"name\":"
            "\"g\",\"arguments\":\"{}\"}},{\"id\":\"call_4\",\"type\":\"function\",\"function\":"
            "{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
            "\"call_3\",\"content\":\"{\\\"a\\\":\\\"\xc3\xa9\\\"}\"},{\"role\":\"tool\","
            "\"tool_call_id\":\"call_2\",\"content\":\"1\"},{\"role\":\"tool\",\"tool_call_id\":"
            "\"call_4\",\"content\":[{\"type\":\"text\",\"text\":\"Error: \"},{\"type\":\"text\","
            "\"text\":\"2\"}]}]}",
            NULL);
}

static void a_schema_of_google_becomes_json_schema(void **state)
{
    (void)state;
    becomes(GEMINI, CHAT,
            "{\"contents\":[],\"tools\":[{\"functionDeclarations\":[{\"name\":\"f\","
            "\"parameters\":{\"type\":\"OBJECT\",\"propertyOrdering\":[\"a\"],\"properties\":"
            "{\"a\":{\"type\":\"ARRAY\",\"maxItems\":\"3\",\"items\":{\"type\":\"INTEGER\","
            "\"format\":\"int32\"}},\"type\":{\"anyOf\":[{\"type\":\"STRING\",\"nullable\":true},"
            "{\"type\":\"STRING\",\"format\":\"date\"}]}}}}]}]}",
            "{\"model\":\"m\",\"max_completion_tokens\":7,\"messages\":[],\"tools\":[{\"type\":"
            "\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\","
            "\"properties\":{\"a\":{\"type\":\"array\",\"maxItems\":3,\"items\":{\"type\":"
            "\"integer\"}},\"type\":{\"anyOf\":[{\"type\":[\"string\",\"null\"]},{\"type\":"
            "\"string\",\"format\":\"date\"}]}}}}}]}",
            NULL);
}

static void contents_of_a_kept_stream_are_one_answer_again(void **state)
{
    (void)state;
    becomes(GEMINI, MESSAGES,
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"u\"}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"a\",\"thought\":true}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"b\",\"thought\":true}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"\",\"thought\":true,\"thoughtSignature\":"
            "\"d2Vpci5hbnRocm9waWMuYzJsbg==\"}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"c\"}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"d\"},{\"text\":\"\"}]}]}",
            "{\"model\":\"m\",\"max_tokens\":7,\"messages\":[{\"role\":\"user\",\"content\":[{"
            "\"type\":\"text\",\"text\":\"u\"}]},{\"role\":\"assistant\",\"content\":[{\"type\":"
            "\"thinking\",\"thinking\":\"ab\",\"signature\":\"c2ln\"},{\"type\":\"text\",\"text\":"
            "\"cd\"}]}]}",
            NULL);
}

static void what_others_cannot_take_is_named(void **state)
{
    (void)state;
    becomes(GEMINI, CHAT,
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":"
            "\"audio/wav\",\"data\":\"AA==\"}},{\"fileData\":{\"mimeType\":\"image/png\","
            "\"fileUri\":\"gs://b/x\"}},{\"executableCode\":{\"code\":\"1\"}},{\"text\":\"u\"}]},"
            "{\"role\":\"model\",\"parts\":[{\"text\":\"t\",\"thoughtSignature\":\"c2ln\"}]}],"
            "\"tools\":[{\"codeExecution\":{}}],\"generationConfig\":{\"topK\":3,\"seed\":1,"
            "\"candidateCount\":2}}",
            "{\"model\":\"m\",\"max_completion_tokens\":7,\"messages\":[{\"role\":\"user\","
            "\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"t\"}]}",
            "contents.parts.inlineData, contents.parts.fileData, contents.parts.executableCode, "
            "tools.codeExecution, generationConfig.seed, generationConfig.candidateCount, "
            "contents.parts.thought, generationConfig.topK");
}

static void what_cannot_be_read_is_refused(void **state)
{
    static const char *const bodies[] = {
        "{\"contents\":[{\"role\":\"system\",\"parts\":[]}]}",
        "{\"contents\":[{\"parts\":{}}]}",
        "{\"contents\":[{\"parts\":[{\"text\":7}]}]}",
        "{\"contents\":[{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":[]}}]}]}",
        "{\"contents\":[],\"tools\":{}}",
        "{\"contents\":[],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"SOME\"}}}",
        "{\"contents\":[],\"generationConfig\":{\"responseSchema\":[]}}"};

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(translate(GEMINI, CHAT, bodies[i]), WEIR_EINVAL);
        assert_int_equal(err.http_status, 400);
    }
}

static void a_signature_returns_to_the_part_that_it_stood_on(void **state)
{
    (void)state;
    becomes(CHAT, GEMINI,
            "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"u\"},{\"role\":"
            "\"assistant\",\"content\":\"t\",\"reasoning_details\":[{\"type\":\"reasoning.text\","
            "\"text\":\"h\",\"signature\":\"weir.gemini.r.cg==\"},{\"type\":"
            "\"reasoning.encrypted\",\"data\":\"weir.gemini.f.Zg==\"}],\"tool_calls\":[{\"id\":"
            "\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},"
            "{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]"
            "},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"2\"},{\"role\":\"tool\","
            "\"tool_call_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":\"1\"},{\"type\":"
            "\"text\",\"text\":\"3\"}]}]}",
            "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"u\"}]},{\"role\":\"model\","
            "\"parts\":[{\"text\":\"h\",\"thought\":true,\"thoughtSignature\":\"cg==\"},{\"text\":"
            "\"t\"},{\"functionCall\":{\"id\":\"a\",\"name\":\"f\",\"args\":{}},"
            "\"thoughtSignature\":\"Zg==\"},{\"functionCall\":{\"id\":\"b\",\"name\":\"g\","
            "\"args\":{}}}]},{\"role\":\"user\",\"parts\":[{\"functionResponse\":{\"id\":\"b\","
            "\"name\":\"g\",\"response\":{\"output\":\"2\"}}},{\"functionResponse\":{\"id\":\"a\","
            "\"name\":\"f\",\"response\":{\"output\":\"1\\n3\"}}}]}],\"generationConfig\":{"
            "\"maxOutputTokens\":7}}",
            NULL);
}

static void calls_that_no_gemini_model_signed_and_late_system_texts_are_told(void **state)
{
    (void)state;
    becomes(MESSAGES, GEMINI,
            "{\"model\":\"m\",\"max_tokens\":9,\"system\":[{\"type\":\"text\",\"text\":\"s\","
            "\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":[{\"role\":\"user\","
            "\"content\":\"u\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
            "\"thinking\":\"h\",\"signature\":\"own\"},{\"type\":\"tool_use\",\"id\":\"a\","
            "\"name\":\"f\",\"input\":{\"x\":1}}]},{\"role\":\"user\",\"content\":[{\"type\":"
            "\"tool_result\",\"tool_use_id\":\"a\"}]},{\"role\":\"system\",\"content\":\"late\"}]}",
            "{\"systemInstruction\":{\"parts\":[{\"text\":\"s\"}]},\"contents\":[{\"role\":"
            "\"user\",\"parts\":[{\"text\":\"u\"}]},{\"role\":\"model\",\"parts\":[{"
            "\"functionCall\":{\"id\":\"a\",\"name\":\"f\",\"args\":{\"x\":1}},"
            "\"thoughtSignature\":\"skip_thought_signature_validator\"}]},{\"role\":\"user\","
            "\"parts\":[{\"functionResponse\":{\"id\":\"a\",\"name\":\"f\",\"response\":{"
            "\"output\":\"\"}}}]},{\"role\":\"user\",\"parts\":[{\"text\":\"late\"}]}],"
            "\"generationConfig\":{\"maxOutputTokens\":7}}",
            "cache_control, messages.content.thinking");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(calls_and_responses_without_ids_are_paired_by_name),
        T(a_schema_of_google_becomes_json_schema),
        T(contents_of_a_kept_stream_are_one_answer_again),
        T(what_others_cannot_take_is_named),
        T(what_cannot_be_read_is_refused),
        T(a_signature_returns_to_the_part_that_it_stood_on),
        T(calls_that_no_gemini_model_signed_and_late_system_texts_are_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
