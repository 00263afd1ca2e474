/* converse_write.c - a canonical call as a Bedrock Converse request. */
#include <stdlib.h>

#include "dataplane/llm/converse.h"

/* A breakpoint is an element of its own behind what it is for. */
static void write_cache(struct weir_canon_out *o, enum weir_canon_cache cache)
{
    if (cache == WEIR_CACHE_NONE)
        return;
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, "cachePoint");
    weir_jw_z(&o->w, "type", "default");
    if (cache == WEIR_CACHE_HOUR)
        weir_jw_z(&o->w, "ttl", "1h");
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

/* Characters that are not allowed there become `other`; alike in every place of the same text. */
static struct weir_str make_fit(struct weir_canon_out *o, struct weir_str s, char other)
{
    char *to = weir_arena_alloc(o->arena, s.n + 1);

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool fit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                   c == '-' || (c == '_' && other == '_');

        to[i] = fit ? c : other;
    }
    return (struct weir_str){to, s.n};
}

struct format {
    const char *mime, *name;
};

static const char *format_of(const struct format *list, size_t n, struct weir_str mime)
{
    for (size_t i = 0; i < n; i++)
        if (weir_json_is(mime, list[i].mime))
            return list[i].name;
    return NULL;
}

static const char *image_format(struct weir_str mime)
{
    static const struct format list[] = {{"image/png", "png"},
                                         {"image/jpeg", "jpeg"},
                                         {"image/jpg", "jpeg"},
                                         {"image/gif", "gif"},
                                         {"image/webp", "webp"}};

    return format_of(list, sizeof list / sizeof *list, mime);
}

static const struct format documents[] = {
    {"application/pdf", "pdf"},
    {"text/plain", "txt"},
    {"text/markdown", "md"},
    {"text/html", "html"},
    {"text/csv", "csv"},
    {"application/msword", "doc"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
    {"application/vnd.ms-excel", "xls"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"}};

enum { DOCUMENTS = sizeof documents / sizeof *documents };

static const char *document_format(struct weir_str mime)
{
    return format_of(documents, DOCUMENTS, mime);
}

struct weir_str weir_converse_mime(struct weir_str format)
{
    for (size_t i = 0; i < DOCUMENTS; i++)
        if (weir_json_is(format, documents[i].name))
            return weir_str_of(documents[i].mime);
    return WEIR_STR_NULL;
}

/* Only bytes go there: what lies elsewhere would have to be fetched. */
static void write_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    bool image = p->kind == WEIR_PART_IMAGE;
    const char *format = image ? image_format(p->mime) : document_format(p->mime);

    if (!p->data.p || !format) {
        weir_canon_out_loses(o, image ? "messages.content.image" : "messages.content.file", false);
        return;
    }
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, image ? "image" : "document");
    weir_jw_z(&o->w, "format", format);
    if (!image)
        weir_canon_put(&o->w, "name", p->name.n ? make_fit(o, p->name, '-') : WEIR_STR("document"));
    weir_jw_object(&o->w, "source");
    weir_canon_put(&o->w, "bytes", p->data);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
    if (p->detail.p && !weir_json_is(p->detail, "auto"))
        weir_canon_out_loses_part(o, WEIR_LOST_IMAGE_DETAIL, true);
}

static void write_parts(struct weir_canon_out *o, const struct weir_canon_part *p);

static void write_result(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, "toolResult");
    weir_canon_put(&o->w, "toolUseId", make_fit(o, p->id, '_'));
    weir_jw_array(&o->w, "content");
    write_parts(o, p->parts);
    weir_jw_end_array(&o->w);
    if (p->failed)
        weir_jw_z(&o->w, "status", "error");
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static void write_use(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, "toolUse");
    weir_canon_put(&o->w, "toolUseId", make_fit(o, p->id, '_'));
    weir_canon_put(&o->w, "name", p->name);
    weir_canon_put_json(&o->w, "input", p->json);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static void write_reasoning(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    if (!weir_canon_out_can_reason(o, p)) {
        weir_canon_out_loses_part(o, WEIR_LOST_REASONING, true);
        return;
    }
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, "reasoningContent");
    if (p->redacted) {
        weir_canon_put(&o->w, "redactedContent", p->signature);
    } else {
        weir_jw_object(&o->w, "reasoningText");
        weir_canon_put(&o->w, "text", p->text.p ? p->text : WEIR_STR(""));
        weir_canon_put(&o->w, "signature", p->signature);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

/* Empty texts are refused there. */
static void write_text(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    if (!p->text.n)
        return;
    weir_jw_object(&o->w, NULL);
    weir_canon_put(&o->w, "text", p->text);
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
            write_reasoning(o, p);
            break;
        }
        write_cache(o, p->cache);
    }
}

