/* chat_write.c - a canonical call as a Chat Completions request. */
#include "data/json_scan.h"
#include "dataplane/llm/chat.h"

enum { USER_MAX = 64 };

static size_t count(const struct weir_canon_part *p, enum weir_canon_kind kind)
{
    size_t n = 0;

    for (; p; p = p->next)
        n += p->kind == kind;
    return n;
}

static void begin(struct weir_canon_out *o, const char *role)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "role", role);
}

static void write_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    bool image = p->kind == WEIR_PART_IMAGE;

    if (!image && !p->data.p) {
        weir_canon_out_loses_part(o, WEIR_LOST_FILE_URL, false);
        return;
    }
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", image ? "image_url" : "file");
    weir_jw_object(&o->w, image ? "image_url" : "file");
    if (!image)
        weir_canon_put(&o->w, "filename", p->name.p ? p->name : WEIR_STR("document"));
    weir_canon_put_url(&o->w, image ? "url" : "file_data", p);
    weir_canon_put(&o->w, "detail", p->detail);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static void write_text(struct weir_canon_out *o, const char *type, struct weir_str text)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", type);
    weir_canon_put(&o->w, type, text.p ? text : WEIR_STR(""));
    weir_jw_end_object(&o->w);
}

static void write_part(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_canon_out_loses_cache(o, p->cache);
    switch (p->kind) {
    case WEIR_PART_TEXT:
        write_text(o, "text", p->text);
        break;
    case WEIR_PART_REFUSAL:
        write_text(o, "refusal", p->text);
        break;
    case WEIR_PART_IMAGE:
    case WEIR_PART_FILE:
        write_media(o, p);
        break;
    default:
        break;
    }
}

/* One text is written as a string: not every server takes a list of one. */
static void write_texts(struct weir_canon_out *o, const struct weir_canon_part *parts)
{
    if (parts && !parts->next && parts->kind == WEIR_PART_TEXT) {
        weir_canon_out_loses_cache(o, parts->cache);
        weir_canon_put(&o->w, "content", parts->text.p ? parts->text : WEIR_STR(""));
        return;
    }
    weir_jw_array(&o->w, "content");
    for (; parts; parts = parts->next)
        write_part(o, parts);
    weir_jw_end_array(&o->w);
}

/* A tool message has no mark for a failure, and only texts. */
static void write_result(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    size_t texts = count(p->parts, WEIR_PART_TEXT) + p->failed;

    begin(o, "tool");
    weir_canon_put(&o->w, "tool_call_id", p->id);
    weir_canon_out_loses_cache(o, p->cache);
    if (texts <= 1) {
        struct weir_str text = p->failed ? WEIR_STR("Error") : WEIR_STR("");

        for (const struct weir_canon_part *t = p->parts; t; t = t->next)
            if (t->kind == WEIR_PART_TEXT && t->text.p)
                text = t->text;
        weir_canon_put(&o->w, "content", text);
    } else {
        weir_jw_array(&o->w, "content");
        if (p->failed)
            write_text(o, "text", WEIR_STR("Error: "));
        for (const struct weir_canon_part *t = p->parts; t; t = t->next)
            if (t->kind == WEIR_PART_TEXT)
                write_part(o, t);
        weir_jw_end_array(&o->w);
    }
    weir_jw_end_object(&o->w);
}

static bool is_media(const struct weir_canon_part *p)
{
    return p->kind == WEIR_PART_IMAGE || p->kind == WEIR_PART_FILE;
}

static void write_result_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    for (const struct weir_canon_part *t = p->parts; t; t = t->next)
        if (is_media(t))
            write_part(o, t);
}

static bool has_media(const struct weir_canon_part *p)
{
    while (p && !is_media(p))
        p = p->next;
    return p != NULL;
}

/* Results first, each a message; what else the turn has, and the results' pictures, follow. */
static void write_user(struct weir_canon_out *o, const struct weir_canon_message *m)
{
    bool rest = false, results = false;

    for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
        bool result = p->kind == WEIR_PART_TOOL_RESULT;

        if (result)
            write_result(o, p);
        results = results || result;
        rest = rest || !result || has_media(p->parts);
    }
    if (results && !rest)
        return;
    begin(o, "user");
    if (!results) {
        write_texts(o, m->parts);
    } else {
        weir_jw_array(&o->w, "content");
        for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
            if (p->kind == WEIR_PART_TOOL_RESULT)
                write_result_media(o, p);
            else
                write_part(o, p);
        }
        weir_jw_end_array(&o->w);
    }
    weir_jw_end_object(&o->w);
}

