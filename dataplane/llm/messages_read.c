/* messages_read.c - an Anthropic Messages request as a canonical call. */
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/messages.h"

static enum weir_canon_cache cache_of(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, ttl = type;
    const struct weir_canon_want want[] = {{"type", &type}, {"ttl", &ttl}, {"scope", NULL}};

    if (!raw.p || !weir_canon_pick(in, raw, want, 3, "cache_control."))
        return WEIR_CACHE_NONE;
    return weir_str_is(ttl, "\"1h\"") ? WEIR_CACHE_HOUR : WEIR_CACHE_SHORT;
}

/* All that blocks of any type have, as it stands. */
struct block {
    struct weir_str type, text, source, title, id, name, input, use_id, content, failed, thinking,
        signature, data, cache;
};

static bool pick_block(struct weir_canon_in *in, struct weir_str raw, struct block *b)
{
    const struct weir_canon_want want[] = {{"type", &b->type},
                                           {"text", &b->text},
                                           {"source", &b->source},
                                           {"title", &b->title},
                                           {"id", &b->id},
                                           {"name", &b->name},
                                           {"input", &b->input},
                                           {"tool_use_id", &b->use_id},
                                           {"content", &b->content},
                                           {"is_error", &b->failed},
                                           {"thinking", &b->thinking},
                                           {"signature", &b->signature},
                                           {"data", &b->data},
                                           {"cache_control", &b->cache},
                                           {"caller", NULL},
                                           {"context", NULL},
                                           {"citations", NULL}};

    return weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "messages.content.") &&
           weir_canon_inner(in, b->type, &b->type);
}

static bool read_content(struct weir_canon_in *in, struct weir_str raw,
                         struct weir_canon_message *to, bool nested);

/* False: a fault. *out NULL: it was lost. */
static bool read_media(struct weir_canon_in *in, enum weir_canon_kind kind, const struct block *b,
                       struct weir_canon_part **out)
{
    struct weir_str type = WEIR_STR_NULL, mime = type, data = type, url = type, file = type,
                    content = type;
    const struct weir_canon_want want[] = {{"type", &type},    {"media_type", &mime},
                                           {"data", &data},    {"url", &url},
                                           {"file_id", &file}, {"content", &content}};
    struct weir_canon_part *p;

    if (!b->source.p)
        return weir_canon_wrong(in, in->j.p, "an image or document needs a \"source\"");
    if (!weir_canon_pick(in, b->source, want, 6, "messages.content.source.") ||
        !weir_canon_inner(in, type, &type) || !weir_canon_inner(in, mime, &mime) ||
        !weir_canon_inner(in, data, &data) || !weir_canon_inner(in, url, &url))
        return false;
    if (weir_json_is(type, "text"))
        kind = WEIR_PART_TEXT;
    else if (!weir_json_is(type, "base64") && !weir_json_is(type, "url")) {
        weir_canon_in_loses(in, "messages.content.source.", type, false);
        return true;
    }
    p = weir_canon_new_part(in, kind);
    if (!p)
        return false;
    p->mime = mime;
    p->data = data;
    p->url = url;
    p->text = kind == WEIR_PART_TEXT ? data : WEIR_STR_NULL;
    *out = p;
    return weir_canon_inner(in, b->title, &p->name);
}

static bool read_use(struct weir_canon_in *in, const struct block *b, struct weir_canon_part *p)
{
    p->json = b->input.p ? b->input : WEIR_STR("{}");
    return weir_canon_inner(in, b->id, &p->id) && weir_canon_inner(in, b->name, &p->name);
}

static bool read_result(struct weir_canon_in *in, const struct block *b, struct weir_canon_part *p)
{
    struct weir_canon_message parts = {0};

    p->failed = weir_str_is(b->failed, "true");
    if (!weir_canon_inner(in, b->use_id, &p->id) || !read_content(in, b->content, &parts, true))
        return false;
    p->parts = parts.parts;
    return true;
}

static bool read_thinking(struct weir_canon_in *in, const struct block *b,
                          struct weir_canon_part *p)
{
    struct weir_str signature;

