/* test_responses_translate.c - requests between Responses and the other dialects, both ways. */
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
#define RESPONSES WEIR_DIALECT_OPENAI_RESPONSES

static int translate(enum weir_dialect from, enum weir_dialect to, const char *fields, bool strict)
{
    struct weir_str body = weir_str_of(weir_arena_printf(arena, "{\"model\":\"m\",%s}", fields));
    struct weir_llm_call call;

    weir_buf_fini(&made.rest);
    assert_int_equal(
        weir_llm_decode(&(struct weir_llm_endpoint){.dialect = from}, body, arena, &call, &err),
        WEIR_OK);
    return weir_llm_translate(&call, body, to, strict, arena, &made, &err);
}

/* What stands behind the model, and what was dropped; NULL: nothing. */
static void becomes(enum weir_dialect from, enum weir_dialect to, const char *fields,
                    const char *rest, const char *dropped)
{
    assert_int_equal(translate(from, to, fields, false), WEIR_OK);
    assert_string_equal(weir_arena_strdup(arena, weir_buf_str(&made.rest)), rest);
    if (dropped)
        assert_string_equal(weir_arena_strdup(arena, made.dropped), dropped);
    else
        assert_null(made.dropped.p);
    assert_int_equal(
        weir_json_check(weir_str_of(weir_arena_printf(arena, "{\"model\":\"m\"%s", rest)), NULL),
        WEIR_OK);
}

/* A turn with reasoning, two calls and their results, as Codex sends it. */
#define TURN(encrypted)                                                                            \
    "\"input\":[{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":"              \
    "\"input_text\",\"text\":\"d\"}],\"id\":\"i1\"},"                                              \
    "{\"role\":\"user\",\"content\":\"u\"},"                                                       \
    "{\"type\":\"reasoning\",\"id\":\"rs\",\"summary\":[{\"type\":\"summary_text\",\"text\":"      \
    "\"a\"},{\"type\":\"summary_text\",\"text\":\"b\"}],\"encrypted_content\":\"" encrypted "\"}," \
    "{\"type\":\"message\",\"role\":\"assistant\",\"status\":\"completed\",\"id\":\"m\","          \
    "\"content\":[{\"type\":\"output_text\",\"text\":\"t\",\"annotations\":[],\"logprobs\":[]}]}," \
    "{\"type\":\"function_call\",\"id\":\"fc\",\"call_id\":\"c1\",\"name\":\"f\","                 \
    "\"arguments\":\"{\\\"x\\\":1}\",\"status\":\"completed\"},"                                   \
    "{\"type\":\"function_call\",\"call_id\":\"c2\",\"name\":\"g\",\"arguments\":\"\"},"           \
    "{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"one\"},"                   \
    "{\"type\":\"function_call_output\",\"call_id\":\"c2\",\"output\":[{\"type\":"                 \
    "\"input_text\",\"text\":\"two\"},{\"type\":\"input_image\",\"image_url\":"                    \
    "\"data:image/png;base64,AA==\",\"detail\":\"auto\"}]}]"

static void a_turn_becomes_messages(void **state)
{
    (void)state;
    becomes(RESPONSES, MESSAGES, TURN("weir.anthropic.sig") ",\"instructions\":\"i\"",
            ",\"system\":[{\"type\":\"text\",\"text\":\"i\"},{\"type\":\"text\",\"text\":\"d\"}],"
            "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"u\"}]},"
            "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":"
            "\"a\\n\\nb\",\"signature\":\"sig\"},{\"type\":\"text\",\"text\":\"t\"},"
            "{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"f\",\"input\":{\"x\":1}},"
            "{\"type\":\"tool_use\",\"id\":\"c2\",\"name\":\"g\",\"input\":{}}]},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"c1\","
            "\"content\":[{\"type\":\"text\",\"text\":\"one\"}]},{\"type\":\"tool_result\","
            "\"tool_use_id\":\"c2\",\"content\":[{\"type\":\"text\",\"text\":\"two\"},"
            "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
            "\"data\":\"AA==\"}}]}]}]}",
            NULL);
}

