/* converse_read.c - the messages of a Converse request as those of a canonical call. */
#include "dataplane/llm/converse.h"

/* A breakpoint is an element of its own behind what it is for. */
enum weir_canon_cache weir_converse_cache(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str type = WEIR_STR_NULL, ttl = type;
    const struct weir_canon_want want[] = {{"type", &type}, {"ttl", &ttl}};

    if (!weir_canon_pick(in, raw, want, 2, "cachePoint."))
        return WEIR_CACHE_NONE;
    return weir_str_is(ttl, "\"1h\"") ? WEIR_CACHE_HOUR : WEIR_CACHE_SHORT;
}

/* Every kind of block is a member of its own. */
struct block {
    struct weir_str text, image, document, use, result, reasoning, guard, cited, json, cache;
};

static bool pick_block(struct weir_canon_in *in, struct weir_str raw, struct block *b)
{
    const struct weir_canon_want want[] = {
        {"text", &b->text},          {"image", &b->image},
        {"document", &b->document},  {"toolUse", &b->use},
        {"toolResult", &b->result},  {"reasoningContent", &b->reasoning},
        {"guardContent", &b->guard}, {"citationsContent", &b->cited},
        {"json", &b->json},          {"cachePoint", &b->cache}};

    return weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "messages.content.");
}

static bool read_content(struct weir_canon_in *in, struct weir_str raw,
                         struct weir_canon_message *to, bool nested);

static bool add_text(struct weir_canon_in *in, struct weir_str text, struct weir_canon_message *to)
{
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TEXT);

    if (!p || !weir_canon_inner(in, text, &p->text))
        return false;
    weir_canon_append(to, p);
    return true;
}

/* A list of nothing but texts. */
static bool add_texts(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str one, text;
    const struct weir_canon_want want[] = {{"text", &text}};
    struct weir_json j;

    weir_json_init(&j, raw.p ? raw : WEIR_STR("[]"));
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"content\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &one)) {
        text = WEIR_STR_NULL;
        if (!weir_canon_pick(in, one, want, 1, "messages.content.") ||
            (text.p && !add_text(in, text, to)))
            return false;
    }
    return true;
}

/* A value that stands where others have a text. */
static bool add_json(struct weir_canon_in *in, struct weir_str json, struct weir_canon_message *to)
{
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TEXT);
    struct weir_str copy;
    struct weir_buf b;

    if (!p)
        return false;
    weir_buf_init(&b, 6 * json.n + 2);
    weir_buf_add_json(&b, json);
    copy = weir_arena_copy(in->arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    p->text = (struct weir_str){copy.p + 1, copy.n - 2};
    weir_canon_append(to, p);
    return true;
}

/* ---- media ---- */

struct source {
    struct weir_str bytes, text, content, s3;
};

static bool pick_source(struct weir_canon_in *in, struct weir_str raw, struct source *s)
{
    const struct weir_canon_want want[] = {
        {"bytes", &s->bytes}, {"text", &s->text}, {"content", &s->content}, {"s3Location", &s->s3}};

    return weir_canon_pick(in, raw, want, 4, "messages.content.source.");
}

/* Only bytes, or a text, can go elsewhere. */
static bool read_image(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str format = WEIR_STR_NULL, source = format;
    const struct weir_canon_want want[] = {{"format", &format}, {"source", &source}};
    struct weir_canon_part *p;
    struct source s = {0};

    if (!weir_canon_pick(in, raw, want, 2, "messages.content.image.") ||
        !weir_canon_inner(in, format, &format) || !pick_source(in, source, &s))
        return false;
    if (!s.bytes.p) {
        weir_canon_in_loses(in, "messages.content.image.", WEIR_STR("s3Location"), false);
        return true;
    }
    p = weir_canon_new_part(in, WEIR_PART_IMAGE);
    if (!p || !weir_canon_inner(in, s.bytes, &p->data))
        return false;
    p->mime = weir_str_of(weir_arena_printf(in->arena, "image/%.*s", WEIR_STR_ARG(format)));
    weir_canon_append(to, p);
    return true;
}

