/* converse_request.c - what a Converse request asks for. */
#include "dataplane/llm/converse.h"
#include "dataplane/llm/messages.h"

enum { CONTENT_LEVELS = 4 };

/* Bits of weir_llm_decoder.seen above those of the fields' table. */
enum { SEEN_LIMIT = 24, SEEN_MODELS_LIMIT };

static bool once(struct weir_llm_decoder *d, unsigned bit)
{
    if (d->seen >> bit & 1)
        return weir_llm_wrong(d, d->j.p, "a field occurs twice");
    d->seen |= 1U << bit;
    return true;
}

/* ---- messages ---- */

struct media {
    size_t bytes; /* of inline data */
    bool named;   /* it lies elsewhere */
};

static bool read_source(struct weir_llm_decoder *d, struct media *m)
{
    struct weir_str key, raw;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        if (!weir_json_skip(&d->j, &raw))
            return false;
        if (weir_json_is(key, "bytes"))
            m->bytes = raw.n; /* the last one: a reader of the body uses one of them at most */
        else if (weir_json_is(key, "s3Location"))
            m->named = true;
    }
    return !d->j.fault;
}

static bool read_media(struct weir_llm_decoder *d, bool image)
{
    struct media m = {0, false};
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "source") ? read_source(d, &m) : weir_json_skip(&d->j, NULL)))
            return false;
    if (image) {
        d->call->images++;
        d->image_bytes += m.bytes;
    } else {
        d->call->files++;
        d->named_files += m.named;
    }
    return !d->j.fault;
}

static bool read_content(struct weir_llm_decoder *d, unsigned depth);

static bool read_result(struct weir_llm_decoder *d, unsigned depth)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "content") ? read_content(d, depth + 1)
                                           : weir_json_skip(&d->j, NULL)))
            return false;
    return !d->j.fault;
}

static bool is_file(struct weir_str key)
{
    return weir_json_is(key, "document") || weir_json_is(key, "video") ||
           weir_json_is(key, "audio");
}

static bool read_block(struct weir_llm_decoder *d, unsigned depth)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool image = weir_json_is(key, "image");

        if (!(image || is_file(key)             ? read_media(d, image)
              : weir_json_is(key, "toolResult") ? read_result(d, depth)
                                                : weir_json_skip(&d->j, NULL)))
            return false;
    }
    return !d->j.fault;
}

static bool read_content(struct weir_llm_decoder *d, unsigned depth)
{
    if (depth > CONTENT_LEVELS || !weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j))
        if (!read_block(d, depth))
            return false;
    return !d->j.fault;
}

static bool read_messages(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL) && weir_llm_wrong(d, at, "\"messages\" must be a list");
    while (weir_json_element(&d->j)) {
        d->call->messages++;
        if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT)) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
            continue;
        }
        while (weir_json_member(&d->j, &key))
            if (!(weir_json_is(key, "content") ? read_content(d, 0) : weir_json_skip(&d->j, NULL)))
                return false;
    }
    return !d->j.fault;
}

static bool read_system(struct weir_llm_decoder *d)
{
    d->call->messages++;
    return read_content(d, 0);
}

/* ---- settings ---- */

static bool read_tools(struct weir_llm_decoder *d)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "tools") ? weir_llm_read_tools(d) : weir_json_skip(&d->j, NULL)))
            return false;
    return !d->j.fault;
}

static bool read_config(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    struct weir_str key;
    bool empty = true;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL) &&
               weir_llm_wrong(d, at, "\"inferenceConfig\" must be an object");
    d->call->limit_object_at = (size_t)(at - d->body.p);
    while (weir_json_member(&d->j, &key)) {
        empty = false;
        if (!(weir_json_is(key, "maxTokens") ? once(d, SEEN_LIMIT) && weir_llm_read_max(d, 0)
                                             : weir_json_skip(&d->j, NULL)))
            return false;
    }
    d->call->limit_object_empty = empty;
    return !d->j.fault;
}

/* Fields of the model itself; a limit among them must not get around the one that is held for. */
static bool read_models_own(struct weir_llm_decoder *d)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "max_tokens")
                  ? once(d, SEEN_MODELS_LIMIT) && weir_llm_read_max(d, 1)
              : weir_json_is(key, "thinking") ? weir_messages_thinking(d)
                                              : weir_json_skip(&d->j, NULL)))
            return false;
    return !d->j.fault;
}

/* Of count-tokens: a request in it, whose contents nobody bills. */
static bool read_input(struct weir_llm_decoder *d)
{
    return weir_json_skip(&d->j, NULL);
}

const struct weir_llm_field weir_converse_fields[WEIR_CONVERSE_FIELDS] = {
    {"messages", read_messages},
    {"system", read_system},
    {"inferenceConfig", read_config},
    {"toolConfig", read_tools},
    {"additionalModelRequestFields", read_models_own},
    {"input", read_input},
};