static void a_turn_becomes_chat(void **state)
{
    (void)state;
    becomes(RESPONSES, CHAT, TURN("opaque"),
            ",\"messages\":[{\"role\":\"system\",\"content\":\"d\"},"
            "{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"t\","
            "\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"c2\",\"type\":\"function\",\"function\":"
            "{\"name\":\"g\",\"arguments\":\"{}\"}}]},"
            "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"},"
            "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"two\"},"
            "{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
            "\"data:image/png;base64,AA==\",\"detail\":\"auto\"}}]}]}",
            "input.reasoning");
}

#define HI "\"input\":\"hi\""
#define HI_CHAT ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static void settings_are_carried(void **state)
{
    (void)state;
    becomes(RESPONSES, CHAT,
            HI ",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"description\":\"d\","
               "\"parameters\":{\"type\":\"object\"},\"strict\":true}],\"tool_choice\":{\"type\":"
               "\"function\",\"name\":\"f\"},\"parallel_tool_calls\":false,\"store\":false,"
               "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{},"
               "\"strict\":true}},\"reasoning\":{\"effort\":\"high\",\"summary\":\"auto\"},"
               "\"temperature\":0.5,\"top_p\":0.9,\"safety_identifier\":\"u\","
               "\"include\":[\"reasoning.encrypted_content\"],\"truncation\":\"disabled\"",
            HI_CHAT ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                    "\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}],"
                    "\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}},"
                    "\"parallel_tool_calls\":false,\"response_format\":{\"type\":\"json_schema\","
                    "\"json_schema\":{\"name\":\"n\",\"strict\":true,\"schema\":{}}},"
                    "\"temperature\":0.5,\"top_p\":0.9,\"reasoning_effort\":\"high\","
                    "\"user\":\"u\"}",
            NULL);
}

static void what_only_responses_has_is_named(void **state)
{
    (void)state;
    becomes(RESPONSES, CHAT,
            "\"input\":[{\"role\":\"user\",\"content\":\"hi\"},{\"type\":\"web_search_call\","
            "\"id\":\"w\",\"action\":{}}],\"tools\":[{\"type\":\"web_search\","
            "\"external_web_access\":true}],\"truncation\":\"auto\",\"max_tool_calls\":3,"
            "\"text\":{\"verbosity\":\"low\"},\"store\":true,\"prompt_cache_key\":\"k\","
            "\"include\":[\"message.output_text.logprobs\"],\"client_metadata\":{\"a\":\"b\"}",
            HI_CHAT ",\"verbosity\":\"low\",\"prompt_cache_key\":\"k\"}",
            "input.web_search_call, tools.web_search, truncation, max_tool_calls, store, "
            "include.message.output_text.logprobs, client_metadata");
    assert_int_equal(translate(RESPONSES, MESSAGES,
                               HI ",\"text\":{\"verbosity\":\"low\"},\"prompt_cache_key\":\"k\"",
                               false),
                     WEIR_OK);
    assert_true(weir_str_is(made.dropped, "prompt_cache_key, text.verbosity"));
    assert_int_equal(translate(RESPONSES, MESSAGES, HI ",\"tools\":[{\"type\":\"mcp\"}]", true),
                     WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "'tools.mcp'"));
    assert_string_equal(err.code, "not_translatable");
}

#define FUNCTION(name, parameters)                                                                 \
    "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"parameters\":" parameters "}}"
#define TEXT_INPUT(more)                                                                           \
    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"" more                     \
    "}},\"required\":[\"input\"],\"additionalProperties\":false}"
#define CALL(id, name, arguments)                                                                  \
    "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"" id                       \
    "\",\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" arguments      \
    "\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"o\"}"

