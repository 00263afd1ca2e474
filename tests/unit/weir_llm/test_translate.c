#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "data/json_scan.h"
#include "dataplane/llm/translate.h"
#include "tests/unit/weir_llm/translate_fixture.h"

static int translate(enum weir_dialect from, const char *body, bool strict)
{
    enum weir_dialect to = from == WEIR_DIALECT_OPENAI_CHAT ? WEIR_DIALECT_ANTHROPIC_MESSAGES
                                                            : WEIR_DIALECT_OPENAI_CHAT;
    struct weir_llm_call call;

    weir_buf_fini(&made.rest);
    assert_int_equal(weir_llm_decode(&(struct weir_llm_endpoint){.dialect = from},
                                     weir_str_of(body), arena, &call, &err),
                     WEIR_OK);
    return weir_llm_translate(&call, weir_str_of(body), to, strict, arena, &made, &err);
}

/* What stands behind the model, and what was dropped; NULL: nothing. */
static void becomes(enum weir_dialect from, const char *body, const char *rest, const char *dropped)
{
    struct weir_llm_pieces pieces;
    struct weir_buf whole;
    char *got;

    assert_int_equal(translate(from, body, false), WEIR_OK);
    got = weir_arena_strdup(arena, weir_buf_str(&made.rest));
    assert_string_equal(got, rest);
    if (dropped)
        assert_string_equal(weir_arena_strdup(arena, made.dropped), dropped);
    else
        assert_null(made.dropped.p);
    weir_llm_translated(&made, WEIR_STR("m\"1"), 9, false, arena, &pieces);
    weir_buf_init(&whole, 1 << 20);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&whole, pieces.piece[i]);
    assert_int_equal(weir_json_check(weir_buf_str(&whole), NULL), WEIR_OK);
    weir_buf_fini(&whole);
}

static void from_chat(const char *fields, const char *rest, const char *dropped)
{
    becomes(WEIR_DIALECT_OPENAI_CHAT, weir_arena_printf(arena, "{\"model\":\"m\",%s}", fields),
            rest, dropped);
}

static void from_messages(const char *fields, const char *rest, const char *dropped)
{
    becomes(WEIR_DIALECT_ANTHROPIC_MESSAGES,
            weir_arena_printf(arena, "{\"model\":\"m\",\"max_tokens\":9,%s}", fields), rest,
            dropped);
}

#define HI_CHAT "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define HI_MESSAGES                                                                                \
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"hi\"}]}]"

static void texts_and_system_prompts_keep_their_bytes(void **state)
{
    (void)state;
    from_chat(
        "\"messages\":[{\"role\":\"system\",\"content\":\"be \\u00e4\"},"
        "{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"terse\"}]},"
        "{\"role\":\"user\",\"content\":\"a\\nb\"},{\"role\":\"system\",\"content\":\"now\"},"
        "{\"role\":\"assistant\",\"content\":\"\"},{\"role\":\"user\",\"content\":\"c\"}]",
        ",\"system\":[{\"type\":\"text\",\"text\":\"be \\u00e4\"},{\"type\":\"text\",\"text\":"
        "\"terse\"}],\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"a\\nb\"}]},{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"now\"}]},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"c\"}]}]}",
        NULL);
    from_messages("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"system\":[{\"type\":"
                  "\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\"}},{\"type\":"
                  "\"text\",\"text\":\"b\"}]",
                  ",\"messages\":[{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":"
                  "\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"user\",\"content\":"
                  "\"hi\"}]}",
                  "cache_control");
}