static bool read_document(struct weir_canon_in *in, struct weir_str raw,
                          struct weir_canon_message *to)
{
    struct weir_str format = WEIR_STR_NULL, name = format, source = format, context = format;
    const struct weir_canon_want want[] = {{"format", &format},
                                           {"name", &name},
                                           {"source", &source},
                                           {"context", &context},
                                           {"citations", NULL}};
    struct weir_canon_part *p;
    struct source s = {0};

    if (!weir_canon_pick(in, raw, want, 5, "messages.content.document.") ||
        !weir_canon_inner(in, format, &format) || !pick_source(in, source, &s) ||
        (context.p && !add_text(in, context, to)))
        return false;
    if (s.text.p)
        return add_text(in, s.text, to);
    if (s.content.p)
        return add_texts(in, s.content, to);
    if (!s.bytes.p) {
        weir_canon_in_loses(in, "messages.content.document.", WEIR_STR("s3Location"), false);
        return true;
    }
    p = weir_canon_new_part(in, WEIR_PART_FILE);
    if (!p || !weir_canon_inner(in, s.bytes, &p->data) || !weir_canon_inner(in, name, &p->name))
        return false;
    p->mime = weir_converse_mime(format);
    weir_canon_append(to, p);
    return true;
}

/* ---- tools ---- */

static bool read_use(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str id = WEIR_STR_NULL, name = id, input = id;
    const struct weir_canon_want want[] = {
        {"toolUseId", &id}, {"name", &name}, {"input", &input}, {"type", NULL}};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TOOL_CALL);

    if (!p || !weir_canon_pick(in, raw, want, 4, "messages.content.toolUse.") ||
        !weir_canon_inner(in, id, &p->id) || !weir_canon_inner(in, name, &p->name))
        return false;
    if (input.p && input.p[0] != '{')
        return weir_canon_wrong(in, input.p, "a tool's \"input\" must be an object");
    p->json = input.p ? input : WEIR_STR("{}");
    weir_canon_append(to, p);
    return true;
}

static bool read_result(struct weir_canon_in *in, struct weir_str raw,
                        struct weir_canon_message *to)
{
    struct weir_str id = WEIR_STR_NULL, content = id, status = id;
    const struct weir_canon_want want[] = {
        {"toolUseId", &id}, {"content", &content}, {"status", &status}, {"type", NULL}};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TOOL_RESULT);
    struct weir_canon_message parts = {0};

    if (!p || !weir_canon_pick(in, raw, want, 4, "messages.content.toolResult.") ||
        !weir_canon_inner(in, id, &p->id) || !weir_canon_inner(in, status, &status) ||
        !read_content(in, content, &parts, true))
        return false;
    p->failed = weir_json_is(status, "error");
    p->parts = parts.parts;
    weir_canon_append(to, p);
    return true;
}

static bool read_reasoning(struct weir_canon_in *in, struct weir_str raw,
                           struct weir_canon_message *to)
{
    struct weir_str inner = WEIR_STR_NULL, redacted = inner, text = inner, signature = inner;
    const struct weir_canon_want want[] = {{"reasoningText", &inner},
                                           {"redactedContent", &redacted}};
    const struct weir_canon_want of_text[] = {{"text", &text}, {"signature", &signature}};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_REASONING);

    if (!p || !weir_canon_pick(in, raw, want, 2, "messages.content.reasoningContent.") ||
        (inner.p && !weir_canon_pick(in, inner, of_text, 2,
                                     "messages.content.reasoningContent.reasoningText.")) ||
        !weir_canon_inner(in, text, &p->text) ||
        !weir_canon_inner(in, redacted.p ? redacted : signature, &signature))
        return false;
    p->redacted = redacted.p != NULL;
    if (p->redacted)
        weir_canon_unwrap_coded(in->arena, signature, WEIR_DIALECT_BEDROCK, &p->signature,
                                &p->signer);
    else
        weir_canon_unwrap(signature, WEIR_DIALECT_BEDROCK, &p->signature, &p->signer);
    weir_canon_append(to, p);
    return true;
}

