/* gemini_request.c - what a Gemini request asks for. Google reads every name in camel case and with
 * underscores: both count as the same one. */
#include "dataplane/llm/gemini.h"

enum { PART_LEVELS = 4 };

/* Bits of weir_llm_decoder.seen above those of the fields' table. */
enum { SEEN_CONFIG = 24, SEEN_LIMIT, SEEN_COUNT, SEEN_THINKING, SEEN_MODEL };

static bool once(struct weir_llm_decoder *d, unsigned bit)
{
    if (d->seen >> bit & 1)
        return weir_llm_wrong(d, d->j.p, "a field occurs twice");
    d->seen |= 1U << bit;
    return true;
}

static bool is(struct weir_str key, const char *camel, const char *snake)
{
    return weir_json_is(key, camel) || weir_json_is(key, snake);
}

/* ---- contents ---- */

struct media {
    struct weir_str mime;
    size_t bytes; /* of inline data */
};

static bool read_media(struct weir_llm_decoder *d, struct media *m)
{
    struct weir_str key, raw;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        if (weir_json_peek(&d->j) != WEIR_JSON_STRING) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
            continue;
        }
        if (!weir_json_string(&d->j, &raw))
            return false;
        if (is(key, "mimeType", "mime_type"))
            m->mime = raw;
        else if (weir_json_is(key, "data"))
            m->bytes = raw.n;
    }
    return !d->j.fault;
}

static void count_media(struct weir_llm_decoder *d, const struct media *m, bool named)
{
    if (weir_str_starts(m->mime, WEIR_STR("image/"))) {
        d->call->images++;
        d->image_bytes += m->bytes;
    } else {
        d->call->files++;
        d->named_files += named;
    }
}

static bool read_parts(struct weir_llm_decoder *d, unsigned depth);

static bool read_response(struct weir_llm_decoder *d, unsigned depth)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "parts") ? read_parts(d, depth + 1) : weir_json_skip(&d->j, NULL)))
            return false;
    return !d->j.fault;
}

static bool read_part(struct weir_llm_decoder *d, unsigned depth)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool data = is(key, "inlineData", "inline_data");
        bool file = is(key, "fileData", "file_data");
        struct media m = {0};

        if (!(data || file                                       ? read_media(d, &m)
              : is(key, "functionResponse", "function_response") ? read_response(d, depth)
                                                                 : weir_json_skip(&d->j, NULL)))
            return false;
        if (data || file)
            count_media(d, &m, file);
    }
    return !d->j.fault;
}

static bool read_parts(struct weir_llm_decoder *d, unsigned depth)
{
    if (depth > PART_LEVELS || !weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j))
        if (!read_part(d, depth))
            return false;
    return !d->j.fault;
}

bool weir_gemini_count_content(struct weir_llm_decoder *d)
{
    struct weir_str key;

    d->call->messages++;
    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "parts") ? read_parts(d, 0) : weir_json_skip(&d->j, NULL)))
            return false;
    return !d->j.fault;
}

static bool read_contents(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;

    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL) && weir_llm_wrong(d, at, "\"contents\" must be a list");
    while (weir_json_element(&d->j))
        if (!weir_gemini_count_content(d))
            return false;
    return !d->j.fault;
}

/* ---- tools ---- */

/* One that Google runs is known by its key, as its own pages write it: "googleSearch". */
static void offer_by_key(struct weir_llm_decoder *d, struct weir_str key)
{
    struct weir_llm_offer *o = weir_llm_offer(d, key);
    char *camel;
    size_t n = 0;

    if (!o)
        return;
    camel = weir_arena_alloc(d->arena, o->name.n);
    for (size_t i = 0; i < o->name.n; i++) {
        const char *p = o->name.p + i;
        bool up = *p == '_' && i + 1 < o->name.n && p[1] >= 'a' && p[1] <= 'z';

        camel[n++] = up ? (char)(p[1] - 'a' + 'A') : *p;
        i += up;
    }
    o->name = (struct weir_str){camel, n};
}

static bool read_tools(struct weir_llm_decoder *d)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j)) {
        d->call->tools++;
        if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT)) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
            continue;
        }
        while (weir_json_member(&d->j, &key)) {
            bool functions = is(key, "functionDeclarations", "function_declarations");

            if (!functions)
                offer_by_key(d, key);
            if (!(functions ? weir_llm_read_tools(d) : weir_json_skip(&d->j, NULL)))
                return false;
        }
    }
    return !d->j.fault;
}

