/* servers_fit.c - a request made acceptable to a server that imitates OpenAI's. One pass over the
 * top level and over the messages; all else keeps its bytes. */
#include <stdlib.h>

#include "data/json_scan.h"
#include "data/json_write.h"
#include "dataplane/llm/servers.h"

enum { ROOM = 1 << 16, GROWTH = 2, KEY_BYTES = 64, ID_BYTES = 256, ID_MAX = 32 };

struct fit {
    const struct weir_server *s;
    const struct weir_str *refuses;
    size_t refuse_count;
    struct weir_str body;
    struct weir_arena *arena;
    struct weir_server_fit *out;
    struct weir_jw w;
    bool changed;
};

static bool is_in(struct weir_str key, const char *const *list)
{
    for (size_t i = 0; i < WEIR_SERVER_NAMES && list[i]; i++)
        if (weir_json_is(key, list[i]))
            return true;
    return false;
}

/* They bear on cost, speed or bookkeeping. */
static bool is_hint(struct weir_str key)
{
    static const char *const hints[WEIR_SERVER_NAMES] = {"user",
                                                         "safety_identifier",
                                                         "store",
                                                         "metadata",
                                                         "prompt_cache_key",
                                                         "prompt_cache_retention",
                                                         "prompt_cache_options",
                                                         "service_tier",
                                                         "stream_options"};

    return is_in(key, hints);
}

/* Fit for a header. */
static struct weir_str clean(struct weir_arena *a, const char *path, struct weir_str name)
{
    struct weir_str out;
    char *to;

    if (name.n > KEY_BYTES)
        name.n = KEY_BYTES;
    out = weir_arena_join(a, (struct weir_str[]){weir_str_of(path), name}, 2);
    to = (char *)(uintptr_t)out.p;
    for (size_t i = 0; i < out.n; i++)
        if (!((to[i] >= '0' && to[i] <= '9') || (to[i] >= 'a' && to[i] <= 'z') ||
              (to[i] >= 'A' && to[i] <= 'Z') || to[i] == '_' || to[i] == '.' || to[i] == '-'))
            to[i] = '_';
    return out;
}

static void drop(struct fit *f, const char *path, struct weir_str name, bool hint)
{
    f->changed = true;
    name = clean(f->arena, path, name);
    if (!hint && !f->out->lost.p)
        f->out->lost = name;
    for (size_t i = 0; i < f->out->dropped_count; i++)
        if (weir_str_eq(f->out->dropped[i], name))
            return;
    if (f->out->dropped_count < WEIR_SERVER_DROPPED)
        f->out->dropped[f->out->dropped_count++] = name;
}

/* A member as it stands: its key is raw, too. */
static void put(struct fit *f, struct weir_str key, struct weir_str raw)
{
    weir_jw_raw(&f->w, NULL, WEIR_STR("\""));
    weir_buf_adds(f->w.b, key);
    weir_buf_addz(f->w.b, "\":");
    weir_buf_adds(f->w.b, raw);
}

/* ---- messages ---- */

static bool is_fit_id(struct weir_str id, unsigned length)
{
    for (size_t i = 0; i < id.n; i++)
        if (!((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'z') ||
              (id.p[i] >= 'A' && id.p[i] <= 'Z')))
            return false;
    return id.n == length;
}

/* Another id becomes one that the server takes: alike wherever it stands, by its hash. */
static void put_id(struct fit *f, const char *key, struct weir_str raw)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char made[ID_MAX + 2];
    struct weir_str id = {raw.p + 1, raw.n - 2};
    uint64_t h = 1469598103934665603ULL;
    unsigned n = f->s->id_length;

    if (raw.n < 2 || raw.p[0] != '"' || n > ID_MAX || is_fit_id(id, n)) {
        weir_jw_raw(&f->w, key, raw);
        return;
    }
    for (size_t i = 0; i < id.n; i++)
        h = (h ^ (unsigned char)id.p[i]) * 1099511628211ULL;
    made[0] = '"';
    for (unsigned i = 0; i < n; i++) {
        made[1 + i] = digits[h % 62];
        h = h / 62 ? h / 62 : 1469598103934665603ULL ^ i;
    }
    made[1 + n] = '"';
    weir_jw_raw(&f->w, key, (struct weir_str){made, n + 2});
    f->changed = true;
}

