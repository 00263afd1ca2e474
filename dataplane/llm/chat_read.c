/* chat_read.c - a Chat Completions request as a canonical call. */
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/chat.h"

static enum weir_canon_cache breakpoint(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str mode = WEIR_STR_NULL, ttl = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"mode", &mode}, {"ttl", &ttl}};

    if (!raw.p || !weir_canon_pick(in, raw, want, 2, "prompt_cache_breakpoint."))
        return WEIR_CACHE_NONE;
    return ttl.p ? WEIR_CACHE_HOUR : WEIR_CACHE_SHORT;
}

static struct weir_canon_part *read_image(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_IMAGE);
    struct weir_str url = WEIR_STR_NULL, detail = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"url", &url}, {"detail", &detail}};

    if (!p || !weir_canon_pick(in, raw, want, 2, "messages.content.image_url.") ||
        !weir_canon_inner(in, url, &url) || !weir_canon_inner(in, detail, &p->detail))
        return NULL;
    if (!url.p) {
        weir_canon_wrong(in, raw.p, "an image needs a \"url\"");
        return NULL;
    }
    weir_canon_url(p, url);
    return p;
}

/* NULL without a fault: it was lost. */
static struct weir_canon_part *read_file(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str data = WEIR_STR_NULL, id = WEIR_STR_NULL, name = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {
        {"file_data", &data}, {"file_id", &id}, {"filename", &name}};
    struct weir_canon_part *p;

    if (!weir_canon_pick(in, raw, want, 3, "messages.content.file.") ||
        !weir_canon_inner(in, data, &data) || !weir_canon_inner(in, name, &name))
        return NULL;
    if (!data.p) {
        weir_canon_in_loses(in, "messages.content.file.", WEIR_STR("file_id"), false);
        return NULL;
    }
    p = weir_canon_new_part(in, WEIR_PART_FILE);
    if (!p)
        return NULL;
    p->name = name;
    weir_canon_url(p, data);
    return p;
}

static struct weir_canon_part *read_text_part(struct weir_canon_in *in, enum weir_canon_kind kind,
                                              struct weir_str raw)
{
    struct weir_canon_part *p = weir_canon_new_part(in, kind);

    return p && weir_canon_inner(in, raw, &p->text) ? p : NULL;
}

static bool read_part(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str type = WEIR_STR_NULL, text = type, refusal = type, image = type, file = type,
                    audio = type, mark = type;
    const struct weir_canon_want want[] = {{"type", &type},
                                           {"text", &text},
                                           {"refusal", &refusal},
                                           {"image_url", &image},
                                           {"file", &file},
                                           {"input_audio", &audio},
                                           {"prompt_cache_breakpoint", &mark}};
    struct weir_canon_part *p = NULL;

    if (!weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "messages.content.") ||
        !weir_canon_inner(in, type, &type))
        return false;
    if (weir_json_is(type, "text"))
        p = read_text_part(in, WEIR_PART_TEXT, text);
    else if (weir_json_is(type, "refusal"))
        p = read_text_part(in, WEIR_PART_REFUSAL, refusal);
    else if (weir_json_is(type, "image_url") && image.p)
        p = read_image(in, image);
    else if (weir_json_is(type, "file") && file.p)
        p = read_file(in, file);
    else
        weir_canon_in_loses(in, "messages.content.", type, false);
    if (p) {
        p->cache = breakpoint(in, mark);
        weir_canon_append(to, p);
    }
    return !in->wrong;
}

static bool read_content(struct weir_canon_in *in, struct weir_str raw,
                         struct weir_canon_message *to)
{
    struct weir_canon_part *p;
    struct weir_str part;
    struct weir_json j;

    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        p = read_text_part(in, WEIR_PART_TEXT, raw);
        if (p)
            weir_canon_append(to, p);
        return p != NULL;
    }
    while (weir_json_element(&j) && weir_json_skip(&j, &part))
        if (!read_part(in, part, to))
            return false;
    return true;
}

/* Results of the calls of one turn belong into one message, which need not be followed by text. */
static bool read_result(struct weir_canon_in *in, struct weir_str id, struct weir_str content)
{
    struct weir_canon_message *last = in->call->last_message, parts = {0};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TOOL_RESULT);

    if (!p || !weir_canon_inner(in, id, &p->id) || !read_content(in, content, &parts))
        return false;
    p->parts = parts.parts;
    if (!last || last->role != WEIR_ROLE_USER || !last->last ||
        last->last->kind != WEIR_PART_TOOL_RESULT)
        last = weir_canon_add_message(in, WEIR_ROLE_USER);
    if (last)
        weir_canon_append(last, p);
    return last != NULL;
}

