#include "dataplane/llm/chat.h"

enum { CONTENT_LEVELS = 6 };

static void read_details(struct weir_llm_tap *t, struct weir_str raw, int64_t *audio)
{
    struct weir_usage *u = &t->seen.usage;
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (weir_json_is(key, "cached_tokens"))
            weir_llm_keep_tokens(&u->cache_read, value);
        else if (weir_json_is(key, "cache_write_tokens"))
            weir_llm_keep_tokens(&u->cache_write, value);
        else if (weir_json_is(key, "reasoning_tokens"))
            weir_llm_keep_tokens(&u->reasoning, value);
        else if (weir_json_is(key, "audio_tokens"))
            weir_llm_keep_tokens(audio, value);
    }
}

/* What else servers call the details, and the cached tokens (DeepSeek, Mistral). */
static void read_cached(struct weir_llm_tap *t, struct weir_str key, struct weir_str value)
{
    if (weir_json_is(key, "prompt_tokens_details") || weir_json_is(key, "prompt_token_details"))
        read_details(t, value, &t->seen.usage.audio_input);
    else if (weir_json_is(key, "completion_tokens_details"))
        read_details(t, value, &t->seen.usage.audio_output);
    else if (weir_json_is(key, "prompt_cache_hit_tokens") || weir_json_is(key, "num_cached_tokens"))
        weir_llm_keep_tokens(&t->seen.usage.cache_read, value);
}

/* Cached and reasoning tokens are parts of the totals here: as in weir_llm_usage. Where reasoning
 * stands beside the completion instead, the sum of all says so. */
void weir_chat_usage(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_usage *u = &t->seen.usage;
    struct weir_str key, value;
    struct weir_json j;
    int64_t total = -1, output = -1;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value)) {
        if (weir_json_is(key, "prompt_tokens"))
            weir_llm_keep_tokens(&u->input, value);
        else if (weir_json_is(key, "completion_tokens"))
            weir_llm_keep_tokens(&output, value);
        else if (weir_json_is(key, "total_tokens"))
            weir_llm_keep_tokens(&total, value);
        else
            read_cached(t, key, value);
    }
    if (output < 0)
        return;
    u->output = output;
    if (u->reasoning > 0 && u->input >= 0 && total == u->input + output + u->reasoning)
        u->output += u->reasoning;
}

/* The text of {"name","arguments"} or {"name","input"}. */
static size_t call_bytes(struct weir_json *j)
{
    struct weir_str key, raw;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_peek(j) != WEIR_JSON_STRING)
            weir_json_skip(j, NULL);
        else if (weir_json_string(j, &raw))
            n += weir_json_text_bytes(raw);
    }
    return n;
}

static size_t tool_bytes(struct weir_json *j)
{
    struct weir_str key;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_ARRAY)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_element(j)) {
        if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
            weir_json_skip(j, NULL);
            continue;
        }
        while (weir_json_member(j, &key)) {
            if (weir_json_is(key, "function") || weir_json_is(key, "custom"))
                n += call_bytes(j);
            else
                weir_json_skip(j, NULL);
        }
    }
    return n;
}

/* A text, or a list of parts with texts in them (Mistral's reasoning): all strings but a type. */
static size_t text_bytes(struct weir_json *j, unsigned depth)
{
    struct weir_str key, raw;
    size_t n = 0;

    if (weir_json_peek(j) == WEIR_JSON_STRING)
        return weir_json_string(j, &raw) ? weir_json_text_bytes(raw) : 0;
    if (depth < CONTENT_LEVELS && weir_json_enter(j, WEIR_JSON_ARRAY)) {
        while (weir_json_element(j))
            n += text_bytes(j, depth + 1);
    } else if (depth < CONTENT_LEVELS && weir_json_enter(j, WEIR_JSON_OBJECT)) {
        while (weir_json_member(j, &key)) {
            if (weir_json_is(key, "type"))
                weir_json_skip(j, NULL);
            else
                n += text_bytes(j, depth + 1);
        }
    } else {
        weir_json_skip(j, NULL);
    }
    return n;
}

/* Text, reasoning under whatever name, refusals, arguments: every string but the role. */
static size_t delta_bytes(struct weir_json *j)
{
    struct weir_str key, raw;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_is(key, "tool_calls"))
            n += tool_bytes(j);
        else if (weir_json_is(key, "function_call"))
            n += call_bytes(j);
        else if (weir_json_is(key, "content"))
            n += text_bytes(j, 0);
        else if (weir_json_peek(j) != WEIR_JSON_STRING || weir_json_is(key, "role"))
            weir_json_skip(j, NULL);
        else if (weir_json_string(j, &raw))
            n += weir_json_text_bytes(raw);
    }
    return n;
}

bool weir_chat_is_failure(struct weir_str finish)
{
    return weir_json_is(finish, "error") || weir_json_is(finish, "insufficient_system_resource");
}

static void mark(uint64_t *bits, int64_t i)
{
    if (i >= 0 && i < WEIR_LLM_PARTS)
        bits[i / 64] |= 1ULL << i % 64;
}

