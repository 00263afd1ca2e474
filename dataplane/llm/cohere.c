#include "dataplane/llm/cohere.h"

#include "dataplane/llm/chat.h"

static bool read_max(struct weir_llm_decoder *d)
{
    return weir_llm_read_max(d, 0);
}

static const struct weir_llm_field fields[] = {
    {"model", weir_llm_read_model}, {"messages", weir_llm_read_messages},
    {"tools", weir_llm_read_tools}, {"stream", weir_llm_read_stream},
    {"max_tokens", read_max},
};

/* No client speaks it, so that nothing is ever said in it by us: OpenAI's shapes stand in. */
const struct weir_llm_ops weir_llm_cohere_ops = {
    .name = "cohere",
    .call = "chat",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .max_field = "max_tokens",
    .older_max_field = "max_tokens",
    .input_field = "messages",
    .provider_only = true,
    .error_is_text = true,
    .event = weir_cohere_event,
    .usage = weir_cohere_usage,
    .is_failure = weir_cohere_is_failure,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"finish_reason"}},
            [WEIR_DOC_CONTENT] = {{"message", "content"}},
            [WEIR_DOC_ERROR] = {{"message"}},
        },
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
    .write_call = weir_cohere_write_call,
    .read_event = weir_cohere_read_event,
    .read_answer = weir_cohere_read_answer,
};
