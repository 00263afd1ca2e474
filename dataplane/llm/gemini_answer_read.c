/* gemini_answer_read.c - Gemini chunks and documents as canonical events.
 *
 * A signature may stand on a thought, on a text or on a function call, and must come back on the
 * same. Elsewhere it can stand on reasoning only, so a letter before it tells which it was: "r.",
 * "t." or "f." (gemini_write.c puts it back). */
#include "dataplane/llm/gemini.h"

static void sign_alone(struct weir_canon_reader *r, struct weir_str mark, struct weir_str signature)
{
    unsigned part;

    if (!signature.n)
        return;
    weir_canon_end_texts(r);
    part = weir_canon_begin(r, WEIR_PART_REASONING, true, WEIR_STR_NULL, WEIR_STR_NULL);
    weir_canon_sign(r, part, mark);
    weir_canon_sign(r, part, signature);
    weir_canon_end(r, part);
}

static void add_thought(struct weir_canon_reader *r, struct weir_str text,
                        struct weir_str signature)
{
    weir_canon_add_text(r, &r->reasoning, WEIR_PART_REASONING, text);
    if (!signature.n)
        return;
    if (!r->reasoning) {
        sign_alone(r, WEIR_STR("r."), signature);
        return;
    }
    weir_canon_sign(r, r->reasoning, WEIR_STR("r."));
    weir_canon_sign(r, r->reasoning, signature);
    weir_canon_end_texts(r);
}

static void add_call(struct weir_canon_reader *r, struct weir_str raw, struct weir_str signature)
{
    struct weir_str id = WEIR_STR_NULL, name = id, args = id;
    const struct weir_canon_want want[] = {{"id", &id}, {"name", &name}, {"args", &args}};
    unsigned part;

    if (!weir_canon_find(raw, want, 3))
        return;
    sign_alone(r, WEIR_STR("f."), signature);
    weir_canon_end_texts(r);
    part = weir_canon_begin(r, WEIR_PART_TOOL_CALL, false, weir_canon_string(id),
                            weir_canon_string(name));
    if (args.n > 2)
        weir_canon_delta_json(r, part, args);
    weir_canon_end(r, part);
}

static void read_part(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str text = WEIR_STR_NULL, thought = text, signature = text, call = text;
    const struct weir_canon_want want[] = {{"text", &text},
                                           {"thought", &thought},
                                           {"thoughtSignature", &signature},
                                           {"functionCall", &call}};

    if (!weir_canon_find(raw, want, 4))
        return;
    text = weir_canon_string(text);
    signature = weir_canon_string(signature);
    if (call.p) {
        add_call(r, call, signature);
    } else if (weir_str_is(thought, "true")) {
        add_thought(r, text, signature);
    } else {
        weir_canon_add_text(r, &r->text, WEIR_PART_TEXT, text);
        sign_alone(r, WEIR_STR("t."), signature);
    }
}

static enum weir_canon_finish finish_of(struct weir_str reason, bool calls)
{
    static const char *const filters[] = {"SAFETY",
                                          "RECITATION",
                                          "LANGUAGE",
                                          "BLOCKLIST",
                                          "PROHIBITED_CONTENT",
                                          "SPII",
                                          "IMAGE_PROHIBITED_CONTENT",
                                          "NO_IMAGE",
                                          "OTHER",
                                          "IMAGE_RECITATION",
                                          "IMAGE_SAFETY",
                                          "IMAGE_OTHER"};

    if (weir_json_is(reason, "MAX_TOKENS") || weir_json_is(reason, "CONTINUATION"))
        return WEIR_FINISH_LENGTH;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (weir_json_is(reason, filters[i]))
            return WEIR_FINISH_FILTER;
    return calls ? WEIR_FINISH_TOOLS : WEIR_FINISH_STOP;
}

static void read_parts(struct weir_canon_reader *r, struct weir_str content)
{
    struct weir_str parts = WEIR_STR_NULL, part;
    const struct weir_canon_want want[] = {{"parts", &parts}};
    struct weir_json j;

    if (!weir_canon_find(content, want, 1) || !parts.p)
        return;
    weir_json_init(&j, parts);
    if (weir_json_enter(&j, WEIR_JSON_ARRAY))
        while (weir_json_element(&j) && weir_json_skip(&j, &part))
            read_part(r, part);
}

/* Only the first candidate: the other dialects have no more, so no more was asked for. */
static void read_candidates(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str candidate;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return;
    while (weir_json_element(&j) && weir_json_skip(&j, &candidate)) {
        struct weir_str index = WEIR_STR_NULL, content = index, reason = index, why = index;
        const struct weir_canon_want want[] = {{"index", &index},
                                               {"content", &content},
                                               {"finishReason", &reason},
                                               {"finishMessage", &why}};

        if (!weir_canon_find(candidate, want, 4) || (index.p && !weir_str_is(index, "0")))
            continue;
        read_parts(r, content);
        if (reason.p)
            weir_canon_finish_with(r, finish_of(weir_canon_string(reason), r->called),
                                   weir_canon_string(why));
    }
}

static void read_feedback(struct weir_canon_reader *r, struct weir_str raw)
{
    struct weir_str reason = WEIR_STR_NULL, why = reason;
    const struct weir_canon_want want[] = {{"blockReason", &reason}, {"blockReasonMessage", &why}};

    if (weir_canon_find(raw, want, 2) && weir_canon_string(reason).n)
        weir_canon_finish_with(r, WEIR_FINISH_FILTER, weir_canon_string(why));
}

static bool read_frame(struct weir_canon_reader *r, struct weir_str data)
{
    struct weir_str id = WEIR_STR_NULL, model = id, candidates = id, feedback = id;
    const struct weir_canon_want want[] = {{"responseId", &id},
                                           {"modelVersion", &model},
                                           {"candidates", &candidates},
                                           {"promptFeedback", &feedback}};

    if (!weir_canon_find(data, want, 4))
        return false;
    weir_canon_start(r, weir_canon_string(id), weir_canon_string(model));
    read_candidates(r, candidates);
    read_feedback(r, feedback);
    return candidates.p || feedback.p;
}

void weir_gemini_read_event(struct weir_canon_reader *r, const struct weir_sse_event *e)
{
    read_frame(r, e->data);
}

void weir_gemini_read_answer(struct weir_canon_reader *r, struct weir_str document)
{
    if (read_frame(r, document))
        weir_canon_complete(r);
}
