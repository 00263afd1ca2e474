/* offers.c - the names of the tools that a request offers to the model, for policy that names them:
 * a function's, or the kind of one that the provider runs ("web_search"). A tool that is written
 * in a way that two readers may understand differently is known by every name that it has. */
#include "dataplane/llm/llm_internal.h"

enum { TOOL_LEVELS = 2 };

struct weir_llm_offer *weir_llm_offer(struct weir_llm_decoder *d, struct weir_str raw)
{
    struct weir_llm_offer *o;
    char *name;

    if (!raw.n)
        return NULL;
    if (raw.n > WEIR_LLM_OFFER_BYTES || d->call->offer_count == WEIR_LLM_OFFERS_MAX) {
        d->call->offers_more = true;
        return NULL;
    }
    o = WEIR_ARENA_NEW(d->arena, struct weir_llm_offer);
    name = weir_arena_alloc(d->arena, raw.n);
    o->name = (struct weir_str){name, weir_json_unescape(raw, name)};
    o->next = d->call->offers;
    d->call->offers = o;
    d->call->offer_count++;
    return o;
}

static bool read_string(struct weir_llm_decoder *d, struct weir_str *out)
{
    if (weir_json_peek(&d->j) != WEIR_JSON_STRING)
        return weir_json_skip(&d->j, NULL);
    return weir_json_string(&d->j, out);
}

/* The object with the name in it: "function" and "custom" of OpenAI's chat, "toolSpec" and
 * "systemTool" of Converse. */
static bool holds_name(struct weir_str key)
{
    return weir_json_is(key, "function") || weir_json_is(key, "custom") ||
           weir_json_is(key, "toolSpec") || weir_json_is(key, "systemTool");
}

/* Kinds that say nothing but that there is a name. */
static bool says_nothing(struct weir_str kind)
{
    return weir_json_is(kind, "function") || weir_json_is(kind, "custom") ||
           weir_json_is(kind, "namespace");
}

static bool read_list(struct weir_llm_decoder *d, unsigned depth);

static bool read_tool(struct weir_llm_decoder *d, unsigned depth)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        struct weir_str name = WEIR_STR_NULL, kind = WEIR_STR_NULL;
        bool ok;

        if (weir_json_is(key, "name"))
            ok = read_string(d, &name);
        else if (weir_json_is(key, "type"))
            ok = read_string(d, &kind);
        else if (depth < TOOL_LEVELS && holds_name(key))
            ok = read_tool(d, TOOL_LEVELS);
        else if (depth < TOOL_LEVELS && weir_json_is(key, "tools")) /* of a namespace */
            ok = read_list(d, depth + 1);
        else
            ok = weir_json_skip(&d->j, NULL);
        if (!ok)
            return false;
        (void)weir_llm_offer(d, name);
        if (!says_nothing(kind))
            (void)weir_llm_offer(d, kind);
    }
    return !d->j.fault;
}

static bool read_list(struct weir_llm_decoder *d, unsigned depth)
{
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j)) {
        d->call->tools += depth == 0;
        if (!read_tool(d, depth))
            return false;
    }
    return !d->j.fault;
}

bool weir_llm_read_tools(struct weir_llm_decoder *d)
{
    return read_list(d, 0);
}
