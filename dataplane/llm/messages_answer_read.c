/* messages_answer_read.c - Anthropic Messages events and documents as canonical events. */
#include "dataplane/llm/messages.h"

/* Blocks of the provider's own tools have no place elsewhere: 0. */
static unsigned begin_block(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, id = type, name = type, text = type, input = type,
                    thinking = type, signature = type, data = type;
    const struct weir_canon_want want[] = {{"type", &type},           {"id", &id},
                                           {"name", &name},           {"text", &text},
                                           {"input", &input},         {"thinking", &thinking},
                                           {"signature", &signature}, {"data", &data}};
    unsigned part = 0;

    if (!weir_canon_find(raw, want, sizeof want / sizeof *want))
        return 0;
    type = weir_canon_string(type);
    if (weir_json_is(type, "text")) {
        part = weir_canon_begin(r, WEIR_PART_TEXT, false, WEIR_STR_NULL, WEIR_STR_NULL);
        weir_canon_delta(r, part, weir_canon_string(text));
    } else if (weir_json_is(type, "tool_use")) {
        part = weir_canon_begin(r, WEIR_PART_TOOL_CALL, false, weir_canon_string(id),
                                weir_canon_string(name));
        if (input.n > 2)
            weir_canon_delta_json(r, part, input);
    } else if (weir_json_is(type, "thinking")) {
        part = weir_canon_begin(r, WEIR_PART_REASONING, false, WEIR_STR_NULL, WEIR_STR_NULL);
        weir_canon_delta(r, part, weir_canon_string(thinking));
        weir_canon_sign(r, part, weir_canon_string(signature));
    } else if (weir_json_is(type, "redacted_thinking")) {
        part = weir_canon_begin(r, WEIR_PART_REASONING, true, WEIR_STR_NULL, WEIR_STR_NULL);
        weir_canon_sign(r, part, weir_canon_string(data));
    }
    return part;
}

static void read_delta(struct weir_canon_reader *r, unsigned part, struct weir_str raw)
{
    struct weir_str text = WEIR_STR_NULL, signature = text;
    const struct weir_canon_want want[] = {
        {"text", &text}, {"thinking", &text}, {"partial_json", &text}, {"signature", &signature}};

    if (!weir_canon_find(raw, want, 4))
        return;
    weir_canon_delta(r, part, weir_canon_string(text));
    weir_canon_sign(r, part, weir_canon_string(signature));
}

static enum weir_canon_finish finish_of(struct weir_str reason)
{
    static const struct {
        const char *word;
        enum weir_canon_finish finish;
    } words[] = {{"max_tokens", WEIR_FINISH_LENGTH},
                 {"model_context_window_exceeded", WEIR_FINISH_WINDOW},
                 {"stop_sequence", WEIR_FINISH_SEQUENCE},
                 {"tool_use", WEIR_FINISH_TOOLS},
                 {"pause_turn", WEIR_FINISH_PAUSE},
                 {"refusal", WEIR_FINISH_REFUSAL}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weir_json_is(reason, words[i].word))
            return words[i].finish;
    return WEIR_FINISH_STOP;
}

/* Of a message_delta, or of a document. */
static void read_finish(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str reason = WEIR_STR_NULL, sequence = reason, details = reason, why = reason;
    const struct weir_canon_want want[] = {
        {"stop_reason", &reason}, {"stop_sequence", &sequence}, {"stop_details", &details}};
    const struct weir_canon_want of[] = {{"explanation", &why}};

    if (!weir_canon_find(raw, want, 3) || !reason.p)
        return;
    if (details.p && weir_canon_find(details, of, 1) && why.p)
        sequence = why;
    weir_canon_finish_with(r, finish_of(weir_canon_string(reason)), weir_canon_string(sequence));
}

static void read_start(struct weir_canon_reader *r, struct weir_str message)
{
    struct weir_str id = WEIR_STR_NULL, model = id;
    const struct weir_canon_want want[] = {{"id", &id}, {"model", &model}};

    if (weir_canon_find(message, want, 2))
        weir_canon_start(r, weir_canon_string(id), weir_canon_string(model));
}

void weir_messages_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    struct weir_str type = WEIR_STR_NULL, index = type, block = type, delta = type, message = type;
    const struct weir_canon_want want[] = {{"type", &type},
                                           {"index", &index},
                                           {"content_block", &block},
                                           {"delta", &delta},
                                           {"message", &message}};
    size_t at;

    if (!weir_canon_find(e->data, want, 5))
        return;
    type = weir_canon_string(type);
    if (weir_json_is(type, "message_start")) {
        read_start(r, message);
    } else if (weir_json_is(type, "message_delta")) {
        read_finish(r, delta);
    } else if (weir_json_is(type, "message_stop")) {
        weir_canon_complete(r);
    } else if (weir_canon_index(index, &at) && r->started) {
        struct weir_canon_slot *s = weir_canon_slot(r, at);

        if (weir_json_is(type, "content_block_start"))
            s->part = begin_block(r, block);
        else if (weir_json_is(type, "content_block_delta"))
            read_delta(r, s->part, delta);
        else if (weir_json_is(type, "content_block_stop"))
            weir_canon_end(r, s->part);
    }
}

void weir_messages_read_answer(struct weir_canon_reader *r, struct weir_str document)
{
    struct weir_str content = WEIR_STR_NULL, block;
    const struct weir_canon_want want[] = {{"content", &content}};
    struct weir_json j;

    if (!weir_canon_find(document, want, 1))
        return;
    read_start(r, document);
    weir_json_init(&j, content.p ? content : WEIR_STR("[]"));
    if (weir_json_enter(&j, WEIR_JSON_ARRAY))
        while (weir_json_element(&j) && weir_json_skip(&j, &block))
            weir_canon_end(r, begin_block(r, block));
    read_finish(r, document);
    weir_canon_complete(r);
}
