/* completions.c - OpenAI's legacy completions: read, edited, metered and cut. */
#include "dataplane/llm/chat.h"

enum { DEFAULT_OUTPUT = 16, MOST_ANSWERS = 128 };

/* A text, a list of tokens, or a list of either: every one of these is answered. */
static bool read_prompt(struct weir_llm_decoder *d)
{
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j)) {
        d->prompts += weir_json_peek(&d->j) != WEIR_JSON_NUMBER;
        if (!weir_json_skip(&d->j, NULL))
            return false;
    }
    return !d->j.fault;
}

static bool read_max_tokens(struct weir_llm_decoder *d)
{
    return weir_llm_read_max(d, 0);
}

static bool read_best_of(struct weir_llm_decoder *d)
{
    return weir_llm_read_int(d, 0, MOST_ANSWERS, &d->best_of, NULL);
}

static const struct weir_llm_field fields[] = {
    {"model", weir_llm_read_model},   {"prompt", read_prompt},
    {"stream", weir_llm_read_stream}, {"stream_options", weir_chat_read_stream_options},
    {"max_tokens", read_max_tokens},  {"n", weir_chat_read_n},
    {"best_of", read_best_of},        {"user", weir_chat_read_user},
};

static void chunk_begins(const struct weir_llm_tap *t, struct weir_buf *out)
{
    weir_buf_addz(out, "data: {\"id\":");
    weir_buf_add_json(out, t->id);
    weir_buf_addf(out, ",\"object\":\"text_completion\",\"created\":%lld,\"model\":",
                  (long long)t->created_s);
    weir_buf_add_json(out, t->seen.model);
    weir_buf_addz(out, ",\"choices\":[");
}

/* Finishes the choices that are still open; the first one says why. */
static void cut(struct weir_llm_tap *t, struct weir_str notice, const struct weir_usage *usage,
                struct weir_buf *out)
{
    for (unsigned i = 0; i < WEIR_LLM_PARTS; i++) {
        if (!(t->parts[i / 64] >> i % 64 & 1) || t->closed[i / 64] >> i % 64 & 1)
            continue;
        chunk_begins(t, out);
        weir_buf_addf(out, "{\"index\":%u,\"logprobs\":null,\"text\":", i);
        weir_buf_add_json(out, notice.n ? notice : WEIR_STR(""));
        notice.n = 0;
        weir_buf_addz(out, ",\"finish_reason\":\"length\"}]}\n\n");
    }
    if (t->conf.client_usage) {
        chunk_begins(t, out);
        weir_buf_addz(out, "],\"usage\":");
        weir_chat_add_usage(out, usage);
        weir_buf_addz(out, "}\n\n");
    }
    weir_buf_addz(out, "data: [DONE]\n\n");
}

const struct weir_llm_ops weir_llm_completions_ops = {
    .name = "openai",
    .call = "text_completion",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .family = WEIR_DIALECT_OPENAI_CHAT,
    .default_output = DEFAULT_OUTPUT,
    .max_field = "max_tokens",
    .older_max_field = "max_tokens",
    .usage_on_request = true,
    .openai = true,
    .event = weir_chat_event,
    .usage = weir_chat_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"choices", "*", "finish_reason"}},
            [WEIR_DOC_CONTENT] = {{"choices", "*", "text"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .cut = cut,
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
};
