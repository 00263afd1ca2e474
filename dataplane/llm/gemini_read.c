/* gemini_read.c - the contents of a Gemini request as canonical messages. */
#include "dataplane/llm/canon_in.h"
#include "dataplane/llm/gemini.h"

enum { PAIRED_CALLS = 256 };

/* ---- parts ---- */

/* A signature, as hidden reasoning in front of what it stands with. */
static bool add_signature(struct weir_canon_in *in, struct weir_str signature,
                          struct weir_canon_message *to)
{
    struct weir_canon_part *p;

    if (!signature.n)
        return true;
    p = weir_canon_new_part(in, WEIR_PART_REASONING);
    if (!p)
        return false;
    p->redacted = true;
    weir_canon_unwrap_coded(in->arena, signature, WEIR_DIALECT_GEMINI, &p->signature, &p->signer);
    weir_canon_append(to, p);
    return true;
}

static bool is_of(struct weir_str mime, const char *kind)
{
    return weir_str_starts(mime, weir_str_of(kind));
}

/* Pictures and documents; sound and video have no place elsewhere. */
static bool read_blob(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str mime = WEIR_STR_NULL, data = mime, name = mime;
    const struct weir_canon_want want[] = {{"mimeType", &mime},
                                           {"mime_type", &mime},
                                           {"data", &data},
                                           {"displayName", &name},
                                           {"display_name", &name}};
    bool image, document;
    struct weir_canon_part *p;

    if (!weir_canon_pick(in, raw, want, 5, "contents.parts.inlineData.") ||
        !weir_canon_inner(in, mime, &mime) || !weir_canon_inner(in, data, &data) ||
        !weir_canon_inner(in, name, &name))
        return false;
    image = is_of(mime, "image/");
    document = is_of(mime, "application/pdf") || is_of(mime, "text/");
    if (!data.p || (!image && !document)) {
        weir_canon_in_loses(in, "contents.parts.", WEIR_STR("inlineData"), false);
        return true;
    }
    p = weir_canon_new_part(in, image ? WEIR_PART_IMAGE : WEIR_PART_FILE);
    if (!p)
        return false;
    p->mime = mime;
    p->data = data;
    p->name = name;
    weir_canon_append(to, p);
    return true;
}

/* Only what anybody may fetch; Google's own stores are closed to others. */
static bool read_file(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str mime = WEIR_STR_NULL, uri = mime, name = mime;
    const struct weir_canon_want want[] = {{"mimeType", &mime},    {"mime_type", &mime},
                                           {"fileUri", &uri},      {"file_uri", &uri},
                                           {"displayName", &name}, {"display_name", &name}};
    struct weir_canon_part *p;
    bool image;

    if (!weir_canon_pick(in, raw, want, 6, "contents.parts.fileData.") ||
        !weir_canon_inner(in, mime, &mime) || !weir_canon_inner(in, uri, &uri) ||
        !weir_canon_inner(in, name, &name))
        return false;
    image = is_of(mime, "image/");
    if (!is_of(uri, "https://") || is_of(uri, "https://generativelanguage.googleapis.com/") ||
        (!image && !is_of(mime, "application/pdf"))) {
        weir_canon_in_loses(in, "contents.parts.", WEIR_STR("fileData"), false);
        return true;
    }
    p = weir_canon_new_part(in, image ? WEIR_PART_IMAGE : WEIR_PART_FILE);
    if (!p)
        return false;
    p->mime = mime;
    p->url = uri;
    p->name = name;
    weir_canon_append(to, p);
    return true;
}

/* Calls need no id here and do elsewhere: one is made of their place in the conversation. */
static bool read_call(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str id = WEIR_STR_NULL, name = id, args = id;
    const struct weir_canon_want want[] = {{"id", &id}, {"name", &name}, {"args", &args}};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TOOL_CALL);

    if (!p || !weir_canon_pick(in, raw, want, 3, "contents.parts.functionCall.") ||
        !weir_canon_inner(in, id, &p->id) || !weir_canon_inner(in, name, &p->name))
        return false;
    if (args.p && args.p[0] != '{')
        return weir_canon_wrong(in, args.p, "a function call's \"args\" must be an object");
    p->json = args.p ? args : WEIR_STR("{}");
    if (!p->id.n)
        p->id = weir_str_of(weir_arena_printf(in->arena, "call_%zu", in->call->part_count));
    weir_canon_append(to, p);
    return true;
}

/* The call that a response without an id answers: the first one of its name in the last turn that
 * has no response yet. */
static struct weir_str id_of_call(const struct weir_canon_call *c, struct weir_str name)
{
    size_t n = 0;

