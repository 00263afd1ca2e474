#include "dataplane/llm/llm_internal.h"

enum {
    MODEL_MAX = 256,
    USER_MAX = 4096,
    CONTENT_LEVELS = 4,
    MESSAGE_TOKENS = 16,
    TOOL_TOKENS = 8,
    FRAME_TOKENS = 512,
    IMAGE_TOKENS = 8192,
    IMAGE_GUESS = 1024,
    FILE_TOKENS = 100000,
    STORED_TOKENS = 1 << 20, /* a model's whole window */
};

bool weir_llm_wrong(struct weir_llm_decoder *d, const char *at, const char *what)
{
    if (!d->wrong) {
        d->wrong = what;
        d->wrong_at = (size_t)(at - d->body.p);
    }
    return false;
}

struct weir_llm_span weir_llm_span(const struct weir_llm_decoder *d, struct weir_str raw)
{
    return (struct weir_llm_span){(size_t)(raw.p - d->body.p), raw.n};
}

/* The text of a raw string: in place when it has no escapes. */
static struct weir_str text_of(struct weir_llm_decoder *d, struct weir_str raw)
{
    char *to;

    if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
        return raw;
    to = weir_arena_alloc(d->arena, raw.n);
    return (struct weir_str){to, weir_json_unescape(raw, to)};
}

bool weir_llm_read_text(struct weir_llm_decoder *d, struct weir_str *out)
{
    const char *at = d->j.p;
    struct weir_str raw;

    if (weir_json_peek(&d->j) != WEIR_JSON_STRING)
        return weir_json_skip(&d->j, NULL); /* the provider's to judge */
    if (!weir_json_string(&d->j, &raw))
        return false;
    if (raw.n > USER_MAX)
        return weir_llm_wrong(d, at, "too long a text for this field");
    *out = text_of(d, raw);
    return true;
}

bool weir_llm_read_model(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    struct weir_str raw;

    if (weir_json_peek(&d->j) != WEIR_JSON_STRING)
        return weir_json_skip(&d->j, NULL) && weir_llm_wrong(d, at, "\"model\" must be a string");
    if (!weir_json_string(&d->j, &raw))
        return false;
    if (raw.n == 0 || raw.n > MODEL_MAX)
        return weir_llm_wrong(d, at, "\"model\" must have 1 to 256 bytes");
    d->call->model_at = (struct weir_llm_span){(size_t)(at - d->body.p), raw.n + 2};
    d->call->model = text_of(d, raw);
    for (size_t i = 0; i < d->call->model.n; i++)
        if ((unsigned char)d->call->model.p[i] < 0x20 || d->call->model.p[i] == 0x7f)
            return weir_llm_wrong(d, at, "\"model\" has a control character");
    return true;
}

bool weir_llm_read_stream(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    enum weir_json_type type = weir_json_peek(&d->j);
    struct weir_str raw;

    if (!weir_json_skip(&d->j, &raw))
        return false;
    if (type != WEIR_JSON_TRUE && type != WEIR_JSON_FALSE && type != WEIR_JSON_NULL)
        return weir_llm_wrong(d, at, "\"stream\" must be true or false");
    d->call->stream = type == WEIR_JSON_TRUE;
    d->call->stream_at = weir_llm_span(d, raw);
    return true;
}

/* Whatever else it is, the provider judges. */
bool weir_llm_read_store(struct weir_llm_decoder *d)
{
    enum weir_json_type type = weir_json_peek(&d->j);

    if (type == WEIR_JSON_TRUE || type == WEIR_JSON_FALSE)
        d->stores = type == WEIR_JSON_TRUE;
    return weir_json_skip(&d->j, NULL);
}

bool weir_llm_read_int(struct weir_llm_decoder *d, int64_t min, int64_t max, int64_t *out,
                       struct weir_llm_span *at)
{
    enum weir_json_type type = weir_json_peek(&d->j);
    struct weir_str raw;
    int64_t v;