/* As Codex sends them: tools as an input item, in namespaces, one that takes a script. */
static void tools_of_a_namespace_and_for_texts_become_functions(void **state)
{
    (void)state;
    becomes(
        RESPONSES, CHAT,
        "\"input\":[{\"type\":\"additional_tools\",\"role\":\"developer\",\"id\":\"i\","
        "\"tools\":[{\"type\":\"namespace\",\"name\":\"fs\",\"description\":\"d\","
        "\"tools\":[{\"type\":\"custom\",\"name\":\"exec\",\"format\":{\"type\":\"grammar\","
        "\"syntax\":\"lark\",\"definition\":\"start: /\\\\w/\\n\"}},{\"type\":\"function\","
        "\"name\":\"wait\",\"parameters\":{}}]}]},{\"role\":\"user\",\"content\":\"hi\"},"
        "{\"type\":\"custom_tool_call\",\"name\":\"exec\",\"namespace\":\"fs\",\"call_id\":"
        "\"c\",\"input\":\"say \\\"x\\\"\"},{\"type\":\"custom_tool_call_output\",\"call_id\":"
        "\"c\",\"output\":\"o\"},{\"type\":\"function_call\",\"namespace\":\"fs\",\"name\":"
        "\"wait\",\"call_id\":\"d\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\","
        "\"call_id\":\"d\",\"output\":\"o\"}],\"tools\":[{\"type\":\"custom\",\"name\":\"t\","
        "\"format\":{\"type\":\"text\"}}],\"tool_choice\":{\"type\":\"custom\",\"name\":"
        "\"exec\",\"namespace\":\"fs\"}",
        ",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}," CALL("c", "fs__exec", "{\\\"input\\\":\\\"say \\\\\\\"x\\\\\\\"\\\"}") "," CALL(
            "d", "fs__wait",
            "{}") "]"
                  ",\"tools\":[" FUNCTION(
                      "fs__exec",
                      TEXT_INPUT(
                          ",\"description\":\"Text of this grammar: "
                          "start: /\\\\w/\\n\"")) "," FUNCTION("fs__wait",
                                                               "{}") "," FUNCTION("t",
                                                                                  TEXT_INPUT(
                                                                                      "")) "],"
                                                                                           "\"tool_"
                                                                                           "choice"
                                                                                           "\":{"
                                                                                           "\"type"
                                                                                           "\":"
                                                                                           "\"funct"
                                                                                           "ion\","
                                                                                           "\"funct"
                                                                                           "ion\":{"
                                                                                           "\"name"
                                                                                           "\":"
                                                                                           "\"fs__"
                                                                                           "exec\"}"
                                                                                           "}}",
        "tools.namespace.description, tools.custom.format");
    assert_int_equal(made.tool_count, 3);
    assert_true(weir_str_is(made.tools[0].wire, "fs__exec"));
    assert_true(weir_str_is(made.tools[0].name, "exec"));
    assert_true(weir_str_is(made.tools[1].space, "fs"));
    assert_true(made.tools[0].custom && !made.tools[1].custom && made.tools[2].custom);
}

static void what_the_provider_has_kept_is_refused_elsewhere(void **state)
{
    static const char *const fields[] = {HI ",\"previous_response_id\":\"r\"",
                                         HI ",\"conversation\":\"c\"", "\"prompt\":{\"id\":\"p\"}",
                                         "\"input\":[{\"type\":\"item_reference\",\"id\":\"i\"}]"};

    (void)state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        assert_int_equal(translate(RESPONSES, CHAT, fields[i], false), WEIR_EINVAL);
        assert_int_equal(err.http_status, 400);
        assert_string_equal(err.code, "invalid_request");
        assert_non_null(strstr(err.detail, "only its provider has kept"));
    }
}

/* ---- towards Responses ---- */

#define STATELESS ",\"store\":false"

