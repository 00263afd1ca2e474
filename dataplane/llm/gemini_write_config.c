/* gemini_write_config.c - the tools and settings of a canonical call as those of a Gemini request.
 */
#include "dataplane/llm/gemini.h"

static bool is_strict(const struct weir_canon_call *c)
{
    for (const struct weir_canon_tool *t = c->tools; t; t = t->next)
        if (weir_str_is(t->strict, "true"))
            return true;
    return false;
}

static void write_tools(struct weir_canon_out *o)
{
    if (!o->call->tools)
        return;
    weir_jw_array(&o->w, "tools");
    weir_jw_object(&o->w, NULL);
    weir_jw_array(&o->w, "functionDeclarations");
    for (const struct weir_canon_tool *t = o->call->tools; t; t = t->next) {
        weir_canon_out_loses_cache(o, t->cache);
        weir_jw_object(&o->w, NULL);
        weir_canon_put(&o->w, "name", t->name);
        weir_canon_put(&o->w, "description", t->description);
        weir_canon_put_json(&o->w, "parametersJsonSchema", t->json);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
    weir_jw_end_object(&o->w);
    weir_jw_end_array(&o->w);
}

/* Strictness is a mode of all tools; calls that must happen keep to their schemas anyway. */
static void write_choice(struct weir_canon_out *o)
{
    static const char *const modes[] = {[WEIR_CHOICE_UNSET] = "AUTO",
                                        [WEIR_CHOICE_AUTO] = "AUTO",
                                        [WEIR_CHOICE_NONE] = "NONE",
                                        [WEIR_CHOICE_ANY] = "ANY",
                                        [WEIR_CHOICE_NAMED] = "ANY"};
    const struct weir_canon_call *c = o->call;
    bool free_choice = c->choice == WEIR_CHOICE_UNSET || c->choice == WEIR_CHOICE_AUTO;
    bool validated = free_choice && is_strict(c);

    if (!c->tools)
        return;
    if (weir_str_is(c->parallel, "false"))
        weir_canon_out_loses(o,
                             c->dialect == WEIR_DIALECT_ANTHROPIC_MESSAGES
                                 ? "tool_choice.disable_parallel_tool_use"
                                 : "parallel_tool_calls",
                             false);
    if (c->choice == WEIR_CHOICE_UNSET && !validated)
        return;
    weir_jw_object(&o->w, "toolConfig");
    weir_jw_object(&o->w, "functionCallingConfig");
    weir_jw_z(&o->w, "mode", validated ? "VALIDATED" : modes[c->choice]);
    if (c->choice == WEIR_CHOICE_NAMED) {
        weir_jw_array(&o->w, "allowedFunctionNames");
        weir_canon_put(&o->w, NULL, c->choice_name);
        weir_jw_end_array(&o->w);
    }
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

/* A budget is what models of all generations take; the newest have levels besides. */
static void write_thinking(struct weir_canon_out *o)
{
    static const struct {
        const char *effort;
        int64_t budget;
    } budgets[] = {{"none", 0}, {"minimal", 512}, {"low", 1024}, {"medium", 8192}};
    struct weir_str effort = o->call->effort;
    int64_t budget = 24576;

    if (!effort.p)
        return;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++)
        if (weir_json_is(effort, budgets[i].effort))
            budget = budgets[i].budget;
    weir_jw_object(&o->w, "thinkingConfig");
    weir_jw_i64(&o->w, "thinkingBudget", budget);
    if (budget)
        weir_jw_bool(&o->w, "includeThoughts", true);
    weir_jw_end_object(&o->w);
}

static void write_settings(struct weir_canon_out *o)
{
    const struct weir_canon_call *c = o->call;

    weir_jw_object(&o->w, "generationConfig");
    weir_canon_put_json(&o->w, "temperature", c->temperature);
    weir_canon_put_json(&o->w, "topP", c->top_p);
    weir_canon_put_json(&o->w, "topK", c->top_k);
    weir_canon_put_stops(o, "stopSequences");
    if (c->format.p || c->format_any)
        weir_jw_z(&o->w, "responseMimeType", "application/json");
    weir_canon_put_json(&o->w, "responseJsonSchema", c->format);
    write_thinking(o);
    weir_canon_out_limit_here(o);
    weir_jw_end_object(&o->w);
}

static void write_tier(struct weir_canon_out *o)
{
    struct weir_str tier = o->call->tier;

    if (weir_json_is(tier, "flex") || weir_json_is(tier, "priority"))
        weir_canon_put(&o->w, "serviceTier", tier);
    else if (weir_json_is(tier, "default") || weir_json_is(tier, "standard_only"))
        weir_jw_z(&o->w, "serviceTier", "standard");
    else if (tier.p && !weir_json_is(tier, "auto"))
        weir_canon_out_loses(o, "service_tier", true);
}

void weir_gemini_write_config(struct weir_canon_out *o)
{
    write_tools(o);
    write_choice(o);
    write_settings(o);
    write_tier(o);
    if (o->given->n > 1)
        weir_canon_out_loses(o, "n", false);
    if (o->given->user.n)
        weir_canon_out_loses_part(o, WEIR_LOST_USER, true);
}
