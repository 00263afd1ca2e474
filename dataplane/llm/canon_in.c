/* canon_in.c - see canon_in.h. */
#include "dataplane/llm/canon_in.h"

#include "dataplane/llm/llm_internal.h"

enum { NAME_BYTES = 96 };

bool weir_canon_wrong(struct weir_canon_in *in, const char *at, const char *what)
{
    if (!in->wrong) {
        in->wrong = what;
        in->wrong_at = (size_t)(at - in->body.p);
    }
    return false;
}

bool weir_canon_skip(struct weir_canon_in *in)
{
    return weir_json_skip(&in->j, NULL);
}

bool weir_canon_json(struct weir_canon_in *in, struct weir_str *out)
{
    bool null = weir_json_peek(&in->j) == WEIR_JSON_NULL;

    if (!weir_json_skip(&in->j, out))
        return false;
    if (null)
        *out = WEIR_STR_NULL;
    return true;
}

bool weir_canon_text(struct weir_canon_in *in, struct weir_str *out)
{
    if (weir_json_peek(&in->j) == WEIR_JSON_NULL)
        return weir_canon_json(in, out);
    return weir_json_string(&in->j, out) ||
           weir_canon_wrong(in, in->j.p, "this field must be a string");
}

bool weir_canon_number(struct weir_canon_in *in, struct weir_str *out)
{
    enum weir_json_type type = weir_json_peek(&in->j);

    if (type != WEIR_JSON_NUMBER && type != WEIR_JSON_NULL)
        return weir_canon_wrong(in, in->j.p, "this field must be a number");
    return weir_canon_json(in, out);
}

bool weir_canon_flag(struct weir_canon_in *in, struct weir_str *out)
{
    enum weir_json_type type = weir_json_peek(&in->j);

    if (type != WEIR_JSON_TRUE && type != WEIR_JSON_FALSE && type != WEIR_JSON_NULL)
        return weir_canon_wrong(in, in->j.p, "this field must be true or false");
    return weir_canon_json(in, out);
}

static bool read_stop(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;

    if (c->stop_count == WEIR_CANON_STOPS)
        return weir_canon_wrong(in, in->j.p, "more than 64 stop sequences");
    return weir_json_string(&in->j, &c->stops[c->stop_count])
               ? (c->stop_count++, true)
               : weir_canon_wrong(in, in->j.p, "a stop sequence must be a string");
}

bool weir_canon_stops(struct weir_canon_in *in)
{
    if (weir_json_peek(&in->j) == WEIR_JSON_NULL)
        return weir_canon_skip(in);
    if (!weir_json_enter(&in->j, WEIR_JSON_ARRAY))
        return read_stop(in);
    while (weir_json_element(&in->j))
        if (!read_stop(in))
            return false;
    return !in->j.fault;
}

/* ---- fields that dialects share ---- */

bool weir_canon_read_temperature(struct weir_canon_in *in)
{
    return weir_canon_number(in, &in->call->temperature);
}

bool weir_canon_read_top_p(struct weir_canon_in *in)
{
    return weir_canon_number(in, &in->call->top_p);
}

bool weir_canon_read_top_k(struct weir_canon_in *in)
{
    return weir_canon_number(in, &in->call->top_k);
}

bool weir_canon_read_parallel(struct weir_canon_in *in)
{
    return weir_canon_flag(in, &in->call->parallel);
}

bool weir_canon_read_tier(struct weir_canon_in *in)
{
    return weir_canon_text(in, &in->call->tier);
}

bool weir_canon_read_cache_key(struct weir_canon_in *in)
{
    return weir_canon_text(in, &in->call->cache_key);
}

bool weir_canon_read_choice(struct weir_canon_in *in,
                            bool (*named)(struct weir_canon_in *in, struct weir_str object))
{
    struct weir_str raw;

    if (!weir_canon_json(in, &raw))
        return false;
    if (!raw.p)
        return true;
    if (raw.p[0] == '{')
        return named(in, raw);
    if (weir_str_is(raw, "\"none\""))
        in->call->choice = WEIR_CHOICE_NONE;
    else if (weir_str_is(raw, "\"auto\""))
        in->call->choice = WEIR_CHOICE_AUTO;
    else if (weir_str_is(raw, "\"required\""))
        in->call->choice = WEIR_CHOICE_ANY;
    else
        return weir_canon_wrong(in, raw.p, "\"tool_choice\" is not one of those known");
    return true;
}

/* ---- losses ---- */