    if (!weir_json_skip(&d->j, &raw))
        return false;
    if (at)
        *at = weir_llm_span(d, raw);
    if (type == WEIR_JSON_NULL)
        return true;
    if (type != WEIR_JSON_NUMBER || weir_json_i64(raw, &v) != WEIR_OK || v < min || v > max)
        return weir_llm_wrong(d, raw.p, "this field must be a whole number within its bounds");
    *out = v;
    return true;
}

bool weir_llm_read_max(struct weir_llm_decoder *d, size_t which)
{
    int64_t v = -1;

    if (!weir_llm_read_int(d, 0, INT32_MAX, &v, &d->call->max_at[which]))
        return false;
    /* With two limits we can't know which one the provider obeys. */
    if (v > d->call->max_output_tokens)
        d->call->max_output_tokens = v;
    return true;
}

/* What a part says about its image, audio or file. */
struct media {
    size_t bytes; /* of inline data */
    bool named;   /* a url or id */
};

static bool read_media(struct weir_llm_decoder *d, struct media *m)
{
    struct weir_str key, raw;

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool data = weir_json_is(key, "data") || weir_json_is(key, "file_data");
        bool url = weir_json_is(key, "url") || weir_json_is(key, "file_url");

        if (weir_json_peek(&d->j) != WEIR_JSON_STRING) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
            continue;
        }
        if (!weir_json_string(&d->j, &raw))
            return false;
        if (data || (url && weir_str_starts(raw, WEIR_STR("data:"))))
            m->bytes = raw.n; /* the last one: a reader of the body uses one of them at most */
        else if (url || weir_json_is(key, "file_id"))
            m->named = true;
    }
    return !d->j.fault;
}

static bool is_media_key(struct weir_str key)
{
    return weir_json_is(key, "source") || weir_json_is(key, "image_url") ||
           weir_json_is(key, "file") || weir_json_is(key, "input_audio");
}

static bool read_part(struct weir_llm_decoder *d, unsigned depth)
{
    struct weir_str key, type = WEIR_STR_NULL;
    struct media m = {0, false};

    if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_member(&d->j, &key)) {
        bool ok;

        if (weir_json_is(key, "type") && weir_json_peek(&d->j) == WEIR_JSON_STRING)
            ok = weir_json_string(&d->j, &type);
        else if (is_media_key(key))
            ok = read_media(d, &m);
        else if (weir_json_is(key, "content"))
            ok = weir_llm_content(d, depth + 1);
        else
            ok = weir_json_skip(&d->j, NULL);
        if (!ok)
            return false;
    }
    if (d->j.fault)
        return false;
    if (weir_json_is(type, "image") || weir_json_is(type, "image_url")) {
        d->call->images++;
        d->image_bytes += m.bytes;
    } else if (m.bytes || m.named) {
        d->call->files++;
        d->named_files += !m.bytes;
    }
    return true;
}

bool weir_llm_content(struct weir_llm_decoder *d, unsigned depth)
{
    if (depth > CONTENT_LEVELS || !weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL);
    while (weir_json_element(&d->j))
        if (!read_part(d, depth))
            return false;
    return !d->j.fault;
}

bool weir_llm_read_messages(struct weir_llm_decoder *d)
{
    const char *at = d->j.p;
    struct weir_str key;

    if (!weir_json_enter(&d->j, WEIR_JSON_ARRAY))
        return weir_json_skip(&d->j, NULL) && weir_llm_wrong(d, at, "\"messages\" must be a list");
    while (weir_json_element(&d->j)) {
        d->call->messages++;
        if (!weir_json_enter(&d->j, WEIR_JSON_OBJECT)) {
            if (!weir_json_skip(&d->j, NULL))
                return false;
            continue;
        }
        while (weir_json_member(&d->j, &key))
            if (!(weir_json_is(key, "content") ? weir_llm_content(d, 0)
                                               : weir_json_skip(&d->j, NULL)))
                return false;
    }
    return !d->j.fault;
}