static void put_calls(struct fit *f, struct weir_str raw)
{
    struct weir_str call, key, value;
    struct weir_json j, of;

    weir_json_init(&j, raw);
    if (!f->s->id_length || !weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        weir_jw_raw(&f->w, "tool_calls", raw);
        return;
    }
    weir_jw_array(&f->w, "tool_calls");
    while (weir_json_element(&j) && weir_json_skip(&j, &call)) {
        weir_json_init(&of, call);
        if (!weir_json_enter(&of, WEIR_JSON_OBJECT)) {
            weir_jw_raw(&f->w, NULL, call);
            continue;
        }
        weir_jw_object(&f->w, NULL);
        while (weir_json_member(&of, &key) && weir_json_skip(&of, &value)) {
            if (weir_json_is(key, "id"))
                put_id(f, "id", value);
            else
                put(f, key, value);
        }
        weir_jw_end_object(&f->w);
    }
    weir_jw_end_array(&f->w);
}

static bool is_nothing(struct weir_str raw)
{
    return weir_str_is(raw, "null") || weir_str_is(raw, "[]") || weir_str_is(raw, "\"\"") ||
           weir_str_is(raw, "{}");
}

static void put_message_member(struct fit *f, struct weir_str key, struct weir_str raw)
{
    if (f->s->message_fields[0] && !is_in(key, f->s->message_fields)) {
        f->changed = true;
        if (!is_nothing(raw))
            drop(f, "messages.", key, true);
    } else if (weir_json_is(key, "role") && !f->s->developer && weir_str_is(raw, "\"developer\"")) {
        f->changed = true;
        weir_jw_z(&f->w, "role", "system");
    } else if (weir_json_is(key, "tool_calls")) {
        put_calls(f, raw);
    } else if (weir_json_is(key, "tool_call_id") && f->s->id_length) {
        put_id(f, "tool_call_id", raw);
    } else {
        put(f, key, raw);
    }
}

static void put_messages(struct fit *f, struct weir_str raw)
{
    struct weir_str message, key, value;
    struct weir_json j, of;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        weir_jw_raw(&f->w, "messages", raw);
        return;
    }
    weir_jw_array(&f->w, "messages");
    while (weir_json_element(&j) && weir_json_skip(&j, &message)) {
        weir_json_init(&of, message);
        if (!weir_json_enter(&of, WEIR_JSON_OBJECT)) {
            weir_jw_raw(&f->w, NULL, message);
            continue;
        }
        weir_jw_object(&f->w, NULL);
        while (weir_json_member(&of, &key) && weir_json_skip(&of, &value))
            put_message_member(f, key, value);
        weir_jw_end_object(&f->w);
    }
    weir_jw_end_array(&f->w);
}

/* ---- the top level ---- */

enum { NO_EFFORT, UNKNOWN = 100 };

static size_t rank_of(struct weir_str word)
{
    static const char *const order[] = {"none",   "minimal", "low",   "default",
                                        "medium", "high",    "xhigh", "max"};

    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (weir_json_is(word, order[i]))
            return i;
    return UNKNOWN;
}

/* The nearest word that it takes: of those that ask for no more the highest, else the lowest. To
 * think a little is not the same as not at all. */
static const char *effort_of(const struct weir_server *s, struct weir_str word)
{
    size_t asked = rank_of(word), best_rank = 0;
    const char *best = NULL;

    for (size_t i = 0; i < sizeof s->efforts / sizeof *s->efforts && s->efforts[i]; i++) {
        size_t rank = rank_of(weir_str_of(s->efforts[i]));

        if ((rank == NO_EFFORT) != (asked == NO_EFFORT) || asked == UNKNOWN)
            continue;
        if (best && (rank > asked || rank < best_rank))
            continue;
        best = s->efforts[i];
        best_rank = rank;
    }
    return best;
}

static void put_effort(struct fit *f, struct weir_str raw)
{
    struct weir_str asked = raw.n > 2 ? (struct weir_str){raw.p + 1, raw.n - 2} : WEIR_STR("");
    const char *word = effort_of(f->s, asked);

    if (!word) {
        f->changed = true;
        if (!is_nothing(raw))
            drop(f, "", WEIR_STR("reasoning_effort"), false);
        return;
    }
    f->changed = f->changed || !weir_json_is(asked, word);
    weir_jw_z(&f->w, "reasoning_effort", word);
}

