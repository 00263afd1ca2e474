#include "dataplane/llm/llm_internal.h"

#include <inttypes.h>

const struct weir_llm_ops *weir_llm_ops(enum weir_dialect d)
{
    static const struct weir_llm_ops *const table[WEIR_DIALECT_ALL] = {
        [WEIR_DIALECT_OPENAI_CHAT] = &weir_llm_chat_ops,
        [WEIR_DIALECT_ANTHROPIC_MESSAGES] = &weir_llm_messages_ops,
        [WEIR_DIALECT_OPENAI_RESPONSES] = &weir_llm_responses_ops,
        [WEIR_DIALECT_GEMINI] = &weir_llm_gemini_ops,
        [WEIR_DIALECT_BEDROCK] = &weir_llm_converse_ops,
        [WEIR_DIALECT_COHERE] = &weir_llm_cohere_ops,
        [WEIR_DIALECT_OPENAI_COMPLETIONS] = &weir_llm_completions_ops,
        [WEIR_DIALECT_OPENAI_EMBEDDINGS] = &weir_llm_embeddings_ops,
        [WEIR_DIALECT_GEMINI_EMBED] = &weir_llm_gemini_embed_ops,
        [WEIR_DIALECT_COHERE_EMBED] = &weir_llm_cohere_embed_ops,
        [WEIR_DIALECT_BEDROCK_COHERE_EMBED] = &weir_llm_bedrock_cohere_embed_ops,
        [WEIR_DIALECT_TITAN_EMBED] = &weir_llm_titan_embed_ops,
        [WEIR_DIALECT_OPENAI_OTHER] = &weir_llm_other_ops,
        [WEIR_DIALECT_GEMINI_EMBED_BATCH] = &weir_llm_gemini_embed_batch_ops,
    };

    return d < WEIR_DIALECT_ALL ? table[d] : NULL;
}

const char *weir_dialect_name(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops ? ops->name : "none";
}

const char *weir_dialect_call(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops ? ops->call : "other";
}

enum weir_dialect weir_dialect_family(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops && ops->family ? ops->family : d;
}

/* Bedrock has a body of its own for each vendor's models. */
static enum weir_dialect bedrock_embedding(struct weir_str model)
{
    if (memmem(model.p, model.n, "cohere.embed", 12))
        return WEIR_DIALECT_BEDROCK_COHERE_EMBED;
    return memmem(model.p, model.n, "amazon.titan-embed-text", 23) ? WEIR_DIALECT_TITAN_EMBED
                                                                   : WEIR_DIALECT_NONE;
}

enum weir_dialect weir_dialect_at(enum weir_dialect d, enum weir_dialect provider,
                                  struct weir_str model)
{
    if (!weir_dialect_translates(d))
        return WEIR_DIALECT_NONE;
    if (weir_dialect_family(d) == d)
        return provider;
    switch ((int)provider) {
    case WEIR_DIALECT_OPENAI_CHAT:
        return WEIR_DIALECT_OPENAI_EMBEDDINGS;
    case WEIR_DIALECT_GEMINI:
        return WEIR_DIALECT_GEMINI_EMBED_BATCH;
    case WEIR_DIALECT_COHERE:
        return WEIR_DIALECT_COHERE_EMBED;
    case WEIR_DIALECT_BEDROCK:
        return model.n ? bedrock_embedding(model) : WEIR_DIALECT_NONE;
    default:
        return WEIR_DIALECT_NONE;
    }
}

bool weir_dialect_translates(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops && ops->canon_fields;
}

struct weir_str weir_dialect_stream_type(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops && ops->binary_events ? WEIR_STR("application/vnd.amazon.eventstream")
                                     : WEIR_STR("text/event-stream");
}

bool weir_dialect_echoes(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops && ops->echo_body;
}

int64_t weir_dialect_default_output(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops ? ops->default_output : 0;
}

struct weir_str weir_llm_keepalive(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops ? ops->keepalive : WEIR_STR(": keep-alive\n\n");
}

uint16_t weir_llm_error_status(const struct weir_err *err)
{
    if (err->http_status)
        return err->http_status;
    switch (err->rc) {
    case WEIR_EINVAL:
        return 400;
    case WEIR_EAUTH:
        return 401;
    case WEIR_ENOTFOUND:
        return 404;
    case WEIR_ELIMIT:
        return 429;
    case WEIR_EUNSUPPORTED:
        return 501;
    case WEIR_ETIMEOUT:
        return 504;
    case WEIR_EPROTO:
    case WEIR_ETLS:
    case WEIR_ECONNECT:
    case WEIR_ECLOSED:
        return 502;
    default:
        return 500;
    }
}

bool weir_llm_error_final(const struct weir_err *err)
{
    uint16_t status = weir_llm_error_status(err);

    if (err->retryable)
        return false;
    return (status >= 400 && status < 500 && status != 408 && status != 409) || status == 501;
}

static const struct weir_llm_ops *ops_or_chat(enum weir_dialect d)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops ? ops : &weir_llm_chat_ops;
}

int weir_llm_error_body(enum weir_dialect d, const struct weir_err *err, struct weir_str request_id,
                        struct weir_buf *out)
{
    return ops_or_chat(d)->error_body(err, request_id, out);
}

const char *weir_llm_error_type(enum weir_dialect d, uint16_t status)
{
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    return ops && ops->error_type ? ops->error_type(status) : NULL;
}

int weir_llm_stream_fail(enum weir_dialect d, const struct weir_err *err,
                         struct weir_str request_id, struct weir_buf *out)
{
    return ops_or_chat(d)->fail(err, request_id, out);
}

int weir_llm_models_body(enum weir_dialect d, const struct weir_llm_model *models, size_t n,
                         bool more, int64_t created_s, struct weir_buf *out)
{
    return ops_or_chat(d)->models(models, n, more, created_s, out);
}

int weir_llm_model_body(enum weir_dialect d, const struct weir_llm_model *model, int64_t created_s,
                        struct weir_buf *out)
{
    ops_or_chat(d)->model(model, created_s, out);
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

int weir_llm_count_body(enum weir_dialect d, int64_t tokens, struct weir_buf *out)
{
    static const char *const before[WEIR_DIALECT_CLIENTS] = {
        [WEIR_DIALECT_ANTHROPIC_MESSAGES] = "{\"input_tokens\":",
        [WEIR_DIALECT_OPENAI_RESPONSES] = "{\"object\":\"response.input_tokens\",\"input_tokens\":",
        [WEIR_DIALECT_GEMINI] = "{\"totalTokens\":",
        [WEIR_DIALECT_BEDROCK] = "{\"inputTokens\":",
    };

    WEIR_ASSERT(d < WEIR_DIALECT_CLIENTS && before[d]);
    weir_buf_addf(out, "%s%" PRId64 "}", before[d], tokens);
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}