    p->redacted = weir_json_is(b->type, "redacted_thinking");
    if (!weir_canon_inner(in, p->redacted ? b->data : b->signature, &signature))
        return false;
    weir_canon_unwrap(signature, WEIR_DIALECT_ANTHROPIC_MESSAGES, &p->signature, &p->signer);
    return weir_canon_inner(in, b->thinking, &p->text);
}

static bool read_typed(struct weir_canon_in *in, const struct block *b, bool nested,
                       struct weir_canon_part **out)
{
    static const struct {
        const char *type;
        enum weir_canon_kind kind;
    } kinds[] = {{"text", WEIR_PART_TEXT},
                 {"image", WEIR_PART_IMAGE},
                 {"document", WEIR_PART_FILE},
                 {"tool_use", WEIR_PART_TOOL_CALL},
                 {"tool_result", WEIR_PART_TOOL_RESULT},
                 {"thinking", WEIR_PART_REASONING},
                 {"redacted_thinking", WEIR_PART_REASONING}};

    size_t i = 0, n = nested ? 3 : sizeof kinds / sizeof *kinds;

    while (i < n && !weir_json_is(b->type, kinds[i].type))
        i++;
    if (i == n) {
        weir_canon_in_loses(in, "messages.content.", b->type, false);
        return true;
    }
    if (kinds[i].kind == WEIR_PART_IMAGE || kinds[i].kind == WEIR_PART_FILE)
        return read_media(in, kinds[i].kind, b, out);
    *out = weir_canon_new_part(in, kinds[i].kind);
    if (!*out)
        return false;
    switch (kinds[i].kind) {
    case WEIR_PART_TOOL_CALL:
        return read_use(in, b, *out);
    case WEIR_PART_TOOL_RESULT:
        return read_result(in, b, *out);
    case WEIR_PART_REASONING:
        return read_thinking(in, b, *out);
    default:
        return weir_canon_inner(in, b->text, &(*out)->text);
    }
}

static bool read_content(struct weir_canon_in *in, struct weir_str raw,
                         struct weir_canon_message *to, bool nested)
{
    struct weir_canon_part *p;
    struct weir_str part;
    struct weir_json j;

    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        p = weir_canon_new_part(in, WEIR_PART_TEXT);
        if (!p || !weir_canon_inner(in, raw, &p->text))
            return false;
        weir_canon_append(to, p);
        return true;
    }
    while (weir_json_element(&j) && weir_json_skip(&j, &part)) {
        struct block b = {0};

        p = NULL;
        if (!pick_block(in, part, &b) || !read_typed(in, &b, nested, &p))
            return false;
        if (!p)
            continue;
        p->cache = cache_of(in, b.cache);
        weir_canon_append(to, p);
    }
    return true;
}

static bool read_message(struct weir_canon_in *in, struct weir_str raw)
{
    return weir_canon_read_message(in, raw, read_content);
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

/* It may stand behind the messages, and belongs before them. */
static bool read_system(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_canon_message *last = c->last_message, *m;
    struct weir_str raw;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    if (!m || !read_content(in, raw, m, true))
        return false;
    if (last) {
        last->next = NULL;
        m->next = c->messages;
        c->messages = m;
        c->last_message = last;
    }
    return true;
}

static bool read_tool(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, name = type, text = type, schema = type, strict = type,
                    cache = type;
    const struct weir_canon_want want[] = {{"type", &type},
                                           {"name", &name},
                                           {"description", &text},
                                           {"input_schema", &schema},
                                           {"strict", &strict},
                                           {"cache_control", &cache},
                                           {"eager_input_streaming", NULL},
                                           {"defer_loading", NULL}};
    /* Tools of the provider's own have fields of their own; their type says it all. */
    size_t losses = in->call->loss_count;
    bool loses = in->call->loses;
    struct weir_canon_tool *t;

    if (!weir_canon_pick(in, raw, want, 8, "tools.") || !weir_canon_inner(in, type, &type))
        return false;
    if (type.p && !weir_json_is(type, "custom")) {
        in->call->loss_count = losses;
        in->call->loses = loses;
        weir_canon_in_loses(in, "tools.", type, false);
        return true;
    }
    t = weir_canon_add_tool(in);
    if (!t || !weir_canon_inner(in, name, &t->name) || !weir_canon_inner(in, text, &t->description))
        return false;
    t->json = schema;
    t->strict = strict;
    t->cache = cache_of(in, cache);
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

static bool read_choice(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_str raw, type = WEIR_STR_NULL, name = type, alone = type;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"name", &name}, {"disable_parallel_tool_use", &alone}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 3, "tool_choice.") || !weir_canon_inner(in, type, &type) ||
        !weir_canon_inner(in, name, &c->choice_name))
        return false;
    if (alone.p)
        c->parallel = weir_str_is(alone, "true") ? WEIR_STR("false") : WEIR_STR("true");
    if (weir_json_is(type, "auto"))
        c->choice = WEIR_CHOICE_AUTO;
    else if (weir_json_is(type, "any"))
        c->choice = WEIR_CHOICE_ANY;
    else if (weir_json_is(type, "none"))
        c->choice = WEIR_CHOICE_NONE;
    else if (weir_json_is(type, "tool"))
        c->choice = WEIR_CHOICE_NAMED;
    else
        return weir_canon_wrong(in, raw.p, "\"tool_choice\" is not one of those known");
    return true;
}