    for (struct weir_canon_part *p = c->last_answer ? c->last_answer->parts : NULL;
         p && n < PAIRED_CALLS; p = p->next) {
        if (p->kind != WEIR_PART_TOOL_CALL)
            continue;
        n++;
        if (p->answered || !weir_str_eq(p->name, name))
            continue;
        p->answered = true;
        return p->id;
    }
    return name;
}

static struct weir_str text_of_json(struct weir_canon_in *in, struct weir_str json)
{
    struct weir_str out;
    struct weir_buf b;

    weir_buf_init(&b, json.n * 6 + 2);
    weir_buf_add_json(&b, json);
    out = weir_arena_copy(in->arena, weir_buf_str(&b));
    weir_buf_fini(&b);
    return out.n < 2 ? WEIR_STR("") : (struct weir_str){out.p + 1, out.n - 2};
}

/* {"output": ...} or {"error": ...}; anything else is the output itself. */
static struct weir_str result_text(struct weir_canon_in *in, struct weir_str response, bool *failed)
{
    struct weir_str key, value = WEIR_STR_NULL, first = WEIR_STR_NULL;
    struct weir_json j;
    size_t members = 0;

    weir_json_init(&j, response);
    if (weir_json_enter(&j, WEIR_JSON_OBJECT))
        while (weir_json_member(&j, &key) && weir_json_skip(&j, &value) && ++members == 1)
            first = key;
    *failed = members == 1 && weir_json_is(first, "error");
    if (!*failed && !(members == 1 && weir_json_is(first, "output")))
        return text_of_json(in, response);
    return value.p[0] == '"' ? weir_canon_string(value) : text_of_json(in, value);
}

static bool read_media(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str blob = WEIR_STR_NULL, file = blob;
    const struct weir_canon_want want[] = {
        {"inlineData", &blob}, {"inline_data", &blob}, {"fileData", &file}, {"file_data", &file}};

    return weir_canon_pick(in, raw, want, 4, "contents.parts.functionResponse.parts.") &&
           (!blob.p || read_blob(in, blob, to)) && (!file.p || read_file(in, file, to));
}

static bool read_response(struct weir_canon_in *in, struct weir_str raw,
                          struct weir_canon_message *to)
{
    struct weir_str id = WEIR_STR_NULL, name = id, response = id, media = id, part;
    const struct weir_canon_want want[] = {{"id", &id},
                                           {"name", &name},
                                           {"response", &response},
                                           {"parts", &media},
                                           {"scheduling", NULL}};
    struct weir_canon_part *p = weir_canon_new_part(in, WEIR_PART_TOOL_RESULT), *text;
    struct weir_canon_message parts = {0};
    struct weir_json j;

    if (!p || !weir_canon_pick(in, raw, want, 5, "contents.parts.functionResponse.") ||
        !weir_canon_inner(in, id, &p->id) || !weir_canon_inner(in, name, &p->name))
        return false;
    if (!p->id.n)
        p->id = id_of_call(in->call, p->name);
    text = weir_canon_new_part(in, WEIR_PART_TEXT);
    if (!text)
        return false;
    text->text = result_text(in, response.p ? response : WEIR_STR("{}"), &p->failed);
    weir_canon_append(&parts, text);
    weir_json_init(&j, media.p ? media : WEIR_STR("[]"));
    if (weir_json_enter(&j, WEIR_JSON_ARRAY))
        while (weir_json_element(&j) && weir_json_skip(&j, &part))
            if (!read_media(in, part, &parts))
                return false;
    p->parts = parts.parts;
    weir_canon_append(to, p);
    return true;
}

static bool read_text(struct weir_canon_in *in, struct weir_str text, bool thought,
                      struct weir_str signature, struct weir_canon_message *to)
{
    struct weir_canon_part *p;

    if (thought) {
        p = weir_canon_new_part(in, WEIR_PART_REASONING);
        if (!p)
            return false;
        p->signer = WEIR_DIALECT_GEMINI;
        if (signature.n)
            weir_canon_unwrap_coded(in->arena, signature, WEIR_DIALECT_GEMINI, &p->signature,
                                    &p->signer);
    } else {
        if (!add_signature(in, signature, to))
            return false;
        if (!text.n)
            return true;
        p = weir_canon_new_part(in, WEIR_PART_TEXT);
        if (!p)
            return false;
    }
    p->text = text;
    weir_canon_append(to, p);
    return true;
}