/* Roles must alternate there: neighbours of one role become one message. */
static void write_messages(struct weir_canon_out *o)
{
    const struct weir_canon_message *m = weir_canon_out_system(o, write_parts);
    const char *open = NULL;

    weir_jw_array(&o->w, "messages");
    for (; m; m = m->next) {
        const char *role = m->role == WEIR_ROLE_ASSISTANT ? "assistant" : "user";

        if (!weir_canon_out_says_something(o, m))
            continue;
        if (m->role == WEIR_ROLE_SYSTEM)
            weir_canon_out_loses(o, "messages.system", false); /* its rank; not its text */
        if (open != role) {
            if (open) {
                weir_jw_end_array(&o->w);
                weir_jw_end_object(&o->w);
            }
            weir_jw_object(&o->w, NULL);
            weir_jw_z(&o->w, "role", role);
            weir_jw_array(&o->w, "content");
            open = role;
        }
        write_parts(o, m->parts);
    }
    if (open) {
        weir_jw_end_array(&o->w);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
}

static void write_choice(struct weir_canon_out *o)
{
    const struct weir_canon_call *c = o->call;

    if (weir_str_is(c->parallel, "false"))
        weir_canon_out_loses(o, "parallel_tool_calls", false);
    if (c->choice == WEIR_CHOICE_NONE)
        weir_canon_out_loses(o, "tool_choice.none", false);
    if (c->choice == WEIR_CHOICE_UNSET || c->choice == WEIR_CHOICE_NONE)
        return;
    weir_jw_object(&o->w, "toolChoice");
    weir_jw_object(&o->w, c->choice == WEIR_CHOICE_AUTO  ? "auto"
                          : c->choice == WEIR_CHOICE_ANY ? "any"
                                                         : "tool");
    if (c->choice == WEIR_CHOICE_NAMED)
        weir_canon_put(&o->w, "name", c->choice_name);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static void write_tools(struct weir_canon_out *o)
{
    if (!o->call->tools)
        return;
    weir_jw_object(&o->w, "toolConfig");
    weir_jw_array(&o->w, "tools");
    for (const struct weir_canon_tool *t = o->call->tools; t; t = t->next) {
        weir_jw_object(&o->w, NULL);
        weir_jw_object(&o->w, "toolSpec");
        weir_canon_put(&o->w, "name", t->name);
        if (t->description.n)
            weir_canon_put(&o->w, "description", t->description);
        weir_jw_object(&o->w, "inputSchema");
        weir_canon_put_json(&o->w, "json",
                            t->json.p ? t->json
                                      : WEIR_STR("{\"type\":\"object\",\"properties\":{}}"));
        weir_jw_end_object(&o->w);
        weir_canon_put_json(&o->w, "strict", t->strict);
        weir_jw_end_object(&o->w);
        weir_jw_end_object(&o->w);
        write_cache(o, t->cache);
    }
    weir_jw_end_array(&o->w);
    write_choice(o);
    weir_jw_end_object(&o->w);
}

static void write_output(struct weir_canon_out *o)
{
    const struct weir_canon_call *c = o->call;
    bool off = weir_json_is(c->effort, "none");

    if (c->format_any)
        weir_canon_out_loses_part(o, WEIR_LOST_ANY_JSON, false);
    if (off)
        weir_canon_out_loses(o, "reasoning_effort.none", false);
    if (!c->format.p && (!c->effort.p || off))
        return;
    weir_jw_object(&o->w, "outputConfig");
    if (c->format.p) {
        weir_jw_object(&o->w, "textFormat");
        weir_jw_z(&o->w, "type", "json_schema");
        weir_jw_object(&o->w, "structure");
        weir_jw_object(&o->w, "jsonSchema");
        weir_jw_str(&o->w, "schema", c->format);
        weir_canon_put(&o->w, "name", c->format_name);
        weir_jw_end_object(&o->w);
        weir_jw_end_object(&o->w);
        weir_jw_end_object(&o->w);
    }
    if (c->effort.p && !off)
        weir_canon_put(&o->w, "effort",
                       weir_json_is(c->effort, "minimal") ? WEIR_STR("low") : c->effort);
    weir_jw_end_object(&o->w);
}

static void write_tier(struct weir_canon_out *o)
{
    static const char *const tiers[] = {"default", "flex", "priority"};
    struct weir_str tier = o->call->tier;

    if (!tier.p || weir_json_is(tier, "auto"))
        return;
    for (size_t i = 0; i < sizeof tiers / sizeof *tiers; i++) {
        if (!weir_json_is(tier, tiers[i]))
            continue;
        weir_jw_object(&o->w, "serviceTier");
        weir_jw_z(&o->w, "type", tiers[i]);
        weir_jw_end_object(&o->w);
        return;
    }
    weir_canon_out_loses(o, "service_tier", true);
}

/* It ends at 1 there, and at 2 elsewhere. */
static void write_temperature(struct weir_canon_out *o)
{
    struct weir_str t = o->call->temperature;
    char text[32];

    if (t.p && t.n < sizeof text) {
        memcpy(text, t.p, t.n);
        text[t.n] = 0;
        if (strtod(text, NULL) > 1) {
            weir_canon_out_loses(o, "temperature", false);
            t = WEIR_STR("1");
        }
    }
    weir_canon_put_json(&o->w, "temperature", t);
}

void weir_converse_write_call(struct weir_canon_out *o)
{
    struct weir_canon_call *c = o->call;

    if (o->given->n > 1)
        weir_canon_out_loses(o, "n", false);
    if (c->top_k.p)
        weir_canon_out_loses(o, "top_k", false); /* each model has its own field for it */
    if (o->given->user.n)
        weir_canon_out_loses_part(o, WEIR_LOST_USER, true);
    write_messages(o);
    write_tools(o);
    write_output(o);
    write_tier(o);
    weir_jw_object(&o->w, "inferenceConfig");
    write_temperature(o);
    weir_canon_put_json(&o->w, "topP", c->top_p);
    weir_canon_put_stops(o, "stopSequences");
    weir_canon_out_limit_here(o);
    weir_jw_end_object(&o->w);
}
