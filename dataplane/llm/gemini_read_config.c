/* gemini_read_config.c - the tools and settings of a Gemini request as those of a canonical call.
 */
#include "dataplane/llm/gemini.h"

/* ---- tools ---- */

static bool read_declaration(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str name = WEIR_STR_NULL, text = name, schema = name, json = name;
    const struct weir_canon_want want[] = {{"name", &name},
                                           {"description", &text},
                                           {"parameters", &schema},
                                           {"parametersJsonSchema", &json},
                                           {"parameters_json_schema", &json},
                                           {"response", NULL},
                                           {"responseJsonSchema", NULL},
                                           {"response_json_schema", NULL},
                                           {"behavior", NULL}};
    struct weir_canon_tool *t = weir_canon_add_tool(in);

    if (!t || !weir_canon_pick(in, raw, want, 9, "tools.functionDeclarations.") ||
        !weir_canon_inner(in, name, &t->name) || !weir_canon_inner(in, text, &t->description))
        return false;
    t->json = json.p ? json : schema.p ? weir_gemini_schema(in->arena, schema) : WEIR_STR_NULL;
    return true;
}

static bool read_declarations(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str one;
    struct weir_json j;

    weir_json_init(&j, raw.p ? raw : WEIR_STR("[]"));
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"functionDeclarations\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &one))
        if (!read_declaration(in, one))
            return false;
    return true;
}

/* Tools of the provider's own are members beside the declarations; they are often empty objects,
 * which say a lot all the same. */
static bool read_tool(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return weir_canon_wrong(in, raw.p, "a tool must be an object");
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (!weir_json_is(key, "functionDeclarations") &&
            !weir_json_is(key, "function_declarations"))
            weir_canon_in_loses(in, "tools.", key, false);
        else if (!read_declarations(in, value))
            return false;
    }
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

/* One name that is allowed is the one that is chosen; of several there is no word elsewhere. */
static bool read_allowed(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str name;
    struct weir_json j;
    size_t n = 0;

    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"allowedFunctionNames\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &name))
        n++;
    if (n == 1 && in->call->choice == WEIR_CHOICE_ANY) {
        in->call->choice = WEIR_CHOICE_NAMED;
        in->call->choice_name = weir_canon_string(name);
    } else if (n) {
        weir_canon_in_loses(in, "toolConfig.functionCallingConfig.",
                            WEIR_STR("allowedFunctionNames"), false);
    }
    return true;
}

static bool read_mode(struct weir_canon_in *in, struct weir_str raw)
{
    static const struct {
        const char *mode;
        enum weir_canon_choice choice;
    } modes[] = {{"AUTO", WEIR_CHOICE_AUTO},
                 {"VALIDATED", WEIR_CHOICE_AUTO},
                 {"ANY", WEIR_CHOICE_ANY},
                 {"NONE", WEIR_CHOICE_NONE},
                 {"MODE_UNSPECIFIED", WEIR_CHOICE_UNSET}};
    struct weir_str mode = WEIR_STR_NULL, names = mode;
    const struct weir_canon_want want[] = {{"mode", &mode},
                                           {"allowedFunctionNames", &names},
                                           {"allowed_function_names", &names},
                                           {"streamFunctionCallArguments", NULL},
                                           {"stream_function_call_arguments", NULL}};
    size_t i = 0;

    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 5, "toolConfig.functionCallingConfig.") ||
        !weir_canon_inner(in, mode, &mode))
        return false;
    while (mode.n && i < 5 && !weir_json_is(mode, modes[i].mode))
        i++;
    if (i == 5)
        return weir_canon_wrong(in, raw.p,
                                "the function calling \"mode\" is not one of those known");
    in->call->choice = mode.n ? modes[i].choice : WEIR_CHOICE_UNSET;
    return read_allowed(in, names);
}

static bool read_tool_config(struct weir_canon_in *in)
{
    struct weir_str raw, config = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"functionCallingConfig", &config},
                                           {"function_calling_config", &config}};

    if (!weir_canon_json(in, &raw))
        return false;
    return !raw.p || (weir_canon_pick(in, raw, want, 2, "toolConfig.") && read_mode(in, config));
}

/* ---- settings ---- */

static bool read_mime(struct weir_canon_in *in)
{
    struct weir_str mime = WEIR_STR_NULL;

    if (!weir_canon_text(in, &mime))
        return false;
    if (weir_json_is(mime, "application/json"))
        in->call->format_any = !in->call->format.p;
    else if (mime.n && !weir_json_is(mime, "text/plain"))
        weir_canon_in_loses(in, "generationConfig.", WEIR_STR("responseMimeType"), false);
    return true;
}

static bool read_format(struct weir_canon_in *in, bool of_google)
{
    struct weir_canon_call *c = in->call;
    struct weir_str raw;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (raw.p[0] != '{')
        return weir_canon_wrong(in, raw.p, "a schema must be an object");
    c->format = of_google ? weir_gemini_schema(in->arena, raw) : raw;
    c->format_any = false;
    c->format_loose = true;
    return true;
}

