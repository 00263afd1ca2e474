/* test_translate_page.c - docs/translation.md is what the codecs do today: every field of their
 * tables and every other one of the vendors' types has a row, made by translating it.
 * WEIR_UPDATE_DOCS=1 rewrites the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "dataplane/llm/chat.h"
#include "dataplane/llm/converse.h"
#include "dataplane/llm/gemini.h"
#include "dataplane/llm/messages.h"
#include "dataplane/llm/responses.h"
#include "dataplane/llm/translate.h"

enum { MAX_PAGE_BYTES = 1 << 20 };

/* A top-level field with a value that says something. */
struct row {
    const char *field, *value;
};

#define TOOLS_CHAT "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}]"
#define SCHEMA "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{}}}"

static const struct row chat_rows[] = {
    {"messages", "[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]"},
    {"max_completion_tokens", "9"},
    {"max_tokens", "9"},
    {"tools", TOOLS_CHAT},
    {"tool_choice", "\"required\",\"tools\":" TOOLS_CHAT},
    {"parallel_tool_calls", "false,\"tools\":" TOOLS_CHAT},
    {"response_format", SCHEMA},
    {"reasoning_effort", "\"high\""},
    {"temperature", "0.5"},
    {"top_p", "0.5"},
    {"stop", "[\"x\"]"},
    {"stream", "true"},
    {"stream_options", "{\"include_usage\":true}"},
    {"user", "\"u\""},
    {"safety_identifier", "\"u\""},
    {"service_tier", "\"default\""},
    {"n", "2"},
    {"prompt_cache_key", "\"k\""},
    {"prompt_cache_options", "{\"mode\":\"explicit\"}"},
    {"prompt_cache_retention", "\"24h\""},
    {"metadata", "{\"k\":\"v\"}"},
    {"store", "true"},
    {"audio", "{\"voice\":\"alloy\"}"},
    {"frequency_penalty", "1"},
    {"function_call", "{\"name\":\"f\"}"},
    {"functions", "[{\"name\":\"f\"}]"},
    {"logit_bias", "{\"1\":1}"},
    {"logprobs", "true"},
    {"modalities", "[\"text\",\"audio\"]"},
    {"moderation", "{\"model\":\"m\"}"},
    {"prediction", "{\"type\":\"content\"}"},
    {"presence_penalty", "1"},
    {"seed", "7"},
    {"top_logprobs", "2"},
    {"verbosity", "\"low\""},
    {"web_search_options", "{\"search_context_size\":\"low\"}"},
};

#define TOOLS_MESSAGES "[{\"name\":\"f\",\"input_schema\":{}}]"

static const struct row messages_rows[] = {
    {"messages",
     "[{\"role\":\"user\",\"content\":\"u\"},{\"role\":\"assistant\",\"content\":\"a\"}]"},
    {"system", "\"s\""},
    {"max_tokens", "9"},
    {"tools", TOOLS_MESSAGES},
    {"tool_choice", "{\"type\":\"any\"},\"tools\":" TOOLS_MESSAGES},
    {"output_config", "{\"effort\":\"high\",\"format\":{\"type\":\"json_schema\",\"schema\":{}}}"},
    {"thinking", "{\"type\":\"enabled\",\"budget_tokens\":8000}"},
    {"temperature", "0.5"},
    {"top_p", "0.5"},
    {"stop_sequences", "[\"x\"]"},
    {"stream", "true"},
    {"metadata", "{\"user_id\":\"u\"}"},
    {"service_tier", "\"standard_only\""},
    {"cache_control", "{\"type\":\"ephemeral\"}"},
    {"diagnostics", "{\"previous_message_id\":\"m\"}"},
    {"speed", "\"fast\""},
    {"top_k", "3"},
    {"container", "{\"id\":\"c\"}"},
    {"context_management", "{\"edits\":[{\"type\":\"clear\"}]}"},
    {"inference_geo", "\"us\""},
    {"mcp_servers", "[{\"name\":\"m\"}]"},
    {"user_profile_id", "\"p\""},
    {"workspace_id", "\"w\""},
};

#define TOOLS_RESPONSES "[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{},\"strict\":true}]"
#define FORMAT "{\"format\":{\"type\":\"json_schema\",\"name\":\"n\",\"schema\":{}}}"

