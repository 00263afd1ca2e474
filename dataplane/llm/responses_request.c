/* responses_request.c - what a Responses request asks for. */
#include "dataplane/llm/responses.h"

static bool read_max_output(struct weir_llm_decoder *d)
{
    return weir_llm_read_max(d, 0);
}

/* Text parts count by their bytes; media is named, or lies inline. */
struct part {
    struct weir_str type;
    size_t inline_bytes;
    bool named;
};

static bool read_part_member(struct weir_llm_decoder *d, struct weir_str key, struct part *p)
{
    bool url = weir_json_is(key, "image_url") || weir_json_is(key, "file_url");
    struct weir_str raw;

    if (weir_json_peek(&d->j) != WEIR_JSON_STRING)
        return weir_json_skip(&d->j, NULL);
    if (!weir_json_string(&d->j, &raw))
        return false;
    if (weir_json_is(key, "type"))
        p->type = raw;
    else if (weir_json_is(key, "file_data") || (url && weir_str_starts(raw, WEIR_STR("data:"))))
        p->inline_bytes = raw.n;
    else if (url || weir_json_is(key, "file_id"))
        p->named = true;
    return true;
}

static bool read_part(struct weir_llm_decoder *d)
{
    struct part p = {0};
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!read_part_member(d, key, &p))
            return false;
    if (d->j.fault)
        return false;
    if (weir_json_is(p.type, "input_image") || weir_json_is(p.type, "computer_screenshot")) {
        d->call->images++;
        d->image_bytes += p.inline_bytes;
    } else if (p.inline_bytes || p.named) {
        d->call->files++;
        d->named_files += !p.inline_bytes;
    }
    return true;
}

/* A text, a part, or a list of parts. */
static bool read_parts(struct weir_llm_decoder *d)
{
    if (weir_json_peek(&d->j) == WEIR_JSON_OBJECT)
        return read_part(d);
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j))
        if (!read_part(d))
            return false;
    return !d->j.fault;
}

static bool read_item(struct weir_llm_decoder *d)
{
    struct weir_str key, raw;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool ok;

        if (weir_json_is(key, "content") || weir_json_is(key, "output")) {
            ok = read_parts(d);
        } else if (weir_json_is(key, "tools")) {
            ok = weir_llm_read_tools(d);
        } else {
            ok = weir_json_skip(&d->j, &raw);
            if (ok && weir_json_is(key, "type") &&
                weir_json_is(weir_canon_string(raw), "item_reference"))
                d->stored = true;
        }
        if (!ok)
            return false;
    }
    return !d->j.fault;
}

static bool read_input(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;

    if (weir_json_peek(&d->j) == WEIR_JSON_STRING) {
        d->call->messages++;
        return weir_json_skip(&d->j, NULL);
    }
    if (weir_json_peek(&d->j) == WEIR_JSON_NULL)
        return weir_json_skip(&d->j, NULL);
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL) &&
               weir_llm_wrong(d, at, "\"input\" must be a string or a list");
    while (weir_json_element(&d->j)) {
        d->call->messages++;
        if (!read_item(d))
            return false;
    }
    return !d->j.fault;
}

static bool read_instructions(struct weir_llm_decoder *d)
{
    d->call->messages++;
    return weir_json_skip(&d->j, NULL);
}

/* What the provider adds of its own memory is input that is billed, and not in this body. */
static bool read_stored(struct weir_llm_decoder *d)
{
    if (weir_json_peek(&d->j) != WEIR_JSON_NULL)
        d->stored = true;
    return weir_json_skip(&d->j, NULL);
}

/* Such an answer is made after this call has ended, and its cost would never be seen here. */
static bool read_background(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    bool on = weir_json_peek(&d->j) == WEIR_JSON_TRUE;

    if (!weir_json_skip(&d->j, NULL))
        return false;
    return !on || weir_llm_wrong(d, at,
                                 "\"background\" is not served, for what such an answer costs "
                                 "would not be accounted for");
}

static bool read_user(struct weir_llm_decoder *d)
{
    return d->call->user.p ? weir_json_skip(&d->j, NULL) : weir_llm_read_text(d, &d->call->user);
}

static bool read_cache_key(struct weir_llm_decoder *d)
{
    return weir_llm_read_text(d, &d->call->session);
}

static bool read_reasoning(struct weir_llm_decoder *d)
{
    struct weir_str key, effort = WEIR_STR_NULL;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool is_effort = weir_json_is(key, "effort");

        if (is_effort && effort.p)
            return weir_llm_wrong(d, key.p - 1, "\"effort\" occurs twice");
        if (!(is_effort ? weir_llm_read_text(d, &effort) : weir_json_skip(&d->j, NULL)))
            return false;
    }
    d->call->no_reasoning = weir_str_is(effort, "none");
    return !d->j.fault;
}

const struct weir_llm_field weir_responses_fields[WEIR_RESPONSES_FIELDS] = {
    {"model", weir_llm_read_model},         {"input", read_input},
    {"instructions", read_instructions},    {"stream", weir_llm_read_stream},
    {"max_output_tokens", read_max_output}, {"tools", weir_llm_read_tools},
    {"store", weir_llm_read_store},         {"previous_response_id", read_stored},
    {"conversation", read_stored},          {"prompt", read_stored},
    {"background", read_background},        {"user", read_user},
    {"safety_identifier", read_user},       {"prompt_cache_key", read_cache_key},
    {"reasoning", read_reasoning},
};
