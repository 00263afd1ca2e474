#include "dataplane/llm/messages.h"

static bool read_max_tokens(struct weir_llm_decoder *d)
{
    return weir_llm_read_max(d, 0);
}

/* A system prompt is a text or a list of parts. */
static bool read_system(struct weir_llm_decoder *d)
{
    d->call->messages++;
    return weir_llm_content(d, 0);
}

/* Harnesses put a session into the user id: as JSON, or behind "_session_". */
static struct weir_str session_in(struct weir_str user)
{
    static const char mark[] = "_session_";
    struct weir_str key, raw;
    const char *hit = user.n ? memmem(user.p, user.n, mark, sizeof(mark) - 1) : NULL;
    struct weir_json j;

    if (user.n && user.p[0] == '{') {
        weir_json_init(&j, user);
        weir_json_enter(&j, WEIR_JSON_OBJECT);
        while (weir_json_member(&j, &key)) {
            if (weir_json_is(key, "session_id") && weir_json_string(&j, &raw))
                return memchr(raw.p, '\\', raw.n) ? WEIR_STR_NULL : raw;
            weir_json_skip(&j, NULL);
        }
        return WEIR_STR_NULL;
    }
    if (!hit)
        return WEIR_STR_NULL;
    hit += sizeof(mark) - 1;
    return (struct weir_str){hit, (size_t)(user.p + user.n - hit)};
}

static bool read_metadata(struct weir_llm_decoder *d)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        if (!weir_json_is(key, "user_id")) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
            continue;
        }
        if (d->call->user.p)
            return weir_llm_wrong(d, key.p - 1, "\"user_id\" occurs twice");
        if (!weir_llm_read_text(d, &d->call->user))
            return false;
        d->call->session = session_in(d->call->user);
    }
    return !d->j.fault;
}

bool weir_messages_thinking(struct weir_llm_decoder *d)
{
    struct weir_str key, type = WEIR_STR_NULL;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool is_type = weir_json_is(key, "type");

        if (is_type && type.p)
            return weir_llm_wrong(d, key.p - 1, "\"type\" occurs twice");
        if (!(is_type ? weir_llm_read_text(d, &type)
              : weir_json_is(key, "budget_tokens")
                  ? weir_llm_read_int(d, 0, INT32_MAX, &d->call->reasoning_tokens, NULL)
                  : weir_json_skip(&d->j, NULL)))
            return false;
    }
    d->call->no_reasoning = weir_str_is(type, "disabled");
    return !d->j.fault;
}

const struct weir_llm_field weir_messages_fields[WEIR_MESSAGES_FIELDS] = {
    {"model", weir_llm_read_model},  {"messages", weir_llm_read_messages},
    {"max_tokens", read_max_tokens}, {"stream", weir_llm_read_stream},
    {"system", read_system},         {"tools", weir_llm_read_tools},
    {"metadata", read_metadata},     {"thinking", weir_messages_thinking},
};