static const struct row responses_rows[] = {
    {"input", "[{\"role\":\"developer\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"u\"}]"},
    {"instructions", "\"s\""},
    {"max_output_tokens", "9"},
    {"tools", TOOLS_RESPONSES},
    {"tool_choice", "\"required\",\"tools\":" TOOLS_RESPONSES},
    {"parallel_tool_calls", "false,\"tools\":" TOOLS_RESPONSES},
    {"text", FORMAT},
    {"reasoning", "{\"effort\":\"high\",\"summary\":\"auto\"}"},
    {"temperature", "0.5"},
    {"top_p", "0.5"},
    {"stream", "true"},
    {"user", "\"u\""},
    {"safety_identifier", "\"u\""},
    {"service_tier", "\"default\""},
    {"include", "[\"reasoning.encrypted_content\"]"},
    {"stream_options", "{\"include_obfuscation\":true}"},
    {"prompt_cache_key", "\"k\""},
    {"prompt_cache_options", "{\"mode\":\"explicit\"}"},
    {"prompt_cache_retention", "\"24h\""},
    {"metadata", "{\"k\":\"v\"}"},
    {"client_metadata", "{\"k\":\"v\"}"},
    {"store", "true"},
    {"image", "{\"context_compression\":\"auto\"}"},
    {"access_programs", "{\"cyber\":\"standard\"}"},
    {"truncation", "\"auto\""},
    {"context_management", "[{\"type\":\"compaction\"}]"},
    {"max_tool_calls", "3"},
    {"moderation", "{\"model\":\"m\"}"},
    {"top_logprobs", "2"},
    {"previous_response_id", "\"r\""},
    {"conversation", "\"c\""},
    {"prompt", "{\"id\":\"p\"}"},
};

#define TOOLS_GEMINI "[{\"functionDeclarations\":[{\"name\":\"f\"}]}]"

static const struct row gemini_rows[] = {
    {"contents", "[{\"role\":\"user\",\"parts\":[{\"text\":\"u\"}]},"
                 "{\"role\":\"model\",\"parts\":[{\"text\":\"a\"}]}]"},
    {"systemInstruction", "{\"parts\":[{\"text\":\"s\"}]}"},
    {"tools", TOOLS_GEMINI},
    {"toolConfig", "{\"functionCallingConfig\":{\"mode\":\"ANY\"}},\"tools\":" TOOLS_GEMINI},
    {"generationConfig", "{\"maxOutputTokens\":9}"},
    {"generationConfig", "{\"temperature\":0.5}"},
    {"generationConfig", "{\"topP\":0.5}"},
    {"generationConfig", "{\"topK\":3}"},
    {"generationConfig", "{\"stopSequences\":[\"x\"]}"},
    {"generationConfig", "{\"responseMimeType\":\"application/json\"}"},
    {"generationConfig", "{\"responseSchema\":{\"type\":\"STRING\",\"nullable\":true}}"},
    {"generationConfig", "{\"responseJsonSchema\":{}}"},
    {"generationConfig", "{\"thinkingConfig\":{\"thinkingBudget\":8192}}"},
    {"generationConfig", "{\"thinkingConfig\":{\"thinkingLevel\":\"LOW\"}}"},
    {"generationConfig", "{\"candidateCount\":2}"},
    {"generationConfig", "{\"mediaResolution\":\"MEDIA_RESOLUTION_LOW\"}"},
    {"generationConfig", "{\"seed\":7}"},
    {"generationConfig", "{\"presencePenalty\":1}"},
    {"generationConfig", "{\"frequencyPenalty\":1}"},
    {"generationConfig", "{\"responseLogprobs\":true}"},
    {"generationConfig", "{\"logprobs\":2}"},
    {"generationConfig", "{\"responseModalities\":[\"IMAGE\"]}"},
    {"generationConfig", "{\"speechConfig\":{\"languageCode\":\"de\"}}"},
    {"generationConfig", "{\"imageConfig\":{\"aspectRatio\":\"1:1\"}}"},
    {"labels", "{\"k\":\"v\"}"},
    {"serviceTier", "\"flex\""},
    {"store", "true"},
    {"cachedContent", "\"cachedContents/c\""},
    {"safetySettings", "[{\"category\":\"c\"}]"},
    {"continuationToken", "\"t\""},
};

#define TOOLS_CONVERSE "{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{}}}}"
#define SCHEMA_CONVERSE                                                                            \
    "{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"name\":\"n\",\"schema\":\"{}\"}}}"

