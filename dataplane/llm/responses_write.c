/* responses_write.c - a canonical call as a Responses request, which the provider is not to keep.
 */
#include "data/json_scan.h"
#include "dataplane/llm/responses.h"

enum { USER_MAX = 64 };

static void begin(struct weir_canon_out *o, const char *type)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", type);
}

static void write_text(struct weir_canon_out *o, const char *type, struct weir_str text)
{
    begin(o, type);
    weir_canon_put(&o->w, strcmp(type, "refusal") == 0 ? "refusal" : "text",
                   text.p ? text : WEIR_STR(""));
    weir_jw_end_object(&o->w);
}

static void write_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    bool image = p->kind == WEIR_PART_IMAGE;

    begin(o, image ? "input_image" : "input_file");
    if (image) {
        weir_canon_put(&o->w, "detail", p->detail.p ? p->detail : WEIR_STR("auto"));
        weir_canon_put_url(&o->w, "image_url", p);
    } else {
        if (p->data.p)
            weir_canon_put(&o->w, "filename", p->name.p ? p->name : WEIR_STR("document"));
        weir_canon_put_url(&o->w, p->data.p ? "file_data" : "file_url", p);
    }
    weir_jw_end_object(&o->w);
}

static bool is_said(const struct weir_canon_part *p)
{
    return p->kind == WEIR_PART_TEXT || p->kind == WEIR_PART_REFUSAL ||
           p->kind == WEIR_PART_IMAGE || p->kind == WEIR_PART_FILE;
}

static void write_part(struct weir_canon_out *o, const struct weir_canon_part *p, bool output)
{
    weir_canon_out_loses_cache(o, p->cache);
    if (p->kind == WEIR_PART_TEXT)
        write_text(o, output ? "output_text" : "input_text", p->text);
    else if (p->kind == WEIR_PART_REFUSAL)
        write_text(o, output ? "refusal" : "input_text", p->text);
    else
        write_media(o, p);
}

/* The parts from p on that belong into one message; the first one that does not. */
static const struct weir_canon_part *
write_message(struct weir_canon_out *o, enum weir_canon_role role, const struct weir_canon_part *p)
{
    static const char *const roles[] = {[WEIR_ROLE_SYSTEM] = "system",
                                        [WEIR_ROLE_USER] = "user",
                                        [WEIR_ROLE_ASSISTANT] = "assistant"};

    begin(o, "message");
    weir_jw_z(&o->w, "role", roles[role]);
    weir_jw_array(&o->w, "content");
    for (; p && is_said(p); p = p->next)
        write_part(o, p, role == WEIR_ROLE_ASSISTANT);
    weir_jw_end_array(&o->w);
    weir_jw_end_object(&o->w);
    return p;
}

static void write_call(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    begin(o, "function_call");
    weir_canon_out_loses_cache(o, p->cache);
    weir_canon_put(&o->w, "call_id", p->id);
    weir_canon_put(&o->w, "name", p->name);
    weir_jw_str(&o->w, "arguments", p->json);
    weir_jw_end_object(&o->w);
}

/* There is no mark for a failure. One text is written as a string. */
static void write_result(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    const struct weir_canon_part *first = p->parts;

    begin(o, "function_call_output");
    weir_canon_out_loses_cache(o, p->cache);
    weir_canon_put(&o->w, "call_id", p->id);
    if (!p->failed && (!first || (!first->next && first->kind == WEIR_PART_TEXT))) {
        weir_canon_put(&o->w, "output", first && first->text.p ? first->text : WEIR_STR(""));
    } else {
        weir_jw_array(&o->w, "output");
        if (p->failed)
            write_text(o, "input_text", first ? WEIR_STR("Error: ") : WEIR_STR("Error"));
        for (; first; first = first->next)
            if (is_said(first))
                write_part(o, first, false);
        weir_jw_end_array(&o->w);
    }
    weir_jw_end_object(&o->w);
}

/* Reasoning goes back to where it came from, and nowhere else. What stands for its signature is the
 * item's id, a dot, and its encrypted content (see responses_answer_read.c). */
static void write_reasoning(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    struct weir_str id, encrypted = WEIR_STR_NULL;

    id = weir_str_cut(p->signature, '.', &encrypted);
    if (p->signer != WEIR_DIALECT_OPENAI_RESPONSES || !encrypted.p) {
        weir_canon_out_loses_part(o, WEIR_LOST_REASONING, true);
        return;
    }
    begin(o, "reasoning");
    weir_canon_put(&o->w, "id", id.n ? id : WEIR_STR_NULL);
    weir_jw_array(&o->w, "summary");
    if (p->text.p)
        write_text(o, "summary_text", p->text);
    weir_jw_end_array(&o->w);
    weir_canon_put(&o->w, "encrypted_content", encrypted);
    weir_jw_end_object(&o->w);
}

static void write_parts(struct weir_canon_out *o, const struct weir_canon_message *m)
{
    const struct weir_canon_part *p = m->parts;

    while (p) {
        if (is_said(p)) {
            p = write_message(o, m->role, p);
            continue;
        }
        if (p->kind == WEIR_PART_TOOL_CALL)
            write_call(o, p);
        else if (p->kind == WEIR_PART_TOOL_RESULT)
            write_result(o, p);
        else
            write_reasoning(o, p);
        p = p->next;
    }
}

