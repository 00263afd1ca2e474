#include "dataplane/llm/messages.h"

#include <time.h>

static const char *error_type(uint16_t status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 402:
        return "billing_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 408:
    case 504:
        return "timeout_error";
    case 409:
        return "conflict_error";
    case 429:
        return "rate_limit_error";
    case 529:
        return "overloaded_error";
    default:
        return status < 500 ? "invalid_request_error" : "api_error";
    }
}

static int error_body(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    weir_buf_addf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
                  error_type(weir_llm_error_status(err)));
    weir_buf_add_json(out, weir_str_of(err->detail ? err->detail : weir_rc_name(err->rc)));
    if (err->code) {
        weir_buf_addz(out, ",\"code\":");
        weir_buf_add_json(out, weir_str_of(err->code));
    }
    weir_buf_addz(out, "},\"request_id\":");
    if (request_id.n)
        weir_buf_add_json(out, request_id);
    else
        weir_buf_addz(out, "null");
    weir_buf_addz(out, "}");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static int fail(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    weir_buf_addz(out, "event: error\ndata: ");
    error_body(err, request_id, out);
    weir_buf_addz(out, "\n\n");
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

static void add_model(const struct weir_llm_model *m, const char *date, struct weir_buf *out)
{
    weir_buf_addz(out, "{\"type\":\"model\",\"id\":");
    weir_buf_add_json(out, m->id);
    weir_buf_addz(out, ",\"display_name\":");
    weir_buf_add_json(out, m->id);
    weir_buf_addf(out, ",\"created_at\":\"%s\",\"lifecycle\":\"active\",\"max_input_tokens\":null,",
                  date);
    weir_buf_addz(out, "\"capabilities\":null,\"deprecated_at\":null,\"line\":null,"
                       "\"retires_at\":null,\"max_tokens\":");
    if (m->max_output_tokens > 0)
        weir_buf_addi(out, m->max_output_tokens);
    else
        weir_buf_addz(out, "null");
    weir_buf_addz(out, "}");
}

static void model(const struct weir_llm_model *m, int64_t created_s, struct weir_buf *out)
{
    time_t when = (time_t)created_s;
    char date[32] = "1970-01-01T00:00:00Z";
    struct tm tm;

    if (gmtime_r(&when, &tm))
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
    add_model(m, date, out);
}

static int models(const struct weir_llm_model *list, size_t n, bool more, int64_t created_s,
                  struct weir_buf *out)
{
    weir_buf_addz(out, "{\"data\":[");
    for (size_t i = 0; i < n; i++) {
        if (i)
            weir_buf_addz(out, ",");
        model(&list[i], created_s, out);
    }
    weir_buf_addf(out, "],\"has_more\":%s,\"first_id\":", more ? "true" : "false");
    if (n) {
        weir_buf_add_json(out, list[0].id);
        weir_buf_addz(out, ",\"last_id\":");
        weir_buf_add_json(out, list[n - 1].id);
        weir_buf_addz(out, "}");
    } else {
        weir_buf_addz(out, "null,\"last_id\":null}");
    }
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

#define PING "event: ping\ndata: {\"type\": \"ping\"}\n\n"

const struct weir_llm_ops weir_llm_messages_ops = {
    .name = "anthropic",
    .call = "messages",
    .fields = weir_messages_fields,
    .field_count = WEIR_MESSAGES_FIELDS,
    .max_field = "max_tokens",
    .needs_limit = true,
    .older_max_field = "max_tokens",
    .input_field = "messages",
    .event = weir_messages_event,
    .usage = weir_messages_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"stop_reason"}},
            [WEIR_DOC_CONTENT] = {{"content"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .cut = weir_messages_cut,
    .error_body = error_body,
    .fail = fail,
    .keepalive = {PING, sizeof(PING) - 1},
    .model = model,
    .models = models,
    .echo_body = weir_messages_echo_body,
    .echo_next = weir_messages_echo_next,
    .canon_fields = weir_messages_canon,
    .canon_field_count = WEIR_MESSAGES_CANON,
    .write_call = weir_messages_write_call,
    .read_event = weir_messages_read_event,
    .read_answer = weir_messages_read_answer,
    .write_event = weir_messages_write_event,
    .write_answer = weir_messages_write_answer,
};