static const struct row converse_rows[] = {
    {"messages", "[{\"role\":\"user\",\"content\":[{\"text\":\"u\"}]},"
                 "{\"role\":\"assistant\",\"content\":[{\"text\":\"a\"}]}]"},
    {"system", "[{\"text\":\"s\"}]"},
    {"toolConfig", "{\"tools\":[" TOOLS_CONVERSE "]}"},
    {"toolConfig", "{\"tools\":[" TOOLS_CONVERSE "],\"toolChoice\":{\"any\":{}}}"},
    {"toolConfig", "{\"tools\":[{\"systemTool\":{\"name\":\"nova_grounding\"}}]}"},
    {"inferenceConfig", "{\"maxTokens\":9}"},
    {"inferenceConfig", "{\"temperature\":0.5}"},
    {"inferenceConfig", "{\"topP\":0.5}"},
    {"inferenceConfig", "{\"stopSequences\":[\"x\"]}"},
    {"outputConfig", "{\"textFormat\":" SCHEMA_CONVERSE "}"},
    {"outputConfig", "{\"effort\":\"high\"}"},
    {"serviceTier", "{\"type\":\"flex\"}"},
    {"additionalModelRequestFields",
     "{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":8000}}"},
    {"additionalModelRequestFields", "{\"top_k\":3}"},
    {"additionalModelRequestFields", "{\"another\":1}"},
    {"performanceConfig", "{\"latency\":\"optimized\"}"},
    {"requestMetadata", "{\"k\":\"v\"}"},
    {"additionalModelResponseFieldPaths", "[\"/stop_sequence\"]"},
    {"guardrailConfig", "{\"guardrailIdentifier\":\"g\"}"},
    {"promptVariables", "{\"k\":{\"text\":\"v\"}}"},
};

#define TABLE(dialect, title, rows, canon, count)                                                  \
    {                                                                                              \
        dialect, title, rows, sizeof(rows) / sizeof *(rows), canon, count                          \
    }

static const struct table {
    enum weir_dialect dialect;
    const char *title;
    const struct row *rows;
    size_t count;
    const struct weir_canon_field *canon;
    size_t canon_count;
} tables[] = {
    TABLE(WEIR_DIALECT_OPENAI_CHAT, "Chat Completions", chat_rows, weir_chat_canon,
          WEIR_CHAT_CANON),
    TABLE(WEIR_DIALECT_ANTHROPIC_MESSAGES, "Anthropic Messages", messages_rows, weir_messages_canon,
          WEIR_MESSAGES_CANON),
    TABLE(WEIR_DIALECT_OPENAI_RESPONSES, "OpenAI Responses", responses_rows, weir_responses_canon,
          WEIR_RESPONSES_CANON),
    TABLE(WEIR_DIALECT_GEMINI, "Gemini", gemini_rows, weir_gemini_canon, WEIR_GEMINI_CANON),
    TABLE(WEIR_DIALECT_BEDROCK, "Bedrock Converse", converse_rows, weir_converse_canon,
          WEIR_CONVERSE_CANON),
    {WEIR_DIALECT_COHERE, "Cohere", NULL, 0, NULL, 0}, /* of providers only */
};

enum { TABLES = sizeof tables / sizeof *tables };

static struct weir_arena *arena;

static bool has_row(const struct row *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].field, name) == 0)
            return true;
    return strcmp(name, "model") == 0;
}

/* The members of the translated body that stand there because of the field. */
static void add_written(struct weir_buf *out, struct weir_str rest, struct weir_str without)
{
    struct weir_str key, raw;
    struct weir_json j;
    bool first = true;

    /* It stands behind the model and its comma, or behind the opening brace. */
    rest = weir_str_of(weir_arena_printf(arena, "{%.*s", WEIR_STR_ARG(rest)));
    if (rest.p[1] == ',')
        ((char *)rest.p)[1] = ' ';
    weir_json_init(&j, rest);
    assert_true(weir_json_enter(&j, WEIR_JSON_OBJECT));
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &raw)) {
        struct weir_str member = {key.p - 1, (size_t)(raw.p + raw.n - key.p) + 1};

        if (memmem(without.p, without.n, member.p, member.n))
            continue;
        weir_buf_addz(out, first ? "`" : ", ");
        weir_buf_adds(out, member);
        first = false;
    }
    weir_buf_addz(out, first ? "" : "`");
}

