/* gemini_embed.c - what Gemini's requests for embeddings ask for: one content, or a list of such
 * requests that each repeat the model of the path. */
#include "dataplane/llm/embed.h"
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

/* ---- as a canonical call ---- */

static const struct {
    const char *word;
    enum weir_embed_purpose purpose;
} tasks[] = {{"RETRIEVAL_QUERY", WEIR_EMBED_QUERY},
             {"RETRIEVAL_DOCUMENT", WEIR_EMBED_DOCUMENT},
             {"CLASSIFICATION", WEIR_EMBED_CLASSIFICATION},
             {"CLUSTERING", WEIR_EMBED_CLUSTERING},
             {"SEMANTIC_SIMILARITY", WEIR_EMBED_SIMILARITY},
             /* Questions of a kind: what they are compared with is embedded as documents. */
             {"QUESTION_ANSWERING", WEIR_EMBED_QUERY},
             {"FACT_VERIFICATION", WEIR_EMBED_QUERY},
             {"CODE_RETRIEVAL_QUERY", WEIR_EMBED_QUERY}};

static struct weir_embed_call *embed_of(struct weir_canon_in *in)
{
    bool is_new = !in->call->embed;
    struct weir_embed_call *e = weir_embed_of(in);

    if (is_new) {
        e->input_field = "contents";
        e->dimensions_field = "outputDimensionality";
        e->purpose_field = "taskType";
    }
    return e;
}

static bool keep_task(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_embed_call *e = embed_of(in);
    enum weir_embed_purpose purpose = WEIR_EMBED_UNSET;
    struct weir_str word;

    if (!weir_canon_inner(in, raw, &word))
        return false;
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (weir_json_is(word, tasks[i].word))
            purpose = tasks[i].purpose;
    if (word.n && !weir_json_is(word, "TASK_TYPE_UNSPECIFIED") &&
        (purpose == WEIR_EMBED_UNSET || (e->purpose && e->purpose != purpose)))
        weir_canon_in_loses(in, "", WEIR_STR("taskType"), false);
    if (!e->purpose)
        e->purpose = purpose;
    return true;
}

static bool keep_dimensions(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_embed_call *e = embed_of(in);
    int64_t n;

    if (!raw.p)
        return true;
    if (weir_json_i64(raw, &n))
        return weir_canon_wrong(in, raw.p, "\"outputDimensionality\" must be a whole number");
    if (e->dimensions.p && !weir_str_eq(e->dimensions, raw))
        return weir_canon_wrong(in, raw.p,
                                "requests that want different \"outputDimensionality\" can't be "
                                "one call to another provider");
    e->dimensions = raw;
    return true;
}

static bool keep_title(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_embed_call *e = embed_of(in);
    struct weir_str text;

    if (!weir_canon_inner(in, raw, &text))
        return false;
    if (text.n && e->title.p && !weir_str_eq(text, e->title))
        weir_canon_in_loses(in, "", WEIR_STR("title"), false);
    if (text.n && !e->title.p)
        e->title = text;
    return true;
}

/* All texts of a content are one input. */
static bool keep_content(struct weir_canon_in *in, struct weir_str content)
{
    struct weir_str parts = WEIR_STR_NULL, role = parts, part, all = parts;
    const struct weir_canon_want want[] = {{"parts", &parts}, {"role", &role}};
    struct weir_json j;

    embed_of(in);
    if (!content.p || !weir_canon_pick(in, content, want, 2, "content."))
        return content.p || weir_canon_wrong(in, in->j.p, "\"content\" is missing");
    weir_json_init(&j, parts);
    if (!parts.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, content.p, "\"parts\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &part)) {
        struct weir_str text = WEIR_STR_NULL;
        const struct weir_canon_want of[] = {{"text", &text}};

        if (!weir_canon_pick(in, part, of, 1, "content.parts.") ||
            !weir_canon_inner(in, text, &text))
            return false;
        if (text.p)
            all = all.p ? weir_arena_join(in->arena,
                                          (struct weir_str[]){all, WEIR_STR("\\n"), text}, 3)
                        : text;
    }
    if (!all.p)
        return weir_canon_wrong(in, content.p,
                                "a content without text can't be embedded by another provider");
    return weir_embed_add(in, all);
}

static bool canon_content(struct weir_canon_in *in)
{
    struct weir_str raw;

    return weir_canon_json(in, &raw) && keep_content(in, raw);
}

static bool canon_task(struct weir_canon_in *in)
{
    struct weir_str raw;

    return weir_canon_json(in, &raw) && keep_task(in, raw);
}

static bool canon_dimensions(struct weir_canon_in *in)
{
    struct weir_str raw;

    return weir_canon_json(in, &raw) && keep_dimensions(in, raw);
}

static bool canon_title(struct weir_canon_in *in)
{
    struct weir_str raw;

    return weir_canon_json(in, &raw) && keep_title(in, raw);
}

