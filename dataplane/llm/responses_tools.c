/* responses_tools.c - the tools of a Responses request as those of a canonical call. */
#include "dataplane/llm/responses.h"

enum { MAX_NAME = 64 }; /* what every provider takes */

struct weir_str weir_responses_wrap(struct weir_canon_in *in, const char *before,
                                    struct weir_str text, const char *after)
{
    size_t head = strlen(before), tail = strlen(after);
    char *to = weir_arena_alloc(in->arena, head + text.n + tail);

    memcpy(to, before, head);
    if (text.n)
        memcpy(to + head, text.p, text.n);
    memcpy(to + head + text.n, after, tail);
    return (struct weir_str){to, head + text.n + tail};
}

struct weir_str weir_responses_wire_name(struct weir_canon_in *in, struct weir_str space,
                                         struct weir_str name)
{
    struct weir_str both;

    if (!space.n)
        return name;
    both = weir_responses_wrap(in, "", space, "__");
    return weir_responses_wrap(in, weir_arena_strdup(in->arena, both), name, "");
}

/* What all kinds of tools have, as it stands. */
struct tool {
    struct weir_str type, name, text, schema, strict, format, tools, defer, unused;
};

static bool pick_tool(struct weir_canon_in *in, struct weir_str raw, struct tool *t)
{
    const struct weir_canon_want want[] = {{"type", &t->type},        {"name", &t->name},
                                           {"description", &t->text}, {"parameters", &t->schema},
                                           {"strict", &t->strict},    {"format", &t->format},
                                           {"tools", &t->tools},      {"defer_loading", NULL},
                                           {"output_schema", NULL},   {"async", NULL},
                                           {"allowed_callers", NULL}};

    return weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "tools.") &&
           weir_canon_inner(in, t->type, &t->type) && weir_canon_inner(in, t->name, &t->name);
}

static bool is_taken(const struct weir_canon_in *in, struct weir_str name)
{
    for (const struct weir_canon_tool *t = in->call->tools; t; t = t->next)
        if (weir_str_eq(t->name, name))
            return true;
    return false;
}

/* NULL without a fault: it was lost. */
static struct weir_canon_tool *add_tool(struct weir_canon_in *in, const struct tool *from,
                                        struct weir_str space)
{
    struct weir_str name = weir_responses_wire_name(in, space, from->name);
    struct weir_canon_tool *t;

    if (space.n && (name.n > MAX_NAME || is_taken(in, name))) {
        weir_canon_in_loses(in, "tools.namespace.", from->name, false);
        return NULL;
    }
    t = weir_canon_add_tool(in);
    if (!t || !weir_canon_inner(in, from->text, &t->description))
        return NULL;
    t->name = name;
    t->space = space;
    t->own_name = space.n ? from->name : WEIR_STR_NULL;
    return t;
}

/* A grammar is told to the model, but binds nobody. */
static bool read_custom(struct weir_canon_in *in, const struct tool *from, struct weir_str space)
{
    static const char before[] =
        "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"";
    static const char after[] = "}},\"required\":[\"input\"],\"additionalProperties\":false}";
    struct weir_canon_tool *t = add_tool(in, from, space);
    struct weir_str type = WEIR_STR_NULL, syntax = type, grammar = type, text;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"syntax", &syntax}, {"definition", &grammar}};

    if (!t)
        return !in->wrong;
    t->custom = true;
    t->own_name = from->name;
    if (from->format.p && (!weir_canon_pick(in, from->format, want, 3, "tools.custom.format.") ||
                           !weir_canon_inner(in, grammar, &grammar)))
        return false;
    if (!grammar.p) {
        t->json = weir_responses_wrap(in, before, WEIR_STR_NULL, after);
        return true;
    }
    weir_canon_in_loses(in, "tools.custom.", WEIR_STR("format"), false);
    text = weir_responses_wrap(in, ",\"description\":\"Text of this grammar: ", grammar, "\"");
    text = weir_responses_wrap(in, before, text, after);
    t->json = text;
    return true;
}

static bool read_list(struct weir_canon_in *in, struct weir_str list, struct weir_str space);

static bool read_tool(struct weir_canon_in *in, struct weir_str raw, struct weir_str space)
{
    /* Other kinds have fields of their own; their type says it all. */
    struct weir_canon_call *c = in->call;
    size_t losses = c->loss_count;
    bool loses = c->loses;
    struct weir_canon_tool *t;
    struct tool from = {0};

    if (!pick_tool(in, raw, &from))
        return false;
    if (weir_json_is(from.type, "custom"))
        return read_custom(in, &from, space);
    if (weir_json_is(from.type, "namespace") && !space.n && from.name.n) {
        if (from.text.p)
            weir_canon_in_loses(in, "tools.namespace.", WEIR_STR("description"), true);
        return read_list(in, from.tools, from.name);
    }
    if (!weir_json_is(from.type, "function")) {
        c->loss_count = losses;
        c->loses = loses;
        weir_canon_in_loses(in, "tools.", from.type, false);
        return true;
    }
    t = add_tool(in, &from, space);
    if (!t)
        return !in->wrong;
    t->json = from.schema;
    t->strict = from.strict;
    return true;
}

static bool read_list(struct weir_canon_in *in, struct weir_str list, struct weir_str space)
{
    struct weir_str raw;
    struct weir_json j;

    weir_json_init(&j, list.p ? list : WEIR_STR("[]"));
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, list.p, "\"tools\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &raw))
        if (!read_tool(in, raw, space))
            return false;
    return true;
}

bool weir_responses_read_tools(struct weir_canon_in *in, struct weir_str list)
{
    return read_list(in, list, WEIR_STR_NULL);
}

bool weir_responses_tools(struct weir_canon_in *in)
{
    struct weir_str list;

    return weir_canon_json(in, &list) && weir_responses_read_tools(in, list);
}

static bool read_named_choice(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, name = type, space = type;
    const struct weir_canon_want want[] = {{"type", &type},       {"name", &name},
                                           {"namespace", &space}, {"mode", NULL},
                                           {"tools", NULL},       {"server_label", NULL}};

    if (!weir_canon_pick(in, raw, want, 6, "tool_choice.") || !weir_canon_inner(in, type, &type) ||
        !weir_canon_inner(in, name, &name) || !weir_canon_inner(in, space, &space))
        return false;
    if (!weir_json_is(type, "function") && !weir_json_is(type, "custom")) {
        weir_canon_in_loses(in, "tool_choice.", type, false);
        return true;
    }
    in->call->choice = WEIR_CHOICE_NAMED;
    in->call->choice_name = weir_responses_wire_name(in, space, name);
    return true;
}

bool weir_responses_choice(struct weir_canon_in *in)
{
    return weir_canon_read_choice(in, read_named_choice);
}