static int translate(enum weir_dialect d, enum weir_dialect to, const char *body, bool strict,
                     struct weir_llm_translation *t)
{
    struct weir_llm_endpoint at = {.dialect = d};
    struct weir_llm_call call;
    struct weir_err err;

    if (weir_llm_ops(d)->model_in_path)
        at.model = WEIR_STR("m");
    assert_int_equal(weir_llm_decode(&at, weir_str_of(body), arena, &call, &err), WEIR_OK);
    return weir_llm_translate(&call, weir_str_of(body), to, strict, arena, t, &err);
}

static bool is_refused_strictly(enum weir_dialect d, enum weir_dialect to, const char *body)
{
    struct weir_llm_translation t;
    int rc = translate(d, to, body, true, &t);

    weir_buf_fini(&t.rest);
    return rc == WEIR_EINVAL;
}

static void add_outcome(struct weir_buf *out, const struct row *r, struct weir_str rest,
                        struct weir_str without)
{
    size_t n = out->n;

    if (strncmp(r->field, "max_", 4) == 0 || strstr(r->value, "maxOutputTokens") ||
        strstr(r->value, "maxTokens")) {
        weir_buf_addz(out, "the target's limit of output");
        return;
    }
    add_written(out, rest, without);
    if (out->n == n)
        weir_buf_addz(out, "decides about the answer's form");
}

static void add_row(struct weir_buf *out, enum weir_dialect d, enum weir_dialect to,
                    const struct row *r)
{
    const char *input = weir_llm_ops(d)->input_field;
    const char *model = weir_llm_ops(d)->model_in_path ? "" : "\"model\":\"m\",";
    const char *base = weir_arena_printf(arena, "{%s\"%s\":[]}", model, input);
    struct weir_llm_translation with, without;
    const char *body =
        strcmp(r->field, input) == 0
            ? weir_arena_printf(arena, "{%s\"%s\":%s}", model, input, r->value)
            : weir_arena_printf(arena, "{%s\"%s\":[],\"%s\":%s}", model, input, r->field, r->value);
    int rc = translate(d, to, body, false, &with);

    assert_int_equal(translate(d, to, base, false, &without), WEIR_OK);
    weir_buf_addf(out, "| `%s` | `%s` | ", r->field, r->value);
    if (rc)
        weir_buf_addz(out, "refused: only its own provider knows what it names");
    else if (with.dropped.p)
        weir_buf_addz(out, is_refused_strictly(d, to, body) ? "dropped and named; strictly refused"
                                                            : "dropped and named: a hint");
    else
        add_outcome(out, r, weir_buf_str(&with.rest), weir_buf_str(&without.rest));
    weir_buf_addz(out, " |\n");
    weir_buf_fini(&with.rest);
    weir_buf_fini(&without.rest);
}

static void add_table(struct weir_buf *out, const struct table *from, const struct table *to)
{
    weir_buf_addf(out,
                  "\n## %s to %s\n\n| Field | Example | Towards the provider |\n|---|---|---|\n",
                  from->title, to->title);
    for (size_t i = 0; i < from->count; i++)
        add_row(out, from->dialect, to->dialect, &from->rows[i]);
}

static const char head[] =
    "# Translation between APIs\n\n"
    "A target may speak another API than the caller. Within one API the bytes pass; between two "
    "every field is carried, mapped, or dropped and named in `x-weir-dropped`.\n"
    "`Route spec.translation`: `lenient` (the default) does that; `strict` refuses with 400, "
    "naming "
    "the field, what may change the answer; hints about cost, speed and bookkeeping are dropped "
    "either way; `none` leaves such targets out. A field that stands in no table is treated as one "
    "that may change the answer.\n\n"
    "Made by `weir_llm.test_translate_page` from the codecs themselves: each example was "
    "translated; "
    "the third column is what the provider gets because of it.\n";

