/* responses_tap.c - what a Responses stream says while it passes, and how it is cut.
 *
 * A client takes an item for said only when it is done, with its whole text; so the text of the
 * message that is open is kept, and the items that are done, for a cut repeats them. An open tool
 * call or reasoning is left out of a cut answer: half a call must not be run. */
#include "dataplane/llm/responses.h"

enum { KEPT_BYTES = 1 << 20, MARKUP_BYTES = 512 };

struct weir_responses_kept {
    int64_t sequence; /* the next one */
    struct weir_buf done;
    bool open, part_open, refusal, overflow;
    int64_t index, part; /* of the open message, and its open part */
    struct weir_buf id, parts, text;
};

static void destroy(void *arg)
{
    struct weir_responses_kept *k = arg;

    weir_buf_fini(&k->done);
    weir_buf_fini(&k->id);
    weir_buf_fini(&k->parts);
    weir_buf_fini(&k->text);
}

static struct weir_responses_kept *kept_of(struct weir_llm_tap *t)
{
    struct weir_responses_kept *k = t->kept;

    if (k)
        return k;
    k = t->kept = WEIR_ARENA_NEW(t->arena, struct weir_responses_kept);
    weir_buf_init(&k->done, KEPT_BYTES);
    weir_buf_init(&k->id, WEIR_LLM_ID_BYTES);
    weir_buf_init(&k->parts, KEPT_BYTES);
    weir_buf_init(&k->text, KEPT_BYTES);
    weir_arena_on_destroy(t->arena, destroy, k);
    return k;
}

/* ---- usage ---- */

static void read_details(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_usage *u = &t->seen.usage;
    struct weir_str cached = WEIR_STR_NULL, written = cached, reasoning = cached;
    const struct weir_canon_want want[] = {{"cached_tokens", &cached},
                                           {"cache_write_tokens", &written},
                                           {"reasoning_tokens", &reasoning}};

    if (!weir_canon_find(raw, want, 3))
        return;
    if (cached.p)
        weir_llm_keep_tokens(&u->cache_read, cached);
    if (written.p)
        weir_llm_keep_tokens(&u->cache_write, written);
    if (reasoning.p)
        weir_llm_keep_tokens(&u->reasoning, reasoning);
}

/* Cached and reasoning tokens are parts of the totals here: as in weir_llm_usage. */
void weir_responses_usage(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str input = WEIR_STR_NULL, output = input, of_input = input, of_output = input;
    const struct weir_canon_want want[] = {{"input_tokens", &input},
                                           {"output_tokens", &output},
                                           {"input_tokens_details", &of_input},
                                           {"output_tokens_details", &of_output}};

    if (!weir_canon_find(raw, want, 4))
        return;
    if (input.p)
        weir_llm_keep_tokens(&t->seen.usage.input, input);
    if (output.p)
        weir_llm_keep_tokens(&t->seen.usage.output, output);
    read_details(t, of_input);
    read_details(t, of_output);
}

/* ---- events ---- */

/* The members that events have, as they stand. */
struct members {
    struct weir_str type, sequence, response, delta, item, index, error;
};

static void keep(struct weir_str *to, char *bytes, size_t cap, struct weir_str raw)
{
    if (weir_canon_string(raw).n)
        weir_llm_keep(to, bytes, cap, weir_canon_string(raw));
}

static void read_response(struct weir_llm_tap *t, struct weir_str raw)
{
    struct weir_str id = WEIR_STR_NULL, model = id, created = id, status = id, usage = id,
                    error = id;
    const struct weir_canon_want want[] = {{"id", &id},         {"model", &model},
                                           {"status", &status}, {"created_at", &created},
                                           {"usage", &usage},   {"error", &error}};

    if (!weir_canon_find(raw, want, 6))
        return;
    if (!t->begun) {
        keep(&t->id, t->id_bytes, WEIR_LLM_ID_BYTES, id);
        if (created.p)
            weir_llm_keep_tokens(&t->created_s, created);
        t->begun = true;
    }
    keep(&t->seen.model, t->model_bytes, WEIR_LLM_MODEL_BYTES, model);
    if (usage.p)
        weir_responses_usage(t, usage);
    if (error.p)
        weir_llm_keep_error(t, error);
    if (t->seen.complete)
        keep(&t->seen.finish, t->finish_bytes, WEIR_LLM_WORD_BYTES, status);
}

