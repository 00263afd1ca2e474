/* messages_write.c - a canonical call as an Anthropic Messages request. */
#include <stdlib.h>

#include "data/json_scan.h"
#include "dataplane/llm/messages.h"

static void write_cache(struct weir_canon_out *o, enum weir_canon_cache cache)
{
    if (cache == WEIR_CACHE_NONE)
        return;
    weir_jw_object(&o->w, "cache_control");
    weir_jw_z(&o->w, "type", "ephemeral");
    if (cache == WEIR_CACHE_HOUR)
        weir_jw_z(&o->w, "ttl", "1h");
    weir_jw_end_object(&o->w);
}

/* Ids have letters, digits, '_' and '-' there; others are made fit, alike in call and result. */
static void write_id(struct weir_canon_out *o, const char *key, struct weir_str id)
{
    char *to = weir_arena_alloc(o->arena, id.n + 1);

    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        bool fit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   c == '_' || c == '-';

        to[i] = fit ? c : '_';
    }
    weir_canon_put(&o->w, key, (struct weir_str){to, id.n});
}

static void write_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    bool image = p->kind == WEIR_PART_IMAGE;

    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", image ? "image" : "document");
    weir_jw_object(&o->w, "source");
    weir_jw_z(&o->w, "type", p->data.p ? "base64" : "url");
    if (p->data.p)
        weir_canon_put(&o->w, "media_type", p->mime);
    weir_canon_put(&o->w, p->data.p ? "data" : "url", p->data.p ? p->data : p->url);
    weir_jw_end_object(&o->w);
    if (!image)
        weir_canon_put(&o->w, "title", p->name);
    if (p->detail.p && !weir_json_is(p->detail, "auto"))
        weir_canon_out_loses_part(o, WEIR_LOST_IMAGE_DETAIL, true);
    write_cache(o, p->cache);
    weir_jw_end_object(&o->w);
}

static void write_parts(struct weir_canon_out *o, const struct weir_canon_part *p);

static void write_result(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", "tool_result");
    write_id(o, "tool_use_id", p->id);
    weir_jw_array(&o->w, "content");
    write_parts(o, p->parts);
    weir_jw_end_array(&o->w);
    if (p->failed)
        weir_jw_bool(&o->w, "is_error", true);
    write_cache(o, p->cache);
    weir_jw_end_object(&o->w);
}

static void write_use(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", "tool_use");
    write_id(o, "id", p->id);
    weir_canon_put(&o->w, "name", p->name);
    weir_canon_put_json(&o->w, "input", p->json);
    write_cache(o, p->cache);
    weir_jw_end_object(&o->w);
}

static void write_thinking(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    if (!weir_canon_out_can_reason(o, p)) {
        weir_canon_out_loses_part(o, WEIR_LOST_REASONING, true);
        return;
    }
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", p->redacted ? "redacted_thinking" : "thinking");
    if (!p->redacted)
        weir_canon_put(&o->w, "thinking", p->text.p ? p->text : WEIR_STR(""));
    weir_canon_put(&o->w, p->redacted ? "data" : "signature", p->signature);
    weir_jw_end_object(&o->w);
}

/* Empty texts are refused there. */
static void write_text(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    if (!p->text.n)
        return;
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "type", "text");
    weir_canon_put(&o->w, "text", p->text);
    write_cache(o, p->cache);
    weir_jw_end_object(&o->w);
}

static void write_parts(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    for (; p; p = p->next) {
        switch (p->kind) {
        case WEIR_PART_TEXT:
        case WEIR_PART_REFUSAL:
            write_text(o, p);
            break;
        case WEIR_PART_IMAGE:
        case WEIR_PART_FILE:
            write_media(o, p);
            break;
        case WEIR_PART_TOOL_CALL:
            write_use(o, p);
            break;
        case WEIR_PART_TOOL_RESULT:
            write_result(o, p);
            break;
        case WEIR_PART_REASONING:
            write_thinking(o, p);
            break;
        }
    }
}