/* ---- what stands around a text ---- */

/* Its text is a part of the prompt; that a guardrail looks at it is not. */
static bool read_guard(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str outer = WEIR_STR_NULL, image = outer, text = outer;
    const struct weir_canon_want want[] = {{"text", &outer}, {"image", &image}};
    const struct weir_canon_want of_text[] = {{"text", &text}, {"qualifiers", NULL}};

    weir_canon_in_loses(in, "messages.content.", WEIR_STR("guardContent"), false);
    if (!weir_canon_pick(in, raw, want, 2, "messages.content.guardContent.") ||
        (outer.p && !weir_canon_pick(in, outer, of_text, 2, "messages.content.guardContent.")))
        return false;
    if (text.p && !add_text(in, text, to))
        return false;
    return !image.p || read_image(in, image, to);
}

static bool read_cited(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str content = WEIR_STR_NULL;
    const struct weir_canon_want want[] = {{"content", &content}, {"citations", NULL}};

    return weir_canon_pick(in, raw, want, 2, "messages.content.citationsContent.") &&
           add_texts(in, content, to);
}

enum { NESTED_KINDS = 4 }; /* that a tool's result may have */

static bool read_kind(struct weir_canon_in *in, const struct block *b,
                      struct weir_canon_message *to, bool nested)
{
    const struct {
        const char *name;
        struct weir_str raw;
        bool (*read)(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to);
    } kinds[] = {{"text", b->text, add_text},
                 {"image", b->image, read_image},
                 {"document", b->document, read_document},
                 {"json", b->json, add_json},
                 {"toolUse", b->use, read_use},
                 {"toolResult", b->result, read_result},
                 {"reasoningContent", b->reasoning, read_reasoning},
                 {"guardContent", b->guard, read_guard},
                 {"citationsContent", b->cited, read_cited}};

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!kinds[i].raw.p)
            continue;
        if (nested && i >= NESTED_KINDS)
            weir_canon_in_loses(in, "messages.content.toolResult.content.",
                                weir_str_of(kinds[i].name), false);
        else if (!kinds[i].read(in, kinds[i].raw, to))
            return false;
    }
    if (b->cache.p && to->last)
        to->last->cache = weir_converse_cache(in, b->cache);
    return !in->wrong;
}

static bool read_content(struct weir_canon_in *in, struct weir_str raw,
                         struct weir_canon_message *to, bool nested)
{
    struct weir_str one;
    struct weir_json j;

    weir_json_init(&j, raw.p ? raw : WEIR_STR("[]"));
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"content\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &one)) {
        struct block b = {0};

        if (!pick_block(in, one, &b) || !read_kind(in, &b, to, nested))
            return false;
    }
    return true;
}

static bool read_message(struct weir_canon_in *in, struct weir_str raw)
{
    return weir_canon_read_message(in, raw, read_content);
}

bool weir_converse_read_messages(struct weir_canon_in *in)
{
    struct weir_str raw;

    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return weir_json_peek(&in->j) == WEIR_JSON_NULL
                   ? weir_canon_skip(in)
                   : weir_canon_wrong(in, in->j.p, "\"messages\" must be a list");
    while (weir_json_element(&in->j) && weir_json_skip(&in->j, &raw))
        if (!read_message(in, raw))
            return false;
    return !in->j.fault;
}

/* It may stand behind the messages, and belongs before them. */
bool weir_converse_read_system(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_canon_message *last = c->last_message, *m;
    struct weir_str raw;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    if (!m || !read_content(in, raw, m, false))
        return false;
    weir_canon_move_first(c, last);
    return true;
}
