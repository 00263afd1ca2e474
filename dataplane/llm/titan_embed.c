/* titan_embed.c - embeddings of Amazon's Titan models by Bedrock's invoke: one text in a call. Of
 * providers only. */
#include "dataplane/llm/chat.h"
#include "dataplane/llm/embed.h"

static void write_call(struct weir_canon_out *o)
{
    weir_canon_put(&o->w, "inputText", o->call->embed->texts[0]);
    weir_canon_put_json(&o->w, "dimensions", o->call->embed->dimensions);
    weir_embed_lose_purpose(o);
    weir_embed_lose_title(o);
    weir_embed_lose_user(o);
}

static bool read_vectors(struct weir_str document, struct weir_arena *a,
                         struct weir_embed_answer *out)
{
    struct weir_str vector = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"embedding", &vector}};

    return weir_canon_find(document, want, 1) && weir_embed_add_vector(out, a, vector);
}

static void usage(struct weir_llm_tap *t, struct weir_str raw)
{
    weir_llm_keep_tokens(&t->seen.usage.input, raw);
}

static bool read_text(struct weir_llm_decoder *d)
{
    d->call->messages++;
    return weir_json_skip(&d->j, NULL);
}

static const struct weir_llm_field fields[] = {{"inputText", read_text}};

const struct weir_llm_ops weir_llm_titan_embed_ops = {
    .name = "bedrock",
    .call = "embeddings",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .family = WEIR_DIALECT_BEDROCK,
    .model_in_path = true,
    .usage_in_header = true,
    .one_input = true,
    .provider_only = true,
    .no_output = true,
    .event = weir_chat_event,
    .usage = usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"inputTextTokenCount"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"finish_reason"}},
            [WEIR_DOC_CONTENT] = {{"embedding"}},
            [WEIR_DOC_ERROR] = {{"message"}},
        },
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
    .write_call = write_call,
    .read_vectors = read_vectors,
};
