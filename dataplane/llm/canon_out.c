/* canon_out.c - see canon_out.h. */
#include "dataplane/llm/canon_out.h"

#include <stdlib.h>

#include "base/mem.h"
#include "data/json_scan.h"

static void quote_begins(struct weir_jw *w, const char *key)
{
    weir_jw_raw(w, key, WEIR_STR("\""));
}

static void quote_ends(struct weir_jw *w)
{
    weir_buf_add(w->b, "\"", 1);
}

void weir_canon_out_limit_here(struct weir_canon_out *o)
{
    o->limit_at = o->w.b->n;
    o->limit_comma = o->w.comma;
}

void weir_canon_put(struct weir_jw *w, const char *key, struct weir_str escaped)
{
    if (!escaped.p)
        return;
    quote_begins(w, key);
    weir_buf_adds(w->b, escaped);
    quote_ends(w);
}

void weir_canon_put_json(struct weir_jw *w, const char *key, struct weir_str json)
{
    if (json.p)
        weir_jw_raw(w, key, json);
}

void weir_canon_put_url(struct weir_jw *w, const char *key, const struct weir_canon_part *p)
{
    if (!p->data.p) {
        weir_canon_put(w, key, p->url);
        return;
    }
    quote_begins(w, key);
    weir_buf_addz(w->b, "data:");
    weir_buf_adds(w->b, p->mime);
    weir_buf_addz(w->b, ";base64,");
    weir_buf_adds(w->b, p->data);
    quote_ends(w);
}

void weir_canon_put_signature(struct weir_jw *w, const char *key, struct weir_str signature,
                              enum weir_dialect signer, enum weir_dialect to)
{
    quote_begins(w, key);
    if (signer != to) {
        weir_buf_addz(w->b, "weir.");
        weir_buf_addz(w->b, weir_dialect_name(signer));
        weir_buf_addz(w->b, ".");
    }
    weir_buf_adds(w->b, signature);
    quote_ends(w);
}

void weir_canon_put_stops(struct weir_canon_out *o, const char *key)
{
    if (o->call->stop_count == 0)
        return;
    weir_jw_array(&o->w, key);
    for (size_t i = 0; i < o->call->stop_count; i++)
        weir_canon_put(&o->w, NULL, o->call->stops[i]);
    weir_jw_end_array(&o->w);
}

void weir_canon_put_arguments(struct weir_jw *w, const char *key, struct weir_str escaped)
{
    char *bytes = weir_alloc(escaped.n + 1);
    struct weir_str plain = {bytes, weir_json_unescape(escaped, bytes)};

    plain = weir_str_trim(plain);
    if (plain.n == 0) {
        weir_jw_raw(w, key, WEIR_STR("{}"));
    } else if (plain.p[0] == '{' && weir_json_check(plain, NULL) == WEIR_OK) {
        weir_jw_raw(w, key, plain);
    } else {
        weir_jw_object(w, key);
        weir_canon_put(w, "INVALID_JSON", escaped);
        weir_jw_end_object(w);
    }
    free(bytes);
}

bool weir_canon_out_can_reason(const struct weir_canon_out *o, const struct weir_canon_part *p)
{
    return p->signer == o->to && p->signature.n;
}

bool weir_canon_out_says_something(const struct weir_canon_out *o,
                                   const struct weir_canon_message *m)
{
    for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
        bool text = p->kind == WEIR_PART_TEXT || p->kind == WEIR_PART_REFUSAL;

        if (text ? p->text.n > 0
                 : p->kind != WEIR_PART_REASONING || weir_canon_out_can_reason(o, p))
            return true;
    }
    return false;
}

const struct weir_canon_message *
weir_canon_out_system(struct weir_canon_out *o,
                      void (*write_parts)(struct weir_canon_out *, const struct weir_canon_part *))
{
    const struct weir_canon_message *m = o->call->messages;
    bool open = false;

    for (; m && m->role == WEIR_ROLE_SYSTEM; m = m->next) {
        if (!weir_canon_out_says_something(o, m))
            continue;
        if (!open)
            weir_jw_array(&o->w, "system");
        open = true;
        write_parts(o, m->parts);
    }
    if (open)
        weir_jw_end_array(&o->w);
    return m;
}

/* Writers name what is lost as OpenAI and Anthropic do; other clients know it by other names. */
static const char *own_name(enum weir_dialect d, const char *name)
{
    static const struct {
        const char *name, *gemini, *bedrock;
    } names[] = {
        {"temperature", "generationConfig.temperature", "inferenceConfig.temperature"},
        {"top_k", "generationConfig.topK", "additionalModelRequestFields.top_k"},
        {"n", "generationConfig.candidateCount", NULL},
        {"service_tier", "serviceTier", "serviceTier"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *own = d == WEIR_DIALECT_GEMINI    ? names[i].gemini
                          : d == WEIR_DIALECT_BEDROCK ? names[i].bedrock
                                                      : NULL;

        if (own && strcmp(name, names[i].name) == 0)
            return own;
    }
    return name;
}

void weir_canon_out_loses(struct weir_canon_out *o, const char *name, bool hint)
{
    name = own_name(o->call->dialect, name);
    weir_canon_lose(o->call, o->arena, weir_str_of(name), hint);
}

void weir_canon_out_loses_part(struct weir_canon_out *o, enum weir_canon_lost what, bool hint)
{
    static const char *const names[WEIR_DIALECT_COUNT][WEIR_LOST_COUNT] = {
        [WEIR_DIALECT_OPENAI_CHAT] = {"messages.reasoning_content", "user", "stop",
                                      "response_format.json_object",
                                      "messages.content.image_url.detail", NULL, "prompt_cache_key",
                                      "verbosity"},
        [WEIR_DIALECT_ANTHROPIC_MESSAGES] = {"messages.content.thinking", "metadata.user_id",
                                             "stop_sequences", NULL, NULL,
                                             "messages.content.source.url", NULL, NULL},
        [WEIR_DIALECT_OPENAI_RESPONSES] = {"input.reasoning", "user", NULL,
                                           "text.format.json_object", "input.content.detail",
                                           "input.content.file_url", "prompt_cache_key",
                                           "text.verbosity"},
        [WEIR_DIALECT_GEMINI] = {"contents.parts.thought", NULL, "generationConfig.stopSequences",
                                 "generationConfig.responseMimeType", NULL,
                                 "contents.parts.fileData", NULL, NULL},
        [WEIR_DIALECT_BEDROCK] = {"messages.content.reasoningContent", NULL,
                                  "inferenceConfig.stopSequences", NULL, NULL, NULL, NULL, NULL},
    };
    const char *name = names[o->call->dialect][what];

    weir_canon_out_loses(o, name ? name : names[WEIR_DIALECT_OPENAI_CHAT][what], hint);
}

void weir_canon_out_loses_cache(struct weir_canon_out *o, enum weir_canon_cache cache)
{
    enum weir_dialect d = o->call->dialect;

    if (cache != WEIR_CACHE_NONE)
        weir_canon_out_loses(o,
                             d == WEIR_DIALECT_ANTHROPIC_MESSAGES ? "cache_control"
                             : d == WEIR_DIALECT_BEDROCK          ? "cachePoint"
                                                                  : "prompt_cache_breakpoint",
                             true);
}
