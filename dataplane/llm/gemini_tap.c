#include "dataplane/llm/gemini.h"

#include <inttypes.h>

/* Thoughts stand beside the candidates' tokens on the wire, what the provider's own tools brought
 * in beside the prompt's; cached tokens are in the prompt's. All are cumulative. */
void weir_gemini_usage(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_usage *u = &t->seen.usage;
    struct weir_llm_raw_usage *r = &t->raw;
    int64_t total = -1, tools = 0;
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (weir_json_is(key, "promptTokenCount"))
            weir_llm_keep_tokens(&r->input, value);
        else if (weir_json_is(key, "cachedContentTokenCount"))
            weir_llm_keep_tokens(&u->cache_read, value);
        else if (weir_json_is(key, "candidatesTokenCount"))
            weir_llm_keep_tokens(&r->output, value);
        else if (weir_json_is(key, "thoughtsTokenCount"))
            weir_llm_keep_tokens(&r->reasoning, value);
        else if (weir_json_is(key, "toolUsePromptTokenCount"))
            weir_llm_keep_tokens(&tools, value);
        else if (weir_json_is(key, "totalTokenCount"))
            weir_llm_keep_tokens(&total, value);
    }
    if (r->input >= 0)
        u->input = r->input + tools;
    u->reasoning = r->reasoning;
    if (r->output >= 0 || r->reasoning >= 0)
        u->output = weir_llm_known(r->output) + weir_llm_known(r->reasoning);
    else if (total >= 0 && u->input >= 0) /* a prompt that was blocked has no other figure */
        u->output = weir_llm_known(total - u->input);
}

/* A tool call's name and its arguments' JSON. */
static size_t call_bytes(struct weir_json *j)
{
    struct weir_str key, raw;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key) && weir_json_skip(j, &raw)) {
        if (weir_json_is(key, "name") && weir_canon_string(raw).p)
            n += weir_json_text_bytes(weir_canon_string(raw));
        else if (weir_json_is(key, "args") || weir_json_is(key, "partialArgs"))
            n += raw.n;
    }
    return n;
}

/* Code, pictures and whatever else a part may be count by their JSON. */
static size_t part_bytes(struct weir_json *j)
{
    struct weir_str key, raw;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_is(key, "functionCall"))
            n += call_bytes(j);
        else if (!weir_json_skip(j, &raw))
            return n;
        else if (weir_json_is(key, "text") && weir_canon_string(raw).p)
            n += weir_json_text_bytes(weir_canon_string(raw));
        else if (weir_json_is(key, "executableCode") || weir_json_is(key, "inlineData"))
            n += raw.n;
    }
    return n;
}

static size_t content_bytes(struct weir_json *j)
{
    struct weir_str key;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key)) {
        if (!weir_json_is(key, "parts") || !weir_json_enter(j, WEIR_JSON_ARRAY)) {
            weir_json_skip(j, NULL);
            continue;
        }
        while (weir_json_element(j))
            n += part_bytes(j);
    }
    return n;
}

static void mark(uint64_t *bits, int64_t i)
{
    if (i >= 0 && i < WEIR_LLM_PARTS)
        bits[i / 64] |= 1ULL << i % 64;
}

static void finish(struct weir_llm_tap *t, int64_t index, struct weir_str reason)
{
    weir_llm_keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES, reason);
    mark(t->closed, index);
}

static size_t read_candidate(struct weir_llm_tap *t, struct weir_json *j)
{
    struct weir_str key, raw, reason = WEIR_STR_NULL;
    int64_t index = 0;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_is(key, "content"))
            n += content_bytes(j);
        else if (!weir_json_skip(j, &raw))
            return n;
        else if (weir_json_is(key, "finishReason") && weir_canon_string(raw).p)
            reason = weir_canon_string(raw);
        else if (weir_json_is(key, "index"))
            weir_llm_keep_tokens(&index, raw);
    }
    mark(t->parts, index);
    if (reason.n)
        finish(t, index, reason);
    return n;
}

