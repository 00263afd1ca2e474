#include "dataplane/llm/converse.h"

#include "http/eventstream.h"

static const char *error_type(uint16_t status)
{
    switch (status) {
    case 401:
    case 403:
        return "AccessDeniedException";
    case 402:
        return "ServiceQuotaExceededException";
    case 404:
        return "ResourceNotFoundException";
    case 408:
    case 504:
        return "ModelTimeoutException";
    case 409:
        return "ConflictException";
    case 424:
        return "ModelErrorException";
    case 429:
        return "ThrottlingException";
    case 502:
    case 503:
    case 529:
        return "ServiceUnavailableException";
    default:
        return status < 500 ? "ValidationException" : "InternalServerException";
    }
}

/* The request's id is a header there. The type is one, too, but for answers of the server below,
 * which has only the body; "code" would be taken for the type. */
static int error_body(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    (void)request_id;
    weir_buf_addf(out, "{\"__type\":\"%s\",\"message\":", error_type(weir_llm_error_status(err)));
    weir_buf_add_json(out, weir_str_of(err->detail ? err->detail : weir_rc_name(err->rc)));
    if (err->code) {
        weir_buf_addz(out, ",\"reason\":");
        weir_buf_add_json(out, weir_str_of(err->code));
    }
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

/* Those that a stream's type lists. */
static const char *exception_of(uint16_t status)
{
    switch (status) {
    case 424:
        return "modelStreamErrorException";
    case 429:
        return "throttlingException";
    case 502:
    case 503:
    case 504:
    case 529:
        return "serviceUnavailableException";
    default:
        return status < 500 ? "validationException" : "internalServerException";
    }
}

static int fail(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    struct weir_buf body;
    int rc;

    weir_buf_init(&body, 1 << 16);
    rc = error_body(err, request_id, &body);
    if (rc == WEIR_OK)
        rc = weir_eventstream_write(out, "exception",
                                    weir_str_of(exception_of(weir_llm_error_status(err))),
                                    weir_buf_str(&body));
    weir_buf_fini(&body);
    return rc;
}

static void add_model(const struct weir_llm_model *m, struct weir_buf *out)
{
    weir_buf_addz(out, "{\"modelArn\":");
    weir_buf_add_json(out, m->id);
    weir_buf_addz(out, ",\"modelId\":");
    weir_buf_add_json(out, m->id);
    weir_buf_addz(out, ",\"modelName\":");
    weir_buf_add_json(out, m->id);
    weir_buf_addz(out, ",\"providerName\":");
    weir_buf_add_json(out, m->owner);
    weir_buf_addz(out, ",\"responseStreamingSupported\":true}");
}

static void model(const struct weir_llm_model *m, int64_t created_s, struct weir_buf *out)
{
    (void)created_s;
    weir_buf_addz(out, "{\"modelDetails\":");
    add_model(m, out);
    weir_buf_addz(out, "}");
}

static int models(const struct weir_llm_model *list, size_t n, bool more, int64_t created_s,
                  struct weir_buf *out)
{
    (void)more; /* this API has no pages */
    (void)created_s;
    weir_buf_addz(out, "{\"modelSummaries\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            weir_buf_addz(out, ",");
        add_model(&list[i], out);
    }
    weir_buf_addz(out, "]}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

/* An event of a type that no client knows, which the format bids them skip: its name is "ping" and
 * its payload an empty object. */
static const char keepalive[] = "\000\000\000\134\000\000\000J\016\310U-"
                                "\013:event-type\007\000\004ping"
                                "\015:content-type\007\000\020application/json"
                                "\015:message-type\007\000\005event{}Q\305\246\375";

const struct weir_llm_ops weir_llm_converse_ops = {
    .name = "bedrock",
    .call = "converse",
    .fields = weir_converse_fields,
    .field_count = WEIR_CONVERSE_FIELDS,
    .max_field = "maxTokens",
    .older_max_field = "maxTokens",
    .limit_object = "inferenceConfig",
    .model_in_path = true,
    .stream_in_path = true,
    .binary_events = true,
    .input_field = "messages",
    .event = weir_converse_event,
    .usage = weir_converse_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"stopReason"}},
            [WEIR_DOC_CONTENT] = {{"output", "message", "content"}},
            [WEIR_DOC_ERROR] = {{"message"}},
        },
    .cut = weir_converse_cut,
    .error_body = error_body,
    .fail = fail,
    .error_type = error_type,
    .keepalive = {keepalive, sizeof(keepalive) - 1},
    .model = model,
    .models = models,
    .echo_body = weir_converse_echo_body,
    .echo_next = weir_converse_echo_next,
    .canon_fields = weir_converse_canon,
    .canon_field_count = WEIR_CONVERSE_CANON,
    .write_call = weir_converse_write_call,
    .read_event = weir_converse_read_event,
    .read_answer = weir_converse_read_answer,
    .write_event = weir_converse_write_event,
    .write_answer = weir_converse_write_answer,
};