/* ---- generationConfig ---- */

static bool read_thinking(struct weir_llm_decoder *d)
{
    struct weir_str key;
    int64_t budget = -1; /* which is also what the wire has for "as you like" */

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(is(key, "thinkingBudget", "thinking_budget")
                  ? weir_llm_read_int(d, -1, INT32_MAX, &budget, NULL)
                  : weir_json_skip(&d->j, NULL)))
            return false;
    d->call->no_reasoning = budget == 0;
    d->call->reasoning_tokens = budget > 0 ? budget : 0;
    return !d->j.fault;
}

static bool read_setting(struct weir_llm_decoder *d, struct weir_str key)
{
    if (is(key, "maxOutputTokens", "max_output_tokens"))
        return once(d, SEEN_LIMIT) && weir_llm_read_max(d, 0);
    if (is(key, "candidateCount", "candidate_count"))
        return once(d, SEEN_COUNT) && weir_llm_read_int(d, 1, 128, &d->call->n, NULL);
    if (is(key, "thinkingConfig", "thinking_config"))
        return once(d, SEEN_THINKING) && read_thinking(d);
    return weir_json_skip(&d->j, NULL);
}

static bool read_config(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    struct weir_str key;
    bool empty = true;

    if (!once(d, SEEN_CONFIG))
        return false;
    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL) &&
               weir_llm_wrong(d, at, "\"generationConfig\" must be an object");
    d->call->limit_object_at = (size_t)(at - d->body.p);
    while (weir_json_member(&d->j, &key)) {
        empty = false;
        if (!read_setting(d, key))
            return false;
    }
    d->call->limit_object_empty = empty;
    return !d->j.fault;
}

/* ---- the rest ---- */

bool weir_gemini_same_model(struct weir_llm_decoder *d, struct weir_llm_span *out)
{
    static const struct weir_str prefix = WEIR_STR_INIT("models/");
    const char *at = d->j.p;
    struct weir_str raw, name;
    char *text;

    if (weir_json_peek(&d->j) != WEIR_JSON_STRING)
        return weir_json_skip(&d->j, NULL) && weir_llm_wrong(d, at, "\"model\" must be a string");
    if (!weir_json_string(&d->j, &raw))
        return false;
    text = weir_arena_alloc(d->arena, raw.n + 1);
    name = (struct weir_str){text, weir_json_unescape(raw, text)};
    if (weir_str_starts(name, prefix))
        name = (struct weir_str){name.p + prefix.n, name.n - prefix.n};
    if (!weir_str_eq(name, d->call->model))
        return weir_llm_wrong(d, at, "\"model\" is another one than the path's");
    *out = (struct weir_llm_span){(size_t)(at - d->body.p), raw.n + 2};
    return true;
}

static bool read_model(struct weir_llm_decoder *d)
{
    return once(d, SEEN_MODEL) && weir_gemini_same_model(d, &d->call->model_at);
}

static bool read_system(struct weir_llm_decoder *d)
{
    return weir_gemini_count_content(d);
}

/* Of countTokens: a whole request in it, whose contents nobody bills. */
static bool read_request(struct weir_llm_decoder *d)
{
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key))
        if (!(weir_json_is(key, "model") ? read_model(d) : weir_json_skip(&d->j, NULL)))
            return false;
    return !d->j.fault;
}

/* It stands for contents that nobody here has seen. */
static bool read_cached(struct weir_llm_decoder *d)
{
    d->call->files++;
    d->named_files++;
    return weir_json_skip(&d->j, NULL);
}

const struct weir_llm_field weir_gemini_fields[WEIR_GEMINI_FIELDS] = {
    {"contents", read_contents},
    {"generationConfig", read_config},
    {"generation_config", read_config},
    {"systemInstruction", read_system},
    {"system_instruction", read_system},
    {"tools", read_tools},
    {"model", read_model},
    {"store", weir_llm_read_store},
    {"cachedContent", read_cached},
    {"cached_content", read_cached},
    {"generateContentRequest", read_request},
    {"generate_content_request", read_request},
};