static bool read_part(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str text = WEIR_STR_NULL, thought = text, signature = text, blob = text,
                    file = text, call = text, response = text;
    const struct weir_canon_want want[] = {{"text", &text},
                                           {"thought", &thought},
                                           {"thoughtSignature", &signature},
                                           {"thought_signature", &signature},
                                           {"inlineData", &blob},
                                           {"inline_data", &blob},
                                           {"fileData", &file},
                                           {"file_data", &file},
                                           {"functionCall", &call},
                                           {"function_call", &call},
                                           {"functionResponse", &response},
                                           {"function_response", &response},
                                           {"mediaResolution", NULL},
                                           {"partMetadata", NULL}};

    if (!weir_canon_pick(in, raw, want, sizeof want / sizeof *want, "contents.parts.") ||
        !weir_canon_inner(in, text, &text) || !weir_canon_inner(in, signature, &signature))
        return false;
    if (call.p)
        return add_signature(in, signature, to) && read_call(in, call, to);
    if (response.p)
        return read_response(in, response, to);
    if (blob.p)
        return read_blob(in, blob, to);
    if (file.p)
        return read_file(in, file, to);
    return !text.p ? add_signature(in, signature, to)
                   : read_text(in, text, weir_str_is(thought, "true"), signature, to);
}

static bool read_parts(struct weir_canon_in *in, struct weir_str raw, struct weir_canon_message *to)
{
    struct weir_str part;
    struct weir_json j;

    if (!raw.p)
        return true;
    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, raw.p, "\"parts\" must be a list");
    while (weir_json_element(&j) && weir_json_skip(&j, &part))
        if (!read_part(in, part, to))
            return false;
    return true;
}

/* ---- contents ---- */

static bool read_content(struct weir_canon_in *in, struct weir_str raw)
{
    struct weir_str role = WEIR_STR_NULL, parts = role;
    const struct weir_canon_want want[] = {{"role", &role}, {"parts", &parts}};
    struct weir_canon_message *m;
    bool model;

    if (!weir_canon_pick(in, raw, want, 2, "contents.") || !weir_canon_inner(in, role, &role))
        return false;
    model = weir_json_is(role, "model");
    if (role.n && !model && !weir_json_is(role, "user") && !weir_json_is(role, "function"))
        return weir_canon_wrong(in, raw.p, "a content's \"role\" must be user or model");
    /* An SDK that kept a stream gives back a content for each of its chunks. */
    m = in->call->last_message;
    if (!m || m->role != (model ? WEIR_ROLE_ASSISTANT : WEIR_ROLE_USER))
        m = weir_canon_add_message(in, model ? WEIR_ROLE_ASSISTANT : WEIR_ROLE_USER);
    if (model)
        in->call->last_answer = m;
    return m && read_parts(in, parts, m);
}

/* A signature ends a thought. */
static bool goes_on(const struct weir_canon_part *p, const struct weir_canon_part *next)
{
    return next && next->kind == p->kind && !next->redacted && !p->signature.n &&
           (p->kind == WEIR_PART_TEXT || (p->kind == WEIR_PART_REASONING && !p->redacted));
}

/* Pieces of one text or thought become one part, as other dialects sign the whole of it. */
static void join(struct weir_canon_in *in, struct weir_canon_message *m)
{
    for (struct weir_canon_part *p = m->parts; p; p = p->next) {
        struct weir_canon_part *last = p;
        size_t n = p->text.n;
        char *to;

        for (; goes_on(last, last->next); n += last->text.n)
            last = last->next;
        if (last == p)
            continue;
        to = weir_arena_alloc(in->arena, n + 1);
        n = 0;
        for (const struct weir_canon_part *x = p; x != last->next; n += x->text.n, x = x->next)
            if (x->text.n)
                memcpy(to + n, x->text.p, x->text.n);
        p->text = (struct weir_str){to, n};
        p->signature = last->signature;
        p->signer = last->signer;
        p->next = last->next;
        if (m->last == last)
            m->last = p;
    }
}

bool weir_gemini_read_contents(struct weir_canon_in *in)
{
    struct weir_str raw;

    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return weir_canon_wrong(in, in->j.p, "\"contents\" must be a list");
    while (weir_json_element(&in->j) && weir_json_skip(&in->j, &raw))
        if (!read_content(in, raw))
            return false;
    for (struct weir_canon_message *m = in->call->messages; m; m = m->next)
        if (m->role == WEIR_ROLE_ASSISTANT)
            join(in, m);
    return !in->j.fault;
}

/* It may stand behind the contents, and belongs before them. */
bool weir_gemini_read_system(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_canon_message *last = c->last_message, *m;
    struct weir_str raw, role = WEIR_STR_NULL, parts = role;
    const struct weir_canon_want want[] = {{"role", &role}, {"parts", &parts}};

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (!weir_canon_pick(in, raw, want, 2, "systemInstruction."))
        return false;
    m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    if (!m || !read_parts(in, parts, m))
        return false;
    weir_canon_move_first(c, last);
    return true;
}
