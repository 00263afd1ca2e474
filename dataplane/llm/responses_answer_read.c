/* responses_answer_read.c - Responses events and documents as canonical events.
 *
 * By output_index, a slot's part is the item's open part, `said` what has been said of it. What is
 * hidden of an item's reasoning comes when it is done, and so does all of it from servers that send
 * items at once. A signature is the item's id, a dot and its encrypted content: to go back they
 * need each other. */
#include "dataplane/llm/responses.h"

enum { BEGUN = 1, SAID = 2, REFUSING = 4, REASONING = 8, KIND = REFUSING | REASONING };

/* All that events and items have, as it stands. */
struct item {
    struct weir_str type, id, call_id, name, arguments, content, summary, encrypted;
};

static bool read_item(struct weir_str raw, struct item *i)
{
    const struct weir_canon_want want[] = {
        {"type", &i->type},           {"id", &i->id},
        {"call_id", &i->call_id},     {"name", &i->name},
        {"arguments", &i->arguments}, {"content", &i->content},
        {"summary", &i->summary},     {"encrypted_content", &i->encrypted}};

    if (!raw.p || !weir_canon_find(raw, want, sizeof want / sizeof *want))
        return false;
    i->type = weir_canon_string(i->type);
    return true;
}

static void end_part(struct weir_canon_reader *r, struct weir_canon_slot *s)
{
    weir_canon_end(r, s->part);
    s->part = 0;
}

static void begin_call(struct weir_canon_reader *r, struct weir_canon_slot *s, const struct item *i)
{
    s->said = BEGUN;
    s->part = weir_canon_begin(r, WEIR_PART_TOOL_CALL, false, weir_canon_string(i->call_id),
                               weir_canon_string(i->name));
}

/* A piece of text, refusal or reasoning; another kind than the open one ends that. */
static void add_text(struct weir_canon_reader *r, struct weir_canon_slot *s,
                     enum weir_canon_kind kind, struct weir_str text)
{
    uint64_t flag = kind == WEIR_PART_REFUSAL     ? REFUSING
                    : kind == WEIR_PART_REASONING ? REASONING
                                                  : 0;

    if (!text.n)
        return;
    if (s->part && (s->said & KIND) != flag)
        end_part(r, s);
    if (!s->part)
        s->part = weir_canon_begin(r, kind, false, WEIR_STR_NULL, WEIR_STR_NULL);
    s->said = BEGUN | SAID | flag;
    weir_canon_delta(r, s->part, text);
}

static void add_arguments(struct weir_canon_reader *r, struct weir_canon_slot *s,
                          struct weir_str text)
{
    if (text.n)
        s->said |= SAID;
    weir_canon_delta(r, s->part, text);
}

/* The parts of a list: texts that came in no other way. */
static void add_texts(struct weir_canon_reader *r, struct weir_canon_slot *s,
                      enum weir_canon_kind kind, struct weir_str list)
{
    struct weir_str raw;
    struct weir_json j;
    bool more = false;

    weir_json_init(&j, list);
    if (!list.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &raw)) {
        struct weir_str text = WEIR_STR_NULL, refusal = text;
        const struct weir_canon_want want[] = {{"text", &text}, {"refusal", &refusal}};

        if (!weir_canon_find(raw, want, 2))
            continue;
        if (kind == WEIR_PART_REASONING && more)
            add_text(r, s, kind, WEIR_STR("\\n\\n"));
        more = true;
        add_text(r, s, refusal.p ? WEIR_PART_REFUSAL : kind,
                 weir_canon_string(refusal.p ? refusal : text));
        if (kind != WEIR_PART_REASONING)
            end_part(r, s);
    }
}

static void end_reasoning(struct weir_canon_reader *r, struct weir_canon_slot *s,
                          const struct item *i)
{
    struct weir_str encrypted = weir_canon_string(i->encrypted);

    if (!(s->said & SAID))
        add_texts(r, s, WEIR_PART_REASONING, i->summary);
    if (!(s->said & SAID))
        add_texts(r, s, WEIR_PART_REASONING, i->content);
    if (!encrypted.n)
        return;
    if (!s->part)
        s->part = weir_canon_begin(r, WEIR_PART_REASONING, true, WEIR_STR_NULL, WEIR_STR_NULL);
    weir_canon_sign(r, s->part, weir_canon_string(i->id));
    weir_canon_sign(r, s->part, WEIR_STR("."));
    weir_canon_sign(r, s->part, encrypted);
}