static const char tail[] =
    "\n## Answers\n\n"
    "- Reasoning reaches a foreign client with its signature as `weir.<dialect>.<opaque>` "
    "(`reasoning_details` in Chat Completions, `signature` or `data` in Messages, "
    "`encrypted_content` in Responses, `signature` or `redactedContent` in Converse) and goes back "
    "only to the API that signed it.\n"
    "- Towards Responses nothing is stored; reasoning is asked for in its encrypted form where the "
    "caller sets an effort, so that it can go back.\n"
    "- Of Responses' own tools, one of a namespace is called `NAMESPACE__NAME` elsewhere, and one "
    "that takes a text becomes a function with the one field `input`, whose grammar is told and "
    "not "
    "enforced; both, and those of `additional_tools`, reach the caller as it has them. The "
    "provider's tools are losses.\n"
    "- A failed tool result is told to Chat Completions and Responses as a text that begins with "
    "`Error: `; towards Chat Completions a result's images follow in a message of the user.\n"
    "- Parallel tool calls keep their order; towards Messages and Converse one block is open at a "
    "time, towards Responses each part is an item of its own.\n"
    "- Usage is the same for the same call: Chat Completions and Responses count cached tokens in "
    "the input, "
    "Messages beside `input_tokens`. A Messages stream from a provider that tells usage at its end "
    "begins with zeros; `message_delta` has the figures. Gemini counts thoughts in "
    "`thoughtsTokenCount`, beside `candidatesTokenCount`.\n"
    "- A thought signature of Gemini comes back on the part that it stood on; a foreign one "
    "reaches Google's clients in base64. Calls in a conversation that no Gemini model has signed "
    "carry the signature that Google's own CLI gives such calls.\n"
    "- Gemini's function calls without an id get one; a response without an id belongs to the "
    "first call of its name that has none yet. A result's images follow in a content of their "
    "own.\n"
    "- Google's names may be written with underscores, too.\n"
    "- Converse's answers name no model. `metrics.latencyMs` is the time that the call has taken "
    "here. A refusal ends with `content_filtered`; documents as texts become texts; only bytes are "
    "carried, not what lies in S3.\n"
    "- Cohere's plan before it calls tools is a text before the calls, and such a text goes back "
    "as the "
    "plan. Its thoughts carry the signature `thinking`, for it has none of its own, and go back. A "
    "tool's result is a document there: the object that it is, or `{\"text\": ...}`, or, of one "
    "that "
    "failed, `{\"error\": ...}`. A tool that is named is the only one offered, and required.\n"
    "- Embeddings: inputs, sizes and purposes are carried between OpenAI's and Google's requests "
    "and "
    "the models of OpenAI, Google, Cohere (its own API, and Bedrock's `invoke`) and Amazon's Titan "
    "(one text in a call). Google's `taskType`, or `input_type` in OpenAI's shape, is Cohere's "
    "`input_type`, `search_document` where none is given; OpenAI's models and Titan have no place "
    "for "
    "it. Vectors come as the caller asked for them, numbers or base64; tokens as input are "
    "refused.\n"
    "- Not carried: citations, log probabilities, results of the provider's own tools, audio.\n";

static void the_page_is_up_to_date(void **state)
{
    const char *path = WEIR_SOURCE_DIR "/docs/translation.md";
    struct weir_buf made, kept;

    (void)state;
    arena = weir_arena_create(NULL);
    weir_buf_init(&made, MAX_PAGE_BYTES);
    weir_buf_init(&kept, MAX_PAGE_BYTES);
    weir_buf_addz(&made, head);
    for (size_t i = 0; i < TABLES; i++)
        for (size_t k = 0; k < TABLES; k++)
            if (k != i && tables[i].count)
                add_table(&made, &tables[i], &tables[k]);
    weir_buf_addz(&made, tail);
    if (getenv("WEIR_UPDATE_DOCS"))
        assert_int_equal(weir_file_replace(path, weir_buf_str(&made), 0644, false), WEIR_OK);
    assert_int_equal(weir_file_read(path, &kept), WEIR_OK);
    assert_true(weir_str_eq(weir_buf_str(&made), weir_buf_str(&kept)));
    weir_buf_fini(&made);
    weir_buf_fini(&kept);
    weir_arena_destroy(arena);
}

static void every_field_of_the_codecs_has_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < TABLES; i++)
        for (size_t k = 0; k < tables[i].canon_count; k++)
            assert_true(
                has_row(tables[i].rows, tables[i].count, tables[i].canon[k].name) ||
                /* another spelling of Google's names */
                (tables[i].dialect == WEIR_DIALECT_GEMINI && strchr(tables[i].canon[k].name, '_')));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_is_up_to_date),
                                       cmocka_unit_test(every_field_of_the_codecs_has_a_row)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
