/* responses_read.c - a Responses request as a canonical call. */
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/canon_event.h"
#include "dataplane/llm/responses.h"

static enum weir_canon_cache breakpoint(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str mode = WEIR_STR_NULL, ttl = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"mode", &mode}, {"ttl", &ttl}};

    if (!raw.p || !weir_canon_pick(in, raw, want, 2, "prompt_cache_breakpoint."))
        return WEIR_CACHE_NONE;
    return ttl.p ? WEIR_CACHE_HOUR : WEIR_CACHE_SHORT;
}

/* All that parts of any type have, as it stands. */
struct fields {
    struct weir_str type, text, refusal, image, detail, file_id, data, url, name, mark, unused;
};

static bool pick_part(struct weir_canon_in *in, struct weir_str raw, struct fields *f)
{
    const struct weir_canon_want want[] = {
        {"type", &f->type},          {"text", &f->text},
        {"refusal", &f->refusal},    {"image_url", &f->image},
        {"detail", &f->detail},      {"file_id", &f->file_id},
        {"file_data", &f->data},     {"file_url", &f->url},
        {"filename", &f->name},      {"prompt_cache_breakpoint", &f->mark},
        {"annotations", &f->unused}, {"logprobs", &f->unused}};

    return weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "input.content.") &&
           weir_canon_inner(in, f->type, &f->type);
}

/* False: a fault. *out NULL: it was lost. */
static bool read_media(struct weir_canon_in *in, const struct fields *f, bool image,
                       struct weir_canon_part **out)
{
    struct weir_str at = image ? f->image : f->data.p ? f->data : f->url, url;
    struct weir_canon_part *p;

    if (!at.p) {
        weir_canon_in_loses(in, image ? "input.content.input_image." : "input.content.input_file.",
                            WEIR_STR("file_id"), false);
        return true;
    }
    p = weir_canon_new_part(in, image ? WEIR_PART_IMAGE : WEIR_PART_FILE);
    if (!p || !weir_canon_inner(in, at, &url) || !weir_canon_inner(in, f->detail, &p->detail) ||
        !weir_canon_inner(in, f->name, &p->name))
        return false;
    weir_canon_url(p, url);
    *out = p;
    return true;
}

static bool read_text(struct weir_canon_in *in, enum weir_canon_kind kind, struct weir_str raw,
                      struct weir_canon_part **out)
{
    *out = weir_canon_new_part(in, kind);
    return *out && weir_canon_inner(in, raw, &(*out)->text);
}

static bool read_part(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_canon_part *p = NULL;
    struct fields f = {0};
    bool ok = pick_part(in, raw, &f);

    if (!ok)
        return false;
    if (weir_json_is(f.type, "input_text") || weir_json_is(f.type, "output_text") ||
        weir_json_is(f.type, "text"))
        ok = read_text(in, WEIR_PART_TEXT, f.text, &p);
    else if (weir_json_is(f.type, "refusal"))
        ok = read_text(in, WEIR_PART_REFUSAL, f.refusal, &p);
    else if (weir_json_is(f.type, "input_image") || weir_json_is(f.type, "input_file"))
        ok = read_media(in, &f, weir_json_is(f.type, "input_image"), &p);
    else
        weir_canon_in_loses(in, "input.content.", f.type, false);
    if (!ok || !p)
        return ok;
    p->cache = breakpoint(in, f.mark);
    weir_canon_append(to, p);
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
        if (!read_text(in, WEIR_PART_TEXT, raw, &p))
            return false;
        weir_canon_append(to, p);
        return true;
    }
    while (weir_json_element(&j) && weir_json_skip(&j, &part))
        if (!read_part(in, part, to))
            return false;
    return true;
}

/* All that items of the types that are read have, as it stands. */
struct item {
    struct weir_str type, role, content, call_id, name, arguments, input, output, summary,
        encrypted, space, tools, unused;
};

/* A turn of the assistant is several items here. */
static struct weir_canon_message *turn(struct weir_canon_in *in)
{
    struct weir_canon_message *last = in->call->last_message;

    return last && last->role == WEIR_ROLE_ASSISTANT
               ? last
               : weir_canon_add_message(in, WEIR_ROLE_ASSISTANT);
}