static void write_messages(struct weir_canon_out *o)
{
    static const char *const roles[] = {[WEIR_ROLE_SYSTEM] = "system",
                                        [WEIR_ROLE_USER] = "user",
                                        [WEIR_ROLE_ASSISTANT] = "assistant"};
    const struct weir_canon_message *m = weir_canon_out_system(o, write_parts);

    weir_jw_array(&o->w, "messages");
    for (; m; m = m->next) {
        if (!weir_canon_out_says_something(o, m))
            continue;
        weir_jw_object(&o->w, NULL);
        weir_jw_z(&o->w, "role", roles[m->role]);
        weir_jw_array(&o->w, "content");
        write_parts(o, m->parts);
        weir_jw_end_array(&o->w);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
}

static void write_tools(struct weir_canon_out *o)
{
    if (!o->call->tools)
        return;
    weir_jw_array(&o->w, "tools");
    for (const struct weir_canon_tool *t = o->call->tools; t; t = t->next) {
        weir_jw_object(&o->w, NULL);
        weir_canon_put(&o->w, "name", t->name);
        weir_canon_put(&o->w, "description", t->description);
        weir_canon_put_json(&o->w, "input_schema",
                            t->json.p ? t->json
                                      : WEIR_STR("{\"type\":\"object\",\"properties\":{}}"));
        weir_canon_put_json(&o->w, "strict", t->strict);
        write_cache(o, t->cache);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
}

static void write_choice(struct weir_canon_out *o)
{
    static const char *const words[] = {[WEIR_CHOICE_UNSET] = "auto",
                                        [WEIR_CHOICE_AUTO] = "auto",
                                        [WEIR_CHOICE_NONE] = "none",
                                        [WEIR_CHOICE_ANY] = "any",
                                        [WEIR_CHOICE_NAMED] = "tool"};
    const struct weir_canon_call *c = o->call;
    bool alone = weir_str_is(c->parallel, "false");

    if (!c->tools || (c->choice == WEIR_CHOICE_UNSET && !alone))
        return;
    weir_jw_object(&o->w, "tool_choice");
    weir_jw_z(&o->w, "type", words[c->choice]);
    if (c->choice == WEIR_CHOICE_NAMED)
        weir_canon_put(&o->w, "name", c->choice_name);
    if (alone && c->choice != WEIR_CHOICE_NONE)
        weir_jw_bool(&o->w, "disable_parallel_tool_use", true);
    weir_jw_end_object(&o->w);
}

/* "none" turns it off; "minimal" has no word there, and the next one is "low". */
static void write_effort(struct weir_canon_out *o)
{
    struct weir_canon_call *c = o->call;
    bool off = weir_json_is(c->effort, "none");

    if (c->effort.p) {
        weir_jw_object(&o->w, "thinking");
        weir_jw_z(&o->w, "type", off ? "disabled" : "adaptive");
        weir_jw_end_object(&o->w);
    }
    if (c->format_any)
        weir_canon_out_loses_part(o, WEIR_LOST_ANY_JSON, false);
    if ((!c->effort.p || off) && !c->format.p)
        return;
    weir_jw_object(&o->w, "output_config");
    if (c->effort.p && !off)
        weir_canon_put(&o->w, "effort",
                       weir_json_is(c->effort, "minimal") ? WEIR_STR("low") : c->effort);
    if (c->format.p) {
        weir_jw_object(&o->w, "format");
        weir_jw_z(&o->w, "type", "json_schema");
        weir_canon_put_json(&o->w, "schema", c->format);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_object(&o->w);
}

/* It ends at 1 there, and at 2 elsewhere. */
static void write_temperature(struct weir_canon_out *o)
{
    struct weir_str t = o->call->temperature;
    char text[32];

    if (!t.p)
        return;
    if (t.n < sizeof text) {
        memcpy(text, t.p, t.n);
        text[t.n] = 0;
        if (strtod(text, NULL) > 1) {
            weir_canon_out_loses(o, "temperature", false);
            t = WEIR_STR("1");
        }
    }
    weir_canon_put_json(&o->w, "temperature", t);
}

static void write_tier(struct weir_canon_out *o)
{
    if (weir_json_is(o->call->tier, "auto") || weir_json_is(o->call->tier, "default"))
        weir_jw_z(&o->w, "service_tier",
                  weir_json_is(o->call->tier, "auto") ? "auto" : "standard_only");
    else if (o->call->tier.p)
        weir_canon_out_loses(o, "service_tier", true);
}

void weir_messages_write_call(struct weir_canon_out *o)
{
    struct weir_canon_call *c = o->call;

    if (c->stream)
        weir_jw_bool(&o->w, "stream", true);
    if (o->given->n > 1)
        weir_canon_out_loses(o, "n", false);
    write_messages(o);
    write_tools(o);
    write_choice(o);
    write_effort(o);
    write_temperature(o);
    weir_canon_put_json(&o->w, "top_p", c->top_p);
    weir_canon_put_json(&o->w, "top_k", c->top_k);
    weir_canon_put_stops(o, "stop_sequences");
    if (o->given->user.n) {
        weir_jw_object(&o->w, "metadata");
        weir_jw_str(&o->w, "user_id", o->given->user);
        weir_jw_end_object(&o->w);
    }
    write_tier(o);
}