/* The texts of an item and its parts; what is encrypted is no text. Or its names: output, too. */
static size_t written(struct weir_str raw, bool names, unsigned depth)
{
    struct weir_str key, text, inner;
    struct weir_json j;
    size_t n = 0;

    weir_json_init(&j, raw);
    if (weir_json_enter(&j, WEIR_JSON_ARRAY)) {
        while (weir_json_element(&j) && weir_json_skip(&j, &inner))
            n += inner.p[0] == '{' ? written(inner, names, depth) : 0;
        return n;
    }
    if (!weir_json_enter(&j, WEIR_JSON_OBJECT))
        return 0;
    while (weir_json_member(&j, &key) && weir_json_skip(&j, &inner)) {
        bool counts = weir_json_is(key, "text") || weir_json_is(key, "refusal") ||
                      weir_json_is(key, "arguments") || weir_json_is(key, "input") ||
                      weir_json_is(key, "code");

        text = weir_canon_string(inner);
        if (text.p && (names ? weir_json_is(key, "name") : counts))
            n += weir_json_text_bytes(text);
        else if (!names && depth == 0 &&
                 (weir_json_is(key, "content") || weir_json_is(key, "summary")))
            n += written(inner, false, 1);
    }
    return n;
}

static bool place(struct weir_str raw, int64_t *out)
{
    *out = -1;
    if (raw.p)
        weir_llm_keep_tokens(out, raw);
    return *out >= 0;
}

/* Marks an item whose text came in pieces; true: it already was. */
static bool mark(struct weir_llm_tap *t, struct weir_str index, bool set)
{
    int64_t i;
    uint64_t bit;
    bool was;

    if (!place(index, &i) || i >= WEIR_LLM_PARTS)
        return true;
    bit = 1ULL << i % 64;
    was = t->parts[i / 64] & bit;
    if (set)
        t->parts[i / 64] |= bit;
    if (i >= t->next_part)
        t->next_part = (unsigned)i + 1;
    return was;
}

/* ---- the open message ---- */

static void close_part(struct weir_responses_kept *k)
{
    struct weir_jw j = {.b = &k->parts, .comma = k->parts.n > 0};

    if (!k->part_open)
        return;
    weir_responses_text_part(&j, NULL, k->refusal, weir_buf_str(&k->text));
    weir_buf_clear(&k->text);
    k->part_open = false;
    k->part++;
}

static void open_message(struct weir_llm_tap *t, const struct members *m)
{
    struct weir_responses_kept *k = kept_of(t);
    struct weir_str type = WEIR_STR_NULL, id = type;
    const struct weir_canon_want want[] = {{"type", &type}, {"id", &id}};

    if (!weir_canon_find(m->item, want, 2) || !weir_json_is(weir_canon_string(type), "message") ||
        !weir_canon_string(id).n || !place(m->index, &k->index))
        return;
    weir_buf_clear(&k->id);
    weir_buf_clear(&k->parts);
    weir_buf_clear(&k->text);
    k->open = weir_buf_adds(&k->id, weir_canon_string(id)) == WEIR_OK;
    k->part_open = false;
    k->part = 0;
}

static bool is_open(const struct weir_responses_kept *k, struct weir_str index)
{
    int64_t i;

    return k && k->open && place(index, &i) && i == k->index;
}

static void keep_delta(struct weir_llm_tap *t, const struct members *m, bool refusal)
{
    struct weir_responses_kept *k = t->kept;

    if (!is_open(k, m->index))
        return;
    if (!k->part_open) {
        k->part_open = true;
        k->refusal = refusal;
    }
    /* A message that can't be repeated whole is not repeated. */
    if (k->refusal != refusal || weir_buf_adds(&k->text, weir_canon_string(m->delta)) != WEIR_OK ||
        k->parts.n + k->text.n + MARKUP_BYTES > KEPT_BYTES)
        k->open = false;
}