/* output_config.effort is the finer word for it. */
bool weir_messages_canon_thinking(struct weir_canon_in *in, const char *path)
{
    struct weir_str raw, type = WEIR_STR_NULL, budget = type;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"budget_tokens", &budget}, {"display", NULL}};
    int64_t tokens = 0;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 3, path) || !weir_canon_inner(in, type, &type))
        return false;
    if (weir_json_is(type, "disabled")) {
        in->call->effort = WEIR_STR("none");
    } else if (weir_json_is(type, "enabled") && !in->call->effort.p && budget.p) {
        if (weir_json_i64(budget, &tokens) != WEIR_OK)
            return weir_canon_wrong(in, budget.p, "\"budget_tokens\" must be a whole number");
        in->call->effort = tokens < 4096    ? WEIR_STR("low")
                           : tokens < 16384 ? WEIR_STR("medium")
                                            : WEIR_STR("high");
    } else if (!weir_json_is(type, "enabled") && !weir_json_is(type, "adaptive")) {
        weir_canon_in_loses(in, path, type, false);
    }
    return true;
}

static bool read_thinking_config(struct weir_canon_in *in)
{
    return weir_messages_canon_thinking(in, "thinking.");
}

static bool read_output_config(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_str raw, effort = WEIR_STR_NULL, format = effort, type = effort;
    const struct weir_canon_want want[] = {{"effort", &effort}, {"format", &format}};
    const struct weir_canon_want of[] = {{"type", &type}, {"schema", &c->format}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 2, "output_config.") ||
        !weir_canon_inner(in, effort, &effort))
        return false;
    if (effort.p && !weir_json_is(c->effort, "none"))
        c->effort = effort;
    return !format.p || weir_canon_pick(in, format, of, 2, "output_config.format.");
}

const struct weir_canon_field weir_messages_canon[WEIR_MESSAGES_CANON] = {
    {"messages", read_messages, WEIR_FIELD_READ},
    {"system", read_system, WEIR_FIELD_READ},
    {"tools", read_tools, WEIR_FIELD_READ},
    {"tool_choice", read_choice, WEIR_FIELD_READ},
    {"thinking", read_thinking_config, WEIR_FIELD_READ},
    {"output_config", read_output_config, WEIR_FIELD_READ},
    {"temperature", weir_canon_read_temperature, WEIR_FIELD_READ},
    {"top_p", weir_canon_read_top_p, WEIR_FIELD_READ},
    {"top_k", weir_canon_read_top_k, WEIR_FIELD_READ},
    {"stop_sequences", weir_canon_stops, WEIR_FIELD_READ},
    {"service_tier", weir_canon_read_tier, WEIR_FIELD_READ},
    {"model", NULL, WEIR_FIELD_ELSEWHERE},
    {"stream", NULL, WEIR_FIELD_ELSEWHERE},
    {"max_tokens", NULL, WEIR_FIELD_ELSEWHERE},
    {"metadata", NULL, WEIR_FIELD_ELSEWHERE},
    {"cache_control", NULL, WEIR_FIELD_HINT},
    {"diagnostics", NULL, WEIR_FIELD_HINT},
    {"speed", NULL, WEIR_FIELD_HINT},
};
