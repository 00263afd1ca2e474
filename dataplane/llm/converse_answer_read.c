/* converse_answer_read.c - ConverseStream events and Converse documents as canonical events. */
#include "dataplane/llm/converse.h"

static unsigned begin_tool(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str id = WEIR_STR_NULL, name = id, input = id;
    const struct weir_canon_want want[] = {{"toolUseId", &id}, {"name", &name}, {"input", &input}};
    unsigned part;

    if (!weir_canon_find(raw, want, 3))
        return 0;
    part = weir_canon_begin(r, WEIR_PART_TOOL_CALL, false, weir_canon_string(id),
                            weir_canon_string(name));
    if (input.n > 2)
        weir_canon_delta_json(r, part, input);
    return part;
}

/* Only tools have a start of their own; all else begins with its first piece. */
static unsigned begun(struct weir_canon_reader *r, unsigned part, enum weir_canon_kind kind,
                      bool redacted)
{
    return part ? part : weir_canon_begin(r, kind, redacted, WEIR_STR_NULL, WEIR_STR_NULL);
}

/* A stream's delta, or a document's reasoningText in it. */
static unsigned read_reasoning(struct weir_canon_reader *r, unsigned part, struct weir_str raw)
{
    struct weir_str text = WEIR_STR_NULL, signature = text, redacted = text, inner = text;
    const struct weir_canon_want want[] = {{"text", &text},
                                           {"signature", &signature},
                                           {"redactedContent", &redacted},
                                           {"reasoningText", &inner}};

    if (!weir_canon_find(raw, want, 4) || (inner.p && !weir_canon_find(inner, want, 2)))
        return part;
    part = begun(r, part, WEIR_PART_REASONING, redacted.p);
    weir_canon_delta(r, part, weir_canon_string(text));
    weir_canon_sign(r, part, weir_canon_string(redacted.p ? redacted : signature));
    return part;
}

static unsigned read_delta(struct weir_canon_reader *r, unsigned part, struct weir_str raw)
{
    struct weir_str text = WEIR_STR_NULL, tool = text, reasoning = text, input = text;
    const struct weir_canon_want want[] = {
        {"text", &text}, {"toolUse", &tool}, {"reasoningContent", &reasoning}};
    const struct weir_canon_want of_tool[] = {{"input", &input}};

    if (!weir_canon_find(raw, want, 3))
        return part;
    if (text.p) {
        part = begun(r, part, WEIR_PART_TEXT, false);
        weir_canon_delta(r, part, weir_canon_string(text));
    } else if (tool.p && weir_canon_find(tool, of_tool, 1)) {
        weir_canon_delta(r, part, weir_canon_string(input));
    } else if (reasoning.p) {
        part = read_reasoning(r, part, reasoning);
    }
    return part;
}

static void read_finish(struct weir_canon_reader *r, struct weir_str reason)
{
    static const struct {
        const char *word;
        enum weir_canon_finish finish;
    } words[] = {{"max_tokens", WEIR_FINISH_LENGTH},
                 {"model_context_window_exceeded", WEIR_FINISH_WINDOW},
                 {"stop_sequence", WEIR_FINISH_SEQUENCE},
                 {"tool_use", WEIR_FINISH_TOOLS},
                 {"content_filtered", WEIR_FINISH_FILTER},
                 {"guardrail_intervened", WEIR_FINISH_FILTER}};
    enum weir_canon_finish finish = WEIR_FINISH_STOP;

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weir_json_is(reason, words[i].word))
            finish = words[i].finish;
    weir_canon_finish_with(r, finish, WEIR_STR_NULL);
}

static void read_block_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    struct weir_str index = WEIR_STR_NULL, start = index, delta = index, tool = index;
    const struct weir_canon_want want[] = {
        {"contentBlockIndex", &index}, {"start", &start}, {"delta", &delta}};
    const struct weir_canon_want of_start[] = {{"toolUse", &tool}};
    struct weir_canon_slot *s;
    size_t at;

    if (!r->started || !weir_canon_find(e->data, want, 3) || !weir_canon_index(index, &at))
        return;
    s = weir_canon_slot(r, at);
    if (weir_str_is(e->name, "contentBlockStart")) {
        if (weir_canon_find(start, of_start, 1) && tool.p)
            s->part = begin_tool(r, tool);
    } else if (weir_str_is(e->name, "contentBlockDelta")) {
        s->part = read_delta(r, s->part, delta);
    } else if (weir_str_is(e->name, "contentBlockStop")) {
        weir_canon_end(r, s->part);
    }
}

void weir_converse_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    struct weir_str reason = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"stopReason", &reason}};

    if (weir_str_is(e->name, "messageStart")) {
        weir_canon_start(r, WEIR_STR_NULL, WEIR_STR_NULL);
    } else if (weir_str_is(e->name, "messageStop")) {
        if (r->started && weir_canon_find(e->data, want, 1))
            read_finish(r, weir_canon_string(reason));
    } else if (weir_str_is(e->name, "metadata")) {
        weir_canon_complete(r);
    } else {
        read_block_event(r, e);
    }
}

static void read_block(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str tool = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"toolUse", &tool}};

    if (weir_canon_find(raw, want, 1))
        weir_canon_end(r, tool.p ? begin_tool(r, tool) : read_delta(r, 0, raw));
}

void weir_converse_read_answer(struct weir_canon_reader *r, struct weir_str document)
{
    struct weir_str output = WEIR_STR_NULL, message = output, content = output, reason = output,
                    block;
    const struct weir_canon_want want[] = {{"output", &output}, {"stopReason", &reason}};
    const struct weir_canon_want of_output[] = {{"message", &message}};
    const struct weir_canon_want of_message[] = {{"content", &content}};
    struct weir_json j;

    if (!weir_canon_find(document, want, 2) || !weir_canon_find(output, of_output, 1) ||
        !weir_canon_find(message, of_message, 1))
        return;
    weir_canon_start(r, WEIR_STR_NULL, WEIR_STR_NULL);
    weir_json_init(&j, content.p ? content : WEIR_STR("[]"));
    if (weir_json_enter(&j, WEIR_JSON_ARRAY))
        while (weir_json_element(&j) && weir_json_skip(&j, &block))
            read_block(r, block);
    read_finish(r, weir_canon_string(reason));
    weir_canon_complete(r);
}
