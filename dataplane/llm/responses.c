/* responses.c - OpenAI Responses: the table of its parts, and the shapes that they share. */
#include "dataplane/llm/responses.h"

#include "dataplane/llm/chat.h"

/* Events carry whole answers, and pictures. */
enum { EVENT_BYTES = 16 << 20 };

void weir_responses_begin(struct weir_jw *j, const char *key,
                          const struct weir_responses_head *head)
{
    weir_jw_object(j, key);
    weir_canon_put(j, "id", head->id.n ? head->id : WEIR_STR("resp"));
    weir_jw_z(j, "object", "response");
    weir_jw_i64(j, "created_at", head->created_s);
    weir_jw_z(j, "status", head->status);
    weir_jw_null(j, "error");
    if (head->reason) {
        weir_jw_object(j, "incomplete_details");
        weir_jw_z(j, "reason", head->reason);
        weir_jw_end_object(j);
    } else {
        weir_jw_null(j, "incomplete_details");
    }
    weir_jw_null(j, "instructions");
    weir_jw_raw(j, "metadata", WEIR_STR("{}"));
    weir_canon_put(j, "model", head->model.p ? head->model : WEIR_STR(""));
    weir_jw_bool(j, "parallel_tool_calls", true);
    weir_jw_null(j, "temperature");
    weir_jw_z(j, "tool_choice", "auto");
    weir_jw_raw(j, "tools", WEIR_STR("[]"));
    weir_jw_null(j, "top_p");
    weir_jw_array(j, "output");
}

void weir_responses_end(struct weir_jw *j, const struct weir_usage *u)
{
    weir_jw_end_array(j);
    if (u) {
        weir_jw_object(j, "usage");
        weir_jw_i64(j, "input_tokens", weir_llm_known(u->input));
        weir_jw_object(j, "input_tokens_details");
        weir_jw_i64(j, "cached_tokens", weir_llm_known(u->cache_read));
        weir_jw_i64(j, "cache_write_tokens",
                    weir_llm_known(u->cache_write) + weir_llm_known(u->cache_write_1h));
        weir_jw_end_object(j);
        weir_jw_i64(j, "output_tokens", weir_llm_known(u->output));
        weir_jw_object(j, "output_tokens_details");
        weir_jw_i64(j, "reasoning_tokens", weir_llm_known(u->reasoning));
        weir_jw_end_object(j);
        weir_jw_i64(j, "total_tokens", weir_llm_known(u->input) + weir_llm_known(u->output));
        weir_jw_end_object(j);
    } else {
        weir_jw_null(j, "usage");
    }
    weir_jw_end_object(j);
}

void weir_responses_text_part(struct weir_jw *j, const char *key, bool refusal,
                              struct weir_str text)
{
    weir_jw_object(j, key);
    weir_jw_z(j, "type", refusal ? "refusal" : "output_text");
    weir_canon_put(j, refusal ? "refusal" : "text", text);
    if (!refusal) {
        weir_jw_raw(j, "annotations", WEIR_STR("[]"));
        weir_jw_raw(j, "logprobs", WEIR_STR("[]"));
    }
    weir_jw_end_object(j);
}

struct weir_jw weir_responses_event_begin(struct weir_buf *out, const char *type, int64_t sequence)
{
    struct weir_jw j = {.b = out};

    weir_buf_addz(out, "event: ");
    weir_buf_addz(out, type);
    weir_buf_addz(out, "\ndata: ");
    weir_jw_object(&j, NULL);
    weir_jw_z(&j, "type", type);
    weir_jw_i64(&j, "sequence_number", sequence);
    return j;
}

void weir_responses_event_end(struct weir_jw *j)
{
    weir_jw_end_object(j);
    weir_buf_addz(j->b, "\n\n");
}

static int fail(const struct weir_err *err, struct weir_str request_id, struct weir_buf *out)
{
    struct weir_jw j = weir_responses_event_begin(out, "error", 0);

    weir_jw_z(&j, "code", err->code);
    weir_jw_z(&j, "message", err->detail ? err->detail : weir_rc_name(err->rc));
    weir_jw_null(&j, "param");
    if (request_id.n)
        weir_jw_str(&j, "request_id", request_id);
    weir_responses_event_end(&j);
    return out->full ? WEIR_ELIMIT : WEIR_OK;
}

const struct weir_llm_ops weir_llm_responses_ops = {
    .name = "openaiResponses",
    .stores_by_default = true,
    .call = "responses",
    .fields = weir_responses_fields,
    .field_count = WEIR_RESPONSES_FIELDS,
    .max_field = "max_output_tokens",
    .older_max_field = "max_output_tokens",
    .openai = true,
    .input_field = "input",
    .event_bytes = EVENT_BYTES,
    .event = weir_responses_event,
    .usage = weir_responses_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"status"}},
            [WEIR_DOC_CONTENT] = {{"output"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .cut = weir_responses_cut,
    .error_body = weir_chat_error_body,
    .fail = fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
    .echo_body = weir_responses_echo_body,
    .echo_next = weir_responses_echo_next,
    .canon_fields = weir_responses_canon,
    .canon_field_count = WEIR_RESPONSES_CANON,
    .write_call = weir_responses_write_call,
    .read_event = weir_responses_read_event,
    .read_answer = weir_responses_read_answer,
    .write_event = weir_responses_write_event,
    .write_answer = weir_responses_write_answer,
};
