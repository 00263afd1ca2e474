/* cohere_answer_read.c - Cohere's chat events and documents as canonical events. What it plans
 * before it calls tools is the text that stands before the calls. */
#include "dataplane/llm/cohere.h"

static void add_thought(struct weir_canon_reader *r, struct weir_str text)
{
    if (text.n && !r->reasoning) {
        weir_canon_add_text(r, &r->reasoning, WEIR_PART_REASONING, text);
        weir_canon_sign(r, r->reasoning, WEIR_STR(WEIR_COHERE_SIGNATURE));
    } else {
        weir_canon_add_text(r, &r->reasoning, WEIR_PART_REASONING, text);
    }
}

/* {"type", "text"} or {"type", "thinking"}, whole or a piece of it. */
static void read_content(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str text = WEIR_STR_NULL, thinking = text;
    const struct weir_canon_want want[] = {{"text", &text}, {"thinking", &thinking}};

    if (!weir_canon_find(raw, want, 2))
        return;
    add_thought(r, weir_canon_string(thinking));
    weir_canon_add_text(r, &r->text, WEIR_PART_TEXT, weir_canon_string(text));
}

static unsigned begin_call(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str id = WEIR_STR_NULL, function = id, name = id, arguments = id;
    const struct weir_canon_want want[] = {{"id", &id}, {"function", &function}};
    const struct weir_canon_want of[] = {{"name", &name}, {"arguments", &arguments}};
    unsigned part;

    if (!weir_canon_find(raw, want, 2) || !weir_canon_find(function, of, 2))
        return 0;
    weir_canon_end_texts(r);
    part = weir_canon_begin(r, WEIR_PART_TOOL_CALL, false, weir_canon_string(id),
                            weir_canon_string(name));
    weir_canon_delta(r, part, weir_canon_string(arguments));
    return part;
}

static void read_finish(struct weir_canon_reader *r, struct weir_str reason)
{
    enum weir_canon_finish finish = weir_json_is(reason, "MAX_TOKENS")      ? WEIR_FINISH_LENGTH
                                    : weir_json_is(reason, "STOP_SEQUENCE") ? WEIR_FINISH_SEQUENCE
                                    : weir_json_is(reason, "TOOL_CALL")     ? WEIR_FINISH_TOOLS
                                                                            : WEIR_FINISH_STOP;

    weir_canon_finish_with(r, finish, WEIR_STR_NULL);
}

/* ---- streams ---- */

static void read_call_event(struct weir_canon_reader *r, struct weir_str type, struct weir_str raw,
                            struct weir_str call)
{
    struct weir_str function = WEIR_STR_NULL, arguments = function;
    const struct weir_canon_want want[] = {{"function", &function}};
    const struct weir_canon_want of[] = {{"arguments", &arguments}};
    struct weir_canon_slot *s;
    size_t at;

    if (!weir_canon_index(raw, &at))
        return;
    s = weir_canon_slot(r, at);
    if (weir_json_is(type, "tool-call-start")) {
        weir_canon_end(r, s->part);
        s->part = begin_call(r, call);
    } else if (weir_json_is(type, "tool-call-end")) {
        weir_canon_end(r, s->part);
    } else if (weir_canon_find(call, want, 1) && weir_canon_find(function, of, 1)) {
        weir_canon_delta(r, s->part, weir_canon_string(arguments));
    }
}

static void read_piece(struct weir_canon_reader *r, struct weir_str type, struct weir_str index,
                       struct weir_str delta)
{
    struct weir_str message = WEIR_STR_NULL, content = message, plan = message, call = message;
    const struct weir_canon_want want[] = {{"message", &message}};
    const struct weir_canon_want of[] = {
        {"content", &content}, {"tool_plan", &plan}, {"tool_calls", &call}};

    if (weir_canon_find(delta, want, 1))
        weir_canon_find(message, of, 3);
    if (weir_json_is(type, "content-start") || weir_json_is(type, "content-delta"))
        read_content(r, content);
    else if (weir_json_is(type, "content-end"))
        weir_canon_end_texts(r);
    else if (weir_json_is(type, "tool-plan-delta"))
        weir_canon_add_text(r, &r->text, WEIR_PART_TEXT, weir_canon_string(plan));
    else
        read_call_event(r, type, index, call);
}

void weir_cohere_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    struct weir_str type = WEIR_STR_NULL, id = type, index = type, delta = type, finish = type;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"id", &id}, {"index", &index}, {"delta", &delta}};
    const struct weir_canon_want of_end[] = {{"finish_reason", &finish}};

    if (!weir_canon_find(e->data, want, 4))
        return;
    type = weir_canon_string(type);
    if (weir_json_is(type, "message-start")) {
        weir_canon_start(r, weir_canon_string(id), WEIR_STR_NULL);
    } else if (!r->started) {
        return;
    } else if (weir_json_is(type, "message-end")) {
        weir_canon_find(delta, of_end, 1);
        read_finish(r, weir_canon_string(finish));
        weir_canon_complete(r);
    } else {
        read_piece(r, type, index, delta);
    }
}

/* ---- documents ---- */

static void read_list(struct weir_canon_reader *r, struct weir_str raw, bool calls)
{
    struct weir_json j;
    struct weir_str item;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &item)) {
        if (calls)
            weir_canon_end(r, begin_call(r, item));
        else
            read_content(r, item);
    }
}

void weir_cohere_read_answer(struct weir_canon_reader *r, struct weir_str document)
{
    struct weir_str id = WEIR_STR_NULL, finish = id, message = id, content = id, plan = id,
                    calls = id;
    const struct weir_canon_want want[] = {
        {"id", &id}, {"finish_reason", &finish}, {"message", &message}};
    const struct weir_canon_want of[] = {
        {"content", &content}, {"tool_plan", &plan}, {"tool_calls", &calls}};

    if (!weir_canon_find(document, want, 3) || !weir_canon_find(message, of, 3))
        return;
    finish = weir_canon_string(finish);
    weir_canon_start(r, weir_canon_string(id), WEIR_STR_NULL);
    read_list(r, content, false);
    weir_canon_add_text(r, &r->text, WEIR_PART_TEXT, weir_canon_string(plan));
    read_list(r, calls, true);
    read_finish(r, finish);
    weir_canon_complete(r);
}