static size_t read_choice(struct weir_llm_tap *t, struct weir_json *j)
{
    struct weir_str key, raw;
    int64_t index = 0;
    bool finished = false;
    size_t n = 0;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return 0;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_is(key, "delta")) {
            n += delta_bytes(j);
        } else if (weir_json_is(key, "finish_reason") && weir_json_peek(j) == WEIR_JSON_STRING &&
                   weir_json_string(j, &raw)) {
            weir_llm_keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES, raw);
            finished = true;
            if (weir_chat_is_failure(raw) && !t->seen.error)
                weir_llm_keep_error(t, WEIR_STR("\"The generation failed.\""));
        } else if (weir_json_is(key, "text") && weir_json_peek(j) == WEIR_JSON_STRING) {
            if (weir_json_string(j, &raw))
                n += weir_json_text_bytes(raw);
        } else if (weir_json_skip(j, &raw) && weir_json_is(key, "index")) {
            weir_llm_keep_tokens(&index, raw);
        }
    }
    mark(t->parts, index);
    if (finished)
        mark(t->closed, index);
    return n;
}

static void read_choices(struct weir_llm_tap *t, struct weir_json *j)
{
    size_t n = 0;

    t->last_empty = true;
    if (!weir_json_enter(j, WEIR_JSON_ARRAY)) {
        weir_json_skip(j, NULL);
        return;
    }
    while (weir_json_element(j)) {
        t->last_empty = false;
        n += read_choice(t, j);
    }
    weir_llm_count_output(t, n);
}

/* Groq tells a stream's usage here, beside the last choice. */
static void read_groq(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &value))
        if (weir_json_is(key, "usage"))
            weir_chat_usage(t, value);
}

static void read_member(struct weir_llm_tap *t, struct weir_json *j, struct weir_str key,
                        bool *usage)
{
    struct weir_str raw;

    if (weir_json_is(key, "choices")) {
        read_choices(t, j);
    } else if (!weir_json_skip(j, &raw)) {
        return;
    } else if (weir_json_is(key, "usage")) {
        *usage = raw.n && raw.p[0] == '{';
        weir_chat_usage(t, raw);
    } else if (weir_json_is(key, "x_groq")) {
        read_groq(t, raw);
    } else if (weir_json_is(key, "error") && !weir_str_is(raw, "null")) {
        weir_llm_keep_error(t, raw);
    } else if (!t->begun && raw.n > 2 && raw.p[0] == '"') {
        struct weir_str text = {raw.p + 1, raw.n - 2};

        if (weir_json_is(key, "id"))
            weir_llm_keep(&t->id, t->id_bytes, WEIR_LLM_ID_BYTES, text);
        else if (weir_json_is(key, "model"))
            weir_llm_keep(&t->seen.model, t->model_bytes, WEIR_LLM_MODEL_BYTES, text);
    } else if (!t->begun && weir_json_is(key, "created")) {
        weir_llm_keep_tokens(&t->created_s, raw);
    }
}

bool weir_chat_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct weir_str key;
    struct weir_json j;
    bool usage = false;

    if (weir_str_is(weir_str_trim(e->data), "[DONE]")) {
        t->seen.complete = true;
        return true;
    }
    t->last_empty = false;
    weir_json_init(&j, e->data);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return true;
    while (weir_json_member(&j, &key))
        read_member(t, &j, key, &usage);
    t->begun = t->begun || !t->seen.error;
    return !(usage && t->last_empty && t->conf.hide_usage && !t->seen.error);
}

int weir_chat_add_usage(struct weir_buf *b, const struct weir_usage *u)
{
    int64_t in = u->input > 0 ? u->input : 0, out = u->output > 0 ? u->output : 0;

    weir_buf_addf(b, "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld",
                  (long long)in, (long long)out, (long long)in + out);
    if (u->cache_read >= 0)
        weir_buf_addf(b, ",\"prompt_tokens_details\":{\"cached_tokens\":%lld}",
                      (long long)u->cache_read);
    if (u->reasoning >= 0)
        weir_buf_addf(b, ",\"completion_tokens_details\":{\"reasoning_tokens\":%lld}",
                      (long long)u->reasoning);
    return weir_buf_addz(b, "}");
}

static void chunk_begins(struct weir_llm_tap *t, struct weir_buf *out)
{
    weir_buf_addz(out, "data: {\"id\":");
    weir_buf_add_json(out, t->id);
    weir_buf_addf(out, ",\"object\":\"chat.completion.chunk\",\"created\":%lld,\"model\":",
                  (long long)t->created_s);
    weir_buf_add_json(out, t->seen.model);
    weir_buf_addz(out, ",\"choices\":[");
}

/* Finishes the choices that are still open; the first one says why. */
static void cut_choices(struct weir_llm_tap *t, struct weir_str notice, struct weir_buf *out)
{
    for (unsigned i = 0; i < WEIR_LLM_PARTS; i++) {
        if (!(t->parts[i / 64] >> i % 64 & 1) || t->closed[i / 64] >> i % 64 & 1)
            continue;
        chunk_begins(t, out);
        weir_buf_addf(out, "{\"index\":%u,\"delta\":{", i);
        if (notice.n) {
            weir_buf_addz(out, "\"content\":");
            weir_buf_add_json(out, notice);
            notice.n = 0;
        }
        weir_buf_addz(out, "},\"finish_reason\":\"length\"}]}\n\n");
    }
}

void weir_chat_cut(struct weir_llm_tap *t, struct weir_str notice, const struct weir_usage *usage,
                   struct weir_buf *out)
{
    cut_choices(t, notice, out);
    if (t->conf.client_usage) {
        chunk_begins(t, out);
        weir_buf_addz(out, "],\"usage\":");
        weir_chat_add_usage(out, usage);
        weir_buf_addz(out, "}\n\n");
    }
    weir_buf_addz(out, "data: [DONE]\n\n");
}