void weir_canon_lose(struct weir_canon_call *c, struct weir_arena *a, struct weir_str name,
                     bool hint)
{
    char *to;

    c->loses = c->loses || !hint;
    if (name.n > NAME_BYTES)
        name.n = NAME_BYTES;
    to = weir_arena_alloc(a, NAME_BYTES);
    for (size_t i = 0; i < name.n; i++) {
        char ch = name.p[i];
        bool fit = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') ||
                   (ch >= 'A' && ch <= 'Z') || ch == '_' || ch == '.' || ch == '-';

        to[i] = fit ? ch : '_';
    }
    for (size_t i = 0; i < c->loss_count; i++) {
        struct weir_canon_loss *l = &c->losses[i];

        if (weir_str_eq(l->name, (struct weir_str){to, name.n})) {
            l->hint = l->hint && hint;
            return;
        }
    }
    if (c->loss_count < WEIR_CANON_LOSSES)
        c->losses[c->loss_count++] = (struct weir_canon_loss){{to, name.n}, hint};
}

void weir_canon_in_loses(struct weir_canon_in *in, const char *path, struct weir_str name,
                         bool hint)
{
    char text[2 * NAME_BYTES];
    size_t n = strlen(path);

    if (name.n > NAME_BYTES)
        name.n = NAME_BYTES;
    memcpy(text, path, n);
    if (name.n)
        memcpy(text + n, name.p, name.n);
    weir_canon_lose(in->call, in->arena, (struct weir_str){text, n + name.n}, hint);
}

/* A value that says no more than its absence. */
static bool is_neutral(struct weir_str raw)
{
    static const char *const values[] = {"null", "false", "0",    "0.0",
                                         "{}",   "[]",    "\"\"", "\"auto\""};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (weir_str_is(raw, values[i]))
            return true;
    return false;
}

static bool lose_member(struct weir_canon_in *in, const char *path, struct weir_str key, bool hint)
{
    struct weir_str raw;

    if (!weir_json_skip(&in->j, &raw))
        return false;
    if (!is_neutral(raw))
        weir_canon_in_loses(in, path, key, hint);
    return true;
}

bool weir_canon_members(struct weir_canon_in *in, const struct weir_canon_field *fields, size_t n,
                        const char *path)
{
    struct weir_str key;

    if (!weir_json_enter(&in->j, WEIR_JSON_OBJECT))
        return weir_canon_wrong(in, in->j.p, "this must be an object");
    while (weir_json_member(&in->j, &key)) {
        const struct weir_canon_field *f = NULL;
        bool ok;

        for (size_t i = 0; i < n && !f; i++)
            if (weir_json_is(key, fields[i].name))
                f = &fields[i];
        if (!f || f->fate == WEIR_FIELD_HINT)
            ok = lose_member(in, path, key, f != NULL);
        else
            ok = f->fate == WEIR_FIELD_ELSEWHERE ? weir_canon_skip(in) : f->read(in);
        if (!ok)
            return false;
    }
    return !in->j.fault;
}

bool weir_canon_pick(struct weir_canon_in *in, struct weir_str object,
                     const struct weir_canon_want *want, size_t n, const char *path)
{
    struct weir_str key, raw;
    struct weir_json j;

    weir_json_init(&j, object);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return weir_canon_wrong(in, object.p, "this must be an object");
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &raw)) {
        const struct weir_canon_want *w = NULL;

        for (size_t i = 0; i < n && !w; i++)
            if (weir_json_is(key, want[i].name))
                w = &want[i];
        if (w && w->raw)
            *w->raw = weir_str_is(raw, "null") ? WEIR_STR_NULL : raw;
        else if (!is_neutral(raw))
            weir_canon_in_loses(in, path, key, w != NULL);
    }
    return !j.fault;
}

bool weir_canon_inner(struct weir_canon_in *in, struct weir_str raw, struct weir_str *out)
{
    *out = WEIR_STR_NULL;
    if (!raw.p)
        return true;
    if (raw.p[0] != '"')
        return weir_canon_wrong(in, raw.p, "this must be a string");
    *out = (struct weir_str){raw.p + 1, raw.n - 2};
    return true;
}

/* ---- parts ---- */

struct weir_canon_message *weir_canon_add_message(struct weir_canon_in *in,
                                                  enum weir_canon_role role)
{
    struct weir_canon_call *c = in->call;
    struct weir_canon_message *m;

    if (c->message_count++ == WEIR_CANON_MESSAGES) {
        weir_canon_wrong(in, in->j.p, "more messages than can be translated (20,000)");
        return NULL;
    }
    m = WEIR_ARENA_NEW(in->arena, struct weir_canon_message);
    m->role = role;
    if (c->last_message)
        c->last_message->next = m;
    else
        c->messages = m;
    return c->last_message = m;
}

bool weir_canon_read_message(struct weir_canon_in *in, struct weir_str raw,
                             bool (*read_content)(struct weir_canon_in *in, struct weir_str raw,
                                                  struct weir_canon_message *to, bool nested))
{
    struct weir_str role = WEIR_STR_NULL, content = role;
    const struct weir_canon_want want[] = {{"role", &role}, {"content", &content}};
    struct weir_canon_message *m;