static void images_and_files_are_carried_by_value_and_by_url(void **state)
{
    (void)state;
    from_chat(
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
        "{\"url\":\"data:image/png;base64,QUJD\"}},{\"image_url\":{\"url\":\"https://x/y\","
        "\"detail\":\"auto\"},\"type\":\"image_url\"},{\"type\":\"file\",\"file\":{\"filename\":"
        "\"a.pdf\",\"file_data\":\"data:application/pdf;base64,QQ==\"}}]}]",
        ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{"
        "\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"QUJD\"}},{\"type\":"
        "\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/y\"}},{\"type\":"
        "\"document\",\"source\":{\"type\":\"base64\",\"media_type\":\"application/pdf\","
        "\"data\":\"QQ==\"},\"title\":\"a.pdf\"}]}]}",
        NULL);
    from_messages("\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{"
                  "\"type\":\"base64\",\"media_type\":\"image/png\",\"data\":\"QUJD\"}},{\"type\":"
                  "\"document\",\"source\":{\"type\":\"url\",\"url\":\"https://x/z.pdf\"}}]}]",
                  ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
                  "\"image_url\":{\"url\":\"data:image/png;base64,QUJD\"}}]}]}",
                  "messages.content.source.url");
}

static void tool_calls_and_their_results_are_carried(void **state)
{
    (void)state;
    from_chat(
        "\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":"
        "\"f.1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":"
        "[1]}\"}},{\"id\":\"f2\",\"type\":\"function\",\"function\":{\"name\":\"g\","
        "\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"f.1\",\"content\":\"x\"},"
        "{\"role\":\"tool\",\"tool_call_id\":\"f2\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"y\"}]}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
        "\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}},{\"type\":"
        "\"function\",\"function\":{\"name\":\"g\"}}],\"tool_choice\":\"required\","
        "\"parallel_tool_calls\":false",
        ",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":"
        "\"f_1\",\"name\":\"f\",\"input\":{\"a\":[1]}},{\"type\":\"tool_use\",\"id\":\"f2\","
        "\"name\":\"g\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"tool_result\",\"tool_use_id\":\"f_1\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"x\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"f2\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"y\"}]}]}],\"tools\":[{\"name\":\"f\",\"description\":\"d\","
        "\"input_schema\":{\"type\":\"object\"},\"strict\":true},{\"name\":\"g\","
        "\"input_schema\":{\"type\":\"object\",\"properties\":{}}}],\"tool_choice\":{\"type\":"
        "\"any\",\"disable_parallel_tool_use\":true}}",
        NULL);
    from_messages(
        "\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"t\"},"
        "{\"type\":\"tool_use\",\"id\":\"u\",\"name\":\"f\",\"input\":{\"q\":\"\\u00e4\\\"\"}}]},"
        "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"u\","
        "\"is_error\":true,\"content\":[{\"type\":\"text\",\"text\":\"no\"},{\"type\":\"image\","
        "\"source\":{\"type\":\"base64\",\"media_type\":\"image/"
        "png\",\"data\":\"QQ\"}}]},{\"type\":"
        "\"text\",\"text\":\"so\"}]}],\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":"
        "\"object\"}}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\"}",
        ",\"messages\":[{\"role\":\"assistant\",\"content\":\"t\",\"tool_calls\":[{\"id\":\"u\","
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"q\\\":"
        "\\\"\\\\u00e4"
        "\\\\\\\"\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"u\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"Error: \"},{\"type\":\"text\",\"text\":\"no\"}]},{\"role\":\"user\","
        "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"
        "png;base64,QQ\"}},"
        "{\"type\":\"text\",\"text\":\"so\"}]}],\"tools\":[{\"type\":\"function\",\"function\":{"
        "\"name\":\"f\",\"parameters\":{\"type\":\"object\"}}}],\"tool_choice\":{\"type\":"
        "\"function\",\"function\":{\"name\":\"f\"}}}",
        NULL);
}

static void reasoning_goes_back_to_the_dialect_that_signed_it(void **state)
{
    (void)state;
    from_chat("\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"t\","
              "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"t\",\"signature\":"
              "\"weir.anthropic.S=\"},{\"type\":\"reasoning.encrypted\",\"data\":"
              "\"weir.anthropic.D\"}]}]",
              ",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
              "\"thinking\":\"t\",\"signature\":\"S=\"},{\"type\":\"redacted_thinking\",\"data\":"
              "\"D\"},{\"type\":\"text\",\"text\":\"a\"}]}]}",
              NULL);
    from_chat(
        "\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"reasoning_content\":\"t\"}]",
        ",\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":"
        "\"a\"}]}]}",
        "messages.reasoning_content");
    from_messages("\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
                  "\"thinking\":\"t\",\"signature\":\"weir.openai.\"},{\"type\":\"text\",\"text\":"
                  "\"a\"}]}]",
                  ",\"messages\":[{\"role\":\"assistant\",\"reasoning_content\":\"t\",\"content\":"
                  "\"a\"}]}",
                  NULL);
    from_messages("\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\","
                  "\"thinking\":\"t\",\"signature\":\"own\"},{\"type\":\"text\",\"text\":\"a\"}]}]",
                  ",\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}]}",
                  "messages.content.thinking");
}

static void options_are_mapped(void **state)
{
    (void)state;
    from_chat(HI_CHAT ",\"stream\":true,\"temperature\":0.5,\"top_p\":0.9,\"stop\":\"x\","
                      "\"reasoning_effort\":\"minimal\",\"user\":\"u\\\"1\",\"service_tier\":"
                      "\"default\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
                      "\"name\":\"n\",\"schema\":{\"type\":\"object\"},\"strict\":true}}",
              ",\"stream\":true," HI_MESSAGES
              ",\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\","
              "\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"object\"}}},"
              "\"temperature\":0.5,\"top_p\":0.9,\"stop_sequences\":[\"x\"],\"metadata\":{"
              "\"user_id\":\"u\\\"1\"},\"service_tier\":\"standard_only\"}",
              NULL);
    from_messages("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"stream\":true,"
                  "\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8000},\"temperature\":1,"
                  "\"stop_sequences\":[\"x\",\"y\"],\"metadata\":{\"user_id\":\"u\"},"
                  "\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{}}}",
                  ",\"stream\":true,\"stream_options\":{\"include_usage\":true}," HI_CHAT
                  ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":"
                  "\"answer\",\"strict\":true,\"schema\":{}}},\"temperature\":1,\"stop\":[\"x\","
                  "\"y\"],\"reasoning_effort\":\"medium\",\"user\":\"u\"}",
                  NULL);
}

static void what_has_no_equivalent_is_dropped_and_named(void **state)
{
    (void)state;
    from_chat(HI_CHAT ",\"temperature\":1.5,\"n\":2,\"seed\":7,\"frequency_penalty\":0,"
                      "\"prompt_cache_key\":\"k\",\"x\\r\\ny\":1,\"logprobs\":false,\"store\":true",
              "," HI_MESSAGES ",\"temperature\":1}",
              "seed, x_r_ny, store, n, temperature, prompt_cache_key");
    from_messages("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"top_k\":5,"
                  "\"context_management\":{\"edits\":[1]},\"tools\":[{\"type\":"
                  "\"web_search_20250305\",\"name\":\"web_search\",\"max_uses\":3}]",
                  "," HI_CHAT "}", "context_management, tools.web_search_20250305, top_k");
}

static void strictly_a_loss_is_refused_by_its_name_and_a_hint_is_not(void **state)
{
    (void)state;
    assert_int_equal(translate(WEIR_DIALECT_OPENAI_CHAT,
                               "{\"model\":\"m\",\"store\":true," HI_CHAT ",\"seed\":7}", true),
                     WEIR_EINVAL);
    assert_int_equal(err.http_status, 400);
    assert_non_null(strstr(err.detail, "'seed'"));
    assert_int_equal(
        translate(WEIR_DIALECT_OPENAI_CHAT, "{\"model\":\"m\",\"store\":true," HI_CHAT "}", true),
        WEIR_OK);
    assert_int_equal(translate(WEIR_DIALECT_ANTHROPIC_MESSAGES,
                               "{\"model\":\"m\",\"top_k\":1,\"messages\":[]}", true),
                     WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "'top_k'"));
}

