/* cohere_write.c - a canonical call as a request to Cohere's chat (v2). */
#include <stdlib.h>

#include "dataplane/llm/cohere.h"

enum { MOST_STOPS = 5 };

static void begin(struct weir_canon_out *o, const char *role)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "role", role);
}

static void write_text(struct weir_canon_out *o, const char *type, struct weir_str text)
{
    if (!text.n)
        return;
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", type);
    weir_canon_put(&o->w, type, text);
    weir_jw_end_object(&o->w);
}

/* It has pictures, and no other files. */
static void write_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    if (p->kind == WEIR_PART_FILE) {
        weir_canon_out_loses(o, "messages.content.file", false);
        return;
    }
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", "image_url");
    weir_jw_object(&o->w, "image_url");
    weir_canon_put_url(&o->w, "url", p);
    weir_canon_put(&o->w, "detail", p->detail);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static bool is_media(const struct weir_canon_part *p)
{
    return p->kind == WEIR_PART_IMAGE || p->kind == WEIR_PART_FILE;
}

static void write_part(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_canon_out_loses_cache(o, p->cache);
    if (p->kind == WEIR_PART_TEXT || p->kind == WEIR_PART_REFUSAL)
        write_text(o, "text", p->text);
    else if (is_media(p))
        write_media(o, p);
}

/* ---- results of tools ---- */

/* A result that is a JSON object is a document as it is. */
static bool is_object(struct weir_canon_out *o, struct weir_str text, struct weir_str *plain)
{
    char *bytes = weir_arena_alloc(o->arena, text.n + 1);

    *plain = (struct weir_str){bytes, text.p ? weir_json_unescape(text, bytes) : 0};
    *plain = weir_str_trim(*plain);
    return plain->n && plain->p[0] == '{' && weir_json_check(*plain, NULL) == WEIR_OK;
}