    if (!weir_canon_pick(in, raw, want, 2, "messages.") || !weir_canon_inner(in, role, &role))
        return false;
    if (weir_json_is(role, "user"))
        m = weir_canon_add_message(in, WEIR_ROLE_USER);
    else if (weir_json_is(role, "assistant"))
        m = weir_canon_add_message(in, WEIR_ROLE_ASSISTANT);
    else if (weir_json_is(role, "system"))
        m = weir_canon_add_message(in, WEIR_ROLE_SYSTEM);
    else
        return weir_canon_wrong(in, raw.p, "a message's \"role\" must be user or assistant");
    return m && read_content(in, content, m, false);
}

void weir_canon_move_first(struct weir_canon_call *c, struct weir_canon_message *last)
{
    struct weir_canon_message *m = c->last_message;

    if (!last)
        return;
    last->next = NULL;
    m->next = c->messages;
    c->messages = m;
    c->last_message = last;
}

struct weir_canon_part *weir_canon_new_part(struct weir_canon_in *in, enum weir_canon_kind kind)
{
    struct weir_canon_part *p;

    if (in->call->part_count++ == WEIR_CANON_PARTS) {
        weir_canon_wrong(in, in->j.p, "more content parts than can be translated (100,000)");
        return NULL;
    }
    p = WEIR_ARENA_NEW(in->arena, struct weir_canon_part);
    p->kind = kind;
    return p;
}

void weir_canon_append(struct weir_canon_message *m, struct weir_canon_part *p)
{
    if (m->last)
        m->last->next = p;
    else
        m->parts = p;
    m->last = p;
}

struct weir_canon_tool *weir_canon_add_tool(struct weir_canon_in *in)
{
    struct weir_canon_call *c = in->call;
    struct weir_canon_tool *t;

    if (c->tool_count++ == WEIR_CANON_TOOLS) {
        weir_canon_wrong(in, in->j.p, "more tools than can be translated (2,048)");
        return NULL;
    }
    t = WEIR_ARENA_NEW(in->arena, struct weir_canon_tool);
    if (c->last_tool)
        c->last_tool->next = t;
    else
        c->tools = t;
    return c->last_tool = t;
}

void weir_canon_url(struct weir_canon_part *p, struct weir_str url)
{
    static const struct weir_str scheme = WEIR_STR_INIT("data:"), coding = WEIR_STR_INIT(";base64");
    struct weir_str head, rest;

    head = weir_str_cut(url, ',', &rest);
    if (!weir_str_starts(head, scheme) || !weir_str_ends(head, coding) || !rest.p) {
        p->url = url;
        return;
    }
    head = (struct weir_str){head.p + scheme.n, head.n - scheme.n - coding.n};
    p->data = rest;
    p->mime = weir_str_cut(head, ';', &rest);
}

bool weir_canon_arguments(struct weir_canon_in *in, struct weir_canon_part *p, struct weir_str text)
{
    char *to = weir_arena_alloc(in->arena, text.n + 1);
    struct weir_str plain = {to, text.p ? weir_json_unescape(text, to) : 0};

    plain = weir_str_trim(plain);
    if (plain.n == 0)
        plain = WEIR_STR("{}");
    if (plain.p[0] != '{' || weir_json_check(plain, NULL) != WEIR_OK)
        return weir_canon_wrong(in, text.p ? text.p : in->j.p,
                                "a tool call's arguments must be a JSON object in a string");
    p->json = plain;
    return true;
}

void weir_canon_unwrap(struct weir_str text, enum weir_dialect own, struct weir_str *signature,
                       enum weir_dialect *signer)
{
    struct weir_str rest, word;

    *signature = text;
    *signer = own;
    word = weir_str_cut(text, '.', &rest);
    if (!weir_str_is(word, "weir") || !rest.p)
        return;
    word = weir_str_cut(rest, '.', &rest);
    for (enum weir_dialect d = WEIR_DIALECT_NONE + 1; d < WEIR_DIALECT_COUNT && rest.p; d++) {
        if (!weir_str_is(word, weir_dialect_name(d)))
            continue;
        *signature = rest;
        *signer = d;
    }
}

int weir_canon_read(enum weir_dialect d, struct weir_str body, struct weir_arena *a,
                    struct weir_canon_call *out, struct weir_err *err)
{
    struct weir_canon_in in = {.body = body, .arena = a, .call = out};
    const struct weir_llm_ops *ops = weir_llm_ops(d);

    *out = (struct weir_canon_call){.dialect = d};
    weir_json_init(&in.j, body);
    if (weir_canon_members(&in, ops->canon_fields, ops->canon_field_count, "") && !in.wrong)
        return WEIR_OK;
    if (!in.wrong) {
        in.wrong = in.j.fault ? in.j.fault : "the request cannot be read";
        in.wrong_at = in.j.fault_at;
    }
    *err = (struct weir_err){
        .rc = WEIR_EINVAL,
        .http_status = 400,
        .code = "invalid_request",
        .detail = weir_arena_printf(a, "The request cannot be translated: %s (byte %zu).", in.wrong,
                                    in.wrong_at)};
    return WEIR_EINVAL;
}