static bool read_schema(struct weir_canon_in *in)
{
    return read_format(in, true);
}

static bool read_json_schema(struct weir_canon_in *in)
{
    return read_format(in, false);
}

static bool read_level(struct weir_canon_in *in, struct weir_str level)
{
    static const char *const words[][2] = {
        {"MINIMAL", "minimal"}, {"LOW", "low"}, {"MEDIUM", "medium"}, {"HIGH", "high"}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weir_json_is(level, words[i][0])) {
            in->call->effort = weir_str_of(words[i][1]);
            return true;
        }
    if (!weir_json_is(level, "THINKING_LEVEL_UNSPECIFIED"))
        weir_canon_in_loses(in, "generationConfig.thinkingConfig.", WEIR_STR("thinkingLevel"),
                            false);
    return true;
}

/* A budget below 0 leaves it to the model, as its absence does. */
static bool read_thinking(struct weir_canon_in *in)
{
    struct weir_str raw, shown = WEIR_STR_NULL, budget = shown, level = shown;
    const struct weir_canon_want want[] = {
        {"includeThoughts", &shown},  {"include_thoughts", &shown}, {"thinkingBudget", &budget},
        {"thinking_budget", &budget}, {"thinkingLevel", &level},    {"thinking_level", &level}};
    int64_t tokens = -1;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 6, "generationConfig.thinkingConfig.") ||
        !weir_canon_inner(in, level, &level))
        return false;
    if (level.n)
        return read_level(in, level);
    if (budget.p && weir_json_i64(budget, &tokens) != WEIR_OK)
        return weir_canon_wrong(in, budget.p, "\"thinkingBudget\" must be a whole number");
    if (tokens >= 0)
        in->call->effort = tokens == 0      ? WEIR_STR("none")
                           : tokens < 4096  ? WEIR_STR("low")
                           : tokens < 16384 ? WEIR_STR("medium")
                                            : WEIR_STR("high");
    return true;
}

const struct weir_canon_field weir_gemini_config[WEIR_GEMINI_CONFIG] = {
    {"temperature", weir_canon_read_temperature, WEIR_FIELD_READ},
    {"topP", weir_canon_read_top_p, WEIR_FIELD_READ},
    {"top_p", weir_canon_read_top_p, WEIR_FIELD_READ},
    {"topK", weir_canon_read_top_k, WEIR_FIELD_READ},
    {"top_k", weir_canon_read_top_k, WEIR_FIELD_READ},
    {"stopSequences", weir_canon_stops, WEIR_FIELD_READ},
    {"stop_sequences", weir_canon_stops, WEIR_FIELD_READ},
    {"responseMimeType", read_mime, WEIR_FIELD_READ},
    {"response_mime_type", read_mime, WEIR_FIELD_READ},
    {"responseSchema", read_schema, WEIR_FIELD_READ},
    {"response_schema", read_schema, WEIR_FIELD_READ},
    {"responseJsonSchema", read_json_schema, WEIR_FIELD_READ},
    {"response_json_schema", read_json_schema, WEIR_FIELD_READ},
    {"thinkingConfig", read_thinking, WEIR_FIELD_READ},
    {"thinking_config", read_thinking, WEIR_FIELD_READ},
    {"maxOutputTokens", NULL, WEIR_FIELD_ELSEWHERE},
    {"max_output_tokens", NULL, WEIR_FIELD_ELSEWHERE},
    {"candidateCount", NULL, WEIR_FIELD_ELSEWHERE},
    {"candidate_count", NULL, WEIR_FIELD_ELSEWHERE},
    {"mediaResolution", NULL, WEIR_FIELD_HINT},
    {"media_resolution", NULL, WEIR_FIELD_HINT},
};

static bool read_config(struct weir_canon_in *in)
{
    return weir_canon_members(in, weir_gemini_config, WEIR_GEMINI_CONFIG, "generationConfig.");
}

const struct weir_canon_field weir_gemini_canon[WEIR_GEMINI_CANON] = {
    {"contents", weir_gemini_read_contents, WEIR_FIELD_READ},
    {"systemInstruction", weir_gemini_read_system, WEIR_FIELD_READ},
    {"system_instruction", weir_gemini_read_system, WEIR_FIELD_READ},
    {"tools", read_tools, WEIR_FIELD_READ},
    {"toolConfig", read_tool_config, WEIR_FIELD_READ},
    {"tool_config", read_tool_config, WEIR_FIELD_READ},
    {"generationConfig", read_config, WEIR_FIELD_READ},
    {"generation_config", read_config, WEIR_FIELD_READ},
    {"model", NULL, WEIR_FIELD_ELSEWHERE},
    {"labels", NULL, WEIR_FIELD_HINT},
    {"serviceTier", NULL, WEIR_FIELD_HINT},
    {"service_tier", NULL, WEIR_FIELD_HINT},
    {"store", NULL, WEIR_FIELD_HINT},
};
