/* offers.c - the names of the tools that a request offers to the model, for policy that names them:
 * a function's, or the kind of one that the provider runs ("web_search"). A tool that is written
 * in a way that two readers may understand differently is known by every name that it has. */
#include "dataplane/llm/llm_internal.h"

enum { TOOL_LEVELS = 2, SEARCHES_MAX = 1000000, SEARCHES_UNBOUND };

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

/* A tool that searches the web, with the limit that it states (-1: none). Several add up; names
 * that were not kept might be one. */
static void count_searches(struct weir_llm_call *call, int64_t most)
{
    if (most < 0 || call->searches < 0)
        call->searches = -1;
    else
        call->searches += most;
}

/* A kind such as web_search_20250305. */
static bool is_search(const struct weir_llm_decoder *d, const struct weir_llm_offer *kind)
{
    return kind ? weir_str_starts(kind->name, WEIR_STR("web_search")) : d->call->offers_more;
}

/* A whole number that is no more than this is believed; all else states no limit. */
static bool read_uses(struct weir_llm_decoder *d, int64_t *most)
{
    struct weir_str raw;
    int64_t v;

    if (!weir_json_skip(&d->j, &raw))
        return false;
    if (weir_str_i64(raw, &v) == WEIR_OK && v >= 0 && v <= SEARCHES_MAX)
        *most = v > *most ? v : *most;
    else
        *most = SEARCHES_UNBOUND;
    return true;
}

static bool read_list(struct weir_llm_decoder *d, unsigned depth);

static bool read_tool(struct weir_llm_decoder *d, unsigned depth)
{
    int64_t most = -1;
    bool searches = false;
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
        else if (depth == 0 && weir_json_is(key, "max_uses"))
            ok = read_uses(d, &most);
        else
            ok = weir_json_skip(&d->j, NULL);
        if (!ok)
            return false;
        (void)weir_llm_offer(d, name);
        if (!says_nothing(kind))
            searches = is_search(d, weir_llm_offer(d, kind)) || searches;
    }
    if (searches)
        count_searches(d->call, most > SEARCHES_MAX ? -1 : most);
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
