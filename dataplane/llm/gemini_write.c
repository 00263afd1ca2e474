/* gemini_write.c - a canonical call as a Gemini request. */
#include "data/json_scan.h"
#include "dataplane/llm/gemini.h"

enum { SEARCHED_CALLS = 1024 };

/* The vendor's own CLI gives calls that no Gemini model has signed this signature; without one the
 * newer models refuse them. */
static const struct weir_str unsigned_call = WEIR_STR_INIT("skip_thought_signature_validator");

/* Where calls are looked up to whose results they belong. */
struct turn {
    const struct weir_canon_part *first, *next; /* of the last answer; where a result is expected */
};

static bool is_media(const struct weir_canon_part *p)
{
    return p->kind == WEIR_PART_IMAGE || p->kind == WEIR_PART_FILE;
}

static struct weir_str guessed_mime(const struct weir_canon_part *p)
{
    static const struct {
        struct weir_str end;
        const char *mime;
    } ends[] = {{WEIR_STR_INIT(".png"), "image/png"},
                {WEIR_STR_INIT(".webp"), "image/webp"},
                {WEIR_STR_INIT(".gif"), "image/gif"}};

    if (p->mime.n)
        return p->mime;
    if (p->kind == WEIR_PART_FILE)
        return WEIR_STR("application/pdf");
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (weir_str_ends(p->url, ends[i].end))
            return weir_str_of(ends[i].mime);
    return WEIR_STR("image/jpeg");
}

static void write_media(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_canon_out_loses_cache(o, p->cache);
    if (p->detail.p && !weir_json_is(p->detail, "auto"))
        weir_canon_out_loses_part(o, WEIR_LOST_IMAGE_DETAIL, true);
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, p->data.p ? "inlineData" : "fileData");
    weir_canon_put(&o->w, "mimeType", guessed_mime(p));
    weir_canon_put(&o->w, p->data.p ? "data" : "fileUri", p->data.p ? p->data : p->url);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

static void write_text(struct weir_canon_out *o, const struct weir_canon_part *p)
{
    weir_canon_out_loses_cache(o, p->cache);
    weir_jw_object(&o->w, NULL);
    weir_canon_put(&o->w, "text", p->text.p ? p->text : WEIR_STR(""));
    weir_jw_end_object(&o->w);
}

/* ---- answers of the model ---- */

/* What gemini_answer_read.c put before a signature: the kind of part that it stood on. */
static char stood_on(struct weir_str signature, struct weir_str *rest)
{
    *rest = signature;
    if (signature.n < 3 || signature.p[1] != '.')
        return 'r';
    *rest = (struct weir_str){signature.p + 2, signature.n - 2};
    return signature.p[0];
}

static void write_call(struct weir_canon_out *o, const struct weir_canon_part *p,
                       struct weir_str signature)
{
    weir_canon_out_loses_cache(o, p->cache);
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, "functionCall");
    weir_canon_put(&o->w, "id", p->id);
    weir_canon_put(&o->w, "name", p->name);
    weir_canon_put_json(&o->w, "args", p->json);
    weir_jw_end_object(&o->w);
    if (signature.n)
        weir_canon_put(&o->w, "thoughtSignature", signature);
    weir_jw_end_object(&o->w);
}

/* A thought, or a signature on its own. Others' reasoning means nothing there. */
static void write_thought(struct weir_canon_out *o, const struct weir_canon_part *p,
                          struct weir_str signature, bool thought)
{
    weir_jw_object(&o->w, NULL);
    weir_canon_put(&o->w, "text", thought && p->text.p ? p->text : WEIR_STR(""));
    if (thought)
        weir_jw_bool(&o->w, "thought", true);
    weir_canon_put(&o->w, "thoughtSignature", signature);
    weir_jw_end_object(&o->w);
}

/* False: it is not written here; *waiting gets a call's signature. */
static void write_reasoning(struct weir_canon_out *o, const struct weir_canon_part *p,
                            struct weir_str *waiting)
{
    struct weir_str signature;
    char on;

    if (p->signer != WEIR_DIALECT_GEMINI || !p->signature.n) {
        weir_canon_out_loses_part(o, WEIR_LOST_REASONING, true);
        return;
    }
    on = stood_on(p->signature, &signature);
    if (on == 'f')
        *waiting = signature;
    else
        write_thought(o, p, signature, on == 'r');
}

static void write_model(struct weir_canon_out *o, const struct weir_canon_message *m)
{
    struct weir_str waiting = WEIR_STR_NULL;
    bool first_call = true;

    for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
        if (p->kind == WEIR_PART_REASONING) {
            write_reasoning(o, p, &waiting);
        } else if (p->kind == WEIR_PART_TOOL_CALL) {
            write_call(o, p, waiting.n ? waiting : first_call ? unsigned_call : WEIR_STR_NULL);
            waiting = WEIR_STR_NULL;
            first_call = false;
        } else if (is_media(p)) {
            write_media(o, p);
        } else if (p->text.n) {
            write_text(o, p);
        }
    }
}

