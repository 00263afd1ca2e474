#include "dataplane/llm/converse.h"

#include "http/eventstream.h"

static int error_body(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    (void)request_id; /* it is a header there */
    weir_buf_addz(out, "{\"message\":");
    weir_buf_add_json(out, weir_str_of(err->detail ? err->detail : weir_rc_name(err->rc)));
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static const char *exception_of(uint16_t status)
{
    switch (status) {
    case 429:
        return "throttlingException";
    case 502:
    case 503:
    case 504:
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

const struct weir_llm_ops weir_llm_converse_ops = {
    .name = "bedrock",
    .call = "converse",
    .max_field = "maxTokens",
    .older_max_field = "maxTokens",
    .model_in_path = true,
    .stream_in_path = true,
    .binary_events = true,
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
    .error_body = error_body,
    .fail = fail,
    .write_call = weir_converse_write_call,
    .read_event = weir_converse_read_event,
    .read_answer = weir_converse_read_answer,
};
