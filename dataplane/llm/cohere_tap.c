/* cohere_tap.c - what an answer of Cohere's chat says while it passes. */
#include "dataplane/llm/cohere.h"

/* The tokens of the model count; what is billed leaves some of them out, and stands in for them
 * where they are not told. Cached tokens are parts of the input. */
void weir_cohere_usage(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str tokens = WEIR_STR_NULL, billed = tokens, cached = tokens, input = tokens,
                    output = tokens;
    const struct weir_canon_want want[] = {
        {"tokens", &tokens}, {"billed_units", &billed}, {"cached_tokens", &cached}};
    const struct weir_canon_want of[] = {{"input_tokens", &input}, {"output_tokens", &output}};
    struct weir_usage *u = &t->seen.usage;

    if (!weir_canon_find(raw, want, 3))
        return;
    if (!weir_canon_find(tokens, of, 2) || (!input.p && !output.p))
        weir_canon_find(billed, of, 2);
    weir_llm_keep_tokens(&u->input, input);
    weir_llm_keep_tokens(&u->output, output);
    weir_llm_keep_tokens(&u->cache_read, cached);
}

bool weir_cohere_is_failure(struct weir_str finish)
{
    return weir_json_is(finish, "ERROR") || weir_json_is(finish, "TIMEOUT");
}

/* Bytes of the texts in a delta, at any of the levels that it has; names count with a call's start,
 * types and ids don't. */
static size_t written(struct weir_str raw, unsigned depth)
{
    struct weir_str key, text;
    struct weir_json j;
    size_t n = 0;

    weir_json_init(&j, raw);
    if (!raw.n || !weir_json_enter(&j, WEIR_JSON_OBJECT))
        return 0;
    while (weir_json_member(&j, &key)) {
        bool counts = !weir_json_is(key, "type") && !weir_json_is(key, "id") &&
                      !weir_json_is(key, "role") && !weir_json_is(key, "citations");

        if (counts && weir_json_peek(&j) == WEIR_JSON_STRING) {
            if (weir_json_string(&j, &text))
                n += weir_json_text_bytes(text);
        } else if (weir_json_skip(&j, &text) && counts && depth < 5) {
            n += written(text, depth + 1);
        }
    }
    return n;
}

static void read_end(struct weir_llm_tap *t, struct weir_str delta)
{
    struct weir_str finish = WEIR_STR_NULL, usage = finish, error = finish;
    const struct weir_canon_want want[] = {
        {"finish_reason", &finish}, {"usage", &usage}, {"error", &error}};

    weir_canon_find(delta, want, 3);
    weir_cohere_usage(t, usage);
    finish = weir_canon_string(finish);
    if (finish.p)
        weir_llm_keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES, finish);
    if (weir_cohere_is_failure(finish))
        weir_llm_keep_error(t, error.p ? error : WEIR_STR("\"The generation failed.\""));
    else
        t->seen.complete = true;
}

bool weir_cohere_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct weir_str type = WEIR_STR_NULL, id = type, delta = type, message = type;
    const struct weir_canon_want want[] = {
        {"type", &type}, {"id", &id}, {"delta", &delta}, {"message", &message}};

    if (!weir_canon_find(e->data, want, 4))
        return true;
    type = weir_canon_string(type);
    if (weir_json_is(type, "message-start")) {
        t->begun = true;
        if (id.p)
            weir_llm_keep(&t->id, t->id_bytes, WEIR_LLM_ID_BYTES, weir_canon_string(id));
    } else if (weir_json_is(type, "message-end")) {
        read_end(t, delta);
    } else if (type.p) {
        weir_llm_count_output(t, written(delta, 0));
    } else if (message.p) {
        weir_llm_keep_error(t, message); /* an error's body in place of an event */
    }
    return true;
}