static void write_document(struct weir_canon_out *o, struct weir_str text, bool failed)
{
    struct weir_str plain;

    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", "document");
    weir_jw_object(&o->w, "document");
    if (!failed && is_object(o, text, &plain)) {
        weir_jw_raw(&o->w, "data", plain);
    } else {
        weir_jw_object(&o->w, "data");
        weir_canon_put(&o->w, failed ? "error" : "text", text.p ? text : WEIR_STR(""));
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static void write_result(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    bool any = false;

    begin(o, "tool");
    weir_canon_put(&o->w, "tool_call_id", p->id);
    weir_canon_out_loses_cache(o, p->cache);
    weir_jw_array(&o->w, "content");
    for (const struct weir_canon_part *t = p->parts; t; t = t->next)
        if (t->kind == WEIR_PART_TEXT)
            any = true, write_document(o, t->text, p->failed);
    if (!any)
        write_document(o, WEIR_STR(""), p->failed);
    weir_jw_end_array(&o->w);
    weir_jw_end_object(&o->w);
}

/* ---- messages ---- */

static bool has_rest(const struct weir_canon_part *p)
{
    for (; p; p = p->next) {
        const struct weir_canon_part *inner = p->parts;

        if (p->kind != WEIR_PART_TOOL_RESULT && (is_media(p) || p->text.n))
            return true;
        while (inner && !is_media(inner))
            inner = inner->next;
        if (inner)
            return true;
    }
    return false;
}

/* One text is a string, as it is for all that the vendor shows. */
static void write_contents(struct weir_canon_out *o, const struct weir_canon_part *parts)
{
    if (parts && !parts->next && parts->kind == WEIR_PART_TEXT) {
        weir_canon_out_loses_cache(o, parts->cache);
        weir_canon_put(&o->w, "content", parts->text);
        return;
    }
    weir_jw_array(&o->w, "content");
    for (const struct weir_canon_part *p = parts; p; p = p->next) {
        if (p->kind != WEIR_PART_TOOL_RESULT) {
            write_part(o, p);
            continue;
        }
        for (const struct weir_canon_part *t = p->parts; t; t = t->next)
            if (is_media(t))
                write_part(o, t);
    }
    weir_jw_end_array(&o->w);
}

/* Results first, each a message; what else the turn has, and the results' pictures, follow. */
static void write_user(struct weir_canon_out *o, const struct weir_canon_message *m,
                       const char *role)
{
    for (const struct weir_canon_part *p = m->parts; p; p = p->next)
        if (p->kind == WEIR_PART_TOOL_RESULT)
            write_result(o, p);
    if (!has_rest(m->parts))
        return;
    begin(o, role);
    write_contents(o, m->parts);
    weir_jw_end_object(&o->w);
}

static void write_calls(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_jw_array(&o->w, "tool_calls");
    for (; p; p = p->next) {
        if (p->kind != WEIR_PART_TOOL_CALL)
            continue;
        weir_canon_out_loses_cache(o, p->cache);
        weir_jw_object(&o->w, NULL);
        weir_canon_put(&o->w, "id", p->id);
        weir_jw_z(&o->w, "type", "function");
        weir_jw_object(&o->w, "function");
        weir_canon_put(&o->w, "name", p->name);
        weir_jw_str(&o->w, "arguments", p->json);
        weir_jw_end_object(&o->w);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
}

static bool is_said(const struct weir_canon_part *p)
{
    return (p->kind == WEIR_PART_TEXT || p->kind == WEIR_PART_REFUSAL) && p->text.n;
}

/* All texts beside calls are the plan, which is one. */
static void write_plan(struct weir_canon_out *o, const struct weir_canon_part *parts)
{
    struct weir_buf *b = o->w.b;
    bool open = false;

    for (const struct weir_canon_part *p = parts; p; p = p->next) {
        if (!is_said(p))
            continue;
        weir_canon_out_loses_cache(o, p->cache);
        if (!open)
            weir_jw_raw(&o->w, "tool_plan", WEIR_STR("\""));
        open = true;
        weir_buf_adds(b, p->text);
    }
    if (open)
        weir_buf_addz(b, "\"");
}

static void write_said(struct weir_canon_out *o, const struct weir_canon_part *parts, bool texts)
{
    bool open = false;

    for (const struct weir_canon_part *p = parts; p; p = p->next) {
        bool thought = p->kind == WEIR_PART_REASONING;

        if (thought && !weir_canon_out_can_reason(o, p))
            weir_canon_out_loses_part(o, WEIR_LOST_REASONING, true);
        else if (thought ? p->text.n > 0 : texts && is_said(p)) {
            if (!open)
                weir_jw_array(&o->w, "content");
            open = true;
            if (thought)
                write_text(o, "thinking", p->text);
            else
                write_part(o, p);
        }
    }
    if (open)
        weir_jw_end_array(&o->w);
}

static void write_assistant(struct weir_canon_out *o, const struct weir_canon_message *m)
{
    bool calls = false;

    for (const struct weir_canon_part *p = m->parts; p; p = p->next)
        calls = calls || p->kind == WEIR_PART_TOOL_CALL;
    begin(o, "assistant");
    write_said(o, m->parts, !calls);
    if (calls) {
        write_plan(o, m->parts);
        write_calls(o, m->parts);
    }
    weir_jw_end_object(&o->w);
}

static void write_messages(struct weir_canon_out *o)
{
    weir_jw_array(&o->w, "messages");
    for (const struct weir_canon_message *m = o->call->messages; m; m = m->next) {
        if (m->role == WEIR_ROLE_USER)
            write_user(o, m, "user");
        else if (!weir_canon_out_says_something(o, m))
            continue;
        else if (m->role == WEIR_ROLE_ASSISTANT)
            write_assistant(o, m);
        else
            write_user(o, m, "system");
    }
    weir_jw_end_array(&o->w);
}

/* ---- tools ---- */

static bool is_offered(const struct weir_canon_call *c, const struct weir_canon_tool *t)
{
    return c->choice != WEIR_CHOICE_NAMED || weir_str_eq(t->name, c->choice_name);
}

/* Either all of them are strict, or none is. */
static void write_strict(struct weir_canon_out *o)
{
    size_t strict = 0, all = 0;

    for (const struct weir_canon_tool *t = o->call->tools; t; t = t->next) {
        strict += is_offered(o->call, t) && weir_str_is(t->strict, "true");
        all += is_offered(o->call, t);
    }
    if (strict && strict == all)
        weir_jw_bool(&o->w, "strict_tools", true);
    else if (strict)
        weir_canon_out_loses(o, "tools.strict", false);
}

/* One that is named is forced by offering no other. */
static void write_tools(struct weir_canon_out *o)
{
    const struct weir_canon_call *c = o->call;

    if (!c->tools)
        return;
    weir_jw_array(&o->w, "tools");
    for (const struct weir_canon_tool *t = c->tools; t; t = t->next) {
        if (!is_offered(c, t))
            continue;
        weir_canon_out_loses_cache(o, t->cache);
        weir_jw_object(&o->w, NULL);
        weir_jw_z(&o->w, "type", "function");
        weir_jw_object(&o->w, "function");
        weir_canon_put(&o->w, "name", t->name);
        weir_canon_put(&o->w, "description", t->description);
        weir_canon_put_json(&o->w, "parameters",
                            t->json.p ? t->json
                                      : WEIR_STR("{\"type\":\"object\",\"properties\":{}}"));
        weir_jw_end_object(&o->w);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
    write_strict(o);
    if (c->choice == WEIR_CHOICE_NONE)
        weir_jw_z(&o->w, "tool_choice", "NONE");
    else if (c->choice == WEIR_CHOICE_ANY || c->choice == WEIR_CHOICE_NAMED)
        weir_jw_z(&o->w, "tool_choice", "REQUIRED");
    if (weir_str_is(c->parallel, "false"))
        weir_canon_out_loses(o, "parallel_tool_calls", false);
}

/* ---- the rest ---- */

static void write_format(struct weir_canon_out *o)
{
    if (!o->call->format.p && !o->call->format_any)
        return;
    weir_jw_object(&o->w, "response_format");
    weir_jw_z(&o->w, "type", "json_object");
    weir_canon_put_json(&o->w, "json_schema", o->call->format);
    weir_jw_end_object(&o->w);
}

/* An effort is a share of the budget there; "high" and above have no bound of their own. */
static void write_effort(struct weir_canon_out *o)
{
    static const struct {
        const char *effort;
        int64_t budget;
    } budgets[] = {{"minimal", 512}, {"low", 1024}, {"medium", 8192}};
    struct weir_str effort = o->call->effort;

    if (!effort.p)
        return;
    weir_jw_object(&o->w, "thinking");
    weir_jw_z(&o->w, "type", weir_json_is(effort, "none") ? "disabled" : "enabled");
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        if (weir_json_is(effort, budgets[i].effort))
            weir_jw_i64(&o->w, "token_budget", budgets[i].budget);
    weir_jw_end_object(&o->w);
}

/* It ends at 0.99 there: at 1 elsewhere, which says the same as its absence. */
static void write_top_p(struct weir_canon_out *o)
{
    struct weir_str p = o->call->top_p;
    char text[32];

    if (p.p && p.n < sizeof text) {
        memcpy(text, p.p, p.n);
        text[p.n] = 0;
        if (strtod(text, NULL) > 0.99)
            p = WEIR_STR("0.99");
    }
    weir_canon_put_json(&o->w, "p", p);
}

static void write_stops(struct weir_canon_out *o)
{
    if (o->call->stop_count > MOST_STOPS) {
        weir_canon_out_loses_part(o, WEIR_LOST_STOPS, false);
        o->call->stop_count = MOST_STOPS;
    }
    weir_canon_put_stops(o, "stop_sequences");
}

void weir_cohere_write_call(struct weir_canon_out *o)
{
    struct weir_canon_call *c = o->call;

    if (c->stream)
        weir_jw_bool(&o->w, "stream", true);
    if (o->given->n > 1)
        weir_canon_out_loses(o, "n", false);
    write_messages(o);
    write_tools(o);
    write_format(o);
    write_effort(o);
    weir_canon_put_json(&o->w, "temperature", c->temperature);
    write_top_p(o);
    weir_canon_put_json(&o->w, "k", c->top_k);
    write_stops(o);
    if (o->given->user.n)
        weir_canon_out_loses_part(o, WEIR_LOST_USER, true);
    if (c->tier.p && !weir_json_is(c->tier, "auto"))
        weir_canon_out_loses(o, "service_tier", true);
}