/* From the first item that has no room on, none is kept. */
static bool has_room(struct weir_responses_kept *k, size_t n)
{
    k->overflow = k->overflow || n + MARKUP_BYTES > KEPT_BYTES - k->done.n;
    return !k->overflow;
}

static void keep_done(struct weir_llm_tap *t, const struct members *m)
{
    struct weir_responses_kept *k = kept_of(t);

    if (is_open(k, m->index))
        k->open = false;
    if (m->item.n == 0 || m->item.p[0] != '{' || !has_room(k, m->item.n))
        return;
    weir_buf_addz(&k->done, k->done.n ? "," : "");
    weir_buf_adds(&k->done, m->item);
}

static void read_members(struct weir_str data, struct members *m)
{
    const struct weir_canon_want want[] = {
        {"type", &m->type},         {"sequence_number", &m->sequence},
        {"response", &m->response}, {"delta", &m->delta},
        {"item", &m->item},         {"output_index", &m->index},
        {"error", &m->error}};

    if (weir_canon_find(data, want, sizeof want / sizeof *want))
        m->type = weir_canon_string(m->type);
    else
        *m = (struct members){0};
}

static void read_error(struct weir_llm_tap *t, struct weir_str error)
{
    weir_llm_keep_error(t, error);
    /* Here its type says no more than that it is one. */
    if (weir_str_is(t->seen.error_type, "error"))
        t->seen.error_type = t->error_code;
}

static void read_delta(struct weir_llm_tap *t, const struct members *m)
{
    bool refusal = weir_json_is(m->type, "response.refusal.delta");
    size_t n = weir_json_text_bytes(weir_canon_string(m->delta));

    if (n)
        mark(t, m->index, true);
    weir_llm_count_output(t, n);
    if (refusal || weir_json_is(m->type, "response.output_text.delta"))
        keep_delta(t, m, refusal);
}

static void read_lifecycle(struct weir_llm_tap *t, const struct members *m)
{
    t->seen.complete = weir_json_is(m->type, "response.completed") ||
                       weir_json_is(m->type, "response.incomplete") ||
                       weir_json_is(m->type, "response.failed");
    read_response(t, m->response);
    t->seen.error = t->seen.error || weir_json_is(m->type, "response.failed");
}

bool weir_responses_event(struct weir_llm_tap *t, const struct weir_sse_event *e)
{
    struct members m = {0};
    int64_t sequence;

    read_members(e->data, &m);
    if (!m.type.p || t->seen.complete)
        return true;
    if (place(m.sequence, &sequence))
        kept_of(t)->sequence = sequence + 1;
    if (weir_json_is(m.type, "error")) {
        read_error(t, m.error.p ? m.error : e->data);
    } else if (m.response.p) {
        read_lifecycle(t, &m);
    } else if (weir_json_is(m.type, "response.output_item.added")) {
        mark(t, m.index, false);
        weir_llm_count_output(t, written(m.item, true, 0));
        open_message(t, &m);
    } else if (weir_json_is(m.type, "response.output_item.done")) {
        if (!mark(t, m.index, true)) /* some send an item at once */
            weir_llm_count_output(t, written(m.item, false, 0));
        keep_done(t, &m);
    } else if (weir_json_is(m.type, "response.content_part.done")) {
        if (is_open(t->kept, m.index))
            close_part(t->kept);
    } else if (weir_canon_string(m.delta).n) {
        read_delta(t, &m);
    }
    return true;
}

/* ---- cutting ---- */

struct cut {
    struct weir_buf *out;
    int64_t sequence;
};

static struct weir_jw begin(struct cut *c, const char *type, int64_t index)
{
    struct weir_jw j = weir_responses_event_begin(c->out, type, c->sequence++);

    weir_jw_i64(&j, "output_index", index);
    return j;
}

static struct weir_jw begin_part(struct cut *c, const char *type,
                                 const struct weir_responses_kept *k)
{
    struct weir_jw j = begin(c, type, k->index);

    weir_canon_put(&j, "item_id", weir_buf_str(&k->id));
    weir_jw_i64(&j, "content_index", k->part);
    return j;
}