/* ---- results ---- */

static struct weir_str name_of(struct turn *t, struct weir_str id)
{
    size_t n = 0;

    for (const struct weir_canon_part *p = t->next; p && n < SEARCHED_CALLS; p = p->next, n++)
        if (p->kind == WEIR_PART_TOOL_CALL && weir_str_eq(p->id, id)) {
            t->next = p->next;
            return p->name;
        }
    n = 0;
    for (const struct weir_canon_part *p = t->first; p && n < SEARCHED_CALLS; p = p->next, n++)
        if (p->kind == WEIR_PART_TOOL_CALL && weir_str_eq(p->id, id))
            return p->name;
    return id;
}

static void write_result(struct weir_canon_out *o, const struct weir_canon_part *p, struct turn *t)
{
    bool first = true;

    weir_canon_out_loses_cache(o, p->cache);
    weir_jw_object(&o->w, NULL);
    weir_jw_object(&o->w, "functionResponse");
    weir_canon_put(&o->w, "id", p->id);
    weir_canon_put(&o->w, "name", p->name.n ? p->name : name_of(t, p->id));
    weir_jw_object(&o->w, "response");
    weir_jw_raw(&o->w, p->failed ? "error" : "output", WEIR_STR("\""));
    for (const struct weir_canon_part *x = p->parts; x; x = x->next) {
        if (x->kind != WEIR_PART_TEXT)
            continue;
        weir_canon_out_loses_cache(o, x->cache);
        weir_buf_addz(o->w.b, first ? "" : "\\n");
        weir_buf_adds(o->w.b, x->text);
        first = false;
    }
    weir_buf_addz(o->w.b, "\"");
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
    weir_jw_end_object(&o->w);
}

/* ---- contents ---- */

static void begin(struct weir_canon_out *o, const char *role)
{
    weir_jw_object(&o->w, NULL);
    weir_jw_z(&o->w, "role", role);
    weir_jw_array(&o->w, "parts");
}

static void end(struct weir_canon_out *o)
{
    weir_jw_end_array(&o->w);
    weir_jw_end_object(&o->w);
}

/* Results stand alone, right behind their calls; what else the turn has, and their pictures,
 * follow. */
static void write_results(struct weir_canon_out *o, const struct weir_canon_message *m,
                          struct turn *t)
{
    bool any = false;

    for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
        if (p->kind != WEIR_PART_TOOL_RESULT)
            continue;
        if (!any)
            begin(o, "user");
        any = true;
        write_result(o, p, t);
    }
    if (any)
        end(o);
}

static void write_rest(struct weir_canon_out *o, const struct weir_canon_message *m, bool *open)
{
    for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
        const struct weir_canon_part *from = p, *to = p->next;

        if (p->kind == WEIR_PART_TOOL_RESULT)
            from = p->parts, to = NULL;
        for (const struct weir_canon_part *x = from; x != to; x = x->next) {
            if (!is_media(x) && (x != p || !p->text.n || p->kind == WEIR_PART_REASONING))
                continue;
            if (!*open)
                begin(o, "user");
            *open = true;
            if (is_media(x))
                write_media(o, x);
            else
                write_text(o, x);
        }
    }
}

static bool has_model_parts(const struct weir_canon_out *o, const struct weir_canon_message *m)
{
    for (const struct weir_canon_part *p = m->parts; p; p = p->next)
        if (p->kind == WEIR_PART_REASONING   ? weir_canon_out_can_reason(o, p)
            : p->kind == WEIR_PART_TOOL_CALL ? true
                                             : is_media(p) || p->text.n > 0)
            return true;
    return false;
}

static void write_message(struct weir_canon_out *o, const struct weir_canon_message *m,
                          struct turn *t)
{
    bool open = false;

    if (m->role == WEIR_ROLE_ASSISTANT) {
        t->first = t->next = m->parts;
        if (has_model_parts(o, m)) {
            begin(o, "model");
            write_model(o, m);
            end(o);
        }
        return;
    }
    write_results(o, m, t);
    write_rest(o, m, &open);
    if (open)
        end(o);
}

/* There is no system's turn between the others: what stands there is told by the user. */
static void write_contents(struct weir_canon_out *o)
{
    const struct weir_canon_message *m = o->call->messages;
    struct turn t = {0};
    bool open = false;

    for (; m && m->role == WEIR_ROLE_SYSTEM; m = m->next)
        for (const struct weir_canon_part *p = m->parts; p; p = p->next) {
            if (!p->text.n)
                continue;
            if (!open) {
                weir_jw_object(&o->w, "systemInstruction");
                weir_jw_array(&o->w, "parts");
            }
            open = true;
            write_text(o, p);
        }
    if (open)
        end(o);
    weir_jw_array(&o->w, "contents");
    for (; m; m = m->next)
        write_message(o, m, &t);
    weir_jw_end_array(&o->w);
}

void weir_gemini_write_call(struct weir_canon_out *o)
{
    write_contents(o);
    weir_gemini_write_config(o);
}