static bool canon_requests(struct weir_canon_in *in)
{
    struct weir_str raw;

    embed_of(in);
    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, in->j.p, "\"requests\" must be a list");
    while (weir_json_element(&in->j) && weir_json_skip(&in->j, &raw)) {
        struct weir_str content = WEIR_STR_NULL, model = content, task = content, title = content,
                        dimensions = content;
        const struct weir_canon_want want[] = {{"content", &content},
                                               {"model", &model},
                                               {"taskType", &task},
                                               {"task_type", &task},
                                               {"title", &title},
                                               {"outputDimensionality", &dimensions},
                                               {"output_dimensionality", &dimensions}};

        if (!weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "requests.") ||
            !keep_content(in, content) || !keep_task(in, task) || !keep_title(in, title) ||
            !keep_dimensions(in, dimensions))
            return false;
    }
    return !in->j.fault;
}

const struct weir_canon_field weir_gemini_embed_canon[WEIR_GEMINI_EMBED_CANON] = {
    {"content", canon_content, WEIR_FIELD_READ},
    {"model", NULL, WEIR_FIELD_ELSEWHERE},
    {"taskType", canon_task, WEIR_FIELD_READ},
    {"task_type", canon_task, WEIR_FIELD_READ},
    {"title", canon_title, WEIR_FIELD_READ},
    {"outputDimensionality", canon_dimensions, WEIR_FIELD_READ},
    {"output_dimensionality", canon_dimensions, WEIR_FIELD_READ},
};

const struct weir_canon_field weir_gemini_embed_batch_canon[WEIR_GEMINI_EMBED_BATCH_CANON] = {
    {"requests", canon_requests, WEIR_FIELD_READ},
};

/* ---- towards Gemini ---- */

static const char *task_of(enum weir_embed_purpose purpose)
{
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
        if (tasks[i].purpose == purpose)
            return tasks[i].word;
    return NULL;
}

/* Always as a batch. */
void weir_gemini_write_embed(struct weir_canon_out *o)
{
    const struct weir_embed_call *e = o->call->embed;
    const char *task = task_of(e->purpose);

    weir_jw_array(&o->w, "requests");
    for (size_t i = 0; i < e->count; i++) {
        weir_jw_object(&o->w, NULL);
        weir_jw_raw(&o->w, "model", WEIR_STR(WEIR_LLM_MODEL_HERE));
        weir_jw_object(&o->w, "content");
        weir_jw_array(&o->w, "parts");
        weir_jw_object(&o->w, NULL);
        weir_canon_put(&o->w, "text", e->texts[i]);
        weir_jw_end_object(&o->w);
        weir_jw_end_array(&o->w);
        weir_jw_end_object(&o->w);
        if (task)
            weir_jw_z(&o->w, "taskType", task);
        weir_canon_put(&o->w, "title", e->title);
        weir_canon_put_json(&o->w, "outputDimensionality", e->dimensions);
        weir_jw_end_object(&o->w);
    }
    weir_jw_end_array(&o->w);
    weir_embed_lose_user(o);
}

static bool add_values(struct weir_embed_answer *out, struct weir_arena *a, struct weir_str raw)
{
    struct weir_str values = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"values", &values}};

    return weir_canon_find(raw, want, 1) && weir_embed_add_vector(out, a, values);
}

bool weir_gemini_read_vectors(struct weir_str document, struct weir_arena *a,
                              struct weir_embed_answer *out)
{
    struct weir_str one = WEIR_STR_NULL, many = one, raw;
    const struct weir_canon_want want[] = {{"embedding", &one}, {"embeddings", &many}};
    struct weir_json j;

    if (!weir_canon_find(document, want, 2))
        return false;
    if (one.n)
        return add_values(out, a, one);
    weir_json_init(&j, many);
    if (!many.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return false;
    while (weir_json_element(&j) && weir_json_skip(&j, &raw))
        if (!add_values(out, a, raw))
            return false;
    return !j.fault;
}

static void put_values(struct weir_embed_writer *e, const char *key, struct weir_str vector)
{
    weir_jw_object(&e->w, key);
    weir_embed_put_vector(e, "values", vector, false);
    weir_jw_end_object(&e->w);
}

static void end_answer(struct weir_embed_writer *e)
{
    weir_jw_object(&e->w, "usageMetadata");
    weir_jw_i64(&e->w, "promptTokenCount", weir_llm_known(e->usage->input));
    weir_jw_end_object(&e->w);
    weir_jw_end_object(&e->w);
}

void weir_gemini_write_vector(struct weir_embed_writer *e, const struct weir_embed_answer *a)
{
    weir_jw_object(&e->w, NULL);
    put_values(e, "embedding", a->vectors[0]);
    end_answer(e);
}

void weir_gemini_write_vectors(struct weir_embed_writer *e, const struct weir_embed_answer *a)
{
    weir_jw_object(&e->w, NULL);
    weir_jw_array(&e->w, "embeddings");
    for (size_t i = 0; i < a->count; i++)
        put_values(e, NULL, a->vectors[i]);
    weir_jw_end_array(&e->w);
    end_answer(e);
}