static void put_format(struct fit *f, struct weir_str raw)
{
    struct weir_str key, value;
    struct weir_json j;
    bool schema = false;

    weir_json_init(&j, raw);
    if (weir_json_enter(&j, WEIR_JSON_OBJECT))
        while (weir_json_member(&j, &key) && weir_json_skip(&j, &value))
            schema = schema || (weir_json_is(key, "type") && weir_str_is(value, "\"json_schema\""));
    if (!schema) {
        weir_jw_raw(&f->w, "response_format", raw);
        return;
    }
    drop(f, "", WEIR_STR("response_format.json_schema"), false);
    weir_jw_object(&f->w, "response_format");
    weir_jw_z(&f->w, "type", "json_object");
    weir_jw_end_object(&f->w);
}

static bool is_refused(const struct fit *f, struct weir_str key)
{
    for (size_t i = 0; i < f->refuse_count; i++)
        if (weir_json_is(key, f->refuses[i].p))
            return true;
    return f->s && ((f->s->fields[0] && !is_in(key, f->s->fields)) || is_in(key, f->s->refused));
}

static bool has_member(struct weir_str body, const char *name)
{
    struct weir_str key;
    struct weir_json j;

    weir_json_init(&j, body);
    if (weir_json_enter(&j, WEIR_JSON_OBJECT))
        while (weir_json_member(&j, &key) && weir_json_skip(&j, NULL))
            if (weir_json_is(key, name))
                return true;
    return false;
}

/* Under the server's name for it; where both are given, its own counts. */
static bool put_renamed(struct fit *f, struct weir_str key, struct weir_str raw)
{
    for (size_t i = 0; f->s && i < sizeof f->s->renames / sizeof *f->s->renames; i++) {
        const struct weir_server_rename *r = &f->s->renames[i];

        if (!r->from || !weir_json_is(key, r->from))
            continue;
        f->changed = true;
        if (!has_member(f->body, r->to) && !is_nothing(raw))
            weir_jw_raw(&f->w, r->to, raw);
        return true;
    }
    return false;
}

static void put_member(struct fit *f, struct weir_str key, struct weir_str raw)
{
    if (put_renamed(f, key, raw))
        return;
    if (is_refused(f, key)) {
        f->changed = true;
        /* Usage is told where it isn't asked for. */
        if (!is_nothing(raw) && !weir_json_is(key, "stream_options"))
            drop(f, "", key, is_hint(key));
    } else if (f->s && weir_json_is(key, "messages")) {
        put_messages(f, raw);
    } else if (f->s && f->s->efforts[0] && weir_json_is(key, "reasoning_effort")) {
        put_effort(f, raw);
    } else if (f->s && f->s->no_schema && weir_json_is(key, "response_format")) {
        put_format(f, raw);
    } else {
        put(f, key, raw);
    }
}

static void free_body(void *arg)
{
    weir_buf_fini(arg);
}

bool weir_server_fit(const struct weir_server *s, const struct weir_str *refuses,
                     size_t refuse_count, struct weir_str body, struct weir_arena *a,
                     struct weir_server_fit *out)
{
    struct weir_buf *b = WEIR_ARENA_NEW(a, struct weir_buf);
    struct fit f = {.s = s,
                    .refuses = refuses,
                    .refuse_count = refuse_count,
                    .body = body,
                    .arena = a,
                    .out = out};
    struct weir_str key, raw;
    struct weir_json j;

    *out = (struct weir_server_fit){.body = body};
    weir_json_init(&j, body);
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return false;
    weir_buf_init(b, GROWTH * body.n + ROOM);
    weir_arena_on_destroy(a, free_body, b);
    f.w.b = b;
    weir_jw_object(&f.w, NULL);
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &raw))
        put_member(&f, key, raw);
    weir_jw_end_object(&f.w);
    if (!f.changed || j.fault || b->full) {
        *out = (struct weir_server_fit){.body = body};
        weir_buf_fini(b);
        return false;
    }
    out->body = weir_buf_str(b);
    return true;
}