static bool read_call(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str id = WEIR_STR_NULL, type = id, function = id, name = id, arguments = id;
    const struct weir_canon_want want[] = {
        {"id", &id}, {"type", &type}, {"function", &function}, {"index", NULL}};
    const struct weir_canon_want of[] = {{"name", &name}, {"arguments", &arguments}};
    struct weir_canon_part *p;

    if (!weir_canon_pick(in, raw, want, 4, "messages.tool_calls."))
        return false;
    if (!function.p) {
        weir_canon_in_loses(in, "messages.", WEIR_STR("tool_calls.custom"), false);
        return true;
    }
    p = weir_canon_new_part(in, WEIR_PART_TOOL_CALL);
    if (!p || !weir_canon_pick(in, function, of, 2, "messages.tool_calls.function.") ||
        !weir_canon_inner(in, id, &p->id) || !weir_canon_inner(in, name, &p->name) ||
        !weir_canon_inner(in, arguments, &arguments) || !weir_canon_arguments(in, p, arguments))
        return false;
    weir_canon_append(to, p);
    return true;
}

static bool read_calls(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str call;
    struct weir_json j;

    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"tool_calls\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &call))
        if (!read_call(in, call, to))
            return false;
    return true;
}

static bool read_detail(struct weir_canon_in *in, struct weir_str raw,
                        struct weir_canon_message *to)
{
    struct weir_str type = WEIR_STR_NULL, text = type, signature = type, data = type;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"text", &text}, {"signature", &signature}, {"data", &data},
        {"id", NULL},    {"index", NULL}, {"format", NULL},          {"summary", NULL}};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_REASONING);

    if (!p || !weir_canon_pick(in, raw, want, 8, "messages.reasoning_details.") ||
        !weir_canon_inner(in, text, &p->text) || !weir_canon_inner(in, signature, &signature) ||
        !weir_canon_inner(in, data, &data))
        return false;
    p->redacted = data.p != NULL;
    weir_canon_unwrap(data.p ? data : signature, WEIR_DIALECT_OPENAI_CHAT, &p->signature,
                      &p->signer);
    weir_canon_append(to, p);
    return true;
}

/* Signed reasoning comes as a list; without one there may be a text. */
static bool read_reasoning(struct weir_canon_in *in, struct weir_str details, struct weir_str text,
                           struct weir_canon_message *to)
{
    struct weir_canon_part *p;
    struct weir_str raw;
    struct weir_json j;

    weir_json_init(&j, details.p ? details : WEIR_STR("null"));
    if (weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        while (weir_json_element(&j) && weir_json_skip(&j, &raw))
            if (!read_detail(in, raw, to))
                return false;
        return true;
    }
    if (!text.p)
        return true;
    p = read_text_part(in, WEIR_PART_REASONING, text);
    if (!p)
        return false;
    p->signer = WEIR_DIALECT_OPENAI_CHAT;
    weir_canon_append(to, p);
    return true;
}

static bool read_message(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str role = WEIR_STR_NULL, content = role, refusal = role, calls = role, id = role,
                    details = role, reasoning = role;
    const struct weir_canon_want want[] = {{"role", &role},
                                           {"content", &content},
                                           {"refusal", &refusal},
                                           {"tool_calls", &calls},
                                           {"tool_call_id", &id},
                                           {"reasoning_details", &details},
                                           {"reasoning_content", &reasoning},
                                           {"reasoning", &reasoning},
                                           {"name", NULL},
                                           {"annotations", NULL}};
    struct weir_canon_message *m;
    struct weir_canon_part *p;

    if (!weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "messages.") ||
        !weir_canon_inner(in, role, &role))
        return false;
    if (weir_json_is(role, "tool"))
        return read_result(in, id, content);
    if (weir_json_is(role, "system") || weir_json_is(role, "developer")) {
        m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    } else if (weir_json_is(role, "user")) {
        m = weir_canon_add_message(in, WEIR_ROLE_USER);
    } else if (weir_json_is(role, "assistant")) {
        m = weir_canon_add_message(in, WEIR_ROLE_ASSISTANT);
        if (m && !read_reasoning(in, details, reasoning, m))
            return false;
    } else {
        weir_canon_in_loses(in, "messages.role.", role, false);
        return true;
    }
    if (!m || !read_content(in, content, m))
        return false;
    if (refusal.p) {
        p = read_text_part(in, WEIR_PART_REFUSAL, refusal);
        if (!p)
            return false;
        weir_canon_append(m, p);
    }
    return read_calls(in, calls, m);
}

static bool read_messages(struct weir_canon_in *in)
{
    struct weir_str raw;

    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, in->j.p, "\"messages\" must be a list");
    while (weir_json_element(&in->j) && weir_json_skip(&in->j, &raw))
        if (!read_message(in, raw))
            return false;
    return !in->j.fault;
}

