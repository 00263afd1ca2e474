#include "dataplane/llm/chat.h"

static bool read_max_tokens(struct weir_llm_decoder *d)
{
    return weir_llm_read_max(d, 0);
}

static bool read_max_completion_tokens(struct weir_llm_decoder *d)
{
    return weir_llm_read_max(d, 1);
}

bool weir_chat_read_n(struct weir_llm_decoder *d)
{
    return weir_llm_read_int(d, 1, 128, &d->call->n, NULL);
}

static bool read_include_usage(struct weir_llm_decoder *d)
{
    enum weir_json_type type = weir_json_peek(&d->j);
    struct weir_str raw;

    if (d->call->include_usage_at.n)
        return weir_llm_wrong(d, d->j.p, "\"include_usage\" occurs twice");
    if (!weir_json_skip(&d->j, &raw))
        return false;
    if (type != WEIR_JSON_TRUE && type != WEIR_JSON_FALSE && type != WEIR_JSON_NULL)
        return weir_llm_wrong(d, raw.p, "\"include_usage\" must be true or false");
    d->call->include_usage_at = weir_llm_span(d, raw);
    d->call->asks_usage = type == WEIR_JSON_TRUE;
    return true;
}

bool weir_chat_read_stream_options(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    enum weir_json_type type = weir_json_peek(&d->j);
    struct weir_str key;

    if (type == WEIR_JSON_OBJECT) {
        d->call->stream_options_object = true;
        d->call->stream_options_empty = true;
        weir_json_enter(&d->j, WEIR_JSON_OBJECT);
        while (weir_json_member(&d->j, &key)) {
            d->call->stream_options_empty = false;
            if (!(weir_json_is(key, "include_usage") ? read_include_usage(d)
                                                     : weir_json_skip(&d->j, NULL)))
                return false;
        }
    } else if (!weir_json_skip(&d->j, NULL)) {
        return false;
    } else if (type != WEIR_JSON_NULL) {
        return weir_llm_wrong(d, at, "\"stream_options\" must be an object");
    }
    if (d->j.fault)
        return false;
    /* White space behind the value is not part of it. */
    d->call->stream_options_at = (struct weir_llm_span){
        (size_t)(at - d->body.p), type == WEIR_JSON_NULL ? 4 : (size_t)(d->j.p - at)};
    return true;
}

bool weir_chat_read_user(struct weir_llm_decoder *d)
{
    return d->call->user.p ? weir_json_skip(&d->j, NULL) : weir_llm_read_text(d, &d->call->user);
}

static bool read_cache_key(struct weir_llm_decoder *d)
{
    return weir_llm_read_text(d, &d->call->session);
}

static bool read_effort(struct weir_llm_decoder *d)
{
    struct weir_str effort = WEIR_STR_NULL;

    if (!weir_llm_read_text(d, &effort))
        return false;
    d->call->no_reasoning = weir_str_is(effort, "none");
    return true;
}

const struct weir_llm_field weir_chat_fields[WEIR_CHAT_FIELDS] = {
    {"model", weir_llm_read_model},
    {"messages", weir_llm_read_messages},
    {"stream", weir_llm_read_stream},
    {"stream_options", weir_chat_read_stream_options},
    {"max_tokens", read_max_tokens},
    {"max_completion_tokens", read_max_completion_tokens},
    {"n", weir_chat_read_n},
    {"tools", weir_llm_read_tools},
    {"functions", weir_llm_read_tools},
    {"user", weir_chat_read_user},
    {"safety_identifier", weir_chat_read_user},
    {"prompt_cache_key", read_cache_key},
    {"reasoning_effort", read_effort},
    {"store", weir_llm_read_store},
};
