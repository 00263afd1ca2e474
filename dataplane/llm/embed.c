/* embed.c - see embed.h. */
#include "dataplane/llm/embed.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLOAT_BYTES = 4, NUMBER_BYTES = 64, PIECE_FLOATS = 192 };

/* A list that doubles; NULL: past the bound. */
static struct weir_str *grow(struct weir_arena *a, struct weir_str *list, size_t count,
                             size_t *room)
{
    struct weir_str *more;

    if (count < *room)
        return list;
    if (count >= WEIR_EMBED_VECTORS)
        return NULL;
    *room = *room ? 2 * *room : 16;
    more = weir_arena_alloc(a, *room * sizeof *more);
    if (count)
        memcpy(more, list, count * sizeof *more);
    return more;
}

struct weir_embed_call *weir_embed_of(struct weir_canon_in *in)
{
    if (!in->call->embed) {
        in->call->embed = WEIR_ARENA_NEW(in->arena, struct weir_embed_call);
        in->call->embed->input_field = "input";
        in->call->embed->dimensions_field = "dimensions";
        in->call->embed->purpose_field = "input_type";
    }
    return in->call->embed;
}

bool weir_embed_add(struct weir_canon_in *in, struct weir_str text)
{
    struct weir_embed_call *e = weir_embed_of(in);
    struct weir_str *list = grow(in->arena, e->texts, e->count, &e->room);

    if (!list)
        return weir_canon_wrong(in, in->j.p, "more inputs than can be translated (100,000)");
    e->texts = list;
    e->texts[e->count++] = text;
    return true;
}

int weir_embed_check(const struct weir_canon_call *c, enum weir_dialect to, struct weir_arena *a,
                     struct weir_err *err)
{
    const struct weir_llm_ops *ops = weir_llm_ops(to);

    *err = (struct weir_err){.rc = WEIR_EINVAL, .http_status = 400};
    if (!c->embed || c->embed->count == 0) {
        err->code = "invalid_request";
        err->detail = "The request has no input that could be embedded.";
        return WEIR_EINVAL;
    }
    if (c->embed->count == 1 || !ops->one_input)
        return WEIR_OK;
    err->code = "not_translatable";
    err->detail = weir_arena_printf(a,
                                    "The field '%s' has %zu texts, and this model's provider takes "
                                    "one in a call: send them one by one.",
                                    c->embed->input_field, c->embed->count);
    return WEIR_EINVAL;
}

void weir_embed_put_texts(struct weir_canon_out *o, const char *key)
{
    weir_jw_array(&o->w, key);
    for (size_t i = 0; i < o->call->embed->count; i++)
        weir_canon_put(&o->w, NULL, o->call->embed->texts[i]);
    weir_jw_end_array(&o->w);
}

void weir_embed_lose_purpose(struct weir_canon_out *o)
{
    if (o->call->embed->purpose != WEIR_EMBED_UNSET)
        weir_canon_out_loses(o, o->call->embed->purpose_field, false);
}

void weir_embed_lose_title(struct weir_canon_out *o)
{
    if (o->call->embed->title.n)
        weir_canon_out_loses(o, "title", false);
}

void weir_embed_lose_user(struct weir_canon_out *o)
{
    if (o->given->user.n)
        weir_canon_out_loses(o, "user", true);
}

/* ---- answers ---- */

bool weir_embed_add_vector(struct weir_embed_answer *out, struct weir_arena *a, struct weir_str raw)
{
    struct weir_str *list = grow(a, out->vectors, out->count, &out->room);

    if (!list || !raw.n || (raw.p[0] != '[' && raw.p[0] != '"'))
        return false;
    out->vectors = list;
    out->vectors[out->count++] = raw;
    return true;
}

bool weir_embed_add_vectors(struct weir_embed_answer *out, struct weir_arena *a,
                            struct weir_str list)
{
    struct weir_json j;
    struct weir_str raw;

    weir_json_init(&j, list);
    if (!list.n || !weir_json_enter(&j, WEIR_JSON_ARRAY))
        return false;
    while (weir_json_element(&j) && weir_json_skip(&j, &raw))
        if (!weir_embed_add_vector(out, a, raw))
            return false;
    return !j.fault;
}

static void put_bytes(char *to, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    for (unsigned i = 0; i < FLOAT_BYTES; i++)
        to[i] = (char)(bits >> 8 * i & 0xff);
}

static float get_bytes(const char *from)
{
    uint32_t bits = 0;
    float value;

    for (unsigned i = 0; i < FLOAT_BYTES; i++)
        bits |= (uint32_t)(unsigned char)from[i] << 8 * i;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The nearest float of 32 bits, which is what base64 has room for. */
static bool read_number(struct weir_str raw, float *out)
{
    char text[NUMBER_BYTES];

    if (raw.n >= sizeof text)
        return false;
    memcpy(text, raw.p, raw.n);
    text[raw.n] = 0;
    *out = strtof(text, NULL);
    return isfinite(*out);
}

/* In pieces of whole floats and whole groups of base64. */
static bool to_base64(struct weir_embed_writer *e, struct weir_str raw)
{
    char bytes[PIECE_FLOATS * FLOAT_BYTES];
    struct weir_json j;
    struct weir_str number;
    size_t n = 0;
    float value;

    weir_json_init(&j, raw);
    if (!weir_json_enter(&j, WEIR_JSON_ARRAY))
        return false;
    weir_buf_addz(e->w.b, "\"");
    while (weir_json_element(&j)) {
        if (weir_json_peek(&j) != WEIR_JSON_NUMBER || !weir_json_skip(&j, &number) ||
            !read_number(number, &value))
            return false;
        put_bytes(bytes + n, value);
        n += FLOAT_BYTES;
        if (n < sizeof bytes)
            continue;
        weir_buf_add_base64(e->w.b, (struct weir_str){bytes, n}, false);
        n = 0;
    }
    weir_buf_add_base64(e->w.b, (struct weir_str){bytes, n}, false);
    weir_buf_addz(e->w.b, "\"");
    return !j.fault;
}

/* Nine digits tell every float of 32 bits. */
static bool put_numbers(struct weir_buf *out, struct weir_str bytes)
{
    if (bytes.n % FLOAT_BYTES)
        return false;
    weir_buf_addz(out, "[");
    for (size_t i = 0; i < bytes.n; i += FLOAT_BYTES) {
        float value = get_bytes(bytes.p + i);

        if (!isfinite(value))
            return false;
        weir_buf_addf(out, "%s%.9g", i ? "," : "", (double)value);
    }
    weir_buf_addz(out, "]");
    return true;
}

static bool to_numbers(struct weir_embed_writer *e, struct weir_str raw)
{
    struct weir_arena *a = weir_arena_create(NULL); /* there may be thousands of vectors */
    char *plain = weir_arena_alloc(a, raw.n);
    struct weir_str text = {plain,
                            weir_json_unescape((struct weir_str){raw.p + 1, raw.n - 2}, plain)};
    bool ok = put_numbers(e->w.b, weir_canon_decode_base64(a, text));

    weir_arena_destroy(a);
    return ok;
}

void weir_embed_put_vector(struct weir_embed_writer *e, const char *key, struct weir_str raw,
                           bool base64)
{
    bool is_base64 = raw.p[0] == '"';

    if (is_base64 == base64) {
        weir_jw_raw(&e->w, key, raw);
        return;
    }
    weir_jw_raw(&e->w, key, WEIR_STR(""));
    if (!(base64 ? to_base64(e, raw) : to_numbers(e, raw)))
        e->failed = true;
}
