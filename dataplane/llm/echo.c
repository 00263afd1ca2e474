#include "dataplane/llm/llm_internal.h"

enum { PIECE_BYTES = 16, BYTES_A_TOKEN = 4 };

/* The texts of a message's content, joined by nothing; in place when there is but one without
 * escapes. */
struct texts {
    struct weir_arena *arena;
    struct weir_str joined;
};

static void add_text(struct texts *t, struct weir_str raw)
{
    char *to;

    if (!t->joined.n && (raw.n == 0 || !memchr(raw.p, '\\', raw.n))) {
        t->joined = raw;
        return;
    }
    to = weir_arena_alloc(t->arena, t->joined.n + raw.n);
    if (t->joined.n)
        memcpy(to, t->joined.p, t->joined.n);
    t->joined = (struct weir_str){to, t->joined.n + weir_json_unescape(raw, to + t->joined.n)};
}

static void read_part(struct weir_json *j, struct texts *t)
{
    struct weir_str key, raw;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_is(key, "text") && weir_json_peek(j) == WEIR_JSON_STRING) {
            if (weir_json_string(j, &raw))
                add_text(t, raw);
        } else {
            weir_json_skip(j, NULL);
        }
    }
}

static void read_content(struct weir_json *j, struct texts *t)
{
    struct weir_str raw;

    if (weir_json_peek(j) == WEIR_JSON_STRING) {
        if (weir_json_string(j, &raw))
            add_text(t, raw);
        return;
    }
    if (!weir_json_enter(j, WEIR_JSON_ARRAY)) {
        weir_json_skip(j, NULL);
        return;
    }
    while (weir_json_element(j))
        read_part(j, t);
}

/* A message's text when it is a user's. */
static void read_message(struct weir_json *j, struct weir_arena *a, struct weir_str *last)
{
    struct texts t = {a, WEIR_STR_NULL};
    struct weir_str key, role = WEIR_STR_NULL;

    if (!weir_json_enter(j, WEIR_JSON_OBJECT)) {
        weir_json_skip(j, NULL);
        return;
    }
    while (weir_json_member(j, &key)) {
        if (weir_json_is(key, "role") && weir_json_peek(j) == WEIR_JSON_STRING)
            weir_json_string(j, &role);
        else if (weir_json_is(key, "content") || weir_json_is(key, "parts"))
            read_content(j, &t);
        else
            weir_json_skip(j, NULL);
    }
    if (weir_json_is(role, "user") && t.joined.p)
        *last = t.joined;
}

static struct weir_str last_user_text(const struct weir_llm_ops *ops, struct weir_str body,
                                      struct weir_arena *a)
{
    struct weir_str key, last = WEIR_STR("");
    struct weir_json j;

    weir_json_init(&j, body);
    weir_json_enter(&j, WEIR_JSON_OBJECT);
    while (weir_json_member(&j, &key)) {
        struct texts alone = {a, WEIR_STR_NULL};

        if (!weir_json_is(key, ops->input_field)) {
            weir_json_skip(&j, NULL);
            continue;
        }
        if (!weir_json_enter(&j, WEIR_JSON_ARRAY)) {
            read_content(&j, &alone);
            last = alone.joined.p ? alone.joined : last;
            continue;
        }
        while (weir_json_element(&j))
            read_message(&j, a, &last);
    }
    return last;
}

/* Not more than n bytes, whole characters. */
static size_t whole(struct weir_str s, size_t n)
{
    if (n >= s.n)
        return s.n;
    while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    return n;
}

struct weir_llm_echo *weir_llm_echo_create(struct weir_arena *a,
                                           const struct weir_llm_echo_conf *conf)
{
    struct weir_llm_echo *e = WEIR_ARENA_NEW(a, struct weir_llm_echo);
    int64_t max = conf->call->max_output_tokens;

    e->ops = weir_llm_ops(conf->call->dialect);
    e->call = *conf->call;
    e->id = conf->id;
    e->created_s = conf->created_s;
    e->text = last_user_text(e->ops, conf->body, a);
    if (max >= 0 && e->text.n > (uint64_t)max * BYTES_A_TOKEN) {
        e->text.n = whole(e->text, (size_t)max * BYTES_A_TOKEN);
        e->limited = true;
    }
    e->input = (int64_t)((conf->body.n + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);
    e->output = (int64_t)((e->text.n + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);
    return e;
}

struct weir_str weir_llm_echo_piece(struct weir_llm_echo *e)
{
    struct weir_str rest = {e->text.p + e->sent, e->text.n - e->sent};

    rest.n = whole(rest, PIECE_BYTES);
    e->sent += rest.n;
    return rest;
}

int weir_llm_echo_body(struct weir_llm_echo *e, struct weir_buf *out)
{
    return e->ops->echo_body(e, out);
}

int weir_llm_echo_next(struct weir_llm_echo *e, struct weir_buf *out)
{
    return e->ops->echo_next(e, out);
}
