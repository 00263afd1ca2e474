/* embeddings.c - OpenAI's embeddings: read and metered; bytes pass, in whatever coding they come,
 * where the provider has the same API. */
#include "dataplane/llm/chat.h"
#include "dataplane/llm/embed.h"

/* Texts, lists of tokens, or objects that hold media: every part is counted as a message, and what
 * is no text or token as a picture. */
static bool read_input(struct weir_llm_decoder *d)
{
    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY)) {
        d->call->messages++;
        return weir_json_skip(&d->j, NULL);
    }
    while (weir_json_element(&d->j)) {
        enum weir_json_type type = weir_json_peek(&d->j);

        d->call->messages += type == WEIR_JSON_STRING || type == WEIR_JSON_ARRAY;
        d->call->images += type == WEIR_JSON_OBJECT;
        if (!weir_json_skip(&d->j, NULL))
            return false;
    }
    return !d->j.fault;
}

static bool read_coding(struct weir_llm_decoder *d)
{
    struct weir_str coding;

    if (weir_json_peek(&d->j) != WEIR_JSON_STRING)
        return weir_json_skip(&d->j, NULL); /* its provider judges it */
    if (!weir_json_string(&d->j, &coding))
        return false;
    d->call->base64 = weir_json_is(coding, "base64");
    return true;
}

static const struct weir_llm_field fields[] = {
    {"model", weir_llm_read_model},       {"input", read_input},
    {"messages", weir_llm_read_messages}, /* vLLM's */
    {"user", weir_chat_read_user},        {"encoding_format", read_coding},
};

/* ---- as a canonical call ---- */

static bool canon_input(struct weir_canon_in *in)
{
    static const char why[] =
        "\"input\" must be texts: tokens, and whatever else it may hold, mean "
        "nothing to another provider's model";
    struct weir_str text;

    weir_embed_of(in);
    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return weir_json_string(&in->j, &text) ? weir_embed_add(in, text)
                                               : weir_canon_wrong(in, in->j.p, why);
    while (weir_json_element(&in->j))
        if (!weir_json_string(&in->j, &text))
            return weir_canon_wrong(in, in->j.p, why);
        else if (!weir_embed_add(in, text))
            return false;
    return !in->j.fault;
}

static bool canon_dimensions(struct weir_canon_in *in)
{
    return weir_canon_number(in, &weir_embed_of(in)->dimensions);
}

/* Not OpenAI's own: servers and libraries have it for models that want to know. */
static bool canon_purpose(struct weir_canon_in *in)
{
    static const struct {
        const char *word;
        enum weir_embed_purpose purpose;
    } words[] = {{"query", WEIR_EMBED_QUERY},
                 {"search_query", WEIR_EMBED_QUERY},
                 {"document", WEIR_EMBED_DOCUMENT},
                 {"passage", WEIR_EMBED_DOCUMENT},
                 {"search_document", WEIR_EMBED_DOCUMENT},
                 {"classification", WEIR_EMBED_CLASSIFICATION},
                 {"clustering", WEIR_EMBED_CLUSTERING}};
    struct weir_str text;

    if (!weir_canon_text(in, &text))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (weir_json_is(text, words[i].word)) {
            weir_embed_of(in)->purpose = words[i].purpose;
            return true;
        }
    if (text.n)
        weir_canon_in_loses(in, "", WEIR_STR("input_type"), false);
    return true;
}

static const struct weir_canon_field canon[] = {
    {"model", NULL, WEIR_FIELD_ELSEWHERE},
    {"user", NULL, WEIR_FIELD_ELSEWHERE},
    {"encoding_format", NULL, WEIR_FIELD_ELSEWHERE},
    {"input", canon_input, WEIR_FIELD_READ},
    {"dimensions", canon_dimensions, WEIR_FIELD_READ},
    {"input_type", canon_purpose, WEIR_FIELD_READ},
};

static void write_call(struct weir_canon_out *o)
{
    weir_embed_put_texts(o, "input");
    weir_jw_z(&o->w, "encoding_format", "float");
    weir_canon_put_json(&o->w, "dimensions", o->call->embed->dimensions);
    weir_embed_lose_purpose(o);
    weir_embed_lose_title(o);
}

static bool read_vectors(struct weir_str document, struct weir_arena *a,
                         struct weir_embed_answer *out)
{
    struct weir_str data = WEIR_STR_NULL, model = data, one, vector;
    const struct weir_canon_want want[] = {{"data", &data}, {"model", &model}};
    const struct weir_canon_want of[] = {{"embedding", &vector}};
    struct weir_json j;

    weir_json_init(&j, weir_canon_find(document, want, 2) ? data : WEIR_STR_NULL);
    if (!data.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return false;
    while (weir_json_element(&j) && weir_json_skip(&j, &one)) {
        vector = WEIR_STR_NULL;
        if (!weir_canon_find(one, of, 1) || !weir_embed_add_vector(out, a, vector))
            return false;
    }
    out->model = weir_canon_string(model);
    return !j.fault;
}

static void write_vectors(struct weir_embed_writer *e, const struct weir_embed_answer *a)
{
    int64_t input = weir_llm_known(e->usage->input);

    weir_jw_object(&e->w, NULL);
    weir_jw_z(&e->w, "object", "list");
    weir_jw_array(&e->w, "data");
    for (size_t i = 0; i < a->count; i++) {
        weir_jw_object(&e->w, NULL);
        weir_jw_z(&e->w, "object", "embedding");
        weir_jw_i64(&e->w, "index", (int64_t)i);
        weir_embed_put_vector(e, "embedding", a->vectors[i], e->base64);
        weir_jw_end_object(&e->w);
    }
    weir_jw_end_array(&e->w);
    weir_canon_put(&e->w, "model", a->model);
    weir_jw_object(&e->w, "usage");
    weir_jw_i64(&e->w, "prompt_tokens", input);
    weir_jw_i64(&e->w, "total_tokens", input);
    weir_jw_end_object(&e->w);
    weir_jw_end_object(&e->w);
}

const struct weir_llm_ops weir_llm_embeddings_ops = {
    .name = "openai",
    .call = "embeddings",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .family = WEIR_DIALECT_OPENAI_CHAT,
    .no_output = true,
    .openai = true,
    .event = weir_chat_event,
    .usage = weir_chat_usage,
    .paths =
        {
            [WEIR_DOC_USAGE] = {{"usage"}},
            [WEIR_DOC_MODEL] = {{"model"}},
            [WEIR_DOC_FINISH] = {{"finish_reason"}},
            [WEIR_DOC_CONTENT] = {{"data"}},
            [WEIR_DOC_ERROR] = {{"error"}},
        },
    .error_body = weir_chat_error_body,
    .fail = weir_chat_fail,
    .keepalive = {": keep-alive\n\n", 14},
    .model = weir_chat_model,
    .models = weir_chat_models,
    .canon_fields = canon,
    .canon_field_count = sizeof canon / sizeof *canon,
    .write_call = write_call,
    .read_vectors = read_vectors,
    .write_vectors = write_vectors,
};