static bool read_message(struct weir_canon_in *in, const struct item *i)
{
    struct weir_canon_message *m;
    struct weir_str role;

    if (!weir_canon_inner(in, i->role, &role))
        return false;
    if (weir_json_is(role, "system") || weir_json_is(role, "developer")) {
        m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    } else if (weir_json_is(role, "user")) {
        m = weir_canon_add_message(in, WEIR_ROLE_USER);
    } else if (weir_json_is(role, "assistant")) {
        m = turn(in);
    } else {
        weir_canon_in_loses(in, "input.role.", role, false);
        return true;
    }
    return m && read_content(in, i->content, m);
}

static bool read_call(struct weir_canon_in *in, const struct item *i)
{
    struct weir_canon_message *m = turn(in);
    struct weir_canon_part *p = m ? weir_canon_new_part(in, WEIR_PART_TOOL_CALL) : NULL;
    struct weir_str arguments, name, space;

    if (!p || !weir_canon_inner(in, i->call_id, &p->id) || !weir_canon_inner(in, i->name, &name) ||
        !weir_canon_inner(in, i->space, &space) ||
        !weir_canon_inner(in, i->arguments, &arguments) || !weir_canon_arguments(in, p, arguments))
        return false;
    p->name = weir_responses_wire_name(in, space, name);
    weir_canon_append(m, p);
    return true;
}

/* Of a tool that takes a text. */
static bool read_custom_call(struct weir_canon_in *in, const struct item *i)
{
    struct weir_canon_message *m = turn(in);
    struct weir_canon_part *p = m ? weir_canon_new_part(in, WEIR_PART_TOOL_CALL) : NULL;
    struct weir_str name, space, input;

    if (!p || !weir_canon_inner(in, i->call_id, &p->id) || !weir_canon_inner(in, i->name, &name) ||
        !weir_canon_inner(in, i->space, &space) || !weir_canon_inner(in, i->input, &input))
        return false;
    p->name = weir_responses_wire_name(in, space, name);
    p->json = weir_responses_wrap(in, "{\"input\":\"", input, "\"}");
    weir_canon_append(m, p);
    return true;
}

/* Results of the calls of one turn belong into one message, which need not be followed by text. */
static bool read_result(struct weir_canon_in *in, const struct item *i)
{
    struct weir_canon_message *last = in->call->last_message, parts = {0};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TOOL_RESULT);

    if (!p || !weir_canon_inner(in, i->call_id, &p->id) || !read_content(in, i->output, &parts))
        return false;
    p->parts = parts.parts;
    if (!last || last->role != WEIR_ROLE_USER || !last->last ||
        last->last->kind != WEIR_PART_TOOL_RESULT)
        last = weir_canon_add_message(in, WEIR_ROLE_USER);
    if (last)
        weir_canon_append(last, p);
    return last != NULL;
}

/* The texts of a list of parts, with an empty line between two of them. */
static bool join_texts(struct weir_canon_in *in, struct weir_str list, struct weir_str *out)
{
    struct weir_str part, text, type;
    const struct weir_canon_want want[] = {{"text", &text}, {"type", &type}};
    char *to = weir_arena_alloc(in->arena, list.n + 1);
    bool any = false;
    struct weir_json j;
    size_t n = 0;

    weir_json_init(&j, list.p ? list : WEIR_STR("[]"));
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, list.p, "this must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &part)) {
        text = WEIR_STR_NULL;
        if (!weir_canon_pick(in, part, want, 2, "input.summary.") ||
            !weir_canon_inner(in, text, &text))
            return false;
        if (!text.p)
            continue;
        if (any) { /* shorter than the markup of the part that it came from */
            memcpy(to + n, "\\n\\n", 4);
            n += 4;
        }
        memcpy(to + n, text.p, text.n);
        n += text.n;
        any = true;
    }
    if (any)
        *out = (struct weir_str){to, n};
    return true;
}