/* An item is whole: what of it was not said before. */
static void end_item(struct weir_canon_reader *r, struct weir_canon_slot *s, struct weir_str raw)
{
    struct item i = {0};

    if (!read_item(raw, &i))
        return;
    if (weir_json_is(i.type, "message")) {
        if (!(s->said & SAID))
            add_texts(r, s, WEIR_PART_TEXT, i.content);
    } else if (weir_json_is(i.type, "function_call")) {
        if (!(s->said & BEGUN))
            begin_call(r, s, &i);
        if (!(s->said & SAID))
            add_arguments(r, s, weir_canon_string(i.arguments));
    } else if (weir_json_is(i.type, "reasoning")) {
        end_reasoning(r, s, &i);
    }
    end_part(r, s);
}

static void start_item(struct weir_canon_reader *r, struct weir_canon_slot *s, struct weir_str raw)
{
    struct item i = {0};

    end_part(r, s);
    s->said = 0;
    if (!read_item(raw, &i) || !weir_json_is(i.type, "function_call"))
        return;
    begin_call(r, s, &i);
    add_arguments(r, s, weir_canon_string(i.arguments));
}

static void read_start(struct weir_canon_reader *r, struct weir_str response)
{
    struct weir_str id = WEIR_STR_NULL, model = id;
    const struct weir_canon_want want[] = {{"id", &id}, {"model", &model}};

    if (weir_canon_find(response, want, 2))
        weir_canon_start(r, weir_canon_string(id), weir_canon_string(model));
}

static void read_finish(struct weir_canon_reader *r, struct weir_str response)
{
    struct weir_str details = WEIR_STR_NULL, status = details, reason = details;
    const struct weir_canon_want want[] = {{"incomplete_details", &details}, {"status", &status}};
    const struct weir_canon_want of[] = {{"reason", &reason}};
    enum weir_canon_finish finish = r->called ? WEIR_FINISH_TOOLS : WEIR_FINISH_STOP;

    if (!weir_canon_find(response, want, 2))
        return;
    if (weir_json_is(weir_canon_string(status), "incomplete"))
        finish = details.p && weir_canon_find(details, of, 1) &&
                         weir_json_is(weir_canon_string(reason), "content_filter")
                     ? WEIR_FINISH_FILTER
                     : WEIR_FINISH_LENGTH;
    weir_canon_finish_with(r, finish, WEIR_STR_NULL);
    weir_canon_complete(r);
}

/* What came of an item that is in the way of one index. */
static void read_piece(struct weir_canon_reader *r, struct weir_str type, struct weir_canon_slot *s,
                       struct weir_str delta, struct weir_str item)
{
    if (weir_json_is(type, "response.output_text.delta"))
        add_text(r, s, WEIR_PART_TEXT, delta);
    else if (weir_json_is(type, "response.refusal.delta"))
        add_text(r, s, WEIR_PART_REFUSAL, delta);
    else if (weir_json_is(type, "response.reasoning_summary_text.delta") ||
             weir_json_is(type, "response.reasoning_text.delta"))
        add_text(r, s, WEIR_PART_REASONING, delta);
    else if (weir_json_is(type, "response.reasoning_summary_part.added") && s->part)
        add_text(r, s, WEIR_PART_REASONING, WEIR_STR("\\n\\n"));
    else if (weir_json_is(type, "response.function_call_arguments.delta"))
        add_arguments(r, s, delta);
    else if (weir_json_is(type, "response.content_part.done") && !(s->said & REASONING))
        end_part(r, s); /* a signature is still to come behind reasoning */
    else if (weir_json_is(type, "response.output_item.added"))
        start_item(r, s, item);
    else if (weir_json_is(type, "response.output_item.done"))
        end_item(r, s, item);
}

void weir_responses_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    struct weir_str type = WEIR_STR_NULL, index = type, delta = type, item = type, response = type;
    const struct weir_canon_want want[] = {{"type", &type},
                                           {"output_index", &index},
                                           {"delta", &delta},
                                           {"item", &item},
                                           {"response", &response}};
    size_t at;

    if (!weir_canon_find(e->data, want, 5))
        return;
    type = weir_canon_string(type);
    if (response.p) {
        read_start(r, response);
        if (weir_json_is(type, "response.completed") || weir_json_is(type, "response.incomplete"))
            read_finish(r, response);
    } else if (weir_canon_index(index, &at) && r->started) {
        read_piece(r, type, weir_canon_slot(r, at), weir_canon_string(delta), item);
    }
}

void weir_responses_read_answer(struct weir_canon_reader *r, struct weir_str document)
{
    struct weir_str output = WEIR_STR_NULL, item;
    const struct weir_canon_want want[] = {{"output", &output}};
    struct weir_json j;
    size_t at = 0;

    if (!weir_canon_find(document, want, 1))
        return;
    read_start(r, document);
    weir_json_init(&j, output.p ? output : WEIR_STR("[]"));
    if (weir_json_enter(&j, WEIR_JSON_ARRAY))
        while (at < WEIR_CANON_ANSWER_PARTS && weir_json_element(&j) && weir_json_skip(&j, &item))
            end_item(r, weir_canon_slot(r, at++), item);
    read_finish(r, document);
}
