/* cohere_embed.c - embeddings of Cohere's models: its own API (v2), and the same body by Bedrock's
 * invoke, which tells the usage in a header. Of providers only. */
#include "dataplane/llm/chat.h"
#include "dataplane/llm/cohere.h"
#include "dataplane/llm/converse.h"
#include "dataplane/llm/embed.h"

/* It must be told: what is stored to be searched is what most calls embed. */
static const char *purpose_of(struct weir_canon_out *o)
{
    switch (o->call->embed->purpose) {
    case WEIR_EMBED_QUERY:
        return "search_query";
    case WEIR_EMBED_CLASSIFICATION:
        return "classification";
    case WEIR_EMBED_CLUSTERING:
        return "clustering";
    case WEIR_EMBED_SIMILARITY:
        weir_embed_lose_purpose(o);
        return "search_document";
    default:
        return "search_document";
    }
}

static void write_call(struct weir_canon_out *o)
{
    weir_embed_put_texts(o, "texts");
    weir_jw_z(&o->w, "input_type", purpose_of(o));
    weir_jw_array(&o->w, "embedding_types");
    weir_jw_z(&o->w, NULL, "float");
    weir_jw_end_array(&o->w);
    weir_canon_put_json(&o->w, "output_dimension", o->call->embed->dimensions);
    weir_embed_lose_title(o);
    weir_embed_lose_user(o);
}

/* By type, or the bare list that older models answer with. */
static bool read_vectors(struct weir_str document, struct weir_arena *a,
                         struct weir_embed_answer *out)
{
    struct weir_str all = WEIR_STR_NULL, floats = all, base64 = all;
    const struct weir_canon_want want[] = {{"embeddings", &all}};
    const struct weir_canon_want of[] = {{"float", &floats}, {"base64", &base64}};

    if (!weir_canon_find(document, want, 1) || !all.n)
        return false;
    if (all.p[0] == '[')
        floats = all;
    else if (!weir_canon_find(all, of, 2))
        return false;
    return weir_embed_add_vectors(out, a, floats.p ? floats : base64);
}

static bool read_texts(struct weir_llm_decoder *d)
{
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j)) {
        d->call->messages++;
        if (!weir_json_skip(&d->j, NULL))
            return false;
    }
    return !d->j.fault;
}

/* On Bedrock the path has the model. */
static const struct weir_llm_field fields[] = {{"texts", read_texts},
                                               {"model", weir_llm_read_model}};

#define EMBEDDING(own_name, own_family, bedrock)                                                   \
    {                                                                                              \
        .name = (own_name), .call = "embeddings", .fields = fields,                                \
        .field_count = (bedrock) ? 1 : 2, .family = (own_family), .model_in_path = (bedrock),      \
        .usage_in_header = (bedrock), .provider_only = true, .no_output = true,                    \
        .event = weir_cohere_event, .usage = weir_cohere_usage,                                    \
        .paths =                                                                                   \
            {                                                                                      \
                [WEIR_DOC_USAGE] = {{"meta"}},           [WEIR_DOC_MODEL] = {{"model"}},           \
                [WEIR_DOC_FINISH] = {{"finish_reason"}}, [WEIR_DOC_CONTENT] = {{"embeddings"}},    \
                [WEIR_DOC_ERROR] = {{"message"}},                                                  \
            },                                                                                     \
        .error_body = weir_chat_error_body, .fail = weir_chat_fail,                                \
        .keepalive = {": keep-alive\n\n", 14}, .model = weir_chat_model,                           \
        .models = weir_chat_models, .write_call = write_call, .read_vectors = read_vectors,        \
    }

const struct weir_llm_ops weir_llm_cohere_embed_ops =
    EMBEDDING("cohere", WEIR_DIALECT_COHERE, false);

const struct weir_llm_ops weir_llm_bedrock_cohere_embed_ops =
    EMBEDDING("bedrock", WEIR_DIALECT_BEDROCK, true);
