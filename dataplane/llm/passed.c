/* passed.c - what passes without being understood: only its model, its number of answers and the
 * usage that its answer may tell are looked for. */
#include "dataplane/llm/chat.h"
#include "dataplane/llm/form.h"
#include "dataplane/llm/responses.h"

enum { MOST_ANSWERS = 128 };

/* What is to be ranked. */
static bool read_documents(struct weir_llm_decoder *d)
{
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j)) {
        d->call->documents++;
        if (!weir_json_skip(&d->j, NULL))
            return false;
    }
    return !d->j.fault;
}

static const struct weir_llm_field fields[] = {
    {"model", weir_llm_read_model},
    {"n", weir_chat_read_n},
    {"documents", read_documents},
};

const struct weir_llm_ops weir_llm_other_ops = {
    .name = "openai",
    .call = "pass_through",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .family = WEIR_DIALECT_OPENAI_CHAT,
    .model_optional = true,
    .no_output = true,
    .event = weir_chat_event,
    .usage = weir_responses_usage, /* which images and transcriptions have in this form */
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"status"}},
            [WEIR_DOC_CONTENT] = {{"data"}},
            [WEIR_DOC_ERROR] = {{"error"}},
            [WEIR_DOC_UNITS] = {{"meta", "billed_units", "search_units"}},
        },
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
};

static int refuse(struct weir_err *err, const char *why)
{
    *err = (struct weir_err){
        .rc = WEIR_EINVAL, .http_status = 400, .code = "invalid_body", .detail = why};
    return WEIR_EINVAL;
}

static bool is_type(struct weir_str value, struct weir_str type)
{
    return value.n >= type.n && weir_str_ieq((struct weir_str){value.p, type.n}, type);
}

static int read_count(struct weir_str text, int64_t *out)
{
    return weir_json_i64(weir_str_trim(text), out) == WEIR_OK && *out >= 1 && *out <= MOST_ANSWERS
               ? WEIR_OK
               : WEIR_EINVAL;
}

static int read_form(struct weir_str content_type, struct weir_str body, struct weir_llm_call *out,
                     struct weir_err *err)
{
    struct weir_llm_form_field f[2] = {{.name = WEIR_STR("model")}, {.name = WEIR_STR("n")}};
    const char *why;

    if (weir_llm_form_read(content_type, body, f, 2, &why))
        return refuse(err, why);
    out->form = true;
    if (f[1].value.p && read_count(f[1].value, &out->n))
        return refuse(err, "The form's field \"n\" must be a whole number from 1 to 128.");
    if (!f[0].value.p)
        return WEIR_OK;
    if (f[0].value.n == 0 || f[0].value.n > WEIR_LLM_MODEL_BYTES)
        return refuse(err, "The form's field \"model\" must have 1 to 256 bytes.");
    for (size_t i = 0; i < f[0].value.n; i++)
        if ((unsigned char)f[0].value.p[i] < 0x20 || f[0].value.p[i] == 0x7f)
            return refuse(err, "The form's field \"model\" has a control character.");
    out->model = f[0].value;
    out->model_at = (struct weir_llm_span){(size_t)(f[0].value.p - body.p), f[0].value.n};
    return WEIR_OK;
}

/* Some servers take JSON for JSON whatever its header says. */
static bool looks_like_object(struct weir_str body)
{
    if (weir_str_starts(body, WEIR_STR("\xef\xbb\xbf"))) /* which JSON must not begin with */
        body = (struct weir_str){body.p + 3, body.n - 3};
    body = weir_str_trim(body);
    return body.n && body.p[0] == '{';
}

int weir_llm_read_passed(struct weir_str content_type, struct weir_str body, struct weir_arena *a,
                         struct weir_llm_call *out, struct weir_err *err)
{
    struct weir_llm_endpoint at = {.dialect = WEIR_DIALECT_OPENAI_OTHER};

    *out = (struct weir_llm_call){.dialect = WEIR_DIALECT_OPENAI_OTHER, .n = 1};
    if (is_type(content_type, WEIR_STR("multipart/form-data")))
        return read_form(content_type, body, out, err);
    if (!looks_like_object(body))
        return WEIR_OK;
    if (weir_llm_decode(&at, body, a, out, err) == WEIR_OK)
        return WEIR_OK;
    /* Lines of JSON, or a text that begins with a brace. */
    if (!is_type(content_type, WEIR_STR("application/json")) && content_type.n &&
        weir_json_check(body, NULL) != WEIR_OK) {
        *out = (struct weir_llm_call){.dialect = WEIR_DIALECT_OPENAI_OTHER, .n = 1};
        return WEIR_OK;
    }
    return WEIR_EINVAL;
}
