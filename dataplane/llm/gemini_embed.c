/* gemini_embed.c - what Gemini's requests for embeddings ask for: one content, or a list of such
 * requests that each repeat the model of the path. */
#include "dataplane/llm/gemini.h"

/* A list that grows in the arena. */
static void keep_model(struct weir_llm_decoder *d, struct weir_llm_span at)
{
    struct weir_llm_call *c = d->call;
    struct weir_llm_span *list = (struct weir_llm_span *)(uintptr_t)c->models_at;

    /* Full at each power of two. */
    if ((c->models_count & (c->models_count - 1)) == 0) {
        size_t room = c->models_count ? 2 * c->models_count : 1;

        list = weir_arena_alloc(d->arena, room * sizeof *list);
        if (c->models_count)
            memcpy(list, c->models_at, c->models_count * sizeof *list);
        c->models_at = list;
    }
    list[c->models_count++] = at;
}

static bool read_request(struct weir_llm_decoder *d)
{
    struct weir_llm_span at;
    struct weir_str key;
    bool named = false;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        if (weir_json_is(key, "content")) {
            if (!weir_gemini_count_content(d))
                return false;
        } else if (!weir_json_is(key, "model")) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
        } else if (named) {
            return weir_llm_wrong(d, d->j.p, "a field occurs twice");
        } else {
            if (!weir_gemini_same_model(d, &at))
                return false;
            named = true;
            keep_model(d, at);
        }
    }
    return !d->j.fault;
}

static bool read_requests(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;

    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL) && weir_llm_wrong(d, at, "\"requests\" must be a list");
    while (weir_json_element(&d->j))
        if (!read_request(d))
            return false;
    return !d->j.fault;
}

static bool read_model(struct weir_llm_decoder *d)
{
    return weir_gemini_same_model(d, &d->call->model_at);
}

const struct weir_llm_field weir_gemini_embed_fields[WEIR_GEMINI_EMBED_FIELDS] = {
    {"content", weir_gemini_count_content},
    {"model", read_model},
};

const struct weir_llm_field weir_gemini_embed_batch_fields[WEIR_GEMINI_EMBED_BATCH_FIELDS] = {
    {"requests", read_requests},
};