static void chat_becomes_responses(void **state)
{
    (void)state;
    becomes(
        CHAT, RESPONSES,
        "\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"u\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
        "\"https://x/y\",\"detail\":\"low\"}},{\"type\":\"file\",\"file\":{\"file_data\":"
        "\"data:application/pdf;base64,AA\",\"filename\":\"a.pdf\"}}]},"
        "{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}],"
        "\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":"
        "\"weir.openaiResponses.rs_1.gAAA\"}]},"
        "{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"one\"}],"
        "\"stop\":\"x\",\"n\":2,\"stream\":true,\"reasoning_effort\":\"high\",\"user\":\"u\"",
        ",\"stream\":true" STATELESS
        ",\"input\":[{\"type\":\"message\",\"role\":\"system\",\"content\":[{\"type\":"
        "\"input_text\",\"text\":\"s\"}]},{\"type\":\"message\",\"role\":\"user\",\"content\":"
        "[{\"type\":\"input_text\",\"text\":\"u\"},{\"type\":\"input_image\",\"detail\":\"low\","
        "\"image_url\":\"https://x/y\"},{\"type\":\"input_file\",\"filename\":\"a.pdf\","
        "\"file_data\":\"data:application/pdf;base64,AA\"}]},"
        "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":"
        "\"gAAA\"},{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":"
        "\"output_text\",\"text\":\"t\"}]},{\"type\":\"function_call\",\"call_id\":\"c1\","
        "\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"},{\"type\":\"function_call_output\","
        "\"call_id\":\"c1\",\"output\":\"one\"}],\"reasoning\":{\"effort\":\"high\"},"
        "\"include\":[\"reasoning.encrypted_content\"],\"user\":\"u\"}",
        "n, stop");
}

static void messages_become_responses(void **state)
{
    (void)state;
    becomes(MESSAGES, RESPONSES,
            "\"max_tokens\":9,\"system\":\"s\",\"messages\":[{\"role\":\"assistant\",\"content\":"
            "[{\"type\":\"thinking\",\"thinking\":\"h\",\"signature\":"
            "\"weir.openaiResponses.rs_1.gAAA\"},{\"type\":\"thinking\",\"thinking\":\"own\","
            "\"signature\":\"sig\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":"
            "{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":"
            "\"t1\",\"is_error\":true,\"content\":\"bad\"},{\"type\":\"text\",\"text\":\"u\","
            "\"cache_control\":{\"type\":\"ephemeral\"}}]}],\"tools\":[{\"name\":\"f\","
            "\"input_schema\":{}}],\"tool_choice\":{\"type\":\"any\","
            "\"disable_parallel_tool_use\":true},\"output_config\":{\"format\":{\"type\":"
            "\"json_schema\",\"schema\":{}}},\"stop_sequences\":[\"x\"],\"top_k\":3,"
            "\"service_tier\":\"standard_only\"",
            STATELESS
            ",\"input\":[{\"type\":\"message\",\"role\":\"system\",\"content\":[{\"type\":"
            "\"input_text\",\"text\":\"s\"}]},{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":"
            "[{\"type\":\"summary_text\",\"text\":\"h\"}],\"encrypted_content\":\"gAAA\"},"
            "{\"type\":\"function_call\",\"call_id\":\"t1\",\"name\":\"f\",\"arguments\":\"{}\"},"
            "{\"type\":\"function_call_output\",\"call_id\":\"t1\",\"output\":[{\"type\":"
            "\"input_text\",\"text\":\"Error: \"},{\"type\":\"input_text\",\"text\":\"bad\"}]},"
            "{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\","
            "\"text\":\"u\"}]}],\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{},"
            "\"strict\":false}],\"tool_choice\":\"required\",\"parallel_tool_calls\":false,"
            "\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"answer\",\"strict\":true,"
            "\"schema\":{}}},\"service_tier\":\"default\"}",
            "messages.content.thinking, cache_control, top_k, stop_sequences");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_turn_becomes_messages),
        TEST(a_turn_becomes_chat),
        TEST(settings_are_carried),
        TEST(what_only_responses_has_is_named),
        TEST(tools_of_a_namespace_and_for_texts_become_functions),
        TEST(what_the_provider_has_kept_is_refused_elsewhere),
        TEST(chat_becomes_responses),
        TEST(messages_become_responses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
