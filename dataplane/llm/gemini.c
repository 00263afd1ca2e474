#include "dataplane/llm/gemini.h"

/* The names of google.rpc.Code. */
static const char *status_name(uint16_t status)
{
    switch (status) {
    case 401:
        return "UNAUTHENTICATED";
    case 402:
        return "FAILED_PRECONDITION";
    case 403:
        return "PERMISSION_DENIED";
    case 404:
        return "NOT_FOUND";
    case 408:
    case 504:
        return "DEADLINE_EXCEEDED";
    case 409:
        return "ABORTED";
    case 429:
        return "RESOURCE_EXHAUSTED";
    case 501:
        return "UNIMPLEMENTED";
    case 502:
    case 503:
    case 529:
        return "UNAVAILABLE";
    default:
        return status < 500 ? "INVALID_ARGUMENT" : "INTERNAL";
    }
}

static int error_body(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    uint16_t status = weir_llm_error_status(err);

    weir_buf_addf(out, "{\"error\":{\"code\":%u,\"message\":", (unsigned)status);
    weir_buf_add_json(out, weir_str_of(err->detail ? err->detail : weir_rc_name(err->rc)));
    weir_buf_addf(out, ",\"status\":\"%s\",\"details\":[", status_name(status));
    if (err->code) {
        weir_buf_addz(out, "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":");
        weir_buf_add_json(out, weir_str_of(err->code));
        weir_buf_addz(out, ",\"domain\":\"weir\"}");
    }
    if (request_id.n) {
        weir_buf_addf(out,
                      "%s{\"@type\":\"type.googleapis.com/google.rpc.RequestInfo\",\"requestId\":",
                      err->code ? "," : "");
        weir_buf_add_json(out, request_id);
        weir_buf_addz(out, "}");
    }
    weir_buf_addz(out, "]}}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static int fail(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    weir_buf_addz(out, "data: ");
    error_body(err, request_id, out);
    weir_buf_addz(out, "\n\n");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static void model(const struct weir_llm_model *m, int64_t created_s, struct weir_buf *out)
{
    struct weir_buf name;

    (void)created_s;
    weir_buf_init(&name, m->id.n + 8);
    weir_buf_addz(&name, "models/");
    weir_buf_adds(&name, m->id);
    weir_buf_addz(out, "{\"name\":");
    weir_buf_add_json(out, weir_buf_str(&name));
    weir_buf_addz(out, ",\"displayName\":");
    weir_buf_add_json(out, m->id);
    if (m->max_output_tokens > 0)
        weir_buf_addf(out, ",\"outputTokenLimit\":%lld", (long long)m->max_output_tokens);
    weir_buf_addz(out, ",\"supportedGenerationMethods\":[\"generateContent\"]}");
    weir_buf_fini(&name);
}

static int models(const struct weir_llm_model *list, size_t n, bool more, int64_t created_s,
                  struct weir_buf *out)
{
    weir_buf_addz(out, "{\"models\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            weir_buf_addz(out, ",");
        model(&list[i], created_s, out);
    }
    weir_buf_addz(out, "]");
    if (more && n) { /* the next page is what comes after the last one here */
        weir_buf_addz(out, ",\"nextPageToken\":");
        weir_buf_add_json(out, list[n - 1].id);
    }
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

const struct weir_llm_ops weir_llm_gemini_ops = {
    .name = "gemini",
    .call = "generate_content",
    .fields = weir_gemini_fields,
    .field_count = WEIR_GEMINI_FIELDS,
    .max_field = "maxOutputTokens",
    .older_max_field = "maxOutputTokens",
    .limit_object = "generationConfig",
    .model_in_path = true,
    .stream_in_path = true,
    .ends_with_stream = true,
    .input_field = "contents",
    .event_bytes = 16 << 20, /* one holds a picture, or a call with all its arguments */
    .stream_query = "alt=sse",
    .event = weir_gemini_event,
    .usage = weir_gemini_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usageMetadata"}},
            [WEIR_DOC_MODEL] = {{"modelVersion"}},
            [WEIR_DOC_FINISH] = {{"candidates", "*", "finishReason"}},
            [WEIR_DOC_CONTENT] = {{"candidates", "*", "content", "parts"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .cut = weir_gemini_cut,
    .error_body = error_body,
    .fail = fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = model,
    .models = models,
    .echo_body = weir_gemini_echo_body,
    .echo_next = weir_gemini_echo_next,
    .canon_fields = weir_gemini_canon,
    .canon_field_count = WEIR_GEMINI_CANON,
    .write_call = weir_gemini_write_call,
    .read_event = weir_gemini_read_event,
    .read_answer = weir_gemini_read_answer,
    .write_event = weir_gemini_write_event,
    .write_answer = weir_gemini_write_answer,
};

#define EMBEDDING(call_name, own_fields, count, answer, canon, canon_count, write)                 \
    {                                                                                              \
        .name = "gemini", .call = (call_name), .fields = (own_fields), .field_count = (count),     \
        .family = WEIR_DIALECT_GEMINI, .model_in_path = true, .no_output = true,                   \
        .event = weir_gemini_event, .usage = weir_gemini_usage,                                    \
        .paths =                                                                                   \
            {                                                                                      \
                [WEIR_DOC_USAGE] = {{"usageMetadata"}}, [WEIR_DOC_MODEL] = {{"modelVersion"}},     \
                [WEIR_DOC_FINISH] = {{"finishReason"}}, [WEIR_DOC_CONTENT] = {{answer}},           \
                [WEIR_DOC_ERROR] = {{"error"}},                                                    \
            },                                                                                     \
        .error_body = error_body, .fail = fail, .keepalive = {": keep-alive\n\n", 14},             \
        .model = model, .models = models, .canon_fields = (canon),                                 \
        .canon_field_count = (canon_count), .repeats_model = true,                                 \
        .write_call = weir_gemini_write_embed, .read_vectors = weir_gemini_read_vectors,           \
        .write_vectors = (write),                                                                  \
    }

const struct weir_llm_ops weir_llm_gemini_embed_ops =
    EMBEDDING("embeddings", weir_gemini_embed_fields, WEIR_GEMINI_EMBED_FIELDS, "embedding",
              weir_gemini_embed_canon, WEIR_GEMINI_EMBED_CANON, weir_gemini_write_vector);

const struct weir_llm_ops weir_llm_gemini_embed_batch_ops = EMBEDDING(
    "embeddings", weir_gemini_embed_batch_fields, WEIR_GEMINI_EMBED_BATCH_FIELDS, "embeddings",
    weir_gemini_embed_batch_canon, WEIR_GEMINI_EMBED_BATCH_CANON, weir_gemini_write_vectors);
