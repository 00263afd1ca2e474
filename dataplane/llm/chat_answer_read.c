/* chat_answer_read.c - Chat Completions chunks and documents as canonical events. */
#include "dataplane/llm/chat.h"

/* Signatures, and reasoning that is hidden; the text beside them comes as text, too. */
static void read_details(struct weir_canon_reader *r, struct weir_str raw, bool has_text)
{
    struct weir_json j;
    struct weir_str item;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &item)) {
        struct weir_str text = WEIR_STR_NULL, signature = text, data = text;
        const struct weir_canon_want want[] = {
            {"text", &text}, {"signature", &signature}, {"data", &data}};

        if (!weir_canon_find(item, want, 3))
            continue;
        if (data.p) {
            unsigned part;

            weir_canon_end_texts(r);
            part = weir_canon_begin(r, WEIR_PART_REASONING, true, WEIR_STR_NULL, WEIR_STR_NULL);
            weir_canon_sign(r, part, weir_canon_string(data));
            weir_canon_end(r, part);
            continue;
        }
        if (!has_text)
            weir_canon_add_text(r, &r->reasoning, WEIR_PART_REASONING, weir_canon_string(text));
        weir_canon_sign(r, r->reasoning, weir_canon_string(signature));
    }
}

static uint64_t hash(struct weir_str s)
{
    uint64_t h = 1469598103934665603ULL;

    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211ULL;
    return h;
}

/* Later pieces are known by their index only; some servers give every call the same one, and then
 * another id begins another call. */
static void read_call(struct weir_canon_reader *r, struct weir_str raw, size_t at)
{
    struct weir_str index = WEIR_STR_NULL, id = index, function = index, name = index,
                    arguments = index;
    const struct weir_canon_want want[] = {{"index", &index}, {"id", &id}, {"function", &function}};
    const struct weir_canon_want of[] = {{"name", &name}, {"arguments", &arguments}};
    struct weir_canon_slot *s;

    if (!weir_canon_find(raw, want, 3) || !weir_canon_find(function, of, 2))
        return;
    if (index.p ? !weir_canon_index(index, &at) : at >= WEIR_CANON_ANSWER_PARTS)
        return;
    id = weir_canon_string(id);
    s = weir_canon_slot(r, at);
    if (!s->part || (id.n && s->said != hash(id))) {
        weir_canon_end_texts(r);
        s->said = hash(id);
        s->part = weir_canon_begin(r, WEIR_PART_TOOL_CALL, false, id, weir_canon_string(name));
    }
    if (arguments.n && arguments.p[0] == '{')
        weir_canon_delta_json(r, s->part, arguments); /* some give an object */
    else
        weir_canon_delta(r, s->part, weir_canon_string(arguments));
}

static void read_calls(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_json j;
    struct weir_str call;
    size_t at = 0;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &call))
        read_call(r, call, at++);
}

static void read_thinking(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_json j;
    struct weir_str item;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &item)) {
        struct weir_str text = WEIR_STR_NULL;
        const struct weir_canon_want want[] = {{"text", &text}};

        if (weir_canon_find(item, want, 1))
            weir_canon_add_text(r, &r->reasoning, WEIR_PART_REASONING, weir_canon_string(text));
    }
}

/* Mistral gives a list of parts in place of a text when it reasons. */
static void read_content(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_json j;
    struct weir_str item;

    weir_canon_add_text(r, &r->text, WEIR_PART_TEXT, weir_canon_string(raw));
    weir_json_init(&j, raw);
    if (!raw.n || raw.p[0] != '[' || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &item)) {
        struct weir_str text = WEIR_STR_NULL, thinking = text;
        const struct weir_canon_want want[] = {{"text", &text}, {"thinking", &thinking}};

        if (!weir_canon_find(item, want, 2))
            continue;
        read_thinking(r, thinking);
        weir_canon_add_text(r, &r->text, WEIR_PART_TEXT, weir_canon_string(text));
    }
}

static void read_delta(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str text = WEIR_STR_NULL, refusal = text, reasoning = text, details = text,
                    calls = text;
    const struct weir_canon_want want[] = {{"content", &text},
                                           {"refusal", &refusal},
                                           {"reasoning_content", &reasoning},
                                           {"reasoning", &reasoning},
                                           {"reasoning_details", &details},
                                           {"tool_calls", &calls}};

    if (!weir_canon_find(raw, want, sizeof want / sizeof *want))
        return;
    reasoning = weir_canon_string(reasoning);
    weir_canon_add_text(r, &r->reasoning, WEIR_PART_REASONING, reasoning);
    read_details(r, details, reasoning.n > 0);
    read_content(r, text);
    weir_canon_add_text(r, &r->refusal, WEIR_PART_REFUSAL, weir_canon_string(refusal));
    read_calls(r, calls);
}

static enum weir_canon_finish finish_of(struct weir_str reason)
{
    if (weir_json_is(reason, "length"))
        return WEIR_FINISH_LENGTH;
    if (weir_json_is(reason, "tool_calls") || weir_json_is(reason, "function_call"))
        return WEIR_FINISH_TOOLS;
    return weir_json_is(reason, "content_filter") ? WEIR_FINISH_FILTER : WEIR_FINISH_STOP;
}

/* Only the first choice: the other dialects have no more, so no more was asked for. */
static void read_choices(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_json j;
    struct weir_str choice;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &choice)) {
        struct weir_str index = WEIR_STR_NULL, delta = index, finish = index;
        const struct weir_canon_want want[] = {
            {"index", &index}, {"delta", &delta}, {"message", &delta}, {"finish_reason", &finish}};

        if (!weir_canon_find(choice, want, 4) || (index.p && !weir_str_is(index, "0")))
            continue;
        read_delta(r, delta);
        if (finish.p)
            weir_canon_finish_with(r, finish_of(weir_canon_string(finish)), WEIR_STR_NULL);
    }
}

static bool read_frame(struct weir_canon_reader *r, struct weir_str data)
{
    struct weir_str id = WEIR_STR_NULL, model = id, choices = id;
    const struct weir_canon_want want[] = {{"id", &id}, {"model", &model}, {"choices", &choices}};

    if (!weir_canon_find(data, want, 3))
        return false;
    weir_canon_start(r, weir_canon_string(id), weir_canon_string(model));
    read_choices(r, choices);
    return true;
}

void weir_chat_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    if (weir_str_is(weir_str_trim(e->data), "[DONE]"))
        weir_canon_complete(r);
    else
        read_frame(r, e->data);
}

void weir_chat_read_answer(struct weir_canon_reader *r, struct weir_str document)
{
    if (read_frame(r, document))
        weir_canon_complete(r);
}
