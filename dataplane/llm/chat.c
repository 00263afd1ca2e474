#include "dataplane/llm/chat.h"

static const char *error_type(uint16_t status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "insufficient_quota";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

int weir_chat_error_body(const struct weir_err *err, struct weir_str request_id,
                         struct weir_buf *out)
{
    weir_buf_addz(out, "{\"error\":{\"message\":");
    weir_buf_add_json(out, weir_str_of(err->detail ? err->detail : weir_rc_name(err->rc)));
    weir_buf_addf(out, ",\"type\":\"%s\",\"code\":", error_type(weir_llm_error_status(err)));
    if (err->code)
        weir_buf_add_json(out, weir_str_of(err->code));
    else
        weir_buf_addz(out, "null");
    weir_buf_addz(out, ",\"param\":null}");
    if (request_id.n) {
        weir_buf_addz(out, ",\"request_id\":");
        weir_buf_add_json(out, request_id);
    }
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

int weir_chat_fail(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    weir_buf_addz(out, "data: ");
    weir_chat_error_body(err, request_id, out);
    weir_buf_addz(out, "\n\n");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

void weir_chat_model(const struct weir_llm_model *m, int64_t created_s, struct weir_buf *out)
{
    weir_buf_addz(out, "{\"id\":");
    weir_buf_add_json(out, m->id);
    weir_buf_addf(out,
                  ",\"object\":\"model\",\"created\":%lld,\"owned_by\":", (long long)created_s);
    weir_buf_add_json(out, m->owner);
    weir_buf_addz(out, "}");
}

int weir_chat_models(const struct weir_llm_model *list, size_t n, bool more, int64_t created_s,
                     struct weir_buf *out)
{
    (void)more; /* this API has no pages */
    weir_buf_addz(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            weir_buf_addz(out, ",");
        weir_chat_model(&list[i], created_s, out);
    }
    weir_buf_addz(out, "]}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

const struct weir_llm_ops weir_llm_chat_ops = {
    .name = "openai",
    .call = "chat",
    .fields = weir_chat_fields,
    .field_count = WEIR_CHAT_FIELDS,
    .max_field = "max_completion_tokens",
    .older_max_field = "max_tokens",
    .usage_on_request = true,
    .openai = true,
    .input_field = "messages",
    .event = weir_chat_event,
    .usage = weir_chat_usage,
    .is_failure = weir_chat_is_failure,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"choices", "*", "finish_reason"}},
            [WEIR_DOC_CONTENT] = {{"choices", "*", "message"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .cut = weir_chat_cut,
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
    .echo_body = weir_chat_echo_body,
    .echo_next = weir_chat_echo_next,
    .canon_fields = weir_chat_canon,
    .canon_field_count = WEIR_CHAT_CANON,
    .write_call = weir_chat_write_call,
    .read_event = weir_chat_read_event,
    .read_answer = weir_chat_read_answer,
    .write_event = weir_chat_write_event,
    .write_answer = weir_chat_write_answer,
};