/* Reasoning of which nothing but its signature is known has an empty list of summaries. */
static bool read_reasoning(struct weir_canon_in *in, const struct item *i)
{
    struct weir_canon_message *m = turn(in);
    struct weir_canon_part *p = m ? weir_canon_new_part(in, WEIR_PART_REASONING) : NULL;
    struct weir_str encrypted;

    if (!p || !weir_canon_inner(in, i->encrypted, &encrypted) ||
        !join_texts(in, i->summary, &p->text) ||
        (!p->text.p && !join_texts(in, i->content, &p->text)))
        return false;
    p->redacted = !p->text.p;
    weir_canon_unwrap(encrypted, WEIR_DIALECT_OPENAI_RESPONSES, &p->signature, &p->signer);
    weir_canon_append(m, p);
    return true;
}

static bool pick_item(struct weir_canon_in *in, struct weir_str raw, struct item *i)
{
    const struct weir_canon_want want[] = {
        {"type", &i->type},
        {"role", &i->role},
        {"content", &i->content},
        {"call_id", &i->call_id},
        {"name", &i->name},
        {"arguments", &i->arguments},
        {"output", &i->output},
        {"summary", &i->summary},
        {"encrypted_content", &i->encrypted},
        {"namespace", &i->space},
        {"input", &i->input},
        {"tools", &i->tools},
        {"internal_chat_message_metadata_passthrough", &i->unused},
        {"id", &i->unused},
        {"status", &i->unused},
        {"phase", &i->unused},
        {"caller", &i->unused}};

    return weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "input.") &&
           weir_canon_inner(in, i->type, &i->type);
}

static bool read_item(struct weir_canon_in *in, struct weir_str raw)
{
    /* Items that are not read have fields of their own; their type says it all. */
    struct weir_canon_call *c = in->call;
    size_t losses = c->loss_count;
    bool loses = c->loses;
    struct item i = {0};

    if (!pick_item(in, raw, &i))
        return false;
    if (weir_json_is(i.type, "message") || (!i.type.p && i.role.p))
        return read_message(in, &i);
    if (weir_json_is(i.type, "function_call"))
        return read_call(in, &i);
    if (weir_json_is(i.type, "custom_tool_call"))
        return read_custom_call(in, &i);
    if (weir_json_is(i.type, "function_call_output") ||
        weir_json_is(i.type, "custom_tool_call_output"))
        return read_result(in, &i);
    if (weir_json_is(i.type, "additional_tools"))
        return weir_responses_read_tools(in, i.tools);
    if (weir_json_is(i.type, "reasoning"))
        return read_reasoning(in, &i);
    if (weir_json_is(i.type, "item_reference") || !i.type.p)
        return weir_canon_wrong(in, raw.p,
                                "an \"item_reference\" names what only its provider has kept");
    c->loss_count = losses;
    c->loses = loses;
    weir_canon_in_loses(in, "input.", i.type, false);
    return true;
}

static bool read_input(struct weir_canon_in *in)
{
    struct weir_canon_message *m;
    struct weir_str raw, item;
    struct weir_json j;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        m = weir_canon_add_message(in, WEIR_ROLE_USER);
        return m && read_content(in, raw, m);
    }
    while (weir_json_element(&j) && weir_json_skip(&j, &item))
        if (!read_item(in, item))
            return false;
    return true;
}

/* They may stand behind the input, and belong before it. */
static bool read_instructions(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_canon_message *last = c->last_message, *m;
    struct weir_str raw;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    if (!m || !read_content(in, raw, m))
        return false;
    weir_canon_move_first(c, last);
    return true;
}

static bool refuse_stored(struct weir_canon_in *in)
{
    const char *at = in->j.p;
    struct weir_str raw;

    if (!weir_canon_json(in, &raw))
        return false;
    return !raw.p ||
           weir_canon_wrong(in, at,
                            "\"previous_response_id\", \"conversation\" and \"prompt\" name what "
                            "only its provider has kept, and no target of this call is one that "
                            "speaks Responses; send the whole \"input\"");
}

/* ---- settings ---- */

static bool read_format(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_canon_call *c = in->call;
    struct weir_str type = WEIR_STR_NULL, name = type, strict = type, schema = type;
    /* "strict" is what the other dialects do anyway. */
    const struct weir_canon_want want[] = {{"type", &type},
                                           {"name", &name},
                                           {"schema", &schema},
                                           {"strict", &strict},
                                           {"description", NULL}};

    if (!weir_canon_pick(in, raw, want, 5, "text.format.") || !weir_canon_inner(in, type, &type))
        return false;
    if (weir_json_is(type, "json_schema") && schema.p) {
        c->format = schema;
        return weir_canon_inner(in, name, &c->format_name);
    }
    c->format_any = weir_json_is(type, "json_object");
    if (!c->format_any && !weir_json_is(type, "text"))
        weir_canon_in_loses(in, "text.format.", type, false);
    return true;
}