static void read_candidates(struct weir_llm_tap *t, struct weir_json *j)
{
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_ARRAY)) {
        weir_json_skip(j, NULL);
        return;
    }
    while (weir_json_element(j))
        n += read_candidate(t, j);
    weir_llm_count_output(t, n);
}

/* A prompt that was blocked has no candidates. */
static void read_feedback(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value))
        if (weir_json_is(key, "blockReason") && value.n > 2 && weir_canon_string(value).p)
            finish(t, 0, weir_canon_string(value));
}

static void read_member(struct weir_llm_tap *t, struct weir_json *j, struct weir_str key)
{
    struct weir_str raw;

    if (weir_json_is(key, "candidates"))
        read_candidates(t, j);
    else if (!weir_json_skip(j, &raw))
        return;
    else if (weir_json_is(key, "usageMetadata"))
        weir_gemini_usage(t, raw);
    else if (weir_json_is(key, "promptFeedback"))
        read_feedback(t, raw);
    else if (weir_json_is(key, "error") && !weir_str_is(raw, "null"))
        weir_llm_keep_error(t, raw);
    else if (weir_json_is(key, "modelVersion") && weir_canon_string(raw).p)
        weir_llm_keep(&t->seen.model, t->model_bytes, WEIR_LLM_MODEL_BYTES, weir_canon_string(raw));
    else if (weir_json_is(key, "responseId") && weir_canon_string(raw).p)
        weir_llm_keep(&t->id, t->id_bytes, WEIR_LLM_ID_BYTES, weir_canon_string(raw));
}

bool weir_gemini_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct weir_str key;
    struct weir_json j;

    weir_json_init(&j, e->data);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return true;
    while (weir_json_member(&j, &key))
        read_member(t, &j, key);
    t->begun = t->begun || !t->seen.error;
    return true;
}

void weir_gemini_add_usage(struct weir_buf *b, const struct weir_usage *u)
{
    int64_t input = weir_llm_known(u->input), output = weir_llm_known(u->output),
            thoughts = weir_llm_known(u->reasoning);

    if (thoughts > output)
        thoughts = output;
    weir_buf_addf(b, "{\"promptTokenCount\":%" PRId64, input);
    if (u->cache_read >= 0)
        weir_buf_addf(b, ",\"cachedContentTokenCount\":%" PRId64, u->cache_read);
    weir_buf_addf(b, ",\"candidatesTokenCount\":%" PRId64, output - thoughts);
    if (u->reasoning >= 0)
        weir_buf_addf(b, ",\"thoughtsTokenCount\":%" PRId64, thoughts);
    weir_buf_addf(b, ",\"totalTokenCount\":%" PRId64 "}", input + output);
}

/* Finishes the candidates that are still open; the first one says why. */
static void cut_candidates(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *out)
{
    bool any = false;

    for (unsigned i = 0; i < WEIR_LLM_PARTS; i++) {
        bool begun = t->parts[i / 64] >> i % 64 & 1, closed = t->closed[i / 64] >> i % 64 & 1;

        if (closed || (!begun && (i || t->seen.finish.n)))
            continue;
        weir_buf_addf(out, "%s{\"content\":{\"parts\":[{\"text\":", any ? "," : "");
        weir_buf_add_json(out, any ? WEIR_STR("") : notice.n ? notice : WEIR_STR(""));
        weir_buf_addf(out, "}],\"role\":\"model\"},\"finishReason\":\"MAX_TOKENS\",\"index\":%u}",
                      i);
        any = true;
    }
}

void weir_gemini_cut(struct weir_llm_tap *t, struct weir_str notice, const struct weir_usage *usage,
                     struct weir_buf *out)
{
    weir_buf_addz(out, "data: {\"candidates\":[");
    cut_candidates(t, notice, out);
    weir_buf_addz(out, "],\"usageMetadata\":");
    weir_gemini_add_usage(out, usage);
    weir_buf_addz(out, ",\"modelVersion\":");
    weir_buf_add_json(out, t->seen.model);
    weir_buf_addz(out, ",\"responseId\":");
    weir_buf_add_json(out, t->id);
    weir_buf_addz(out, "}\n\n");
}
