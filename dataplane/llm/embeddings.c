/* embeddings.c - OpenAI's embeddings: read and metered; bytes pass, in whatever coding they come.
 */
#include "dataplane/llm/chat.h"

/* Texts, lists of tokens, or objects that hold media: every part is counted as a message, and what
 * is no text or token as a picture. */
static bool read_input(struct weir_llm_decoder *d)
{
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY)) {
        d->call->messages++;
        return weir_json_skip(&d->j, NULL);
    }
    while (weir_json_element(&d->j)) {
        enum weir_json_type type = weir_json_peek(&d->j);

        d->call->messages += type == WEIR_JSON_STRING || type == WEIR_JSON_ARRAY;
        d->call->images += type == WEIR_JSON_OBJECT;
        if (!weir_json_skip(&d->j, NULL))
            return false;
    }
    return !d->j.fault;
}

static const struct weir_llm_field fields[] = {
    {"model", weir_llm_read_model},
    {"input", read_input},
    {"messages", weir_llm_read_messages}, /* vLLM's */
    {"user", weir_chat_read_user},
};

const struct weir_llm_ops weir_llm_embeddings_ops = {
    .name = "openai",
    .call = "embeddings",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .family = WEIR_DIALECT_OPENAI_CHAT,
    .no_output = true,
    .openai = true,
    .event = weir_chat_event,
    .usage = weir_chat_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"finish_reason"}},
            [WEIR_DOC_CONTENT] = {{"data"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
};