static void write_calls(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    if (count(p, WEIR_PART_TOOL_CALL) == 0)
        return;
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

/* Reasoning goes back to the dialect that it came from, and to no other. */
static void write_reasoning(struct weir_canon_out *o, const struct weir_canon_part *parts)
{
    bool signed_one = false, text = false;

    for (const struct weir_canon_part *p = parts; p; p = p->next) {
        if (p->kind != WEIR_PART_REASONING)
            continue;
        if (p->signer != WEIR_DIALECT_OPENAI_CHAT)
            weir_canon_out_loses_part(o, WEIR_LOST_REASONING, true);
        else if (p->signature.n)
            signed_one = true;
        else if (p->text.n && !text)
            text = true, weir_canon_put(&o->w, "reasoning_content", p->text);
    }
    if (!signed_one)
        return;
    weir_jw_array(&o->w, "reasoning_details");
    for (const struct weir_canon_part *p = parts; p; p = p->next) {
        if (p->kind != WEIR_PART_REASONING || p->signer != WEIR_DIALECT_OPENAI_CHAT ||
            !p->signature.n)
            continue;
        weir_jw_object(&o->w, NULL);
        weir_jw_z(&o->w, "type", p->redacted ? "reasoning.encrypted" : "reasoning.text");
        if (!p->redacted)
            weir_canon_put(&o->w, "text", p->text);
        weir_canon_put(&o->w, p->redacted ? "data" : "signature", p->signature);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
}

static void write_assistant(struct weir_canon_out *o, const struct weir_canon_message *m)
{
    size_t texts = count(m->parts, WEIR_PART_TEXT);
    size_t refusals = count(m->parts, WEIR_PART_REFUSAL);

    begin(o, "assistant");
    write_reasoning(o, m->parts);
    if (texts + refusals == 0) {
        if (count(m->parts, WEIR_PART_TOOL_CALL))
            weir_jw_null(&o->w, "content");
        else
            weir_jw_z(&o->w, "content", "");
    } else if (texts == 1 && refusals == 0) {
        for (const struct weir_canon_part *p = m->parts; p; p = p->next)
            if (p->kind == WEIR_PART_TEXT) {
                weir_canon_out_loses_cache(o, p->cache);
                weir_canon_put(&o->w, "content", p->text.p ? p->text : WEIR_STR(""));
            }
    } else {
        weir_jw_array(&o->w, "content");
        for (const struct weir_canon_part *p = m->parts; p; p = p->next)
            if (p->kind == WEIR_PART_TEXT || p->kind == WEIR_PART_REFUSAL)
                write_part(o, p);
        weir_jw_end_array(&o->w);
    }
    write_calls(o, m->parts);
    weir_jw_end_object(&o->w);
}

static void write_messages(struct weir_canon_out *o)
{
    weir_jw_array(&o->w, "messages");
    for (const struct weir_canon_message *m = o->call->messages; m; m = m->next) {
        if (m->role == WEIR_ROLE_USER) {
            write_user(o, m);
        } else if (m->role == WEIR_ROLE_ASSISTANT) {
            write_assistant(o, m);
        } else if (m->parts) {
            begin(o, "system");
            write_texts(o, m->parts);
            weir_jw_end_object(&o->w);
        }
    }
    weir_jw_end_array(&o->w);
}

static void write_tools(struct weir_canon_out *o)
{
    if (!o->call->tools)
        return;
    weir_jw_array(&o->w, "tools");
    for (const struct weir_canon_tool *t = o->call->tools; t; t = t->next) {
        weir_canon_out_loses_cache(o, t->cache);
        weir_jw_object(&o->w, NULL);
        weir_jw_z(&o->w, "type", "function");
        weir_jw_object(&o->w, "function");
        weir_canon_put(&o->w, "name", t->name);
        weir_canon_put(&o->w, "description", t->description);
        weir_canon_put_json(&o->w, "parameters", t->json);
        weir_canon_put_json(&o->w, "strict", t->strict);
        weir_jw_end_object(&o->w);
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
        weir_jw_object(&o->w, "function");
        weir_canon_put(&o->w, "name", c->choice_name);
        weir_jw_end_object(&o->w);
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
    weir_jw_object(&o->w, "response_format");
    weir_jw_z(&o->w, "type", c->format.p ? "json_schema" : "json_object");
    if (c->format.p) {
        weir_jw_object(&o->w, "json_schema");
        weir_canon_put(&o->w, "name", c->format_name.p ? c->format_name : WEIR_STR("answer"));
        weir_jw_bool(&o->w, "strict", !c->format_loose);
        weir_canon_put_json(&o->w, "schema", c->format);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_object(&o->w);
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
    if (o->call->dialect == WEIR_DIALECT_OPENAI_RESPONSES)
        weir_canon_put(&o->w, "service_tier", o->call->tier); /* the same vendor's words */
    else if (weir_json_is(o->call->tier, "auto") || weir_json_is(o->call->tier, "standard_only"))
        weir_jw_z(&o->w, "service_tier", weir_json_is(o->call->tier, "auto") ? "auto" : "default");
    else if (o->call->tier.p)
        weir_canon_out_loses(o, "service_tier", true);
}

void weir_chat_write_call(struct weir_canon_out *o)
{
    struct weir_canon_call *c = o->call;

    if (c->stream) {
        weir_jw_bool(&o->w, "stream", true);
        weir_jw_object(&o->w, "stream_options");
        weir_jw_bool(&o->w, "include_usage", true);
        weir_jw_end_object(&o->w);
    }
    if (o->given->n > 1)
        weir_canon_out_loses(o, "n", false); /* of answers only the first is read back */
    write_messages(o);
    write_tools(o);
    write_choice(o);
    write_format(o);
    weir_canon_put_json(&o->w, "temperature", c->temperature);
    weir_canon_put_json(&o->w, "top_p", c->top_p);
    if (c->top_k.p)
        weir_canon_out_loses(o, "top_k", false);
    weir_canon_put_stops(o, "stop");
    weir_canon_put(&o->w, "reasoning_effort", c->effort);
    weir_canon_put(&o->w, "verbosity", c->verbosity);
    weir_canon_put(&o->w, "prompt_cache_key", c->cache_key);
    write_user_id(o);
    write_tier(o);
}
