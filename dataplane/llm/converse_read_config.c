/* converse_read_config.c - the tools and settings of a Converse request as those of a canonical
 * call. */
#include "dataplane/llm/converse.h"
#include "dataplane/llm/messages.h"

/* ---- tools ---- */

static bool read_tool_spec(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str name = WEIR_STR_NULL, text = name, schema = name, strict = name, json = name;
    const struct weir_canon_want want[] = {
        {"name", &name}, {"description", &text}, {"inputSchema", &schema}, {"strict", &strict}};
    const struct weir_canon_want of_schema[] = {{"json", &json}};
    struct weir_canon_tool *t = weir_canon_add_tool(in);

    if (!t || !weir_canon_pick(in, raw, want, 4, "toolConfig.tools.toolSpec.") ||
        !weir_canon_inner(in, name, &t->name) || !weir_canon_inner(in, text, &t->description) ||
        (schema.p && !weir_canon_pick(in, schema, of_schema, 1, "toolConfig.tools.inputSchema.")))
        return false;
    t->json = json;
    t->strict = strict;
    return true;
}

static bool read_tool(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str spec = WEIR_STR_NULL, cache = spec;
    const struct weir_canon_want want[] = {{"toolSpec", &spec}, {"cachePoint", &cache}};

    if (!weir_canon_pick(in, raw, want, 2, "toolConfig.tools.") ||
        (spec.p && !read_tool_spec(in, spec)))
        return false;
    if (cache.p && in->call->last_tool)
        in->call->last_tool->cache = weir_converse_cache(in, cache);
    return !in->wrong;
}

static bool read_choice(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_canon_call *c = in->call;
    struct weir_str any = WEIR_STR_NULL, choose = any, tool = any, name = any;
    const struct weir_canon_want want[] = {{"auto", &choose}, {"any", &any}, {"tool", &tool}};
    const struct weir_canon_want of_tool[] = {{"name", &name}};

    if (!weir_canon_pick(in, raw, want, 3, "toolConfig.toolChoice."))
        return false;
    if (tool.p) {
        c->choice = WEIR_CHOICE_NAMED;
        return weir_canon_pick(in, tool, of_tool, 1, "toolConfig.toolChoice.tool.") &&
               weir_canon_inner(in, name, &c->choice_name);
    }
    if (any.p || choose.p)
        c->choice = any.p ? WEIR_CHOICE_ANY : WEIR_CHOICE_AUTO;
    return true;
}

static bool read_tool_config(struct weir_canon_in *in)
{
    struct weir_str raw, tools = WEIR_STR_NULL, choice = tools, one;
    const struct weir_canon_want want[] = {{"tools", &tools}, {"toolChoice", &choice}};
    struct weir_json j;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 2, "toolConfig."))
        return false;
    weir_json_init(&j, tools.p ? tools : WEIR_STR("[]"));
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, tools.p, "\"tools\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &one))
        if (!read_tool(in, one))
            return false;
    return !choice.p || read_choice(in, choice);
}

/* ---- settings ---- */

const struct weir_canon_field weir_converse_config[WEIR_CONVERSE_CONFIG] = {
    {"temperature", weir_canon_read_temperature, WEIR_FIELD_READ},
    {"topP", weir_canon_read_top_p, WEIR_FIELD_READ},
    {"stopSequences", weir_canon_stops, WEIR_FIELD_READ},
    {"maxTokens", NULL, WEIR_FIELD_ELSEWHERE},
};

static bool read_config(struct weir_canon_in *in)
{
    return weir_canon_members(in, weir_converse_config, WEIR_CONVERSE_CONFIG, "inferenceConfig.");
}

/* The schema is a text there, of JSON. */
static bool read_schema(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_canon_call *c = in->call;
    struct weir_str schema = WEIR_STR_NULL, name = schema, plain;
    const struct weir_canon_want want[] = {
        {"schema", &schema}, {"name", &name}, {"description", NULL}};
    char *to;

    if (!weir_canon_pick(in, raw, want, 3, "outputConfig.textFormat.structure.jsonSchema.") ||
        !weir_canon_inner(in, schema, &schema) || !weir_canon_inner(in, name, &c->format_name))
        return false;
    if (!schema.p)
        return weir_canon_wrong(in, raw.p, "\"jsonSchema\" needs a \"schema\"");
    to = weir_arena_alloc(in->arena, schema.n + 1);
    plain = weir_str_trim((struct weir_str){to, weir_json_unescape(schema, to)});
    if (!plain.n || plain.p[0] != '{' || weir_json_check(plain, NULL) != WEIR_OK)
        return weir_canon_wrong(in, schema.p, "\"schema\" must be a JSON object in a string");
    c->format = plain;
    return true;
}

static bool read_format(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, structure = type, schema = type;
    /* "json_schema" is the only type there is. */
    const struct weir_canon_want want[] = {{"structure", &structure}, {"type", &type}};
    const struct weir_canon_want of[] = {{"jsonSchema", &schema}};

    if (!weir_canon_pick(in, raw, want, 2, "outputConfig.textFormat.") ||
        (structure.p &&
         !weir_canon_pick(in, structure, of, 1, "outputConfig.textFormat.structure.")))
        return false;
    return !schema.p || read_schema(in, schema);
}

static bool read_output(struct weir_canon_in *in)
{
    struct weir_str raw, format = WEIR_STR_NULL, effort = format;
    const struct weir_canon_want want[] = {{"textFormat", &format}, {"effort", &effort}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 2, "outputConfig.") ||
        !weir_canon_inner(in, effort, &effort))
        return false;
    if (effort.p && !weir_json_is(in->call->effort, "none"))
        in->call->effort = effort;
    return !format.p || read_format(in, format);
}

static bool read_tier(struct weir_canon_in *in)
{
    struct weir_str raw, type = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"type", &type}};

    if (!weir_canon_json(in, &raw))
        return false;
    return !raw.p || (weir_canon_pick(in, raw, want, 1, "serviceTier.") &&
                      weir_canon_inner(in, type, &in->call->tier));
}

/* ---- fields of the model itself, by which Claude's callers reach what Converse has no name for */

static bool read_thinking(struct weir_canon_in *in)
{
    return weir_messages_canon_thinking(in, "additionalModelRequestFields.thinking.");
}

static bool read_models_own(struct weir_canon_in *in)
{
    static const struct weir_canon_field fields[] = {
        {"thinking", read_thinking, WEIR_FIELD_READ},
        {"top_k", weir_canon_read_top_k, WEIR_FIELD_READ},
        {"max_tokens", NULL, WEIR_FIELD_ELSEWHERE},
    };

    if (weir_json_peek(&in->j) != WEIR_JSON_OBJECT)
        return weir_canon_skip(in);
    return weir_canon_members(in, fields, 3, "additionalModelRequestFields.");
}

const struct weir_canon_field weir_converse_canon[WEIR_CONVERSE_CANON] = {
    {"messages", weir_converse_read_messages, WEIR_FIELD_READ},
    {"system", weir_converse_read_system, WEIR_FIELD_READ},
    {"inferenceConfig", read_config, WEIR_FIELD_READ},
    {"toolConfig", read_tool_config, WEIR_FIELD_READ},
    {"outputConfig", read_output, WEIR_FIELD_READ},
    {"serviceTier", read_tier, WEIR_FIELD_READ},
    {"additionalModelRequestFields", read_models_own, WEIR_FIELD_READ},
    {"performanceConfig", NULL, WEIR_FIELD_HINT},
    {"requestMetadata", NULL, WEIR_FIELD_HINT},
};