static bool read_text_config(struct weir_canon_in *in)
{
    struct weir_str raw, format = WEIR_STR_NULL, verbosity = format;
    const struct weir_canon_want want[] = {{"format", &format}, {"verbosity", &verbosity}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    return weir_canon_pick(in, raw, want, 2, "text.") &&
           weir_canon_inner(in, verbosity, &in->call->verbosity) &&
           (!format.p || read_format(in, format));
}

static bool read_reasoning_config(struct weir_canon_in *in)
{
    /* A summary comes unasked, where there is one. */
    struct weir_str raw, effort = WEIR_STR_NULL, summary = effort;
    const struct weir_canon_want want[] = {{"effort", &effort},
                                           {"summary", &summary},
                                           {"generate_summary", &summary},
                                           {"context", NULL}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    return weir_canon_pick(in, raw, want, 4, "reasoning.") &&
           weir_canon_inner(in, effort, &in->call->effort);
}

/* What else an answer shall hold; signed reasoning it holds anyway. */
static bool read_include(struct weir_canon_in *in)
{
    struct weir_str raw, item;
    struct weir_json j;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"include\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &item))
        if (!weir_json_is(weir_canon_string(item), "reasoning.encrypted_content"))
            weir_canon_in_loses(in, "include.", weir_canon_string(item), true);
    return true;
}

static bool read_truncation(struct weir_canon_in *in)
{
    struct weir_str word;

    if (!weir_canon_text(in, &word))
        return false;
    if (word.p && !weir_json_is(word, "disabled"))
        weir_canon_in_loses(in, "", WEIR_STR("truncation"), false);
    return true;
}

const struct weir_canon_field weir_responses_canon[WEIR_RESPONSES_CANON] = {
    {"input", read_input, WEIR_FIELD_READ},
    {"instructions", read_instructions, WEIR_FIELD_READ},
    {"tools", weir_responses_tools, WEIR_FIELD_READ},
    {"tool_choice", weir_responses_choice, WEIR_FIELD_READ},
    {"parallel_tool_calls", weir_canon_read_parallel, WEIR_FIELD_READ},
    {"text", read_text_config, WEIR_FIELD_READ},
    {"reasoning", read_reasoning_config, WEIR_FIELD_READ},
    {"temperature", weir_canon_read_temperature, WEIR_FIELD_READ},
    {"top_p", weir_canon_read_top_p, WEIR_FIELD_READ},
    {"service_tier", weir_canon_read_tier, WEIR_FIELD_READ},
    {"prompt_cache_key", weir_canon_read_cache_key, WEIR_FIELD_READ},
    {"include", read_include, WEIR_FIELD_READ},
    {"truncation", read_truncation, WEIR_FIELD_READ},
    {"previous_response_id", refuse_stored, WEIR_FIELD_READ},
    {"conversation", refuse_stored, WEIR_FIELD_READ},
    {"prompt", refuse_stored, WEIR_FIELD_READ},
    {"model", NULL, WEIR_FIELD_ELSEWHERE},
    {"stream", NULL, WEIR_FIELD_ELSEWHERE},
    {"max_output_tokens", NULL, WEIR_FIELD_ELSEWHERE},
    {"user", NULL, WEIR_FIELD_ELSEWHERE},
    {"safety_identifier", NULL, WEIR_FIELD_ELSEWHERE},
    {"stream_options", NULL, WEIR_FIELD_HINT},
    {"prompt_cache_options", NULL, WEIR_FIELD_HINT},
    {"prompt_cache_retention", NULL, WEIR_FIELD_HINT},
    {"metadata", NULL, WEIR_FIELD_HINT},
    {"client_metadata", NULL, WEIR_FIELD_HINT},
    {"store", NULL, WEIR_FIELD_HINT},
    {"image", NULL, WEIR_FIELD_HINT},
    {"access_programs", NULL, WEIR_FIELD_HINT},
};