static void put_message(struct weir_jw *j, const char *key, const struct weir_responses_kept *k,
                        const char *status)
{
    weir_jw_object(j, key);
    weir_canon_put(j, "id", weir_buf_str(&k->id));
    weir_jw_z(j, "type", "message");
    weir_jw_z(j, "status", status);
    weir_jw_z(j, "role", "assistant");
    weir_jw_array(j, "content");
    weir_buf_adds(j->b, weir_buf_str(&k->parts));
    weir_jw_end_array(j);
    weir_jw_end_object(j);
}

/* Ends the text that is open, and its message. */
static void end_message(struct cut *c, struct weir_responses_kept *k)
{
    struct weir_jw j, done = {.b = &k->done, .comma = k->done.n > 0};

    if (k->part_open) {
        const char *type = k->refusal ? "response.refusal.done" : "response.output_text.done";

        j = begin_part(c, type, k);
        weir_canon_put(&j, k->refusal ? "refusal" : "text", weir_buf_str(&k->text));
        if (!k->refusal)
            weir_jw_raw(&j, "logprobs", WEIR_STR("[]"));
        weir_responses_event_end(&j);
        j = begin_part(c, "response.content_part.done", k);
        weir_responses_text_part(&j, "part", k->refusal, weir_buf_str(&k->text));
        weir_responses_event_end(&j);
        close_part(k);
    }
    j = begin(c, "response.output_item.done", k->index);
    put_message(&j, "item", k, "incomplete");
    weir_responses_event_end(&j);
    if (has_room(k, k->parts.n + k->id.n))
        put_message(&done, NULL, k, "incomplete");
    k->open = false;
}

static void add_notice(struct weir_llm_tap *t, struct cut *c, struct weir_str notice)
{
    struct weir_responses_kept *k = t->kept;
    struct weir_buf text;
    struct weir_jw j;

    k->index = t->next_part;
    k->part = 0;
    k->refusal = false;
    weir_buf_clear(&k->id);
    weir_buf_clear(&k->parts);
    weir_buf_clear(&k->text);
    weir_buf_addf(&k->id, "msg_weir_%lld", (long long)k->index);
    j = begin(c, "response.output_item.added", k->index);
    put_message(&j, "item", k, "in_progress");
    weir_responses_event_end(&j);
    j = begin_part(c, "response.content_part.added", k);
    weir_responses_text_part(&j, "part", false, WEIR_STR(""));
    weir_responses_event_end(&j);
    j = begin_part(c, "response.output_text.delta", k);
    weir_jw_str(&j, "delta", notice);
    weir_jw_raw(&j, "logprobs", WEIR_STR("[]"));
    weir_responses_event_end(&j);
    weir_buf_init(&text, KEPT_BYTES);
    weir_buf_add_json(&text, notice);
    if (text.n > 2)
        weir_buf_add(&k->text, text.p + 1, text.n - 2);
    weir_buf_fini(&text);
    k->part_open = true;
    end_message(c, k);
}

static struct weir_str escaped(struct weir_llm_tap *t, struct weir_str s)
{
    struct weir_buf b;
    struct weir_str out;

    weir_buf_init(&b, 6 * s.n + 2);
    weir_buf_add_json(&b, s);
    out = weir_arena_copy(t->arena, (struct weir_str){b.p + 1, b.n - 2});
    weir_buf_fini(&b);
    return out;
}

void weir_responses_cut(struct weir_llm_tap *t, struct weir_str notice,
                        const struct weir_usage *usage, struct weir_buf *out)
{
    struct weir_responses_kept *k = kept_of(t);
    struct cut c = {out, k->sequence};
    struct weir_responses_head head = {.id = escaped(t, t->id),
                                       .model = escaped(t, t->seen.model),
                                       .created_s = t->created_s,
                                       .status = "incomplete",
                                       .reason = "max_output_tokens"};
    struct weir_jw j;

    if (k->open)
        end_message(&c, k);
    if (notice.n)
        add_notice(t, &c, notice);
    j = weir_responses_event_begin(out, "response.incomplete", c.sequence);
    weir_responses_begin(&j, "response", &head);
    weir_buf_adds(out, weir_buf_str(&k->done));
    weir_responses_end(&j, usage);
    weir_responses_event_end(&j);
}