static bool read_tool(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, function = type, name = type, text = type, schema = type,
                    strict = type;
    const struct weir_canon_want want[] = {{"type", &type}, {"function", &function}};
    const struct weir_canon_want of[] = {
        {"name", &name}, {"description", &text}, {"parameters", &schema}, {"strict", &strict}};
    struct weir_canon_tool *t;

    if (!weir_canon_pick(in, raw, want, 2, "tools.") || !weir_canon_inner(in, type, &type))
        return false;
    if (!function.p) {
        weir_canon_in_loses(in, "tools.", type, false);
        return true;
    }
    t = weir_canon_add_tool(in);
    if (!t || !weir_canon_pick(in, function, of, 4, "tools.function.") ||
        !weir_canon_inner(in, name, &t->name) || !weir_canon_inner(in, text, &t->description))
        return false;
    t->json = schema;
    t->strict = strict;
    return true;
}

static bool read_tools(struct weir_canon_in *in)
{
    struct weir_str raw;

    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return weir_json_peek(&in->j) == WEIR_JSON_NULL
                   ? weir_canon_skip(in)
                   : weir_canon_wrong(in, in->j.p, "\"tools\" must be a list");
    while (weir_json_element(&in->j) && weir_json_skip(&in->j, &raw))
        if (!read_tool(in, raw))
            return false;
    return !in->j.fault;
}

static bool read_named_choice(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, function = type, name = type;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"function", &function}, {"custom", NULL}, {"allowed_tools", NULL}};
    const struct weir_canon_want of[] = {{"name", &name}};

    if (!weir_canon_pick(in, raw, want, 4, "tool_choice.") || !weir_canon_inner(in, type, &type))
        return false;
    if (!function.p) {
        weir_canon_in_loses(in, "tool_choice.", type, false);
        return true;
    }
    in->call->choice = WEIR_CHOICE_NAMED;
    return weir_canon_pick(in, function, of, 1, "tool_choice.function.") &&
           weir_canon_inner(in, name, &in->call->choice_name);
}

static bool read_choice(struct weir_canon_in *in)
{
    return weir_canon_read_choice(in, read_named_choice);
}

static bool read_format(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    /* "strict" is what the other dialects do anyway. */
    struct weir_str raw, type = WEIR_STR_NULL, schema = type, name = type, strict = type;
    const struct weir_canon_want want[] = {{"type", &type}, {"json_schema", &schema}};
    const struct weir_canon_want of[] = {
        {"name", &name}, {"schema", &c->format}, {"strict", &strict}, {"description", NULL}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 2, "response_format.") ||
        !weir_canon_inner(in, type, &type))
        return false;
    if (weir_json_is(type, "json_schema") && schema.p)
        return weir_canon_pick(in, schema, of, 4, "response_format.json_schema.") &&
               weir_canon_inner(in, name, &c->format_name);
    c->format_any = weir_json_is(type, "json_object");
    if (!c->format_any && !weir_json_is(type, "text"))
        weir_canon_in_loses(in, "response_format.", type, false);
    return true;
}

static bool read_effort(struct weir_canon_in *in)
{
    return weir_canon_text(in, &in->call->effort);
}

static bool read_verbosity(struct weir_canon_in *in)
{
    return weir_canon_text(in, &in->call->verbosity);
}

const struct weir_canon_field weir_chat_canon[WEIR_CHAT_CANON] = {
    {"messages", read_messages, WEIR_FIELD_READ},
    {"tools", read_tools, WEIR_FIELD_READ},
    {"tool_choice", read_choice, WEIR_FIELD_READ},
    {"parallel_tool_calls", weir_canon_read_parallel, WEIR_FIELD_READ},
    {"response_format", read_format, WEIR_FIELD_READ},
    {"temperature", weir_canon_read_temperature, WEIR_FIELD_READ},
    {"top_p", weir_canon_read_top_p, WEIR_FIELD_READ},
    {"stop", weir_canon_stops, WEIR_FIELD_READ},
    {"reasoning_effort", read_effort, WEIR_FIELD_READ},
    {"service_tier", weir_canon_read_tier, WEIR_FIELD_READ},
    {"prompt_cache_key", weir_canon_read_cache_key, WEIR_FIELD_READ},
    {"verbosity", read_verbosity, WEIR_FIELD_READ},
    {"model", NULL, WEIR_FIELD_ELSEWHERE},
    {"stream", NULL, WEIR_FIELD_ELSEWHERE},
    {"stream_options", NULL, WEIR_FIELD_ELSEWHERE},
    {"max_tokens", NULL, WEIR_FIELD_ELSEWHERE},
    {"max_completion_tokens", NULL, WEIR_FIELD_ELSEWHERE},
    {"n", NULL, WEIR_FIELD_ELSEWHERE},
    {"user", NULL, WEIR_FIELD_ELSEWHERE},
    {"safety_identifier", NULL, WEIR_FIELD_ELSEWHERE},
    {"prompt_cache_options", NULL, WEIR_FIELD_HINT},
    {"prompt_cache_retention", NULL, WEIR_FIELD_HINT},
    {"metadata", NULL, WEIR_FIELD_HINT},
    {"store", NULL, WEIR_FIELD_HINT},
};