static void write_input(struct weir_canon_out *o)
{
    weir_jw_array(&o->w, "input");
    for (const struct weir_canon_message *m = o->call->messages; m; m = m->next)
        write_parts(o, m);
    weir_jw_end_array(&o->w);
}

/* Strictness is the rule here, and the exception elsewhere. */
static void write_tools(struct weir_canon_out *o)
{
    if (!o->call->tools)
        return;
    weir_jw_array(&o->w, "tools");
    for (const struct weir_canon_tool *t = o->call->tools; t; t = t->next) {
        weir_canon_out_loses_cache(o, t->cache);
        begin(o, "function");
        weir_canon_put(&o->w, "name", t->name);
        weir_canon_put(&o->w, "description", t->description);
        weir_canon_put_json(&o->w, "parameters",
                            t->json.p ? t->json
                                      : WEIR_STR("{\"type\":\"object\",\"properties\":{}}"));
        weir_canon_put_json(&o->w, "strict", t->strict.p ? t->strict : WEIR_STR("false"));
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
}

static void write_choice(struct weir_canon_out *o)
{
    static const char *const words[] = {
        [WEIR_CHOICE_AUTO] = "auto", [WEIR_CHOICE_NONE] = "none", [WEIR_CHOICE_ANY] = "required"};
    const struct weir_canon_call *c = o->call;

    if (!c->tools)
        return; /* without tools a choice is refused */
    if (c->choice == WEIR_CHOICE_NAMED) {
        weir_jw_object(&o->w, "tool_choice");
        weir_jw_z(&o->w, "type", "function");
        weir_canon_put(&o->w, "name", c->choice_name);
        weir_jw_end_object(&o->w);
    } else if (c->choice != WEIR_CHOICE_UNSET) {
        weir_jw_z(&o->w, "tool_choice", words[c->choice]);
    }
    weir_canon_put_json(&o->w, "parallel_tool_calls", c->parallel);
}

static void write_format(struct weir_canon_out *o)
{
    const struct weir_canon_call *c = o->call;

    if (!c->format.p && !c->format_any)
        return;
    weir_jw_object(&o->w, "format");
    weir_jw_z(&o->w, "type", c->format.p ? "json_schema" : "json_object");
    if (c->format.p) {
        weir_canon_put(&o->w, "name", c->format_name.p ? c->format_name : WEIR_STR("answer"));
        weir_jw_bool(&o->w, "strict", !c->format_loose);
        weir_canon_put_json(&o->w, "schema", c->format);
    }
    weir_jw_end_object(&o->w);
}

static void write_text_config(struct weir_canon_out *o)
{
    const struct weir_canon_call *c = o->call;

    if (!c->format.p && !c->format_any && !c->verbosity.p)
        return;
    weir_jw_object(&o->w, "text");
    write_format(o);
    weir_canon_put(&o->w, "verbosity", c->verbosity);
    weir_jw_end_object(&o->w);
}

/* Models that don't reason refuse to be asked for encrypted reasoning. */
static void write_effort(struct weir_canon_out *o)
{
    struct weir_str effort = o->call->effort;

    if (!effort.p)
        return;
    weir_jw_object(&o->w, "reasoning");
    weir_canon_put(&o->w, "effort", effort);
    weir_jw_end_object(&o->w);
    if (!weir_json_is(effort, "none"))
        weir_jw_raw(&o->w, "include", WEIR_STR("[\"reasoning.encrypted_content\"]"));
}

static void write_user_id(struct weir_canon_out *o)
{
    if (!o->given->user.n)
        return;
    /* Longer ones are refused there. */
    if (o->given->user.n > USER_MAX)
        weir_canon_out_loses_part(o, WEIR_LOST_USER, true);
    else
        weir_jw_str(&o->w, "user", o->given->user);
}

static void write_tier(struct weir_canon_out *o)
{
    struct weir_str tier = o->call->tier;

    if (weir_json_is(tier, "standard_only"))
        weir_jw_z(&o->w, "service_tier", "default");
    else if (o->call->dialect == WEIR_DIALECT_OPENAI_CHAT || weir_json_is(tier, "auto"))
        weir_canon_put(&o->w, "service_tier", tier); /* the same vendor's words */
    else if (tier.p)
        weir_canon_out_loses(o, "service_tier", true);
}

void weir_responses_write_call(struct weir_canon_out *o)
{
    struct weir_canon_call *c = o->call;

    if (c->stream)
        weir_jw_bool(&o->w, "stream", true);
    weir_jw_bool(&o->w, "store", false);
    if (o->given->n > 1)
        weir_canon_out_loses(o, "n", false);
    write_input(o);
    write_tools(o);
    write_choice(o);
    write_text_config(o);
    write_effort(o);
    weir_canon_put_json(&o->w, "temperature", c->temperature);
    weir_canon_put_json(&o->w, "top_p", c->top_p);
    if (c->top_k.p)
        weir_canon_out_loses(o, "top_k", false);
    if (c->stop_count)
        weir_canon_out_loses_part(o, WEIR_LOST_STOPS, false);
    weir_canon_put(&o->w, "prompt_cache_key", c->cache_key);
    write_user_id(o);
    write_tier(o);
}