static void arguments_that_are_no_object_are_refused_with_their_place(void **state)
{
    (void)state;
    assert_int_equal(
        translate(WEIR_DIALECT_OPENAI_CHAT,
                  "{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":"
                  "\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{oops\"}}]}]}",
                  false),
        WEIR_EINVAL);
    assert_non_null(strstr(err.detail, "arguments"));
    assert_non_null(strstr(err.detail, "(byte 105)"));
}

static void expect_start(int64_t max, bool older, const char *start)
{
    struct weir_llm_pieces pieces;
    struct weir_buf b;

    weir_llm_translated(&made, WEIR_STR("gpt"), max, older, arena, &pieces);
    weir_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < pieces.count; i++)
        weir_buf_adds(&b, pieces.piece[i]);
    assert_int_equal(b.n, pieces.bytes);
    assert_true(weir_str_starts(weir_buf_str(&b), weir_str_of(start)));
    weir_buf_fini(&b);
}

static void the_model_and_the_limit_lead_the_body(void **state)
{
    (void)state;
    assert_int_equal(translate(WEIR_DIALECT_ANTHROPIC_MESSAGES,
                               "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[]}", false),
                     WEIR_OK);
    expect_start(9, false, "{\"model\":\"gpt\",\"max_completion_tokens\":9,\"messages\":");
    expect_start(9, true, "{\"model\":\"gpt\",\"max_tokens\":9,\"messages\":");
    expect_start(0, false, "{\"model\":\"gpt\",\"messages\":");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(texts_and_system_prompts_keep_their_bytes),
        TEST(images_and_files_are_carried_by_value_and_by_url),
        TEST(tool_calls_and_their_results_are_carried),
        TEST(reasoning_goes_back_to_the_dialect_that_signed_it),
        TEST(options_are_mapped),
        TEST(what_has_no_equivalent_is_dropped_and_named),
        TEST(strictly_a_loss_is_refused_by_its_name_and_a_hint_is_not),
        TEST(arguments_that_are_no_object_are_refused_with_their_place),
        TEST(the_model_and_the_limit_lead_the_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