static bool read_member(struct weir_llm_decoder *d, const struct weir_llm_ops *ops,
                        struct weir_str key)
{
    for (size_t i = 0; i < ops->field_count; i++) {
        if (!weir_json_is(key, ops->fields[i].name))
            continue;
        if (d->seen >> i & 1)
            return weir_llm_wrong(d, key.p - 1, "a field occurs twice");
        d->seen |= 1u << i;
        return ops->fields[i].read(d);
    }
    return weir_json_skip(&d->j, NULL);
}

static void bound_input(struct weir_llm_decoder *d)
{
    struct weir_llm_call *c = d->call;
    int64_t bytes = (int64_t)(d->body.n - d->image_bytes);

    c->stateful = d->stored || d->stores;
    c->input_bound = bytes + MESSAGE_TOKENS * (int64_t)c->messages +
                     TOOL_TOKENS * (int64_t)c->tools + FRAME_TOKENS +
                     IMAGE_TOKENS * (int64_t)c->images + FILE_TOKENS * (int64_t)d->named_files +
                     (d->stored ? STORED_TOKENS : 0);
    c->input_estimate = (bytes + 3) / 4 + IMAGE_GUESS * (int64_t)c->images;
}

/* Those that are billed: of every prompt, and whether or not they are given. */
static void count_answers(struct weir_llm_decoder *d)
{
    struct weir_llm_call *c = d->call;

    if (d->best_of > c->n)
        c->n = d->best_of;
    if (d->prompts > 1)
        c->n *= d->prompts; /* fewer than the body has bytes */
}

/* The name of the field whose value begins or was read at the place that is wrong isn't repeated:
 * the position tells it. */
static int refuse(const struct weir_llm_decoder *d, const char *what, size_t at,
                  struct weir_err *err)
{
    *err = (struct weir_err){
        .rc = WEIR_EINVAL,
        .http_status = 400,
        .code = "invalid_body",
        .detail = weir_arena_printf(d->arena, "The request body can't be read: %s (at byte %zu).",
                                    what, at),
    };
    return WEIR_EINVAL;
}

int weir_llm_decode(const struct weir_llm_endpoint *at, struct weir_str body, struct weir_arena *a,
                    struct weir_llm_call *out, struct weir_err *err)
{
    const struct weir_llm_ops *ops = weir_llm_ops(at->dialect);
    struct weir_llm_decoder d = {.body = body, .arena = a, .call = out};
    struct weir_str key;

    WEIR_ASSERT(ops);
    d.stores = ops->stores_by_default;
    *out = (struct weir_llm_call){.dialect = at->dialect,
                                  .model = at->model,
                                  .stream = at->stream,
                                  .max_output_tokens = -1,
                                  .n = 1};
    weir_json_init(&d.j, body);
    out->object_at = (size_t)(d.j.p - d.j.begin);
    if (!weir_json_enter(&d.j, WEIR_JSON_OBJECT)) {
        if (weir_json_skip(&d.j, NULL) && weir_json_end(&d.j) == WEIR_OK)
            return refuse(&d, "it must be a JSON object", out->object_at, err);
        return refuse(&d, d.j.fault, d.j.fault_at, err);
    }
    while (weir_json_member(&d.j, &key))
        if (!read_member(&d, ops, key))
            break;
    if (d.j.fault)
        return refuse(&d, d.j.fault, d.j.fault_at, err);
    if (d.wrong)
        return refuse(&d, d.wrong, d.wrong_at, err);
    if (weir_json_end(&d.j) != WEIR_OK)
        return refuse(&d, d.j.fault, d.j.fault_at, err);
    if (!out->model.p && !ops->model_optional)
        return refuse(&d, "\"model\" is missing", out->object_at, err);
    if (ops->model_in_path && !d.seen)
        return refuse(&d, "it has no field that a request has", out->object_at, err);
    bound_input(&d);
    count_answers(&d);
    if (ops->no_output)
        out->max_output_tokens = 0;
    return WEIR_OK;
}
